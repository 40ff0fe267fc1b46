"""The machine: a compiled graph, its numbers in flat arrays, and both passes over them."""

from collections.abc import Iterable, Sequence
from functools import partial
from zlib import crc32

import numpy as np

from engine.support.threads import call_all, cores
from engine.tape.flat_graph import FlatGraph, NodeGroup
from engine.tape.kernels import run, run_fast, run_lanes, run_lanes_fast
from engine.tape.passes import (
    BACKWARD,
    FORWARD,
    LANES_BACKWARD,
    LANES_FORWARD,
    ONCE,
    lower_to_lanes,
    optimize,
)
from engine.tape.schedule import LANES, SHARED, SUMS, Schedule, schedule_runs
from engine.tape.ssa import build_program
from engine.tape.vectors import find_vectors

WIDEST, NARROWEST = 64, 8  # lanes in a block
ACCUMULATORS = 8  # block k adds its sums to number k modulo this, on whatever thread


class Machine:
    """The numbers of a graph, and both passes over them.

    `shared` contains the numbers that are the same for all samples, the parameters first. If
    `batched`, `lanes` contains the numbers of each sample; otherwise there is one sample, whose
    inputs follow the parameters.
    """

    def __init__(
        self,
        graph: FlatGraph,
        dtype: np.dtype,
        fast: bool,
        threads: int | None,
        input_gradients: bool,
        batched: bool,
        blocks: int = 1,
    ):
        self.options = dtype, fast, threads, input_gradients
        self.one: Machine | None = None  # for batches of one sample
        self.constant_numbers: Sequence[float] = ()
        program = build_program(graph, batched)
        staged = optimize(program, input_gradients)
        if batched:
            staged = lower_to_lanes(program, staged)
        self.schedule, register, bank = schedule_runs(program, staged)
        self.graph, self.stages = graph, self.schedule.stages
        self.parameters, self.inputs, self.batched = program.parameters, program.inputs, batched
        self.receives = program.gradients != program.zero  # parameters, then inputs
        self.outputs, self.gradients = register[staged.outputs], register[staged.gradients]
        self.guards, self.guard_places = staged.guard_numbers, register[staged.guards]
        self.guard_in_lanes = bank[staged.guards] == LANES
        self.summed = np.flatnonzero(bank[staged.gradients[: program.parameters]] == SUMS)

        forward = find_vectors(self.stages[FORWARD], self.parameters, self.schedule.sizes[SHARED])
        first = forward.first + len(forward.sources)
        backward = find_vectors(self.stages[BACKWARD], 0, first)
        runs = {FORWARD: forward.runs, BACKWARD: backward.runs, ONCE: self.stages[ONCE]}
        self.code = {stage: x.pack() for stage, x in runs.items()}
        self.columns = forward.sources
        self.shared = np.zeros(first, dtype)
        # Copies: a slice would keep the registers of all slots alive.
        numbers = register[program.zero : program.code.offset].copy()
        self.shared[numbers[: len(program.numbers)]] = program.numbers
        self.constants = numbers[len(program.numbers) :]
        self.seeds = register[program.parameters + program.inputs : program.zero].copy()
        self.run = run_fast if fast else run
        self.lanes = Lanes(self.schedule, self.shared.dtype, program.inputs, fast, threads, blocks)

    def set_constants(self, constants: Sequence[float]) -> None:
        """Set the numbers of the constant leaves, and compute what depends on them alone."""
        self.constant_numbers = constants
        if self.one is not None:
            self.one.set_constants(constants)
        self.shared[self.constants] = constants
        self.run(self.code[ONCE], self.shared)

    def of_one_sample(self) -> "Machine":
        """Return a machine for a single sample, which needs no lanes."""
        if self.one is None:
            self.one = Machine(self.graph, *self.options, batched=False)
            self.one.set_constants(self.constant_numbers)
        return self.one

    def forward(self, parameters: np.ndarray, X: np.ndarray | None) -> np.ndarray:
        """Return the outputs, of shape (outputs,) or (samples, outputs)."""
        self.shared[: self.parameters] = parameters
        if not self.batched:
            if X is not None:
                self.shared[self.parameters : self.parameters + self.inputs] = X
            self.run_forward()
            return self.shared[self.outputs]
        self.run_forward()
        assert X is not None
        self.lanes.load(X)
        self.lanes.forward(self.shared)
        return self.lanes.read(self.outputs)

    def run_forward(self) -> None:
        """Compute the numbers that do not differ between samples."""
        if len(self.columns):
            first = len(self.shared) - len(self.columns)
            np.take(self.shared, self.columns, out=self.shared[first:], mode="clip")
        self.run(self.code[FORWARD], self.shared)

    def backward(self, seeds: np.ndarray) -> np.ndarray:
        """Return the gradients of the parameters, given those of the outputs."""
        if not self.batched:
            self.shared[self.seeds] = seeds
            self.run(self.code[BACKWARD], self.shared)
            return self.shared[self.gradients[: self.parameters]]
        sums = self.lanes.backward(self.shared, seeds)
        gradients = np.zeros(self.parameters, self.shared.dtype)
        gradients[self.summed] = sums[self.gradients[self.summed]]
        return gradients

    def input_gradients(self) -> np.ndarray:
        """Return the gradients of the inputs, of shape (samples, inputs)."""
        gradients = self.gradients[self.parameters :]
        return self.lanes.read(gradients) if self.batched else self.shared[gradients][None]

    def guard_values(self) -> np.ndarray:
        """Return the number of each guard, of shape (samples, guards) or (1, guards).

        The number of a comparison is 1 or 0, that of a conversion is the number to convert.
        """
        in_lanes, places = self.guard_in_lanes, self.guard_places
        numbers = self.shared[np.where(in_lanes, 0, places)][None, :]
        if in_lanes.any():
            numbers = np.where(in_lanes, self.lanes.read(np.where(in_lanes, places, 0)), numbers)
        return numbers

    @property
    def fingerprint(self) -> int:
        """A checksum of the compiled program."""
        checksum = 0
        for runs in self.stages:
            for array in (runs.opcodes, runs.terms, runs.a, runs.b, runs.c):
                checksum = crc32(array.tobytes(), checksum)
        return checksum

    @property
    def nbytes(self) -> int:
        """The size of all arrays but the lanes, which grow with the batch."""
        instructions = sum(len(runs.a) for runs in self.stages)
        order = [array for runs in self.stages for array in runs[:4]]
        numbers = self.shared.nbytes + sum(array.nbytes for array in order)
        return self.bytes_of(self.graph.groups, instructions) + numbers

    def bytes_of(self, groups: Iterable[NodeGroup], instructions: int) -> int:
        """Return the size of some nodes and of that many instructions, without their numbers."""
        arrays = (*self.stages[FORWARD][4:], self.schedule.rows[FORWARD])
        per_instruction = sum(array.itemsize for array in arrays)
        nodes = sum(group.nodes.nbytes + group.inputs.nbytes for group in groups)
        return nodes + instructions * per_instruction


