"""The graders of notebook 10 accept right answers and explain typical wrong ones."""

import ast
import json
import linecache
import re
from pathlib import Path

import numpy as np
import pytest

from engine import Array, Op, Value, topological
from nn import exercises

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "10_exercises.ipynb"
# Answers as text, because the learner's line is part of a message.
RIGHT = {
    "slope": "def slope(x): return 2 * x",
    "row": """
quotient = Op(
    "quotient", lambda x, y: x / y, lambda out, x, y: 1 / y, lambda out, x, y: -out / y
)""",
    "order": """
def order(root):
    nodes = []
    def visit(node):
        if node not in nodes:
            for x in node.inputs:
                visit(x)
            nodes.append(node)
    visit(root)
    return nodes""",
    "backward": """
def backward(order):
    order[-1].grad = 1.0
    for node in reversed(order):
        for x, local in zip(node.inputs, node.locals):
            x.grad = node.grad * local""",
    "second_use": """
def backward(root):
    root.grad = 1.0
    for node in reversed(topological(root)):
        for x, local in zip(node.inputs, node.locals):
            x.grad += node.grad * local""",
    "neuron": """
def neuron(w, x, b):
    z = sum(a * c for a, c in zip(w, x)) + b
    return z.relu()""",
    "loss": """
def loss(predictions, targets):
    squares = [(p - t) ** 2 for p, t in zip(predictions, targets)]
    return sum(squares) / len(squares)""",
    "training_step": """
def training_step(parameters, loss, lr):
    for p in parameters:
        p.zero_grad()
    loss().backward()
    for p in parameters:
        p.data -= lr * p.grad""",
    "gradient_check": """
def numerical_gradient(f, x):
    h, slopes = 1e-5, []
    for k in range(len(x)):
        above, below = [*x], [*x]
        above[k] += h
        below[k] -= h
        slopes.append((f(above) - f(below)) / (2 * h))
    return slopes""",
    "layer": """
def layer_backward(X, W, dZ):
    return dZ @ W, dZ.T @ X, dZ.sum(axis=0)""",
}
# Changes of the right answers, and what the grader says.
WRONG = [
    ("slope", ("2 * x", "x * x"), "slope(1.0) should be 2.0, not 1.0: this is the value of x²"),
    ("slope", ("2 * x", "2 * x * x"), "slope(-1.0) should be -2.0, not 2.0: this is the slope at the output"),
    ("slope", ("2 * x", "-2 * x"), "slope(1.0) should be 2.0, not -2.0: the sign is wrong."),
    ("slope", ("2 * x", "x"), "should be 2.0, not 1.0: it is always 0.5 times the correct number."),
    ("slope", ("2 * x", "((x + 0.01) ** 2 - x**2) / 0.01"), "slope(0.0) should be 0.0, not 0.01: this is close"),
    ("slope", ("return", "y ="), "slope(0.0) returned None; does the function end with `return`?"),
    ("slope", ("2 * x", "3 / x"), "slope(0.0) raised ZeroDivisionError: float division by zero, in line 1: `def slope(x): return 3 / x`."),
    ("slope", ("2 * x", "'2x'"), "slope(0.0) should be a number, not '2x'."),
    ("slope", ("2 * x", "float('nan')"), "slope(0.0) should be 0.0, not nan: "),
    ("row", ("-out / y", "out / y"), "For x = 1.0 and y = 1.0: the slope for y should be -1.0, not 1.0: the sign is wrong."),
    ("row", ("-out / y", "-1 / y**2"), "For x = 0.0 and y = 1.0: the slope for y should be 0.0, not -1.0: the factor x is missing."),
    ("row", ("-out / y", "-out"), "For x = 1.0 and y = -1.0: the slope for y should be -1.0, not 1.0: y must be squared"),
    ("row", ("1 / y, lambda out, x, y: -out / y", "-out / y, lambda out, x, y: 1 / y"), "the slopes are in the wrong order"),
    ("row", ("x / y,", "x * y,"), "the result should be"),
    ("row", ("-out / y", "-out / z"), "the row raised NameError: name 'z' is not defined, in line 2: `"),
    ("order", ("return nodes", "return nodes[::-1]"), "For x = 2, a = x.square(): order(root) is [a, x]: a is before its input x. The root must be last."),
    ("order", ("if node not in nodes:", "if True:"), "For x = 2, a = x + x: order(root) is [x, x, a]: the node x appears more than once."),
    ("order", ("            nodes.append(node)", "                nodes.append(x)"), "the node a is missing."),
    ("order", ("return nodes", "return set(nodes)"), "which has no order."),
    ("order", ("return nodes", "return [x.data for x in nodes]"), "order(root) is [2.0, 4.0]: the node x is missing."),
    ("order", ("    return nodes", ""), "order(root) returned None"),
    ("order", ("return nodes", "return [*nodes, 1.0]"), "order(root) is [x, a, 1.0], which contains more than the nodes"),
    ("order", ("            for x in node.inputs:\n                visit(x)\n            nodes.append(node)", "            nodes.append(node)\n            for x in node.inputs:\n                visit(x)"), "a is before its input x."),
    ("backward", ("order[-1].grad = 1.0", "pass"), "For x = 2, a = x.square(): a.grad should be 1.0, not 0.0: the root's gradient"),
    ("backward", ("reversed(order)", "order"), "For x = 2, a = x.square(), b = a.square(): x.grad should be 32.0, not 0.0: the pass starts at the inputs."),
    ("backward", ("node.grad * local", "local"), "x.grad should be 32.0, not 4.0: this is the local derivative alone."),
    ("backward", ("node.grad * local", "node.grad"), "x.grad should be 4.0, not 1.0: this is the upstream gradient alone."),
    ("backward", ("node.grad * local", "node.grad + local"), "the chain rule multiplies"),
    ("backward", ("node.grad * local", "node.grad * x.data"), "multiplied by the input, not by the local derivative."),
    ("backward", ("node.grad * local", "-node.grad * local"), "x.grad should be 4.0, not -4.0: "),
    ("backward", ("node.grad * local", "node.gradient * local"), "backward(order) raised AttributeError: "),
    ("backward", ("reversed(order)", "order.pop(),"), "backward(order) changed its argument"),
    ("second_use", ("+=", "="), "For x = 2, a = x + x: x.grad should be 2.0, not 1.0: the second contribution replaces the first."),
    ("second_use", ("node.grad * local", "local"), "this is the local derivative alone."),
    ("neuron", ("return z.relu()", "return z"), "For w = [1.0], x = [1.0] and b = -4.0: neuron(w, x, b) should be 0.0, not -3.0: the activation is missing."),
    ("neuron", (" + b", ""), "b.grad should be 1.0, not 0.0: the bias is missing."),
    ("neuron", ("relu", "tanh"), "the activation is relu here"),
    ("neuron", ("+ b\n    return z.relu()", "\n    return z.relu() + b"), "add the bias before the activation."),
    ("neuron", ("a * c", "a.data * c"), "w1.grad should be 1.0, not 0.0: the result is correct, but its graph does not contain w."),
    ("neuron", ("+ b", "+ b.data"), "its graph does not contain b."),
    ("neuron", ("z.relu()", "z.relu().data"), "neuron(w, x, b) should be a Value, not 1.0: compute with the Values"),
    ("neuron", ("z.relu()", "z.relu().detach()"), "w1.grad should be 1.0, not 0.0: "),
    ("loss", (" / len(squares)", ""), "For predictions = [0.0, 2.0] and targets = [1.0, -2.0]: loss(predictions, targets) should be 8.5, not 17.0: this is the sum"),
    ("loss", ("(p - t) ** 2", "(t - p)"), "square the differences"),
    ("loss", ("(p - t) ** 2", "abs(p - t)"), "the mean of the absolute errors"),
    ("loss", ("(p - t) ** 2", "-((p - t) ** 2)"), "the sign is wrong."),
    ("loss", ("(p - t) ** 2", "(p - t) ** 2 / 2"), "it is always 0.5 times the correct number."),
    ("loss", ("(p - t) ** 2", "Value((p - t).data ** 2)"), "does not contain the predictions."),
    ("training_step", ("-=", "+="), "For loss = w1 * w1, parameters = [1.0] and lr = 0.25: after a step, w1.data should be 0.5, not 1.5: the step goes uphill."),
    ("training_step", ("p.zero_grad()", "pass"), "after a second step, w1.data should be 0.25, not -0.25: the gradient is not set to zero"),
    ("training_step", ("lr * ", ""), "the learning rate is missing."),
    ("training_step", ("p.data -= lr * p.grad", "p = p - lr * p.grad"), "the parameters do not move."),
    ("training_step", ("loss().backward()", "loss()"), "the parameters do not move."),
    ("gradient_check", ("below[k] -= h", "pass"), "x and x + h are h apart; divide by h."),
    ("gradient_check", ("        below[k] -= h\n        slopes.append((f(above) - f(below)) / (2 * h))", "        slopes.append((f(above) - f(x)) / h)"), "For f(x) = x[0] ** 2: numerical_gradient(f, [1.0])[0] should be 2.0, not 2.00001000001: f(x + h) - f(x) is one-sided"),
    ("gradient_check", ("1e-5", "1e-2"), "For f(x) = x[0] ** 3: numerical_gradient(f, [1.0])[0] should be 3.0, not 3.0001: h is too large."),
    ("gradient_check", ("1e-5", "1e-12"), "h is too small"),
    ("gradient_check", ("(2 * h)", "h"), "2h apart; divide by 2h."),
    ("gradient_check", ("above, below = [*x], [*x]", "above, below = x, [*x]"), "changed its argument [1.0] to [1.00001]; work on a copy."),
    ("gradient_check", ("return slopes", "return sum(slopes)"), "should be a list, not 2.0"),
    ("gradient_check", ("return slopes", "return slopes[:1]"), "the length of numerical_gradient(f, [1.0, 2.0]) should be 2, not 1: "),
    ("layer", ("dZ.T @ X", "X.T @ dZ"), "the shape of dW should be (1, 2), not (2, 1): it is transposed."),
    ("layer", ("dZ.sum(axis=0)", "dZ"), "the shape of db should be (1,), not (1, 1): sum dZ over the samples, axis 0."),
    ("layer", ("dZ.sum(axis=0)", "dZ.sum()"), "the shape of db should be (1,), not (): sum dZ over the samples, axis 0."),
    ("layer", ("axis=0", "axis=1"), "sum "),
    ("layer", ("sum", "mean"), "For X = [[1.0], [2.0]], W = [[3.0]] and dZ = [[4.0], [5.0]]: db should be [9.0], not [4.5]: do not divide by the number of samples"),
    ("layer", ("dZ @ W,", "dZ @ W.T,"), "layer_backward(X, W, dZ) raised ValueError: "),
    ("layer", ("dZ @ W,", "Array(dZ) @ W,"), "dX should be an array, not Array("),
    ("slope", ("2 * x", "6"), "slope(0.0) should be 0.0, not 6.0: this is the slope at x = 3."),
    ("row", ("1 / y,", "1,"), "For x = 0.0 and y = -1.0: the slope for x should be -1.0, not 1.0: for the slope for x, y is a fixed number"),
    ("row", ("-out / y", "-x * y**-3"), "the exponent decreases by 1, from -1 to -2"),
    ("row", ("-out / y", "x"), "not 1.0: there are two mistakes. - the factor 1 / y² is missing: the slope of 1 / y is -1 / y². - the sign is wrong."),
    ("backward", ("node.grad * local", "node.grad * node.data"), "multiplied by the result, not by the local derivative."),
    ("backward", ("1.0", "order[-1].data"), "a.grad should be 1.0, not 4.0: the root's gradient with respect to itself is 1, not its value."),
    ("backward", ("node.locals", "node.locals[::-1]"), "the local derivatives are swapped"),
    ("second_use", ("+= node.grad * local", "= node.grad"), "there are two mistakes. - this is the upstream gradient alone. Multiply it by the local derivative. - the second contribution replaces the first."),
    ("second_use", ("zip(node.inputs, node.locals)", "dict(zip(node.inputs, node.locals)).items()"), "x.grad should be 2.0, not 1.0: an operation that uses a value twice, as x + x does, sends it two"),
    ("neuron", (" + b\n    return z.relu()", "\n    return z"), "there are two mistakes. - the activation is missing. - the bias is missing."),
    ("neuron", ("a * c for a, c in zip(w, x)) + b", "a * c + b for a, c in zip(w, x))"), "add the bias once, not for each input."),
    ("neuron", ("a * c for", "(a * c).relu() for"), "apply the activation to the sum, not to each product."),
    ("loss", ("sum(squares) / len(squares)", "(sum(squares) / len(squares)) ** 0.5"), "p1.grad should be 0.0, not nan: this is the root of the mean squared error."),
    ("loss", ("(p - t) ** 2", "(p + t) ** 2"), "subtract the target from the prediction."),
    ("training_step", ("    for p in parameters:\n        p.zero_grad()\n    loss().backward()", "    loss().backward()\n    for p in parameters:\n        p.zero_grad()"), "Call `zero_grad()`, then the backward pass"),
    ("training_step", ("p.data -= lr * p.grad", "p.data -= lr * p.grad; return"), "w2.data should be 1.75, not 2.0: only the first parameter moves."),
    ("training_step", ("loss()", "loss"), "in line 4: `loss.backward()`. Call `loss()` to get the Value of the loss."),
    ("gradient_check", ("/ (2 * h)", "/ 2 * h"), "`/ 2 * h` multiplies by h. Write `/ (2 * h)`."),
    ("gradient_check", ("1e-5, []\n    for k in range(len(x)):\n        above, below = [*x], [*x]", "1e-5, []\n    above, below = [*x], [*x]\n    for k in range(len(x)):"), "copy x anew for each k."),
    ("layer", ("dZ.sum(axis=0)", "dZ[0]"), "db should be [9.0], not [4.0]: sum dZ over the samples, axis 0."),
    ("layer", ("dZ @ W, dZ.T @ X", "dZ.T @ X, dZ @ W"), "the gradients are in the wrong order: dX, dW, db."),
    ("layer", ("dZ @ W,", "dZ @ W.T,"), "dZ.sum(axis=0)`. W is transposed here"),
    ("layer", ("dZ @ W, ", ""), "the length of layer_backward(X, W, dZ) should be 3, not 2: "),
]  # fmt: skip
EARLY, OFTEN = "sends its gradient before all", "sends its gradient more than once."
PASSES = {  # backward passes from the root that do not follow the topological order
    """
def backward(root):
    root.grad = 1.0
    def send(node):
        for x, local in zip(node.inputs, node.locals):
            x.grad += node.grad * local
            send(x)
    send(root)""": "For x = 2, a = x.square(), b = a + a: x.grad should be 8.0, not 12.0: a node " + OFTEN,
    """
def backward(root):
    root.grad, visited = 1.0, set()
    def send(node):
        if node not in visited:
            visited.add(node)
            for x, local in zip(node.inputs, node.locals):
                x.grad += node.grad * local
            for x in node.inputs:
                send(x)
    send(root)""": EARLY,
    """
def backward(root):
    root.grad, queue = 1.0, [root]
    for node in queue:
        for x, local in zip(node.inputs, node.locals):
            x.grad += node.grad * local
            if x not in queue:
                queue.append(x)""": EARLY,
}  # fmt: skip


