"""Our functions in PyTorch's words: its names and arguments, so that its sample inputs fit.

A function calls `refuse` for a setting that ours does not have by design.
"""

import math

import numpy as np

import engine
from engine import Array, concatenate, einsum, expand_dims, flip, norm, outer, where
from engine import split as split_at
from engine.arrays.rules import ARRAY_TABLE
from nn import losses
from nn.losses import reduce_losses


class OutOfScope(Exception):
    """A setting of PyTorch's function that ours does not have."""


def refuse(condition, reason):
    if condition:
        raise OutOfScope(reason)


def method(name):
    return lambda x, inplace=False: getattr(x, name)()


def with_dtype(x, dtype):
    return x if dtype is None else x.astype(str(dtype).removeprefix("torch."))


def axes(dim):
    """Return PyTorch's dim as NumPy's axis: an empty list means all axes."""
    return (tuple(dim) or None) if isinstance(dim, list | tuple) else dim


def reduction(name):
    def f(x, dim=None, keepdim=False, dtype=None):
        refuse(isinstance(dim, list | tuple) and not x.ndim, "several axes of a number")
        return getattr(with_dtype(x, dtype), name)(axis=axes(dim), keepdims=keepdim)

    return f


def extreme(name):
    """Return the largest elements and their places."""

    def f(x, dim, keepdim=False):
        return getattr(x, name)(dim, keepdim), getattr(x, f"arg{name}")(dim, keepdim)

    return f


def along(name):
    def f(x, dim, dtype=None):
        refuse(name.startswith("cum") and not x.ndim, "a number has one partial sum, in a vector")
        return getattr(with_dtype(x, dtype), name)(dim)

    return f


def spread(name):
    def f(x, dim=None, unbiased=True, correction=None, keepdim=False):
        dim, unbiased = (None, dim) if isinstance(dim, bool) else (dim, unbiased)
        ddof = int(unbiased) if correction is None else correction
        return getattr(x, name)(axis=axes(dim), keepdims=keepdim, ddof=ddof)

    return f


def div(x, y, rounding_mode=None):
    refuse(rounding_mode == "trunc", "division that rounds toward 0")
    return x // y if rounding_mode == "floor" else x / y


def vector_norm(x, ord=2, dim=None, keepdim=False, dtype=None):
    refuse(isinstance(dim, list | tuple) and not x.ndim, "several axes of a number")
    dim, is_vector = axes(dim), np.size(dim) == 1 if dim is not None else x.ndim == 1
    ord = None if ord in (2, "fro") else ord
    refuse(ord not in (None, 1, math.inf) or (ord and not is_vector), "other norms")
    return norm(with_dtype(x, dtype), ord, dim, keepdim)


def norm_of_order(x, p=2, dim=None, keepdim=False, dtype=None):
    return vector_norm(x, p, dim, keepdim, dtype)


def round_to(x, decimals=0):
    refuse(decimals, "decimals")
    return x.round()


def gelu(x, approximate="none"):
    refuse(approximate != "none", "gelu by tanh")
    return x.gelu()


def softplus(x, beta=1.0, threshold=20.0):
    refuse(threshold != 20.0, "softplus that is linear from a threshold on")
    return (x * beta).softplus() / beta


def prelu(x, weight):
    by_channel = weight.size > 1 and x.ndim > 1
    slopes = weight.reshape(-1, *[1] * (x.ndim - 2)) if by_channel else weight.reshape(-1)[0]
    return where(x.data > 0, x, x * slopes)


def add_product(product):
    def f(b, x, y, beta=1, alpha=1):
        refuse(not beta, "an argument that is ignored for beta = 0")
        return b * beta + product(x, y) * alpha

    return f


# -------------------------------------------------------------------------------------- products


def inner(x, y):
    refuse(y.ndim > 2, "inner products with a stack of matrices")
    return x @ y.swapaxes(-1, -2) if y.ndim == 2 and x.ndim else x.dot(y)


