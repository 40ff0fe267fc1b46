"""Bad arguments of the names in `engine`: nodes, functions of nodes, the graph."""

import numpy as np

from arguments.kinds import (
    ARRAY,
    DTYPE,
    NODE,
    NUMBER,
    POSITIVE,
    SEQUENCE,
    WHOLE,
    bad,
    row,
)  # fmt: skip
from engine import (
    # fmt: off
    Array,
    ArrayOp,
    Constant,
    ConstantArray,
    ManyOp,
    Op,
    Value,
    VectorOp,
    check_gradients,
    concatenate,
    detect_anomaly,
    dot,
    explain,
    logsumexp,
    maximum,
    minimum,
    mistakes,
    no_grad,
    record_origins,
    softmax,
    topological,
    total,
    walk,
    where,
)  # fmt: skip
from engine.arrays.rules import SUM
from engine.rules import TANH
from engine.sequences import DOT

x, y = Value(2.0, "x"), Value(3.0, "y")
z = x * y
a, A = Array([1.0, 2.0]), Array([[1.0, 2.0], [3.0, 4.0]])
HOLDS, MIX = "a Value holds one real number", "Values and Arrays do not mix"
OTHERS = NUMBER._replace(values=[*NUMBER.values, "x", [2.0]])
SUMS = ManyOp("sums", lambda xs: sum(xs), lambda out, xs: ([1.0] * len(xs),))


def set_to(make, name):
    return lambda new: setattr(make(), name, new)


VALUE = [
    *bad("engine.Value", HOLDS, NUMBER, Value),
    row("engine.Value", lambda: Value(x), TypeError, HOLDS, "Value(2.0", "its number is .data"),
    row("engine.Value", lambda: Value("3"), TypeError, "the string '3'", "float('3')"),
    row("engine.Value", lambda: Value(np.array("3")), TypeError, HOLDS, "an array of shape ()"),
    row("engine.Value", lambda: Value(1.0, 3), TypeError, "a label is a string", "3"),
    row("engine.Value", lambda: Value(1.0, b"x"), TypeError, "a label is a string", "b'x'"),
    *bad("engine.Value", HOLDS, NUMBER, set_to(lambda: Value(1.0), "data")),
    *bad("engine.Value", HOLDS, NUMBER, set_to(lambda: Value(1.0), "grad")),
    *bad("engine.Value", HOLDS, OTHERS, lambda other: x + other),
    *bad("engine.Value", HOLDS, OTHERS, lambda other: other * x, value=False)[:7],
    *bad("engine.Value", HOLDS, OTHERS, lambda other: x < other),
    *bad("engine.Value.maximum", HOLDS, NUMBER, x.maximum),
    *bad("engine.Value.clip", HOLDS, NUMBER, lambda lo: x.clip(lo, 1.0)),
    row("engine.Value.clip", lambda: x.clip(0.0), TypeError, "clip takes (x, lo, hi)", "'hi'"),
    row("engine.Value.clip", lambda: x.clip(0, 1, 2), TypeError, "clip takes", "too many"),
    *bad("engine.Value.leaky_relu", HOLDS, NUMBER, lambda slope: x.leaky_relu(slope=slope)),
    *bad("engine.Value.elu", HOLDS, NUMBER, lambda alpha: x.elu(alpha)),
    row("engine.Value.elu", lambda: x.elu(beta=1.0), TypeError, "elu takes (x, alpha=1.0)", "beta"),
    *bad("engine.Value.lift", HOLDS, NUMBER, Value.lift),
    *bad("engine.Value.apply", "an Op, a row of", NODE, lambda op: Value.apply(op, x)),
    row("engine.Value.apply", lambda: x.apply(SUM, x), TypeError, "Value.apply expects an Op", "sum"),
    row("engine.Value.apply", lambda: x.apply(TANH, x, y), TypeError, "tanh takes 1", "got 2"),
    row("engine.Value.apply", lambda: x.apply(DOT, x, x, x), TypeError, "dot takes a list for ws", "write [x]"),
    row("engine.Value.apply", lambda: x.apply(DOT, [x], [x, y], x), ValueError, "one length, got 1 and 2"),
    *bad("engine.Constant", HOLDS, NUMBER, Constant),
]  # fmt: skip

