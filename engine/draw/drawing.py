"""`draw`: a graph as a picture."""

import base64
import html
import os
import zlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Unpack

from engine.draw.clusters import Model
from engine.draw.dot import write_dot
from engine.draw.options import DrawOptions, Options, check_names, show_options
from engine.draw.svg import clean_svg, render
from engine.draw.view import LIMIT, build_view
from engine.node import Node
from engine.support.arguments import check_writable, format_count


@show_options(DrawOptions)
def draw(
    root: Node,
    model: Model | None = None,
    *,
    collapse: bool | str | Iterable[str] | None = None,
    limit: int = LIMIT,
    **options: Unpack[DrawOptions],
) -> "Drawing":
    """Draw the graph under `root` as it is now.

    A value is a record: its label, data and gradient, or the shape of an Array and the norms of its
    data and gradient. The small nodes are operations. Leaves are rounded, with a thick line for a
    parameter of the model and a dashed one for a constant; the root has a thick line and corners.
    A graph of many levels is drawn in rows, like text, and its leaves again at their uses, dashed.

    Args:
        root: the result of the graph.
        model: a Module whose neurons and layers are drawn as clusters, titled by their paths.
        collapse: the paths of the modules to draw as one box each; True for all, False for none. By
            default nothing collapses unless there are more than `limit` nodes. Then neurons do,
            then layers.
        limit: the largest number of nodes to draw one by one. A larger graph is drawn coarsely: the
            lines of code that made it if `engine.record_origins()` was active, otherwise repeated
            parts as one box, otherwise the part nearest to the root.
        direction: the direction of the arrows, "right", "down", "left" or "up".
        theme: "light" or "dark".
        format: the format of numbers, as in Python's `format(x, ".4g")`.
        layout: the Graphviz that computes the layout, "embedded" for graphviz-pure, "dot" for the
            system's, or "auto" for the first of the two that is installed.
        locals: whether the arrows into an operation show its local derivatives, or the norms of
            arrays.
        color: "kind" for a colour for each kind of node, or "grad" for a stronger colour for a
            larger gradient, down to a thousandth of the largest.

    Raises TypeError if `root` is not a node, and ValueError for an option's value that is not
    listed here.

    >>> from engine import Value
    >>> x = Value(3.0, "x")
    >>> y = x * x
    >>> y.backward()
    >>> "x|data\\\\ 3|grad\\\\ 6" in draw(y).dot
    True
    """
    check_names(options, DrawOptions)
    look = Options(**options)
    view = build_view(root, model, collapse, limit)
    return Drawing(write_dot(view, look), title_graph(len(view.drawn)), look.layout)


def title_graph(nodes: int) -> str:
    """Return the title of a drawing."""
    return f"computational graph of {format_count(nodes, 'node')}"


class Drawing:
    """A picture of a graph, which Jupyter displays.

    `.dot` and `.svg` are text, and `.save(path)` writes a file. Later changes of the graph do not
    change the picture.

    >>> from engine import Value
    >>> draw(Value(3.0, "x") * 2.0)
    <computational graph of 3 nodes; save it with .save('graph.svg')>
    """

    def __init__(self, dot: str, title: str, layout: str = "auto"):
        self.dot, self.title, self.layout = dot, title, layout

    @cached_property
    def svg(self) -> str:
        """The picture as an SVG element. Raises RuntimeError if Graphviz is not installed."""
        text = render(self.dot, "svg", self.layout).decode()
        return clean_svg(text, f"g{zlib.crc32(self.dot.encode()):08x}", self.title)

    @property
    def html(self) -> str:
        """The picture as a complete HTML page."""
        title = html.escape(self.title)
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f"</head>\n<body>\n{self.svg}</body></html>\n"
        )

    @property
    def _image(self) -> str:
        """The picture as an HTML image, which an untrusted notebook displays too.

        It shrinks to the width of the page while its text is legible, and scrolls below that.
        """
        width = float(self.svg.partition(' width="')[2].partition("pt")[0])
        picture = base64.b64encode(self.svg.encode()).decode()
        return (
            f'<div style="overflow-x:auto"><img alt="{self.title}" style="width:100%;'
            f'min-width:{0.72 * width:.0f}pt;max-width:{width:.0f}pt" '
            f'src="data:image/svg+xml;base64,{picture}"></div>'
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a .svg, .dot, .png or .html file, and return its path.

        Raises ValueError for another suffix, and FileNotFoundError if the folder does not exist.
        """
        writers = {
            ".svg": lambda: self.svg.encode(),
            ".dot": lambda: self.dot.encode(),
            ".png": lambda: render(self.dot, "png", self.layout),
            ".html": lambda: self.html.encode(),
        }
        path = check_writable("a drawing", path, writers)
        path.write_bytes(writers[path.suffix.lower()]())
        return path

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<{self.title}; save it with .save('graph.svg')>"
