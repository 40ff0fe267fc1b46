"""Freezing of leaves: a frozen leaf is a constant until it is unfrozen."""

from typing import Any

from engine.graph import CHANGED, deliver
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
    deliver(leaf)
    CHANGED[0] = None
    leaf.__class__ = counterpart_class(type(leaf))
    # A constant has no use for `_dx`: True marks it as frozen.
    leaf._grad, leaf._dx, leaf._dy = leaf._zero, None if flag else True, None
    CHANGES[0] += 1


def counterpart_class(kind: Any) -> Any:
    """Return the class of constants for a class of nodes that require a gradient, or vice versa.

    The first call for a subclass, such as `Weight`, creates its class of constants,
    `ConstantWeight`. Raises TypeError for a subclass of `Constant`.
    """
    if "_counterpart" not in vars(kind):
        if kind.constant:
            raise TypeError(f"a {kind.__name__} is always a constant; make a Value of its .data")
        bases, name = (kind, kind._counterpart), f"Constant{kind.__name__}"
        attributes = {"__slots__": (), "__module__": kind.__module__, "_counterpart": kind}
        attributes["_is_generated"] = True
        kind._counterpart = type(name, bases, attributes)
    return kind._counterpart


def is_frozen(node: Any) -> bool:
    """Return whether a node is a leaf that required a gradient before it was frozen."""
    return node.op is None and node.constant and node._dx is True
