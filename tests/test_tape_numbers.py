"""A tape notices what Python makes of the number of a Value: integers, text, results of C functions.

Each function that takes a number is recorded at one number and judged at another: the recorded
result is right there too, or a recorded decision changes, or recording raised an error with the
remedy.
"""

import array
import builtins
import cmath
import copy
import ctypes
import datetime
import decimal
import fractions
import functools
import json
import math
import operator
import os
import pickle
import random
import statistics
import struct
import warnings
from collections.abc import Iterator

import numpy as np
import pytest

from engine import GradientWarning, Value, maximum, no_grad, topological

if not os.environ.get("CI"):
    pytest.importorskip("numba", reason="numba is not installed: pip install -e '.[jit]'")

from engine import BranchChanged, Tape, record_branches
from engine.tape.flat_graph import decided_nodes, order_nodes
from engine.tape.values import Decision, recompute
from engine.watch.decisions import COMPARISONS, Branch
from engine.watch.recorded_number import RecordedNumber

PAIRS = [(3.25, 5.5), (0.25, -0.5), (2.0, 0.0), (0.0, -0.0), (math.inf, math.nan)]


def plain(result):
    """Return a result with plain floats, to compare."""
    if issubclass(type(result), RecordedNumber):
        return result._plain()
    if type(result) is slice:
        return plain([result.start, result.stop, result.step])
    if isinstance(result, Iterator):
        return plain(list(result))
    if type(result) in (list, tuple):
        return type(result)(map(plain, result))
    return float(result) if type(result) is np.float64 else result


def outcome(f, number):
    """Return the result of a function of a float as text, or its error."""
    try:
        return repr(plain(f(number)))
    except Exception as problem:
        return type(problem)


def is_noticed(decisions):
    """Return whether a decision has another outcome for the current numbers."""
    recompute(order_nodes([node for decision in decisions for node in decided_nodes(decision)]))
    for decision in decisions:
        now = Decision.of(decision).now(decision.x._data)
        if isinstance(decision, Branch):
            now = repr(COMPARISONS[decision.operator](decision.x._data, decision.y._data))
        if now != repr(decision.outcome):
            return True
    return False


def judge(f, before, after):
    """Record a function of x.data at one number, and judge it at another one."""
    expected = outcome(f, before)
    x = Value(before, "x")
    try:
        with record_branches() as decisions:
            result = f(x.data)
    except Exception as problem:
        is_ours = isinstance(problem, TypeError) and "float(x.data)" in str(problem)
        assert is_ours or expected is type(problem), problem  # noqa: PT017
        return
    result = list(result) if isinstance(result, Iterator) else result
    assert repr(plain(result)) == expected
    x.data = after
    numbers = [result, *(result if type(result) in (list, tuple) else [])]
    recompute(order_nodes([y.node for y in numbers if issubclass(type(y), RecordedNumber)]))
    if repr(plain(result)) != outcome(f, after):
        assert is_noticed(decisions)


def positions(f):
    """Return functions that pass a number to `f` in different positions."""
    return [
        f,
        lambda x: f(x, 2.0),
        lambda x: f(2.0, x),
        lambda x: f(x, 2),
        lambda x: f(x, x),
        lambda x: f([x, 2.0]),
        lambda x: f(np.float64(2.0), x),
        lambda x: f(x, fractions.Fraction(1, 3)),
        lambda x: f(1 + 2j, x),
    ]


OTHERS = {  # functions that do not compute with a number, and one that stores it
    "is_", "is_not",
    "breakpoint", "classmethod", "copyright", "credits", "exit", "globals", "help", "id", "input",
    "itemgetter", "license", "locals", "memoryview", "object", "open", "print", "property", "quit",
    "staticmethod", "super", "type", "vars", "dir", "aiter", "anext",
}  # fmt: skip
READERS = [
    pytest.param(f, id=f"{module.__name__}.{name}")
    for module in (builtins, math, operator, cmath)
    for name, f in vars(module).items()
    if callable(f) and not name.startswith("_") and name not in OTHERS
    if not (isinstance(f, type) and issubclass(f, BaseException))
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("f", READERS)
def test_functions_of_python(f):
    for g in positions(f):
        for pair in PAIRS:
            judge(g, *pair)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [x for x in dir(np) if isinstance(getattr(np, x), np.ufunc)])
