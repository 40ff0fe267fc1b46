"""`step`: a page that steps through backpropagation, forwards and backwards."""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Unpack, get_type_hints

from engine.draw.boxes import trace_boxes
from engine.draw.clusters import Model, describe_places
from engine.draw.connections import Network
from engine.draw.drawing import Drawing, draw_network, draw_view, is_network
from engine.draw.facts import Facts, collect_box_facts, collect_facts, get_inputs
from engine.draw.frames import EMPTY, Frame, Run
from engine.draw.neuron_graphs import build_neuron, list_opened
from engine.draw.neuron_steps import NeuronTracer, build_network_view
from engine.draw.notation import Notation
from engine.draw.options import Options, PageOptions, check_names, show_options
from engine.draw.page import SUBTITLE, PageView, compute_height, write_page
from engine.draw.room import reserve_heights, reserve_widths
from engine.draw.symbols import Symbol, build_formula
from engine.draw.trace import trace
from engine.draw.view import Box, Level, build_view
from engine.draw.writing import to_text
from engine.node import Node
from engine.support.arguments import check_whole, check_writable
from engine.support.embed import embed_page
from engine.value import Value

LIMIT = 250  # values; beyond it modules collapse
LONGEST_TITLE = 60  # characters of an expression


@show_options(PageOptions)
def step(
    root: Value,
    model: Model | None = None,
    *,
    level: Level = None,
    limit: int = LIMIT,
    **options: Unpack[PageOptions],
) -> "Stepper":
    """Make a page that steps through backpropagation from `root`.

    The forward pass has a step for each operation, the backward pass one for each contribution to
    a gradient. Buttons, a slider and the arrow keys move between steps. A step is marked in the
    drawing, and its formula is shown above, with names and with numbers. Numbers that are not yet
    computed are blank.

    Two more buttons run wrong backward passes (see `engine.mistakes`), which show why the order
    matters, and why gradients are added up. The page shows the correct gradients below the wrong
    ones, and says what is lost where, and who ends wrong because of it.

    Click a value to see its rule, the line that made it if `engine.record_origins()` was active,
    its steps, and the paths that add up to its gradient (see `engine.explain`). The page computes
    the gradients of `root`; it neither reads nor changes those stored in the graph.

    Args:
        root: the result of the graph.
        model: a Module whose neurons and layers are drawn as clusters, titled by their paths.
        level: the modules to step through as one box each, as in `draw`. By default nothing
            collapses unless there are more than `limit` values, and everything does if the arrows
            between boxes are still more than `limit`.
        limit: the largest number of values to step through.
        direction, theme, format, layout: as in `draw`.

    Raises TypeError if `root` is not a Value, and ValueError for an option's value that `draw` does
    not list, or for too many values.

    >>> from engine import Value
    >>> x = Value(3.0, "x")
    >>> step(x * x)
    <stepper of 6 steps; save it with .save('steps.html')>
    """
    check_names(options, PageOptions)
    look = Options(**options)
    if not isinstance(root, Value):
        raise TypeError(f"step expects a Value as root, got {root!r}")
    if is_network(level, model):
        return step_network(root, model, look, check_whole("limit", limit))
    view = build_view(root, model, level, limit)
    has_boxes = any(isinstance(part, Box) for part in view.drawn)
    if has_boxes and level is None and len(view.arrows) > limit:
        view = build_view(root, model, "layers", limit)  # each arrow is at least one step
    if has_boxes:
        traced = trace_boxes(view, look.format)
        facts = collect_box_facts(view, Notation(traced.names, look.format))
    else:
        traced = trace(root, look.format, list(view.ids), describe_places(view.modules))
        notation = Notation(traced.names, look.format)
        facts = collect_facts(root, notation, view.modules.parameters)
    names = {node: name for node, name in traced.names.items() if not node.constant}
    widths = reserve_widths(traced.runs) if len(traced.runs) > 1 else {}
    sizes = reserve_heights(look) if widths else look
    drawing = draw_view(view, sizes, names, traced.grads, widths, traced.whole)
    title = traced.names[root]
    if not has_boxes:
        title = write_title(root, Notation(traced.names, look.format))
    return Stepper(traced.runs, facts, drawing, look.theme, title, traced.whole)


