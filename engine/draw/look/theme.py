"""The look of graphs: colours, lines, sizes and the format of numbers.

Shape and line tell the kinds of nodes apart before colour does, so a drawing can be read in grey:
leaves are rounded and computed values are not, parameters and the root have a thick line,
constants a dashed one. The colours are from the palette of Okabe and Ito, "Color Universal Design"
(2008), whose hues remain distinct with colour blindness.
"""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.node import Node

if TYPE_CHECKING:
    import numpy as np

FONT = "Verdana"  # the widest of FONTS: a text that fits in it fits in each of the others
FONTS = "Verdana,DejaVu Sans,Helvetica,Arial,sans-serif"
SHAPES = {
    "leaf": {"shape": "Mrecord"},
    "parameter": {"shape": "Mrecord", "penwidth": "2"},
    "constant": {"shape": "Mrecord", "style": "filled,dashed"},
    "inner": {"shape": "record"},
    "root": {"shape": "record", "penwidth": "2.4"},
}
DIRECTIONS = {"right": "LR", "down": "TB", "left": "RL", "up": "BT"}  # as Graphviz calls them
SYMBOLS = {"*": "×", "-": "−", "/": "÷", "neg": "−x", "**": "xʸ", "square": "x²"}


class Sizes(NamedTuple):
    """The sizes in a drawing: texts in points, lengths in inches."""

    text: float = 11
    cluster_text: float = 10
    edge_text: float = 9
    cell_height: float = 0.3
    operation: float = 0.28  # the diameter of a circle
    gap: float = 0.16  # between neighbours
    step: float = 0.32  # between a node and its inputs
    short_step: float = 0.2  # the same in rows of a long graph
    padding: float = 0.12  # around the drawing


SIZES = Sizes()


class Paint(NamedTuple):
    """The colours of a node."""

    fill: str
    line: str


class Theme(NamedTuple):
    """The colours of a drawing and of a page around it.

    Each colour of the light theme has one counterpart in the dark one, also where it is used twice.
    """

    paper: str
    ink: str
    pale: str  # secondary texts and arrows
    frame: str  # lines around clusters
    tint: str  # the background of clusters
    mark: str  # the current step of a page
    heat: tuple[str, str]  # no gradient, the largest gradient
    signs: tuple[str, str]  # negative and positive numbers, in pictures of networks
    diverging: tuple[str, ...]  # elements of arrays: -4 to -1, then 1 to 4, then nan; 0 is paper
    kinds: Mapping[str, Paint]


LIGHT, DARK = (
    Theme(
        paper="#ffffff", ink="#1f2328", pale="#6b7280",
        frame="#c3c8cf", tint="#f6f7f9", mark="#c2410c",
        heat=("#ffffff", "#e69f00"), signs=("#1f6fb5", "#d9690b"),
        diverging=(
            "#4a97cf", "#86bbe2", "#b7d7ef", "#e0eefa",
            "#fdebd4", "#fad3a3", "#f4b267", "#e8912d", "#9aa1ab",
        ),
        kinds={
            "leaf": Paint("#e3f1fa", "#0072b2"), "parameter": Paint("#fdf0d5", "#b06f00"),
            "constant": Paint("#f3f4f6", "#6b7280"), "inner": Paint("#ffffff", "#4b5563"),
            "root": Paint("#e2f4ec", "#007a58"), "box": Paint("#eceff3", "#6b7280"),
        },
    ),
    Theme(
        paper="#16191d", ink="#e8eaed", pale="#a0a7b1",
        frame="#4a515b", tint="#1f242a", mark="#fb923c",
        heat=("#16191d", "#8f5a00"), signs=("#5fb0ec", "#f59a4a"),
        diverging=(
            "#2f7fb8", "#23608c", "#1a4566", "#162e42",
            "#33260f", "#533a12", "#7d5513", "#9a6516", "#6b727d",
        ),
        kinds={
            "leaf": Paint("#12324a", "#56b4e9"), "parameter": Paint("#45330c", "#e69f00"),
            "constant": Paint("#24282e", "#a0a7b1"), "inner": Paint("#16191d", "#a0a7b1"),
            "root": Paint("#0e3a2d", "#26b98c"), "box": Paint("#262c34", "#a0a7b1"),
        },
    ),
)  # fmt: skip
# A drawing of the theme "auto" has light colours, and a style sheet with their dark counterparts.
THEMES = {"auto": LIGHT, "light": LIGHT, "dark": DARK}


