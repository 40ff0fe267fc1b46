"""`diagnose`: where gradients vanish, explode or stop in a network, layer by layer."""

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from engine.graph import topological
from engine.node import Node
from engine.rules import RELU
from engine.watch.no_grad import keep_graphs
from nn import losses
from nn.batches import to_finite_samples
from nn.layers import Layers
from nn.module import Module
from nn.objective import Loss, Objective, to_float
from nn.taped import Taped
from nn.watch import is_mostly_dead

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

FLAT = 0.01  # a slope below which an activation is saturated
FAR = 1e3  # a factor between the gradients of the first and the last layer that is a problem


class LayerReport(NamedTuple):
    """The figures of a layer. RMS is the root mean square over all elements and samples.

    outputs     the RMS of the outputs that the next layer receives
    gradient    the RMS of the gradient of the loss of one sample with respect to these outputs
    of_weights  the RMS of the gradients of the parameters, for the mean loss
    units       the number of units with an activation
    dead        the number of units whose slope is 0 at every sample
    flat        the share of activations, over units and samples, with a slope below 0.01
    cuts        True if the layer has a relu, whose slope is 0 for half of its inputs anyway
    """

    name: str
    what: str  # its repr
    outputs: float
    gradient: float
    of_weights: float
    units: int
    dead: int
    flat: float
    cuts: bool


class Problem(NamedTuple):
    """A problem of a network, its place, and a remedy."""

    kind: str  # not finite, no gradient, dead, flat, vanishing, exploding
    where: str
    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}; {self.remedy}"


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
        rows = [("layer", "module", "outputs", "gradient", "of weights", "dead", "flat")]
        for layer in self.layers:
            shares = ("-", "-")
            if layer.units:
                shares = (f"{layer.dead / layer.units:.0%}", f"{layer.flat:.0%}")
            sizes = (f"{layer.outputs:.3g}", f"{layer.gradient:.2g}", f"{layer.of_weights:.2g}")
            rows.append((layer.name, layer.what, *sizes, *shares))
        a, b, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
        lines = [
            f"{name:<{a}}  {what:<{b}}"
            + "".join(f"  {x:>{width}}" for x, width in zip(numbers, widths, strict=True))
            for name, what, *numbers in rows
        ]
        return "\n".join([*lines, *[f"\n{problem}" for problem in self.problems]])

    def headline(self) -> str:
        """Return one line about the problems, grouped by kind."""
        places: dict[str, list[str]] = {}
        for problem in self.problems:
            places.setdefault(problem.kind, []).append(problem.where)
        groups = [
            f"{kind}: {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
            for kind, names in places.items()
        ]
        return "; ".join(groups) or "outputs and gradients, layer by layer"

    def plot(self) -> "Figure":
        """Return a matplotlib figure: outputs and gradients above, dead and flat shares below."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9.0, 4.6), layout="constrained")
        sizes, shares = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
        _plot_sizes(sizes, self)
        _plot_shares(shares, self.layers)
        names = [layer.name for layer in self.layers]
        step = max(1, math.ceil(len(names) / MAX_NAMES))
        shares.set_xticks(range(0, len(names), step), names[::step])
        shares.set_xlim(-0.6, len(names) - 0.4)
        places = {problem.where for problem in self.problems}
        for axes in (sizes, shares):
            for x in [i for i, name in enumerate(names) if name in places]:
                axes.axvspan(x - 0.45, x + 0.45, color=PROBLEM, zorder=0)
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(axis="y", color="#e0e0e0")
            axes.set_axisbelow(True)
            axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2)
        figure.align_ylabels()
        return figure

    def save(self, path: str | PathLike[str]) -> None:
        """Save the plot in the format of the suffix: .svg, .png or .pdf.

        Raises ValueError for a suffix that matplotlib does not know.
        """
        self.plot().savefig(path, metadata={"Date": None} if f"{path}".endswith("svg") else None)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        bundle = {"text/plain": str(self)}
        try:
            file = io.StringIO()
            self.plot().savefig(file, format="svg", metadata={"Date": None})
            bundle["image/svg+xml"] = file.getvalue()
        except ImportError:
            pass  # without matplotlib, Jupyter shows the table
        return bundle


# --------------------------------------------------------------------------------- measurement


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
    layer     module                 outputs  gradient  of weights  dead  flat
    layers.0  Layer(2, 8, 'tanh')        0.6      0.22       0.048    0%    2%
    layers.1  Layer(8, 8, 'tanh')      0.481      0.23       0.038    0%    0%
    layers.2  Layer(8, 1, 'linear')    0.302      0.54        0.13     -     -
    """
    if isinstance(model, Taped) or not isinstance(model, Module):
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
    before = [(x, x._grad, x._dx) for x in leaves]
    try:
        for x in leaves:
            x.zero_grad()
        yield
    finally:
        for x, gradient, used in before:
            x._grad, x._dx = gradient, used


