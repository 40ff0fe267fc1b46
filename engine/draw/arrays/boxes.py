"""Backpropagation box by box through a graph of Arrays, such as layer by layer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from engine.draw.arrays.facts import collect_array_facts
from engine.draw.arrays.formulas import build_array_formula, build_pullback
from engine.draw.arrays.live import (
    LiveArrays,
    add_note_to_start,
    collect_copied_facts,
    copy_graph,
    make_notation,
    pack_copy,
    record_small,
)
from engine.draw.arrays.matrices import write_shape
from engine.draw.arrays.notation import ArrayNotation, choose_array_names, is_plain_number
from engine.draw.arrays.recorded import is_recorded, make_key
from engine.draw.arrays.tracer import ArrayFrames, show_arrays
from engine.draw.formulas.notation import Line
from engine.draw.formulas.places import Place
from engine.draw.formulas.symbols import Symbol
from engine.draw.graph.view import Box, Cell, View
from engine.draw.look.theme import norm
from engine.draw.options import Options
from engine.draw.steps.box_numbers import RunningSums
from engine.draw.steps.boxes import BoxTracer, Bundle, Part
from engine.draw.steps.facts import Facts
from engine.draw.steps.frames import KEYS, Frame, Run, Trace
from engine.node import Node
from engine.rules import Op
from engine.support.arguments import format_count
from engine.watch.wrong_passes import RIGHT, Contribution, contributions

MOST_LINES = 6  # formulas of a box in one step


@np.errstate(all="ignore")  # as in the engine
def trace_array_boxes(view: View, look: Options) -> tuple[Trace, list[Facts], LiveArrays | None]:
    """Return the frames of both passes over a drawing of Arrays with boxes, and the facts.

    The last result has the data with which a page computes the graph. It is None for a large graph
    or one with a row that cannot be recorded; the first frame then says so.
    """
    order = [*view.ids]
    names = dict(zip(order, choose_array_names(order, look.format), strict=True))
    passed = list(contributions(order, RIGHT))
    notation = ArrayNotation(names, look.format, look.matrix_size)
    rows, problem = record_small(order)
    notation.structures = {node: row.structures for node, row in rows.items()}
    traced = ArrayBoxTracer(view, notation, passed).trace()
    parameters = view.modules.parameters
    if not rows:
        add_note_to_start(traced.templates, problem)
        facts = collect_array_facts(notation, traced.grads, parameters, has_paths=False)
        cells = {*view.ids.values()}
        return traced, [fact for fact in facts if fact.id in cells] + list_boxes(view, {}), None
    passes = {RIGHT: passed}
    copy = copy_graph(order, passes)
    copied = make_notation(copy, names, rows, look.format, look.matrix_size)
    tracer = ArrayBoxTracer(replace_nodes(view, copy.nodes), copied, copy.passes[RIGHT])
    templates = tracer.trace().templates
    facts = place_in_boxes(collect_copied_facts(copy, copied, parameters), view)
    graph = pack_copy(copy, names, passes, rows, look.format)
    # Leaves in boxes can be changed. The norms of groups and stages are texts of the program.
    graph = graph._replace(boxes={"groups": [], "stages": []})
    return traced, facts, LiveArrays(templates, facts, graph)


def replace_nodes(view: View, copies: Mapping[Node, Any]) -> View:
    """Return a view with copies in place of nodes."""

    def replace(part: Cell | Box) -> Cell | Box:
        if isinstance(part, Cell):
            return part._replace(node=copies[part.node])
        parameters = [copies[x] for x in part.parameters if x in copies]
        return part._replace(parameters=parameters, result=part.result and copies[part.result])

    contents = {path: [*map(replace, parts)] for path, parts in view.contents.items()}
    ids = {copies[node]: id for node, id in view.ids.items()}
    return view._replace(contents=contents, ids=ids)


def list_boxes(view: View, leaves: Mapping[str, Sequence[int]]) -> list[Facts]:
    """Return the facts about the boxes of a drawing, given the places of the leaves inside."""
    boxes = [box for box in view.drawn if isinstance(box, Box)]
    return [
        Facts(box.id, box.path, format_count(box.nodes, "node"), leaves=leaves.get(box.id, ()))
        for box in boxes
    ]


def place_in_boxes(facts: Sequence[Facts], view: View) -> list[Facts]:
    """Return the facts about all nodes, with the ids of their boxes, and about the boxes.

    The entries of nodes that a box computes are empty, except that of the root.
    """
    boxes = {box.id for box in view.drawn if isinstance(box, Box)}
    placed, leaves, root = [], dict[str, list[int]](), [*view.ids][-1]
    for i, (node, id) in enumerate(view.ids.items()):
        fact = facts[i]._replace(id=id, gradient="", factors=(), uses=())
        if id in boxes:
            fact = fact._replace(lines=())
            if node.op is None and not is_plain_number(node):
                leaves.setdefault(id, []).append(i)
            elif node is not root:
                fact = Facts("", "")
        placed.append(fact)
    return placed + list_boxes(view, leaves)


class ArrayBoxTracer(BoxTracer):
    """The frames of Arrays, whose boxes show the formulas of the arrays inside.

    Args:
        view: the drawing.
        notation: the names of all nodes.
        passed: the contributions of the backward pass.
    """

    notation: ArrayNotation

    def __init__(self, view: View, notation: ArrayNotation, passed: Sequence[Contribution]):
        self.notation, self.passed = notation, passed
        super().__init__(view, notation.spec)
        self.plain = ArrayFrames(self.order, notation, {}, RIGHT)
        self.inside: dict[str, list[Contribution]] = {}  # by the boxes, not those to leaves
        for sent in passed:
            if self.ids[sent.node] == self.ids[sent.to] and sent.to.op is not None:
                self.inside.setdefault(self.ids[sent.node], []).append(sent)

    def choose_notation(self, spec: str) -> ArrayNotation:
        """Return the names of nodes, also of those in boxes, and the format of arrays."""
        return self.notation

    def run_pass(self) -> Sequence[Contribution]:
        """Return the contributions of the backward pass."""
        return self.passed

    def show(self, frame: Frame, arrays: Mapping[tuple[Any, str], Any]) -> Frame:
        """Return a frame in which arrays outside boxes appear."""
        drawn = {key: x for key, x in arrays.items() if self.ids[key[0]] not in self.boxes}
        return show_arrays(frame, drawn, self.ids, self.notation)

    def start(self) -> Frame:
        """Return the first frame, which shows the leaves outside boxes."""
        leaves = {(x, "data"): x.data for x in self.order if x.op is None}
        return self.show(super().start()._replace(data={}, note=KEYS), leaves)

    def compute(self, part: Part, node: Node, op: Op) -> Frame:
        """Return the frame in which an Array outside boxes is computed."""
        return self.plain.compute(node, op)._replace(marked=self.mark_result(part), node=part.id)

    def compute_box(self, part: Part, outputs: set[Node]) -> Frame:
        """Return the frame in which a box is computed, with its first formulas."""
        results: list[Any] = [x for x in part.nodes if x in outputs] or part.nodes[-1:]
        sizes = [f"{write_shape(x.data.shape)}, {self.notation.format(x.data)}" for x in results]
        names = [f"{self.notation.text(x)} {size}" for x, size in zip(results, sizes, strict=True)]
        lines = [line for x in part.nodes[:MOST_LINES] for line in self.write_node(x)]
        note = f"{format_count(len(results), 'output')}: {', '.join(names[:MOST_LINES])}"
        return Frame(
            "forward", part.title, lines, {part.id: ""}, marked=self.mark_inputs(part),
            node=part.id, note=note,
        )  # fmt: skip

    def write_node(self, node: Any) -> Iterator[Line]:
        """Yield the formula of an Array with shapes; none for a transpose, whose name says it."""
        inputs = [self.notation.input(x) for x in node.inputs]
        formula = build_array_formula(node, inputs)  # type: ignore[arg-type]
        line = self.notation.write_formula(self.notation.name(node), "=", formula)
        if line[0] != line[-1]:
            yield line

    def prepare(
        self, passed: Sequence[Contribution], bundles: Sequence[Bundle], grads: Mapping[Node, Any]
    ) -> None:
        """Prepare the gradients of the stages, which frames contain."""
        self.numbers = ArrayNumbers(self.order[-1], bundles, grads)

    def finish(self, run: Run, passed: Sequence[Contribution], grads: dict[Node, Any]) -> Trace:
        """Return the trace of a run."""
        return Trace([run], self.names, grads)

    def send(self, bundle: Bundle, root: Symbol) -> Frame:
        """Return the frame of a bundle, the last stage."""
        frame = super().send(bundle, root)
        grads = {(x.to, "grad"): self.numbers.place_sum(x.to) for x in bundle.sent}
        kept = {id: text for id, text in frame.grad.items() if id in self.boxes}
        return self.show(frame._replace(grad=kept), grads)

    def write_chain_rule(
        self, bundle: Sequence[Contribution], root: Symbol, to_parameters: bool
    ) -> list[Line]:
        """Write the pullbacks inside a box, when it sends for the first time, and those between."""
        inside = self.inside.pop(self.ids[bundle[0].node], [])
        return [self.write_pullback(sent) for sent in [*inside, *bundle][:MOST_LINES]]

    def write_pullback(self, sent: Contribution) -> Line:
        """Write the contribution of one Array to another, such as dW += dZᵀ X, with shapes."""
        node, notation = sent.node, self.notation
        inputs = [notation.input(x) for x in node.inputs]
        g, out = notation.gradient(node, sent.upstream), notation.name(node)
        pulled = build_pullback(node, sent.k, g, out, inputs, sent.sent)  # type: ignore[arg-type]
        return notation.write_formula(notation.gradient(sent.to, sent.sent), "+=", pulled)


class ArrayNumbers:
    """The numbers of frames over boxes of Arrays, which `BoxTexts` has as places."""

    def __init__(self, root: Node, bundles: Sequence[Bundle], grads: Mapping[Node, Any]):
        self.sums = RunningSums(root, grads, [x for bundle in bundles for x in bundle.sent])
        self.stage: Sequence[Contribution] = ()

    def add_stage(self, sent: Sequence[Contribution]) -> None:
        """Add the contributions of a stage."""
        self.stage = sent
        self.sums.add(sent)

    def place_sum(self, node: Node) -> Any:
        """Return a gradient after the last stage."""
        return self.sums[node]

    def place_group(self, kind: str, nodes: Sequence[Node]) -> float | Place:
        """Return the norm of all elements of some gradients after the last stage."""
        return measure_all([self.sums[x] for x in nodes if x in self.sums])

    def place_sent(self, sent: Contribution) -> Any:
        """Return what a contribution adds."""
        return sent.sent

    def place_stage(self) -> float | Place:
        """Return the norm of the contributions of the last stage, added up for each receiver."""
        sums: dict[Node, Any] = {}
        for sent in self.stage:
            sums[sent.to] = sums[sent.to] + sent.sent if sent.to in sums else sent.sent
        return measure_all([*sums.values()])


def measure_all(arrays: Sequence[Any]) -> float | Place:
    """Return the norm of all elements of some arrays, or its place if they are recorded."""
    elements = np.concatenate([np.zeros(0), *map(np.ravel, arrays)])
    return Place(make_key("l", elements)) if is_recorded(elements) else norm(elements)
