"""Layers of Arrays: against NumPy, against the scalar layers, and what they refuse."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import nn
from engine import Array, Value, check_gradients, topological, walk
from engine.rules import ELEMENTWISE
from nn import init
from nn.scalar import ACTIVATIONS
from nn.vector import (
    MLP,
    Activation,
    BatchNorm,
    Dense,
    Dropout,
    Embedding,
    LayerNorm,
    Residual,
    Sequential,
)

numbers = st.floats(-10.0, 10.0, width=32)
sizes = st.integers(1, 5)
seeds = st.integers(0, 2**32)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)


def row_names(root):
    return [node.op.name for node in topological(root) if node.op is not None]


# ---------------------------------------------------------------------------------------- Dense


@DTYPES
@given(data=st.data(), m=st.integers(0, 4), nin=sizes, nout=sizes, seed=seeds)
def test_dense_is_x_times_w_transposed_plus_b(dtype, data, m, nin, nout, seed):
    """nin products and as many sums are rounded: an error of (nin + 1) eps of the terms' sizes."""
    layer = Dense(nin, nout, "linear", init="uniform", rng=seed, dtype=dtype)
    layer.bias.data = np.linspace(-1.0, 1.0, nout)
    X = data.draw(arrays(np.float64, (m, nin), elements=numbers), label="X")
    W, b = layer.weight.data.astype(float), layer.bias.data.astype(float)
    out = layer(X)
    assert (out.shape, out.dtype) == ((m, nout), dtype)
    eps, tiny = np.finfo(dtype).eps, np.finfo(dtype).tiny
    bound = (nin + 1) * (eps * (abs(X) @ abs(W).T + abs(b)) + tiny)
    assert np.all(abs(out.data - (X @ W.T + b)) <= bound)
    for x, row, limit in zip(X, out.data, bound, strict=True):
        alone = layer(x)
        assert (alone.shape, alone.dtype) == ((nout,), dtype)
        assert np.all(abs(alone.data - row) <= 2 * limit)


@pytest.mark.parametrize(
    "X",
    [[[1, 2], [3, 4]], np.array([[1, 2], [3, 4]], np.uint8), Array([[1.0, 2.0], [3.0, 4.0]])],
    ids=lambda X: type(X).__name__,
)
def test_samples_may_be_lists_whole_numbers_and_arrays(X):
    layer = Dense(2, 3, rng=0, dtype=np.float64)
    np.testing.assert_array_equal(layer(X).data, layer(np.array([[1.0, 2.0], [3.0, 4.0]])).data)


