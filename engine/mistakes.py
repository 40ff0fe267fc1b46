"""Why this order, and why +=? What two wrong backward passes find, and where each goes wrong first.

The question learners ask most about backpropagation, answered by running the wrong algorithm beside
the right one (chapter 02, 5.2).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from engine.graph import topological
from engine.value import Value


class Mistake(NamedTuple):
    """A wrong backward pass: what it finds for every node, and what is right.

    `found` is the gradient that a node sends on, of a leaf the one it is left with. `first` is the
    first node to send on a wrong one, or, where none does, the first leaf that is left with one;
    None where all came out right.
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
    right, _ = passed(root, order, RIGHT)
    found = []
    for wrong_pass in WRONG:
        grads, sent = passed(root, order, wrong_pass)
        grads |= {node: grad for node, grad in sent.items() if node.op is not None}
        wrong = [node for node in sent if not same(grads[node], right[node])]
        first = next((node for node in wrong if node.op is not None), next(iter(wrong), None))
        found.append(Mistake(wrong_pass.name, wrong_pass.why, grads, right, first))
    return found


def passed(root: Any, order: list[Any], how: "Pass") -> tuple[dict[Any, float], dict[Any, float]]:
    """The gradients after a pass, and those that nodes had when they sent them on."""
    grads = {node: 0.0 for node in order if not node.constant or node is root}
    grads[root] = 1.0
    sent: dict[Any, float] = {}
    for node in how.sending(root, order):
        if node in grads:
            sent[node] = grads[node]
            for each, local in zip(node.inputs, node.locals, strict=True):
                if each in grads and local is not None:
                    grads[each] = how.update(grads[each], sent[node] * local)
    return grads, sent


def as_met(root: Any, order: list[Any]) -> Iterator[Any]:
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
    """A backward pass: in which order nodes send, and what a node does with what arrives."""

    name: str
    why: str
    sending: Callable[[Any, list[Any]], Iterable[Any]]
    update: Callable[[float, float], float]


RIGHT = Pass(
    "right",
    "Every node sends when all contributions to it have arrived, and adds them up.",
    lambda root, order: reversed(order),
    lambda old, new: old + new,
)
WRONG = [
    RIGHT._replace(
        name="no topological order",
        why="A node may send its gradient on only when all contributions to it have arrived.",
        sending=as_met,
    ),
    RIGHT._replace(
        name="= in place of +=",
        why="A node that is used twice is sent two contributions, and its gradient is their sum.",
        update=lambda old, new: new,
    ),
]


def same(x: float, y: float) -> bool:
    """But for roundings: a sum in another order is no mistake."""
    return x == y or x != x != y or abs(x - y) <= 1e-12 * max(abs(x), abs(y))
