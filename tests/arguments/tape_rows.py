"""Rows for tapes, derivatives, and pictures of graphs."""

from importlib.util import find_spec

import numpy as np

from arguments.kinds import (
    DTYPE,
    FLAG,
    NODE,
    PATH,
    SEQUENCE,
    WHOLE,
    bad,
    row,
)  # fmt: skip
from engine import Array, Tape, Value, grad, hessian, hvp, jacobian, jvp, vjp
from engine.draw import draw, step
from nn import MLP

# fmt: off

x, y, s = Value(2.0, "x"), Value(3.0, "y"), Value(0.5, "s")
z = x * y
a, A = Array([1.0, 2.0]), Array([[1.0, 2.0], [3.0, 4.0]])
TAKEN, HOLDS = "expected a sequence of Values", "a Value holds one real number"
LISTS = SEQUENCE._replace(values=[v for v in SEQUENCE.values if v is not None])


def tapes():
    batch, alone, fresh = Tape((x * s).tanh(), [s]), Tape([x * y, x + y]), Tape(z)
    batch.forward([[1.0], [2.0]])
    alone.forward()
    of = "engine.Tape"
    yield from bad(of, "Tape expects a Value, a list of Values", NODE._replace(values=[v for v in NODE.values if type(v) is not list]), Tape)
    for v, got in [(a, "Array"), (A.sum(), "Array(10.)"), ([x, None], "None"), (lambda: None, "None"), (lambda: 3.0, "3.0")]:
        yield row(of, lambda v=v: Tape(v), TypeError, "Tape expects a Value, a list of Values", got, kind=f"of {got} {type(v).__name__}")
    yield row(of, lambda: Tape([]), ValueError, "at least one Value", "[]")
    for name in ("inputs", "parameters"):
        yield from bad(of, TAKEN, LISTS, lambda v, name=name: Tape(z, **{name: v}))
        yield row(of, lambda n=name: Tape(z, **{n: [a]}), TypeError, HOLDS, "Array", kind=f"{name}: Array")
        yield row(of, lambda n=name: Tape(z, **{n: [z]}), ValueError, f"{name} must be leaves that require a gradient", "Value(6.0)")
        yield row(of, lambda n=name: Tape(z, **{n: [1.0]}), ValueError, f"{name} must be leaves", "Constant(1.0)", kind=f"{name}: number")
        yield row(of, lambda n=name: Tape(z, **{n: [x, x]}), ValueError, f"{name} must be distinct", "twice")
    yield row(of, lambda: Tape(z, [x], parameters=[x]), ValueError, "both a parameter and an input", "Value(2.0, 'x')")
    yield from bad(of, "the dtype of a tape must be", DTYPE, lambda v: Tape(z, dtype=v), value=False)
    yield from bad(of, "threads (None takes all cores)", WHOLE._replace(values=WHOLE.values[1:]), lambda v: Tape(z, threads=v))
    yield from bad(of, "fast must be", FLAG, lambda v: Tape(z, fast=v))
    yield from bad(of, "input_gradients must be", FLAG, lambda v: Tape(z, input_gradients=v))
    for of, call in (("engine.Tape.forward", batch.forward), ("engine.Tape", batch)):
        for v in ([1.0], [[1.0, 2.0]], [], [[]], 3.0, np.int64(3), np.ones((2, 1, 1)), None):
            yield row(of, lambda v=v, f=call: f(v), ValueError, "this tape expects samples of shape (samples, 1), got", kind=f"of {v!r}")
        for v in ("x", [[1.0], [1.0, 2.0]], [[None]], [["a"]], [[1j]], [[x]], x, {}):
            yield row(of, lambda v=v, f=call: f(v), TypeError, "this tape expects samples of shape (samples, 1)", kind=f"of {v!r}")
    yield row("engine.Tape.forward", lambda: alone.forward([[1.0]]), ValueError, "takes no samples", "inputs=[...]")
    yield row("engine.Tape", lambda: batch(A), ValueError, "the samples require a gradient", "input_gradients=True")
    of = "engine.Tape.backward"
    yield row(of, lambda: fresh.backward(), RuntimeError, "backward()", "call forward()")
    for v in ("x", None, 1j, [[1.0], [1.0, 2.0]], {}, x, a):
        yield row(of, lambda v=v: batch.backward(v), TypeError, "is a node already" if v is x or v is a else "an Array holds", kind=f"of {v!r}")
    for v in ([1.0], [1.0, 2.0, 3.0], np.ones((2, 1))):
        yield row(of, lambda v=v: batch.backward(v), ValueError, "one number or an array of shape (2,), got", str(np.shape(v)), kind=f"of {v!r}")
    for v in ("x", 5, -3, None, 1.0, True, [0]):
        yield row("engine.Tape.sync", lambda v=v: batch.sync(v), IndexError, "sample must be in 0 to 1", repr(v), kind=f"of {v!r}")
    yield row("engine.Tape.sync", lambda: alone.sync(5), ValueError, "takes no sample", "5", "sync()")
    yield row("engine.Tape", lambda: setattr(alone.flat, "data", [1.0]), ValueError, "data of shape (1,)", "flat")


