"""`diagnose`: where gradients vanish, explode or stop in a network, layer by layer."""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.graph import CHANGED, deliver, topological
from engine.node import Node
from engine.rules import RELU
from engine.support.embed import embed_image
from engine.watch.no_grad import keep_graphs
from nn import losses
from nn.batches import to_finite_samples
from nn.keywords import answer_keywords
from nn.layers import Layers
from nn.module import Module
from nn.objective import Loss, Objective, to_float
from nn.problems import SATURATED, LayerReport, Problem, find_problems
from nn.taped import Jitted, Taped

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike


@dataclass
class Diagnosis:
    """The layers of a network, from the first to the last, and its problems, the worst first.

    It prints as a table. `plot()`, `save(path)` and Jupyter draw it with matplotlib.

    >>> from nn import MLP, data, diagnose
    >>> X, y = data.moons(50, rng=0)
    >>> diagnosis = diagnose(MLP(2, [8] * 9 + [1], "sigmoid", rng=0), X, y)
    >>> [problem.kind for problem in diagnosis.problems]
    ['vanishing']
    >>> [layer.name for layer in diagnosis.layers][:2]
    ['layers.0', 'layers.1']
    """

    loss: float
    layers: list[LayerReport]
    problems: list[Problem]

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [
            ("layer", "module", "outputs", "gradient", "of weights", "dead", "saturated")
        ]
        for layer in self.layers:
            shares = ("-", "-")
            if layer.units:
                shares = (f"{layer.dead / layer.units:.0%}", f"{layer.saturated:.0%}")
            sizes = (layer.outputs, layer.gradient, layer.weight_gradient)
            cells = [f"{size:.{digits}g}" for size, digits in zip(sizes, (3, 2, 2), strict=True)]
            rows.append((layer.name, layer.module, *cells, *shares))
        a, b, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
        lines = [
            f"{name:<{a}}  {module:<{b}}"
            + "".join(f"  {x:>{width}}" for x, width in zip(numbers, widths, strict=True))
            for name, module, *numbers in rows
        ]
        return "\n".join([*lines, *[f"\n{problem}" for problem in self.problems]])

    def headline(self) -> str:
        """Return one line about the problems, grouped by kind.

        >>> from nn import MLP, data, diagnose
        >>> X, y = data.moons(50, rng=0)
        >>> diagnosis = diagnose(MLP(2, [8] * 9 + [1], "sigmoid", rng=0), X, y)
        >>> diagnosis.headline()
        'vanishing: layers.0'
        """
        places: dict[str, list[str]] = {}
        for problem in self.problems:
            places.setdefault(problem.kind, []).append(problem.where)
        groups = [
            f"{kind}: {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
            for kind, names in places.items()
        ]
        return "; ".join(groups) or "outputs and gradients, layer by layer"

    def plot(self) -> "Figure":
        """Return a matplotlib figure: sizes of the layers above, shares of units below.

        Raises ImportError if matplotlib is not installed.

        >>> from nn import MLP, data, diagnose
        >>> X, y = data.moons(50, rng=0)
        >>> diagnosis = diagnose(MLP(2, [8] * 9 + [1], "sigmoid", rng=0), X, y)
        >>> len(diagnosis.plot().axes)
        2
        """
        from nn.diagnosis_plot import plot_layers

        marked = {problem.where for problem in self.problems}
        return plot_layers(self.layers, self.headline(), marked)

    def save(self, path: str | PathLike[str]) -> None:
        """Save the plot in the format of the suffix: .svg, .png or .pdf.

        Raises ValueError for a suffix that matplotlib does not know, and ImportError if matplotlib
        is not installed.

        >>> from nn import MLP, data, diagnose
        >>> X, y = data.moons(50, rng=0)
        >>> diagnosis = diagnose(MLP(2, [8] * 9 + [1], "sigmoid", rng=0), X, y)
        >>> diagnosis.save("diagnosis.svg")  # doctest: +SKIP
        """
        self.plot().savefig(path, metadata={"Date": None} if f"{path}".endswith("svg") else None)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        bundle = {"text/plain": str(self)}
        try:
            file = io.StringIO()
            self.plot().savefig(file, format="svg", metadata={"Date": None})
            svg = bundle["image/svg+xml"] = file.getvalue()
            bundle["text/html"] = embed_image(svg, self.headline(), str(self))
        except ImportError:
            pass  # without matplotlib, Jupyter shows the table
        return bundle


