"""A recorded graph, compiled: flat numbers in, flat numbers out. Importing it imports numba."""

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np

from engine.tape.flat import Flat, Kind
from engine.tape.kernels import run, run_fast
from engine.tape.lanes import Lanes
from engine.tape.lowering import lowered
from engine.tape.passes import BACKWARD, FORWARD, ONCE, improved
from engine.tape.program import program
from engine.tape.schedule import scheduled


class Machine:
    """The numbers of a graph in flat arrays, and both passes over them.

    `shared` has those that are the same for all samples: the parameters first. With inputs, `lanes`
    has what each sample has of its own.
    """

    def __init__(
        self, graph: Flat, dtype: Any, fast: bool, threads: int | None, input_gradients: bool
    ):
        found = program(graph)
        staged = improved(found, input_gradients)
        if found.inputs:
            staged = lowered(found, staged)
        self.schedule, room, at = scheduled(found, staged)
        self.graph, self.stages = graph, self.schedule.stages
        self.parameters, self.inputs = found.parameters, found.inputs
        self.outputs, self.gradients = at[staged.outputs], at[staged.gradients]
        self.watched, self.guards = staged.watched, at[staged.guards]
        self.laned = room[staged.guards] == 1
        self.sent = np.flatnonzero(room[staged.gradients[: found.parameters]] == 2)

        self.shared = np.zeros(self.schedule.rooms[0], dtype)
        numbers = at[found.zero : found.code.given].copy()  # of all the places we keep these
        self.shared[numbers[: len(found.numbers)]] = found.numbers
        self.constants = numbers[len(found.numbers) :]
        self.seeds = at[found.parameters + found.inputs : found.zero].copy()
        self.run = run_fast if fast else run
        self.lanes = Lanes(self.schedule, self.shared.dtype, found.inputs, fast, threads)

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
        found[self.sent] = sums[self.gradients[self.sent]]
        return found

    def input_gradients(self) -> np.ndarray:
        """(samples, inputs), where they were asked for."""
        return self.lanes.get(self.gradients[self.parameters :])

    def truths(self) -> np.ndarray:
        """Whether each guard holds, (samples, guards); one row where there are no samples."""
        found = self.shared[np.where(self.laned, 0, self.guards)][None, :]
        if self.laned.any():
            found = np.where(
                self.laned, self.lanes.get(np.where(self.laned, self.guards, 0)), found
            )
        return found != 0.0

    @property
    def fingerprint(self) -> int:
        """A number that another program would hardly have."""
        found = 0
        for runs in self.stages:
            for each in (runs.do, runs.a, runs.b, runs.c):
                found = crc32(each.tobytes(), found)
        return found

    @property
    def nbytes(self) -> int:
        """What its arrays take, but for lanes, of which there are as many as a batch needs."""
        instructions = sum(len(runs.a) for runs in self.stages)
        order = [each for runs in self.stages for each in runs[:3]]
        numbers = self.shared.nbytes + sum(each.nbytes for each in order)
        return self.bytes_of(self.graph.kinds, instructions) + numbers

    def bytes_of(self, kinds: Sequence[Kind], instructions: int) -> int:
        """What nodes and so many instructions take, their numbers left out."""
        arrays = (*self.stages[FORWARD][3:], self.schedule.rows[FORWARD])
        one = sum(each.itemsize for each in arrays)
        return sum(x.nodes.nbytes + x.inputs.nbytes for x in kinds) + instructions * one
