"""GPTs and their layers: Values against Arrays, gradients, causality, generation and errors."""

import copy
import os
import pickle
import struct
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from engine import Value, check_gradients, topological
from engine.draw import draw
from nn import losses, scalar, vector
from strategies import examples

VOCABULARY, POSITIONS = 5, 4
KINDS = [
    {},
    {"norm": "layer_norm", "activation": "gelu", "bias": True, "layers": 2},
    {"activation": "relu", "heads": 4},
]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=["rms_norm", "layer_norm", "heads"])
documents = st.lists(st.integers(0, VOCABULARY - 1), min_size=2, max_size=POSITIONS)
numbers = st.floats(-10.0, 10.0, width=32)
seeds = st.integers(0, 2**32)


def make(kind, seed=0, module=scalar, **how):
    sizes = {"width": 4, "heads": 2, "positions": POSITIONS}
    return module.GPT(VOCABULARY, **{**sizes, **kind}, rng=seed, **how)


def data_of(rows):
    return [[x.data for x in row] for row in rows]


def bits(model):
    return [struct.pack("d", x) for p in model.parameters() for x in np.ravel(p.data)]


# -------------------------------------------------------------------------------- scalar and vector


@each_kind
@examples(5)
@given(tokens=documents, seed=seeds)
def test_both_compute_the_same(kind, tokens, seed):
    """Logits are of size 1, after some 100 roundings of relative size 1e-16, grown tenfold."""
    model = make(kind, seed)
    moved = model.to_vector()
    np.testing.assert_allclose(moved(tokens).data, data_of(model(tokens)), rtol=0, atol=1e-13)
    ours, theirs = model.loss(tokens), moved.loss(tokens)
    assert ours.data == pytest.approx(theirs.item(), rel=1e-14)
    ours.backward()
    theirs.backward()
    for array in moved.parameters():  # converted in place of the weights
        array.data = array.grad
    gradients = [p.data for p in moved.to_scalar().parameters()]
    assert [p.grad for p in model.parameters()] == pytest.approx(gradients, rel=1e-9, abs=1e-13)


