"""The same function in three libraries: value, gradients, and the Hessian times a direction."""

from typing import Any, NamedTuple

import jax
import numpy as np
import torch
from jax import numpy as jnp
from jax.example_libraries import optimizers as jax_optim  # noqa: F401 (for test_optim)

from engine import Array, Value, grad, hvp

torch.set_default_dtype(torch.float64)
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_disable_jit", True)  # cases differ in their shapes
EPS = 2.0**-53  # the relative error of a rounding


class Derivatives(NamedTuple):
    value: float
    slopes: list[Any]  # an array per input
    second: list[Any]  # the Hessian times the inputs' directions


def directions(at):
    """Return fixed directions without symmetry, in which wrong second derivatives cannot cancel."""
    return [np.cos(1.0 + i + np.arange(x.size)).reshape(x.shape) for i, x in enumerate(at)]


def weighted(out):
    """Return a weighted sum of the results, with different weights."""
    if isinstance(out, (list, tuple)):
        return sum(float(w) * y for w, y in zip(np.cos(np.arange(len(out))), out, strict=True))
    if not np.shape(getattr(out, "data", out) if isinstance(out, Array) else out):
        return out
    weights = np.cos(np.arange(np.prod(out.shape))).reshape(tuple(out.shape))
    return (out * (torch.tensor(weights) if isinstance(out, torch.Tensor) else weights)).sum()


def by_torch(f, at):
    xs = [torch.tensor(x, requires_grad=True) for x in at]
    y = weighted(f(*xs))
    zeros = [torch.zeros_like(x) for x in xs]

    def slopes_of(y, **options):
        if not y.requires_grad:
            return zeros
        grads = torch.autograd.grad(y, xs, allow_unused=True, **options)
        return [zero if g is None else g for g, zero in zip(grads, zeros, strict=True)]

    slopes = slopes_of(y, create_graph=True)
    along = sum((g * torch.tensor(v)).sum() for g, v in zip(slopes, directions(at), strict=True))
    numbers = lambda tensors: [x.detach().numpy(force=True) for x in tensors]
    return Derivatives(y.item(), numbers(slopes), numbers(slopes_of(along)))


def by_jax(f, at):
    xs = [jnp.array(x) for x in at]
    g = lambda *xs: weighted(f(*xs))
    slopes_of = jax.grad(g, tuple(range(len(at))))
    _, second = jax.jvp(slopes_of, tuple(xs), tuple(map(jnp.array, directions(at))))
    return Derivatives(
        float(g(*xs)), list(map(np.array, slopes_of(*xs))), list(map(np.array, second))
    )


def on_arrays(f, at):
    xs = [Array(x) for x in at]
    y = weighted(f(*xs))
    return Derivatives(np.asarray(y.data).item(), grad(y, xs), hvp(y, xs, directions(at)))


def on_values(f, at):
    """Return value, gradients and products with the Hessian of f on nested lists of Values."""
    xs = [np.vectorize(Value, otypes=[object])(x) if x.ndim else Value(float(x)) for x in at]
    flat = [x for nested in xs for x in np.ravel(nested)]
    y = weighted(f(*[x.tolist() if isinstance(x, np.ndarray) else x for x in xs]))
    y = y if isinstance(y, Value) else Value.lift(y)
    moves = np.concatenate([np.ravel(v) for v in directions(at)]).tolist()
    ends = np.cumsum([x.size for x in at])[:-1]
    shaped = lambda numbers: [
        part.reshape(x.shape) for part, x in zip(np.split(np.array(numbers), ends), at, strict=True)
    ]
    return Derivatives(y.data, shaped(grad(y, flat)), shaped(hvp(y, flat, moves)))


JUDGES = {"torch": by_torch, "jax": by_jax}
PAYLOADS = {"values": on_values, "arrays": on_arrays}


def close(got, want, roundings, what, floor=1e-300):
    """Assert that arrays agree to `roundings` of their largest number, or of `floor`."""
    got, want = np.asarray(got, float), np.asarray(want, float)
    size = max(np.abs(want[np.isfinite(want)]).max(initial=0.0), floor)
    np.testing.assert_allclose(got, want, rtol=0.0, atol=roundings * EPS * size, err_msg=what)


def agree(got, want, roundings, floor=1e-300, unless=()):
    """Assert that value, slopes and second derivatives agree, except those named in `unless`."""
    close(got.value, want.value, roundings, "value", floor)
    for what in ("slopes", "second"):
        pairs = zip(getattr(got, what), getattr(want, what), strict=True)
        for i, (mine, other) in enumerate(() if what in unless else pairs):
            close(mine, other, roundings, f"{what} of input {i}", floor)
