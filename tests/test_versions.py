"""Versions in several files agree: the oldest ones of libraries, and that of the project."""

import re
import tomllib
from pathlib import Path

from engine import __version__

ROOT = Path(__file__).parents[1]
TESTED = ("jit", "demos", "test")  # the extras that `make test` needs


def test_constraints_are_the_lower_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    requirements = [
        *project["dependencies"],
        *(requirement for name in TESTED for requirement in extras[name]),
    ]
    bounds = dict(
        re.fullmatch(r"([\w-]+)>=([\d.]+).*", requirement).groups() for requirement in requirements
    )
    text = (ROOT / "constraints-oldest.txt").read_text("utf-8").partition("# Not ours")[0]
    pinned = dict(re.findall(r"(?m)^([\w-]+)==([\d.]+)$", text))

    def whole(version):
        return [*map(int, version.split(".")), 0, 0][:3]

    assert pinned.keys() == bounds.keys()
    assert {k: whole(v) for k, v in pinned.items()} == {k: whole(v) for k, v in bounds.items()}


def test_the_citation_names_the_version():
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.findall(r"(?m)^version: (.*)$", text) == [__version__]
