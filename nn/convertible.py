"""`ToScalar`, the base class of layers of Arrays that have a counterpart of Values."""

from importlib import import_module
from typing import Any

from nn.scalar import CONVERT


class ToScalar:
    """A mixin of modules that have a counterpart in `nn.scalar`."""

    def to_scalar(self) -> Any:
        """Return the counterpart in `nn.scalar`, with copies of the weights, without dropout.

        A `Dense` becomes a `Layer`, and any other module that of the same name.

        >>> from nn.vector import MLP
        >>> model = MLP(2, [3, 1], init="zeros")
        >>> model.to_scalar()
        MLP(2, [3, 1], 'relu')
        """
        return import_module(CONVERT, __package__).to_scalar(self)
