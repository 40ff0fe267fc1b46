"""Bad arguments of the names in `engine`: nodes, functions of nodes, the graph."""
# ruff: noqa: I001 (several names a line)

from functools import partial

import numpy as np

from arguments.kinds import (
    ARRAY, DTYPE, HOLDS, MIX, NODE, NUMBER, POSITIVE, SEQUENCE, TAKEN, WHOLE, About, TensorLike,
)  # fmt: skip
from engine import (
    Array, ArrayOp, Constant, ConstantArray, ManyOp, Op, Value, VectorOp, check_gradients,
    concatenate, detect_anomaly, diag, dot, einsum, expand_dims, explain, flip, latex, log_softmax, logaddexp, logsumexp,
    maximum, minimum, mistakes, no_grad, norm, outer, pad, record_origins, roll, softmax, split, stack,
    take, tile, to_networkx, topological, total, tril, triu, walk, where, xlogy,
)  # fmt: skip
from engine.arrays.rules import SUM
from engine.rules import TANH
from engine.sequences.rules import DOT

# fmt: off

x, y = Value(2.0, "x"), Value(3.0, "y")
z = x * y
a, A = Array([1.0, 2.0]), Array([[1.0, 2.0], [3.0, 4.0]])
SCALAR = NUMBER.without(Array, TensorLike)
SUMS = ManyOp("sums", lambda xs: sum(xs), lambda out, xs: ([1.0] * len(xs),))


def assign(node, name):
    return lambda new: setattr(node, name, new)


# ------------------------------------------------------------------------------------------ Values

on = About("engine.Value")
for f in (
    Value, assign(Value(1.0), "data"), assign(Value(1.0), "grad"),
    lambda other: x + other, lambda other: x < other,
):
    on.kind(HOLDS, NUMBER, f)
on.kind(HOLDS, SCALAR, lambda other: other * x, value=False)
for f in (lambda other: x + other, lambda other: other * x, lambda other: x < other):
    on.values(["x", [2.0]], f, TypeError, HOLDS, shows=None)
on.call(lambda: Value(x), TypeError, HOLDS, "Value(2.0", "use its .data")
on.call(lambda: Value("3"), TypeError, "the string '3'", "float('3')")
on.call(lambda: Value(np.array("3")), TypeError, HOLDS, "an array of shape ()")
on.values([3, b"x"], partial(Value, 1.0), TypeError, "a label must be a string")

About("engine.Value.maximum").kind(HOLDS, NUMBER, x.maximum)
About("engine.Value.leaky_relu").kind(HOLDS, NUMBER, lambda slope: x.leaky_relu(slope=slope))
About("engine.Value.lift").kind(HOLDS, NUMBER, Value.lift)
About("engine.Constant").kind(HOLDS, NUMBER, Constant)

on = About("engine.Value.clip")
on.kind(HOLDS, NUMBER.optional, lambda lo: x.clip(lo, 1.0))
on.call(lambda: x.clip(0.0), TypeError, "clip takes (x, lo, hi)", "'hi'")
on.call(lambda: x.clip(0, 1, 2), TypeError, "clip takes", "too many")
on.call(lambda: x.clip(0, min=1), TypeError, "clip takes", "multiple values for argument 'lo'")
on.call(lambda: x.leaky_relu(min=0), TypeError, "leaky_relu takes", "'min'")
About("engine.Value.round").values([0.5, None, "1"], x.round, TypeError, "round expects a whole number")

on = About("engine.Value.elu")
on.kind(HOLDS, NUMBER, x.elu)
on.call(lambda: x.elu(beta=1.0), TypeError, "elu takes (x, alpha=1.0)", "beta")

on = About("engine.Value.apply")
on.kind("an Op, a row of", NODE, lambda op: Value.apply(op, x))
on.call(lambda: x.apply(SUM, x), TypeError, "Value.apply expects an Op", "sum")
on.call(lambda: x.apply(TANH, x, y), TypeError, "tanh takes 1", "got 2")
on.call(lambda: x.apply(DOT, x, x, x), TypeError, "dot takes a list for ws", "write [x]")
on.call(lambda: x.apply(DOT, [x], [x, y], x), ValueError, "equal length, got 1 and 2")

# ------------------------------------------------------------------------------------------ Arrays

on = About("engine.Array")
for f in (
    Array, assign(Array([1.0]), "data"), assign(Array([1.0]), "grad"),
    lambda other: a + other, lambda other: a @ other,
):
    on.kind("an Array holds", ARRAY, f)
