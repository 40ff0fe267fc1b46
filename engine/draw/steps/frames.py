"""Frames, the steps of a pass as data. `engine.draw.stepper` makes a page of them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.draw.formulas.notation import Line
from engine.node import Node

EMPTY: Mapping[str, str] = {}


class Status(NamedTuple):
    """The state of a gradient in a wrong pass, as a short text below it."""

    kind: str  # "due": some contributions are still to come; "right", "wrong", or "early"
    text: str


NO_MARKS: Mapping[str, Status] = {}


class Frame(NamedTuple):
    """One step of a pass.

    Ids are those of the drawing: `v3` is a value, `o3` its operation, `e3-0` an arrow, `b0` a box.
    """

    kind: str  # "start", "forward", "seed", "backward" or "end"
    title: str
    lines: Sequence[Line] = ()  # the formulas: with names, then with numbers
    data: Mapping[str, str] = EMPTY  # numbers that appear, by the id of their value
    grad: Mapping[str, str] = EMPTY  # gradients that appear or change
    marked: Sequence[str] = ()  # ids
    where: str = ""  # the module that computes the value, such as "layers[0], neuron 1"
    node: str = ""  # the id of the value that is computed or propagates its gradient
    to: str = ""  # the id of the value that receives a contribution
    note: str = ""
    marks: Mapping[str, Status] = NO_MARKS  # of a wrong pass, by the id of their value
    cells: Mapping[str, Any] = EMPTY  # matrices that appear or change, by "v3 data" or "v3 grad"
    elements: Mapping[str, Any] = EMPTY  # lines that follow one element, by its row and column
    alarm: bool = False  # whether this step makes a gradient wrong


class Run(NamedTuple):
    """The frames of one run through the graph."""

    title: str
    frames: list[Frame]


class Trace(NamedTuple):
    """The runs through a graph, the correct one first."""

    runs: list[Run]
    names: dict[Node, str]  # in topological order
    grads: dict[Node, float]  # the correct ones
    whole: Mapping[str, str] = EMPTY  # the whole names of those that are shortened in `names`

    @property
    def frames(self) -> list[Frame]:
        """The frames of the forward and the correct backward pass."""
        return self.runs[0].frames


KEYS = "Press the right arrow key for the next step, the left one for the previous step."
TOUCH = "Swipe the formula to the left for the next step, to the right for the previous step."
START = Frame("start", "Start with the inputs", note=KEYS)
END = Frame("end", "All gradients are complete")
TITLES = ("Backpropagation", "Why this order?", "Why +=, not =?")
