"""The ten exercises. A mistake is a row: a part of the correct code, a change, and an explanation."""

import re
from collections.abc import Iterable, Iterator
from itertools import combinations_with_replacement, count, product
from typing import Any

import engine
from engine import Value, grad, topological
from engine.support.lazy import numpy_for
from engine.watch.wrong_passes import breadth_first
from nn import losses
from nn.exercises.grader import Exercise, Function, Results, WrongAnswer, check_type, list_numbers

# fmt: off


def label(name: str, data: list[float]) -> list[Value]:
    return [Value(x, f"{name}{k}") for k, x in enumerate(data, 1)]


def compute_gradients(root: Any) -> Any:
    """Return the root of a graph after its backward pass."""
    root.backward()
    return root


class CallableText(str):
    """An expression of x, or of the labels of Values, as a text that can be called."""

    def __call__(self, x: Any) -> Any:
        return eval(self, {"x": x} | {str(y.label): y for y in x if isinstance(y, Value)})


def gradients(nodes: Iterable[Any], when: str = "") -> Results:
    return ((f"{when}{node.label}.grad", node.grad) for node in nodes)


slope = Exercise(
    name="slope", next="row", call="slope({})", right=grad(Value.square),
    cases=[(x,) for x in (0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 10.0, 0.5, -0.25)],
    graph=lambda x: compute_gradients((node := Value(x, "x")) * node),
    tolerance=1e-4,  # so that a difference quotient with a small step is correct
    code="def slope(x): return 2 * x",
    mistakes=[
        ("2 * x", "x * x", "this is the value of x², not its slope."),
        ("2 * x", "2 * x * x", "this is the slope at the output, x², not at the input, x."),
        ("2 * x", "2.0", "this is the slope of the slope 2x."),
        ("2 * x", "6.0", "this is the slope at x = 3. It depends on x."),
    ],
    hints=[
        "If x grows from 3 to 3.001, x² grows from 9 to 9.006001. How many times as much?",
        "Expand (x + h)², subtract x², divide by h. What remains if h is tiny?",
        "The slope of xⁿ is n · xⁿ⁻¹.",
    ],
)


def run_row(answer: Function, x: float, y: float) -> Results:
    inputs = Value(x), Value(y)
    yield "the result", (out := answer(*inputs))
    if out.inputs != inputs:
        raise WrongAnswer("quotient should be a row, made by Op(...), not another function.")
    yield from zip(("the slope for x", "the slope for y"), out.locals, strict=True)


row = Exercise(
    name="row", next="order", call="the row", run=run_row, right=lambda x, y: x / y,
    cases=[*product((0.0, 1.0, -1.0, 2.0, -3.0), (1.0, -1.0, 2.0, -2.0, 4.0))],
    given="For x = {} and y = {}:\n",
    graph=lambda x, y: compute_gradients(Value(x, "x") / Value(y, "y")),
    code='quotient = Op("", lambda x, y: x / y, lambda out, x, y: 1 / y, lambda out, x, y: -x / y**2)',
    mistakes=[
        ("1 / y, lambda out, x, y: -x / y**2", "-x / y**2, lambda out, x, y: 1 / y", "the slopes are in the wrong order: first that for x, then that for y."),
        *((" 1 / y", wrong, "for the slope for x, y is a fixed number c. Take the slope of x / c.") for wrong in (" 1.0", " y", " out")),
        ("-x", "x", "the sign is wrong. If x is positive, a larger y makes x / y smaller."),
        ("-x", "-1", "the factor x is missing."),
        ("y**2", "y", "y must be squared: the slope of 1 / y is -1 / y²."),
        (" / y**2", "", "the factor 1 / y² is missing: the slope of 1 / y is -1 / y²."),
        ("y**2", "y**3", "the exponent decreases by 1, from -1 to -2: the slope of 1 / y is -1 / y²."),
    ],
    hints=[
        "For the slope for x, y is a fixed number c. What is the slope of x / c?",
        "For the slope for y, x is a fixed number. Write x / y as x · y⁻¹.",
        "The slope of yⁿ is n · yⁿ⁻¹, also for n = -1.",
    ],
)

