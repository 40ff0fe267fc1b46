"""A tape as a model: its parameters in one Array, its outputs for a batch."""

import sys
from typing import TYPE_CHECKING

from engine.node import Node
from nn.module import Module

if TYPE_CHECKING:
    from typing import TypeGuard

    from numpy.typing import ArrayLike

    from engine import Array, Tape


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


def is_tape(x: object) -> "TypeGuard[Tape]":
    """Return whether `x` is a Tape, without loading `engine.tape`, which needs NumPy."""
    return isinstance(x, tape_types())


def tape_types() -> "tuple[type[Tape], ...]":
    """Return Tape in a tuple, which is empty while `engine.tape` is not loaded."""
    engine = Node.__module__.partition(".")[0]  # its name is another in an installed stepgrad
    tape = getattr(sys.modules.get(f"{engine}.tape"), "Tape", None)
    return () if tape is None else (tape,)