def test_functions_of_numpy(name):
    f = getattr(np, name)
    for g in [f] if f.nin == 1 else [*positions(f), lambda x: f(np.array([1.0, 2.0]), x)]:
        for pair in PAIRS[:3]:
            judge(g, *pair)


@functools.singledispatch
def dispatched(x):
    raise TypeError


@dispatched.register
def _(x: float):
    return int(x * 2)


def match(x):
    match x:
        case 3.25:
            return 1
        case float():
            return 2
    return 3


def assign(x):
    numbers = np.zeros(2)
    numbers[0] = x
    return numbers


@pytest.mark.parametrize(
    "f",
    [
        lambda x: f"{x}",
        lambda x: f"{x!r:>20}",
        lambda x: f"{x:.2f}",
        lambda x: "%g" % x,  # noqa: UP031
        lambda x: "%d %s" % (x, x),  # noqa: UP031
        "{:.1f}".format,
        lambda x: struct.pack("d", x),
        lambda x: ctypes.c_double(x).value,
        lambda x: array.array("d", [x])[0],
        lambda x: json.dumps({"loss": x}),
        lambda x: (-x) ** 0.5,
        lambda x: x + 1j,
        lambda x: x == 3.25 + 0j,
        lambda x: x == decimal.Decimal("3.25"),
        lambda x: decimal.Decimal(1) < x,
        decimal.Decimal,
        fractions.Fraction,
        lambda x: x < fractions.Fraction(10**30, 3),
        lambda x: x < 2**53 + 1,
        lambda x: x * datetime.timedelta(seconds=1),
        lambda x: datetime.timedelta(seconds=x),
        lambda x: random.Random(0).uniform(0.0, x),
        lambda x: random.Random(x).random(),
        lambda x: statistics.fmean([x, 2.0]),
        lambda x: statistics.mean([x, 2.0]),
        lambda x: statistics.median([x, 2.0, 3.0]),
        copy.copy,
        lambda x: copy.deepcopy([x]),
        lambda x: pickle.loads(pickle.dumps(x)),
        lambda x: {3.25: 1}.get(x),
        lambda x: x in [3.25, 1.0],
        lambda x: [1, 2, 3, 4, 5, 6][int(x)],
        lambda x: (x.real, x.imag, x.conjugate(), +x),
        lambda x: (x.hex(), x.is_integer(), x.as_integer_ratio()),
        lambda x: type(x)(2),
        dispatched,
        match,
        assign,
        float.hex,
        lambda x: pow(x, 2, 3),
        lambda x: x * np.array([1.0, 2.0]),
        lambda x: np.array([1.0, 4.0]) < x,
        lambda x: np.float32(4.0) + x,
        lambda x: np.float32(0.1) < x,
        lambda x: x ** np.int64(2),
        lambda x: np.int64(20) // x,
        lambda x: np.array([[x, 1.0]]),
        lambda x: np.full(2, x),
        lambda x: np.clip(x, 0.0, 4.0),
        lambda x: np.round(x, 1),
        lambda x: np.isclose(x, 3.25),
        lambda x: np.add.reduce([x, 2.0]),
        lambda x: np.random.default_rng(0).normal(x, 1.0),
    ],
)
def test_hard_readers(f):
    for pair in PAIRS[:4]:
        judge(f, *pair)