LEAVES = {"x": 2, "y": 3}


def list_programs() -> Iterator[tuple[str]]:
    """Yield the programs of one and two operations, and those of three operations on x alone.

    A program is a text such as "x = 2, y = 3, a = x + y, b = a * x". Each result but the last is
    used.
    """
    for size, leaves in (1, "xy"), (2, "xy"), (3, "x"):
        for lines in product(*(list_operations(leaves + "abc"[:k]) for k in range(size))):
            used = {*find_operands(str(lines))}
            if used.issuperset("abc"[: size - 1]):
                rows = [(x, LEAVES[x]) for x in leaves if x in used] + [*zip("abc", lines, strict=False)]
                yield (", ".join(f"{name} = {line}" for name, line in rows),)


def list_operations(names: str) -> list[str]:
    pairs = [*combinations_with_replacement(names, 2)]
    return [f"{x}.square()" for x in names] + [f"{x} {s} {y}" for s in "+*" for x, y in pairs]


def find_operands(program: str) -> list[str]:
    return re.findall(r"\b[a-z]\b", program)


def build(program: str) -> Value:
    """Return the root of a program's graph, whose nodes are labelled by their names."""
    nodes: dict[str, Value] = {}
    for line in program.split(", "):
        name, expression = line.split(" = ")
        nodes[name] = node = Value(LEAVES[name]) if name in LEAVES else eval(expression, {}, nodes)
        node.label = name
    return node


PROGRAMS = [*list_programs()]
TREES = [(p,) for (p,) in PROGRAMS if max(map(find_operands(p).count, "xyabc")) == 2]  # one use each


def run_order(answer: Function, program: str) -> Results:
    """Raise WrongAnswer unless an answer is a topological order."""
    root = build(program)
    result, nodes = answer(root), topological(root)
    check_type("order(root)", "a list", result, list | tuple)
    labels = f"order(root) is [{', '.join(str(getattr(x, 'label', x)) for x in result)}]"
    places = [id(x) for x in result]  # because Value(2.0) == 2.0
    for node in nodes:
        if places.count(id(node)) != 1:
            problem = "appears more than once" if id(node) in places else "is missing"
            raise WrongAnswer(f"{labels}: the node {node.label} {problem}.")
    for out, x in ((node, x) for node in nodes for x in node.inputs):
        if places.index(id(x)) > places.index(id(out)):
            last = " The root must be last." if result[0] is root else ""
            raise WrongAnswer(f"{labels}: {out.label} is before its input {x.label}.{last}")
    if len(result) > len(nodes):
        raise WrongAnswer(f"{labels}, which contains more than the nodes of the graph.")
    yield from ()


order = Exercise(
    name="order", next="backward", call="order(root)", run=run_order, right=topological,
    cases=PROGRAMS, given="For {}:\n", graph=build,
    hints=[
        "`node.inputs` are the inputs of a node; those of a leaf are empty.",
        "Define a function inside yours that visits a node: it visits each input, and then appends the node to the list.",
        "A node that is used twice is reached twice. Keep a set of the visited nodes.",
    ],
)


def run_backward(answer: Function, program: str) -> Results:
    answer(nodes := topological(build(program)))
    yield from gradients(reversed(nodes))


