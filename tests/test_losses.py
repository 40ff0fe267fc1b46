"""Losses against mpmath: values and gradients, with bounds counted in roundings."""

import math
import warnings

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf

import reference  # sets mpmath's precision
from engine import (
    Array,
    GradientWarning,
    Value,
    check_gradients,
    log_softmax,
    logsumexp,
    no_grad,
    softmax,
    topological,
)
from networks import BESIDE_KINKS
from nn import MLP, Layer, fit, losses, scalar, vector
from nn.losses import (
    binary_cross_entropy,
    cross_entropy,
    hinge,
    huber,
    l1_penalty,
    l2_penalty,
    mae,
    mse,
)
from strategies import examples

EPS = 2.0**-53  # one rounding, relatively
exp, log1p = mpmath.exp, mpmath.log1p
sign, sigmoid = reference.sign, reference.sigmoid

plain = reference.both_signs(1e-100, 1e100)
logit = reference.both_signs(1e-100, 745.0)
labels = st.sampled_from([-1.0, 1.0])
unit = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.0, 1.0, allow_subnormal=False))


def softplus(x):
    return log1p(exp(x))


def clip(e, d):
    return max(-d, min(e, d))


def huber_of(p, y, delta=1.0):
    e = abs(p - y)
    return e * e / 2 if e <= delta else delta * (e - mpf(delta) / 2)


# The loss of one sample and its slope, without the engine; strategies for p and y; the largest
# numbers of roundings of value and slope.
# fmt: off
ROWS = {
    "mse":   (lambda p, y: (p - y)**2,        lambda p, y: 2 * (p - y),       plain, plain, 3, 2),
    "mae":   (lambda p, y: abs(p - y),        lambda p, y: sign(p - y),       plain, plain, 1, 0),
    "huber": (huber_of,                       lambda p, y: clip(p - y, 1.0),  plain, plain, 6, 4),
    "hinge": (lambda p, y: max(0, 1 - y * p), lambda p, y: -y * (y * p < 1),  plain, labels, 1, 0),
    "binary_cross_entropy": (
        lambda z, y: y * softplus(-z) + (1 - y) * softplus(z),
        lambda z, y: (1 - y) * sigmoid(z) - y * sigmoid(-z),
        logit, unit, 12, 12),
}
# fmt: on


def close(got, true, size, roundings):
    """Return whether `got` is within `roundings` of `size`; floats below 1e-300 are coarser."""
    return abs(mpf(got) - true) <= roundings * EPS * size + 1e-300


@pytest.mark.parametrize("name", ROWS)
@examples(40)
@given(data=st.data())
def test_value_and_gradient_are_the_formulas(name, data):
    """All terms of the mean are positive: n samples add n roundings, and one for the division.

    The slope of binary cross-entropy, a - y, cancels where a is near y: there it is exact to the
    size of its two terms.
    """
    formula, slope, ps, ys, roundings, of_slope = ROWS[name]
    pairs = data.draw(st.lists(st.tuples(ps, ys), min_size=1, max_size=5), label="(p, y)")
    predictions, targets, n = [Value(p) for p, _ in pairs], [y for _, y in pairs], len(pairs)
    out = getattr(losses, name)(predictions, targets)
    out.backward()
    exact = [(mpf(p), mpf(y)) for p, y in pairs]
    true = sum(formula(p, y) for p, y in exact) / n
    assert close(out.data, true, true, n + 1 + roundings), (out.data, float(true))
    for node, (p, y) in zip(predictions, exact, strict=True):
        size = sigmoid(abs(p)) if name == "binary_cross_entropy" else abs(slope(p, y))
        true = slope(p, y) / n
        assert close(node.grad, true, size / n, 1 + of_slope), (node.grad, float(true))


@given(
    st.integers(2, 5).flatmap(
        lambda k: st.lists(
            st.tuples(st.lists(logit, min_size=k, max_size=k), st.integers(0, k - 1)),
            min_size=1,
            max_size=4,
        )
    )
)
def test_cross_entropy_and_its_gradient_a_minus_y(samples):
    """The loss is -log softmax(z)[label], its gradient softmax(z) - one-hot, over the number of samples."""
    n, k = len(samples), len(samples[0][0])
    rows, classes = [list(map(Value, row)) for row, _ in samples], [label for _, label in samples]
    out = cross_entropy(rows, classes)
    out.backward()
    true, size = mpf(0), mpf(0)
    for row, (zs, label) in zip(rows, samples, strict=True):
        exps = [exp(mpf(z)) for z in zs]
        lse = mpmath.log(sum(exps))
        true, size = true + lse - zs[label], size + abs(lse) + abs(zs[label]) + 1
        for j, z in enumerate(row):
            a_minus_y = (exps[j] / sum(exps) - (j == label)) / n
            # exp turns the rounding of a distance of up to 1490 between logits into an error of
            # 1490 roundings in each term of the sum
            assert close(z.grad, a_minus_y, mpf(1) / n, 1490 + 2 * k + 3)
    assert close(out.data, true / n, size / n, n + k + 8)
    assert out.data >= 0


