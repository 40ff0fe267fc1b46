"""The code in README and tour runs and prints what it says; files and links of all pages are there."""

import re
from pathlib import Path

import pytest

from docs.links import dead_in_markdown

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [README, (ROOT / "docs" / "tour.md").read_text("utf-8")]
BLOCKS = [code for page in PAGES for code in re.findall(r"```python\n(.*?)```", page, re.S)]


@pytest.mark.parametrize("code", BLOCKS)
def test_code_runs_and_prints_what_it_says(code, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    printed = capsys.readouterr().out
    for said in re.findall(r"^print\(.*\)  # ([-\d].*)$", code, re.M):
        assert said.removesuffix(" ...") in printed


def test_links_lead_somewhere():
    assert not [*dead_in_markdown(ROOT)]


def test_the_readme_names_every_demo():
    demos = {path.stem for path in (ROOT / "demos").glob("[a-z]*.py")}
    assert set(re.findall(r"(?m)^\| `(\w+)` \|", README)) == demos


@pytest.mark.parametrize("path", re.findall(r"\]\(([^):]+)\)|`([a-z]+/[\w./]*)`", README))
def test_files_it_names_are_there(path):
    path = "".join(path)
    assert path.startswith("out/") or (ROOT / path).exists()
