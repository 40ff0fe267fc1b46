"""The code in README and tour runs and prints the stated output; links and file names are valid."""

import re
from pathlib import Path

import pytest

from docs.links import dead_in_html, dead_in_markdown

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [README, (ROOT / "docs" / "tour.md").read_text("utf-8")]
BLOCKS = [code for page in PAGES for code in re.findall(r"```python\n(.*?)```", page, re.S)]
EXTRAS = re.compile(r"^(?:import|from) (torch|onnxruntime|sklearn|networkx)\b", re.M)


@pytest.mark.parametrize("code", [code for code in BLOCKS if not EXTRAS.search(code)])
def test_code_runs_and_prints_the_stated_output(code, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_output(code, capsys)


def check_output(code, capsys):
    """Run code and check what its comments state; tests/peers checks what needs other libraries."""
    exec(code, {})
    printed = capsys.readouterr().out
    stated = re.findall(r"^print\(.*\)  # ([-\d].*)$|^# (.*)$", code, re.M)
    for text in map("".join, stated):  # a comment on its own line continues the output
        assert text.removesuffix(" ...") in printed


def test_links_are_valid():
    assert not [*dead_in_markdown(ROOT)]


def test_dead_links_are_found(tmp_path):
    (tmp_path / "a.md").write_text(
        "# One two\n[a](b.md) [b](c.md) [c](#one-two) [d](#three) [e](http://x)"
    )
    (tmp_path / "b.md").write_text(
        '[a](a.md#one-two) [b](a.md#four) <source srcset="d.png"><img src="a.md" alt="e.png">'
    )
    dead = [link.rpartition("/")[2] for link in dead_in_markdown(tmp_path)]
    assert dead == ["a.md: c.md", "a.md: #three", "b.md: a.md#four", "b.md: d.png"]
    (tmp_path / "a.html").write_text(
        '<a href="b.html#p"></a><a href="c.html"></a><a href="#q"></a>'
    )
    (tmp_path / "b.html").write_text('<p id="p"><a href="a.html"></a><a href="#o"></a>')
    assert {*dead_in_html(tmp_path)} == {"a.html: c.html", "a.html: #q", "b.html: #o"}


def test_the_readme_names_every_demo():
    demos = {path.stem for path in (ROOT / "demos").glob("[a-z]*.py")}
    assert set(re.findall(r"(?m)^\| `(\w+)` \|", README)) == demos


@pytest.mark.parametrize("path", re.findall(r"\]\(([^):]+)\)|`([a-z]+/[\w./]*)`", README))
def test_files_it_names_exist(path):
    path = "".join(path)
    assert path.startswith("out/") or (ROOT / path).exists()
