"""Neuron, Layer and MLP: against NumPy, against micrograd, and fused against unfused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Constant, Value, check_gradients, topological, total
from nn import MLP, Layer, Neuron, init
from nn.scalar import ACTIVATIONS

numbers = st.floats(-10.0, 10.0)
sizes = st.lists(st.integers(1, 4), min_size=1, max_size=3)
seeds = st.integers(0, 2**32)


def squares(out):
    """Return one number computed from a model's outputs."""
    return total([each.square() for each in (out if isinstance(out, list) else [out])])


def interior(root):
    return [node for node in topological(root) if node.op is not None]


# --------------------------------------------------------------------- the numbers are right


@given(st.data(), st.integers(1, 40), st.integers(1, 3), seeds)
def test_layer_is_matrix_times_vector_plus_bias(data, nin, nout, seed):
    """nin products and as many sums are rounded: an error of (nin + 1) eps of the terms' sizes."""
    x = np.array(data.draw(st.lists(numbers, min_size=nin, max_size=nin), label="x"))
    layer = Layer(nin, nout, "linear", init="uniform", rng=seed)
    W, b = init.uniform(nin, nout, seed), np.linspace(-1.0, 1.0, nout)
    for neuron, each in zip(layer.neurons, b, strict=True):
        neuron.bias.data = each
    out = layer(x)
    got = np.array([each.data for each in (out if nout > 1 else [out])])
    bound = 2 * (nin + 1) * np.finfo(float).eps / 2 * (abs(W) @ abs(x) + abs(b))  # ours and NumPy's
    assert np.all(abs(got - (W @ x + b)) <= bound)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("fused", [True, False])
def test_gradients_of_every_activation(activation, fused):
    """Gradients of parameters and inputs; only the 5 hidden neurons have the activation."""
    model = MLP(2, [3, 2, 2], activation, init="uniform", rng=4, fused=fused)
    x = [Value(0.3), Value(-0.7)]
    check_gradients(lambda: squares(model(x)), [*model.parameters(), *x])
    rows = [node.op.name for node in interior(total(model(x)))]
    assert rows.count(activation) == (0 if activation == "linear" else 5)


@given(st.data(), st.integers(1, 4), sizes, st.sampled_from(ACTIVATIONS), seeds)
def test_fused_and_unfused_agree_to_the_last_bit(data, nin, nouts, activation, seed):
    """The same additions in the same order, forwards and backwards."""
    x = data.draw(st.lists(numbers, min_size=nin, max_size=nin), label="x")
    results = []
    for fused in (True, False):
        model = MLP(nin, nouts, activation, rng=seed, fused=fused)
        inputs = [Value(each) for each in x]
        loss = squares(model(inputs))
        loss.backward()
        nodes = [*model.parameters(), *inputs]
        results.append([loss.data, *[p.data for p in nodes], *[p.grad for p in nodes]])
    np.testing.assert_array_equal(*results)  # nan equals nan


@given(st.data(), st.integers(1, 3), seeds)
def test_parameters_and_outputs_are_micrograds(data, nin, seed):
    """micrograd's network, with our weights in its order, has our outputs."""
    theirs = pytest.importorskip("micrograd.nn").MLP(nin, [3, 2, 1])
    ours = MLP(nin, [3, 2, 1], rng=seed)
    assert len(theirs.parameters()) == len(ours.parameters())
    for p, q in zip(theirs.parameters(), ours.parameters(), strict=True):
        q.data = q.data or 0.25  # a bias; of another size than any weight is likely to be
        p.data = q.data
    x = data.draw(st.lists(numbers, min_size=nin, max_size=nin), label="x")
    a, b = theirs(x), ours(x)
    assert a.data == b.data
    a.backward()
    b.backward()
    for p, q in zip(theirs.parameters(), ours.parameters(), strict=True):
        # Up to 6 paths are added in another order, each below 1e4 and of at most 5 factors: 11
        # roundings of 6e4 are less than 1e-10.
        assert math.isclose(p.grad, q.grad, rel_tol=0.0, abs_tol=1e-10)


# ------------------------------------------------------------------------ how it is built


def test_parameters_go_layer_by_layer_weights_before_bias():
    assert list(MLP(2, [2, 1]).named_parameters()) == [
        "layers.0.neurons.0.weights.0",
        "layers.0.neurons.0.weights.1",
        "layers.0.neurons.0.bias",
        "layers.0.neurons.1.weights.0",
        "layers.0.neurons.1.weights.1",
        "layers.0.neurons.1.bias",
        "layers.1.neurons.0.weights.0",
        "layers.1.neurons.0.weights.1",
        "layers.1.neurons.0.bias",
    ]
    assert [p.label for p in Neuron(2).parameters()] == ["w0", "w1", "b"]


