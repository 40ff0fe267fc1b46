"""Mathematics for arrays: what floats give, and `where`, which chooses by bits."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ndarrays import over_arrays, space
from engine.ops import ELEMENTWISE
from strategies import (
    DTYPES,
    SPECIAL,
    inf,
    nan,
)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_scalar_row_on_arrays_at_special_numbers(name, dtype):
    """Zeros of either sign, infinities, nan, and what overflows: what the float gives, the zero's
    sign too. Where float32 holds it: without the numbers it does not have."""
    op, eps = ELEMENTWISE[name], np.finfo(dtype).eps
    special = SPECIAL if dtype is np.float64 else [0.0, -0.0, 1.0, -1.0, 0.25, inf, -inf, nan]
    points = np.array(
        list(itertools.product(special[-8:] if op.arity > 2 else special, repeat=op.arity))
    )
    row = over_arrays(op, np.dtype(dtype))
    columns = [np.array(column, dtype) for column in points.T]
    with np.errstate(all="ignore"):
        out = row.forward(*columns)
        slopes = np.broadcast_arrays(*row.locals(out, *columns), out)[:-1]
    assert out.dtype == dtype
    judged = [op.forward(*point) for point in points.tolist()]
    judged_slopes = [op.locals(y, *x) for x, y in zip(points.tolist(), judged, strict=True)]
    for got, want in zip([out, *slopes], [judged, *zip(*judged_slopes, strict=True)], strict=True):
        np.testing.assert_allclose(got, want, rtol=64 * eps, atol=1e-307)
        zero = np.equal(want, 0.0)
        np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(np.array(want)[zero]))


# ------------------------------------------------------------------------- where, which takes bits

KINDS = {
    np.float64: (np.uint64, [0x7FF8000000000001, 0xFFF0000000000001, 0x7FF4DEADBEEF0000, 1]),
    np.float32: (np.uint32, [0x7FC00001, 0xFF800001, 0x7FA0BEEF, 1]),
}


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_where_gives_the_bits_that_numpy_gives(dtype, data):
    """Payloads of nan, signs of zeros; conditions of bools and floats; below 4096 elements and
    from there on, where it takes another way; scalars, and shapes that broadcast."""
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
            found = rng.choice(pool, ())
            return {"0-d": np.asarray(found), "scalar": dtype(found), "float": 0.25}[kind]
        shape = {"array": (3, n), "row": (n,), "column": (3, 1), "spread": (n, 3)}[kind]
        found = rng.choice(pool, shape)
        return found.T if kind == "spread" else found

    condition, x, y = drawn("condition"), drawn("x"), drawn("y")
    if data.draw(st.booleans(), label="of bools"):
        condition = np.isnan(condition)
    with np.errstate(invalid="ignore"):  # nan as a condition, which holds
        got = space(np.dtype(dtype))["where"](condition, x, y)
        want = np.where(condition, np.asarray(x, dtype), np.asarray(y, dtype))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.view(bits), want.view(bits), strict=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 5000])
def test_where_takes_what_a_users_row_may_give_it(dtype, n):
    """Whole numbers, bools and arrays of another dtype become numbers of its own."""
    where, x = space(np.dtype(dtype))["where"], np.full(n, 0.5)
    for a, b in [(1, 0), (True, False), (x, 2), (x.astype(np.float32), x), (x > 0, 3.0)]:
        for condition in (np.ones(n, bool), np.zeros(n)):
            got = where(condition, a, b)
            assert got.dtype == dtype
            np.testing.assert_array_equal(got, np.where(condition, a, b))