on.call(lambda: Array(x), TypeError, "is already a node", "use its .data", MIX)
on.call(lambda: Array([x]), TypeError, "a list of nodes", "concatenate")
on.call(lambda: Array(v for v in [1.0]), TypeError, "an Array holds", "generator")
on.call(lambda: Array(a), TypeError, "is already a node", "use its .data, or x * 1.0")
on.call(lambda: Array([1.0], 3), TypeError, "a label must be a string", "3")
for dtype in (np.float32, np.dtype("float32")):
    on.call(lambda dtype=dtype: Array([1.0], dtype), TypeError, "a label must", "; write dtype='float32'")
on.call(lambda: ConstantArray([1.0], float), TypeError, "a label must", "; write dtype='float'")
on.kind("dtype must be", DTYPE.optional, lambda dtype: Array([1.0], dtype=dtype), value=False)
on.call(lambda: setattr(Array([1.0]), "data", [1.0, 2.0]), ValueError, "data of shape (2,)", "of shape (1,)")
on.call(lambda: a + x, TypeError, "Value(2.0, 'x')", MIX)
on.call(lambda: x + a, TypeError, HOLDS, "already a node", "do not mix")
on.call(lambda: a + np.ones(3), ValueError, "+ does not accept shapes (2,) and (3,)")
on.call(lambda: A @ [1.0], ValueError, "@ does not accept shapes (2, 2) and (1,)")
on.call(lambda: A + A.astype("float32"), TypeError, "the same dtype", "float32", ".astype()")
on.call(lambda: a[5], IndexError, "getitem does not accept shape (2,)", "index=5")
on.call(lambda: a["x"], IndexError, "getitem", "'x'", "only integers")
on.call(lambda: len(Array(1.0)), TypeError, "no length", "Array(1.)", ".item()")
on.call(lambda: np.asarray(a), TypeError, "lose the graph", "use its .data")
on.call(a.__bool__, TypeError, "neither true nor false", "shape (2,)", ".data")

for name in ("sum", "mean", "max", "min", "prod", "argmax", "argmin", "logsumexp", "softmax", "log_softmax", "squeeze", "cumsum", "cumprod", "sort"):
    on = About(f"engine.Array.{name}")
    on.values(["x", 1.0, [0]], getattr(a, name), TypeError, name, shows="axis={!r}".format)
    on.call(partial(getattr(a, name), 5), ValueError, name, "axis=5")
for name in ("var", "std"):
    About(f"engine.Array.{name}").call(partial(getattr(a, name), 5), ValueError, "does not accept shape (2,)", "axis=5")

for name, f, error, *words in [
    ("backward", a.backward, ValueError, "one element", "shape (2,)", ".sum()"),
    ("item", a.item, ValueError, "item() expects an Array of one element", "shape (2,)"),
    ("max", lambda: Array([]).max(), ValueError, "max does not accept shape (0,)"),
    ("argmax", lambda: Array([]).argmax(), ValueError, "argmax does not accept shape (0,)"),
    ("reshape", lambda: a.reshape(3), ValueError, "reshape", "shape (2,)", "(3,)"),
    ("reshape", lambda: a.reshape("x"), TypeError, "reshape", "'x'"),
    ("reshape", lambda: a.reshape(1.5), TypeError, "reshape", "1.5"),
    ("transpose", lambda: A.transpose(0), ValueError, "transpose", "axes=(0,)"),
    ("transpose", lambda: A.transpose("x"), TypeError, "transpose", "'x'"),
    ("swapaxes", lambda: A.swapaxes(0, 5), ValueError, "swapaxes", "second=5"),
    ("swapaxes", lambda: A.swapaxes("x", 0), TypeError, "swapaxes", "first='x'"),
    ("dot", lambda: a.dot([1.0]), ValueError, "@ does not accept shapes (2,) and (1,)"),
    ("take", lambda: a.take(5), IndexError, "getitem does not accept shape (2,), index=5"),
    ("take", lambda: a.take(0.5), TypeError, "take expects integers as indices", "0.5"),
    ("take", lambda: a.take([True]), TypeError, "take expects integers as indices", "[True]"),
    ("take", lambda: a.take(0, axis=1), ValueError, "take does not accept shape (2,), axis=1"),
    ("repeat", lambda: a.repeat(-1), ValueError, "repeat does not accept shape (2,), repeats=-1"),
    ("repeat", lambda: a.repeat(2, axis=1), ValueError, "repeat", "axis=1"),
    ("repeat", lambda: a.repeat("x"), ValueError, "repeat", "repeats='x'"),
    ("diagonal", lambda: a.diagonal(), ValueError, "diagonal does not accept shape (2,)"),
    ("diagonal", lambda: A.diagonal(axis1=1), ValueError, "diagonal", "axis1=1, axis2=1"),
    ("trace", lambda: a.trace(), ValueError, "diagonal does not accept shape (2,)"),
    ("broadcast_to", lambda: a.broadcast_to((3,)), ValueError, "broadcast_to", "shape=(3,)"),
    ("broadcast_to", lambda: a.broadcast_to(None), TypeError, "broadcast_to", "None"),
    ("lift", lambda: Array.lift(x), TypeError, "already a node", MIX),
    ("apply", lambda: a.apply(DOT, a, a, a), TypeError, "sequences of Values"),
    ("apply", lambda: a.apply(SUM, a, a), TypeError, "sum expects 1", "got 2"),
    ("apply", lambda: a.apply(SUM, a, axes=3), TypeError, "sum", "axes=3"),
]:
    About(f"engine.Array.{name}").call(f, error, *words)
