"""Names of other libraries are answered with ours: attributes, methods, keywords, classes."""

import copy
import inspect
import re
from importlib.util import find_spec

import pytest

import engine
import nn
from engine import (
    Array,
    Constant,
    ConstantArray,
    Value,
    concatenate,
    flip,
    logsumexp,
    softmax,
    stack,
)
from engine.rules import ELEMENTWISE
from engine.support.other_names import (
    ARRAY_METHODS,
    ATTRIBUTES,
    FOR_NUMPY,
    FUNCTIONS,
    KEYWORDS,
    METHODS,
)
from nn import MLP, data, init, losses, metrics, optim, other_names, schedules, vector
from nn.arguments import look_up
from nn.scalar import ACTIVATIONS
from nn.train import METRICS
from nn.transformer.arguments import NORMS

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
@pytest.mark.parametrize("name", sorted(ATTRIBUTES.keys() - FOR_NUMPY.keys() - {"dtype", "item"}))
def test_reading_and_assigning_an_attribute_raise_the_same_error(node, name):
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
        (nn.Neuron(2), "w", r"write \.weights$"),
        (nn.Neuron(2), "weight", r"write \.weights$"),
        (vector.Dense(2, 3), "weights", r"write \.weight$"),
        (vector.Dense(2, 3), "b", r"write \.bias$"),
        (MLP(2, [1]), "weights", r"its layers have them: named_parameters\(\)"),
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
    with pytest.raises(AttributeError, match=r"'Net' object has no attribute 'w'$"):
        getattr(Net(), "w")  # noqa: B009
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
            r"'requires_grad'; a leaf requires a gradient until x\.requires_grad = False freezes it",
        ),
        (lambda: ARRAY.logsumexp(correction=1), "'correction'$"),
        (lambda: ARRAY.sum(axes=0), r"sum\(\) got .* 'axes'; did you mean 'axis'\?"),
        (
            lambda: Value(1.0, _children=(), _op="+"),
            r"Value\(\) got .*; write Value\(data, inputs,",
        ),
        (lambda: Value(1.0, requires_grad=False), r"x\.requires_grad = False freezes it"),
        (lambda: Value(1.0, name="w"), r"^Value\(\) got .* 'name'; write label$"),
        (lambda: Constant(1.0, name="w"), r"^Constant\(\) got .* 'name'; write label$"),
        (lambda: Value(1.0, lable="w"), r"'lable'; did you mean 'label'\?"),
        (
            lambda: Value(1.0, colour="w"),
            r"^Value\(\) got an unexpected keyword argument 'colour'$",
        ),
        (lambda: ConstantArray(1.0, name="w"), r"^ConstantArray\(\) got .*; write label$"),
        (lambda: VALUE.zero_grad(set_to_none=True), r"zero_grad\(\) sets gradients to 0"),
        (lambda: ARRAY.zero_grad(set_to_none=True), r"zero_grad\(\) sets gradients to 0"),
        (lambda: MLP(2, [1]).zero_grad(set_to_none=True), r"zero_grad\(\) sets gradients to 0"),
        (lambda: optim.SGD([VALUE], 0.1).zero_grad(set_to_none=True), "sets gradients to 0"),
        (lambda: VALUE.backward(retain_graph=True), "a graph is kept as long as its root"),
        (lambda: ARRAY.sum().backward(retain_graph=True), "a graph is kept as long as its root"),
        (lambda: ARRAY.backward(gradient=[[1.0, 1.0]]), r"write vjp\(y, xs, v\)"),
        (lambda: engine.grad(abs, argnum=0), r"grad\(\) got .* 'argnum'; write argnums"),
        (lambda: engine.jacobian(abs, argnum=0), "write argnums"),
        (lambda: engine.value_and_grad(abs, has_aux=True), "return the value alone"),
        (lambda: engine.vjp(abs, [1.0], cotangents=1.0), "'cotangents'; write v$"),
        (lambda: engine.check_gradients(abs, att=[1.0]), r"did you mean 'at'\?"),
    ],
)
def test_keywords(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize("name", engine.__all__)
def test_each_function_answers_other_keywords_with_its_own(name):
    f = getattr(engine, name)
    if isinstance(f, type) and issubclass(f, Exception):
        return
    own = inspect.signature(f).parameters
    args = [1.0] if isinstance(f, type) else []
    for theirs, answers in KEYWORDS.items():
        ours = [answer for answer in answers if answer in own]
        if ours and theirs not in own:
            with pytest.raises(TypeError, match=f"^{name}.* {theirs!r}; write {ours[0]}$"):
                f(*args, **{theirs: 1})


def test_products_without_a_direction():
    """JAX's vjp takes no direction: it returns a function of the direction."""
    square = lambda x: x * x
    for f, remedy in [
        (
            engine.vjp,
            r"expects a direction v, got None; write vjp\(y, xs, v\) .*vjp\(f, \[x\], v\)",
        ),
        (engine.jvp, r"write jvp\(y, xs, vs\) of a node y, or jvp\(f, \[x\], vs\) of a function f"),
        (engine.hvp, r"write hvp\(y, xs, vs\) of a node y$"),
    ]:
        for y, x in [(square, 3.0), (square(VALUE), VALUE)]:
            with pytest.raises(TypeError, match=remedy):
                f(y, x)


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
        (engine, "gradcheck", "check_gradients"), (losses, "MSE", "losses.mse"), (nn, "mse", "losses.mse"),
        (init, "kaiming_normal_", "init.he_normal"), (data, "make_moons", "data.moons"),
        (metrics, "accuracy_score", "accuracy"), (nn, "AdamW", "optim.AdamW"), (optim, "sgd", "SGD"),
    ],
)  # fmt: skip
def test_names_in_modules(module, name, here):
    assert not hasattr(module, name)
    assert name not in dir(module)
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'; it is called {here}"):
        getattr(module, name)
    with pytest.raises(AttributeError, match=r"has no attribute 'Nothing'$") as caught:
        module.Nothing  # noqa: B018
    assert caught.value.obj is module  # where Python looks for similar names


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
        ("from engine import relu", r"'relu' from 'stepgrad'; write x\.relu\(\)"),
        ("from engine import MLP", r"; write from stepgrad\.nn import MLP"),
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
    modules = {"nn": nn, "vector": vector, "losses": losses, "optim": optim} | {
        "schedules": schedules, "init": init, "data": data,
    }  # fmt: skip
    tables = {
        nn: other_names.NETWORKS, vector: other_names.VECTOR, losses: other_names.LOSSES,
        optim: other_names.OPTIMIZERS, schedules: other_names.SCHEDULES, init: other_names.INITS,
        data: other_names.DATA, metrics: other_names.METRICS,
    }  # fmt: skip
    for owner, table in tables.items():
        for name, here in table.items():
            for module, function in re.findall(
                r"\b(nn|vector|losses|optim|schedules|init|data)\.(\w+)", here
            ):
                if function != "sklearn" or find_spec("sklearn"):
                    assert hasattr(modules[module], function), here
            assert name not in owner.__all__
    for name, here in FUNCTIONS.items():
        assert name not in engine.__all__
        if here.startswith("write from stepgrad.nn import"):
            assert name in nn.__all__
        elif not here.startswith("write "):
            assert here in (*engine.__all__, "Value or Array", "draw.draw")
    for row in ELEMENTWISE:
        if row.isidentifier() and row not in engine.__all__:
            with pytest.raises(
                AttributeError, match=rf"has no attribute '{row}'; write x\.{row}\(\)"
            ):
                getattr(engine, row)


