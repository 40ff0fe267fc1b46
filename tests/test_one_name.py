"""`stepgrad` is a name of the clone's `engine`, and `stepgrad.nn` of its `nn`: the same modules."""

import inspect
import os
import pickle
import subprocess
import sys
import zlib
from base64 import b85decode
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
import engine.draw.graph.view, nn.losses, stepgrad.draw.graph.view, stepgrad.nn.losses
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
    """The order of the names in imports does not matter."""
    subprocess.run([sys.executable, "-c", SAME.format(first=first)], cwd=ROOT, check=True)


RELOAD = """
import importlib, engine, nn, stepgrad
for module in (stepgrad, engine, nn):
    assert importlib.reload(module) is module
import stepgrad.draw, engine.value
assert stepgrad is engine
assert stepgrad.Value is engine.value.Value
"""


def test_a_reloaded_package_stays_one_package():
    subprocess.run([sys.executable, "-c", RELOAD], cwd=ROOT, check=True)


def test_an_unknown_module_is_missing_under_the_name_that_was_asked_for():
    for name in ("engine.nothing", "stepgrad.nothing", "nn.nothing"):
        with pytest.raises(ModuleNotFoundError, match=f"No module named '{name}'"):
            __import__(name)


def test_names():
    assert stepgrad.__version__ == "0.1.0"
    assert stepgrad.draw is engine.draw
    assert stepgrad.nn is nn
    assert {"Value", "Array", "grad", "draw", "nn"} <= {*dir(stepgrad)}
    assert "class Value(Node[float]):" in inspect.getsource(stepgrad.Value)


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


# Pickles of two graphs by an earlier commit: `Value(3.0, "x")` squared, tanh; an Array squared, sum.
OLD_VALUE = (
    "c-m`VnHtN;00upLsd?#{d8vBI`304kdFfMn*o*S>OXBm>rc9oa!O+9vn^=?$WY$h;of0%9c8W$14^%^0Voqu5lpf"
    "YFFg<ySX5$pUTA(~@d`e<T;uLoW4yX;x@hKHk{6JJCkYbHbFG@_A;?4jCJ#6tgiAkwBQ+gOHrt~nygOoDGgH$r*7"
    "fkUhZJUym!3{M#gU{VT38F27A8tX00D>t9H#b8hgC|22h{fP8E-KAQEuPZDT$Eo9bZ-x%7T8bdHrT)a|Ns5cxfMV"
    "g><XfiTKH^FX9)PAnk<na>X#vwA=ATBl9-nPHzqZM1rko}Q-TaK6!ieGrF3x"
)
OLD_ARRAY = (
    "c-n<hK~LK-6i(A->qJ)-R8>218KAa@XxafGgfvhONL2G-cVxMZ+ZVNsBPS8f0f`;LsN@?D@i+Mgo1LVi0wH|xd$!"
    ";EzVAK1o7%&pZRJZfc`)?@?v6#6`oR>{M=3;1#RTsWELHo-<V?HQnBgzH#I9<T2~0|sqH@l1dyl=}NUrs}Lp>HVR"
    "GlDMgsDr%LUMPJ%wxaIXi&+=B8Xy{jANasoIFx92OcZIhE|4y$_W2x((bS_v@?Vq<#=%#a+6|Dj&OBXyjE4^1PLJ"
    "*fAz|@p%vq3HE0zjKK&@Hb&C30RjIc`Voa)yL#L8?+WA1|Y{ciNDq6cuO^8iRge^iO$t{lHllnX`x>*pvC>olu4Q"
    "(SDI;G?u?5+m&O=kE?V2{8)fdc|v0zCr#0(k3fn7s1cSGBZCMEC;VZ?S~!LIYfVGQj`8NhWh1p{h!8l{c>6&wuhg"
    "-c9-KHQ90YOm&!*M6Jzvpd!>{^|fypt5LE*GZ;0t^dsHS`i%3?^A{1Ww2DFshgvaVn*JM{yZ->WqVyy"
)


def test_pickles_of_modules_that_have_moved_load():
    y, b = (pickle.loads(zlib.decompress(b85decode(x))) for x in (OLD_VALUE, OLD_ARRAY))
    y.backward()
    b.backward()
    assert (y.op.name, y.inputs[0].inputs[0].label) == ("tanh", "x")
    assert (b.data, b.inputs[0].inputs[0].grad.tolist()) == (5.0, [2.0, 4.0])


def test_an_editable_install_is_found_from_any_folder(tmp_path):
    """Notebooks and scripts elsewhere import the clone's packages."""
    environment = {name: x for name, x in os.environ.items() if name != "PYTHONPATH"}
    code = "import stepgrad, engine, nn; assert engine is stepgrad"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
