"""Scopes: the call of a module in which a node was made, for the clusters of drawings.

A graph contains no modules. Marking every node would slow all operations down, so a call marks only
its results, with a record that also lists its arguments. `find_scopes` infers the call of any other
node from these borders.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from copy import deepcopy
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any, NamedTuple, TypeVar
from weakref import ReferenceType, ref

from engine.node import Node
from engine.watch.decorator import drive
from engine.watch.origin import Origin

Call = TypeVar("Call", bound=Callable[..., Any])


class Scope(NamedTuple):
    """The call of a module, as the mark of the nodes that it makes and returns.

    module     a weak reference to the module, since a module may store nodes
    outer      the call around it
    arguments  the nodes among its arguments, which were made outside
    origin     the line of code that made the node, if `record_origins()` was active
    """

    module: "ReferenceType[Any]"
    outer: "Scope | None"
    arguments: tuple[Node, ...]
    origin: Origin | None = None

    def __reduce__(self) -> Any:
        """Return the origin alone: a pickle of a node belongs to no call."""
        return restore_origin, (self.origin,)

    def __deepcopy__(self, memo: Any) -> Any:
        """Return the call of the module's copy, or the origin if the module was not copied before.

        So `deepcopy((model, loss))` keeps the modules of the loss.
        """
        module = memo.get(id(self.module()))
        if module is None:
            return self.origin
        outer = deepcopy(self.outer, memo)
        known = [memo[id(x)] for x in self.arguments if id(x) in memo]
        return Scope(
            ref(module), outer if type(outer) is Scope else None, tuple(known), self.origin
        )


def restore_origin(origin: Origin | None) -> Origin | None:
    """Return the mark of a node that was copied or unpickled."""
    return origin


CURRENT: ContextVar[Scope | None] = ContextVar("scope", default=None)
IS_NODE: dict[type, bool | None] = {}  # of the classes that lists have contained


def scoped(method: Call, most: int | None = None) -> Call:
    """Return a method of a module that marks the nodes it returns.

    Args:
        method: the method.
        most: how many positional arguments to search for nodes; by default all. Results of calls,
            and arguments of a call around it, need no search.
    """

    def begin(module: Any, args: Any, options: Any) -> Scope:
        taken: list[Node] = []
        if most != 0:
            collect([*args[:most], *options.values()], taken)
        return Scope(ref(module), CURRENT.get(), tuple(taken))

    @wraps(method)
    def call(module: Any, *args: Any, **options: Any) -> Any:
        scope = begin(module, args, options)
        token = CURRENT.set(scope)
        try:
            out = method(module, *args, **options)
        finally:
            CURRENT.reset(token)
        mark_results(out, scope)
        return out

    @wraps(method)
    def generate(module: Any, *args: Any, **options: Any) -> Any:
        scope = begin(module, args, options)
        values = method(module, *args, **options)
        return (yield from drive(values, CurrentScope(scope), lambda out: mark_results(out, scope)))

    return generate if isgeneratorfunction(method) else call  # type: ignore[return-value]


class CurrentScope:
    """A context manager inside which a scope is the current one."""

    def __init__(self, scope: Scope):
        self.scope = scope

    def __enter__(self) -> None:
        self.token = CURRENT.set(self.scope)

    def __exit__(self, *_: object) -> None:
        CURRENT.reset(self.token)


def mark_results(out: Any, scope: Scope) -> None:
    """Mark the nodes in a result of a call that have no mark yet, except its arguments."""
    given: list[Node] = []
    collect((out,), given)
    arguments = {*scope.arguments}
    for node in given:
        if node.op is not None and node not in arguments:
            before = getattr(node, "_origin", None)
            if before is None:
                node._origin = scope
            elif type(before) is not Scope:  # a call inside, or an earlier one, made the others
                node._origin = scope._replace(origin=before)


def collect(items: Iterable[Any], nodes: list[Node]) -> None:
    """Append the nodes in nested lists, tuples, dicts and arrays, of any depth, also in cycles."""
    waiting, known = [items], set[int]()
    for values in waiting:
        for item in values:
            kind = type(item)
            if kind is list or kind is tuple:
                kinds = {
                    IS_NODE[x] if x in IS_NODE else classify_type(x) for x in {*map(type, item)}
                }
                if kinds == {True}:
                    nodes += item
                    continue
                inner = item if kinds != {False} else ()
            elif issubclass(kind, Node):
                nodes.append(item)
                continue
            elif issubclass(kind, dict):
                inner = item.values()
            elif issubclass(kind, tuple):
                inner = item
            elif kind.__name__ == "ndarray" and item.dtype == object:
                inner = item.ravel().tolist()
            else:
                continue
            if id(item) not in known:
                known.add(id(item))
                waiting.append(inner)


def classify_type(kind: type) -> bool | None:
    """Return True for a class of nodes, None for a container of objects, and False for another.

    The answer is stored in `IS_NODE`.
    """
    is_container = kind is list or issubclass(kind, tuple | dict) or kind.__name__ == "ndarray"
    answer = IS_NODE[kind] = None if is_container else issubclass(kind, Node)
    return answer


def find_scopes(order: Sequence[Node], paths: Mapping[int, str]) -> dict[Node, list[str]]:
    """Return the paths of the modules whose calls made each computed node, the innermost first.

    A node without a mark was made in a call around all its uses, outside the calls that take it.

    Args:
        order: the graph in topological order.
        paths: the paths of modules, by their ids. Calls of other modules are left out.
    """
    scopes: dict[Node, list[str]] = {}
    marks = {x: scope for x in order if type(scope := getattr(x, "_origin", None)) is Scope}
    for scope in {id(scope): scope for scope in marks.values()}.values():  # modules may lack a hash
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
    """Keep the paths of a node that are in `around`; a node without paths receives all of these."""
    known = scopes.get(node)
    scopes[node] = around if known is None else [path for path in known if path in around]


def name_calls(scope: Scope | None, paths: Mapping[int, str]) -> Iterable[str]:
    """Yield the paths of the module of a call and of those around it, the innermost first."""
    while scope is not None:
        path = paths.get(id(scope.module()))
        if path is not None:
            yield path
        scope = scope.outer
