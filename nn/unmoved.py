"""Leaves that require a gradient although no optimizer moves them."""

import gc
from collections.abc import Collection, Iterable
from typing import Any
from weakref import ReferenceType, WeakKeyDictionary, WeakSet, ref

from engine.node import Node
from engine.watch.gradient_warnings import warn
from engine.watch.state import describe_leaf
from nn.arguments import format_count
from nn.module import Module, find_hidden_parts, find_parts

Leaves = list[ReferenceType[Node]]  # weak: a leaf made for one step is none to train

OPTIMIZERS: WeakSet[Any] = WeakSet()  # all that exist
LEAVES: WeakKeyDictionary[Any, Leaves] = WeakKeyDictionary()  # of the first loss, by optimizer


def weak_references(leaves: Iterable[Node]) -> Leaves:
    return [ref(leaf) for leaf in leaves]


def keep_leaves(optimizer: ReferenceType[Any], leaves: Iterable[Node]) -> None:
    """Keep the leaves of the first loss after an optimizer was made, until it takes its steps."""
    owner = optimizer()
    if owner is not None:
        LEAVES[owner] = weak_references(leaves)


def unmoved_leaves(leaves: Iterable[ReferenceType[Node]]) -> list[Node]:
    """Return the leaves that still exist, are of no optimizer, and were never assigned."""
    moved = {id(p) for optimizer in list(OPTIMIZERS) for p in optimizer.parameters}
    existing = [leaf for reference in leaves if (leaf := reference()) is not None]
    return [x for x in existing if id(x) not in moved and not x.constant and x._dy is None]


def find_hidden_names(leaves: Iterable[Node], parameters: Collection[Node]) -> list[str]:
    """Return the names of leaves that a model of these parameters holds where it does not search.

    A part of any model that exists is not hidden: it may be frozen by leaving it out. A leaf that
    no model holds may be an input.
    """
    ids = {id(p) for p in parameters}
    models = {id(x): x for x in gc.get_objects() if issubclass(type(x), Module)}
    parts = {owner: find_parts_or_none(model) for owner, model in models.items()}
    known = {id(x) for rows in parts.values() for _, x in rows}
    hidden = {id(leaf) for leaf in leaves} - known
    if not hidden:
        return []
    names: dict[int, str] = {}
    # The largest model has the longest path.
    for owner, rows in sorted(parts.items(), key=lambda item: -len(item[1])):
        if any(id(x) in ids for _, x in rows):
            for path, x in find_hidden_parts(models[owner]):
                if id(x) in hidden:
                    names.setdefault(id(x), f"{path} of {models[owner]!r}")
    return list(names.values())


def find_parts_or_none(model: Module) -> list[tuple[str, Any]]:
    """Return the parts of a model, and none of a model with a set that is refused."""
    try:
        return find_parts(model)
    except TypeError:
        return []


def describe_unnamed(leaf: Node) -> str:
    """Return the label of a leaf, or the leaf as text."""
    return describe_leaf(leaf) if leaf.label or hasattr(leaf.data, "shape") else repr(leaf)


def warn_of_unmoved(names: list[str]) -> None:
    others, pronoun = len(names) - 1, "them" if len(names) > 1 else "it"
    more = f" and {format_count(others, 'more parameter')}" if others else ""
    warn(
        f"{names[0]}{more} will not learn: the loss is computed from {pronoun}, but no optimizer "
        f"moves {pronoun}; assign {pronoun} to attributes of the model, where parameters() finds "
        f"{pronoun}, or set requires_grad = False"
    )
