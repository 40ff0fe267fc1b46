"""`step`: a page that steps through backpropagation, forwards and backwards."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from engine.draw.cards.picture import NetworkPicture
from engine.draw.circles.activity import Place
from engine.draw.circles.connections import Network
from engine.draw.circles.live import pack_circles
from engine.draw.circles.picture import make_writer, title_network
from engine.draw.drawing import (
    Drawing,
    draw_view,
    find_picture,
    is_network,
    read_graph,
)
from engine.draw.formulas.labels import set_plain
from engine.draw.formulas.notation import Notation, choose_names
from engine.draw.formulas.symbols import Symbol, build_formula
from engine.draw.formulas.writing import to_text
from engine.draw.graph.clusters import Model, describe_places
from engine.draw.graph.inside import Inside, open_parts
from engine.draw.graph.room import reserve_heights, reserve_usual_widths
from engine.draw.graph.view import Box, Level, View, build_view
from engine.draw.look.theme import THEMES
from engine.draw.options import Options, PageOptions, check_names, show_options
from engine.draw.other_names import STEPPER, Answering
from engine.draw.page.live import LiveGraph
from engine.draw.steps.box_facts import BoxLeaves, collect_box_facts
from engine.draw.steps.box_numbers import BoxTexts
from engine.draw.steps.boxes import trace_boxes
from engine.draw.steps.facts import Facts, collect_facts, get_inputs
from engine.draw.steps.frames import EMPTY, TRUE_GRADIENTS, Frame, Run, Trace, fill_frame, fill_runs
from engine.draw.steps.inside_steps import InsideTracer
from engine.draw.steps.neuron_graphs import NeuronOpener, OpenedNeuron, link_leaves
from engine.draw.steps.neuron_steps import (
    CHANGES,
    NeuronTracer,
    build_network_view,
    find_network,
)
from engine.draw.steps.numbers import choose_places
from engine.draw.steps.trace import trace
from engine.graph import topological
from engine.node import Node
from engine.support.arguments import check_flag, check_whole, check_writable
from engine.support.embed import embed_page
from engine.value import Value
from engine.watch.wrong_passes import RIGHT, check_root, contributions

if TYPE_CHECKING:
    from engine.draw.arrays.live import LiveArrays
    from engine.draw.page.html import PageView

LIMIT = 250  # values; beyond it modules collapse
LARGEST_NEURON = 2000  # values of a neuron's samples
SIGNS = (  # the first note of a wrong pass over cards
    "A true gradient is in parentheses until one arrives. ✓ is correct, ✗ is wrong, and » was sent "
    "too early."
)
PICTURES = (".svg", ".pdf", ".eps", ".png")
LONGEST_TITLE = 60  # characters of an expression


@show_options(PageOptions)
def step(
    root: Node,
    model: Model | None = None,
    *,
    level: Level = None,
    limit: int = LIMIT,
    quiz: bool = False,
    **options: Unpack[PageOptions],
) -> "Stepper":
    """Make a page that steps through backpropagation from `root`.

    The forward pass has a step for each operation, the backward pass one for each contribution to
    a gradient. Buttons, a slider and the arrow keys move between steps. A step is marked in the
    drawing, and its formula is shown above, with names and with numbers. Numbers that are not yet
    computed are blank.

    Two more buttons run wrong backward passes (see `engine.mistakes`), which show why the order
    matters, and why gradients are added up. The page shows the correct gradients below the wrong
    ones, and says which contributions are lost, and which gradients end wrong because of them.

    Click a value to see its rule, the line that made it if `engine.record_origins()` was active,
    its steps, and the paths that add up to its gradient (see `engine.explain`). The page computes
    the gradients of `root`; it neither reads nor changes those stored in the graph.

    Pages of Values compute their numbers. Pages of networks and boxes of more than 15,000 values,
    or of Arrays with more than 100 elements in all, only replay them. Drag an underlined number or
    the line of a weight, or select a leaf and type another number: both passes are computed again.
    A network and its opened neurons change together. In a script of the page, `window.stepgrad` has
    `names()`, `get(name)`, which returns {data, grad}, `set(name, number)`, `descend(lr)`, which
    takes one step downhill, and `reset()`. While a neuron is open, `names()` lists its values; the
    names of the network work as well. An element of an Array is called "W[0,1]"; "W" is the whole
    Array, as nested lists.

    In a graph of Arrays, a step of the backward pass shows a pullback, such as dW = dZᵀ X, with the
    shape of each array and with its numbers if they are few, and follows one element as a sum of
    single numbers. Click a number to follow another one. At level="layers", each step shows the
    formulas of a layer. A page that cannot compute a row, such as one that calls other functions of
    NumPy than those of `engine.arithmetic`, says so and replays the numbers.

    The address of a saved page holds its place, as in "steps.html#step=12&value=x1". All parts are
    optional: `step` counts from 1, `value` is the name of the selected value, `pass` is 2 or 3 for
    the incorrect passes, `set` are changed numbers, as in "x1:2.5;b:0", and `view` is the title of
    an opened neuron. In a script, `window.stepgrad.goto({step: 12, value: "x1", pass: 2})` goes
    there, and `goto(12)` to a step; without `pass` and `view`, it stays in the pass and the view
    that are open.

    Args:
        root: the result of the graph, a Value or an Array with one element.
        model: a Module whose neurons and layers are drawn as in `draw`.
        level: "values" to step through all values, "network" for neurons and connections, or the
            modules to step through as one box each, as in `draw`. At level="blocks", a click on a
            box opens its inside, down to the values. By default, it is "network" for a
            network of two or more neurons, layer by layer, and each neuron opens into its scalars:
            all of a small network, otherwise those of the first samples and of the largest
            contributions to the neuron's sum, which its page says. For other models nothing
            collapses unless there are more than `limit` values. Then the level is "blocks" for a
            model that is more than a sequence of layers, such as a transformer. In others modules
            collapse, and everything does if the arrows between boxes still exceed `limit`.
        limit: the largest number of values, or of neurons, to step through one by one. A larger
            graph has boxes, as in `draw`; of a graph of Arrays, the part nearest to the root is
            stepped through.
        quiz: whether the page begins with its quiz, which asks for the next number before it is
            shown: the result of an operation, a local derivative, a product, or a sum. A button
            switches the quiz of a graph of Values on and off in any case.
        direction, theme, format, layout, font, font_size, width, monochrome, names_only, gradients,
            matrix_size: as in `draw`; gradients are shown by default.

    Raises TypeError if `root` is not a Value or an Array, and ValueError if it has several
    elements, for an option's value that `draw` does not list, for Arrays and the level of neurons,
    which only networks of Values have, or for `quiz` if the page cannot compute the numbers of the
    graph.

    >>> from engine import Value
    >>> x = Value(3.0, "x")
    >>> step(x * x)
    <stepper of 6 steps; save it with .save('steps.html')>
    """
    check_names(options, step)
    look = Options(**options)
    check_root("step", root)
    quiz = check_flag("quiz", quiz)
    if quiz and not isinstance(root, Value):
        raise ValueError(
            "quiz=True expects a graph of Values, got Arrays; leave it out, or build the graph of "
            "Values, for example with a model's to_scalar()"
        )
    limit = check_whole("limit", limit)
    stepper = make_stepper(root, model, level, limit, look, "direction" in options)
    if quiz:
        check_quiz(stepper)
    stepper.quiz = quiz
    return stepper


def make_stepper(
    root: Node, model: Model | None, level: Level, limit: int, look: Options, has_direction: bool
) -> "Stepper":
    """Make the page of `step`; `has_direction` states whether its caller chose a direction."""
    if not isinstance(root, Value):
        return step_arrays(root, model, level, look, limit)
    if is_network(level, model):
        return step_network(root, model, look, limit)
    if level is None and model is not None:
        network = find_network(root, model)
        if network is not None and sum(network.counts[1:]) <= limit:
            return step_network(root, model, look, limit, network)
    return step_graph(root, model, level, look, limit, has_direction=has_direction)


def step_graph(
    root: Any, model: Model | None, level: Level, look: Options, limit: int,
    has_mistakes: bool = True, gradient: float | None = None, has_direction: bool = True,
) -> "Stepper":  # fmt: skip
    """Make a page that steps through a graph by values, or by boxes if they are too many.

    It has wrong passes by values unless they are off. The drawing of values has room for `gradient`
    in place of each gradient. The blocks of a model follow each other from top to bottom unless the
    caller chose a direction.
    """
    view, picture = read_graph(root, model, level, look, limit, to_step=True)
    has_boxes = any(isinstance(part, Box) for part in view.drawn)
    if model and has_boxes and level is None and len(view.arrows) > limit:
        # each arrow is at least one step
        view = build_view(root, model, "layers", limit, to_step=True)
    if not has_boxes:
        return step_values(view, picture, look, has_mistakes, gradient)
    insides: list[Inside] = []
    if view.parts:
        view, insides = open_parts(view, model)
        look = look if has_direction else replace(look, direction="down")
    traced = trace_boxes(view, look.format)
    facts = collect_box_facts(view, traced, look.format)
    names = {node: name for node, name in traced.names.items() if not node.constant}
    drawing = draw_view(view, look, names, traced.grads)
    names_of_values = choose_names([*view.ids], look.format)
    notation = Notation(dict(zip(view.ids, names_of_values, strict=True)), look.format)
    title = root.label or write_title(root, notation)
    return Stepper(
        traced.templates, facts, drawing, look.theme, title, traced.whole, texts=traced.texts,
        graph=traced.graph, opened=lambda: step_insides(insides, traced, look, has_direction),
    )  # fmt: skip


def step_insides(
    insides: Sequence[Inside], outer: Trace, look: Options, has_direction: bool
) -> "dict[str, Stepper]":
    """Make the pages of the insides of boxes, by their titles.

    Values follow each other from left to right unless the caller chose a direction.
    """
    steppers = {}
    order = [*outer.names]
    passed = list(contributions(order, RIGHT)) if insides else []
    texts = BoxTexts(order, passed, outer.grads, look.format)
    if outer.graph is None:
        _ = texts.numbers  # computed once for all pictures
    for inside in insides:
        view = inside.view
        traced = InsideTracer(inside, outer, texts, look.format).trace()
        facts = collect_box_facts(view, traced, look.format)
        names = {x: traced.names[x] for x, id in view.ids.items() if not x.constant}
        boxes = sum(id[0] == "b" for id in inside.own)
        is_of_values = len(inside.own) > 2 * boxes and not has_direction
        options = replace(look, direction="right") if is_of_values else look
        drawing = draw_view(view, options, names, traced.grads)
        steppers[inside.title] = Stepper(
            traced.templates, facts, drawing, look.theme, inside.title, texts=traced.texts,
            graph=traced.graph,
        )  # fmt: skip
    return steppers


def step_arrays(
    root: Node, model: Model | None, level: Level, look: Options, limit: int
) -> "Stepper":
    """Make a page that steps through a graph of Arrays, of a large one the part nearest the root.

    Raises ValueError for the level of a network of Values.
    """
    from engine.draw.arrays.boxes import trace_array_boxes
    from engine.draw.arrays.nearest import view_nearest
    from engine.draw.arrays.stepper import reserve_room, trace_array_view

    if isinstance(level, str) and level in ("network", "neurons"):
        raise ValueError(
            "step of Arrays expects level='values', 'layers', 'blocks' or the paths of modules, "
            f"got {level!r}; model.to_scalar() returns a network of Values, which has neurons"
        )
    view = build_view(root, model, level, limit, to_step=True)
    if any(isinstance(part, Box) for part in view.drawn):
        if level not in (None, "values"):
            traced, facts, live = trace_array_boxes(view, look)
            names = {node: name for node, name in traced.names.items() if not node.constant}
            room = reserve_room(traced.runs, {}, live is not None)
            drawing = draw_view(view, look, names, traced.grads, room=room)
            return step_live_arrays(traced, facts, drawing, live, look)
        view = view_nearest(root, model, limit)
    return step_live_arrays(*trace_array_view(view, look), look)


def step_live_arrays(
    traced: Trace, facts: list[Facts], drawing: Drawing, live: "LiveArrays | None", look: Options
) -> "Stepper":
    """Make the page of a graph of Arrays, which replays its numbers if `live` is None."""
    title = set_plain([*traced.names.values()][-1])
    if live is None:
        return Stepper(traced.runs, facts, drawing, look.theme, title, traced.whole)
    return Stepper(
        live.templates, facts, drawing, look.theme, title, traced.whole, graph=live.graph,
        describe=lambda _: traced.runs,
    )  # fmt: skip


def check_quiz(stepper: "Stepper") -> None:
    """Raise ValueError if a page cannot ask for its numbers."""
    if stepper.graph is None or stepper.graph.boxes is not None:
        raise ValueError(
            "quiz=True expects a page that steps through all values, got one of neurons or boxes; "
            "write level='values', and raise limit if there are more values"
        )
    fixed = [i for i, node in enumerate(stepper.graph.nodes) if "slopes" in node]
    if fixed:
        fact = stepper.facts[fixed[0]]
        raise ValueError(
            f"quiz=True expects operations that the page can compute, got {fact.kind!r} in "
            f"{fact.name}; write its row with functions of engine.arithmetic, and where() for if"
        )


def step_values(
    view: View, picture: NetworkPicture | None, look: Options, has_mistakes: bool = True,
    gradient: float | None = None,
) -> "Stepper":  # fmt: skip
    """Make a page that steps through all values of a view, with wrong passes unless they are off.

    `picture` is that of the network, if there is one. `gradient` is that of `step_graph`.
    """
    names_of = picture.names if picture else {}
    places = describe_places(view.modules)
    if picture is not None:
        places = picture.add_samples(places)
    root: Any = [*view.ids][-1]
    traced = trace(root, look.format, [*view.ids], places, names_of, has_mistakes)
    notation = Notation(traced.names, look.format, names_of, choose_places([*view.ids]))
    facts = collect_facts(notation, view.modules.parameters)
    names = {node: name for node, name in traced.names.items() if not node.constant}
    has_marks = has_mistakes and not look.names_only
    widths = reserve_usual_widths([*view.ids], look.format) if has_marks else {}
    sizes = reserve_heights(look) if widths else look
    grads = traced.grads if gradient is None else dict.fromkeys(traced.grads, gradient)
    drawing = draw_view(view, sizes, names, grads, widths, traced.whole, picture)
    if picture is not None:
        for run in traced.templates[1:]:
            first = run.frames[0]
            run.frames[0] = first._replace(note=first.note.replace(TRUE_GRADIENTS, SIGNS))
    title = write_title(root, Notation(traced.names, look.format))
    return Stepper(
        traced.templates, facts, drawing, look.theme, title, traced.whole, texts=traced.texts,
        graph=traced.graph, describe=traced.describe,
    )  # fmt: skip


def step_network(
    root: Value, model: Model | None, options: Options, limit: int, network: Network | None = None
) -> "Stepper":
    """Make a page that steps through backpropagation neuron by neuron.

    Raises TypeError for a network of Arrays, and ValueError for more than `limit` neurons, or if
    the graph changes the outputs of a layer before the next one reads them.
    """
    network = network or Network(model, root)
    if network.activity is None or network.activity.of_arrays:
        raise TypeError(
            f"step(level='network') expects a network of Values, got {model!r}; its to_scalar() "
            "returns one"
        )
    if (neurons := sum(network.counts[1:])) > limit:  # inputs have no steps
        raise ValueError(
            f"expected at most {limit:,} neurons to step through, got {neurons:,}; write "
            "level='layers', or raise limit"
        )
    if (place := network.find_changed()) is not None:
        raise ValueError(
            "step(level='network') expects layers that read each other's outputs, but the graph of "
            f"{model!r} computes more from {network.name(place)}; write level='blocks' or "
            "level='values'"
        )
    view, ids = build_network_view(network, model)
    tracer = NeuronTracer(view, ids, network.activity, options.format)
    traced = tracer.trace()
    opener = NeuronOpener(network, traced.grads)
    loss = opener.build_loss()
    places: list[Place | str] = [*opener.places]
    if loss is not None:
        places.append("root")

    def open_neurons() -> dict[str, Stepper]:
        steppers = {}
        for place in opener.places:
            opened = opener.build(place)
            steppers[network.name(place)] = neuron = open_neuron(opened, options)
            link_leaves(neuron, topological(opened.root), opened.links, traced)
        if loss is not None:
            copy, links = loss
            scalars = step_graph(copy, None, None, options, LIMIT, has_mistakes=False)
            link_leaves(scalars, topological(copy), links, traced)
            steppers[network.name_opened_root()] = scalars
        return steppers

    return step_neurons(network, model, options, tracer, ids, traced, places, open_neurons)


def step_blank_network(
    network: Network, model: Model, options: Options, places: Collection[Place | str]
) -> "Stepper | None":
    """Make the page of a network that is applied to one sample, whose leaves another page sets.

    The neurons at `places`, and "root", lead to views that the caller adds. Returns None if the
    graph has more values than a page computes.
    """
    assert network.activity is not None
    view, ids = build_network_view(network, model)
    tracer = NeuronTracer(view, ids, network.activity, options.format)
    if not tracer.is_live:
        return None
    traced = tracer.trace()
    first, *frames = traced.templates[0].frames
    frames = [first._replace(note=first.note.replace(f" {CHANGES}", "")), *frames]
    traced = traced._replace(templates=[traced.templates[0]._replace(frames=frames)])
    return step_neurons(network, model, options, tracer, ids, traced, places, is_blank=True)


def step_neurons(
    network: Network, model: Model | None, options: Options, tracer: NeuronTracer,
    ids: Mapping[Any, str], traced: Trace, places: Collection[Place | str],
    opened: "Callable[[], dict[str, Stepper]]" = dict, is_blank: bool = False,
) -> "Stepper":  # fmt: skip
    """Make the page of frames over the circles of a network. `is_blank` is that of the writer."""
    writer = make_writer(model, network.root, options, ids, traced.grads, places)
    writer.is_blank = is_blank
    drawing = Drawing("", title_network(writer.network), options, writer.write())
    graph = traced.graph and traced.graph._replace(circles=pack_circles(writer, tracer.place))
    leaves = BoxLeaves(network.name_leaves(), tracer.parts)
    groups = tracer.group_outputs()
    facts = collect_box_facts(tracer.view, traced, options.format, leaves, groups)
    title = getattr(network.root, "label", "") or type(model).__name__
    return Stepper(
        traced.templates, facts, drawing, options.theme, title, opened=opened,
        texts=traced.texts, graph=graph,
    )  # fmt: skip


def open_neuron(opened: OpenedNeuron, options: Options, gradient: float | None = None) -> "Stepper":
    """Make the page of one neuron, scalar by scalar. `gradient` is that of `step_graph`."""
    view = build_view(opened.root, opened.model, "values", LARGEST_NEURON, to_step=True)
    picture = find_picture(view, "values", options, LARGEST_NEURON)
    stepper = step_values(view, picture, options, False, gradient)
    class_name = type(opened.model).__name__
    first, *frames, last = [
        frame._replace(where=frame.where.replace(class_name, "neuron"))
        for frame in stepper.templates[0].frames
    ]
    begin, end = opened.describe({x: i for i, x in enumerate(view.ids)})
    note = " ".join(filter(None, [first.note, begin]))
    frames = [first._replace(note=note), *frames, last._replace(note=end)]
    stepper.templates = [stepper.templates[0]._replace(frames=frames)]
    return stepper


class Stepper(Answering):
    """A page of steps, which Jupyter displays.

    `.html` is the page, and `.save(path)` writes it. The page works offline and without a kernel.
    Where scripts are blocked, as in an untrusted notebook, it shows the drawing.

    >>> from engine import Value
    >>> step(Value(3.0, "x") * 2.0)
    <stepper of 5 steps; save it with .save('steps.html')>
    """

    _others = STEPPER

    def __init__(
        self,
        templates: list[Run],
        facts: list[Facts],
        drawing: Drawing,
        theme: str,
        title: str = "Backpropagation",
        whole: Mapping[str, str] = EMPTY,
        opened: Callable[[], dict[str, "Stepper"]] = dict,
        texts: Sequence[Mapping[str, str]] = (),
        graph: LiveGraph | None = None,
        describe: Callable[[Sequence[Run]], list[Run]] = list,
    ):
        self.templates, self.texts, self.graph, self._describe = templates, texts, graph, describe
        self.facts, self.drawing = facts, drawing
        self.theme, self.title, self.whole = theme, title, whole
        self._open = opened
        self.quiz = False  # whether the page begins with its quiz

    @cached_property
    def runs(self) -> list[Run]:
        """The correct pass and the incorrect ones, as data."""
        return fill_runs(self._describe(self.templates), self.texts)

    @property
    def first_frame(self) -> Frame:
        """The first step, without the work that the others require."""
        if self.texts:
            return fill_frame(self.templates[0].frames[0], self.texts[0])
        return self._describe(self.templates)[0].frames[0]

    @property
    def frames(self) -> list[Frame]:
        """The steps of the forward and the backward pass, as data."""
        return self.runs[0].frames

    @cached_property
    def opened(self) -> dict[str, "Stepper"]:
        """The steppers that parts of the drawing open, by the titles of their views."""
        return self._open()

    @cached_property
    def html(self) -> str:
        """The complete page."""
        from engine.draw.page.html import write_page

        first = self.to_view()._replace(start=self.first_frame)
        opened = [stepper.to_view(title) for title, stepper in self.opened.items()]
        return write_page([first, *opened], self.theme, self.quiz)

    def to_view(self, title: str = "") -> "PageView":
        """Return the view of a page, for pages that contain several.

        >>> from engine import Value
        >>> step(Value(3.0, "x") * 2.0).to_view("a product").title
        'a product'
        """
        from engine.draw.page.html import PageView

        return PageView(
            title or self.title, self.drawing.svg, self.templates, self.facts, self.whole,
            self.graph,
        )  # fmt: skip

    def save(
        self, path: str | os.PathLike[str], step: int | None = None, *, run: int = 0
    ) -> Path | list[Path]:
        """Write the page, or pictures of its steps, and return the path or the paths.

        - `save("page.html")` writes the page.
        - `save("step.svg", step=12)` writes one step: the drawing, with the numbers that have
          appeared by then, below the formula. Steps are numbered as in the page; -1 is the last.
        - `save("steps-{:03}.svg")` writes all steps, numbered.
        - `save("slides.pdf")` writes all steps as the pages of one file.

        Pictures are .svg, .pdf, .eps or .png files. All those of one pass have the same size, so
        that nothing moves from one to the next. They require matplotlib, which sets the formulas.

        Args:
            path: the file; in the name of several, `{}` or a format such as `{:03}` is the step.
            step: the number of the step to write.
            run: the pass: 0 for the correct one, 1 and 2 for the wrong ones, as in the page.

        Raises ValueError for another suffix, and for a step or run that the page does not have;
        FileNotFoundError if the folder does not exist; ImportError if matplotlib is not installed.

        >>> from engine import Value
        >>> step(Value(3.0, "x") * 2.0).save("steps.html")  # doctest: +SKIP
        """
        path = check_writable("a stepper", path, (".html", ".htm", *PICTURES))
        if path.suffix.lower() in PICTURES:
            if check_whole("run", run, 0) >= len(self.runs):
                raise ValueError(f"run must be a number below {len(self.runs)}, got {run}")
            options = self.drawing.options
            from engine.draw.files.step_pictures import StepPictures

            pictures = StepPictures(self.drawing.svg, self.runs[run], THEMES[self.theme], options)
            return pictures.save(path, step)
        if "{" in path.name:
            raise ValueError(
                f"a page has all steps; expected a name such as 'page.html', got {path.name!r}"
            )
        if step is not None or run:
            what = f"step={step}" if step is not None else f"run={run}"
            raise ValueError(
                f"a page has all steps of all runs; {what} is for .svg, .pdf, .eps and .png files"
            )
        path.write_text(self.html, "utf-8")
        return path

    def _repr_html_(self) -> str:
        from engine.draw.page.html import SUBTITLE, compute_height

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
    sizes: dict[Node, int] = {}  # of parts: a value that is used twice doubles the next one
    for node in notation.names:
        parts[node], sizes[node] = notation.input(node), 1
        if isinstance(node, Value) and node.op is not None and (node is root or not node.label):
            inputs, _ = get_inputs(node)
            size = sum(sizes[x] for x in inputs)
            if size > LONGEST_TITLE:  # a long sum would have a deeply nested formula
                continue
            formula = build_formula(node.op, [parts[x] for x in inputs])
            if len(to_text(formula)) <= LONGEST_TITLE:
                parts[node], sizes[node] = formula, size
    name, text = notation.text(root), to_text(parts[root])
    return f"{name} = {text}" if root.label and name != text else text