About("engine.Array.astype").kind("the dtype of an Array must be", DTYPE, a.astype, value=False)
About("engine.Array.lift").kind("an Array holds", ARRAY, Array.lift)
About("engine.Array.apply").kind("an Op, a row of", NODE, lambda op: Array.apply(op, a))

on = About("engine.ConstantArray")
on.kind("an Array holds", ARRAY, ConstantArray)
on.call(lambda: ConstantArray(x), TypeError, "already a node", ".data")

# --------------------------------------------------------------------------------------- own rules

for kind in (Op, ArrayOp):
    on = About(f"engine.{kind.__name__}")
    for args in [("f", None), ("f", abs), (3, abs, abs), ("f", abs, 1.0), (Value, abs, abs)]:
        on.call(partial(kind, *args), TypeError, "Op takes a name", "such as Op('cube'", f"got {args[:1]!r}"[:-2], case=f"{args}")

on = About("engine.Op")
on.values([3.0, None], TANH, TypeError, "tanh expects a node")
on.call(lambda: TANH(x, y), TypeError, "tanh takes 1 argument, got 2")
on.call(lambda: Op("f", lambda x: "a", lambda out, x: 1.0)(x), TypeError, HOLDS, "'a'")

on = About("engine.ArrayOp")
on.call(lambda: SUM(3), TypeError, "sum expects an Array", "3")
on.call(lambda: SUM(x), TypeError, "Value.apply expects an Op", "Op('sum')")

on = About("engine.ManyOp")
on.call(lambda: ManyOp("n", None, None), TypeError, "Op takes a name", "None")
on.call(lambda: ManyOp("n", sum, abs), TypeError, "n expects a function with named arguments", "sum", "lambda xs")
on.call(lambda: ManyOp("n", lambda xs, eps: eps, lambda out, xs, eps: 1.0), ValueError, "n: expected the names of the sequences among ('xs', 'eps')", "sequences=['xs']")
on.call(lambda: ManyOp("n", lambda xs: xs, lambda out, xs: 1.0, sequences=["ys"]), ValueError, "among ('xs',)", "['ys']")
on.call(lambda: SUMS(x), TypeError, "sums takes a list for xs", "write [x]")
on.call(lambda: SUMS(iter([x])), TypeError, "sums expects a node", "iterator")
on.call(lambda: SUMS([x], [x]), TypeError, "sums takes 1 argument, got 2")
on.call(lambda: ManyOp("n", lambda xs: 1.0, lambda out, xs: [1.0])([x]), TypeError, "n expects a list of slopes", "got 1.0")

on = About("engine.VectorOp")
on.call(lambda: VectorOp("n", lambda xs: xs, lambda xs: xs), ValueError, "n: the pullback must take gs, outs and the arguments of the formula")
on.call(lambda: VectorOp("n", None, None), TypeError, "Op takes a name", "None")

for hook in (no_grad, detect_anomaly, record_origins):
    name = hook.__name__
    About(f"engine.{name}").call(partial(hook, abs), TypeError, "expects no arguments", f"write @{name}()")

# --------------------------------------------------------------------------------------- functions

on = About("engine.dot")
on.kind(TAKEN, SEQUENCE, lambda ws: dot(ws, [1.0]))
on.kind(TAKEN, SEQUENCE, lambda xs: dot([x], xs))
on.kind(HOLDS, NUMBER, lambda bias: dot([x], [1.0], bias))
on.call(lambda: dot([x], [x, y]), ValueError, "dot takes two sequences of equal length", "1 and 2")
on.call(lambda: dot(a, [1.0]), ValueError, "@ does not accept shapes (2,) and (1,)")
on.call(lambda: dot(a, [x]), TypeError, "a list of nodes")
on.call(lambda: dot([[x]], [x]), TypeError, HOLDS, "a list of 1", "per element")