ARRAYS = [
    *bad("engine.Array", "an Array holds", ARRAY, Array),
    row("engine.Array", lambda: Array(x), TypeError, "is a node already", "use its .data", MIX),
    row("engine.Array", lambda: Array([x]), TypeError, "a list of nodes", "concatenate"),
    row("engine.Array", lambda: Array(v for v in [1.0]), TypeError, "an Array holds", "generator"),
    row("engine.Array", lambda: Array([1.0], 3), TypeError, "a label is a string", "3"),
    *bad("engine.Array", "an Array holds", ARRAY, set_to(lambda: Array([1.0]), "data")),
    *bad("engine.Array", "an Array holds", ARRAY, set_to(lambda: Array([1.0]), "grad")),
    row("engine.Array", lambda: setattr(Array([1.0]), "data", [1.0, 2.0]), ValueError, "data of shape (2,)", "of shape (1,)"),
    *bad("engine.Array", "an Array holds", ARRAY, lambda other: a + other),
    *bad("engine.Array", "an Array holds", ARRAY, lambda other: a @ other),
    row("engine.Array", lambda: a + x, TypeError, "Value(2.0, 'x')", MIX),
    row("engine.Array", lambda: x + a, TypeError, HOLDS, "a node already"),
    row("engine.Array", lambda: a + np.ones(3), ValueError, "+ does not accept shapes (2,) and (3,)"),
    row("engine.Array", lambda: A @ [1.0], ValueError, "@ does not accept shapes (2, 2) and (1,)"),
    row("engine.Array", lambda: A + A.astype("float32"), TypeError, "one dtype", "float32", ".astype()"),
    row("engine.Array", lambda: a[5], IndexError, "getitem does not accept shape (2,)", "index=5"),
    row("engine.Array", lambda: a["x"], IndexError, "getitem", "'x'", "only integers"),
    row("engine.Array", lambda: len(Array(1.0)), TypeError, "no length", "Array(1.)", ".item()"),
    row("engine.Array", lambda: np.asarray(a), TypeError, "lose the graph", "use its .data"),
    row("engine.Array", a.__bool__, TypeError, "neither true nor false", "shape (2,)", ".data"),
    row("engine.Array.backward", a.backward, ValueError, "one element", "shape (2,)", ".sum()"),
    row("engine.Array.item", a.item, ValueError, "item() expects an Array of one element", "shape (2,)"),
    *[
        row(f"engine.Array.{name}", lambda f=name, axis=axis: getattr(a, f)(axis), error, name, f"axis={axis!r}", kind=f"axis={axis!r}")
        for name in ("sum", "mean", "max", "min", "argmax", "logsumexp", "softmax", "squeeze")
        for axis, error in [("x", TypeError), (5, ValueError), (1.0, TypeError), ([0], TypeError)]
    ],
    row("engine.Array.max", lambda: Array([]).max(), ValueError, "max does not accept shape (0,)"),
    row("engine.Array.argmax", lambda: Array([]).argmax(), ValueError, "argmax does not accept shape (0,)"),
    row("engine.Array.reshape", lambda: a.reshape(3), ValueError, "reshape", "shape (2,)", "(3,)"),
    row("engine.Array.reshape", lambda: a.reshape("x"), TypeError, "reshape", "'x'"),
    row("engine.Array.reshape", lambda: a.reshape(1.5), TypeError, "reshape", "1.5"),
    row("engine.Array.transpose", lambda: A.transpose(0), ValueError, "transpose", "axes=(0,)"),
    row("engine.Array.transpose", lambda: A.transpose("x"), TypeError, "transpose", "'x'"),
    row("engine.Array.swapaxes", lambda: A.swapaxes(0, 5), ValueError, "swapaxes", "second=5"),
    row("engine.Array.swapaxes", lambda: A.swapaxes("x", 0), TypeError, "swapaxes", "first='x'"),
    row("engine.Array.broadcast_to", lambda: a.broadcast_to((3,)), ValueError, "broadcast_to", "shape=(3,)"),
    row("engine.Array.broadcast_to", lambda: a.broadcast_to(None), TypeError, "broadcast_to", "None"),
    *bad("engine.Array.astype", "the dtype of an Array must be", DTYPE, a.astype, value=False),
    *bad("engine.Array.lift", "an Array holds", ARRAY, Array.lift),
    row("engine.Array.lift", lambda: Array.lift(x), TypeError, "a node already", MIX),
    *bad("engine.Array.apply", "an Op, a row of", NODE, lambda op: Array.apply(op, a)),
    row("engine.Array.apply", lambda: a.apply(DOT, a, a, a), TypeError, "sequences of Values"),
    row("engine.Array.apply", lambda: a.apply(SUM, a, a), TypeError, "sum expects 1", "got 2"),
    row("engine.Array.apply", lambda: a.apply(SUM, a, axes=3), TypeError, "sum", "axes=3"),
    *bad("engine.ConstantArray", "an Array holds", ARRAY, ConstantArray),
    row("engine.ConstantArray", lambda: ConstantArray(x), TypeError, "a node already", ".data"),
]  # fmt: skip

