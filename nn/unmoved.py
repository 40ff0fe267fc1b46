"""Leaves that require a gradient although no optimizer moves them."""

import sys
from collections.abc import Collection, Iterable, Iterator
from typing import Any
from weakref import ReferenceType, WeakKeyDictionary, WeakSet, ref

from engine.node import Node
from engine.support.frames import callers, is_internal
from engine.support.instances import find_instances
from engine.watch.gradient_warnings import warn
from engine.watch.state import describe_leaf
from nn.arguments import format_count
from nn.module import Module, find_hidden_parts, find_parts, is_leaf
from nn.search import Search, is_of_user

Leaves = list[ReferenceType[Node]]  # weak: leaves made for one step are not parameters

OPTIMIZERS: WeakSet[Any] = WeakSet()  # all that exist
LEAVES: WeakKeyDictionary[Any, Leaves] = WeakKeyDictionary()  # of the first loss, by optimizer


def weak_references(leaves: Iterable[Node]) -> Leaves:
    return [ref(leaf) for leaf in leaves]


def keep_leaves(optimizer: ReferenceType[Any], leaves: Iterable[Node]) -> None:
    """Keep the leaves of the first loss after an optimizer was made, until it takes its steps."""
    owner = optimizer()
    if owner is not None:
        LEAVES[owner] = weak_references(leaves)


def find_unmoved_leaves(leaves: Iterable[ReferenceType[Node]]) -> list[Node]:
    """Return the leaves that still exist, are of no optimizer, and were never assigned."""
    moved = {id(p) for optimizer in list(OPTIMIZERS) for p in optimizer.parameters}
    existing = [leaf for reference in leaves if (leaf := reference()) is not None]
    return [x for x in existing if id(x) not in moved and not x.constant and x._dy is None]


def exclude_parts(leaves: list[Node], models: list[Module]) -> list[Node]:
    """Return the leaves that are not part of any of the models.

    A part of a model may be frozen by leaving it out of the optimizer.
    """
    known = {id(part) for model in models for _, part in find_parts_or_none(model)}
    return [leaf for leaf in leaves if id(leaf) not in known]


def find_hidden_names(
    leaves: list[Node], parameters: Collection[Node], models: list[Module]
) -> dict[Node, str]:
    """Return the names of leaves in functions of the models that have any of the parameters.

    A leaf that is not there may be an input.
    """
    trained, hidden = {id(p) for p in parameters}, {id(leaf) for leaf in leaves}
    names: dict[Node, str] = {}
    for model in models:
        if any(id(part) in trained for _, part in find_parts_or_none(model)):
            for path, part in find_hidden_parts(model):
                if id(part) in hidden:
                    names[part] = f"{path} of {model!r}"  # the last model is the largest
    return names


def find_variable_names(leaves: list[Node], parameters: Collection[Node]) -> dict[Node, str]:
    """Return the names of leaves that are no part of a model: labels, or names in the user's code.

    A leaf without a label is named if it is a variable, or in an object together with one of the
    parameters. If it is not, as in a list of its own, it may be an input.
    """
    trained, others = {id(p) for p in parameters}, {id(leaf) for leaf in leaves}
    names = {leaf: describe_leaf(leaf) for leaf in leaves if leaf.label}
    for name, x in user_variables():
        if is_leaf(x):
            if id(x) in others:
                names.setdefault(x, name)
            continue
        parts = find_parts_or_none(x, Search(is_leaf, is_of_user))
        if any(id(part) in trained for _, part in parts):
            for path, part in parts:
                if id(part) in others:
                    names.setdefault(part, f"{name}.{path}")
    return names


def user_variables() -> Iterator[tuple[str, Any]]:
    """Yield the variables of the innermost file outside this package that is being executed."""
    frames = [f for f in callers(sys._getframe(1)) if not is_internal(f.f_code.co_filename)]
    for frame in frames:
        if frame.f_code.co_filename == frames[0].f_code.co_filename:
            yield from list(frame.f_locals.items())
    yield from list(frames[0].f_globals.items())


def all_models() -> list[Module]:
    """Return the models that exist, the smallest first. Call it once: it visits all objects."""
    return sorted(find_instances(Module), key=lambda model: len(find_parts_or_none(model)))


def find_parts_or_none(x: Any, search: Search | None = None) -> list[tuple[str, Any]]:
    """Return the parts of a model or, by a search, of any object; none if a set is refused."""
    try:
        return find_parts(x) if search is None else search.find(x)
    except TypeError:
        return []


def describe_unnamed(leaf: Node) -> str:
    """Return the label of a leaf, or the leaf as text."""
    return describe_leaf(leaf) if leaf.label or hasattr(leaf.data, "shape") else repr(leaf)


def warn_of_unmoved(names: list[str], *, has_model: bool = True) -> None:
    """Warn about parameters that no optimizer moves. Without a model they may be inputs."""
    others, pronoun = len(names) - 1, "them" if len(names) > 1 else "it"
    more = f" and {format_count(others, 'more parameter')}" if others else ""
    remedy = f"assign {pronoun} to attributes of the model, where parameters() finds {pronoun}"
    if not has_model:
        remedy = f"pass {pronoun} to the optimizer"
    warn(
        f"{names[0]}{more} will not learn: the loss is computed from {pronoun}, but no optimizer "
        f"moves {pronoun}; {remedy}, or set requires_grad = False"
    )
