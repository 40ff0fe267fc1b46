"""Nested lists, tuples and dicts, of which everything else is a leaf."""

from collections.abc import Callable, Iterable
from typing import Any


def map_leaves(f: Callable[[Any], Any], tree: Any) -> Any:
    """Return the tree with f applied to each leaf, in order.

    >>> map_leaves(lambda x: -x, {"w": [1.0, 2.0], "b": 3.0})
    {'w': [-1.0, -2.0], 'b': -3.0}
    """
    if isinstance(tree, dict):
        return {key: map_leaves(f, part) for key, part in tree.items()}
    if isinstance(tree, list | tuple):
        parts = [map_leaves(f, part) for part in tree]
        return parts if isinstance(tree, list) else make_tuple(tree, parts)
    return f(tree)


def make_tuple(like: tuple[Any, ...], parts: list[Any]) -> tuple[Any, ...]:
    """Return a tuple of the class of `like`, which may be a named tuple."""
    return type(like)(*parts) if hasattr(like, "_fields") else tuple(parts)


def leaves(tree: Any) -> list[Any]:
    """Return the leaves in order.

    >>> leaves({"w": [1.0, 2.0], "b": 3.0})
    [1.0, 2.0, 3.0]
    """
    collected: list[Any] = []
    map_leaves(collected.append, tree)
    return collected


def replace_leaves(tree: Any, replacements: Iterable[Any]) -> Any:
    """Return the tree with its leaves replaced, in order.

    >>> replace_leaves({"w": [1.0, 2.0], "b": 3.0}, "xyz")
    {'w': ['x', 'y'], 'b': 'z'}
    """
    rest = iter(replacements)
    return map_leaves(lambda _: next(rest), tree)