def test_weights_are_the_rows_of_one_matrix_per_layer_biases_zero():
    """The same seed gives the same network of arrays."""
    rng, model = np.random.default_rng(5), MLP(3, [4, 2], init="xavier_uniform", rng=5)
    for layer, (fan_in, fan_out) in zip(model.layers, [(3, 4), (4, 2)], strict=True):
        made = [[w.data for w in neuron.weights] for neuron in layer.neurons]
        assert made == init.xavier_uniform(fan_in, fan_out, rng).tolist()
        assert [neuron.bias.data for neuron in layer.neurons] == [0.0] * fan_out
    again = Layer(3, 4, init=init.xavier_uniform, rng=np.random.default_rng(5))
    assert again.state_dict() == model.layers[0].state_dict()
    assert MLP(3, [4]).state_dict() != MLP(3, [4]).state_dict()


def test_graph_is_two_nodes_a_neuron_and_one_constant_an_input():
    out = MLP(2, [16, 16, 1])(np.array([1.0, 2.0]))
    assert len(interior(out)) == 16 * 2 + 16 * 2 + 1
    assert sum(isinstance(node, Constant) for node in topological(out)) == 2
    unfused = Neuron(3, fused=False)([1.0, 2.0, 3.0])
    assert [node.op.name for node in interior(unfused)] == ["*", "+", "*", "+", "*", "+", "relu"]


@pytest.mark.parametrize(
    "x",
    [[1, 2], (1.0, Value(2.0)), np.array([1, 2]), np.float32([1, 2]), iter([1.0, 2.0])],
    ids=type,
)
def test_inputs_may_be_any_sequence_of_numbers_and_values(x):
    assert MLP(2, [3, 1], rng=0)(x).data == MLP(2, [3, 1], rng=0)([1.0, 2.0]).data


@pytest.mark.parametrize("x", [0.5, Value(0.5), np.float64(0.5)], ids=type)
def test_one_input_and_one_output_stand_alone(x):
    """A hidden layer of one neuron works, too."""
    model = MLP(1, [1, 1, 2], "tanh", rng=0)
    assert [each.data for each in model(x)] == [each.data for each in model([0.5])]
    assert isinstance(Layer(1, 1)(x), Value)
    assert isinstance(Neuron(1)(x), Value)


@pytest.mark.parametrize("model", [Neuron(2, "tanh"), Layer(2, 3), MLP(2, [4, 3, 1], "gelu")])
def test_repr_makes_another_of_its_kind(model):
    twin = eval(repr(model))
    assert repr(twin) == repr(model)
    assert list(twin.named_parameters()) == list(model.named_parameters())


# ----------------------------------------------------------------------------- its errors


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Neuron(2)([1, 2, 3]), ValueError, "Neuron expects 2 inputs, got 3"),
        (lambda: Neuron(1)([]), ValueError, "Neuron expects 1 input, got 0"),
        (lambda: Layer(2, 3)([1]), ValueError, "Layer expects 2 inputs, got 1"),
        (lambda: MLP(2, [3, 1])(0.5), ValueError, "MLP expects 2 inputs, got 1"),
        (
            lambda: MLP(2, [1])(["1", 2.0]),
            TypeError,
            "MLP expects numbers or Values: a Value holds one real number, got the string '1'; convert it first: float('1')",
        ),
        (
            lambda: MLP(2, 16),
            TypeError,
            "MLP expects a list of layer sizes, got 16; write [16]",
        ),
        (lambda: MLP(2, []), ValueError, "MLP expects at least one layer size, got []"),
        (
            lambda: MLP(2, [3, 0, 1]),
            ValueError,
            "the number of outputs must be a whole number, 1 or more, got 0",
        ),
        *[
            (
                make,
                ValueError,
                f"unknown activation 'rleu' (did you mean 'relu'?); choose from: {', '.join(ACTIVATIONS)}",
            )
            for make in (
                lambda: Neuron(2, "rleu"),
                lambda: Layer(2, 1, "rleu"),
                lambda: MLP(2, [1], "rleu"),
            )
        ],
    ],
)
def test_errors_name_the_thing_the_value_and_the_remedy(call, error, message):
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == message


def test_activations_are_the_rows_of_one_input_that_take_any_number():
    wanted = {
        "linear",
        "tanh",
        "relu",
        "sigmoid",
        "gelu",
        "silu",
        "softplus",
        "elu",
        "leaky_relu",
        "squared_relu",
    }
    assert wanted <= set(ACTIVATIONS)
    assert not {"+", "log", "sqrt", "asin", "maximum", "clip", "where", "floor"} & set(ACTIVATIONS)
