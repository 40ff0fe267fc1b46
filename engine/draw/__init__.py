"""Pictures of graphs, and pages that step through backpropagation.

`draw(root)` returns a picture, which Jupyter displays and `.save` writes as a file for a page, a
paper or a slide. `step(root)` returns a page that steps through the forward and the backward pass.

>>> from engine import Value
>>> x, w = Value(2.0, "x"), Value(-3.0, "w")
>>> picture = draw((x * w).tanh())
>>> picture.svg.startswith("<svg")
True
"""

from engine.draw.drawing import Drawing, draw
from engine.draw.other_names import draw_dot  # noqa: F401  # raises an error that names draw
from engine.draw.stepper import Stepper, step

__all__ = ["Drawing", "Stepper", "draw", "step"]


def __dir__() -> list[str]:
    return __all__
