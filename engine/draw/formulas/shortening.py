"""Long names, shortened in the middle; names that differ still read differently."""

from collections import Counter
from collections.abc import Iterable
from itertools import takewhile

LONGEST_NAME = 24  # characters of a name on a page
DOTS = "…"


def shorten_name(name: str, most: int = LONGEST_NAME) -> str:
    """Return a name of at most `most` characters, the first and the last ones of a longer name.

    >>> shorten_name("the_weight_of_the_first_input", 16)
    'the_weig…t_input'
    """
    if len(name) <= most:
        return name
    return name[: most // 2] + DOTS + name[len(name) - (most - most // 2 - 1) :]


def shorten_names(names: Iterable[str], most: int = LONGEST_NAME) -> dict[str, str]:
    """Return a short name for each name. They are distinct.

    Long names with the same beginning and end show the part in which they differ.

    >>> names = ["the_weight_of_input_%d_in_the_hidden_layer" % i for i in (1, 2)]
    >>> shorten_names(["x", *names])[names[0]]
    'the_we…t_1_i…_layer'
    """
    names = dict.fromkeys(names)
    shorts = {name: shorten_name(name, most) for name in names}
    for rewrite in (show_difference, lambda name, group: name):
        counts = Counter(shorts.values())
        groups: dict[str, list[str]] = {}
        for name, short in shorts.items():
            if counts[short] > 1 and len(name) > most:
                groups.setdefault(short, []).append(name)
        for group in groups.values():
            shorts |= {name: rewrite(name, group) for name in group}
    return shorts


def show_difference(name: str, group: list[str]) -> str:
    """Return the beginning and end of a name, and the part in which it differs from others."""
    start, end = count_common(group), count_common([x[::-1] for x in group])
    middle = name[max(start - 2, 6) : max(start + 1, len(name) - end + 2)]
    return f"{name[:6]}{DOTS}{shorten_name(middle)}{DOTS}{name[-6:]}"


def count_common(names: Iterable[str]) -> int:
    """Return the number of characters with which all names begin."""
    return len([*takewhile(lambda column: len({*column}) == 1, zip(*names, strict=False))])