def define(code):
    """Return what a learner's cell defines, with its lines for tracebacks."""
    code = code.strip()
    linecache.cache["<cell>"] = (len(code), None, code.splitlines(keepends=True), "<cell>")
    space = {x.__name__: x for x in (Array, Op, Value, topological)}
    exec(compile(code, "<cell>", "exec"), space)
    return [*space.values()][-1]


WRONG_CODE = [(name, RIGHT[name].replace(*change), words) for name, change, words in WRONG] + [
    ("second_use", code, words) for code, words in PASSES.items()
]


@pytest.mark.parametrize(
    ("name", "code", "words"), WRONG_CODE, ids=[f"{x[0]}-{k}" for k, x in enumerate(WRONG_CODE)]
)
def test_it_explains_a_wrong_answer(name, code, words):
    assert code != RIGHT[name]
    answer = getattr(exercises, name).check(define(code))
    assert answer.right is False
    assert words in answer.text.replace("\n", " ")


@pytest.mark.parametrize("name", [name for name in RIGHT if name != "order"])
def test_each_mistake_of_the_table_has_its_own_explanation(name):
    exercise = getattr(exercises, name)
    assert exercise.check(exercise.define()).right
    for mistake in exercise.mistakes:
        assert exercise.check(exercise.define(mistake)).text.endswith(mistake[-1])


