"""The search for the parts of a model in attributes and containers."""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from itertools import chain
from types import FunctionType, MemberDescriptorType, ModuleType, SimpleNamespace
from typing import Any

from engine.node import Node
from engine.support.arguments import numpy_type
from engine.support.frames import is_internal

ATOMS = (
    str, bytes, bytearray, memoryview, range, int, float, complex, type(None), type, property,
    classmethod, staticmethod, FunctionType, ModuleType,
)  # fmt: skip
INSTALLED = ("site-packages", "dist-packages")  # folders of libraries


def search(
    root: Any, is_part: Callable[[Any], bool], is_searched: Callable[[type], bool]
) -> list[tuple[str, Any]]:
    """Return `root` and the parts in it, each once, with its path.

    The search enters sequences, mappings, arrays of objects, and the attributes of objects whose
    class satisfies `is_searched`: class attributes first, then slots, then the instance's. Raises
    TypeError for a set with a part that is nowhere else, because its order differs between runs.
    """
    parts: list[tuple[str, Any]] = [("", root)]
    visited = {id(root): root}  # the objects are kept, because an id may be reused
    fields: dict[type, dict[str, Any]] = {}  # the attributes of each class
    sets: list[tuple[str, Any]] = []
    stack = [("", contents(root, is_searched, fields) or iter(()))]
    while stack:
        prefix, items = stack[-1]
        for key, x in items:
            if isinstance(x, ATOMS) or id(x) in visited:
                continue
            path, is_found = f"{prefix}{key}", is_part(x)
            if is_found:
                parts.append((path, x))
            if isinstance(x, set | frozenset):
                sets.append((path, x))
            inner = contents(x, is_searched, fields)
            if is_found or inner is not None:
                visited[id(x)] = x
            if inner is not None:
                stack.append((f"{path}.", inner))
                break
        else:
            stack.pop()
    for path, elements in sets:
        for _, part in search(tuple(elements), is_part, is_searched)[1:]:
            if id(part) not in visited:
                raise TypeError(
                    f"{path} of {root!r} is a set that contains {part!r}; the order of a set "
                    "differs between runs: use a list or a dict"
                )
    return parts


def contents(
    x: Any, is_searched: Callable[[type], bool], fields: dict[type, dict[str, Any]]
) -> Iterator[tuple[Any, Any]] | None:
    """Return the objects in `x` with their names, keys or positions; None if it is not searched."""
    kind = type(x)
    if kind is list or kind is tuple:
        return enumerate(x)
    if kind is dict:
        return iter(x.items())
    if isinstance(x, Node):
        return None
    if isinstance(x, numpy_type("ndarray")):
        if x.dtype.kind != "O":
            return None
        places = sys.modules["numpy"].ndindex(x.shape)
        return ((".".join(map(str, place)), x[place]) for place in places)
    items: Iterator[Any] | None = None
    if isinstance(x, Mapping):
        items = iter(x.items())
    elif isinstance(x, Sequence | deque):
        items = enumerate(x)
    if not is_searched(kind):
        return items
    if kind not in fields:
        fields[kind] = class_attributes(kind)
    return chain(attributes(x, fields[kind]), items or ())


def attributes(x: Any, fields: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of an object with their names, those of its class first."""
    own = getattr(x, "__dict__", {})
    for name, field in fields.items():
        if name not in own:
            is_slot = isinstance(field, MemberDescriptorType)
            yield name, getattr(x, name, None) if is_slot else field
    yield from own.items()


def class_attributes(kind: type) -> dict[str, Any]:
    """Return the attributes of a class and its bases that are neither methods nor simple values."""
    names = {name: x for base in reversed(kind.__mro__) for name, x in vars(base).items()}
    return {name: x for name, x in names.items() if name[:2] != "__" and not isinstance(x, ATOMS)}


def is_of_user(kind: type) -> bool:
    """Return whether a class is a dataclass, or defined outside this package and libraries."""
    module = kind.__module__
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    if is_internal(file):
        return False
    if kind is SimpleNamespace or is_dataclass(kind):
        return True
    is_library = any(folder in file for folder in INSTALLED)
    return not (is_library or module.partition(".")[0] in sys.stdlib_module_names)
