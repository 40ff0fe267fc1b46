"""Samples side by side: a lane for each, in blocks of lanes that threads take."""

from typing import Any

import numpy as np

from engine.support.threads import threads
from engine.tape.kernels import run_lanes, run_lanes_fast
from engine.tape.passes import EACH_BACKWARD, EACH_FORWARD
from engine.tape.schedule import Schedule

WIDEST, NARROWEST = 64, 8  # lanes of a block
SUMS = 8  # what threads add to: a block's sums go to its number modulo this, whoever computes it


class Lanes:
    """The numbers of a batch, and the stages of a schedule that are carried out for each sample.

    What samples send to a parameter is added up so: in a block of 64 lanes (a smaller power of two
    for a smaller batch) by halves, the upper to the lower; then the blocks 0, 8, 16, ... from first
    to last, those from 1 on, and so on up to 7; then these sums in order. It does not depend on who
    computes a block, so that any number of threads gives the same bits.
    """

    def __init__(
        self, schedule: Schedule, dtype: Any, inputs: int, fast: bool, threads: int | None
    ):
        self.stages, self.dtype, self.inputs = schedule.stages, dtype, inputs
        self.rows, self.sums = schedule.rooms[1:]
        self.execute, self.threads = run_lanes_fast if fast else run_lanes, threads
        self.samples = 0
        self.blocks = np.zeros((0, self.rows, NARROWEST), dtype)

    def load(self, X: np.ndarray) -> None:
        """Take a batch of samples."""
        self.samples = len(X)
        width = NARROWEST
        while width < min(self.samples, WIDEST):
            width *= 2
        shape = -(-self.samples // width), self.rows, width
        if self.blocks.shape != shape:
            self.blocks = np.zeros(shape, self.dtype)
        self.put(X, 0)

    def put(self, numbers: np.ndarray, row: int) -> None:
        """A number for each sample in each of some rows; lanes too many repeat the last sample."""
        count, _, width = self.blocks.shape
        short = count * width - self.samples
        if short:
            numbers = np.concatenate([numbers, np.repeat(numbers[-1:], short, axis=0)])
        columns = numbers.shape[1]
        found = numbers.reshape(count, width, columns).transpose(0, 2, 1)
        self.blocks[:, row : row + columns] = found

    def get(self, rows: np.ndarray) -> np.ndarray:
        """What stands in some rows, of shape (samples, rows)."""
        found = self.blocks[:, rows].transpose(0, 2, 1)
        return found.reshape(-1, len(rows))[: self.samples]

    def forward(self, shared: np.ndarray) -> None:
        """Carry out the forward pass for every sample."""
        self.run(EACH_FORWARD, shared, np.zeros((SUMS, 0), self.dtype))

    def backward(self, shared: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Carry out the backward pass; what is sent to parameters, in sum over the samples."""
        self.put(seeds, self.inputs)
        sums = np.zeros((min(SUMS, len(self.blocks)), self.sums), self.dtype)
        self.run(EACH_BACKWARD, shared, sums)
        found = sums[0] if len(sums) else np.zeros(self.sums, self.dtype)
        for each in sums[1:]:
            found += each
        return found

    def run(self, stage: int, shared: np.ndarray, sums: np.ndarray) -> None:
        """Every block, those that add to the same sums one after the other."""
        todo = self.stages[stage]
        if not len(todo.do):
            return
        apart = min(SUMS, len(self.blocks))

        def take(some: range) -> None:
            for k in some:
                self.execute(*todo, shared, self.blocks, self.samples, sums[k], k, SUMS)

        workers = apart if self.threads is None else min(self.threads, apart)
        if workers < 2:
            take(range(apart))
        elif self.threads is None:
            list(threads().map(take, [range(k, k + 1) for k in range(apart)]))
        else:
            list(threads().map(take, [range(k, apart, workers) for k in range(workers)]))
