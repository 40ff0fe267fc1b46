"""Pictures of graphs, and pages that step through backpropagation.

`draw(root)` returns a picture, which Jupyter displays and `.save` writes as a file for a page, a
paper or a slide. `step(root)` returns a page that steps through the forward and the backward pass.

>>> from engine import Value
>>> x, w = Value(2.0, "x"), Value(-3.0, "w")
>>> picture = draw((x * w).tanh())
>>> picture.svg.startswith("<svg")
True
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from engine.draw.other_names import NAMES
from engine.support import lazy

if TYPE_CHECKING:
    from engine.draw.drawing import Drawing, draw
    from engine.draw.stepper import Stepper, step

__all__ = ["Drawing", "Stepper", "draw", "step"]

# Loaded on first use: a program that draws need not wait for the stepper. `draw_dot` raises an
# error that names `draw`.
LAZY = {
    "drawing": ["Drawing", "draw"],
    "stepper": ["Stepper", "step"],
    "other_names": ["draw_dot"],
}
__getattr__ = lazy.attributes(globals(), LAZY, NAMES)


def __dir__() -> list[str]:
    return __all__


class DrawModule(ModuleType):
    """The class of this module, which answers `from stepgrad import draw; draw(root)`."""

    def __call__(self, *args: object, **options: object) -> NoReturn:
        raise TypeError(f"{__name__} is a module; write from {__name__} import draw")


sys.modules[__name__].__class__ = DrawModule