def test_no_gradient_is_computed_for_plain_samples():
    """The first layer needs two of three pullbacks, unless its input is an Array."""
    model, X = MLP(3, [4, 4, 2], rng=0, dtype=np.float64), np.ones((5, 3))

    def sent(X):
        steps = [step for step in walk(model(X).sum()) if step.node.op is not None]
        assert not any(sent.to.constant for step in steps for sent in step.sent)
        return [len(step.sent) for step in steps if step.node.op.name == "linear"]

    assert sent(X) == [3, 3, 2]
    leaf = Array(X)
    assert sent(leaf) == [3, 3, 3]
    assert leaf.grad.any()
    W = model.layers[-1].weight.data
    z = Array(np.ones((5, 4)))
    model.layers[-1](z).sum().backward()
    np.testing.assert_allclose(z.grad, np.ones((5, 2)) @ W, rtol=1e-15)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_of_every_activation(activation):
    """Gradients of weights, biases and samples; the last layer has no activation."""
    model = MLP(2, [3, 2, 2], activation, init="uniform", rng=4, dtype=np.float64)
    X = Array([[0.3, -0.7], [1.1, 0.4]], "X")
    check_gradients(lambda: model(X).square().sum(), [*model.parameters(), X])
    hidden = [] if activation == "linear" else [activation]
    assert row_names(model(X)) == ["linear", *hidden, "linear", *hidden, "linear"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_its_row_on_every_element(name):
    """The numbers of the scalar row, to a few roundings, also at kinks and far out."""
    x = np.array([[-30.0, -1.5, -1e-9, -0.0], [0.0, 1e-9, 0.7, 30.0]])
    out = Activation(name)(x)
    if name == "linear":
        want = x
    else:
        want = [[ELEMENTWISE[name](Value(number)).data for number in row] for row in x]
    np.testing.assert_allclose(out.data, want, rtol=1e-14, atol=1e-300)
    leaf = Array(x.astype(np.float32))
    small = Activation(name)(leaf)
    small.sum().backward()
    assert small.dtype == leaf.grad.dtype == np.float32


# ------------------------------------------------------------------------------------------ MLP


@given(st.sampled_from(list(init.INITS)), seeds, st.sampled_from([0.0, 0.5]))
def test_first_weights_are_those_of_the_scalar_network(name, seed, dropout):
    """The same weights from one seed, and the same state of a shared generator."""
    rngs = np.random.default_rng(seed), np.random.default_rng(seed)
    scalar = nn.MLP(3, [4, 2], init=name, rng=rngs[0])
    array = MLP(3, [4, 2], init=name, rng=rngs[1], dropout=dropout, dtype=np.float64)
    small = MLP(3, [4, 2], init=name, rng=seed)
    for ours, single, theirs in zip(array.layers, small.layers, scalar.layers, strict=True):
        made = np.array([[w.data for w in neuron.weights] for neuron in theirs.neurons])
        np.testing.assert_array_equal(ours.weight.data, made)
        np.testing.assert_array_equal(single.weight.data, made.astype(np.float32))
        assert not ours.bias.data.any()
        assert single.weight.dtype == single.bias.dtype == np.float32
    assert rngs[0].random() == rngs[1].random()


def test_a_network_is_its_layers_one_after_the_other():
    model, X = MLP(2, [3, 4, 1], "tanh", rng=0, dtype=np.float64), np.ones((5, 2))
    z = X
    for i, layer in enumerate(model.layers):
        z = z @ layer.weight.data.T + layer.bias.data
        z = np.tanh(z) if i < 2 else z
    np.testing.assert_allclose(model(X).data, z, rtol=1e-14)
    assert list(model.named_parameters()) == [
        f"layers.{i}.{name}" for i in range(3) for name in ("weight", "bias")
    ]
    assert model.summary().split("\n")[1:] == [
        "layers.0  Dense(2, 3, 'tanh')          3           9",
        "layers.1  Dense(3, 4, 'tanh')          4          16",
        "layers.2  Dense(4, 1, 'linear')        1           5",
        "total                                             30",
    ]


def test_dropout_in_a_network_is_after_each_hidden_activation():
    """Dropout applies in training, to hidden layers only."""
    model, X = MLP(3, [50, 50, 2], rng=1, dropout=0.5, dtype=np.float64), np.ones((4, 3))
    assert row_names(model(X)) == ["linear", "relu", "*", "linear", "relu", "*", "linear"]
    assert not np.array_equal(model(X).data, model(X).data)
    plain = MLP(3, [50, 50, 2], rng=1, dtype=np.float64)
    np.testing.assert_array_equal(model.eval()(X).data, plain(X).data)
    assert list(model.named_parameters()) == list(plain.named_parameters())
    assert list(model.generators()) == ["dropout.rng"]


# ------------------------------------------------------------------------ Sequential, Residual


def test_sequential_nests():
    first, second, third = Dense(2, 3, "tanh", rng=0), Dense(3, 3, rng=1), Dense(3, 1, rng=2)
    model = Sequential(
        first, Sequential(BatchNorm(3), second), Residual(Dropout(0.5, rng=0)), third
    )
    assert list(model.named_parameters()) == [
        "modules.0.weight", "modules.0.bias",
        "modules.1.modules.0.gamma", "modules.1.modules.0.beta",
        "modules.1.modules.1.weight", "modules.1.modules.1.bias",
        "modules.3.weight", "modules.3.bias",
    ]  # fmt: skip
    assert list(model.generators()) == ["modules.2.modules.0.rng"]
    assert model.summary().split("\n") == [
        "layer                what                 outputs  parameters",
        "modules.0            Dense(2, 3, 'tanh')        3           9",
        "modules.1.modules.0  BatchNorm(3)               3           6",
        "modules.1.modules.1  Dense(3, 3, 'relu')        3          12",
        "modules.3            Dense(3, 1, 'relu')        1           4",
        "total                                                      31",
    ]
    X = np.ones((4, 2), np.float32)
    model.eval()
    want = third(2 * second(model.modules[1].modules[0](first(X))))
    np.testing.assert_array_equal(model(X).data, want.data)
    assert not any(part.training for part in model.modules[1].modules)


def test_gradients_pass_a_dead_branch_however_deep():
    dead = lambda: Dense(3, 3, init=lambda *_: np.full((3, 3), -1.0), dtype=np.float64)
    X = Array(np.ones((2, 3)))
    Sequential(*[Residual(dead()) for _ in range(100)])(X).sum().backward()
    np.testing.assert_array_equal(X.grad, np.ones((2, 3)))
    X.zero_grad()
    Sequential(*[dead() for _ in range(100)])(X).sum().backward()
    assert not X.grad.any()


def test_gradients_through_a_residual_network():
    branch = Dense(3, 4, "tanh", init="uniform", rng=0, dtype=np.float64), BatchNorm(4, dtype=float)
    back = Dense(4, 3, "linear", init="uniform", rng=1, dtype=np.float64)
    model, R = Residual(*branch, back), np.random.default_rng(2).normal(size=(5, 3))
    X = Array(np.random.default_rng(3).normal(size=(5, 3)), "X")
    assert model(X).shape == (5, 3)
    check_gradients(lambda: (model(X).tanh() * R).sum(), [X, *model.parameters()])


def test_a_residual_keeps_the_dtype_of_its_layers():
    out = Residual(Dense(3, 3, rng=0))(np.ones((2, 3)))
    assert (out.shape, out.dtype) == ((2, 3), np.float32)


# ------------------------------------------------------------------------------------- LayerNorm


@DTYPES
@given(data=st.data(), m=st.integers(0, 3), n=sizes)
def test_layer_norm_is_its_formula_for_each_sample(dtype, data, m, n):
    """A sample alone, in a batch, and as one of several axes has the same result in both modes."""
    layer = LayerNorm(n, dtype=dtype)
    layer.gamma.data, layer.beta.data = np.linspace(-1.0, 2.0, n), np.linspace(0.5, 1.0, n)
    X = data.draw(arrays(np.float64, (m, n), elements=numbers), label="X").astype(dtype)
    out = layer(X)
    assert (out.shape, out.dtype) == ((m, n), dtype)
    for x, each in zip(X.astype(float), out.data, strict=True):
        want = (x - x.mean()) / np.sqrt(x.var() + 1e-5) * layer.gamma.data + layer.beta.data
        bound = 30 * n * np.finfo(dtype).eps * (1 + abs(x).max() / np.sqrt(x.var() + 1e-5))
        np.testing.assert_allclose(each, want, rtol=0, atol=2 * bound)
        np.testing.assert_array_equal(layer(x.astype(dtype)).data, each)
    np.testing.assert_array_equal(layer(X[None]).data, out.data[None])
    np.testing.assert_array_equal(layer.eval()(X).data, out.data)


def test_layer_norm_of_equal_features_is_beta():
    layer = LayerNorm(3, dtype=np.float64)
    layer.beta.data = [1.0, 2.0, 3.0]
    X = Array([[5.0, 5.0, 5.0]])
    layer(X).sum().backward()
    assert layer(X).data.tolist() == [[1.0, 2.0, 3.0]]
    assert np.isfinite(X.grad).all()


# ------------------------------------------------------------------------------------- Embedding


@DTYPES
@given(data=st.data(), rows=sizes, width=sizes)
def test_an_embedding_takes_rows_and_adds_up_their_gradients(dtype, data, rows, width):
    """As the product of one-hot rows and the weights: for indices of any shape, in lists or arrays."""
    layer = Embedding(rows, width, rng=0, dtype=dtype)
    shape = data.draw(st.sampled_from([(), (0,), (4,), (2, 3), (1, 2, 2)]), label="shape")
    indices = data.draw(arrays(np.intp, shape, elements=st.integers(0, rows - 1)), label="indices")
    C = np.cos(np.arange(1.0, indices.size * width + 1)).reshape(*shape, width).astype(dtype)
    out = layer(data.draw(st.sampled_from([indices, indices.tolist(), indices.astype(np.uint8)])))
    assert (out.shape, out.dtype) == ((*shape, width), dtype)
    one_hot = np.eye(rows)[indices]
    np.testing.assert_array_equal(out.data, (one_hot @ layer.weight.data).astype(dtype))
    (out * C).sum().backward()
    want = one_hot.reshape(-1, rows).T @ C.reshape(-1, width)
    np.testing.assert_allclose(layer.weight.grad, want, rtol=1e-5, atol=1e-6)


def test_an_embedding_starts_as_in_pytorch():
    weight = Embedding(1000, 50, rng=0).weight
    assert (weight.shape, weight.dtype) == ((1000, 50), np.float32)
    assert abs(weight.data.mean()) < 0.02
    assert abs(weight.data.std() - 1.0) < 0.02
    small = Embedding(3, 2, init=lambda width, rows, rng: np.full((rows, width), 0.5))
    assert small.weight.data.tolist() == [[0.5, 0.5]] * 3


def test_an_embedding_learns_in_a_sequence(tmp_path):
    """`fit` passes integers on; the model is saved, loaded and summed up as any other."""
    model = Sequential(Embedding(5, 4, rng=0), LayerNorm(4), Dense(4, 2, "linear", rng=1))
    X, y = np.array([0, 1, 2, 3, 4] * 4), np.array([0, 1, 1, 0, 1] * 4)
    training = nn.fit(model, X, y, loss="cross_entropy", optimizer="adam", lr=0.1, epochs=30)
    assert [record.loss for record in training][-1] < 0.05
    assert model.summary().split("\n")[1:] == [
        "modules.0  Embedding(5, 4)              4          20",
        "modules.1  LayerNorm(4)                 4           8",
        "modules.2  Dense(4, 2, 'linear')        2          10",
        "total                                              38",
    ]
    nn.save(tmp_path / "model.ckpt", model)
    other = Sequential(Embedding(5, 4), LayerNorm(4), Dense(4, 2, "linear"))
    nn.load(tmp_path / "model.ckpt", other)
    np.testing.assert_array_equal(other(X).data, model(X).data)


# --------------------------------------------------------------------------------------- Dropout


@DTYPES
@given(rate=st.floats(0.01, 0.95), seed=seeds)
def test_dropout_keeps_its_share_and_grows_it_exactly(dtype, rate, seed):
    """Each element is 0 or divided by 1 - rate, in both passes; the mean stays."""
    n = 10_000
    x = Array(np.random.default_rng(0).normal(size=n).astype(dtype))
    out = Dropout(rate, rng=seed)(x)
    out.sum().backward()
    kept, scale = out.data != 0, dtype(1 / (1 - rate))
    np.testing.assert_array_equal(out.data, np.where(kept, x.data * scale, 0))
    np.testing.assert_array_equal(x.grad, np.where(kept, scale, 0))
    assert out.dtype == x.grad.dtype == dtype
    spread = (n * rate * (1 - rate)) ** 0.5  # of a binomial: beyond 6 of them once in 10^9
    assert abs(kept.sum() - n * (1 - rate)) < 6 * spread


@DTYPES
def test_dropout_of_plain_arrays_keeps_their_dtype_and_asks_for_no_gradient(dtype):
    out = Dropout(0.3, rng=0)(np.ones(100, dtype))
    assert (out.dtype, out.constant) == (dtype, True)
    assert set(out.data.tolist()) == {0.0, float(dtype(1 / 0.7))}


def test_dropout_without_a_rate_and_in_eval_does_nothing():
    x = Array(np.ones(4))
    assert Dropout(0.5, rng=0).eval()(x) is x
    assert Dropout(0.0, rng=0)(x) is x
    layer = Dropout(0.5, rng=0)
    state = layer.rng.bit_generator.state
    layer.eval()(x)
    assert layer.rng.bit_generator.state == state
    assert not layer.train()(Array(np.ones(100))).data.all()


def test_dropout_draws_from_its_own_generator():
    """The same masks from the same seed, one after the other; elements are dropped one by one."""
    x, rng = np.ones((500, 4)), np.random.default_rng(7)
    first, again, other, shared = (Dropout(0.5, rng=r) for r in (7, 7, 8, rng))
    masks = [first(x).data for _ in range(2)]
    assert not np.array_equal(*masks)
    np.testing.assert_array_equal(masks, [again(x).data for _ in range(2)])
    assert not np.array_equal(masks[0], other(x).data)
    assert shared.rng is rng
    np.testing.assert_array_equal(masks[0], shared(x).data)
    assert len(np.unique(masks[0], axis=0)) == 16  # rows, of 2^4
    assert len(np.unique(masks[0], axis=1).T) == 4


# --------------------------------------------------------------------------- copies and errors

MODELS = [
    Dense(2, 3, "tanh", rng=0),
    Activation("gelu"),
    BatchNorm(2),
    Dropout(0.5, rng=0),
    LayerNorm(2, eps=0.1),
    Embedding(4, 3, rng=0),
    Sequential(Embedding(4, 3, rng=0), LayerNorm(3), Dense(3, 1, rng=0)),
    Sequential(Dense(2, 3, rng=0), BatchNorm(3), Dropout(0.25, rng=1)),
    Residual(Dense(2, 2, rng=0)),
    MLP(2, [3, 1], "relu", dropout=0.5, rng=0),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_share_nothing_and_go_on_the_same(model, copied):
    """A copy has the same parameters, running statistics and future random masks."""
    X = np.random.default_rng(0).normal(size=(5, 2))
    if any(isinstance(part, Embedding) for part in model.named_modules().values()):
        X = np.array([[0, 1], [3, 3], [2, 0], [1, 1], [0, 3]])
    model(X)
    twin = copied(model)
    for mode in (True, False):
        np.testing.assert_array_equal(twin.train(mode)(X).data, model.train(mode)(X).data)
    model.train()
    ours, theirs = model.named_state(), twin.named_state()
    assert list(ours) == list(theirs)
    for name, leaf in ours.items():
        assert not np.shares_memory(leaf.data, theirs[name].data)
        assert (leaf.dtype, leaf.constant, leaf.label) == (
            theirs[name].dtype, theirs[name].constant, theirs[name].label,
        )  # fmt: skip


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_repr_makes_another_of_its_kind(model):
    twin = eval(repr(model))
    assert repr(twin) == repr(model)
    assert list(twin.named_state()) == list(model.named_state())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Dense(3, 2)(np.zeros((5, 4))), ValueError, "Dense expects shape (samples, 3), got (5, 4)"),
        (lambda: Dense(3, 2)(np.zeros(4)), ValueError, "Dense expects shape (samples, 3), got (4,)"),
        (lambda: Dense(1, 2)(0.5), ValueError, "Dense expects shape (samples, 1), got ()"),
        (lambda: Dense(3, 2)(np.zeros((3, 1))), ValueError, "Dense expects shape (samples, 3), got (3, 1)"),
        (
            lambda: MLP(784, [10])(np.zeros((2, 28, 28))),
            ValueError,
            "Dense expects shape (samples, 784), got (2, 28, 28); flatten each sample with X.reshape(len(X), -1)",
        ),
        (lambda: BatchNorm(3)(np.zeros((5, 1))), ValueError, "BatchNorm expects shape (samples, 3), got (5, 1)"),
        (
            lambda: Residual(Dense(3, 1))(np.ones((2, 3))),  # would be broadcast
            ValueError,
            "Residual adds f(X) of shape (2, 1) to X of shape (2, 3)",
        ),
        (lambda: LayerNorm(3)(np.zeros((5, 2))), ValueError, "LayerNorm expects shape (samples, 3), got (5, 2)"),
        (lambda: LayerNorm(0), ValueError, "the number of features must be a whole number, 1 or more, got 0"),
        (lambda: Embedding(0, 2), ValueError, "the number of rows must be a whole number, 1 or more, got 0"),
        (lambda: Embedding(2, 0), ValueError, "the width must be a whole number, 1 or more, got 0"),
        (lambda: Embedding(3, 2)([0, 3]), ValueError, "Embedding expects indices from 0 to 2, got 3"),
        (lambda: Embedding(3, 2)(-1), ValueError, "Embedding expects indices from 0 to 2, got -1"),
        (lambda: Embedding(3, 2)([1.0, 2.0]), TypeError, "Embedding expects integer indices, got a list of float64; indices.astype(int) converts them"),
        (lambda: Embedding(3, 2)(Array([0.5])), TypeError, "Embedding expects integer indices, got an Array of float64"),
        (lambda: Embedding(3, 2)([True, False]), TypeError, "Embedding expects integer indices, got a list of bool"),
        (lambda: Embedding(3, 2)(["a"]), TypeError, "Embedding expects integer indices, got a list of <U1; to number classes, write names, y = np.unique(y, return_inverse=True)"),
        (lambda: Dense(2, 1, "rleu"), ValueError, f"unknown activation 'rleu' (did you mean 'relu'?); choose from: {', '.join(ACTIVATIONS)}"),
        (lambda: Activation("log"), ValueError, f"unknown activation 'log'; choose from: {', '.join(ACTIVATIONS)}"),
        (lambda: MLP(2, [1], "rleu"), ValueError, f"unknown activation 'rleu' (did you mean 'relu'?); choose from: {', '.join(ACTIVATIONS)}"),
        (lambda: Dense(0, 1), ValueError, "the number of inputs must be a whole number, 1 or more, got 0"),
        (lambda: Dense(2, 1.5), ValueError, "the number of outputs must be a whole number, 1 or more, got 1.5"),
        (lambda: BatchNorm(0), ValueError, "the number of features must be a whole number, 1 or more, got 0"),
        (lambda: MLP(2, 16), TypeError, "MLP expects a list of layer sizes, got 16; write [16]"),
        (lambda: MLP(2, []), ValueError, "MLP expects at least one layer size, got []"),
        (lambda: Dropout(1.0), ValueError, "rate must be a number in [0, 1), got 1.0"),
        (lambda: MLP(2, [1], dropout=-0.1), ValueError, "rate must be a number in [0, 1), got -0.1"),
        (lambda: Dropout(rng="seed"), TypeError, "rng expects a seed (an int), a NumPy Generator or None, got 'seed'"),
        (lambda: Sequential([Activation("relu")]), TypeError, "Sequential expects modules, one after the other, got [Activation('relu')]; write Sequential(Dense(...), Dense(...))"),
        (lambda: Dense(2, 1, dtype=int), TypeError, "dtype must be float32 or float64, got int64"),
        (lambda: BatchNorm(2, dtype="float16"), TypeError, "dtype must be float32 or float64, got float16"),
        (
            lambda: Dense(2, 1)(Array([[1.0, 2.0]])),  # float64
            TypeError,
            "linear expects Arrays of the same dtype, got an array of shape (1, 2) and dtype float64 and W of shape (1, 2) and dtype float32 and b of shape (1,) and dtype float32; convert with .astype()",
        ),
        (lambda: Dense(1, 1)([Value(1.0)]), TypeError, "an Array holds numbers, got a list of nodes; join Arrays with stack or concatenate"),
    ],
)  # fmt: skip
def test_errors_name_the_thing_the_value_and_the_remedy(call, error, message):
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == message


@pytest.mark.parametrize("kind", [Sequential, Residual])
def test_no_modules_are_refused(kind):
    with pytest.raises(ValueError, match=f"{kind.__name__} expects at least one module, got none"):
        kind()
