"""Schedules: their starts, ends, shapes, and invalid arguments."""

import inspect
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn import MLP, data, fit, schedules

rates = st.floats(1e-6, 10)
counts = st.integers(1, 10_000)
steps = st.floats(-100, 20_000) | st.floats(-100, 0)

# lr, steps, end -> a schedule, where it begins, where it ends
ENDED = {
    "linear": lambda lr, n, end: (schedules.linear(lr, n, end), lr, end),
    "cosine": lambda lr, n, end: (schedules.cosine(lr, n, end), lr, end),
    "one_cycle": lambda lr, n, end: (schedules.one_cycle(lr, n, end=end), lr / 25, end),
}
ALL = ENDED | {
    "constant": lambda lr, n, end: (schedules.constant(lr), lr, lr),
    "step_decay": lambda lr, n, end: (schedules.step_decay(lr, n), lr, lr / 10),
    "exponential": lambda lr, n, end: (schedules.exponential(lr, 0.5), lr, lr * 2.0**-n),
}


@pytest.mark.parametrize("name", ALL)
@given(lr=rates, n=counts, end=st.floats(0, 1), step=steps)
def test_ends_are_met_exactly_and_kept(name, lr, n, end, step):
    """The rate is constant before step 0 and after the last step."""
    schedule, first, last = ALL[name](lr, n, min(end, lr))
    assert schedule(0) == pytest.approx(first, rel=1e-15)
    assert schedule(n) == pytest.approx(last, rel=1e-12, abs=1e-300)
    if step <= 0:
        assert schedule(step) == schedule(0)
    if step >= n and name in ENDED:
        assert schedule(step) == last
    assert 0 <= schedule(step) <= lr * (1 + 1e-15)


@pytest.mark.parametrize("name", [name for name in ALL if name != "one_cycle"])
@given(lr=rates, n=counts, before=steps, after=steps)
def test_a_rate_never_rises_again(name, lr, n, before, after):
    schedule, _, _ = ALL[name](lr, n, 0.1 * lr)
    before, after = sorted([before, after])
    assert schedule(after) <= schedule(before) * (1 + 1e-15)


def test_straight_and_bent():
    """A line has equal steps; the cosine is cos² of half the angle."""
    line = [schedules.linear(2.0, 8, end=1.0)(step) for step in range(9)]
    assert {b - a for a, b in pairwise(line)} == {-0.125}
    cosine = schedules.cosine(3.0, 12, end=1.0)
    assert [cosine(step) for step in range(13)] == pytest.approx(
        [1 + 2 * math.cos(step * math.pi / 24) ** 2 for step in range(13)], rel=1e-14
    )
    assert schedules.exponential(0.8, 0.25)(1.5) == 0.1


def test_divided_by_10_every_n_epochs():
    """With 4 mini-batches per epoch, the rate falls to a tenth every 2 epochs."""
    schedule = schedules.step_decay(0.5, every=2 * 4)
    assert [schedule(step) for step in (0, 7, 8, 15, 16, 23, 24)] == [
        0.5, 0.5, 0.05, 0.05, 0.005, 0.005, 0.0005
    ]  # fmt: skip
    assert schedules.step_decay(1.0, every=1)(10**6) == 0.0  # 10**10**6 is beyond floats
    assert schedules.exponential(1.0, factor=0.9)(10**9) == 0.0


def test_one_cycle_rises_to_its_peak_and_falls():
    schedule = schedules.one_cycle(1.0, steps=200, rise=0.25, divide=10)
    path = [schedule(step) for step in range(201)]
    assert path.index(max(path)) == 50
    assert (path[0], path[50], path[200]) == (0.1, 1.0, 0.0)
    assert path[:51] == sorted(path[:51])
    assert path[50:] == sorted(path[50:], reverse=True)
    assert path[25] == pytest.approx((0.1 + 1.0) / 2)  # half way up, half cosine
    assert path[125] == pytest.approx(0.5)


@given(st.integers(1, 50), st.integers(0, 200))
def test_warm_up_comes_before_the_schedule(n, step):
    """Equal steps, all above 0, lead to the first rate; then the schedule begins at its step 0."""
    inner = schedules.linear(2.0, 100, end=1.0)
    schedule = schedules.warm_up(inner, n)
    if step < n:
        assert schedule(step) == pytest.approx(2.0 * (step + 1) / (n + 1), rel=1e-14)
    else:
        assert schedule(step) == inner(step - n)


def test_by_name():
    assert schedules.get("cosine") is schedules.cosine
    with pytest.raises(
        ValueError,
        match=r"unknown schedule 'cos' \(did you mean 'cosine'\?\); choose from: constant, linear, step_",
    ):
        schedules.get("cos")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: schedules.constant(0), "lr must be a positive.*got 0"),
        (lambda: schedules.constant(math.nan), "lr must be.*got nan"),
        (lambda: schedules.linear(-1, 10), "lr must be.*got -1"),
        (lambda: schedules.linear(1, 0), "steps must be a positive.*got 0"),
        (lambda: schedules.linear(1, 10, end=-0.1), r"end must be.*got -0\.1"),
        (lambda: schedules.cosine(1, "10"), "steps must be.*got '10'"),
        (lambda: schedules.cosine(1, 10, end=math.inf), "end must be.*got inf"),
        (lambda: schedules.step_decay(1, every=0), "every must be.*got 0"),
        (lambda: schedules.step_decay(1, every=1, by=0.1), r"by=0\.1 would raise.*mean 10\?"),
        (lambda: schedules.exponential(1, 1.1), r"factor must be.*\[0, 1\), got 1\.1"),
        (lambda: schedules.one_cycle(1, 0), "steps must be"),
        (lambda: schedules.one_cycle(1, 10, rise=0), "rise must be a positive.*got 0"),
        (lambda: schedules.one_cycle(1, 10, rise=1), r"rise must be.*\[0, 1\), got 1"),
        (lambda: schedules.one_cycle(1, 10, divide=0), "divide must be"),
        (lambda: schedules.warm_up(schedules.constant(1), 0), "steps must be"),
    ],
)
def test_what_makes_no_sense_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


