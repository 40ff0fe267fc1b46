"""Compiled code is kept on disk: by two processes at once, and where nothing can be written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

if not os.environ.get("CI"):
    pytest.importorskip("numba", reason="numba is not installed: pip install -e '.[jit]'")

HOUSE = Path(__file__).parents[1]
PROGRAM = """
from engine import Value
from engine.tape import Tape

x = Value(3.0)
tape = Tape(x * x + x.exp())
print(tape.forward() == (x * x + x.exp()).data)
"""


def begun(place):
    """A process of its own that makes a tape, its compiled code being kept at that place."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "NUMBA_CACHE_DIR": str(place), "PYTHONPATH": str(HOUSE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process):
    out, problems = process.communicate(timeout=120)
    assert (out, problems, process.returncode) == ("True\n", "", 0)


def test_two_processes_that_start_at_once_and_one_that_comes_later(tmp_path):
    for process in [begun(tmp_path), begun(tmp_path)]:
        ended(process)
    kept = {each: each.stat().st_mtime_ns for each in tmp_path.rglob("*.nb*")}
    assert any("run" in each.name for each in kept)
    ended(begun(tmp_path))
    assert kept == {each: each.stat().st_mtime_ns for each in tmp_path.rglob("*.nb*")}


def test_where_nothing_can_be_written():
    """Neither beside the source nor in the user's cache: every process compiles for itself."""
    program = f"""
import numba.core.caching as caching

caching.CacheImpl._locator_classes = []  # no place that could be written to
{PROGRAM}"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(HOUSE)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
