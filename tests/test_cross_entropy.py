"""Cross entropy with class probabilities, weights of classes and ignored labels; reductions.

Values and Arrays are compared with the definition, and far out with mpmath.
"""

import inspect
import itertools
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mpmath import mpf

import reference  # noqa: F401  # sets mpmath's precision
from engine import Array, Value, check_gradients, grad, hvp, log_softmax
from engine.sequences.rules import uniform_cross_entropy
from nn import MLP, losses
from nn.losses import cross_entropy
from strategies import examples

REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


def on_values(Z, labels, **options):
    """Return the loss, or the losses, and the gradient of their sum weighted by 1, 2, ..."""
    nodes = np.vectorize(Value, otypes=[object])(Z)
    out = cross_entropy(nodes.tolist(), np.asarray(labels).tolist(), **options)
    total = sum(i * x for i, x in enumerate(out, 1)) if isinstance(out, list) else out
    total.backward()
    data = np.array([x.data for x in out]) if isinstance(out, list) else out.data
    return data, np.vectorize(lambda node: node.grad, otypes=[float])(nodes)


def on_arrays(Z, labels, **options):
    leaf = Array(Z)
    out = cross_entropy(leaf, labels, **options)
    assert out.dtype == leaf.dtype
    (out * np.arange(1.0, out.size + 1)).sum().backward() if out.ndim else out.backward()
    return out.data, leaf.grad


PAYLOADS = pytest.mark.parametrize("run", [on_values, on_arrays])


def definition(Z, labels, weight=None, ignore_index=None, reduction="mean", smoothing=0.0):
    """Return PyTorch's definition of the loss and its gradient, in plain NumPy."""
    m, k = Z.shape
    w = np.ones(k) if weight is None else np.array(weight)
    labels = np.asarray(labels)
    soft = labels.ndim == 2
    Y = labels.astype(float) if soft else np.eye(k)[np.where(labels == ignore_index, 0, labels)]
    Y = ((1 - smoothing) * Y + smoothing / k) * w
    sizes = np.ones(m) if soft else w[labels * (labels != ignore_index)]
    if not soft:
        Y[labels == ignore_index] = sizes[labels == ignore_index] = 0.0
    A = np.exp(Z - Z.max(axis=1, keepdims=True))
    A /= A.sum(axis=1, keepdims=True)
    out, slope = -(Y * np.log(A)).sum(axis=1), A * Y.sum(axis=1, keepdims=True) - Y
    if reduction == "none":
        return out, slope * np.arange(1.0, m + 1)[:, None]
    size = sizes.sum() if reduction == "mean" else 1.0
    return out.sum() / size, slope / size


@st.composite
def problems(draw):
    """Return logits, labels or probabilities, and options."""
    m, k = draw(st.integers(1, 4)), draw(st.integers(2, 4))
    Z = draw(arrays(np.float64, (m, k), elements=st.floats(-20.0, 20.0, width=32)))
    options = {
        "smoothing": draw(st.sampled_from([0.0, 0.1, 0.9])),
        "reduction": draw(st.sampled_from(["mean", "sum", "none"])),
        "weight": draw(st.none() | st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=k, max_size=k)),
    }  # fmt: skip
    if draw(st.booleans()):
        parts = draw(arrays(np.float64, (m, k), elements=st.sampled_from([0.0, 1.0, 2.0, 5.0])))
        parts[:, 0] += parts.sum(axis=1) == 0
        return Z, parts / parts.sum(axis=1, keepdims=True), options
    labels = np.array(draw(st.lists(st.integers(0, k - 1), min_size=m, max_size=m)))
    options["ignore_index"] = draw(st.sampled_from([None, -100, 0]))
    labels[0] = max(labels[0], 1)  # one that is not ignored
    if options["ignore_index"] == -100 and m > 1:
        labels[-1] = -100
    return Z, labels, options


@examples(60)
@given(problems())
def test_both_payloads_are_the_definition(problem):
    Z, labels, options = problem
    want, slope = definition(Z, labels, **options)
    for run in (on_values, on_arrays):
        got, gradient = run(Z, labels, **options)
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(gradient, slope, rtol=1e-12, atol=1e-14)


