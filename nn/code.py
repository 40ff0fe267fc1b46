"""A checksum of a function, by which results of an older version of it are recognized."""

import copyreg
import dis
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CellType, CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any

import numpy as np

from engine.node import Node
from engine.support.frames import is_internal
from nn.checkpoint import fingerprint
from nn.search import INSTALLED, is_of_user

LENGTH = 12  # hexadecimal digits
PROTOCOL = 4  # of pickle
Parts = Iterator[Any]  # of words, and of other Parts
UNUSED = ("__dict__", "__weakref__", "__module__", "__firstlineno__", "__static_attributes__")


def code_checksum(f: Callable[..., Any]) -> str:
    """Return a checksum of the code of a function, and of everything that it refers to.

    It covers the bytecode, constants, defaults, variables of enclosing functions, and global
    variables; functions and classes among them in the same way, unless a library defines them.
    Other objects are described by what `pickle` would store. Comments, file names and line
    numbers do not matter. Raises ValueError for sets that are nested in hundreds of others.

    >>> rate = 0.1
    >>> before, same = code_checksum(lambda x: rate * x), code_checksum(lambda x: rate * x)
    >>> rate = 0.2
    >>> before == same, before == code_checksum(lambda x: rate * x)
    (True, False)
    """
    digest = hashlib.sha256()
    try:
        for word in CodeWords().of(f):
            digest.update(f"{word}\0".encode())
    except RecursionError:  # the elements of a set are described before they are sorted
        raise ValueError(
            f"{f!r} refers to sets that are nested too deeply for its checksum; use lists"
        ) from None
    return digest.hexdigest()[:LENGTH]


class CodeWords:
    """The words that describe an object and what it refers to, the same in each process."""

    def __init__(self, visited: Mapping[int, tuple[int, Any]] = MappingProxyType({})):
        # Numbers by id; the objects are kept, because an id may be reused.
        self.visited = {**visited}

    def of(self, x: Any) -> Iterator[str]:
        """Yield the words of an object. Lists and objects in it may be nested to any depth."""
        stack = [self.describe(x)]
        while stack:
            part = next(stack[-1], None)
            if isinstance(part, str):
                yield part
            elif part is None:
                stack.pop()
            else:
                stack.append(part)

    def describe(self, x: Any) -> Parts:
        """Yield the parts of an object, or its number if it was described before."""
        if x is None or x is ... or isinstance(x, str | int | float | complex | np.generic):
            yield repr(x)
            return
        if isinstance(x, bytes):
            yield hashlib.sha256(x).hexdigest()
            return
        if id(x) in self.visited and not isinstance(x, tuple):  # Python may share equal tuples
            yield f"#{self.visited[id(x)][0]}"
            return
        self.visited[id(x)] = len(self.visited), x
        yield f"{type(x).__module__}.{type(x).__qualname__}"
        yield self.contents(x)

    def contents(self, x: Any) -> Parts:
        """Yield the parts of the contents of an object."""
        if isinstance(x, FunctionType):
            yield self.function(x)
        elif isinstance(x, type):
            yield self.class_(x)
        elif isinstance(x, ModuleType):
            yield x.__name__
        elif type(x) is np.ndarray and not x.dtype.hasobject:
            yield self.each([fingerprint(x), str(x.dtype)])
        elif isinstance(x, Node):
            yield self.describe(x.data)
        elif hasattr(x, "detach"):  # a tensor of PyTorch, whose pickle contains addresses
            yield self.each([fingerprint(x.detach().cpu().double()), str(x.dtype)])
        elif isinstance(x, Mapping):
            yield self.each([part for item in x.items() for part in item])
        elif isinstance(x, set | frozenset):  # their order differs between processes
            yield from sorted("\0".join(CodeWords(self.visited).of(element)) for element in x)
        elif isinstance(x, list | tuple):
            yield self.each(x)
        else:
            yield self.state(x)

    def state(self, x: Any) -> Parts:
        """Yield the parts of what `pickle` would store, or of the attributes if it cannot."""
        reduce = copyreg.dispatch_table.get(type(x))
        try:
            parts = reduce(x) if reduce else x.__reduce_ex__(PROTOCOL)
        except Exception:  # classes raise errors of many kinds
            parts = "not pickled"
        if isinstance(parts, str):  # the name of a global variable
            yield parts
            yield self.describe(getattr(x, "__dict__", None))
        else:
            yield self.each([[*part] if isinstance(part, Iterator) else part for part in parts])

    def each(self, objects: Iterable[Any]) -> Parts:
        for x in objects:
            yield self.describe(x)
        yield "end"

    def function(self, f: FunctionType) -> Parts:
        """Yield the name of a function, with its code and references if no library defines it."""
        yield f.__qualname__
        file = f.__code__.co_filename
        if is_internal(file) or any(folder in file for folder in INSTALLED):
            yield f.__module__
            return
        yield self.code(f.__code__)
        enclosing = [cell.cell_contents for cell in f.__closure__ or () if cell != CellType()]
        yield self.each([f.__defaults__, f.__kwdefaults__, *enclosing])
        for name in dict.fromkeys(global_names(f.__code__)):
            x: Any = f.__globals__
            for part in name.split("."):
                x = x.get(part) if isinstance(x, dict) else getattr(x, part, None)
                if not isinstance(x, ModuleType):
                    break
            yield name
            yield self.describe(x)

    def code(self, code: CodeType) -> Parts:
        """Yield the instructions, the names and the constants, also of functions inside."""
        yield from map(str, (code.co_code.hex(), code.co_names, code.co_varnames, code.co_freevars))
        for x in code.co_consts:
            yield self.code(x) if isinstance(x, CodeType) else self.describe(x)

    def class_(self, kind: type) -> Parts:
        """Yield the name of a class and, if the user defined it, its bases and attributes."""
        yield f"{kind.__module__}.{kind.__qualname__}"
        if not is_of_user(kind):
            return
        yield self.each(kind.__bases__)
        for name, x in vars(kind).items():
            if name not in UNUSED:
                yield name
                yield self.describe(getattr(x, "__func__", getattr(x, "fget", x)))


def global_names(code: CodeType) -> Iterator[str]:
    """Yield the global variables that code reads, with their attributes, as in `models.Net`.

    >>> [*global_names((lambda: len(dis.opname)).__code__)]
    ['len', 'dis.opname']
    """
    name = ""
    for step in dis.get_instructions(code):
        if name and step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            name = f"{name}.{step.argval}"
            continue
        if name:
            yield name
        name = step.argval if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") else ""
    for x in code.co_consts:
        if isinstance(x, CodeType):
            yield from global_names(x)
