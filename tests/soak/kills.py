"""Training that is killed at random moments and resumed gives the same bits."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from nn import load

TESTS = Path(__file__).parents[1]
PROGRAM = """
import sys
from training import BLOBS, SETTINGS, jitter, network
from nn import fit, save
seed, epochs, path, end = sys.argv[1:]
model = network(int(seed))
print("ready", flush=True)
settings = {**SETTINGS, "epochs": int(epochs), "checkpoint": path, "patience": None}
for record in fit(model, *BLOBS, **settings, augment=jitter):
    print(record.epoch, flush=True)
save(end, model)
"""
EPOCHS = 30  # that a process can train before it is killed, of about 5 ms, most of it for the file


def start_training(seed: int, epochs: int, path: Path, end: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(seed), str(epochs), str(path), str(end)],
        cwd=TESTS, env=environment(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"}


def run_to_end(seed: int, epochs: int, path: Path, end: Path) -> bytes:
    """Return the result of a run that is not killed."""
    process = start_training(seed, epochs, path, end)
    process.communicate(timeout=600)
    assert process.returncode == 0
    return end.read_bytes()


def soak(n: int, seed: int = 0) -> str:
    """Kill n times; the runs, and how many kills hit while a file was being written."""
    rng, done, runs, writing, before = random.Random(seed), 0, 0, 0, 0
    while done < n:
        runs += 1
        with TemporaryDirectory() as name:
            folder = Path(name)
            path, end = folder / "run", folder / "end"
            kills = min(n - done, rng.randrange(2, 12))
            epochs = EPOCHS * (kills + 1)
            for _ in range(kills):
                process = start_training(runs, epochs, path, end)
                assert process.stdout is not None
                process.stdout.readline()
                time.sleep(rng.uniform(0.0, 0.15))
                process.kill()
                epochs_done = [int(x) for x in process.communicate()[0].split() if x.isdigit()]
                saved = load(path).epoch if path.exists() else 0  # the file is complete at any time
                assert saved >= max(epochs_done, default=before), (
                    f"epoch {epochs_done[-1:]} was printed, but epoch {saved} is in the file"
                )
                assert saved >= before, f"the file had epoch {before} and now has {saved}"
                before = saved
                left = list(folder.glob(".stepgrad-*.tmp"))
                writing += len(left)
                for temporary in left:
                    temporary.unlink()
            done, before = done + kills, 0
            resumed = run_to_end(runs, epochs, path, end)
            assert resumed == run_to_end(runs, epochs, folder / "straight", folder / "straight end")
            assert {file.name for file in folder.iterdir()} == {
                "run", "end", "straight", "straight end",
            }  # fmt: skip
    return f"{done} kills in {runs} runs, {writing} of them while a file was written"
