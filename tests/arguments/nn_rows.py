"""Rows for models, initializers and metrics."""
# ruff: noqa: I001 (several names a line)

from functools import partial

import numpy as np

import nn
from arguments.kinds import (
    ARRAY, DTYPE, FINITE, FLAG, MAPPING, NAME, RNG, SEQUENCE, SHARE, WHOLE, WITHIN, About,
    TensorLike,
)  # fmt: skip
from engine import Array, Value
from nn import accuracy, confusion_matrix, init, vector

# fmt: off

x, a, A = Value(2.0), Array([1.0, 2.0]), Array([[1.0, 2.0], [3.0, 4.0]])
X3 = np.ones((3, 2))
BOTH = (TypeError, ValueError)
INS, OUTS, ACTIVATION = "the number of inputs", "the number of outputs", "unknown activation"
LISTS = SEQUENCE.without(type)
RAGGED = [[1.0], [1.0, 2.0]]

# ------------------------------------------------------------------------------ building networks


def models(name, make, **kinds):
    """Add the rows of everything that has inputs, an activation, weights and a generator."""
    on = About(name)
    on.kind(INS, WHOLE, make)
    on.kind(ACTIVATION, NAME, lambda v: make(activation=v))
    on.arguments(make, init=NAME, rng=RNG, **kinds)
    makes = lambda v: make(init=lambda *_: v)
    on.values([None, "ab", [["a"]], RAGGED, 1j], makes, TypeError, "init '<lambda>' returned", shows=None)
    on.values([[[1.0]]], makes, ValueError, "init '<lambda>' returned", shows=None)


def sizes(name, make):
    """Add the rows of networks' lists of sizes."""
    on, takes = About(name), "MLP expects a list of layer sizes"
    on.kind(takes, LISTS, make)
    on.kind(OUTS, WHOLE, lambda v: make([v]))
    on.call(lambda: make(16), TypeError, takes, "16; write [16]")
    on.call(lambda: make([]), ValueError, "at least one layer size", "[]")


models("nn.Neuron", lambda nin=2, **k: nn.Neuron(nin, **k), fused=FLAG, bias=FLAG)
models("nn.Layer", lambda nin=2, **k: nn.Layer(nin, 3, **k), fused=FLAG, bias=FLAG)
models("nn.MLP", lambda nin=2, **k: nn.MLP(nin, (3, 1), **k), fused=FLAG, bias=FLAG)
models("nn.vector.Dense", lambda nin=2, **k: vector.Dense(nin, 3, **k), dtype=DTYPE, bias=FLAG)
models("nn.vector.MLP", lambda nin=2, **k: vector.MLP(nin, (3, 1), **k), dtype=DTYPE, bias=FLAG)
About("nn.Layer").kind(OUTS, WHOLE, partial(nn.Layer, 2))
About("nn.vector.Dense").kind(OUTS, WHOLE, partial(vector.Dense, 2))
sizes("nn.MLP", partial(nn.MLP, 2))
sizes("nn.vector.MLP", partial(vector.MLP, 2))
About("nn.vector.MLP").kind("rate", SHARE, lambda v: vector.MLP(2, [1], dropout=v))

About("nn.vector.Activation").kind(ACTIVATION, NAME, vector.Activation)
About("nn.vector.Dropout").arguments(vector.Dropout, rate=SHARE, rng=RNG)
on = About("nn.vector.BatchNorm")
on.kind("the number of features", WHOLE, vector.BatchNorm)
on.arguments(partial(vector.BatchNorm, 2), momentum=WITHIN, eps=WITHIN, dtype=DTYPE)

on = About("nn.vector.LayerNorm")
on.kind("the number of features", WHOLE, vector.LayerNorm)
on.arguments(partial(vector.LayerNorm, 2), eps=WITHIN, dtype=DTYPE)
on = About("nn.vector.Embedding")
on.kind("the number of rows", WHOLE, lambda v: vector.Embedding(v, 2))
on.kind("the width", WHOLE, partial(vector.Embedding, 2))
on.arguments(partial(vector.Embedding, 2, 2), rng=RNG, dtype=DTYPE)
on.kind("unknown init", NAME, lambda v: vector.Embedding(2, 2, init=v))
on.values([None, 0.5, [0.0, 1.0], "ab", [True], RAGGED, x, a], vector.Embedding(2, 2), TypeError, "Embedding expects integer indices", shows=None)
on.values([2, -1, [0, 2]], vector.Embedding(2, 2), ValueError, "Embedding expects indices from 0 to 1", shows=None)

