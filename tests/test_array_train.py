"""Training of models of Arrays, compared with models of Values; shapes and dtypes of samples."""

import numpy as np
import pytest

from engine import Array
from nn import MLP, accuracy, data, fit, losses, optim, schedules, vector
from nn.vector import BatchNorm, Dense, Dropout, Residual, Sequential
from strategies import nan

X, Y = data.moons(30, rng=0)
SIGNS = 2 * Y - 1


def network(*nouts, rng=0, **settings):
    return vector.MLP(2, nouts or (4, 1), rng=rng, **settings)


def deep(rng=0):
    """Return a model with every kind of state: weights, running statistics, a generator."""
    return Sequential(
        Dense(2, 8, rng=rng), BatchNorm(8), Dropout(0.25, rng=rng),
        Residual(Dense(8, 8, "tanh", rng=rng)), Dense(8, 1, "linear", rng=rng),
    )  # fmt: skip


def bits(model):
    return {name: data.tobytes() for name, data in model.state_dict().items()}


def figures(records):
    """Return the numbers in records, except the seconds."""
    return [[np.nan if x is None else x for x in record[:-1]] for record in records]


# --------------------------------------------------------------- the scalar model's records


@pytest.mark.parametrize(
    ("toy", "loss", "last", "settings"),
    [
        ("moons", "hinge", 1, {}),
        ("moons", "hinge", 1, {"batch_size": 7, "validation": 0.2, "clip": 0.5}),
        ("moons", "mse", 1, {"schedule": schedules.cosine(0.1, 12), "batch_size": 16}),
        ("moons", "binary_cross_entropy", 1, {"penalty": 1e-2, "batch_size": 9}),
        ("blobs", "cross_entropy", 3, {"batch_size": 8, "validation": 0.3, "patience": 2}),
        ("blobs", "cross_entropy", 3, {"optimizer": "adam", "lr": 0.01, "clip": 1.0}),
        ("blobs", "cross_entropy", 3, {"optimizer": "rmsprop", "batch_size": 10, "penalty": 1e-3}),
    ],
)
def test_the_same_records_as_the_scalar_model(toy, loss, last, settings):
    """The same weights and seed give the same figures in each epoch, and the same weights.

    Sums are rounded in another order, some 100 roundings a step; 6 epochs of at most 5 steps make
    less than 1e-12 of them, which optimizers that divide by a gradient's size may grow 1000 times.
    """
    X, y = getattr(data, toy)(40, rng=1)
    y = 2 * y - 1 if loss == "hinge" else y
    scalar = MLP(2, [6, last], "tanh", rng=0)
    array = scalar.to_vector()
    runs = []
    for model in (scalar, array):
        chosen = {"optimizer": optim.SGD(model.parameters(), lr=0.1, momentum=0.9), "rng": 3}
        if "penalty" in settings:
            chosen["penalty"] = lambda size=settings["penalty"], model=model: (
                size * losses.l2_penalty(model.parameters())
            )
        chosen |= {name: x for name, x in settings.items() if name != "penalty"}
        runs.append(list(fit(model, X, y, loss=loss, epochs=6, metric="accuracy", **chosen)))
    assert len(runs[0]) == len(runs[1])
    np.testing.assert_allclose(figures(runs[1]), figures(runs[0]), rtol=1e-9, atol=1e-12)
    for ours, theirs in zip(array.parameters(), scalar.to_vector().parameters(), strict=True):
        np.testing.assert_allclose(ours.data, theirs.data, rtol=1e-9, atol=1e-9)


def test_it_learns():
    """A network with every kind of layer learns moons in float32."""
    X, y = data.moons(100, noise=0.1, rng=1)
    model = deep()
    settings = {"epochs": 60, "lr": 0.02, "batch_size": 20, "metric": "accuracy", "rng": 0}
    records = list(fit(model, X, y, loss="binary_cross_entropy", validation=0.2, **settings))
    assert records[-1].loss < 0.5 * records[0].loss
    assert records[-1].validation_metric >= 0.9
    assert all(x.dtype == np.float32 for x in model.state_dict().values())
    assert accuracy(model(X), y) >= 0.9


# ------------------------------------------------------------------ modes, state and samples


def test_the_same_seed_is_the_same_run():
    """The bits are the same, also with dropout, which draws from the model's generator."""

    def run(seed, model_seed=0):
        model = deep(model_seed)
        settings = {"epochs": 3, "batch_size": 7, "validation": 0.2, "rng": seed}
        return figures(fit(model, X, SIGNS, loss="hinge", **settings)), bits(model)

    first, again, other = run(3), run(3), run(4)
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]
    assert first[1] != other[1]


