"""The code that one call runs: functions, files, and the lines of these files.

    python -m benchmarks.hops           the table
    python -m benchmarks.hops 'x * y'   one row as JSON, with the names of the files

The functions are the Python functions of this project that a debugger would step into. Each call is
the first of its kind in a fresh process. Modules imported during a call do not count. A
comprehension counts as part of its function, and a generator as one call, however often it resumes.

A second table lists the lines of the core: the files of `engine` that eager Values need. The
figures do not depend on the machine, so `make bench` does not print them.
"""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from benchmarks.engines import missing
from benchmarks.processes import run
from demos.shared.tables import format_table

ROOT = Path(__file__).parents[1]
PACKAGES = ("engine", "nn")
COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
CORE = (
    "arithmetic", "formulas", "rules", "instructions", "methods", "graph", "node", "value",
)  # fmt: skip


def expression() -> tuple[Any, Any, Any]:
    """Return x, y and f of the first expression in the README."""
    from engine import Value

    x, y = Value(3.0, "x"), Value(2.0, "y")
    return x, y, (x + y) * (x - y)


def multiplication() -> Callable[[], Any]:
    x, y, _ = expression()
    return lambda: x * y


def backward() -> Callable[[], Any]:
    *_, f = expression()
    return f.backward


def stepper() -> Callable[[], Any]:
    from engine.draw import step

    *_, f = expression()
    return lambda: step(f)


def page() -> Callable[[], Any]:
    page = stepper()()
    return lambda: page.html


def tape() -> Callable[[], Any]:
    from engine import Tape

    *_, f = expression()
    return lambda: Tape(f)


def training() -> Callable[[], Any]:
    from nn import MLP, data, fit

    X, y = data.moons(20, rng=0)
    model = MLP(2, [8, 1], rng=0)
    return lambda: [*fit(model, X, 2 * y - 1, loss="hinge", epochs=1)]


CALLS: dict[str, Callable[[], Callable[[], Any]]] = {  # functions that prepare the call
    "x * y": multiplication,
    "loss.backward()": backward,
    "step(root)": stepper,
    "step(root).html": page,
    "Tape(loss)": tape,
    "fit(model, X, y)": training,
}


def profile_call(call: Callable[[], Any]) -> dict[str, Any]:
    """Run a call; return the functions, calls and files of this project that it runs.

    >>> profile_call(lambda: None)
    {'functions': 0, 'calls': 0, 'files': []}
    >>> profile_call(multiplication())["files"]  # where its generated code comes from
    ['engine/methods.py']
    """
    outermost = sys._getframe()
    frames: dict[FrameType, None] = {}  # a generator resumes in the same frame

    def record_frame(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and not is_in_import(frame, outermost):
            frames.setdefault(frame)

    sys.setprofile(record_frame)
    try:
        call()
    finally:
        sys.setprofile(None)
    codes: list[CodeType] = []  # counted by identity, as two lambdas on one line may be equal
    files: set[str] = set()
    for frame in frames:
        file = file_of(frame)
        if file is not None and frame.f_code.co_name not in COMPREHENSIONS:
            codes.append(frame.f_code)
            files.add(file)
    return {"functions": len(set(map(id, codes))), "calls": len(codes), "files": sorted(files)}


def is_in_import(frame: FrameType | None, outermost: FrameType) -> bool:
    """Return whether a frame runs because the outermost one imports a module."""
    while frame is not None and frame is not outermost:
        if frame.f_code.co_name == "<module>":
            return True
        frame = frame.f_back
    return False


def file_of(frame: FrameType) -> str | None:
    """Return the file of this project that has a frame's code; None for other code.

    Generated code has no file and counts for the module whose globals it uses.
    """
    file = Path(frame.f_code.co_filename)
    if not file.is_file():
        module = sys.modules.get(frame.f_globals.get("__name__", ""))
        file = Path(getattr(module, "__file__", None) or "")
    for package in PACKAGES:
        if file.is_relative_to(ROOT / package):
            return file.relative_to(ROOT).as_posix()
    return None


def count_lines(files: Iterable[str]) -> int:
    """Return the number of lines of files, including blank lines."""
    return sum(len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in files)


def table() -> str:
    """Return a row for each call."""
    rows = []
    for name in CALLS:
        if name.startswith("Tape") and (remedy := missing("tape")):
            rows.append([name, remedy])
            continue
        row = run(("hops", name))
        counts = [row["functions"], row["calls"], len(row["files"]), count_lines(row["files"])]
        rows.append([name, *[f"{count:,}" for count in counts]])
    title = (
        "Code that one call runs, for f = (x + y) * (x - y)\n"
        "(functions and files of engine and nn; lines: total of these files)"
    )
    return format_table(["call", "functions", "calls", "files", "lines"], rows, title)


def core_table() -> str:
    """Return a row for each file of the core."""
    files = [f"engine/{name}.py" for name in CORE]
    rows = [[file, f"{count_lines([file]):,}"] for file in files]
    title = f"The core: {count_lines(files):,} lines in {len(files)} files"
    return format_table(["file", "lines"], rows, title)


if __name__ == "__main__":
    if sys.argv[1:]:
        (name,) = sys.argv[1:]
        if name not in CALLS:
            raise SystemExit(f"call must be one of {', '.join(CALLS)}, got {name!r}")
        print(json.dumps(profile_call(CALLS[name]())))
    else:
        print(f"{table()}\n\n{core_table()}")
