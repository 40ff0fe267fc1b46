"""Sweeps: the same numbers in one process, in several, and where processes are killed."""

import functools
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path

import pytest

from engine.support.threads import cores
from nn import MLP, Record, Sweep, data, fit, sweep, vector
from nn.code import code_checksum
from nn.trials import Spread, Trial

pytest.importorskip("threadpoolctl")

ROOT = Path(__file__).parents[1]
X, y = data.spirals(60, rng=0)
GRID = {"width": [2, 4], "lr": [0.01, 0.1]}
EPOCHS = 4


def train(width, lr, seed, checkpoint, **settings):
    model = vector.MLP(2, [width, 2], "tanh", rng=seed)
    return fit(
        model, X, y, loss="cross_entropy", metric="accuracy", validation=0.3, epochs=EPOCHS, lr=lr,
        batch_size=16, rng=seed, checkpoint=checkpoint, **settings,
    )  # fmt: skip


def numbers(result):
    """Return the settings and the records of all trainings, without their durations."""
    return [
        (str(trial), trial.epoch, [record._replace(seconds=0.0) for record in trial.records])
        for trial in result.trials
    ]


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Return the numbers of the trainings one after the other, without `sweep`."""
    folder, rows = tmp_path_factory.mktemp("straight"), []
    for width in GRID["width"]:
        for lr in GRID["lr"]:
            for seed in (0, 1):
                records = [*train(width, lr, seed, folder / f"{width} {lr} {seed}")]
                text = f"width={width}, lr={lr}, seed={seed}"
                rows.append((text, EPOCHS, [x._replace(seconds=0.0) for x in records]))
    return rows


def killing_once(folder):
    """Return a `build` whose process is killed in the third epoch of a training, once.

    A line in a file for each epoch that is started begins with the settings.
    """

    def build(width, lr, seed, checkpoint):
        def log_and_kill(X, epoch, rng):
            with open(f"{folder}/log", "a") as file:
                file.write(f"{width} {lr} {seed}: {epoch}\n")
            if epoch == 3:
                try:
                    os.close(os.open(f"{folder}/killed", os.O_CREAT | os.O_EXCL))
                    os.kill(os.getpid(), signal.SIGKILL)
                except FileExistsError:
                    pass
            return X

        return train(width, lr, seed, checkpoint, augment=log_and_kill)

    return build


def resumed(folder):
    """Return the epochs of each training that were started more than once."""
    lines = (folder / "log").read_text().splitlines()
    return sorted({line for line in lines if lines.count(line) > 1})


@pytest.mark.parametrize("processes", [1, 2])
def test_the_numbers_are_those_of_one_training_after_the_other(processes, tmp_path, straight):
    pytest.importorskip("joblib")
    result = sweep(train, GRID, folder=tmp_path, seeds=2, processes=processes)
    assert numbers(result) == straight
    (record,) = {trial.figures()["loss"] for trial in result.trials if str(trial) == straight[0][0]}
    assert record == straight[0][2][-1].loss


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_another_process_resumes_the_training_of_a_killed_one(tmp_path, straight):
    pytest.importorskip("joblib")
    build = killing_once(tmp_path)
    result = sweep(build, GRID, folder=tmp_path / "runs", seeds=2, processes=2)
    assert numbers(result) == straight
    epochs = resumed(tmp_path)  # of the killed process, and of the other one, which joblib ends
    assert 1 <= len(epochs) <= 2
    assert any(epoch.endswith(": 3") for epoch in epochs)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_another_worker_of_a_cluster_resumes_the_training_of_a_killed_one(tmp_path, straight):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
            memory_limit=0, local_directory=tmp_path, silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        build = killing_once(tmp_path)
        result = sweep(build, GRID, folder=tmp_path / "runs", seeds=2, scheduler=client)
        assert numbers(result) == straight
        (epoch,) = resumed(tmp_path)
        assert epoch.endswith(": 3")
        many = "a" * 20_000_000  # Dask warns about a job of that size

        def large(width, seed, checkpoint):
            return train(width, 0.1 if many else 0.2, seed, checkpoint)

        assert sweep(large, {"width": [2, 3]}, folder=tmp_path / "large", scheduler=client).best()
        with pytest.raises(TypeError, match="must return the result of fit"):
            sweep(lambda seed, checkpoint: 3, {}, folder=tmp_path / "other", scheduler=client)


@pytest.mark.parametrize("scheduler", ["here", 3])
def test_a_wrong_scheduler_is_refused(tmp_path, scheduler):
    pytest.importorskip("distributed")
    with pytest.raises(
        (TypeError, ValueError), match="address of a Dask scheduler, such as 'tcp://"
    ):
        sweep(train, GRID, folder=tmp_path, seeds=1, scheduler=scheduler)


# ---------------------------------------------------------------------------------- what is resumed


def counting(folder, epochs=EPOCHS):
    """Return a `build` that writes a line for each call."""

    def build(width, seed, checkpoint):
        with open(f"{folder}/calls", "a") as file:
            file.write(f"{width} {seed}\n")
        model = MLP(2, [width, 1], rng=seed)
        return fit(
            model, X, 2 * y - 1, loss="hinge", epochs=epochs, rng=seed, checkpoint=checkpoint
        )

    return build


def run(build, folder, widths=(2, 3), **named):
    named = {"seeds": 2, "processes": 1, **named}
    return sweep(build, {"width": widths}, folder=folder / "runs", **named)


def calls(folder):
    return (folder / "calls").read_text().splitlines()


def test_finished_trainings_are_not_run_again(tmp_path):
    first = run(counting(tmp_path), tmp_path)
    assert calls(tmp_path) == ["2 0", "2 1", "3 0", "3 1"]
    assert run(counting(tmp_path), tmp_path) == first
    larger = run(counting(tmp_path), tmp_path, [3, 4], seeds=[1, 2])
    assert calls(tmp_path)[4:] == ["3 2", "4 1", "4 2"]
    assert larger.trials[0] == first.trials[3]


def test_trainings_of_another_build_are_not_used(tmp_path):
    run(counting(tmp_path), tmp_path)
    with pytest.warns(RuntimeWarning, match="trainings of another build") as caught:
        result = run(counting(tmp_path, epochs=2), tmp_path)
    assert caught[0].filename == __file__
    assert [len(trial.records) for trial in result.trials] == [2] * 4
    assert [len(trial.records) for trial in run(counting(tmp_path), tmp_path).trials] == [
        EPOCHS
    ] * 4


def test_a_damaged_or_missing_result_is_computed_again(tmp_path):
    first = run(counting(tmp_path), tmp_path)
    paths = [Path(trial.checkpoint).with_suffix(".json") for trial in first.trials[:4]]
    assert json.loads(paths[0].read_text())["epoch"] == EPOCHS
    paths[0].unlink()
    paths[1].write_text("{")
    paths[2].write_text("[]")
    assert run(counting(tmp_path), tmp_path) == first  # the checkpoints are finished
    assert len(calls(tmp_path)) == 7


PROGRAM = """
import sys, time
from nn import data, fit, sweep, vector

