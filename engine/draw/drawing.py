"""`draw`: a graph as a picture."""

import base64
import html
import os
import zlib
from collections.abc import Collection, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.draw import dot as dots
from engine.draw import svg as svgs
from engine.draw.theme import THEMES, number
from engine.draw.view import LIMIT, view
from engine.support.arguments import file_to_write, flag


def draw(
    root: Any,
    model: Any = None,
    *,
    direction: str = "right",
    theme: str = "light",
    format: str = ".4g",
    locals: bool = False,
    color: str = "kind",
    collapse: bool | str | Iterable[str] | None = None,
    limit: int = LIMIT,
    layout: str = "auto",
) -> "Drawing":
    """The graph under `root` as it is now, as a picture.

    A value is a record: label, data, gradient; of an Array the shape and the norms of both. The
    small nodes are operations. Rounded is what comes from outside, with a thick line a parameter
    of the model, dashed a constant; the root has a thick line and corners.

    model       a Module whose neurons and layers are drawn as clusters, by their paths in it
    direction   where the arrows lead: "right", "down", "left" or "up"
    theme       "light" or "dark"
    format      how numbers are written, as in Python's format(x, ".4g")
    locals      whether arrows into an operation carry its local derivative (of an Array the norm)
    color       "kind", or "grad": the larger a gradient, the stronger, three decades down to none
    collapse    the modules to draw as one box each, by their paths; True means all, False none. By
                default none is, unless there are more than `limit` nodes: then neurons are, then
                layers
    limit       how many nodes can be read
    layout      "auto", "embedded" or "dot": which Graphviz does the layout (see `engine.draw.svg`)

    TypeError for what is no graph, ValueError for an option that there is not and for too many
    nodes; it says what to do.

    >>> from engine import Value
    >>> x = Value(3.0, "x")
    >>> y = x * x
    >>> y.backward()
    >>> "x|data\\\\ 3|grad\\\\ 6" in draw(y).dot
    True
    """
    check_look(direction=direction, theme=theme, color=color, layout=layout, format=format)
    locals = flag("locals", locals)
    seen = view(root, model, collapse, limit)
    source = dots.dot(
        seen, direction=direction, theme=theme, format=format, locals=locals, heat=color == "grad"
    )
    return Drawing(source, title_of(len(seen.drawn)), layout)


def title_of(nodes: int) -> str:
    return f"computational graph of {nodes} node{'s' * (nodes != 1)}"


def check_look(format: str, **options: str) -> None:
    """ValueError that lists what there is, for an option that there is not."""
    known: dict[str, Collection[str]] = {
        "direction": dots.DIRECTIONS, "theme": THEMES, "color": ("kind", "grad"),
        "layout": svgs.LAYOUTS,
    }  # fmt: skip
    for name, given in options.items():
        if not isinstance(given, str) or given not in known[name]:
            raise ValueError(f"{name} is one of {', '.join(known[name])}, got {given!r}")
    try:
        number(0.5, format)
    except (TypeError, ValueError):
        raise ValueError(f"format is one for a float, such as '.4g', got {format!r}") from None


class Drawing:
    """A picture of a graph: `.dot` and `.svg` are text, `.save(path)` writes a file.

    In Jupyter it shows itself. It stays as it was drawn, whatever happens to the graph.

    >>> from engine import Value
    >>> draw(Value(3.0, "x") * 2.0)
    <computational graph of 3 nodes; .save('graph.svg') writes it>
    """

    def __init__(self, dot: str, title: str, layout: str = "auto"):
        self.dot, self.title, self.layout = dot, title, layout

    @cached_property
    def svg(self) -> str:
        """The picture as an SVG element. RuntimeError where there is no Graphviz."""
        text = svgs.rendered(self.dot, "svg", self.layout).decode()
        return svgs.picture(text, f"g{zlib.crc32(self.dot.encode()):08x}", self.title)

    @property
    def html(self) -> str:
        """A page of its own."""
        title = html.escape(self.title)
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f"</head>\n<body>\n{self.svg}</body></html>\n"
        )

    @property
    def image(self) -> str:
        """As HTML that any page may hold, an untrusted notebook too: an image.

        It shrinks to fit, as long as its texts can be read, and then scrolls.
        """
        width = float(self.svg.partition(' width="')[2].partition("pt")[0])
        picture = base64.b64encode(self.svg.encode()).decode()
        return (
            f'<div style="overflow-x:auto"><img alt="{self.title}" style="width:100%;'
            f'min-width:{0.72 * width:.0f}pt;max-width:{width:.0f}pt" '
            f'src="data:image/svg+xml;base64,{picture}"></div>'
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a .svg, .dot, .png or .html file, and return its path; ValueError for another.

        FileNotFoundError where there is no such folder.
        """
        writers = {
            ".svg": lambda: self.svg.encode(),
            ".dot": lambda: self.dot.encode(),
            ".png": lambda: svgs.rendered(self.dot, "png", self.layout),
            ".html": lambda: self.html.encode(),
        }
        path = file_to_write("a drawing", path, writers)
        path.write_bytes(writers[path.suffix.lower()]())
        return path

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<{self.title}; .save('graph.svg') writes it>"
