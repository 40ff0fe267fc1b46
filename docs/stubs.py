"""`python -m docs.stubs` writes engine/methods.pyi, the stub file for editors and mypy.

Type checkers cannot see the methods of nodes, because they are generated from the rule table.
"""

import inspect
from pathlib import Path
from textwrap import indent

from engine.methods import FAST, Methods, describe
from engine.rules import BOUNDS, ELEMENTWISE, UNBOUNDED, Op

PATH = Path(__file__).parents[1] / "engine" / "methods.pyi"
HEAD = '''"""The methods of nodes, for editors and mypy. Written by `python -m docs.stubs`."""

from collections.abc import Callable
from typing import Any, Self, SupportsFloat, TypeAlias, overload

from engine.rules import Op

Operand: TypeAlias = SupportsFloat | Methods | list[Any] | tuple[Any, ...]

FAST: dict[str, Op]
NAMES: dict[Op, str]
OPERATORS: dict[str, str]
SYMBOLS: dict[Op, str]
SPACE: dict[str, Any]

def make_method(op: Op, name: str) -> Callable[..., Any]: ...
def describe(op: Op, name: str) -> str: ...
def source(name: str) -> str: ...
def install(value: Any, constant: Any) -> None: ...

class LazyMethod:
    def __init__(self, kind: type, name: str, make: Callable[[str], Any]): ...

class Methods:
'''


def stub() -> str:
    """Return the stub of `engine.methods`."""
    lines = []
    for name in vars(Methods):
        f = getattr(Methods, name)
        if not inspect.isfunction(f):
            continue
        parameters = ["self"]
        for p in list(inspect.signature(f).parameters.values())[1:]:
            default = "" if p.default is p.empty else f" = {p.default!r}"
            none = " | None" if p.name in UNBOUNDED else ""
            parameters.append(f"{p.name}: Operand{none}{default}")
        head = f"    def {name}({', '.join(parameters)}) -> Self:"
        op = row_of(name)
        if UNBOUNDED.keys() & inspect.signature(f).parameters.keys():
            names = ", ".join(f"{bound}: Operand | None = ..." for bound in BOUNDS)
            lines += ["    @overload", f"    def {name}(self, *, {names}) -> Self: ..."]
            lines += ["    @overload"]
        if name.startswith("__"):
            lines.append(f"{head} ...")
        else:
            lines += [head, indent(f'"""{describe(op, name)}\n"""', " " * 8)]
    return HEAD + "\n".join(lines) + "\n"


def row_of(name: str) -> Op:
    """Return the row behind a method of nodes."""
    return FAST[name] if name in FAST else ELEMENTWISE[name]


if __name__ == "__main__":
    PATH.write_text(stub(), "utf-8")
    print(f"wrote {PATH.name}")
