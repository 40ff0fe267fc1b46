"""Names of other libraries are answered with ours: attributes, methods, keywords, classes."""

import copy
import inspect
import re
from importlib.util import find_spec

import numpy as np
import pytest

import engine
import nn
from engine import Array, Constant, Value, concatenate, flip, logsumexp, softmax, stack
from engine.support.other_names import ARRAY_METHODS, ATTRIBUTES, FUNCTIONS, METHODS
from nn import MLP, losses, optim, other_names, schedules, vector

ARRAY, VALUE = Array([[1.0, 2.0]]), Value(2.0)


@pytest.mark.parametrize(
    ("node", "name", "remedy"),
    [
        (VALUE, "item", r"the data is \.data"),
        (ARRAY, "numpy", r"the data is \.data"),
        (VALUE, "clone", r".* x\.detach\(\)"),
        (VALUE, "add", r"write x \+ y"),
        (ARRAY, "relu_", r"write x = x\.relu\(\)"),
        (ARRAY, "view", r"write x\.reshape\(shape\)"),
        (ARRAY, "median", r"write np\.median\(x\)"),
        (ARRAY, "isfinite", r"write np\.isfinite\(x\)"),
        (ARRAY, "vstack", r"write np\.vstack\(x\)"),
        (ARRAY, "arctan", r"write x\.atan\(\)"),
    ],
)
def test_attributes_of_nodes(node, name, remedy):
    assert not hasattr(node, name)
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'; {remedy}"):
        getattr(node, name)


@pytest.mark.parametrize("node", [VALUE, ARRAY, Constant(1.0)], ids=lambda x: type(x).__name__)
@pytest.mark.parametrize("name", [name for name in ATTRIBUTES if name != "item"])  # of Arrays
def test_reading_and_assigning_an_attribute_have_one_answer(node, name):
    for access in (getattr, delattr, lambda node, name: setattr(node, name, 0.0)):
        with pytest.raises(AttributeError, match=re.escape(ATTRIBUTES[name])) as error:
            access(node, name)
        assert (error.value.name, error.value.obj) == (name, node)
    for kind in (node, type(node)):
        assert not hasattr(kind, name)
        assert name not in dir(kind)


def test_a_subclass_may_have_the_attributes_of_other_libraries():
    class Weight(Value):
        __slots__ = ("m",)

    class Named(Value):
        step = 3

        def __init__(self, data, name):
            super().__init__(data)
            self.name, self.m = name, 0.0

    assert not hasattr(Weight(1.0), "m")
    assert "m" in dir(Weight)
    assert "m" not in dir(Named)
    assert "item" in dir(ARRAY)
    weight, named = Weight(1.0), Named(1.0, "w")
    weight.m = 0.5
    assert (weight.m, named.name, named.m, named.step) == (0.5, "w", 0.0, 3)
    assert copy.copy(named).name == "w"
    assert "name" in vars(named)
    del named.name
    for access in (getattr, delattr):
        with pytest.raises(AttributeError, match=r"the name of a node is its \.label"):
            access(named, "name")


@pytest.mark.parametrize("name", ["lable", "polyfit", "ndarray", "nansum_"])
def test_other_attributes_have_no_remedy(name):
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'$"):
        getattr(ARRAY, name)


def test_methods_that_nodes_have_need_no_answer():
    for name in METHODS:
        assert not hasattr(Value, name)
    for name in ARRAY_METHODS:
        assert not hasattr(Array, name)


@pytest.mark.parametrize(
    ("model", "name", "remedy"),
    [
        (vector.MLP(2, [1]), "to_vector", "it is a module of Arrays already"),
        (MLP(2, [1]), "to_scalar", "it is a module of Values already"),
        (vector.GPT(3, 4, 1, 1, 2), "to_vector", "it is a module of Arrays already"),
        (vector.Dropout(), "to_scalar", "only modules of nn.vector with a counterpart of Values"),
        (nn.Neuron(2), "to_vector", "only modules of nn.scalar with a counterpart of Arrays"),
        (MLP(2, [1]), "forward", r"call it: model\(X\)"),
        (MLP(2, [1]), "fit", r"write nn\.fit\(model"),
    ],
)
def test_attributes_of_modules(model, name, remedy):
    assert not hasattr(model, name)
    message = f"^'{type(model).__name__}' object has no attribute '{name}'; {remedy}"
    with pytest.raises(AttributeError, match=message):
        getattr(model, name)


