"""The neurons in a graph of Values: sums of weights times inputs and a bias, and activations.

A sum is one node, `dot`, or a tree of products and additions. Pictures of cards and of circles read
it here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from engine.node import Node
from engine.support.arguments import format_count

ADDITIONS = ("+", "total")
SUMS = (*ADDITIONS, "*", "dot")
T = TypeVar("T")


class SumTerm(NamedTuple, Generic[T]):
    """A term of a neuron's sum: a weight and its input, or a bias without one.

    The input, or the bias, is the k-th input of `user`. `product` and `sum` are values of their own
    in a neuron that is not fused.
    """

    parameter: T
    input: T | None
    user: T
    k: int
    product: T | None = None
    sum: T | None = None


class SumReader:
    """A reader of the weighted sums in a graph, partial ones included.

    Args:
        order: the graph in topological order.
        owners: the owner of each parameter: a neuron or a module. The parameters of a sum have the
            same one.

    Attributes:
        owners: the owner of each parameter and of each sum.
        counts: the number of terms of each sum.
    """

    def __init__(self, order: Sequence[Node], owners: Mapping[Node, Any]):
        self.parameters = owners
        self.owners: dict[Node, Any] = {**owners}
        self.counts: dict[Node, int] = dict.fromkeys(owners, 1)
        for node in order:
            if node.op is not None and node.op.name in SUMS:
                self.add(node, node.op.name)

    def add(self, node: Node, name: str) -> None:
        """Record the owner and the number of terms of a node if it is a sum or product."""
        if name in ADDITIONS:
            terms = [x for x in node.inputs if not is_constant_leaf(x) or x in self.parameters]
            if all(x in self.parameters for x in terms):
                return  # a sum of parameters is a penalty
        else:
            terms = self.find_weights(node)
            if not terms:
                return
        if not all(x in self.owners for x in terms):
            return
        if len({self.owners[x] for x in terms}) == 1:
            self.owners[node] = self.owners[terms[0]]
            self.counts[node] = sum(self.counts[x] for x in terms)

    def find_weights(self, node: Node) -> list[Node]:
        """Return the weights and the bias of a product or dot product; none if it has another form.

        All factors on one side are parameters, and none on the other side.
        """
        n, inputs, own = len(node.inputs) // 2, node.inputs, self.parameters
        for weights, xs in ((inputs[:n], inputs[n : 2 * n]), (inputs[n : 2 * n], inputs[:n])):
            if all(w in own for w in weights) and not any(x in own for x in xs):
                bias = inputs[2 * n :]
                return [*weights, *(x for x in bias if x in own)] if all_leaves(bias) else []
        return []

    def read(self, node: Node) -> "list[SumTerm[Node]] | None":
        """Return the terms of a sum from left to right.

        A partial sum stands in the row of the first term of its last part. Returns None for another
        node, and if two partial sums had to stand in one row.
        """
        terms: list[SumTerm[Node]] = []
        waiting: list[tuple[Node, Node, int, list[Node]]] = [(node, node, 0, [])]
        while waiting:  # a long sum is deeper than Python's stack
            x, user, k, sums = waiting.pop()
            name = x.op.name if x.op is not None else ""
            if len(sums) > 1 or (name and x not in self.owners):
                return None
            if name in ADDITIONS:
                last = len(x.inputs) - 1
                for i in range(last, -1, -1):
                    own = [*(sums if i == 0 else []), *([x] if i == last else [])]
                    waiting.append((x.inputs[i], x, i, own))
                continue
            rows = [SumTerm(x, None, user, k)] if not name else self.read_products(x)
            if sums and rows[0].sum:
                return None
            terms += [rows[0]._replace(sum=rows[0].sum or (sums[0] if sums else None)), *rows[1:]]
        return terms

    def read_products(self, node: Node) -> "list[SumTerm[Node]]":
        """Return the terms of a product or dot product."""
        n, inputs = len(node.inputs) // 2, node.inputs
        first = 0 if inputs[0] in self.parameters else n  # of the weights
        pairs = [(inputs[first + k], n - first + k) for k in range(n)]
        is_dot = node.op is not None and node.op.name == "dot"
        product = None if is_dot else node
        rows = [SumTerm(w, inputs[k], node, k, product) for w, k in pairs]
        if is_dot:
            bias = inputs[-1]
            if bias in self.parameters or bias.data != 0.0:
                rows.append(SumTerm(bias, None, node, 2 * n))
            rows[-1] = rows[-1]._replace(sum=node)
        return rows


def is_constant_leaf(node: Node) -> bool:
    """Return whether a node is a constant leaf."""
    return node.op is None and node.constant


def all_leaves(nodes: Sequence[Node]) -> bool:
    """Return whether all nodes are leaves."""
    return all(x.op is None for x in nodes)


def has_activation_form(node: Node) -> bool:
    """Return whether a node has the form of an activation: a function of its first input.

    Its other inputs are constants, such as the slope of a leaky ReLU.
    """
    name = node.op.name if node.op is not None else ""
    return bool(name) and name not in SUMS and all(map(is_constant_leaf, node.inputs[1:]))


class InferredModel:
    """The layers of neurons that a graph consists of, for a graph drawn without its model.

    It has the methods of a Module that a picture needs. `layers` are the parameters of each neuron
    of each layer.
    """

    def __init__(self, layers: Sequence[Sequence[Sequence[Node]]]):
        self.parameters: dict[str, Node] = {}
        self.modules: dict[str, object] = {"": self}
        for c, layer in enumerate(layers, 1):
            self.modules[f"layer {c}"] = format_count(len(layer), "neuron")
            for i, (*weights, bias) in enumerate(layer):
                path = f"layer {c}.neurons.{i}"
                self.modules[path] = f"neuron {i}"
                self.parameters |= {f"{path}.w.{j}": w for j, w in enumerate(weights)}
                self.parameters[f"{path}.b"] = bias

    def __repr__(self) -> str:
        return "the neurons of this graph"

    def named_parameters(self) -> dict[str, Node]:
        return self.parameters

    def named_modules(self) -> dict[str, object]:
        return self.modules


def infer_model(order: Sequence[Node]) -> InferredModel | None:
    """Return the neurons of a graph in topological order, recognized by their structure.

    A neuron is a fused sum of leaves times inputs, and a leaf as the bias, none of which another
    neuron has. Neurons with the same inputs are a layer. Returns None for less than two neurons.
    """
    inputs: dict[tuple[Node, ...], list[object]] = {}  # of each neuron, for all samples
    for node in order:
        if node.op is not None and node.op.name == "dot":
            n = len(node.inputs) // 2
            parameters = (*node.inputs[:n], node.inputs[-1])
            if any(x.op is not None or x.constant for x in parameters):
                return None
            used = (x.data if is_constant_leaf(x) else x for x in node.inputs[n : 2 * n])
            inputs.setdefault(parameters, []).append(tuple(used))
    owned = [x for parameters in inputs for x in parameters]
    if len(inputs) < 2 or len(owned) > len({*owned}):
        return None
    layers: dict[object, list[tuple[Node, ...]]] = {}
    for parameters, samples in inputs.items():
        layers.setdefault(tuple(samples), []).append(parameters)
    return InferredModel([*layers.values()])
