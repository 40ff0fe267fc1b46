"""Every function answers the keyword arguments of other libraries with its own."""

import inspect
import re
import warnings
from importlib import import_module
from importlib.util import find_spec

import pytest

from engine import Array, Value, concatenate
from engine.support.other_names import KEYWORDS as OF_THE_ENGINE
from nn import MLP, data, fit, init, losses, metrics, optim, scalar, schedules, vector
from nn.keywords import FIT_REMARKS, KEYWORDS, REMARKS

P = [Value(1.0)]
MODULES = [
    "nn", "nn.scalar", "nn.vector", "nn.optim", "nn.schedules", "nn.losses", "nn.data", "nn.init",
    "nn.augment", "nn.metrics", "nn.live", "nn.interop", *(["nn.sklearn"] if find_spec("sklearn") else []),
]  # fmt: skip
OTHERS = (  # classes whose objects functions make, a base class, and functions of one name
    "Checkpoint", "Diagnosis", "Film", "Plateau", "Record", "Sweep", "TrainPage", "Training",
    "Optimizer", "get", "generator",
)  # fmt: skip


def list_functions():
    """Return the public functions and classes of `nn`, by name."""
    functions = {}
    for name in MODULES:
        module = import_module(name)
        for key in getattr(module, "__all__", dir(module)):
            f = getattr(module, key)
            is_ours = getattr(f, "__module__", "").startswith(("nn", "stepgrad.nn"))
            if callable(f) and is_ours and key not in OTHERS and not key.endswith("Error"):
                functions[f"{name}.{key}"] = f
    return functions


FUNCTIONS = list_functions()


def parameters_of(f):
    return inspect.signature(f).parameters


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_answers_every_keyword_with_one_that_it_has(name):
    f = FUNCTIONS[name]
    own = parameters_of(f)
    for theirs, answers in KEYWORDS.items():
        ours = [answer for answer in answers if answer.partition("=")[0] in own]
        if not ours or theirs in own:
            continue
        is_one = own[ours[0].partition("=")[0]].kind != inspect.Parameter.VAR_POSITIONAL
        remedy = f"write {ours[0]}" if is_one else f"pass the {ours[0]} as separate arguments"
        called = f"{f.__name__}() got an unexpected keyword argument {theirs!r}; {remedy}"
        with pytest.raises(TypeError, match=f"^{re.escape(called)}$"):
            f(**{theirs: 1})


