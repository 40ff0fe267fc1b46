"""The Python side of the playground: what is shown, and errors with their lines."""

import sys

import pytest

import stepgrad
from docs.site.examples import EXAMPLES
from docs.site.playground import PRINTED, Missing, connect, run
from engine import Value
from engine.draw import draw, step
from engine.draw.graph import svg
from engine.draw.page.html import SUBTITLE
from engine.support.lazy import MISSING

NEURON = 'x = Value(2.0, "x")\ny = (x * 3.0).tanh()\n'


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_have_a_page_and_no_warnings(name):
    title, code = EXAMPLES[name]
    outcome = run(code)
    assert (outcome.error, outcome.line, outcome.notes) == ("", 0, ())
    assert SUBTITLE in outcome.html
    assert title
    assert "=" in outcome.shown


def test_names_without_a_value_become_inputs_of_a_single_expression():
    x, y = Value(1.0, "x"), Value(2.0, "y")
    outcome = run("(x + y) * (x - y)")
    assert outcome.shown == "(x + y) * (x - y) = -3"
    # The line that made a value is recorded, which a graph made here does not have.
    assert len(outcome.html) - len(step((x + y) * (x - y)).html) in range(5000)
    assert run("y = x * w").shown == "y = 2"
    assert run("(lambda a: a * w)(3.0)").shown == "(lambda a: a * w)(3.0) = 3"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x * 2.0\nx", 'NameError: name \'x\' is not defined. Define it first: x = Value(2.0, "x").'),
        ("x = x + 1.0", "NameError: name 'x'"),
        ("total([f(k) for k in range(3)])", "NameError: name 'f' is not defined."),
        ("sin(x) + y", "NameError: name 'sin' is not defined. Functions are methods: x.sin()."),
        ("np.sin(x)", "NameError: name 'np' is not defined"),
        ("math.sin(x)", "NameError: name 'math' is not defined"),
        ("import torchy", "No module named 'torchy'. The playground has stepgrad and the standard library of Python."),
        ("import micrograd.absent", "of Python. Import from stepgrad or stepgrad.nn instead."),
        ("raise EOFError", "EOFError. The playground has no input: assign the text to a variable."),
        ("raise NameError", "NameError"),
    ],
)  # fmt: skip
def test_errors_of_code_for_other_places_have_advice(code, message):
    assert message in run(code).error


@pytest.mark.parametrize(
    ("last", "shown"),
    [
        ("", "y = 0.999988"),
        ("y * 2.0", "y * 2.0 = 1.99998"),
        ("z = [y]", "z = 0.999988"),
        ("[[y]]", "[[y]] = 0.999988"),
        ("z = w = y", "w = 0.999988"),
        ("y += 1.0", "y = 1.99999"),
        ("z: Value = y", "z = 0.999988"),
        ("draw(y)", "draw(y)"),
        ("step(y, quiz=True)", "step(y, quiz=True)"),
        ("nn.MLP(2, [3, 1], rng=0)", "nn.MLP(2, [3, 1], rng=0)"),
        ("y.backward()", "y = 0.999988"),
        ("for i in range(3):\n    y = y * x", "y = 7.9999"),
        ("a, b = x, y", "b = 0.999988"),
        ("z = [3.5]", "y = 0.999988"),
        ("if True:\n    z = -y", "z = -0.999988"),
        ("del y", "x = 2"),
    ],
)
def test_the_last_line_is_shown(last, shown):
    outcome = run(NEURON + last)
    assert (outcome.shown, outcome.error) == (shown, "")
    assert outcome.html.startswith("<!doctype html>")


def test_results_without_a_page_are_printed():
    outcome = run(NEURON + "y.backward()\nprint(y)\nx.grad * 2.0")
    assert (outcome.shown, outcome.printed) == (
        "y = 0.999988",
        "Value(0.999988)\n0.0001474592844319962\n",
    )
    assert run(NEURON + "print('a')").printed == "a\n"
    assert run("model = nn.MLP(2, [1], rng=0)\nlen(model.parameters())").shown == "model"


def test_examples_of_the_reference_can_be_pasted():
    code = (
        ">>> x = Value(3.0, 'x')\n>>> for i in range(2):\n...     x = x * 2.0\n>>> x.data\n12.0\n"
    )
    outcome = run(code)
    assert (outcome.shown, outcome.printed) == ("x = 12", "12.0\n")
    assert run(">>> 1.0\n1.0\n>>> x / 0")[-2:] == (
        "NameError: name 'x' is not defined. Define it first: x = Value(2.0, \"x\").",
        3,
    )


def test_drawings_and_networks_have_their_pages():
    assert run(NEURON + "draw(y)").html == draw((Value(2.0, "x") * 3.0).tanh()).html
    with_model = run("m = nn.MLP(2, [2, 1], rng=0)\ny = m([1.0, 2.0])")
    without = run("m = [nn.MLP(2, [2, 1], rng=0)]\ny = m[0]([1.0, 2.0])")
    assert 'data-opens="' in with_model.html  # of neurons
    assert 'data-opens="' not in without.html
    unused = run("m = nn.MLP(2, [2, 1], rng=0)\ny = Value(1.0)")
    assert unused.html == run("\ny = Value(1.0)").html


