"""Where a node was made: the line of the user's code.

Finding it costs more than the node itself, so it is recorded on request only.
"""

import linecache
import sys
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from engine.support.frames import is_internal
from engine.watch.hooks import Hook


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


class record_origins(Hook):
    """Context manager that records, for each node, the line of the user's code that made it.

    The line is `node.origin`. Lines of this package are passed over: the nodes of a network were
    made where it was called. Making a node takes several times as long meanwhile.

    >>> from engine import Value
    >>> with record_origins():
    ...     x = Value(3.0, "x")
    ...     y = x * x
    >>> y.origin.text
    'y = x * x'
    """

    rank = 0

    def made(self, node: Any) -> Any:
        node._origin = find_origin(sys._getframe(1))
        if node.op is not None and node.op.index is not None:
            node._x._origin = node._origin
        return node

    def leaf(self, node: Any) -> None:
        node._origin = find_origin(sys._getframe(1))


def find_origin(frame: Any) -> Origin | None:
    """Return the caller's line, outside this package."""
    while frame is not None:
        code, line = frame.f_code, frame.f_lineno
        if not is_internal(code.co_filename):
            where = next(islice(code.co_positions(), frame.f_lasti // 2, None))
            first, last = where[0] or line, where[1] or line
            rows = [
                linecache.getline(code.co_filename, i, frame.f_globals).strip()
                for i in range(first, last + 1)
            ]
            return Origin(code.co_filename, first, code.co_name, " ".join(rows))
        frame = frame.f_back
    return None
