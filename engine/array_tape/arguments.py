"""The arguments of a call of a function of Arrays: the numbers that may change, and the structure.

Arrays, NumPy's arrays and floats are inputs. Everything else is structure: shapes, dtypes, lengths,
integers, strings, other objects.
"""

from collections.abc import Collection, Hashable
from typing import Any

import numpy as np

from engine.array_tape.recording import ArrayRecording
from engine.array_tape.steps import layout_of
from engine.arrays.array import Array, ConstantArray
from engine.support.arguments import check_unmasked


class ArrayArguments:
    """The structure of some arguments, and their inputs in order.

    Attributes:
        inputs: Arrays of NumPy, and floats.
        nodes: The Arrays among the inputs that require a gradient.
        structure: Everything else.
        given: The arguments themselves.

    >>> x = ArrayArguments((np.ones((2, 3)), [1.0, "mean"]), {})
    >>> len(x.inputs), x.structure[0][1]
    (2, (<class 'list'>, <class 'float'>, (<class 'str'>, 'mean')))
    """

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], kept: Collection[Any] = ()):
        self.given = args, kwargs
        self.inputs: list[Any] = []
        self.nodes: list[Array] = []
        self.kept = kept  # Arrays that stay themselves: parameters
        self.structure: Hashable = (
            tuple(map(self.split, args)),
            self.split(kwargs) if kwargs else (),
        )

    def split(self, x: Any) -> Any:
        """Store the inputs of an argument, and return its structure.

        Raises TypeError for an object that is not hashable.
        """
        kind = type(x)
        if kind is np.memmap:
            kind, x = np.ndarray, x.view(np.ndarray)
        if kind is np.ndarray and x.dtype.kind in "fiub":
            self.inputs.append(x)
            return x.shape, x.dtype, layout_of(x)
        if kind is float:
            self.inputs.append(x)
            return kind
        if kind is list or kind is tuple:
            return kind, *map(self.split, x)
        if kind is dict:
            return kind, *[(key, self.split(value)) for key, value in x.items()]
        if isinstance(x, Array) and x not in self.kept:
            self.inputs.append(x._data)
            if not x.constant:
                self.nodes.append(x)
            return kind, x._rank, x.shape, x.dtype, layout_of(x._data)
        if isinstance(x, np.generic) and x.dtype.kind in "fiub":
            self.inputs.append(np.asarray(x))
            return kind
        try:
            hash(x)
        except TypeError:
            check_unmasked(x)
            raise TypeError(
                "jit expects arguments that are Arrays, NumPy arrays, numbers, strings, or lists, "
                f"tuples or dicts of these, got {describe_argument(x)}"
            ) from None
        return kind, x

    def trace(self, x: Any, recording: ArrayRecording) -> Any:
        """Return an argument with traced arrays in place of its inputs, in the order of `split`."""
        kind = np.ndarray if type(x) is np.memmap else type(x)
        if kind is np.ndarray and x.dtype.kind in "fiub":
            return recording.trace.add_input(x.view(np.ndarray))  # no leaf has it as its data
        if kind is float:
            return recording.trace.add_input(x)
        if kind is list or kind is tuple:
            return kind([self.trace(part, recording) for part in x])
        if kind is dict:
            return {key: self.trace(part, recording) for key, part in x.items()}
        if isinstance(x, Array) and x not in self.kept:
            return stand_in(x, recording)
        if isinstance(x, np.generic) and x.dtype.kind in "fiub":
            return recording.trace.add_input(np.asarray(x), scalar=True)
        return x


def describe_argument(x: Any) -> str:
    """Return a description of an argument that cannot be recorded, with a remedy for arrays.

    >>> describe_argument(np.array([1j]))
    'an ndarray of complex128; pass its .real or .imag'
    """
    if not isinstance(x, np.ndarray):
        return repr(x)
    name = type(x).__name__
    article = "an" if name == "ndarray" else "a"
    remedy = "convert it with .astype(float)"
    if x.dtype.kind == "c":
        remedy = "pass its .real or .imag"
    elif x.dtype.kind in "fiub":  # of a subclass
        remedy = "convert it with np.asarray"
    return f"{article} {name} of {x.dtype}; {remedy}"


def stand_in(x: Array, recording: ArrayRecording) -> Array:
    """Return a leaf that stands for an argument while a function is recorded."""
    leaf: Any = object.__new__(ConstantArray if x.constant else Array)
    leaf._data = x._data.view()
    leaf._grad = leaf.op = leaf._x = leaf._y = leaf._dx = leaf._dy = None
    leaf.label = x.label
    if x.constant:
        leaf._rank = x._rank
    recording.arguments[leaf] = recording.trace.add_input(leaf._data)
    return leaf
