"""Checks of arguments that networks add to those of `engine.support.arguments`."""

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from engine.support.arguments import file, finite, flag, positive, sequence, whole, within

__all__ = [
    "file", "finite", "flag", "function", "lookup", "mapping", "parameters_of", "positive",
    "sequence", "whole", "within",
]  # fmt: skip

T = TypeVar("T")


def function(name: str, f: Any, example: str, takes: int) -> Any:
    """`f`, a function of so many arguments or None; TypeError with an example for anything else."""
    if f is None or (callable(f) and accepts(f, takes)):
        return f
    of = "no argument" if not takes else f"{takes} argument{'s' * (takes > 1)}"
    raise TypeError(f"{name} is a function such as {example}, of {of}, got {f!r}")


def accepts(f: Any, count: int) -> bool:
    """Whether `f` can be called with so many arguments, as far as it tells."""
    try:
        found = inspect.signature(f)
    except ValueError:  # a function of C may keep it to itself
        return True
    try:
        found.bind(*range(count))
    except TypeError:
        return False
    return True


def lookup(kind: str, table: Mapping[str, T], name: Any) -> T:
    """The entry of that name; ValueError that lists the known ones for any other."""
    if isinstance(name, str) and name in table:
        return table[name]
    raise ValueError(f"no {kind} {name!r}; there are {', '.join(table)}")


def mapping(name: str, x: Any, example: str) -> Mapping[str, Any]:
    """`x`, a mapping; TypeError that shows an example for anything else."""
    if isinstance(x, Mapping):
        return x
    raise TypeError(f"{name} is a dict, such as {example}, got {x!r}")


def parameters_of(name: str, parameters: Any) -> list[Any]:
    """What has `.data` and `.grad`, as a list; TypeError that says what to pass for the rest."""
    if hasattr(parameters, "parameters"):
        raise TypeError(f"{name} takes parameters, got {parameters!r}; pass model.parameters()")
    found = list(sequence(parameters, f"{name} takes a list of parameters"))
    for p in found:
        if isinstance(p, type) or not (hasattr(p, "data") and hasattr(p, "grad")):
            raise TypeError(f"{name} takes what has .data and .grad, got {p!r}; make it a Value")
    return found
