"""Every public name has a docstring with an example; the examples run as tests."""

import inspect
import pydoc

import pytest

from arguments.test_complete import NAMES
from engine import Array, Value

DOCUMENTED = {name: x for name, x in NAMES.items() if callable(x)}
METHODS = {
    f"{kind.__name__}.{name}": getattr(kind, name)
    for kind in (Value, Array)
    for name in dir(kind)
    if name[0] != "_" and callable(getattr(kind, name))
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_it_says_what_it_is_and_shows_it(name):
    assert ">>>" in (inspect.getdoc(DOCUMENTED[name]) or "")


@pytest.mark.parametrize("name", DOCUMENTED)
def test_help_names_the_types_of_numpy(name):
    """`help` shows ArrayLike and DTypeLike by name."""
    assert "numpy._typing" not in pydoc.render_doc(DOCUMENTED[name])


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_is(name):
    assert inspect.getdoc(METHODS[name])