def _measure(layers: Layers, name: str, samples: int) -> LayerReport:
    """Return the figures of a layer after the backward pass."""
    module, outputs = layers.modules[name], list(layers.outputs[name])
    slopes = [np.abs(unit) for unit in layers.slopes(name)]
    every = np.concatenate(slopes) if slopes else np.zeros(0)
    return LayerReport(
        name=name or type(module).__name__,
        what=repr(module),
        outputs=_rms([x.data for x in outputs]),
        gradient=samples * _rms([x.grad for x in outputs]),
        of_weights=_rms([x.grad for x in layers.parameters[name]]),
        units=len(slopes),
        dead=sum(not unit.any() for unit in slopes),
        flat=float(np.mean(every < FLAT)) if len(every) else 0.0,
        cuts=any(node.op is RELU for _, node in layers.activations[name]),
    )


@np.errstate(all="ignore")
def _rms(arrays: Iterable[Any]) -> float:
    """Return the root mean square of all elements."""
    every = np.concatenate([np.ravel(array) for array in arrays]).astype(float)
    largest = float(np.abs(every).max(initial=0.0))
    if not 0.0 < largest < np.inf:
        return largest
    return largest * float(np.sqrt(np.mean(np.square(every / largest))))  # no square overflows


# ------------------------------------------------------------------------------------- problems

DEAD = "try a smaller learning rate, leaky_relu, or init='he_normal'"
SATURATED = (
    "try smaller weights, such as init='xavier_normal', scaled inputs, batch normalization, or relu"
)


def find_problems(layers: Sequence[LayerReport], unreached: Sequence[str]) -> list[Problem]:
    """Return the problems of a network, the worst first. `unreached` names parameters."""
    problems = _find_not_finite(layers)
    if unreached:
        more = f" and {len(unreached) - 1} more" if len(unreached) > 1 else ""
        problems.append(
            Problem(
                "no gradient", unreached[0] + more, "the loss is not computed from it",
                "use it in the model's __call__, or remove it from the model's attributes",
            )
        )  # fmt: skip
    for layer in layers:
        if is_mostly_dead(layer.dead, layer.units):
            text = (
                f"{layer.dead} of {layer.units} units are dead: their slope is 0 at every sample, "
                "and no gradient reaches their weights"
            )
            problems.append(Problem("dead", layer.name, text, DEAD if layer.cuts else SATURATED))
        elif layer.flat >= 0.5 and not layer.cuts:
            text = f"{layer.flat:.0%} of its activations are saturated, with a slope below {FLAT}"
            problems.append(Problem("flat", layer.name, text, SATURATED))
    if not problems or problems[0].kind != "not finite":
        problems += _compare_gradients(layers)
    return problems


