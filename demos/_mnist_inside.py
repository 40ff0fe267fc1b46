"""An inspection of one digit: an array network, evaluated again node by node as Values."""

from typing import Any, NamedTuple

import numpy as np

from demos.shared.timing import Stopwatch
from engine import Array, Value, topological
from nn import losses, vector


class Neuron(NamedTuple):
    """A hidden neuron that favours the prediction over the label."""

    unit: int
    vote: float  # its activation times the difference of its weights to the two logits
    contributions: np.ndarray  # to the vote, by pixel


class Inspection(NamedTuple):
    """A digit evaluated as Values and as arrays, and the reasons for the wrong prediction."""

    digit: np.ndarray
    label: int
    prediction: int
    nodes: int
    parameters: int
    seconds: float
    logits: np.ndarray  # of the float64 arrays
    gradients: np.ndarray  # d loss / d logit, of the Values
    float32_errors: tuple[float, float]  # largest difference of a logit, and of a gradient, ...
    float64_errors: tuple[float, float]  # ... between the Values and arrays of the dtype
    contributions: np.ndarray  # pixel times d (logit of prediction - logit of label) / d pixel
    neurons: list[Neuron]  # those with the largest votes

    def report(self) -> str:
        """Return a table of logits and gradients, and how far Values and arrays differ."""
        difference = "at most {:.0e} in a logit, {:.0e} in a gradient"
        lines = [
            f"\nThe most confident mistake, a {self.label} predicted as {self.prediction}, with "
            f"{self.parameters:,} Values as parameters: {self.nodes:,} nodes, {self.seconds:.2f} s",
            "class   " + "".join(f"{k:9}" for k in range(len(self.logits))),
            "logit   " + "".join(f"{z:9.3f}" for z in self.logits),
            "gradient" + "".join(f"{g:9.3f}" for g in self.gradients) + "   softmax - one-hot",
            "Values differ from the trained float32 arrays by "
            + difference.format(*self.float32_errors),
            "Values differ from the same network in float64 by "
            + difference.format(*self.float64_errors),
        ]
        return "\n".join(lines)


def inspect_digit(model: vector.MLP, x: np.ndarray, label: int, prediction: int) -> Inspection:
    """Evaluate and differentiate the loss of a digit, as Values and as arrays."""
    stopwatch = Stopwatch()
    scalars = model.to_scalar()
    pixels = [Value(pixel) for pixel in x.tolist()]
    z = scalars(pixels)
    loss = losses.cross_entropy([z], [label])
    loss.backward()
    seconds = stopwatch.lap()

    from_values = (
        np.array([logit.data for logit in z]),
        np.array([p.grad for p in [*scalars.parameters(), *pixels]]),
    )
    float32_errors = largest_differences(from_values, evaluate(model, Array(x[None]), label))
    arrays, X = scalars.to_vector(), Array(x[None].astype(float))
    float64_errors = largest_differences(from_values, evaluate(arrays, X, label))
    logits = arrays(X)
    return Inspection(
        digit=x,
        label=label,
        prediction=prediction,
        nodes=len(topological(loss)),
        parameters=len(scalars.parameters()),
        seconds=seconds,
        logits=logits.data[0],
        gradients=np.array([logit.grad for logit in z]),
        float32_errors=float32_errors,
        float64_errors=float64_errors,
        contributions=pixel_contributions(X, logits[0, prediction] - logits[0, label]),
        neurons=strongest_neurons(arrays, X, label, prediction),
    )


def evaluate(model: vector.MLP, X: Array, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits, and the gradients in the order of Values: by neuron, then by pixel."""
    for leaf in [*model.parameters(), X]:
        leaf.zero_grad()
    logits = model(X)
    losses.cross_entropy(logits, [label]).backward()
    grads = [
        np.column_stack([layer.weight.grad, layer.bias.grad]).ravel() for layer in model.layers
    ]
    return logits.data[0], np.concatenate([*grads, X.grad.ravel()])


def largest_differences(
    a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]
) -> tuple[float, float]:
    return float(abs(a[0] - b[0]).max()), float(abs(a[1] - b[1]).max())


def pixel_contributions(X: Array, out: Array) -> np.ndarray:
    """Return the first-order contribution of each pixel to `out`: pixel times d out / d pixel."""
    X.zero_grad()
    out.sum().backward()
    return (X.data * X.grad).ravel()


def strongest_neurons(arrays: vector.MLP, X: Array, label: int, prediction: int) -> list[Neuron]:
    """Return the neurons of the last hidden layer that most favour `prediction` over `label`."""
    *hidden, last = arrays.layers
    activations: Any = X
    for layer in hidden:
        activations = layer(activations)
    weights = last.weight.data[prediction] - last.weight.data[label]
    votes = weights * activations.data[0]
    return [
        Neuron(k, float(votes[k]), pixel_contributions(X, activations[0, k] * weights[k]))
        for k in np.argsort(-votes)[:4].tolist()
    ]