on = About("nn.vector.RMSNorm")
on.kind("the number of features", WHOLE, vector.RMSNorm)
on.arguments(partial(vector.RMSNorm, 2), eps=WITHIN, gain=FLAG, dtype=DTYPE)
for kind, how in ((vector.Attention, {"causal": FLAG}), (vector.Transformer, {"causal": FLAG})):
    on = About(f"nn.vector.{kind.__name__}")
    on.kind("the width", WHOLE, lambda v, kind=kind: kind(v, 1))
    on.kind("the number of heads", WHOLE, lambda v, kind=kind: kind(4, v))
    on.arguments(partial(kind, 4, 2), bias=FLAG, init=NAME, rng=RNG, dtype=DTYPE, **how)
    on.call(lambda kind=kind: kind(4, 3), ValueError, "the width must be a multiple of the number of heads", "4 and 3")
    on.call(lambda kind=kind: kind(2, 1)(np.ones(2)), ValueError, "Attention expects shape (positions, 2)", "(2,)")
About("nn.vector.Transformer").arguments(partial(vector.Transformer, 4, 2), activation=NAME, norm=NAME)
on = About("nn.vector.GPT")
on.kind("the size of the vocabulary", WHOLE, vector.GPT)
on.kind("the width", WHOLE, lambda v: vector.GPT(3, v, 1))
on.kind("the number of heads", WHOLE, lambda v: vector.GPT(3, 4, v))
on.kind("the number of layers", WHOLE, lambda v: vector.GPT(3, 4, 2, v))
on.kind("the number of positions", WHOLE, lambda v: vector.GPT(3, 4, 2, 1, v))
on.arguments(partial(vector.GPT, 3, 4, 2), activation=NAME, norm=NAME, bias=FLAG, init=NAME, rng=RNG, dtype=DTYPE)
gpt = vector.GPT(3, 4, 2, positions=4)
on.values([None, 0.5, [0.0, 1.0], "ab", [True], RAGGED, x, a], gpt, TypeError, "expects integer indices", shows=None)
on.values([[3], [-1], [], [0, 0, 0, 0, 0], 1, [[[1]]]], gpt, ValueError, "expects", shows=None)
About("nn.vector.GPT.loss").values([[0], [], [0, 3]], gpt.loss, ValueError, "expects", shows=None)
on = About("nn.vector.GPT.generate")
on.arguments(gpt.generate, rng=RNG, temperature=WITHIN)
on.values([[], [0, 0, 0, 0, 0]], lambda v: gpt.generate(0, v), ValueError, "generate expects a prompt of 1 to 4 tokens", shows=lambda v: str(len(v)))
on.values([3, None], lambda v: gpt.generate(0, v), TypeError, "generate expects a list of tokens as the prompt")

for kind in (vector.Sequential, vector.Residual):
    name = kind.__name__
    on = About(f"nn.vector.{name}")
    on.call(kind, ValueError, f"{name} expects at least one module")
    on.values([None, 3, "relu", [vector.Dropout()], vector.Dense], kind, TypeError, f"{name} expects modules", "write")

# ------------------------------------------------------------------------------- calling networks


def scalars(model):
    """Add the rows of calling a network of Values."""
    name = type(model).__name__
    on, numbers = About(f"nn.{name}"), f"{name} expects numbers or Values"
    on.values([[1.0], [1.0, 2.0, 3.0], 1.0, [], np.ones(3)], model, ValueError, f"{name} expects", shows=lambda v: f"{name} expects 2 inputs, got {np.size(v)}")
    on.values([None, "ab", {1.0: 1, 2.0: 2}, {1.0, 2.0}, [1.0, None], ["a", "b"], [1j, 1.0], [a, a]], model, TypeError, numbers, "got", shows=None)
    on.values([[[1.0, 2.0], [3.0, 4.0]], np.ones((2, 2)), X3.T], model, TypeError, f"{name} expects the numbers of one sample", "[model(x) for x in X]", shows=None)
    on.values([a, A], model, TypeError, f"{numbers}, got an Array", ".to_vector()", shows=None)


def vectors(model, first=None):
    """Add the rows of calling a network of Arrays, whose first layer checks the shape."""
    on = About(f"nn.vector.{type(model).__name__}")
    on.kind("an Array holds", ARRAY, model)
    on.call(lambda: model(x), TypeError, "Value(2.0) is already a node", "do not mix")
    on.call(lambda: model([x, x]), TypeError, "a list of nodes")
    if first:
        on.values([X3.T, np.ones(3), 1.0, []], model, ValueError, f"{first} expects", shows=lambda v: f"{first} expects shape (samples, 2), got {np.shape(v)}")


