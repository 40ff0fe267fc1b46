"""Augmentation of images: random shifts and distortions, new ones for every epoch.

Images are float32 or float64, of shape `(n, height, width)`, or `(n, pixels)` with square images in
rows as in MNIST. Functions return new images of the same shape and dtype. Pixels outside an image
are 0. `rng` is a seed or a NumPy Generator: the same seed gives the same distortions, in either
dtype and with any number of threads.

>>> digits = np.eye(28, dtype=np.float32).reshape(1, 784)
>>> distorted = distort(digits, degrees=15, scale=0.15, shift=2, alpha=34, sigma=4, rng=0)
>>> distorted.shape, distorted.dtype, bool((distorted == digits).all())
((1, 784), dtype('float32'), False)
"""

from __future__ import annotations  # help() then shows ArrayLike, not its definition

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from nn.arguments import check_positive, check_unmasked, check_whole, check_within
from nn.init import Rng, generator
from nn.keywords import answer_keywords

__all__ = ["distort", "shift"]

Range = float | Sequence[float]  # x for (-x, x), or (low, high)

BLOCK = 64  # images at a time; the arrays between two operations then fit into the cache
SMALL = 2**18  # multiplications in a matrix product that OpenBLAS does not give to its threads
VARIANCE_KEPT = 0.999  # of an elastic field; the rest is in hundreds of small components


@answer_keywords
def shift(images: ArrayLike, pixels: int, rng: Rng = None) -> np.ndarray:
    """Return each image shifted by whole pixels, uniformly up to `pixels` in each direction.

    Pixels that stay in the image keep their exact values. Raises ValueError for negative `pixels`
    and for images of another shape, and TypeError for another dtype.

    >>> shift(np.ones((1, 2, 3)), 1, rng=11)
    array([[[0., 0., 0.],
            [0., 1., 1.]]])
    """
    pixels, stack, source = (
        check_whole("pixels", pixels, least=0),
        check_images(images),
        generator(rng),
    )
    n, height, width = stack.shape
    padded = np.pad(stack, [(0, 0), (pixels, pixels), (pixels, pixels)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), (1, 2))
    down, right = source.integers(2 * pixels + 1, size=(2, n))
    return windows[np.arange(n), down, right].reshape(np.shape(images))


