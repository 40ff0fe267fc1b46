"""Gradient clipping: the cure for gradients that explode (chapter 02, 8.3)."""

import math
from collections.abc import Iterable
from typing import Any

from engine.node import Node
from engine.watch.gradient_warnings import check_gradient_is_new
from nn.arguments import parameters_of, positive


def clip_grad_value(parameters: Iterable[Any], limit: float) -> None:
    """Cut every gradient's elements to [-limit, limit] (chapter 02, 8.3); nan stays nan.

    >>> from engine import Value
    >>> w = Value(0.0)
    >>> w.grad = -7.0
    >>> clip_grad_value([w], 5.0)
    >>> w.grad
    -5.0
    """
    limit = positive("limit", limit)
    for p in parameters_of("clip_grad_value", parameters):
        check_used(p)
        p.grad = clipped(p.grad, limit)


def clipped(g: Any, limit: float) -> Any:
    if type(g) is float:
        return max(-limit, min(limit, g)) if g == g else g
    import numpy as np

    with np.errstate(all="ignore"):
        return np.clip(g, -limit, limit)


def clip_grad_norm(parameters: Iterable[Any], limit: float) -> float:
    """Shrink all gradients by one factor so that their norm is at most `limit`; the norm before.

    The norm is that of one vector of all elements (Pascanu et al. 2013). The direction stays.
    Gradients whose norm is inf or nan are left as they are: no factor mends them.

    >>> from engine import Value
    >>> u, v = Value(0.0), Value(0.0)
    >>> u.grad, v.grad = 30.0, 40.0
    >>> clip_grad_norm([u, v], 5.0), u.grad, v.grad
    (50.0, 3.0, 4.0)
    """
    limit = positive("limit", limit)
    parameters = parameters_of("clip_grad_norm", parameters)
    norm = grad_norm(parameters)
    if limit < norm < math.inf:
        for p in parameters:
            check_used(p)
            p.grad = p.grad * (limit / norm)  # the norm itself may be beyond float32's range
    return norm


def check_used(p: Any) -> None:
    """No gradient that has moved the parameter is in one that is clipped: it would go unseen."""
    if isinstance(p, Node) and not p.constant:
        check_gradient_is_new(p)


def grad_norm(parameters: Iterable[Any]) -> float:
    """The Euclidean norm of the gradients of all parameters together, as one vector.

    >>> from engine import Value
    >>> x, y = Value(0.0), Value(0.0)
    >>> (3.0 * x + 4.0 * y).backward()
    >>> grad_norm([x, y])
    5.0
    """
    return math.hypot(*[length(p.grad) for p in parameters_of("grad_norm", parameters)])


def length(g: Any) -> float:
    """The norm of one gradient, even where its squares are beyond the floats' range."""
    if isinstance(g, float):
        return g
    import numpy as np

    with np.errstate(all="ignore"):
        flat = np.ravel(g, order="K")
        square = float(np.dot(flat, flat))
        if 1e-30 < square < math.inf:
            return math.sqrt(square)
        largest = float(np.abs(flat).max(initial=0.0))
        if not 0.0 < largest < math.inf:
            return largest
        return largest * float(np.linalg.norm(flat.astype(float) / largest))
