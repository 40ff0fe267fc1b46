"""Why this gradient? The paths it came along, and the product of local derivatives on each.

A gradient is a sum over all paths from the leaf to the root, each contributing the product of the
local derivatives along it: the chain rule, multiplied out (chapter 02, 5.2). There may be more
paths than atoms; the largest are found without listing the others.
"""

import heapq
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from engine.graph import Gradients, Sent, reverse_pass, topological
from engine.sequences import Outputs
from engine.support.arguments import whole
from engine.value import Value


class Path(NamedTuple):
    """One way from a leaf to the root.

    `nodes` begins with the leaf and ends with the root; `locals` has the derivative of each node
    after the first with respect to the one before it, and `product` is what they multiply to. In
    print factors of 1 are left out.

    >>> from engine import Value
    >>> x, y = Value(3.0, "x"), Value(2.0, "y")
    >>> (path,) = explain(x * y, x).paths
    >>> path.locals, path.product, [node.data for node in path.nodes]
    ((2.0,), 2.0, [3.0, 6.0])
    """

    nodes: tuple[Any, ...]
    locals: tuple[float, ...]
    product: float

    def __str__(self) -> str:
        factors = [f"{x:.4g}" if x >= 0 else f"({x:.4g})" for x in self.locals if x != 1.0]
        steps = " · ".join(factors) or "1"
        return f"{self.product:.6g} = {steps}   {' → '.join(map(named, self.nodes))}"


class Explanation(NamedTuple):
    """The largest paths of a gradient, and what all others add up to.

    >>> from engine import Value
    >>> x = Value(3.0, "x")
    >>> found = explain(x * x + x, x)
    >>> found.gradient, len(found.paths)
    (7.0, 3)
    """

    gradient: float
    paths: list[Path]
    remainder: float  # the gradient less the paths' products; their roundings, where they are all
    number: int  # of all paths

    def __str__(self) -> str:
        lines = [f"{self.gradient:.6g}, along {paths(self.number)}:", *map(str, self.paths)]
        rest = self.number - len(self.paths)
        if rest:
            lines.append(f"{self.remainder:.6g} along {paths(rest)} more")
        return "\n".join(lines)


def explain(root: Value, leaf: Value, k: int = 10) -> Explanation:
    """The k paths from `leaf` to `root` that contribute most to d root / d leaf, largest first.

    Contributions are compared by magnitude; where infinite slopes meet zeros, a path may be missed.
    Gradients are not looked at, nor changed: they may be of other roots. TypeError unless both are
    Values: between arrays a local derivative is a matrix; ValueError where no path leads from one
    to the other, for a constant, and unless k is a whole number above 0.

    >>> x, y = Value(3.0, "x"), Value(2.0, "y")
    >>> print(explain(x * y + x * x, x))
    8, along 3 paths:
    3 = 3   x → * → +
    3 = 3   x → * → +
    2 = 2   x → * → +
    """
    for each in (root, leaf):
        if not isinstance(each, Value):
            raise TypeError(f"paths are explained between Values, got {each!r}")
    k = whole("k, a number of paths,", k)
    if leaf.constant:
        raise ValueError(f"{leaf!r} is a constant, which asks for no gradient; make it a Value")
    between = upstream_of(leaf, topological(root))
    if root not in between:
        raise ValueError(f"no path leads from {leaf!r} to {root!r}: the gradient is 0")

    table = ways(root, between, k)
    found = [followed(table, leaf, rank) for rank in range(len(table[leaf].best))]
    return Explanation(table[leaf].gradient, found, remainder(table[leaf]), table[leaf].number)


class Way(NamedTuple):
    """The last part of a path first: its product, the node it goes to next, by which of that
    node's inputs, that step's local derivative, and the rank of the way on from there."""

    product: float
    to: Any
    place: int
    local: float
    rank: int


