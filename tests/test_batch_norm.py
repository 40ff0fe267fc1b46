"""BatchNorm against its formula, its gradient derived by hand, and PyTorch's running statistics."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine import Array, check_gradients
from nn import optim
from nn.vector import BatchNorm, Dense, Sequential

EPS = 1e-5
numbers = st.floats(-10.0, 10.0, width=32)
shapes = st.tuples(st.integers(2, 6), st.integers(1, 4))
batches = shapes.flatmap(lambda shape: arrays(np.float64, shape, elements=numbers))


def norm_of(n, dtype=np.float64, **settings):
    """Return a BatchNorm whose gamma and beta are not 1 and 0."""
    norm = BatchNorm(n, dtype=dtype, **settings)
    norm.gamma.data, norm.beta.data = np.linspace(-2.0, 0.5, n), np.linspace(1.0, 3.0, n)
    return norm


def random(m, n, seed=0):
    return np.random.default_rng(seed).normal(2.0, 3.0, (m, n))


def state_of(norm):
    return {name: data.tolist() for name, data in norm.state_dict().items()}


# ----------------------------------------------------------------------------- in training


@given(batches)
def test_each_feature_is_centred_and_scaled(X):
    """(X - mean) / sqrt(var + eps) * gamma + beta, the variance over m.

    A mean of 6 numbers up to 10 is off by 6 roundings of 10, and 1 / sqrt(eps) makes 316 of 1.
    """
    norm = norm_of(X.shape[1])
    mean, var = X.sum(axis=0) / len(X), ((X - X.sum(axis=0) / len(X)) ** 2).sum(axis=0) / len(X)
    want = (X - mean) / np.sqrt(var + EPS) * norm.gamma.data + norm.beta.data
    np.testing.assert_allclose(norm(X).data, want, rtol=1e-11, atol=1e-10)


def test_output_has_mean_beta_and_deviation_gamma():
    out = norm_of(3)(random(1000, 3)).data
    np.testing.assert_allclose(out.mean(axis=0), np.linspace(1, 3, 3), rtol=1e-12)
    np.testing.assert_allclose(out.std(axis=0), abs(np.linspace(-2, 0.5, 3)), rtol=1e-5)


@pytest.mark.parametrize("m", [2, 5])
@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_the_slopes(m, training):
    """In training, gradients pass through mean and variance, which depend on every sample."""
    norm, R = norm_of(3), np.random.default_rng(1).normal(size=(m, 3))
    X = Array(random(m, 3), "X")
    norm(random(7, 3, seed=3))
    norm.train(training)
    check_gradients(lambda: (norm(X).tanh() * R).sum(), [X, norm.gamma, norm.beta])


@given(batches, st.integers(0, 99))
def test_gradients_are_those_derived_by_hand(X, seed):
    """dX = gamma / (m std) (m dY - sum dY - X̂ sum(dY X̂)), dgamma = sum(dY X̂), dbeta = sum dY.

    Three terms of up to m sqrt(m) |dY| cancel, under a factor of up to 2 / sqrt(eps).
    """
    m, n = X.shape
    leaf, norm, dY = Array(X), norm_of(n), np.random.default_rng(seed).uniform(-1, 1, (m, n))
    (norm(leaf) * dY).sum().backward()
    centred = X - X.mean(axis=0)
    std = np.sqrt((centred**2).mean(axis=0) + EPS)
    hat = centred / std
    dX = norm.gamma.data / (m * std) * (m * dY - dY.sum(0) - hat * (dY * hat).sum(0))
    np.testing.assert_allclose(leaf.grad, dX, rtol=1e-9, atol=1e-8)
    np.testing.assert_allclose(norm.gamma.grad, (dY * hat).sum(0), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(norm.beta.grad, dY.sum(0), rtol=1e-14, atol=1e-14)


def test_a_feature_that_never_changes_becomes_beta():
    norm, X = norm_of(2), Array([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
    out = norm(X)
    assert out.data[:, 1].tolist() == [3.0] * 3
    out.sum().backward()
    assert np.isfinite(X.grad).all()


def test_float32_far_from_zero_is_normalized_all_the_same():
    """The variance is computed from centred numbers, not as a difference of large squares."""
    X = (1e4 + np.random.default_rng(0).normal(size=(200, 2))).astype(np.float32)
    norm = BatchNorm(2)
    want = (X - X.mean(axis=0, dtype=float)) / X.std(axis=0, dtype=float)
    np.testing.assert_allclose(norm(X).data, want, atol=0.01)
    assert norm(X).dtype == norm.running_mean.dtype == norm.running_variance.dtype == np.float32
    assert norm(X.astype(float)).dtype == norm.eval()(X.astype(float)).dtype == np.float32


# -------------------------------------------------------------------------- running statistics


def test_the_running_ones_by_hand():
    """Batch 1, 3: mean 2, variance 1 over m, 2 over m - 1. Moved by a tenth from 0 and 1, twice."""
    norm = BatchNorm(1, dtype=np.float64)
    norm([[1.0], [3.0]])
    assert norm.running_mean.data == pytest.approx([0.2], rel=1e-15)
    assert norm.running_variance.data == pytest.approx([1.1], rel=1e-15)
    norm([[1.0], [3.0]])
    assert norm.running_mean.data == pytest.approx([0.38], rel=1e-15)
    assert norm.running_variance.data == pytest.approx([1.19], rel=1e-15)


@given(st.data(), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_the_running_ones_follow_pytorchs_rule(data, momentum):
    """(1 - momentum) * running + momentum * the batch's, its variance over m - 1."""
    norm, mean, var = norm_of(2, momentum=momentum), np.zeros(2), np.ones(2)
    sizes = data.draw(st.lists(st.integers(2, 5), min_size=1, max_size=5), label="batch sizes")
    for i, m in enumerate(sizes):
        X = random(m, 2, seed=i)
        norm(X)
        mean = (1 - momentum) * mean + momentum * X.mean(axis=0)
        var = (1 - momentum) * var + momentum * X.var(axis=0, ddof=1)
    np.testing.assert_allclose(norm.running_mean.data, mean, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(norm.running_variance.data, var, rtol=1e-12)


def test_eval_normalizes_by_the_running_ones_and_leaves_them():
    """After eval(), the output of a sample does not depend on the batch."""
    norm = norm_of(3)
    for i in range(5):
        norm(random(8, 3, seed=i))
    before, X = state_of(norm), random(4, 3, seed=9)
    std = np.sqrt(norm.running_variance.data + EPS)
    want = (X - norm.running_mean.data) / std * norm.gamma.data + norm.beta.data
    norm.eval()
    np.testing.assert_allclose(norm(X).data, want, rtol=1e-13)
    for x, row in zip(X, norm(X).data, strict=True):
        np.testing.assert_array_equal(norm(x).data, row)
        np.testing.assert_array_equal(norm(x[None]).data, row[None])
    assert state_of(norm) == before


def test_the_running_ones_are_state_but_no_parameters():
    norm = norm_of(2)
    assert norm.parameters() == [norm.gamma, norm.beta]
    assert list(norm.named_state()) == ["gamma", "beta", "running_mean", "running_variance"]
    assert norm.summary().split()[-1] == "4"
    (norm(Array(random(5, 2))) ** 2).sum().backward()
    assert not norm.running_mean.grad.any()
    optimizer = optim.SGD(norm.parameters(), lr=0.1, weight_decay=0.5)
    before = norm.running_variance.data.tolist()
    optimizer.step()
    assert norm.running_variance.data.tolist() == before
    with pytest.raises(ValueError, match=r"SGD expects leaves that require a gradient, got "):
        optim.SGD([norm.running_mean])


def test_saved_and_restored_with_the_weights():
    """A loaded state gives the same bits in eval(), and is a copy."""
    model, other = (
        Sequential(Dense(2, 3, rng=seed), BatchNorm(3), Dense(3, 1, rng=seed)) for seed in (0, 1)
    )
    for i in range(3):
        model(random(6, 2, seed=i))
    saved, X = model.state_dict(), random(4, 2)
    want = model.eval()(X).data
    model.train()(X)
    other.load_state_dict(saved)
    np.testing.assert_array_equal(other.eval()(X).data, want)
    other.train()(10 * X)
    model.load_state_dict(saved)
    np.testing.assert_array_equal(model.eval()(X).data, want)
    with pytest.raises(ValueError, match=r"running_mean: missing"):
        BatchNorm(3).load_state_dict({"gamma": np.ones(3), "beta": np.ones(3)})
    with pytest.raises(ValueError, match=r"running_mean: shape \(3,\) in the model, \(\) in"):
        BatchNorm(3).load_state_dict(BatchNorm(3).state_dict() | {"running_mean": 0.0})


# ------------------------------------------------------------------------------ in a network


def test_first_in_a_network_it_takes_plain_arrays():
    """Plain arrays receive no gradient; those of the parameters do not change."""
    model = Sequential(norm_of(3), Dense(3, 2, "tanh", rng=0, dtype=np.float64))
    gradients = []
    for X in (random(5, 3), Array(random(5, 3))):
        for p in model.parameters():
            p.zero_grad()
        model(X).square().sum().backward()
        gradients.append([p.grad.tolist() for p in model.parameters()])
    assert gradients[0] == gradients[1]
    assert np.any(gradients[0][0])


def test_a_graph_from_before_stays_right():
    """The running statistics move, and backward of an earlier call gives what it would have."""
    norm, X = norm_of(2), Array(random(5, 2))
    norm(random(3, 2, seed=1))
    for mode in (True, False):
        norm.train(mode)
        (norm(X).tanh()).sum().backward()
        want = X.grad
        X.zero_grad()
        out = norm(X).tanh().sum()
        norm.train()(random(9, 2, seed=2))
        out.backward()
        np.testing.assert_array_equal(X.grad, want)
        X.zero_grad()


@pytest.mark.parametrize("shape", [(1, 2), (2,), (0, 2)])
def test_fewer_than_two_samples_are_refused_in_training(shape):
    norm = norm_of(2)
    before = state_of(norm)
    with pytest.raises(ValueError, match="2 samples or more") as raised:
        norm(np.ones(shape))
    assert str(raised.value) == (
        f"BatchNorm in training expects 2 samples or more, got shape {shape}; choose a batch size "
        "that leaves no batch of one sample, or call eval()"
    )
    assert state_of(norm) == before
    assert norm.eval()(np.ones(shape)).shape == shape


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"momentum": -0.1}, r"momentum must be .*got -0\.1"),
        ({"eps": "a"}, "eps must be .*got 'a'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        BatchNorm(2, **settings)


def test_momentum_is_at_most_one():
    """A momentum above 1 could make the running variance negative."""
    assert BatchNorm(2, momentum=1).momentum == 1.0
    with pytest.raises(ValueError, match=r"momentum must be a number in \[0, 1\], got 2"):
        BatchNorm(2, momentum=2)