on = About("engine.total")
on.kind(TAKEN, SEQUENCE, total)
on.kind(HOLDS, NUMBER.without(Array), lambda other: total([x, other]))
on.call(lambda: total([a, x]), TypeError, MIX)


def reduces(f):
    on = About(f"engine.{f.__name__}")
    on.kind(TAKEN, SEQUENCE, f)
    on.call(lambda: f([]), ValueError, f.__name__, "at least one", "none")
    on.call(lambda: f([a]), TypeError, HOLDS, "Array([1., 2.])")
    on.call(lambda: f([[x]]), TypeError, HOLDS, "a list of 1")


    on.call(lambda: f([x], axis=1), ValueError, f.__name__, "axis -1", "axis=1")
    on.call(lambda: f(a, axis=1), ValueError, f.__name__, "shape (2,), axis=1")


reduces(logsumexp)
reduces(softmax)
reduces(log_softmax)


def compares(f):
    on = About(f"engine.{f.__name__}")
    on.kind("real number", SCALAR, partial(f, x), value=False)
    on.call(lambda: f(x, a), TypeError, MIX)
    on.call(lambda: f(a, None), TypeError, "an Array holds", "None")


compares(maximum)
compares(minimum)
compares(logaddexp)
compares(xlogy)

on = About("engine.where")
on.kind("real number", SCALAR, lambda v: where(v, x, y), value=False)
on.kind("real number", SCALAR, lambda v: where(True, x, v), value=False)
on.call(lambda: where(x, a, a), TypeError, MIX)

on = About("engine.concatenate")
on.kind("concatenate expects a list of Arrays", SEQUENCE, concatenate)
on.call(lambda: concatenate([]), ValueError, "at least one Array", "none")
on.call(lambda: concatenate([x]), TypeError, "Value(2.0", MIX)
on.call(lambda: concatenate([a, "x"]), TypeError, "an Array holds", "'x'")
on.call(lambda: concatenate([a, A]), ValueError, "shapes (2,) and (2, 2)")
on.call(lambda: concatenate([a], axis=2), ValueError, "concatenate", "axis=2")
on.values([None, "x", 1.0, True, [0]], partial(concatenate, [a]), TypeError, "expects an integer axis")

on = About("engine.stack")
on.kind("stack expects a list of Arrays", SEQUENCE, stack)
on.call(lambda: stack([]), ValueError, "stack expects at least one Array", "none")
on.call(lambda: stack([x]), TypeError, "Value(2.0", MIX)
on.call(lambda: stack([a, A]), ValueError, "stack expects Arrays of the same shape", "(2,) and (2, 2)")
on.call(lambda: stack([a], axis=2), ValueError, "expand_dims", "axis=2")
on.values([None, "x", 1.0, True, [0]], partial(stack, [a]), TypeError, "expects an integer axis")