def multi_dot(xs):
    refuse(xs[0].ndim < 2 or xs[-1].ndim < 2, "vectors in a chain of matrices")
    return einsum(",".join("abcdefgh"[i : i + 2] for i in range(len(xs))), *xs)


def linear(x, w, b=None):
    refuse(w.ndim < 2, "a vector of weights")
    return x @ w.T if b is None else ARRAY_TABLE["linear"](x, w, b)


def bilinear(x, y, w, b=None):
    out = einsum("...i,oij,...j->...o", x, w, y)
    return out if b is None else out + b


# ---------------------------------------------------------------------------------------- shapes


def sizes(args):
    """Return (2, 3) for f(2, 3) and f((2, 3))."""
    return tuple(args[0]) if isinstance(args[0], tuple | list) else args


def flatten(x, start_dim=0, end_dim=-1):
    if not x.ndim:
        return x.reshape(1)
    start, end = start_dim % x.ndim, end_dim % x.ndim + 1
    return x.reshape(*x.shape[:start], math.prod(x.shape[start:end]), *x.shape[end:])


def unflatten(x, dim, sizes):
    dim %= x.ndim
    return x.reshape(*x.shape[:dim], *sizes, *x.shape[dim + 1 :])


def transpose(x, first, second):
    return x.swapaxes(first, second) if x.ndim else x


def squeeze(x, *dim):
    axes = np.ravel(dim).tolist() if x.ndim else []
    return x.squeeze(tuple(i for i in axes if x.shape[i] == 1)) if dim else x.squeeze()


def expand(x, *shape):
    shape = sizes(shape)
    new = len(shape) - x.ndim
    return x.broadcast_to(tuple(x.shape[i - new] if n == -1 else n for i, n in enumerate(shape)))


def move_axes(x, source, destination):
    order = np.moveaxis(np.empty(range(1, 1 + x.ndim)), source, destination).shape
    return x.transpose([n - 1 for n in order])


def split(x, size, dim=0):
    ends = np.cumsum(size)[:-1] if np.ndim(size) else np.arange(size, x.shape[dim], size)
    return split_at(x, ends.tolist(), dim)


def tensor_split(x, parts, dim=0):
    if np.ndim(parts) == 0:
        lengths = [len(part) for part in np.array_split(np.arange(x.shape[dim]), int(parts))]
        parts = np.cumsum(lengths)[:-1]
    return split_at(x, np.array(parts, int).tolist(), dim)


