"""How a row of the table is read in another arithmetic than that of floats."""

import builtins
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from engine import floats
from engine.ops import Op

OURS = ("engine.", "nn.")


def over(op: Op, space: Mapping[str, Any]) -> Op:
    """The row read in another arithmetic: the same code, its free names looked up in `space`.

    A name that `space` lacks is looked up where the row was written: a helper function there is
    read along with the row, a constant is taken as it is. So is one of the user's own making that
    has the name of one in `space`. The functions of `engine.floats` are what
    a space must supply itself; one that is missing is a NameError when the row is run.

    >>> from engine.ops import LOG
    >>> over(LOG, {"log": lambda x: f"ln {x}"}).forward("x")
    'ln x'
    """
    done: dict[Any, Any] = {}

    def read(f: Any) -> Any:
        if not isinstance(f, FunctionType):  # a user's np.sin: it is what it is in any arithmetic
            return f
        own = f.__globals__.get(f.__name__) is f and not theirs(f)  # a helper, not a lambda
        if own and f.__name__ in space:
            return space[f.__name__]
        if f not in done:
            names: dict[str, Any] = {"__builtins__": builtins}  # NumPy looks there
            done[f] = FunctionType(f.__code__, names, f.__name__, f.__defaults__, f.__closure__)
            done[f].__kwdefaults__ = f.__kwdefaults__
            for name in free_names(f.__code__):
                value = f.__globals__.get(name)
                if theirs(value):
                    names[name] = read(value)
                elif name in space:
                    names[name] = space[name]
                elif name in f.__globals__ and name not in floats.__all__:
                    names[name] = read(value)
        return done[f]

    return op.made_of(read(op.forward), *map(read, op.partials))


def theirs(x: Any) -> bool:
    """Whether a name stands for a user's function or number, whatever else has that name."""
    if isinstance(x, FunctionType):
        return not (x.__module__ or "").startswith(OURS)  # None for what exec made
    return isinstance(x, int | float | np.generic | np.ndarray)


def free_names(code: CodeType) -> Iterator[str]:
    """Names that a function looks up outside itself, those inside its comprehensions too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from free_names(constant)
