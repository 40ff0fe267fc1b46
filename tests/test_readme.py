"""The README's code runs, and its files are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.S))
def test_code_runs_and_prints_what_it_says(code, capsys):
    exec(code, {})
    printed = capsys.readouterr().out
    for said in re.findall(r"^print\(.*\)  # (\d.*)$", code, re.M):
        assert said in printed


@pytest.mark.parametrize("path", re.findall(r"\]\(([^):]+)\)|`([a-z]+/[\w./]*)`", README))
def test_files_it_names_are_there(path):
    path = "".join(path)
    assert path.startswith("out/") or (ROOT / path).exists()
