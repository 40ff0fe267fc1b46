"""The formulas of rows for arrays and of their pullbacks, as a textbook writes them.

A row is applied to named arrays, which gives its formula (see `engine.draw.arrays.symbols`). Rows in
`TEXTBOOK` are computed in a form that keeps their last bits, or call functions that accept no
symbols: here they are written as the mathematics that they compute. The letters are those of
`engine.arrays.rules`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.arithmetic import exp, log, sqrt, where
from engine.arrays import formulas
from engine.arrays.arithmetic import run
from engine.arrays.einsum import name_axes
from engine.arrays.formulas import restore_axes, unbroadcast
from engine.arrays.rules import ARRAY_TABLE, ArrayOp
from engine.draw.arrays.symbols import (
    ArraySymbol,
    attach,
    call,
    format_axes,
    make_array,
)
from engine.draw.formulas.symbols import (
    Symbol,
    build_formula,
    build_partials,
    combine,
    lift,
    make_name,
    multiply,
)
from engine.rules import Op
from engine.sequences.rules import BUILT_IN

# fmt: off

TEXTBOOK: dict[str, tuple[Callable[..., Any], ...]] = {
    "max":     (lambda x, axis=None, keepdims=False: x.max(axis, keepdims),
                lambda g, out, x, axis=None, keepdims=False: restore_axes(g, x, axis) * formulas.share_of_largest(x, out, axis)),
    "min":     (lambda x, axis=None, keepdims=False: x.min(axis, keepdims),
                lambda g, out, x, axis=None, keepdims=False: restore_axes(g, x, axis) * formulas.share_of_largest(x, out, axis)),
    "prod":    (lambda x, axis=None, keepdims=False: x.prod(axis, keepdims),
                lambda g, out, x, axis=None, keepdims=False: restore_axes(g, x, axis) * others(x, axis)),
    "norm":    (lambda x, axis=None, keepdims=False: sqrt((x * x).sum(axis, keepdims)),
                lambda g, out, x, axis=None, keepdims=False: restore_axes(g, x, axis) * (x / restore_axes(out, x, axis))),
    "cumsum":  (lambda x, axis: x.cumsum(axis),
                lambda g, out, x, axis: from_the_end("cumsum", g, axis)),
    "cumprod": (lambda x, axis: x.cumprod(axis),
                lambda g, out, x, axis: from_the_end("cumsum", g * out, axis) / x),
    "einsum":  (lambda *xs, subscripts: einsum(subscripts, *xs),
                lambda i, g, out, *xs, subscripts: describe_einsum_pullback(i, g, xs, subscripts)),
    "reshape":      (lambda x, shape: x.reshape(shape),        lambda g, out, x, shape: g.reshape(x.shape)),
    "concatenate":  (lambda *xs, axis=0: call("concatenate", np.concatenate([x.value for x in xs], axis), *xs, under=format_axes(xs[0], axis)),
                     lambda i, g, out, *xs, axis=0: formulas.part_of_input(g, i, axis, xs)),
    "softmax":      (lambda x, axis=-1: formulas.softmax(x, axis),
                     lambda g, out, x, axis=-1: out * (g - (g * out).sum(axis, True))),
    "logsumexp":    (lambda x, axis=-1, keepdims=False: log(exp(x).sum(axis, keepdims)),
                     lambda g, out, x, axis=-1, keepdims=False: restore_axes(g, x, axis) * formulas.softmax(x, axis)),
    "log_softmax":  (lambda x, axis=-1: x - log(exp(x).sum(axis, True)),
                     lambda g, out, x, axis=-1: g - formulas.softmax(x, axis) * g.sum(axis, True)),
    "cross_entropy":      (lambda x, Y: -log((formulas.softmax(x, -1) * name_targets(x, Y)).sum(-1)),
                           lambda g, out, x, Y: g[..., None] * (formulas.softmax(x, -1) - name_targets(x, Y))),
    "soft_cross_entropy": (lambda x, Y: -(name_targets(x, Y) * log(formulas.softmax(x, -1))).sum(-1),
                           lambda g, out, x, Y: g[..., None] * (formulas.softmax(x, -1) * name_targets(x, Y).sum(-1, True) - name_targets(x, Y))),
}

# Local derivatives of rows for numbers, for their first input, as courses write them.
SLOPES: dict[str, Callable[..., Any]] = {
    "tanh":    lambda out, x: 1.0 - out * out,
    "sigmoid": lambda out, x: out * (1.0 - out),
    "relu":    lambda out, x: where(x > 0.0, 1.0, 0.0),
    "**":      lambda out, x, y: y.value * x ** (y.value - 1.0) if y.head == "number" else y * x ** (y - 1.0),
}

# fmt: on


def others(x: ArraySymbol, axis: Any) -> ArraySymbol:
    value = formulas.product_of_others(x.value, axis)
    return call("prod of the others", value, x, under=format_axes(x, axis))


def from_the_end(function: str, x: Any, axis: int) -> ArraySymbol:
    """Return the sums of each element and those after it."""
    value = np.flip(np.flip(x.value, axis).cumsum(axis), axis)
    return call(f"{function} from the end", value, x, under=format_axes(x, axis))


def name_targets(x: ArraySymbol, Y: np.ndarray) -> ArraySymbol:
    """Return the targets of a loss, which are a setting of its row, with a name."""
    return make_array("Y", Y.astype(x.dtype))


def einsum(subscripts: str, *xs: ArraySymbol) -> ArraySymbol:
    """Return an Einstein sum with an index at each name, and a sum over those that vanish."""
    terms, result = name_axes(subscripts, [x.ndim for x in xs])
    value = np.einsum(subscripts, *[x.value for x in xs])
    return write_sum(terms, result, xs, value)


def describe_einsum_pullback(
    i: int, g: ArraySymbol, xs: Sequence[ArraySymbol], subscripts: str
) -> Any:
    """Return the gradient of the i-th input of an Einstein sum, which is such a sum, too."""
    terms, result = name_axes(subscripts, [x.ndim for x in xs])
    inputs = [g, *xs[:i], *xs[i + 1 :]]
    value = formulas_of_einsum(i, g, xs, subscripts)
    return write_sum([result, *terms[:i], *terms[i + 1 :]], terms[i], inputs, value)


def formulas_of_einsum(i: int, g: Any, xs: Sequence[Any], subscripts: str) -> Any:
    values = [x.value for x in xs]
    return ARRAY_TABLE["einsum"].partials[0](i, g.value, None, *values, subscripts=subscripts)


def write_sum(terms: Sequence[str], result: str, xs: Sequence[Any], value: Any) -> ArraySymbol:
    """Return a product of arrays with indices, summed over the indices that `result` lacks."""
    indexed = [Symbol("at", (x, make_name(term))) for x, term in zip(xs, terms, strict=True)]
    product = indexed[0]
    for factor in indexed[1:]:
        product = combine("·", product, factor)
    summed = [x for x in dict.fromkeys("".join(terms)) if x not in result]
    if summed:
        product = Symbol("Σ", (product, make_name(", ".join(summed))))
    return ArraySymbol(product.head, product.parts, value)


# ------------------------------------------------------------------------------------- of a node


def build_array_formula(node: Any, inputs: Sequence[ArraySymbol]) -> Symbol:
    """Return the formula of a node's row, for names of its inputs; its name for a user's row that
    accepts no symbols."""
    op = node.op
    try:
        with np.errstate(all="ignore"):
            if not isinstance(op, ArrayOp):
                return attach(build_elementwise(op, inputs), node.data)
            forward = TEXTBOOK.get(op.name, (op.forward,))[0] if is_built_in(op) else op.forward
            formula = run(forward, node.data.dtype, *inputs, **op.settings)
            return attach(lift(formula), node.data)
    except Exception:  # a user's row may raise anything when it gets symbols
        return call(op.name, node.data, *inputs)


def build_elementwise(op: Op, inputs: Sequence[ArraySymbol]) -> Symbol:
    if op in BUILT_IN:
        return build_formula(op, inputs)
    return lift(op.forward(*inputs))


def is_built_in(op: ArrayOp) -> bool:
    return ARRAY_TABLE.get(op.name) is op.row and op.name in TEXTBOOK


def build_pullback(
    node: Any, k: int, g: ArraySymbol, out: ArraySymbol, inputs: Sequence[ArraySymbol], sent: Any
) -> ArraySymbol:
    """Return the formula of the contribution `sent` of a node to its k-th input.

    `g` and `out` are the names of the node's gradient and of its result.
    """
    op, shape = node.op, node.inputs[k].data.shape
    try:
        with np.errstate(all="ignore"):
            if isinstance(op, ArrayOp):
                pulled = apply_pullback(op, k, g, out, inputs)
            else:
                local = build_slope(op, k, out, inputs)
                pulled = multiply_slope(g, local, node.locals[k])
            return attach(unbroadcast(pulled, shape), sent)
    except Exception:  # as above
        name = f"{op.name}′" if len(inputs) == 1 else f"{op.name}′{k + 1}"
        if not isinstance(op, ArrayOp):
            return attach(combine("⊙", g, call(name, sent, *inputs)), sent)
        return call(
            f"{op.name} pullback" + ("" if len(inputs) == 1 else f" {k + 1}"), sent, g, *inputs
        )


def multiply_slope(g: ArraySymbol, local: Symbol, value: Any) -> ArraySymbol:
    """Return g ⊙ local; a factor that is the same for all elements is written as a number."""
    if local.head == "number":
        return attach(multiply(lift(local.parts[0]), g), g.value * value)
    return g * attach(local, np.broadcast_to(value, g.shape, subok=True))


def apply_pullback(
    op: ArrayOp, k: int, g: ArraySymbol, out: ArraySymbol, inputs: Sequence[ArraySymbol]
) -> Any:
    """Return the contribution of a row for arrays to its k-th input, in the textbook's form."""
    row = op.row
    if is_built_in(op):
        forward, *pullbacks = TEXTBOOK[op.name]
        row = ArrayOp(op.name, forward, *pullbacks, many=op.many)
    return run(row.pull, g.dtype, k, g, out, inputs, op.settings)


def build_slope(op: Op, k: int, out: ArraySymbol, inputs: Sequence[ArraySymbol]) -> Symbol:
    """Return the local derivative of a row for numbers."""
    if op in BUILT_IN and k == 0 and op.name in SLOPES:
        return SLOPES[op.name](out, *inputs)
    if op in BUILT_IN:
        return build_partials(op, out, inputs)[k]
    return lift(op.partials[k](out, *inputs))