@pytest.mark.parametrize("name", RIGHT)
def test_the_picture_of_a_wrong_answer_shows_the_correct_numbers(name):
    code = next(code for exercise, code, _ in WRONG_CODE if exercise == name)
    answer = getattr(exercises, name).check(define(code))
    assert answer.drawing.svg.startswith("<svg")
    assert answer.drawing._repr_html_() in answer._repr_html_()


def cells():
    """Return the code cells of the notebook by exercise."""
    sources = ["".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"]]
    return {
        m[1]: source for source in sources if (m := re.search(r"^exercises\.(\w+)", source, re.M))
    }


@pytest.mark.parametrize("name", RIGHT)
def test_the_notebook_accepts_a_right_answer(name):
    """The name and the arguments in the notebook are those of the right answer."""
    *imports, stub, check = ast.parse(cells()[name]).body
    (right,) = ast.parse(RIGHT[name]).body
    if isinstance(stub, ast.FunctionDef):
        assert ast.dump(stub.args) == ast.dump(right.args)
    space = {}
    exec(compile(ast.Module([*imports, right], []), "<cell>", "exec"), space)
    answer = eval(ast.unparse(check), space)
    assert answer.right, answer
    follows = [*RIGHT, "a network that learns, in 3_moons.ipynb"][[*RIGHT].index(name) + 1]
    assert answer.text.endswith(f"inputs. Next: {follows}.")
    assert answer.drawing is None


def test_the_notebook_has_all_exercises():
    assert [*cells()] == [*RIGHT]
    assert {*RIGHT} == {*exercises.__all__}


@pytest.mark.parametrize(
    "stub", ["def slope(x): ...", "def slope(x):\n    'doc'\n    ...", "slope = lambda x: ..."]
)
def test_a_stub_is_not_a_wrong_answer(stub):
    answer = exercises.slope.check(define(stub))
    assert answer.right is None
    assert answer.text == "Not answered yet. `exercises.slope.hint()` gives a hint."


def test_answers_that_are_not_functions_are_refused():
    assert str(exercises.slope.check(6.0)) == "`check` expects the function itself, not 6.0."
    not_a_row = exercises.row.check(lambda x, y: x * (1 / y))
    assert "quotient should be a row" in not_a_row.text


RESULTS = (
    1.0, "x", [], [None], [1.0], {1.0}, Value(1.0), [Value(float("nan"))], Array([1.0]), np.zeros(2),
    10**400, 1j, (np.zeros((1, 1), complex),) * 3, (np.full((1, 1), None),) * 3,
)  # fmt: skip
WITHOUT_RESULT = {"backward", "second_use", "training_step"}


@pytest.mark.parametrize("name", [name for name in RIGHT if name not in WITHOUT_RESULT])
def test_any_result_is_refused(name):
    for result in RESULTS:
        assert getattr(exercises, name).check(lambda *args, x=result: x).right is False
    assert getattr(exercises, name).check(lambda *args: list(args).missing).error


def test_an_exception_is_kept():
    error = exercises.slope.check(define("slope = lambda x: [][0]")).error
    assert isinstance(error, IndexError)


@pytest.mark.parametrize("name", RIGHT)
def test_hints(name):
    exercise = getattr(exercises, name)
    assert str(exercise.hint()).startswith("Hint 1 of 3: ")
    assert str(exercise.hint()).endswith(" `hint(2)` says more.")
    assert str(exercise.hint(3)) == f"Hint 3 of 3: {exercise.hints[-1]}"
    with pytest.raises(ValueError, match=f"{name} has the hints 1 to 3, got 4"):
        exercise.hint(4)
