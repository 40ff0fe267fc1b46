"""Rows for tapes, derivatives, and pictures of graphs."""

from functools import cache, partial
from importlib.util import find_spec

import numpy as np

from arguments.kinds import DTYPE, FLAG, HOLDS, NODE, PATH, SEQUENCE, TAKEN, WHOLE, About
from engine import Array, Tape, Value, grad, hessian, hvp, jacobian, jit, jvp, value_and_grad, vjp
from engine.draw import draw, step
from nn import MLP

# fmt: off

x, y, s = Value(2.0, "x"), Value(3.0, "y"), Value(0.5, "s")
z = x * y
a, A = Array([1.0, 2.0]), Array([[1.0, 2.0], [3.0, 4.0]])
ONE_NODE = NODE.without(list)
TREE = NODE.without(list, dict)  # of nodes, to differentiate with respect to
BOTH = (TypeError, ValueError)


@cache  # compiling takes a second, so it is done when a row runs, not when it is collected
def batch():
    tape = Tape((x * s).tanh(), [s])
    tape.forward([[1.0], [2.0]])
    return tape


@cache
def alone():
    tape = Tape([x * y, x + y])
    tape.forward()
    return tape


def tapes():
    on = About("engine.Tape")
    records = "Tape expects a Value, a list of Values"
    on.kind(records, ONE_NODE, Tape)
    for v, got in [(a, "Array"), (A.sum(), "Array(10.)"), ([x, None], "None"), (lambda: None, "None"), (lambda: 3.0, "3.0")]:
        on.call(partial(Tape, v), TypeError, records, got)
    on.call(lambda: Tape([]), ValueError, "at least one Value", "[]")
    for name in ("inputs", "parameters"):
        tape = lambda v, name=name: Tape(z, **{name: v})
        on.kind(TAKEN, SEQUENCE.optional, tape)
        on.values([[a]], tape, TypeError, HOLDS, shows=lambda v: v[0])
        on.values([[z], [1.0]], tape, ValueError, f"{name} must be leaves that require a gradient", shows=lambda v: Value.lift(v[0]))
        on.values([[x, x]], tape, ValueError, f"{name} must be distinct", "twice", shows=None)
    on.call(lambda: Tape(z, [x], parameters=[x]), ValueError, "both a parameter and an input", "Value(2.0, 'x')")
    on.kind("the dtype of a tape must be", DTYPE, lambda v: Tape(z, dtype=v), value=False)
    on.kind("threads (None uses all cores)", WHOLE.optional, lambda v: Tape(z, threads=v))
    on.arguments(partial(Tape, z), fast=FLAG, input_gradients=FLAG)
    on.call(lambda: batch()(A), ValueError, "the samples require a gradient", "input_gradients=True")
    on.call(lambda: setattr(alone().flat, "data", [1.0]), ValueError, "data of shape (1,)", "flat")

    on = About("engine.jit")
    on.values([3, "f", [x], None][:3], jit, TypeError, "jit expects a function that returns Values or Arrays")
    on.kind(TAKEN, SEQUENCE.optional, lambda v: jit(lambda: z, v))
    on.values([[z], [1.0]], lambda v: jit(lambda: z, v), ValueError, "parameters must be leaves that require a gradient", shows=lambda v: Value.lift(v[0]))
    on.kind("the dtype of jit must be", DTYPE, lambda v: jit(lambda: z, dtype=v), value=False)
    on.kind("limit", WHOLE, lambda v: jit(lambda: z, limit=v))
    on.kind("threads (None uses all cores)", WHOLE.optional, lambda v: jit(lambda: z, threads=v))
    on.kind("threads (None uses all cores)", WHOLE.optional, lambda v: jit(lambda: a, [a], threads=v))
    on.arguments(partial(jit, lambda: z), fast=FLAG, enabled=FLAG)
    pairs = jit(lambda u, v: x * u * v)
    on.call(lambda: pairs.map([1.0], [1.0, 2.0]), ValueError, "map expects one element for each call in each argument, got sequences of 1 and 2 elements")
    on.call(lambda: pairs.map([1.0], 3), TypeError, "map expects a sequence for each argument, got 3")
    on.call(lambda: jit(lambda rows: (a * Array(rows)).sum(), [a])([1.0, 2.0]), TypeError, "arguments under jit; pass an array in place of the list")
    on.call(lambda: jit(Tape), TypeError, "jit expects a function or a model, got the class Tape")
    on.call(lambda: jit(lambda: z, static=["n"]), ValueError, "<lambda> has no argument 'n'")
    on.call(lambda: jit(lambda: z, static=3), TypeError, "static must be a list of names of arguments, got 3")

    takes = "this tape expects samples of shape (samples, 1), got"
    for name, call in {"engine.Tape": lambda v: batch()(v), "engine.Tape.forward": lambda v: batch().forward(v)}.items():
        on = About(name)
        on.values([[1.0], [[1.0, 2.0]], [], [[]], 3.0, np.int64(3), np.ones((2, 1, 1)), None], call, ValueError, takes, shows=None)
        on.values(["x", [[1.0], [1.0, 2.0]], [[None]], [["a"]], [[1j]], [[x]], x, {}], call, TypeError, takes[:-5], shows=None)
    on.call(lambda: alone().forward([[1.0]]), ValueError, "takes no samples", "inputs=[...]")

    on, back = About("engine.Tape.backward"), lambda v: batch().backward(v)
    on.call(lambda: Tape(z).backward(), RuntimeError, "backward()", "call forward()")
    on.values(["x", None, 1j, [[1.0], [1.0, 2.0]], {}], back, TypeError, "an Array holds", shows=None)
    on.values([x, a], back, TypeError, "is already a node")
    on.values([[1.0], [1.0, 2.0, 3.0], np.ones((2, 1))], back, ValueError, "one number or an array of shape (2,), got", shows=np.shape)

    on = About("engine.Tape.sync")
    on.values(["x", 5, -3, None, 1.0, True, [0]], lambda v: batch().sync(v), IndexError, "sample must be in 0 to 1")
    on.call(lambda: alone().sync(5), ValueError, "takes no sample", "5", "sync()")


