"""Backpropagation neuron by neuron: the steps over a picture of circles.

The forward pass computes one neuron in each step. The backward pass has a step for each neuron,
which propagates its gradient to its weights, its bias and its inputs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from engine.draw.circles.activity import Activity, Place
from engine.draw.circles.connections import Network
from engine.draw.formulas.labels import set_plain
from engine.draw.formulas.notation import Line, write_derivative, write_equality, write_gradient
from engine.draw.formulas.places import remove_marks
from engine.draw.formulas.symbols import Symbol, build_formula, combine, make_name
from engine.draw.graph.clusters import Modules, name_root
from engine.draw.graph.view import Box, Cell, View, classify
from engine.draw.steps.boxes import BoxTracer, Bundle, Part
from engine.draw.steps.frames import KEYS, START, Frame
from engine.graph import topological
from engine.node import Node
from engine.support.arguments import format_count
from engine.value import Value
from engine.watch.wrong_passes import Contribution

MOST_TERMS = 4  # of a sum that a formula writes out
LEGEND = "Each step computes one neuron; δ is the gradient of its sum z."
CHANGES = "Drag a line to change its weight."


def build_network_view(network: Network, model: Any) -> tuple[View, dict[Any, str]]:
    """Return the view of a network's graph, and the ids of its circles and of its root.

    Each neuron is a box. An input is its own value, or a box of those of all samples. All other
    nodes are one box.
    """
    assert network.root is not None
    assert network.activity is not None
    order, activity = topological(network.root), network.activity
    places = {x: (0, j) for j, xs in enumerate(activity.nodes[0]) for x in xs}
    groups: dict[Any, list[Node]] = {}
    for node in order:
        place: Any = activity.owners.get(node) or places.get(node, "root")
        groups.setdefault(place, []).append(node)
    modules = Modules(order, model)
    boxes: list[Cell | Box] = []
    ids: dict[Node, str] = {}
    box_ids: dict[Any, str] = {}
    for i, node in enumerate(order):
        place = activity.owners.get(node) or places.get(node, "root")
        nodes = groups[place]
        if place != "root" and not place[0] and len(nodes) == 1:
            box_ids[place] = ids[node] = f"v{i}"
            boxes.append(Cell(f"v{i}", node, classify(node, network.root, modules)))
            continue
        if place not in box_ids:
            box_ids[place] = f"b{len(box_ids)}"
            parameters = [x for x in nodes if x in modules.parameters]
            name = network.name_root() if place == "root" else network.name(place)
            kind = "root" if network.root in nodes else "box"
            boxes.append(Box(box_ids[place], name, name, parameters, len(nodes), kind))
        ids[node] = box_ids[place]
    return View({"": boxes}, [], modules, ids), box_ids


def find_network(root: Value, model: Any, is_whole: bool = True) -> Network | None:
    """Return the network of two or more neurons that computes a graph of Values, layer by layer.

    Returns None if the model has another form, or, if `is_whole`, if a picture of it would leave
    out neurons.
    """
    try:
        network = Network(model, root)
    except (TypeError, ValueError):
        return None
    activity = network.activity
    assert activity is not None
    if activity.of_arrays or sum(network.counts[1:]) < 2:
        return None
    if is_whole and any(
        len(shown) < count for shown, count in zip(network.shown, network.counts, strict=True)
    ):
        return None
    dependent: set[Node] = set()  # on parameters
    for node in topological(root):
        if node in activity.owners or not dependent.isdisjoint(node.inputs):
            dependent.add(node)
    inputs, *layers = activity.nodes
    if not all(xs and dependent.isdisjoint(xs) for xs in inputs):
        return None
    for c, part in enumerate(layers, 1):
        outputs = [(i, node) for i, nodes in enumerate(part) for node in nodes]
        if not outputs:
            return None
        if any(activity.owners.get(x) != (c, i) or not activity.list_inputs(x) for i, x in outputs):
            return None
    return network


class NeuronTracer(BoxTracer):
    """The frames of both passes over the circles of a network.

    Args:
        view: the view of the network's graph.
        ids: the ids of circles by their places.
        activity: the inputs and outputs of the neurons.
        spec: the format of numbers.
    """

    def __init__(self, view: View, ids: Mapping[Any, str], activity: Activity, spec: str):
        super().__init__(view, spec)
        self.activity = activity
        self.places: dict[str, Place] = {id: place for place, id in ids.items() if place != "root"}
        self.outputs: dict[str, list[Value]] = {  # of the values and boxes that are drawn
            id: activity.nodes[c][i] for id, (c, i) in self.places.items()
        }
        self.place = {node: i for i, node in enumerate(view.ids)}
        self.parts = self.name_parts(ids) if self.is_live else {}  # of the drawing, for parameters
        self.outputs.setdefault(self.ids[self.order[-1]], [self.order[-1]])  # type: ignore[list-item]

    def start(self) -> Frame:
        """Return the first frame, which shows the inputs."""
        inputs = {id: xs for id, xs in self.outputs.items() if all(x.op is None for x in xs)}
        data = {id: self.format_group("M", xs) for id, xs in inputs.items() if xs}
        data |= {id: self.notation.format_data(x) for x, id in self.parts.items()}
        note = f"{KEYS} {LEGEND} {CHANGES}" if self.is_live else f"{KEYS} {LEGEND}"
        return START._replace(data=data, note=note)

    def name_parts(self, ids: Mapping[Any, str]) -> dict[Node, str]:
        """Return the ids of the lines of weights, and of the marks of biases."""
        parts: dict[Node, str] = {}
        for c, column in enumerate(self.activity.columns, 1):
            for i, (row, bias) in enumerate(zip(column.weights, column.biases, strict=True)):
                head = ids.get((c, i))
                tails = [ids.get((c - 1, j)) for j in range(len(row))]
                if head:
                    parts |= {w: f"e-{t}-{head}" for w, t in zip(row, tails, strict=True) if t}
                    parts[bias] = f"bias-{head}"
        return {node: id for node, id in parts.items() if node in self.place}

    def prepare(
        self, passed: Sequence[Contribution], bundles: Sequence[Bundle], grads: Mapping[Node, Any]
    ) -> None:
        """Prepare the numbers of groups and stages, also those of the outputs of all neurons."""
        super().prepare(passed, bundles, grads)
        self.group_outputs()

    def group_outputs(self) -> dict[str, int]:
        """Return the groups of the outputs of neurons, by the ids of their boxes."""
        return {id: self.numbers.add_group(xs) for id, xs in self.outputs.items() if xs}

    def format_group(self, kind: str, nodes: Iterable[Node]) -> str:
        """Format a number of some values: the mean of outputs is "M", as their circle shows it."""
        return self.notation.format(self.numbers.place_group(kind, nodes))

    # ------------------------------------------------------------------------------------- forward

    def compute_box(self, part: Part, outputs: set[Node]) -> Frame:
        """Return the frame in which a neuron is computed."""
        own = [x for x in self.outputs.get(part.id, ()) if x in part.nodes]
        frame = super().compute_box(part, outputs)
        if not own:
            return frame
        place = self.places.get(part.id)
        if place is None:
            return frame._replace(data={part.id: self.notation.format_data(own[0])})
        frame = frame._replace(data={part.id: self.format_group("M", self.outputs[part.id])})
        note = f"The formula is that of sample 0. All {frame.note}" if len(own) > 1 else ""
        return frame._replace(lines=self.write_neuron(place, own[0]), note=note)

    def write_neuron(self, place: Place, output: Value) -> list[Line]:
        """Write the formula of a neuron for one sample, with names and with numbers."""
        c, i = place
        column, notation = self.activity.columns[c - 1], self.notation
        z, is_active = self.find_sum(output)
        weights, bias = column.weights[i], column.biases[i]
        inputs = [*self.activity.list_inputs(output).values()]
        letter = "a" if c > 1 else "x"
        names = [
            (
                make_name(f"w{j}"),
                make_name((c == 1 and remove_marks(x.label or "")) or f"{letter}{j}"),
            )
            for j, x in enumerate(inputs)
        ]
        numbers = [
            (notation.data(w), notation.data(x)) for w, x in zip(weights, inputs, strict=True)
        ]
        by_name, by_number = (
            write_weighted_sum(pairs, last)
            for pairs, last in ((names, make_name("b")), (numbers, notation.data(bias)))
        )
        total, a = notation.data(z), make_name("a")
        left = make_name("z") if is_active else a
        lines = [equate(left, by_name), equate(left, by_number, total)]
        if is_active and output.op is not None:
            applied = [build_formula(output.op, [x]) for x in (make_name("z"), total)]
            lines.append(equate(a, *applied, notation.data(output)))
        return lines

    def find_sum(self, output: Value) -> tuple[Value, bool]:
        """Return the sum z of a neuron, and whether its output is a function of it."""
        z: Any = self.activity.find_sum(output)
        is_active = z is not output and output.inputs[0] is z
        return (z if is_active else output), is_active

    # ------------------------------------------------------------------------------------ backward

    def trace_backward(self, bundles: Sequence[Bundle]) -> Iterator[Frame]:
        """Yield a frame for the seed, and one for each neuron: all that it propagates."""
        root = self.order[-1]
        name = make_name(remove_marks(name_root(root).short))
        seed = next(iter(super().trace_backward([])))
        yield seed._replace(grad={self.ids[root]: self.notation.format(1.0)})
        for _, group in groupby(bundles, key=lambda bundle: bundle.part):
            sending = [*group]
            self.numbers.add_stage([sent for bundle in sending for sent in bundle.sent])
            yield self.propagate(sending, name)

    def propagate(self, bundles: Sequence[Bundle], root: Symbol) -> Frame:
        """Return the frame in which a neuron propagates its gradient, which is complete."""
        part, parts = bundles[0].part, self.parts
        grad = {}
        for bundle in bundles:
            outputs = self.outputs.get(bundle.to, [])
            if {sent.to for sent in bundle.sent} & {*outputs}:
                grad[bundle.to] = self.format_group("T", outputs)
        place = self.places.get(part.id)
        own = next((x for x in bundles if x.to == part.id and place is not None), None)
        count = "input" if len(grad) == 1 else format_count(len(grad), "input")
        to, note = f"its {count}", ""
        if own is not None:
            to = f"its weights, bias and {count}" if grad else "its weights and bias"
            size = self.format_group("n", dict.fromkeys(sent.to for sent in own.sent))
            note = f"The gradient of its weights and bias has the norm {size}."
            own_ids = {sent.to: parts[sent.to] for sent in own.sent if sent.to in parts}
            grad |= {
                id: self.notation.format(self.numbers.place_sum(x)) for x, id in own_ids.items()
            }
        outputs = [x for x in self.outputs.get(part.id, []) if x in part.nodes]
        lines = []
        if place is not None and outputs and own is not None:
            lines = self.write_chain(place, outputs[0], root, len(outputs) > 1)
            if len(outputs) > 1:
                note += f" The numbers are those of sample 0; ∑ is over all {len(outputs)} samples."
        marked = [*self.mark_inputs(part), *(bundle.to for bundle in bundles)]
        return Frame(
            "backward", f"From {set_plain(part.title)} to {to}", lines, grad=grad,
            marked=[*dict.fromkeys(marked)], node=part.id, note=note,
        )  # fmt: skip

    def write_chain(self, place: Place, output: Value, root: Symbol, several: bool) -> list[Line]:
        """Write the chain rule for one neuron and sample: to its sum, its weights and its inputs.

        The gradients of weights are sums over samples if there are several.
        """
        _, is_active = self.find_sum(output)
        notation, a = self.notation, make_name("a")
        delta, name = make_name("δ"), make_name("z")
        upstream = notation.number(self.numbers.place_sum(output))
        lines = [equate(delta, write_gradient(root, a), upstream)]
        if is_active:
            by_name = f"{write_gradient(root, a)}<mo>⋅</mo>{write_derivative(a, name)}"
            local = notation.number(self.numbers.place_local(output, 0))
            sent = notation.number(self.numbers.place_product(output, 0))
            by_number = combine("·", upstream, local)
            lines = [
                equate(delta, write_gradient(root, name), by_name),
                equate(delta, by_number, sent),
            ]
        c = place[0]
        w, x = make_name("w_i"), make_name("x_i" if c == 1 else "a_i")
        return [
            *lines,
            *[
                (
                    write_gradient(root, to),
                    f"<mo>+=</mo>{sign}",
                    write_equality(combine("·", delta, by)),
                )
                for to, by, sign in ((w, x, "<mo>∑</mo>" if several else ""), (x, w, ""))
            ],
        ]


def write_weighted_sum(pairs: Sequence[tuple[Symbol, Symbol]], last: Symbol) -> Symbol:
    """Write a sum of products and a last term; of a long one, the first and the last products."""
    terms = [combine("·", w, x) for w, x in pairs]
    if len(terms) > MOST_TERMS:
        terms = [*terms[:2], make_name("⋯"), terms[-1]]
    total = terms[0]
    for term in [*terms[1:], last]:
        total = combine("+", total, term)
    return total


def equate(left: Symbol, *sides: Symbol | str) -> Line:
    """Write a = b = c as a line."""
    return write_equality(left), "<mo>=</mo>", write_equality(*sides)
