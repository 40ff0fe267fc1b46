"""Conversions to other libraries and back: the largest difference of results, sizes and times.

    python -m benchmarks.interop

Requires the extras onnx, torch, sklearn and networkx, and onnxruntime: .venv/bin/pip install -e
'.[peers]'. Each conversion runs in a fresh process with one thread.
"""

import json
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.processes import FULL, Effort, interleaved
from demos.shared.tables import format_table
from engine import Value, to_networkx, topological
from engine.draw import step
from nn import data, losses, scalar, vector
from nn.interop import from_torch, to_onnx, to_torch

BATCH, FEATURES = 64, 784


def clock(f: Callable[[], Any], seconds: float = 0.3) -> float:
    """Return the median time of a call in ms of CPU, over at least 3 calls."""
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:
        begin = time.process_time()
        f()
        times.append(time.process_time() - begin)
    return 1e3 * median(times)


def network() -> tuple[vector.MLP, np.ndarray]:
    """Return a network of 784-256-10 in float32, and a batch for it."""
    samples = np.random.default_rng(0).normal(size=(BATCH, FEATURES)).astype(np.float32)
    return vector.MLP(FEATURES, [256, 10], rng=0).eval(), samples


def compare(got: Any, want: Any) -> float:
    """Return the largest difference, relative to the largest result."""
    got, want = np.asarray(got, float), np.asarray(want, float)
    return float(np.abs(got - want).max() / np.abs(want).max())


def onnx() -> dict[str, Any]:
    runtime: Any = import_module("onnxruntime")
    model, X = network()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        to_onnx(model, path)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        run = lambda: session.run(None, {"X": X})[0]
        return {
            "what": "784-256-10, float32", "difference": compare(run(), model(X).data),
            "size": path.stat().st_size, "ms": clock(lambda: to_onnx(model, path)),
            "there": clock(run), "here": clock(lambda: model.predict(X)),
        }  # fmt: skip


def torch() -> dict[str, Any]:
    library: Any = import_module("torch")
    model, X = network()
    module, x = to_torch(model), library.tensor(X)

    def run() -> Any:
        with library.no_grad():
            return module(x)

    return {
        "what": "784-256-10, float32", "difference": compare(run(), model(X).data),
        "size": model.layers[0].weight.size * 4 + model.layers[1].weight.size * 4,
        "ms": clock(lambda: to_torch(model)), "there": clock(run),
        "here": clock(lambda: model.predict(X)),
    }  # fmt: skip


def back() -> dict[str, Any]:
    library: Any = import_module("torch")
    model, X = network()
    module = to_torch(model)
    with library.no_grad():
        theirs = module(library.tensor(X)).numpy()
    again = from_torch(module)
    return {
        "what": "784-256-10, float32", "difference": compare(again(X).data, theirs),
        "ms": clock(lambda: from_torch(module)),
    }  # fmt: skip


def page() -> dict[str, Any]:
    """Convert 2-16-16-1 to Values and write the page that steps through one sample."""
    library: Any = import_module("torch")
    layers = library.nn
    module = layers.Sequential(
        layers.Linear(2, 16), layers.Tanh(), layers.Linear(16, 16), layers.ReLU(),
        layers.Linear(16, 1),
    ).double()  # fmt: skip

    def make() -> tuple[Any, Any, str]:
        scalars = from_torch(module).to_scalar()
        out = scalars([Value(0.5, "x0"), Value(-1.0, "x1")])
        out.backward()
        return scalars, out, step(out, scalars).html

    scalars, out, html = make()
    theirs = module(library.tensor([[0.5, -1.0]], dtype=library.float64))
    theirs.sum().backward()
    slopes = np.concatenate([p.grad.numpy().ravel() for p in module.parameters()])
    ours = [n for x in scalars.modules for n in (
        [w.grad for neuron in x.neurons for w in neuron.weights],
        [neuron.bias.grad for neuron in x.neurons],
    )]  # fmt: skip
    difference = max(compare(np.concatenate(ours), slopes), compare(out.data, theirs.item()))
    return {
        "what": "2-16-16-1, values and gradients", "difference": difference,
        "size": len(html.encode()), "ms": clock(make),
    }  # fmt: skip


def sklearn() -> dict[str, Any]:
    """Train on the digits of scikit-learn; pickle and load."""
    estimators: Any = import_module("nn.sklearn")
    X, y = import_module("sklearn.datasets").load_digits(return_X_y=True)
    classifier = estimators.MLPClassifier(epochs=20, random_state=0)
    trained = classifier.fit(X / 16, y)
    content = pickle.dumps(trained)
    again = pickle.loads(content)
    return {
        "what": "digits, 64-32-10, 20 epochs",
        "difference": compare(again.predict_proba(X), trained.predict_proba(X)),
        "size": len(content), "ms": clock(lambda: classifier.fit(X / 16, y)),
    }  # fmt: skip


def networkx() -> dict[str, Any]:
    """Convert the graph of the loss of 100 moons with a network of 337 scalars."""
    X, y = data.moons(100, rng=0)
    model = scalar.MLP(2, [16, 16, 1], rng=0)
    loss = losses.hinge([model(x) for x in X.tolist()], (2 * y - 1).tolist())
    loss.backward()
    graph, order = to_networkx(loss), topological(loss)
    data_of = [graph.nodes[k]["grad"] for k in graph]
    return {
        "what": f"{graph.number_of_nodes():,} nodes, {graph.number_of_edges():,} edges",
        "difference": compare(data_of, [node.grad for node in order]),
        "ms": clock(lambda: to_networkx(loss)),
    }  # fmt: skip


WAYS = {
    "to_onnx": onnx, "to_torch": torch, "from_torch": back, "from_torch, to_scalar, step": page,
    "nn.sklearn": sklearn, "to_networkx": networkx,
}  # fmt: skip


def table(effort: Effort) -> str:
    """Return the table of all conversions."""
    results = interleaved([("interop", way) for way in WAYS], effort.rounds)
    rows = []
    for (_, way), x in results.items():
        size = f"{x['size'] / 1e3:,.0f} kB" if "size" in x else ""
        times = [f"{x[key]:,.2f}" if key in x else "" for key in ("ms", "there", "here")]
        rows.append([way, x["what"], f"{x['difference']:.1e}", size, *times])
    title = (
        f"Conversions to and from other libraries (medians of {effort.rounds} rounds; CPU time on "
        "1 thread; difference: relative to the largest result; size: of the file, page, pickle or "
        f"weights; there, here: predicting {BATCH} samples with the other library, and with nn)"
    )
    head = ["conversion", "of what", "difference", "size", "ms", "there, ms", "here, ms"]
    return format_table(head, rows, title)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(WAYS[sys.argv[1]]()))
    else:
        print(table(FULL))
