"""Where a node was made: the line of the user's code, remembered while that is asked for.

To look for it costs more than the node itself, so that no node does unless it is told to.
"""

import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from engine import array, value
from engine.exchange import Exchange
from engine.remarks import PASSED_BY


class Origin(NamedTuple):
    """A line of code: its file, its number, the function it stands in, and what it says.

    An expression over several lines has the number of its first, and all that they say.

    >>> from engine import Value
    >>> with record_origins():
    ...     y = Value(3.0) * 2.0
    >>> y.origin.line, y.origin.text
    (2, 'y = Value(3.0) * 2.0')
    """

    file: str
    line: int
    function: str
    text: str

    def __str__(self) -> str:
        inside = "" if self.function.startswith("<") else f" in {self.function}"
        return f"{self.place}, line {self.line}{inside}: {self.text}"

    @property
    def place(self) -> str:
        """The file's name; of a notebook's cell what Jupyter calls it."""
        if "IPython" in sys.modules:
            shell = sys.modules["IPython"].get_ipython()
            cell = shell and shell.compile.format_code_name(self.file)
            if cell:
                return " ".join(cell)
        return Path(self.file).name


@contextmanager
def record_origins() -> Iterator[None]:
    """Within it, every node remembers which line of the user's code made it: its `.origin`.

    Lines of `engine` and `nn` are passed over: a network's nodes were made where it was called.
    It holds for all threads. To make a node takes several times as long.

    >>> from engine import Value
    >>> with record_origins():
    ...     x = Value(3.0, "x")
    ...     y = x * x
    >>> y.origin.text
    'y = x * x'
    """
    with RECORDING.needed():
        yield


def exchange(on: bool) -> None:
    """Exchange what makes nodes: nothing in between is asked whether to record."""
    for module in (value, array):
        module.new = recorded if on else object.__new__  # type: ignore[attr-defined]
    for kind, init in LEAVES.items():
        kind.__init__ = recording(init) if on else init  # type: ignore[method-assign]


RECORDING = Exchange(exchange)

LEAVES = {kind: kind.__init__ for kind in (value.Value, array.Array, array.ConstantArray)}


def recorded(kind: Any) -> Any:
    """A new node, computed from others."""
    node = object.__new__(kind)
    node._origin = found(sys._getframe(1))
    return node


def recording(init: Any) -> Any:
    """The same for a leaf."""

    def __init__(self: Any, data: Any, label: str | None = None) -> None:
        init(self, data, label)
        self._origin = found(sys._getframe(1))

    return __init__


def found(frame: Any) -> Origin | None:
    """The innermost line that is not ours."""
    while frame is not None:
        code, line = frame.f_code, frame.f_lineno
        if not code.co_filename.startswith(PASSED_BY):
            where = next(islice(code.co_positions(), frame.f_lasti // 2, None))
            first, last = where[0] or line, where[1] or line
            rows = [
                linecache.getline(code.co_filename, i, frame.f_globals).strip()
                for i in range(first, last + 1)
            ]
            return Origin(code.co_filename, first, code.co_name, " ".join(rows))
        frame = frame.f_back
    return None