@given(rates, st.integers(1, 40), st.sampled_from([1, 2, 3, 1.5]), st.integers(0, 500))
def test_warm_restarts_repeat_the_cosine_in_longer_cycles(lr, n, grow, step):
    """Against the paper's formula, from the lengths of the cycles one by one."""
    schedule = schedules.warm_restarts(lr, n, grow=grow, end=0.1 * lr)
    start, length = 0.0, float(n)
    while start + length <= step:
        start, length = start + length, length * grow
    share = (1 + math.cos(math.pi * (step - start) / length)) / 2
    assert schedule(step) == pytest.approx(0.1 * lr + 0.9 * lr * share, rel=1e-9)
    assert schedule(start) == pytest.approx(lr) == schedule(-3)


def test_a_plateau_divides_the_rate():
    schedule = schedules.reduce_on_plateau(0.1, by=2.0, patience=2, threshold=0.1, least=0.04)
    path = []
    for loss in (5.0, 4.0, 3.8, 3.7, 3.0, math.nan, 3.0, 3.0, 3.0, -1.0, -1.05, -1.2):
        schedule.update(loss)
        path.append(schedule(7))
    assert path == [0.1] * 3 + [0.05] * 3 + [0.04] * 6
    copied = schedules.reduce_on_plateau(0.1)
    copied.load_state_dict(schedule.state_dict())
    assert (copied(0), copied.best, copied.age) == (0.04, -1.2, 0)
    schedule.reset()
    assert (schedule(0), schedule.best, schedule.age) == (0.1, math.inf, 0)


@pytest.mark.parametrize("validation", [None, 0.3])
@pytest.mark.parametrize("wrap", [False, True])
def test_fit_passes_losses_to_a_plateau_schedule_and_resumes(validation, wrap, tmp_path):
    """A second run with the same schedule begins at the first rate; a resumed one continues."""
    X, y = data.moons(20, rng=0)

    def run(model, epochs, **others):
        schedule = plateau = schedules.reduce_on_plateau(0.5, by=2.0, patience=1, threshold=0.2)
        plateau.update(1.0)
        plateau.update(1.0)
        if wrap:
            schedule = schedules.warm_up(plateau, 1)
        settings = {"loss": "binary_cross_entropy", "schedule": schedule, "rng": 0}
        records = fit(model, X, y, epochs=epochs, validation=validation, **settings, **others).run()
        return [(record.loss, record.validation_loss, record.lr) for record in records], plateau

    whole, plateau = run(MLP(2, [4, 1], rng=0), 8)
    losses = [row[0] if validation is None else row[1] for row in whole]
    again = schedules.reduce_on_plateau(0.5, by=2.0, patience=1, threshold=0.2)
    for loss, (_, _, lr) in zip(losses, whole, strict=True):
        assert lr == again.rate or (wrap and loss == losses[0])
        again.update(loss)
    assert again.state_dict() == plateau.state_dict()
    assert again.rate < 0.5
    path, model = tmp_path / "run.ckpt", MLP(2, [4, 1], rng=0)
    parts = [run(model, epochs, checkpoint=path)[0] for epochs in (5, 8)]
    assert parts[0] + parts[1] == whole
    other = schedules.reduce_on_plateau(0.5, by=3.0, patience=1, threshold=0.2)
    settings = {"loss": "binary_cross_entropy", "epochs": 9, "validation": validation}
    with pytest.raises(ValueError, match="another schedule"):
        next(fit(model, X, y, **settings, schedule=other, rng=0, checkpoint=path))


def test_a_schedule_shows_the_call_that_made_it():
    """With all settings; no address in memory."""
    schedule = schedules.warm_up(schedules.cosine(0.1, 90), steps=10)
    assert repr(schedule) == "warm_up(schedule=cosine(lr=0.1, steps=90, end=0.0), steps=10)"
    plateau = schedules.reduce_on_plateau(0.1, patience=1)
    for loss in (2.0, 2.0):
        plateau.update(loss)
    assert repr(plateau).startswith("Plateau(lr=0.1, by=10.0, patience=1, ")
    assert repr(plateau).endswith(", rate=0.01)")
    for make in schedules.SCHEDULES.values():
        required = inspect.signature(make).parameters
        settings = {"lr": 0.1, "steps": 10, "every": 3, "factor": 0.5, "schedule": plateau}
        made = make(**{name: x for name, x in settings.items() if name in required})
        assert " at 0x" not in repr(made)
        assert make is schedules.reduce_on_plateau or repr(made).startswith(f"{make.__name__}(")
