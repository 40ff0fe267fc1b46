"""Convert your own PyTorch network to scalars, and step through both passes.

Trains a module of PyTorch on two moons, converts it to arrays and to scalars, and compares the
gradients of one sample with those of PyTorch. Writes from_torch.html: a page that steps through
both passes. With --file, it does so for your own network: a Python file defines net, a module, and
x, the inputs of one sample. The gradients are then those of the largest output.
"""

import copy
import runpy
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from engine import Value
from engine.draw import step
from engine.support.lazy import import_extra
from nn import data, losses
from nn.interop import from_torch, torch_names

torch: Any = import_extra("torch", "the demo from_torch", "torch")
EPOCHS = 300


class Net(torch.nn.Module):
    """A network of three layers, with a typical `forward`."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(2, 4)
        self.second = torch.nn.Linear(4, 4)
        self.head = torch.nn.Linear(4, 1)

    def forward(self, x: Any) -> Any:
        x = torch.tanh(self.first(x))
        x = torch.nn.functional.silu(self.second(x))
        return self.head(x)


def main(out: Path, file: Path | None = None) -> None:
    if file is None:
        show(*train(), out)
        return
    net, x = load(file)
    try:
        show(net, x, None, out)
    except (AttributeError, TypeError, ValueError, RuntimeError) as problem:  # also PyTorch's
        sys.exit(f"--file {file}: {problem}".partition("\n")[0])


def show(net: Any, x: list[float], y: float | None, out: Path) -> None:
    """Print the network and the comparison, and write the page."""
    net = net.double().eval()
    scalars = from_torch(net).to_scalar()
    print(f"{net}\n\nhere: {scalars}\n")

    inputs = [Value(number, f"x{i}") for i, number in enumerate(x)]
    outputs = scalars(inputs)
    loss = compute_loss(outputs, y)
    loss.backward()
    print(compare(net, x, y, scalars, outputs))
    page = step(loss, scalars).save(out / "from_torch.html")
    print(f"\nwrote {page}: the arrow keys step; click a value for its details")


def train() -> tuple[Any, list[float], float]:
    """Return a network that has learned two moons, and the sample with the largest loss."""
    torch.manual_seed(0)
    X, y = data.moons(100, noise=0.1, rng=1)
    net, inputs, labels = Net().double(), torch.tensor(X), torch.tensor(y).double()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(EPOCHS):
        optimizer.zero_grad()
        logits = net(inputs)[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
        loss.backward()
        optimizer.step()
    errors = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    worst = int(errors.argmax())
    print(f"trained with PyTorch: loss {loss:.4f}\n")
    return net, X[worst].tolist(), float(y[worst])


def load(file: Path) -> tuple[Any, list[float]]:
    """Return the network and the sample that the user's file defines. Exits with a message."""
    expected = f"--file {file}: expected a Python file that defines net and x"
    try:
        file.read_bytes()
    except OSError as problem:
        sys.exit(f"--file {file}: {problem.strerror}; choose a Python file that defines net and x")
    try:
        names = runpy.run_path(str(file))
    except Exception as problem:  # the file may do anything
        sys.exit(f"{expected}, got {type(problem).__name__}{find_line(problem, file)}: {problem}")
    if missing := [name for name in ("net", "x") if name not in names]:
        sys.exit(f"{expected}, the inputs of one sample; it has no {missing[0]}")
    net, x = names["net"], names["x"]
    if not isinstance(net, torch.nn.Module):
        sys.exit(f"{expected}; net must be a torch.nn.Module, got {net!r}")
    try:
        return net, torch.as_tensor(x).detach().double().ravel().tolist()
    except (TypeError, ValueError, RuntimeError):
        sys.exit(f"{expected}; x must be the inputs of one sample as numbers, got {x!r}")


def find_line(problem: BaseException, file: Path) -> str:
    """Return the line of a file in which an error was raised: " in line 3"."""
    frames = traceback.extract_tb(problem.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(file)]
    return f" in line {lines[-1]}" if lines else ""


def compute_loss(outputs: Any, y: float | None) -> Value:
    """Return the binary cross entropy for a label, or without one the largest output."""
    if y is not None:
        return losses.binary_cross_entropy([outputs], [y])
    outputs = outputs if isinstance(outputs, list) else [outputs]
    return max(outputs, key=lambda output: output.data)


def compare(net: Any, x: list[float], y: float | None, scalars: Any, outputs: Any) -> str:
    """Return a table of the gradients of each weight, in PyTorch and here."""
    z = net(torch.tensor([x], dtype=torch.float64))[0]
    ours = [output.data for output in (outputs if isinstance(outputs, list) else [outputs])]
    difference = np.abs(z.detach().numpy() - ours).max()
    if y is None:
        root = z.max()
    else:
        target = torch.tensor(y, dtype=torch.float64)
        root = torch.nn.functional.binary_cross_entropy_with_logits(z[0], target)
    net.zero_grad()
    root.backward()
    gradients = read_gradients(scalars, from_torch(net).named_state())
    theirs = dict(net.named_parameters())
    rows = [
        f"{'weight in PyTorch':24} {'shape':>10} {'norm of its gradient':>22} {'difference':>12}"
    ]
    for path, name in torch_names(net).items():
        if name in theirs and theirs[name].grad is not None:
            g = theirs[name].grad.numpy()
            error = np.abs(g - gradients[path]).max()
            shape = "×".join(map(str, g.shape))
            rows.append(f"{name:24} {shape:>10} {np.linalg.norm(g):>22.6g} {error:>12.1e}")
    return "\n".join([f"outputs differ by {difference:.1e}\n", *rows])


def read_gradients(scalars: Any, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the gradients of a network of scalars as arrays, by the names of the arrays."""
    gradients = copy.deepcopy(scalars)
    for place, value in zip(gradients.parameters(), scalars.parameters(), strict=True):
        place.data = value.grad
    return dict(zip(names, gradients.to_vector().state_dict().values(), strict=True))