@pytest.mark.parametrize(
    ("code", "line", "message"),
    [
        ("", 0, "Write an expression"),
        ("# nothing", 0, "Write an expression"),
        ("x = 1\nx +", 2, "SyntaxError: invalid syntax"),
        ("if True:\nx = 1", 2, "IndentationError: expected an indented block"),
        ("x = 'a", 1, "SyntaxError: unterminated string literal"),
        ("x = 1\0", 0, "SyntaxError: source code string cannot contain null bytes"),
        ("return 3", 1, "SyntaxError: 'return' outside function"),
        ("x = 1.0\n\nx / 0", 3, "ZeroDivisionError"),
        ("def f(x):\n    return x.foo\n\nf(Value(1.0))", 2, "AttributeError"),
        ("Value(1.0).tan('a')", 1, "TypeError"),
        ("def f(x):\n    return f(x)\n\nf(1)", 2, "RecursionError"),
        ("exit()", 1, "SystemExit"),
        ("raise KeyboardInterrupt", 1, "KeyboardInterrupt"),
        ("import missing_module", 1, "ModuleNotFoundError: No module named 'missing_module'"),
        (NEURON + "(x, y)", 3, "2 results, and a page shows one."),
        ("3.5", 1, "The last line gives float, 3.5. End with the name of a Value, such as loss."),
        ("for i in range(3):\n    print(i)", 1, "The last line gives no result. End with the name"),
        ("x = []", 1, "The last line gives list, []. End with the name of a Value, such as loss."),
        ("'a' * 200", 1, "The last line gives str, 'aaa"),
    ],
)  # fmt: skip
def test_errors_name_the_line(code, line, message):
    outcome = run(code)
    assert (outcome.html, outcome.shown, outcome.line) == ("", "", line)
    assert message in outcome.error
    assert len(outcome.error) < 300


def test_output_is_kept_also_before_an_error_and_cut():
    assert run("print('a')\nx = 1 / 0").printed == "a\n"
    assert run("import sys\nprint('e', file=sys.stderr)\nValue(1.0)").printed == "e\n"
    printed = run("for i in range(9999):\n    print('line', i)\nValue(1.0)").printed
    assert len(printed) < PRINTED + 100
    assert printed.endswith("the rest is left out")


def test_warnings_have_a_line_and_come_again():
    code = """\
model = nn.MLP(2, [1], rng=0)
optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
for i in range(2):
    loss = model([1.0, 2.0]) ** 2
    loss.backward()
    optimizer.step()  # without zero_grad
loss"""
    first = run(code)
    ((line, text),) = first.notes
    assert (line, "zero_grad()" in text) == (6, True)
    assert run(code).notes == first.notes


def test_values_know_their_line_unless_the_code_has_a_loop():
    assert "y = (x * 3.0).tanh()" in read_facts(run(NEURON).html)
    assert "y = (x * 3.0).tanh()" not in read_facts(run(NEURON + "for _ in []: pass\ny").html)


def read_facts(page):
    import base64
    import re
    import zlib

    data = re.search(r'id="view0">([^<]*)<', page)[1]
    return zlib.decompress(base64.b64decode(data), -15).decode()


def test_files_that_are_not_closed_are_no_warning(tmp_path):
    assert run(f"open({str(tmp_path / 'a')!r}, 'w')\nx = Value(1.0)").notes == ()


def test_runs_share_nothing():
    run("x = 3.0\nValue = float\nValue(1.0)")
    assert run("x").shown == "x = 1"


def test_names_that_need_numpy_have_a_line(monkeypatch):
    def load(name):
        raise ImportError(MISSING.format(f"stepgrad.{name}"))

    monkeypatch.delattr(stepgrad, "Array", raising=False)
    monkeypatch.setattr(stepgrad, "__getattr__", load)
    message = "stepgrad.Array requires NumPy, which the playground lacks"
    assert run("x = 1.0\nArray([x])")[-2:] == (message, 2)


def test_large_graphs_are_drawn_as_boxes():
    outcome = run("x = Value(1.0)\nfor i in range(600):\n    x = x * 1.01\nx")
    assert (outcome.error, outcome.shown) == ("", "x = 391.583")
    assert len(outcome.html) < 1_000_000


def test_layouts_come_from_the_worker(monkeypatch):
    monkeypatch.setattr(svg, "installed", [])
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setattr(sys, "stdin", sys.stdin)
    texts, render = [], svg.render

    def lay_out(dot, form):
        texts.append((dot, form))
        monkeypatch.setattr(svg, "installed", [])  # the program's own layout
        return render(dot, form).decode()

    expected = run(NEURON)
    connect(lay_out, lambda: None)
    assert run(NEURON) == expected
    assert run("input('name')").error.startswith(
        "EOFError: EOF when reading a line. The playground"
    )
    ((dot, form),) = texts
    assert (dot.startswith("digraph"), form) == (True, "svg")

    def fail(dot, form):
        raise ValueError("syntax error")

    connect(fail, lambda: None)
    assert run(NEURON).error == "RuntimeError: Graphviz failed: syntax error"


def test_missing_modules_are_unpacked_once():
    calls = []
    finder = Missing(lambda: calls.append(1))
    assert finder.find_spec("other") is None
    assert finder.find_spec("stepgrad.absent", []) is None
    assert finder.find_spec("stepgrad.absent", []) is None
    assert calls == [1]