def test_the_model_is_in_eval_mode_outside_of_steps():
    """Dropout and normalization are inactive then, and during validation."""
    model, calls = deep(), []

    def watched(predictions, targets):
        calls.append((model.training, model.modules[1].training, len(predictions)))
        return losses.hinge(predictions, targets)

    settings = {"loss": watched, "epochs": 2, "batch_size": 12, "validation": (X[:5], SIGNS[:5])}
    for _ in fit(model, X, SIGNS, **settings):
        assert not any(part.training for part in [model, *model.modules])
        before = bits(model)
        np.testing.assert_array_equal(model(X).data, model(X).data)
        assert bits(model) == before
    step, validation = (True, True), (False, False)
    assert calls == [(*step, 12), (*step, 12), (*step, 6), (*validation, 5)] * 2


def test_patience_restores_the_complete_state_of_the_best_epoch():
    """Weights and running statistics have the bits of the epoch with the lowest loss."""
    model, states, heights = deep(), [], []
    held_out = data.moons(20, noise=0.4, rng=5)
    settings = {"epochs": 200, "lr": 0.2, "patience": 3, "batch_size": 10, "rng": 0}
    held_out = held_out[0], 2 * held_out[1] - 1
    for record in fit(model, X, SIGNS, loss="hinge", validation=held_out, **settings):
        states.append(bits(model))
        heights.append(record.validation_loss)
    best = int(np.argmin(heights))
    assert best == len(states) - 4  # it stopped 3 epochs later
    assert bits(model) == states[best]
    assert states[best]["modules.1.running_mean"] != states[-1]["modules.1.running_mean"]
    again = losses.hinge(model(held_out[0]), held_out[1]).item()
    assert again == pytest.approx(heights[best], rel=1e-6)


def test_samples_are_not_changed():
    before = X.copy(), SIGNS.copy()
    list(fit(deep(), X, SIGNS, loss="hinge", epochs=2, batch_size=10))
    np.testing.assert_array_equal((*X.ravel(), *SIGNS), (*before[0].ravel(), *before[1]))


# ------------------------------------------------------------------------------ shapes, dtypes


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.bool_, np.float32, list])
def test_samples_of_any_dtype(kind):
    """Integers give the same results as equal floats."""
    counts = np.arange(40).reshape(20, 2) % 7 // (6 if kind is np.bool_ else 1)
    other = counts.tolist() if kind is list else counts.astype(kind)
    y = np.arange(20) % 2
    for metric, loss in (("accuracy", "binary_cross_entropy"), (None, "mse")):
        first, second = network(), network()
        settings = {"loss": loss, "epochs": 2, "batch_size": 6, "metric": metric, "rng": 0}
        want = figures(fit(first, counts.astype(float), y, **settings))
        got = figures(fit(second, other, y, **settings))
        np.testing.assert_array_equal(got, want)
        assert bits(first) == bits(second)


def test_a_column_of_scores_and_a_column_of_targets():
    """Scores (m, 1) with targets (m,) or (m, 1) give the same loss; nothing broadcasts to (m, m)."""
    runs = []
    for y in (SIGNS, SIGNS[:, None]):
        settings = {"loss": "hinge", "epochs": 3, "metric": "accuracy", "validation": 0.2}
        runs.append(figures(fit(network(), X, y, rng=0, **settings)))
    np.testing.assert_array_equal(*runs)
    model = network()
    (record,) = fit(model, X, SIGNS, loss="hinge", epochs=1, lr=1e-30, metric="accuracy")
    scores = model(X).data[:, 0]
    assert record.metric == np.mean((scores > 0) == (SIGNS > 0))
    assert record.loss == pytest.approx(np.maximum(0, 1 - SIGNS * scores).mean(), rel=1e-6)


def test_several_outputs_per_sample():
    """In a regression on (m, 2) targets the mean is over samples and outputs."""
    targets = np.column_stack([X.sum(axis=1), X[:, 0] - X[:, 1]])
    model = vector.MLP(2, [2], rng=0)
    records = list(fit(model, X, targets, loss="mse", epochs=300, lr=0.1))
    assert records[-1].loss < 1e-4
    np.testing.assert_allclose(model.layers[0].weight.data, [[1, 1], [1, -1]], atol=0.01)


def test_a_batch_of_one_sample():
    """It works, except with BatchNorm, which has no variance then and raises with a remedy."""
    settings = {"loss": "hinge", "epochs": 1, "batch_size": 10, "rng": 0}
    assert len(list(fit(network(), X[:21], SIGNS[:21], **settings))) == 1
    model = deep()
    with pytest.raises(
        ValueError, match=r"got shape \(1, 8\); choose a batch size that leaves no batch of one"
    ):
        list(fit(model, X[:21], SIGNS[:21], **settings))
    assert not model.training
    assert len(list(fit(model, X[:21], SIGNS[:21], **settings | {"batch_size": 7}))) == 1
    held_out = X[21:22], SIGNS[21:22]  # one validation sample is enough
    assert list(fit(model, X[:20], SIGNS[:20], validation=held_out, **settings))


