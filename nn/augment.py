"""Images moved and bent a little, so that a network sees new ones in every epoch.

Images are float32 or float64, `(n, height, width)`, or `(n, pixels)` with rows of square pictures
as in MNIST; what comes back has the same shape and dtype, and the images given stay as they are.
Outside of a picture there is 0. `rng` is a seed or a NumPy Generator: the same seed, the same
distortions, in either dtype and on any number of threads.

>>> digits = np.eye(28, dtype=np.float32).reshape(1, 784)
>>> seen = distort(digits, degrees=15, scale=0.15, shift=2, alpha=34, sigma=4, rng=0)
>>> seen.shape, seen.dtype, bool((seen == digits).all())
((1, 784), dtype('float32'), False)
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np

from nn.arguments import positive, whole, within
from nn.init import generator

Range = float | Sequence[float]

BLOCK = 64  # images at a time: what one step leaves is still in the cache for the next
SMALL = 2**18  # multiplications in a matrix product that OpenBLAS leaves to the thread that asks
KEPT = 0.999  # of the variance of an elastic field; the rest is in hundreds of tiny waves


def shift(images: Any, pixels: int, rng: Any = None) -> np.ndarray:
    """Each image moved by whole pixels, up to `pixels` in each direction, all equally likely.

    Nothing is interpolated: the pixels that stay in the picture keep their bits.

    ValueError for pixels below 0 and for images of another shape; TypeError for another dtype.

    >>> shift(np.ones((1, 2, 3)), 1, rng=11)
    array([[[0., 0., 0.],
            [0., 1., 1.]]])
    """
    pixels, stack, rng = whole("pixels", pixels, least=0), pictures(images), generator(rng)
    n, height, width = stack.shape
    padded = np.pad(stack, [(0, 0), (pixels, pixels), (pixels, pixels)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), (1, 2))
    down, right = rng.integers(2 * pixels + 1, size=(2, n))
    return windows[np.arange(n), down, right].reshape(np.shape(images))


def distort(
    images: Any,
    *,
    degrees: Range = 0.0,
    scale: Range = 0.0,
    shear: Range = 0.0,
    shift: Range = 0.0,
    alpha: float = 0.0,
    sigma: float = 4.0,
    rng: Any = None,
    threads: int = 2,
) -> np.ndarray:
    """Each image scaled, sheared, rotated, shifted and bent, by amounts drawn for it alone.

    An amount is drawn evenly from -a to a for a number `a`, from low to high for a pair.

    degrees  the rotation about the centre, counterclockwise
    scale    the change in size, drawn for the height and the width: 0.1 is a tenth larger
    shear    degrees that vertical lines lean to the right, as in italics
    shift    pixels to the right, and drawn anew, pixels down
    alpha    the strength of the elastic distortion, 0 for none: Simard et al. move every pixel by
             a field of noise from U(-1, 1), smoothed by a Gaussian and multiplied by alpha
    sigma    the standard deviation of that Gaussian, in pixels
    threads  that share the work; the result does not depend on it

    The maps are composed, and each pixel is interpolated once, between the four around the place
    that it comes from (bilinear). Sources: Simard, Steinkraus & Platt 2003, section 2, for the
    elastic distortion, alpha=34 and sigma=4 being theirs; Ciresan et al. 2010, section 3, for its
    union with the affine maps.

    ValueError for an amount that makes no sense and for images of another shape; TypeError for
    another dtype.

    >>> picture = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    >>> distort(picture, degrees=(90, 90)).round(9)
    array([[[2., 4.],
            [1., 3.]]])
    """
    stack, rng = pictures(images), generator(rng)
    n, height, width = stack.shape
    ranges = {
        "degrees": between("degrees", degrees),
        "scale": between("scale", scale, above=-1),
        "shear": between("shear", shear, above=-90, below=90),
        "shift": between("shift", shift),
    }
    alpha, sigma = within("alpha", alpha), positive("sigma", sigma)
    threads = whole("threads", threads)

    waves = elastic_waves(height, width, sigma) if alpha else np.empty((0, height * width))
    basis = np.concatenate([plane(height, width), waves]).astype(stack.dtype)
    basis = basis.reshape(-1, height, width).transpose(1, 0, 2).copy()
    weights = np.empty((2, n, basis.shape[1]), stack.dtype)
    weights[..., :3] = affine_maps(n, height, width, ranges, rng)
    # Times the standard deviation of U(-1, 1), and what the Gaussian leaves of it. Drawn as float32
    # for all images, so that both dtypes get the same draws.
    strength = alpha / math.sqrt(3) / (2 * math.sqrt(math.pi) * sigma)
    weights[..., 3:] = strength * rng.standard_normal((2, n, len(waves)), np.float32)

    out = np.empty_like(stack)
    # Products that BLAS spreads over its own threads, asked for by two of ours, crawl.
    block = max(1, min(BLOCK, SMALL // (basis.shape[1] * max(width, 1))))

    def fill(start: int) -> None:
        part = slice(start, start + block)
        places = np.empty((2, *stack[part].shape), stack.dtype)
        np.matmul(weights[:, None, part], basis, out=places.transpose(0, 2, 1, 3))
        y, x = places.reshape(2, -1, height * width)
        out[part] = interpolate(stack[part], y, x)

    with ThreadPoolExecutor(threads) as pool:  # NumPy lets go of the lock while it computes
        list(pool.map(fill, range(0, n, block)))
    return out.reshape(np.shape(images))


def plane(height: int, width: int) -> np.ndarray:
    """What affine maps are made of: rows and columns from the centre, and ones; (3, pixels).

    >>> plane(2, 3)
    array([[-0.5, -0.5, -0.5,  0.5,  0.5,  0.5],
           [-1. ,  0. ,  1. , -1. ,  0. ,  1. ],
           [ 1. ,  1. ,  1. ,  1. ,  1. ,  1. ]])
    """
    y, x = np.indices((height, width)).reshape(2, -1) - [[(height - 1) / 2], [(width - 1) / 2]]
    return np.stack([y, x, np.ones(height * width)])


def affine_maps(n: int, height: int, width: int, ranges: dict[str, Any], rng: Any) -> np.ndarray:
    """Where pixels come from: y and x as weights on the rows of `plane`, shape (2, n, 3).

    An image is scaled, sheared, rotated and shifted, in this order; read from the picture that
    comes out, it all runs backwards.
    """
    draw = {name: rng.uniform(*ends, (2, n)) for name, ends in ranges.items()}
    angle, lean = np.radians(draw["degrees"][0]), np.tan(np.radians(draw["shear"][0]))
    (tall, wide), (down, right) = 1 + draw["scale"], draw["shift"]
    sin, cos = np.sin(angle), np.cos(angle)
    y = cos / tall, sin / tall
    x = (lean * cos - sin) / wide, (lean * sin + cos) / wide
    return np.array([
        [*y, (height - 1) / 2 - y[0] * down - y[1] * right],
        [*x, (width - 1) / 2 - x[0] * down - x[1] * right],
    ]).transpose(0, 2, 1)  # fmt: skip


@lru_cache(maxsize=8)
def elastic_waves(height: int, width: int, sigma: float) -> np.ndarray:
    """What smooth noise of variance 1 is made of: shape (waves, pixels), to be weighted by N(0, 1).

    White noise under a Gaussian of standard deviation sigma is a Gaussian field (nearly, for other
    noise, by the central limit theorem) in which the correlation of two pixels is
    exp(-distance**2 / (4 * sigma**2)). Instead of smoothing a random number per pixel, we draw one
    for each eigenvector of that covariance (Karhunen & Loeve): 42 of 784 carry 99.9 % of the
    variance of a 28 x 28 field with sigma 4. The covariance is a product of one along rows and one
    along columns, and so are its eigenvectors.
    """

    def along(size: int) -> np.ndarray:
        """Eigenvectors, each times the root of its eigenvalue, as rows."""
        distance = np.subtract.outer(np.arange(size), np.arange(size))
        variances, vectors = np.linalg.eigh(np.exp(-((distance / (2 * sigma)) ** 2)))
        return (vectors * np.sqrt(variances.clip(0))).T

    waves = np.einsum("ay,bx->abyx", along(height), along(width)).reshape(-1, height * width)
    variance = np.square(waves).sum(axis=1)
    order = np.argsort(-variance, kind="stable")
    enough = np.searchsorted(np.cumsum(variance[order]), KEPT * height * width) + 1
    waves = waves[order[:enough]]
    waves.flags.writeable = False  # it is shared by all who ask
    return waves


def interpolate(images: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The images (n, height, width) at the places y, x, each (n, pixels), which it overwrites."""
    n, height, width = images.shape
    padded = np.pad(images, [(0, 0), (1, 2), (1, 2)])  # the places -1 to height, and one below
    flat, stride = padded.reshape(-1), width + 3
    np.clip(y, -1, height, out=y)
    np.clip(x, -1, width, out=x)
    top, left = np.floor(y), np.floor(x)
    y -= top
    x -= left
    top *= stride
    top += left
    corner = top.astype(np.intp)
    corner += np.arange(n)[:, None] * padded[0].size + stride + 1

    def along_row(pixels: np.ndarray) -> np.ndarray:
        a, b = pixels.take(corner), pixels[1:].take(corner)
        b -= a
        b *= x
        b += a
        return b

    upper, lower = along_row(flat), along_row(flat[stride:])
    lower -= upper
    lower *= y
    lower += upper
    return lower.reshape(images.shape)


