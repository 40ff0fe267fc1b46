"""The notebooks run and reproduce their saved outputs, which are all that GitHub shows.

Running them needs the extra `notebooks`. Without it these tests are skipped, except in CI, where they
fail.
"""

import ast
import json
import re
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

import pytest

from browsers import missing
from docs.links import ELSEWHERE, headings
from javascript import unpack

PATHS = sorted(
    (Path(__file__).parents[1] / "notebooks").glob("*.ipynb"),
    key=lambda path: int(path.stem.partition("_")[0]),
)
FACTS = {  # assertions that hold after a notebook has run
    "1_expression": """
        assert (x.grad, y.grad) == (2 * 3.0, -2 * 2.0)  # f is x**2 - y**2
        assert abs(w.data - 1) < 0.01
        assert losses[99] < 1e-8 < 0.1 < tries.min()  # of 100,000 at random
        assert error < 1e-9
        """,
    "2_step_through": """
        import numpy as np
        from pathlib import Path

        slope = 1 - np.tanh(2.0 * -3.0 + 0.0 * 1.0 + 6.8813735870195432) ** 2
        grads = [leaf.grad for leaf in (x1, w1, x2, w2, b)]
        assert np.allclose(grads, np.array([-3.0, 2.0, 1.0, 0.0, 1.0]) * slope, atol=1e-12)
        assert np.allclose([u.grad, v.grad], np.array([2.0, 1.0]) * (1 + np.exp(1.0)), atol=1e-12)
        assert order.gradients[u] == 2.0
        assert overwritten.gradients[v] == np.exp(1.0)
        assert Path("neuron.html").read_text("utf-8") == step(out).html
        """,
    "3_moons": """
        X_other, y_other = data.moons(300, noise=0.1, rng=3)
        correct = [(model(x).data > 0) == (k == 1) for x, k in zip(X_other, y_other, strict=True)]
        assert np.mean(correct) >= 0.95
        assert [record.epoch for record in records] == [*range(1, 61)]
        """,
    "4_arrays_and_mnist": """
        assert np.mean(model(X_test).data.argmax(axis=1) == y_test) >= 0.975
        first, last = model.layers
        a = np.maximum(first.weight.data @ X_test[0] + first.bias.data, 0)
        assert np.allclose([neuron.data for neuron in hidden], a, atol=1e-3)
        assert np.allclose(votes, last.weight.data[7] * a, atol=1e-3)
        z = last.weight.data @ a + last.bias.data
        assert np.allclose([output.data for output in outputs], z, atol=1e-3)
        assert abs(logit.data - z[7]) < 1e-3
        """,
    "5_tape": """
        assert accuracy(tape(digits_test), y_test) >= 0.95
        assert tape.nodes > 50_000
        assert path[-1] < 0.02
        """,
    "6_derivative": """
        assert error(x.grad) < 4e-16
        assert error(imaginary(1e-8)) < 4e-16 and error(imaginary(1e-300)) < 4e-16
        errors = {k: error(central(10.0**-k)) for k in range(1, 15)}
        assert min(errors, key=errors.get) in (5, 6)
        assert 1e-11 < np.median([error(central(h)) for h in np.geomspace(5e-8, 2e-7, 99)]) < 1e-8
        """,
    "7_chain_rule": """
        assert [df, da, db, dx, dy] == [1, 1, 5, 6, -4] == [v.grad for v in (f, a, b, x, y)]
        h, before = 1e-6, [p.data for p in model.parameters()]
        for p, was in zip(model.parameters(), before, strict=True):
            sides = []
            for p.data in (was + h, was - h):
                sides.append(losses.cross_entropy([model(inputs)], [0]).data)
            p.data = was
            assert abs((sides[0] - sides[1]) / (2 * h) - p.grad) < 1e-8
        """,
    "8_two_layers": """
        assert all(np.allclose(hand, p.grad, atol=1e-15) for hand, p in pairs)
        assert abs(L - losses.cross_entropy(model(x.T), labels).item()) < 1e-15
        assert [v.shape for v in (dW1, db1, dW2, db2)] == [v.shape for v in (W1, b1, W2, b2)]
        assert np.allclose(J.T @ by_loss, [0.2, -0.3, 0.1])
        assert np.allclose(grads, [0.1, -0.9, 0.8])
        assert (loss.data, z[0].grad, z[1].grad) == (1000.0, 1.0, -1.0)
        """,
    "9_self_check": """
        assert np.allclose(dW, layer.weight.grad)
        reports = [diagnose(model, X, labels).layers for model in models.values()]
        ratios = [layers[0].gradient / layers[-1].gradient for layers in reports]
        assert ratios == sorted(ratios)
        assert ratios[0] < 1e-8 and ratios[-1] > 0.1
        assert np.isclose(x.grad, np.prod(cached))
        """,
    "10_exercises": """
        assert [str(answer)[:16] for answer in Out.values()] == ["Not answered yet"] * 10
        """,
    "11_gpt": """
        odds = np.exp(np.array([[1, 0], [0, 3], [1, 3]]) @ [2, 1] / 2**0.5)
        by_hand = odds / odds.sum() @ [[1, 2], [-1, 1], [0, 3]]
        assert np.allclose([y.data for y in result], by_hand, atol=1e-12)
        assert np.mean(losses[-100:]) < 2.5 < 3.0 < np.mean(losses[:10])
        assert max(map(len, texts)) <= 16
        """,
}
# Training in float32 gives slightly different numbers with every BLAS. The text of these cells is
# compared without digits (and without parentheses around negative factors), their numbers with this
# absolute tolerance (None: not at all), their drawings only by type.
ROUGH = {
    "train": 0.5,
    "test": 0.5,
    "scalars": None,
    "votes": None,
    "logit": None,
    "largest-paths": None,
    "moons": None,
    "batch": 0.5,
    "digit": None,
    "five": None,
    "nine": None,
    "name-training": 0.1,
}
SAMPLED = {"made-up"}  # cells that print what a trained model draws: only their lines are counted
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]\d+)?")
notebooks = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def saved(path):
    return json.loads(path.read_text("utf-8"))["cells"]


