"""Public names: `dir()` of nn's modules and of rows shows what is documented and nothing else."""

import ast
import collections
import inspect
from pathlib import Path

import pytest

import nn
from engine import ManyOp, VectorOp
from nn import augment, data, exercises, init, interop, losses, optim, schedules, vector

MODULES = [nn, augment, data, exercises, init, interop, losses, optim, schedules, vector]
modules = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)


@modules
def test_dir_shows_what_is_public_and_nothing_else(module):
    parts = ["exercises"] if module is nn else []  # imported when it is used
    assert dir(module) == sorted([*module.__all__, *parts])
    assert all(hasattr(module, name) for name in module.__all__)


@modules
def test_what_a_module_shows_is_documented(module):
    """Functions and classes by their docstring, tables and modules by that of their module."""
    for name in module.__all__:
        public = getattr(module, name)
        text = inspect.getdoc(public) if callable(public) or inspect.ismodule(public) else None
        assert text or name in module.__doc__, name


@modules
def test_classes_show_no_helpers(module):
    """Methods that are not documented begin with an underscore."""
    for name in module.__all__:
        kind = getattr(module, name)
        if inspect.isclass(kind) and issubclass(kind, nn.Module | optim.Optimizer):
            for attribute in dir(kind):
                if attribute[0] != "_" and inspect.isfunction(getattr(kind, attribute)):
                    assert inspect.getdoc(getattr(kind, attribute)), f"{name}.{attribute}"


@pytest.mark.parametrize("kind", [ManyOp, VectorOp])
def test_rows_show_their_formulas_and_no_protocol(kind):
    assert [name for name in dir(kind) if name[0] != "_"] == [
        "arity", "finite_slopes", "forward", "letters", "locals", "name", "partials", "sequences",
        "unflatten",
    ]  # fmt: skip


ROOT = Path(__file__).parents[1]
# Names with one meaning in several arithmetics, for Values and Arrays, or for several kinds of
# file or table; and public functions, of NumPy or of the field, with two meanings.
SHARED_NAMES = {
    "Activation", "Attention", "BatchNorm", "Embedding", "GPT", "LayerNorm", "MLP", "RMSNorm", "Residual", "Sequential", "Transformer", "activate", "add_up", "choose", "cross_entropy", "describe_array", "einsum", "get",
    "linear", "log_softmax", "logsumexp", "make_norm", "maximum", "minimum", "norm", "read", "share_of_largest", "softmax",
    "softmax_pullback", "split", "where", "zeros",
}  # fmt: skip


def test_a_name_has_one_meaning():
    """A function or class of a module has the name of no other, unless it means the same."""
    files = collections.defaultdict(set)
    for package in ("engine", "nn"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.parse(path.read_text("utf-8")).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[:2] != "__":
                    files[node.name].add(path)
    repeated = {name for name, paths in files.items() if len(paths) > 1}
    assert repeated <= SHARED_NAMES, {name: sorted(files[name]) for name in repeated - SHARED_NAMES}