def test_every_method_of_floats_is_recorded():
    """A method that a future version of Python adds must be recorded as well."""
    methods = set(dir(float)) - set(dir(object)) - {"__getformat__", "__getnewargs__"}
    assert methods - {"from_number"} <= set(dir(RecordedNumber))  # a class method of Python 3.14
    with record_branches():
        assert isinstance(Value(1.0).data, float)
    assert type(Value(1.0).data) is float


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda x: x * math.sin(x.data),
            r"float\(x\) was 3.5 when the tape was recorded and is 5.5 now \(test_tape_numbers.py, "
            r"line \d+: lambda x: x \* math.sin\(x.data\),\), so .* row of your own",
        ),
        (lambda x: x * round(x.data), r"round\(x\) was 4 .* is 6 now .*maximum\(\)"),
        (lambda x: x * int(x.data), r"int\(x\) was 3 .* is 5 now"),
        (lambda x: x * (x.data // 2), r"x // 2 was 1.0 .* is 2.0 now"),
        (lambda x: x * (9.0 % x.data), r"9.0 % x was 2.0 .* is 3.5 now"),
        (lambda x: x * divmod(x.data, 2)[0], r"divmod\(x, 2\) was \(1.0, 1.5\) .* is \(2.0, 1.5\)"),
        (lambda x: x * math.floor(x.data), r"math.floor\(x\) was 3 .* is 5 now"),
        (lambda x: x * len(f"{x.data:.3g}"), r"format\(x, '.3g'\) was '3.5' .* print\(x\)"),
        (lambda x: x * float(f"{x:.1f}"), r"format\(x, '.1f'\) was '3.5'"),
        (lambda x: x * np.trunc(x.data), r"np.trunc\(x\) was np.float64\(3.0\)"),
        (lambda x: x * {3.5: 1.0}.get(x.data, 2.0), r"hash\(x\) was "),
        (lambda x: x * no_grad()(lambda: float(x.data))(), r"float\(x\) was 3.5 .* is 5.5 now"),
        (lambda x: x * float(2 * x.data), r"float\(7\) was 7.0 .* is 11.0 now"),
    ],
)
def test_the_message_names_the_conversion_the_line_and_the_remedy(build, message):
    x = Value(3.5, "x")
    tape = Tape(lambda: build(x))
    assert tape.forward() == build(x).data
    tape.flat.data = [5.5]
    with pytest.raises(BranchChanged, match=message):
        tape.forward()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "build",
    [
        lambda x: x * int(x.data),
        lambda x: x * round(x.data - 0.3),
        lambda x: x * (x.data // 2),
        lambda x: x * math.floor(x.data * 1.01),
        lambda x: x * len(f"{x.data:.0f}"),
        lambda x: x if np.isfinite(x.data) else maximum(x, 0.0),
    ],
)
def test_a_conversion_with_the_same_result_may_stay(build, dtype):
    x = Value(3.1, "x")
    tape = Tape(lambda: build(x), dtype=dtype)
    for number in (3.1, 3.2, 3.3):
        tape.flat.data = [number]
        x.data = number
        tape._leaves.remember()
        assert tape.forward() == pytest.approx(build(x).data, rel=1e-6)


@pytest.mark.parametrize("options", [{"dtype": np.float32}, {"fast": True}])
def test_a_tape_that_rounds_differently_raises_no_error(options):
    for i in range(12):
        w, x, c = Value(2.0), Value(0.1 + 0.07 * i, "x"), Value(0.1 + 0.07 * i, "c")
        tape = Tape(
            lambda w=w, c=c: w * float((c * 0.3 + 0.1).exp().data), parameters=[w], **options
        )
        tape.forward()
        c.data = 5.0
        tape.load()
        with pytest.raises(BranchChanged):
            tape.forward()
        f = lambda xs, w=w: w * float((xs[0] * 0.3 + 0.1).exp().data)
        tape = Tape(f, [x], parameters=[w], **options)
        tape.forward([[x.data]])
        with pytest.raises(BranchChanged, match="for sample 1"):
            tape.forward([[x.data], [5.0]])


def test_a_conversion_for_one_sample_of_a_batch():
    w, x = Value(2.0, "w"), Value(1.5, "x")
    tape = Tape(lambda xs: w * int(xs[0].data), [x])
    assert tape.forward([[1.5], [1.25]]).tolist() == [2.0, 2.0]
    with pytest.raises(BranchChanged, match=r"int\(x\) was 1 .* is 2 now for sample 2"):
        tape.forward([[1.5], [1.25], [2.5]])
    with pytest.raises(BranchChanged, match=r"is an error \(cannot convert float NaN to integer\)"):
        tape.forward([[math.nan]])


