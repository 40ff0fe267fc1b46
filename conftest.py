"""The docstrings that pytest collects."""

import ast
import doctest
import inspect
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

COMPILED = (  # modules of engine/tape that import numba
    "kernels", "machine", "passes", "schedule", "summary", "tape",
)  # fmt: skip
collect_ignore = [
    *[f"engine/tape/{name}.py" for name in COMPILED],
    "engine/array_tape/llvm.py",
    "engine/array_tape/loops.py",
    "nn/taped.py",
    "demos/_ledger.py",
    "demos/cost.py",
]
if find_spec("numba"):
    collect_ignore = []

# Files with examples that need PyTorch, ONNX and others; tests/peers runs them.
WITH_EXTRAS = (
    "demos/from_torch.py", "/multigraph.py", "nn/estimator.py", "nn/sklearn.py",
    "interop/onnx_writer.py", "interop/state_names.py", "interop/torch_modules.py",
    "interop/torch_reader.py", "interop/torch_trace.py", "interop/torch_writer.py",
)  # fmt: skip


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the files of extras, also where pytest loads this file as a plugin."""
    return True if collection_path.as_posix().endswith(WITH_EXTRAS) else None


is_from_module = doctest.DocTestFinder._from_module  # type: ignore[attr-defined]


def is_defined_in_module(finder: Any, module: ModuleType, x: Any) -> bool:
    """Return whether doctest looks for the examples of `x` in a module.

    It looks where `__module__` says, which for exceptions is the package that exports them.
    """
    if isinstance(x, type) and issubclass(x, Exception):
        return x.__name__ in class_names(module)
    return is_from_module(finder, module, x)


@cache
def class_names(module: ModuleType) -> set[str]:
    """Return the names of the classes that a module's source defines."""
    tree = ast.parse(inspect.getsource(module))
    return {statement.name for statement in tree.body if isinstance(statement, ast.ClassDef)}


doctest.DocTestFinder._from_module = is_defined_in_module  # type: ignore[attr-defined]
