"""Rows for models, initializers and metrics."""

import numpy as np

import nn
from arguments.kinds import (
    ARRAY,
    DTYPE,
    FINITE,
    FLAG,
    MAPPING,
    NAME,
    RNG,
    SEED,
    SEQUENCE,
    SHARE,
    WHOLE,
    WITHIN,
    bad,
    row,
)  # fmt: skip
from engine import Array, Value
from nn import accuracy, confusion_matrix, init, vector

# fmt: off

x, a, A = Value(2.0), Array([1.0, 2.0]), Array([[1.0, 2.0], [3.0, 4.0]])
X3 = np.ones((3, 2))
INS, OUTS, ACT = "the number of inputs", "the number of outputs", "no activation"
LISTS = SEQUENCE._replace(values=[v for v in SEQUENCE.values if v is not Value])


def diagnoses():
    of, f = "nn.diagnose", nn.diagnose
    model, y = nn.MLP(2, [1]), [0.0, 1.0, 0.0]
    for v in (None, 3.0, "x", nn.MLP, [1.0]):
        yield row(of, lambda v=v: f(v, X3, y), TypeError, "diagnose expects a Module such as", kind=f"model {v!r}")
    yield row(of, lambda: f(model, X3.T, y), ValueError, "2", "3")
    yield row(of, lambda: f(model, np.ones((3, 4)), y), ValueError, "MLP expects 2 inputs", "4")
    yield row(of, lambda: f(model, X3, y, loss="huge"), ValueError, "no loss 'huge'", "mse")
    yield row(of, lambda: f(model, X3 * np.nan, y), ValueError, "nan")


def models():
    """Yield rows for the arguments of layers and networks."""
    makers = {
        "nn.Neuron": lambda nin=2, **k: nn.Neuron(nin, **k),
        "nn.Layer": lambda nin=2, nout=3, **k: nn.Layer(nin, nout, **k),
        "nn.MLP": lambda nin=2, nouts=(3, 1), **k: nn.MLP(nin, nouts, **k),
        "nn.vector.Dense": lambda nin=2, nout=3, **k: vector.Dense(nin, nout, **k),
        "nn.vector.MLP": lambda nin=2, nouts=(3, 1), **k: vector.MLP(nin, nouts, **k),
    }
    for of, make in makers.items():
        yield from bad(of, INS, WHOLE, lambda v, make=make: make(v))
        yield from bad(of, ACT, NAME, lambda v, make=make: make(activation=v))
        yield from bad(of, "no init", NAME, lambda v, make=make: make(init=v))
        yield from bad(of, "rng expects", RNG, lambda v, make=make: make(rng=v))
        yield from bad(of, "rng expects", SEED, lambda v, make=make: make(rng=v))
        for made, error in [([[1.0]], ValueError), (None, TypeError), ("ab", TypeError), ([["a"]], TypeError), ([[1.0], [1.0, 2.0]], TypeError), (1j, TypeError)]:
            yield row(of, lambda m=made, make=make: make(init=lambda *_: m), error, "init '<lambda>' returned", kind=f"init makes {made!r}")
        if "vector" in of:
            yield from bad(of, "dtype must be", DTYPE, lambda v, make=make: make(dtype=v), value=False)
        else:
            yield from bad(of, "fused must be", FLAG, lambda v, make=make: make(fused=v))
        if "MLP" in of:
            takes = "MLP expects a list of layer sizes"
            yield from bad(of, takes, LISTS, lambda v, make=make: make(nouts=v))
            yield from bad(of, OUTS, WHOLE, lambda v, make=make: make(nouts=[v]))
            yield row(of, lambda make=make: make(nouts=16), TypeError, takes, "16; write [16]")
            yield row(of, lambda make=make: make(nouts=[]), ValueError, "at least one layer size", "[]")
        elif "Neuron" not in of:
            yield from bad(of, OUTS, WHOLE, lambda v, make=make: make(nout=v))
    yield from bad("nn.vector.MLP", "rate", SHARE, lambda v: vector.MLP(2, [1], dropout=v))


