"""Modules of Values in sequence compute what their counterparts of Arrays do, and convert."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Array, Value
from nn import Layer, losses, scalar, vector
from nn.scalar import Activation, BatchNorm, Residual, Sequential

seeds = st.integers(0, 2**32)
WIDTH = 3
D = {"dtype": np.float64}
# Each keeps the width, so that any sequence of them fits.
PARTS = {
    "dense": lambda rng: vector.Dense(WIDTH, WIDTH, "tanh", rng=rng, **D),
    "linear": lambda rng: vector.Dense(WIDTH, WIDTH, "linear", rng=rng, bias=False, **D),
    "activation": lambda rng: vector.Activation("silu"),
    "identity": lambda rng: vector.Activation("linear"),
    "batch_norm": lambda rng: vector.BatchNorm(WIDTH, momentum=0.5, eps=0.1, **D),
    "layer_norm": lambda rng: vector.LayerNorm(WIDTH, eps=0.1, **D),
    "dropout": lambda rng: vector.Dropout(0.5),
    "residual": lambda rng: vector.Residual(
        vector.Dense(WIDTH, 1, rng=rng, **D), vector.Dense(1, WIDTH, "gelu", rng=rng, **D)
    ),
}


@given(st.lists(st.sampled_from([*PARTS]), min_size=1, max_size=5), seeds)
def test_values_and_arrays_agree(names, seed):
    """Outputs and gradients of up to 5 modules, whose sums have 3 terms: some 100 roundings."""
    rng = np.random.default_rng(seed)
    model = vector.Sequential(*[PARTS[name](rng) for name in names])
    for p in model.parameters():
        p.data = p.data + rng.normal(size=p.shape, scale=0.3)
    model(rng.normal(size=(20, WIDTH)))
    model.eval()
    x, target = rng.normal(size=WIDTH), rng.normal(size=WIDTH)
    scalars, inputs = model.to_scalar(), Array(x[None])
    assert not scalars.training
    values = [Value(number) for number in x.tolist()]
    losses.mse(scalars(values), target.tolist()).backward()
    losses.mse(model(inputs)[0], target).backward()
    np.testing.assert_allclose([v.grad for v in values], inputs.grad[0], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(
        [y.data for y in scalars(values)], model(inputs).data[0], rtol=1e-10, atol=1e-12
    )
    back = scalars.to_vector()
    arrays = [[x.tobytes() for x in kind.state_dict().values()] for kind in (back, model)]
    assert arrays[0] == arrays[1]
    assert not back.training
    assert back(inputs).data.tobytes() == model(inputs).data.tobytes()
    assert sum(p.size for p in model.parameters()) == len(scalars.parameters())


def test_running_statistics_are_no_parameters():
    model = vector.BatchNorm(2)
    model.running_mean.data = np.array([1.0, -1.0], np.float32)
    scalars = model.to_scalar()
    assert list(scalars.named_parameters()) == ["gamma.0", "gamma.1", "beta.0", "beta.1"]
    assert [x.data for x in scalars.running_mean] == [1.0, -1.0]
    scalars.freeze().unfreeze()
    assert len(scalars.parameters()) == 4
    assert repr(BatchNorm(2, eps=0.1)) == "BatchNorm(2, eps=0.1)"


def test_one_output_is_a_value():
    model = Sequential(Layer(2, 1, "linear", init="zeros"), BatchNorm(1), Activation("sigmoid"))
    assert isinstance(model([1.0, 2.0]), Value)
    one = Residual(Layer(1, 1, init="zeros"))
    assert one([3.0]).data == one(3.0).data == 3.0


def test_sequences_of_vectors():
    """Attention takes the vectors of all positions; a residual and an activation keep them."""
    model = vector.Sequential(
        vector.Residual(vector.Attention(4, 2, rng=0, **D)), vector.Activation("tanh")
    )
    X = np.random.default_rng(0).normal(size=(3, 4))
    got = model.to_scalar()(X)
    np.testing.assert_allclose([[y.data for y in row] for row in got], model(X).data, rtol=1e-12)


def test_dropout_is_left_out():
    model = vector.Sequential(vector.Dropout(0.5), vector.Dense(2, 2), vector.Dropout(0.5))
    assert repr(model.to_scalar()) == "Sequential(Layer(2, 2, 'relu'))"
    assert repr(vector.Sequential(vector.Dropout(0.5)).to_scalar()) == (
        "Sequential(Activation('linear'))"
    )


def test_a_layer_that_occurs_twice_stays_one():
    dense = vector.Dense(2, 2, rng=0)
    scalars = vector.Sequential(dense, dense).to_scalar()
    assert scalars.modules[0] is scalars.modules[1]
    back = scalars.to_vector()
    assert back.modules[0] is back.modules[1]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Sequential(), ValueError, "Sequential expects at least one module, got none"),
        (lambda: Residual("tanh"), TypeError, "Residual .* got 'tanh'; write Activation('tanh')"),
        (lambda: Sequential(Layer), TypeError, "write Layer(...)"),
        (lambda: Residual(Layer(2, 3))([1.0, 2.0]), ValueError, "f(x) of 3 elements to x of 2"),
        (lambda: Activation("Relu"), ValueError, "did you mean 'relu'"),
        (lambda: BatchNorm(2)([1.0]), ValueError, "BatchNorm expects 2 inputs, got 1"),
        (lambda: BatchNorm(0), ValueError, "the number of features"),
        (lambda: vector.Sequential(np.tanh).to_scalar(), TypeError, "to convert to Values"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=re.escape(message).replace(r"\.\*", ".*")):
        call()


def relu_and_tanh():
    """Return two layers with the same weights and biases, and different activations."""
    one, other = vector.Dense(2, 2, "relu", rng=0, **D), vector.Dense(2, 2, "tanh", **D)
    other.weight, other.bias = one.weight, one.bias
    return one, other


def tied_gpt():
    """Return a GPT whose last layer uses the matrix of its embedding."""
    gpt = vector.GPT(5, 4, 1, 1, 3, rng=0, **D)
    gpt.head.weight = gpt.token_embedding.weight
    return gpt


def tied_mlp():
    mlp = vector.MLP(2, [2, 2], rng=0, **D)
    mlp.layers[1].bias = mlp.layers[0].bias
    return mlp


def tied_attention():
    attention = vector.Attention(4, 2, rng=0, **D)
    attention.key.weight = attention.query.weight
    return attention


@pytest.mark.parametrize(
    ("model", "samples"),
    [
        (lambda: vector.Sequential(*relu_and_tanh()), [[0.5, -1.0]]),
        (lambda: (f := relu_and_tanh()) and vector.Sequential(f[0], vector.Residual(f[1])), [[0.5, -1.0]]),
        (lambda: vector.Sequential(*[vector.Residual(relu_and_tanh()[0])] * 2), [[0.5, -1.0]]),
        (tied_mlp, [[0.5, -1.0]]),
        (tied_gpt, [1, 4, 0]),
        (tied_attention, [[0.5, -1.0, 0.25, 1.0], [1.0, 2.0, -0.5, 0.0]]),
    ],
)  # fmt: skip
def test_shared_parameters_stay_shared(model, samples):
    """A shared Array becomes Values that receive the gradients of all its uses, and vice versa."""
    model = model()
    scalars = model.to_scalar()
    back = scalars.to_vector()
    assert len(scalars.parameters()) == sum(p.size for p in model.parameters())
    assert [*back.named_parameters()] == [*model.named_parameters()]
    is_sample = not isinstance(samples[0], int) and len(samples) == 1
    outputs = scalars(samples[0] if is_sample else samples)
    rows = [outputs] if is_sample else outputs
    sum(y * y for row in rows for y in row).backward()
    for arrays in (model, back):
        arrays.zero_grad()
        arrays(samples).square().sum().backward()
        copy = scalars.to_vector()
        for name, gradient in copy.named_parameters().items():
            gradient.data = arrays.named_parameters()[name].grad
        theirs = [p.data for p in copy.to_scalar().parameters()]
        np.testing.assert_allclose(theirs, [p.grad for p in scalars.parameters()], atol=1e-12)


def tie_one_weight():
    layer = Layer(2, 2, rng=0)
    layer.neurons[1].weights = layer.neurons[0].weights
    return layer


def tie_one_bias():
    one, other = Layer(2, 2, rng=0), Layer(2, 2, rng=1)
    other.neurons[1].bias = one.neurons[0].bias
    return Sequential(one, other)


def tie_another_shape():
    one, other = Layer(2, 1, rng=0), Layer(1, 2, rng=1)
    for neuron, weight in zip(other.neurons, one.neurons[0].weights, strict=True):
        neuron.weights = (weight,)
    return Sequential(one, other)


@pytest.mark.parametrize("model", [tie_one_weight, tie_one_bias, tie_another_shape])
def test_parts_of_arrays_cannot_be_shared(model):
    with pytest.raises(ValueError, match=r"'\w\d?'\) of Layer\(.*\) is a weight in several places"):
        model().to_vector()


def test_all_modules_have_a_counterpart():
    for name in scalar.MODULES:
        assert hasattr(getattr(scalar, name), "to_vector")
        assert hasattr(getattr(vector, name), "to_scalar")
