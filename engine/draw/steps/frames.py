"""Frames, the steps of a pass as data. `engine.draw.stepper` makes a page of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from engine.draw.formulas.notation import Line
from engine.draw.formulas.places import fill_mathml, fill_text
from engine.draw.page.live import LiveGraph
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
    """The runs through a graph, the correct one first.

    If `texts` has formatted numbers for each run, `templates` are the runs with places for them.
    """

    templates: list[Run]
    names: dict[Node, str]  # in topological order
    grads: dict[Node, float]  # the correct ones
    whole: Mapping[str, str] = EMPTY  # the whole names of those that are shortened in `names`
    texts: Sequence[Mapping[str, str]] = ()
    graph: LiveGraph | None = None  # from which a page computes the numbers
    describe: Callable[[Sequence[Run]], list[Run]] = list  # adds texts about mistakes to runs

    @property
    def runs(self) -> list[Run]:
        """The runs with their numbers."""
        return fill_runs(self.describe(self.templates), self.texts)

    @property
    def frames(self) -> list[Frame]:
        """The frames of the forward and the correct backward pass."""
        return self.runs[0].frames


def fill_runs(templates: list[Run], texts: Sequence[Mapping[str, str]]) -> list[Run]:
    """Return runs with the numbers in their places."""
    if not texts:
        return templates
    pairs = zip(templates, texts, strict=True)
    return [run._replace(frames=[fill_frame(x, known) for x in run.frames]) for run, known in pairs]


def fill_frame(frame: Frame, texts: Mapping[str, str]) -> Frame:
    """Return a frame with the numbers in its places."""
    return frame._replace(
        title=fill_text(frame.title, texts),
        lines=[tuple(fill_mathml(piece, texts) for piece in line) for line in frame.lines],
        data={id: fill_text(text, texts) for id, text in frame.data.items()},
        grad={id: fill_text(text, texts) for id, text in frame.grad.items()},
        note=fill_text(frame.note, texts),
    )


KEYS = "Press the right arrow key for the next step, the left one for the previous step."
TOUCH = "Swipe the formula to the left for the next step, to the right for the previous step."
START = Frame("start", "Start with the inputs", note=KEYS)
TRUE_GRADIENTS = "Each value also shows its true gradient."  # in a wrong pass
END = Frame("end", "All gradients are complete")
TITLES = ("Backpropagation", "Why this order?", "Why +=, not =?")