def pictures(images: Any) -> np.ndarray:
    """The images as (n, height, width); ValueError for another shape, TypeError for a dtype."""
    try:
        images = np.asarray(images)
    except ValueError:
        raise TypeError("images are arrays of one shape, got lists of unequal lengths") from None
    if images.dtype.kind not in "fiub":
        raise TypeError(f"images are float32 or float64, got an array of {images.dtype}")
    if images.dtype not in (np.float32, np.float64):
        raise TypeError(
            f"images are float32 or float64, got {images.dtype}; divide bytes by np.float32(255)"
        )
    if images.ndim == 3:
        return images
    if images.ndim != 2:
        raise ValueError(f"images have shape (n, height, width) or (n, pixels), got {images.shape}")
    side = math.isqrt(images.shape[1])
    if side * side != images.shape[1]:
        raise ValueError(
            f"images as rows are square, got {images.shape[1]} pixels; reshape them to "
            "(n, height, width)"
        )
    return images.reshape(-1, side, side)


def between(
    name: str, x: Any, above: float = -math.inf, below: float = math.inf
) -> tuple[float, float]:
    """The range from -x to x, or the pair x; ValueError unless above < low <= high < below."""
    try:
        low, high = x if isinstance(x, Sequence) else (-within(name, x), x)
        if above < low <= high < below:
            return float(low), float(high)
    except (TypeError, ValueError):
        pass
    raise ValueError(
        f"{name} must be a number, 0 or more, or a pair (low, high), "
        f"both inside ({above}, {below}), got {x!r}"
    )