def derivatives(name, f, square):
    """Add the rows of f(y, x), one of the derivatives; `square` has as many results as f takes."""
    on = About(f"engine.{name}")
    on.kind("to differentiate", TREE if name == "jacobian" else ONE_NODE, lambda v: f(v, x))
    on.kind("to differentiate", TREE, lambda v: f(z, v))
    if name in ("grad", "hessian"):
        on.call(lambda: f(a * a, a), ValueError, "a node of one element", "(2,)", ".sum()")
    if name in ("vjp", "jvp", "hvp"):
        on.values([None, "x", 1j, [1.0], a], partial(f, z, x), BOTH, "a direction", shows=None)
        on.call(lambda: f(square, a, [1.0]), ValueError, "a direction must have the shape (2,)", "(1,)")
    if name in ("jvp", "hvp"):
        on.call(lambda: f(z, [x], [1.0, 2.0]), ValueError, "one direction for each x", "2 for 1")
        on.call(lambda: f(z, [x], 1.0), BOTH, "directions, one for each x", "1.0")


def pictures(f, thing, **options):
    """Add the rows of draw or step."""
    model = MLP(2, [2, 1], rng=0)
    out = model([1.0, 2.0])
    on = About(f"engine.draw.{f.__name__}")
    on.kind(thing, NODE, f)
    on.values([3, "x", MLP, [model]], partial(f, z), TypeError, "model must be a Module")
    on.call(lambda: f(z, model), ValueError, "no parameter of MLP(2, [2, 1], 'relu')", "pass the model")
    for name, known in options.items():
        on.values([None, "no such", 3, True, ["right"]], lambda v, name=name: f(z, **{name: v}), ValueError, f"{name} must be one of {known}")
    on.values([None, "x", 3, ".4q", [".4g"]], lambda v: f(z, format=v), ValueError, "format must be a format of floats such as '.4g'")
    levels = "level must be one of values, neurons, layers, blocks, network, or paths such as"
    level = lambda v: f(out, model, level=v)
    on.values(["x", 3, x, True], level, ValueError, levels, shows="got {!r}".format)
    on.values([["layers.9"], [None]], level, ValueError, levels, shows=lambda v: f"got {v[0]!r}")
    on.call(lambda: f(z, level="layers"), ValueError, "level='layers' requires a model", "pass it")
    on.call(lambda: f(out, model, collapse=True), TypeError, "unknown option 'collapse'; write level='layers'")
    on.kind("limit must be", WHOLE, lambda v: f(z, limit=v))
    on.kind("matrix_size must be", WHOLE, lambda v: f(z, matrix_size=v))


def files(picture, *ends):
    name = type(picture).__name__
    on = About(f"engine.draw.{name}.save")
    on.kind(f"the file of a {name.lower()} must be", PATH, picture.save)
    on.values(["x", "", "x.txt", "x.gif", "."], picture.save, ValueError, f"a {name.lower()} can be saved as {', '.join(ends)}", shows="got {!r}".format)
    on.call(lambda: picture.save(f"no/x{ends[0]}"), FileNotFoundError, "no folder no", "create it first")
    on.call(lambda: picture.save(f"folder{ends[0]}"), IsADirectoryError, "is a folder", "name of a file")


if find_spec("numba"):
    tapes()

squares = a * a
derivatives("grad", grad, squares)
derivatives("vjp", lambda y, x, v=1.0: vjp(y, x, v), squares)
derivatives("jvp", lambda y, x, v=1.0: jvp(y, x, v), squares)
derivatives("jacobian", jacobian, squares)
derivatives("hessian", hessian, squares)
derivatives("hvp", lambda y, x, v=1.0: hvp(y, x, v), squares.sum())
for f in (partial(grad, z, x), partial(vjp, z, x, 1.0), partial(jvp, z, x, 1.0), partial(hvp, z, x, 1.0)):
    About(f"engine.{f.func.__name__}").arguments(f, create_graph=FLAG)

on = About("engine.value_and_grad")
on.values([None, 3.0, "x", x], value_and_grad, TypeError, "value_and_grad expects a function")
on.values([None, "x", 1.5, True, x], lambda v: value_and_grad(abs, v), TypeError, "argnums", shows=None)
on.values([None, "x", 1j], lambda v: value_and_grad(abs)(v), TypeError, "a Value holds one real number", shows=None)

OPTIONS = {"direction": "right, down, left, up", "theme": "auto, light, dark", "layout": "auto, embedded, dot"}
pictures(draw, "expected a node", color="kind, grad", **OPTIONS)
pictures(step, "step expects a Value or an Array", **OPTIONS)
About("engine.draw.draw").arguments(partial(draw, z), locals=FLAG)
About("engine.draw.draw").call(lambda: setattr(Value(1.0) * 2.0, "label", 3), TypeError, "a label must be a string", "3")
files(draw(z), ".svg", ".pdf", ".eps", ".png", ".html", ".dot")
files(step(z), ".html", ".htm", ".svg", ".pdf", ".eps", ".png")
