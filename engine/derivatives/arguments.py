"""Arguments of derivatives: nodes, directions of their shape, and the data of both."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engine.functions import is_array
from engine.node import Node
from engine.support.arguments import numpy_type
from engine.value import Value, as_float

if TYPE_CHECKING:
    import numpy as np

    Data = float | np.ndarray  # of a Value or of an Array


def check_output(y: object) -> Node:
    """Return y, a node with one result. Raises TypeError for anything else."""
    if isinstance(y, list | tuple):
        raise TypeError(
            f"expected a node to differentiate, got a {type(y).__name__} of {len(y)}; "
            "jacobian takes several"
        )
    if callable(y) and not isinstance(y, Node):
        raise TypeError(f"expected a node to differentiate, got the function {y!r}; call it first")
    if not isinstance(y, Node):
        raise TypeError(f"expected a node to differentiate, got {y!r}; compute it from nodes")
    refuse_several_results(y)
    return y


def check_inputs(xs: object) -> list[Node]:
    """Return a list of the nodes to differentiate with respect to, given one or several.

    Raises TypeError for anything that is not a node, and ValueError for constants.
    """
    nodes: list[Any] = list(xs) if isinstance(xs, list | tuple) else [xs]
    for x in nodes:
        if not isinstance(x, Node):
            raise TypeError(
                f"expected a node, or a list of nodes, to differentiate with respect to, got {x!r}"
            )
        refuse_several_results(x)
        if x.constant:
            raise ValueError(
                f"{x!r} does not require a gradient; make a Value or an Array of its .data"
            )
    return nodes


def refuse_several_results(node: Node) -> None:
    """Raise TypeError for the node of an operation with several results."""
    if node.op is not None and node.op._has_several_outputs:
        node.apply()  # raises


def check_directions(name: str, xs: object, vs: Any, count: int) -> list[Any]:
    """Return a list of directions, one for each x. Raises ValueError if their number differs."""
    several = isinstance(xs, list | tuple)
    if several and not isinstance(vs, (list, tuple, numpy_type("ndarray"))):
        raise TypeError(f"{name} expects a list of directions, one for each x, got {vs!r}")
    directions = list(vs) if several else [vs]
    if len(directions) != count:
        raise ValueError(
            f"{name} expects one direction for each x, got {len(directions)} for {count}"
        )
    return directions


def convert_direction(x: Any, v: object) -> "Data":
    """Return a direction as data of the node's shape and dtype.

    Raises TypeError for non-numeric data and ValueError for another shape.
    """
    if isinstance(v, Node):
        raise TypeError(f"a direction must be a number or an array, got {v!r}; use its .data")
    try:
        if isinstance(x, Value):
            return as_float(v)
        from engine.arrays.arguments import as_data

        data = as_data(v, x.dtype)
    except TypeError as problem:
        raise TypeError(f"a direction must be a number or an array: {problem}") from None
    if data.shape != x.shape:
        raise ValueError(
            f"a direction must have the shape {x.shape} of its node, got shape {data.shape}"
        )
    return data


def check_scalar(y: object) -> Node:
    """Return y, a Value or an Array of one element. Raises ValueError for several elements."""
    if is_array(y) and y.size != 1:
        raise ValueError(
            f"grad expects a node of one element, got shape {y.shape}; take its .sum(), or use vjp "
            "or jacobian"
        )
    return check_output(y)


def zeros_like(x: Node) -> "Data":
    """Return a gradient of zeros for a node."""
    if isinstance(x, Value):
        return 0.0
    import numpy as np

    return np.zeros_like(x.data)


def to_data(x: Any) -> Any:
    """Return the data of a node; of data the data; of several results a tuple."""
    if isinstance(x, tuple):
        return tuple(map(to_data, x))
    return x.data if isinstance(x, Node) else x


def copy_data(x: Any) -> "Data":
    """Return the data of a node, or data, as an object that the caller may modify."""
    x = to_data(x)
    return x.copy(order="K") if isinstance(x, numpy_type("ndarray")) else x


def restore_form(xs: object, results: Sequence[Any]) -> Any:
    """Return a list of results if `xs` is a list, else the single result."""
    return results if isinstance(xs, list | tuple) else results[0]
