"""The bounds of Balls: they contain the results for every point, and for every order of a sum."""

from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf

from balls import Ball, exactly
from exact import activate
from nn.scalar import ACTIVATIONS
from strategies import examples

DTYPES = st.sampled_from([np.float64, np.float32])
centre = st.integers(-8, 8).map(float) | st.floats(-8.0, 8.0)
radius = st.sampled_from([0.0, 1e-12]) | st.floats(1e-9, 10.0)
inside = st.lists(st.floats(-1.0, 1.0), min_size=4, max_size=4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@examples(20)
@given(x=centre, radius=radius, steps=inside)
def test_an_image_contains_the_image_of_each_point(activation, x, radius, steps):
    """Activations and their slopes, including turning points, poles, kinks and jumps."""
    points = [0.0, -x / radius if abs(x) < radius else 1.0, *steps]  # most kinks and poles are at 0
    with exactly():
        balls = activate(
            activation, Ball(np.array([mpf(x)]), np.array([radius]), np.float64), False
        )
        for step in points:
            point = np.array([mpf(x) + mpf(radius) * step])
            values = activate(activation, Ball(point, np.zeros(1), np.float64), False)
            for ball, value in zip(balls, values, strict=True):
                if ball is not None and ball.radius < np.inf:
                    assert abs(value.exact - ball.exact) <= ball.radius


@given(
    st.lists(st.tuples(*[st.floats(-1e3, 1e3)] * 2), min_size=1, max_size=8), DTYPES, st.randoms()
)
def test_a_product_contains_the_sum_in_every_order(pairs, dtype, random):
    """The numbers are rounded to the dtype first, and their products cancel: Σ xy - Σ yx."""
    x, y = np.array([*pairs, *[(-b, a) for a, b in pairs]]).T
    with exactly():
        product = Ball.of(x[None, :], dtype) @ Ball.of(y[:, None], dtype)
    terms = list(x.astype(dtype) * y.astype(dtype))
    random.shuffle(terms)
    for computed in (reduce(add, terms), x.astype(dtype) @ y.astype(dtype)):
        assert (product.misses([[computed]]) <= 1).all()


@given(centre, radius, DTYPES)
def test_numbers_outside_the_radius_miss(x, radius, dtype):
    """A number outside the radius misses the ball; if the radius is 0, any other does. nan misses."""
    ball = Ball(np.array([mpf(x)]), np.array([radius]), dtype)
    assert (ball.misses([x]) <= 1).all()
    assert not (ball.misses([x + 1.001 * radius + 1e-9]) <= 1).any()
    assert not (ball.misses([np.nan]) <= 1).any()
    with pytest.raises(ValueError, match=r"shape \(2,\) was computed, not \(1,\)"):
        ball.misses([x, x])