backward = Exercise(
    name="backward", next="second_use", call="backward(order)", run=run_backward,
    right=lambda nodes: nodes[-1].backward(),
    cases=TREES, given="For {}:\n", graph=lambda program: compute_gradients(build(program)),
    code="""
def backward(order):
    root = order[-1]
    root.grad = 1.0
    for node in reversed(order):
        for x, local in zip(node.inputs, node.locals):
            x.grad += node.grad * local""",
    mistakes=[
        (".grad = 1.0", ".grad = 0.0", "the root's gradient with respect to itself is 1. Set it first."),
        (".grad = 1.0", ".grad = root.data", "the root's gradient with respect to itself is 1, not its value."),
        ("reversed(order)", "order", "the pass starts at the inputs. Start at the root, the last node of the list."),
        ("node.grad * local", "local", "this is the local derivative alone. Multiply it by the upstream gradient."),
        ("* local", "", "this is the upstream gradient alone. Multiply it by the local derivative."),
        ("* local", "+ local", "the chain rule multiplies the upstream gradient and the local derivative."),
        ("* local", "* x.data", "the upstream gradient is multiplied by the input, not by the local derivative."),
        ("* local", "* node.data", "the upstream gradient is multiplied by the result, not by the local derivative."),
        ("node.grad *", "node.data *", "the local derivative is multiplied by the result, not by the upstream gradient."),
        ("node.locals", "node.locals[::-1]", "the local derivatives are swapped: they are in the order of the inputs."),
    ],
    hints=[
        "The gradient of the root, the last node, is 1.",
        "Visit the nodes from the root to the inputs, as `reversed(order)` does.",
        "A node sends its gradient times a local derivative to each input. `zip(node.inputs, node.locals)` pairs the inputs with the local derivatives.",
    ],
)


def recurse(node: Any, together: bool, visited: set[Any] | None = None) -> Iterator[Any]:
    """Yield the edges below a node in the order of a recursion, repeatedly if `visited` is None.

    The edges of a node come together, or each with those below it.
    """
    if visited is not None:
        if node in visited:
            return
        visited.add(node)
    edges = [(node, *edge) for edge in zip(node.inputs, node.locals, strict=True)]
    yield from edges if together else []
    for edge in edges:
        yield from [] if together else [edge]
        yield from recurse(edge[1], together, visited)


EARLY = "a node sends its gradient before all contributions have arrived. Follow the topological order, reversed."
OFTEN = "a node sends its gradient more than once. Send it once, when all contributions have arrived."
LOOPS = "for node in reversed(order):\n        for x, local in zip(node.inputs, node.locals)"
second_use = Exercise(
    name="second_use", next="neuron", call="backward(root)", right=Value.backward,
    run=lambda answer, program: run_backward(lambda nodes: answer(nodes[-1]), program),
    cases=PROGRAMS, given="For {}:\n", graph=backward.graph,
    code=backward.code.replace("(order):\n    root = order[-1]", "(root):\n    order = topological(root)", 1),
    names={"breadth_first": breadth_first, "recurse": recurse},
    mistakes=[
        ("+=", "=", "the second contribution replaces the first. The gradient of a value that is used twice is the sum of both."),
        ("reversed(order)", "breadth_first(root, ())", EARLY),
        (LOOPS, "for node, x, local in recurse(root, True, set()):\n        if True", EARLY),
        (LOOPS, "for node, x, local in recurse(root, False, set()):\n        if True", EARLY),
        (LOOPS, "for node, x, local in recurse(root, True):\n        if True", OFTEN),
        (LOOPS, "for node, x, local in recurse(root, False):\n        if True", OFTEN),
        ("zip(node.inputs, node.locals)", "{*zip(node.inputs, node.locals)}", "an operation that uses a value twice, as x + x does, sends it two contributions, even if they are equal."),
        *backward.mistakes,
    ],
    hints=[
        "Start with your `backward` of exercise 4. `topological(root)` of stepgrad, or your own `order(root)`, returns the nodes.",
        "A value that is used twice receives two contributions. What happens to the first?",
        "All gradients are 0 at the start. Add each contribution.",
    ],
)


def run_output(answer: Function, *args: Any) -> Results:
    """Yield the output of a function, and the gradients of its arguments after a backward pass."""
    yield "", (out := answer(*args))
    if not out.constant:
        out.backward()
    yield from gradients((x for x in list_numbers(args) if isinstance(x, Value)), "after backward(), ")


def compute_neuron(w: list[Value], x: list[Value], b: Value) -> Any:
    """Return the output of a neuron; each product is a node of the drawing."""
    first, *others = (a * c for a, c in zip(w, x, strict=True))
    return (sum(others, start=first) + b).relu()


