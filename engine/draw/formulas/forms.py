"""Other forms of local derivatives, as lectures write them: that of tanh is 1 - out².

A page shows them beside the formula of the row, which is the rule. They are never computed with.
Each is equal to the derivative of its row, wherever both are defined; a test compares them.

    out     the result             x, y, xs, ...   the inputs, as in the row

>>> x, out = make_name("x"), make_name("out")
>>> [str(formula) for formula in build_slopes(TABLE["tanh"], out, [x])[0]]
['1 / cosh²(x)', '1 − out²']
"""

from collections.abc import Callable, Sequence
from typing import Any

from engine.arithmetic import cos, divide, exp, exp2, sqrt
from engine.draw.formulas.symbols import (
    Operand,
    Symbol,
    build_partials,
    find_number,
    lift,
    make_name,
)
from engine.formulas import ONE_OVER_SQRT_2PI, sigmoid, square
from engine.rules import LN2, LN10, TABLE, Op, flatten
from engine.sequences.rules import SOFTMAX, softmax
from engine.sequences.vector_op import Output

# fmt: off
ROWS: dict[str, Callable[..., list[Any]]] = {  # for each input, another form or None
    "/":       lambda out, x, y: [None, -divide(x, square(y))],
    "**":      lambda out, x, y: [y * divide(out, x), None],
    "exp":     lambda out, x: [exp(x)],
    "exp2":    lambda out, x: [LN2 * exp2(x)],
    "expm1":   lambda out, x: [out + 1.0],
    "log2":    lambda out, x: [divide(1.0, x * LN2)],
    "log10":   lambda out, x: [divide(1.0, x * LN10)],
    "sqrt":    lambda out, x: [divide(1.0, 2.0 * out)],
    "cbrt":    lambda out, x: [divide(1.0, 3.0 * square(out))],
    "tan":     lambda out, x: [divide(1.0, square(cos(x)))],
    "acosh":   lambda out, x: [divide(1.0, sqrt(square(x) - 1.0))],
    "tanh":    lambda out, x: [1.0 - square(out)],
    "sigmoid": lambda out, x: [out * (1.0 - out)],
    "softplus": lambda out, x: [divide(1.0, 1.0 + exp(-x))],
    "silu":    lambda out, x: [out + sigmoid(x) * (1.0 - out)],
    "normal_cdf": lambda out, x: [ONE_OVER_SQRT_2PI * exp(-divide(square(x), 2.0))],
    "hypot":   lambda out, x, y: [divide(x, out), divide(y, out)],
    "atan2":   lambda out, x, y: [divide(z, square(x) + square(y)) for z in (y, -x)],
    "logaddexp": lambda out, x, y: [exp(x - out), exp(y - out)],
    "logsumexp": lambda out, xs: [[exp(x - out) for x in xs]],
    "cross_entropy": lambda out, x, others: [
        softmax([x, *others])[0] - 1.0, [None] * len(others)
    ],
}
# fmt: on
FORMS = {TABLE[name]: form for name, form in ROWS.items()}
LECTURES = {  # the rows of which lectures write the other form
    TABLE[name]
    for name in (
        "/", "log2", "log10", "sqrt", "cbrt", "tan", "acosh", "tanh", "sigmoid", "silu", "atan2",
        "cross_entropy",
    )
}  # fmt: skip


def softmax_form(i: int, j: int, outs: Sequence[Any], delta: Any) -> Any:
    """Return ∂ out_i / ∂ x_j of softmax as out_i (δ_ij - out_j); `delta` is 1 if i = j, else 0."""
    return outs[i] * (delta - outs[j])


def build_slopes(
    op: Op, out: Operand, args: Sequence[Operand], outs: Sequence[Operand] = ()
) -> list[list[Symbol]]:
    """Return the formulas of each local derivative, which are equal; the row's is the first.

    Args:
        op: the row, or one of several results.
        out: the name of the result.
        args: a flat list of names of the inputs.
        outs: the names of all results, if there are several.
    """
    rules = build_partials(op, out, args, outs)
    forms = [None] * len(rules)
    is_simple = op is TABLE["**"] and find_number(lift(args[1])) is not None  # 2 · x
    if op in FORMS and not is_simple:
        forms = [*flatten(FORMS[op](lift(out), *op.unflatten([lift(x) for x in args])))]
    elif isinstance(op, Output) and op.vector_op is SOFTMAX and outs:
        i = op._output_index
        deltas = [make_name(f"δ{write_index(i)}{write_index(j)}") for j in range(len(args))]
        forms = [softmax_form(i, j, outs, delta) for j, delta in enumerate(deltas)]
    return [
        [rule] if form is None or str(form) == str(rule) else [rule, lift(form)]
        for rule, form in zip(rules, forms, strict=True)
    ]


def build_lecture_slopes(op: Op, out: Operand, args: Sequence[Operand]) -> list[Symbol]:
    """Return one formula of each local derivative, in the form in which lectures write it."""
    return [forms[-1 if op in LECTURES else 0] for forms in build_slopes(op, out, args)]


def write_index(i: int) -> str:
    """Write the index of a result, counted from 1."""
    return str(i + 1).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