@answer_keywords
def distort(
    images: ArrayLike,
    *,
    degrees: Range = 0.0,
    scale: Range = 0.0,
    shear: Range = 0.0,
    shift: Range = 0.0,
    alpha: float = 0.0,
    sigma: float = 4.0,
    rng: Rng = None,
    threads: int = 2,
) -> np.ndarray:
    """Return each image scaled, sheared, rotated, shifted and elastically distorted.

    Amounts are drawn uniformly for each image: from (-x, x) for a number x, or from a pair
    (low, high).

    degrees  the rotation about the centre, counterclockwise
    scale    the change in size, drawn for height and width separately; 0.1 is 10 % larger
    shear    degrees by which vertical lines lean to the right, as in italics
    shift    pixels to the right and, drawn separately, down
    alpha    the strength of the elastic distortion, which moves each pixel by a field of noise from
             U(-1, 1), smoothed by a Gaussian and multiplied by alpha; 0 for none
    sigma    the standard deviation of that Gaussian in pixels
    threads  the number of threads; the result does not depend on it

    The maps are composed, and each pixel is interpolated once (bilinear). Sources: Simard,
    Steinkraus & Platt 2003, section 2, for the elastic distortion, with alpha=34 and sigma=4;
    Ciresan et al. 2010, section 3, for its combination with affine maps.

    Raises ValueError for amounts outside their range and for images of another shape, and TypeError
    for another dtype.

    >>> image = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    >>> distort(image, degrees=(90, 90)).round(9)
    array([[[2., 4.],
            [1., 3.]]])
    """
    stack, source = check_images(images), generator(rng)
    n, height, width = stack.shape
    ranges = {
        "degrees": check_range("degrees", degrees),
        "scale": check_range("scale", scale, above=-1),
        "shear": check_range("shear", shear, above=-90, below=90),
        "shift": check_range("shift", shift),
    }
    alpha, sigma = check_within("alpha", alpha), check_positive("sigma", sigma)
    threads = check_whole("threads", threads)

    # A map is a weighted sum of basis images, which gives the coordinates of the source of each
    # pixel.
    components = elastic_basis(height, width, sigma) if alpha else np.empty((0, height * width))
    basis = np.concatenate([affine_basis(height, width), components]).astype(stack.dtype)
    basis = basis.reshape(-1, height, width).transpose(1, 0, 2).copy()
    weights = np.empty((2, n, basis.shape[1]), stack.dtype)
    weights[..., :3] = affine_weights(n, height, width, ranges, source)
    # The standard deviation of U(-1, 1), and the factor by which the Gaussian reduces it. Drawn as
    # float32 for all images, so that both dtypes have the same draws.
    strength = alpha / math.sqrt(3) / (2 * math.sqrt(math.pi) * sigma)
    weights[..., 3:] = strength * source.standard_normal((2, n, len(components)), np.float32)

    out = np.empty_like(stack)
    # Threads that call a multithreaded BLAS slow each other down, so products stay small.
    block = max(1, min(BLOCK, SMALL // (basis.shape[1] * max(width, 1))))

    def fill(start: int) -> None:
        part = slice(start, start + block)
        places = np.empty((2, *stack[part].shape), stack.dtype)
        np.matmul(weights[:, None, part], basis, out=places.transpose(0, 2, 1, 3))
        y, x = places.reshape(2, -1, height * width)
        out[part] = resample(stack[part], y, x)

    with ThreadPoolExecutor(threads) as pool:  # NumPy releases the lock while it computes
        list(pool.map(fill, range(0, n, block)))
    return out.reshape(np.shape(images))


def affine_basis(height: int, width: int) -> np.ndarray:
    """Return the row and the column of each pixel from the centre, and ones, as (3, pixels).

    >>> affine_basis(2, 3)
    array([[-0.5, -0.5, -0.5,  0.5,  0.5,  0.5],
           [-1. ,  0. ,  1. , -1. ,  0. ,  1. ],
           [ 1. ,  1. ,  1. ,  1. ,  1. ,  1. ]])
    """
    y, x = np.indices((height, width)).reshape(2, -1) - [[(height - 1) / 2], [(width - 1) / 2]]
    return np.stack([y, x, np.ones(height * width)])


def affine_weights(
    n: int,
    height: int,
    width: int,
    ranges: dict[str, tuple[float, float]],
    rng: np.random.Generator,
) -> np.ndarray:
    """Return random affine maps as weights of `affine_basis`, of shape (2, n, 3), for y and x.

    An image is scaled, sheared, rotated and shifted, in this order. The weights are those of the
    inverse map, from the pixels of the result to their source.
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
def elastic_basis(height: int, width: int, sigma: float) -> np.ndarray:
    """Return components of smooth noise of variance 1, of shape (components, pixels).

    Their sum, weighted by N(0, 1), is white noise smoothed by a Gaussian of standard deviation
    sigma: a Gaussian field in which the correlation of two pixels is
    exp(-distance**2 / (4 * sigma**2)). (For noise from U(-1, 1) this holds nearly, by the central
    limit theorem.) Instead of smoothing a random number per pixel, one is drawn for each
    eigenvector of that covariance (Karhunen & Loeve): 42 of 784 have 99.9 % of the variance of a
    28 x 28 field with sigma 4. The covariance is a product of one along rows and one along columns,
    and so are its eigenvectors.
    """

    def along_axis(size: int) -> np.ndarray:
        """Return the eigenvectors along an axis as rows, each times the root of its eigenvalue."""
        distance = np.subtract.outer(np.arange(size), np.arange(size))
        variances, vectors = np.linalg.eigh(np.exp(-((distance / (2 * sigma)) ** 2)))
        return (vectors * np.sqrt(variances.clip(0))).T

    components = np.einsum("ay,bx->abyx", along_axis(height), along_axis(width))
    components = components.reshape(-1, height * width)
    variance = np.square(components).sum(axis=1)
    order = np.argsort(-variance, kind="stable")
    total = VARIANCE_KEPT * height * width
    count = np.searchsorted(np.cumsum(variance[order]), total) + 1
    components = components[order[:count]]
    components.flags.writeable = False  # the cache returns the same array to every caller
    return components


def resample(images: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return images (n, height, width) at coordinates y and x, each (n, pixels).

    The coordinates are overwritten.
    """
    n, height, width = images.shape
    padded = np.pad(images, [(0, 0), (1, 2), (1, 2)])  # from -1 to height, and one below
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


def check_images(images: ArrayLike) -> np.ndarray:
    """Return images as (n, height, width).

    Raises ValueError for another shape and TypeError for a dtype other than float32 and float64.
    """
    try:
        images = np.asarray(check_unmasked(images))
    except ValueError:
        raise TypeError("images must have equal shapes, got lists of unequal lengths") from None
    if images.dtype.kind not in "fiub":
        raise TypeError(f"images must be float32 or float64, got an array of {images.dtype}")
    if images.dtype not in (np.float32, np.float64):
        raise TypeError(
            f"images must be float32 or float64, got {images.dtype}; divide bytes by "
            "np.float32(255)"
        )
    if images.ndim == 3:
        return images
    if images.ndim != 2:
        raise ValueError(
            f"images must have shape (n, height, width) or (n, pixels), got {images.shape}"
        )
    side = math.isqrt(images.shape[1])
    if side * side != images.shape[1]:
        raise ValueError(
            f"images in rows must be square, got {images.shape[1]} pixels; reshape them to "
            "(n, height, width)"
        )
    return images.reshape(-1, side, side)


def check_range(
    name: str, x: Range, above: float = -math.inf, below: float = math.inf
) -> tuple[float, float]:
    """Return the pair x, or (-x, x). Raises ValueError unless above < low <= high < below."""
    try:
        low, high = x if isinstance(x, Sequence) else (-check_within(name, x), x)
        if above < low <= high < below:
            return float(low), float(high)
    except (TypeError, ValueError):
        pass
    raise ValueError(
        f"{name} must be a number, 0 or more, or a pair (low, high), "
        f"both inside ({above}, {below}), got {x!r}"
    )


def __dir__() -> list[str]:
    return __all__
