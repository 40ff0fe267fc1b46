"""Public names: `dir()` of nn's modules and of rows shows what is documented and nothing else."""

import inspect

import pytest

import nn
from engine import ManyOp, VectorOp
from nn import augment, data, init, losses, optim, schedules, vector

MODULES = [nn, augment, data, init, losses, optim, schedules, vector]
modules = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)


@modules
def test_dir_shows_what_is_public_and_nothing_else(module):
    assert dir(module) == sorted(module.__all__)
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
