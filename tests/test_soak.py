"""A short run of what `make soak` does for hours: no foreign bytes or labels crash, hang or run code."""

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.mark.parametrize(
    ("part", "n"),
    [("idx_files", 500), ("checkpoints", 150), ("labels", 250), ("kills", 2)],
    ids=lambda x: str(x),
)
def test_soak(part, n):
    done = subprocess.run(
        [sys.executable, "-m", "soak", f"{part}={n}"],
        cwd=TESTS, env={"PYTHONPATH": f"{TESTS.parent}:{TESTS}", "PATH": ""},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith(f"{part}: {n} ")