# For print: black lines on white. The shapes and lines of the kinds differ.
MONOCHROME = LIGHT._replace(
    ink="#000000", pale="#000000", frame="#9a9a9a", tint="#ffffff", mark="#000000",
    heat=("#ffffff", "#8c8c8c"), signs=("#000000", "#000000"),
    diverging=(
        "#8c8c8c", "#adadad", "#cfcfcf", "#ececec",
        "#ececec", "#cfcfcf", "#adadad", "#8c8c8c", "#6b6b6b",
    ),
    kinds=dict.fromkeys(LIGHT.kinds, Paint("#ffffff", "#000000")),
)  # fmt: skip
THEMES["monochrome"] = MONOCHROME  # not a choice of its own: the option `monochrome` selects it


def format_number(x: "float | np.ndarray", spec: str) -> str:
    """Format a number with a typographic minus sign.

    >>> format_number(-0.5, ".4g"), format_number(-1e-20, ".3f")
    ('−0.5', '0.000')
    """
    text = format(float(x), spec)
    is_zero = not any(char in "123456789nN" for char in text)  # inf and nan are not
    if text.startswith("-") and is_zero:
        text = text[1:]  # a negative number that rounds to zero
    return text.replace("-", "−")


def format_rounded(x: float, digits: int) -> str:
    """Format a number that is rounded to a few significant digits, with an exponent if it is long.

    >>> format_rounded(1234.5, 2), format_rounded(-1e-7, 2)
    ('1200', '−1e−07')
    """
    return format_number(float(f"{x:.{digits}g}"), f".{max(digits, 5)}g")


def has_gradients(nodes: Iterable[Node]) -> bool:
    """Return whether a backward pass has run: a node has a gradient other than zero."""
    return any(norm(node.grad) != 0.0 for node in nodes if not node.constant)


def format_fields(
    node: Node, spec: str, grad: float | None = None, gradients: bool = True
) -> list[str]:
    """Return the texts in a node: its data and gradient, or an Array's shape and both norms.

    `grad` replaces the node's own gradient. A constant has none; `gradients=False` leaves it out.
    """
    gradient = node.grad if grad is None else grad
    if getattr(node.data, "ndim", 0):
        shape = str(node.data.shape).replace(",)", ")")
        fields = [shape, f"‖data‖ {format_number(norm(node.data), spec)}"]
        gradient_field = f"‖grad‖ {format_number(norm(gradient), spec)}"
    else:
        fields = [f"data {format_number(node.data, spec)}"]
        gradient_field = f"grad {format_number(gradient, spec)}"
    return fields if node.constant or not gradients else [*fields, gradient_field]


MANY = 1000  # numbers; for arrays with more of them, NumPy is much faster


def norm(x: "float | Iterable[float] | np.ndarray") -> float:
    """Return the Euclidean norm of a number, a list of numbers or an array; nan if one is nan.

    No square overflows or underflows.

    >>> norm([3e200, 4e200]) < 6e200, norm(-2.0)
    (True, 2.0)
    """
    array: Any = x
    if getattr(x, "size", 0) > MANY and 0.0 < (largest := float(abs(array).max())) < math.inf:
        return largest * math.sqrt(((array.astype(float) / largest) ** 2).sum())
    xs: Any = [x] if isinstance(x, float) else x.ravel().tolist() if hasattr(x, "ravel") else x
    return math.nan if any(map(math.isnan, xs)) else math.hypot(*xs)


def blend(colours: tuple[str, str], share: float) -> str:
    """Return the colour between two others, at a share from 0 (the first) to 1 (the second).

    >>> blend(("#000000", "#ff8000"), 0.5)
    '#804000'
    """
    a, b = ([int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours)
    return "#" + "".join(f"{round(x + (y - x) * share):02x}" for x, y in zip(a, b, strict=True))
