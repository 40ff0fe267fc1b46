"""A minimal class of scalar nodes, the reference for the cost of a node.

It has no closures, labels or checks. It is written for speed: `__slots__`, local derivatives
computed in the forward pass, and an iterative topological order. `benchmarks.node` and
`benchmarks.gpt` compare it with stepgrad.
"""

from math import exp, log
from typing import Any


class Value:
    """A scalar node: its data, gradient, children, and a local derivative for each child.

    >>> x, y = Value(3.0), Value(2.0)
    >>> z = (x * y + x).relu()
    >>> z.backward()
    >>> z.data, x.grad, y.grad
    (9.0, 3.0, 3.0)
    """

    __slots__ = ("children", "data", "grad", "slopes")

    def __init__(self, data: float, children: tuple = (), slopes: tuple = ()):
        self.data = data
        self.grad = 0.0
        self.children = children
        self.slopes = slopes

    def __add__(self, other: Any) -> "Value":
        if not isinstance(other, Value):
            other = Value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: Any) -> "Value":
        if not isinstance(other, Value):
            other = Value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def exp(self) -> "Value":
        out = exp(self.data)
        return Value(out, (self,), (out,))

    def log(self) -> "Value":
        return Value(log(self.data), (self,), (1.0 / self.data,))

    def __pow__(self, n: float) -> "Value":
        return Value(self.data**n, (self,), (n * self.data ** (n - 1),))

    def relu(self) -> "Value":
        return Value(self.data, (self,), (1.0,)) if self.data > 0 else Value(0.0, (self,), (0.0,))

    def backward(self) -> None:
        order, visited = [], set()
        stack: list[Any] = [self]
        while stack:
            node = stack.pop()
            if node is None:  # all children of the next node are in the order
                order.append(stack.pop())
            elif node not in visited:
                visited.add(node)
                if node.children:
                    stack += (node, None, *node.children)
                else:
                    order.append(node)
        self.grad = 1.0
        for node in reversed(order):
            for child, slope in zip(node.children, node.slopes):  # noqa: B905, equal lengths
                child.grad += slope * node.grad
