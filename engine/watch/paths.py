"""Explanations of a gradient: the paths from a leaf to the root, and the product on each.

A gradient is a sum over all paths from the leaf to the root. Each path contributes the product of
the local derivatives along it: the chain rule, multiplied out (Bauer 1974, "Computational graphs
and rounding error"). Their number may be astronomical, so the k largest are found in one pass over
the graph, without listing the others.
"""

import heapq
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from engine.graph import Gradients, Sent, reverse_pass, topological
from engine.node import Node
from engine.sequences.vector_op import Outputs
from engine.support.arguments import check_whole, format_count
from engine.value import Value
from engine.watch.sizes import (
    format_size,
    ignore_floating_point_errors,
    is_ndarray,
    measure_gradient,
)
from engine.watch.wrong_passes import check_root, zero_of

MOST_ARRAY_PATHS = 32  # paths of arrays that are followed at each node


class Path(NamedTuple):
    """A path from a leaf to the root.

    nodes    the nodes in order; the leaf is the first, the root the last
    locals   the derivative of each node after the first with respect to the one before it
    product  the product of `locals`
    places   the index of the input by which the path enters each node after the first

    Of Arrays, a local derivative is an array if it works element by element, and None if it is a
    matrix, as for a matrix product. `product` is the path's contribution to the gradient, an array
    of the leaf's shape.

    `str(path)` has a factor for each arrow; of more than nine it shows the first five and the last
    three, as the stepper does. Where a node uses another one twice, x#1 and x#2 are its uses.

    >>> from engine import Value
    >>> x, y = Value(3.0, "x"), Value(2.0, "y")
    >>> (path,) = explain(x * y, x).paths
    >>> path.locals, path.product, [node.data for node in path.nodes]
    ((2.0,), 2.0, [3.0, 6.0])
    """

    nodes: tuple[Any, ...]
    locals: tuple[Any, ...]
    product: Any
    places: tuple[int, ...]

    def __str__(self) -> str:
        uses = map(name_use, self.nodes, self.nodes[1:], self.places)
        route = " → ".join([*uses, name_node(self.nodes[-1])])
        if is_ndarray(self.product):
            return f"{format_size(self.product)}   {route}"
        factors = [f"{x:.4g}" if x >= 0 else f"({x:.4g})" for x in self.locals]
        if len(factors) > 9:
            factors[5:-3] = ["⋯"]
        product = " · ".join(factors) or "1"
        return f"{self.product:.6g} = {product}   {route}"


class Explanation(NamedTuple):
    """The largest paths of a gradient, and the sum of all others.

    gradient   d root / d leaf
    paths      the largest paths, in descending order of magnitude
    remainder  the gradient minus the products of `paths`; if these are all, only rounding errors
    number     the number of all paths

    >>> from engine import Value
    >>> x = Value(3.0, "x")
    >>> explanation = explain(x * x + x, x)
    >>> explanation.gradient, len(explanation.paths)
    (7.0, 3)
    """

    gradient: Any
    paths: list[Path]
    remainder: Any
    number: int

    def __str__(self) -> str:
        lines = [
            f"{format_size(self.gradient)}, along {format_count(self.number, 'path')}:",
            *map(str, self.paths),
        ]
        rest = self.number - len(self.paths)
        if rest:
            lines.append(f"{format_size(self.remainder)} along {format_count(rest, 'path')} more")
        return "\n".join(lines)


