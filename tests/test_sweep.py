"""Sweeps: the same numbers in one process, in several, and where processes are killed."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from nn import MLP, data, fit, sweep, vector
from nn.code import code_checksum
from nn.sweep_result import Spread

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
        (str(run), run.epoch, [record._replace(seconds=0.0) for record in run.records])
        for run in result.runs
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
    """Return a `build` whose process is killed in the third epoch of a training, once."""

    def kill(X, epoch, rng):
        if epoch == 3:
            try:
                os.close(os.open(f"{folder}/killed", os.O_CREAT | os.O_EXCL))
                os.kill(os.getpid(), signal.SIGKILL)
            except FileExistsError:
                pass
        return X

    return functools.partial(train, augment=kill)


@pytest.mark.parametrize("processes", [1, 2])
def test_the_numbers_are_those_of_one_training_after_the_other(processes, tmp_path, straight):
    pytest.importorskip("joblib")
    result = sweep(train, GRID, folder=tmp_path, seeds=2, processes=processes)
    assert numbers(result) == straight
    (record,) = {run.figures()["loss"] for run in result.runs if str(run) == straight[0][0]}
    assert record == straight[0][2][-1].loss


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_another_process_resumes_the_training_of_a_killed_one(tmp_path, straight):
    pytest.importorskip("joblib")
    build = killing_once(tmp_path)
    result = sweep(build, GRID, folder=tmp_path / "runs", seeds=2, processes=2)
    assert (tmp_path / "killed").exists()
    assert numbers(result) == straight


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
        assert (tmp_path / "killed").exists()
        assert numbers(result) == straight
        with pytest.raises(TypeError, match="must return the result of fit"):
            sweep(lambda seed, checkpoint: 3, {}, folder=tmp_path / "other", scheduler=client)
