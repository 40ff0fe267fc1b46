"""The demos, run as a user runs them."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

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
    assert "no demo named 'mons'; there are: moons" in done.stderr


def test_moons_are_told_apart_and_drawn(tmp_path):
    done = run("moons", "--out", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert "accuracy 100% after 60 epochs" in done.stdout
    assert re.search(r"[\d,]+ nodes a second", done.stdout)
    assert "60/60" in done.stderr  # the progress bar
    picture = tmp_path / "new" / "moons.svg"
    assert f"wrote {picture}" in done.stdout
    assert ET.parse(picture).getroot().tag.endswith("svg")
