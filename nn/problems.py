"""The problems of a network, found in the sizes of outputs and gradients at its layers."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from nn.watch import is_mostly_dead

SATURATED = 0.01  # a slope below which an activation is saturated
FAR = 1e3  # a factor between the gradients of the first and the last layer that is a problem


class LayerReport(NamedTuple):
    """The figures of a layer. RMS is the root mean square over all elements and samples.

    name             the path of the layer
    module           the repr of the layer
    outputs          the RMS of the outputs that the next layer receives
    gradient         the RMS of the gradient of the loss of one sample with respect to these outputs
    weight_gradient  the RMS of the gradients of the parameters, for the mean loss
    units            the number of units with an activation
    dead             the number of units whose slope is 0 at every sample
    saturated        the share of activations, over units and samples, with a slope below 0.01
    has_relu         True if the layer has a relu, whose slope is 0 for half of its inputs anyway
    """

    name: str
    module: str
    outputs: float
    gradient: float
    weight_gradient: float
    units: int
    dead: int
    saturated: float
    has_relu: bool


class Problem(NamedTuple):
    """A problem of a network, its place, and a remedy."""

    kind: str  # not finite, no gradient, dead, saturated, vanishing, exploding
    where: str
    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}; {self.remedy}"


DEAD_REMEDY = "try a smaller learning rate, leaky_relu, or init='he_normal'"
SATURATED_REMEDY = (
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
            remedy = DEAD_REMEDY if layer.has_relu else SATURATED_REMEDY
            problems.append(Problem("dead", layer.name, text, remedy))
        elif layer.saturated >= 0.5 and not layer.has_relu:
            text = (
                f"{layer.saturated:.0%} of its activations are saturated, with a slope below "
                f"{SATURATED}"
            )
            problems.append(Problem("saturated", layer.name, text, SATURATED_REMEDY))
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
