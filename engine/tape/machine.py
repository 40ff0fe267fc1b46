"""A recorded graph, compiled: flat numbers in, flat numbers out. Importing it imports numba."""

from typing import Any

import numpy as np

from engine.tape.kernels import run, run_fast
from engine.tape.lanes import Lanes
from engine.tape.lowering import lowered
from engine.tape.passes import BACKWARD, FORWARD, ONCE, improved
from engine.tape.program import program
from engine.tape.recording import Recording
from engine.tape.schedule import scheduled


class Machine:
    """The numbers of a graph in flat arrays, and both passes over them.

    `shared` has those that are the same for all samples: the parameters first. With inputs, `lanes`
    has what each sample has of its own.
    """

    def __init__(
        self, found: Recording, dtype: Any, fast: bool, threads: int | None, input_gradients: bool
    ):
        written = program(found)
        staged = improved(written, input_gradients)
        if found.inputs:
            staged = lowered(written, staged)
        self.program, self.schedule = written, scheduled(written, staged)
        self.stages, at, room = self.schedule.stages, self.schedule.at, self.schedule.room
        self.watched = staged.watched
        self.outputs, self.guards = at[staged.outputs], at[staged.guards]
        self.laned_guards = room[staged.guards] == 1
        self.parameters, self.inputs = written.parameters, written.inputs
        self.gradients = at[staged.gradients]
        self.sent = room[staged.gradients[: self.parameters]] == 2

        self.shared = np.zeros(self.schedule.rooms[0], dtype)
        start = written.parameters + written.inputs + written.seeds
        numbers = at[start : written.code.given]
        self.numbers, self.constants = numbers, numbers[len(numbers) - len(found.constants) :]
        self.shared[numbers] = written.numbers
        self.seeds = slice(written.parameters, written.parameters + written.seeds)
        self.run = run_fast if fast else run
        self.lanes = Lanes(self.schedule, self.shared.dtype, self.inputs, fast, threads)
        self.hold(written.numbers[len(numbers) - len(found.constants) :])

    def hold(self, constants: Any) -> None:
        """Take the numbers of the constant leaves, and compute what depends on them alone."""
        self.shared[self.constants] = constants
        self.run(*self.stages[ONCE], self.shared)

    def forward(self, parameters: np.ndarray, X: np.ndarray | None) -> np.ndarray:
        """The outputs: so many, or (samples, so many)."""
        self.shared[: self.parameters] = parameters
        self.run(*self.stages[FORWARD], self.shared)
        if X is None:
            return self.shared[self.outputs]
        self.lanes.load(X)
        self.lanes.forward(self.shared)
        return self.lanes.get(self.outputs)

    def backward(self, seeds: np.ndarray) -> np.ndarray:
        """The gradient of each parameter, from those that the outputs start with."""
        if not self.inputs:
            self.shared[self.seeds] = seeds
            self.run(*self.stages[BACKWARD], self.shared)
            return self.shared[self.gradients]
        sums = self.lanes.backward(self.shared, seeds)
        found = np.zeros(self.parameters, self.shared.dtype)
        found[self.sent] = sums[self.gradients[: self.parameters][self.sent]]
        return found

    def input_gradients(self) -> np.ndarray:
        """(samples, inputs), where they were asked for."""
        return self.lanes.get(self.gradients[self.parameters :])

    def truths(self) -> np.ndarray:
        """Whether each guard holds, (samples, guards); one row where there are no samples."""
        guards, laned = self.guards, self.laned_guards
        shared = self.shared[np.where(laned, 0, guards)][None, :]
        found = (
            np.where(laned, self.lanes.get(np.where(laned, guards, 0)), shared)
            if laned.any()
            else shared
        )
        return found != 0.0
