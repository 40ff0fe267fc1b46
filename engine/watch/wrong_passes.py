"""Why this order, and why +=? What two wrong backward passes find, and where each goes wrong first.

The question learners ask most about backpropagation, answered by running the wrong algorithm beside
the right one (chapter 02, 5.2).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engine.graph import Gradients, reverse_pass, topological
from engine.sequences import Outputs, Parts
from engine.value import Value


class Mistake(NamedTuple):
    """A wrong backward pass: what it finds for every node, and what is right.

    `found` is the gradient that a node sends on, of a leaf the one it is left with. `first` is the
    first node to send on a wrong one or to be left with one; None where all came out right.

    >>> from engine import Value
    >>> a = Value(2.0, "a")
    >>> order, overwritten = mistakes(a * a)
    >>> overwritten.first, overwritten.found[a], overwritten.right[a]
    (Value(2.0, 'a'), 2.0, 4.0)
    """

    name: str
    why: str
    found: dict[Any, float]
    right: dict[Any, float]
    first: Any

    @property
    def wrong(self) -> list[Any]:
        """The nodes whose gradients are wrong, in topological order."""
        return [node for node, grad in self.right.items() if not same(self.found[node], grad)]

    def __str__(self) -> str:
        if self.first is None:
            return f"{self.name}: right, this time"
        node, count = self.first, f"{len(self.wrong)} of {len(self.right)} gradients are"
        return (
            f"{self.name}: wrong at {node!r} first, {self.found[node]:.6g} for "
            f"{self.right[node]:.6g}; {count}. {self.why}"
        )


def mistakes(root: Value) -> list[Mistake]:
    """Two wrong backward passes from `root` beside the right one.

    "no topological order" sends each node's gradient on as soon as the node is met, breadth first;
    "= in place of +=" keeps the last contribution of each node alone. The graph's own gradients are
    not looked at, nor changed. TypeError unless `root` is a Value.

    >>> a = Value(3.0, "a")
    >>> b = a * a
    >>> for mistake in mistakes(b + b.exp()):
    ...     print(f"{mistake.name}: {mistake.found[a]:.0f} for {mistake.right[a]:.0f}")
    no topological order: 6 for 48625
    = in place of +=: 24309 for 48625
    """
    if not isinstance(root, Value):
        raise TypeError(f"backward passes of Values are compared, got {root!r}")
    order = topological(root)
    return mistakes_of(order, {how: list(contributions(order, how)) for how in (RIGHT, *WRONG)})


def mistakes_of(
    order: Sequence[Any], runs: "Mapping[Pass, Sequence[Contribution]]"
) -> list[Mistake]:
    """Return the mistakes of the wrong passes, from the contributions of all passes."""
    right = gradients(order, runs[RIGHT])
    right = {node: right[node] for node in order if node in right}
    mistakes = []
    for how in WRONG:
        grads = gradients(order, runs[how])
        first = next((node for node in grads if not same(grads[node], right[node])), None)
        mistakes.append(Mistake(how.name, how.why, grads, right, first))
    return mistakes


class Contribution(NamedTuple):
    """What a node sends to its k-th input, and that input's gradient before and after it came."""

    node: Any
    k: int
    to: Any
    local: float
    upstream: float
    sent: float
    before: float
    after: float


class Replaced(Gradients):
    """Gradients that keep the last contribution alone."""

    def add(self, node: Any, contribution: Any) -> None:
        several = isinstance(contribution, tuple)  # each result has a gradient of its own
        super().add(node, contribution) if several else self.update({node: contribution})


def contributions(order: Sequence[Any], how: "Pass") -> Iterator[Contribution]:
    """Run a pass from the last node of `order`, a topological one; yield each contribution.

    The pass runs beside the graph: it neither reads nor changes the gradients of nodes.
    """
    root = order[-1]
    zeros: dict[Any, Any] = {node: 0.0 for node in order if not node.constant}
    zeros |= {x: Parts([None] * len(x.data)) for x in order if isinstance(x, Outputs)}
    zeros[root] = 1.0
    before = how.store(zeros)
    for step in reverse_pass(how.sending(root, order), how.store(zeros)):
        places = [k for k, x in enumerate(step.node.inputs) if not x.constant]
        for k, (to, local, sent) in zip(places, step.sent, strict=True):
            was = before[to]
            before.add(to, sent)
            yield Contribution(step.node, k, to, local, step.upstream, sent, was, before[to])


def gradients(order: Sequence[Any], passed: Sequence[Contribution]) -> dict[Any, float]:
    """What each node sends on, of one that sends nothing what it is left with; in the order in
    which that is settled."""
    found, sent = {order[-1]: 1.0}, set[Any]()
    for each in passed:
        if each.node not in sent and isinstance(each.node, Value):
            sent.add(each.node)
            found.pop(each.node, None)
            found[each.node] = each.upstream
        if each.to not in sent and isinstance(each.to, Value):
            found.pop(each.to, None)  # the last to come settles it
            found[each.to] = each.after
    return found


def as_met(root: Any, order: Sequence[Any]) -> Iterator[Any]:
    """Breadth first from the root, each node once, whether or not all has arrived at it."""
    seen, waiting = {root}, deque([root])
    while waiting:
        node = waiting.popleft()
        yield node
        for each in node.inputs:
            if each not in seen:
                seen.add(each)
                waiting.append(each)


class Pass(NamedTuple):
    """A backward pass: in which order nodes send, and whether what arrives is added up."""

    name: str
    does: str
    why: str
    sending: Callable[[Any, Sequence[Any]], Iterable[Any]]
    store: type[Gradients]  # whether contributions are added up

    @property
    def adds(self) -> bool:
        return self.store is Gradients


RIGHT = Pass(
    "right",
    "Every node sends its gradient on, the root first, inputs last.",
    "Every node sends when all contributions to it have arrived, and adds them up.",
    lambda root, order: reversed(order),
    Gradients,
)
WRONG = [
    RIGHT._replace(
        name="no topological order",
        does="Every node sends its gradient on as soon as it is met, breadth first.",
        why="A node may send its gradient on only when all contributions to it have arrived.",
        sending=as_met,
    ),
    RIGHT._replace(
        name="= in place of +=",
        does="Every node keeps the last contribution alone, and forgets those before.",
        why="A node that is used twice is sent two contributions, and its gradient is their sum.",
        store=Replaced,
    ),
]


def same(x: float, y: float) -> bool:
    """But for roundings: a sum in another order is no mistake."""
    return x == y or x != x != y or abs(x - y) <= 1e-12 * max(abs(x), abs(y))