def step_network(root: Value, model: Model | None, options: Options, limit: int) -> "Stepper":
    """Make a page that steps through backpropagation neuron by neuron.

    Raises TypeError for a network of Arrays, and ValueError for more than `limit` neurons.
    """
    network = Network(model, root)
    if network.activity is None or network.activity.of_arrays:
        raise TypeError(
            f"step(level='network') expects a network of Values, got {model!r}; its to_scalar() "
            "returns one"
        )
    if (neurons := sum(network.counts)) > limit:
        raise ValueError(
            f"expected at most {limit:,} neurons to step through, got {neurons:,}; write "
            "level='layers', or raise limit"
        )
    view, ids = build_network_view(network, model)
    traced = NeuronTracer(view, ids, network.activity, options.format).trace()
    facts = collect_box_facts(view, Notation(traced.names, options.format))
    opened = list_opened(network)
    drawing = draw_network(root, model, options, ids, traced.grads, opened)
    title = root.label or type(model).__name__
    stepper = Stepper(traced.runs, facts, drawing, options.theme, title)
    fields = {name: getattr(options, name) for name in get_type_hints(PageOptions)}
    for place in opened:
        graph = build_neuron(network, place, traced.grads)
        stepper.opened[network.name(place)] = step(graph, **fields)
    return stepper


class Stepper:
    """A page of steps, which Jupyter displays.

    `.html` is the page, and `.save(path)` writes it. The page works offline and without a kernel.
    Where scripts are blocked, as in an untrusted notebook, it shows the drawing.

    >>> from engine import Value
    >>> step(Value(3.0, "x") * 2.0)
    <stepper of 5 steps; save it with .save('steps.html')>
    """

    def __init__(
        self,
        runs: list[Run],
        facts: list[Facts],
        drawing: Drawing,
        theme: str,
        title: str = "Backpropagation",
        whole: Mapping[str, str] = EMPTY,
    ):
        self.runs, self.facts, self.drawing = runs, facts, drawing
        self.theme, self.title, self.whole = theme, title, whole
        self.opened: dict[str, Stepper] = {}  # the steppers that parts of the drawing open

    @property
    def frames(self) -> list[Frame]:
        """The steps of the forward and the backward pass, as data."""
        return self.runs[0].frames

    @cached_property
    def html(self) -> str:
        """The complete page."""
        steppers = {self.title: self, **self.opened}
        views = [
            PageView(title, stepper.drawing.svg, stepper.runs, stepper.facts, stepper.whole)
            for title, stepper in steppers.items()
        ]
        return write_page(views, self.theme)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page as a .html file, and return its path.

        Raises ValueError for another suffix, and FileNotFoundError if the folder does not exist.
        """
        path = check_writable("a stepper", path, (".html", ".htm"), "; draw saves pictures")
        path.write_text(self.html, "utf-8")
        return path

    def _repr_html_(self) -> str:
        svg = self.drawing.svg
        return embed_page(self.html, svg, f"{self.title} – {SUBTITLE}", compute_height(svg))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {
            "text/html": self._repr_html_(),
            "image/svg+xml": self.drawing.svg,
            "text/plain": repr(self),
        }

    def __repr__(self) -> str:
        return f"<stepper of {len(self.frames)} steps; save it with .save('steps.html')>"


def write_title(root: Value, notation: Notation) -> str:
    """Return the expression that computes `root` from its labelled parts, as text.

    A part whose text is long is its name.

    >>> from engine import topological
    >>> x = Value(3.0, "x")
    >>> y = (x * 2.0 + 1.0).tanh()
    >>> y.label = "y"
    >>> write_title(y, Notation({**dict.fromkeys(topological(y), "v"), x: "x", y: "y"}, ".4g"))
    'y = tanh(x · 2 + 1)'
    """
    parts: dict[Node, Symbol] = {}
    for node in notation.names:
        parts[node] = notation.input(node)
        if isinstance(node, Value) and node.op is not None and (node is root or not node.label):
            inputs, _ = get_inputs(node)
            formula = build_formula(node.op, [parts[x] for x in inputs])
            if len(to_text(formula)) <= LONGEST_TITLE:
                parts[node] = formula
    name, text = notation.names[root], to_text(parts[root])
    return f"{name} = {text}" if root.label and name != text else text
