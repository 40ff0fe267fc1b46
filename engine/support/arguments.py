"""Checks of arguments: each returns the converted argument, or raises an error with the remedy."""

import math
import os
import sys
from collections.abc import Iterable
from numbers import Complex, Integral, Real
from typing import TYPE_CHECKING, Any, TypeGuard

from engine.graph import topological

if TYPE_CHECKING:
    from pathlib import Path


def numpy_type(name: str, module: str = "numpy") -> tuple[Any, ...]:
    """Return a type of NumPy in a tuple, which is empty while NumPy is not loaded."""
    numpy = sys.modules.get(module)
    return () if numpy is None else (getattr(numpy, name),)


def is_bool(x: object) -> bool:
    """Return whether `x` is a bool, of Python or NumPy."""
    return isinstance(x, (bool, *numpy_type("bool_")))


def is_bool_or_duration(x: object) -> bool:
    """Return whether `x` is an integer to Python or NumPy, but probably not intended as one."""
    return isinstance(x, (bool, *numpy_type("timedelta64")))


def is_real(x: object) -> TypeGuard[float]:
    """Return whether `x` is a real number; bools and durations are not."""
    return isinstance(x, Real) and not is_bool_or_duration(x)


def is_array_like(x: object) -> bool:
    """Return whether `x` has axes and NumPy converts it: an ndarray, a tensor of PyTorch, a Series.

    Nodes and arrays under `jit` do not count.
    """
    converts = hasattr(x, "__array__") and not (is_node(x) or hasattr(x, "_as_data"))
    return converts and not isinstance(x, type) and getattr(x, "ndim", 0) > 0


def is_node(x: object) -> bool:
    """Return whether `x` is a node of a graph."""
    return hasattr(x, "_dx") and hasattr(x, "inputs")


UNORDERED = (str, bytes, dict, set, frozenset)  # iterables of letters or keys, or without an order


def check_sequence(xs: Any, expected: str = "expected a sequence of Values") -> Iterable[Any]:
    """Return `xs` if its elements are ordered. Raises TypeError for anything else.

    A dict would yield its keys, a string its letters. The message begins with `expected`.
    """
    if type(xs) is list or type(xs) is tuple:
        return xs
    is_iterable = hasattr(xs, "__iter__") and getattr(xs, "ndim", 1) > 0
    if is_node(xs) or isinstance(xs, (type, *UNORDERED)) or not is_iterable:
        remedy = "write [x]" if is_node(xs) else f"write [{xs!r}]"
        if callable(xs) and not is_iterable and not isinstance(xs, type) and not is_node(xs):
            remedy = f"call it: {getattr(xs, '__name__', 'f')}()"
        if xs is None:
            remedy = "does the function that made it return its result?"
        elif isinstance(xs, UNORDERED) or (is_iterable and not is_node(xs)):
            remedy = "pass a list"
        raise TypeError(f"{expected}, got {xs!r}; {remedy}")
    return xs


def check_whole(name: str, x: object, least: int = 1) -> int:
    """Return `x` as an int of at least `least`. Raises ValueError for anything else."""
    if isinstance(x, Integral) and not is_bool_or_duration(x) and int(x) >= least:
        return int(x)
    raise ValueError(f"{name} must be a whole number, {least} or more, got {x!r}")


def check_within(name: str, x: object, below: float = math.inf, most: float | None = None) -> float:
    """Return `x` as a float in [0, below), or in [0, most]. Raises ValueError for anything else."""
    value = float(x) if is_real(x) else math.nan
    if value >= 0.0 and (value < below if most is None else value <= most):
        return value
    upper = f"{below})" if most is None else f"{most}]"
    raise ValueError(f"{name} must be a number in [0, {upper}, got {x!r}")


def check_positive(name: str, x: object) -> float:
    """Return `x` as a float in (0, inf). Raises ValueError for anything else."""
    if is_real(x) and 0.0 < (value := float(x)) < math.inf:
        return value
    raise ValueError(f"{name} must be a positive, finite number, got {x!r}")


def check_finite(name: str, x: object) -> float:
    """Return `x` as a float that is neither inf nor nan. Raises ValueError for anything else."""
    if is_real(x) and math.isfinite(float(x)):
        return float(x)
    raise ValueError(f"{name} must be a finite number, got {x!r}")


def check_flag(name: str, x: object) -> bool:
    """Return `x` as a bool; 1 and 0 are accepted. Raises TypeError for others, such as "no"."""
    if is_bool(x) or (isinstance(x, Integral) and 0 <= int(x) <= 1):
        return bool(x)
    raise TypeError(f"{name} must be True or False, got {x!r}")


def check_path(name: str, path: object) -> "Path":
    """Return `path` as a Path. Raises TypeError for anything but a str or a path."""
    from pathlib import Path

    given = path.__fspath__() if isinstance(path, os.PathLike) else path
    if isinstance(given, str):
        return Path(given)
    raise TypeError(f"{name} must be a path, a str or a pathlib.Path, got {path!r}")


def check_writable(what: str, path: object, suffixes: Iterable[str], remedy: str = "") -> "Path":
    """Return the path of a file to write, with one of the suffixes, in an existing folder.

    Raises TypeError for anything but a path, ValueError for another suffix, FileNotFoundError for a
    missing folder, and IsADirectoryError for a folder.
    """
    place = check_path(f"the file of {what}", path)
    if place.suffix.lower() not in suffixes:
        raise ValueError(f"{what} can be saved as {', '.join(suffixes)}, got {str(path)!r}{remedy}")
    if not place.parent.is_dir():
        raise FileNotFoundError(
            f"no folder {place.parent} to save {place.name} in; create it first"
        )
    if place.is_dir():
        raise IsADirectoryError(f"{place} is a folder; pass the name of a file")
    return place


