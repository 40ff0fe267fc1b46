"""The arguments of a call under `jit`: the numbers that may change, and the structure.

Integers are indices, and floats and the numbers of Values are inputs. They may change without
another recording. Everything else is structure: lengths, strings, bools, None, other objects.
"""

from collections.abc import Callable, Collection, Hashable
from inspect import signature
from typing import Any

import numpy as np

from engine.arrays.array import Array
from engine.support.arguments import check_unmasked
from engine.value import Value

INTEGER, FLOAT = object(), object()  # in a structure
REMEDY = "if it is a function of Arrays, pass the Arrays to train: jit(f, [w])"


class Static:
    """An argument whose numbers are structure."""

    def __init__(self, value: Hashable):
        self.value = value


class Arguments:
    """The structure of some arguments, and their integers and floats in order.

    >>> Arguments(([3, 1], 2.0, "mean"), {}).integers
    [3, 1]
    """

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], kept: Collection[Any] = ()):
        self.integers: list[int] = []
        self.floats: list[float] = []
        self.kept = kept  # Values that stay themselves: parameters, and leaves of tables
        self.leaves: list[tuple[int, Value]] = []  # that receive a gradient, by place in floats
        self.structure: Hashable = tuple(map(self.split, args))
        if kwargs:
            self.structure = self.structure, self.split(kwargs)

    def split(self, x: Any) -> Hashable:
        """Store the numbers of an argument, and return its structure.

        Raises TypeError for an object that is not hashable, MaskedElements for a masked array.
        """
        kind = type(x)
        if kind is int:
            self.integers.append(x)
            return INTEGER
        if kind is float:
            self.floats.append(x)
            return FLOAT
        if kind is list or kind is tuple:
            if {*map(type, x)} == {int}:  # such as tokens
                self.integers += x
                return kind, INTEGER, len(x)
            return kind, *map(self.split, x)
        if kind is dict:
            return kind, *[(key, self.split(value)) for key, value in x.items()]
        if kind is Static:
            return Static, name_type(x.value), x.value
        if isinstance(x, Value):
            if x in self.kept:
                return x
            if not x.constant:
                if x.op is not None:
                    raise TypeError(
                        f"jit expects leaves or constants as arguments, got {x!r}, whose graph "
                        "would receive no gradient; compute it inside the function, or pass its "
                        ".data"
                    )
                self.leaves.append((len(self.floats), x))
            self.floats.append(x._data)
            return FLOAT, kind, x.label
        if isinstance(x, np.ndarray) and x.dtype.kind in "iuf":
            return np.ndarray, x.shape, self.split(as_python_numbers(check_unmasked(x)))
        if isinstance(x, np.integer | np.floating):
            return kind, self.split(as_python(x))
        if isinstance(x, Array):
            raise TypeError(
                "jit treats this as a function of Values, but got an Array of shape "
                f"{x.shape}; {REMEDY}"
            )
        try:
            hash(x)
        except TypeError:
            raise TypeError(
                "jit expects arguments that are numbers, Values, strings, or lists, tuples, dicts "
                f"or arrays of these, got {x!r}"
            ) from None
        return kind, x


def as_python(x: np.integer | np.floating) -> int | float:
    """Return a number of NumPy as one of Python; `item()` of a longdouble is a longdouble."""
    return int(x) if isinstance(x, np.integer) else float(x)


def as_python_numbers(x: np.ndarray) -> list[Any]:
    """Return the elements of an array as numbers of Python."""
    return x.ravel().astype(np.float64 if x.dtype.kind == "f" else x.dtype).tolist()


def name_type(x: Any) -> Any:
    """Return the types of a static argument and of its parts, because (2,) == (2.0,)."""
    return (type(x), *map(name_type, x)) if isinstance(x, tuple | frozenset) else type(x)


def rebuild(
    x: Any,
    name: str,
    kept: Collection[Any],
    make_index: Callable[[int, str], Any],
    make_float: Callable[[float, Value | None], Any],
) -> Any:
    """Return an argument with its numbers replaced, in the order in which `Arguments` split it.

    `name` is the argument in messages, such as "tokens" or "tokens[3]".
    """
    kind = type(x)
    if kind is int:
        return make_index(x, name)
    if kind is float:
        return make_float(x, None)
    again = lambda part, key: rebuild(part, f"{name}[{key!r}]", kept, make_index, make_float)
    if kind is list or kind is tuple:
        return kind([again(part, i) for i, part in enumerate(x)])
    if kind is dict:
        return {key: again(part, key) for key, part in x.items()}
    if kind is Static:
        return x.value
    if isinstance(x, Value):
        return x if x in kept else make_float(x._data, x)
    if isinstance(x, np.ndarray) and x.dtype.kind in "iuf":
        parts = np.empty(x.size, object)
        parts[:] = [again(part, i) for i, part in enumerate(as_python_numbers(x))]
        return parts.reshape(x.shape)
    if isinstance(x, np.integer | np.floating):
        return rebuild(as_python(x), name, kept, make_index, make_float)
    return x


def name_arguments(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[str]:
    """Return the names of the arguments of a call, those without keywords first."""
    try:
        parameters = [*signature(function).parameters.values()]
    except (TypeError, ValueError):  # of a built-in function
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names += [f"argument {i}" for i in range(len(names), len(args))]
    return [*names[: len(args)], *kwargs]
