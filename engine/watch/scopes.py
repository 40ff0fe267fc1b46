"""Scopes: the call of a module in which a node was made, for the clusters of drawings.

A graph contains no modules. To mark every node would slow all of them down, so a call marks only
its results, with a record that has its arguments, too. `find_scopes` infers the call of any other
node from these borders.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from functools import wraps
from typing import Any, NamedTuple, TypeVar
from weakref import ReferenceType, ref

from engine import value
from engine.node import Node
from engine.watch.origin import Origin

Call = TypeVar("Call", bound=Callable[..., Any])


class Scope(NamedTuple):
    """The call of a module, as the mark of the nodes that it returns.

    module     a weak reference to the module; a module may store nodes
    outer      the call around it
    arguments  the nodes among its arguments, which were made outside
    origin     the line of code that made the node, if `record_origins()` was active
    """

    module: "ReferenceType[Any]"
    outer: "Scope | None"
    arguments: tuple[Node, ...]
    origin: Origin | None = None


class OpenCall(NamedTuple):
    """A call that is running, and the nodes that calls inside it have returned."""

    scope: Scope
    returned: list[Node]


CURRENT: ContextVar[OpenCall | None] = ContextVar("scope", default=None)
IS_NODE: dict[type, bool | None] = {}  # of the classes that lists have contained


def scoped(method: Call, most: int | None = None) -> Call:
    """Return a method of a module that marks the nodes it returns.

    Args:
        method: the method.
        most: how many of its arguments to search for nodes; by default all. Those that are results
            of calls, or arguments of a call around it, need no search.
    """

    @wraps(method)
    def call(module: Any, *args: Any, **options: Any) -> Any:
        outer = CURRENT.get()
        taken: list[Node] = []
        if most != 0:
            collect([*args[:most], *options.values()], taken)
        scope = Scope(ref(module), outer and outer.scope, tuple(taken))
        current = OpenCall(scope, [])
        token = CURRENT.set(current)
        try:
            out = method(module, *args, **options)
        finally:
            CURRENT.reset(token)
        given: list[Node] = []
        collect((out,), given)
        others, keeps_origins = {*taken, *current.returned}, value.observed
        for node in given:
            if node.op is not None and node not in others:
                if keeps_origins:
                    node._origin = scope._replace(origin=node.origin)
                else:
                    node._origin = scope
        if outer is not None:
            outer.returned.extend(given)
        return out

    return call  # type: ignore[return-value]


def collect(items: Iterable[Any], nodes: list[Node]) -> None:
    """Append the nodes in nested lists, tuples and dicts."""
    for item in items:
        kind = type(item)
        if kind is list or kind is tuple:
            kinds = {IS_NODE[x] if x in IS_NODE else classify_type(x) for x in {*map(type, item)}}
            if kinds == {True}:
                nodes += item
            elif kinds != {False}:
                collect(item, nodes)
        elif kind is dict:
            collect(item.values(), nodes)
        elif isinstance(item, Node):
            nodes.append(item)


def classify_type(kind: type) -> bool | None:
    """Return whether a class is that of nodes, or None for a container, and remember the answer."""
    is_container = kind in (list, tuple, dict)
    answer = IS_NODE[kind] = None if is_container else issubclass(kind, Node)
    return answer


def find_scopes(order: Sequence[Node], paths: Mapping[int, str]) -> dict[Node, list[str]]:
    """Return the paths of the modules whose calls made each computed node, the innermost first.

    A node without a mark was made in a call around all its uses, and outside those that take it.

    Args:
        order: the graph in topological order.
        paths: the paths of modules, by their ids; calls of other modules are left out.
    """
    scopes: dict[Node, list[str]] = {}
    marks = {x: scope for x in order if type(scope := getattr(x, "_origin", None)) is Scope}
    for scope in dict.fromkeys(marks.values()):
        for node in scope.arguments:
            limit(scopes, node, [*name_calls(scope.outer, paths)])
    for node in reversed(order):
        if node.op is None:
            continue
        if node in marks:
            scopes[node] = [*name_calls(marks[node], paths)]
        around = scopes.setdefault(node, [])
        for x in node.inputs:
            limit(scopes, x, around)
    return scopes


def limit(scopes: dict[Node, list[str]], node: Node, around: list[str]) -> None:
    """Leave out the paths of a node that are not in `around`, or begin with these."""
    known = scopes.get(node)
    scopes[node] = around if known is None else [path for path in known if path in around]


def name_calls(scope: Scope | None, paths: Mapping[int, str]) -> Iterable[str]:
    """Yield the paths of the module of a call and of those around it, the innermost first."""
    while scope is not None:
        path = paths.get(id(scope.module()))
        if path is not None:
            yield path
        scope = scope.outer
