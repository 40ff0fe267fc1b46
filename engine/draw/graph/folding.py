"""Repeated structure of a graph: long sums, and parts that follow one another in the same form.

A graph does not contain the loops that made it. Unrolled, a loop repeats a part of the topological
order: the same operations, on inputs that stand at the same distance or are the same nodes, such as
shared weights.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from engine.node import Node
from engine.sequences.vector_op import Outputs

CANDIDATES = 8  # periods that are tried
MOST_IN_PART = 4  # nodes of the rarest form in a part
FEWEST = 3  # repetitions
SMALLEST = 0.02  # the least share of all nodes in a repeat
NEVER = 1000  # cut between an operation and one of its several results
ARITHMETIC = ("+", "-", "*", "/")


class Sum(NamedTuple):
    """A chain of additions whose partial sums are used once: its nodes, the result last, and its
    terms in order."""

    nodes: list[Node]
    terms: list[Node]


class Repeat(NamedTuple):
    """Parts of one form, in topological order: the computed nodes of each."""

    parts: list[list[Node]]


def count_uses(order: Sequence[Node]) -> Counter[Node]:
    """Return how often each node is an input."""
    return Counter(x for node in order for x in node.inputs)


def find_sums(order: Sequence[Node], fewest: int = 3) -> list[Sum]:
    """Return the sums of at least `fewest` terms that are computed by additions of two.

    >>> from engine import Value
    >>> from engine.graph import topological
    >>> a, b, c = Value(1.0, "a"), Value(2.0, "b"), Value(3.0, "c")
    >>> [[x.label for x in found.terms] for found in find_sums(topological(a + (b + c)))]
    [['a', 'b', 'c']]
    """
    uses, inner, sums = count_uses(order), set(), []
    for node in reversed(order):
        if not is_addition(node) or node in inner:
            continue
        nodes, terms, waiting = [], [], [node]
        while waiting:
            x = waiting.pop()
            if x is node or (is_addition(x) and uses[x] == 1):
                nodes.append(x)
                waiting += reversed(x.inputs)
            else:
                terms.append(x)
        inner.update(nodes)
        if len(terms) >= fewest:
            sums.append(Sum(nodes[::-1], terms))
    return sums[::-1]


def is_addition(node: Node) -> bool:
    """Return whether a node is a sum of two nodes."""
    return node.op is not None and node.op.name == "+" and len(node.inputs) == 2


def find_repeats(nodes: Sequence[Node]) -> list[Repeat]:
    """Return the repeated parts among the computed nodes of a list in topological order.

    The parts of a repeat follow one another, and the repeats do too. A node's inputs correspond to
    those of the node one part later if both are the same node, or have the same distance to it. A
    leaf's place is that of its first use.

    >>> from engine import Value
    >>> from engine.graph import topological
    >>> w, h = Value(0.5), Value(1.0)
    >>> for _ in range(10):
    ...     h = (w * h).tanh()
    >>> [repeat] = find_repeats(topological(h))
    >>> len(repeat.parts), [node.op.name for node in repeat.parts[0]]
    (9, ['*', 'tanh'])
    """
    return Comparison(nodes).find_repeats()


class Comparison:
    """The comparison of computed nodes with those at a distance before them."""

    def __init__(self, nodes: Sequence[Node]):
        self.nodes = [node for node in nodes if node.op is not None]
        self.place: dict[Node, int] = {node: i for i, node in enumerate(self.nodes)}
        last_use: dict[Node, int] = {}
        for i, node in enumerate(self.nodes):
            for x in node.inputs:
                self.place.setdefault(x, i)
                last_use[x] = i
        changes = [0] * (len(self.nodes) + 2)
        for x, last in last_use.items():
            if x.op is not None:
                weight = NEVER if isinstance(x, Outputs) else 1
                changes[self.place[x] + 1] += weight
                changes[last + 1] -= weight
        # values made before each place and used there or later
        self.crossing = [*accumulate(changes)]
        self.uses = count_uses(self.nodes)
        self.forms = [self.describe_forms(i) for i in range(len(self.nodes))]

    def describe_forms(self, i: int) -> list[tuple[object, ...]]:
        """Return the operation of the node at place i with the distances of its inputs; once
        without leaves and, if it has shared ones, once with them. A leaf that is used once belongs
        to one part only."""
        node = self.nodes[i]
        distances = [i - self.place[x] if x.op is not None else 0 for x in node.inputs]
        forms: list[tuple[object, ...]] = [(*name_form(node), *distances)]
        if leaves := [x for x in node.inputs if x.op is None and self.uses[x] > 1]:
            forms.append((*forms[0], *leaves))
        return forms

    def rate_cut(self, i: int) -> tuple[int, int, bool, int]:
        """Return how good place i is as the first of a repetition; less is better.

        Few values are used across the cut. The last before it is used often, or an activation.
        """
        if not i:
            return 0, 0, False, 0
        last = self.nodes[i - 1]
        return self.crossing[i], -self.uses[last], name_form(last)[0] in ARITHMETIC, i

    def matches(self, i: int, period: int) -> bool:
        """Return whether the node at place i has the form of that one period before."""
        a, b = self.nodes[i], self.nodes[i - period]
        if a.op is not b.op and name_form(a) != name_form(b):
            return False
        if len(a.inputs) != len(b.inputs):
            return False
        for x, y in zip(a.inputs, b.inputs, strict=True):
            same_form = (x.op is None) == (y.op is None) and x.constant == y.constant
            same_distance = self.place[x] - self.place[y] == period and same_form
            if x is not y and not same_distance:
                return False
        return True

    def list_periods(self, start: int, end: int) -> list[int]:
        """Return the periods that nodes of the same form suggest, the most likely first.

        Of a form that occurs n times in a repeated part, the period is the distance to the n-th
        node before.
        """
        covered: Counter[tuple[object, int]] = Counter()  # by form and distance
        places: dict[object, list[int]] = {}
        for i in range(start, end):
            for form in self.forms[i]:
                before = places.setdefault(form, [])
                for k, place in enumerate(reversed(before[-MOST_IN_PART:]), 1):
                    covered[form, i - place] += (i - place) // k
                before.append(i)
        periods = dict.fromkeys(period for (_, period), _ in covered.most_common(4 * CANDIDATES))
        return [*periods][:CANDIDATES]

    def find_repeats(self) -> list[Repeat]:
        """Return the repeats in all places, found from the one that covers the most nodes."""
        repeats: list[tuple[int, Repeat]] = []
        fewest = SMALLEST * len(self.nodes)
        waiting = [(0, len(self.nodes))]
        while waiting:
            start, end = waiting.pop()
            _, first, period, count = self.find_best(start, end)
            if not count or count * period < fewest:
                continue
            cuts = range(first, first + count * period, period)
            repeats.append((first, Repeat([self.nodes[i : i + period] for i in cuts])))
            waiting += [(start, first), (first + count * period, end)]
        return [repeat for _, repeat in sorted(repeats, key=lambda found: found[0])]

    def find_best(self, start: int, end: int) -> tuple[float, int, int, int]:
        """Return the score, first place, period and number of parts of the best repeat."""
        best = (0.0, 0, 0, 0)
        for period in self.list_periods(start, end):
            for first, count in self.list_runs(start, end, period):
                # a shorter period wins over its multiples, which may cover a little more
                score = count * period - 1.5 * period
                if count >= FEWEST and score > best[0]:
                    best = (score, first, period, count)
        return best

    def list_runs(self, start: int, end: int, period: int) -> Iterator[tuple[int, int]]:
        """Yield the first place and the number of repetitions of each run of a period.

        A run begins where the fewest values are used across the cut between two repetitions.
        """
        i = start + period
        while i < end:
            if not self.matches(i, period):
                i += 1
                continue
            first = i - period
            while i < end and self.matches(i, period):
                i += 1
            phases = range(first, min(first + period, i - period + 1))
            phase = min(phases, key=lambda n: self.rate_cut(n + period))
            yield phase, (i - phase) // period


def name_form(node: Node) -> tuple[str, int]:
    """Return the name of a node's operation, and which of several results it is."""
    assert node.op is not None
    index = node.op._output_index
    return node.op.name, -1 if index is None else index