for f, name, error, *words in [
    (lambda: einsum(a, a), "einsum", TypeError, "einsum expects subscripts", "einsum('ij,jk->ik', x, y)"),
    (lambda: einsum("i->"), "einsum", TypeError, "einsum expects subscripts", "('i->',)"),
    (lambda: einsum("ij", a), "einsum", ValueError, "einsum does not accept shape (2,), subscripts='ij'"),
    (lambda: einsum("ij,j", A, [1.0, 2.0, 3.0]), "einsum", ValueError, "einsum does not accept shapes (2, 2) and (3,)"),
    (lambda: einsum("i", x), "einsum", TypeError, MIX),
    (lambda: outer(a, x), "outer", TypeError, MIX),
    (lambda: expand_dims(a, 5), "expand_dims", ValueError, "expand_dims does not accept shape (2,), axis=5"),
    (lambda: expand_dims(a, "x"), "expand_dims", TypeError, "expand_dims", "axis='x'"),
    (lambda: split(a, 3), "split", ValueError, "split does not accept shape (2,), indices_or_sections=3", "equal division"),
    (lambda: split(a, 1, axis=1), "split", ValueError, "split does not accept shape (2,), axis=1"),
    (lambda: split(a, "x"), "split", TypeError, "split", "indices_or_sections='x'"),
    (lambda: tile(a, -1), "tile", ValueError, "tile does not accept shape (2,), reps=-1"),
    (lambda: tile(a, "x"), "tile", ValueError, "tile", "reps='x'"),
    (lambda: flip(a, 1), "flip", ValueError, "flip does not accept shape (2,), axis=1"),
    (lambda: roll(a, "x"), "roll", ValueError, "roll does not accept shape (2,), shift='x'"),
    (lambda: roll(a, 1.5), "roll", ValueError, "shift=1.5", "whole numbers"),
    (lambda: roll(a, 1, axis=1), "roll", ValueError, "roll", "shift=1, axis=1"),
    (lambda: pad(a, 1, mode="mean"), "pad", ValueError, "unknown mode of pad 'mean'", "choose from: constant, edge"),
    (lambda: pad(a, -1), "pad", ValueError, "pad does not accept shape (2,), pad_width=-1"),
    (lambda: pad(a, 0.5), "pad", TypeError, "pad does not accept shape (2,), pad_width=0.5"),
    (lambda: diag(1.0), "diag", ValueError, "diag does not accept shape ()"),
    (lambda: diag(a, 0.5), "diag", TypeError, "diag", "k=0.5"),
    (lambda: tril(1.0), "tril", TypeError, "tril expects at least one axis, got shape ()"),
    (lambda: triu(1.0), "triu", TypeError, "triu expects at least one axis, got shape ()"),
    (lambda: norm(A, 2), "norm", ValueError, "norm expects ord=None, a positive number", "ord=2", "(2, 2)"),
    (lambda: norm(a, -3), "norm", ValueError, "norm expects ord=None", "ord=-3"),
    (lambda: norm(a, "fro"), "norm", ValueError, "norm expects ord=None", "ord='fro'"),
    (lambda: norm(a, axis=5), "norm", ValueError, "norm does not accept shape (2,), axis=5"),
    (lambda: take([x, y], 0.5), "take", TypeError, "take expects integers as indices", "0.5"),
    (lambda: take([x, y], [True]), "take", TypeError, "take expects integers as indices", "True"),
    (lambda: take([x, y], 0, axis=1), "take", TypeError, "take expects integers as indices of a list, along axis 0", "axis=1"),
    (lambda: take([x, y], 2), "take", IndexError, "take got index 2 for 2 elements"),
    (lambda: take(a, 5), "take", IndexError, "shape (2,)", "5"),
]:
    About(f"engine.{name}").call(f, error, *words)
About("engine.take").kind(TAKEN, SEQUENCE, lambda xs: take(xs, 0))

# ------------------------------------------------------------------------------------------- graph

About("engine.topological").kind("expected a node such as a Value", NODE, topological)
About("engine.to_networkx").kind("expected a node such as a Value", NODE, to_networkx)
About("engine.walk").kind("expected a node such as a Value", NODE, lambda v: list(walk(v)))

on = About("engine.mistakes")
on.kind("mistakes expects a Value", NODE, mistakes)
on.call(lambda: mistakes(a), ValueError, "expects one element", "shape (2,)", ".sum()")

on = About("engine.latex")
on.kind("latex expects a Value", NODE, latex)
on.values([3.0, "x", [x]], lambda v: latex(z, wrt=v), TypeError, "latex expects a Value as wrt", shows="got {!r}".format)

on = About("engine.explain")
on.kind("explain expects two Values", NODE, lambda v: explain(v, x))
on.kind("explain expects two Values", NODE, lambda v: explain(z, v))
on.kind("k, the number of paths", WHOLE, lambda k: explain(z, x, k))
on.call(lambda: explain(z, Value(1.0)), ValueError, "no path leads from Value(1.0)")
on.call(lambda: explain(z, Constant(1.0)), ValueError, "Constant(1.0)", "make it a Value")
on.call(lambda: explain(a.sum(), x), TypeError, "two Values or two Arrays", "Value(2.0")
on.call(lambda: explain(A, a), ValueError, "expects one element", "shape (2, 2)", ".sum()")

on = About("engine.check_gradients")
on.values([None, 3.0, "x", [abs], z], lambda f: check_gradients(f, [1.0]), TypeError, "expects a function such as")
on.values([None, 3.0, "x", {1.0: 2}, {1.0}], partial(check_gradients, abs), TypeError, "check_gradients expects a list")
on.arguments(partial(check_gradients, abs, [1.0]), tolerance=POSITIVE)
on.call(lambda: check_gradients(abs, []), ValueError, "at least one number")
on.call(lambda: check_gradients(abs, [x, 1.0]), TypeError, "not some of each")
on.call(lambda: check_gradients(lambda x: None, [1.0]), TypeError, HOLDS, "None")
on.call(lambda: check_gradients(lambda v: v, [np.eye(2)]), ValueError, "one number", "(2, 2)", ".sum()")
on.call(lambda: check_gradients(lambda v: v, [np.float32([1.0])]), TypeError, "float64", "float32")
