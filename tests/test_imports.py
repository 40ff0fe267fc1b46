"""Imports run downwards only: demos, notebooks -> nn, engine.draw -> engine."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEVELS = {  # the packages that each package may import; the longest matching name decides
    "engine": {"engine"},
    "engine.draw": {"engine", "engine.draw"},
    "nn": {"engine", "nn"},
    "nn.exercises": {"engine", "engine.draw", "nn", "nn.exercises"},
    "nn.live": {"engine", "engine.draw", "nn", "nn.live"},
    "demos": {"engine", "engine.draw", "nn", "nn.live", "demos"},
    "benchmarks": {"engine", "engine.draw", "nn", "nn.live", "demos", "benchmarks"},
}
FOLDERS = [name for name in LEVELS if "." not in name]
FILES = [file for name in FOLDERS for file in sorted((ROOT / name).glob("**/*.py"))]
files = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))


def level(module):
    """Return the level of a module of this project; None for any other module."""
    fits = [name for name in LEVELS if f"{module}.".startswith(f"{name}.")]
    return max(fits, key=len, default=None)


def name_of(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree, module, package):
    """Yield each imported module or name, with the statement that imports it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")[: len(module.split(".")) - node.level + package]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                yield f"{base}.{alias.name}", node


def read(file):
    module, package = name_of(file), file.name == "__init__.py"
    return imports(ast.parse(file.read_text(encoding="utf-8")), module, package)


@files
def test_imports_run_downwards(file):
    allowed = LEVELS[level(name_of(file))]
    up = {name for name, _ in read(file) if level(name) not in {None, *allowed}}
    assert not up, f"{name_of(file)} imports {sorted(up)}"


@files
def test_tests_are_imported_by_nobody(file):
    tests = {path.stem for path in Path(__file__).parent.glob("*.py")} | {"tests"}
    assert not {name.split(".")[0] for name, _ in read(file)} & tests


@pytest.mark.parametrize("package", ["engine", "engine.draw", "nn", "nn.exercises", "nn.live"])
def test_modules_import_each_other_in_one_direction(package):
    """There are no circles, not even of imports inside functions."""
    files = {name_of(file): file for file in FILES if level(name_of(file)) == package}
    arrows = {
        (module, name if name in files else name.rpartition(".")[0])
        for module, file in files.items()
        for name, _ in read(file)
    }
    order = []
    while len(order) < len(files):
        left = set(files) - set(order)
        ready = [m for m in left if not any(f == m and t in left for f, t in arrows)]
        assert ready, f"a circle among {sorted(left)}"
        order += ready


CORE = {
    "arithmetic",
    "formulas",
    "rules",
    "instructions",
    "methods",
    "graph",
    "node",
    "value",
}
# Files that the core imports only inside functions: for arguments that are not floats, for error
# messages, copies and docstrings.
WHEN_NEEDED = {
    "engine.support.anonymous",
    "engine.support.conversions",
    "engine.support.arguments",
    "engine.support.copying",
    "engine.support.frames",
    "engine.support.freezing",
    "engine.support.row_docs",
    "engine.support.other_names",
}


def modules_of(names):
    """Return the modules of the engine that imported names belong to."""
    modules = {name_of(file) for file in FILES}
    return {
        name if name in modules else name.rpartition(".")[0]
        for name in names
        if name.startswith("engine.")
    }


@pytest.mark.parametrize("name", sorted(CORE))
def test_the_core_stands_alone(name):
    core = {f"engine.{module}" for module in CORE}
    file = ROOT / "engine" / f"{name}.py"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    first = ast.Module([x for x in tree.body if isinstance(x, ast.Import | ast.ImportFrom)], [])
    assert modules_of(x for x, _ in imports(first, f"engine.{name}", package=False)) <= core
    assert modules_of(x for x, _ in read(file)) <= core | WHEN_NEEDED


ALONE = """
import sys
sys.path.insert(0, {folder!r})
from engine.value import Value
x = Value(3.0)
y = (x * x).tanh() + 2.0 * x
y.backward()
print(sorted(name for name in sys.modules if name.startswith("engine.")))
"""


def test_the_core_runs_without_the_rest(tmp_path):
    """The files of the core, alone in a folder, compute and differentiate."""
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").touch()
    for name in CORE:
        shutil.copy(ROOT / "engine" / f"{name}.py", tmp_path / "engine")
    code = ALONE.format(folder=str(tmp_path))
    text = subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, text=True)
    assert ast.literal_eval(text) == sorted(f"engine.{name}" for name in CORE)


def loaded(code):
    code = f"{code}; import sys; print(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split())


@pytest.mark.parametrize("module", ["engine", "nn"])
def test_an_import_loads_no_other_package(module):
    """NumPy, graphviz, matplotlib, numba, Jupyter and other libraries load when first used."""
    modules = loaded(f"import {module}") - loaded("pass")
    foreign = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names)
    assert foreign == {"engine", "stepgrad", module}
    assert not [name for name in modules if name.endswith((".draw", ".exercises"))]


def test_numba_loads_with_the_first_tape():
    """Without the extra `jit`, all names can be imported; training pages only lay out graphs."""
    assert "numba" not in loaded("from engine import *; import nn.live")


def test_draw_loads_no_slow_module_before_it_is_used():
    """Graphviz, processes and the stepper would make up most of the time of the import."""
    modules = loaded("from engine.draw import draw")
    slow = {"graphviz", "subprocess", "importlib.metadata", "matplotlib", "stepgrad.draw.stepper"}
    assert not modules & slow


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("engine.value", "import nn", ["nn"]),
        ("engine.value", "def f():\n    from nn.module import Module", ["nn.module.Module"]),
        ("engine.value", "from engine import draw", ["engine.draw"]),
        ("engine.value", "from . import draw, graph", ["engine.draw", "engine.graph"]),
        ("engine.value", "from .draw import dot as d", ["engine.draw.dot"]),
        ("nn.module", "from ..engine.rules import Op", ["engine.rules.Op"]),
        ("engine.draw.svg", "from ..graph import walk", ["engine.graph.walk"]),
    ],
)
def test_the_reader_of_imports(module, source, found):
    """Every form of an import is recognized."""
    assert [name for name, _ in imports(ast.parse(source), module, package=False)] == found


RENAMED = {"engine", "nn", "demos"}  # the build of the wheel replaces these in the text


def variables(tree):
    """Yield the names of variables, arguments and aliases."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.asname


@pytest.mark.parametrize(
    "file", [x for x in FILES if x.relative_to(ROOT).parts[0] in RENAMED], ids=str
)
def test_no_variable_has_a_name_that_the_wheel_replaces(file):
    assert RENAMED.isdisjoint(variables(ast.parse(file.read_text(encoding="utf-8"))))


def test_the_reader_of_variables():
    text = "import a as b\nc, d = e = f(g=1)\nfor h in i.j: k.l = lambda m: n\nwith o as p: pass"
    assert {*variables(ast.parse(text))} == {*"bcdeghmp"}
