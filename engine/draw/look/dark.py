"""The theme "auto": a style sheet in an SVG that replaces its light colours where it is dark.

The attributes of the elements hold the light colours, which programs without CSS show, and which
are printed. An image, or a file, follows the system of its reader, or the `color-scheme` of the
element that shows it. An SVG element in a page follows the `color-scheme` of the page.
"""

import colorsys
import re
from collections.abc import Iterator
from functools import lru_cache

from engine.draw.look.theme import DARK, LIGHT, Theme, blend

CLASS = "follows-theme"


def follow_theme(svg: str) -> str:
    """Return an SVG element with a style sheet of the dark counterparts of its colours."""
    pairs = sorted({*re.findall(r'\b(fill|stroke)="(#[0-9a-f]{6})"', svg)})
    rules = "".join(
        f':where(.{CLASS}) [{name}="{colour}"]{{{name}:light-dark({colour},{darken(colour)})}}\n'
        for name, colour in pairs
    )
    style = (
        f"<style>svg:root{{color-scheme:light dark}}\n{rules}"
        "@media print{svg:root{color-scheme:light}}</style>"
    )
    head, end, body = svg.partition(">")
    return head.replace("<svg", f'<svg class="{CLASS}"', 1) + end + style + body


@lru_cache(1000)
def darken(colour: str) -> str:
    """Return the dark counterpart of a light colour.

    That of a colour of the light theme is in the dark theme, and that of a blend of two is the same
    blend of theirs. Any other colour keeps its hue, and its lightness is reversed.

    >>> darken("#ffffff"), darken("#e3f1fa"), darken(blend(LIGHT.heat, 0.2))
    ('#16191d', '#12324a', '#2e2617')
    """
    counterparts = dict(zip(list_colours(LIGHT), list_colours(DARK), strict=True))
    if colour in counterparts:
        return counterparts[colour]
    for light, dark in zip(list_ramps(LIGHT), list_ramps(DARK), strict=True):
        share = find_share(light, colour)
        if share is not None:
            return blend(dark, share)
    hue, lightness, saturation = colorsys.rgb_to_hls(*(x / 255.0 for x in parse_colour(colour)))
    mixed = colorsys.hls_to_rgb(hue, 1.0 - 0.9 * lightness, saturation)
    return "#" + "".join(f"{round(255.0 * x):02x}" for x in mixed)


def list_colours(theme: Theme) -> Iterator[str]:
    """Yield the colours of a theme, in the same order for each."""
    yield from (theme.paper, theme.ink, theme.pale, theme.frame, theme.tint, theme.mark)
    yield from theme.heat
    yield from theme.signs
    yield from theme.diverging
    for paint in theme.kinds.values():
        yield from paint


def list_ramps(theme: Theme) -> Iterator[tuple[str, str]]:
    """Yield the pairs of colours that drawings blend."""
    yield theme.heat
    for paint in theme.kinds.values():
        yield theme.paper, paint.line


def find_share(ramp: tuple[str, str], colour: str) -> float | None:
    """Return the share at which `blend` gives a colour, or None if it gives it nowhere."""
    channels = [*zip(*map(parse_colour, (*ramp, colour)), strict=True)]
    a, b, x = max(channels, key=lambda channel: abs(channel[1] - channel[0]))
    share = (x - a) / (b - a) if a != b else -1.0
    if not 0.0 <= share <= 1.0:
        return None
    blended = parse_colour(blend(ramp, share))
    near = all(abs(x - y) <= 1 for x, y in zip(blended, parse_colour(colour), strict=True))
    return share if near else None


def parse_colour(colour: str) -> list[int]:
    """Return the red, green and blue of a colour, from 0 to 255."""
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
