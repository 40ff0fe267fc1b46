"""Losses of Arrays: the numbers of the scalar losses, and shapes that never broadcast."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine import Array, Value, check_gradients, topological
from networks import BESIDE_KINKS
from nn import losses
from nn.losses import cross_entropy, l1_penalty, l2_penalty
from nn.vector import MLP
from strategies import examples

numbers = st.floats(-50.0, 50.0, width=32)
TARGETS = {
    "mse": numbers,
    "mae": numbers,
    "huber": numbers,
    "hinge": st.sampled_from([-1.0, 1.0]),
    "binary_cross_entropy": st.floats(0.0, 1.0, width=32),
}
NAMES = pytest.mark.parametrize("name", TARGETS)
# Shapes of predictions and of targets that are one of each per sample.
shapes = st.integers(1, 5).flatmap(
    lambda m: st.sampled_from([((m,), (m,)), ((m, 1), (m,)), ((m, 1), (m, 1)), ((m, 3), (m, 3))])
)
smoothings = st.sampled_from([0.0, 0.05, 0.5, 0.9])


@st.composite
def logits_and_labels(draw):
    m, k = draw(st.integers(1, 5)), draw(st.integers(2, 4))
    labels = draw(st.lists(st.integers(0, k - 1), min_size=m, max_size=m))
    return draw(arrays(np.float64, (m, k), elements=numbers)), labels


def on_values(loss, Z, targets, **settings):
    """Return the scalar loss and its gradient for the same numbers."""
    nodes = np.vectorize(Value, otypes=[object])(Z)
    out = loss(nodes.tolist(), np.asarray(targets).tolist(), **settings)
    out.backward()
    return out.data, np.vectorize(lambda node: node.grad, otypes=[float])(nodes)


def on_arrays(loss, Z, targets, **settings):
    leaf = Array(Z)
    out = loss(leaf, targets, **settings)
    assert (out.shape, out.dtype) == ((), leaf.dtype)
    out.backward()
    return out.item(), leaf.grad


# ------------------------------------------------------------------------- the same numbers


@NAMES
@examples(40)
@given(data=st.data(), shape=shapes)
def test_arrays_give_the_scalar_losses_numbers(name, data, shape):
    """Each element is computed alike; 15 positive terms are added in another order."""
    P = data.draw(arrays(np.float64, shape[0], elements=numbers), label="predictions")
    Y = data.draw(arrays(np.float64, shape[1], elements=TARGETS[name]), label="targets")
    loss = getattr(losses, name)
    want, slopes = on_values(loss, P.reshape(Y.shape), Y)
    got, gradient = on_arrays(loss, P, Y)
    assert got == pytest.approx(want, rel=1e-14)
    np.testing.assert_allclose(gradient.reshape(Y.shape), slopes, rtol=1e-13, atol=1e-15)


def test_huber_takes_its_delta():
    P, Y = [3.0, -3.0, 1.0], [0.0, 0.0, 0.0]
    got, gradient = on_arrays(losses.huber, P, Y, delta=2.0)
    assert (got, gradient.tolist()) == ((4 + 4 + 0.5) / 3, [2 / 3, -2 / 3, 1 / 3])
    assert losses.huber(Array(P), Y, math.inf).item() == pytest.approx(19 / 6, rel=1e-15)
    assert losses.huber(Array(np.float32(P)), Y, 1e300).item() == pytest.approx(19 / 6, rel=1e-6)
    with pytest.raises(ValueError, match=r"huber expects a delta above 0, got 0\.0"):
        losses.huber(Array(P), Y, delta=0.0)


@given(logits_and_labels(), smoothings)
def test_cross_entropy_is_its_definition_for_both_payloads(case, smoothing):
    """-sum Y log A for Y = (1 - smoothing) one-hot + smoothing / k; the gradient is (A - Y) / m."""
    Z, labels = case
    m, k = Z.shape
    Y = (1 - smoothing) * np.eye(k)[labels] + smoothing / k
    log_A = Z - np.log(np.exp(Z).sum(axis=1, keepdims=True))
    want, slope = -(Y * log_A).sum() / m, (np.exp(log_A) - Y) / m
    for run in (on_values, on_arrays):
        got, gradient = run(cross_entropy, Z, labels, smoothing=smoothing)
        assert got == pytest.approx(want, rel=1e-12, abs=1e-13)  # of logits up to 50
        np.testing.assert_allclose(gradient, slope, rtol=1e-11, atol=1e-14)


def test_the_chapters_numbers():
    """softmax 0.2, 0.7, 0.1 and class 1: the gradient is 0.2, -0.3, 0.1."""
    got, gradient = on_arrays(cross_entropy, np.log([[0.2, 0.7, 0.1]]), [1])
    assert got == pytest.approx(-math.log(0.7), rel=1e-14)
    assert gradient == pytest.approx(np.array([[0.2, -0.3, 0.1]]), rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_losses_and_large_logits(dtype):
    """Small losses do not round to 0 and large logits do not overflow; offsets cost no digits."""
    bce = losses.binary_cross_entropy
    assert bce(Array(dtype([40.0])), [1]).item() == pytest.approx(math.exp(-40), rel=1e-6)
    assert bce(Array(dtype([1000.0, -1000.0])), [0, 1]).item() == 1000.0
    assert cross_entropy(Array(dtype([[1000.0, 0.0]])), [1]).item() == 1000.0
    assert cross_entropy(Array(dtype([[40.0, 0.0]])), [0]).item() == pytest.approx(math.exp(-40))
    got, gradient = on_arrays(cross_entropy, dtype([[1e6, 1e6]]), [0])
    assert got == pytest.approx(math.log(2), rel=1e-6)
    assert gradient.tolist() == [[-0.5, 0.5]]


@pytest.mark.parametrize("name", [*TARGETS, "cross_entropy"])
def test_float32_stays_float32(name):
    """Loss and gradient are float32 for targets of any dtype, and near those of float64."""
    rng = np.random.default_rng(0)
    P = rng.normal(size=(20, 4 if name == "cross_entropy" else 1))
    Z = rng.normal(size=(20, 4))
    for kind in (int, np.float32, float):
        Y = np.arange(20) % 4 if name == "cross_entropy" else np.ones(20, kind)
        got, gradient = on_arrays(getattr(losses, name), P.astype(np.float32), Y)
        want, slopes = on_arrays(getattr(losses, name), P, Y)
        assert gradient.dtype == np.float32
        assert got == pytest.approx(want, rel=1e-5)
        np.testing.assert_allclose(gradient, slopes, rtol=1e-4, atol=1e-8)
    smoothed = cross_entropy(Array(Z.astype(np.float32)), np.zeros(20, int), smoothing=0.1)
    assert smoothed.dtype == np.float32


@pytest.mark.parametrize("name", BESIDE_KINKS)
def test_gradients_through_a_network(name):
    """Gradients agree with numerical ones, penalties and label smoothing included."""
    width = 2 if name == "cross_entropy" else 1
    model = MLP(2, [3, width], "tanh", init="uniform", rng=0, dtype=np.float64)
    for i, p in enumerate(model.parameters()):
        p.data = p.data + 0.01 * (i + 1)  # no parameter at 0, the kink of |p|
    X, loss = np.array([[0.5, -1.0], [2.0, 0.3], [-0.7, 1.5]]), getattr(losses, name)
    settings = {"smoothing": 0.1} if name == "cross_entropy" else {}

    def f():
        penalty = l2_penalty(model.parameters()) + l1_penalty(model.parameters())
        return loss(model(X), BESIDE_KINKS[name], **settings) + 0.1 * penalty

    check_gradients(f, model.parameters())


def test_targets_may_ask_for_gradients():
    P, Y = Array([[1.0], [5.0]]), Array([2.0, 3.0])
    losses.mse(P, Y).backward()
    assert (P.grad.tolist(), Y.grad.tolist()) == ([[-1.0], [2.0]], [1.0, -2.0])


def test_graphs_are_small():
    """The number of nodes does not depend on the number of samples."""
    names = lambda out: [node.op.name for node in topological(out) if node.op is not None]
    Z = Array(np.zeros((10, 4)))
    assert names(cross_entropy(Z, np.zeros(10, int))) == ["cross_entropy", "mean"]
    assert names(losses.mse(Z, np.zeros((10, 4)))) == ["-", "square", "mean"]
    assert names(losses.hinge(Z, np.ones((10, 4)))) == ["*", "-", "relu", "mean"]
    assert names(l2_penalty([Z])) == ["square", "sum"]


# -------------------------------------------------------------------------------- penalties


@given(
    st.lists(arrays(np.float64, st.sampled_from([(), (3,), (2, 3)]), elements=numbers), min_size=1)
)
def test_penalties(parameters):
    """The sums over all elements of all parameters; slopes sign(p), 0 at 0, and 2 p."""
    leaves = [Array(p) for p in parameters]
    everything = np.concatenate([p.ravel() for p in parameters])
    for penalty, terms, slope in (
        (l1_penalty, abs(everything), np.sign),
        (l2_penalty, everything**2, lambda p: 2 * p),
    ):
        out = penalty(leaf for leaf in leaves)
        assert out.item() == pytest.approx(math.fsum(terms), rel=1e-13)
        out.backward()
        for leaf, p in zip(leaves, parameters, strict=True):
            np.testing.assert_array_equal(leaf.grad, slope(p))
            leaf.zero_grad()


def test_penalties_of_float32_are_float32():
    model = MLP(3, [4, 2], rng=0)
    for penalty in (l1_penalty, l2_penalty):
        assert (1e-4 * penalty(model.parameters())).dtype == np.float32


# ----------------------------------------------------------------------------- what is refused


@NAMES
@pytest.mark.parametrize(
    ("predictions", "targets"),
    [
        ((3,), (3, 1)),
        ((3, 1), (1, 3)),
        ((1, 3), (3,)),
        ((3, 1), (1,)),
        ((3, 1), ()),
        ((3,), (1,)),
        ((3,), ()),
        ((3, 2), (3,)),
        ((2, 3), (3,)),
        ((3, 2), (3, 1)),
        ((3, 1), (3, 2)),
        ((3, 2), (2, 3)),
        ((3, 2), (6,)),
        ((3,), (2,)),
        ((3, 1, 1), (3,)),
    ],
)
def test_shapes_are_never_broadcast(name, predictions, targets):
    with pytest.raises(ValueError, match="expects one target") as raised:
        getattr(losses, name)(Array(np.ones(predictions)), np.ones(targets))
    assert str(raised.value) == (
        f"{name} expects one target per prediction, "
        f"got predictions of shape {predictions} and targets of shape {targets}"
    )


@NAMES
@pytest.mark.parametrize("shape", [(0,), (0, 1), (0, 3), (3, 0)])
def test_nothing_has_no_mean(name, shape):
    with pytest.raises(ValueError, match=f"{name} expects at least one prediction, got none"):
        getattr(losses, name)(Array(np.ones(shape)), np.ones(shape))


@NAMES
@pytest.mark.parametrize(
    ("predictions", "targets", "says"),
    [
        ([[1.0, 2.0]] * 3, [[1.0] * 3] * 2, "got 3 predictions and 2 targets"),
        ([[1.0, 2.0]] * 2, [1.0] * 4, "got 2 predictions and 4 targets"),
        ([[1.0, 2.0]] * 2, [[1.0, 1.0], [1.0]], "got 2 predictions and 1 target for sample 1"),
        ([1.0, 2.0], [[1.0, 1.0], [1.0, 1.0]], "got 1 prediction and 2 targets for sample 0"),
    ],
)
def test_lists_take_as_many_targets_for_each_sample(name, predictions, targets, says):
    """Equal total numbers of predictions and targets do not suffice."""
    with pytest.raises(ValueError, match=says):
        getattr(losses, name)(predictions, targets)


@pytest.mark.parametrize("form", [Array, np.ndarray.tolist], ids=["Array", "list"])
@pytest.mark.parametrize(
    ("name", "bad", "expected"),
    [
        ("hinge", 0.0, "labels -1 or 1 (2.0 * y - 1.0 converts 0 and 1)"),
        ("hinge", math.nan, "labels -1 or 1 (2.0 * y - 1.0 converts 0 and 1)"),
        ("binary_cross_entropy", -1.0, "targets from 0 to 1"),
        ("binary_cross_entropy", 1.5, "targets from 0 to 1"),
        ("binary_cross_entropy", math.nan, "targets from 0 to 1"),
    ],
)
@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 3)])
def test_a_target_that_is_not_allowed_is_named_with_its_sample(form, name, bad, expected, shape):
    Y = np.ones(shape)
    Y.reshape(4, -1)[2, -1] = bad
    with pytest.raises(ValueError, match="expects") as raised:
        getattr(losses, name)(form(np.zeros(shape)), Y)
    assert str(raised.value) == f"{name} expects {expected}, got {bad} for sample 2"


SHAPES = "cross_entropy expects logits of shape (samples, classes) and labels of shape (samples,) or (samples, classes), at least one, got"
NUMBER = "to number classes, write names, y = np.unique(y, return_inverse=True)"
CLASS = "cross_entropy expects labels from 0 to 1 (int), got"


@pytest.mark.parametrize(
    ("shape", "labels", "message"),
    [
        ((3, 2), [0, 1, 2], f"{CLASS} 2 for sample 2"),
        ((3, 2), [0, -1, 2], f"{CLASS} -1 for sample 1"),
        (
            (3, 2),
            [0.0, 1.0, 0.0],
            f"{CLASS} 0.0 for sample 0; y.astype(int) converts an array of floats",
        ),
        ((3, 2), np.array([1, 0, 255], np.uint8), f"{CLASS} 255 for sample 2"),
        (
            (3, 2),
            np.array([True, False, True]),
            f"{CLASS} True for sample 0; y.astype(int) converts an array of bools, int(y) a single one",
        ),
        (
            (3, 2),
            [0, 1, -100],
            f"{CLASS} -100 for sample 2; cross_entropy(..., ignore_index=-100) leaves out samples with this label",
        ),
        (
            (3, 2),
            [[0], [1], [1]],
            f"{SHAPES} (3, 2) and (3, 1); of a column y, the labels are y[:, 0]",
        ),
        ((3, 2), [[1.0, 0.0, 0.0]] * 3, f"{SHAPES} (3, 2) and (3, 3)"),
        ((3, 2), ["a", "b", "a"], f"{CLASS} 'a' for sample 0; {NUMBER}"),
        ((3, 2), np.array(["a", "b", "a"], object), f"{CLASS} 'a' for sample 0; {NUMBER}"),
        ((3, 2), [0, 1], f"{SHAPES} (3, 2) and (2,)"),
        ((3, 2), 1, f"{SHAPES} (3, 2) and ()"),
        ((3,), [0, 1, 1], f"{SHAPES} (3,) and (3,)"),
        ((3, 2, 2), [0, 1, 1], f"{SHAPES} (3, 2, 2) and (3,)"),
        ((0, 2), [], f"{SHAPES} (0, 2) and (0,)"),
        ((3, 0), [0, 0, 0], f"{SHAPES} (3, 0) and (3,)"),
    ],
)
def test_labels_that_are_no_classes(shape, labels, message):
    with pytest.raises(ValueError, match="cross_entropy expects") as raised:
        cross_entropy(Array(np.zeros(shape)), labels)
    assert str(raised.value) == message


@pytest.mark.parametrize("smoothing", [1.0, -0.1, math.nan, "a"])
def test_a_smoothing_outside_0_to_1_is_refused(smoothing):
    for logits in (Array([[1.0, 2.0]]), [[1.0, 2.0]]):
        with pytest.raises(ValueError, match=r"smoothing must be a number in \[0, 1\)"):
            cross_entropy(logits, [0], smoothing=smoothing)


def test_smoothing_keeps_its_digits_at_any_offset():
    """A common offset of the logits does not change the loss; 1e8 has units of 8 in float32."""
    z, labels = np.array([[0.0, 8.0, -8.0]], np.float32), [0]
    near = cross_entropy(Array(z), labels, smoothing=0.1).item()
    far = cross_entropy(Array(z + np.float32(1e8)), labels, smoothing=0.1).item()
    assert far == pytest.approx(near, rel=1e-6)


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e12, 1e15])
@pytest.mark.parametrize("name", losses.LOSSES)
def test_a_common_offset_costs_no_digits_on_either_path(name, offset):
    """Whole numbers are exact at any of these offsets, so the loss is that without it."""
    p = np.array([[0.0, 8.0, -3.0], [5.0, -1.0, 2.0]])
    y = {"cross_entropy": [1, 2], "hinge": np.sign(p - 1.0), "binary_cross_entropy": (p > 1.0) * 1}
    loss, Y = getattr(losses, name), y.get(name, p + 2.0)
    in_targets = name not in y  # predictions and targets have the same
    smoothings = [{}, {"smoothing": 0.1}, {"smoothing": 0.9}] if name == "cross_entropy" else [{}]
    invariant = in_targets or name == "cross_entropy"
    for options in smoothings:
        results = []
        for shift in [offset, 0.0] if invariant else [offset]:
            at = Y + shift if in_targets else Y
            results += [run(loss, p + shift, at, **options) for run in (on_arrays, on_values)]
        for got, gradient in results[1:]:
            assert got == pytest.approx(results[0][0], rel=1e-15)
            np.testing.assert_allclose(gradient, results[0][1], rtol=1e-14)


def test_smoothed_losses_of_values_keep_their_digits():
    rows = [[Value(1e12 + x) for x in (0.0, 1.0, -0.5)]]
    near = cross_entropy([[Value(x) for x in (0.0, 1.0, -0.5)]], [1], smoothing=0.1)
    assert cross_entropy(rows, [1], smoothing=0.1).data == near.data
