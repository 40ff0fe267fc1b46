"""What `fit` notices in its first epoch, and warns of: it looks at graphs that are there anyway."""

import math
from typing import Any

from engine.graph import topological
from engine.watch.gradient_warnings import any_nonzero, warn
from nn.diagnosis import half_dead
from nn.layers import Layers

ENOUGH = 256  # samples at which a unit with slope 0 at each of them passes for dead


class Watch:
    """At an epoch's end: parameters that no gradient reached, and dead units."""

    def __init__(self, model: Any, parameters: Any, samples: int, batch_size: int | None):
        self.model, self.parameters = model, set(parameters)
        size = batch_size or samples
        self.steps = math.ceil(samples / size)
        self.first = max(self.steps - math.ceil(ENOUGH / size), 0)  # of the steps it looks at
        self.step, self.seen = 0, 0
        self.alive: dict[str, list[bool]] = {}

    def __call__(self, predictions: Any, loss: Any) -> None:
        """Look at the graph of a step."""
        if self.parameters:  # a sound model has none left after the first step
            self.parameters -= set(topological(loss))
        if self.step >= self.first:
            self.look(Layers(self.model, predictions))
        self.step += 1
        if self.step == self.steps:
            self.say_what_is_not_reached()
            self.say_what_is_dead()

    def look(self, layers: Layers) -> None:
        slopes = {name: layers.slopes(name) for name in layers.names}
        self.seen += max([len(each) for many in slopes.values() for each in many], default=0)
        for name, found in slopes.items():
            before = self.alive.get(name) or [False] * len(found)
            self.alive[name] = [
                a or any_nonzero(each) for a, each in zip(before, found, strict=True)
            ]

    def say_what_is_not_reached(self) -> None:
        names = [n for n, p in self.model.named_parameters().items() if p in self.parameters]
        if names:
            more = f" and {len(names) - 1:,} more parameters" if len(names) > 1 else ""
            warn(
                f"{names[0]}{more} will not learn: the loss is not computed from it; use it in the "
                "model's __call__, or take it out of the model's attributes"
            )

    def say_what_is_dead(self) -> None:
        for name, alive in self.alive.items():
            units = len(alive)
            dead = alive.count(False)
            if half_dead(dead, units):
                warn(
                    f"{dead} of {units} units of {name} are dead after the first epoch: their "
                    f"slope was 0 at each of the last {self.seen} samples, and no gradient will "
                    "move them; try a smaller learning rate, leaky_relu, or init='he_normal'; "
                    "nn.diagnose(model, X, y) shows every layer"
                )