def explain(root: Node, leaf: Node, k: int = 10) -> Explanation:
    """Return the k paths from `leaf` to `root` that contribute most to d root / d leaf.

    The largest is the first; contributions are compared by magnitude. Where infinite local
    derivatives meet zeros, a path may be missed. Gradients are neither read nor changed.

    Between Arrays, a path contributes an array of the leaf's shape: the gradient that reaches the
    leaf if every other path is cut. These arrays add up to the gradient, and are compared by norm.
    A path of Arrays stands for all paths of single numbers through its nodes. At least 32 are
    followed at each node, so a path may be missed if there are more and it grows later.

    Raises TypeError unless both are Values or both are Arrays. Raises ValueError if no path leads
    from `leaf` to `root`, if `leaf` is a constant, if `root` has several elements, and unless k is
    a positive integer.

    >>> x, y = Value(3.0, "x"), Value(2.0, "y")
    >>> print(explain(x * y + x * x, x))
    8, along 3 paths:
    3 = 3 · 1   x#1 → * → +
    3 = 3 · 1   x#2 → * → +
    2 = 2 · 1   x → * → +

    >>> from engine import Array
    >>> A = Array([[1.0, 2.0], [3.0, 4.0]], "A")
    >>> print(explain((A.tanh() + A).sum(), A))
    ‖·‖ 2.27709, along 2 paths:
    ‖·‖ 2   A → + → sum
    ‖·‖ 0.425992   A → tanh → + → sum
    """
    for node in (root, leaf):
        if not isinstance(node, Node):
            raise TypeError(f"explain expects two Values or two Arrays, got {node!r}")
    if isinstance(root, Value) != isinstance(leaf, Value):
        raise TypeError(
            f"explain expects two Values or two Arrays, got {root!r} and {leaf!r}"
            "; the result of jit has no graph of Values: explain that of the function itself"
        )
    check_root("explain", root)
    k = check_whole("k, the number of paths,", k)
    if leaf.constant:
        raise ValueError(
            f"explain expects a leaf that requires a gradient, got {leaf!r}; make it a Value"
        )
    between = find_dependents(leaf, topological(root))
    if root not in between:
        raise ValueError(f"no path leads from {leaf!r} to {root!r}, so the gradient is 0")

    with ignore_floating_point_errors(root):
        most = max(k, MOST_ARRAY_PATHS) if is_ndarray(root.data) else k
        table = largest_paths(root, between, most)
        table[leaf] = table[leaf]._replace(best=table[leaf].best[:k])
        paths = [follow_path(table, leaf, rank) for rank in range(len(table[leaf].best))]
        return Explanation(table[leaf].gradient, paths, remainder(table[leaf]), table[leaf].number)


class PartialPath(NamedTuple):
    """A path from some node to the root, as its first step and a reference to the rest.

    product  the product of the local derivatives along it
    to       the next node, or None at the root
    place    the index of the input of `to` by which the path enters it
    local    the local derivative of that step
    rank     the rank of the rest among the best partial paths of `to`
    """

    product: Any
    to: Any
    place: int
    local: Any
    rank: int


class PartialPaths(NamedTuple):
    """A node's gradient, the number of paths from it to the root, and the largest of them.

    The gradient of an operation with several results has an entry for each.
    """

    gradient: Any
    number: int
    best: list[PartialPath]


class PathTable(Gradients):
    """The partial paths of all nodes: the "gradients" of a reverse pass that propagates paths."""

    def __init__(self, root: Node, k: int):
        one = root._one()
        super().__init__({root: PartialPaths(one, 1, [PartialPath(one, None, 0, one, 0)])})
        self.k = k

    def add(self, node: Node, paths: PartialPaths) -> None:
        """Add the paths that begin with one arrow to those of the node at its tail."""
        if node in self:
            before = self[node]
            paths = PartialPaths(
                before.gradient + paths.gradient,
                before.number + paths.number,
                before.best + paths.best,
            )
        self[node] = paths

    def get(self, node: Node, default: Any = None) -> Any:
        """Return the partial paths of a node, reduced to the k largest."""
        if node not in self:
            return default
        best = heapq.nlargest(self.k, self[node].best, key=lambda path: magnitude(path.product))
        self[node] = self[node]._replace(best=best)
        return self[node]


