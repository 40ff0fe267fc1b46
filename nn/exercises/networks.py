"""Exercises on networks: a neuron, a loss, a training step, and a layer on arrays."""

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import engine
from engine import Value
from engine.support.lazy import numpy_for
from nn import losses
from nn.exercises.grader import Exercise, Observed, Run, WrongAnswer, check_type, compute_gradients

Numbers = list[float]


def label_values(name: str, data: Numbers) -> list[Value]:
    return [Value(x, f"{name}{k}") for k, x in enumerate(data, 1)]


def observe_output(call: str, out: Any, leaves: list[Value]) -> Observed:
    """Return the data of an output, and the gradients of the leaves after its backward pass."""
    if not check_type(call, out).constant:
        out.backward()
    gradients = {f"after backward(), {leaf.label}.grad": leaf.grad for leaf in leaves}
    return {call: out.data, **gradients}


def observe_neuron(run: Run, w: Numbers, x: Numbers, b: float) -> Observed:
    args = label_values("w", w), label_values("x", x), Value(b, "b")
    call = "neuron(w, x, b)"
    return observe_output(call, run(call, *args), [*args[0], *args[1], args[2]])


def weighted_sum(w: list[Value], x: list[Value]) -> Any:
    """Return the sum of products, each of which is a node of the drawing."""
    return add_up_nodes([a * b for a, b in zip(w, x, strict=True)])


def add_up_nodes(nodes: list[Any]) -> Any:
    """Return the sum of nodes, without the 0 that `sum` starts with."""
    return sum(nodes[1:], start=nodes[0])


def draw_neuron(w: Numbers, x: Numbers, b: float) -> Any:
    z = weighted_sum(label_values("w", w), label_values("x", x)) + Value(b, "b")
    return compute_gradients(z.relu())


neuron = Exercise(
    name="neuron", follows="loss",
    inputs=lambda: [
        *product(([1.0], [2.0], [-1.0]), ([1.0], [3.0]), (0.0, 1.0, -4.0)),
        *product(([1.0, 3.0], [-2.0, 3.0]), ([1.0, 2.0], [4.0, 3.0]), (0.0, 5.0, 20.0)),
    ],
    given="For w = {}, x = {} and b = {}:\n",
    observe=observe_neuron,
    graph=draw_neuron,
    right=lambda w, x, b: (weighted_sum(w, x) + b).relu(),
    mistakes={
        "the bias is missing.": lambda w, x, b: weighted_sum(w, x).relu(),
        "the activation is missing.": lambda w, x, b: weighted_sum(w, x) + b,
        "the activation is relu here, not tanh.": lambda w, x, b: (weighted_sum(w, x) + b).tanh(),
        "add the bias before the activation.": lambda w, x, b: weighted_sum(w, x).relu() + b,
        "the result is correct, but its graph does not contain w. Use no `.data`.":
            lambda w, x, b: (weighted_sum([v.detach() for v in w], x) + b).relu(),
        "the result is correct, but its graph does not contain b. Use no `.data`.":
            lambda w, x, b: (weighted_sum(w, x) + b.detach()).relu(),
    },
    hints=[
        "Multiply each weight by its input. `zip(w, x)` pairs them.",
        "Add the products, then the bias. `sum` adds Values, too.",
        "Apply the activation last. A Value has the method `relu()`.",
    ],
)  # fmt: skip


def observe_loss(run: Run, predictions: Numbers, targets: Numbers) -> Observed:
    values, call = label_values("p", predictions), "loss(predictions, targets)"
    return observe_output(call, run(call, values, [*targets]), values)