class Lanes:
    """The numbers of a batch in blocks of lanes, one lane for each sample.

    Gradients of parameters are summed over samples in this order: in a block of 64 lanes (a smaller
    power of two for a smaller batch) by halves, the upper half added to the lower; then over the
    blocks 0, 8, 16, ..., over 1, 9, 17, ..., and so on up to 7; then over these eight sums in
    order. The order does not depend on the thread that computes a block, so any number of threads
    gives the same bits.

    A batch has at least `blocks` blocks if it has enough samples for 8 lanes in each, so that
    several threads have work.
    """

    def __init__(
        self, schedule: Schedule, dtype: np.dtype, inputs: int, fast: bool, threads: int | None,
        blocks: int = 1,
    ):  # fmt: skip
        self.stages, self.dtype, self.inputs = schedule.stages, dtype, inputs
        self.rows, self.sums = schedule.sizes[LANES], schedule.sizes[SUMS]
        self.kernel, self.threads = run_lanes_fast if fast else run_lanes, threads
        self.samples, self.fewest = 0, blocks
        self.blocks = np.zeros((0, self.rows, NARROWEST), dtype)

    def load(self, X: np.ndarray) -> None:
        """Store a batch of samples."""
        self.resize(len(X))
        self.write(X, 0)

    def resize(self, samples: int) -> None:
        """Make room for a number of samples."""
        self.samples = samples
        width = NARROWEST
        while width * self.fewest < min(samples, WIDEST * self.fewest):
            width *= 2
        shape = -(-self.samples // width), self.rows, width
        if self.blocks.shape != shape:
            self.blocks = np.zeros(shape, self.dtype)

    def write(self, numbers: np.ndarray, row: int) -> None:
        """Store numbers of shape (samples, columns) in rows from `row` on.

        Lanes without a sample repeat the last one.
        """
        count, _, width = self.blocks.shape
        unused = count * width - self.samples
        if unused:
            numbers = np.concatenate([numbers, np.repeat(numbers[-1:], unused, axis=0)])
        columns = numbers.shape[1]
        blocks = numbers.reshape(count, width, columns).transpose(0, 2, 1)
        self.blocks[:, row : row + columns] = blocks

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return the numbers in some rows, of shape (samples, rows)."""
        numbers = self.blocks[:, rows].transpose(0, 2, 1)
        return numbers.reshape(-1, len(rows))[: self.samples]

    def forward(self, shared: np.ndarray) -> None:
        """Run the forward pass of every sample."""
        self.run(LANES_FORWARD, shared, np.zeros((ACCUMULATORS, 0), self.dtype))

    def backward(self, shared: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Run the backward pass of every sample, and return the sums over samples."""
        self.write(seeds, self.inputs)
        accumulators = np.zeros((min(ACCUMULATORS, len(self.blocks)), self.sums), self.dtype)
        self.run(LANES_BACKWARD, shared, accumulators)
        if not len(accumulators):
            return np.zeros(self.sums, self.dtype)
        sums = accumulators[0]
        for accumulator in accumulators[1:]:
            sums += accumulator
        return sums

    def run(self, stage: int, shared: np.ndarray, accumulators: np.ndarray) -> None:
        """Run a stage over every block; blocks with the same accumulator run one after another."""
        runs = self.stages[stage]
        if not len(runs.opcodes):
            return
        count = min(ACCUMULATORS, len(self.blocks))

        def run_blocks(numbers: range) -> None:
            for k in numbers:
                self.kernel(
                    *runs, shared, self.blocks, self.samples, accumulators[k], k, ACCUMULATORS
                )

        workers = min(count, cores() if self.threads is None else self.threads)
        if workers < 2:
            run_blocks(range(count))
        else:  # the next thread that is ready takes the next blocks
            call_all([partial(run_blocks, range(k, k + 1)) for k in range(count)], workers)