def test_the_chapters_numbers():
    """softmax 0.2, 0.7, 0.1 and class 1: the gradient is 0.2, -0.3, 0.1."""
    z = [Value(math.log(p)) for p in (0.2, 0.7, 0.1)]
    loss = cross_entropy([z], [1])
    loss.backward()
    assert [each.grad for each in z] == pytest.approx([0.2, -0.3, 0.1], rel=1e-14)
    assert loss.data == pytest.approx(-math.log(0.7), rel=1e-14)


@pytest.mark.parametrize("label", [0, 1])
def test_binary_cross_entropy_is_cross_entropy_against_a_logit_of_zero(label):
    z, two = Value(0.7), Value(0.7)
    a, b = binary_cross_entropy([z], [label]), cross_entropy([[0.0, two]], [label])
    a.backward()
    b.backward()
    assert a.data == pytest.approx(b.data, rel=4 * EPS)
    assert z.grad == pytest.approx(two.grad, rel=8 * EPS)
    assert z.grad == pytest.approx(1 / (1 + math.exp(-0.7)) - label, rel=8 * EPS)  # a - y


def test_small_losses_and_large_logits():
    """The formula log(1 + exp(-z)) would round to 0 at 40 and overflow at -1000."""
    assert binary_cross_entropy([40.0], [1]).data == math.log1p(math.exp(-40.0))
    assert binary_cross_entropy([1000.0, -1000.0], [0, 1]).data == 1000.0
    assert cross_entropy([[1000.0, 0.0]], [1]).data == 1000.0
    assert cross_entropy([[1e300, -1e300]], [0]).data == 0.0


@pytest.mark.parametrize("name", BESIDE_KINKS)
def test_gradients_through_a_network(name):
    """Gradients agree with numerical ones, penalties included."""
    model = MLP(2, [3, 2 if name == "cross_entropy" else 1], "tanh", init="uniform", rng=0)
    X, loss = [[0.5, -1.0], [2.0, 0.3], [-0.7, 1.5]], getattr(losses, name)
    for i, p in enumerate(model.parameters()):
        p.data += 0.01 * (i + 1)  # no parameter at 0, the kink of |p|

    def f():
        penalty = l2_penalty(model.parameters()) + l1_penalty(model.parameters())
        return loss([model(x) for x in X], BESIDE_KINKS[name]) + 0.1 * penalty

    check_gradients(f, model.parameters())


@given(st.lists(plain, min_size=1, max_size=8))
def test_penalties(numbers):
    parameters = [Value(p) for p in numbers]
    one, two = l1_penalty(parameters), l2_penalty(parameters)
    exact = [mpf(p) for p in numbers]
    assert close(one.data, sum(map(abs, exact)), sum(map(abs, exact)), len(numbers))
    assert close(two.data, sum(p * p for p in exact), sum(p * p for p in exact), len(numbers) + 1)
    one.backward()
    assert [p.grad for p in parameters] == [float(sign(p)) for p in exact]
    for p in parameters:
        p.zero_grad()
    two.backward()
    assert [p.grad for p in parameters] == [2 * p for p in numbers]


def test_kinks_have_the_slopes_the_docstrings_state():
    at_one, equal = Value(1.0), Value(0.5)
    hinge([at_one], [1]).backward()
    mae([equal], [0.5]).backward()
    assert at_one.grad == equal.grad == 0.0
    for p, slope in [(3.0, 2.0), (-3.0, -2.0), (2.0, 2.0), (1.5, 1.5)]:
        node = Value(p)
        huber([node], [0.0], delta=2.0).backward()
        assert node.grad == slope


def test_huber_takes_its_delta_by_place_or_by_name():
    assert huber([5.0], [0.0], 2.0).data == huber([5.0], [0.0], delta=2.0).data == 8.0
    assert huber([5.0], [0.0], delta=math.inf).data == 12.5


@pytest.mark.parametrize("n", [1, 3, 49])
def test_the_mean_of_equal_numbers_is_that_number(n):
    """49 * (1 / 49) is less than 1; the sum is divided instead."""
    assert mae([Value(1.0)] * n, [0.0] * n).data == 1.0


