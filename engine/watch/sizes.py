"""The size of a gradient: of a number its magnitude, of an array its norm."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any


def is_ndarray(x: Any) -> bool:
    """Return whether a gradient is an array; without NumPy, none is."""
    return hasattr(x, "ndim")


def measure_gradient(x: Any) -> float:
    """Return the magnitude of a number or the Euclidean norm of an array; nan if one is nan."""
    return math.hypot(*x.ravel().tolist()) if is_ndarray(x) else abs(x)


def format_size(x: Any) -> str:
    """Format a gradient; of an array with several elements, its norm.

    >>> import numpy as np
    >>> format_size(2.0), format_size(np.array([3.0, 4.0]))
    ('2', '‖·‖ 5')
    """
    if is_ndarray(x) and x.size != 1:
        return f"‖·‖ {measure_gradient(x):.6g}"
    return f"{x.item() if is_ndarray(x) else x:.6g}"


def describe_array_node(node: Any) -> str:
    """Return the repr of a node; of an Array with several elements, its label and its shape."""
    if not is_ndarray(node.data) or node.data.size == 1:
        return repr(node)
    name = node.label or (node.op.name if node.op is not None else "")
    return (
        f"{name} of shape {node.data.shape}".lstrip()
        if name
        else f"an Array of shape {node.data.shape}"
    )


def ignore_floating_point_errors(node: Any) -> AbstractContextManager[Any]:
    """Return a context in which arithmetic on a node's data does not warn of inf or nan."""
    if not is_ndarray(node.data):
        return nullcontext()
    import numpy as np

    return np.errstate(all="ignore")
