"""Warnings of `fit` in its first epoch, from the graphs of its steps."""

import math
from collections.abc import Iterable
from itertools import permutations
from weakref import ReferenceType

from engine.graph import topological
from engine.node import Node
from engine.watch.gradient_warnings import trainable_leaves, warn
from engine.watch.state import any_nonzero
from nn.arguments import format_count
from nn.layers import Layers
from nn.module import Module
from nn.unmoved import (
    all_models,
    describe_unnamed,
    exclude_parts,
    find_hidden_names,
    find_unmoved_leaves,
    warn_of_unmoved,
    weak_references,
)

ENOUGH = 256  # samples after which a unit whose slope was always 0 counts as dead


class Watch:
    """Warnings, at the end of the first epoch, about unreached parameters and dead units.

    It is called with the predictions and the loss of every step. Parameters are compared with the
    whole epoch, activations with its last steps only.
    """

    def __init__(
        self, model: Module, parameters: Iterable[Node], samples: int, batch_size: int | None
    ):
        self.model, self.unreached = model, set(parameters)
        self.leaves: list[ReferenceType[Node]] = []  # of the first step
        size = batch_size or samples
        self.steps = math.ceil(samples / size)
        self.first = max(self.steps - math.ceil(ENOUGH / size), 0)  # first step with activations
        self.step, self.samples = 0, 0
        self.alive: dict[str, list[bool]] = {}  # by layer, for each unit

    @property
    def needs_graph(self) -> bool:
        """Whether the next step requires the graph of its loss."""
        return bool(self.unreached) or not self.step or self.step >= self.first

    def __call__(self, predictions: object, loss: Node) -> None:
        """Inspect the graph of a step."""
        if self.unreached:  # usually empty after the first step
            order = topological(loss)
            self.unreached -= set(order)
            if not self.step:
                self.leaves = weak_references(trainable_leaves(order))
                warn_of_broadcast_targets(order)
        if self.step >= self.first:
            self._inspect_activations(Layers(self.model, predictions))
        self.step += 1
        if self.step == self.steps:
            self._warn_of_unreached_parameters()
            self._warn_of_dead_units()

    def warn_of_unmoved_leaves(self) -> None:
        """Warn about leaves that neither the model nor an optimizer knows, after their graphs."""
        known = set(self.model.parameters())
        unmoved = [leaf for leaf in find_unmoved_leaves(self.leaves) if leaf not in known]
        models = all_models() if unmoved else []
        if unmoved and (unmoved := exclude_parts(unmoved, models)):
            names = find_hidden_names(unmoved, known, models)
            warn_of_unmoved([names.get(leaf) or describe_unnamed(leaf) for leaf in unmoved])

    def _inspect_activations(self, layers: Layers) -> None:
        slopes = {name: layers.slopes(name) for name in layers.names}
        self.samples += max([len(unit) for units in slopes.values() for unit in units], default=0)
        for name, units in slopes.items():
            before = self.alive.get(name) or [False] * len(units)
            self.alive[name] = [
                alive or any_nonzero(unit) for alive, unit in zip(before, units, strict=True)
            ]

    def _warn_of_unreached_parameters(self) -> None:
        parameters = self.model.named_parameters().items()
        names = [name for name, parameter in parameters if parameter in self.unreached]
        if names:
            others, pronoun = len(names) - 1, "them" if len(names) > 1 else "it"
            more = f" and {format_count(others, 'more parameter')}" if others else ""
            warn(
                f"{names[0]}{more} will not learn: the loss is not computed from {pronoun}; use "
                f"{pronoun} in the model's __call__, or remove {pronoun} from the model's "
                "attributes"
            )

    def _warn_of_dead_units(self) -> None:
        for name, alive in self.alive.items():
            dead, units = alive.count(False), len(alive)
            if is_mostly_dead(dead, units):
                warn(
                    f"{dead} of {units} units of {name} are dead after the first epoch: their "
                    f"slope was 0 at each of the last {self.samples} samples, and no gradient "
                    "reaches their weights; try a smaller learning rate, leaky_relu, or "
                    "init='he_normal'; nn.diagnose(model, X, y) shows every layer"
                )


def warn_of_broadcast_targets(order: Iterable[Node]) -> None:
    """Warn if a loss of its own combines predictions (n, 1) with targets (n,): all with all."""
    for node in order:
        shapes = [(getattr(x.data, "shape", ()), x.constant) for x in node.inputs]
        for (column, is_target), (row, _) in permutations(shapes, 2) if len(shapes) == 2 else ():
            n = column[0] if column else 0
            if n > 1 and (column, row, is_target) == ((n, 1), (n,), False):
                warn(
                    f"the loss combines predictions of shape {column} with targets of shape {row}, "
                    f"which broadcast to {(n, n)}: every prediction with every target; reshape the "
                    "predictions, as in p.reshape(-1)"
                )
                return


def is_mostly_dead(dead: int, units: int) -> bool:
    """Return whether at least half of the units of a layer are dead.

    >>> is_mostly_dead(2, 4), is_mostly_dead(1, 4), is_mostly_dead(0, 0)
    (True, False, False)
    """
    return units > 0 and dead >= units / 2