def test_graphs_are_small():
    """A loss has one node for the sum, one for the mean, and those of the formula per sample."""
    zs = [Value(float(i)) for i in range(10)]

    def count(root):
        return sum(node.op is not None for node in topological(root))

    assert count(mse(zs, [0.0] * 10)) == 2 * 10 + 2
    assert count(hinge(zs, [1.0] * 10)) == 3 * 10 + 2
    assert count(cross_entropy([zs, zs, zs], [0, 1, 2])) == 3 + 2
    assert count(l2_penalty(zs)) == 1
    assert count(l1_penalty(zs)) == 10 + 1
    assert count(logsumexp(zs)) == 1


def test_any_sequences_of_numbers_and_values():
    assert mse(np.array([1.0, 3.0]), (Value(0.0), 1)).data == 2.5
    assert cross_entropy(np.zeros((2, 4)), np.array([0, 3])).data == math.log(4.0)
    assert hinge(iter([Value(0.0)]), np.array([1])).data == 1.0
    assert l1_penalty(p for p in [Value(-1.0)]).data == 1.0
    assert l1_penalty([]).data == l2_penalty([]).data == 0.0
    y = Value(0.0)
    mse([1.0], [y]).backward()
    assert y.grad == -2.0


HINGE = "hinge expects labels -1 or 1 (2.0 * y - 1.0 converts 0 and 1)"
BCE = "binary_cross_entropy expects targets from 0 to 1"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        *[
            (lambda f=f: f([], []), f"{f.__name__} expects at least one prediction, got none")
            for f in (mse, mae, huber, hinge, binary_cross_entropy, cross_entropy)
        ],
        *[
            (
                lambda f=f: f([[1.0], [2.0]] if f is cross_entropy else [1.0, 2.0], [1]),
                f"{f.__name__} expects one target per prediction, got 2 predictions and 1 target",
            )
            for f in (mse, mae, huber, hinge, binary_cross_entropy, cross_entropy)
        ],
        (lambda: huber([1.0], [1.0], delta=0.0), "huber expects a delta above 0, got 0.0"),
        (lambda: huber([1.0], [1.0], math.nan), "huber expects a delta above 0, got nan"),
        (lambda: hinge([1.0, 1.0], [1, 0]), f"{HINGE}, got 0.0 for sample 1"),
        (lambda: hinge([1.0], [math.nan]), f"{HINGE}, got nan for sample 0"),
        (lambda: binary_cross_entropy([1.0], [1.5]), f"{BCE}, got 1.5 for sample 0"),
        (lambda: binary_cross_entropy([1.0] * 2, [1, -1]), f"{BCE}, got -1.0 for sample 1"),
        (lambda: binary_cross_entropy([1.0], [math.nan]), f"{BCE}, got nan for sample 0"),
        *[
            (
                lambda label=label: cross_entropy([[1.0, 2.0]] * 2, [1, label]),
                f"cross_entropy expects labels from 0 to 1 (int), got {label!r} for sample 1{remedy}",
            )
            for labels, remedy in [
                ((2, -1, 1.5, None), ""),
                (("a",), "; to number classes, write names, y = np.unique(y, return_inverse=True)"),
                ((1.0,), "; y.astype(int) converts an array of floats"),
                (
                    (True,),
                    "; y.astype(int) converts an array of bools, int(y) a single one",
                ),
                (
                    (-100,),
                    "; cross_entropy(..., ignore_index=-100) leaves out samples with this label",
                ),
                (
                    ([0, 1, 0], np.array([0, 1])),
                    "; pass labels or class probabilities, for all samples",
                ),
            ]
            for label in labels
        ],
        *[
            (
                lambda logits=logits: cross_entropy(logits, [0, 0]),
                "cross_entropy expects one logit per class, got one per sample, for which the loss is "
                "always 0; give the model an output per class, or use binary_cross_entropy",
            )
            for logits in ([[1.0], [2.0]], Array([[1.0], [2.0]]))
        ],
        (
            lambda: cross_entropy([[1.0, 2.0]] * 2, [[0], [1]]),
            "cross_entropy expects a probability for each of 2 classes, got [0] for sample 0; of a "
            "column y, the labels are y[:, 0]",
        ),
        (
            lambda: cross_entropy([[1.0, 2.0]] * 2, [[0, 1], 1]),
            "cross_entropy expects a probability for each of 2 classes, got 1 for sample 1",
        ),
        (
            lambda: cross_entropy([[]], [0]),
            "cross_entropy expects at least one logit, got none for sample 0",
        ),
    ],
)
def test_errors_name_the_thing_the_value_and_the_remedy(call, message):
    with pytest.raises(ValueError, match="expects") as raised:
        call()
    assert str(raised.value) == message