for model in (nn.Neuron(2), nn.Layer(2, 3), nn.MLP(2, [1])):
    scalars(model)
for model in (nn.Layer(2, 3), nn.MLP(2, [1])):
    About(f"nn.{type(model).__name__}.to_vector").kind("dtype must be", DTYPE, model.to_vector, value=False)
for model in (vector.Dense(2, 3), vector.MLP(2, [1]), vector.Sequential(vector.Dense(2, 1)), vector.Residual(vector.Dense(2, 2))):
    vectors(model, "Dense")
vectors(vector.BatchNorm(2), "BatchNorm")
vectors(vector.LayerNorm(2), "LayerNorm")
vectors(vector.Activation("relu"))
vectors(vector.Dropout())

on = About("nn.vector.Dense")
on.call(lambda: vector.Dense(784, 1)(np.zeros((2, 28, 28))), ValueError, "(samples, 784)", "(2, 28, 28)", "X.reshape(len(X), -1)")
on.call(lambda: vector.Dense(2, 1)(Array(X3)), TypeError, "the same dtype", "float64", ".astype()")
About("nn.vector.BatchNorm").call(lambda: vector.BatchNorm(2)(np.ones((1, 2))), ValueError, "2 samples or more", "(1, 2)", "eval()")
About("nn.vector.Residual").call(lambda: vector.Residual(vector.Dense(2, 3))(X3), ValueError, "Residual adds f(X) of shape (3, 3)", "(3, 2)")

# ----------------------------------------------------------------------------- states of networks

for name, model in {"nn.Module": nn.Module(), "nn.MLP": nn.MLP(2, [1]), "nn.vector.Dense": vector.Dense(2, 3)}.items():
    About(f"{name}.train").arguments(model.train, mode=FLAG)
    on = About(f"{name}.load_state_dict")
    on.kind("a state", MAPPING, model.load_state_dict)
    on.call(partial(model.load_state_dict, {"no": 1.0}), ValueError, "cannot load this state", "no: no such parameter")
neuron = nn.Neuron(2)
About("nn.Neuron.load_state_dict").values(
    ["x", [1.0], None, 1j, x, a, RAGGED], lambda v: neuron.load_state_dict({**neuron.state_dict(), "bias": v}),
    ValueError, "cannot load this state", "bias: ", shows=None,
)

# -------------------------------------------------------------------------------------------- init

for f in (init.zeros, init.uniform, init.normal, init.xavier_uniform, init.xavier_normal, init.he_uniform, init.he_normal):
    on = About(f"nn.init.{f.__name__}")
    on.kind(INS, WHOLE, lambda v, f=f: f(v, 2))
    on.kind(OUTS, WHOLE, partial(f, 2))
    if f is not init.zeros:
        on.arguments(partial(f, 2, 2), rng=RNG)

on = About("nn.init.uniform")
on.arguments(partial(init.uniform, 2, 2), low=FINITE, high=FINITE)
on.call(lambda: init.uniform(2, 2, 0, 1.0, -1.0), ValueError, "low=1.0 is above high=-1.0", "swap")
About("nn.init.normal").arguments(partial(init.normal, 2, 2), std=WITHIN)

on = About("nn.init.make_weights")
on.kind("unknown init", NAME, lambda v: init.make_weights(v, 2, 2))
on.kind(INS, WHOLE, lambda v: init.make_weights("zeros", v, 2))
on.kind(OUTS, WHOLE, lambda v: init.make_weights("zeros", 2, v))

About("nn.init.get").kind("unknown init", NAME, init.get)
About("nn.init.weight_shape").kind(INS, WHOLE, lambda v: init.weight_shape(v, 2))
About("nn.init.generator").arguments(init.generator, rng=RNG)

# ----------------------------------------------------------------------------------------- metrics

on = About("nn.accuracy")
on.kind("accuracy expects a list of predictions", LISTS.without(np.ndarray, TensorLike), lambda v: accuracy(v, [1]))
on.arguments(partial(accuracy, [1.0], [1]), threshold=FINITE)
on.kind("accuracy expects a list of targets", LISTS, partial(accuracy, [1.0]))
on.values(["a", None, 1j, A], lambda v: accuracy([v], [1]), TypeError, "accuracy expects predictions that are numbers", shows=None)
for predictions in ([1.0], np.ones(1)):
    on.values([2, "1", None, float("nan"), 0.5], lambda v, p=predictions: accuracy(p, [v]), ValueError, "expects labels 0 and 1, or -1 and 1")
