"""A look inside a network of arrays: one digit sent through it again, scalar by scalar."""

import time
from typing import Any, NamedTuple

import numpy as np

from engine import Array, Value, topological
from nn import losses


class Inside(NamedTuple):
    """One digit in both paths, and what in it spoke for the wrong answer."""

    digit: np.ndarray
    label: int
    taken_for: int
    nodes: int
    parameters: int
    seconds: float
    logits: np.ndarray  # by the array path, in float64
    gradients: np.ndarray  # d loss / d logit, by the scalar path
    trained: tuple[float, float]  # the largest difference of a logit, of a gradient: from float32
    lifted: tuple[float, float]  # ... and from the same numbers as float64 arrays
    ink: np.ndarray  # each pixel times d (logit of taken_for - logit of label) / d pixel
    neurons: list[tuple[int, float, np.ndarray]]  # the loudest: place, vote, its part of the ink

    def report(self) -> str:
        """A table to be printed."""
        far = "differ from {} by at most {:.0e} in a logit, {:.0e} in a gradient"
        lines = [
            f"\nA look inside: the {self.label} most surely taken for a {self.taken_for}, as "
            f"{self.parameters:,} Values; {self.nodes:,} nodes, {self.seconds:.2f} s",
            "class   " + "".join(f"{k:9}" for k in range(len(self.logits))),
            "logit   " + "".join(f"{z:9.3f}" for z in self.logits),
            "gradient" + "".join(f"{g:9.3f}" for g in self.gradients) + "   predicted - target",
            "scalars " + far.format("the network that was trained, in float32,", *self.trained),
            "scalars " + far.format("the same network as arrays of float64", *self.lifted),
        ]
        return "\n".join(lines)


def look_inside(model: Any, x: np.ndarray, label: int, taken_for: int) -> Inside:
    """Send a digit through the network as Values and as arrays, forward and backward."""
    start = time.perf_counter()
    scalars = model.to_scalar()
    pixels = [Value(each) for each in x.tolist()]
    z = scalars(pixels)
    loss = losses.cross_entropy([z], [label])
    loss.backward()
    seconds = time.perf_counter() - start

    by_scalars = (
        np.array([each.data for each in z]),
        np.array([p.grad for p in [*scalars.parameters(), *pixels]]),
    )
    trained = by_arrays(model, Array(x[None]), label)
    arrays, X = scalars.to_vector(), Array(x[None].astype(float))
    lifted = by_arrays(arrays, X, label)
    logits = arrays(X)
    return Inside(
        digit=x,
        label=label,
        taken_for=taken_for,
        nodes=len(topological(loss)),
        parameters=len(scalars.parameters()),
        seconds=seconds,
        logits=logits.data[0],
        gradients=np.array([each.grad for each in z]),
        trained=apart(by_scalars, trained),
        lifted=apart(by_scalars, lifted),
        ink=ink_of(X, logits[0, taken_for] - logits[0, label]),
        neurons=loudest(arrays, X, label, taken_for),
    )


def by_arrays(model: Any, X: Array, label: int) -> tuple[np.ndarray, np.ndarray]:
    """The logits, and the gradients in the scalars' order: neuron by neuron, then the pixels."""
    for each in [*model.parameters(), X]:
        each.zero_grad()
    logits = model(X)
    losses.cross_entropy(logits, [label]).backward()
    grads = [np.column_stack([each.weight.grad, each.bias.grad]).ravel() for each in model.layers]
    return logits.data[0], np.concatenate([*grads, X.grad.ravel()])


def apart(some: Any, others: Any) -> tuple[float, float]:
    """The largest differences."""
    a, b = (float(abs(x - y).max()) for x, y in zip(some, others, strict=True))
    return a, b


def ink_of(X: Array, out: Array) -> np.ndarray:
    """What each pixel contributes to `out` to first order: itself times d out / d pixel."""
    X.zero_grad()
    out.sum().backward()
    return (X.data * X.grad).ravel()


def loudest(arrays: Any, X: Array, label: int, taken_for: int) -> list[tuple[int, float, Any]]:
    """Of the last hidden layer, the neurons that speak most for `taken_for`, against `label`."""
    *hidden, last = arrays.layers
    a: Any = X
    for layer in hidden:
        a = layer(a)
    weights = last.weight.data[taken_for] - last.weight.data[label]
    votes = weights * a.data[0]
    places = np.argsort(-votes)[:4].tolist()
    return [(k, float(votes[k]), ink_of(X, a[0, k] * weights[k])) for k in places]
