"""The search for the parts of a model in attributes and containers."""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from functools import partial
from itertools import chain
from types import (
    CellType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any

from engine.node import Node
from engine.support.arguments import numpy_type
from engine.support.frames import is_internal

ATOMS = (
    str, bytes, bytearray, memoryview, range, int, float, complex, type(None), type, property,
    classmethod, staticmethod, ModuleType,
)  # fmt: skip
INSTALLED = ("site-packages", "dist-packages")  # folders of libraries
Items = Iterator[tuple[Any, Any]]


class Search:
    """The search in sequences, mappings, arrays of objects, and attributes of objects.

    is_part      a function that is true for the objects to find
    is_searched  a function of a class, true if the attributes of its objects are searched
    """

    atoms: tuple[type, ...] = (*ATOMS, FunctionType)  # objects that are not searched

    def __init__(self, is_part: Callable[[Any], bool], is_searched: Callable[[type], bool]):
        self.is_part, self.is_searched = is_part, is_searched
        self.fields: dict[type, dict[str, Any]] = {}  # the attributes of each class
        self.sets: list[tuple[str, Any]] = []

    def find(self, root: Any) -> list[tuple[str, Any]]:
        """Return `root` and the parts in it, each once, with its path.

        Raises TypeError for a set with a part that is nowhere else, because its order differs
        between runs.
        """
        parts: list[tuple[str, Any]] = [("", root)]
        visited = {id(root): root}  # the objects are kept, because an id may be reused
        stack: list[tuple[str, Items]] = [("", self.contents(root) or iter(()))]
        while stack:
            prefix, items = stack[-1]
            for key, x in items:
                if isinstance(x, self.atoms) or id(x) in visited:
                    continue
                path, is_found = f"{prefix}{key}", self.is_part(x)
                if is_found:
                    parts.append((path, x))
                if isinstance(x, set | frozenset):
                    self.sets.append((path, x))
                inner = self.contents(x)
                if is_found or inner is not None:
                    visited[id(x)] = x
                if inner is not None:
                    stack.append((f"{path}.", inner))
                    break
            else:
                stack.pop()
        while self.sets:
            path, elements = self.sets.pop()
            for _, part in Search(self.is_part, self.is_searched).find(tuple(elements))[1:]:
                if id(part) not in visited:
                    raise TypeError(
                        f"{path} of {root!r} is a set that contains {part!r}; the order of a set "
                        "differs between runs: use a list or a dict"
                    )
        return parts

    def contents(self, x: Any) -> Items | None:
        """Return the objects in `x` with their names or positions; None if it is not searched."""
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
        items: Items | None = None
        if isinstance(x, Mapping):
            items = iter(x.items())
        elif isinstance(x, Sequence | deque):
            items = enumerate(x)
        return chain(self.attributes_of(x), items or ()) if self.is_searched(kind) else items

    def attributes_of(self, x: Any) -> Items:
        """Yield the attributes of an object with their names, those of its class first."""
        kind, own = type(x), getattr(x, "__dict__", {})
        if kind not in self.fields:
            self.fields[kind] = class_attributes(kind, self.atoms)
        for name, field in self.fields[kind].items():
            if name not in own:
                is_slot = isinstance(field, MemberDescriptorType)
                yield name, getattr(x, name, None) if is_slot else field
        yield from own.items()


class DeepSearch(Search):
    """A search that also enters functions, methods and sets: for a message.

    In functions it finds variables of enclosing functions, defaults, and global variables.
    """

    atoms = ATOMS

    def contents(self, x: Any) -> Items | None:
        if isinstance(x, MethodType):
            return iter([("__self__", x.__self__), (x.__name__, x.__func__)])
        if isinstance(x, partial):
            return iter([("func", x.func), ("args", x.args), *x.keywords.items()])
        if isinstance(x, set | frozenset):
            return enumerate(x)
        if not isinstance(x, FunctionType):
            return super().contents(x)
        if is_internal(x.__code__.co_filename):  # perhaps around a function of the user
            wrapped = getattr(x, "__wrapped__", None)
            return self.contents(wrapped) if isinstance(wrapped, FunctionType) else None
        names = zip(x.__code__.co_freevars, x.__closure__ or (), strict=True)
        enclosing = [(name, cell.cell_contents) for name, cell in names if cell != CellType()]
        globals_ = [(name, x.__globals__.get(name)) for name in x.__code__.co_names]
        parts = [(name, value) for name, value in globals_ if self.is_part(value)]
        return iter([*enclosing, *enumerate(x.__defaults__ or ()), *parts])


def class_attributes(kind: type, atoms: tuple[type, ...]) -> dict[str, Any]:
    """Return the attributes of a class and its bases, without those that are not searched."""
    fields = {name: x for base in reversed(kind.__mro__) for name, x in vars(base).items()}
    return {
        name: x
        for name, x in fields.items()
        if not isinstance(x, atoms) and (name[:2] != "__" or isinstance(x, FunctionType))
    }


def is_of_user(kind: type) -> bool:
    """Return whether a class is a dataclass, or defined outside this package and libraries."""
    module = kind.__module__
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    if kind is SimpleNamespace:
        return True
    if is_internal(file):
        return False
    if is_dataclass(kind):
        return True
    is_library = any(folder in file for folder in INSTALLED)
    return not (is_library or module.partition(".")[0] in sys.stdlib_module_names)
