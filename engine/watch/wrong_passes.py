"""Two wrong backward passes beside the right one, and the first node where each goes wrong.

They answer the two questions that learners ask most about backpropagation: why must nodes be
visited in topological order, and why are gradients accumulated with += instead of assigned?
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engine.graph import Gradients, reverse_pass, topological
from engine.node import Node
from engine.sequences.vector_op import Outputs, Parts
from engine.watch.sizes import (
    describe_array_node,
    format_size,
    ignore_floating_point_errors,
    is_ndarray,
)


class Mistake(NamedTuple):
    """The gradients of a wrong backward pass beside the right ones.

    name       the name of the wrong pass
    reason     why it is wrong
    gradients  its gradients: of each node the one that it propagates, of a leaf the final one
    right      the right gradient of each node, in topological order
    first      the first node to propagate, or end with, a wrong gradient; None if all are right
    final      its gradients at the end: a node that propagates too early receives the rest later

    >>> from engine import Value
    >>> a = Value(2.0, "a")
    >>> order, overwritten = mistakes(a * a)
    >>> overwritten.first, overwritten.gradients[a], overwritten.right[a]
    (Value(2.0, 'a'), 2.0, 4.0)
    """

    name: str
    reason: str
    gradients: dict[Any, Any]
    right: dict[Any, Any]
    first: Any
    final: dict[Any, Any]

    @property
    def wrong(self) -> list[Any]:
        """The nodes that propagate, or end with, a wrong gradient, in topological order."""
        return list_wrong(self.gradients, self.right)

    @property
    def wrong_at_end(self) -> list[Any]:
        """The nodes whose gradients are wrong at the end, in topological order."""
        return list_wrong(self.final, self.right)

    def __str__(self) -> str:
        if self.first is None:
            return f"{self.name}: no wrong gradient in this graph"
        node, ends = self.first, self.wrong_at_end
        verb = "ends with" if node.op is None else "propagates"
        return (
            f"{self.name}: first {describe_array_node(node)} {verb} "
            f"{format_size(self.gradients[node])} instead of {format_size(self.right[node])}; "
            f"at the end {len(ends)} of {len(self.right)} gradients "
            f"{'is' if len(ends) == 1 else 'are'} wrong. {self.reason}"
        )


def list_wrong(gradients: Mapping[Any, Any], right: Mapping[Any, Any]) -> list[Any]:
    """Return the nodes whose gradients differ from the right ones, in the order of `right`."""
    return [node for node, grad in right.items() if not nearly_equal(gradients[node], grad)]


def mistakes(root: Node) -> list[Mistake]:
    """Run two wrong backward passes from `root`, and compare them with the right one.

    "no topological order" propagates each node's gradient as soon as the node is reached, breadth
    first. "= in place of +=" keeps only the last contribution to each gradient. The gradients of
    the graph itself are neither read nor changed. In a graph of Arrays, gradients are arrays.
    Raises TypeError unless `root` is a Value or an Array, and ValueError if it is an Array with
    several elements.

    >>> from engine import Value
    >>> a = Value(3.0, "a")
    >>> b = a * a
    >>> for mistake in mistakes(b + b.exp()):
    ...     print(f"{mistake.name}: {mistake.gradients[a]:.0f} instead of {mistake.right[a]:.0f}")
    no topological order: 6 instead of 48625
    = in place of +=: 24309 instead of 48625
    """
    check_root("mistakes", root)
    order = topological(root)
    return compare_passes(
        order, {variant: contributions(order, variant) for variant in (RIGHT, *WRONG)}
    )


def check_root(function: str, root: object) -> None:
    """Raise TypeError unless a root is a Value or an Array, and ValueError for several elements."""
    if not isinstance(root, Node):
        remedy = "; call it first" if callable(root) else ""
        if isinstance(root, list | tuple):
            remedy = "; combine its elements, for example by sum()"
        if hasattr(root, "named_parameters"):
            remedy = f"; write {function}(loss, model), where the model computed the loss"
        raise TypeError(f"{function} expects a Value or an Array, got {root!r}{remedy}")
    if is_ndarray(root.data) and root.data.size != 1:
        raise ValueError(
            f"{function} expects one element, got an Array of shape {root.data.shape}; take its "
            ".sum() or .mean()"
        )


def compare_passes(
    order: Sequence[Any], runs: "Mapping[Pass, Sequence[Contribution]]"
) -> list[Mistake]:
    """Return the mistakes of the wrong passes, from the contributions of all passes."""
    right = final_gradients(order, runs[RIGHT])
    right = {node: right[node] for node in order if node in right}
    mistakes = []
    for variant in WRONG:
        grads = final_gradients(order, runs[variant])
        first = next((node for node in grads if not nearly_equal(grads[node], right[node])), None)
        final = {node: zero_of(node) for node in right} | {order[-1]: order[-1]._one()}
        final |= {x.to: x.after for x in runs[variant] if not isinstance(x.to, Outputs)}
        mistakes.append(Mistake(variant.name, variant.reason, grads, right, first, final))
    return mistakes


class Contribution(NamedTuple):
    """The contribution of a node to the gradient of its k-th input.

    `before` and `after` are that gradient before and after it arrives. In a graph of Arrays, the
    gradients are arrays, and `local` is None where it would be a matrix.
    """

    node: Any
    k: int
    to: Any
    local: Any
    upstream: Any
    sent: Any
    before: Any
    after: Any


class Overwritten(Gradients):
    """Gradients that keep only the last contribution."""

    def add(self, node: Any, contribution: Any) -> None:
        several = isinstance(contribution, tuple)  # each result has a gradient of its own
        super().add(node, contribution) if several else self.update({node: contribution})


def contributions(order: Sequence[Node], variant: "Pass") -> list[Contribution]:
    """Run a pass from the last node of a topological order; return each contribution.

    The gradients of the graph itself are neither read nor changed.
    """
    with ignore_floating_point_errors(order[-1]):
        return [*run_pass(order, variant)]


def run_pass(order: Sequence[Node], variant: "Pass") -> Iterator[Contribution]:
    """Yield the contributions of a pass."""
    root = order[-1]
    zeros = {node: zero_of(node) for node in order if not node.constant} | {root: root._one()}
    gradients = variant.gradients(zeros)
    for step in reverse_pass(variant.order(root, order), variant.gradients(zeros)):
        places = [k for k, x in enumerate(step.node.inputs) if not x.constant]
        for k, (to, local, sent) in zip(places, step.sent, strict=True):
            before = gradients[to]
            gradients.add(to, sent)
            yield Contribution(step.node, k, to, local, step.upstream, sent, before, gradients[to])


def zero_of(node: Node) -> Any:
    """Return the gradient of a node to which nothing has been added."""
    return Parts([None] * len(node._data)) if isinstance(node, Outputs) else 0.0 * node._one()


def final_gradients(order: Sequence[Any], steps: Sequence[Contribution]) -> dict[Any, Any]:
    """Return the gradient that each node propagates, or ends with if it propagates none.

    The dict is in the order in which these are settled.
    """
    grads, senders = {order[-1]: order[-1]._one()}, set[Node]()
    for step in steps:
        if step.node not in senders and not isinstance(step.node, Outputs):
            senders.add(step.node)
            grads.pop(step.node, None)
            grads[step.node] = step.upstream
        if step.to not in senders and not isinstance(step.to, Outputs):
            grads.pop(step.to, None)  # the last contribution settles it
            grads[step.to] = step.after
    return grads


def breadth_first(root: Node, order: Sequence[Node]) -> Iterator[Node]:
    """Yield each node once, breadth first from the root, even before all contributions arrive."""
    visited, queue = {root}, deque([root])
    while queue:
        node = queue.popleft()
        yield node
        for x in node.inputs:
            if x not in visited:
                visited.add(x)
                queue.append(x)


class Pass(NamedTuple):
    """A backward pass.

    name         its name
    description  a description for the stepper
    reason       why it is right or wrong
    order        root, topological order -> the nodes in the order in which they propagate
    gradients    the store of gradients, which adds up contributions or overwrites them
    """

    name: str
    description: str
    reason: str
    order: Callable[[Node, Sequence[Node]], Iterable[Node]]
    gradients: type[Gradients]

    @property
    def accumulates(self) -> bool:
        return self.gradients is Gradients


RIGHT = Pass(
    "right",
    "Every node propagates its gradient to its inputs, from the root to the leaves.",
    "Every node adds up its contributions, and propagates their sum when all have arrived.",
    lambda root, order: reversed(order),
    Gradients,
)
WRONG = [
    RIGHT._replace(
        name="no topological order",
        description="Every node propagates its gradient as soon as it is reached, breadth first.",
        reason="A node may propagate its gradient only when all contributions to it have arrived.",
        order=breadth_first,
    ),
    RIGHT._replace(
        name="= in place of +=",
        description="Every node keeps only the last contribution to its gradient.",
        reason="A node that is used twice receives two contributions; its gradient is their sum.",
        gradients=Overwritten,
    ),
]


def nearly_equal(x: Any, y: Any) -> bool:
    """Return whether two gradients are equal up to rounding, which depends on the order of sums."""
    if is_ndarray(x):
        import numpy as np

        rounding = 1e-12 if x.dtype.itemsize > 4 else 1e-5
        scale = max(float(np.max(np.abs(z), initial=0.0, where=np.isfinite(z))) for z in (x, y))
        return np.allclose(x, y, rtol=0.0, atol=rounding * scale, equal_nan=True)
    return x == y or (x != x and y != y) or abs(x - y) <= 1e-12 * max(abs(x), abs(y))