NO_GRAPH = "the result is correct, but its graph does not contain {}. Use no `.data`."
neuron = Exercise(
    name="neuron", next="loss", call="neuron(w, x, b)", right=compute_neuron,
    run=lambda answer, w, x, b: run_output(answer, label("w", w), label("x", x), Value(b, "b")),
    cases=[
        *product(([1.0], [2.0], [-1.0]), ([1.0], [3.0]), (0.0, 1.0, -4.0)),
        *product(([1.0, 3.0], [-2.0, 3.0]), ([1.0, 2.0], [4.0, 3.0]), (0.0, 5.0, 20.0)),
    ],
    given="For w = {}, x = {} and b = {}:\n",
    graph=lambda w, x, b: compute_gradients(compute_neuron(label("w", w), label("x", x), Value(b, "b"))),
    code="""
def neuron(w, x, b):
    products = [a * c for a, c in zip(w, x)]
    return (sum(products) + b).relu()""",
    mistakes=[
        (" + b", "", "the bias is missing."),
        (".relu", ".__pos__", "the activation is missing."),
        ("relu", "tanh", "the activation is relu here, not tanh."),
        ("relu", "sigmoid", "the activation is relu here, not the sigmoid."),
        (" + b).relu()", ").relu() + b", "add the bias before the activation."),
        ("sum(products) + b", "sum(p + b for p in products)", "add the bias once, not for each input."),
        ("(sum(products) + b).relu()", "sum(p.relu() for p in products) + b", "apply the activation to the sum, not to each product."),
        ("a * c", "(a * c).relu()", "apply the activation to the sum, not to each product."),
        ("a * c", "(a + c)", "multiply each weight by its input."),
        ("+ b", "- b", "the bias is subtracted."),
        ("a *", "a.detach() *", NO_GRAPH.format("w")),
        ("+ b", "+ b.detach()", NO_GRAPH.format("b")),
    ],
    hints=[
        "Multiply each weight by its input. `zip(w, x)` pairs them.",
        "Add the products, then the bias. `sum` adds Values, too.",
        "Apply the activation last. A Value has the method `relu()`.",
    ],
)


def mean_square(p: list[Value], t: list[float]) -> Any:
    """Return the mean squared error; each square is a node of the drawing."""
    first, *others = ((a - b).square() for a, b in zip(p, t, strict=True))
    return sum(others, start=first) / len(t)


loss = Exercise(
    name="loss", next="training_step", call="loss(predictions, targets)", right=losses.mse,
    run=lambda answer, p, t: run_output(answer, label("p", p), [*t]),
    cases=[
        *product(([0.0], [1.0], [-1.0], [3.0]), ([0.0], [1.0], [-2.0])),
        *product(([0.0, 2.0], [1.0, -1.0], [-3.0, 2.0]), ([1.0, -2.0], [3.0, 1.0])),
        ([1.0, 2.0, 4.0, -2.0], [0.0, 3.0, 2.0, 3.0]),
    ],
    given="For predictions = {} and targets = {}:\n",
    graph=lambda p, t: compute_gradients(mean_square(label("p", p), t)),
    code="""
def loss(predictions, targets):
    errors = [p - t for p, t in zip(predictions, targets)]
    return sum(e ** 2 for e in errors) / len(errors)""",
    mistakes=[
        (" / len(errors)", "", "this is the sum of the squares. Divide it by their number."),
        *(("e ** 2", wrong, "square the differences, so that errors of opposite signs do not cancel.") for wrong in ("e", "-e")),
        ("e ** 2", "abs(e)", "this is the mean of the absolute errors, not of their squares."),
        ("sum(e ** 2 for e in errors)", "sum(errors) ** 2 / len(errors)", "square each difference, not their mean."),
        ("sum(e ** 2 for e in errors)", "sum(errors) ** 2", "square each difference, not their sum."),
        (" / len(errors)", " ** 0.5 / len(errors) ** 0.5", "this is the root of the mean squared error. Return the mean itself."),
        ("p - t", "p + t", "subtract the target from the prediction."),
        ("e ** 2", "e ** 3", "square each difference: its exponent is 2."),
        ("p - t", "p.detach() - t", NO_GRAPH.format("the predictions")),
    ],
    hints=[
        "The error of a prediction p for a target t is p - t.",
        "Square each error. A Value has `**`.",
        "Add the squares and divide by their number, `len(targets)`.",
    ],
)


