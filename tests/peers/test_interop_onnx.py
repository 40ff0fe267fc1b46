"""Networks as ONNX files: onnxruntime computes what they compute, from weights with their names."""

import doctest
import inspect
import re

import numpy as np
import pytest

import nn
from engine import Array
from nn import scalar, vector
from nn.interop import onnx_writer, to_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 6)).astype(np.float32)
SEQUENCES = RNG.normal(size=(4, 5, 6)).astype(np.float32)
TOKENS = RNG.integers(0, 9, (4, 5))
BOUND = 1e-6  # of the largest output; the float32 functions of onnxruntime err by up to 3e-7


def with_statistics(model, samples=X):
    """Return a model whose batch normalizations have seen some batches, in eval() mode."""
    for scale in (1.0, 3.0):
        model(scale * samples)
    return model.eval()


def randomized(model):
    """Return a model in which no parameter is 0 or 1."""
    rng = np.random.default_rng(1)
    for p in model.parameters():
        p.data = p.data + rng.normal(size=p.shape, scale=0.3).astype(p.dtype)
    return model


CASES = {
    "Dense": (vector.Dense(6, 3, "tanh", rng=0), X),
    "Dense without bias": (vector.Dense(6, 3, "linear", rng=0, bias=False), X),
    "Dense of sequences": (vector.Dense(6, 3, rng=0), SEQUENCES),
    "Activation": (vector.Activation("silu"), X),
    "BatchNorm": (with_statistics(randomized(vector.BatchNorm(6, eps=0.1))), X),
    "BatchNorm of sequences": (with_statistics(randomized(vector.BatchNorm(6))), SEQUENCES),
    "LayerNorm": (randomized(vector.LayerNorm(6, eps=0.1)), X),
    "RMSNorm": (randomized(vector.RMSNorm(6, eps=0.1)), X),
    "RMSNorm without gain": (vector.RMSNorm(6, gain=False), SEQUENCES),
    "Embedding": (vector.Embedding(9, 6, rng=0), TOKENS),
    "Dropout": (vector.Dropout(0.5, rng=0), X),
    "MLP": (vector.MLP(6, [16, 8, 3], "gelu", dropout=0.3, rng=0), X),
    "Residual": (vector.Residual(vector.Dense(6, 4, rng=0), vector.Dense(4, 6, rng=1)), X),
    "Sequential": (
        with_statistics(
            vector.Sequential(
                vector.Dense(6, 16, rng=0), vector.BatchNorm(16), vector.Dropout(0.5, rng=0),
                vector.Residual(vector.Dense(16, 16, "elu", rng=1)), vector.LayerNorm(16),
                vector.Sequential(vector.Dense(16, 2, "linear", rng=2)),
            )
        ), X,
    ),
    "Attention": (vector.Attention(6, 2, rng=0, bias=True), SEQUENCES),
    "Attention to all positions": (vector.Attention(6, 3, causal=False, rng=0), SEQUENCES),
    "Transformer": (randomized(vector.Transformer(6, 2, norm="layer_norm", rng=0)), SEQUENCES),
    "GPT": (vector.GPT(9, 6, 2, 2, positions=8, rng=0), TOKENS),
    "GPT with LayerNorm": (vector.GPT(9, 6, 3, norm="layer_norm", bias=True, rng=0), TOKENS),
}  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


def run(path, samples):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (x,), (y,) = session.get_inputs(), session.get_outputs()
    assert (x.name in {"X", "indices"}, y.name) == (True, "Y")
    (out,) = session.run(None, {x.name: samples})
    assert len(y.shape) == out.ndim
    return out


def agrees(got, want, bound=BOUND):
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    np.testing.assert_allclose(got, want, rtol=0, atol=bound * np.abs(want).max())


@pytest.mark.parametrize("name", CASES)
def test_layers_agree(name, path):
    """The whole batch, one sample, and in a file whose model was in train() mode."""
    model, samples = CASES[name]
    axes = ("samples", "positions") if samples.ndim == 3 else None
    content = to_onnx(model.train(), path, axes=axes)
    model.eval()
    onnx.checker.check_model(onnx.load(path), full_check=True)
    assert onnx.load(path) == content
    for part in (samples, samples[:1]):
        agrees(run(path, part), model(part).data)
    initializers = {x.name: onnx.numpy_helper.to_array(x) for x in content.graph.initializer}
    for key, array in model.state_dict().items():
        assert initializers[key].tobytes() == array.tobytes()


