"""NumPy's functions that are compositions of rows: `np.tensordot(x, y)`, `np.vstack([x, y])`.

`engine.arrays.numpy_protocol` calls them for functions that have no row, method or function of the
engine. Their arguments are NumPy's.

    >>> x = Array([1.0, 4.0])
    >>> np.diff(x), np.reciprocal(x), np.vstack([x, [2.0, 3.0]])
    (Array([3.]), Array([1.  , 0.25]), Array([[1., 4.],
           [2., 3.]]))
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from engine.arrays.array import Array
from engine.arrays.functions import concatenate
from engine.arrays.methods import gather, normalize_axis
from engine.arrays.numpy_messages import refused
from engine.arrays.numpy_protocol import data_of
from engine.arrays.statistics import (
    average,
    bincount,
    histogram,
    median,
    percentile,
    quantile,
    unique,
)
from engine.functions import logaddexp, maximum, minimum, where
from engine.node import Node
from engine.support.trees import leaves, map_leaves, replace_leaves

# ------------------------------------------------------------------------------------------ ufuncs
# They are also functions of Values.

LN2 = math.log(2.0)


def truncate(x: Any) -> Any:
    return x.sign() * abs(x).floor()


def fmax(x: Any, y: Any) -> Any:
    return maximum(*replace_nan(x, y))


def fmin(x: Any, y: Any) -> Any:
    return minimum(*replace_nan(x, y))


def replace_nan(x: Any, y: Any) -> tuple[Any, Any]:
    """Return two numbers, each replaced by the other where it is nan."""
    return where(np.isnan(data_of(x)), y, x), where(np.isnan(data_of(y)), x, y)


UFUNCS: dict[str, Callable[..., Any]] = {
    "deg2rad": lambda x: x * (math.pi / 180.0),
    "degrees": lambda x: x * (180.0 / math.pi),
    "fmax": fmax,
    "fmin": fmin,
    "logaddexp2": lambda x, y: logaddexp(x * LN2, y * LN2) / LN2,
    "rad2deg": lambda x: x * (180.0 / math.pi),
    "radians": lambda x: x * (math.pi / 180.0),
    "reciprocal": lambda x: 1.0 / x,
    "trunc": lambda x: truncate(x),
    "vecdot": lambda x, y: vecdot(x, y),
}

# ---------------------------------------------------------------------------------------- elements
# `nan_to_num` and `sinc` are also functions of Values.


def nan_to_num(
    x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """Return x with finite numbers in place of nan and inf, which receive no gradient."""
    numbers = np.nan_to_num(x.data, nan=nan, posinf=posinf, neginf=neginf)
    return where(np.isfinite(x.data), x, numbers)


def sinc(x: Any) -> Any:
    """Return sin(πx) / (πx), by its series near 0, where the slopes of the quotient lose digits."""
    near = abs(x.data) < 0.5
    squares = (where(near, x, 0.0) * math.pi).square()
    series = 0.0
    for n in range(28, -1, -2):  # 1 - s/3! + s²/5! - ...
        series = 1.0 / math.factorial(n + 1) - squares * series
    y = where(near, 1.0, x) * math.pi
    return where(near, series, y.sin() / y)


def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True,
    shape: Any = None,
) -> Any:  # fmt: skip
    """Return an array filled with a number; an Array if the number is a node."""
    like = np.full_like(data_of(a), 0.0, dtype, order, subok, shape)  # type: ignore[call-overload]
    if isinstance(fill_value, Node):
        return Array.lift(fill_value).astype(like.dtype).broadcast_to(like.shape)
    return np.full_like(like, fill_value)


def partition(a: Any, kth: Any, axis: int | None = -1) -> Array:
    def order(positions: np.ndarray, axis: int | None) -> np.ndarray:
        return np.take_along_axis(positions, np.argpartition(a.data, kth, axis), axis)

    return gather("partition", order, a, axis=axis)


def select(condlist: Any, choicelist: Any, default: Any = 0.0) -> Array:
    """Return the element of the first choice whose condition holds, else the default."""
    out = Array.lift(default)
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        out = where(condition, Array.lift(choice), out)
    return out


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, axis: int = 0) -> Array:
    start, stop = Array.lift(start), Array.lift(stop)
    ndim = max(start.ndim, stop.ndim)
    weights = Array.lift(np.linspace(0.0, 1.0, num, endpoint).tolist())  # a list has no dtype
    weights = weights.reshape(num, *[1] * ndim)
    return np.moveaxis(start * (1.0 - weights) + stop * weights, 0, axis)


# ------------------------------------------------------------------------------------- differences


def diff(a: Any, n: int = 1, axis: int = -1) -> Array:
    before = (slice(None),) * normalize_axis("diff", a, axis)
    for _ in range(n):
        a = a[(*before, slice(1, None))] - a[(*before, slice(None, -1))]
    return a


def gradient(f: Any, *spacing: float, axis: Any = None, edge_order: int = 1) -> Any:
    """Return central differences, and one-sided ones at both ends, for each axis.

    The spacing is one number, or one for each axis. Raises ValueError for coordinates, and for
    `edge_order=2`.
    """
    f = Array.lift(f)
    axes = range(f.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    steps = (
        [1.0] * len(axes) if not spacing else spacing * len(axes) if spacing[1:] == () else spacing
    )
    if edge_order != 1 or any(np.ndim(h) for h in steps) or len(steps) != len(axes):
        raise ValueError(
            "np.gradient of Arrays expects one number as spacing, or one for each axis, and "
            f"edge_order=1, got {spacing} and edge_order={edge_order}"
        )
    slopes = [differences(f, i, h) for i, h in zip(axes, steps, strict=True)]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    """Return the integral along an axis by the trapezoidal rule."""
    rows = move_last(y, axis)
    if x is not None:
        x = Array.lift(x)
        dx = diff(x if x.ndim == 1 else move_last(x, axis))
    return ((rows[..., 1:] + rows[..., :-1]) * dx).sum(-1) / 2.0


def differences(f: Any, axis: int, h: float) -> Array:
    before = (slice(None),) * normalize_axis("gradient", f, axis)
    part = lambda *ends: f[(*before, slice(*ends))]
    if f.shape[axis] < 2:
        raise ValueError(f"np.gradient expects at least 2 elements along axis {axis}")
    first, last = part(1, 2) - part(0, 1), part(-1, None) - part(-2, -1)
    middle = (part(2, None) - part(None, -2)) / 2.0
    return concatenate([first, middle, last], axis) / h


# ---------------------------------------------------------------------------------------- products


def tensordot(a: Any, b: Any, axes: Any = 2) -> Array:
    """Return the sums of products over axes of a and axes of b."""
    x, y = Array.lift(a), Array.lift(b)
    if np.ndim(axes) == 0 and not isinstance(axes, list | tuple):
        axes = list(range(x.ndim - axes, x.ndim)), list(range(axes))
    summed_x, summed_y = (
        [normalize_axis("tensordot", z, i) for i in ((group,) if np.ndim(group) == 0 else group)]
        for z, group in zip((x, y), axes, strict=True)
    )
    if [x.shape[i] for i in summed_x] != [y.shape[i] for i in summed_y]:
        raise ValueError(
            f"tensordot expects axes of equal lengths, got axes {axes} of shapes {x.shape} and "
            f"{y.shape}"
        )
    free_x = [i for i in range(x.ndim) if i not in summed_x]
    free_y = [i for i in range(y.ndim) if i not in summed_y]
    n = math.prod([x.shape[i] for i in summed_x])
    shape_x, shape_y = [x.shape[i] for i in free_x], [y.shape[i] for i in free_y]
    rows = x.transpose(*free_x, *summed_x).reshape(math.prod(shape_x), n)
    columns = y.transpose(*summed_y, *free_y).reshape(n, math.prod(shape_y))
    return (rows @ columns).reshape(*shape_x, *shape_y)


def vecdot(x1: Any, x2: Any, axis: int = -1) -> Array:
    return (move_last(x1, axis) * move_last(x2, axis)).sum(-1)


def move_last(x: Any, axis: int) -> Any:
    """Return an Array with an axis as its last."""
    node: Any = Array.lift(x)
    return np.moveaxis(node, axis, -1)


def inner(a: Any, b: Any) -> Array:
    x, y = Array.lift(a), Array.lift(b)
    return tensordot(x, y, (-1, -1)) if x.ndim and y.ndim else x * y


def kron(a: Any, b: Any) -> Array:
    """Return the blocks a[i, j, ...] * b."""
    x, y = Array.lift(a), Array.lift(b)
    ndim = max(x.ndim, y.ndim)
    shape_x, shape_y = ((1,) * (ndim - z.ndim) + z.shape for z in (x, y))
    blocks = x.reshape([n for m in shape_x for n in (m, 1)])
    blocks = blocks * y.reshape([n for m in shape_y for n in (1, m)])
    return blocks.reshape([m * n for m, n in zip(shape_x, shape_y, strict=True)])


def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Array:
    """Return the cross products of vectors of 3 elements."""
    if axis is not None:
        axisa = axisb = axisc = axis
    vectors: Any = Array.lift(a), Array.lift(b)
    x, y = (np.moveaxis(z, i, -1) for z, i in zip(vectors, (axisa, axisb), strict=True))
    if x.shape[-1] != 3 or y.shape[-1] != 3:
        raise ValueError(
            f"cross expects vectors of 3 elements, got {x.shape[-1]} and {y.shape[-1]}"
        )
    after, before = [1, 2, 0], [2, 0, 1]
    out = x[..., after] * y[..., before] - x[..., before] * y[..., after]
    return np.moveaxis(out, -1, axisc)


OF_BOTH: dict[str, Callable[..., Any]] = {
    "copy": lambda a, order="K", subok=False: a * 1.0,
    "fix": truncate,
    "histogram": histogram,
    "nan_to_num": nan_to_num,
    "sinc": sinc,
}
OF_VALUES = OF_BOTH | {  # statistics of one number
    **dict.fromkeys(("average", "max", "mean", "median", "min", "prod", "sum"), lambda a: a),
    **dict.fromkeys(("ptp", "std", "var"), lambda a: a - a),
}
FUNCTIONS = OF_BOTH | {
    f.__name__: f
    for f in (
        average,
        bincount,
        cross,
        diff,
        full_like,
        gradient,
        inner,
        kron,
        linspace,
        median,
        partition,
        percentile,
        quantile,
        select,
        tensordot,
        trapezoid,
        unique,
        vecdot,
    )
}

# ------------------------------------------------------------------ functions that move elements

# By name: the positions of the arguments that are Arrays, or nested lists of Arrays.
MOVES: dict[str, tuple[int, ...]] = dict.fromkeys(
    (
        "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "block", "broadcast_arrays",
        "column_stack", "delete", "dsplit", "dstack", "fliplr", "flipud", "hsplit", "hstack",
        "matrix_transpose", "meshgrid", "moveaxis", "resize", "rollaxis", "rot90",
        "take_along_axis", "vsplit", "vstack",
    ),
    (0,),
)  # fmt: skip
MOVES |= {"append": (0, 1), "insert": (0, 2), "compress": (1,), "extract": (1,)}


def move_elements(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a NumPy function for Arrays: it moves the positions of the elements of all Arrays."""
    signature = inspect.signature(f)
    parameters = list(signature.parameters)
    names = [parameters[i] for i in MOVES[f.__name__]]

    def move(*args: Any, **settings: Any) -> Any:
        bound = signature.bind(*args, **settings)
        if bound.arguments.get("out") is not None:
            raise refused(f.__name__, "out")
        given = [bound.arguments[name] for name in names]
        if bound.arguments.get("dtype") is not None:
            raise refused(f.__name__, "dtype")
        arrays = [Array.lift(x) for x in leaves(given)]
        ends = np.cumsum([x.size for x in arrays])
        positions = [
            np.arange(end - x.size, end).reshape(x.shape)
            for x, end in zip(arrays, ends, strict=True)
        ]
        bound.arguments.update(zip(names, replace_leaves(given, positions), strict=True))
        moved = f(*bound.args, **bound.kwargs)
        flat = [x.reshape(-1) for x in arrays]
        elements = flat[0] if len(flat) == 1 else concatenate(flat)
        return map_leaves(lambda places: elements[places], moved)

    return move
