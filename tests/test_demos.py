"""The demos, run as a user runs them, or in this process at the smallest size that shows the same."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from functools import partial
from operator import add
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from demos import (
    __main__,
    _executors,
    _mnist_best,
    cost,
    depth,
    descent,
    gpt,
    mnist,
    modes,
    moons,
    sweep,
    tape,
)
from docs import animation
from javascript import unpack
from nn import data, scalar

ROOT = Path(__file__).parent.parent
SOAK = settings.default.max_examples > 100  # demos run at full size


def run(*args):
    command = [sys.executable, "-m", "demos", *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


@pytest.fixture
def run_small(tmp_path, monkeypatch, capsys):
    """Return a function that runs a demo with smaller constants, and returns what it prints."""

    def run_small(demo, options=(), **sizes):
        if not SOAK:
            for name, size in sizes.items():
                monkeypatch.setattr(demo, name, size)
        demo.main(tmp_path, **dict(options))
        return capsys.readouterr()

    return run_small


def test_demos_are_listed():
    result = run()
    assert result.returncode == 0
    for file in (ROOT / "demos").glob("[a-z]*.py"):
        assert re.search(rf"^  {file.stem} +\w", result.stdout, re.M)


def test_an_unknown_name_is_rejected():
    result = run("mons")
    assert result.returncode == 2
    names = sorted(file.stem for file in (ROOT / "demos").glob("[a-z]*.py"))
    assert f"unknown demo 'mons'; choose from: {', '.join(names)}" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "--scheduler", "here"], "expected an address such as tcp://127.0.0.1:8786, got 'here'"),
        (["sweep", "--scheduler", "http://here:80"], "expected an address such as tcp://127.0.0.1:8786, got"),
        (["gpt", "--file", "none.txt"], "--file none.txt: No such file or directory; choose a text file"),
        (["from_torch", "--file", "none.py"], "--file none.py: No such file or directory; choose a Python file"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_rejected(arguments, message):
    if arguments[0] == "from_torch":
        pytest.importorskip("torch")
    result = run(*arguments)
    assert result.returncode != 0
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_files_that_cannot_be_used_are_named_in_one_line(tmp_path, monkeypatch):
    """A picture that cannot be written, and a data set that is damaged."""
    (tmp_path / "neuron.svg").mkdir()
    result = run("graphs", "--out", tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "neuron.svg" in result.stderr
    for path in (ROOT / "nn" / "mnist").glob("*.gz"):
        (tmp_path / path.name).write_bytes(b"damaged")
    monkeypatch.setenv("STEPGRAD_MNIST", str(tmp_path))
    result = run("tape", "--out", tmp_path)
    assert result.returncode == 1
    assert re.fullmatch(rf"{tmp_path}/train-labels-.*not IDX.*\n", result.stderr)


def test_moons_are_separated(run_small, tmp_path, monkeypatch):
    monkeypatch.setattr(_executors, "SECONDS", 0.0)
    result = run_small(moons)
    assert f"accuracy 100% after {moons.EPOCHS} epochs" in result.out
    assert re.search(r"[\d,]+ nodes per second", result.out)
    assert f"{moons.EPOCHS}/{moons.EPOCHS}" in result.err  # the progress bar
    picture = tmp_path / "moons.svg"
    assert f"wrote {picture}" in result.out
    assert ET.parse(picture).getroot().tag.endswith("svg")
    speeds = re.findall(r"^(Values|tape|arrays) .* +([\d,]+) x$", result.out, re.M)
    assert [name for name, _ in speeds] == ["Values", "tape", "arrays"]
    assert float(speeds[1][1].replace(",", "")) > 1.0
    page = tmp_path / "moons.html"
    assert result.out.strip().splitlines()[-1].startswith(f"wrote {page}")
    assert "mountTraining" in page.read_text("utf-8")


def test_forward_and_reverse_mode(run_small):
    """Forward mode takes one pass per input, reverse mode one per output."""
    printed = run_small(modes, SHAPES=[(1, 1), (10, 1), (4, 4), (1, 10)]).out
    rows = [list(map(int, line.replace(",", "").split()))
            for line in printed.splitlines() if re.match(r" +\d", line)]  # fmt: skip
    assert [row[:3] for row in rows] == [[n, m, n] for n, m in modes.SHAPES]
    assert [row[4] for row in rows] == [m for _, m in modes.SHAPES]
    for n, m, _, forward, _, reverse in rows:
        assert (forward > 1.5 * reverse) == (n >= 10 * m)
        assert (reverse > 1.5 * forward) == (m >= 10 * n)


def test_a_sweep(run_small, tmp_path):
    """Wider networks and larger learning rates are better here, and the same call resumes."""
    grid = {"width": [2, 16], "lr": [0.001, 0.03]}
    printed = run_small(sweep, {"processes": 1}, GRID=grid, SEEDS=2, EPOCHS=20).out
    count = len(sweep.GRID["width"]) * len(sweep.GRID["lr"]) * sweep.SEEDS
    assert printed.startswith(f"{count} trainings of {sweep.EPOCHS} epochs\n")
    assert "the lowest validation loss: width=16, lr=0.03\n" in printed
    assert ET.parse(tmp_path / "sweep.svg").getroot().tag.endswith("svg")
    assert len([*tmp_path.glob("sweep/*/*.json")]) == count


def test_mnist_node_by_node(run_small, tmp_path):
    """The tape learns in an epoch, and agrees with Values to the rounding of float32."""
    printed = run_small(tape, HIDDEN=16, EPOCHS=1).out
    parameters = 785 * tape.HIDDEN + 10 * (tape.HIDDEN + 1)
    nodes = parameters + 1569 * tape.HIDDEN + 20 * tape.HIDDEN + 798
    assert f"Tape({nodes:,} nodes, {parameters:,} parameters, 794 inputs)" in printed
    (share,) = re.findall(r"^([\d.]+)% of the test digits are correct", printed, re.M)
    assert float(share) >= (97.0 if SOAK else 90.0)
    from_tape, values = (
        [float(z) for z in line.split()] for line in re.findall(r"^ +(-?\d.*)$", printed, re.M)
    )
    assert from_tape == pytest.approx(values, abs=0.002)
    assert max(range(10), key=values.__getitem__) == 7
    text = (tmp_path / "tape.svg").read_text("utf-8")
    assert f"{785 * tape.HIDDEN:,} parameters" in text
    assert f"{10 * (tape.HIDDEN + 1):,} parameters" in text


@pytest.mark.parametrize("how", [{}, {"batch": 3, "eager": True}], ids=str)
def test_a_gpt_learns_names(how, tmp_path, capsys):
    """A recording for each length is enough; the loss falls from that of random letters."""
    file = tmp_path / "names.txt"
    file.write_text("ava\n\nann\nanna\n", "utf-8")
    gpt.main(tmp_path, steps=30, width=4, file=file, **how)
    printed = capsys.readouterr()
    parameters = 4 * (4 + gpt.POSITIONS) + 12 * 4 * 4 + 4 * 4
    assert f"{parameters:,} parameters\n3 documents" in printed.out
    state = "off" if how.get("eager") else "2 recordings"
    assert f"jit(loss, {parameters:,} parameters, {state}) after training" in printed.out
    assert re.search(r"^30 steps in [\d.]+ s: [\d,]+ steps per second$", printed.out, re.M)
    assert "30/30" in printed.err
    assert float(re.search(r"([\d.]+) at last", printed.out)[1]) < 1.3 < np.log(4)
    names = re.findall(r"^  (.*)$", printed.out, re.M)
    assert len(names) == gpt.SAMPLES
    assert {*"".join(names)} <= {*"avn"}
    assert ET.parse(tmp_path / "gpt.svg").getroot().tag.endswith("svg")
    page = (tmp_path / "gpt.html").read_text("utf-8")
    for k in range(gpt.HEADS):
        assert f"blocks[0].attention.heads[{k}]" in page


def test_the_weights_of_attention_are_those_of_the_model():
    """The weighted values give the results of the attention of each block."""
    model, tokens = scalar.GPT(5, 4, 2, 2, positions=6, init="uniform", rng=0), [0, 3, 1, 4, 4]
    xs = [model.norm([*map(add, model.token_embedding(token), model.position_embedding(i))])
          for i, token in enumerate(tokens)]  # fmt: skip
    for block, weights in zip(model.blocks, gpt.attention_weights(model, tokens), strict=True):
        normalized, attention = [block.attention_norm(x) for x in xs], block.attention
        results = np.concatenate(
            [w @ [[v.data for v in head.value(x)] for x in normalized]
             for head, w in zip(attention.heads, weights, strict=True)], axis=1,
        )  # fmt: skip
        want = [[y.data for y in attention.output(x)] for x in results.tolist()]
        got = [[y.data for y in ys] for ys in attention(normalized)]
        assert np.array(got) == pytest.approx(np.array(want), rel=1e-12)
        xs = block(xs)


def test_the_costs_of_a_step_add_up(run_small, tmp_path):
    printed = run_small(cost, SAMPLES=4).out
    assert ET.parse(tmp_path / "cost.svg").getroot().tag.endswith("svg")
    lines = printed.splitlines()
    numbers = lambda line: [float(x.replace(",", "")) for x in re.findall(r"[\d,.]+", line)]
    (sums,) = (numbers(line) for line in lines if line.startswith("sum"))
    (whole,) = (numbers(line) for line in lines if line.startswith("whole step"))
    nodes = 50 * 32 + 33 * 10 + cost.SAMPLES * (99 * 32 + 64 * 10 + 1) + 2
    assert sums[0] == nodes  # Values; on the tape, each layer also counts its inputs
    assert sums[6] == 9
    assert whole[0::3] == [nodes, nodes, 9]
    for column, tolerance in [
        (1, 0.05),
        (4, 0.1),
        (7, 0.2),
    ]:  # bytes, of the parts and of the whole
        assert sums[column] == pytest.approx(whole[column], rel=tolerance)
    products = [numbers(line)[-6] for line in lines if re.match(r"(layer . +| +)\* ", line)]
    assert products == [cost.SAMPLES * 49 * 32, cost.SAMPLES * 32 * 10]


def test_mnist_is_learned_and_inspected(run_small, tmp_path):
    """The network learns, and Values and arrays agree on one digit to a few roundings."""
    printed = run_small(mnist, {"film": True}, HIDDEN=16, EPOCHS=2, FILMED=[0]).out
    assert f"wrote {tmp_path / 'mnist.html'}: a film" in printed
    (share,) = re.findall(r"^([\d.]+)% of the test digits are correct", printed, re.M)
    assert float(share) >= (98.0 if SOAK else 90.0)
    assert re.search(r"^\d+ epochs in [\d.]+ s$", printed, re.M)
    float32, float64 = re.findall(r"by at most (\S+) in a logit, (\S+) in a gradient", printed)
    assert all(0.0 < float(x) < 1e-4 for x in float32)
    assert all(float(x) < 1e-11 for x in float64)
    assert f"{795 * mnist.HIDDEN + 10:,} Values as parameters" in printed
    assert ET.parse(tmp_path / "mnist.svg").getroot().tag.endswith("svg")


@pytest.mark.parametrize(
    ("interrupt", "message"),
    [(KeyboardInterrupt(), "interrupted"), (KeyboardInterrupt("stopped in epoch 3"), "stopped in epoch 3")],
    ids=["anywhere", "in training"],
)  # fmt: skip
def test_an_interrupted_demo_says_so(interrupt, message, tmp_path, monkeypatch):
    def interrupted(out):
        raise interrupt

    monkeypatch.setattr(moons, "main", interrupted)
    monkeypatch.setattr(sys, "argv", ["demos", "moons", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        __main__.main()
    assert stopped.value.code == f"\n{message}"


def test_the_best_mnist_resumes_after_an_interrupt(tmp_path, monkeypatch, capsys):
    """A small network of the same kind ends at the same weights."""
    (X, y), _ = data.mnist()
    path = tmp_path / "run.ckpt"
    monkeypatch.setattr(_mnist_best, "WIDTHS", [32, 32, 10])
    monkeypatch.setattr(_mnist_best, "EPOCHS", 4)
    straight = _mnist_best.train(X[:2000], y[:2000], path, seed=1)
    assert "4 epochs in" in capsys.readouterr().out
    path.unlink()
    distorted = _mnist_best.distorted

    for last, hint in [(1, "so none was saved"), (3, "resumes after epoch 2, from")]:

        def interrupted(X, epoch, rng, last=last):
            if epoch == last:
                raise KeyboardInterrupt
            return distorted(X, epoch, rng)

        interrupted.__name__ = "distorted"
        monkeypatch.setattr(_mnist_best, "distorted", interrupted)
        with pytest.raises(KeyboardInterrupt, match=hint):
            _mnist_best.train(X[:2000], y[:2000], path, seed=1)
    monkeypatch.setattr(_mnist_best, "distorted", distorted)
    resumed = _mnist_best.train(X[:2000], y[:2000], path, seed=1)
    for name, weights in straight.state_dict().items():
        assert np.array_equal(weights, resumed.state_dict()[name])


def test_the_best_mnist_distorts_less_towards_the_end(monkeypatch):
    calls = []
    monkeypatch.setattr(_mnist_best, "distort", lambda X, **amounts: calls.append(amounts))
    monkeypatch.setattr(_mnist_best, "EPOCHS", 80)
    for epoch in (1, 57, 69, 80):
        _mnist_best.distorted(None, epoch, None)
    assert [round(amounts["degrees"], 2) for amounts in calls] == [12, 12, 8.4, 5.1]
    assert all(amounts["alpha"] == pytest.approx(3 * amounts["degrees"]) for amounts in calls)


@pytest.mark.parametrize("option", ["--best", "--seed=1"])
def test_an_unsupported_option_is_rejected_before_any_demo_runs(option):
    result = run("mnist", "moons", option)
    assert result.returncode == 2
    assert f"demo moons does not take {option.split('=')[0]}" in result.stderr


def compare_with_saved(name, made, module):
    """Fail if a file of demos is not the one that a module writes now.

    The last digits of numbers can differ between processors.
    """
    round_numbers = partial(re.sub, r"-?\d+\.\d{9,}(?:e-?\d+)?", lambda x: f"{float(x[0]):.9g}")
    saved = (ROOT / "demos" / name).read_text("utf-8")
    if round_numbers(unpack(made)) != round_numbers(unpack(saved)):
        pytest.fail(f"demos/{name} differs; run python -m {module}")  # a diff would take minutes


def test_the_training_page_of_the_readme_is_the_one_that_is_made_now():
    compare_with_saved("training.html", animation.make_page().html, "docs.animation")


def test_graphs_are_drawn(tmp_path):
    result = run("graphs", "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    for name in ("neuron.svg", "mlp.svg", "network.svg", "mlp.html"):
        assert f"wrote {tmp_path / name}" in result.stdout
        compare_with_saved(name, (tmp_path / name).read_text("utf-8"), "demos graphs")
    for page in ("neuron", "mlp", "network", "layers", "arrays", "order"):
        assert f"wrote {tmp_path / page}.html" in result.stdout
        assert (tmp_path / f"{page}.html").read_text("utf-8").startswith("<!doctype html>")


def read_table(text):
    """Return the cells of each row by the first; columns are two or more spaces apart."""
    lines = [re.split(r" {2,}", line.strip()) for line in text.splitlines()]
    return {name: columns for name, *columns in lines if columns}


def test_noise_and_schedules_of_descent(run_small, tmp_path):
    """Noise is as predicted; decreasing schedules reach a lower loss than a constant rate."""
    result = run_small(descent, ORDERS=3)
    assert result.err == ""
    rows = read_table(result.out)
    for name, steps in [("batch, all 64", 30), ("mini-batch of 8", 240), ("stochastic, 1", 1920)]:
        assert int(rows[name][0]) == steps
        assert rows[name][2] == rows[name][3]
    assert all(float(cell.replace(",", "")) > 0.0 for cell in rows["262,144"][:2])
    constant, *others = [
        float(rows[name][0]) for name in ("constant", "step decay", "cosine", "one-cycle")
    ]
    assert all(loss < constant / 10 for loss in others)
    assert ET.parse(tmp_path / "descent.svg").getroot().tag.endswith("svg")


def test_the_largest_stable_learning_rate():
    """Below 2 / λ every full-batch step lowers the loss; above it the loss grows in the end."""
    x, y = descent.points()
    ones = np.column_stack([x, np.ones_like(x)])
    limit = 2 / np.linalg.eigvalsh(2 * ones.T @ ones / len(x))[-1]
    for factor, stable in [(0.99, True), (1.01, False)]:
        path = descent.descend(x, y, descent.SAMPLES, factor * limit, 600)
        losses = descent.losses(path, x, y)
        assert (np.diff(losses) < 1e-15).all() == stable
        assert (losses[-1] < losses[0]) == stable


@pytest.mark.parametrize("size", [1, 4, 16, 64])
def test_gradient_noise_is_as_predicted(size):
    measured, predicted = descent.gradient_noise(*descent.points(), size)
    assert measured == pytest.approx(predicted, rel=0.15, abs=1e-12)


def test_gradients_vanish_and_each_remedy_helps(run_small, tmp_path):
    rows = read_table(run_small(depth, SEEDS=1, STEPS=100, LAST=20).out)
    for name in ("sigmoid", "tanh", "relu"):
        by_depth = [*map(float, rows[name])]
        assert by_depth == sorted(by_depth, reverse=True)
        assert by_depth[-1] < 1e-10
    ratio, _, final, worst, _ = rows["none: weights within ±1/√n"]
    assert float(ratio) < 1e-6
    assert final == worst == "0.69"  # ln 2: the output is 1/2 for every sample
    for name in ("He", "Xavier, with tanh", "batch normalization", "residual connections"):
        ratio, _, final, worst, accuracy = rows[name]
        assert 0.01 < float(ratio) < 100
        assert float(final) <= float(worst) < (0.2 if SOAK else 0.5)
        assert int(accuracy.rstrip("%")) >= (100 if SOAK else 80)
    assert float(rows["weights too large"][0]) > 100
    assert rows["weights too large"][2:4] == ["inf", "inf"]
    assert float(rows["... clipped to norm 1"][3]) < 10.0
    assert ET.parse(tmp_path / "depth.svg").getroot().tag.endswith("svg")
