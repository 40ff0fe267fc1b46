"""Lazy imports: names that are loaded on first use, and NumPy, which may not be installed."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from engine.support.other_names import refuse_name

MISSING = "{} requires NumPy, which is not installed: pip install numpy"
MISSING_EXTRA = "{} requires {}, which is not installed: pip install 'stepgrad[{}]'"


def attributes(
    space: dict[str, Any], files: dict[str, list[str]], others: Mapping[str, str]
) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package (PEP 562), which loads a name from its file.

    `space` is the `globals()` of the package, or of a module in it; `files` maps files of the
    package to the names they define. A name that equals its file's name refers to the module.
    `others` maps names of other libraries to ours.
    """
    package = space["__name__"]
    file_by_name = {name: file for file, names in files.items() for name in names}

    def load(name: str) -> Any:
        if name not in file_by_name:
            refuse_name(package, name, others)
        file = file_by_name[name]
        try:
            module = import_module(f"{space['__package__']}.{file}")
        except ModuleNotFoundError as problem:
            if problem.name != "numpy":
                raise
            raise ImportError(MISSING.format(f"{package}.{name}"), name="numpy") from None
        space[name] = module if name == file else getattr(module, name)
        return space[name]

    return load


def is_installed(package: str) -> bool:
    """Return whether a package can be imported, without importing it."""
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


@cache
def numpy_if_installed() -> ModuleType | None:
    """Return NumPy, or None if it is not installed."""
    try:
        return import_module("numpy")
    except ModuleNotFoundError:
        return None


def numpy_for(user: str) -> ModuleType:
    """Return NumPy. Raises an ImportError that names `user` if it is not installed."""
    numpy = numpy_if_installed()
    if numpy is None:
        raise ImportError(MISSING.format(user), name="numpy")
    return numpy


def import_extra(module: str, user: str, extra: str) -> ModuleType:
    """Return a module of an optional library.

    Raises an ImportError that names `user` and the extra to install if it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as problem:
        library = module.partition(".")[0]
        if problem.name != library:
            raise
        raise ImportError(MISSING_EXTRA.format(user, library, extra), name=library) from None
