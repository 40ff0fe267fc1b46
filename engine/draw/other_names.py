"""micrograd's `draw_dot`, and options of it, of Graphviz and of torchviz, with their names here."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, NoReturn

from engine.draw.look.theme import DIRECTIONS

FILES = ("svg", "png", "pdf", "dot", "gv", "html", "jpg", "jpeg", "gif", "ps", "eps")
SAVE = "draw(root).save('graph.svg') writes a file"
DOT = "draw(root).dot is the text for Graphviz, in which attributes can be changed"
LEVEL = "write level='layers', or level=[...], the paths of modules"
OPTIONS = {
    **dict.fromkeys(("filename", "directory", "outfile", "cleanup"), SAVE),
    **dict.fromkeys(("view", "quiet"), f"Jupyter displays a drawing, and {SAVE}"),
    **dict.fromkeys(("graph_attr", "node_attr", "edge_attr", "body", "comment"), DOT),
    **dict.fromkeys(("bgcolor", "nodesep", "ranksep", "splines", "shape", "style"), DOT),
    **dict.fromkeys(("size", "dpi"), "write width='8cm', or width='600px' for an image"),
    "fontname": "write font='Times'",
    "fontsize": "write font_size=9",
    "engine": "write layout='dot' for the system's Graphviz",
    **dict.fromkeys(("params", "module"), "pass the model as the second argument"),
    **dict.fromkeys(("depth", "expand_nested"), LEVEL),
    **dict.fromkeys(("show_attrs", "show_saved"), "write locals=True for the local derivatives"),
    "colour": "write color='grad'",
}


def describe_direction(value: object) -> str:
    """Return how to write a direction that has Graphviz's name; "" for any other."""
    names = {code: name for name, code in DIRECTIONS.items()}
    name = names.get(str(value).upper())
    return f"write direction={name!r}" if name else ""


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
