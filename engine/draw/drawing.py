"""`draw`: a graph as a picture."""

import html
import math
import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, Unpack

from engine.draw.cards.picture import NetworkPicture, read_picture
from engine.draw.circles.picture import make_writer, title_network
from engine.draw.graph.box_columns import draw_columns
from engine.draw.graph.clusters import Model
from engine.draw.graph.dot import replace_invalid, write_dot
from engine.draw.graph.edges import improve_edges
from engine.draw.graph.neurons import infer_model
from engine.draw.graph.svg import apply_options, clean_svg, render
from engine.draw.graph.view import LIMIT, Box, Level, View, build_view
from engine.draw.look.dark import darken, follow_theme
from engine.draw.look.scene import Scene, Span, Text
from engine.draw.look.theme import SIZES, THEMES, has_gradients
from engine.draw.options import DrawOptions, Options, check_names, parse_length, show_options
from engine.draw.other_names import DRAWING, Answering
from engine.node import Node
from engine.support.arguments import check_writable, format_count
from engine.support.embed import embed_image, measure_svg
from engine.support.lazy import is_installed
from engine.watch.gradient_warnings import warn

if TYPE_CHECKING:
    from engine.draw.arrays.cells import ArrayCell, Room

NOTE = 16.0  # from a note to the edges of a picture
EMPTY: Mapping[str, str] = {}
SMALLEST, LEGIBLE = 5.0, 6.0  # points: of texts without a warning, and with the width it names


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

    A value is a record: its label, data and gradient. The small nodes are operations. Leaves are
    rounded, with a thick line for a parameter of the model and a dashed one for a constant; the
    root has a thick line and corners. A graph of many levels is drawn in rows, like text, and its
    leaves again at their uses, dashed.

    An Array shows its shape and the numbers of its data and gradient, orange where positive and
    blue where negative. A large one shows their norms, and coarse maps in these colours. A network
    of Arrays is drawn as a panel for each layer: W, b, and its results below their formulas.

    A network of fully connected layers is drawn by `draw(model)`, or with its activations by
    `draw(loss, model, level="network")`: circles are neurons, and lines are weights, whose colour
    is the sign and whose width is the size. The numbers appear when the pointer rests on them.

    A network of Values is drawn as columns: its inputs, a card for each neuron of a layer, and the
    values computed from them. A card lists the weights, each where the edge from its input arrives,
    the bias, z, and the activation a. Several samples share the cards, which list their numbers
    side by side; of more than five, the first three. Two or more fused neurons are recognized
    without the model, too; the names of their layers are then "layer 1" and so on.

    Args:
        root: the result of the graph, or a Module such as nn.MLP to draw without a graph.
        model: a Module whose neurons are drawn as cards, in a column for each layer. The modules of
            other models are clusters, titled by their paths.
        level: "values" to draw all nodes, "neurons" or "layers" to draw each of them as one box,
            "blocks" for a box for each part of a model, "network" for neurons and connections, or
            the path or paths of the modules to draw as one box each. By default nothing collapses
            unless there are more than `limit` nodes. Then neurons do, then layers; a model that is
            more than a sequence of layers, such as a transformer, is drawn as its blocks.
        limit: the largest number of nodes to draw one by one. A larger graph is drawn coarsely: the
            lines of code that made it if `engine.record_origins()` was active, otherwise repeated
            parts as one box, otherwise the part nearest to the root.
        direction: the direction of the arrows, "right", "down", "left" or "up".
        theme: "light", "dark", or "auto" for the theme of the page or system that shows it.
        format: the format of numbers, as in Python's `format(x, ".4g")`.
        layout: the Graphviz that computes the layout, "embedded" for graphviz-pure, "dot" for the
            system's, or "auto" for the first of the two that is installed.
        matrix_size: the largest number of rows and columns of an Array whose numbers are shown.
        locals: whether the arrows into an operation show its local derivatives, or the norms of
            arrays.
        font: the name of a font, such as "Times"; several, separated by commas, are tried in turn.
        font_size: the size of the texts of values, in points; all else scales with it.
        width: the width of the picture, such as "8cm" or "600px" (also mm, in, pt). Texts and lines
            scale with it; a UserWarning says if texts get smaller than 5 points.
        monochrome: whether to draw in black on white, for print. Shapes and lines tell the kinds.
        names_only: whether to leave out all numbers but constants without a label.
        gradients: whether to show gradients. By default they are shown once any is not zero, that
            is, after `backward()`.
        color: "kind" for a colour for each kind of node, or "grad" for a stronger colour for a
            larger gradient, down to a thousandth of the largest. In a network, "kind" shows weights
            and activations, and "grad" shows their gradients instead.

    A label that is mathematics, such as "x_1^2", "w_ij" or "alpha", is set as such; see
    `engine.draw.formulas.labels`.

    Raises TypeError if `root` is not a node, and ValueError for an option's value that is not
    listed here, or for a model without fully connected layers.

    >>> from engine import Value
    >>> x = Value(3.0, "x")
    >>> y = x * x
    >>> y.backward()
    >>> "x|data\\\\ 3|grad\\\\ 6" in draw(y).dot
    True
    """
    check_names(options, draw)
    look = Options(**options)
    if is_model(root):
        return draw_model(root, model, level, look)
    node: Any = root
    if is_network(level, model):
        return draw_network(node, model, look)
    view, picture = read_graph(node, model, level, look, limit)
    if view.parts and "direction" not in options:
        look = replace(look, direction="down")
    return draw_view(view, look, picture=picture)


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


def draw_network(root: Node | None, model: Model | None, options: Options) -> "Drawing":
    """Draw a model as neurons and connections, with the activations of a graph if it has a root."""
    writer = make_writer(model, root, options)
    return Drawing("", title_network(writer.network), options, writer.write())


def read_graph(
    root: Node, model: Model | None, level: Level, options: Options, limit: int,
    to_step: bool = False,
) -> tuple[View, NetworkPicture | None]:  # fmt: skip
    """Return the view of a graph, and the picture of its neurons if it has one.

    Without a model, the neurons are recognized by their structure.
    """
    view = build_view(root, model, level, limit, to_step)
    picture = find_picture(view, level, options, limit)
    inferred = infer_model([*view.ids]) if model is None else None
    if inferred is not None and level in (None, "values"):
        other = build_view(root, inferred, level, limit, to_step)
        picture = find_picture(other, level, options, limit)
        view = view if picture is None else other
    return view, picture


def find_picture(view: View, level: Level, options: Options, limit: int) -> NetworkPicture | None:
    """Return the picture of the neurons of a network at the level of values; None for others."""
    if level not in (None, "values"):
        return None
    return read_picture([*view.ids], view.modules, options, limit)


def draw_view(
    view: View, options: Options, names: Mapping[Node, str] | None = None,
    grads: Mapping[Node, float] | None = None, widths: Mapping[str, float] | None = None,
    whole: Mapping[str, str] | None = None, picture: NetworkPicture | None = None,
    room: "Room | None" = None,
) -> "Drawing":  # fmt: skip
    """Draw a view as the picture of a network if there is one. Otherwise its boxes are drawn in
    columns if its arrows allow it, and all else as Graphviz lays it out.

    `room` is that of the cells of Arrays. The other arguments are those of
    `engine.draw.graph.dot.write_dot`.
    """
    arrays = find_arrays(view, options, names, grads, room)
    dot = write_dot(view, options, names, grads, widths, whole, arrays=arrays)
    if picture is not None:
        return Drawing(dot, title_graph(view), options, picture.draw(grads))
    title = title_graph(view)
    scene = None if view.parts or arrays else draw_columns(view, options, names, grads)
    if arrays and scene is None and view.modules.by_path:
        from engine.draw.arrays.columns import draw_array_columns, name_arrays

        names = names or name_arrays(view, options)
        named = find_arrays(view, options, names, grads, room)
        scene = draw_array_columns(view, options, named, names, grads)
        arrays = arrays if scene is None else named
    opens = {x.id: x.opens for x in view.drawn if isinstance(x, Box) and x.opens}
    return Drawing(dot, title, options, scene and add_note(scene, view, options), arrays, opens)


def add_note(scene: Scene, view: View, options: Options) -> Scene:
    """Return a picture with the note of its view, if any, at the bottom."""
    if not view.note:
        return scene
    text = Text(NOTE, scene.height, [Span(view.note)], THEMES[options.theme].pale, 9.0)
    width = max(scene.width, text.width + 2.0 * NOTE)
    return scene._replace(width=width, height=scene.height + NOTE, parts=[*scene.parts, text])


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
    from engine.draw.arrays.cells import build_array_cells

    if look.gradients is None and not grads and not has_gradients(view.ids):
        look = replace(look, gradients=False)
    return build_array_cells(view, look, names, grads, room)


def title_graph(view: View) -> str:
    """Return the title of a drawing: its nodes, and its parts if boxes collapse some."""
    nodes, parts = len(view.ids), len(view.drawn)
    title = f"computational graph of {format_count(nodes, 'node')}"
    return title if parts == nodes else f"{title}, drawn as {format_count(parts, 'part')}"


def warn_if_small(svg: str, options: Options, has_levels: bool) -> None:
    """Warn at the user's line if the width of a picture makes its texts too small to read."""
    natural, height = measure_svg(svg)
    sizes = sorted(float(size) for size in re.findall(r'<text [^>]*font-size="([\d.]+)"', svg))
    if not sizes or options.points is None:
        return
    size = sizes[len(sizes) // 2] * options.points / natural
    if size >= SMALLEST:
        return
    number, unit = parse_length(options.width)
    enough = f"width='{math.ceil(number * LEGIBLE / size)}{unit}'"
    is_wide = natural > height and options.direction in ("right", "left")
    remedies = ["direction='down'"] * is_wide + ["a coarser level"] * has_levels + [enough]
    warn(
        f"width={options.width!r} sets the texts of this picture in {size:.1f} points, too small "
        f"to read; choose {' or '.join(remedies)}",
        UserWarning,
    )


class Drawing(Answering):
    """A picture of a graph, which Jupyter displays.

    `.dot` and `.svg` are text, and `.save(path)` writes a file. The `.dot` of a picture of circles,
    which Graphviz does not lay out, is empty. Later changes of the graph do not
    change the picture.

    >>> from engine import Value
    >>> draw(Value(3.0, "x") * 2.0)
    <computational graph of 3 nodes; save it with .save('graph.svg')>
    """

    _others = DRAWING

    def __init__(
        self,
        dot: str,
        title: str,
        options: Options | None = None,
        scene: Scene | None = None,
        arrays: "Mapping[str, ArrayCell] | None" = None,
        opens: Mapping[str, str] = EMPTY,
    ):
        self.dot, self.title, self.options, self.scene = dot, title, options or Options(), scene
        self.arrays, self.opens = arrays or {}, opens  # the titles of views that boxes open
        if self.options.width is not None:
            warn_if_small(self.svg, self.options, has_levels=bool(dot))

    @cached_property
    def svg(self) -> str:
        """The picture as an SVG element. Raises RuntimeError if Graphviz is not installed."""
        options = self.options
        if self.scene is not None:
            draft = replace_invalid(self.scene.to_svg("g", self.title))
            prefix = f"g{zlib.crc32(draft.encode()):08x}"
            svg = replace_invalid(self.scene.to_svg(prefix, self.title))
            scale = options.sizes.text / SIZES.text
            arrays = {id: cell._replace(scale=1.0) for id, cell in self.arrays.items()}
        else:  # in which the texts have their size
            arrays = {**self.arrays}
            text = render(self.dot, "svg", options.layout).decode()
            prefix = f"g{zlib.crc32(self.dot.encode()):08x}"
            svg = improve_edges(clean_svg(text, prefix, self.title), options.direction)
            for id, title in self.opens.items():
                mark = f'data-opens="{html.escape(title)}"'
                svg = svg.replace(f'<g id="{prefix}-{id}"', f'<g id="{prefix}-{id}" {mark}')
            scale = 1.0
        if arrays:
            from engine.draw.arrays.cells import insert_cells

            svg = insert_cells(svg, prefix, arrays)
        svg = apply_options(svg, options.font, options.points, options.monochrome, scale)
        return follow_theme(svg) if options.theme == "auto" and not options.monochrome else svg

    @property
    def html(self) -> str:
        """The picture as a complete HTML page, as wide as its window unless a width is chosen."""
        title, theme = html.escape(self.title), THEMES[self.options.theme]
        paper, scheme = theme.paper, self.options.theme
        if self.options.theme == "auto":
            paper, scheme = f"light-dark({paper},{darken(paper)})", "light dark"
        width, fit = measure_svg(self.svg)[0], "width:100%;height:auto;"
        fit += f"min-width:{0.5 * width:.0f}pt;max-width:{2.0 * width:.0f}pt"
        if self.options.width is not None:
            fit = ""
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width"><title>{title}</title>'
            f"<style>:root{{color-scheme:{scheme};background:{paper}}}"
            f"body{{margin:1vw}}svg{{display:block;margin:auto;{fit}}}"
            "@media print{:root{color-scheme:light}}</style>"
            f"</head>\n<body>\n{self.svg}</body></html>\n"
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a .svg, .pdf, .eps, .png, .html or .dot file, and return its path.

        matplotlib writes .pdf and .eps files, as vectors with embedded fonts, and .png files, which
        Graphviz writes without matplotlib. A .png file is as wide as a `width` in px; otherwise it
        has 192 pixels to the inch. The first of these files takes a few seconds, in which
        matplotlib is imported.

        Raises ValueError for another suffix, FileNotFoundError if the folder does not exist, and
        ImportError if the file requires matplotlib, which is not installed.

        >>> from engine import Value
        >>> draw(Value(3.0, "x") * 2.0).save("graph.svg")  # doctest: +SKIP
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
            from engine.draw.files.figures import write_pictures

            write_pictures([self.svg], path, self.options.dpi)
        return path

    def _repr_html_(self) -> str:
        return embed_image(self.svg, self.title)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {
            "text/html": self._repr_html_(), "image/svg+xml": self.svg, "text/plain": repr(self)
        }  # fmt: skip

    def __repr__(self) -> str:
        return f"<{self.title}; save it with .save('graph.svg')>"