def calls():
    """Yield rows for the inputs that models are called with."""
    scalars = {"nn.Neuron": nn.Neuron(2), "nn.Layer": nn.Layer(2, 3), "nn.MLP": nn.MLP(2, [1])}
    for of, model in scalars.items():
        name = of.removeprefix("nn.")
        for v in ([1.0], [1.0, 2.0, 3.0], 1.0, [], np.ones(3)):
            got = np.size(v)
            yield row(of, lambda m=model, v=v: m(v), ValueError, f"{name} expects 2 inputs, got {got}", kind=f"called with {v!r}")
        for v in (None, "ab", {1.0: 1, 2.0: 2}, {1.0, 2.0}, [1.0, None], ["a", "b"], [1j, 1.0], [a, a]):
            yield row(of, lambda m=model, v=v: m(v), TypeError, f"{name} expects numbers or Values", "got", kind=f"called with {v!r}")
        for v in ([[1.0, 2.0], [3.0, 4.0]], np.ones((2, 2)), X3.T):
            yield row(of, lambda m=model, v=v: m(v), TypeError, f"{name} expects the numbers of one sample", "[model(x) for x in X]", kind=f"called with {np.shape(v)}")
        for v in (a, A):
            yield row(of, lambda m=model, v=v: m(v), TypeError, f"{name} expects numbers or Values, got an Array", ".to_vector()", kind=f"called with Array {v.shape}")
        if of != "nn.Neuron":
            yield from bad(f"{of}.to_vector", "dtype must be", DTYPE, model.to_vector, value=False)
    vectors = {
        "nn.vector.Dense": (vector.Dense(2, 3), "Dense"),
        "nn.vector.MLP": (vector.MLP(2, [1]), "Dense"),
        "nn.vector.BatchNorm": (vector.BatchNorm(2), "BatchNorm"),
        "nn.vector.Sequential": (vector.Sequential(vector.Dense(2, 1)), "Dense"),
        "nn.vector.Residual": (vector.Residual(vector.Dense(2, 2)), "Dense"),
        "nn.vector.Activation": (vector.Activation("relu"), None),
        "nn.vector.Dropout": (vector.Dropout(), None),
    }
    for of, (model, name) in vectors.items():
        yield from bad(of, "an Array holds", ARRAY, model)
        yield row(of, lambda m=model: m(x), TypeError, "Value(2.0) is a node already", "do not mix")
        yield row(of, lambda m=model: m([x, x]), TypeError, "a list of nodes")
        if name:
            for v in (X3.T, np.ones(3), 1.0, []):
                yield row(of, lambda m=model, v=v: m(v), ValueError, f"{name} expects shape (samples, 2), got {np.shape(v)}", kind=f"called with {np.shape(v)}")
    yield row("nn.vector.Dense", lambda: vector.Dense(784, 1)(np.zeros((2, 28, 28))), ValueError, "(samples, 784)", "(2, 28, 28)", "X.reshape(len(X), -1)")
    yield row("nn.vector.Dense", lambda: vector.Dense(2, 1)(Array(X3)), TypeError, "one dtype", "float64", ".astype()")
    yield row("nn.vector.BatchNorm", lambda: vector.BatchNorm(2)(np.ones((1, 2))), ValueError, "2 samples or more", "(1, 2)", "eval()")
    yield row("nn.vector.Residual", lambda: vector.Residual(vector.Dense(2, 3))(X3), ValueError, "Residual adds f(X) of shape (3, 3)", "(3, 2)")


def modules():
    yield from bad("nn.vector.Activation", ACT, NAME, vector.Activation)
    yield from bad("nn.vector.BatchNorm", "the number of features", WHOLE, vector.BatchNorm)
    yield from bad("nn.vector.BatchNorm", "momentum", WITHIN, lambda v: vector.BatchNorm(2, momentum=v))
    yield from bad("nn.vector.BatchNorm", "eps", WITHIN, lambda v: vector.BatchNorm(2, eps=v))
    yield from bad("nn.vector.BatchNorm", "dtype must be", DTYPE, lambda v: vector.BatchNorm(2, dtype=v), value=False)
    yield from bad("nn.vector.Dropout", "rate", SHARE, vector.Dropout)
    yield from bad("nn.vector.Dropout", "rng expects", RNG, lambda v: vector.Dropout(rng=v))
    for kind in (vector.Sequential, vector.Residual):
        name = kind.__name__
        yield row(f"nn.vector.{name}", lambda k=kind: k(), ValueError, f"{name} expects at least one module")
        for v in (None, 3, "relu", [vector.Dropout()], vector.Dense):
            yield row(f"nn.vector.{name}", lambda k=kind, v=v: k(v), TypeError, f"{name} expects modules", repr(v), "write", kind=f"of {v!r}")
    neuron = nn.Neuron(2)
    for of, model in [("nn.Module", nn.Module()), ("nn.MLP", nn.MLP(2, [1])), ("nn.vector.Dense", vector.Dense(2, 3))]:
        yield from bad(f"{of}.train", "mode must be", FLAG, model.train)
        yield from bad(f"{of}.load_state_dict", "a state", MAPPING, model.load_state_dict)
        yield row(f"{of}.load_state_dict", lambda m=model: m.load_state_dict({"no": 1.0}), ValueError, "cannot take this state", "no: no such parameter")
    for v in ("x", [1.0], None, 1j, x, a, [[1.0], [1.0, 2.0]]):
        state = {**neuron.state_dict(), "bias": v}
        yield row("nn.Neuron.load_state_dict", lambda s=state: neuron.load_state_dict(s), ValueError, "cannot take this state", "bias: ", kind=f"bias is {v!r}")


