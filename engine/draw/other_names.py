"""Names of micrograd, Graphviz, torchviz, matplotlib and Netron, with their names here."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from engine.draw.look.theme import DIRECTIONS

FILES = ("svg", "png", "pdf", "dot", "gv", "html", "jpg", "jpeg", "gif", "ps", "eps")
SAVE = "draw(root).save('graph.svg') writes a file"
SHOW = f"Jupyter displays a drawing, and {SAVE}"
DOT = "draw(root).dot is the text for Graphviz, in which attributes can be changed"
LEVEL = "write level='layers', or level=[...], the paths of modules"
PAGE = "step(root).save('steps.html') writes a page that needs no server"
GRADIENTS = "write gradients=True, or gradients=False"
OPTIONS = {
    **dict.fromkeys(("filename", "directory", "outfile", "cleanup", "path", "save"), SAVE),
    **dict.fromkeys(("view", "quiet", "show", "display", "block", "ax", "fig"), SHOW),
    **dict.fromkeys(("graph_attr", "node_attr", "edge_attr", "body", "comment"), DOT),
    **dict.fromkeys(("bgcolor", "nodesep", "ranksep", "splines", "shape", "style"), DOT),
    **dict.fromkeys(("size", "dpi"), "write width='8cm', or width='600px' for an image"),
    **dict.fromkeys(("height", "figsize"), "write width='8cm'; the height follows from it"),
    **dict.fromkeys(("scale", "zoom"), "write width='16cm' or font_size=14"),
    **dict.fromkeys(("fontname", "fontfamily", "font_family"), "write font='Times'"),
    **dict.fromkeys(("fontsize", "text_size"), "write font_size=9"),
    "engine": "write layout='dot' for the system's Graphviz",
    **dict.fromkeys(("params", "module"), "pass the model as the second argument"),
    **dict.fromkeys(("depth", "max_depth", "expand_nested", "collapse_nodes"), LEVEL),
    "max_nodes": "write limit=1000",
    **dict.fromkeys(("show_attrs", "show_saved"), "write locals=True for the local derivatives"),
    **dict.fromkeys(("grad", "grads", "show_grad", "show_grads", "show_gradients"), GRADIENTS),
    **dict.fromkeys(("show_data", "show_values"), "write names_only=True to leave out numbers"),
    "show_shapes": "the shape of an Array is always shown",
    **dict.fromkeys(("dark", "dark_mode", "mode"), "write theme='dark'"),
    **dict.fromkeys(("background", "facecolor"), "write theme='light' or theme='dark'"),
    **dict.fromkeys(("bw", "grayscale", "greyscale", "black_and_white"), "write monochrome=True"),
    **dict.fromkeys(("colour", "colors", "cmap", "palette"), "write color='grad'"),
    **dict.fromkeys(("orientation", "vertical"), "write direction='down'"),
    "horizontal": "write direction='right'",
    **dict.fromkeys(("precision", "decimals", "digits", "float_format"), "write format='.2f'"),
    "color": "step marks the current step in colour; draw(root, color='grad') shows gradients",
    "locals": "step shows the local derivatives in its formulas",
    **dict.fromkeys(("port", "host", "browser"), PAGE),
    "speed": "the page has a menu for it",
}
FILE_METHODS = (
    "render", "savefig", "write", "write_png", "write_svg", "write_pdf", "pipe", "export",
)  # fmt: skip
SHOW_METHODS = ("show", "view", "display", "open", "plot", "serve", "start")
DOT_METHODS = ("attr", "node", "edge", "edges", "subgraph")
DRAWING = {  # attributes of the objects of other libraries
    **dict.fromkeys(SHOW_METHODS, SHOW),
    **dict.fromkeys(FILE_METHODS, SAVE),
    **dict.fromkeys(DOT_METHODS, "attributes can be changed in the text for Graphviz, .dot"),
    **dict.fromkeys(("source", "to_string"), "the text for Graphviz is .dot"),
    **dict.fromkeys(("to_svg", "_repr_svg_"), "the picture as SVG is .svg"),
    "format": "the suffix of a file is its format; " + SAVE,
}
STEPPER = {
    **dict.fromkeys(SHOW_METHODS, "Jupyter displays a page, and .save('steps.html') writes it"),
    **dict.fromkeys(FILE_METHODS, ".save('steps.html') writes the page"),
    "steps": "the steps are .frames",
    **dict.fromkeys(("next", "play", "run"), "the page has buttons and keys for it"),
    **{name: f"it is an attribute of .drawing: .drawing.{name}" for name in ("svg", "dot")},
    **dict.fromkeys(("source", "to_svg"), "the drawing is .drawing"),
}
NAMES = {  # functions of other modules
    **dict.fromkeys(
        ("make_dot", "draw_graph", "plot_model", "plot_graph", "plot", "show", "visualize"), "draw"
    ),
    **dict.fromkeys(("trace", "animate", "debug"), "step"),
    **{name: f"stepgrad.{name}" for name in ("explain", "latex", "mistakes")},
}


class Answering:
    """A base class whose attributes of other libraries are answered with ours, in `_others`."""

    _others: Mapping[str, str] = {}

    def __getattr__(self, name: str) -> NoReturn:
        text = f"{type(self).__name__!r} object has no attribute {name!r}"
        remedy = self._others.get(name)
        raise AttributeError(f"{text}; {remedy}" if remedy else text, name=name, obj=self)


def describe_direction(value: object) -> str:
    """Return how to write a direction that has another name; "" for an unknown one."""
    names = {code: name for name, code in DIRECTIONS.items()}
    names |= {"VERTICAL": "down", "HORIZONTAL": "right", "TOP-DOWN": "down"}
    name = names.get(str(value).upper())
    return f"write direction={name!r}" if name else ""


def describe_theme(value: object) -> str:
    """Return how to write a theme that has another name; "" for an unknown one."""
    name = str(value).lower()
    is_dark = value is True or name in ("dark", "black", "night")
    theme = "dark" if is_dark else "light" if name in ("light", "white", "default") else ""
    return f"write theme={theme!r}" if theme else ""


def describe_width(value: object) -> str:
    """Return how to write a width without a unit; "" for anything else."""
    number = re.fullmatch(r"(\d+(?:\.\d*)?) *", str(value))
    if number:
        unit = "cm" if float(number[1]) < 50.0 else "px"
        return f"write width='{float(number[1]):g}{unit}'"
    is_share = isinstance(value, str) and value.endswith("%")
    return "leave it out: pages fit a drawing to their width" if is_share else ""


def describe_format(value: object) -> str:
    """Return how to write a format of numbers or a type of file; "" for anything else."""
    digits = re.fullmatch(r"%?\{?:?(\.?\d+)([efg]?)\}?", str(value))
    if digits:
        return f"write format='.{digits[1].lstrip('.')}{digits[2] or 'f'}'"
    return describe_file(value)


def describe_font(value: object) -> str:
    """Return how to write the size of a font; "" for anything else."""
    size = re.fullmatch(r"(\d+(?:\.\d*)?) *(?:pt)?", str(value))
    return f"write font_size={float(size[1]):g}" if size else ""


def describe_level(collapse: object) -> str:
    """Return how to write an argument of the former option `collapse`."""
    if collapse is None:
        return "its name is level, and None is the default"
    level = {True: "layers", False: "values"}[collapse] if isinstance(collapse, bool) else collapse
    return f"write level={level!r}"


def describe_file(value: object) -> str:
    """Return how to write a file of the type `value`; "" if that is not a type of file."""
    is_type = isinstance(value, str) and value.lower().lstrip(".") in FILES
    return SAVE if is_type else ""


def refuse_option(name: str, value: object, known: Iterable[str]) -> NoReturn:
    """Raise TypeError for an unknown option, with the name that it has here, if any."""
    known = [*known]
    remedy = OPTIONS.get(name, "")
    if name == "collapse":
        remedy = describe_level(value)
    if name == "rankdir":
        remedy = describe_direction(value) or "write direction='right'"
    if not remedy:
        from difflib import get_close_matches

        near = get_close_matches(name, known, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise TypeError(f"unknown option {name!r}{hint}; expected one of {', '.join(known)}")
    raise TypeError(f"unknown option {name!r}; {remedy}")


def draw_dot(root: Any = None, format: str = "", rankdir: str = "", **options: object) -> NoReturn:
    """Raise TypeError: micrograd's function is called `draw` here."""
    direction = describe_direction(rankdir).removeprefix("write ")
    call = f"draw(root, {direction})" if direction else "draw(root)"
    suffix = format if format in ("svg", "pdf", "eps", "png", "html", "dot") else "svg"
    raise TypeError(
        f"draw_dot is called draw here: write {call}, and {call}.save('graph.{suffix}') for a file"
    )