OPS = [
    *[
        row(f"engine.{kind.__name__}", lambda k=kind, args=args: k(*args), TypeError, "Op takes a name", "such as Op('cube'", f"got {args[:1]!r}"[:-2], kind=what)
        for kind in (Op, ArrayOp)
        for what, args in {
            "no formula": ("f", None), "no partial": ("f", abs), "name": (3, abs, abs),
            "a number for a partial": ("f", abs, 1.0), "class name": (Value, abs, abs),
        }.items()
    ],
    row("engine.Op", lambda: TANH(3.0), TypeError, "tanh takes a node", "3.0"),
    row("engine.Op", lambda: TANH(None), TypeError, "tanh takes a node", "None"),
    row("engine.Op", lambda: TANH(x, y), TypeError, "tanh takes 1 arguments, got 2"),
    row("engine.Op", lambda: Op("f", lambda x: "a", lambda out, x: 1.0)(x), TypeError, HOLDS, "'a'"),
    row("engine.ArrayOp", lambda: SUM(3), TypeError, "sum takes an Array", "3"),
    row("engine.ArrayOp", lambda: SUM(x), TypeError, "Value.apply expects an Op", "Op('sum')"),
    row("engine.ManyOp", lambda: ManyOp("n", None, None), TypeError, "Op takes a name", "None"),
    row("engine.ManyOp", lambda: ManyOp("n", sum, abs), TypeError, "n expects a function with named arguments", "sum", "lambda xs"),
    row("engine.ManyOp", lambda: ManyOp("n", lambda xs, eps: eps, lambda out, xs, eps: 1.0), ValueError, "n: expected the names of the sequences among ('xs', 'eps')", "sequences=['xs']"),
    row("engine.ManyOp", lambda: ManyOp("n", lambda xs: xs, lambda out, xs: 1.0, sequences=["ys"]), ValueError, "among ('xs',)", "['ys']"),
    row("engine.VectorOp", lambda: VectorOp("n", lambda xs: xs, lambda xs: xs), ValueError, "n: the formula must take xs, and the pullback gs, outs and xs"),
    row("engine.VectorOp", lambda: VectorOp("n", None, None), TypeError, "Op takes a name", "None"),
    *[
        row(f"engine.{hook.__name__}", lambda hook=hook: hook(abs), TypeError, "expects no arguments", f"write @{hook.__name__}()")
        for hook in (no_grad, detect_anomaly, record_origins)
    ],
    row("engine.ManyOp", lambda: SUMS(x), TypeError, "sums takes a list for xs", "write [x]"),
    row("engine.ManyOp", lambda: SUMS(iter([x])), TypeError, "sums takes a node", "iterator"),
    row("engine.ManyOp", lambda: SUMS([x], [x]), TypeError, "sums takes 1 arguments, got 2"),
    row("engine.ManyOp", lambda: ManyOp("n", lambda xs: 1.0, lambda out, xs: [1.0])([x]), TypeError, "n has the slope 1.0", "give a list"),
]  # fmt: skip