def derivatives():
    of_nodes = "to differentiate"
    for f, call in [
        (grad, lambda y, x: grad(y, x)), (vjp, lambda y, x: vjp(y, x, 1.0)), (jvp, lambda y, x: jvp(y, x, 1.0)),
        (jacobian, lambda y, x: jacobian(y, x)), (hessian, lambda y, x: hessian(y, x)), (hvp, lambda y, x: hvp(y, x, 1.0)),
    ]:  # fmt: skip
        of = f"engine.{f.__name__}"
        nodes = [v for v in NODE.values if type(v) is not list]
        yield from bad(of, of_nodes, NODE._replace(values=nodes), lambda v, call=call: call(v, x))
        yield from bad(of, of_nodes, NODE._replace(values=nodes), lambda v, call=call: call(z, v))
    for f in (grad, hessian):
        yield row(f"engine.{f.__name__}", lambda f=f: f(a * a, a), ValueError, "a node of one element", "(2,)", ".sum()")
    for f in (vjp, jvp, hvp):
        of = f"engine.{f.__name__}"
        for v in (None, "x", 1j, [1.0], x):
            yield row(of, lambda v=v, f=f: f(z, x, v), (TypeError, ValueError), "a direction", kind=f"direction {v!r}")
        yield row(of, lambda f=f: f((a * a).sum() if f is hvp else a * a, a, [1.0]) if f is not jvp else f(a * a, a, [1.0]), ValueError, "a direction must have the shape (2,)", "(1,)")
    for f in (jvp, hvp):
        yield row(f"engine.{f.__name__}", lambda f=f: f(z, [x], [1.0, 2.0]), ValueError, "one direction for each x", "2 for 1")
        yield row(f"engine.{f.__name__}", lambda f=f: f(z, [x], 1.0), (TypeError, ValueError), "directions, one for each x", "1.0", kind="one for a list")
    yield from bad("engine.grad", "create_graph must be", FLAG, lambda v: grad(z, x, create_graph=v))


def pictures():
    model = MLP(2, [2, 1], rng=0)
    out, drawing, stepper = model([1.0, 2.0]), draw(z), step(z)
    for f in (draw, step):
        of = f"engine.draw.{f.__name__}"
        hangs = "expected a node" if f is draw else "step expects a Value as root"
        yield from bad(of, hangs, NODE, f)
        for v in (3, "x", MLP, [model]):
            yield row(of, lambda v=v, f=f: f(z, v), TypeError, "model must be a Module", repr(v), kind=f"model {v!r}")
        yield row(of, lambda f=f: f(z, model), ValueError, "no parameter of MLP(2, [2, 1], 'relu')", "pass the model")
        options = {"direction": "right, down, left, up", "theme": "light, dark", "layout": "auto, embedded, dot"}
        if f is draw:
            options["color"] = "kind, grad"
            yield from bad(of, "locals must be", FLAG, lambda v: draw(z, locals=v))
        for name, known in options.items():
            for v in (None, "no such", 3, True, ["right"]):
                yield row(of, lambda n=name, v=v, f=f: f(z, **{n: v}), ValueError, f"{name} must be one of {known}", repr(v), kind=f"{name}={v!r}")
        for v in (None, "x", 3, ".4q", [".4g"]):
            yield row(of, lambda v=v, f=f: f(z, format=v), ValueError, "format must be a format of floats such as '.4g'", repr(v), kind=f"format={v!r}")
        for v in ("x", 3, ["layers.9"], [None], x):
            bare = v if not isinstance(v, list) else v[0]
            yield row(of, lambda v=v, f=f: f(out, model, collapse=v), ValueError, "collapse expects paths such as", f"got {bare!r}", kind=f"collapse={v!r}")
        yield row(of, lambda f=f: f(z, collapse=True), ValueError, "collapse requires a model", "pass it")
        yield from bad(of, "limit must be", WHOLE, lambda v, f=f: f(z, limit=v))
        yield row(of, lambda f=f: f(z, limit=1), ValueError, "at most 1 nodes to draw, got 3", "raise limit")
        yield row(of, lambda: setattr(Value(1.0) * 2.0, "label", 3), TypeError, "a label is a string", "3")
    for of, thing, right in [("Drawing", drawing, ".svg, .dot, .png, .html"), ("Stepper", stepper, ".html")]:
        what = f"a {of.lower()} can be saved as"
        end = right[:4] if of == "Drawing" else ".html"
        of = f"engine.draw.{of}.save"
        yield from bad(of, f"the file of {what[: what.index(' can')]} must be", PATH, thing.save)
        for v in ("x", "", "x.txt", "x.pdf", "."):
            yield row(of, lambda v=v, t=thing: t.save(v), ValueError, f"{what} {right}", f"got {v!r}", kind=f"{v!r}")
        yield row(of, lambda t=thing, e=end: t.save(f"no/x{e}"), FileNotFoundError, "no folder no", "make it first")
        yield row(of, lambda t=thing, e=end: t.save(f"folder{e}"), IsADirectoryError, "is a folder", "name of a file")


ROWS = [*(tapes() if find_spec("numba") else []), *derivatives(), *pictures()]