def inits():
    for name in ("zeros", "uniform", "xavier_uniform", "xavier_normal", "he_uniform", "he_normal"):
        f, of = getattr(init, name), f"nn.init.{name}"
        yield from bad(of, INS, WHOLE, lambda v, f=f: f(v, 2))
        yield from bad(of, OUTS, WHOLE, lambda v, f=f: f(2, v))
        if name != "zeros":
            yield from bad(of, "rng expects", RNG, lambda v, f=f: f(2, 2, v))
            yield from bad(of, "rng expects", SEED, lambda v, f=f: f(2, 2, v))
    yield from bad("nn.init.uniform", "low", FINITE, lambda v: init.uniform(2, 2, 0, v))
    yield from bad("nn.init.uniform", "high", FINITE, lambda v: init.uniform(2, 2, 0, -1.0, v))
    yield row("nn.init.uniform", lambda: init.uniform(2, 2, 0, 1.0, -1.0), ValueError, "low=1.0 is above high=-1.0", "exchange")
    yield from bad("nn.init.get", "no init", NAME, init.get)
    yield from bad("nn.init.make_weights", "no init", NAME, lambda v: init.make_weights(v, 2, 2))
    yield from bad("nn.init.make_weights", INS, WHOLE, lambda v: init.make_weights("zeros", v, 2))
    yield from bad("nn.init.make_weights", OUTS, WHOLE, lambda v: init.make_weights("zeros", 2, v))
    yield from bad("nn.init.weight_shape", INS, WHOLE, lambda v: init.weight_shape(v, 2))
    yield from bad("nn.init.generator", "rng expects", RNG, init.generator)
    yield from bad("nn.init.generator", "rng expects", SEED, init.generator)


def judged():
    of = "nn.accuracy"
    yield from bad(of, "accuracy expects a list of predictions", LISTS._replace(values=LISTS.values[:-2]), lambda v: accuracy(v, [1]))
    yield from bad(of, "accuracy expects a list of targets", LISTS, lambda v: accuracy([1.0], v))
    for v in ("a", None, 1j, A):
        yield row(of, lambda v=v: accuracy([v], [1]), TypeError, "accuracy expects predictions that are numbers", kind=f"[{v!r}]")
    for v in (2, "1", None, float("nan"), 0.5):
        yield row(of, lambda v=v: accuracy([1.0], [v]), ValueError, "labels from -1 to 1", repr(v), kind=f"label {v!r}")
        yield row(of, lambda v=v: accuracy(np.ones(1), [v]), ValueError, "labels from -1 to 1", repr(v), kind=f"label {v!r} beside an array")
    yield row(of, lambda: accuracy([], []), ValueError, "at least one", "0 predictions")
    yield row(of, lambda: accuracy([1.0], [1, 1]), ValueError, "one target per prediction", "1 predictions and 2 targets")
    yield row(of, lambda: accuracy([[1.0, 2.0]], [2]), ValueError, "labels from 0 to 1", "got 2")
    yield row(of, lambda: accuracy([[]], [0]), ValueError, "at least one logit", "none")
    yield row(of, lambda: accuracy(np.ones((2, 1)), np.ones((2, 2))), ValueError, "(samples, 1)", "(2, 1) and (2, 2)")
    yield row(of, lambda: accuracy(np.ones((2, 3)), [0]), ValueError, "(samples, classes)", "(2, 3) and (1,)")
    yield row(of, lambda: accuracy(A, A), ValueError, "(samples, classes)", "(2, 2) and (2, 2)")
    yield row(of, lambda: accuracy(np.array([1j]), [1]), TypeError, "predictions must be real numbers", "complex128")
    yield row(of, lambda: accuracy(np.array(["a"]), [1]), TypeError, "predictions must be real numbers", "<U1")
    of = "nn.confusion_matrix"
    for v in (None, "ab", [1.0], [], 3):
        yield row(of, lambda v=v: confusion_matrix(v, [1]), (TypeError, ValueError), "confusion_matrix expects logits" if v is not None and v != "ab" else "predictions must be", kind=f"of {v!r}")
    for v in ([["a", "b"]], [[1j, 2.0]], [[1.0, 2.0], [1.0]], [[None, 1.0]]):
        yield row(of, lambda v=v: confusion_matrix(v, [1] * len(v)), TypeError, "predictions must be", kind=f"of {v!r}")
    for v in (2, -1, "a", 0.5, None):
        yield row(of, lambda v=v: confusion_matrix([[1.0, 2.0]], [v]), ValueError, "labels from 0 to 1", repr(v), kind=f"label {v!r}")
    yield row(of, lambda: confusion_matrix([[1.0, 2.0]], None), ValueError, "(samples,)", "()")
    yield row(of, lambda: confusion_matrix([[1.0, 2.0]], [[0], [1, 2]]), TypeError, "targets must be one label")


ROWS = [*models(), *diagnoses(), *calls(), *modules(), *inits(), *judged()]