def mean(term: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return a loss, the mean of a function of prediction - target."""
    return lambda p, t: add_up_nodes([term(a - b) for a, b in zip(p, t, strict=True)]) / len(t)


loss = Exercise(
    name="loss", follows="training_step",
    inputs=lambda: [
        *product(([0.0], [1.0], [-1.0], [3.0]), ([0.0], [1.0], [-2.0])),
        *product(([0.0, 2.0], [1.0, -1.0], [-3.0, 2.0]), ([1.0, -2.0], [3.0, 1.0])),
        ([1.0, 2.0, 4.0, -2.0], [0.0, 3.0, 2.0, 3.0]),
    ],
    given="For predictions = {} and targets = {}:\n",
    observe=observe_loss,
    graph=lambda p, t: compute_gradients(mean(Value.square)(label_values("p", p), t)),
    right=losses.mse,
    mistakes={
        "this is the sum of the squares. Divide it by their number.":
            lambda p, t: losses.mse(p, t) * len(t),
        "square the differences, so that errors of opposite signs do not cancel.":
            [mean(lambda d: d), mean(lambda d: -d)],
        "this is the mean of the absolute errors, not of their squares.": mean(abs),
        "square each difference, not their mean.": lambda p, t: mean(lambda d: d)(p, t) ** 2,
        "the result is correct, but its graph does not contain the predictions. Use no `.data`.":
            lambda p, t: losses.mse([v.detach() for v in p], t),
    },
    hints=[
        "The error of a prediction p for a target t is p - t.",
        "Square each error. A Value has `**`.",
        "Add the squares and divide by their number, `len(targets)`.",
    ],
)  # fmt: skip

LOSSES: dict[str, Callable[[list[Value]], Any]] = {
    "w1 * w1": lambda w: w[0] * w[0],
    "(w1 - 3) ** 2": lambda w: (w[0] - 3.0) ** 2,
    "w1 * w1 + w2": lambda w: w[0] * w[0] + w[1],
    "(w1 * w2 - 1) ** 2": lambda w: (w[0] * w[1] - 1.0) ** 2,
}


def observe_training(run: Run, name: str, start: Numbers, lr: float) -> Observed:
    """Return the parameters after one step and after two."""
    w = label_values("w", start)
    observed: Observed = {}
    for when in ("after a step", "after a second step"):
        run("training_step(parameters, loss, lr)", w, lambda: LOSSES[name](w), lr)
        observed |= {f"{when}, {p.label}.data": p.data for p in w}
    return observed


def step_by(
    update: Callable[[float, float, float], float], zero: bool = True
) -> Callable[..., None]:
    """Return a training step that replaces each parameter by update(data, gradient, lr)."""

    def run_step(parameters: list[Value], loss: Callable[[], Value], lr: float) -> None:
        for p in parameters if zero else []:
            p.zero_grad()
        loss().backward()
        for p in parameters:
            p.data = update(p.data, p.grad, lr)

    return run_step


def downhill(data: float, gradient: float, lr: float) -> float:
    return data - lr * gradient


training_step = Exercise(
    name="training_step", follows="gradient_check",
    inputs=lambda: [
        *product([*LOSSES][:2], ([1.0], [-2.0], [4.0]), (0.25, 0.125)),
        *product([*LOSSES][2:], ([1.0, 2.0], [-2.0, 1.0], [4.0, -1.0]), (0.25, 0.125)),
    ],
    given="For loss = {}, parameters = {} and lr = {}:\n",
    observe=observe_training,
    graph=lambda name, start, lr: compute_gradients(LOSSES[name](label_values("w", start))),
    right=step_by(downhill),
    mistakes={
        "the step goes uphill. Subtract lr · gradient.":
            step_by(lambda data, gradient, lr: data + lr * gradient),
        "the gradient is not set to zero, so that it is the sum of those of both steps.":
            step_by(downhill, zero=False),
        "the learning rate is missing.": step_by(lambda data, gradient, lr: data - gradient),
        "the parameters do not move. Does `loss()` run its backward pass before the update, and is "
        "`p.data` assigned?": step_by(lambda data, gradient, lr: data),
    },
    hints=[
        "Call `loss()` to get the Value of the loss. Its `backward()` gives each parameter its "
        "gradient.",
        "The gradient points uphill: subtract lr times the gradient from `p.data`.",
        "`backward()` adds to the gradients of leaves. Set them to zero with `p.zero_grad()`.",
    ],
)  # fmt: skip

SHAPES = [(1, 1, 1), (1, 2, 1), (1, 1, 2), (2, 1, 1), (2, 2, 2), (3, 2, 3), (2, 3, 4)]


def small_layers() -> Iterable[Any]:
    """Return X, W and dZ, arrays of small whole numbers, for samples, inputs and outputs."""
    rng = numpy_for("nn.exercises.layer").random.default_rng(0)
    for samples, inputs, outputs in SHAPES:
        shapes = (samples, inputs), (outputs, inputs), (samples, outputs)
        yield tuple(rng.integers(1, 5, shape).astype(float) for shape in shapes)


def observe_layer(run: Run, X: Any, W: Any, dZ: Any) -> Observed:
    call = "layer_backward(X, W, dZ)"
    grads = run(call, X.copy(), W.copy(), dZ.copy())
    if not isinstance(grads, tuple | list) or len(grads) != 3:
        raise WrongAnswer(f"{call} should be three arrays, dX, dW and db, not {grads!r}.")
    observed = dict(zip(("dX", "dW", "db"), grads, strict=True))
    for (name, grad), shape in zip(observed.items(), (X.shape, W.shape, W.shape[:1]), strict=True):
        if not isinstance(grad, type(X) | type(X[0, 0])) or grad.dtype.kind not in "biuf":
            raise WrongAnswer(f"{name} should be an array, not {grad!r}.")
        if grad.shape != shape:
            remedy = ": it is transposed" if grad.shape == shape[::-1] else ""
            if name == "db":
                remedy = ": sum dZ over the samples, axis 0"
            raise WrongAnswer(f"{name} should have the shape {shape}, not {grad.shape}{remedy}.")
    return observed


def draw_layer(X: Any, W: Any, dZ: Any) -> Any:
    """Return Z with the gradient dZ, that of the sum of Z * dZ."""
    Z = engine.Array(X, "X") @ engine.Array(W, "W").T + engine.Array(0.0 * W[:, 0], "b")
    Z.label = "Z"
    (Z * dZ).sum().backward()
    return Z


def differentiate_layer(X: Any, W: Any, dZ: Any) -> tuple[Any, ...]:
    gradients = {node.label: node.grad for node in engine.topological(draw_layer(X, W, dZ))}
    return gradients["X"], gradients["W"], gradients["b"]


layer = Exercise(
    name="layer", follows="a network that learns, in 3_moons.ipynb",
    inputs=small_layers,
    given="For X = {}, W = {} and dZ = {}:\n",
    observe=observe_layer,
    graph=draw_layer,
    right=differentiate_layer,
    mistakes={
        "do not divide by the number of samples: dZ contains the factor of the mean.":
            lambda X, W, dZ: (dZ @ W, dZ.T @ X / len(X), dZ.mean(axis=0)),
        "dW is transposed.": lambda X, W, dZ: (dZ @ W, X.T @ dZ, dZ.sum(axis=0)),
        "sum over the samples, axis 0.": lambda X, W, dZ: (dZ @ W, dZ.T @ X, dZ.sum(axis=1)),
        "W is transposed here; in Z = X Wᵀ it is transposed already.":
            lambda X, W, dZ: (dZ @ W.T, dZ.T @ X, dZ.sum(axis=0)),
    },
    hints=[
        "A gradient has the shape of its array. Only one product of dZ and W has the shape of X.",
        "Each sample contributes to dW: the outer product of its row of dZ and its row of X. A "
        "matrix product adds them up.",
        "b is added to each row of Z, so db is the sum of the rows of dZ.",
    ],
)  # fmt: skip
