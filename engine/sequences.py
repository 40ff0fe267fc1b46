"""Rows over sequences: operations with any number of inputs, and with several results.

A `ManyOp` such as `dot` has one result. A `VectorOp` such as `softmax` has several results, which
are computed together. Its node, `Outputs`, lies between the inputs and one Value for each result.

    g, gs   the gradient of the result or results    xs, ws, others    the sequences
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, reduce
from operator import add, mul
from typing import Any

from engine.arithmetic import *
from engine.arithmetic import FLOATS, dispatched
from engine.formulas import maximum
from engine.graph import Sent
from engine.instructions import INLINE, Formulas, record
from engine.node import Node
from engine.rules import TABLE, Op, accepts, argument_names, flatten
from engine.value import VALUES, Value, as_float, as_nodes, format_float, lift, make_node

# --------------------------------------------------------------------------------------- formulas


@dispatched
def add_up(xs):
    """Return the sum from left to right; the built-in sum compensates from Python 3.12 on."""
    out = 0.0
    for x in xs:
        out = out + x
    return out


def multiply_add(ws, xs, b):
    """Return b + w1 x1 + w2 x2 + ..., from left to right."""
    out = b
    for product in map(mul, ws, xs):
        out = out + product
    return out


def exponentials(xs):
    """Return exp(x - largest) for each x: all are in [0, 1], so nothing overflows."""
    largest = reduce(maximum, xs)
    return [where(x >= largest, 1.0, exp(x - largest)) for x in xs]


@dispatched
def softmax(xs):
    exps = exponentials(xs)
    total = add_up(exps)
    return [divide(e, total) for e in exps]


@dispatched
def softmax_pullback(gs, outs, xs):
    """Return out * (g - sum(outs * gs)) for each result.

    Adding a constant to all g leaves the result unchanged, so the g of the largest out is
    subtracted first. Its factor 1 - out is then the sum of the other outs, without cancellation.
    """
    largest = reduce(maximum, xs)
    ties = add_up([where(x >= largest, 1.0, 0.0) for x in xs])
    at_largest = add_up([where(x >= largest, g, 0.0) for x, g in zip(xs, gs, strict=True)])
    gs = [g - divide(at_largest, ties) for g in gs]
    mean = multiply_add(outs, gs, 0.0)
    return [out * (g - mean) for out, g in zip(outs, gs, strict=True)]


@dispatched
def cross_entropy(x, others):
    """Return -log(softmax of x). Subtracting x first avoids cancellation."""
    return logsumexp([0.0, *[other - x for other in others]])


def cross_entropy_slopes(others):
    """Return the probabilities minus the one-hot target; for x, p - 1 without cancellation."""
    return -add_up(others), others


@dispatched
def logsumexp(xs):
    """Return largest + log1p(rest), since 1 + rest may round to 1."""
    largest = reduce(maximum, xs)
    rest, tied = 0.0, 0.0  # tied: 1 after the first of the largest
    for x, e in zip(xs, exponentials(xs), strict=True):
        is_largest = x >= largest
        rest = rest + where(is_largest, tied, e)
        tied = where(is_largest, 1.0, tied)
    return where(abs(largest) < math.inf, largest + log1p(rest), largest)


@dispatched
def uniform_cross_entropy(xs):
    """Return logsumexp(xs) - mean(xs), the mean of -log(softmax) over all classes.

    Subtracting the largest x first avoids cancellation.
    """
    largest = reduce(maximum, xs)
    xs = [x - largest for x in xs]
    return logsumexp(xs) - divide(add_up(xs), len(xs))


# ------------------------------------------------------------------------------- kinds of rows


class ManyOp(Op):
    """A row with sequences of any length among its arguments; it makes one node.

    forward     xs, ... -> out
    partials    out, xs, ... -> the local derivatives, one entry for each argument

    One function computes all local derivatives. The entry of a sequence is the sequence of its
    elements' derivatives. `sequences` names the arguments that are sequences, which must have equal
    lengths; omit it for a row of one argument. A `tame` row guarantees that its slopes are finite
    wherever its result is finite: backward then skips nodes whose gradient is 0.

    >>> from engine import Value
    >>> from engine.arithmetic import divide, sqrt
    >>> NORM = ManyOp(
    ...     "norm",
    ...     lambda xs, eps: sqrt(multiply_add(xs, xs, eps)),
    ...     lambda out, xs, eps: ([divide(x, out) for x in xs], divide(0.5, out)),
    ...     sequences=["xs"],
    ... )
    >>> NORM([Value(3.0), Value(4.0)], 0.0)
    Value(5.0)
    """

    __slots__ = ("sequences", "tame")

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        partials: Callable[..., Any],
        *,
        sequences: Iterable[str] = (),
        tame: bool = False,
    ):
        super().__init__(name, forward, partials)
        if not hasattr(forward, "__code__"):
            raise TypeError(
                f"{name} expects a function with named arguments, got {forward!r}; write "
                "lambda xs: ..."
            )
        given = tuple([sequences] if isinstance(sequences, str) else sequences)
        self.sequences = given or self.letters[: len(self.letters) == 1]
        self.tame = tame
        if not self.sequences or not set(self.sequences) <= set(self.letters):
            raise ValueError(
                f"{name}: expected the names of the sequences among {self.letters}, such as "
                f"sequences={list(self.letters[:1])}, got {list(given)}"
            )

    def _check_arguments(self) -> None:
        """Raise ValueError unless the slopes take `out` and the arguments of the formula."""
        known = hasattr(self.forward, "__code__")
        if known and not accepts(self.partials[0], len(argument_names(self.forward)) + 1):
            raise ValueError(
                f"{self.name}: the function of the slopes must take out and the arguments of the "
                "formula"
            )

    @property
    def letters(self) -> tuple[str, ...]:
        """The names of the arguments."""
        return argument_names(self.forward)

    @property
    def arity(self) -> int:
        return len(self.letters)

    def check_sequences(self, args: Sequence[Any]) -> None:
        """Raise TypeError if an argument must be a sequence, ValueError for unequal lengths."""
        given = [
            x for letter, x in zip(self.letters, args, strict=True) if letter in self.sequences
        ]
        for letter, x in zip(self.sequences, given, strict=True):
            if not isinstance(x, list | tuple):
                raise TypeError(f"{self.name} takes a list for {letter}, got {x!r}; write [x]")
            if len(x) != len(given[0]):
                raise ValueError(
                    f"{self.name} takes sequences of equal length, got {len(given[0])} and {len(x)}"
                )

    def locals(self, out: Any, *args: Any) -> tuple[Any, ...]:
        return self.partials[0](out, *args)

    def on_values(self, *args: Any) -> Any:
        """Return the node of this row applied to nodes, numbers and sequences of them."""
        args = self.complete(args)
        args = tuple([as_nodes(a) if isinstance(a, (list, tuple)) else lift(a) for a in args])
        self.check_sequences(args)
        data = [[x._data for x in a] if type(a) is tuple else a._data for a in args]
        return self.node_over(args, data, self.forward(*data))

    def node_over(self, args: tuple[Any, ...], data: list[Any], out: Any) -> Any:
        slopes: list[float] = []
        local = self.locals(out, *data)
        if len(local) != len(args):
            raise ValueError(f"{self.name} has {len(args)} arguments, but {len(local)} slopes")
        for arg, slope in zip(args, local, strict=True):
            if type(arg) is not tuple:
                slopes.append(as_float(slope))
            elif not hasattr(slope, "__len__"):
                raise TypeError(
                    f"{self.name} expects a list of slopes for a sequence, got {slope!r}"
                )
            elif len(arg) == len(slope):
                slopes.extend(map(as_float, slope))
            else:
                raise ValueError(f"{self.name} has {len(slope)} slopes for {len(arg)} inputs")
        return make_node(self, tuple(flatten(args)), None, as_float(out), tuple(slopes), None)

    def group(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        single = len(self.letters) - len(self.sequences)
        length = (len(inputs) - single) // len(self.sequences)
        rest = iter(inputs)
        take = lambda n: tuple([next(rest) for _ in range(n)])
        return tuple([take(length) if x in self.sequences else next(rest) for x in self.letters])


class VectorOp(ManyOp):
    """A row over one sequence, with several results that are computed together.

    forward     xs -> outs
    pullback    gs, outs, xs -> the gradients of xs, for the gradients gs of outs

    >>> from engine import Value
    >>> SHIFT = VectorOp(
    ...     "shift", lambda xs: [x - xs[0] for x in xs],
    ...     lambda gs, outs, xs: [gs[0] - add_up(gs), *gs[1:]],
    ... )
    >>> SHIFT([Value(3.0), Value(5.0)])
    [Value(0.0), Value(2.0)]
    """

    __slots__ = ()
    several = True

    def _check_arguments(self) -> None:
        if not (accepts(self.forward, 1) and accepts(self.partials[0], 3)):
            raise ValueError(
                f"{self.name}: the formula must take xs, and the pullback gs, outs and xs"
            )

    def locals(self, outs: Any, xs: Any) -> tuple[Any, ...]:
        """Return the derivatives of all results for each input."""
        units = [[float(i == k) for i in range(len(outs))] for k in range(len(outs))]
        return tuple(zip(*[self.partials[0](unit, outs, xs) for unit in units], strict=True))

    def node_over(self, args: tuple[Any, ...], data: list[Any], out: Any) -> Any:
        return Outputs(self, args[0], data[0], out).nodes()


class Output(Op):
    """One result of a `VectorOp`, selected by its index."""

    __slots__ = ("index", "of")

    def __init__(self, of: VectorOp, index: int):
        super().__init__(f"{of.name}[{index}]", lambda outs: outs[index], lambda out, outs: 1.0)
        self.of, self.index = of, index

    def __reduce__(self) -> Any:
        return output, (self.of, self.index)


@lru_cache(maxsize=4096)  # bounded, so that users' rows are freed
def output(op: VectorOp, index: int) -> Output:
    """Return the row of one result."""
    return Output(op, index)


class Outputs(Node):
    """The node of an operation with several results, and the input of each result's Value.

    `data` and `grad` are tuples with one entry per result.

    >>> from engine import softmax
    >>> p, q = softmax([Value(0.0), Value(0.0)])
    >>> p.inputs
    (Outputs(0.5, 0.5),)
    """

    __slots__ = ()
    op: Any
    _grad: Any  # Parts; a float where no contribution has arrived

    def __init__(self, op: VectorOp, inputs: tuple[Value, ...], xs: list[float], outs: Any):
        if not isinstance(outs, list | tuple):
            raise TypeError(f"{op.name} must return a list of results, got {outs!r}")
        self._data, self._x, self._dx = tuple(map(as_float, outs)), inputs, tuple(xs)
        self._grad, self.op, self._y, self._dy = 0.0, op, None, None

    def nodes(self) -> list[Value]:
        """Return a node for each result."""
        return [
            make_node(output(self.op, i), self, None, out, None, None)
            for i, out in enumerate(self._data)
        ]

    @property
    def data(self) -> tuple[float, ...]:
        return self._data

    @property
    def grad(self) -> tuple[float, ...]:
        return tuple([0.0 if g is None else g for g in self._parts()])

    @grad.setter
    def grad(self, grads: Any) -> None:
        self._grad = grads if isinstance(grads, float) else Parts(grads)

    def _parts(self) -> "Parts":
        """Return the gradients of the results, with None for those without a contribution."""
        return self._grad if type(self._grad) is Parts else Parts([None] * len(self._data))

    @property
    def locals(self) -> tuple[tuple[float, ...] | None, ...]:
        """The derivatives of all results for each input; None for a constant."""
        rows = self.op.locals(self._data, self._dx)
        return tuple(None if x.constant else row for x, row in zip(self._x, rows, strict=True))

    def __repr__(self) -> str:
        return f"Outputs({', '.join(map(format_float, self._data))})"

    def _refuse(self, *_: Any) -> Any:
        name = self.op.name
        raise TypeError(f"{self!r} has several results; select one, as in {name}(xs)[0]")

    lift = _unary = _binary = apply = backward = _one = _refuse

    def _only(self, i: int, g: Any) -> "Parts":
        """Return the contribution g to the gradient of result i alone."""
        return Parts([g if k == i else None for k in range(len(self._data))])

    def _receive(self, contribution: "Parts") -> None:
        self._grad = self._parts() + contribution

    def _send(self, gs: Any) -> list[Sent]:
        gs = [0.0 if g is None else g for g in gs]
        gradients = self.op.partials[0](gs, self._data, self._dx)
        if not hasattr(gradients, "__len__") or len(gradients) != len(self._x):
            raise ValueError(
                f"expected {len(self._x)} gradients from the pullback of {self.op.name!r}, one for "
                f"each input, got {gradients!r}"
            )
        pairs = zip(self._x, gradients, strict=True)
        return [Sent(x, None, g) for x, g in pairs if not x.constant]

    def _outdated(self, i: int) -> bool:
        now = self.op.forward([x._data for x in self._x])
        return repr(tuple(map(as_float, now))) != repr(self._data)  # to the bit; nan is nan


class Parts(tuple[Any, ...]):
    """The gradients of several results, added element by element; None for no contribution."""

    __slots__ = ()

    def __add__(self, other: Any) -> "Parts":
        pairs = zip(self, other, strict=True)
        return Parts([b if a is None else a if b is None else add(a, b) for a, b in pairs])


LONGEST = 129  # inputs for which a formula is written out


@lru_cache(maxsize=256)
def unroll(op: ManyOp, inputs: int) -> Callable[..., tuple[float, tuple[float, ...]]]:
    """Return a function that maps a row's arguments (floats) to its result and a tuple of slopes.

    Its code is printed for this number of inputs, so that a sum needs no loop.
    """
    if inputs > LONGEST:

        def general(*args: Any) -> tuple[float, tuple[float, ...]]:
            out = op.forward(*args)
            return out, tuple(flatten(op.locals(out, *args)))

        return general
    names, row = [f"x{i}" for i in range(inputs)], record(op, inputs)
    wanted = [*row.outs, *[s for s in row.locals if s is not None]]
    steps = [*row.forward, *row.backward]
    formulas = Formulas(dict(enumerate(names)), row, steps, wanted, INLINE)
    lines = []
    for letter, part in zip(op.letters, op.group(names), strict=True):
        if part != ():
            target = f"({', '.join(part)},)" if isinstance(part, tuple) else part
            lines.append(f"{target} = {letter}")
    slopes = ["1.0" if s is None else formulas.of(s) for s in row.locals]
    lines += [*formulas.parts, f"return {formulas.of(row.outs[0])}, ({', '.join(slopes)},)"]
    code = f"def {op.name}({', '.join(op.letters)}):\n" + "".join(f"    {x}\n" for x in lines)
    space: dict[str, Any] = {**FLOATS, "inf": math.inf, "nan": math.nan}
    exec(compile(code, f"{__file__}, printed", "exec"), space)  # a file that warnings skip
    return space[op.name]


# ------------------------------------------------------------------------------------------ the rows
# fmt: off

DOT           = ManyOp("dot",       multiply_add,  lambda out, ws, xs, b: (xs, ws, 1.0), sequences=["ws", "xs"], tame=True)
TOTAL         = ManyOp("total",     lambda xs: add_up(xs),     lambda out, xs: ([1.0] * len(xs),), tame=True)
LOGSUMEXP     = ManyOp("logsumexp", lambda xs: logsumexp(xs),  lambda out, xs: (softmax(xs),), tame=True)
CROSS_ENTROPY = ManyOp("cross_entropy", lambda x, others: cross_entropy(x, others),
                       lambda out, x, others: cross_entropy_slopes(softmax([x, *others])[1:]), sequences=["others"], tame=True)
UNIFORM_CROSS_ENTROPY = ManyOp("uniform_cross_entropy", lambda xs: uniform_cross_entropy(xs),
                       lambda out, xs: ([p - 1.0 / len(xs) for p in softmax(xs)],), tame=True)
SOFTMAX       = VectorOp("softmax", lambda xs: softmax(xs),    lambda gs, outs, xs: softmax_pullback(gs, outs, xs))

# fmt: on

TABLE.update(
    {op.name: op for op in (DOT, TOTAL, LOGSUMEXP, CROSS_ENTROPY, UNIFORM_CROSS_ENTROPY, SOFTMAX)}
)
BUILT_IN = frozenset(TABLE.values())  # without rows that users add
VALUES["softmax"] = SOFTMAX