@PAYLOADS
@pytest.mark.parametrize("offset", [0.0, 1e8, -1e12, 1e15])
@pytest.mark.parametrize("options", [{}, {"weight": [0.5, 2.0, 3.0]}, {"smoothing": 0.2}], ids=str)
def test_a_common_offset_costs_no_digits(run, offset, options):
    Z, Q = np.array([[1.0, 3.0, -2.0]]), np.array([[0.25, 0.5, 0.25]])
    near, far = run(Z, Q, **options), run(Z + offset, Q, **options)
    assert far[0] == near[0]
    np.testing.assert_array_equal(far[1], near[1])


@PAYLOADS
@pytest.mark.parametrize("margin", [1.0, 40.0, 700.0])
@pytest.mark.parametrize("soft", [0.0, 2.0**-30, 0.25])
def test_a_minus_y_keeps_its_digits(run, margin, soft):
    """Against mpmath, where A and Y are next to 1; a one-hot row gives the numbers of its label."""
    Z, Q = np.array([[margin, 0.0, -1.0]]), np.array([[1.0 - soft, soft, 0.0]])
    loss, gradient = run(Z, Q)
    with mpmath.workprec(2400):
        exps = [mpmath.exp(mpf(z)) for z in Z[0].tolist()]
        A = [e / sum(exps) for e in exps]
        true = -sum(q * mpmath.log(a) for q, a in zip(Q[0].tolist(), A, strict=True))
        assert loss == pytest.approx(float(true), rel=1e-14, abs=0)
        for got, a, q in zip(gradient[0], A, Q[0].tolist(), strict=True):
            size = float(abs(a * (1 - mpf(q))) + abs(q * (1 - a)))  # of its two terms
            assert abs(got - float(a - q)) <= 1e-14 * size
    if not soft:
        same = run(Z, [0])
        assert loss == pytest.approx(same[0], rel=1e-15, abs=0)
        np.testing.assert_allclose(gradient, same[1], rtol=1e-15)


@PAYLOADS
def test_infinite_logits_of_impossible_classes(run):
    """A probability of 0 times an infinite loss is 0."""
    loss, gradient = run(np.array([[0.0, 0.0, -math.inf]]), [[0.5, 0.5, 0.0]])
    assert loss == math.log(2)
    assert gradient.tolist() == [[0.0, 0.0, 0.0]]


def test_float32_stays_float32():
    """Probabilities and weights of float64, integers or booleans do not change the dtype."""
    Z = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    for Y in (np.eye(3), np.eye(3, dtype=int), np.eye(3, dtype=bool), np.full((3, 3), 1 / 3)):
        loss, gradient = on_arrays(Z, Y, weight=[1.0, 2.0, 3.0], smoothing=0.1)
        want, slope = on_arrays(Z.astype(float), Y, weight=[1.0, 2.0, 3.0], smoothing=0.1)
        assert loss == pytest.approx(want, rel=1e-6)
        np.testing.assert_allclose(gradient, slope, rtol=1e-5, atol=1e-8)
    assert on_arrays(Z, [0, 1, 2], weight=[1.0, 2.0, 3.0])[1].dtype == np.float32


@PAYLOADS
def test_ignored_samples_have_no_loss_and_no_gradient(run):
    """Also where their logits are not finite, and where every sample is ignored."""
    Z = np.array([[1.0, 2.0], [math.nan, math.inf], [0.5, 0.0]])
    got, gradient = run(Z, [1, -1, 0], ignore_index=-1, reduction="none")
    assert got[1] == 0.0
    assert gradient[1].tolist() == [0.0, 0.0]
    mean, _ = run(Z, [1, -1, 0], ignore_index=-1)
    assert mean == pytest.approx(run(Z[[0, 2]], [1, 0])[0], rel=1e-15)
    nothing, gradient = run(Z, [-1, -1, -1], ignore_index=-1, reduction="sum")
    assert (nothing, gradient.any()) == (0.0, False)


