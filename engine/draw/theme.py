"""How graphs look: colours, lines and numbers.

What kind a node is shows in its shape and line before it shows in its colour, so that it can be
told in grey: values that come from outside are rounded, computed ones are not; parameters and the
root have a thick line, constants a dashed one. The colours are from Okabe and Ito's palette, whose
hues the colour-blind tell apart.
"""

import math
from typing import Any

FONT = "Verdana"  # the widest of those that may be there instead: all texts then fit
FONTS = "Verdana,DejaVu Sans,Helvetica,Arial,sans-serif"
SHAPES = {
    "leaf": {"shape": "Mrecord"},
    "parameter": {"shape": "Mrecord", "penwidth": "2"},
    "constant": {"shape": "Mrecord", "style": "filled,dashed"},
    "inner": {"shape": "record"},
    "root": {"shape": "record", "penwidth": "2.4"},
}
THEMES: dict[str, dict[str, Any]] = {
    "light": {
        "paper": "#ffffff", "ink": "#1f2328", "pale": "#6b7280",
        "frame": "#c3c8cf", "tint": "#f6f7f9", "mark": "#c2410c",
        "heat": ("#ffffff", "#e69f00"),
        "leaf": ("#e3f1fa", "#0072b2"), "parameter": ("#fdf0d5", "#b06f00"),
        "constant": ("#f3f4f6", "#6b7280"), "inner": ("#ffffff", "#4b5563"),
        "root": ("#e2f4ec", "#007a58"), "box": ("#eceff3", "#6b7280"),
    },
    "dark": {
        "paper": "#16191d", "ink": "#e8eaed", "pale": "#a0a7b1",
        "frame": "#4a515b", "tint": "#1f242a", "mark": "#fb923c",
        "heat": ("#16191d", "#8f5a00"),
        "leaf": ("#12324a", "#56b4e9"), "parameter": ("#45330c", "#e69f00"),
        "constant": ("#24282e", "#8b93a0"), "inner": ("#1b1f24", "#a0a7b1"),
        "root": ("#0e3a2d", "#26b98c"), "box": ("#262c34", "#8b93a0"),
    },
}  # fmt: skip
SYMBOLS = {"*": "×", "-": "−", "/": "÷", "neg": "−x", "**": "xʸ", "square": "x²"}


def number(x: Any, spec: str) -> str:
    """A number as it is shown: with the sign that typography has for minus.

    >>> number(-0.5, ".4g"), number(1e-20, ".3f")
    ('−0.5', '0.000')
    """
    text = format(float(x), spec)
    if not any(digit in text for digit in "123456789") and text.startswith("-") and "n" not in text:
        text = text[1:]  # -0.000 is a number that was rounded away
    return text.replace("-", "−")


def content(node: Any, spec: str, grad: Any = None) -> list[str]:
    """The data and the gradient of a node as texts; of an Array its shape and the norms of both.

    `grad` is shown in place of the node's own. A constant has no gradient.
    """
    grad = node.grad if grad is None else grad
    if getattr(node.data, "ndim", 0):
        found = [f"{node.shape}".replace(",)", ")"), f"‖data‖ {number(norm(node.data), spec)}"]
        return found if node.constant else [*found, f"‖grad‖ {number(norm(grad), spec)}"]
    found = [f"data {number(node.data, spec)}"]
    return found if node.constant else [*found, f"grad {number(grad, spec)}"]


def norm(x: Any) -> float:
    """Return the Euclidean norm of a number, a list of numbers or an array; nan if one is nan.

    No square overflows or underflows.

    >>> norm([3e200, 4e200]) < 6e200, norm(-2.0)
    (True, 2.0)
    """
    xs = [x] if isinstance(x, float) else x.ravel().tolist() if hasattr(x, "ravel") else x
    return math.nan if any(map(math.isnan, xs)) else math.hypot(*xs)


def blended(colours: tuple[str, str], share: float) -> str:
    """The colour that lies at a share of the way from one to the other.

    >>> blended(("#000000", "#ff8000"), 0.5)
    '#804000'
    """
    a, b = ([int(each[i : i + 2], 16) for i in (1, 3, 5)] for each in colours)
    return "#" + "".join(f"{round(x + (y - x) * share):02x}" for x, y in zip(a, b, strict=True))
