"""`stepgrad` is a name of the clone's `engine`, and `stepgrad.nn` of its `nn`: the same modules."""

import inspect
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import engine
import engine.draw
import nn
import stepgrad
from nn import vector

ROOT = Path(__file__).parents[1]

SAME = """
import sys
import {first}
import engine.draw.view, nn.losses, stepgrad.draw.view, stepgrad.nn.losses
from engine import Value as A; from stepgrad import Value as B
assert A is B
for name, module in sys.modules.items():
    package, dot, rest = name.partition(".")
    if package in ("engine", "nn"):
        installed = {{"engine": "stepgrad", "nn": "stepgrad.nn"}}[package] + dot + rest
        assert sys.modules[installed] is module, name
        assert module.__name__ == module.__spec__.name == installed, name
"""
FIRST = ["stepgrad", "stepgrad.nn", "stepgrad.draw", "engine", "engine.value", "nn", "nn.vector"]


@pytest.mark.parametrize("first", FIRST)
def test_every_module_is_loaded_once(first):
    """Whichever name is imported first."""
    subprocess.run([sys.executable, "-c", SAME.format(first=first)], cwd=ROOT, check=True)


def test_an_unknown_module_is_missing_under_the_name_that_was_asked_for():
    for name in ("engine.nothing", "stepgrad.nothing", "nn.nothing"):
        with pytest.raises(ModuleNotFoundError, match=f"No module named '{name}'"):
            __import__(name)


def test_names():
    assert stepgrad.__version__ == "0.1.0"
    assert stepgrad.draw is engine.draw
    assert stepgrad.nn is nn
    assert {"Value", "Array", "grad", "draw", "nn"} <= {*dir(stepgrad)}
    assert "class Value(Node):" in inspect.getsource(stepgrad.Value)


@pytest.mark.parametrize(
    "x", [engine.Value(2.0, "x").tanh(), nn.MLP(2, [1], rng=0), vector.MLP(2, [1], rng=0)], ids=repr
)
def test_pickles_name_the_installed_package(x):
    saved = pickle.dumps(x, 0)
    assert b"cstepgrad." in saved
    assert b"cengine" not in saved
    assert b"cnn" not in saved
    old = saved.replace(b"cstepgrad.nn", b"cnn").replace(b"cstepgrad", b"cengine")
    assert type(pickle.loads(old)) is type(x)


def test_pickles_name_modules_that_have_moved():
    x = engine.Array([1.0, 2.0]).exp()
    saved = pickle.dumps(x, 0)
    for new, old in (("arrays.array", "array"), ("support.copying", "copying")):
        assert f"cstepgrad.{new}\n".encode() in saved
        saved = saved.replace(f"cstepgrad.{new}\n".encode(), f"cengine.{old}\n".encode())
    assert (pickle.loads(saved).data == x.data).all()