@answer_keywords
@keep_graphs(check_results=True)
def diagnose(
    model: Module, X: "ArrayLike", y: "ArrayLike", *, loss: str | Loss | None = None
) -> Diagnosis:
    """Return the sizes of outputs and gradients at each layer of a model, and its problems.

    A layer is the innermost Module around a parameter; for a Neuron, the Module around the Neuron.
    It owns the nodes computed from its parameters, up to the next layer. A few hundred samples are
    enough. The model is evaluated in its current mode, `train()` or `eval()`. Its gradients,
    running statistics and random states are left unchanged.

    loss    a function (predictions, targets) -> node, or the name of one in `nn.losses`. None
            chooses by the targets: cross_entropy for several outputs and one integer per sample,
            hinge for labels -1 and 1, binary_cross_entropy for 0 and 1, mse for anything else.

    Raises TypeError for anything but a Module, and ValueError for samples that do not fit.

    >>> from nn import MLP, data
    >>> X, y = data.moons(50, rng=0)
    >>> print(diagnose(MLP(2, [8, 8, 1], "tanh", rng=0), X, y))
    layer     module                 outputs  gradient  of weights  dead  saturated
    layers.0  Layer(2, 8, 'tanh')        0.6      0.22       0.048    0%         2%
    layers.1  Layer(8, 8, 'tanh')      0.481      0.23       0.038    0%         0%
    layers.2  Layer(8, 1, 'linear')    0.302      0.54        0.13     -          -
    """
    if isinstance(model, Taped | Jitted) or not isinstance(model, Module):
        raise TypeError(
            f"diagnose expects a Module such as nn.MLP(2, [16, 1]), got {model!r}; "
            "for a tape, pass the model that it was recorded from, after tape.sync()"
        )
    samples = to_finite_samples(X, y)
    with _state_restored(model):
        predictions, targets = Objective(model, losses.mse).predict(*samples)
        value = _choose_loss(loss, predictions, targets)(predictions, targets)
        layers = Layers(model, predictions)
        nodes, parameters = topological(value), model.named_parameters()
        with _gradients_restored([*nodes, *parameters.values()]):
            if not value.constant:
                value.backward()
            reports = [_measure(layers, name, len(samples[0])) for name in layers.names]
    reached = set(nodes)
    unreached = [name for name, parameter in parameters.items() if parameter not in reached]
    return Diagnosis(to_float(value), reports, find_problems(reports, unreached))


def _choose_loss(loss: str | Loss | None, predictions: Any, targets: Any) -> Loss:
    """Return the given loss, or the one that fits the targets."""
    if loss is not None:
        return losses.get(loss)
    labels = np.asarray(targets)
    shape = getattr(predictions, "shape", None) or np.shape(predictions)
    if len(shape) == 2 and shape[1] > 1 and labels.ndim == 1 and not np.any(labels % 1):
        return losses.cross_entropy
    for classes, loss in [((-1, 1), losses.hinge), ((0, 1), losses.binary_cross_entropy)]:
        if np.isin(labels, classes).all():
            return loss
    return losses.mse


@contextmanager
def _state_restored(model: Module) -> Iterator[None]:
    """Restore running statistics and random states, which a forward pass changes."""
    data = {node: node.data for node in model.named_state().values() if node.constant}
    states = {rng: deepcopy(rng.bit_generator.state) for rng in model.generators().values()}
    try:
        yield
    finally:
        for node, before in data.items():
            if node.data is not before:
                node.data = before
        for rng, state in states.items():
            rng.bit_generator.state = state


@contextmanager
def _gradients_restored(nodes: Iterable[Node]) -> Iterator[None]:
    """Set the gradients of leaves to 0, and restore them at the end."""
    leaves = [x for x in nodes if x.op is None and not x.constant]
    deliver()  # the gradients that functions under jit have computed
    before = [(x, x._grad, x._dx) for x in leaves]
    try:
        for x in leaves:
            x.zero_grad()
        yield
    finally:
        for x, gradient, used in before:
            x._grad, x._dx = gradient, used
        CHANGED[0] = None


def _measure(layers: Layers, name: str, samples: int) -> LayerReport:
    """Return the figures of a layer after the backward pass."""
    module, outputs = layers.modules[name], list(layers.outputs[name])
    slopes = [np.abs(unit) for unit in layers.slopes(name)]
    all_slopes = np.concatenate(slopes) if slopes else np.zeros(0)
    return LayerReport(
        name=name or type(module).__name__,
        module=repr(module),
        outputs=_rms([x.data for x in outputs]),
        gradient=samples * _rms([x.grad for x in outputs]),
        weight_gradient=_rms([x.grad for x in layers.parameters[name]]),
        units=len(slopes),
        dead=sum(not unit.any() for unit in slopes),
        saturated=float(np.mean(all_slopes < SATURATED)) if len(all_slopes) else 0.0,
        has_relu=any(node.op is RELU for _, node in layers.activations[name]),
    )


@np.errstate(all="ignore")
def _rms(arrays: Iterable[Any]) -> float:
    """Return the root mean square of all elements."""
    elements = np.concatenate([np.ravel(array) for array in arrays]).astype(float)
    largest = float(np.abs(elements).max(initial=0.0))
    if not 0.0 < largest < np.inf:
        return largest
    return largest * float(np.sqrt(np.mean(np.square(elements / largest))))  # no square overflows
