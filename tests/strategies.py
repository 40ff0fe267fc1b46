"""Strategies for floats of every kind, arrays, and programs, which are random expression graphs."""

import math
import operator
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine import Value, dot, logsumexp, maximum, minimum, softmax, total, where
from engine.rules import ELEMENTWISE, TABLE

inf, nan = math.inf, math.nan

SPECIAL = [0.0, -0.0, 5e-324, -2.2e-308, 1.0, -1.0, 710.0, 1e200, -1.7e308, inf, -inf, nan]
wide = st.floats(allow_nan=False, allow_infinity=False)
any_float = st.one_of(st.sampled_from(SPECIAL), st.floats())
mild = st.floats(-3.0, 3.0).map(lambda x: round(x, 3))


def examples(n: int) -> settings:
    """Return settings for n examples; a profile with fewer or more than 100 changes n too."""
    usual = settings.default.max_examples
    return settings(max_examples=max(n, usual) if usual > 100 else max(1, n * usual // 100))


def batches(*columns: st.SearchStrategy[Any], size: int = 5) -> st.SearchStrategy[Any]:
    """Return a strategy for lists of `size` tuples.

    Hypothesis spends one to two milliseconds on an example, more than a row takes to compute, and
    a tape takes several to record, so a cheap check tests a batch of inputs per example.
    """
    return st.lists(st.tuples(*columns), min_size=size, max_size=size)


# ------------------------------------------------------------------------------------------ arrays

DTYPES = [np.float64, np.float32]
dtypes = st.sampled_from(DTYPES)


def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 1) -> st.SearchStrategy[Any]:
    """Return a strategy for small shapes, with axes of length 1, and of 0 if `min_side=0`."""
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=3)


def broadcastable(n: int, min_side: int = 0) -> st.SearchStrategy[Any]:
    """Return a strategy for n shapes that broadcast: `.input_shapes`, `.result_shape`."""
    return hnp.mutually_broadcastable_shapes(
        num_shapes=n, max_dims=3, min_side=min_side, max_side=3
    )


def arrays(
    shape: Any,
    dtype: Any = np.float64,
    numbers: st.SearchStrategy[float] = mild,
    unique: bool = False,
) -> st.SearchStrategy[np.ndarray]:
    """Return a strategy for arrays of one shape, rounded to the dtype."""
    found = hnp.arrays(np.float64, shape, elements=numbers, unique=unique)
    return found.map(lambda x: x.astype(dtype))


def axes(ndim: int, several: bool = True) -> st.SearchStrategy[Any]:
    """Return a strategy for an axis, counted from either end; with `several` also a tuple or None."""
    one = st.integers(-ndim, ndim - 1) if ndim else st.nothing()
    return st.none() | one | hnp.valid_tuple_axes(ndim) if several else one


def indices(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    """Return a strategy for NumPy's indices: integers, slices, masks, integer arrays."""
    found = [hnp.basic_indices(shape, allow_newaxis=True)]
    if shape and 0 not in shape:
        found += [
            hnp.integer_array_indices(shape, result_shape=shapes(0, 2)),
            hnp.arrays(bool, shape),
            hnp.arrays(bool, shape[:1]),
            st.lists(st.integers(-shape[0], shape[0] - 1), min_size=1, max_size=4),
            st.tuples(hnp.arrays(np.intp, 3, elements=st.integers(0, shape[0] - 1)), st.just(...)),
        ]
    return st.one_of(found)


# ---------------------------------------------------------------------------------------- programs


class Program(NamedTuple):
    """An expression graph as a list of instructions, which run in any arithmetic.

    The first places are the inputs, whose values are `at`; each instruction adds one. An integer
    among the arguments of an instruction is a place, a float is a constant. The printed form of a
    program can be run: `Program(at=(3.0,), steps=(('*', 0, 0), ('+', 1, 2.0))).on_values()`.
    """

    at: tuple[float, ...]
    steps: tuple[tuple[Any, ...], ...]

    def run(self, inputs: Iterable[Any], apply: Callable[..., Any]) -> list[Any]:
        """Return every result, the inputs first; `apply(name, *args)` performs an instruction."""
        results = list(inputs)
        for name, *args in self.steps:
            results.append(apply(name, *[results[a] if isinstance(a, int) else a for a in args]))
        return results

    def on_values(self, leaf: type[Value] = Value) -> list[Value]:
        """Run the program with operators, methods and functions, as users write them."""
        return self.run(map(leaf, self.at), node)

    def on_floats(self) -> list[float]:
        return self.run(self.at, on_floats)

    def uses(self) -> Counter[int]:
        """Return the number of uses of each place."""
        return Counter(a for _, *args in self.steps for a in args if isinstance(a, int))


def on_floats(name: str, *args: float) -> float:
    """Run an instruction on floats; return the first of several results."""
    out = TABLE[name].forward(*TABLE[name].unflatten(args))
    return out[0] if isinstance(out, list) else out


def weighted(out: Any) -> Value:
    """Return a row's result; of several results, a weighted sum of some."""
    return dot(out[::2], [1.0, -0.5, 2.0][: len(out[::2])]) if isinstance(out, list) else out


OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "%": operator.mod,
    "//": operator.floordiv,
    "neg": operator.neg,
    "abs": abs,
}
FUNCTIONS: dict[str, Callable[..., Value]] = {
    "maximum": maximum,
    "minimum": minimum,
    "where": where,
    "total": lambda *xs: total(xs),
    "logsumexp": lambda *xs: logsumexp(xs),
    "softmax": lambda *xs: softmax(xs)[0],
    "dot": lambda *args: dot(*TABLE["dot"].unflatten(args)),
}


