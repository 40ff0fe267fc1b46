"""The training loop, compared with the same loop written out and with scripted losses."""

import base64
import math
import sys
import warnings
from contextlib import suppress
from xml.etree import ElementTree

import numpy as np
import pytest

import nn
from engine import Value
from nn import MLP, Module, Record, accuracy, data, fit, losses, optim, schedules
from nn.records import Records

X, Y = data.moons(30, rng=0)
SIGNS = 2 * Y - 1


def model(seed=0, sizes=(4, 1)):
    return MLP(2, list(sizes), rng=seed)


def weights(model):
    return [p.data for p in model.parameters()]


class Walker(Module):
    """A model that returns its only weight for any input."""

    def __init__(self, start=0.0):
        self.w = Value(start)

    def __call__(self, x):
        return self.w


def scripted(predictions, targets):
    """Each step adds lr to w, for targets 0. The validation loss, targets 1, is lowest at w = 3."""
    w = predictions[0]
    return -w if targets[0] == 0 else (w - 3.0) ** 2


def walk(epochs=100, patience=2, validation=((0.0,), (1.0,)), start=0.0, loss=scripted, lr=1.0):
    walker = Walker(start)
    settings = {"loss": loss, "epochs": epochs, "patience": patience, "validation": validation}
    return walker, fit(walker, [0.0], [0.0], optimizer="sgd", lr=lr, **settings)


def test_the_loop_written_out():
    """Hinge, L2 penalty and gradient descent as in micrograd's demo: the same bits."""
    fitted, by_hand = model(), model()
    records = list(
        fit(fitted, X, SIGNS, loss="hinge", epochs=5, optimizer="sgd",
            schedule=schedules.linear(1.0, 5, end=0.1), metric=accuracy,
            penalty=lambda: 1e-4 * losses.l2_penalty(fitted.parameters()))
    )  # fmt: skip
    for k, record in enumerate(records):
        scores = [by_hand(x) for x in X]
        loss = losses.hinge(scores, SIGNS) + 1e-4 * losses.l2_penalty(by_hand.parameters())
        for p in by_hand.parameters():
            p.grad = 0.0
        loss.backward()
        norm = math.hypot(*[p.grad for p in by_hand.parameters()])
        right = [
            (score.data > 0) == (label > 0) for score, label in zip(scores, SIGNS, strict=True)
        ]
        for p in by_hand.parameters():
            p.data -= schedules.linear(1.0, 5, end=0.1)(k) * p.grad
        want = Record(
            k + 1, loss.data, sum(right) / 30, None, None, record.lr, norm, record.seconds
        )
        assert record == want
        assert record.lr == schedules.linear(1.0, 5, end=0.1)(k)
        assert 0 < record.seconds < 60
    assert weights(fitted) == weights(by_hand)


@pytest.mark.parametrize(
    ("toy", "loss", "last"),
    [("xor", "binary_cross_entropy", 1), ("moons", "hinge", 1), ("blobs", "cross_entropy", 3)],
)
def test_it_learns(toy, loss, last):
    """A small network separates each data set, with losses given by name."""
    X, y = getattr(data, toy)(40, rng=1)
    targets = 2 * y - 1 if loss == "hinge" else y
    network = model(2, (8, last))
    settings = {"epochs": 30, "lr": 0.05, "batch_size": 10, "metric": accuracy, "rng": 0}
    records = list(fit(network, X, targets, loss=loss, **settings))
    assert records[-1].loss < 0.5 * records[0].loss
    assert records[-1].metric > 0.9


def test_means_are_over_samples_not_batches():
    """With constant weights, batches of 8, 8, 8 and 6 give the same means as one batch of 30."""
    settings = {"loss": "hinge", "epochs": 1, "metric": accuracy, "validation": (X[:7], SIGNS[:7])}
    still = {"optimizer": "sgd", "lr": 1e-300}
    (parts,) = fit(model(), X, SIGNS, batch_size=8, rng=0, **settings, **still)
    (whole,) = fit(model(), X, SIGNS, **settings, **still)
    assert parts[1:5] == pytest.approx(whole[1:5], rel=1e-12)