def test_conversions_of_constants_alone_are_not_checked():
    x = Value(1.0)
    assert Tape(lambda: x * math.sin(Value.lift(3.0).data))._decisions.all == []


def test_numpy_functions_with_a_row_are_refused():
    x = Value(3.0)
    for f, remedy in (
        (np.sin, r"x\.sin\(\)"),
        (np.arctan, r"x\.atan\(\)"),
        (np.exp, r"x\.exp\(\)"),
    ):
        with pytest.raises(TypeError, match=rf"would be a constant .* write {remedy}"):
            Tape(lambda f=f: x * f(x.data))
    with pytest.raises(TypeError, match=r"write x\.maximum\(y\) to stay in the graph"):
        Tape(lambda: x * np.maximum(0.0, x.data))


def test_functions_that_accept_only_floats_name_the_remedy():
    x = Value(3.0)
    with pytest.raises(TypeError, match=r"timedelta\(x.data\): .*pass float\(x.data\)"):
        Tape(lambda: x * datetime.timedelta(x.data).days)
    with pytest.raises(TypeError, match=r"^unsupported operand.*'str'$"):  # of another kind
        Tape(lambda: x.data + "a")


def test_the_line_is_the_users_also_below_the_standard_library():
    with record_branches() as decisions:
        assert random.Random(0).gauss(0.0, Value(1.0).data) > 0.0
    assert "random.Random(0)" in decisions[0].origin.text


def test_the_source_states_the_conversions():
    x = Value(3.5, "x")
    tape = Tape(lambda: x * int(x.data) if x < 9.0 and not x > 9.0 else x)
    assert "# int(x) was 3" in tape.source()
    assert "assert x < 9.0" in tape.source()
    assert "assert not x > 9.0" in tape.source()


def test_conversions_outside_of_a_recording():
    """A number that was stored while a function was recorded remains a number."""
    x, stored = Value(3.0, "x"), []
    Tape(lambda: (stored.append(x.data), x * 2.0)[1])
    (number,) = stored
    assert (float(number), number + 1.0, int(number), math.sin(number)) == (
        3.0, 4.0, 3, math.sin(3.0),
    )  # fmt: skip
    assert sum(stored) / len(stored) == np.mean(stored) == 3.0
    assert topological(x) == [x]


# ------------------------------------------------------------------------- inputs and functions


def test_inputs_that_are_not_in_the_graph():
    x, other = Value(3.0, "x"), Value(2.0, "other")
    for root in (x * x, lambda xs: x * x):
        with pytest.warns(
            GradientWarning, match=r"on the input Value\(2.0, 'other'\) at 0"
        ) as caught:
            Tape(root, inputs=[other])
        assert caught[0].filename == __file__
    with pytest.warns(GradientWarning, match=r"do not depend on .* Value\(2.0, 'other'\) at 1"):
        Tape(x * x, inputs=[x, other])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Tape(lambda xs: x if xs[0] > 0.0 else -x, inputs=[other])  # used in a decision
        Tape(lambda xs: x * int(xs[0].data), inputs=[other])
        Tape(x, inputs=[x])


def test_functions_with_other_arguments():
    x, y = Value(3.0), Value(2.0)
    with pytest.raises(TypeError, match=r"no arguments, got <lambda>\(x\): .*pass inputs="):
        Tape(lambda x: x * x)
    with pytest.raises(TypeError, match=r"one argument, the list of inputs, got <lambda>\(x, y\)"):
        Tape(lambda x, y: x * y, inputs=[x, y])
    with pytest.raises(TypeError, match="one argument"):
        Tape(lambda: x * x, inputs=[x])
    assert Tape(sum, inputs=[x, y]).forward([[1.0, 2.0]]).tolist() == [3.0]
    with pytest.raises(TypeError, match="'in' is not defined"):  # an error inside the function
        Tape(lambda: _raise(TypeError("'in' is not defined")))


def _raise(problem):
    raise problem