X, y = data.spirals(60, rng=0)
start = time.perf_counter()

def pause(X, epoch, rng):
    while epoch == 3 and len(sys.argv) > 3:
        open(f"{sys.argv[1]}/paused", "a").close()
        time.sleep(0.01)
    return X

def build(width, seed, checkpoint):
    model = vector.MLP(2, [width, 2], rng=seed)
    return fit(
        model, X, y, loss="cross_entropy", epochs=4, augment=pause if width == 3 else None,
        rng=seed, checkpoint=checkpoint,
    )

result = sweep(build, {"width": [2, 3]}, seeds=1, folder=f"{sys.argv[1]}/runs", processes=int(sys.argv[2]))
print([[record.loss for record in trial.records] for trial in result.trials])
"""


def interrupt(process):
    """Press Ctrl-C, and again if nothing ends in 30 seconds, which was seen once under load."""
    for _ in range(5):
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=30)[1]
    raise AssertionError("Ctrl-C does not end a sweep")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_stops_with_a_message_and_the_same_call_resumes(tmp_path):
    pytest.importorskip("joblib")
    (tmp_path / "program.py").write_text(PROGRAM)

    def start(folder, *pause):
        folder.mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, tmp_path / "program.py", folder, *pause], text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    folder = tmp_path / "here"
    process = start(folder, "2", "pause")
    finished = []
    while process.poll() is None and not (finished and (folder / "paused").exists()):
        finished = [*folder.glob("runs/*/*.json")]
        time.sleep(0.01)
    errors = interrupt(process)
    assert "KeyboardInterrupt: 1 of 2 trainings are finished; the same call resumes" in errors
    before = finished[0].stat().st_mtime_ns
    places = [(folder, "2"), (tmp_path / "other", "1")]
    printed = [start(*arguments).communicate(timeout=120)[0] for arguments in places]
    assert printed[0] == printed[1] != ""
    assert finished[0].stat().st_mtime_ns == before


# -------------------------------------------------------------------------------------- wrong use


def diverging(lr, seed, checkpoint):
    if lr == 0.1 and seed == 1:
        raise ZeroDivisionError("of this test")
    return train(2, lr, seed, checkpoint)


def test_a_training_that_fails_does_not_stop_the_others(tmp_path):
    with pytest.warns(RuntimeWarning, match="1 of 4 trainings failed; lr=0.1, seed=1: Zero"):
        result = sweep(diverging, {"lr": [0.1, 0.01]}, folder=tmp_path, seeds=2, processes=1)
    (failure,) = result.failures()
    assert 'raise ZeroDivisionError("of this test")' in failure.traceback
    assert [len(trial.records) for trial in result.trials] == [EPOCHS, 0, EPOCHS, EPOCHS]
    assert [line.split()[:4] for line in str(result).splitlines()[1:3]] == [
        ["0.1", "1", "of", "2"], ["0.01", "2", *str(result.cells()[1].figures()["loss"]).split()[:2]]
    ]  # fmt: skip
    assert str(result).endswith(
        "1 of 4 trainings failed:\n  lr=0.1, seed=1: ZeroDivisionError: of this test"
    )
    with pytest.raises(RuntimeError, match=r"all trainings failed; lr=0.1, seed=1:\nTraceback"):
        sweep(diverging, {"lr": [0.1]}, folder=tmp_path, seeds=[1], processes=1)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda seed, checkpoint: train(2, 0.1, seed, None), "must pass its argument checkpoint to fit"),
        (lambda seed, checkpoint: train(2, 0.1, seed, f"{checkpoint}2"), "must pass its argument checkpoint"),
        (lambda seed, checkpoint: train(2, 0.1, seed, checkpoint).run(), "got a Records; write return fit"),
        (lambda seed, checkpoint: None, "must return the result of fit"),
    ],
)  # fmt: skip
def test_a_build_that_does_not_return_its_training(build, words, tmp_path):
    with pytest.raises(TypeError, match=words):
        sweep(build, {}, folder=tmp_path, processes=1)


def test_a_build_that_no_other_process_can_load(tmp_path):
    pytest.importorskip("joblib")
    lock = threading.Lock()
    with pytest.raises(
        TypeError, match=r"cannot be sent to another process: TypeError: cannot pick"
    ):
        sweep(lambda seed, checkpoint: lock, {}, folder=tmp_path, processes=2)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_processes_that_are_always_killed(tmp_path):
    pytest.importorskip("joblib")
    kill = lambda seed, checkpoint: os.kill(os.getpid(), signal.SIGKILL)
    with pytest.raises(BrokenProcessPool, match="killed 3 times in a row"):
        sweep(kill, {}, folder=tmp_path, processes=2)


def test_a_build_may_make_the_checkpoint_a_path(tmp_path):
    build = lambda seed, checkpoint: train(2, 0.1, seed, Path(checkpoint))
    assert len(sweep(build, {}, folder=tmp_path, processes=1).trials) == 3


def test_seeds_that_are_not_used(tmp_path):
    with pytest.warns(RuntimeWarning, match="seed=0 has the same losses as all other seeds"):
        sweep(
            lambda seed, checkpoint: train(2, 0.1, 0, checkpoint), {}, folder=tmp_path, processes=1
        )


def test_each_training_has_one_thread(tmp_path):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    counts = []

    def build(seed, checkpoint):
        counts.append([cores(), *[pool["num_threads"] for pool in threadpoolctl.threadpool_info()]])
        return train(2, 0.1, seed, checkpoint)

    before = cores()
    sweep(build, {}, folder=tmp_path, processes=1)
    assert {count for numbers in counts for count in numbers} == {1}
    assert cores() == before


# -------------------------------------------------------------------------------------- the result


def test_the_figures_are_those_of_the_weights_that_the_model_has(tmp_path):
    build = functools.partial(train, patience=1)
    result = sweep(build, {"width": [4], "lr": [2.0]}, folder=tmp_path, processes=1)
    for trial in result.trials:
        losses = [record.validation_loss for record in trial.records]
        assert trial.figures()["validation_loss"] == min(losses)
        training = build(**trial.settings, seed=trial.seed, checkpoint=trial.checkpoint)
        assert not training.run()
        assert training.objective.evaluate(training.validation, 16)[0] == pytest.approx(min(losses))
    assert any(len(trial.records) > trial.epoch for trial in result.trials)


def test_the_table_and_the_plot(tmp_path):
    pytest.importorskip("matplotlib")
    result = sweep(train, GRID, folder=tmp_path, seeds=2, processes=1)
    best = result.best("metric")
    means = [cell.figures()["metric"].mean for cell in result.cells()]
    assert best.figures()["metric"].mean == max(means)
    lowest = min(cell.figures()["validation_loss"].mean for cell in result.cells())
    assert result.best().figures()["validation_loss"].mean == lowest
    text = result._repr_mimebundle_()["text/html"]
    assert text.count("<tr>") == 5
    assert "image/svg+xml" in text
    assert text.count("<b>") == len(str(result).splitlines()[0].replace("validation ", "").split())
    axes = result.plot("metric")
    assert axes.get_ylabel() == "metric"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "4"]
    assert [x.get_text() for x in axes.get_legend().get_texts()] == ["lr=0.01", "lr=0.1"]
    assert result.table()[1] == {
        "width": 2, "lr": 0.01, "seed": 1, **result.trials[1].figures(), "error": None,
    }  # fmt: skip


def test_a_mean_that_is_nan_is_not_the_best():
    trials = [
        Trial({"lr": lr}, 0, [Record(1, 1.0, metric, metric, None, lr, 1.0, 0.1)], 1, "")
        for lr, metric in ((0.1, math.nan), (0.2, 0.5), (0.3, math.inf))
    ]
    assert Sweep(trials).best().settings == {"lr": 0.2}
    assert Sweep(trials).best("metric").settings == {"lr": 0.3}


def test_values_with_the_same_text_are_apart(tmp_path):
    pytest.importorskip("matplotlib")
    build = lambda x, y, seed, checkpoint: train(2, 0.1, seed, checkpoint)
    values = [0.1234567, 0.12345671, True, 1, "1"]
    result = sweep(build, {"x": values, "y": [8, "8"]}, folder=tmp_path, seeds=1, processes=1)
    assert [list(cell.settings.values()) for cell in result.cells()] == [
        [x, y] for x in values for y in (8, "8")
    ]
    axes = result.plot()
    assert len(axes.get_xticklabels()) == 5
    assert [len(curve.lines[0].get_xdata()) for curve in axes.containers] == [5, 5]


@pytest.mark.parametrize(
    ("values", "text"),
    [([0.5], "0.5"), ([1.0, 1.0], "1"), ([2.0, 4.0], "3.0 ± 1.4"), ([1e-9, 3e-9], "2e-09 ± 1.4e-09"),
     ([1.0, math.inf], "inf"), ([math.nan, 1.0], "nan"), ([1.0, 1.02], "1.010 ± 0.014"), ([100.0, 900.0], "500 ± 566"), ([1e9, 3e9], "2e+09 ± 1.4e+09")],
)  # fmt: skip
def test_a_spread_has_the_digits_of_its_deviation(values, text):
    assert str(Spread.of(values)) == text


# -------------------------------------------------------------------------- the checksum of a build

CHANGES = {
    "a constant": "def f(x): return x * 3",
    "an operator": "def f(x): return x + 2",
    "a default": "def f(x, y={}): return x * 2",
    "a keyword": "def f(x, *, y={}): return x * 2",
    "a global number": "a = {}\ndef f(x): return x * a",
    "a global array": "import numpy\na = numpy.full(3, {})\ndef f(x): return x * a",
    "a function": "def g(x): return x - {}\ndef f(x): return g(x)",
    "a method": "class A:\n    def g(self): return {}\ndef f(x): return A().g()",
    "a variable around it": "def g(a): return lambda x: x * a\nf = g({})",
    "a model": "from nn import MLP\nm = MLP(1, [1], rng={})\ndef f(x): return m",
    "a part": "import functools\nf = functools.partial(max, {})",
    "an object": "class A: pass\na = A()\na.b = [{}]\ndef f(x): return a.b",
    "an object with slots": "class A: __slots__ = ['b']\na = A()\na.b = {}\ndef f(x): return a.b",
    "a method of an object": "class A:\n    def g(self): return {}\na = A()\ndef f(x): return a.g()",
    "an object of a library": "from fractions import Fraction\na = Fraction({}, 3)\ndef f(x): return a",
    "a range": "a = range({})\ndef f(x): return a",
    "a masked array": "import numpy\na = numpy.ma.array([1, 2], mask=[0, {} - 1])\ndef f(x): return a",
    "a generator": "import numpy\na = numpy.random.RandomState({})\ndef f(x): return a",
    "a cached function": "import functools\n@functools.cache\ndef g(x): return {}\ndef f(x): return g(x)",
    "bytes": "a = bytes([{}])\ndef f(x): return a",
}
BASE = "def f(x): return x * 2"
NESTED = {  # 10,000 levels, with a number in the last
    "lists": "a = {}\nfor _ in range(10_000): a = [a]\ndef f(x): return a",
    "tuples": "a = {}\nfor _ in range(10_000): a = (a,)\ndef f(x): return a",
    "dicts": "a = {}\nfor _ in range(10_000): a = dict(a=a)\ndef f(x): return a",
    "objects": (
        "class A: pass\na = {}\nfor _ in range(10_000):\n    b = A()\n    b.a, a = a, b\n"
        "def f(x): return a"
    ),
    "functions": (
        "def g(h, x): return lambda: (h, x)\na = {}\nfor _ in range(10_000): a = g(a, 1)\n"
        "def f(x): return a"
    ),
    "a cycle through a set": (
        "class A: pass\na, b = A(), A()\na.parts, b.whole, b.number = {{b}}, a, {}\n"
        "def f(x): return a"
    ),
}


def checksum(code):
    space = {"__name__": "script"}
    exec(compile(code, "script.py", "exec"), space)
    return code_checksum(space["f"])


@pytest.mark.parametrize("change", CHANGES)
def test_a_checksum_depends_on(change):
    one, two = CHANGES[change].format(1), CHANGES[change].format(2)
    assert checksum(one) == checksum(one)
    assert checksum(one) != (checksum(two) if one != two else checksum(BASE))


@pytest.mark.parametrize("kind", NESTED)
def test_a_checksum_depends_on_what_is_nested(kind):
    one, two = NESTED[kind].format(1), NESTED[kind].format(2)
    assert checksum(one) == checksum(one) != checksum(two)


def test_sets_in_hundreds_of_others_are_refused():
    code = "a = 1\nfor _ in range({}): a = frozenset([a])\ndef f(x): return a"
    assert checksum(code.format(50)) != checksum(code.format(51))
    with pytest.raises(ValueError, match=r"<function f at .*> refers to sets .* nested too deeply"):
        checksum(code.format(2000))


@pytest.mark.parametrize(
    "code",
    ["\n\n# a comment\ndef f(x):\n    return x * 2  # another", "x = 3\ndef f(x): return x * 2"],
)
def test_a_checksum_does_not_depend_on(code):
    assert checksum(code) == checksum(BASE)


@pytest.mark.parametrize(
    ("library", "a"),
    [
        ("numpy", "{'a', 'b', 'c', 'd'}"),
        ("torch", "torch.nn.Tanh(), torch.ones(2), torch.nn.Parameter(torch.ones(3))"),
        ("pandas", "pandas.DataFrame({'b': ['x', 'y'], 'c': [1.0, 2.0]})"),
    ],
)
def test_a_checksum_is_the_same_in_each_process(library, a):
    pytest.importorskip(library)
    code = (
        f"import {library}\nfrom nn.code import code_checksum\na = {a}\n"
        "def f(x): return x in {'k', 'l', 'm'} and a, f\nprint(code_checksum(f))"
    )
    printed = {
        subprocess.check_output(
            [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}
        )
        for seed in "123"
    }
    assert len(printed) == 1
