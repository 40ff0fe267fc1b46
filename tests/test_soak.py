"""A short run of what `make soak` does for hours: no foreign bytes or labels crash, hang or run code."""

import subprocess
import sys
from collections import Counter
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


PROFILE = """
from hypothesis import settings

settings.register_profile("soak", max_examples=1000, database=None)
"""
PROPERTIES = """
import pytest
from hypothesis import given, strategies as st

def note(name):
    with open("examples", "a") as file:
        print(name, file=file)

@given(st.floats())
def test_alone(x):
    note("alone")

@pytest.mark.parametrize("row", range(4))
@given(x=st.floats())
def test_rows(row, x):
    note(f"row {row}")
    assert row < 3 or "repaired" in open("state").read()
"""


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["one process", "xdist"])
def test_properties_share_their_examples_and_run_until_they_pass(tmp_path, workers):
    def soak():
        (tmp_path / "examples").write_text("")
        subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "soak.properties", "--hypothesis-profile=soak", *workers],
            cwd=tmp_path, env={"PYTHONPATH": f"{TESTS.parent}:{TESTS}", "PATH": ""},
            capture_output=True, timeout=600,
        )  # fmt: skip
        return Counter((tmp_path / "examples").read_text().splitlines())

    (tmp_path / "conftest.py").write_text(PROFILE)
    (tmp_path / "test_properties.py").write_text(PROPERTIES)
    (tmp_path / "state").write_text("broken")
    counts = soak()
    del counts["row 3"]
    assert counts == {"alone": 1000, "row 0": 250, "row 1": 250, "row 2": 250}

    (tmp_path / "state").write_text("repaired")
    assert soak() == {"row 3": 250}, "expected only the test that failed"
    assert soak() == {**counts, "row 3": 250}, "expected a new run, because all tests have passed"
