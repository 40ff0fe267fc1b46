"""Arrays as tables of short numbers, or as coarse maps of their sizes and signs."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.draw.look.theme import format_number

DEFAULT = ".4g"  # the format of numbers for which a matrix chooses a common one
DIGITS = 3  # of the largest number in a matrix
LEVELS = 4  # of colour on each side of zero
ZERO, NAN = str(LEVELS), str(2 * LEVELS + 1)  # the characters in `Matrix.levels`
MOST_ROWS, MOST_COLUMNS = 24, 32  # of a map
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Matrix(NamedTuple):
    """An array as it is drawn: rows of numbers, or of coloured fields without numbers.

    `levels` has a character for each field, row by row: "4" for zero, "0" for the largest negative
    and "8" for the largest positive number, "9" for nan. `texts` has a number for each field, or
    is empty. The numbers are multiples of 10 to the power of `exponent`.
    """

    rows: int
    columns: int
    levels: str
    texts: tuple[str, ...] = ()
    exponent: int = 0


def describe_matrix(x: np.ndarray, largest: int, spec: str = DEFAULT) -> Matrix:
    """Return a vector or a matrix as numbers if it has at most `largest` rows and columns.

    A larger array, or one with more axes, becomes a coarse map. A vector is one row.

    >>> describe_matrix(np.array([[0.5, -1.25], [0.0, 2.0]]), 6).texts
    ('0.50', '−1.25', '0', '2.00')
    >>> describe_matrix(np.array([-1.0, 0.0, 0.5]), 6).levels
    '046'
    >>> describe_matrix(np.zeros((100, 7)), 6)[:2]
    (24, 7)
    """
    table = as_table(x)
    rows, columns = table.shape
    if x.ndim <= 2 and x.size > 0 and max(table.shape) <= largest:
        texts, exponent = format_together(table, spec)
        return Matrix(rows, columns, measure_levels(table), texts, exponent)
    coarse = shrink(table, MOST_ROWS, MOST_COLUMNS)
    rows, columns = coarse.shape
    return Matrix(rows, columns, measure_levels(coarse))


def as_table(x: np.ndarray) -> np.ndarray:
    """Return an array with two axes; a vector is one row, and leading axes become rows."""
    return x.reshape(-1, x.shape[-1]) if x.ndim and x.size else x.reshape(1, x.size)


def format_together(x: np.ndarray, spec: str = DEFAULT) -> tuple[tuple[str, ...], int]:
    """Return the numbers of an array with equal decimals, and the exponent of a common factor.

    The largest number has three significant digits. Zeros are "0", so that a number that rounds to
    zero differs from them.

    >>> format_together(np.array([12.345, -0.5, 0.0]))
    (('12.3', '−0.5', '0'), 0)
    >>> format_together(np.array([1e-7, 2.5e-7]))
    (('1.0', '2.5'), -7)
    """
    numbers = [float(v) for v in x.ravel()]
    if spec != DEFAULT:
        return tuple(format_number(v, spec) for v in numbers), 0
    largest = max((abs(v) for v in numbers if math.isfinite(v)), default=0.0)
    exponent, digits = 0, 0
    if any(v != round(v) for v in numbers if math.isfinite(v)) or largest >= 1e4:
        exponent = max(-300, math.floor(math.log10(largest)))  # 10.0**-324 would be 0
        digits = DIGITS - 1
        if -3 <= exponent < 4:
            digits, exponent = max(0, digits - exponent), 0
    scaled = [v / 10.0**exponent for v in numbers] if exponent else numbers
    while digits and all(is_near(v, round(v, digits - 1)) for v in scaled):
        digits -= 1
    return tuple("0" if v == 0.0 else format_short(v, digits) for v in scaled), exponent


def is_near(x: float, y: float) -> bool:
    """Return whether two numbers are equal, up to the rounding of float32."""
    return x == y or x != x or abs(x - y) <= 1e-6 * abs(x)


def format_short(x: float, digits: int) -> str:
    """Format a number with a number of decimals.

    >>> format_short(-1.26, 1), format_short(-1e-9, 2), format_short(float("-inf"), 2)
    ('−1.3', '0.00', '−∞')
    """
    return format_number(x, f".{digits}f").replace("inf", "∞")


def format_factor(exponent: int) -> str:
    """Return the common factor of the numbers in a matrix; "" if it is 1.

    >>> format_factor(-5), format_factor(0)
    ('×10⁻⁵', '')
    """
    return f"×10{str(exponent).translate(SUPERSCRIPTS)}" if exponent else ""


def write_shape(shape: Sequence[int]) -> str:
    """Return a shape as NumPy writes it, without the comma after a single number.

    >>> write_shape((3, 2)), write_shape((3,))
    ('(3, 2)', '(3)')
    """
    return f"({', '.join(map(str, shape))})"


def measure_levels(x: np.ndarray) -> str:
    """Return the level of colour of each number, relative to the largest."""
    sizes = np.abs(x, dtype=float)
    scale = np.max(sizes, where=np.isfinite(sizes), initial=0.0)
    with np.errstate(all="ignore"):
        share = np.where(np.isinf(sizes), 1.0, sizes / scale if scale else 0.0 * sizes)
        steps = LEVELS + np.sign(x) * np.rint(LEVELS * share)
    return "".join(NAN if v != v else str(int(v)) for v in steps.ravel().tolist())


def shrink(x: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return a table of at most `rows` x `columns` blocks of a larger one.

    A block's number is the root of its mean square, with the sign of its mean.
    """
    if x.shape[0] <= rows and x.shape[1] <= columns:
        return x
    edges = [split_evenly(x.shape[0], rows), split_evenly(x.shape[1], columns)]
    x = x.astype(float)

    def add(y: np.ndarray) -> np.ndarray:
        return np.add.reduceat(np.add.reduceat(y, edges[0], axis=0), edges[1], axis=1)

    with np.errstate(all="ignore"):
        return np.copysign(np.sqrt(add(x * x) / add(np.ones_like(x))), add(x))


def split_evenly(n: int, most: int) -> np.ndarray:
    """Return where each of at most `most` blocks begins that n rows are split into."""
    return np.linspace(0, n, min(n, most) + 1).astype(int)[:-1]
