"""Paths through a graph as short texts: two paths that differ read differently."""

from collections import Counter
from collections.abc import Sequence

MOST_STEPS = 6  # names in a route, unless more are required to tell it from others


def shorten_routes(routes: Sequence[Sequence[str]]) -> list[str]:
    """Return a text for each route; of a long route the ends and where it differs from the others.

    >>> long = "abcdefghijk"
    >>> shorten_routes([long, "abcdefghzjk"])
    ['a → b → c → … → i → j → k', 'a → b → c → … → z → j → k']
    >>> shorten_routes([long])
    ['a → b → c → d → … → j → k']
    """
    texts = [write_route(route, choose_steps(route, routes)) for route in routes]
    counts = Counter(texts)
    return [
        write_route(route, set(range(len(route)))) if counts[text] > 1 else text
        for route, text in zip(routes, texts, strict=True)
    ]


def choose_steps(route: Sequence[str], routes: Sequence[Sequence[str]]) -> set[int]:
    """Return the places of the names to show: both ends, and where other routes branch off."""
    if len(route) <= MOST_STEPS:
        return set(range(len(route)))
    places = {0, len(route) - 1}
    for other in routes:
        pairs = enumerate(zip(route, other, strict=False))
        places |= {next((i for i, (x, y) in pairs if x != y), 0)}
    for i in (1, len(route) - 2, 2, 3):
        if len(places) < MOST_STEPS:
            places.add(i)
    return places


def write_route(route: Sequence[str], places: set[int]) -> str:
    """Write the names at some places, and dots where others are left out."""
    texts = []
    for i in sorted(places):
        if i - 1 not in places and i > 0:
            texts.append("…")
        texts.append(route[i])
    return " → ".join(texts)
