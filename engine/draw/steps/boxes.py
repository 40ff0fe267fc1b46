"""Backpropagation box by box, for graphs with too many values to step through.

A box of the drawing computes all its values in one step, and propagates all gradients to another
box in one step: the chain rule with vectors for values and Jacobians for local derivatives.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engine.draw.formulas.labels import set_plain
from engine.draw.formulas.notation import (
    Line,
    Notation,
    Number,
    choose_names,
    write_derivative,
    write_equation,
    write_gradient,
)
from engine.draw.formulas.places import remove_marks
from engine.draw.formulas.symbols import Symbol, build_formula, lift, make_name
from engine.draw.graph.clusters import name_root
from engine.draw.graph.coarse import sort_parts
from engine.draw.graph.view import Box, View, is_result, name_arrow
from engine.draw.page.live import pack_graph
from engine.draw.steps.box_numbers import BoxTexts, count_values
from engine.draw.steps.frames import END, KEYS, START, TITLES, Frame, Run, Trace, fill_runs
from engine.draw.steps.numbers import choose_places
from engine.draw.steps.tracer import Tracer
from engine.node import Node
from engine.rules import Op
from engine.sequences.vector_op import Outputs
from engine.support.arguments import format_count
from engine.value import Value
from engine.watch.wrong_passes import RIGHT, Contribution, contributions

MOST_VALUES = 15_000  # of a graph that a page computes, such as an MNIST network of 16 neurons
REPLAYS = (
    "The graph has {count:,} values, more than the {most:,} that a page computes. This page shows "
    "the numbers that Python computed, which cannot be changed."
)
LEGEND = "In formulas, the name of a box denotes its outputs, and θ its parameters."


class Part(NamedTuple):
    """The nodes that are computed in one step: all of a box, unless some depend on later parts."""

    id: str
    title: str
    nodes: list[Node]


class Bundle(NamedTuple):
    """The contributions of a part to one box or value."""

    part: Part
    to: str
    title: str | None  # of the part that receives them; None for leaves
    sent: list[Contribution]


def trace_boxes(view: View, spec: str) -> Trace:
    """Return the frames of both passes over a drawing with boxes, named by their paths."""
    return BoxTracer(view, spec).trace()


class BoxTracer:
    """The frames of both passes over a drawing with boxes."""

    def __init__(self, view: View, spec: str):
        self.view, self.ids, self.order = view, view.ids, list(view.ids)
        self.boxes = {box.id: box for box in view.drawn if isinstance(box, Box)}
        self.notation = self.choose_notation(spec)
        self.names = dict(self.notation.names)
        self.is_live = count_values(self.order) <= MOST_VALUES

    def choose_notation(self, spec: str) -> Notation:
        """Return the names of nodes, those in boxes by the paths of these."""
        names = dict(zip(self.order, choose_names(self.order, spec), strict=True))
        for node in self.order:
            if self.ids[node] in self.boxes:
                names[node] = self.boxes[self.ids[node]].path
            if isinstance(node, Outputs):
                names[node] = node.op.name
        root, modules = self.order[-1], self.view.modules
        box = self.boxes.get(self.ids[root])
        if modules.by_path and (box is None or box.path in (modules.inputs, modules.rest)):
            names[root] = name_root(root).full
        names = {node: remove_marks(name) for node, name in names.items()}
        return Notation(names, spec, places=choose_places(self.order))

    def trace(self) -> Trace:
        """Return the frames, the names of the nodes, and their gradients."""
        paths = {x: self.boxes[id].path for x, id in self.ids.items() if id in self.boxes}
        parts = split_into_parts(self.view, self.names | paths)
        passed = self.run_pass()
        root: Any = self.order[-1]
        grads: dict[Node, Any] = dict.fromkeys(self.order, 0.0) | {root: root._one()}
        grads |= {sent.to: sent.after for sent in passed}
        bundles = bundle_contributions(parts, passed, self.ids)
        self.prepare(passed, bundles, grads)
        backward = self.trace_backward(bundles)
        frames = [self.start(), *self.trace_forward(parts), *backward, END]
        return self.finish(Run(TITLES[0], frames), passed, grads)

    def run_pass(self) -> Sequence[Contribution]:
        """Return the contributions of the backward pass."""
        return list(contributions(self.order, RIGHT))

    def prepare(
        self, passed: Sequence[Contribution], bundles: Sequence[Bundle], grads: Mapping[Node, Any]
    ) -> None:
        """Prepare the numbers of groups and stages, for which frames have places."""
        self.numbers: Any = BoxTexts(self.order, passed, grads, self.notation.spec)

    def finish(self, run: Run, passed: Sequence[Contribution], grads: dict[Node, Any]) -> Trace:
        """Return the trace of a run. It has a graph unless there are too many values."""
        texts, count = self.numbers, count_values(self.order)
        if not self.is_live:
            (filled,) = fill_runs([run], [texts])
            note = f"{filled.frames[0].note} {REPLAYS.format(count=count, most=MOST_VALUES)}"
            filled.frames[0] = filled.frames[0]._replace(note=note)
            return Trace([filled], self.names, grads)
        graph = pack_graph(self.names, {RIGHT: passed}, self.notation.spec)
        for packed, node in zip(graph.nodes, self.order, strict=True):
            del packed["name"]
            if isinstance(node, Value) and node not in self.notation.places:
                packed["fixed"] = True  # it decides how a formula is written
        graph = graph._replace(boxes=texts.pack())
        return Trace([run], self.names, grads, texts=[texts], graph=graph)

    def start(self) -> Frame:
        """Return the first frame, which shows the leaves and the boxes of leaves only."""
        computed = {id for node, id in self.ids.items() if node.op is not None}
        data = {
            id: "" if id in self.boxes else self.notation.format_data(node)
            for node, id in self.ids.items()
            if id not in computed
        }
        return START._replace(data=data, note=f"{KEYS} {LEGEND}")

    def trace_forward(self, parts: Sequence[Part]) -> Iterator[Frame]:
        """Yield a frame for each part: a value's formula, or the number of a box's outputs."""
        ids = self.ids
        outputs = {x for node in ids for x in node.inputs if ids[x] != ids[node]}
        tracer = Tracer(self.order, self.notation, {})
        for part in parts:
            node = part.nodes[-1]
            if part.id in self.boxes:
                yield self.compute_box(part, outputs)
            elif isinstance(node, Outputs):
                frame = tracer.compute_results(node)
                own = [f"o{part.id[1:]}"]
                results = [x for _, x in tracer.results[node] if self.ids[x] not in self.boxes]
                own += [id for x in results for id in (self.ids[x].replace("v", "e"), self.ids[x])]
                yield frame._replace(marked=[*own, *self.mark_inputs(part)[1:]])
            elif node.op is not None and not is_result(node):  # results are computed together
                yield self.compute(part, node, node.op)

    def mark_result(self, part: Part) -> list[str]:
        """Return the ids that are marked when a value is computed."""
        return [*self.mark_inputs(part), f"o{part.id[1:]}", f"e{part.id[1:]}"]

    def mark_inputs(self, part: Part) -> list[str]:
        """Return the ids of a part, of the arrows into it, and of the values they come from."""
        ids = self.ids
        inputs = [(n, k) for n in part.nodes for k, x in enumerate(n.inputs) if ids[x] != part.id]
        arrows = dict.fromkeys(name_arrow(ids, n, k) for n, k in inputs)
        return [part.id, *arrows, *dict.fromkeys(ids[n.inputs[k]] for n, k in inputs)]

    def compute(self, part: Part, node: Node, op: Op) -> Frame:
        """Return the frame in which a value is computed."""
        formula = build_formula(op, [self.notation.input(x) for x in node.inputs])
        result = self.notation.data(node)
        line = write_equation(make_name(part.title), formula, result)
        marked = self.mark_result(part)
        data = {part.id: self.notation.format_data(node)}
        title = f"{set_plain(part.title)} = {formula}"
        return Frame("forward", title, [line], data=data, marked=marked, node=part.id)

    def compute_box(self, part: Part, outputs: set[Node]) -> Frame:
        """Return the frame in which a box, or a part of one, is computed."""
        values = [x for x in part.nodes if isinstance(x, Value)]
        shown = [x for x in values if x in outputs] or values[-1:]
        low, high = (self.notation.format(self.numbers.place_group(x, shown)) for x in "lh")
        size = f"from {low} to {high}" if len(shown) > 1 else low
        count = format_count(len(part.nodes), "value")
        note = f"{count}, {format_count(len(shown), 'output')}: {size}"
        marked, result = self.mark_inputs(part), self.boxes[part.id].result
        data = {part.id: self.notation.format_data(result) if result in part.nodes else ""}
        return Frame("forward", part.title, data=data, marked=marked, node=part.id, note=note)

    def trace_backward(self, bundles: Sequence[Bundle]) -> Iterator[Frame]:
        """Yield a frame for the seed and one for each bundle: the chain rule with vectors."""
        ids, root = self.ids, self.order[-1]
        title = remove_marks(root.label or self.names[root])
        name = make_name(title)
        yield Frame(
            "seed", f"The gradient starts at {set_plain(title)}",
            [write_equation(write_gradient(name, name), lift(1.0))],
            grad=self.show_gradient(root, 1.0),
            marked=[ids[root]],
        )  # fmt: skip
        for bundle in bundles:
            self.numbers.add_stage(bundle.sent)
            yield self.send(bundle, name)

    def send(self, bundle: Bundle, root: Symbol) -> Frame:
        """Return the frame of a bundle, the last stage."""
        notation, (part, to, title, contributions) = self.notation, bundle
        first, box, is_inside = contributions[0], self.boxes.get(to), to == part.id
        parameters = box.parameters if box and box.result is None else []
        to_parameters = bool(parameters) and all(x.to.op is None for x in contributions)
        receiver = title or self.names[first.to]
        if box is not None and title is None:
            receiver = box.path
        if is_inside and title is None:
            receiver = "its own leaves"
        if to_parameters:
            receiver = "its own parameters" if is_inside else f"the parameters of {receiver}"
        grad: dict[str, str] = {}
        for sent in contributions:
            grad |= self.show_gradient(sent.to, self.numbers.place_sum(sent.to))
        if to_parameters:
            grad = {to: notation.format(self.numbers.place_group("n", parameters))}
        marked = [part.id]
        if part.id not in self.boxes:
            several = isinstance(first.node, Outputs)  # their arrows lead to other cells
            marked += [part.id.replace("v", letter) for letter in ("o" if several else "oe")]
        if not is_inside:
            marked += dict.fromkeys(name_arrow(self.ids, x.node, x.k) for x in contributions)
        return Frame(
            "backward", f"From {set_plain(part.title)} to {set_plain(receiver)}",
            self.write_chain_rule(contributions, root, to_parameters),
            grad=grad, marked=[*marked, to], node=part.id, to=to, note=self.measure(contributions),
        )  # fmt: skip

    def write_chain_rule(
        self, bundle: Sequence[Contribution], root: Symbol, to_parameters: bool
    ) -> list[Line]:
        """Write the chain rule with the names of two boxes, or with θ for parameters."""
        first = bundle[0]
        out, to = self.notation.name(first.node), self.notation.name(first.to)
        to = make_name("θ") if to_parameters else to
        jacobian = f"{write_gradient(root, out)}<mo>⋅</mo>{write_derivative(out, to)}"
        return [(write_gradient(root, to), "<mo>+=</mo>", jacobian)]

    def show_gradient(self, node: Node, gradient: Number) -> dict[str, str]:
        """Return the text of a gradient for the node's cell, or for the box whose result it is."""
        id = self.ids[node]
        if id in self.boxes and self.boxes[id].result is not node:
            return {}
        return {id: self.notation.format(gradient)}

    def measure(self, contributions: Sequence[Contribution]) -> str:
        """Return the number and size of the contributions of the last stage, in words."""
        count = format_count(len(contributions), "contribution")
        if len(contributions) == 1:
            return f"{count}: {self.notation.format(self.numbers.place_sent(contributions[0]))}"
        receivers, size = {sent.to for sent in contributions}, self.numbers.place_stage()
        gradients = format_count(len(receivers), "gradient")
        text = f"{gradients} with norm {self.notation.format(size)}"
        return f"{text}, from {count}" if len(contributions) > len(receivers) else text


