"""How much code one call passes through: functions, files, and the lines of these files.

    python -m benchmarks.hops           the table
    python -m benchmarks.hops 'x * y'   one row as JSON, with the names of the files

These are the Python functions of this project that run in a call, as a debugger would step into
them. Each call is the first of its kind in a fresh process. Modules that are imported during a call
are not counted. A comprehension counts as part of the function that it is in, a generator as one
call, however often it is resumed.

Below the table stand the lines of the core: the files of `engine` that eager Values need. The
figures do not depend on the machine, so `make bench` does not print them.
"""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from benchmarks.engines import missing
from benchmarks.layout import aligned
from benchmarks.processes import run

ROOT = Path(__file__).parents[1]
PACKAGES = ("engine", "nn")
COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
CORE = (  # those that exist are counted
    "arithmetic", "floats", "readers", "formulas", "rules", "ops", "instructions", "hooks",
    "exchange", "graph", "node", "value", "methods", "ndarrays",
)  # fmt: skip


def expression() -> tuple[Any, Any, Any]:
    """The README's first expression: x, y and f."""
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


CALLS: dict[str, Callable[[], Callable[[], Any]]] = {  # each prepares what is then called
    "x * y": multiplication,
    "loss.backward()": backward,
    "step(root)": stepper,
    "step(root).html": page,
    "Tape(loss)": tape,
}


def followed(call: Callable[[], Any]) -> dict[str, Any]:
    """Run a call and count the functions and files of this project that it passes through.

    >>> followed(lambda: None)
    {'functions': 0, 'calls': 0, 'files': []}
    >>> followed(multiplication())["files"]  # its code is printed there
    ['engine/methods.py']
    """
    outermost = sys._getframe()
    frames: dict[FrameType, None] = {}  # a generator is resumed in the same frame

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and not in_import(frame, outermost):
            frames.setdefault(frame)

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    codes: list[CodeType] = []  # counted by identity: two lambdas on one line may be equal
    files: set[str] = set()
    for frame in frames:
        file = file_of(frame)
        if file is not None and frame.f_code.co_name not in COMPREHENSIONS:
            codes.append(frame.f_code)
            files.add(file)
    return {"functions": len(set(map(id, codes))), "calls": len(codes), "files": sorted(files)}


def in_import(frame: FrameType | None, outermost: FrameType) -> bool:
    """Whether a frame runs because the outermost one imports a module."""
    while frame is not None and frame is not outermost:
        if frame.f_code.co_name == "<module>":
            return True
        frame = frame.f_back
    return False


def file_of(frame: FrameType) -> str | None:
    """The project's file that a frame's code is in; None for other code.

    Generated code is in no file. It counts for the module whose names it uses.
    """
    file = Path(frame.f_code.co_filename)
    if not file.is_file():
        module = sys.modules.get(frame.f_globals.get("__name__", ""))
        file = Path(getattr(module, "__file__", None) or "")
    for package in PACKAGES:
        if file.is_relative_to(ROOT / package):
            return file.relative_to(ROOT).as_posix()
    return None


def lines(files: Iterable[str]) -> int:
    """The number of lines of files, blank ones included."""
    return sum(len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in files)


def table() -> str:
    """A row for each call."""
    rows = []
    for name in CALLS:
        if name.startswith("Tape") and (remedy := missing("tape")):
            rows.append([name, remedy])
            continue
        found = run(("hops", name))
        counts = [found["functions"], found["calls"], len(found["files"]), lines(found["files"])]
        rows.append([name, *[f"{count:,}" for count in counts]])
    title = (
        "Code that one call passes through, for f = (x + y) * (x - y)\n"
        "(functions and files of engine and nn; lines: of these files)"
    )
    return aligned(title, ["call", "functions", "calls", "files", "lines"], rows)


def core() -> str:
    """The core's files with their lines."""
    files = [file for name in CORE if (ROOT / (file := f"engine/{name}.py")).is_file()]
    rows = [[file, f"{lines([file]):,}"] for file in files]
    title = f"The core: {lines(files):,} lines in {len(files)} files"
    return aligned(title, ["file", "lines"], rows)


if __name__ == "__main__":
    if sys.argv[1:]:
        (name,) = sys.argv[1:]
        if name not in CALLS:
            raise SystemExit(f"a call is one of {', '.join(CALLS)}, got {name!r}")
        print(json.dumps(followed(CALLS[name]())))
    else:
        print(f"{table()}\n\n{core()}")