class Ways(NamedTuple):
    """A node's gradient, the number of paths from it to the root, and the largest of them.

    The gradient of an operation with several results has an entry for each.
    """

    gradient: Any
    number: int
    best: list[Way]


class Table(Gradients):
    """The ways of all nodes: the "gradients" of a reverse pass that carries paths."""

    def __init__(self, root: Value, k: int):
        super().__init__({root: Ways(1.0, 1, [Way(1.0, None, 0, 1.0, 0)])})
        self.k = k

    def add(self, node: Any, ways: Ways) -> None:
        """Add the ways along one arrow to those of the node at its tail."""
        if node in self:
            before = self[node]
            ways = Ways(
                before.gradient + ways.gradient,
                before.number + ways.number,
                before.best + ways.best,
            )
        self[node] = ways

    def get(self, node: Any, default: Any = None) -> Any:
        """Return the ways of a node, of which only the largest are kept."""
        if node not in self:
            return default
        best = heapq.nlargest(self.k, self[node].best, key=lambda way: magnitude(way.product))
        self[node] = self[node]._replace(best=best)
        return self[node]


def ways(root: Value, order: Iterable[Value], k: int) -> dict[Any, Ways]:
    """Return the k largest ways to `root` from each of the nodes in `order`, a topological one."""
    between = list(order)
    table, known = Table(root, k), set(between)

    def send(node: Any, ways: Ways) -> Iterator[Sent]:
        for place, (x, local) in enumerate(zip(node.inputs, node.locals, strict=True)):
            if x in known and local is not None:
                yield Sent(x, None, extended(node, place, local, ways))

    for _ in reverse_pass(reversed(between), table, send):
        pass
    return {node: table.get(node, Ways(0.0, 0, [])) for node in between}


def extended(node: Any, place: int, local: Any, ways: Ways) -> Ways:
    """Return ways that begin one step earlier, at an input of `node`."""
    if isinstance(node, Outputs):  # a local derivative for each result
        slopes = [local[way.to.op.index] for way in ways.best]
        gs = [0.0 if g is None else g for g in ways.gradient]
        gradient = node.op.partials[0](gs, node._data, node._dx)[place]
    else:
        slopes, gradient = [local] * len(ways.best), ways.gradient * local
        if node.op.index is not None:
            gradient = node._x._only(node.op.index, ways.gradient)
    best = [
        Way(way.product * slope, node, place, slope, rank)
        for rank, (way, slope) in enumerate(zip(ways.best, slopes, strict=True))
    ]
    return Ways(gradient, ways.number, best)


def remainder(ways: Ways) -> float:
    """The gradient less the products of the largest ways."""
    terms = [ways.gradient, *[-way.product for way in ways.best]]
    finite = all(map(math.isfinite, terms))  # fsum, exact, raises for inf - inf
    return math.fsum(terms) if finite else sum(terms)


def upstream_of(leaf: Value, order: list[Value]) -> dict[Value, None]:
    """The nodes that depend on a leaf, itself included, in topological order."""
    found = {leaf: None} if leaf in set(order) else {}
    for node in order:
        if any(each in found for each in node.inputs):
            found.setdefault(node)
    return found


def magnitude(x: float) -> float:
    return -1.0 if math.isnan(x) else abs(x)


def followed(table: dict[Any, Ways], leaf: Value, rank: int) -> Path:
    """The path of that rank, from the leaf up."""
    way = table[leaf].best[rank]
    nodes, locals, product = [leaf], [], way.product
    while way.to is not None:
        if way.to.op.index is None:  # the step to one of several results has no factor
            nodes.append(way.to)
            locals.append(way.local)
        else:
            nodes[-1] = way.to
        way = table[way.to].best[way.rank]
    return Path(tuple(nodes), tuple(locals), product)


def named(node: Any) -> str:
    """A node in a line of text: its label, else its operation."""
    return node.label or (f"{node.data:.4g}" if node.op is None else node.op.name)


def paths(n: int) -> str:
    return f"{n:,} path{'s' * (n != 1)}"
