"""The installed wheel, in a folder with a stranger's engine.py and nn.py; run by `make test-wheel`."""

import os
import pickle
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import nn
import stepgrad
from engine import Value, softmax
from nn import vector

ROOT = Path(__file__).parents[1]
PYTHON = os.environ.get("WHEEL_PYTHON")  # of an environment with the wheel and without the clone
pytestmark = pytest.mark.skipif(not PYTHON, reason="make test-wheel runs it")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)  # may name the clone
    for name in ("engine", "nn"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('the file of a stranger')")
    return tmp_path


@pytest.fixture
def run(folder):
    def run(code):
        script = folder / "script.py"
        script.write_text(code, "utf-8")
        command = [PYTHON, "-W", "error", script]
        out = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
        return out.stdout

    return run


def test_it_is_one_package_that_knows_no_other_name(run):
    files = run("import importlib.metadata as m; print(*m.files('stepgrad'), sep='\\n')").split()
    top = {file.partition("/")[0] for file in files if not file.startswith("..")}
    assert top == {"stepgrad", f"stepgrad-{stepgrad.__version__}.dist-info"}
    assert {"stepgrad/py.typed", "stepgrad/methods.pyi"} <= {*files}
    for data in ("names/README.md", "names/names.txt"):
        assert f"stepgrad/nn/{data}" in files
    assert not [file for file in files if file.endswith((".gz", ".png", ".svg"))]
    place = Path(run("import stepgrad; print(stepgrad.__file__)").strip()).parent
    texts = {file: file.read_text("utf-8") for file in place.rglob("*.py")}
    assert len(texts) > 80
    old = re.compile(
        r"\b(from|import) (engine|nn|demos)\b|\bengine[./]\w|(?<![\w./])(nn|demos)\.\w"
    )
    assert not [file for file, text in texts.items() if old.search(text)]


def test_it_is_small_without_mnist():
    (wheel,) = (ROOT / "dist").glob("*.whl")
    assert wheel.stat().st_size < 1e6


PAGE = """
from stepgrad import Value
from stepgrad.draw import step
from stepgrad.nn import data, losses, scalar
from stepgrad.nn.live import train_page

model = scalar.MLP(2, [2, 1], "tanh", rng=0)
X, y = data.moons(20, rng=0)
step(losses.mse([model(X[0])], [y[0]]), model).save("steps.html")
train_page(
    scalar.MLP(2, [2, 1], "tanh", rng=0), X, y, loss="binary_cross_entropy", rng=0
).save("train.html")
"""


def test_pages_are_those_of_the_clone(run, folder, monkeypatch):
    run(PAGE)
    pages = [(folder / name).read_text("utf-8") for name in ("steps.html", "train.html")]
    monkeypatch.chdir(folder)
    exec(PAGE, {})
    for page, name in zip(pages, ("steps.html", "train.html"), strict=True):
        assert page == (folder / name).read_text("utf-8")


SCALARS = """
from stepgrad import Value
from stepgrad.draw import step
from stepgrad.nn import MLP, fit

model = MLP(2, [2, 1], rng=0)
for record in fit(model, [[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0], loss="mse", epochs=2, rng=0):
    pass
step(model([0.5, 1.0]), model)
print((Value(2.0) * 3.0).tanh())
"""
ARRAYS = """
from stepgrad import jit
from stepgrad.nn import data, fit, vector

X, y = data.moons(20, rng=0)
model = vector.MLP(2, [2, 2], rng=0)
for record in fit(model, X, y, loss="cross_entropy", epochs=2, rng=0):
    pass
print(jit(lambda X: (model(X) ** 2).sum(), model)(X))
"""
BLOCK = """
import sys


class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in {missing}:
            raise ModuleNotFoundError(name=name)


sys.meta_path.insert(0, Finder())
"""
LIBRARIES = ["numba", "matplotlib", "tqdm", "joblib", "threadpoolctl", "numpy"]


@pytest.mark.parametrize(("code", "missing"), [(SCALARS, LIBRARIES), (ARRAYS, LIBRARIES[:-1])])
def test_without_libraries(run, code, missing):
    """Scalars need no NumPy, arrays only NumPy; drawings also need graphviz."""
    assert run(BLOCK.format(missing=missing) + code)


def test_mnist_is_found_where_the_message_says(run, monkeypatch):
    code = "from stepgrad.nn import data\ntry: print(len(data.mnist()[0][0]))\n"
    code += "except FileNotFoundError as problem: print(problem)"
    message = run(code)
    assert message.startswith("the installed package has no MNIST files: set STEPGRAD_MNIST to")
    assert message.count("\n") == 1
    monkeypatch.setenv("STEPGRAD_MNIST", str(ROOT / "nn" / "mnist"))
    assert run(code) == "60000\n"


def test_demos_that_need_no_clone(run, folder):
    def demo(*args, code=0):
        command = [PYTHON, "-W", "error", "-m", "stepgrad", *args]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert result.returncode == code, result.stderr
        return result.stdout + result.stderr

    listed = demo()
    assert "Usage: python -m stepgrad NAME" in listed
    assert listed.endswith("The demos that read MNIST are in the clone.\n")
    names = re.findall(r"(?m)^  (\w+) ", listed)
    assert names == [
        "depth", "descent", "from_torch", "gpt", "graphs", "modes", "moons", "sweep",
    ]  # fmt: skip
    for name in {*names} - {"from_torch"}:  # it requires PyTorch
        run(f"import stepgrad.demos.{name}")
    demo("graphs")
    assert "order.html" in {path.name for path in folder.glob("out/*")}
    assert "unknown demo 'mnist'; choose from: depth" in demo("mnist", code=2)


def test_the_lines_of_demos_are_those_of_a_user(run):
    code = "from stepgrad import record_origins\nfrom stepgrad.demos.graphs import neuron\n"
    code += "with record_origins(): y = neuron()\nprint(y.origin)"
    assert run(code).startswith("graphs.py, line ")


def test_the_first_code_of_the_readme(run, folder):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)[1]
    assert run(code).startswith("5.0 6.0 -4.0\n-4, along 2 paths:")
    assert "<svg" in (folder / "steps.html").read_text("utf-8")