@pytest.mark.parametrize("offset", [0.0, 1e8, -1e12, 1e17])
def test_cross_entropy_is_not_moved_by_a_common_offset(offset):
    z = [Value(offset), Value(offset)]
    loss = losses.cross_entropy([z], [0])
    loss.backward()
    assert loss.data == math.log(2)
    assert [each.grad for each in z] == [-0.5, 0.5]


@pytest.mark.parametrize("margin", [30.0, 100.0, 700.0])
def test_cross_entropy_of_a_sure_answer_keeps_its_digits(margin):
    z = [Value(margin), Value(0.0)]
    loss = losses.cross_entropy([z], [0])
    loss.backward()
    small = math.exp(-margin)  # 1 + small is 1 from a margin of 37 on
    assert loss.data == pytest.approx(math.log1p(small), rel=1e-15, abs=0)
    share = small / (1 + small)
    assert [each.grad for each in z] == pytest.approx([-share, share], rel=1e-15, abs=0)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64", "bool", "float32"])
def test_the_advice_of_hinge_is_right_for_every_dtype(dtype):
    """2 * y - 1 would wrap around for unsigned integers."""
    y = np.array([0, 1], dtype)
    scores = [Value(-2.0), Value(2.0)]
    assert losses.hinge(scores, 2.0 * y - 1.0).data == 0.0


# ------------------------------------------------------------------------- probabilities for logits

Z, V = Array([[0.3, -0.4], [1.0, 2.0]]), [Value(0.3), Value(-0.4)]
PROBABILITIES = {
    "sigmoid of Values": lambda: binary_cross_entropy([v.sigmoid() for v in V], [1, 0]),
    "sigmoid of Arrays": lambda: binary_cross_entropy(Z.sigmoid(), np.eye(2)),
    "a column": lambda: binary_cross_entropy(Z.sigmoid()[:, 0], [1, 0]),
    "clipped": lambda: binary_cross_entropy(Z.sigmoid().clip(1e-7, 1.0 - 1e-7), np.eye(2)),
    "clipped Values": lambda: binary_cross_entropy([v.sigmoid().clip(0.1, 0.9) for v in V], [1, 0]),
    "softmax of Values": lambda: cross_entropy([softmax(V)], [1]),
    "softmax of Arrays": lambda: cross_entropy(Z.softmax(), [1, 0]),
    "reshaped": lambda: cross_entropy(Z.softmax().reshape(1, 2, 2)[0], [1, 0]),
    "sigmoid of classes": lambda: cross_entropy(Z.sigmoid(), [1, 0]),
    "hinge": lambda: hinge(Z.sigmoid()[:, 0], [1, -1]),
}


@pytest.mark.parametrize("loss", PROBABILITIES.values(), ids=PROBABILITIES)
def test_losses_of_logits_warn_about_probabilities(loss):
    with pytest.warns(
        GradientWarning, match="expects .*remove the (sigmoid|softmax) from"
    ) as caught:
        loss()
    assert [warning.filename for warning in caught] == [__file__]


def test_other_predictions_do_not_warn():
    """Losses of probabilities, logits of any kind, and log_softmax, whose loss is the same."""
    mse(Z.sigmoid()[:, 0], [1, 0])
    cross_entropy(Z.log_softmax(), [1, 0])
    cross_entropy([log_softmax(V)], [1])
    binary_cross_entropy(10.0 * Z.sigmoid() - 5.0, np.eye(2))
    binary_cross_entropy(Z.tanh(), np.eye(2))
    with no_grad():
        binary_cross_entropy(Z.sigmoid(), np.eye(2))


@pytest.mark.parametrize(
    ("kind", "layer", "jit"),
    [(scalar, Layer, False), (vector, vector.Dense, False), (vector, vector.Dense, True)],
)
def test_training_a_model_that_ends_in_sigmoid(kind, layer, jit):
    """One warning for the user's line, as Python's default filter shows it."""
    model = kind.Sequential(layer(2, 3, "tanh", rng=0), layer(3, 1, "sigmoid", rng=1))
    settings = {"loss": "binary_cross_entropy", "epochs": 3, "batch_size": 2, "jit": jit}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in fit(model, np.eye(4, 2), [0, 1, 0, 1], **settings):
            pass
    texts = [str(w.message) for w in caught if w.filename == __file__]
    assert len(texts) == 1
    assert texts[0].startswith("binary_cross_entropy expects logits")


def test_a_loss_without_targets_is_named():
    with pytest.raises(TypeError, match="mse: missing a required argument: 'targets'"):
        mse([1.0])