@pytest.mark.parametrize("kind", other_names.VALUES)
def test_the_values_that_are_recommended_exist(kind):
    tables = {
        "loss": losses.LOSSES, "metric": METRICS, "activation": ACTIVATIONS, "init": init.INITS,
        "optimizer": optim.OPTIMIZERS, "schedule": schedules.SCHEDULES, "norm": NORMS,
    }  # fmt: skip
    table = dict.fromkeys(tables[kind])
    for theirs, here in other_names.VALUES[kind].items():
        if here != "a function of the step" and theirs not in table:
            message = f"^unknown {kind} '{theirs.upper()}' .did you mean '{here}'.*; choose from:"
            with pytest.raises(ValueError, match=message):
                look_up(kind, table, theirs.upper())


def test_objects_in_place_of_others():
    model = MLP(2, [1])
    for f in (optim.Adam, losses.l2_penalty, lambda p: optim.clip_grad_norm(p, 1.0)):
        with pytest.raises(TypeError, match=r"got <bound method .*; call it: parameters\(\)$"):
            f(model.parameters)
    with pytest.raises(TypeError, match=r"got 'relu'; write Activation\('relu'\)"):
        vector.Sequential(vector.Dense(2, 2), "relu")
    with pytest.raises(TypeError, match=r"; write Dense\(\.\.\.\)"):
        vector.Sequential(vector.Dense)


def test_attributes_that_numpy_reads_from_elements():
    """Functions such as np.percentile read them from the elements of an array of objects."""
    with pytest.raises(AttributeError, match=r"'Value' object has no attribute 'dtype'; .* Array"):
        _ = Value(1.0).dtype