def test_the_same_seed_is_the_same_run():
    def run(seed):
        settings = {"epochs": 2, "batch_size": 7, "validation": 0.2, "rng": seed}
        network = model()
        records = list(fit(network, X, SIGNS, loss="hinge", **settings))
        return [record[:-1] for record in records], weights(network)

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_steps_batches_and_modes():
    """Each sample is used once an epoch. The mode is train() for steps and eval() otherwise."""
    network, calls = model(), []

    def watched(predictions, targets):
        calls.append((network.training, len(targets)))
        return losses.hinge(predictions, targets)

    steps = []
    settings = {"epochs": 2, "batch_size": 10, "validation": 0.2, "patience": 2}
    for _ in fit(
        network, X, SIGNS, loss=watched, schedule=lambda k: steps.append(k) or 0.1, **settings
    ):
        assert not network.training
    assert calls == [(True, 10), (True, 10), (True, 4), (False, 6)] * 2
    assert steps == [0, 1, 2, 3, 4, 5]


def test_held_out_samples_are_not_trained_on():
    """A fraction is drawn once; steps use only the rest."""
    X = np.arange(20.0).reshape(20, 1)
    trained, checked = set(), set()

    class Memory(Walker):
        def __call__(self, x):
            (trained if self.training else checked).add(x[0])
            return self.w

    list(fit(Memory(), X, np.zeros(20), loss="mse", epochs=3, validation=0.25, rng=0))
    assert (len(trained), len(checked)) == (15, 5)
    assert trained | checked == set(X[:, 0])


def test_clip_limits_the_norm_of_all_gradients():
    """A step of SGD with rate 1 has the length of the limit; the record has the norm before."""
    network = model()
    before = weights(network)
    (record,) = fit(network, X, SIGNS, loss="hinge", epochs=1, optimizer="sgd", lr=1, clip=1e-3)
    assert record.grad_norm > 0.01
    assert math.dist(before, weights(network)) == pytest.approx(1e-3, rel=1e-9)


def test_early_stopping_restores_the_best():
    """The validation losses are 4 1 0 1 4: after two epochs without a new lowest, w is 3 again."""
    walker, records = walk()
    assert [record.validation_loss for record in records] == [4, 1, 0, 1, 4]
    assert walker.w.data == 3.0


def test_patience_counts_consecutive_epochs():
    """An equal loss is not a new lowest one, which restarts the count."""
    heights = {1: 5, 2: 6, 3: 4, 4: 4, 5: 4}

    def loss(predictions, targets):
        w = predictions[0]
        return -w if targets[0] == 0 else w * 0 + heights[w.data]

    walker, records = walk(loss=loss)
    assert [record.epoch for record in records] == [1, 2, 3, 4, 5]
    assert walker.w.data == 3.0


def test_patience_without_validation_watches_the_training_samples():
    """The loss is |w - 3| after the epoch: 1 and 1 after the first two steps of 2 from w = 0."""
    walker, records = walk(
        validation=None, patience=1, lr=2.0, loss=lambda ps, ts: abs(ps[0] - 3.0)
    )
    assert [(record.loss, record.validation_loss) for record in records] == [(3, None), (1, None)]
    assert walker.w.data == 2.0


@pytest.mark.parametrize(("patience", "left"), [(50, 3.0), (None, 5.0)])
def test_the_last_epoch_and_a_break_leave_the_best_with_patience(patience, left):
    walker, records = walk(epochs=5, patience=patience)
    assert len(list(records)) == 5
    assert walker.w.data == left

    walker, records = walk(patience=patience)
    for record in records:
        if record.epoch == 5:
            break
    records.close()
    assert walker.w.data == left
    assert not walker.training
    again = fit(walker, [0.0], [0.0], loss=scripted, epochs=1, optimizer="sgd", lr=1.0)
    assert [record.loss for record in again] == [-left]


def test_a_break_closes_a_training_that_no_variable_refers_to():
    """The model has its best weights then, as after `close()`."""
    walker = Walker()
    settings = {"loss": scripted, "optimizer": "sgd", "lr": 1.0, "validation": ([0.0], [1.0])}
    for record in fit(walker, [0.0], [0.0], epochs=9, patience=9, **settings):
        if record.epoch == 5:
            break
    assert (walker.w.data, walker.training) == (3.0, False)


def test_a_training_is_iterated_over_once():
    """Each epoch runs when its record is requested; without a loop the model stays as it was."""
    network = model()
    training = fit(network, X, SIGNS, loss="hinge", epochs=3)
    before = weights(network)
    assert isinstance(training, nn.Training)
    assert (training.epoch, network.training, before) == (0, True, weights(network))
    assert (next(training).epoch, training.epoch, network.training) == (1, 1, False)
    assert weights(network) != before
    assert [record.epoch for record in training] == [2, 3]
    assert list(training) == []
    training.close()
    with pytest.raises(StopIteration):
        next(training)


