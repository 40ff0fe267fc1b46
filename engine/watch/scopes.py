"""Scopes: the call of a module in which a node was made, for the clusters of drawings.

A graph contains no modules. To mark every node would slow all of them down, so a call marks only
the nodes that cross its border: its arguments, which were made outside, and its results. Any other
node was made where the nodes that use it were made.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from functools import wraps
from typing import Any, NamedTuple, TypeVar
from weakref import ReferenceType, ref

from engine.node import Node
from engine.watch.origin import Origin

Call = TypeVar("Call", bound=Callable[..., Any])
read_slot = vars(Node)["_origin"].__get__  # raises at once where nothing is set


class Scope(NamedTuple):
    """The call of a module, as the mark of a node.

    module  a weak reference to the module; a module may store nodes
    outer   the call around it
    origin  the line of code that made the node, if `record_origins()` was active
    """

    module: "ReferenceType[Any] | None"
    outer: "Scope | None" = None
    origin: Origin | None = None


OUTSIDE = Scope(None)
CURRENT: ContextVar[Scope] = ContextVar("scope", default=OUTSIDE)


def scoped(method: Call, most: int | None = None) -> Call:
    """Return a method of a module that marks the nodes it takes and returns.

    Args:
        method: the method.
        most: how many of its arguments are searched for nodes; by default all.
    """

    @wraps(method)
    def call(module: Any, *args: Any, **options: Any) -> Any:
        outer = CURRENT.get()
        mark(args[:most], outer)
        if options:
            mark(options.values(), outer)
        scope = Scope(ref(module), outer)
        token = CURRENT.set(scope)
        try:
            out = method(module, *args, **options)
        finally:
            CURRENT.reset(token)
        mark((out,), scope)
        return out

    return call  # type: ignore[return-value]


def mark(items: Iterable[Any], scope: Scope) -> None:
    """Mark the computed nodes in nested lists that no call has marked; inner calls are first."""
    for item in items:
        if isinstance(item, Node):
            if item.op is None:
                continue
            try:
                origin = read_slot(item)
            except AttributeError:
                item._origin = scope
            else:
                if type(origin) is not Scope:
                    item._origin = scope._replace(origin=origin)
        elif type(item) is list or type(item) is tuple:
            mark(item, scope)
        elif type(item) is dict:
            mark(item.values(), scope)


def find_scopes(order: Sequence[Node], paths: Mapping[int, str]) -> dict[Node, list[str]]:
    """Return the paths of the modules whose calls made each computed node, the innermost first.

    Args:
        order: the graph in topological order.
        paths: the paths of modules, by their ids; calls of other modules are left out.
    """
    scopes: dict[Node, list[str]] = {}
    for node in reversed(order):
        if node.op is None:
            continue
        origin = getattr(node, "_origin", None)
        if type(origin) is Scope:
            scopes[node] = [*list_paths(origin, paths)]
        scope = scopes.setdefault(node, [])
        for x in node.inputs:  # without a mark, it was made in a call around all its uses
            if x.op is not None:
                known = scopes.get(x)
                scopes[x] = scope if known is None else [path for path in known if path in scope]
    return scopes


def list_paths(scope: Scope, paths: Mapping[int, str]) -> Iterable[str]:
    """Yield the paths of the module of a call and of those around it, the innermost first."""
    outer: Scope | None = scope
    while outer is not None and outer.module is not None:
        path = paths.get(id(outer.module()))
        if path is not None:
            yield path
        outer = outer.outer
