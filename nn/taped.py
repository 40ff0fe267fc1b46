"""A tape, or a model under `jit`, as a Module: one Array of parameters, and batches as input."""

import sys
from typing import TYPE_CHECKING, Any

from engine.node import Node
from nn.module import Module

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from engine import Array, Tape
    from engine.tape.recordings import Jit


class Taped(Module):
    """A tape as a Module whose only parameter is `tape.flat`. `fit` trains tapes in this form.

    >>> from nn import MLP
    >>> from engine import Tape, Value
    >>> x = [Value(0.0), Value(0.0)]
    >>> model = Taped(Tape(MLP(2, [3, 1], rng=0)(x), inputs=x))
    >>> model([[1.0, 2.0], [3.0, 4.0]]).shape, model.parameters()[0].shape
    ((2,), (13,))
    """

    def __init__(self, tape: "Tape"):
        if not tape.inputs:
            raise ValueError(
                "fit expects a tape with inputs, got one without; record it with "
                "Tape(model, inputs=[Value(0.0), ...]), one input per feature"
            )
        self.tape, self.flat = tape, tape.flat

    def __call__(self, X: "Array | ArrayLike") -> "Array":
        return self.tape(X)

    def __repr__(self) -> str:
        """Return text that tells programs apart: a checkpoint identifies its model by it."""
        return f"{self.tape!r} of program {self.tape.fingerprint:08x}"


class Jitted(Module):
    """A model under `jit` as a Module whose only parameter is its `flat`.

    >>> from nn import MLP
    >>> from engine import jit
    >>> model = Jitted(jit(MLP(2, [3, 1], rng=0)))
    >>> model([[1.0, 2.0], [3.0, 4.0]]).shape, model.parameters()[0].shape
    ((2,), (13,))
    """

    def __init__(self, function: "Jit"):
        (self.flat,) = function.parameters()
        self.function = function

    def __call__(self, X: "Array | ArrayLike") -> "Array":
        import numpy as np

        rows = getattr(X, "data", X) if isinstance(X, Node) else X
        return self.function.map(np.asarray(rows, float))

    def __repr__(self) -> str:
        """Return text that tells models apart: a checkpoint identifies its model by it."""
        return f"jit of {self.function.function!r}"


def as_model(x: object) -> object:
    """Return a tape or a function under `jit` as a Module, and anything else unchanged.

    Raises RuntimeError for a function under `jit` whose parameters are not known yet.
    """
    if isinstance(x, loaded_class("tape", "Tape")):
        return Taped(x)
    if isinstance(x, loaded_class("recordings", "Jit")):
        return Jitted(x) if x.enabled else x.function
    return x


def loaded_class(file: str, name: str) -> tuple[type[Any], ...]:
    """Return a class of `engine.tape` in a tuple, which is empty while its file is not loaded.

    The file is not loaded here, because it needs NumPy, or numba.
    """
    package = Node.__module__.partition(".")[0]  # an installed stepgrad has another name
    module = sys.modules.get(f"{package}.tape.{file}")
    return () if module is None else (getattr(module, name),)
