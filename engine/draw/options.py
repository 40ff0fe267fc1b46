"""The options of a drawing: one frozen record, checked when it is made.

A new option is a field of `Options` and a key of the `TypedDict` of the functions that accept it.
`engine.draw.graph.dot` reads the record.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, NoReturn, TypedDict, TypeVar, get_type_hints

from engine.draw.graph.svg import LAYOUTS
from engine.draw.look.theme import DIRECTIONS, SIZES, THEMES, Sizes, format_number
from engine.draw.other_names import (
    describe_direction,
    describe_font,
    describe_format,
    describe_theme,
    describe_width,
    refuse_option,
)
from engine.support.arguments import check_flag, check_positive, check_whole

CHOICES = {
    "direction": tuple(DIRECTIONS), "theme": tuple(x for x in THEMES if x != "monochrome"),
    "color": ("kind", "grad"), "layout": LAYOUTS,
}  # fmt: skip
LENGTH = re.compile(r"(\d+(?:\.\d*)?|\.\d+) ?(cm|mm|in|pt|px)")
POINTS = {"cm": 72.0 / 2.54, "mm": 7.2 / 2.54, "in": 72.0, "pt": 1.0, "px": 0.75}  # of a unit
Function = TypeVar("Function", bound=Callable[..., object])


class PageOptions(TypedDict, total=False):
    """The options of both `draw` and `step`."""

    direction: str
    theme: str
    format: str
    layout: str
    matrix_size: int
    font: str
    font_size: float | None
    width: str | None
    monochrome: bool
    names_only: bool
    gradients: bool | None


class DrawOptions(PageOptions, total=False):
    """The options of `draw`."""

    locals: bool
    color: str


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a drawing, which `engine.draw.draw` documents.

    Raises TypeError or ValueError for a value that an option does not accept.
    """

    direction: str = "right"
    theme: str = "auto"
    format: str = ".4g"
    layout: str = "auto"
    matrix_size: int = 6
    font: str = ""
    font_size: float | None = None
    width: str | None = None
    monochrome: bool = False
    names_only: bool = False
    gradients: bool | None = None
    locals: bool = False
    color: str = "kind"
    sizes: Sizes = SIZES

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value == "monochrome" and self.monochrome:  # of a copy of a record
                continue
            if not isinstance(value, str) or value not in choices:
                expected = f"{name} must be one of {', '.join(choices)}"
                describe = describe_theme if name == "theme" else describe_direction
                refuse_value(expected, value, describe(value))
        check_whole("matrix_size", self.matrix_size)
        for name in ("locals", "monochrome", "names_only"):
            check_flag(name, getattr(self, name))
        if self.gradients is not None:
            check_flag("gradients", self.gradients)
        self._check_size()
        if self.monochrome:
            if self.theme == "dark":
                raise ValueError("monochrome is for white paper; leave out theme='dark'")
            object.__setattr__(self, "theme", "monochrome")  # of a frozen record
        try:
            format_number(0.5, self.format)
        except (TypeError, ValueError):
            expected = "format must be a format of floats such as '.4g'"
            refuse_value(expected, self.format, describe_format(self.format))

    def _check_size(self) -> None:
        """Raise an error unless the font and the sizes are valid; scale `sizes`."""
        if not isinstance(self.font, str) or not re.fullmatch(r"[\w ,.-]*", self.font):
            expected = "font must be the name of a font such as 'Times'"
            refuse_value(expected, self.font, describe_font(self.font))
        if self.width is not None:
            check_positive("width", self.points)
        if self.font_size is not None:
            if self.width is not None:
                raise ValueError(
                    "width scales the texts, too; pass either width or font_size, not both"
                )
            scale = check_positive("font_size", self.font_size) / SIZES.text
            if self.sizes is SIZES:
                object.__setattr__(self, "sizes", Sizes(*[scale * size for size in SIZES]))

    @property
    def points(self) -> float | None:
        """The width in points, or None for the natural one."""
        if self.width is None:
            return None
        number, unit = parse_length(self.width)
        return number * POINTS[unit]

    @property
    def dpi(self) -> float:
        """The resolution of images: 96 for a width in pixels, which are 1/96 inch, else 192."""
        return 96.0 if (self.width or "").endswith("px") else 192.0


def parse_length(text: object) -> tuple[float, str]:
    """Return the number and the unit of a length. Raises ValueError for anything else.

    >>> parse_length("8.5 cm")
    (8.5, 'cm')
    """
    length = LENGTH.fullmatch(text) if isinstance(text, str) else None
    if length is None:
        expected = "width must be a length such as '8cm' or '600px'"
        refuse_value(expected, text, describe_width(text))
    return float(length[1]), length[2]


def refuse_value(expected: str, value: object, remedy: str) -> NoReturn:
    """Raise ValueError for the value of an option, with the remedy if there is one."""
    text = f"{expected}, got {value!r}"
    raise ValueError(f"{text}; {remedy}" if remedy else text) from None


def check_names(options: Mapping[str, object], function: Callable[..., Any]) -> None:
    """Raise TypeError if an option is not a parameter of a function under `show_options`."""
    known = inspect.signature(function).parameters
    for name, value in options.items():
        if name not in known:
            refuse_option(name, value, list(known)[1:])  # without the root


def show_options(keywords: type) -> Callable[[Function], Function]:
    """Return a decorator that lists the options in a function's signature, for `help`.

    They replace its last parameter, `**options`.
    """
    defaults = {field.name: field.default for field in fields(Options)}
    options = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=kind
        )
        for name, kind in get_type_hints(keywords).items()
    ]

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        *parameters, _ = signature.parameters.values()
        decorated: Any = function
        decorated.__signature__ = signature.replace(parameters=[*parameters, *options])
        return function

    return decorate
