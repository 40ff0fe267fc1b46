"""Conversion of networks between scalars and arrays keeps numbers and function, and copies."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from nn import MLP, Neuron, convert, vector
from nn.scalar import ACTIVATIONS
from strategies import any_float

sizes = st.lists(st.integers(1, 4), min_size=1, max_size=3)
seeds = st.integers(0, 2**32)
activations = st.sampled_from(ACTIVATIONS)


def scalar_bits(model):
    return [struct.pack("d", p.data) for p in model.parameters()]


def array_bits(model):
    """Return the bits of all parameters in the order of the scalar network."""
    layers = getattr(model, "layers", [model])
    rows = [np.column_stack([layer.weight.data, layer.bias.data]) for layer in layers]
    return [struct.pack("d", x) for row in rows for x in row.ravel()]


@given(st.integers(1, 3), sizes, activations, seeds, st.data())
def test_there_and_back_every_bit_returns(nin, nouts, activation, seed, data):
    """Parameters such as inf, nan and -0.0 return, as do names, sizes and activations."""
    model = nn.MLP(nin, nouts, activation, rng=seed)
    for parameter in model.parameters()[:5]:
        parameter.data = data.draw(any_float)
    moved = model.to_vector()
    back = moved.to_scalar()
    assert scalar_bits(model) == array_bits(moved) == scalar_bits(back)
    assert repr(moved) == repr(back) == repr(model)
    assert list(back.named_parameters()) == list(model.named_parameters())
    made = vector.MLP(nin, nouts, activation, rng=seed)
    assert list(moved.named_parameters()) == list(made.named_parameters())
    assert all(p.dtype == np.float64 for p in moved.parameters())


@given(st.integers(1, 3), sizes, seeds)
def test_float32_is_carried_exactly(nin, nouts, seed):
    """float32 converts exactly both ways; float64 is rounded once, to the nearest."""
    model = vector.MLP(nin, nouts, rng=seed)
    lifted = model.to_scalar()
    assert scalar_bits(lifted) == array_bits(model)
    lowered = lifted.to_vector(np.float32)
    assert array_bits(lowered) == array_bits(model)
    assert all(p.dtype == np.float32 for p in lowered.parameters())
    precise = nn.MLP(nin, nouts, rng=seed)
    numbers = [struct.pack("d", np.float32(p.data)) for p in precise.parameters()]
    assert array_bits(precise.to_vector(np.float32)) == numbers


@given(st.integers(1, 3), sizes, activations, seeds, st.integers(1, 4))
def test_both_compute_the_same(nin, nouts, activation, seed, m):
    """Up to 3 layers of at most 4 inputs, on numbers of size 1: some 30 roundings, grown tenfold."""
    model, X = (
        nn.MLP(nin, nouts, activation, rng=seed),
        np.random.default_rng(seed).normal(size=(m, nin)),
    )
    want = [model(x) for x in X]
    want = [[z.data for z in (row if isinstance(row, list) else [row])] for row in want]
    got = model.to_vector()(X)
    assert got.shape == (m, nouts[-1])
    np.testing.assert_allclose(got.data, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("activation", ["linear", "tanh", "leaky_relu"])
@pytest.mark.parametrize("nout", [1, 3])
def test_a_layer_is_a_dense(activation, nout):
    layer = nn.Layer(2, nout, activation, rng=0)
    layer.neurons[0].bias.data = 0.5
    dense = layer.to_vector()
    back = dense.to_scalar()
    assert (type(dense), type(back)) == (vector.Dense, nn.Layer)
    assert repr(dense) == f"Dense(2, {nout}, {activation!r})"
    assert repr(back) == repr(layer)
    assert scalar_bits(layer) == array_bits(dense) == scalar_bits(back)
    out = layer([0.3, -0.7])
    want = [z.data for z in (out if nout > 1 else [out])]
    np.testing.assert_allclose(dense(np.array([0.3, -0.7])).data, want, rtol=1e-14)


def test_activations_changed_by_hand_survive():
    """The activation of each layer is kept, also if it differs from the network's."""
    model = nn.MLP(2, [3, 3, 1], "relu", rng=0)
    names = ["tanh", "relu", "sigmoid"]
    for layer, name in zip(model.layers, names, strict=True):
        layer.activation = name
    moved = model.to_vector()
    assert [layer.activation for layer in moved.layers] == names
    assert moved(np.array([0.5, -1.0])).item() == pytest.approx(model([0.5, -1.0]).data, rel=1e-14)
    moved.layers[0].activation = "gelu"
    back = moved.to_scalar()
    assert [layer.activation for layer in back.layers] == ["gelu", "relu", "sigmoid"]
    assert model.layers[0].activation == "tanh"


def test_copies_are_not_views():
    """Neither training nor a write in place in one network reaches the other."""
    scalar = nn.MLP(2, [2, 1], rng=0)
    array = scalar.to_vector()
    lifted = array.to_scalar()
    before = scalar_bits(scalar)
    for p in array.parameters():
        p.data[...] = 7.0
    assert scalar_bits(scalar) == scalar_bits(lifted) == before
    for p in lifted.parameters():
        p.data = 9.0
    assert set(array.layers[0].weight.data.ravel().tolist()) == {7.0}
    again = scalar.to_vector()
    assert not np.shares_memory(
        again.layers[0].weight.data, scalar.to_vector().layers[0].weight.data
    )


def test_gradients_stay_behind_and_the_dropout_too():
    """Gradients and dropout are not converted."""
    model = vector.MLP(2, [3, 1], dropout=0.5, rng=0, dtype=np.float64)
    model(np.ones((4, 2))).sum().backward()
    lifted = model.to_scalar()
    assert all(p.grad == 0.0 for p in lifted.parameters())
    x = np.array([0.3, 0.8])
    assert lifted(x).data == pytest.approx(model.eval()(x).item(), rel=1e-14)
    assert not lifted.to_vector().dropout.rate


@pytest.mark.parametrize(
    ("move", "model"),
    [
        (convert.to_vector, Neuron(2)),
        (convert.to_vector, vector.Dense(2, 1)),
        (convert.to_scalar, vector.Dropout(0.5)),
        (convert.to_scalar, MLP(2, [1])),
    ],
)
def test_what_has_no_counterpart_is_refused(move, model):
    with pytest.raises(
        TypeError, match=r"expected an nn\..* to convert to (Arrays|Values), got \w+\("
    ):
        move(model)