def test_a_training_that_was_closed_before_it_began_changes_nothing():
    walker, training = walk()
    training.close()
    assert list(training) == []
    assert (walker.w.data, walker.training) == (0.0, True)


def test_a_model_may_decide_what_is_in_train_mode():
    """A `train` method of its own runs, as where a part stays in eval() mode for fine-tuning."""

    class Frozen(MLP):
        def train(self, mode=True):
            super().train(mode)
            self.layers[0].training = False
            return self

    modes = []

    def loss(predictions, targets):
        modes.append([layer.training for layer in network.layers])
        return losses.hinge(predictions, targets)

    network = Frozen(2, [3, 1], rng=0)
    list(fit(network, X, SIGNS, loss=loss, epochs=2, validation=(X, SIGNS)))
    assert modes == [[False, True], [False, False]] * 2


def test_a_nan_loss_raises_with_the_epoch_and_a_remedy():
    """The model ends with its best weights if there is patience, and in eval() mode."""

    def loss(predictions, targets):
        w = predictions[0]
        return w * math.nan if w.data == 4 and targets[0] == 0 else scripted(predictions, targets)

    walker, records = walk(loss=loss)
    with pytest.raises(FloatingPointError, match=r"loss is nan in epoch 5; try .* smaller .* 1$"):
        list(records)
    assert (walker.w.data, walker.training) == (3.0, False)

    slope = walk(start=1.0, loss=lambda ps, ts: (ps[0] - 1.0).sqrt(), patience=None)[1]
    with pytest.raises(FloatingPointError, match="gradient norm is inf in epoch 1"):
        list(slope)
    with pytest.raises(FloatingPointError, match="smaller"):
        list(fit(model(), X, SIGNS, loss="mse", epochs=50, optimizer="sgd", lr=1e6))


def test_an_optimizer_continues_in_the_next_fit():
    """Its memory and its number of steps are kept: 2 + 3 epochs equal 5."""
    network, other = model(), model()
    schedule = schedules.cosine(0.1, 5)
    moving, settings = optim.Adam(network.parameters()), {"loss": "hinge", "schedule": schedule}
    for epochs in (2, 3):
        list(fit(network, X, SIGNS, epochs=epochs, optimizer=moving, **settings))
    list(fit(other, X, SIGNS, epochs=5, **settings))
    assert weights(network) == weights(other)


def test_accuracy():
    """The sign of a score decides, and 0 is the lower class; of logits, the first largest does."""
    scores = [Value(0.5), Value(-0.5), Value(0.0), Value(2.0)]
    assert accuracy(scores, [1, 0, 0, 0]) == accuracy(scores, [1, -1, -1, -1]) == 0.75
    logits = [[Value(1.0), Value(3.0), Value(2.0)], [Value(1.0), Value(0.0), Value(1.0)]]
    assert accuracy(logits, [1, 0]) == 1.0
    assert accuracy(logits, np.array([2, 0])) == 0.5
    assert accuracy(np.array([[0.0, 1.0], [1.0, 0.0]]), [1.0, 1.0]) == 0.5
    with pytest.raises(
        ValueError, match="labels 0 and 1, or -1 and 1, for one score per sample, got 2"
    ):
        accuracy(scores, [1, 0, 0, 2])
    with pytest.raises(ValueError, match="labels from 0 to 2, got -1"):
        accuracy(logits, [1, -1])
    with pytest.raises(ValueError, match="got 4 predictions and 3 targets"):
        accuracy(scores, [1, 0, 0])
    with pytest.raises(ValueError, match="got 0 predictions and 0 targets"):
        accuracy([], [])


