"""The demos, run as a user runs them."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from demos import _mnist_best, descent
from nn import data

ROOT = Path(__file__).parent.parent


def run(*args):
    command = [sys.executable, "-m", "demos", *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_without_a_name_they_are_listed():
    done = run()
    assert done.returncode == 0
    for file in (ROOT / "demos").glob("[a-z]*.py"):
        assert re.search(rf"^  {file.stem} +\w", done.stdout, re.M)


def test_an_unknown_name_is_refused_with_the_known_ones():
    done = run("mons")
    assert done.returncode == 2
    known = sorted(file.stem for file in (ROOT / "demos").glob("[a-z]*.py"))
    assert f"no demo named 'mons'; there are: {', '.join(known)}" in done.stderr


def test_moons_are_told_apart_and_drawn(tmp_path):
    done = run("moons", "--out", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert "accuracy 100% after 60 epochs" in done.stdout
    assert re.search(r"[\d,]+ nodes a second", done.stdout)
    assert "60/60" in done.stderr  # the progress bar
    picture = tmp_path / "new" / "moons.svg"
    assert f"wrote {picture}" in done.stdout
    assert ET.parse(picture).getroot().tag.endswith("svg")
    speeds = re.findall(r"^(Values|the same on a tape|arrays) .* +([\d,]+) x$", done.stdout, re.M)
    assert [name for name, _ in speeds] == ["Values", "the same on a tape", "arrays"]
    assert float(speeds[1][1].replace(",", "")) > 1.0


def test_both_modes_of_differentiation_are_counted(tmp_path):
    """One pass for a loss backwards, as many as there are inputs forwards; and vice versa."""
    done = run("modes", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [list(map(int, line.replace(",", "").split()))
            for line in done.stdout.splitlines() if re.match(r" +\d", line)]  # fmt: skip
    assert [row[:3] for row in rows] == [
        [n, m, n] for n, m in [(1, 1), (10, 1), (100, 1), (10, 10), (1, 10), (1, 100)]
    ]
    assert [row[4] for row in rows] == [1, 1, 1, 10, 10, 100]
    for n, m, _, forward, _, reverse in rows:
        assert (forward > 1.5 * reverse) == (n >= 10 * m)
        assert (reverse > 1.5 * forward) == (m >= 10 * n)


def test_mnist_is_learned_by_scalars_alone(tmp_path):
    """97 % of the test digits; the tape and the Values agree about one to float32's roundings."""
    done = run("tape", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Tape(305,960 nodes, 101,770 parameters, 794 inputs)" in done.stdout
    (share,) = re.findall(r"^([\d.]+)% of the test digits are right", done.stdout, re.M)
    assert float(share) >= 97.0
    tape, values = (
        [float(z) for z in line.split()] for line in re.findall(r"^ +(-?\d.*)$", done.stdout, re.M)
    )
    assert tape == pytest.approx(values, abs=0.002)
    assert max(range(10), key=values.__getitem__) == 7
    text = (tmp_path / "tape.svg").read_text("utf-8")
    assert "100,480 parameters" in text
    assert "1,290 parameters" in text


def test_what_a_step_costs_adds_up(tmp_path):
    done = run("cost", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert ET.parse(tmp_path / "cost.svg").getroot().tag.endswith("svg")
    lines = done.stdout.splitlines()
    numbers = lambda line: [float(x.replace(",", "")) for x in re.findall(r"[\d,.]+", line)]
    (sums,) = (numbers(line) for line in lines if line.startswith("in sum"))
    (whole,) = (numbers(line) for line in lines if line.startswith("a whole step"))
    assert sums[0] == 123_820  # the Values; on the tape each layer has its inputs, too
    assert sums[6] == 9
    assert whole[0::3] == [123_820, 123_820, 9]
    for place, most in [(1, 0.05), (4, 0.1), (7, 0.2)]:  # bytes, measured in two ways
        assert sums[place] == pytest.approx(whole[place], rel=most)
    products = [numbers(line)[-6] for line in lines if re.match(r"(layer . +| +)\* ", line)]
    assert products == [32 * 49 * 32, 32 * 32 * 10]


def test_mnist_is_learned_and_looked_into(tmp_path):
    """98 % of the test digits, and both paths agree about the worst mistake to a few roundings."""
    done = run("mnist", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    (share,) = re.findall(r"^([\d.]+)% of the test digits are right", done.stdout, re.M)
    assert float(share) >= 98.0
    assert re.search(r"^\d+ epochs in [\d.]+ s$", done.stdout, re.M)
    trained, lifted = re.findall(r"by at most (\S+) in a logit, (\S+) in a gradient", done.stdout)
    assert all(0.0 < float(each) < 1e-4 for each in trained)  # the network that was trained
    assert all(float(each) < 1e-11 for each in lifted)
    assert "203,530 Values" in done.stdout
    assert ET.parse(tmp_path / "mnist.svg").getroot().tag.endswith("svg")


def test_the_best_mnist_goes_on_where_it_was_stopped(tmp_path, monkeypatch, capsys):
    """A network of the same kind, small and soon done: interrupted, resumed, the same weights."""
    (X, y), _ = data.mnist()
    path = tmp_path / "run.ckpt"
    monkeypatch.setattr(_mnist_best, "WIDTHS", [32, 32, 10])
    monkeypatch.setattr(_mnist_best, "EPOCHS", 4)
    straight = _mnist_best.train(X[:2000], y[:2000], path, seed=1)
    assert "4 epochs in" in capsys.readouterr().out
    path.unlink()
    distorted = _mnist_best.distorted

    for last, said in [(1, "nothing was saved yet"), (3, "the same command goes on from")]:

        def interrupted(X, epoch, rng, last=last):
            if epoch == last:
                raise KeyboardInterrupt
            return distorted(X, epoch, rng)

        interrupted.__name__ = "distorted"
        monkeypatch.setattr(_mnist_best, "distorted", interrupted)
        with pytest.raises(KeyboardInterrupt, match=said):
            _mnist_best.train(X[:2000], y[:2000], path, seed=1)
    monkeypatch.setattr(_mnist_best, "distorted", distorted)
    resumed = _mnist_best.train(X[:2000], y[:2000], path, seed=1)
    for name, weights in straight.state_dict().items():
        assert np.array_equal(weights, resumed.state_dict()[name])


def test_the_best_mnist_distorts_less_towards_the_end(monkeypatch):
    seen = []
    monkeypatch.setattr(_mnist_best, "distort", lambda X, **amounts: seen.append(amounts))
    for epoch in (1, 57, 69, 80):
        _mnist_best.distorted(None, epoch, None)
    assert [round(each["degrees"], 2) for each in seen] == [12, 12, 8.4, 5.1]
    assert all(each["alpha"] == pytest.approx(3 * each["degrees"]) for each in seen)


@pytest.mark.parametrize("option", ["--best", "--seed=1"])
def test_an_option_that_a_demo_does_not_take_is_refused_before_any_runs(option):
    done = run("mnist", "moons", option)
    assert done.returncode == 2
    assert f"demo moons takes no {option.split('=')[0]}" in done.stderr


def test_graphs_are_drawn(tmp_path):
    done = run("graphs", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("neuron.svg", "mlp.svg", "neuron.html"):
        assert f"wrote {tmp_path / name}" in done.stdout
        assert (tmp_path / name).read_bytes() == (ROOT / "demos" / name).read_bytes()
    for name in ("neuron.html", "mlp.html", "training.html", "order.html"):
        assert f"wrote {tmp_path / name}" in done.stdout
        assert (tmp_path / name).read_text("utf-8").startswith("<!doctype html>")


def table(text):
    """Lines of a table: a name, and what follows in columns, two blanks or more apart."""
    lines = [re.split(r" {2,}", line.strip()) for line in text.splitlines()]
    return {name: columns for name, *columns in lines if columns}


def test_three_ways_down_one_surface(tmp_path):
    """Noise is what theory says; a schedule that falls goes below a constant rate's floor."""
    done = run("descent", "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    found = table(done.stdout)
    for name, steps in [("batch, all 64", 30), ("mini-batch of 8", 240), ("stochastic, 1", 1920)]:
        assert int(found[name][0]) == steps
        assert found[name][2] == found[name][3]
    whole, one = [float(each.replace(",", "")) for each in found["262,144"][:2]]
    assert whole > 5.0 * one
    reached = {
        name: float(found[name][0].split()[0]) for name in ("step decay", "cosine", "one-cycle")
    }
    constant = float(found["constant"][0].split()[0])
    assert all(each < constant / 10 for each in reached.values())
    assert ET.parse(tmp_path / "descent.svg").getroot().tag.endswith("svg")


def test_where_a_step_climbs():
    """Below 2 / λ every step of all samples goes down, above it the loss grows in the end."""
    x, y = descent.points()
    ones = np.column_stack([x, np.ones_like(x)])
    limit = 2 / np.linalg.eigvalsh(2 * ones.T @ ones / len(x))[-1]
    for share, falls in [(0.99, True), (1.01, False)]:
        path = descent.descend(x, y, descent.SAMPLES, share * limit, 600)
        heights = descent.heights(path, x, y)
        assert (np.diff(heights) < 1e-15).all() == falls
        assert (heights[-1] < heights[0]) == falls


@pytest.mark.parametrize("size", [1, 4, 16, 64])
def test_noise_of_a_step_is_what_theory_says(size):
    found, expected = descent.noise(*descent.points(), size)
    assert found == pytest.approx(expected, rel=0.15, abs=1e-12)


def test_gradients_vanish_and_each_cure_helps(tmp_path):
    done = run("depth", "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    found = table(done.stdout)
    for name in ("sigmoid", "tanh", "relu"):
        by_depth = [*map(float, found[name])]
        assert by_depth == sorted(by_depth, reverse=True)
        assert by_depth[-1] < 1e-10
    first, _, last, worst, right = found["none: weights within ±1/√n"]
    assert float(first) < 1e-6
    assert last == worst == "0.69"  # ln 2: it says one half of everything
    for name in ("He", "Xavier, with tanh", "batch normalization", "residual connections"):
        first, _, last, worst, right = found[name]
        assert 0.01 < float(first) < 100
        assert float(last) <= float(worst) < 0.2
        assert right == "100%"
    assert float(found["weights too large"][0]) > 100
    assert found["weights too large"][2:4] == ["inf", "inf"]
    assert float(found["... and clipping to 1"][3]) < 10.0
    assert ET.parse(tmp_path / "depth.svg").getroot().tag.endswith("svg")