def check_unmasked(x: Any) -> Any:
    """Return `x`. Raises MaskedElements for a masked array of NumPy, or a list of them.

    NumPy would convert it to an array with the masked numbers. A masked array without masked
    elements is accepted.
    """
    masked = numpy_type("MaskedArray", "numpy.ma")
    if not masked:
        return x
    for part in x if isinstance(x, list | tuple) else (x,):
        if isinstance(part, masked) and (count := part.mask.sum()):
            raise MaskedElements(
                f"expected an array without a mask, got a masked array m with "
                f"{format_count(int(count), 'masked element')}; fill them with m.filled(0.0), "
                "leave them out with m.compressed(), or choose with where(m.mask, y, m.filled(0.0))"
            )
    return x


# ----------------------------------------------------------------------------- numbers of Values


def check_real(x: Any) -> float:
    """Return a real number as a float. Raises TypeError with the remedy for anything else."""
    check_unmasked(x)
    is_scalar = isinstance(x, numpy_type("ndarray")) and x.ndim == 0 and x.dtype.kind in "fiub"
    is_duration = isinstance(x, numpy_type("timedelta64"))
    if is_scalar or ((isinstance(x, Real) or is_bool(x)) and not is_duration):
        try:
            return float(x)
        except OverflowError:
            return math.inf if x >= 0 else -math.inf
    raise TypeError(f"a Value holds one real number, got {describe_object(x)}")


class MaskedElements(TypeError):
    """The error for a masked array, whose masked numbers would be used."""

    __module__ = "stepgrad"


def format_count(n: int, noun: str) -> str:
    """Format a count with its noun.

    >>> format_count(1, "node"), format_count(1200, "node")
    ('1 node', '1,200 nodes')
    """
    return f"{n:,} {noun}{'s' * (n != 1)}"


def describe_type(x: object) -> str:
    """Return the type of an object with its article.

    >>> describe_type([1.0]), describe_type({"a"})
    ('a list', 'a set')
    """
    if isinstance(x, numpy_type("ndarray")) or hasattr(x, "_as_data"):  # an array under `jit`
        return "an array"
    name = type(x).__name__
    if name == "bytes":
        return name
    return f"{'an' if name[0] in 'AEIOaeio' else 'a'} {name}"


NUMBER_CLASSES = "to number classes, write names, y = np.unique(y, return_inverse=True)"


def is_numeral(text: str) -> bool:
    """Return whether float() accepts a string."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def find_string_remedy(elements: Iterable[object]) -> str:
    """Return how to convert the first string among elements: a number or a class; "" if none."""
    text = next((str(x) for x in elements if isinstance(x, str)), None)
    if text is None:
        return ""
    if not is_numeral(text):
        return f"; {NUMBER_CLASSES}"
    kind = "int" if text.strip("+- ").isdecimal() else "float"
    return f"; convert strings first: {kind}({text!r}), or .astype({kind}) for an array"


def describe_result(x: object) -> str:
    """Return a description of a function's result that is not a node, and the remedy.

    >>> describe_result(2.0)
    '2.0; return the node, not its .data, .item() or float()'
    """
    if x is None:
        return "None; does the function return its result?"
    is_number = isinstance(x, (Real, numpy_type("ndarray")))
    return f"{x!r}{'; return the node, not its .data, .item() or float()' if is_number else ''}"


COMPILED_RESULT = (
    "result of a function under jit or of a tape, because Values and Arrays do not mix; compute "
    "the whole loss in that function, as in jit(lambda x: f(x) + 0.01 * w**2)"
)


def depends_on_parameters(x: Any) -> bool:
    """Return whether a node is computed from the parameters of a function under jit or a tape."""
    return any(node._stands_for is not None for node in topological(x))


def describe_object(x: object) -> str:
    """Return a description of an object that is not a number, and how to convert it."""
    if isinstance(x, str):
        text = str(x)  # of NumPy's strings too
        remedy = f"convert it first: float({text!r})" if is_numeral(text) else NUMBER_CLASSES
        return f"the string {text!r}; {remedy}"
    if x is None:
        return "None; does the function that made it return its result?"
    if isinstance(x, Complex):
        return f"the complex number {x!r}; take its .real or .imag"
    if isinstance(x, numpy_type("ndarray")):
        return f"an array of shape {x.shape}; use Array, or make one Value per element"
    if is_array_like(x):
        shape = tuple(getattr(x, "shape", ()))
        return f"{describe_type(x)} of shape {shape}; use Array, or make one Value per element"
    if isinstance(x, list | tuple | dict | set):
        return f"a {type(x).__name__} of {len(x)}; make one Value per element"
    if is_node(x):
        remedy = "Values and Arrays do not mix" if hasattr(x, "shape") else "use its .data"
        if hasattr(x, "shape") and depends_on_parameters(x):
            return f"{x!r}, the {COMPILED_RESULT}"
        return f"{x!r}, which is already a node; {remedy}"
    return f"{x!r} of type {type(x).__name__}; convert it with float() first"