def per_sample(predictions, targets):
    return (predictions.reshape(-1) - targets).square()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"X": np.ones((30, 3))}, ValueError, r"Dense expects shape \(samples, 2\), got \(30, 3\)$"),
        ({"X": np.ones(30)}, ValueError, r"Dense expects shape \(samples, 2\), got \(30,\)$"),
        (
            {"X": np.ones((30, 28, 28))},
            ValueError,
            r"got \(30, 28, 28\); flatten each sample with X\.reshape\(len\(X\), -1\)",
        ),
        (
            {"loss": per_sample},
            ValueError,
            r"backward expects one element, got an array of shape \(30,\) .* \.sum\(\) or \.mean",
        ),
        ({"loss": lambda p, y: 0.5}, TypeError, r"made from the predictions, got 0\.5"),
        ({"loss": "cross_entropy"}, ValueError, "one logit per class, got one .* binary_cross_entropy"),
        ({"y": Y}, ValueError, r"hinge expects labels -1 or 1 .* got 0\.0 for"),
        ({"y": SIGNS[:, None] * np.ones((1, 2))}, ValueError, r"\(30, 1\) and targets of shape \(30, 2\)"),
        ({"y": SIGNS[:29]}, ValueError, "equal lengths, got 30 samples and 29 targets"),
        ({"metric": "accuracy", "y": 3 * SIGNS, "loss": "mse"}, ValueError, "accuracy expects labels"),
    ],
)  # fmt: skip
def test_invalid_arguments(settings, error, message):
    """The model keeps its weights."""
    model = network()
    before = bits(model)
    arguments = {"X": X, "y": SIGNS, "loss": "hinge", "epochs": 1} | settings
    with pytest.raises(error, match=message):
        next(fit(model, **arguments))
    assert bits(model) == before


def test_an_optimizer_moves_some_of_the_parameters():
    """With the last layer alone, as in fine-tuning, the others keep their weights."""
    model = network(8, 1)
    first, last = model.layers
    before = bits(first), bits(last)
    moving = optim.SGD(last.parameters(), lr=0.1)
    list(fit(model, X, SIGNS, loss="hinge", epochs=2, optimizer=moving))
    assert bits(first) == before[0]
    assert bits(last) != before[1]


def test_a_custom_loss():
    """A loss may be any function that returns one number."""
    settings = {"epochs": 2, "optimizer": "sgd", "lr": 0.1}
    mean = lambda p, y: per_sample(p, Array(np.float32(y))).mean()
    custom, other = network(), network()
    got = figures(fit(custom, X, SIGNS, loss=mean, **settings))
    np.testing.assert_allclose(
        got, figures(fit(other, X, SIGNS, loss="mse", **settings)), rtol=1e-6
    )


def test_a_loss_of_one_number_may_have_axes():
    model, X, y = vector.MLP(2, [1], rng=0), np.ones((3, 2)), np.zeros(3)
    loss = lambda predictions, targets: (predictions - targets[:, None]).square().mean(axis=0)
    (record,) = fit(model, X, y, loss=loss, epochs=1, validation=(X, y))
    assert type(record.loss) is type(record.validation_loss) is float


def test_the_parameters_are_not_listed_for_every_batch():
    """Listing the parameters of a large network of Values takes a while."""

    class Counting(MLP):
        listed = 0

        def parameters(self):
            self.listed += 1
            return super().parameters()

    counts = []
    for batch_size in (30, 1):
        model = Counting(2, [1], rng=0)
        list(fit(model, X, SIGNS, loss="hinge", epochs=2, batch_size=batch_size, validation=0.2))
        counts.append(model.listed)
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("augment", "got"),
    [
        (lambda X, epoch, rng: None, "None"),
        (lambda X, epoch, rng: X[:3], r"shape \(3, 2\)"),
        (lambda X, epoch, rng: 1.0, r"shape \(\)"),
    ],
)
def test_augment_returns_the_samples_of_an_epoch(augment, got):
    with pytest.raises(
        ValueError, match=f"augment must return the 30 samples of an epoch, got {got}"
    ):
        list(fit(network(), X, SIGNS, loss="hinge", epochs=1, augment=augment))


def test_validation_is_not_an_array():
    with pytest.raises(
        TypeError, match=r"\(X, y\) or a fraction .*, got an array of shape \(30, 2\)"
    ):
        fit(network(), X, SIGNS, loss="hinge", epochs=1, validation=X)


def test_the_learning_rate_is_not_blamed_for_a_loss_that_is_not_finite_at_the_first_step():
    with pytest.raises(FloatingPointError, match="no step was taken yet: check the samples"):
        list(fit(network(), X * 1e300, SIGNS, loss="mse", epochs=1))
    with pytest.raises(ValueError, match="X must hold finite numbers, got nan for sample 0"):
        list(fit(network(), X, SIGNS, loss="mse", epochs=1, augment=lambda X, epoch, rng: X * nan))
