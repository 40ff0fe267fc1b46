"""What `nn.diagnose` found: a table, what is wrong and what helps, and a picture."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, NamedTuple

FAR = 1e3  # how much a gradient may grow or shrink on its way through all layers


class LayerReport(NamedTuple):
    """What goes forwards and comes back at a layer.

    outputs     the root of the mean square of what it gives to the next layer
    gradient    the same of the loss's gradient there, for one sample
    of_weights  the same of the gradients of its parameters, of the mean loss
    units       how many units have an activation; of these `dead` have slope 0 at every sample
    flat        the share of activations, by unit and sample, with a slope under 0.01
    cuts        whether there is relu among them, whose slope is 0 for half of its inputs anyway
    """

    name: str
    what: str
    outputs: float
    gradient: float
    of_weights: float
    units: int
    dead: int
    flat: float
    cuts: bool


class Problem(NamedTuple):
    """What is wrong, where, and what helps."""

    kind: str  # not finite, no gradient, dead, flat, vanishing, exploding
    where: str
    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}; {self.remedy}"


@dataclass
class Diagnosis:
    """The layers of a model from the first to the last, and what is wrong with them.

    Prints as a table; `plot()` and `save(path)` draw it (with matplotlib), and so does Jupyter.

    >>> from nn import MLP, data, diagnose
    >>> X, y = data.moons(50, rng=0)
    >>> found = diagnose(MLP(2, [8] * 9 + [1], "sigmoid", rng=0), X, y)
    >>> [problem.kind for problem in found.problems]
    ['vanishing']
    >>> [each.name for each in found.layers][:2]
    ['layers.0', 'layers.1']
    """

    loss: float
    layers: list[LayerReport]
    problems: list[Problem]

    def __str__(self) -> str:
        rows = [("layer", "what", "outputs", "gradient", "of weights", "dead", "flat")]
        for each in self.layers:
            shares = ("-", "-")
            if each.units:
                shares = (f"{each.dead / each.units:.0%}", f"{each.flat:.0%}")
            numbers = (f"{each.outputs:.3g}", f"{each.gradient:.2g}", f"{each.of_weights:.2g}")
            rows.append((each.name, each.what, *numbers, *shares))
        a, b, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
        lines = [
            f"{name:<{a}}  {what:<{b}}"
            + "".join(f"  {x:>{width}}" for x, width in zip(numbers, widths, strict=True))
            for name, what, *numbers in rows
        ]
        return "\n".join([*lines, *[f"\n{problem}" for problem in self.problems]])

    def plot(self) -> Any:
        """A matplotlib figure: outputs and gradients by layer, and what is dead or flat."""
        from nn.diagnosis_plot import figure  # matplotlib is an extra

        return figure(self)

    def headline(self) -> str:
        """What the picture shows, in a line."""
        by_kind: dict[str, list[str]] = {}
        for problem in self.problems:
            by_kind.setdefault(problem.kind, []).append(problem.where)
        found = [
            f"{kind}: {where[0]}" + (f" and {len(where) - 1} more" if len(where) > 1 else "")
            for kind, where in by_kind.items()
        ]
        return "; ".join(found) or "outputs and gradients, layer by layer"

    def save(self, path: str | PathLike[str]) -> None:
        """Write the picture; the suffix says as what: .svg, .png, .pdf.

        ValueError for a suffix that matplotlib does not know.
        """
        self.plot().savefig(path, metadata={"Date": None} if f"{path}".endswith("svg") else None)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        bundle = {"text/plain": str(self)}
        try:
            file = io.StringIO()
            self.plot().savefig(file, format="svg", metadata={"Date": None})
            bundle["image/svg+xml"] = file.getvalue()
        except ImportError:
            pass  # without matplotlib, the table
        return bundle


SATURATED = (
    "try smaller weights, such as init='xavier_normal', scaled inputs, batch normalization, or relu"
)


def problems_of(layers: Sequence[LayerReport], without: Sequence[str]) -> list[Problem]:
    """What is wrong, the worst first."""
    # What is not finite goes on forwards from where it arose, and then backwards through all.
    forwards = [each for each in layers if not math.isfinite(each.outputs)][:1]
    backwards = [each for each in layers if not math.isfinite(each.gradient)][-1:]
    found = [
        Problem(
            "not finite", each.name, f"its outputs are {each.outputs:g} and its gradient is "
            f"{each.gradient:g} in the mean", "try a smaller learning rate or weights; "
            "engine.detect_anomaly() names the operation",
        )
        for each in forwards or backwards
    ]  # fmt: skip
    if without:
        more = f" and {len(without) - 1} more" if len(without) > 1 else ""
        found.append(
            Problem("no gradient", without[0] + more, "the loss is not computed from it",
                    "use it in the model's __call__, or take it out of its attributes")
        )  # fmt: skip
    for each in layers:
        if half_dead(each.dead, each.units):
            remedy = "try a smaller learning rate, leaky_relu, or init='he_normal'"
            found.append(
                Problem("dead", each.name, f"{each.dead} of {each.units} units are dead: their "
                        "slope is 0 at every sample, and no gradient will move them",
                        remedy if each.cuts else SATURATED)
            )  # fmt: skip
        elif each.flat >= 0.5 and not each.cuts:
            found.append(
                Problem("flat", each.name, f"{each.flat:.0%} of its activations are saturated, "
                        "with a slope under 0.01", SATURATED)
            )  # fmt: skip
    if not found or found[0].kind != "not finite":
        found += ratio_of(layers)
    return found


def half_dead(dead: int, units: int) -> bool:
    """Whether so many are dead that a layer hardly learns."""
    return units > 0 and dead >= units / 2


def ratio_of(layers: Sequence[LayerReport]) -> list[Problem]:
    """Whether gradients vanish or explode on the way from the last layer to the first."""
    through = all(each.dead < each.units or not each.units for each in layers)
    if len(layers) < 2 or not layers[-1].gradient or not through:
        return []
    first, last = layers[0], layers[-1]
    story = (
        f"the gradient goes from {last.gradient:.2g} at {last.name} to {first.gradient:.2g} here"
    )
    if first.gradient * FAR < last.gradient:
        remedy = "try relu with init='he_normal', batch normalization, or residual connections"
        return [Problem("vanishing", first.name, story, remedy)]
    if first.gradient > FAR * last.gradient:
        remedy = "try smaller weights, batch normalization, or clipping: fit(..., clip=1.0)"
        return [Problem("exploding", first.name, story, remedy)]
    return []