def test_each_answer_is_a_keyword():
    known = {name for f in FUNCTIONS.values() for name in parameters_of(f)}
    for answers in KEYWORDS.values():
        assert isinstance(answers, tuple)
        if not find_spec("sklearn"):
            answers = [x for x in answers if not x.startswith(("hidden", "random_state"))]
        assert {answer.partition("=")[0] for answer in answers} <= known
    assert not {*REMARKS, *FIT_REMARKS} & {*KEYWORDS}
    assert not {*FIT_REMARKS} & {*parameters_of(fit)}
    assert all(isinstance(answers, tuple) for answers in OF_THE_ENGINE.values())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MLP(2, [1], seed=0), r"MLP() got an unexpected keyword argument 'seed'; write rng"),
        (lambda: vector.MLP(nin=2, hidden_sizes=[3]), "MLP() got .*; write nouts=[16, 1]"),
        (lambda: vector.Dense(in_features=2, out_features=3), "'in_features'; write nin"),
        (lambda: vector.Dense(2, 3, use_bias=False), "'use_bias'; write bias"),
        (lambda: vector.Dense(2, 3, device="cuda"), "numbers are in the memory of the CPU"),
        (lambda: scalar.Layer(2, 3, dtype="float32"), "Layer() got .* modules of nn.vector have"),
        (lambda: scalar.Neuron(2, nonlin=False), "'nonlin'; write activation='linear'"),
        (lambda: MLP(2, [1], activaton="tanh"), "MLP() got .* 'activaton'; did you mean 'activation'?"),
        (lambda: vector.Dropout(p=0.5), "'p'; write rate"),
        (lambda: vector.Sequential(layers=[]), "'layers'; pass the modules as separate arguments"),
        (lambda: optim.Adam(P, learning_rate=0.1), "Adam() got .* 'learning_rate'; write lr"),
        (lambda: optim.Adam(P, b1=0.9), "write betas=(0.9, 0.999)"),
        (lambda: optim.SGD(params=P), "write parameters"),
        (lambda: schedules.cosine(0.1, T_max=10), "cosine() got .*; write steps"),
        (lambda: schedules.step_decay(0.1, 30, gamma=0.1), "write by=10.0, which divides the rate"),
        (lambda: schedules.exponential(0.1, gamma=0.9), "write factor"),
        (lambda: losses.mse(input=[1.0], target=[1.0]), "mse() got .* 'input'; write predictions"),
        (lambda: losses.cross_entropy([P], [0], wieght=[1.0]), "did you mean 'weight'?"),
        (lambda: losses.hinge(y_pred=P, y_true=[1]), "write scores"),
        (lambda: losses.cross_entropy([P], [0], label_smoothing=0.1), "write smoothing"),
        (lambda: data.moons(n_samples=10), "moons() got .*; write n"),
        (lambda: init.he_normal(2, 3, seed=0), "write rng"),
        (lambda: metrics.accuracy(y_pred=P, y_true=[1]), "write predictions"),
        (lambda: fit(None, [], [], learning_rate=0.1), "fit() got .* 'learning_rate'; write lr"),
        (lambda: fit(None, [], [], validation_split=0.1), "write validation=(X, y), or validation=0.1"),
        (lambda: fit(None, [], [], callbacks=[]), "iterate over the result"),
        (lambda: fit(None, [], [], weight_decay=1), "write optimizer=optim.SGD(model.parameters(), ...)"),
        (lambda: concatenate([Array([1.0])], device=1), "numbers are in the memory of the CPU"),
        (lambda: Array([1.0], name="x"), "Array() got .* 'name'; write label"),
    ],
)  # fmt: skip
def test_keywords(call, message):
    with pytest.raises(TypeError, match=re.escape(message).replace(r"\.\*", ".*")):
        call()


def test_other_keywords_are_those_of_python():
    with pytest.raises(TypeError, match=r"^MLP\(\) got an .* 'colour'$"):
        MLP(2, [1], colour=0)
    with pytest.raises(TypeError, match=r"'colour'$"):
        losses.mse([1.0], [1.0], colour=0)


def test_classes_of_the_user_are_left_alone():
    class Net(MLP):
        def __init__(self, seed):
            super().__init__(2, [1], rng=seed)

    class Descent(optim.SGD):
        def __init__(self, parameters, learning_rate):
            super().__init__(parameters, learning_rate)

    assert Net(seed=0).nin == 2
    assert Descent(P, learning_rate=0.5).lr == 0.5
    assert not hasattr(Net.__init__, "__wrapped__")
    with pytest.raises(TypeError, match=r"'rng'$"):
        Net(rng=0)


def test_losses_have_the_names_of_their_signatures():
    pair = {"predictions": P, "targets": [3.0]}
    assert losses.mse(**pair).data == losses.mse(P, targets=[3.0]).data == 4.0
    assert losses.hinge(scores=P, labels=[-1], reduction="sum").data == 2.0
    assert losses.huber(delta=0.5, **pair).data == losses.huber(P, [3.0], 0.5).data
    assert losses.binary_cross_entropy(logits=P, targets=[1]).data > 0
    with pytest.raises(TypeError, match="missing a required argument: 'targets'"):
        losses.mse(P)


def test_a_call_of_fit_that_does_not_train_is_still_noticed():
    with pytest.warns(RuntimeWarning, match="does not train"):
        fit(MLP(2, [1]), [[1.0, 2.0]], [1.0], loss="mse", epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(MLP(2, [1]), [[1.0, 2.0]], [1.0], loss="mse", epochs=1).run()