def run_training(answer: Function, loss: CallableText, start: list[float], lr: float) -> Results:
    """Yield the parameters after one step and after two."""
    w = label("w", start)
    for when in ("after a step", "after a second step"):
        answer(w, lambda: loss(w), lr)
        yield from ((f"{when}, {p.label}.data", p.data) for p in w)


training_step = Exercise(
    name="training_step", next="gradient_check", call="training_step(parameters, loss, lr)",
    run=run_training,
    cases=[
        *product(map(CallableText, ("w1 * w1", "(w1 - 3) ** 2")), ([1.0], [-2.0], [4.0]), (0.25, 0.125)),
        *product(map(CallableText, ("w1 * w1 + w2", "(w1 * w2 - 1) ** 2")), ([1.0, 2.0], [-2.0, 1.0], [4.0, -1.0]), (0.25, 0.125)),
    ],
    given="For loss = {}, parameters = {} and lr = {}:\n",
    graph=lambda loss, start, lr: compute_gradients(loss(label("w", start))),
    code="""
def training_step(parameters, loss, lr):
    for p in parameters:
        p.zero_grad()
    loss().backward()
    for p in parameters:
        p.data = p.data - lr * p.grad""",
    mistakes=[
        ("- lr", "+ lr", "the step goes uphill. Subtract lr · gradient."),
        ("p.zero_grad()", "pass", "the gradient is not set to zero, so that it is the sum of those of both steps."),
        ("lr * ", "", "the learning rate is missing."),
        ("- lr * p.grad", "", "the parameters do not move. Call `zero_grad()`, then the backward pass of `loss()`, then assign to each `p.data`."),
        ("for p in parameters:\n        p.data", "for p in parameters[:1]:\n        p.data", "only the first parameter moves."),
        ("p.data - lr", "-lr", "the update replaces the parameter. Subtract from `p.data`."),
        ("p.grad", "p.data", "the step is lr times the parameter, not lr times its gradient."),
        (" * p.grad", "", "the gradient is missing in the update."),
        ("loss().backward()", "[loss().backward() for _ in parameters]", "run the backward pass once, not once for each parameter: gradients add up."),
        ("loss().backward()", "loss.backward()", "Call `loss()` to get the Value of the loss."),
    ],
    hints=[
        "Call `loss()` to get the Value of the loss. Its `backward()` gives each parameter its gradient.",
        "The gradient points uphill: subtract lr times the gradient from `p.data`.",
        "`backward()` adds to the gradients of leaves. Set them to zero with `p.zero_grad()`.",
    ],
)

CENTRAL = "(f(move(x, k, 1e-5)) - f(move(x, k, -1e-5))) / 2e-5"
ONE_SIDED = "f(x + h) - f(x) is one-sided, with an error proportional to h. Use f(x + h) - f(x - h)."
gradient_check = Exercise(
    name="gradient_check", next="layer", call="numerical_gradient(f, {1})", right=lambda f, x: grad(f)(x),
    cases=[
        *product(map(CallableText, ("x[0] ** 2", "x[0] ** 3")), ([1.0], [2.0], [-3.0])),
        *product(map(CallableText, ("x[0] * x[1]", "x[0] ** 2 - x[1] ** 3")), ([1.0, 2.0], [2.0, -1.0], [-3.0, 2.0])),
    ],
    given="For f(x) = {}:\n",
    graph=lambda f, x: compute_gradients(f(label("x", x))),
    tolerance=1e-7,
    code=f"""
move = lambda x, k, h: [v + h * (i == k) for i, v in enumerate(x)]
numerical_gradient = lambda f, x: [{CENTRAL} for k in range(len(x))]""",
    mistakes=[
        ("2e-5", "1e-5", "the points x + h and x - h are 2h apart; divide by 2h."),
        (CENTRAL, "(f(move(x, k, 1e-5)) - f(x)) / 2e-5", "the points x and x + h are h apart; divide by h."),
        ("i == k", "True", "move one number at a time."),
        ("i == k", "i <= k", "move one number at a time: copy x anew for each k."),
        ("/ 2e-5", "/ 2 * 1e-5", "`/ 2 * h` multiplies by h. Write `/ (2 * h)`."),
        ("/ 2e-5", "", "divide the change of f by 2h, the distance of the points."),
        *(("e-5", f"e-{n}", "h is too large. Try 1e-5.") for n in range(4)),
        *(("e-5", f"e-{n}", "h is too small, so that rounding dominates. Try 1e-5.") for n in range(10, 17)),
        *((CENTRAL, f"(f(move(x, k, 1e-{n})) - f(x)) / 1e-{n}", ONE_SIDED) for n in (*range(8), *range(12, 16))),
        *((CENTRAL, f"(f(x) - f(move(x, k, -1e-{n}))) / 1e-{n}", ONE_SIDED) for n in (*range(8), *range(12, 16))),
    ],
    hints=[
        "A slope is the change of f divided by the change of x. Take a small h, such as 1e-5.",
        "Take points on both sides, x + h and x - h: the error is then proportional to h².",
        "For each k, make two copies of x, as in `[*x]`, and change number k in each.",
    ],
)