FOREIGN = optim.SGD([Value(1.0)])
OWN = object()  # stands for an optimizer over the model's parameters


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (
            {"loss": "hinged"},
            ValueError,
            r"unknown loss 'hinged' \(did you mean 'hinge'\?\); choose from: mse, mae, ",
        ),
        ({"loss": lambda ps, ts: 0.5}, TypeError, r"return a node made from .* got 0\.5"),
        ({"y": SIGNS[1:]}, ValueError, "equal lengths, got 30 samples and 29 targets"),
        ({"X": [], "y": []}, ValueError, "X must have at least 1 sample"),
        (
            {"X": X * np.where(Y == 1, np.nan, 1)[:, None]},
            ValueError,
            "X must hold finite numbers, got nan for sample",
        ),
        (
            {"y": np.where(np.arange(30) == 3, np.inf, 1)},
            ValueError,
            "y must hold finite numbers, got inf for sample 3",
        ),
        ({"X": [["a"]] * 30}, TypeError, "X must hold numbers, got an array of <U1"),
        ({"y": Y}, ValueError, r"hinge expects labels -1 or 1 .* got 0\.0"),
        ({"epochs": 0}, ValueError, "epochs must be a whole number, 1 or more, got 0"),
        ({"batch_size": 0}, ValueError, "size .* whole number, 1 or more, got 0"),
        ({"patience": 0}, ValueError, "patience must be a whole number, 1 or more, got 0"),
        ({"clip": 0}, ValueError, "clip must be a positive.*got 0"),
        ({"validation": 1.5}, ValueError, r"validation must be.*got 1\.5"),
        ({"validation": 0.001}, ValueError, "0 to validate with"),
        ({"validation": (X, Y[1:])}, ValueError, "equal lengths, got 30 samples and 29 targets"),
        (
            {"optimizer": "adamm"},
            ValueError,
            r"unknown optimizer 'adamm' \(did you mean 'adam'\?\); choose from: sgd, ",
        ),
        ({"optimizer": optim.Adam}, TypeError, r"such as Adam\(model.parameters\(\)\), got <class"),
        ({"optimizer": FOREIGN}, ValueError, "has none of the model's parameters"),
        ({"optimizer": OWN, "lr": 0.1}, ValueError, r"lr=0\.1 is for .* this one has lr=0\.01"),
        ({"lr": -1}, ValueError, "lr must be a positive"),
        ({"lr": 0.1, "schedule": abs}, ValueError, "a learning rate or a schedule"),
        ({"schedule": "cosine"}, TypeError, "schedule must be a function .* got 'cosine'"),
        ({"rng": "seed"}, TypeError, "rng expects a seed"),
    ],
)
def test_invalid_arguments(settings, error, message):
    network = model()
    if settings.get("optimizer") is OWN:
        settings = settings | {"optimizer": optim.SGD(network.parameters(), lr=0.01)}
    arguments = {"X": X, "y": SIGNS, "loss": "hinge", "epochs": 1} | settings
    with pytest.raises(error, match=message):
        next(fit(network, **arguments))


def test_arguments_are_checked_before_the_first_epoch():
    with pytest.raises(ValueError, match="epochs must"):
        fit(model(), X, SIGNS, loss="hinge", epochs=0)


# --------------------------------------------------------------------------------- run and repr


def test_the_repr_tells_the_state():
    """A call of fit whose result is not used trains nothing; its repr says so."""
    training = fit(model(), X, SIGNS, loss="hinge", epochs=2)
    assert repr(training) == (
        "<Training: not started, 2 epochs; iterate over it to train, or call run()>"
    )
    next(training)
    assert repr(training) == "<Training: epoch 1 of 2>"
    list(training)
    assert repr(training) == "<Training: finished after 2 epochs>"


def test_the_repr_of_a_training_that_was_stopped():
    training = fit(model(), X, SIGNS, loss="hinge", epochs=3)
    next(training)
    training.close()
    assert repr(training) == "<Training: stopped after 1 of 3 epochs>"
    failing = fit(model(), X, SIGNS, loss="hinge", epochs=1, augment=lambda X, epoch, rng: X[:1])
    with pytest.raises(ValueError, match="augment"):
        failing.run()
    assert repr(failing) == "<Training: stopped after 0 of 1 epoch>"


def test_the_repr_of_a_training_that_resumes(tmp_path):
    network, settings = model(), {"loss": "hinge", "checkpoint": tmp_path / "run", "rng": 0}
    fit(network, X, SIGNS, epochs=2, **settings).run()
    resumed = fit(network, X, SIGNS, epochs=3, **settings)
    assert repr(resumed).startswith("<Training: not started, resumes after epoch 2 of 3 epochs;")
    assert [record.epoch for record in resumed.run()] == [3]
    assert repr(fit(network, X, SIGNS, epochs=3, **settings)) == (
        "<Training: finished after 3 epochs>"
    )


