"""Checks of arguments for networks, in addition to those of `engine.support.arguments`."""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from engine.support.arguments import (
    check_finite,
    check_flag,
    check_path,
    check_positive,
    check_sequence,
    check_unmasked,
    check_whole,
    check_within,
    format_count,
    is_node,
)
from nn.other_names import VALUES

__all__ = [
    "check_finite", "check_flag", "check_function", "check_lengths", "check_mapping",
    "check_modules", "check_parameters", "check_path", "check_positive", "check_sequence",
    "check_unmasked", "check_whole", "check_within", "format_count", "is_row", "look_up", "to_list",
]  # fmt: skip

T = TypeVar("T")


def check_function(name: str, f: object, example: str, count: int) -> Callable[..., Any] | None:
    """Return `f`, a function of `count` arguments or None. Raises TypeError for anything else."""
    if f is None or (callable(f) and takes_arguments(f, count)):
        return f
    arguments = format_count(count, "argument") if count else "no argument"
    raise TypeError(f"{name} must be a function such as {example}, of {arguments}, got {f!r}")


def takes_arguments(f: Callable[..., Any], count: int) -> bool:
    """Return whether `f` can be called with `count` arguments, as far as is known."""
    try:
        signature = inspect.signature(f)
    except ValueError:  # some functions written in C have none
        return True
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def look_up(kind: str, table: Mapping[str, T], name: object) -> T:
    """Return the entry with that name. Raises ValueError, with the known names, if there is none.

    The message suggests the counterpart of a name of another library, or a similar name.

    >>> look_up("activation", {"relu": 1, "tanh": 2}, "Relu")
    Traceback (most recent call last):
    ValueError: unknown activation 'Relu' (did you mean 'relu'?); choose from: relu, tanh
    """
    if isinstance(name, str) and name in table:
        return table[name]
    normalized = str(name).lower().replace("-", "_")
    counterpart = VALUES.get(kind, {}).get(normalized)
    similar = difflib.get_close_matches(normalized, table, 1) if isinstance(name, str) else []
    hints = [
        f" (did you mean {choice!r}?)" for choice in (counterpart, *similar) if choice in table
    ]
    raise ValueError(
        f"unknown {kind} {name!r}{''.join(hints[:1])}; choose from: {', '.join(table)}"
    )


def check_mapping(name: str, x: object, example: str) -> Mapping[str, Any]:
    """Return `x`, a mapping. Raises TypeError, with an example, for anything else."""
    if isinstance(x, Mapping):
        return x
    raise TypeError(f"{name} must be a dict, such as {example}, got {x!r}")


def check_modules(name: str, modules: Sequence[Any], layer: str) -> list[Any]:
    """Return the modules of a `Sequential` as a list; `layer` is the class in its messages.

    Raises ValueError for no module and TypeError for an argument that is not callable.
    """
    if not modules:
        raise ValueError(f"{name} expects at least one module, got none")
    for module in modules:
        if not callable(module) or isinstance(module, type):
            instead = f"{name}({layer}(...), {layer}(...))"
            if isinstance(module, str):
                instead = f"Activation({module!r})"
            elif isinstance(module, type):
                instead = f"{module.__name__}(...)"
            raise TypeError(
                f"{name} expects modules, one after the other, got {module!r}; write {instead}"
            )
    return list(modules)


def check_parameters(name: str, parameters: object) -> list[Any]:
    """Return a list of parameters, which have `.data` and `.grad`. Raises TypeError otherwise."""
    if hasattr(parameters, "parameters"):
        raise TypeError(f"{name} expects parameters, got {parameters!r}; pass model.parameters()")
    checked = list(check_sequence(parameters, f"{name} expects a list of parameters"))
    for p in checked:
        if isinstance(p, type) or not (hasattr(p, "data") and hasattr(p, "grad")):
            raise TypeError(
                f"{name} expects parameters with .data and .grad, got {p!r}; make it a Value"
            )
    return checked


def to_list(xs: Any, expected: str) -> list[Any]:
    """Return samples as a list. They are a sequence, or anything that NumPy converts to an array.

    The conversion matters for a DataFrame of pandas, which iterates over the names of its columns.
    Raises TypeError, with a message that begins with `expected`, for anything else.
    """
    if hasattr(xs, "__array__") and not (is_node(xs) or hasattr(xs, "_as_data")):
        import numpy as np

        array = np.asarray(check_unmasked(xs))
        xs = array if array.ndim else xs
    return list(check_sequence(xs, expected))


def is_row(x: object) -> bool:
    """Return whether `x` holds several numbers of one sample."""
    return isinstance(x, list | tuple) or getattr(x, "ndim", 0) > 0


def check_lengths(
    name: str, predictions: Sequence[Any], targets: Sequence[Any], where: str = ""
) -> None:
    """Raise ValueError unless there are as many targets as predictions, and at least one."""
    if len(predictions) != len(targets):
        raise ValueError(
            f"{name} expects one target per prediction, "
            f"got {format_count(len(predictions), 'prediction')} and "
            f"{format_count(len(targets), 'target')}{where}"
        )
    if not predictions:
        raise ValueError(f"{name} expects at least one prediction, got none{where}")
