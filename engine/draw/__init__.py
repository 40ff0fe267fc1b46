"""Pictures of graphs: `draw(root)` is one that shows itself in Jupyter and saves itself as SVG,
`step(root)` a page that goes through backpropagation step by step.

>>> from engine import Value
>>> x, w = Value(2.0, "x"), Value(-3.0, "w")
>>> picture = draw((x * w).tanh())
>>> picture.svg.startswith("<svg")
True
"""

from engine.draw.drawing import Drawing, draw
from engine.draw.stepper import Stepper, step

__all__ = ["Drawing", "Stepper", "draw", "step"]