def test_second_derivatives_and_a_check_through_a_network():
    """The targets are class probabilities; both payloads agree."""
    Q, v = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]), [1.0, -2.0, 0.5, 0.3, 0.1, -1.0]
    Z = np.array([[0.3, -1.0, 0.7], [2.0, 2.0, -1.0]])
    leaf, nodes = Array(Z), np.vectorize(Value, otypes=[object])(Z)
    of_array = cross_entropy(leaf, Q, weight=[1.0, 2.0, 3.0])
    of_values = cross_entropy(nodes.tolist(), Q, weight=[1.0, 2.0, 3.0])
    (first,) = grad(of_array, [leaf])
    np.testing.assert_allclose(grad(of_values, nodes.ravel().tolist()), first.ravel(), rtol=1e-14)
    (second,) = hvp(of_array, [leaf], [np.reshape(v, Z.shape)])
    theirs = hvp(of_values, nodes.ravel().tolist(), v)
    np.testing.assert_allclose(theirs, second.ravel(), rtol=1e-13, atol=1e-15)
    model = MLP(2, [3, 3], "tanh", rng=0)
    f = lambda: cross_entropy([model([0.5, -1.0]), model([2.0, 1.0])], Q, smoothing=0.1)
    check_gradients(f, model.parameters())


def test_one_hot_rows_train_as_labels_do():
    """For a model of Arrays and `fit`, whose batches cut rows as they cut labels."""
    from nn import data, fit, vector

    X, y = data.blobs(60, rng=0)
    rows = []
    for targets in (y, np.eye(3)[y]):
        model = vector.MLP(2, [8, 3], rng=0)
        training = fit(model, X, targets, loss="cross_entropy", epochs=3, batch_size=16, rng=0)
        rows.append([record.loss for record in training])
    np.testing.assert_allclose(*rows, rtol=1e-5)


BAD = "cross_entropy expects class probabilities of 0 or more whose sum is 1, got"


@pytest.mark.parametrize("form", [np.ndarray.tolist, Array], ids=["Values", "Arrays"])
@pytest.mark.parametrize(
    ("labels", "options", "error", "message"),
    [
        ([[0.5, 0.5], [0.5, 0.6]], {}, ValueError, f"{BAD} [0.5, 0.6] for sample 1"),
        ([[0.5, 0.5], [1.5, -0.5]], {}, ValueError, f"{BAD} [1.5, -0.5] for sample 1"),
        ([[0.5, 0.5], [math.nan, 1.0]], {}, ValueError, f"{BAD} [nan, 1.0] for sample 1"),
        ([[0.0, 0.0], [0.5, 0.5]], {}, ValueError, f"{BAD} [0.0, 0.0] for sample 0"),
        (
            [[0.5, 0.5]] * 2,
            {"ignore_index": 0},
            ValueError,
            "ignore_index=0 applies to class indices, got class probabilities; leave out such "
            "samples, or pass labels",
        ),
        ([0, 1], {"ignore_index": 0.5}, ValueError, "ignore_index must be an int or None, got 0.5"),
        (
            [0, 1],
            {"weight": [1.0]},
            ValueError,
            "weight must have a finite number of 0 or more for each of 2 classes, got [1.0]",
        ),
        (
            [0, 1],
            {"weight": [1.0, -1.0]},
            ValueError,
            "weight must have a finite number of 0 or more for each of 2 classes, got [1.0, -1.0]",
        ),
        ([0, 1], {"weight": 2.0}, TypeError, "weight expects a number for each class, got 2.0; write [2.0]"),
        (
            [0, 0],
            {"ignore_index": 0},
            ValueError,
            "cross_entropy expects at least one label for the mean, got none; leave out such batches",
        ),
        (
            [0, 0],
            {"weight": [0.0, 1.0]},
            ValueError,
            "cross_entropy expects at least one label for the mean, got labels of weight 0; "
            "leave out such batches",
        ),
        ([0, 1], {"reduction": "max"}, ValueError, "reduction must be one of mean, sum, none, got 'max'"),
        (
            ["setosa", "virginica"],
            {},
            ValueError,
            "cross_entropy expects labels from 0 to 1 (int), got 'setosa' for sample 0; "
            "to number classes, write names, y = np.unique(y, return_inverse=True)",
        ),
        ([2, 1], {"ignore_index": -1}, ValueError, "cross_entropy expects labels from 0 to 1 (int), got 2 for sample 0"),
    ],
)  # fmt: skip
def test_errors_name_the_thing_the_value_and_the_remedy(form, labels, options, error, message):
    logits = form(np.array([[1.0, 2.0], [3.0, 4.0]]))
    with pytest.raises(error) as raised:
        cross_entropy(logits, labels, **options)
    assert str(raised.value) == message


