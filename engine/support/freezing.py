"""Freezing of leaves: a frozen leaf is a constant until it is unfrozen."""

from typing import Any

from engine.support.arguments import is_bool

CHANGES = [0]  # the number of leaves that were frozen or unfrozen so far


def set_requires_grad(leaf: Any, flag: object) -> None:
    """Make a leaf a constant, or a constant leaf one that requires a gradient.

    The leaf stays the same object; its class changes. Its gradient becomes 0.
    """
    if not is_bool(flag):
        raise TypeError(f"requires_grad must be True or False, got {flag!r}")
    if leaf.op is not None:
        raise ValueError(
            f"requires_grad can be set for leaves, got {leaf!r}, which was computed; "
            "detach() returns a constant with its data"
        )
    if bool(flag) is leaf.requires_grad:
        return
    kind = type(leaf)
    other = getattr(kind, "_counterpart", None)
    if other is None or other._counterpart is not kind:
        raise TypeError(f"a {kind.__name__} cannot be frozen; replace it by its detach()")
    leaf.__class__ = other
    # A constant has no use for `_dx`: True marks it as frozen.
    leaf._grad, leaf._dx, leaf._dy = leaf._zero, None if flag else True, None
    CHANGES[0] += 1


def is_frozen(node: Any) -> bool:
    """Return whether a node is a leaf that required a gradient before it was frozen."""
    return node.op is None and node.constant and node._dx is True
