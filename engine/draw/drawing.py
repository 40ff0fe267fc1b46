"""`draw`: a graph as a picture."""

import base64
import html
import os
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from engine.draw.clusters import Model
from engine.draw.dot import write_dot
from engine.draw.files import write_pictures
from engine.draw.options import DrawOptions, Options, check_names, show_options
from engine.draw.scene import Scene
from engine.draw.svg import apply_options, clean_svg, render
from engine.draw.theme import SIZES, has_gradients
from engine.draw.view import LIMIT, View, build_view
from engine.node import Node
from engine.support.arguments import check_writable, format_count
from engine.support.lazy import is_installed

if TYPE_CHECKING:
    from engine.draw.array_cells import ArrayCell, Room


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

    A value is a record: its label, data and gradient. The small nodes are operations. Leaves are
    rounded, with a thick line for a parameter of the model and a dashed one for a constant; the
    root has a thick line and corners.

    An Array shows its shape and the numbers of its data and gradient, orange where positive and
    blue where negative. A large one shows their norms, and coarse maps in these colours.

    Args:
        root: the result of the graph.
        model: a Module whose neurons and layers are drawn as clusters, titled by their paths.
        collapse: the paths of the modules to draw as one box each; True for all, False for none. By
            default nothing collapses unless there are more than `limit` nodes. Then neurons do,
            then layers.
        limit: the largest number of nodes to draw.
        direction: the direction of the arrows, "right", "down", "left" or "up".
        theme: "light" or "dark".
        format: the format of numbers, as in Python's `format(x, ".4g")`.
        layout: the Graphviz that computes the layout, "embedded" for graphviz-pure, "dot" for the
            system's, or "auto" for the first of the two that is installed.
        matrix_size: the largest number of rows and columns of an Array whose numbers are shown.
        locals: whether the arrows into an operation show its local derivatives, or the norms of
            arrays.
        font: the name of a font, such as "Times"; several, separated by commas, are tried in turn.
        font_size: the size of the texts of values, in points; all else scales with it.
        width: the width of the picture, such as "8cm" or "600px" (also mm, in, pt). Texts and lines
            scale with it.
        monochrome: whether to draw in black on white, for print. Shapes and lines tell the kinds.
        names_only: whether to leave out all numbers but constants without a label.
        gradients: whether to show gradients. By default they are shown once any is not zero, that
            is, after `backward()`.
        color: "kind" for a colour for each kind of node, or "grad" for a stronger colour for a
            larger gradient, down to a thousandth of the largest.

    A label that is mathematics, such as "x_1^2", "w_ij" or "alpha", is set as such; see
    `engine.draw.labels`.

    Raises TypeError if `root` is not a node, and ValueError for an option's value that is not
    listed here, or for too many nodes.

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
    arrays = find_arrays(view, look)
    dot = write_dot(view, look, arrays=arrays)
    return Drawing(dot, title_graph(len(view.drawn)), look, arrays=arrays)


def find_arrays(
    view: View,
    look: Options,
    names: Mapping[Node, str] | None = None,
    grads: Mapping[Node, Any] | None = None,
    room: "Room | None" = None,
) -> "dict[str, ArrayCell]":
    """Return the cells of the Arrays in a view; without Arrays, NumPy is not imported."""
    if not any(hasattr(node.data, "ndim") for node in view.ids):
        return {}
    from engine.draw.array_cells import build_array_cells

    if look.gradients is None and not grads and not has_gradients(view.ids):
        look = replace(look, gradients=False)
    return build_array_cells(view, look, names, grads, room)


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

    def __init__(
        self,
        dot: str,
        title: str,
        options: Options | None = None,
        scene: Scene | None = None,
        arrays: "Mapping[str, ArrayCell] | None" = None,
    ):
        self.dot, self.title, self.options, self.scene = dot, title, options or Options(), scene
        self.arrays = arrays or {}

    @cached_property
    def svg(self) -> str:
        """The picture as an SVG element. Raises RuntimeError if Graphviz is not installed."""
        options = self.options
        if self.scene is not None:
            draft = self.scene.to_svg("g", self.title)
            svg = self.scene.to_svg(f"g{zlib.crc32(draft.encode()):08x}", self.title)
            scale = options.sizes.text / SIZES.text
        else:  # in which the texts have their size
            text = render(self.dot, "svg", options.layout).decode()
            prefix = f"g{zlib.crc32(self.dot.encode()):08x}"
            svg = clean_svg(text, prefix, self.title)
            scale = 1.0
            if self.arrays:
                from engine.draw.array_cells import insert_cells

                svg = insert_cells(svg, prefix, self.arrays)
        return apply_options(svg, options.font, options.points, options.monochrome, scale)

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
        """Write a .svg, .pdf, .eps, .png, .html or .dot file, and return its path.

        matplotlib writes .pdf and .eps files, as vectors with embedded fonts, and .png files, which
        Graphviz writes without matplotlib. A .png file is as wide as a `width` in px; otherwise it
        has 192 pixels to the inch.

        Raises ValueError for another suffix, FileNotFoundError if the folder does not exist, and
        ImportError if the file requires matplotlib, which is not installed.
        """
        texts = {".svg": lambda: self.svg, ".html": lambda: self.html, ".dot": lambda: self.dot}
        suffixes = (".svg", ".pdf", ".eps", ".png", ".html", *([".dot"] if self.dot else []))
        path = check_writable("a drawing", path, suffixes)
        suffix = path.suffix.lower()
        if suffix in texts:
            path.write_text(texts[suffix](), "utf-8")
        elif suffix == ".png" and self.scene is None and not is_installed("matplotlib"):
            path.write_bytes(render(self.dot, "png", self.options.layout))
        else:
            write_pictures([self.svg], path, self.options.dpi)
        return path

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<{self.title}; save it with .save('graph.svg')>"