for predictions, targets, error, *words in [
    ([], [], ValueError, "at least one", "0 predictions"),
    ([1.0], [1, 1], ValueError, "one target per prediction", "1 prediction and 2 targets"),
    ([[1.0, 2.0]], [2], ValueError, "labels from 0 to 1", "got 2"),
    ([[]], [0], ValueError, "at least one logit", "none"),
    (np.ones((2, 1)), np.ones((2, 2)), ValueError, "(samples, 1)", "(2, 1) and (2, 2)"),
    (np.ones((2, 3)), [0], ValueError, "(samples, classes)", "(2, 3) and (1,)"),
    (A, A, ValueError, "class probabilities whose sum is 1", "[1.0, 2.0] for sample 0"),
    ([1.0] * 2, [0, -1], ValueError, "labels 0 and 1, or -1 and 1", "both -1 and 0"),
    (np.array([1j]), [1], TypeError, "predictions must be real numbers", "complex128"),
    (np.array(["a"]), [1], TypeError, "predictions must be real numbers", "<U1"),
]:
    on.call(partial(accuracy, predictions, targets), error, *words)
for metric, predictions in [(accuracy, [1.0]), (accuracy, np.ones((1, 2))), (confusion_matrix, np.ones((1, 2)))]:
    About(f"nn.{metric.__name__}").values([0.5, "a", [0]], lambda v, f=metric, p=predictions: f(p, [1], ignore_index=v), ValueError, "ignore_index must be an int or None")

# ------------------------------------------------------------------------------------ predictions

plane = nn.MLP(2, [1], rng=0)
on = About("nn.Module.predict")
on.kind("unknown kind of prediction", NAME, partial(plane.predict, [[1.0, 2.0]]))
on.values([None, 3.0, x], plane.predict, TypeError, "predict expects samples")
on = About("nn.plot_boundary")
plot = partial(nn.plot_boundary, plane, [[1.0, 2.0]], [0])
on.arguments(plot, threshold=FINITE)
on.values([1, 0, 2.5, None], lambda v: plot(resolution=v), ValueError, "resolution must be a whole number, 2 or more")
on.values([None, "MLP", 3], lambda v: nn.plot_boundary(v, [[1.0, 2.0]], [0]), TypeError, "plot_boundary expects a Module")
for model, X, labels, *words in [
    (plane, [[1.0]], [0], "samples of shape (samples, 2)", "(1, 1) and (1,)"),
    (plane, [[1.0, 2.0]], [2], "labels 0 and 1, or -1 and 1", "got 2"),
    (plane, [[1.0, 2.0]] * 2, [0, -1], "labels 0 and 1, or -1 and 1", "both -1 and 0"),
    (nn.MLP(2, [3], rng=0), [[1.0, 2.0]], [-1], "labels from 0 to 2", "got -1"),
]:
    on.call(partial(nn.plot_boundary, model, X, labels, resolution=2), ValueError, "plot_boundary expects", *words)

on = About("nn.confusion_matrix")
on.values([None, "ab"], lambda v: confusion_matrix(v, [1]), BOTH, "predictions must be", shows=None)
on.values([[1.0], [], 3], lambda v: confusion_matrix(v, [1]), BOTH, "confusion_matrix expects logits", shows=None)
on.values([[["a", "b"]], [[1j, 2.0]], [[1.0, 2.0], [1.0]], [[None, 1.0]]], lambda v: confusion_matrix(v, [1] * len(v)), TypeError, "predictions must be", shows=None)
on.values([2, -1, "a", 0.5, None], lambda v: confusion_matrix([[1.0, 2.0]], [v]), ValueError, "labels from 0 to 1")
on.call(lambda: confusion_matrix([[1.0, 2.0]], None), ValueError, "(samples,)", "()")
on.call(lambda: confusion_matrix([[1.0, 2.0]], [[0], [1, 2]]), TypeError, "targets must be one label")

# --------------------------------------------------------------------------------------- diagnosis

on, small, targets = About("nn.diagnose"), nn.MLP(2, [1]), [0.0, 1.0, 0.0]
on.values([None, 3.0, "x", nn.MLP, [1.0]], lambda v: nn.diagnose(v, X3, targets), TypeError, "diagnose expects a Module such as", shows=None)
on.call(lambda: nn.diagnose(small, X3.T, targets), ValueError, "2", "3")
on.call(lambda: nn.diagnose(small, np.ones((3, 4)), targets), ValueError, "MLP expects 2 inputs", "4")
on.call(lambda: nn.diagnose(small, X3, targets, loss="huge"), ValueError, "unknown loss 'huge'", "mse")
on.call(lambda: nn.diagnose(small, X3 * np.nan, targets), ValueError, "nan")
