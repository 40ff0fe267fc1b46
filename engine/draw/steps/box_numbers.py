"""The numbers of frames over boxes, by the keys of their places.

Those of single values are in `engine.draw.steps.numbers`. A group is a list of values, such as the
outputs of a neuron. A stage is a list of contributions that one step of the backward pass shows;
contributions between the values of a box belong to no stage.

r3.5        the gradient of value 3 after stage 5
m2 l2 h2    the mean, the lowest and the highest data of group 2
t2.5 n2.5   the sum of the gradients of group 2 after stage 5, and their norm
w5          the norm of what stage 5 sends, added up for each receiver
M2 T2.5     a mean and a sum as circles show them, with few digits
o3          in an opened part of a network: what the part leaves out of the gradient of value 3
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

from engine.draw.circles.connections import format_in_circle
from engine.draw.formulas.places import Place
from engine.draw.look.theme import format_number, norm
from engine.draw.steps.numbers import Texts, list_contributions, list_data
from engine.node import Node
from engine.sequences.vector_op import Outputs
from engine.watch.wrong_passes import Contribution


class RunningSums(dict[Node, Any]):
    """Gradients as contributions arrive in stages.

    The last sum of each is the engine's to the bit, although stages may add up in another order.

    Args:
        root: the root, at which the gradient starts.
        grads: the complete gradients.
        sent: the contributions of all stages.
    """

    def __init__(self, root: Node, grads: Mapping[Node, Any], sent: Iterable[Contribution]):
        super().__init__({root: grads[root]})
        self.grads, self.waiting = grads, Counter(x.to for x in sent)

    def add(self, stage: Iterable[Contribution]) -> None:
        """Add the contributions of a stage."""
        for sent in stage:
            self.waiting[sent.to] -= 1
            total = self.get(sent.to, 0.0) + sent.sent
            self[sent.to] = total if self.waiting[sent.to] else self.grads[sent.to]


def measure_sent(stage: Iterable[Contribution]) -> float:
    """Return the norm of what a stage sends, added up for each receiver."""
    sums: dict[Node, Any] = {}
    for sent in stage:
        sums[sent.to] = sums.get(sent.to, 0.0) + sent.sent
    return norm([x if isinstance(x, float) else norm(x) for x in sums.values()])


class BoxTexts(Texts):
    """Formatted numbers of values, groups and stages, by their keys.

    Args:
        order: the graph in topological order.
        passed: the contributions of the backward pass.
        grads: the gradients of all nodes.
        spec: the format of numbers.
    """

    def __init__(
        self, order: Sequence[Node], passed: Sequence[Contribution], grads: Mapping[Node, Any],
        spec: str,
    ):  # fmt: skip
        dict.__init__(self)
        self.spec = spec
        self.order, self.passed, self.grads = order, passed, grads
        self.place = {node: i for i, node in enumerate(order)}
        self.index = {(sent.node, sent.k): j for j, sent in enumerate(passed)}
        self.groups: dict[tuple[int, ...], int] = {}
        self.stages: list[list[int]] = []
        self.sums: list[dict[int, float]] = []  # the gradients that each stage changes

    def share(self) -> "BoxTexts":
        """Return texts for other groups and stages of the same passes."""
        other = BoxTexts.__new__(BoxTexts)
        other.__dict__ |= {**self.__dict__, "groups": {}, "stages": [], "sums": []}
        return other

    @cached_property
    def numbers(self) -> dict[str, float]:  # type: ignore[override]
        """The numbers of single values."""
        return dict(list_data(self.order, self.grads)) | dict(list_contributions(self.passed))

    def add_group(self, nodes: Iterable[Node]) -> int:
        """Return the number of a group, which is added unless it is known."""
        return self.groups.setdefault(tuple(self.place[x] for x in nodes), len(self.groups))

    def place_group(self, kind: str, nodes: Iterable[Node]) -> Place:
        """Return the place of a number of a group; for "t", "T" and "n", after the last stage."""
        after = f".{len(self.stages) - 1}" if kind in "tTn" else ""
        return Place(f"{kind}{self.add_group(nodes)}{after}")

    def place_sum(self, node: Node) -> Place:
        """Return the place of a gradient after the last stage."""
        return Place(f"r{self.place[node]}.{len(self.stages) - 1}")

    def place_local(self, node: Node, k: int) -> Place:
        """Return the place of a local derivative."""
        return Place(f"p{self.place[node]}.{k}")

    def place_product(self, node: Node, k: int) -> Place:
        """Return the place of what a node sends to its k-th input."""
        return Place(f"s{self.index[node, k]}")

    def place_sent(self, sent: Contribution) -> Place:
        """Return the place of what a contribution adds."""
        return self.place_product(sent.node, sent.k)

    def place_stage(self) -> Place:
        """Return the place of the norm of what the last stage sends."""
        return Place(f"w{len(self.stages) - 1}")

    def add_stage(self, sent: Sequence[Contribution]) -> None:
        """Add the stage of some contributions."""
        self.stages.append([self.index[x.node, x.k] for x in sent])

    def __missing__(self, key: str) -> str:
        if key in self.numbers:
            return super().__missing__(key)
        write = format_in_circle if key[0].isupper() else format_number
        text = self[key] = write(self.compute(key.lower()), self.spec)
        return text

    def compute(self, key: str) -> float:
        """Return the number of a group or stage."""
        kind, (first, *rest) = key[0], map(int, key[1:].split("."))
        if kind == "r":
            return self.find_sum(first, rest[0])
        if kind == "w":
            return measure_sent([self.passed[j] for j in self.stages[first]])
        group = [*self.groups][first]
        if kind in "tn":
            sums = [self.find_sum(i, rest[0]) for i in group]
            return sum(sums) if kind == "t" else norm(sums)
        data = [self.numbers[f"d{i}"] for i in group]
        if kind == "m":
            return sum(data) / len(data)
        return min(data) if kind == "l" else max(data)

    def find_sum(self, i: int, stage: int) -> float:
        """Return the gradient of a value after a stage."""
        if not self.sums:
            self.add_up()
        start = float(i == len(self.order) - 1)
        return next((self.sums[n][i] for n in range(stage, -1, -1) if i in self.sums[n]), start)

    def add_up(self) -> None:
        """Compute the gradients after all stages."""
        stages = [[self.passed[j] for j in stage] for stage in self.stages]
        sums = RunningSums(self.order[-1], self.grads, chain.from_iterable(stages))
        for stage in stages:
            sums.add(stage)
            self.sums.append({self.place[sent.to]: sums[sent.to] for sent in stage})

    def pack(self) -> dict[str, Any]:
        """Return the groups and stages as data."""
        return {"groups": [*self.groups], "stages": self.stages}


def count_values(order: Iterable[Node]) -> int:
    """Return the number of values of a graph, without the operations that several results share."""
    return sum(not isinstance(node, Outputs) for node in order)