def _find_not_finite(layers: Sequence[LayerReport]) -> list[Problem]:
    """Return a problem at the layer in which inf or nan first occurred, if any."""
    # From there it spreads to all later layers, and then backwards to all layers.
    forward = [layer for layer in layers if not math.isfinite(layer.outputs)][:1]
    backward = [layer for layer in layers if not math.isfinite(layer.gradient)][-1:]
    return [
        Problem(
            "not finite", layer.name, f"the RMS of its outputs is {layer.outputs:g}, that of their "
            f"gradient {layer.gradient:g}", "try a smaller learning rate or smaller weights; "
            "engine.detect_anomaly() names the operation",
        )
        for layer in forward or backward
    ]  # fmt: skip


def _compare_gradients(layers: Sequence[LayerReport]) -> list[Problem]:
    """Return a problem if the gradient vanishes or explodes from the last layer to the first."""
    flows = all(layer.dead < layer.units or not layer.units for layer in layers)
    if len(layers) < 2 or not layers[-1].gradient or not flows:
        return []
    first, last = layers[0], layers[-1]
    text = f"the gradient goes from {last.gradient:.2g} at {last.name} to {first.gradient:.2g} here"
    if first.gradient * FAR < last.gradient:
        remedy = "try relu with init='he_normal', batch normalization, or residual connections"
        return [Problem("vanishing", first.name, text, remedy)]
    if first.gradient > FAR * last.gradient:
        remedy = "try smaller weights, batch normalization, or clipping: fit(..., clip=1.0)"
        return [Problem("exploding", first.name, text, remedy)]
    return []


# ----------------------------------------------------------------------------------------- plot

BLUE, ORANGE, INK, GREY, PROBLEM = "#1f5fa8", "#cf5400", "#2b2b2b", "#a8a8a8", "#fbeade"
CURVES = [("outputs", BLUE, "o", 0.03), ("gradient", ORANGE, "s", 0.12)]
MAX_NAMES = 12  # names of layers that fit below the plot


def _plot_sizes(axes: "Axes", diagnosis: Diagnosis) -> None:
    """Plot outputs and gradients. Sizes without a logarithm are words at the lower edge."""
    logs = []
    for name, colour, mark, height in CURVES:
        sizes = [getattr(layer, name) for layer in diagnosis.layers]
        drawn = [x if 0.0 < x < math.inf else math.nan for x in sizes]
        axes.plot(range(len(drawn)), drawn, mark + "-", color=colour, label=name, linewidth=2.0)
        logs += [math.log10(x) for x in drawn if not math.isnan(x)]
        word: dict[str, Any] = {"color": colour, "ha": "center", "fontweight": "bold"}
        for x, size in enumerate(sizes):
            if math.isnan(drawn[x]):
                axes.text(x, height, f"{size:g}", transform=axes.get_xaxis_transform(), **word)
    low, high = min(logs, default=0.0), max(logs, default=0.0)
    spare = max(0.0, 2.0 - (high - low)) / 2.0  # two decades at least, so that ripples look small
    low, high = low - spare, high + spare
    axes.set(
        yscale="log", ylim=(10.0 ** (low - 0.15 * (high - low)), 10.0 ** (high + 0.3)),
        ylabel="mean size",
    )  # fmt: skip
    axes.set_title(diagnosis.headline(), loc="left", fontweight="bold", fontsize="medium")


def _plot_shares(axes: "Axes", layers: Sequence[LayerReport]) -> None:
    """Plot the shares of dead units and of flat activations."""
    dead = [layer.dead / layer.units if layer.units else 0.0 for layer in layers]
    flat = [layer.flat if not layer.cuts else 0.0 for layer in layers]
    for shift, shares, colour, label in [
        (-0.2, dead, INK, "dead units"),
        (0.2, flat, GREY, "flat activations"),
    ]:
        places = [x + shift for x in range(len(shares))]
        axes.bar(places, [100.0 * share for share in shares], 0.38, color=colour, label=label)
    axes.set(ylim=(0, 100), ylabel="%")
