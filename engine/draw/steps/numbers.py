"""The numbers of frames, by the keys of their places (see `engine.draw.formulas.places`).

d3        the data of value 3, counted in topological order
g3        its complete gradient
p3.0      the local derivative of value 3 for its input 0
p3.0.1    that of result 1, if the operation has several results
u7 s7     the upstream gradient of contribution 7 of a pass, and what it sends;
b7 a7     the gradient that receives it, before and after
u7.1      the upstream gradient of result 1
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.draw.formulas.places import Place
from engine.draw.look.theme import format_number
from engine.draw.steps.facts import get_inputs
from engine.node import Node
from engine.rules import TABLE
from engine.sequences.vector_op import Outputs
from engine.value import Value
from engine.watch.wrong_passes import Contribution


class Texts(dict[str, str]):
    """Formatted numbers, by their keys."""

    def __init__(self, numbers: Mapping[str, float], spec: str):
        super().__init__()
        self.numbers, self.spec = numbers, spec

    def __missing__(self, key: str) -> str:
        text = self[key] = format_number(self.numbers[key], self.spec)
        return text


def choose_places(order: Sequence[Node]) -> dict[Node, Place]:
    """Return the places of the data of values.

    Constant exponents have none: they decide how a formula is written.
    """
    exponents = {x for node in order if node.op is TABLE["**"] for x in node.inputs if x.constant}
    return {
        node: Place(f"d{i}")
        for i, node in enumerate(order)
        if isinstance(node, Value) and node not in exponents
    }


def place_contributions(
    passed: Sequence[Contribution], place: Mapping[Node, int]
) -> list[Contribution]:
    """Return the contributions of a pass with places for their numbers."""
    return [place_contribution(sent, j, place[sent.node]) for j, sent in enumerate(passed)]


def place_contribution(sent: Contribution, j: int, i: int) -> Contribution:
    """Return the j-th contribution of a pass, which value i sends, with places for its numbers."""
    return sent._replace(
        local=Place(f"p{i}.{sent.k}"), upstream=place_upstream(sent, j),
        sent=Place(f"s{j}"), before=Place(f"b{j}"), after=Place(f"a{j}"),
    )  # fmt: skip


def place_upstream(sent: Contribution, j: int) -> Any:
    if isinstance(sent.node, Outputs):
        return [Place(f"u{j}.{index}") for index in range(len(sent.node.data))]
    return Place(f"u{j}")


def list_data(order: Sequence[Node], grads: Mapping[Node, float]) -> Iterator[tuple[str, float]]:
    """Yield the numbers that all passes share."""
    for i, node in enumerate(order):
        locals: Sequence[Any] = node.locals if isinstance(node, Outputs) else get_inputs(node)[1]
        for k, local in enumerate(locals):
            if isinstance(node, Outputs):
                for index, slope in enumerate(local or ()):
                    yield f"p{i}.{k}.{index}", slope
            elif local is not None:
                yield f"p{i}.{k}", local
        if not isinstance(node, Outputs):
            yield f"d{i}", node.data
            yield f"g{i}", grads.get(node, 0.0)


def list_contributions(passed: Sequence[Contribution]) -> Iterator[tuple[str, float]]:
    """Yield the numbers of one pass."""
    for j, sent in enumerate(passed):
        if isinstance(sent.node, Outputs):
            for index, upstream in enumerate(sent.upstream):
                yield f"u{j}.{index}", upstream or 0.0
        else:
            yield f"u{j}", sent.upstream
        if not isinstance(sent.to, Outputs):
            yield from [(f"s{j}", sent.sent), (f"b{j}", sent.before), (f"a{j}", sent.after)]
