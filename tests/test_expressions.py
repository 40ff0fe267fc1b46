"""Random expression graphs: gradients compared with mpmath, and backward with walk."""

from typing import Any

import mpmath
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mpmath import mpc, mpf

from engine import ManyOp, Op, Value, topological, walk
from reference import ROWS
from strategies import Program, any_float, inf, programs

ROUNDING = mpf(2) ** -53
MANY = {  # the rows over sequences, with the formula and slopes of a textbook
    "total": (lambda *xs: mpmath.fsum(xs), lambda *xs: [mpf(1)] * len(xs)),
    "dot": (
        lambda *a: mpmath.fdot(a[: len(a) // 2], a[len(a) // 2 : -1]) + a[-1],
        lambda *a: [*a[len(a) // 2 : -1], *a[: len(a) // 2], mpf(1)],
    ),
    "logsumexp": (lambda *xs: mpmath.log(sum(map(mpmath.exp, xs))), lambda *xs: shares(xs)),
    "softmax": (
        lambda *xs: shares(xs)[0],
        lambda *xs: [shares(xs)[0] * ((i == 0) - p) for i, p in enumerate(shares(xs))],
    ),
    "rms_norm": (
        lambda *xs: xs[0] * scale(xs[:-1], xs[-1]),
        lambda *xs: norm_slopes(xs[:-1], xs[-1]),
    ),
    "layer_norm": (
        lambda *xs: centre(xs[:-1])[0] * scale(centre(xs[:-1]), xs[-1]),
        lambda *xs: [
            *centre(norm_slopes(centre(xs[:-1]), xs[-1])[:-1]),
            norm_slopes(centre(xs[:-1]), xs[-1])[-1],
        ],
    ),
    "cross_entropy": (
        lambda *xs: -mpmath.log(shares(xs)[0]),
        lambda *xs: [p - (i == 0) for i, p in enumerate(shares(xs))],
    ),
    "uniform_cross_entropy": (
        lambda *xs: -sum(map(mpmath.log, shares(xs))) / len(xs),
        lambda *xs: [p - mpf(1) / len(xs) for p in shares(xs)],
    ),
}
MANY_ULPS = 70.0  # of a slope of softmax, the largest, for inputs up to 10
MANY_TERMS = {  # the sizes of terms that cancel
    "uniform_cross_entropy": lambda *xs: 1,
    "rms_norm": lambda *xs: scale(xs[:-1], xs[-1]) * (1 + scale(xs[:-1], xs[-1])),
    "layer_norm": lambda *xs: terms_of_layer_norm(xs[:-1], scale(centre(xs[:-1]), xs[-1])),
}

KINKED = {
    "abs", "relu", "squared_relu", "leaky_relu", "elu", "sign", "maximum", "minimum", "clip", "where", "%", "//",
    "floor", "ceil", "round",
}  # fmt: skip
OF_REALS = {
    "cbrt",
    "atan2",
    "hypot",
    "direction_cosine",
    "cosine_slope",
    "cosine_cross_slope",
}  # the reference compares numbers in these formulas
ANALYTIC = [*(set(ROWS) - KINKED - OF_REALS), *MANY]


def shares(xs):
    exps = [mpmath.exp(x) for x in xs]
    return [e / sum(exps) for e in exps]


def centre(xs):
    mean = sum(xs) / len(xs)
    return [x - mean for x in xs]


def scale(xs, eps):
    return 1 / mpmath.sqrt(sum(x * x for x in xs) / len(xs) + eps)


def norm_slopes(xs, eps):
    """Return the slopes of x0 / √(mean of x² + eps)."""
    s, n = scale(xs, eps), len(xs)
    return [*[s * ((i == 0) - xs[0] * x * s**2 / n) for i, x in enumerate(xs)], -xs[0] * s**3 / 2]


def terms_of_layer_norm(xs, s):
    """Return the sizes of the terms where x - mean cancels, which is divided by 1 / s."""
    return s * (1 + s) * (1 + s * max(map(abs, xs)))


def gradients(program: Program, move: str, data: list[float]) -> list[tuple[Any, Any]]:
    """Return d last / d input for each input at `data`, with a bound on the engine's rounding.

    Forward mode is independent of `backward`. Tangents propagate from the inputs to the last result
    with the reference's slopes, or with steps of size h along the imaginary axis, which need no
    slopes: f(x + ih) = f(x) + ih f'(x) + O(h²). The term O(h²) is far below the bound even where all
    slopes on a path are 0.

    The gradient is a sum over paths of products of slopes. At each node of a path, backward rounds
    the slope (by its row's bound), a product, and one addition per arrow. The bound, relative to
    the sum of the paths' absolute values, is the largest count of these roundings on a path.
    """
    uses, found = program.uses(), []
    with mpmath.workprec(850 if move == "imaginary" else 150):
        exact = [mpf(x) for x in data]
        h = mpf(2) ** -600
        for seed in range(len(program.at)):
            tangents = [mpf(i == seed) for i in range(len(program.at))]
            sizes, counts = list(tangents), [0.0] * len(tangents)
            for name, *args in program.steps:
                at = [exact[a] if isinstance(a, int) else mpf(a) for a in args]
                slopes, terms, ulps = rules(name, at)
                arrows = [(i, a) for i, a in enumerate(args) if isinstance(a, int)]
                if move == "slopes":
                    tangent = sum(slopes[i] * tangents[a] for i, a in arrows)
                else:
                    step = [tangents[a] if isinstance(a, int) else mpf(0) for a in args]
                    long = max(map(abs, step)) or 1
                    z = [mpc(x, h * dx / long) for x, dx in zip(at, step, strict=True)]
                    formula = MANY[name][0] if name in MANY else ROWS[name].formula
                    tangent = mpc(formula(*z)).imag / h * long
                tangents.append(tangent)
                sizes.append(sum(max(abs(slopes[i]), terms) * sizes[a] for i, a in arrows))
                counts.append(max(counts[a] + 2 * ulps[i] + 1 + uses[a] for i, a in arrows))
            underflow = len(data) * mpf(2) ** -1000
            found.append((tangents[-1], counts[-1] * ROUNDING * sizes[-1] + underflow))
    return found


def rules(name: str, at: list[Any]) -> tuple[list[Any], Any, Any]:
    """Return the reference's slopes, the size of their terms where these cancel, and bounds in ulps."""
    if name in MANY:
        terms = MANY_TERMS.get(name, lambda *xs: 0)(*at)
        return MANY[name][1](*at), terms, [MANY_ULPS] * len(at)
    row = ROWS[name]
    return [s(*at) for s in row.slopes], row.terms(*at) if row.terms else 0, row.ulps[1:]


@given(programs(longest=60))
def test_gradients_by_slopes(program):
    """Gradients of any graph are right up to the roundings of their computation."""
    judge(program, "slopes")


FLAT = (("log2", 0), ("scaled_power_log_square", 0, 1, 0))  # at 2: log(1)² and all slopes are 0


@example(Program((2.0,), FLAT))
@given(programs(longest=60, rows=ANALYTIC))
def test_gradients_by_steps_along_the_imaginary_axis(program):
    """Gradients of analytic rows agree with complex steps, which need no written slopes."""
    judge(program, "imaginary")


def judge(program, move):
    results = program.on_values()
    results[-1].backward()
    judged = gradients(program, move, [each.data for each in results])
    for i, (want, bound) in enumerate(judged):
        got = results[i].grad
        assert abs(mpf(got) - want) <= bound, f"input {i}: {got}, not {mpmath.nstr(want, 17)}"


@given(programs(smooth=False, numbers=any_float))
def test_values_compute_what_floats_compute(program):
    """Operators, methods and functions give the bits of the rows, also at special values."""
    assert bits(each.data for each in program.on_values()) == bits(program.on_floats())


@given(programs() | programs(smooth=False, numbers=any_float))
def test_backward_and_walk_give_the_same_bits(program):
    """The gradients of all nodes are equal, also at special values."""
    fast, slow = program.on_values(), program.on_values()
    fast[-1].backward()
    steps = list(walk(slow[-1]))
    assert bits(each.grad for each in fast) == bits(each.grad for each in slow)
    assert [step.node for step in steps] == topological(slow[-1])[::-1]


@pytest.mark.parametrize("name", MANY)
@given(xs=st.lists(any_float, min_size=5, max_size=5))
def test_backward_and_walk_agree_where_a_zero_arrives(name, xs):
    """`backward` skips such nodes, except where the zero meets inf or nan."""
    program = Program(tuple(xs), ((name, *range(5)), ("*", 5, 0.0)))
    fast, slow = program.on_values(), program.on_values()
    fast[-1].backward()
    list(walk(slow[-1]))
    assert bits(each.grad for each in fast) == bits(each.grad for each in slow)


# Users' rows over sequences, unlike those of the table, may have infinite slopes where the result is
# finite, so that a gradient of 0 sends 0 * inf = nan.
THREE = Op("root of three", lambda x, y, z: 0.0, *[lambda out, x, y, z: inf] * 3)
ANY_NUMBER = ManyOp("root of many", lambda xs: 0.0, lambda out, xs: ([inf] * len(xs),))


@pytest.mark.parametrize("f", [lambda x: THREE(x, x, x), lambda x: ANY_NUMBER([x, x])])
def test_backward_and_walk_agree_on_a_users_row(f):
    """Both passes compute nan for an infinite slope times a gradient of 0, as for `sqrt` at 0."""
    fast, slow = Value(0.0), Value(0.0)
    (f(fast) * 0.0).backward()
    list(walk(f(slow) * 0.0))
    assert bits([fast.grad]) == bits([slow.grad]) == ["nan"]


def bits(numbers):
    return [x.hex() for x in numbers]
