"""The options of a drawing: one frozen record, checked when it is made.

A new option is a field of `Options` and a key of the `TypedDict` of the functions that accept it.
`engine.draw.dot` reads the record.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypedDict, TypeVar, get_type_hints

from engine.draw.other_names import describe_direction, describe_file, refuse_option
from engine.draw.svg import LAYOUTS
from engine.draw.theme import DIRECTIONS, SIZES, THEMES, Sizes, format_number
from engine.support.arguments import check_flag, check_whole

CHOICES = {
    "direction": tuple(DIRECTIONS), "theme": tuple(THEMES), "color": ("kind", "grad"),
    "layout": LAYOUTS,
}  # fmt: skip
Function = TypeVar("Function", bound=Callable[..., object])


class PageOptions(TypedDict, total=False):
    """The options of both `draw` and `step`."""

    direction: str
    theme: str
    format: str
    layout: str
    matrix_size: int


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
    theme: str = "light"
    format: str = ".4g"
    layout: str = "auto"
    matrix_size: int = 6
    locals: bool = False
    color: str = "kind"
    sizes: Sizes = SIZES

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if not isinstance(value, str) or value not in choices:
                remedy = describe_direction(value) if name == "direction" else ""
                raise ValueError(
                    f"{name} must be one of {', '.join(choices)}, got {value!r}"
                    + (remedy and f"; {remedy}")
                )
        check_flag("locals", self.locals)
        check_whole("matrix_size", self.matrix_size)
        try:
            format_number(0.5, self.format)
        except (TypeError, ValueError):
            remedy = describe_file(self.format)
            raise ValueError(
                f"format must be a format of floats such as '.4g', got {self.format!r}"
                + (remedy and f"; {remedy}")
            ) from None


def check_names(options: Mapping[str, object], keywords: type) -> None:
    """Raise TypeError if an option is not a key of `keywords`."""
    known = get_type_hints(keywords)
    for name, value in options.items():
        if name not in known:
            refuse_option(name, value, known)


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