def chunk(x, chunks, dim=0):
    return split(x, max(-(-x.shape[dim] // chunks), 1), dim)


def joined(xs, dim):
    refuse(len({x.ndim for x in xs}) > 1, "a vector without elements among matrices")
    return concatenate(xs, dim)


def stacked(xs, ndim, axis):
    """Return the Arrays joined, each with axes of length 1 before its own."""
    return concatenate([x.reshape(*[1] * (ndim - x.ndim), *x.shape) for x in xs], axis)


# -------------------------------------------------------------------------------------- elements


def rot90(x, k=1, dims=(0, 1)):
    for _ in range(k % 4):
        x = flip(x, dims[1]).swapaxes(*dims)
    return x


def narrow(x, dim, start, length):
    start = int(start) % max(x.shape[dim], 1) if start < 0 else int(start)
    return x[(slice(None),) * (dim % x.ndim) + (slice(start, start + length),)]


def sort(x, dim=-1, descending=False, stable=False):
    refuse(not x.ndim, "axes of a number")
    return flip(x.sort(dim), dim) if descending else x.sort(dim)


def index_select(x, dim, index):
    refuse(not x.ndim, "axes of a number")
    return x.take(index, dim)


def gather(x, dim, index, sparse_grad=False):
    refuse(not x.ndim, "axes of a number")
    refuse(not index.size, "empty indices of more axes")
    places = list(np.indices(index.shape))
    places[dim] = index
    return x[tuple(places)]


def take_along_dim(x, index, dim=None):
    refuse(dim is not None, "broadcast indices")
    return x.take(index.reshape(-1))


def masked_select(x, mask):
    shape = np.broadcast_shapes(x.shape, mask.shape)
    return x.broadcast_to(shape)[np.broadcast_to(mask, shape)]


def padded(mode):
    def f(x, pad, mode=mode, value=None):
        pairs = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
        refuse(min(pad) < 0, "padding that removes elements")
        widths = [(0, 0)] * (x.ndim - len(pairs)) + pairs
        values = {"constant_values": value or 0.0} if mode == "constant" else {}
        return engine.pad(x, widths, NAME_OF_MODE.get(mode, mode), **values)

    return f


NAME_OF_MODE = {"replicate": "edge", "circular": "wrap"}

# ---------------------------------------------------------------------------------------- losses


def loss(f):
    def g(x, y, reduction="mean", weight=None, **settings):
        refuse(set(settings) - {"delta"}, "weights of positive targets")
        if weight is None:
            return f(x, y, reduction=reduction, **settings)
        return reduce_losses(f(x, y, reduction="none", **settings) * weight, reduction)

    return g


def cross_entropy(z, y, weight=None, ignore_index=-100, label_smoothing=0.0, **settings):
    """Return the loss for classes along axis 1."""
    order = [0, *range(2, z.ndim), 1]
    as_rows = lambda x: x.transpose(order).reshape(-1, z.shape[1])
    shape, of_labels = z.data[:, 0].shape, not isinstance(y, Array)
    settings |= {"weight": None if weight is None else weight.data, "smoothing": label_smoothing}
    if of_labels:
        settings["ignore_index"] = ignore_index
    out = losses.cross_entropy(as_rows(z), y.reshape(-1) if of_labels else as_rows(y), **settings)
    return out.reshape(shape) if out.ndim else out


def suitable_targets(sample):
    """Give a sample of cross_entropy class probabilities, weights above 0 and an ignored label."""
    (y,), weight = sample.args, sample.kwargs.get("weight")
    if y.is_floating_point():
        y = y.softmax(1)
    elif "ignore_index" in sample.kwargs:
        y[0], y[1:] = sample.kwargs["ignore_index"], 0  # the first label is ignored, others are not
    sample.args = (y,)
    if weight is not None:
        sample.kwargs["weight"] = weight.abs()
    return sample


def layer_norm(x, shape, weight=1.0, bias=0.0, eps=1e-5):
    last = tuple(range(-len(shape), 0))
    out = (x - x.mean(last, True)) / (x.var(last, True) + eps).sqrt()
    return out * (1.0 if weight is None else weight) + (0.0 if bias is None else bias)


def embedding(weight, index, **settings):
    refuse(any(settings.values()), "padding and rescaling of rows")
    return weight[index]


# The number of arguments with a gradient, if others have none: weights, and targets of classes.
DIFFERENTIABLE = {
    "nn.functional.cross_entropy": 1,
    "nn.functional.binary_cross_entropy_with_logits": 2,
}

# fmt: off
OURS = {
    **{name: method(name.rpartition(".")[2]) for name in (
        "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf", "erfc", "exp", "exp2", "expm1",
        "floor", "log", "log10", "log1p", "log2", "neg", "ravel", "sigmoid", "sign", "sin", "sinh", "sqrt", "square",
        "tan", "tanh", "trace", "nn.functional.relu", "nn.functional.silu",
    )},
    "round": round_to, "positive": lambda x: +x, "reciprocal": lambda x: 1.0 / x, "rsqrt": lambda x: 1.0 / x.sqrt(),
    "frac": lambda x: x - x.sign() * abs(x).floor(), "deg2rad": lambda x: x * (math.pi / 180), "rad2deg": lambda x: x * (180 / math.pi),
    "special.ndtr": lambda x: x.normal_cdf(), "special.log_ndtr": lambda x: x.normal_cdf().log(),

    "nn.functional.celu": lambda x, alpha=1.0, inplace=False: (x / alpha).elu() * alpha,
    "nn.functional.elu": lambda x, alpha=1.0, inplace=False: x.elu(alpha), "nn.functional.gelu": gelu,
    "nn.functional.hardshrink": lambda x, lambd=0.5: where(abs(x.data) > lambd, x, 0.0),
    "nn.functional.hardswish": lambda x, inplace=False: x * (x + 3.0).clip(0.0, 6.0) / 6.0,
    "nn.functional.hardtanh": lambda x, min_val=-1.0, max_val=1.0, inplace=False: x.clip(min_val, max_val),
    "nn.functional.leaky_relu": lambda x, negative_slope=0.01, inplace=False: x.leaky_relu(negative_slope),
    "nn.functional.logsigmoid": lambda x: -(-x).softplus(), "nn.functional.mish": lambda x, inplace=False: x * x.softplus().tanh(),
    "nn.functional.prelu": prelu, "nn.functional.relu6": lambda x, inplace=False: x.clip(0.0, 6.0),
    "nn.functional.selu": lambda x, inplace=False: 1.0507009873554805 * x.elu(1.6732632423543772),
    "nn.functional.softplus": softplus, "nn.functional.softsign": lambda x: x / (1.0 + abs(x)), "nn.functional.tanhshrink": lambda x: x - x.tanh(),
    "nn.functional.threshold": lambda x, threshold, value, inplace=False: where(x.data > threshold, x, value),

    "add": lambda x, y, alpha=1: x + y * alpha, "sub": lambda x, y, alpha=1: x - y * alpha, "rsub": lambda x, y, alpha=1: y - x * alpha,
    "mul": lambda x, y: x * y, "div": div, "true_divide": lambda x, y: x / y, "floor_divide": lambda x, y: x // y, "remainder": lambda x, y: x % y,
    "pow": lambda x, y: x ** y, "float_power": lambda x, y: x ** y, "__radd__": lambda x, y: y + x, "__rsub__": lambda x, y: y - x,
    "__rmul__": lambda x, y: y * x, "__rdiv__": lambda x, y: y / x, "__rpow__": lambda x, y: y ** x, "__rmod__": lambda x, y: y % x,
    "maximum": lambda x, y: x.maximum(y), "max:binary": lambda x, y: x.maximum(y), "fmax": lambda x, y: x.maximum(y),
    "minimum": lambda x, y: x.minimum(y), "min:binary": lambda x, y: x.minimum(y), "fmin": lambda x, y: x.minimum(y),
    "atan2": lambda x, y: x.atan2(y), "hypot": lambda x, y: x.hypot(y), "logaddexp": engine.logaddexp, "xlogy": engine.xlogy,
    "special.xlog1py": lambda x, y: engine.xlogy(x, 1.0 + y), "clamp": lambda x, min=None, max=None: x.clip(min, max),
    "clamp_min": lambda x, lo: x.clip(lo, None), "clamp_max": lambda x, hi: x.clip(None, hi), "lerp": lambda x, y, w: x + (y - x) * w,
    "addcmul": lambda x, y, z, value=1: x + y * z * value, "addcdiv": lambda x, y, z, value=1: x + y / z * value,
    "where": lambda x, condition, y: where(condition, x, y), "masked_fill": lambda x, mask, value: where(mask, value, x),

    **{name: reduction(name) for name in ("sum", "mean", "prod", "logsumexp")}, "amax": reduction("max"), "amin": reduction("min"),
    "max:reduction_no_dim": lambda x: x.max(), "min:reduction_no_dim": lambda x: x.min(), "std": spread("std"), "var": spread("var"),
    "max:reduction_with_dim": extreme("max"), "min:reduction_with_dim": extreme("min"),
    "argmax": lambda x, dim=None, keepdim=False: x.argmax(dim, keepdim), "argmin": lambda x, dim=None, keepdim=False: x.argmin(dim, keepdim),
    "aminmax": lambda x, dim=None, keepdim=False: (x.min(dim, keepdim), x.max(dim, keepdim)), "norm": norm_of_order, "linalg.vector_norm": vector_norm,
    **{name: along(name) for name in ("cumsum", "cumprod", "softmax", "log_softmax")},
    "nn.functional.softmin": lambda x, dim, dtype=None: (-with_dtype(x, dtype)).softmax(dim),

    **dict.fromkeys(("matmul", "mm", "mv", "bmm"), lambda x, y: x @ y), "__rmatmul__": lambda x, y: y @ x, "dot": lambda x, y: x.dot(y), "vdot": lambda x, y: x.dot(y),
    **dict.fromkeys(("addmm", "addmv", "baddbmm"), add_product(lambda x, y: x @ y)), "addr": add_product(outer), "inner": inner, "outer": outer,
    "einsum": lambda xs, subscripts: einsum(subscripts, *xs), "linalg.multi_dot": multi_dot, "nn.functional.linear": linear, "nn.functional.bilinear": bilinear,

    "reshape": lambda x, *shape: x.reshape(*shape), "view": lambda x, *shape: x.reshape(*shape), "reshape_as": lambda x, y: x.reshape(y.shape),
    "view_as": lambda x, y: x.reshape(y.shape), "flatten": flatten, "unflatten": unflatten, "transpose": transpose, "permute": lambda x, dims: x.transpose(*dims),
    "movedim": move_axes, "t": lambda x: x.T, "T": lambda x: x.T, "mT": lambda x: x.swapaxes(-1, -2), "squeeze": squeeze, "unsqueeze": expand_dims, "expand": expand,
    "expand_as": lambda x, y: x.broadcast_to(y.shape), "broadcast_to": expand, "stack": lambda xs, dim=0: engine.stack(xs, dim), "split": split, "split:list_args": split, "split_with_sizes": split,
    "cat": lambda xs, dim=0: joined(xs, dim), "hstack": lambda xs: stacked(xs, max(xs[0].ndim, 1), min(xs[0].ndim, 2) // 2), "vstack": lambda xs: stacked(xs, max(xs[0].ndim, 2), 0),
    "tensor_split": tensor_split, "chunk": chunk, "unbind": lambda x, dim=0: [x.take(i, dim) for i in range(x.shape[dim])],

    "tile": engine.tile, "repeat": lambda x, *reps: engine.tile(x, sizes(reps)), "repeat_interleave": lambda x, repeats, dim=None, output_size=None: x.repeat(repeats, dim),
    "flip": lambda x, dims: flip(x, tuple(dims)), "fliplr": lambda x: flip(x, 1), "flipud": lambda x: flip(x, 0), "rot90": rot90,
    "roll": lambda x, shifts, dims=None: engine.roll(x, shifts, None if dims == () else dims), "diag": lambda x, diagonal=0: engine.diag(x, diagonal),
    "diagonal": lambda x, offset=0, dim1=0, dim2=1: x.diagonal(offset, dim1, dim2), "linalg.diagonal": lambda x, offset=0, dim1=-2, dim2=-1: x.diagonal(offset, dim1, dim2),
    "tril": lambda x, diagonal=0: engine.tril(x, diagonal), "triu": lambda x, diagonal=0: engine.triu(x, diagonal), "sort": sort, "msort": lambda x: sort(x, 0),
    "__getitem__": lambda x, index: x[index], "select": lambda x, dim, index: x.take(index, dim), "narrow": narrow, "take": lambda x, index: x.take(index),
    "index_select": index_select, "gather": gather, "take_along_dim": take_along_dim, "masked_select": masked_select,
    **{f"nn.functional.pad:{mode}": padded(mode) for mode in ("constant", "reflect", "replicate", "circular")},

    "nn.functional.cross_entropy": cross_entropy, "nn.functional.mse_loss": loss(losses.mse), "nn.functional.l1_loss": loss(losses.mae),
    "nn.functional.huber_loss": loss(losses.huber), "nn.functional.binary_cross_entropy_with_logits": loss(losses.binary_cross_entropy),
    "nn.functional.layer_norm": layer_norm, "nn.functional.embedding": embedding,
}
# fmt: on