def without_seconds(records):
    return [record._replace(seconds=0.0) for record in records]


@pytest.mark.parametrize("terminal", [False, True])
def test_run_trains_to_the_end(terminal, monkeypatch, capsys):
    """The records are those of a loop; there is a bar on a terminal only."""
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    settings = {"loss": "hinge", "epochs": 3, "batch_size": 8, "rng": 0}
    a, b = model(), model()
    training = fit(a, X, SIGNS, **settings)
    first = next(training)
    records = [first, *training.run()]
    assert without_seconds(records) == without_seconds(fit(b, X, SIGNS, **settings))
    assert a.state_dict() == b.state_dict()
    assert training.run() == []
    assert ("3/3" in capsys.readouterr().err) == terminal


def test_run_does_without_tqdm(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert len(fit(model(), X, SIGNS, loss="hinge", epochs=2).run()) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("validation", [2, -0.1, 1.0, 0.001, "x"])
def test_a_wrong_fraction_names_validation(validation):
    with pytest.raises(ValueError, match=f"validation.*{validation}"):
        fit(model(), X, SIGNS, loss="hinge", epochs=1, validation=validation)


BARE = """
fit(*args, **options)
first = 1
fit(
    *args,
    **options,
).run
kept = fit(*args, **options)
try:
    fit(*args, **options)[0]
except TypeError:
    pass
next(fit(*args, **options))
fit(*args, **options).run()
with suppress(ZeroDivisionError):
    training = fit(*args, **options)
    1 / 0
del training
fit(*args, **options, checkpoint=path)  # resumed: nothing is left to train
"""


def test_a_call_alone_is_warned_of_at_its_line(tmp_path):
    """Nothing else is: a Training that starts, that is kept, or that an exception leaves behind."""
    path = tmp_path / "run.ckpt"
    options = {"loss": "hinge", "epochs": 1}
    fit(model(), X, SIGNS, **options, checkpoint=path).run()
    space = {
        "fit": fit,
        "args": (model(), X, SIGNS),
        "options": options,
        "path": path,
        "suppress": suppress,
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(compile(BARE, "bare.py", "exec"), space)
        with pytest.raises(TypeError, match="optimizer must be"):
            fit(model(), X, SIGNS, loss="hinge", epochs=1, optimizer=3)
    assert [(w.category, w.filename, w.lineno) for w in caught] == [
        (RuntimeWarning, "bare.py", 2), (RuntimeWarning, "bare.py", 7),
    ]  # fmt: skip
    assert str(caught[0].message).startswith("this call of fit does not train MLP(")


def test_a_notebook_shows_records_as_a_plot_and_a_table():
    records = fit(model(), X, SIGNS, loss="hinge", epochs=15, validation=0.2).run()
    html = records._repr_html_()
    root = ElementTree.fromstring(html.replace("&hellip;", "..."))
    rows = [["".join(cell.itertext()) for cell in row] for row in root.iter("tr")]
    assert rows[0] == ["epoch", "loss", "validation loss", "lr", "grad norm", "seconds"]
    assert [row[0] for row in rows[1:]] == [*"12345", "...", *map(str, range(11, 16))]
    assert rows[1][1] == f"{records[0].loss:.4g}"
    picture = root.find(".//img").get("src").removeprefix("data:image/svg+xml;base64,")
    plot = ElementTree.fromstring(base64.b64decode(picture))
    lines = [
        line.get("points").split() for line in plot.iter("{http://www.w3.org/2000/svg}polyline")
    ]
    assert list(map(len, lines)) == [15, 15]
    points = [tuple(map(float, point.split(","))) for line in lines for point in line]
    assert all(0 <= x <= 500 and 0 <= y <= 170 for x, y in points)
    text = [x.text for x in plot.iter("{http://www.w3.org/2000/svg}text")]
    assert f"validation loss {records[-1].validation_loss:.3g}" in text
    assert "<img" not in fit(model(), X, SIGNS, loss="hinge", epochs=1).run()._repr_html_()
    assert Records()._repr_html_() == "no epochs"


def test_there_is_a_bar_in_notebooks(monkeypatch, capsys):
    pytest.importorskip("tqdm")
    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", sys)
    monkeypatch.setattr("nn.training.sys.stderr.isatty", lambda: False, raising=False)
    fit(model(), X, SIGNS, loss="hinge", epochs=2).run()
    assert "2/2" in capsys.readouterr().err
