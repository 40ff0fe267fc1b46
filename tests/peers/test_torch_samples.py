"""PyTorch's own sample inputs for its operations, as data for our functions of the same meaning.

For every sample: shapes, values, gradients and the Hessian times a direction in float64; values,
gradients and dtypes in float32.
"""

import math

import numpy as np
import pytest
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_utils import set_rng_seed

from engine import Array, grad, hvp
from peers.judges import close, directions, torch, weighted
from peers.samples import DIFFERENTIABLE, OURS, OutOfScope, suitable_targets

DOUBLE = {torch.float64: 1.0, torch.float32: 2.0**29}  # a rounding, in roundings of float64
# Operations whose results have another dtype, by design.
DTYPES = {
    "float_power": "computes in float64 in PyTorch",
}


def cases():
    for op in op_db:
        key = f"{op.name}:{op.variant_test_name}"
        key = key if key in OURS else op.name
        if key in OURS and "triton" not in op.variant_test_name:
            yield pytest.param(key, op, id=f"{op.name}:{op.variant_test_name}".strip(":"))


def map_tensors(f, x):
    """Return a nested structure with f applied to its tensors."""
    if isinstance(x, torch.Tensor):
        return f(x)
    if isinstance(x, dict):
        return {name: map_tensors(f, value) for name, value in x.items()}
    return type(x)(map_tensors(f, y) for y in x) if type(x) in (list, tuple) else x


def call(f, sample, convert, most):
    """Return the results of f, and the leaves among its arguments in order, at most `most`."""
    leaves = []

    def leaf(x):
        x = convert(x)
        if not (isinstance(x, Array) or getattr(x, "requires_grad", False)):
            return x
        if len(leaves) == most:
            return x.detach()
        leaves.append(x)
        return x

    args, settings = map_tensors(leaf, ((sample.input, *sample.args), sample.kwargs))
    out = f(*args, **settings)
    return (list(out) if isinstance(out, tuple | list) else [out]), leaves


def theirs(op, sample, dtype, most):
    def convert(x):
        return x.detach().to(dtype).clone().requires_grad_() if x.is_floating_point() else x

    return call(op.op, sample, convert, most)


def ours(f, sample, dtype, most):
    def convert(x):
        return Array(x.to(dtype).numpy().copy()) if x.is_floating_point() else x.numpy()

    return call(f, sample, convert, most)


def combine(outs):
    """Return one number of several results."""
    return sum(math.cos(1.0 + i) * weighted(out) for i, out in enumerate(outs))


def torch_gradient(y, xs, **how):
    if not y.requires_grad:
        return [torch.zeros_like(x) for x in xs]
    slopes = torch.autograd.grad(y, xs, allow_unused=True, **how)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(slopes, xs, strict=True)]


def compare(got, want, roundings, what):
    for mine, other in zip(got, want, strict=True):
        other = other.numpy(force=True) if isinstance(other, torch.Tensor) else other
        mine = mine.data if isinstance(mine, Array) else mine
        assert np.shape(mine) == other.shape, what
        close(mine, other, roundings, what, floor=1.0)


def check(key, op, sample, dtype):
    """Compare one sample. Sums of some 100 terms, with a few roundings each, once per order."""
    most = DIFFERENTIABLE.get(key)
    outs, xs = ours(OURS[key], sample, dtype, most)
    want, leaves = theirs(op, sample, dtype, most)
    rounding = DOUBLE[dtype]
    if key in ("sort", "msort"):
        want = want[:1] if key == "sort" else want  # without the indices
    compare(outs, want, 100 * rounding, "value")
    pairs = [pair for pair in zip(outs, want, strict=True) if isinstance(pair[0], Array)]
    if key not in DTYPES:
        assert all(str(mine.dtype) == str(z.dtype).removeprefix("torch.") for mine, z in pairs)
    pairs = [(mine, z) for mine, z in pairs if z.is_floating_point()]
    if not pairs or not xs:
        return
    y, z = combine([mine for mine, _ in pairs]), combine([z for _, z in pairs])
    try:
        slopes = torch_gradient(z, leaves, create_graph=True)
        compare(grad(y, xs), slopes, 1000 * rounding, "slope")
        if dtype is torch.float64:
            moves = directions([x.data for x in xs])
            along = sum((g * torch.tensor(v)).sum() for g, v in zip(slopes, moves, strict=True))
            second = torch_gradient(along, leaves)
            compare(hvp(y, xs, moves), second, 10_000, "second")
    except RuntimeError as problem:
        if "is not implemented" not in str(problem):
            raise


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize(("key", "op"), list(cases()))
def test_samples_agree(key, op):
    set_rng_seed(0)  # once; `op.sample_inputs` seeds before each sample, which is slow
    judged, refused = 0, set()
    for sample in op.sample_inputs_func(op, "cpu", torch.float64, requires_grad=False):
        if key == "nn.functional.cross_entropy":
            sample = suitable_targets(sample)
        try:
            for dtype in DOUBLE:
                check(key, op, sample, dtype)
            judged += 1
        except OutOfScope as reason:
            refused.add(str(reason))
        except Exception as problem:
            problem.add_note(sample.summary())
            raise
    assert judged or refused


def test_every_function_has_samples():
    assert {param.values[0] for param in cases()} == set(OURS)
