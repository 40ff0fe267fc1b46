"""The frames of both passes through a graph of Arrays: dW = dZᵀ X, with shapes and with numbers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from engine.draw.arrays.elements import Follower
from engine.draw.arrays.formulas import build_array_formula, build_pullback
from engine.draw.arrays.matrices import as_table, describe_matrix, format_factor
from engine.draw.arrays.notation import ArrayNotation, choose_array_names
from engine.draw.arrays.recorded import is_recorded, make_key
from engine.draw.arrays.terms import Structure
from engine.draw.arrays.writing import to_array_text
from engine.draw.formulas.notation import Line
from engine.draw.formulas.shortening import shorten_names
from engine.draw.look.theme import format_number, norm
from engine.draw.steps.frames import START, TITLES, Frame, Run, Trace
from engine.draw.steps.tracer import BackwardTracer
from engine.draw.steps.wrong_frames import WrongPassTracer
from engine.node import Node
from engine.rules import Op
from engine.watch.wrong_passes import RIGHT, WRONG, Contribution, compare_passes, contributions

NO_PLACES: Mapping[Node, str] = {}
NO_STRUCTURES: Mapping[Node, Mapping[int, Structure]] = {}
LEGEND = "dW is short for ∂{root}/∂W, an array of the shape of W. ⊙ multiplies element by element."


@np.errstate(all="ignore")  # as in the engine
def trace_arrays(
    order: Iterable[Node],
    spec: str,
    largest: int,
    places: Mapping[Node, str] = NO_PLACES,
    structures: Mapping[Node, Mapping[int, Structure]] = NO_STRUCTURES,
) -> Trace:
    """Return the frames of the passes through a graph of Arrays, given in topological order.

    `places` are the places of nodes in a model, `structures` the structures of their Jacobians.
    """
    order = [*order]
    full_names = choose_array_names(order, spec)
    shorts = shorten_names(full_names)
    names = {node: shorts[name] for node, name in zip(order, full_names, strict=True)}
    notation = ArrayNotation(names, spec, largest)
    notation.structures = structures
    passes = {variant: contributions(order, variant) for variant in (RIGHT, *WRONG)}
    mistakes = compare_passes(order, passes)
    tracer = ArrayFrames(order, notation, places, RIGHT)
    runs = [Run(TITLES[0], [*tracer.trace_all(passes[RIGHT])])]
    for title, variant, mistake in zip(TITLES[1:], WRONG, mistakes, strict=True):
        wrong_tracer = ArrayMistakeTracer(
            order, notation, places, variant, passes[variant], mistake
        )
        runs.append(Run(title, [*wrong_tracer.trace()]))
    grads = {node: mistakes[0].right.get(node, 0.0) for node in order}
    whole = {short: name for name, short in shorts.items() if short != name}
    return Trace(runs, names, grads, whole)


class ArrayFrames(BackwardTracer):
    """The frames of Arrays, in place of those of Values."""

    notation: ArrayNotation

    def start(self) -> Frame:
        """Return the first frame, which shows the leaves."""
        leaves = [node for node in self.order if node.op is None]
        note = f"{START.note} {LEGEND.format(root=self.notation.text(self.order[-1]))}"
        frame = START._replace(note=note)
        return self.show(frame, {(node, "data"): node.data for node in leaves})

    def show(self, frame: Frame, arrays: Mapping[tuple[Any, str], Any]) -> Frame:
        """Return a frame in which arrays appear, by their nodes and fields."""
        return show_arrays(frame, arrays, self.ids, self.notation)

    def compute(self, node: Any, op: Op) -> Frame:
        """Return the frame in which an Array is computed."""
        notation, i, id = self.notation, self.place[node], self.ids[node]
        formula = build_array_formula(node, [notation.input(x) for x in node.inputs])  # type: ignore[misc]
        name = notation.name(node)
        lines = [
            notation.write_formula(name, "=", formula),
            *notation.write_values(name, "=", formula, deep=True),
        ]
        marked = [
            id,
            f"o{i}",
            f"e{i}",
            *self.list_arrows(node),
            *(self.ids[x] for x in node.inputs),
        ]
        title = f"{notation.text(node)} = {to_array_text(formula)}"
        if notation.text(node) == to_array_text(formula):  # Wᵀ = Wᵀ
            lines, title = lines[1:], f"{notation.text(node)}, the {op.name}"
        elements = Follower(notation, self.ids).follow_forward(node)
        where = self.places.get(node, "")
        frame = Frame("forward", title, lines, marked=marked, where=where, node=id)
        return self.show(frame._replace(elements=elements), {(node, "data"): node.data})

    def send(self, sent: Contribution, *_: Any) -> Frame:
        """Return the frame of a contribution: the pullback as a formula and with its numbers."""
        notation, node, to, i = self.notation, sent.node, sent.to, self.place[sent.node]
        self.arrived[to] = use = self.arrived.get(to, 0) + 1
        upstream = notation.gradient(node, sent.upstream)
        inputs = [notation.input(x) for x in node.inputs]
        name = notation.gradient(to, sent.sent)
        pulled = build_pullback(node, sent.k, upstream, notation.name(node), inputs, sent.sent)  # type: ignore[arg-type]
        lines: list[Line] = [
            notation.write_formula(name, self.sign, pulled),
            *notation.write_values(name, self.sign, pulled, deep=False),
        ]
        title = f"From {notation.text(node)} to {notation.text(to)}"
        if self.uses[to] > 1:
            title += f", use {use} of {self.uses[to]}"
            if use > 1 and self.variant.accumulates:
                lines += notation.write_sum(name, sent.before, sent.sent, sent.after)
        ids = self.ids[node], self.ids[to]
        marked = [ids[0], f"o{i}", f"e{i}", f"e{i}-{sent.k}", ids[1]]
        elements = Follower(notation, self.ids).follow_backward(sent)
        frame = Frame(
            "backward", title, lines, marked=marked, where=self.find_place(node, to),
            node=ids[0], to=ids[1], elements=elements,
        )  # fmt: skip
        return self.show(frame, {(to, "grad"): sent.after})

    def trace_backward(self, passed: Sequence[Contribution]) -> Iterator[Frame]:
        """Yield a frame for the seed and one for each contribution, in the order of the pass."""
        self.arrived: dict[Any, int] = {}
        root = self.order[-1]
        one, notation = np.ones(np.shape(root.data)), self.notation
        name = notation.gradient(root, one)
        frame = Frame(
            "seed", f"The gradient starts at {notation.text(root)}",
            notation.write_values(name, "=", name, deep=True), marked=[self.ids[root]],
        )  # fmt: skip
        yield self.show(frame, {(root, "grad"): one})
        for sent in passed:
            yield self.send(sent)

    def trace_pass(self, passed: Sequence[Contribution]) -> Iterator[Frame]:
        """Yield the frames of a wrong pass, of which the first one shows all data."""
        start, *frames = super().trace_pass(passed)
        yield self.show(start, {(node, "data"): node.data for node in self.order})
        yield from frames


class ArrayMistakeTracer(ArrayFrames, WrongPassTracer):
    """The frames of a wrong pass, with notes about its mistakes."""


def show_arrays(
    frame: Frame,
    arrays: Mapping[tuple[Any, str], Any],
    ids: Mapping[Any, str],
    notation: ArrayNotation,
) -> Frame:
    """Return a frame in which arrays appear, by their nodes and fields."""
    texts: dict[str, dict[str, str]] = {"data": {**frame.data}, "grad": {**frame.grad}}
    cells = {}
    for (node, field), x in arrays.items():
        texts[field][ids[node]] = notation.format(x)
        if np.ndim(x):
            cells[f"{ids[node]} {field}"] = describe_cells(x, notation)
    return frame._replace(data=texts["data"], grad=texts["grad"], cells=cells)


def describe_cells(x: np.ndarray, notation: ArrayNotation) -> dict[str, Any]:
    """Return the fields of a matrix for `arrays.js`, those of recorded numbers as slots."""
    if is_recorded(x):
        rows, columns = as_table(x).shape
        has_texts = x.ndim <= 2 and max(rows, columns) <= notation.largest
        return {"slots": make_key("", x), "columns": columns, "has_texts": has_texts}
    x = np.asarray(x, float) if x.dtype == object else x
    matrix = describe_matrix(x, notation.largest, notation.spec)
    if not matrix.texts:
        return {"levels": matrix.levels, "title": format_number(norm(x), notation.spec)}
    cells: dict[str, Any] = {"levels": matrix.levels, "texts": matrix.texts}
    return {**cells, "title": format_factor(matrix.exponent)} if matrix.exponent else cells
