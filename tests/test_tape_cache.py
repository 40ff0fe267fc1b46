"""numba keeps compiled code on disk, also with two processes at once, or no directory for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

if not os.environ.get("CI"):
    pytest.importorskip("numba", reason="numba is not installed: pip install -e '.[jit]'")

HOUSE = Path(__file__).parents[1]
PROGRAM = """
import math
from engine.tape.kernels import SPACE
from engine.tape.opcodes import CODES

print(SPACE["compute"](CODES["expm1"], 3.0, 0.0) == math.expm1(3.0))
"""  # the smallest kernel of printed code: "run" takes four times as long to compile


def start(place):
    """Start a process that calls a kernel, with a directory for compiled code."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "NUMBA_CACHE_DIR": str(place), "PYTHONPATH": str(HOUSE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """Assert that a process prints True and no errors."""
    out, errors = process.communicate(timeout=120)
    assert (out, errors, process.returncode) == ("True\n", "", 0)


def test_two_processes_that_start_at_once_and_one_that_comes_later(tmp_path):
    for process in [start(tmp_path), start(tmp_path)]:
        finish(process)
    files = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.nb*")}
    assert any("compute" in file.name for file in files)
    finish(start(tmp_path))
    assert files == {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.nb*")}


def test_without_a_directory_each_process_compiles_for_itself():
    program = f"""
import numba.core.caching as caching

caching.CacheImpl._locator_classes = []  # no directory can be written to
{PROGRAM}"""
    process = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(HOUSE)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (process.stdout, process.stderr) == ("True\n", "")
