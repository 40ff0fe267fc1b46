"""Training that is killed at random moments and resumed ends with the same bits."""

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


def started(seed: int, epochs: int, path: Path, end: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(seed), str(epochs), str(path), str(end)],
        cwd=TESTS, env=environment(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"}


def ended(seed: int, epochs: int, path: Path, end: Path) -> bytes:
    """Return the result of a run that is not killed."""
    process = started(seed, epochs, path, end)
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
                process = started(runs, epochs, path, end)
                assert process.stdout is not None
                process.stdout.readline()
                time.sleep(rng.uniform(0.0, 0.15))
                process.kill()
                told = [int(line) for line in process.communicate()[0].split() if line.isdigit()]
                kept = load(path).epoch if path.exists() else 0  # whole, whenever it was killed
                assert kept >= max(told, default=before), f"{told[-1:]} was told, {kept} is kept"
                assert kept >= before, f"{before} was kept, now {kept}"
                before = kept
                left = list(folder.glob(".stepgrad-*.tmp"))
                writing += len(left)
                for each in left:
                    each.unlink()
            done, before = done + kills, 0
            found = ended(runs, epochs, path, end)
            assert found == ended(runs, epochs, folder / "straight", folder / "straight end")
            assert {each.name for each in folder.iterdir()} == {
                "run", "end", "straight", "straight end",
            }  # fmt: skip
    return f"{done} kills in {runs} runs, {writing} of them while a file was written"