def test_probabilities_that_require_a_gradient_are_refused():
    message = r"probabilities that require no gradient; pass targets\.detach\(\)"
    Q = Array([[0.5, 0.5]])
    with pytest.raises(TypeError, match=message):
        cross_entropy(Array([[1.0, 2.0]]), Q)
    with pytest.raises(TypeError, match=message):
        cross_entropy([[1.0, 2.0]], [[Value(0.5), Value(0.5)]])
    assert cross_entropy(Array([[0.0, 0.0]]), Q.detach()).item() == math.log(2)
    halves = [Value(0.5).detach(), Value(0.5).detach()]
    assert cross_entropy([[0.0, 0.0]], [halves]).data == math.log(2)


# ----------------------------------------------------------------------- reductions of all losses

PAIRS = {"mse": 0.0, "mae": 0.0, "huber": 0.0, "hinge": 1.0, "binary_cross_entropy": 1.0}


@pytest.mark.parametrize("name", PAIRS)
@REDUCTIONS
def test_reductions(name, reduction):
    """The losses have the shape of the targets; their sum and mean are "sum" and "mean"."""
    loss, P = getattr(losses, name), np.array([[0.5, -2.0], [3.0, 0.25], [-1.0, 0.0]])
    for p in (P, P[:, 0], P[:, :1]):
        y = np.full(p.shape, PAIRS[name])
        each = np.array([[loss([v], [PAIRS[name]]).data for v in row] for row in p.reshape(3, -1)])
        want = {"mean": each.mean(), "sum": each.sum(), "none": each.reshape(p.shape)}[reduction]
        of_values = loss(p.tolist(), y.tolist(), reduction=reduction)
        of_array = loss(Array(p), y, reduction=reduction)
        data = np.vectorize(lambda x: x.data, otypes=[float])(np.array(of_values, object))
        assert np.shape(of_values) == of_array.shape == np.shape(want)
        np.testing.assert_allclose(data, want, rtol=1e-14)
        np.testing.assert_allclose(of_array.data, want, rtol=1e-14)
    assert losses.mse(Array(P[:, :1]), np.zeros(3), reduction="none").shape == (3,)


@pytest.mark.parametrize("name", PAIRS)
def test_an_unknown_reduction_is_refused(name):
    for wrong in ("avg", None, ["sum"]):
        with pytest.raises(ValueError, match="reduction must be one of mean, sum, none, got"):
            getattr(losses, name)([1.0], [1.0], reduction=wrong)
    assert "reduction" in str(inspect.signature(getattr(losses, name)))


@pytest.mark.parametrize("name", PAIRS)
def test_names_of_classes_get_the_remedy(name):
    for p in ([1.0, 2.0], Array([1.0, 2.0])):
        for y in (["yes", "no"], np.array(["yes", "no"]), np.array(["yes", "no"], object)):
            with pytest.raises(TypeError, match=r"names, y = np\.unique\(y, return_inverse=True\)"):
                getattr(losses, name)(p, y)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_infinite_logits_of_values_and_arrays(n):
    """Equal infinities are ties, and a logit of -inf has the probability 0."""
    for row in itertools.product([-math.inf, 0.5, 1.0, math.inf], repeat=n):
        expected = log_softmax(Array(row)).data
        computed = [x.data for x in log_softmax([Value(x) for x in row])]
        np.testing.assert_allclose(computed, expected, rtol=1e-14, atol=1e-15)
        mean = uniform_cross_entropy(list(row))
        np.testing.assert_allclose(mean, -np.mean(expected), rtol=1e-14, atol=1e-15)
