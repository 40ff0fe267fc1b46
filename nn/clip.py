"""Gradient clipping, against exploding gradients."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from engine.node import Node
from engine.watch.gradient_warnings import check_gradient_is_new
from nn.arguments import check_parameters, check_positive
from nn.keywords import answer_keywords

if TYPE_CHECKING:
    import numpy as np


@answer_keywords
def clip_grad_value(parameters: Iterable[Node], limit: float) -> None:
    """Clip each element of each gradient to [-limit, limit]; nan stays nan.

    Raises ValueError unless `limit` is positive and finite.

    >>> from engine import Value
    >>> w = Value(0.0)
    >>> w.grad = -7.0
    >>> clip_grad_value([w], 5.0)
    >>> w.grad
    -5.0
    """
    limit = check_positive("limit", limit)
    for p in check_parameters("clip_grad_value", parameters):
        check_unused(p)
        p.grad = clip(p.grad, limit)


def clip(gradient: "float | np.ndarray", limit: float) -> "float | np.ndarray":
    """Return a gradient with its elements clipped to [-limit, limit]."""
    if type(gradient) is float:
        return max(-limit, min(limit, gradient)) if gradient == gradient else gradient
    import numpy as np

    with np.errstate(all="ignore"):
        return np.clip(gradient, -limit, limit)


@answer_keywords
def clip_grad_norm(parameters: Iterable[Node], limit: float) -> float:
    """Scale all gradients by one factor so that their norm is at most `limit`.

    Returns the norm before clipping, that of all gradients as one vector (Pascanu et al. 2013).
    Gradients whose norm is inf or nan are left unchanged. Raises ValueError unless `limit` is
    positive and finite.

    >>> from engine import Value
    >>> u, v = Value(0.0), Value(0.0)
    >>> u.grad, v.grad = 30.0, 40.0
    >>> clip_grad_norm([u, v], 5.0), u.grad, v.grad
    (50.0, 3.0, 4.0)
    """
    limit = check_positive("limit", limit)
    parameters = check_parameters("clip_grad_norm", parameters)
    norm = grad_norm(parameters)
    if limit < norm < math.inf:
        for p in parameters:
            check_unused(p)
            p.grad = p.grad * (limit / norm)  # the norm itself may be beyond float32's range
    return norm


def check_unused(p: object) -> None:
    """Warn if the gradient has already updated the parameter.

    The optimizer could not detect this, because a clipped gradient is a new object.
    """
    if isinstance(p, Node) and not p.constant:
        check_gradient_is_new(p)


@answer_keywords
def grad_norm(parameters: Iterable[Node]) -> float:
    """Return the Euclidean norm of the gradients of all parameters, taken as one vector.

    >>> from engine import Value
    >>> x, y = Value(0.0), Value(0.0)
    >>> (3.0 * x + 4.0 * y).backward()
    >>> grad_norm([x, y])
    5.0
    """
    return math.hypot(*[norm_of(p.grad) for p in check_parameters("grad_norm", parameters)])


def norm_of(gradient: "float | np.ndarray") -> float:
    """Return the norm of one gradient, even if its squares overflow or underflow."""
    if isinstance(gradient, float):
        return gradient
    import numpy as np

    with np.errstate(all="ignore"):
        flat = np.ravel(gradient, order="K")
        square = float(np.dot(flat, flat))
        if 1e-30 < square < math.inf:
            return math.sqrt(square)
        largest = float(np.abs(flat).max(initial=0.0))
        if not 0.0 < largest < math.inf:
            return largest
        return largest * float(np.linalg.norm(flat.astype(float) / largest))
