"""`draw`: a graph as a picture."""

import html
import os
import zlib
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeGuard, Unpack

from engine.draw.activity import Place
from engine.draw.box_columns import draw_columns
from engine.draw.circles import draw_circles
from engine.draw.clusters import Model
from engine.draw.dark import darken, follow_theme
from engine.draw.dot import write_dot
from engine.draw.options import DrawOptions, Options, check_names, show_options
from engine.draw.scene import Scene
from engine.draw.svg import clean_svg, render
from engine.draw.theme import THEMES
from engine.draw.view import LIMIT, Level, View, build_view
from engine.node import Node
from engine.support.arguments import check_writable, format_count
from engine.support.embed import embed_image


@show_options(DrawOptions)
def draw(
    root: Node | Model,
    model: Model | None = None,
    *,
    level: Level = None,
    limit: int = LIMIT,
    **options: Unpack[DrawOptions],
) -> "Drawing":
    """Draw the graph under `root` as it is now, or a model as neurons and connections.

    A value is a record: its label, data and gradient, or the shape of an Array and the norms of its
    data and gradient. The small nodes are operations. Leaves are rounded, with a thick line for a
    parameter of the model and a dashed one for a constant; the root has a thick line and corners.

    A network of fully connected layers is drawn by `draw(model)`, or with its activations by
    `draw(loss, model, level="network")`: circles are neurons, and lines are weights, whose colour
    is the sign and whose width is the size. The numbers appear when the pointer rests on them.

    Args:
        root: the result of the graph, or a Module such as nn.MLP to draw without a graph.
        model: a Module whose neurons and layers are drawn as clusters, titled by their paths.
        level: "values" to draw all nodes, "neurons" or "layers" to draw each of them as one box,
            "network" for neurons and connections, or the path or paths of the modules to draw as
            one box each. By default nothing collapses unless there are more than `limit` nodes.
            Then neurons do, then layers.
        limit: the largest number of nodes to draw.
        direction: the direction of the arrows, "right", "down", "left" or "up".
        theme: "light", "dark", or "auto" for the theme of the page or system that shows it.
        format: the format of numbers, as in Python's `format(x, ".4g")`.
        layout: the Graphviz that computes the layout, "embedded" for graphviz-pure, "dot" for the
            system's, or "auto" for the first of the two that is installed.
        locals: whether the arrows into an operation show its local derivatives, or the norms of
            arrays.
        color: "kind" for a colour for each kind of node, or "grad" for a stronger colour for a
            larger gradient, down to a thousandth of the largest. In a network, "kind" shows weights
            and activations, and "grad" shows their gradients instead.

    Raises TypeError if `root` is not a node, and ValueError for an option's value that is not
    listed here, for too many nodes, or for a model without fully connected layers.

    >>> from engine import Value
    >>> x = Value(3.0, "x")
    >>> y = x * x
    >>> y.backward()
    >>> "x|data\\\\ 3|grad\\\\ 6" in draw(y).dot
    True
    """
    check_names(options, DrawOptions)
    look = Options(**options)
    if is_model(root):
        return draw_model(root, model, level, look)
    node: Any = root
    if is_network(level, model):
        return draw_network(node, model, look)
    view = build_view(node, model, level, limit)
    return draw_view(view, look)


def is_model(root: object) -> TypeGuard[Model]:
    """Return whether `root` is a Module rather than a node."""
    return hasattr(root, "named_parameters") and not isinstance(root, type)


def is_network(level: object, model: object) -> bool:
    """Return whether a level is that of neurons and connections, for which there is a model."""
    return isinstance(level, str) and level == "network" and model is not None


def draw_model(model: Model, other: Model | None, level: Level, options: Options) -> "Drawing":
    """Draw a model without a graph. Raises TypeError for another argument that needs a graph."""
    if other is not None or level not in (None, "network"):
        what = "a second model" if other is not None else f"level={level!r}"
        raise TypeError(f"draw(model) does not take {what}; pass a graph first: draw(loss, model)")
    return draw_network(None, model, options)


def draw_network(
    root: Node | None, model: Model | None, options: Options, ids: Mapping[Any, str] | None = None,
    grads: Mapping[Node, float] | None = None, opened: Collection[Place] = (),
) -> "Drawing":  # fmt: skip
    """Draw a model as neurons and connections. The arguments are those of `draw_circles`."""
    scene, title = draw_circles(model, root, options, ids, grads, opened)
    return Drawing("", title, options.layout, options.theme, scene)


def draw_view(
    view: View, options: Options, names: Mapping[Node, str] | None = None,
    grads: Mapping[Node, float] | None = None, widths: Mapping[str, float] | None = None,
    whole: Mapping[str, str] | None = None,
) -> "Drawing":  # fmt: skip
    """Draw a view: its boxes in columns if its arrows allow it, else as Graphviz lays it out.

    The other arguments are those of `write_dot`.
    """
    dot, title = write_dot(view, options, names, grads, widths, whole), title_graph(len(view.drawn))
    columns = draw_columns(view, options, names, grads)
    return Drawing(dot, title, options.layout, options.theme, columns)


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
        self, dot: str, title: str, layout: str = "auto", theme: str = "auto",
        scene: Scene | None = None,
    ):  # fmt: skip
        self.dot, self.title, self.layout = dot, title, layout
        self.theme, self.scene = theme, scene

    @cached_property
    def svg(self) -> str:
        """The picture as an SVG element. Raises RuntimeError if Graphviz is not installed."""
        if self.scene is not None:
            draft = self.scene.to_svg("g", self.title)
            svg = self.scene.to_svg(f"g{zlib.crc32(draft.encode()):08x}", self.title)
        else:
            text = render(self.dot, "svg", self.layout).decode()
            svg = clean_svg(text, f"g{zlib.crc32(self.dot.encode()):08x}", self.title)
        return follow_theme(svg) if self.theme == "auto" else svg

    @property
    def html(self) -> str:
        """The picture as a complete HTML page."""
        title, theme = html.escape(self.title), THEMES[self.theme]
        paper, scheme = theme.paper, self.theme
        if self.theme == "auto":
            paper, scheme = f"light-dark({paper},{darken(paper)})", "light dark"
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f"<style>:root{{color-scheme:{scheme};background:{paper}}}"
            "@media print{:root{color-scheme:light}}</style>"
            f"</head>\n<body>\n{self.svg}</body></html>\n"
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
        if not self.dot:  # Graphviz does not lay it out
            writers = {suffix: writers[suffix] for suffix in (".svg", ".html")}
        path = check_writable("a drawing", path, writers)
        path.write_bytes(writers[path.suffix.lower()]())
        return path

    def _repr_html_(self) -> str:
        return embed_image(self.svg, self.title)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {
            "text/html": self._repr_html_(), "image/svg+xml": self.svg, "text/plain": repr(self)
        }  # fmt: skip

    def __repr__(self) -> str:
        return f"<{self.title}; save it with .save('graph.svg')>"
