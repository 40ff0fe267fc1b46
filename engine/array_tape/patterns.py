"""How arrays lie in the loops of a kernel: over rows i and, in each row, over columns j.

The largest array of a kernel has m rows of n elements; its leading axes count as one. An array has
an element for each pair (FULL), for each row (ROW), for each column (COLUMN), or one (ONE).
"""

import math
from collections.abc import Iterable

import numpy as np

from engine.array_tape.steps import ELEMENTWISE, VIEW, ArrayStep, TracedArray

FULL, ROW, COLUMN, ONE = "full", "row", "column", "one"


class Domain:
    """The shape of the largest array of some steps, and the patterns of the others."""

    def __init__(self, steps: Iterable[ArrayStep]):
        self.steps = list(steps)
        self.shape = max(map(largest_shape, self.steps), key=order_of)
        self.n = self.shape[-1] if self.shape else 1
        self.m = math.prod(self.shape[:-1])
        self.patterns: dict[TracedArray, str] = {}
        self.bases: dict[TracedArray, TracedArray] = {}  # of views that are read from another array
        self.fits = self.m * self.n > 0 and all(map(self.add, self.steps))

    def extend(self, step: ArrayStep) -> "Domain | None":
        """Return the domain of the steps and another one; None if there is none."""
        if order_of(largest_shape(step)) > order_of(self.shape):
            other = Domain([*self.steps, step])
            return other if other.fits else None
        before = dict(self.patterns), dict(self.bases)
        if self.add(step):
            self.steps.append(step)
            return self
        self.patterns, self.bases = before
        return None

    def add(self, step: ArrayStep) -> bool:
        """Find the patterns of the operands and of the result of a step."""
        if step.kind == VIEW:
            return self.add_view(step)
        operands = list(step.operands())
        if step.kind == ELEMENTWISE:
            return self.add_elementwise(step, operands)
        return self.add_reduction(step, operands[0]) if operands else False

    def add_elementwise(self, step: ArrayStep, operands: list[TracedArray]) -> bool:
        shape = step.out.shape
        known = {self.patterns[x] for x in operands if x in self.patterns} - {ONE}
        for x in operands:
            if x not in self.patterns:
                pattern = self.guess(x, shape, known)
                if pattern is None:
                    return False
                self.patterns[x] = pattern
        found = {self.patterns[x] for x in operands} - {ONE}
        out = next(iter(found), ONE) if len(found) < 2 else FULL
        if math.prod(shape) != self.size(out):  # of operands that are broadcast views
            rows = (*self.shape[:-1], 1), self.shape[:-1]
            out = FULL if shape == self.shape else ROW if shape in rows else COLUMN
            if found - {out} and out != FULL:  # sums over rows with sums over columns
                return False
        self.patterns[step.out] = out
        return math.prod(shape) == self.size(out)

    def guess(self, x: TracedArray, shape: tuple[int, ...], known: set[str]) -> str | None:
        """Return the pattern of an array from outside, an operand of a result of a shape."""
        root = find_root(x)
        if root.size == 1:  # perhaps broadcast
            if x is not root:
                self.patterns[root], self.bases[x] = ONE, root
            return ONE
        if x.shape == self.shape:
            return FULL if is_contiguous(x) else None
        if not is_contiguous(x):
            return None
        if len(self.shape) > 1 and x.shape == (*self.shape[:-1], 1):
            return ROW
        if (
            math.prod(x.shape[:-1]) == 1
            and x.shape[-1] == self.n
            and (shape == self.shape or x.ndim > 1 or self.n != self.m or COLUMN in known)
        ):
            return COLUMN
        if x.shape == self.shape[:-1] and x.shape == shape and (self.n != self.m or ROW in known):
            return ROW
        return None

    def add_reduction(self, step: ArrayStep, x: TracedArray) -> bool:
        if x not in self.patterns:
            pattern = self.guess(x, x.shape, set())
            if pattern is None:
                return False
            self.patterns[x] = pattern
        pattern, axis = self.patterns[x], step.settings.get("axis")
        if x.size != self.size(pattern):
            return False  # a sum over elements that are repeated
        axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        reduced = (
            {i % x.ndim for i in axes} if x.ndim else set()
        )  # NumPy lets a number have an axis
        leading = set(range(x.ndim - 1))
        if pattern == FULL and reduced == {x.ndim - 1} and x.ndim > 1:
            out = ROW
        elif pattern == FULL and reduced == leading and reduced and self.n > 1:
            out = COLUMN
        elif len(reduced) == x.ndim or (pattern == FULL and reduced and step.out.size == 1):
            out = ONE  # also of a single column, which NumPy sums as a row
        else:
            return False
        self.patterns[step.out] = out
        return True

    def add_view(self, step: ArrayStep) -> bool:
        """Find an array from which a view can be read with a pattern of its own."""
        x = step.args[0]
        base = self.bases.get(x, x)
        if x not in self.patterns:
            pattern = self.guess(x, x.shape, set())
            if pattern is None:
                return False
            self.patterns[x] = pattern
        pattern = self.patterns[x]
        if pattern == ONE or self.keeps_places(step, pattern):
            self.patterns[step.out], self.bases[step.out] = pattern, base
            return True
        return False

    def keeps_places(self, step: ArrayStep, pattern: str) -> bool:
        """Return whether a view has the elements of an array of this pattern at the same places."""
        x = step.args[0]
        if x.size != self.size(pattern):  # itself a broadcast view
            return False
        places = step.f(np.arange(x.size).reshape(x.shape), *step.args[1:], **step.settings)
        rows, columns = np.indices((self.m, self.n))
        full = {FULL: rows * self.n + columns, ROW: rows, COLUMN: columns}[pattern]
        if places.size == full.size:
            return (self.n == 1 or places.shape[-1] == self.n) and np.array_equal(
                places.ravel(), full.ravel()
            )
        return pattern != FULL and np.array_equal(places.ravel(), np.arange(x.size))

    def size(self, pattern: str) -> int:
        return {FULL: self.m * self.n, ROW: self.m, COLUMN: self.n, ONE: 1}[pattern]

    def array_shape(self, pattern: str) -> tuple[int, ...]:
        """Return the shape in which a kernel receives an array."""
        return (self.m, self.n) if pattern == FULL else (self.size(pattern),)


def largest_shape(step: ArrayStep) -> tuple[int, ...]:
    """Return the shape of the largest array of a step."""
    return max([x.shape for x in (*step.operands(), step.out)], key=order_of)


def order_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the number of elements and the number of axes."""
    return math.prod(shape), len(shape)


def is_contiguous(x: TracedArray) -> bool:
    """Return whether an array is in C order and aligned, in replays as in the recording."""
    return x.value.flags.c_contiguous and x.value.flags.aligned


def find_root(x: TracedArray) -> TracedArray:
    """Return the array of which `x` is a view, or `x` itself."""
    while x.step is not None and x.step.kind == VIEW:
        x = x.step.args[0]
    return x