def test_other_attributes_of_modules():
    """The error of a property is not hidden, and modules have no name that is answered."""

    class Net(nn.Module):
        @property
        def size(self):
            return self.width

    with pytest.raises(AttributeError, match=r"'Net' object has no attribute 'width'$"):
        getattr(Net(), "size")  # noqa: B009
    for name in other_names.ATTRIBUTES:
        assert not hasattr(nn.Module, name)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ARRAY.sum(dim=0), r"sum\(\) got .* 'dim'; write axis"),
        (lambda: ARRAY.max(0, keepdim=True), r"max\(\) got .* 'keepdim'; write keepdims"),
        (lambda: ARRAY.var(correction=1), "'correction'; write ddof"),
        (lambda: ARRAY.argmax(dim=1), "'dim'; write axis"),
        (lambda: concatenate([ARRAY, ARRAY], dim=1), r"concatenate\(\) got .*; write axis"),
        (lambda: stack([ARRAY], dim=0), "write axis"),
        (lambda: flip(ARRAY, dims=(0,)), "write axis"),
        (lambda: softmax(ARRAY, dim=0), "write axis"),
        (lambda: logsumexp(ARRAY, dim=0, keepdim=True), "'dim'; write axis"),
        (lambda: ARRAY.sum(dims=0, other=3), "'dims'; write axis"),
        (lambda: ARRAY.sum(other=3), "'other'$"),
        (
            lambda: Array([1.0], requires_grad=True),
            "'requires_grad'; only a ConstantArray does not",
        ),
        (lambda: ARRAY.logsumexp(correction=1), "'correction'$"),
    ],
)
def test_keywords(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_methods_keep_their_signatures():
    assert str(inspect.signature(Array.max)).startswith("(self, axis: ")
    assert Array.max.__doc__.startswith("Return the maximum")


@pytest.mark.parametrize(
    ("module", "name", "here"),
    [
        (nn, "Linear", "nn.Layer, or vector.Dense"), (nn, "MSELoss", "losses.mse"),
        (nn, "GPT", "scalar.GPT, or vector.GPT of Arrays"), (nn, "LayerNorm", "scalar.LayerNorm, or"),
        (nn, "ReLU", "activation='relu'"), (vector, "Linear", "vector.Dense"),
        (vector, "BatchNorm1d", "vector.BatchNorm"), (losses, "bce", "losses.binary_cross_entropy"),
        (optim, "lr_scheduler", "nn.schedules"), (schedules, "StepLR", "schedules.step_decay"),
        (engine, "tensor", "Value or Array"), (engine, "cat", "concatenate"),
    ],
)  # fmt: skip
def test_names_in_modules(module, name, here):
    assert not hasattr(module, name)
    assert name not in dir(module)
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'; it is called {here}"):
        getattr(module, name)
    with pytest.raises(AttributeError, match=r"has no attribute 'Nothing'$"):
        module.Nothing  # noqa: B018


@pytest.mark.parametrize(
    ("statement", "remedy"),
    [
        (
            "from engine import step",
            r"'step' from 'stepgrad'; write from stepgrad\.draw import step",
        ),
        (
            "from nn import step",
            r"'step' from 'stepgrad\.nn'; write from stepgrad\.draw import step",
        ),
        ("from engine import tensor", "'tensor' from 'stepgrad'; it is called Value or Array here"),
        ("from nn.losses import bce", r"; it is called losses\.binary_cross_entropy here"),
        ("from engine.draw import make_dot", "; it is called draw here"),
    ],
)
def test_imports_of_other_names(statement, remedy):
    """Python replaces the AttributeError of a module by an ImportError without the remedy."""
    with pytest.raises(ImportError, match=f"^cannot import name .*{remedy}$"):
        exec(statement)
    with pytest.raises(ImportError, match=r"cannot import name 'nothing' from 'stepgrad' \("):
        exec("from engine import nothing")


def test_the_names_that_are_recommended_exist():
    modules = {"nn": nn, "vector": vector, "losses": losses, "optim": optim, "schedules": schedules}
    tables = {
        nn: other_names.NETWORKS, vector: other_names.VECTOR, losses: other_names.LOSSES,
        optim: other_names.OPTIMIZERS, schedules: other_names.SCHEDULES,
    }  # fmt: skip
    for owner, table in tables.items():
        for name, here in table.items():
            for module, function in re.findall(
                r"\b(nn|vector|losses|optim|schedules)\.(\w+)", here
            ):
                if function != "sklearn" or find_spec("sklearn"):
                    assert hasattr(modules[module], function), here
            assert name not in owner.__all__
    for name, here in FUNCTIONS.items():
        assert name not in engine.__all__
        where = f"write from stepgrad.draw import {name}"
        assert here in (*engine.__all__, "Value or Array", "draw.draw", "nn.optim", where)


def test_objects_in_place_of_others():
    model = MLP(2, [1])
    for f in (optim.Adam, losses.l2_penalty, lambda p: optim.clip_grad_norm(p, 1.0)):
        with pytest.raises(TypeError, match=r"got <bound method .*; call it: parameters\(\)$"):
            f(model.parameters)
    with pytest.raises(TypeError, match=r"got 'relu'; write Activation\('relu'\)"):
        vector.Sequential(vector.Dense(2, 2), "relu")
    with pytest.raises(TypeError, match=r"; write Dense\(\.\.\.\)"):
        vector.Sequential(vector.Dense)


def test_functions_of_arrays_of_objects():
    xs = np.array([Value(1.0), Value(2.0)])
    with pytest.raises(AttributeError, match=r"'Value' object has no attribute 'dtype'; .* Array"):
        np.percentile(xs, 50)
