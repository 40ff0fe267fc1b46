"""Augmentation: exact maps, statistics of elastic fields, seeds, and invalid arguments."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn import augment
from nn.augment import distort, resample, shift

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
EVERYTHING = {"degrees": 12, "scale": 0.15, "shear": 9, "shift": 2, "alpha": 34, "sigma": 4}


def noise(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).random(shape, dtype=dtype)


def ramps(n, height, width):
    """Return two stacks of images in which each pixel is its row, or its column."""
    y, x = np.indices((height, width)).astype(float)
    return np.broadcast_to(y, (n, height, width)), np.broadcast_to(x, (n, height, width))


def places(n, size, **amounts):
    """Return the source coordinates of distorted pixels, from `ramps` with the same draws."""
    return [distort(ramp, **amounts, rng=3) for ramp in ramps(n, size, size)]


def moved(image, down, right):
    """Return the image shifted by whole pixels, one pixel at a time."""
    height, width = image.shape
    out = np.zeros_like(image)
    for y, x in np.ndindex(image.shape):
        if 0 <= y - down < height and 0 <= x - right < width:
            out[y, x] = image[y - down, x - right]
    return out


@DTYPES
@given(
    n=st.integers(0, 5),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    seed=st.integers(0, 99),
    sigma=st.floats(0.5, 9),
)
def test_nothing_asked_for_is_the_same_bits(dtype, n, height, width, seed, sigma):
    images = noise(n, height, width, dtype=dtype, seed=seed) - dtype(0.5)
    for result in (distort(images, alpha=0, sigma=sigma, rng=seed), shift(images, 0, rng=seed)):
        assert (result.dtype, result.shape, result.tobytes()) == (
            dtype,
            images.shape,
            images.tobytes(),
        )
        assert not np.shares_memory(result, images)


@DTYPES
@pytest.mark.parametrize(
    "run", [lambda X: distort(X, **EVERYTHING, rng=1), lambda X: shift(X, 3, 1)]
)
def test_rows_are_square_pictures_and_the_input_stays(dtype, run):
    images = noise(70, 28, 28, dtype=dtype)
    before = images.copy()
    stacked, rows = run(images), run(images.reshape(70, 784))
    assert images.tobytes() == before.tobytes()
    assert rows.shape == (70, 784)
    assert stacked.dtype == rows.dtype == dtype
    assert (rows.reshape(stacked.shape) == stacked).all()
    assert (run(np.asfortranarray(images)) == stacked).all()
    assert (abs(stacked - images).max(axis=(1, 2)) > 0.01).sum() > 60  # nearly every one has moved


@given(pixels=st.integers(0, 6), height=st.integers(1, 5), width=st.integers(1, 5))
def test_a_shift_moves_whole_pixels_and_fills_with_0(pixels, height, width):
    images = 1 + noise(20, height, width)
    result = shift(images, pixels, rng=0)
    reach = range(-pixels, pixels + 1)
    for before, after in zip(images, result, strict=True):
        assert any((moved(before, down, right) == after).all() for down in reach for right in reach)


def test_every_shift_is_equally_likely():
    image = np.zeros((1, 5, 5))
    image[0, 2, 2] = 1
    share = shift(np.repeat(image, 10_000, axis=0), 2, rng=0).mean(axis=0)
    np.testing.assert_allclose(share, 1 / 25, atol=0.01)  # 5 standard deviations


@DTYPES
@pytest.mark.parametrize("pixels", [-30, -2, -1, 1, 3, 30])
def test_distort_by_whole_pixels_is_exact(dtype, pixels):
    images = noise(3, 7, 6, dtype=dtype)
    result = distort(images, shift=(pixels, pixels), rng=0)
    assert (result == [moved(image, pixels, pixels) for image in images]).all()


@DTYPES
@pytest.mark.parametrize("quarters", [-1, 1, 2, 3])
@pytest.mark.parametrize("size", [1, 6, 7])
def test_quarter_turns(dtype, quarters, size):
    images = noise(3, size, size, dtype=dtype)
    result = distort(images, degrees=(90 * quarters, 90 * quarters))
    tolerance = 40 * size * np.finfo(dtype).eps  # a few roundings of a place, times the slope
    np.testing.assert_allclose(result, np.rot90(images, quarters, (1, 2)), atol=tolerance)


def test_scale_on_a_known_picture():
    """Twice as large: each pixel is at twice its distance from the centre, lines between are means."""
    cross = np.array(
        [[[0, 0, 0, 0, 0], [0, 0, 4, 0, 0], [0, 8, 16, 8, 0], [0, 0, 4, 0, 0], [0] * 5]]
    )
    result = distort(cross.astype(float), scale=(1, 1))[0]
    larger = [
        [0, 2, 4, 2, 0],
        [4, 7, 10, 7, 4],
        [8, 12, 16, 12, 8],
        [4, 7, 10, 7, 4],
        [0, 2, 4, 2, 0],
    ]
    np.testing.assert_allclose(result, larger)


def test_shear_on_a_known_picture():
    """At 45 degrees a vertical line becomes the diagonal that rises to the right."""
    line = np.zeros((1, 5, 5))
    line[0, :, 2] = 1
    np.testing.assert_allclose(distort(line, shear=(45, 45))[0], np.fliplr(np.eye(5)), atol=1e-12)


@given(
    degrees=st.floats(-180, 180),
    scale=st.floats(-0.5, 2),
    shear=st.floats(-60, 60),
    by=st.floats(-5, 5),
)
def test_maps_are_composed_as_matrices(degrees, scale, shear, by):
    """Maps agree with products of matrices, inverted by LAPACK."""
    t, lean, size = math.radians(degrees), math.tan(math.radians(shear)), 41
    rotate = [[math.cos(t), math.sin(t)], [-math.sin(t), math.cos(t)]]  # of (x, y), y downwards
    forward = np.array(rotate) @ [[1, -lean], [0, 1]] * (1 + scale)
    y, x = np.indices((size, size)).reshape(2, -1) - (size - 1) / 2
    back_x, back_y = np.linalg.inv(forward) @ [x - by, y - by] + (size - 1) / 2
    result = places(
        1, size, degrees=(degrees,) * 2, scale=(scale,) * 2, shear=(shear,) * 2, shift=(by,) * 2
    )
    inside = (abs(np.array([back_x, back_y]) - 20) <= 20).all(axis=0)
    for ramp, back in zip(result, (back_y, back_x), strict=True):
        np.testing.assert_allclose(ramp.ravel()[inside], back[inside], atol=1e-9)


def test_amounts_are_drawn_evenly_and_apart():
    """Each amount fills its range; both axes are drawn separately."""
    n, middle = 4000, slice(12, 17)

    def slopes(axis, **amounts):
        y, x = places(n, 29, **amounts)
        return [np.diff(ramp[:, middle, middle], axis=axis).mean(axis=(1, 2)) for ramp in (y, x)]

    tall, wide = 1 / slopes(1, scale=0.2)[0] - 1, 1 / slopes(2, scale=0.2)[1] - 1
    down, right = (14 - ramp[:, 14, 14] for ramp in places(n, 29, shift=3))
    angle = np.degrees(np.arcsin(slopes(2, degrees=20)[0]))
    lean = np.degrees(np.arctan(slopes(1, shear=20)[1]))
    drawn = [tall / 0.2, wide / 0.2, down / 3, right / 3, angle / 20, lean / 20]
    for amount in drawn:
        assert abs(amount).max() <= 1 + 1e-9
        np.testing.assert_allclose(
            np.quantile(amount, [0.25, 0.5, 0.75]), [-0.5, 0, 0.5], atol=0.06
        )
    for one, other in ((tall, wide), (down, right)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.07
    np.testing.assert_allclose(
        np.quantile(places(n, 9, shift=(1, 3))[0][:, 4, 4], [0, 1]), [1, 3], atol=0.01
    )


@pytest.mark.parametrize("sigma", [2.0, 4.0, 7.0])
def test_the_elastic_field_is_smoothed_noise(sigma):
    """Variance and correlations agree with smoothed noise from U(-1, 1) (Simard et al. 2003)."""
    n, size, alpha = 2000, 40, 10.0
    margin, rng = math.ceil(5 * sigma), np.random.default_rng(1)
    offset = np.arange(size)[:, None] - np.arange(-margin, size + margin)
    smooth = np.exp(-(offset**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    reference = alpha * (smooth @ rng.uniform(-1, 1, (n, *[size + 2 * margin] * 2)) @ smooth.T)

    inner = slice(10, 30)  # where no place is outside of the ramp
    y, x = (
        (result - ramp)[:, inner, inner]
        for result, ramp in zip(
            places(n, size, alpha=alpha, sigma=sigma), ramps(n, size, size), strict=True
        )
    )
    reference = reference[:, inner, inner]

    def correlation(field, lag, axis):
        field = np.moveaxis(field, axis, 0)
        return float((field[lag:] * field[: len(field) - lag]).mean() / (field**2).mean())

    std = alpha / (2 * sigma * math.sqrt(3 * math.pi))
    for field in (y, x):
        assert field.std() == pytest.approx(std, rel=0.04)
        assert field.std() == pytest.approx(reference.std(), rel=0.05)
        assert abs(field.mean()) < 0.1 * std
        np.testing.assert_allclose(field.std(axis=0), std, rtol=0.12)  # as much at every pixel
        for lag in (1, 3, 6, 12):
            for axis in (1, 2):
                expected = math.exp(-((lag / (2 * sigma)) ** 2))
                assert correlation(field, lag, axis) == pytest.approx(expected, abs=0.06)
                assert correlation(reference, lag, axis) == pytest.approx(expected, abs=0.06)
    assert abs(np.corrcoef(y.ravel(), x.ravel())[0, 1]) < 0.05


def test_the_field_of_simard():
    """sigma 4 and alpha 34 move pixels by 1.38 each way, drawn from 42 numbers."""
    waves = augment.elastic_basis(28, 28, 4.0)
    assert waves.shape == (42, 784)
    assert 34 / (8 * math.sqrt(3 * math.pi)) == pytest.approx(1.384, abs=1e-3)
    assert (waves**2).sum(axis=0).mean() == pytest.approx(1, abs=1e-3)
    assert np.linalg.matrix_rank(waves) == 42
    assert augment.elastic_basis(3, 5, 0.05).shape == (15, 15)  # white noise: nothing to leave out


def test_what_is_smooth_and_inside_keeps_its_mean():
    y, x = np.indices((28, 28)) - 13.5
    bump = np.exp(-(x**2 + y**2) / 18).reshape(1, 784).astype(np.float32)
    result = distort(np.repeat(bump, 3000, axis=0), **{**EVERYTHING, "alpha": 15}, rng=0)
    assert result.mean() == pytest.approx(bump.mean(), rel=0.03)
    assert result.min() >= 0
    assert result.max() <= 1
    whirled = distort(np.repeat(bump, 50, axis=0), degrees=180, shift=1, rng=0).mean(axis=1)
    np.testing.assert_allclose(whirled, bump.mean(), rtol=1e-3)


@given(
    y=st.lists(st.floats(-3, 7), min_size=12, max_size=12),
    x=st.lists(st.floats(-3, 8), min_size=12, max_size=12),
)
def test_interpolation_is_the_mean_of_four(y, x):
    images = noise(2, 2, 6, dtype=np.float64)
    at = np.array([y, y]), np.array([x, x[::-1]])
    expected = np.zeros((2, 12))
    for k, place in np.ndindex(2, 12):
        for i, j in np.ndindex(2, 6):
            dy, dx = abs(at[0][k, place] - i), abs(at[1][k, place] - j)
            expected[k, place] += max(0, 1 - dy) * max(0, 1 - dx) * images[k, i, j]
    seen = resample(images, *at)
    np.testing.assert_allclose(seen.reshape(2, 12), expected, atol=1e-14)


def test_the_same_seed_is_the_same_on_any_threads():
    images = noise(300, 28, 28)

    def draw(rng, threads=2):
        return distort(images, **EVERYTHING, rng=rng, threads=threads).tobytes()

    assert draw(5) == draw(5, threads=1) == draw(5, threads=3) == draw(np.random.default_rng(5))
    assert draw(5) != draw(6)
    assert draw(None) != draw(None)
    rng = np.random.default_rng(5)
    assert draw(rng) != draw(rng)  # the generator went on
    assert shift(images, 2, rng=5).tobytes() == shift(images, 2, rng=5).tobytes()
    assert shift(images, 2, rng=5).tobytes() != shift(images, 2, rng=6).tobytes()


def test_blocks_and_dtypes_only_round_differently(monkeypatch):
    images = noise(150, 28, 28)
    result = distort(images, **EVERYTHING, rng=5)
    np.testing.assert_allclose(
        result, distort(images.astype(float), **EVERYTHING, rng=5), atol=1e-4
    )
    for block in (1, 7, 1000):
        monkeypatch.setattr(augment, "BLOCK", block)
        np.testing.assert_allclose(result, distort(images, **EVERYTHING, rng=5), atol=1e-4)


ONE = np.zeros((1, 4, 4))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: distort(np.zeros((2, 785))), ValueError, "rows must be square, got 785 pixels"),
        (lambda: shift(np.zeros((2, 785)), 1), ValueError, "rows must be square, got 785 pixels"),
        (lambda: distort(np.zeros(784)), ValueError, r"shape \(n, height, width\) or .*got \(784,\)"),
        (lambda: distort(np.zeros((1, 1, 4, 4))), ValueError, r"got \(1, 1, 4, 4\)"),
        (lambda: distort(np.zeros((1, 16), np.uint8)), TypeError, r"got uint8; divide bytes by np\.fl"),
        (lambda: shift(np.zeros((1, 16), np.float16), 1), TypeError, "float32 or float64, got float16"),
        (lambda: shift(ONE, -1), ValueError, "pixels must be a whole number, 0 or more, got -1"),
        (lambda: shift(ONE, 1.5), ValueError, r"pixels must be a whole .*got 1\.5"),
        (lambda: distort(ONE, degrees=math.nan), ValueError, "degrees must be a number.* got nan"),
        (lambda: distort(ONE, degrees=-1), ValueError, r"degrees must .*pair \(low, high\).* got -1"),
        (lambda: distort(ONE, degrees=(3, 1)), ValueError, r"degrees must.* got \(3, 1\)"),
        (lambda: distort(ONE, degrees=(1, 2, 3)), ValueError, r"degrees must.* got \(1, 2, 3\)"),
        (lambda: distort(ONE, degrees="ab"), ValueError, "degrees must.* got 'ab'"),
        (lambda: distort(ONE, scale=1), ValueError, r"scale must.* inside \(-1, inf\), got 1"),
        (lambda: distort(ONE, scale=(-1, 0)), ValueError, r"scale must.* got \(-1, 0\)"),
        (lambda: distort(ONE, shear=90), ValueError, r"shear must.* inside \(-90, 90\), got 90"),
        (lambda: distort(ONE, shift=math.inf), ValueError, "shift must.* got inf"),
        (lambda: distort(ONE, shift=(0, math.nan)), ValueError, r"shift must.* got \(0, nan\)"),
        (lambda: distort(ONE, alpha=-1), ValueError, "alpha must be a number in.*got -1"),
        (lambda: distort(ONE, alpha=math.nan), ValueError, "alpha must be a number in.*got nan"),
        (lambda: distort(ONE, sigma=0), ValueError, "sigma must be a positive, finite number, got 0"),
        (lambda: distort(ONE, sigma=-4), ValueError, "sigma must be a positive.*got -4"),
        (lambda: distort(ONE, threads=0), ValueError, "threads must be a whole number, 1 or more"),
        (lambda: distort(ONE, rng="a"), TypeError, "rng expects a seed"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()
