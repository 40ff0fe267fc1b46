"""The table of HIPS's tests in the README, without a download: `make test-hips` compares it, too."""

import ast
import re
from collections import Counter
from pathlib import Path

FOLDER = Path(__file__).parent / "hips"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
COUNTS = {name: int(n) for n, name in re.findall(r"^ +(\d+)  (.+)$", README, re.MULTILINE)}


def constants():
    """Return the reasons in the adapter, and the tests that fail by design, without importing it."""
    tree = ast.parse((FOLDER / "adapter.py").read_text(encoding="utf-8"))
    names = {"COMPLEX", "INTERNAL", "FFT", "NORMS", "BY_DESIGN"}
    body = [
        node
        for node in tree.body
        if isinstance(node, ast.Assign)
        and {x.id for x in ast.walk(node.targets[0]) if isinstance(x, ast.Name)} <= names
    ]
    space = {}
    exec(compile(ast.Module(body, []), "adapter.py", "exec"), space)
    return space


def test_the_readme_lists_the_tests_that_are_skipped_by_design():
    space = constants()
    for reason, n in Counter(space["BY_DESIGN"].values()).items():
        assert COUNTS[f"skipped: {reason}"] >= n, reason
    assert {f"skipped: {space[name]}" for name in ("COMPLEX", "FFT", "NORMS")} <= COUNTS.keys()
    assert COUNTS["failed"] == 0