def test_examples_in_docstrings(folder):
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = --doctest-modules -p no:cacheprovider\nfilterwarnings = error\n"
        "    ignore:invalid value encountered in matmul:RuntimeWarning\n"
    )
    shutil.copy(ROOT / "conftest.py", folder)
    command = [PYTHON, "-m", "pytest", "-q", "-p", "conftest", "--pyargs", "stepgrad"]
    environ = {**os.environ, "STEPGRAD_MNIST": str(ROOT / "nn" / "mnist")}
    subprocess.run(command, cwd=folder, check=True, env=environ)


def test_messages_name_the_package_and_lines_of_the_script(run):
    code = """
import warnings
from stepgrad import Anomaly, GradientMismatch, Op, Value, detect_anomaly, record_origins
from stepgrad.nn import MLP, CheckpointError, losses

print(Anomaly, GradientMismatch, CheckpointError)
with record_origins():
    model = MLP(2, [1], rng=0)
    out = model([1.0, 2.0])  # made here
print(out.origin)

x = Value(1.0)
for _ in range(2):
    loss = x * x
    loss.backward()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        x.data -= 0.1 * x.grad
print(caught[0].filename, caught[0].lineno)
try:
    Value.apply("tanh", x)
except TypeError as problem:
    print(problem)
"""
    classes, origin, warning, message = run(code).splitlines()
    assert classes == (
        "<class 'stepgrad.Anomaly'> <class 'stepgrad.GradientMismatch'> "
        "<class 'stepgrad.nn.CheckpointError'>"
    )
    assert origin == "script.py, line 9: out = model([1.0, 2.0])  # made here"
    assert warning.endswith("script.py 18")
    assert "a row of stepgrad.rules" in message


def test_a_tape(run):
    code = """
from stepgrad import Tape, Value

x = Value(3.0)
tape = Tape(x * x)
tape.forward()
tape.backward()
tape.sync()
print(x.grad)
"""
    assert run(code) == "6.0\n"


LOADED = """
import pickle
from stepgrad import Value
from stepgrad.nn import load, save

with open("here.pickle", "rb") as file:
    y, scalar, arrays = pickle.load(file)
load("here.ckpt", scalar)
print(type(y), scalar([1.0, 2.0]).data.hex(), arrays([[1.0, 2.0]]).data.tolist()[0][0].hex())
with open("there.pickle", "wb") as file:
    pickle.dump((y, scalar, arrays), file)
save("there.ckpt", scalar)
"""


def test_pickles_and_checkpoints_of_the_clone_load_in_the_wheel_and_back(run, folder):
    x = Value(2.0, "x")
    things = ((x * 3.0).tanh() + softmax([x, 1.0])[0], nn.MLP(2, [1]), vector.MLP(2, [1]))
    (folder / "here.pickle").write_bytes(pickle.dumps(things))
    trained = nn.MLP(2, [1], rng=7)
    nn.save(folder / "here.ckpt", trained)
    number = trained([1.0, 2.0]).data.hex()
    array = things[2]([[1.0, 2.0]]).data[0, 0].item().hex()
    assert run(LOADED) == f"<class 'stepgrad.value.Value'> {number} {array}\n"
    y, scalar, arrays = pickle.loads((folder / "there.pickle").read_bytes())
    assert (type(y), y.data, type(scalar), type(arrays)) == (
        Value,
        things[0].data,
        nn.MLP,
        vector.MLP,
    )
    other = nn.MLP(2, [1], rng=1)
    nn.load(folder / "there.ckpt", other)
    assert other([1.0, 2.0]).data.hex() == scalar([1.0, 2.0]).data.hex() == number


def test_messages_name_the_extras_of_other_libraries(run):
    code = """
from importlib import import_module
from stepgrad import Value, to_networkx
from stepgrad.nn import MLP, interop

model = MLP(2, [1])
for f in (
    lambda: to_networkx(Value(1.0)),
    lambda: interop.to_onnx(model, "model.onnx"),
    lambda: interop.to_torch(model),
    lambda: interop.from_torch(model),
    lambda: import_module("stepgrad.nn.sklearn"),
):
    try:
        f()
    except ImportError as problem:
        print(problem)
"""
    extras = re.findall(r"not installed: pip install 'stepgrad\[(\w+)\]'", run(code))
    assert extras == ["networkx", "onnx", "torch", "torch", "sklearn"]
