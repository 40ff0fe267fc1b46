"""The clone's `engine` and `nn` under their installed names, `stepgrad` and `stepgrad.nn`.

Importing any of these names runs this file once. It loads engine/ as `stepgrad` and nn/ as
`stepgrad.nn`. The names `engine`, `engine.value`, `nn`, ... become aliases: `engine.value` is the
module `stepgrad.value`. Pickles and tracebacks therefore name classes as an installed stepgrad
does. The wheel, which has no `engine`, does not contain this file.
"""

import os
import sys
from importlib import import_module, util
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine import *
    from engine import __version__ as __version__

CLONE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INSTALLED = {"engine": "stepgrad", "nn": "stepgrad.nn"}
MOVED = {  # modules that old pickles name
    "engine.array": "stepgrad.arrays.array",
    "engine.array_ops": "stepgrad.arrays.rules",
    "engine.copying": "stepgrad.support.copying",
}


class Finder:  # without a base class of importlib.abc, whose import takes longer than this one
    """Finds `stepgrad` in engine/ and `stepgrad.nn` in nn/, and aliases of their modules."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name == "stepgrad":  # also when it is reloaded
            return util.spec_from_file_location(name, os.path.join(CLONE, "engine", "__init__.py"))
        if name == "stepgrad.nn":
            return PathFinder.find_spec(name, [CLONE])
        if name == "stepgrad.__main__":  # of `python -m stepgrad`
            return util.spec_from_file_location(name, os.path.join(CLONE, "demos", "__main__.py"))
        package, dot, rest = name.partition(".")
        if package not in INSTALLED:
            return None
        module = util.find_spec(MOVED.get(name, INSTALLED[package] + dot + rest))
        return module and ModuleSpec(name, Alias(module.name), origin=module.origin)  # type: ignore[arg-type]


class Alias:
    """Loads a module that exists under another name, and leaves its own name as it is."""

    def __init__(self, name: str):
        self.name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self.name)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # the import system has replaced it by that of the alias


def load() -> None:
    """Load engine/ in place of this module, and nn/ if its import has led here."""
    finder = Finder()
    sys.meta_path.insert(0, finder)
    spec: Any = finder.find_spec("stepgrad")
    package = util.module_from_spec(spec)
    sys.modules["stepgrad"] = sys.modules["engine"] = package
    spec.loader.exec_module(package)
    if "nn" in sys.modules:
        sys.modules["nn"] = import_module("stepgrad.nn")


load()
