"""Arguments that transformers of Values and of Arrays check alike."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from nn.arguments import check_whole, format_count
from nn.init import normal

SMALL = partial(normal, std=0.08)  # the initializer of a GPT
NORMS = {name: name for name in ("rms_norm", "layer_norm")}


def check_heads(width: int, heads: int) -> tuple[int, int]:
    """Return the width and the number of heads. Raises ValueError unless the heads divide it."""
    width = check_whole("the width", width)
    heads = check_whole("the number of heads", heads)
    if width % heads:
        raise ValueError(
            f"the width must be a multiple of the number of heads, got {width} and {heads}"
        )
    return width, heads


def check_length(name: str, length: int, positions: int) -> None:
    """Raise ValueError unless a sequence has from 1 to `positions` tokens."""
    if not 0 < length <= positions:
        expected = f"1 to {format_count(positions, 'token')}"
        raise ValueError(f"{name} expects {expected}, one for each position, got {length}")


def check_pairs(length: int) -> None:
    """Raise ValueError unless a document has 2 tokens or more."""
    if length < 2:
        raise ValueError(f"loss expects a document of 2 tokens or more, got {length}")


def format_settings(settings: Mapping[str, tuple[Any, Any]]) -> str:
    """Return the settings that differ from their defaults, for a repr.

    >>> format_settings({"momentum": (0.5, 0.1), "eps": (1e-05, 1e-05)})
    ', momentum=0.5'
    """
    return "".join([f", {name}={x!r}" for name, (x, default) in settings.items() if x != default])