TAKEN = "expected a sequence of Values"
FUNCTIONS = [
    *bad("engine.dot", TAKEN, SEQUENCE, lambda ws: dot(ws, [1.0])),
    *bad("engine.dot", TAKEN, SEQUENCE, lambda xs: dot([x], xs)),
    *bad("engine.dot", HOLDS, NUMBER, lambda bias: dot([x], [1.0], bias)),
    row("engine.dot", lambda: dot([x], [x, y]), ValueError, "dot takes two sequences of one length", "1 and 2"),
    row("engine.dot", lambda: dot(a, a), TypeError, TAKEN, "Array([1., 2.])"),
    row("engine.dot", lambda: dot([[x]], [x]), TypeError, HOLDS, "a list of 1", "per element"),
    *bad("engine.total", TAKEN, SEQUENCE, total),
    *bad("engine.total", HOLDS, NUMBER, lambda other: total([x, other]) if not isinstance(other, Array) else Value(other)),
    row("engine.total", lambda: total([a, x]), TypeError, MIX),
    *[
        each
        for f in (logsumexp, softmax)
        for each in [
            *bad(f"engine.{f.__name__}", TAKEN, SEQUENCE, f),
            row(f"engine.{f.__name__}", lambda f=f: f([]), ValueError, f.__name__, "at least one", "none"),
            row(f"engine.{f.__name__}", lambda f=f: f([a]), TypeError, HOLDS, "Array([1., 2.])"),
            row(f"engine.{f.__name__}", lambda f=f: f([[x]]), TypeError, HOLDS, "a list of 1"),
        ]
    ],
    row("engine.logsumexp", lambda: logsumexp(Array(1.0)), IndexError, "logsumexp does not accept shape ()"),
    *[
        each
        for f in (maximum, minimum)
        for each in [
            *bad(f"engine.{f.__name__}", "real number", NUMBER, lambda v, f=f: f(x, v), value=False)[:-2],
            row(f"engine.{f.__name__}", lambda f=f: f(x, a), TypeError, MIX),
            row(f"engine.{f.__name__}", lambda f=f: f(a, None), TypeError, "an Array holds", "None"),
        ]
    ],
    *bad("engine.where", "real number", NUMBER, lambda v: where(v, x, y), value=False)[:-2],
    *bad("engine.where", "real number", NUMBER, lambda v: where(True, x, v), value=False)[:-2],
    row("engine.where", lambda: where(x, a, a), TypeError, MIX),
    *bad("engine.concatenate", "concatenate expects a list of Arrays", SEQUENCE, concatenate),
    row("engine.concatenate", lambda: concatenate([]), ValueError, "at least one Array", "none"),
    row("engine.concatenate", lambda: concatenate([x]), TypeError, "Value(2.0", MIX),
    row("engine.concatenate", lambda: concatenate([a, "x"]), TypeError, "an Array holds", "'x'"),
    row("engine.concatenate", lambda: concatenate([a, A]), ValueError, "shapes (2,) and (2, 2)"),
    row("engine.concatenate", lambda: concatenate([a], axis=2), ValueError, "concatenate", "axis=2"),
    *[
        row("engine.concatenate", lambda v=v: concatenate([a], axis=v), TypeError, "expects an integer axis", repr(v), kind=f"axis={v!r}")
        for v in (None, "x", 1.0, True, [0])
    ],
]  # fmt: skip

GRAPH = [
    *bad("engine.topological", "expected a node such as a Value", NODE, topological),
    *bad("engine.walk", "expected a node such as a Value", NODE, lambda v: list(walk(v))),
    *bad("engine.mistakes", "mistakes expects a Value", NODE, mistakes),
    row("engine.mistakes", lambda: mistakes(a), TypeError, "expects a Value", "Array([1., 2.])"),
    *bad("engine.explain", "explain expects two Values", NODE, lambda v: explain(v, x)),
    *bad("engine.explain", "explain expects two Values", NODE, lambda v: explain(z, v)),
    *bad("engine.explain", "k, the number of paths", WHOLE, lambda k: explain(z, x, k)),
    row("engine.explain", lambda: explain(z, Value(1.0)), ValueError, "no path leads from Value(1.0)"),
    row("engine.explain", lambda: explain(z, Constant(1.0)), ValueError, "Constant(1.0)", "make it a Value"),
    row("engine.explain", lambda: explain(A, a), TypeError, "two Values", "Array"),
    *[
        row("engine.check_gradients", lambda f=f: check_gradients(f, [1.0]), TypeError, "expects a function such as", repr(f), kind=f"f={f!r}")
        for f in (None, 3.0, "x", [abs], z)
    ],
    *[
        row("engine.check_gradients", lambda v=v: check_gradients(lambda x: x, v), TypeError, "check_gradients expects a list", repr(v), kind=f"at={v!r}")
        for v in (None, 3.0, "x", {1.0: 2}, {1.0})
    ],
    *bad("engine.check_gradients", "tolerance", POSITIVE, lambda t: check_gradients(lambda x: x * x, [1.0], tolerance=t)),
    row("engine.check_gradients", lambda: check_gradients(abs, []), ValueError, "at least one number"),
    row("engine.check_gradients", lambda: check_gradients(abs, [x, 1.0]), TypeError, "not some of each"),
    row("engine.check_gradients", lambda: check_gradients(lambda x: None, [1.0]), TypeError, HOLDS, "None"),
    row("engine.check_gradients", lambda: check_gradients(lambda v: v, [np.eye(2)]), ValueError, "one number", "(2, 2)", ".sum()"),
    row("engine.check_gradients", lambda: check_gradients(lambda v: v, [np.float32([1.0])]), TypeError, "float64", "float32"),
]  # fmt: skip

ROWS = [*VALUE, *ARRAYS, *OPS, *FUNCTIONS, *GRAPH]