def small_layers() -> Iterator[tuple[Any, ...]]:
    """Yield X, W and dZ, matrices of small whole numbers, for samples, inputs and outputs."""
    for samples, inputs, outputs in [(1, 1, 1), (1, 2, 1), (1, 1, 2), (2, 1, 1), (2, 2, 2), (3, 2, 3), (2, 3, 4)]:
        numbers = count(1.0)
        shapes = (samples, inputs), (outputs, inputs), (samples, outputs)
        yield tuple([[next(numbers) for _ in range(n)] for _ in range(m)] for m, n in shapes)


def compute_layer(X: Any, W: Any, dZ: Any) -> Any:
    """Return Z with the gradient dZ, that of the sum of Z * dZ."""
    Z = engine.Array(X, "X") @ engine.Array(W, "W").T + engine.Array([0.0] * len(W), "b")
    Z.label = "Z"
    (Z * dZ).sum().backward()
    return Z


layer = Exercise(
    name="layer", next="a network that learns, in 3_moons.ipynb", call="layer_backward(X, W, dZ)",
    run=lambda answer, *matrices: [("", answer(*map(numpy_for("nn.exercises.layer").array, matrices)))],
    right=lambda *case: {f"d{x.label}": x.grad for x in topological(compute_layer(*case)) if not x.op},
    cases=[*small_layers()], given="For X = {}, W = {} and dZ = {}:\n", graph=compute_layer,
    code="def layer_backward(X, W, dZ): return dZ @ W, dZ.T @ X, dZ.sum(axis=0)",
    mistakes=[
        ("dZ.T @ X, dZ.sum(axis=0)", "dZ.T @ X / len(X), dZ.mean(axis=0)", "do not divide by the number of samples: dZ contains the factor of the mean."),
        ("dZ.sum(axis=0)", "dZ.mean(axis=0)", "do not divide by the number of samples: dZ contains the factor of the mean."),
        ("dZ.T @ X", "X.T @ dZ", "it is transposed."),
        ("dZ @ W", "W.T @ dZ.T", "it is transposed."),
        *(("dZ.sum(axis=0)", wrong, "sum dZ over the samples, axis 0.") for wrong in ("dZ", "dZ.sum()", "dZ.sum(axis=1)", "dZ.sum(axis=0, keepdims=True)", "dZ[0]")),
        ("dZ @ W", "dZ @ W.T", "W is transposed here; in Z = X Wᵀ it is transposed already."),
        ("dZ @ W, dZ.T @ X", "dZ.T @ X, dZ @ W", "the gradients are in the wrong order: dX, dW, db."),
    ],
    hints=[
        "A gradient has the shape of its array. Only one product of dZ and W has the shape of X.",
        "Each sample contributes to dW: the outer product of its row of dZ and its row of X. A matrix product adds them up.",
        "b is added to each row of Z, so db is the sum of the rows of dZ.",
    ],
)
