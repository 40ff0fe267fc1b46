"""Every public name and method has a docstring with an example; the examples run as tests."""

import inspect
import pydoc
import re

import pytest

from arguments.test_complete import NAMES
from engine import Array, ConstantArray, Value
from nn import live

DOCUMENTED = {name: x for name, x in NAMES.items() if callable(x)} | {
    name: getattr(live, name) for name in live.__all__
}


def is_ours(x):
    return getattr(x, "__module__", "").startswith("stepgrad")


def methods_of(kind):
    """Return the public methods of a class that it does not inherit from another library."""
    public = [getattr(kind, name) for name in dir(kind) if name[0] != "_"]
    methods = [getattr(f, "__func__", f) for f in public if callable(f) and not inspect.isclass(f)]
    return {f.__qualname__: f for f in methods if is_ours(f) and f.__name__[0] != "_"}


METHODS = {  # with the classes that have them
    name: (
        f,
        [k for k in DOCUMENTED.values() if inspect.isclass(k) and f in methods_of(k).values()],
    )
    for kind in DOCUMENTED.values()
    if inspect.isclass(kind)
    for name, f in methods_of(kind).items()
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_it_says_what_it_is_and_shows_it(name):
    assert ">>>" in (inspect.getdoc(DOCUMENTED[name]) or "")


@pytest.mark.parametrize("name", DOCUMENTED)
def test_help_names_the_types_of_numpy(name):
    """`help` shows ArrayLike and DTypeLike by name."""
    assert "numpy._typing" not in pydoc.render_doc(DOCUMENTED[name])


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_description_and_an_example(name):
    """The example is in its docstring, in an inherited one, or in that of a class that has it."""
    f, kinds = METHODS[name]
    docs = [inspect.getdoc(getattr(kind, f.__name__)) or "" for kind in kinds]
    assert all(docs)
    if not all(">>>" in doc for doc in docs):
        assert not any(issubclass(kind, Value | Array) for kind in kinds)
        examples = "\n".join([inspect.getdoc(kind) for kind in kinds])
        assert re.search(rf"(>>>|\.\.\.) .*\.{f.__name__}\(", examples)


@pytest.mark.parametrize("kind", [Value, Array, ConstantArray])
def test_equality_is_documented_with_an_example(kind):
    assert "only" in kind.__eq__.__doc__
    assert ">>>" in kind.__eq__.__doc__
    assert ">>>" in kind.__ne__.__doc__