def test_every_layer_has_a_case():
    kinds = {getattr(vector, name) for name in vector.__all__}
    layers = {kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, nn.Module)}
    assert layers == {type(model) for model, _ in CASES.values()}


# Where the tail of a function is not relative: onnxruntime clamps the sigmoid, and 1 - erf cancels.
ABSOLUTE = {"sigmoid", "silu", "gelu", "erfc", "normal_cdf"}
POINTS = np.concatenate([np.linspace(-9, 9, 3001), np.geomspace(1e-6, 5, 999)])[:, None]


@pytest.mark.parametrize("name", scalar.ACTIVATIONS)
def test_activations_agree(name, path):
    """To 1e-6 of each element, or of the largest for the functions in ABSOLUTE."""
    x = np.concatenate([POINTS, -POINTS]).astype(np.float32)
    model = vector.Activation(name)
    to_onnx(model, path)
    got, want = run(path, x), model(x).data
    agrees(got, want)
    if name not in ABSOLUTE:
        np.testing.assert_allclose(got, want, rtol=BOUND, atol=0)


@pytest.mark.parametrize("name", ["relu", "tanh", "silu", "softplus", "leaky_relu", "elu"])
def test_float64(name, path):
    model = vector.MLP(6, [5, 2], name, rng=0, dtype=np.float64)
    to_onnx(model, path, dtype="float64")
    agrees(run(path, X.astype(float)), model(X.astype(float)).data, 1e-14)


def test_a_network_of_values(path):
    model = nn.MLP(6, [5, 1], "tanh", rng=0)
    content = to_onnx(model, path)
    want = np.array([[model(x).data] for x in X.tolist()], np.float32)
    agrees(run(path, X), want)
    assert [x.name for x in content.graph.initializer] == [
        "layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias",
    ]  # fmt: skip
    assert [node.name for node in content.graph.node[:2]] == ["layers.0/Gemm", "layers.0/Tanh"]


def test_the_file_states_its_opset_and_axes(path):
    content = to_onnx(vector.MLP(6, [3], rng=0), path)
    assert [(x.domain, x.version) for x in content.opset_import] == [("", onnx_writer.OPSET)]
    shapes = [
        [d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim]
        for x in (*content.graph.input, *content.graph.output)
    ]
    assert shapes == [["samples", 6], ["samples", 3]]
    assert content.doc_string == "MLP(6, [3], 'relu')"


def test_shared_weights_are_stored_once(path):
    dense = vector.Dense(6, 6, "tanh", rng=0)
    model = vector.Sequential(dense, vector.Dropout(0.5), dense)
    content = to_onnx(model, path)
    assert [x.name for x in content.graph.initializer] == ["modules.0.weight", "modules.0.bias"]
    agrees(run(path, X), model.eval()(X).data)


class Unknown(vector.Dense):
    pass


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (vector.Sequential(vector.Dense(2, 2), Array.tanh), "tanh.* at 'modules.1'"),
        (vector.Sequential(vector.Residual(Unknown(2, 2))), "Dense.* at 'modules.0.modules.0'"),
        (nn.Neuron(2), "Neuron"),
        (nn.MLP, "expects a Module such as"),
        ([1.0], "expects a Module such as"),
    ],
)
def test_what_cannot_be_written_is_named(model, message, path):
    with pytest.raises(TypeError, match=f"to_onnx .*{message}"):
        to_onnx(model, path)
    assert not path.exists()


def test_wrong_arguments(path):
    model = nn.MLP(2, [1])
    for axes in ([1], 1, "samples"):
        with pytest.raises(TypeError, match=r"axes must be names such as \('samples',\), got"):
            to_onnx(model, path, axes=axes)
    with pytest.raises(FileNotFoundError, match="no folder"):
        to_onnx(model, path / "missing" / "model.onnx")
    with pytest.raises(TypeError, match="float32 or float64"):
        to_onnx(model, path, dtype="int64")


def test_without_the_library_the_message_names_the_extra(path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    message = re.escape(
        "to_onnx requires onnx, which is not installed: pip install 'stepgrad[onnx]'"
    )
    with pytest.raises(ImportError, match=message):
        to_onnx(nn.MLP(2, [1]), path)


def test_examples():
    result = doctest.testmod(onnx_writer)
    assert result.attempted
    assert not result.failed