@each_kind
@examples(5)
@given(seed=seeds)
def test_there_and_back_every_bit_returns(kind, seed):
    """The same seed gives the same weights in both, and names and settings return."""
    model = make(kind, seed)
    moved, made = model.to_vector(), make(kind, seed, vector, dtype=np.float64)
    assert repr(model) == repr(moved) == repr(made) == repr(eval(f"scalar.{model!r}"))
    assert list(moved.state_dict()) == list(made.state_dict())
    assert bits(moved) == bits(made)
    back = moved.to_scalar()
    assert (bits(back), list(back.state_dict())) == (bits(model), list(model.state_dict()))
    assert all(p.dtype == np.float32 for p in model.to_vector("float32").parameters())


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("kind", ["Attention", "Transformer"])
def test_layers_compute_the_same_for_one_and_several_sequences(kind, causal):
    layer = getattr(scalar, kind)(6, 3, causal=causal, bias=True, rng=3)
    for i, p in enumerate(layer.parameters()):
        p.data += 0.1 * np.cos(i)
    X = np.random.default_rng(0).normal(size=(2, 3, 6))
    want = [data_of(layer(x.tolist())) for x in X]
    moved = layer.to_vector()
    assert repr(moved) == repr(layer)
    np.testing.assert_allclose(moved(X).data, want, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(moved(X[0]).data, want[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("RMSNorm", {}), ("RMSNorm", {"gain": False}), ("RMSNorm", {"eps": 0.5}),
        ("LayerNorm", {}), ("LayerNorm", {"eps": 0.5}),
    ],
)  # fmt: skip
@examples(8)
@given(xs=st.lists(numbers, min_size=1, max_size=5))
def test_norms_compute_the_same(kind, settings, xs):
    layer = getattr(scalar, kind)(len(xs), **settings)
    for i, p in enumerate(layer.parameters()):
        p.data += np.cos(i)
    moved = layer.to_vector()
    assert repr(moved) == repr(layer) == repr(moved.to_scalar())
    want, got = [y.data for y in layer(xs)], moved(xs).data.tolist()
    assert got == pytest.approx(want, rel=1e-9, abs=1e-9)


@given(xs=st.lists(numbers, min_size=2, max_size=6))
def test_norms_have_their_mean_and_size(xs):
    """The mean square is that of x over itself plus eps; a layer norm has a mean of 0."""
    size = np.mean(np.square(xs))
    out = [y.data for y in scalar.RMSNorm(len(xs), gain=False)(xs)]
    assert np.mean(np.square(out)) == pytest.approx(size / (size + 1e-5), rel=1e-12)
    out = [y.data for y in scalar.LayerNorm(len(xs))(xs)]
    assert np.mean(out) == pytest.approx(0.0, abs=1e-11)


def test_embeddings_take_rows_and_add_up_their_gradients():
    layer = scalar.Embedding(3, 2, rng=0)
    moved = layer.to_vector()
    indices = [[2, 0], [2, 2]]
    for given_as in (indices, np.array(indices), tuple(map(tuple, indices))):
        assert [data_of(rows) for rows in layer(given_as)] == moved(indices).data.tolist()
    assert layer(np.int64(1)) == layer(1) == layer.weight[1]
    sum((x for rows in layer(indices) for row in rows for x in row), Value(0.0)).backward()
    assert [[x.grad for x in row] for row in layer.weight] == [[1.0, 1.0], [0.0, 0.0], [3.0, 3.0]]


# --------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("kind", KINDS[:2], ids=["rms_norm", "layer_norm"])
def test_gradients(kind):
    model = scalar.GPT(2, 2, 2, positions=2, init="uniform", rng=1, **{**kind, "layers": 1})
    for i, p in enumerate(model.parameters()):  # a bias of 0 hides a product with it
        p.data = p.data + 0.1 * np.cos(1.0 + i)
    check_gradients(lambda: model.loss([1, 0, 1]), model.parameters()[:: 3 if kind else 1])


@pytest.mark.parametrize("module", [scalar, vector])
def test_the_loss_is_the_mean_cross_entropy_of_the_next_tokens(module):
    model, tokens = make({}, module=module), [3, 1, 4, 1]
    of_losses = losses.cross_entropy(model(tokens[:-1]), tokens[1:])
    assert float(model.loss(tokens).data) == pytest.approx(float(of_losses.data), rel=1e-6)
    if module is vector:
        both = model.loss([tokens, tokens[::-1]]).item()
        assert both == pytest.approx(
            (model.loss(tokens).item() + model.loss(tokens[::-1]).item()) / 2, rel=1e-6
        )


@each_kind
@pytest.mark.parametrize("module", [scalar, vector])
def test_a_later_token_changes_no_earlier_logits(module, kind):
    model = make(kind, module=module)
    rows = lambda tokens: (
        data_of(model(tokens)) if module is scalar else model(tokens).data.tolist()
    )
    a, b = rows([1, 2, 3, 4]), rows([1, 2, 0, 4])
    assert a[:2] == b[:2]
    assert a[2] != b[2]
    assert a[3] != b[3]
    np.testing.assert_allclose(rows([1, 2]), a[:2], rtol=1e-5)


def test_without_a_mask_every_position_sees_all():
    layer, X = scalar.Attention(4, 2, causal=False, rng=0), np.eye(3, 4).tolist()
    before = data_of(layer(X))
    X[2][0] = 5.0
    assert all(a != b for a, b in zip(before, data_of(layer(X)), strict=True))


def test_an_operation_is_one_node():
    """Each neuron, score and mean of values is one dot; each norm and softmax one operation."""
    model = make({"layers": 2})
    order = topological(model.loss([0, 1, 2, 3]))
    counts = Counter(node.op.name for node in order if node.op is not None)
    steps, blocks, heads, width, scores = 3, 2, 2, 4, 6  # 1 + 2 + 3 scores
    neurons = 4 * width + 5 * width  # of attention and of the MLP
    mixed = heads * scores + steps * width
    assert counts["dot"] == steps * (blocks * neurons + VOCABULARY) + blocks * mixed
    assert counts["rms_norm"] == steps * (1 + 2 * blocks)
    assert counts["softmax"] == steps * blocks * heads
    assert counts["squared_relu"] == steps * blocks * 4 * width
    assert counts["+"] == steps * width * (1 + 2 * blocks)


# -------------------------------------------------------------------------------------- generation


@each_kind
def test_both_generate_the_same_tokens(kind):
    model = make(kind, init="uniform")
    moved = model.to_vector()
    for seed in range(3):
        for how in ({}, {"end": 1}, {"temperature": 0.5}, {"temperature": 0.0}):
            tokens = model.generate(seed, [2, 0], **how)
            assert tokens == moved.generate(seed, [2, 0], **how)
            assert len(tokens) == POSITIONS - 1 or "end" in how
            assert how.get("end") not in tokens


def test_tokens_are_drawn_with_their_probabilities():
    """400 draws: a share has a standard deviation of at most 0.025."""
    model, rng = scalar.GPT(3, 2, 1, positions=1, init="uniform", rng=5), np.random.default_rng(0)
    for temperature in (1.0, 0.2):
        drawn = Counter(model.generate(rng, [1], temperature=temperature)[0] for _ in range(400))
        (z,) = np.array(data_of(model([1]))) / temperature
        want = np.exp(z) / np.exp(z).sum()
        assert [drawn[i] / 400 for i in range(3)] == pytest.approx(want, abs=0.1)
    assert model.generate(0, [1], temperature=0.0) == [int(z.argmax())]
    assert model.generate(0, [1], temperature=0.0, end=int(z.argmax())) == []


def test_generation_keeps_no_graph_and_the_mode():
    model = make({})
    model.generate(0)
    assert all(p.grad == 0.0 for p in model.parameters())
    assert not model([1])[0][0].constant


# -------------------------------------------------------------------------------- models as Modules


@pytest.mark.parametrize("module", [scalar, vector])
def test_states_copies_and_freezing(module):
    model, other = make({}, module=module), make({}, seed=1, module=module)
    assert bits(model) != bits(other)
    other.load_state_dict(model.state_dict())
    assert bits(model) == bits(other) == bits(copy.deepcopy(model))
    assert bits(pickle.loads(pickle.dumps(model))) == bits(model)
    count = len(model.parameters())
    model.blocks[0].freeze()
    frozen = count - len(model.parameters())
    assert frozen == {scalar: 4 * 16 + 2 * 64, vector: 6}[module]
    moved = model.to_vector() if module is scalar else model.to_scalar()
    assert (
        len(moved.parameters())
        == len((make({}, module=vector) if module is scalar else make({})).parameters())
        - {scalar: 6, vector: 4 * 16 + 2 * 64}[module]
    )
    model.loss([1, 2]).backward()
    assert len(model.unfreeze().parameters()) == count


@pytest.mark.parametrize("module", [scalar, vector])
def test_summary(module):
    layer = "Layer" if module is scalar else "Dense"
    model = module.GPT(27, rng=0)
    assert [line.split("  ")[0] for line in model.summary().split("\n")] == [
        "layer", "token_embedding", "position_embedding", "norm", "blocks.0.attention_norm",
        "blocks.0.attention", "blocks.0.mlp_norm", "blocks.0.mlp", "head", "total",
    ]  # fmt: skip
    assert model.summary().endswith(" 4,192")
    assert f"{layer}(16, 27, 'linear', bias=False)" in model.summary()


@pytest.mark.parametrize("module", [scalar, vector])
def test_diagnose(module):
    model = make({}, module=module)
    tokens = np.array([[1, 2, 3], [3, 0, 1]])
    flat = lambda rows: [x for row in rows for x in row]
    loss = lambda z, y: (
        losses.cross_entropy(flat(z), flat(y)) if module is scalar
        else losses.cross_entropy(z.reshape((-1, VOCABULARY)), y.ravel())
    )  # fmt: skip
    names = [layer.name for layer in nn.diagnose(model, tokens, tokens, loss=loss).layers]
    assert {"token_embedding", "blocks.0.mlp.layers.0", "head"} <= {*names}


def test_a_graph_is_drawn_with_the_names_of_heads_and_layers():
    model = scalar.GPT(2, 2, 2, positions=2, rng=0)
    svg = draw(model.loss([0, 1]), model=model).svg
    for name in ("blocks[0].attention.heads[1].query", "blocks[0].mlp.layers[1]", "head"):
        assert name in svg
    assert "rms_norm" in svg


def test_jit_computes_the_same_bits_with_one_recording_for_each_length():
    if not os.environ.get("CI"):
        pytest.importorskip("numba")
    from engine import jit

    model = make({})
    fast = jit(model.loss, model)
    for tokens in ([4, 0, 1], [4, 4, 4], [1, 2, 3, 0], [4, 3, 2], [0, 0, 0, 0]):
        model.zero_grad()
        fast.flat.zero_grad()
        loss = model.loss(tokens)
        loss.backward()
        replayed = fast(tokens)
        replayed.backward()
        assert replayed.item() == loss.data
        want = [p.grad for p in model.parameters()]
        np.testing.assert_allclose(fast.flat.grad, want, rtol=1e-13, atol=1e-15)
    assert fast.summary().count("\n") == 2  # a row for each of the two lengths
    for place, token in product(range(3), (5, -1)):  # rows, and then elements of the logits
        tokens = [4, 3, 1]
        tokens[place] = token
        wrong = rf"indices from 0 to 4, got tokens\[{place}\] = {token}"
        with pytest.raises(ValueError, match=wrong):
            fast(tokens)
        with pytest.raises(ValueError, match=wrong):
            fast.map([[4, 3, 1], tokens])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m.GPT(5, 6, 4), ValueError, "the width must be a multiple of the number of heads, got 6 and 4"),
        (lambda m: m.GPT(0), ValueError, "the size of the vocabulary must be a whole number, 1 or more, got 0"),
        (lambda m: m.GPT(5, layers=0), ValueError, "the number of layers must be a whole number, 1 or more, got 0"),
        (lambda m: m.GPT(5, positions=0.5), ValueError, "the number of positions must be a whole number, 1 or more, got 0.5"),
        (lambda m: m.GPT(5, norm="rms"), ValueError, "unknown norm 'rms' (did you mean 'rms_norm'?); choose from: rms_norm, layer_norm"),
        (lambda m: m.GPT(5, activation="relu2"), ValueError, "unknown activation 'relu2' (did you mean 'relu'?)"),
        (lambda m: m.GPT(5, positions=2)([1, 2, 3]), ValueError, "GPT expects 1 to 2 tokens, one for each position, got 3"),
        (lambda m: m.GPT(5)([]), ValueError, "GPT expects 1 to 16 tokens, one for each position, got 0"),
        (lambda m: m.GPT(5)([5]), ValueError, "Embedding expects indices from 0 to 4, got 5"),
        (lambda m: m.GPT(5)([1.0]), TypeError, "Embedding expects integer indices, got"),
        (lambda m: m.GPT(5)(["a"]), TypeError, "Embedding expects integer indices, got"),
        (lambda m: m.GPT(5).loss([1]), ValueError, "loss expects a document of 2 tokens or more, got 1"),
        (lambda m: m.GPT(5).loss([1, -1]), ValueError, "Embedding expects indices from 0 to 4, got -1"),
        (lambda m: m.GPT(5).generate(0, []), ValueError, "generate expects a prompt of 1 to 16 tokens, got 0"),
        (lambda m: m.GPT(5).generate(0, 3), TypeError, "generate expects a list of tokens as the prompt"),
        (lambda m: m.GPT(5).generate(0, temperature=-1.0), ValueError, "temperature must be"),
        (lambda m: m.Attention(4, 0), ValueError, "the number of heads must be a whole number, 1 or more, got 0"),
        (lambda m: m.Attention(4, 2, causal=2), TypeError, "causal must be True or False, got 2"),
        (lambda m: m.RMSNorm(0), ValueError, "the number of features must be a whole number, 1 or more, got 0"),
        (lambda m: m.RMSNorm(2, gain=None), TypeError, "gain must be True or False, got None"),
        (lambda m: m.RMSNorm(2)([1.0]), ValueError, "RMSNorm expects"),
        (lambda m: m.LayerNorm(2)([1.0]), ValueError, "LayerNorm expects"),
        (lambda m: m.LayerNorm(2, eps=-1.0), ValueError, "eps must be"),
        (lambda m: m.Embedding(0, 2), ValueError, "the number of rows must be a whole number, 1 or more, got 0"),
        (lambda m: m.Embedding(3, 2)(True), TypeError, "Embedding expects integer indices, got"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("module", [scalar, vector], ids=["scalar", "vector"])
def test_wrong_arguments(module, call, error, message):
    with pytest.raises(error) as caught:
        call(module)
    assert message in str(caught.value)


def test_wrong_arguments_of_arrays():
    with pytest.raises(
        ValueError, match=r"\(positions, 4\) or \(samples, positions, 4\), got \(4,\)"
    ):
        vector.Attention(4, 2)(np.ones(4))
    with pytest.raises(ValueError, match=r"tokens of shape .* got shape \(1, 1, 2\)"):
        make({}, module=vector)([[[1, 2]]])


@pytest.mark.parametrize("layer", [nn.Neuron, nn.Layer, nn.MLP, vector.Dense, vector.MLP])
def test_layers_without_biases(layer):
    """A layer without biases computes what one with biases of 0 does."""
    sizes = {nn.Neuron: (2,), nn.MLP: (2, [3, 1]), vector.MLP: (2, [3, 1])}.get(layer, (2, 3))
    a, b = (layer(*sizes, rng=0, bias=bias) for bias in (True, False))
    assert len(b.parameters()) < len(a.parameters())
    assert repr(b) == repr(a)[:-1] + ", bias=False)"
    plain = lambda y: np.array([getattr(x, "data", x) for x in (y if isinstance(y, list) else [y])])
    np.testing.assert_allclose(plain(b([0.5, -1.0])), plain(a([0.5, -1.0])), rtol=1e-6)
    if "fused" in layer.__init__.__code__.co_varnames:
        loose = layer(*sizes, rng=0, bias=False, fused=False)
        assert plain(loose([0.5, -1.0])).tolist() == plain(b([0.5, -1.0])).tolist()
    if layer is not nn.Neuron:
        move = "to_scalar" if hasattr(b, "to_scalar") else "to_vector"
        assert ", bias=False)" in repr(getattr(b, move)())
