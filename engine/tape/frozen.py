"""What a tape takes for granted: numbers of leaves, and decisions of Python. Both are checked."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.tape.branches import Branch
from engine.value import ASSIGNED, Value
from engine.watch.origin import Origin


class BranchChanged(RuntimeError):
    """A tape was given numbers for which Python would have built another graph.

    >>> from engine import Tape, Value
    >>> x = Value(3.0, "x")
    >>> tape = Tape(lambda: x * 2.0 if x > 0.0 else x)
    >>> tape.flat.data = [-1.0]
    >>> tape.forward()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    stepgrad.BranchChanged: ...
    """

    __module__ = "stepgrad"  # tracebacks show the public name


class Leaves:
    """The leaves of a graph but for its inputs, and what their numbers were when last looked at."""

    def __init__(self, parameters: Sequence[Value], constants: Sequence[Value]):
        self.parameters, self.constants = parameters, constants
        self.remember()

    def remember(self) -> None:
        """Take their numbers as they are now for known."""
        self.assigned = ASSIGNED[0]
        self.known = [x._data for x in (*self.parameters, *self.constants)]

    def check(self) -> None:
        """RuntimeError where one was assigned another number; costs nothing where none was."""
        if self.assigned == ASSIGNED[0]:
            return
        for x, known in zip((*self.parameters, *self.constants), self.known, strict=True):
            if repr(x._data) != repr(known):  # to the bit, and nan is nan still
                what = "constant" if any(x is each for each in self.constants) else "parameter"
                name = f"the {what} {x.label}" if x.label else f"a {what}"
                raise RuntimeError(
                    f"{name} was {known:g} when the tape took it, and is {x._data:g} now; "
                    "tape.load() takes that, tape.sync() puts back what the tape has"
                )
        self.assigned = ASSIGNED[0]


class Decision(NamedTuple):
    """A comparison that Python made, in words: the nodes that it was of may be gone."""

    text: str
    outcome: bool
    origin: Origin | None


class Decisions:
    """What Python decided while a graph was built, as far as parameters or inputs had a say."""

    def __init__(self, branches: Sequence[Branch]):
        self.all = [Decision(str(each), each.outcome, each.origin) for each in branches]
        self.outcomes = np.array([each.outcome for each in branches], bool)

    def check(self, truths: np.ndarray, batched: bool) -> None:
        """BranchChanged for the first that would be another now, of (samples, decisions)."""
        wrong = truths != self.outcomes
        if wrong.any():
            sample, i = np.argwhere(wrong)[0]
            text, outcome, origin = self.all[i]
            where = "" if origin is None else f" ({origin})"
            which = f" for sample {sample}" if batched else ""
            raise BranchChanged(
                f"{text} was {outcome} when the tape was recorded, and is {not outcome} now{which}"
                f"{where}; Python would have built another graph: record another tape, "
                "or have the graph choose, by where(), maximum() or minimum()"
            )
