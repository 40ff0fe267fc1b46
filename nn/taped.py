"""A tape as a model: its parameters in one Array, its outputs for a batch."""

import sys
from typing import TYPE_CHECKING, Any

from nn.module import Module

if TYPE_CHECKING:
    from engine import Tape


class Taped(Module):
    """What `fit` makes of a tape: a Module whose only parameter is `tape.flat`.

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
                "a tape that is to be trained takes its samples by inputs: "
                "Tape(model, inputs=[Value(0.0), ...]), one for each feature"
            )
        self.tape, self.flat = tape, tape.flat

    def __call__(self, X: Any) -> Any:
        return self.tape(X)

    def __repr__(self) -> str:
        """A checkpoint knows a model by it: what is computed is a part of it."""
        return f"{self.tape!r} of program {self.tape.machine.fingerprint:08x}"


def is_tape(x: Any) -> bool:
    """Return whether `x` is a Tape; there is none before its file is loaded, which needs NumPy."""
    return isinstance(x, getattr(sys.modules.get("engine.tape"), "Tape", ()))
