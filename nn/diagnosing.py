"""Where gradients vanish, explode or end in a network, layer by layer (chapter 02, 8)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np

from engine.graph import topological
from engine.rules import RELU
from engine.watch.no_grad import keep_graphs
from nn import losses
from nn.batches import finite
from nn.diagnosis import Diagnosis, LayerReport, problems_of
from nn.layers import Layers
from nn.module import Module
from nn.objective import Objective, number_of
from nn.taped import Taped


@keep_graphs(check_results=True)
def diagnose(
    model: Any, X: Any, y: Any, *, loss: str | Callable[[Any, Any], Any] | None = None
) -> Diagnosis:
    """What goes forwards and what comes back at each layer of a model, for some samples.

    A layer is the innermost Module around a parameter (for Neurons, the one around them); what is
    computed from its parameters is its own, up to the next layer. A few hundred samples are enough.
    Nothing of the model changes: neither gradients, nor running statistics, nor random states; it
    is looked at in the mode that it is in, `train()` or `eval()`.

    loss    a function (predictions, targets) -> node or the name of one in `nn.losses`. None takes
            cross_entropy for several outputs and one whole number a sample, hinge for labels of -1
            and 1, binary_cross_entropy for 0 and 1, mse for anything else.

    The result prints as a table with what is wrong and what helps, and draws itself; see
    `Diagnosis`. TypeError for what is no Module; ValueError for samples that do not fit.

    >>> from nn import MLP, data
    >>> X, y = data.moons(50, rng=0)
    >>> print(diagnose(MLP(2, [8, 8, 1], "tanh", rng=0), X, y))
    layer     what                   outputs  gradient  of weights  dead  flat
    layers.0  Layer(2, 8, 'tanh')        0.6      0.22       0.048    0%    2%
    layers.1  Layer(8, 8, 'tanh')      0.481      0.23       0.038    0%    0%
    layers.2  Layer(8, 1, 'linear')    0.302      0.54        0.13     -     -
    """
    if isinstance(model, Taped) or not isinstance(model, Module):
        raise TypeError(
            f"diagnose looks at a Module such as nn.MLP(2, [16, 1]), got {model!r}; "
            "of a tape, at the model that it was recorded from, after tape.sync()"
        )
    X, y = finite(X, y)
    with left_as_it_was(model):
        predictions, targets = Objective(model, losses.mse, None, None).predicted(X, y)
        value = named(loss, predictions, targets)(predictions, targets)
        layers = Layers(model, predictions)
        parameters = model.named_parameters()
        with gradients_aside([*topological(value), *parameters.values()]):
            value.backward()
            reports = [report(layers, name, len(X)) for name in layers.names]
        reached = set(topological(value))
        without = [name for name, p in parameters.items() if p not in reached]
    return Diagnosis(number_of(value), reports, problems_of(reports, without))


def named(loss: Any, predictions: Any, targets: Any) -> Callable[[Any, Any], Any]:
    """The loss, or the one that the targets look like."""
    if loss is not None:
        return losses.named(loss)
    labels = np.asarray(targets)
    shape = getattr(predictions, "shape", None) or np.shape(predictions)
    if len(shape) == 2 and shape[1] > 1 and labels.ndim == 1 and not np.any(labels % 1):
        return losses.cross_entropy
    for classes, fitting in [((-1, 1), losses.hinge), ((0, 1), losses.binary_cross_entropy)]:
        if np.isin(labels, classes).all():
            return fitting
    return losses.mse


@contextmanager
def left_as_it_was(model: Module) -> Iterator[None]:
    """What a forward pass changes, put back: running statistics and random states."""
    state = {x: x.data for x in model.named_state().values() if x.constant}
    chance = {rng: deepcopy(rng.bit_generator.state) for rng in model.generators().values()}
    try:
        yield
    finally:
        for x, data in state.items():
            if x.data is not data:
                x.data = data
        for rng, before in chance.items():
            rng.bit_generator.state = before


@contextmanager
def gradients_aside(nodes: list[Any]) -> Iterator[None]:
    """The gradients of leaves are 0 within it, and afterwards what they were."""
    leaves = [x for x in nodes if x.op is None and not x.constant]
    before = [(x, x._grad, x._dx) for x in leaves]
    try:
        for x in leaves:
            x.zero_grad()
        yield
    finally:
        for x, gradient, used in before:
            x._grad, x._dx = gradient, used


FLAT = 0.01  # the slope under which an activation hardly lets a gradient through


def report(layers: Layers, name: str, samples: int) -> LayerReport:
    """A layer's numbers, after the backward pass."""
    module, outputs = layers.modules[name], list(layers.outputs[name])
    parameters = layers.parameters[name]
    slopes = [np.abs(each) for each in layers.slopes(name)]
    every = np.concatenate(slopes) if slopes else np.zeros(0)
    return LayerReport(
        name=name or type(module).__name__,
        what=repr(module),
        outputs=rms([x.data for x in outputs]),
        gradient=samples * rms([x.grad for x in outputs]),
        of_weights=rms([p.grad for p in parameters]),
        units=len(slopes),
        dead=sum(not each.any() for each in slopes),
        flat=float(np.mean(every < FLAT)) if len(every) else 0.0,
        cuts=any(node.op is RELU for _, node in layers.activations[name]),
    )


@np.errstate(all="ignore")
def rms(arrays: list[Any]) -> float:
    """The root of the mean square of all elements."""
    every = np.concatenate([np.ravel(each) for each in arrays]).astype(float)
    largest = float(np.abs(every).max(initial=0.0))
    if not 0.0 < largest < np.inf:
        return largest
    return largest * float(np.sqrt(np.mean(np.square(every / largest))))  # no square overflows
