"""The origin of a node: the line of the user's code that made it.

Finding it takes longer than making the node, so it is recorded only on request.
"""

import linecache
import sys
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from engine.node import Node
from engine.support.frames import callers, is_internal
from engine.watch.hooks import Hook


class Origin(NamedTuple):
    """A line of code: its file, line number, enclosing function and text.

    An expression that spans several lines has the number of the first and the text of all.

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
        """The name of the file, or Jupyter's name for a notebook cell."""
        if "IPython" in sys.modules:
            shell = sys.modules["IPython"].get_ipython()
            cell = shell and shell.compile.format_code_name(self.file)
            if cell:
                return " ".join(cell)
        return Path(self.file).name


class record_origins(Hook):
    """Context manager that records, for each node, the line of the user's code that made it.

    The line is `node.origin`. Lines inside this package are skipped: the nodes of a network
    originate where the network was called. While it is active, creating nodes is several times
    slower.

    >>> from engine import Value
    >>> with record_origins():
    ...     x = Value(3.0, "x")
    ...     y = x * x
    >>> y.origin.text
    'y = x * x'
    """

    _rank = 0

    def _on_node(self, node: Node) -> Node:
        node._origin = find_origin(sys._getframe(1))
        if node.op is not None and node.op._output_index is not None:  # one of several results
            node._x._origin = node._origin
        return node

    def _on_leaf(self, leaf: Node) -> None:
        leaf._origin = find_origin(sys._getframe(1))


def find_origin(frame: FrameType | None) -> Origin | None:
    """Return the innermost line outside this package, or None if there is none."""
    for caller in callers(frame):
        code, line = caller.f_code, caller.f_lineno
        if not is_internal(code.co_filename):
            position = next(islice(code.co_positions(), caller.f_lasti // 2, None))
            first, last = position[0] or line, position[1] or line
            lines = [
                linecache.getline(code.co_filename, i, caller.f_globals).strip()
                for i in range(first, last + 1)
            ]
            return Origin(code.co_filename, first, code.co_name, " ".join(lines))
    return None