@cache
def ran(path):
    """Run a notebook and its FACTS, and return the cells."""
    packages = ("nbclient", "ipykernel", "matplotlib", "numba")
    lacking = [package for package in packages if not find_spec(package)]
    if lacking:
        missing(f"not installed: {', '.join(lacking)}; pip install -e '.[notebooks]'")
    import nbformat

    from notebooks.__main__ import executed

    notebook = nbformat.read(path, as_version=4)
    for cell in code(notebook.cells):
        cell.outputs = []
    notebook.cells.append(nbformat.v4.new_code_cell(dedent(FACTS[path.stem])))
    return json.loads(nbformat.writes(executed(notebook)))["cells"][:-1]


def code(cells):
    return [cell for cell in cells if cell["cell_type"] == "code"]


def outputs(cell):
    """Return each output of a cell as a dict of texts by MIME type or stream."""
    bundles = [out.get("data") or {out["name"]: out["text"]} for out in cell["outputs"]]
    return [{kind: "".join(text) for kind, text in bundle.items()} for bundle in bundles]


PICTURES = ("image/svg+xml", "text/html")


def comparable(cell):
    """Return the outputs without the parts that differ between runs; of a plot only its type."""
    rough = cell["id"] in ROUGH
    if cell["id"] in SAMPLED:
        return [len(text.splitlines()) for bundle in outputs(cell) for text in bundle.values()]
    return [
        {
            kind: None if kind == "image/png" or (rough and kind in PICTURES)
            else " ".join(NUMBER.sub("#", text).replace("(#)", "#").split()) if rough else unpack(text)
            for kind, text in bundle.items()
        }
        for bundle in outputs(cell)
    ]  # fmt: skip


def numbers(cell):
    """Return all numbers that a cell prints."""
    return [float(x) for bundle in outputs(cell) for x in NUMBER.findall(bundle.get("stdout", ""))]


@notebooks
def test_it_runs_and_reproduces_its_outputs(path):
    for was, now in zip(code(saved(path)), code(ran(path)), strict=True):
        assert comparable(now) == comparable(was), f"cell {was['id']} differs; run make notebooks"
        assert "stderr" not in {kind for bundle in outputs(now) for kind in bundle}
        if ROUGH.get(was["id"]):
            assert numbers(now) == pytest.approx(numbers(was), abs=ROUGH[was["id"]])


@notebooks
def test_it_was_saved_after_a_run_from_top_to_bottom(path):
    cells = code(saved(path))
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]
    for cell in cells:
        for output in cell["outputs"]:
            assert output["output_type"] in {"stream", "display_data", "execute_result"}
            assert output.get("execution_count") in {None, cell["execution_count"]}


@notebooks
def test_a_sentence_a_cell_a_result(path):
    """Each code cell is short, follows a few lines of text, and has an output."""
    cells = saved(path)
    for before, cell in pairwise(cells):
        if cell["cell_type"] == "code":
            assert before["cell_type"] == "markdown", cell["id"]
            assert cell["outputs"], cell["id"]
            assert len(cell["source"]) <= 15, cell["id"]
        else:
            assert len(cell["source"]) <= 6, cell["id"]


@notebooks
def test_nothing_in_it_is_worth_importing(path):
    """Notebooks import only stepgrad, NumPy and Matplotlib, and define nothing but stubs."""
    for cell in code(saved(path)):
        lines = [line for line in cell["source"] if not line.startswith("%")]
        tree = ast.parse("".join(lines))
        defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        bodies = [node.body for node in ast.walk(tree) if isinstance(node, defined)]
        assert all(ast.unparse(body) == "..." for body in bodies)
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= {"stepgrad", "numpy", "matplotlib"}


@notebooks
def test_nothing_in_it_depends_on_the_machine_or_the_run(path):
    notebook = json.loads(path.read_text("utf-8"))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    assert notebook["metadata"] == {"kernelspec": kernel, "language_info": {"name": "python"}}
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len({*ids}) == len(ids)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in ids)
    assert not [cell for cell in notebook["cells"] if cell["metadata"]]
    texts = ["".join(cell["source"]) for cell in notebook["cells"]]
    for cell in code(notebook["cells"]):
        for bundle in outputs(cell):
            texts += [text for kind, text in bundle.items() if kind != "image/png"]
    for text in texts:
        text = re.sub(r"base64,[\w+/=]+", "", text)
        assert not re.search(r"(?<![\w.<])/(work|tmp|home|root|usr|var|Users)\b|[A-Z]:\\", text)


@notebooks
def test_its_links_are_valid(path):
    for cell in saved(path):
        if cell["cell_type"] == "markdown":
            for link in re.findall(r"\]\(([^)]+)\)", "".join(cell["source"])):
                name, _, anchor = link.partition("#")
                target = path.parent / name
                assert link.startswith(ELSEWHERE) or target.exists()
                assert not anchor or target.suffix != ".md" or anchor in headings(target)


def test_every_notebook_has_facts():
    assert [path.stem for path in PATHS] == [*FACTS]