def split_into_parts(view: View, names: Mapping[Node, str]) -> list[Part]:
    """Return the parts of a drawing, each after those that it depends on.

    The depth of a part is the length of the longest path to it through other parts. The boxes of
    modules have parts of several depths, because a box may depend on a node that depends on it.
    """
    depth: dict[Node, int] = {}
    nodes_at: dict[tuple[int, str], list[Node]] = {}
    inputs = list_input_boxes(view)
    depth_of: dict[str, int] = {}
    for id in sort_parts(inputs, inputs):
        depth_of[id] = max((depth_of[x] + 1 for x in inputs[id]), default=0)
    is_whole = not view.modules.by_path and len(depth_of) == len(inputs)
    for node, id in view.ids.items():
        longest = max((depth[x] + (view.ids[x] != id) for x in node.inputs), default=0)
        depth[node] = depth_of[id] if is_whole else longest
        if node.op is not None:
            nodes_at.setdefault((depth[node], id), []).append(node)
    totals = Counter(id for _, id in nodes_at)
    counts: Counter[str] = Counter()
    parts = []
    for key in sorted(nodes_at, key=lambda key: key[0]):
        (_, id), nodes = key, nodes_at[key]
        counts[id] += 1
        title = names[nodes[0]]
        if totals[id] > 1:
            title += f", part {counts[id]} of {totals[id]}"
        parts.append(Part(id, title, nodes))
    return parts


def list_input_boxes(view: View) -> dict[str, set[str]]:
    """Return the ids of the cells and boxes that each depends on."""
    inputs: dict[str, set[str]] = {id: set() for id in view.ids.values()}
    for node, id in view.ids.items():
        inputs[id].update(view.ids[x] for x in node.inputs if view.ids[x] != id)
    return inputs


def bundle_contributions(
    parts: Sequence[Part], passed: Sequence[Contribution], ids: Mapping[Node, str]
) -> list[Bundle]:
    """Return the contributions between parts as bundles, those of the deepest part first."""
    part_of = {node: i for i, part in enumerate(parts) for node in part.nodes}
    bundles: dict[tuple[int, str], list[Contribution]] = {}
    for sent in passed:
        is_value = not isinstance(sent.to, Outputs)
        if part_of.get(sent.to) != part_of[sent.node] and is_value:
            bundles.setdefault((-part_of[sent.node], ids[sent.to]), []).append(sent)
    titles = {node: part.title for part in parts for node in part.nodes}
    return [
        Bundle(parts[-i], to, titles.get(bundles[i, to][0].to), bundles[i, to])
        for i, to in sorted(bundles, key=lambda key: key[0])
    ]