def largest_paths(root: Node, order: Iterable[Node], k: int) -> dict[Node, PartialPaths]:
    """Return the k largest paths to `root` from each of the nodes in `order`.

    `order` is topological; paths through other nodes are ignored.
    """
    between = list(order)
    table, known = PathTable(root, k), set(between)

    def send(node: Any, paths: PartialPaths) -> Iterator[Sent]:
        for place, (x, local) in enumerate(zip(node.inputs, node.locals, strict=True)):
            if x in known and not x.constant:
                yield Sent(x, None, extend_paths(node, place, local, paths))

    for _ in reverse_pass(reversed(between), table, send):
        pass
    return {node: table.get(node) or PartialPaths(zero_of(node), 0, []) for node in between}


def extend_paths(node: Any, place: int, local: Any, paths: PartialPaths) -> PartialPaths:
    """Return the paths of a node with the step from one of its inputs in front."""
    if isinstance(node, Outputs):  # a local derivative for each result
        slopes = [local[path.to.op._output_index] for path in paths.best]
        gs = [0.0 if g is None else g for g in paths.gradient]
        gradient = node.op._pull_back(gs, node._data, node._dx)[place]
    elif is_ndarray(node.data):
        shape = node.inputs[place].data.shape
        pull = lambda g: node._contribution(place, g, shape)[1]
        paths = paths._replace(best=[x._replace(product=pull(x.product)) for x in paths.best])
        slopes, gradient = [local] * len(paths.best), pull(paths.gradient)
    else:
        slopes, gradient = [local] * len(paths.best), paths.gradient * local
        if node.op._output_index is not None:
            gradient = node._x._only(node.op._output_index, paths.gradient)
    best = [
        PartialPath(
            path.product if is_ndarray(node.data) else path.product * slope,
            node,
            place,
            slope,
            rank,
        )
        for rank, (path, slope) in enumerate(zip(paths.best, slopes, strict=True))
    ]
    return PartialPaths(gradient, paths.number, best)


def remainder(paths: PartialPaths) -> Any:
    """Return the gradient minus the products of the largest paths."""
    if is_ndarray(paths.gradient):
        return paths.gradient - sum(path.product for path in paths.best)
    terms = [paths.gradient, *[-path.product for path in paths.best]]
    finite = all(map(math.isfinite, terms))  # fsum, exact, raises for inf - inf
    return math.fsum(terms) if finite else sum(terms)


def find_dependents(leaf: Node, order: list[Node]) -> dict[Node, None]:
    """Return the nodes that depend on a leaf, and the leaf, in topological order."""
    dependents = {leaf: None} if leaf in set(order) else {}
    for node in order:
        if any(x in dependents for x in node.inputs):
            dependents.setdefault(node)
    return dependents


def magnitude(x: Any) -> float:
    """Return |x| or the norm of an array, or -1 for nan, so that nan sorts last."""
    size = measure_gradient(x)
    return -1.0 if math.isnan(size) else size


def follow_path(table: dict[Node, PartialPaths], leaf: Node, rank: int) -> Path:
    """Return the path with this rank, from the leaf to the root."""
    path = table[leaf].best[rank]
    nodes, locals, places, product = [leaf], [], [], path.product
    while path.to is not None:
        if path.to.op._output_index is None:
            nodes.append(path.to)
            locals.append(path.local)
            places.append(path.place)
        else:  # the step from an operation to one of its results has no factor
            nodes[-1] = path.to
        path = table[path.to].best[path.rank]
    return Path(tuple(nodes), tuple(locals), product, tuple(places))


def name_use(x: Any, node: Any, place: int) -> str:
    """Return the name of an input, and which one it is if a node uses it more than once."""
    inputs = node.inputs if node.op._output_index is None else node.inputs[0].inputs
    uses = [i for i, other in enumerate(inputs) if other is x]
    return name_node(x) + (f"#{uses.index(place) + 1}" if len(uses) > 1 else "")


def name_node(node: Any) -> str:
    """Return a node's label, its number or shape if it is a leaf, or the name of its operation."""
    if node.op is None and is_ndarray(node.data) and node.data.size != 1:
        return node.label or str(node.data.shape)
    return node.label or (f"{node.data:.4g}" if node.op is None else node.op.name)