def node(name: str, *args: Any) -> Value:
    """Run an instruction on nodes and numbers; a method is called on its first argument."""
    if name in OPERATORS:
        return OPERATORS[name](*args)
    if name in FUNCTIONS:
        return FUNCTIONS[name](*args)
    if not hasattr(Value, name):
        y = TABLE[name](*TABLE[name].unflatten([*map(Value.lift, args)]))
        return y[0] if isinstance(y, list) else y
    first, *others = args
    return getattr(Value.lift(first), name)(*others)


# Where a row is smooth, with a margin; rows without an entry are smooth everywhere.
# fmt: off
SMOOTH: dict[str, Callable[..., bool]] = {
    **dict.fromkeys(["log", "log2", "log10", "sqrt"], lambda x: x > 0.1),
    **dict.fromkeys(["asin", "acos", "atanh"], lambda x: abs(x) < 0.9),
    **dict.fromkeys(["abs", "relu", "squared_relu", "sign", "cbrt"], lambda x: abs(x) > 0.1),
    **dict.fromkeys(["leaky_relu", "elu"], lambda x, slope: abs(x) > 0.1),
    **dict.fromkeys(["maximum", "minimum"], lambda x, y: abs(x - y) > 0.1),
    **dict.fromkeys(["rms_norm", "layer_norm"], lambda *xs: xs[-1] > 0.1),  # eps
    **dict.fromkeys(["floor", "ceil"], lambda x: abs(x - round(x)) > 0.1),
    **dict.fromkeys(["%", "//"], lambda x, y: abs(y) > 0.1 and abs(x / y - round(x / y)) > 0.1),
    "round": lambda x: 0.1 < x % 1.0 < 0.4 or 0.6 < x % 1.0 < 0.9,
    "xlogy": lambda x, y: y > 0.1,
    "/":     lambda x, y: abs(y) > 0.1,
    "**":    lambda x, y: x > 0.1,
    "log1p": lambda x: x > -0.9,
    "acosh": lambda x: x > 1.1,
    "tan":   lambda x: abs(math.cos(x)) > 0.2,
    "atan2": lambda x, y: y > 0.1 or abs(x) > 0.1,
    **dict.fromkeys(
        [
            "hypot", "direction_cosine", "cosine_slope", "cosine_cross_slope", "angle_slope",
            "cos2_over_square", "sin2_over_square",
        ],
        lambda x, y: abs(x) + abs(y) > 0.5,
    ),
    **dict.fromkeys(["over_square", "over_cube"], lambda x, y: abs(y) > 0.5),
    **dict.fromkeys(
        ["scaled_power", "scaled_power_log", "scaled_power_log_square"], lambda c, x, y: x > 0.1
    ),
    "clip":  lambda x, lo, hi: lo < hi and min(abs(x - lo), abs(x - hi)) > 0.1,
    "where": lambda condition, x, y: abs(condition) > 0.1,
}
# fmt: on
BOUND = 10.0  # on every result of a smooth program, except the last


def written(at: tuple[float, ...], draft: list[tuple[Any, ...]], smooth: bool) -> Program:
    """Return the program of a draft, in which an integer counts places backwards from the last.

    If `smooth`, tanh replaces a row that would leave its domain. The last instruction adds up all
    unused results, so that every node is under one root.
    """
    values, steps = list(at), []
    for name, *args in draft:
        here = [a if isinstance(a, float) else len(values) - 1 - a % len(values) for a in args]
        if all(isinstance(a, float) for a in here):
            here[0] = len(values) - 1
        xs = [values[a] if isinstance(a, int) else a for a in here]
        out = on_floats(name, *xs)
        if smooth and not (SMOOTH.get(name, lambda *_: True)(*xs) and abs(out) <= BOUND):
            name, here = "tanh", [a for a in here if isinstance(a, int)][:1]
            out = math.tanh(values[here[0]])
        steps.append((name, *here))
        values.append(out)
    used = Program(at, tuple(steps)).uses()
    loose = [place for place in range(len(values)) if not used[place]]
    return Program(at, (*steps, ("total", *loose)) if len(loose) > 1 else tuple(steps))


def programs(
    smooth: bool = True,
    rows: Iterable[str] = tuple(TABLE),
    longest: int = 120,
    numbers: st.SearchStrategy[float] = mild,
) -> st.SearchStrategy[Program]:
    """Return a strategy for programs over `rows`, some short, some of up to `longest` instructions.

    Places are shared and repeated. Smooth programs have finite derivatives and no kink nearby.
    """
    argument = st.one_of(st.integers(0, 2), st.integers(0, 99), numbers)

    def instruction(name: str) -> st.SearchStrategy[tuple[Any, ...]]:
        least = 2 if name in ("rms_norm", "layer_norm") else 1  # the last argument is eps
        several = {"dot": [1, 3, 7]}.get(name, [least, 3, 5])
        sizes = [len(TABLE[name].partials)] if name in ELEMENTWISE else several
        return st.one_of([st.tuples(st.just(name), *[argument] * size) for size in sizes])

    instructions = st.one_of([instruction(name) for name in rows])
    short = st.lists(instructions, min_size=1, max_size=10)
    long = st.lists(instructions, min_size=longest // 2, max_size=longest)
    inputs = st.lists(numbers, min_size=1, max_size=3)

    @st.composite  # so that a failing test prints the program, not the draft
    def program(draw: st.DrawFn) -> Program:
        return written(tuple(draw(inputs)), draw(short | long), smooth)

    return program()
