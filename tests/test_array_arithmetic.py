"""The arithmetic of arrays: the results of floats, and `where`, which selects by bit masks."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Array, Op
from engine.arithmetic import where
from engine.arrays.arithmetic import run
from engine.rules import ELEMENTWISE
from strategies import (
    DTYPES,
    SPECIAL,
    inf,
    nan,
)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_scalar_row_on_arrays_at_special_numbers(name, dtype):
    """Zeros of either sign, infinities, nan and overflow, as for floats, with the sign of zeros.

    float32 is tested at the numbers that it can represent.
    """
    op, eps = ELEMENTWISE[name], np.finfo(dtype).eps
    special = SPECIAL if dtype is np.float64 else [0.0, -0.0, 1.0, -1.0, 0.25, inf, -inf, nan]
    points = np.array(
        list(itertools.product(special[-8:] if op.arity > 2 else special, repeat=op.arity))
    )
    columns = [np.array(column, dtype) for column in points.T]
    with np.errstate(all="ignore"):
        out = run(op.forward, dtype, *columns)
        slopes = np.broadcast_arrays(*run(op.locals, dtype, out, *columns), out)[:-1]
    assert out.dtype == dtype
    judged = [op.forward(*point) for point in points.tolist()]
    judged_slopes = [op.locals(y, *x) for x, y in zip(points.tolist(), judged, strict=True)]
    for got, want in zip([out, *slopes], [judged, *zip(*judged_slopes, strict=True)], strict=True):
        np.testing.assert_allclose(got, want, rtol=64 * eps, atol=1e-307)
        zero = np.equal(want, 0.0)
        np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(np.array(want)[zero]))


# -------------------------------------------------------------------------------------------- where

KINDS = {
    np.float64: (np.uint64, [0x7FF8000000000001, 0xFFF0000000000001, 0x7FF4DEADBEEF0000, 1]),
    np.float32: (np.uint32, [0x7FC00001, 0xFF800001, 0x7FA0BEEF, 1]),
}


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_where_returns_the_bits_of_numpy(dtype, data):
    """For payloads of nan, signed zeros, scalars, broadcasting, conditions of bools and floats.

    From 4096 elements on the algorithm is another one.
    """
    bits, odd = KINDS[dtype]
    n = data.draw(st.sampled_from([1, 3, 4095, 4096, 4097, 9000]), label="n")
    rng = np.random.default_rng(data.draw(st.integers(0, 9), label="seed"))
    specials = np.array([*SPECIAL[:-1], nan], np.float64)
    with np.errstate(over="ignore"):
        pool = np.concatenate([specials.astype(dtype), np.array(odd, bits).view(dtype)])
    kinds = st.sampled_from(["array", "row", "column", "spread", "0-d", "scalar", "float"])

    def drawn(label):
        kind = data.draw(kinds, label=label)
        if kind in ("0-d", "scalar", "float"):
            numbers = rng.choice(pool, ())
            return {"0-d": np.asarray(numbers), "scalar": dtype(numbers), "float": 0.25}[kind]
        shape = {"array": (3, n), "row": (n,), "column": (3, 1), "spread": (n, 3)}[kind]
        numbers = rng.choice(pool, shape)
        return numbers.T if kind == "spread" else numbers

    condition, x, y = np.asarray(drawn("condition")), drawn("x"), drawn("y")
    if data.draw(st.booleans(), label="of bools"):
        condition = np.isnan(condition)
    with np.errstate(invalid="ignore"):  # a nan condition is true
        got = run(where, np.dtype(dtype), condition, x, y)
        want = np.where(condition, np.asarray(x, dtype), np.asarray(y, dtype))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.view(bits), want.view(bits), strict=True)


@pytest.mark.parametrize("n", [1, 5000])
def test_where_returns_the_dtype_of_numpy(n):
    """Python numbers are weak; two of them have the dtype of the row that runs, or float64."""
    x = np.full(n, 0.5)
    single = x.astype(np.float32)
    for a, b, dtype in [
        (x, 2.0, np.float64), (single, 2.0, np.float32), (single, x, np.float64),
        (0.5, single, np.float32), (1.0, 0.0, np.float64), (0.0, 1.0, np.float64),
        (0.1, 0.0, np.float64), (inf, nan, np.float64), (1.0, -0.0, np.float64),
        (1e300, 0.0, np.float64),
    ]:  # fmt: skip
        for condition in (np.ones(n, bool), np.zeros(n)):
            got = where(condition, a, b)
            assert got.dtype == dtype
            want = np.where(condition, a, b)
            np.testing.assert_array_equal(got, want)
            np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


def test_numbers_have_the_dtype_of_the_row_that_runs():
    """A third in float32 times a gradient in float32, without float64 in between."""
    thirds = Op("thirds", lambda x: x, lambda out, x: where(x > 0.0, 1.0, 0.0) / 3.0)
    seen = []
    spy = Op(
        "spy", lambda x: x, lambda out, x: (seen.append(where(x > 0.0, 1.0, 0.5).dtype), 1.0)[1]
    )
    for dtype in DTYPES:
        x = Array(np.ones(2, dtype))
        thirds(x).sum().backward()
        assert x.grad.tolist() == [float(dtype(1.0) / dtype(3.0))] * 2
        spy(Array(np.ones(2, dtype))).sum().backward()
    assert seen == [np.dtype(dtype) for dtype in DTYPES]
    assert where(np.array([True]), 1.0, 0.0).dtype == np.float64
