"""Argument checks that the writers for other libraries share."""

from typing import Any, NoReturn

from nn.module import Module, check_module
from nn.scalar import ToVector


def convert_to_arrays(user: str, model: Any) -> Module:
    """Return a network of Arrays unchanged, and the counterpart of one of Values.

    Raises TypeError for anything that is not a Module.
    """
    check_module(user, model)
    return model.to_vector() if isinstance(model, ToVector) else model


def refuse_layer(user: str, layer: object, path: str, reason: str) -> NoReturn:
    """Raise TypeError for a layer that cannot be converted, with its path and the reason."""
    place = f" at {path!r}" if path else ""
    text = " ".join(repr(layer).split())  # modules of PyTorch are printed on several lines
    raise TypeError(f"{user} cannot convert {text}{place}: {reason}")
