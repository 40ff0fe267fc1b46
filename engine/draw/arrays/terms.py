"""The terms of one element of a matrix product or of a gradient, as single numbers.

An element of an input's gradient is a sum over the elements of the result that depend on it:
dW[0, 1] = Σ dZ[s, 0] · ∂Z[s, 0] / ∂W[0, 1]. The factors are the pullbacks of unit gradients, so
this holds for any row. For matrix products they are elements of the other matrix.
"""

from typing import Any, NamedTuple

import numpy as np

from engine.arrays.rules import LINEAR, MATMUL, ArrayOp
from engine.draw.arrays.recorded import is_recorded, read_number

Index = tuple[int, ...]
Structure = np.ndarray  # 1 where an element of ∂ out / ∂ input can differ from 0, 2 where it is 1


class Term(NamedTuple):
    """A product in the sum for an element, of two numbers.

    first    the index of the first factor: in the result's gradient, or in the first input
    factor   the second factor, a float or a recorded number
    other    the input and the index of the second factor, if it is an element of an input
    is_one   whether the row has no second factor, as for a sum
    """

    first: Index
    factor: Any
    other: tuple[int, Index] | None = None
    is_one: bool = False


def find_product(node: Any) -> str:
    """Return "@" or "linear" for a product of two matrices; "" for any other node."""
    row = getattr(node.op, "row", None)
    dims = [x.data.ndim for x in node.inputs]
    if row is MATMUL and dims == [2, 2]:
        return "@"
    is_plain = row is LINEAR and dims == [2, 2, 1]
    return "linear" if is_plain and node.inputs[2].data.shape == node.data.shape[1:] else ""


def list_forward_terms(node: Any, index: Index) -> list[Term]:
    """Return the terms of an element of a matrix product, without the bias of a layer."""
    y, is_linear = node.inputs[1].data, find_product(node) == "linear"
    terms = []
    for j in range(node.inputs[0].data.shape[1]):
        other = (index[1], j) if is_linear else (j, index[1])
        terms.append(Term((index[0], j), read_number(y[other]), (1, other)))
    return terms


def list_backward_terms(node: Any, k: int, structure: Structure | None = None) -> list[list[Term]]:
    """Return the terms of each element of the gradient of a node's k-th input, row by row.

    `structure` says which elements of the Jacobian are terms; by default, those that are not 0 now.
    """
    shape = node.inputs[k].data.shape
    if find_product(node):
        return [list_product_terms(node, k, index) for index in np.ndindex(shape)]
    if isinstance(node.op, ArrayOp):
        jacobian = measure_jacobian(node, k)
        if structure is None:
            structure = np.where(jacobian == 1.0, 2, jacobian != 0.0)
        pairs = zip(jacobian.T, structure.T, strict=True)
        return [list_jacobian_terms(node, *pair) for pair in pairs]
    return list_elementwise_terms(node, k)


def list_product_terms(node: Any, k: int, index: Index) -> list[Term]:
    """Return the terms of one element of the gradient of a matrix product's k-th input."""
    x, y = node.inputs[0].data, node.inputs[1].data
    rows, columns = node.data.shape
    is_linear = find_product(node) == "linear"
    if k == 2:  # the bias of a layer
        return [Term((r, index[0]), 1.0, is_one=True) for r in range(rows)]
    if k == 0:
        row, i = index
        others = [(c, i) if is_linear else (i, c) for c in range(columns)]
        return [Term((row, c), read_number(y[o]), (1, o)) for c, o in enumerate(others)]
    column, i = index if is_linear else index[::-1]
    return [Term((r, column), read_number(x[r, i]), (0, (r, i))) for r in range(rows)]


def list_elementwise_terms(node: Any, k: int) -> list[list[Term]]:
    """Return the terms of a row for numbers: one for each element, more where it is repeated."""
    x, shape = node.inputs[k].data, node.data.shape
    slopes = np.broadcast_to(node.locals[k], shape)
    places = np.broadcast_to(np.arange(x.size).reshape(x.shape), shape)
    is_one = node.op.name in ("+", "-") and are_ones(slopes)
    terms: list[list[Term]] = [[] for _ in range(x.size)]
    for index in np.ndindex(shape):
        terms[int(places[index])].append(Term(index, read_number(slopes[index]), is_one=is_one))
    return terms


def measure_jacobian(node: Any, k: int) -> np.ndarray:
    """Return ∂ out / ∂ input as a matrix, from the pullback of each unit gradient."""
    size, shape = node.data.size, node.inputs[k].data.shape
    units = np.eye(size, dtype=float if node.data.dtype == object else node.data.dtype)
    with np.errstate(all="ignore"):
        pulled = [node._contribution(k, unit.reshape(node.data.shape), shape)[1] for unit in units]
    return np.array([x.ravel() for x in pulled]).reshape(size, node.inputs[k].data.size)


def list_jacobian_terms(node: Any, column: np.ndarray, structure: np.ndarray) -> list[Term]:
    """Return the terms of an element from its column of the Jacobian."""
    places = np.flatnonzero(structure)
    is_one = bool((structure[places] == 2).all())
    indices = [tuple(map(int, np.unravel_index(o, node.data.shape))) for o in places]
    factors = map(read_number, column[places])
    return [Term(i, x, is_one=is_one) for i, x in zip(indices, factors, strict=True)]


def are_ones(numbers: np.ndarray) -> bool:
    """Return whether all numbers are known to be 1."""
    return not is_recorded(numbers) and bool((numbers == 1.0).all())
