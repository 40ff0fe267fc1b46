"""The frames of the forward pass, one for each operation, and of a backward pass, one for each
contribution: d root / d x += d root / d out * ∂ out / ∂ x, with names and with numbers.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.draw.formulas.forms import build_slopes
from engine.draw.formulas.notation import (
    Notation,
    number_repeats,
    write_chain_rule,
    write_derivative,
    write_equality,
    write_equation,
    write_grad,
    write_gradient,
)
from engine.draw.formulas.places import Place
from engine.draw.formulas.symbols import ZERO, Symbol, build_formula, build_results, combine, lift
from engine.draw.graph.view import is_result
from engine.draw.steps.frames import END, START, TRUE_GRADIENTS, Frame
from engine.node import Node
from engine.rules import Op
from engine.sequences.vector_op import Output, Outputs
from engine.watch.wrong_passes import RIGHT, Contribution, Pass

LONGEST_TITLE = 60  # characters of a formula; the frame shows a longer one below
MOST_RESULTS = 4  # results whose formulas a frame shows


class Tracer:
    """The frames of the forward pass through one graph.

    Args:
        order: the graph in topological order.
        notation: the names of all its nodes.
        places: the places of nodes in a model.
    """

    def __init__(self, order: Sequence[Node], notation: Notation, places: Mapping[Node, str]):
        self.order, self.notation, self.places = order, notation, places
        self.place = {node: i for i, node in enumerate(order)}
        self.ids = {node: f"v{i}" for i, node in enumerate(order)}
        self.uses = Counter(x for node in order for x in node.inputs)
        self.results: dict[Node, list[tuple[int, Node]]] = {}  # of an operation with several
        for node in order:
            if isinstance(node.op, Output):
                self.results.setdefault(node.inputs[0], []).append((node.op._output_index, node))
        for results in self.results.values():
            results.sort(key=lambda result: result[0])

    def start(self) -> Frame:
        """Return the first frame, which shows the leaves."""
        leaves = [node for node in self.order if node.op is None]
        return START._replace(data={self.ids[x]: self.notation.format_data(x) for x in leaves})

    def trace_forward(self) -> Iterator[Frame]:
        """Yield a frame for each operation: its formula with names, with numbers, the result."""
        for node in self.order:
            if isinstance(node, Outputs):
                yield self.compute_results(node)
            elif node.op is not None and not is_result(node):
                yield self.compute(node, node.op)

    def compute(self, node: Node, op: Op) -> Frame:
        """Return the frame in which a value is computed."""
        notation, i, id = self.notation, self.place[node], self.ids[node]
        names, numbers = notation.inputs(node), [*map(notation.data, node.inputs)]
        if names[-1] == ZERO:  # a sum without a bias
            numbers[-1] = ZERO
        by_name, by_number = build_formula(op, names), build_formula(op, numbers)
        result = notation.data(node)
        is_copy = by_number in (result, *numbers)  # a sum of one number
        sides = [result] if is_copy else [by_number, result]
        lines = [
            write_equation(notation.name(node), by_name),
            write_equation(notation.name(node), *sides),
        ]
        marked = [id, f"o{i}", f"e{i}", *self.list_arrows(node)]
        marked += [self.ids[x] for x in node.inputs]
        data = {id: notation.format_data(node)}
        text = str(by_name)
        title = f"{notation.name(node)} = {text if len(text) <= LONGEST_TITLE else f'{op.name}(…)'}"
        where = self.places.get(node, "")
        return Frame("forward", title, lines, data=data, marked=marked, where=where, node=id)

    def compute_results(self, node: Outputs) -> Frame:
        """Return the frame in which several results are computed, of which the graph may use
        some."""
        notation, results = self.notation, [x for _, x in self.results[node]]
        formulas = build_results(node.op, [notation.input(x) for x in node.inputs])
        lines = [
            write_equation(notation.name(x), formulas[index], notation.data(x))
            for index, x in self.results[node][:MOST_RESULTS]
        ]
        marked = [f"o{self.place[node]}", *self.list_arrows(node)]
        marked += [*(f"e{self.place[x]}" for x in results), *(self.ids[x] for x in results)]
        marked += [self.ids[x] for x in node.inputs]
        data = {self.ids[x]: notation.format_data(x) for x in results}
        title = f"{self.list_names(results)} = {node.op.name}"
        return Frame("forward", title, lines, data=data, marked=marked, node=self.ids[node])

    def list_names(self, results: Sequence[Node]) -> str:
        return ", ".join(self.notation.text(x) for x in results[:MOST_RESULTS])

    def find_place(self, *nodes: Node) -> str:
        """Return the places of some nodes in a model, separated by arrows."""
        return " → ".join(dict.fromkeys(filter(None, map(self.places.get, nodes))))

    def list_arrows(self, node: Node) -> list[str]:
        return [f"e{self.place[node]}-{k}" for k in range(len(node.inputs))]


class BackwardTracer(Tracer):
    """The frames of one backward pass through a graph, which may be a wrong one."""

    def __init__(
        self,
        order: Sequence[Node],
        notation: Notation,
        places: Mapping[Node, str],
        variant: Pass,
    ):
        super().__init__(order, notation, places)
        self.variant, self.sign = variant, "+=" if variant.accumulates else "="
        self.rules: dict[Node, tuple[list[list[Symbol]], list[Symbol]]] = {}  # slopes and inputs

    def write_gradient(self, node: Node) -> str:
        """Write d root / d node, or for a wrong pass node.grad."""
        write = write_gradient if self.variant is RIGHT else write_grad
        return write(self.notation.name(self.order[-1]), self.notation.name(node))

    def trace_all(self, passed: Sequence[Contribution]) -> Iterator[Frame]:
        """Yield the frames of the forward pass and of the correct backward pass."""
        yield self.start()
        yield from self.trace_forward()
        yield from self.trace_backward(passed)
        yield END

    def trace_pass(self, passed: Sequence[Contribution]) -> Iterator[Frame]:
        """Yield the frames of a wrong pass, without what they say of its mistakes.

        The first one shows all data.
        """
        values = [x for x in self.order if not isinstance(x, Outputs)]
        data = {self.ids[x]: self.notation.format_data(x) for x in values}
        yield Frame("start", self.variant.description, data=data, note=TRUE_GRADIENTS)
        yield from self.trace_backward(passed)
        yield Frame("end", "")

    def trace_backward(self, passed: Sequence[Contribution]) -> Iterator[Frame]:
        """Yield a frame for the seed and one for each contribution, in the order of the pass."""
        root = self.order[-1]
        yield Frame(
            "seed", f"The gradient starts at {self.notation.text(root)}",
            [write_equation(self.write_gradient(root), lift(1.0))],
            grad={self.ids[root]: self.notation.format(1.0)}, marked=[self.ids[root]],
        )  # fmt: skip
        arrived: Counter[Node] = Counter()
        for sent in passed:
            arrived[sent.to] += 1
            if not isinstance(sent.to, Outputs):
                yield self.propagate(sent, arrived[sent.to])
            elif self.variant is not RIGHT:  # a result may propagate its gradient too early
                yield self.send_to_operation(sent)

    def propagate(self, sent: Contribution, use: int = 1) -> Frame:
        """Return the frame of a contribution to a value, which its `use`-th use makes."""
        node = sent.node
        if isinstance(node, Outputs):
            i, count = self.place[node], len(node.data)
            locals = [Place(f"p{i}.{sent.k}.{index}") for index in range(count)]
            return self.send_from_results(sent, locals)
        if node not in self.rules:
            inputs = [self.notation.input(x) for x in node.inputs]
            slopes = build_slopes(node.op, self.notation.name(node), inputs)
            self.rules[node] = slopes, number_repeats(inputs)
        forms, inputs = self.rules[node]
        return self.send(sent, forms[sent.k], inputs[sent.k], use)

    def send(self, sent: Contribution, forms: Sequence[Symbol], x: Symbol, use: int) -> Frame:
        """Return the frame of a contribution, which the `use`-th use of its receiver makes.

        `forms` are equal formulas of the local derivative.
        """
        notation, i = self.notation, self.place[sent.node]
        to, out = self.write_gradient(sent.to), notation.name(sent.node)
        if self.variant is not RIGHT:  # a wrong pass is about other things
            forms = forms[:1]
        upstream, local = self.write_gradient(sent.node), write_derivative(out, x)
        lines = [
            write_chain_rule(to, self.sign, upstream, local, *forms),
            notation.write_product(to, self.sign, sent.upstream, sent.local, sent.sent),
        ]
        title = f"From {out} to {notation.name(sent.to)}"
        if self.uses[sent.to] > 1:
            title += f", use {use} of {self.uses[sent.to]}"
            if use > 1 and self.variant.accumulates:
                lines.append(notation.write_running_sum(to, sent.before, sent.sent, sent.after))
        ids = self.ids[sent.node], self.ids[sent.to]
        marked = [ids[0], f"o{i}", f"e{i}", f"e{i}-{sent.k}", ids[1]]
        grad = {ids[1]: notation.format(sent.after)}
        return Frame(
            "backward", title, lines, grad=grad, marked=marked,
            where=self.find_place(sent.node, sent.to), node=ids[0], to=ids[1],
        )  # fmt: skip

    def send_to_operation(self, sent: Contribution) -> Frame:
        """Return the frame of one result's gradient, sent to the operation it shares."""
        i, to = self.place[sent.node], self.place[sent.to]
        upstream = self.notation.number(sent.upstream)
        line = write_equation(self.write_gradient(sent.node), upstream)
        title = f"From {self.notation.name(sent.node)} to {sent.to.op.name}"
        marked = [f"v{i}", f"e{i}", f"o{to}"]
        return Frame("backward", title, [line], marked=marked, node=f"v{i}", to=f"v{to}")

    def send_from_results(self, sent: Contribution, locals: Sequence[Place]) -> Frame:
        """Return the frame of the contribution of several results: a sum over them."""
        notation, i = self.notation, self.place[sent.node]
        results = [x for _, x in self.results[sent.node]]
        x, to = notation.name(sent.to), self.write_gradient(sent.to)
        upstreams: Any = sent.upstream  # one for each result, None where none has arrived
        names, numbers = [], []
        for index, result in self.results[sent.node][:MOST_RESULTS]:
            derivative = write_derivative(notation.name(result), x)
            names.append(f"{self.write_gradient(result)}<mo>⋅</mo>{derivative}")
            upstream, local = notation.number(upstreams[index]), locals[index]
            numbers.append(write_equality(combine("·", upstream, notation.number(local))))
        dots = ["<mo>⋯</mo>"] * (len(results) > MOST_RESULTS)
        sides = ["<mo>+</mo>".join([*terms, *dots]) for terms in (names, numbers)]
        sides.append(write_equality(notation.number(sent.sent)))
        marked = [*(self.ids[r] for r in results), *(f"e{self.place[r]}" for r in results)]
        marked += [f"o{i}", f"e{i}-{sent.k}", self.ids[sent.to]]
        return Frame(
            "backward", f"From {self.list_names(results)} to {x}",
            [(to, f"<mo>{self.sign}</mo>", side) for side in sides],
            grad={self.ids[sent.to]: notation.format(sent.after)}, marked=marked,
            node=self.ids[sent.node], to=self.ids[sent.to],
        )  # fmt: skip
