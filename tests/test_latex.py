"""`latex`: expressions and derivatives of graphs, as LaTeX that compiles."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Array, Op, Value, dot, latex, softmax, total, where
from engine.draw.formulas.labels import COMMANDS
from engine.draw.formulas.latex import Derivation, FullLatex
from engine.draw.formulas.symbols import build_formula, build_partials, make_name
from engine.draw.formulas.writing import to_latex
from engine.graph import topological
from engine.rules import ELEMENTWISE, TABLE
from nn import MLP
from strategies import examples
from test_labels import typed
from test_symbols import SINGLE, letters, value

KNOWN = {
    "left", "right", "frac", "sqrt", "cdot", "text", "quad", "begin", "end", "partial", "infty",
    "operatorname", "mathrm", "leq", "geq", "land", "lor", "sin", "cos", "tan", "sinh", "cosh",
    "tanh", "arcsin", "arccos", "arctan", "ln", "log", "max", "min", "pi", "varphi", "Phi", "sigma",
    "hat", "bar", "tilde", "backslash", "wedge", "sim", *COMMANDS,
}  # fmt: skip


def check(text, mathtext=True):
    """Assert that LaTeX is well-formed: commands are known, and all that opens also closes."""
    assert set(re.findall(r"\\([A-Za-z]+)", text)) <= KNOWN
    depth = 0
    bare = re.sub(r"\\[^A-Za-z]", "", text)
    for c in bare:
        depth += (c == "{") - (c == "}")
        assert depth >= 0
    assert depth == 0
    assert bare.count(r"\left") == bare.count(r"\right")
    assert not re.search(r"[#$%~]", bare)
    environments = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            environments.append(name)
        else:
            assert environments.pop() == name
    assert not environments
    if mathtext:
        parse_with_mathtext(text)


def parse_with_mathtext(text):
    """Assert that matplotlib parses LaTeX. It has no environments: their cells are parsed alone."""
    mathtext = pytest.importorskip("matplotlib.mathtext")
    parser, text = mathtext.MathTextParser("path"), text.replace(r"\&", "and")
    cases = r"\\begin\{cases\}((?:(?!\\begin|\\end).)*)\\end\{cases\}"
    while match := re.search(cases, text, flags=re.S):
        for cell in re.split(r"\\\\|&", match[1]):
            parser.parse(f"${cell.strip()}$")
        text = text.replace(match[0], "x", 1)
    text = re.sub(r"\\(begin|end)\{aligned\}", "", text)
    for cell in re.split(r"\\\\\n|&", text):
        parser.parse(f"${cell.strip() or 'x'}$")


# --------------------------------------------------------------------------------- every row


@pytest.mark.parametrize("op", SINGLE.values(), ids=SINGLE)
def test_the_formula_and_the_slopes_of_every_row_compile(op):
    symbols = [make_name(letter) for letter in letters(op)]
    for symbol in [build_formula(op, symbols), *build_partials(op, make_name("out"), symbols)]:
        check(to_latex(symbol))


AT = {"atanh": 0.3, "asin": 0.3, "acos": 0.3, "acosh": 1.3}  # inside the domain


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if ELEMENTWISE[name].arity == 1])
def test_the_derivative_of_every_row_is_its_slope(name):
    """The formula of d root / d x, evaluated, is the gradient that `backward` computes."""
    op = TABLE[name]
    x = Value(AT.get(name, 0.7), "x")
    root = op(x * x + x - 0.5 if name != "acosh" else x * x)
    root.backward()
    derivation = Derivation(topological(root), x)
    check(derivation.write())
    assert evaluate(derivation, {"x": x.data}) == pytest.approx(x.grad, rel=1e-12)


def evaluate(derivation, scope):
    """Evaluate a derivative with the numbers of its leaves."""
    scope = {"e": math.e, **scope}

    def get(symbol):
        if symbol.head in ("name", "derivative"):
            if symbol in derivation.definitions:
                return get(derivation.definitions[symbol])
            return scope[symbol.parts[0]]
        if symbol.head == "number":
            return symbol.parts[0]
        names = [make_name(f"p{i}") for i in range(len(symbol.parts))]
        numbers = {f"p{i}": get(part) for i, part in enumerate(symbol.parts)}
        return value(type(symbol)(symbol.head, tuple(names)), numbers)

    return get(derivation.slopes[derivation.root])


@examples(20)
@given(data=st.data())
def test_derivatives_of_random_graphs_are_their_gradients(data):
    """Long graphs, which have definitions, and short ones."""
    leaves = [Value(data.draw(st.floats(-1.0, 1.0)), name) for name in ("x", "w_1", "alpha")]
    nodes = list(leaves)
    for _ in range(data.draw(st.integers(1, 25), label="operations")):
        a, b = (nodes[data.draw(st.integers(0, len(nodes) - 1))] for _ in range(2))
        name = data.draw(st.sampled_from(["+", "-", "*", "tanh", "sin", "sigmoid", "square"]))
        nodes.append(TABLE[name](a, b) if TABLE[name].arity == 2 else TABLE[name](a * 0.5))
        nodes[-1].label = data.draw(st.sampled_from([None, None, f"n{len(nodes)}"]))
    root = total(nodes[-3:])
    root.backward()
    scope = {leaf.label: leaf.data for leaf in leaves}
    for leaf in leaves:
        derivation = Derivation(topological(root), leaf) if leaf in topological(root) else None
        if derivation and root in derivation.slopes:
            check(derivation.write(), mathtext=False)
            assert evaluate(derivation, scope) == pytest.approx(leaf.grad, rel=1e-9, abs=1e-12)


# ----------------------------------------------------------------------------- what is written


def neuron():
    x1, x2, w1, w2 = Value(2.0, "x1"), Value(0.0, "x2"), Value(-3.0, "w_ij"), Value(1.0, "alpha")
    n = x1 * w1 + x2 * w2 + Value(6.88, "b")
    o = n.tanh()
    o.label = "o"
    return x1, n, o


def test_an_expression():
    _, n, o = neuron()
    inside = r"x_{1} \cdot w_{ij} + x_{2} \cdot \alpha + b"
    assert latex(n) == inside
    assert latex(o) == rf"\tanh\left({inside}\right)"
    assert latex(Value(2.0, "x") ** 2 / 3.0) == r"\frac{x^{2}}{3}"
    assert latex(Value(2.0) * Value(3.0, "w")) == r"2 \cdot w"


def test_a_derivative_is_the_chain_rule():
    x1, n, o = neuron()
    inside = r"x_{1} \cdot w_{ij} + x_{2} \cdot \alpha + b"
    assert latex(o, wrt=x1) == (
        "\\begin{aligned}\n"
        "\\frac{\\partial o}{\\partial x_{1}} &= \\left(1 - o^{2}\\right) \\cdot w_{ij} \\\\\n"
        f"\\text{{where}}\\quad o &= \\tanh\\left({inside}\\right)\n"
        "\\end{aligned}"
    )
    assert latex(o, wrt=o) == latex(x1, wrt=x1) == "1"
    n.label = "n"
    assert latex(o, wrt=n) == (
        "\\begin{aligned}\n"
        "\\frac{\\partial o}{\\partial n} &= "
        "1 - \\tanh^{2}\\left(n\\right) \\\\\n"
        f"\\text{{where}}\\quad n &= {inside}\n"
        "\\end{aligned}"
    )


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda x: x.tanh(), r"1 - \tanh^{2}\left(x\right)"),
        (
            lambda x: x.sigmoid(),
            r"\sigma\left(x\right) \cdot \left(1 - \sigma\left(x\right)\right)",
        ),
        (lambda x: x.sqrt(), r"\frac{1}{2 \cdot \sqrt{x}}"),
        (lambda x: 3.0 / x, r"-\frac{3}{x^{2}}"),
        (lambda x: x**3, r"3 \cdot x^{2}"),
        (lambda x: x.exp(), r"e^{x}"),
    ],
)
def test_slopes_have_the_form_of_lectures(f, slope):
    x = Value(2.0, "x")
    assert latex(f(x), wrt=x) == slope


def test_a_label_that_looks_like_a_power_is_in_parentheses():
    """∂x_1^2 would read as the square of x_1, which is differentiated."""
    x, w = Value(0.5, "x_1^2"), Value(2.0, "W^T")
    y = (x * w).tanh() * x
    y.label = "y"
    derivation = Derivation(topological(y), x)
    name = FullLatex().write(derivation.name_slope(y))
    assert name == r"\frac{\partial y}{\partial \left(x_{1}^{2}\right)}"
    assert FullLatex().write_differential("W^T") == r"\partial W^{T}"


def test_letters_that_pdflatex_lacks_in_math_mode_are_text():
    """It has none of the alphabets other than Latin and Greek in any mode."""
    root = Value(1.0, "größe") * Value(2.0, "é") + Value(3.0, "α")
    assert latex(root) == r"\mathrm{gr\text{öß}e} \cdot \text{é} + \alpha"
    with pytest.warns(
        UserWarning, match="pdflatex does not know вес in .* xelatex or lualatex"
    ) as w:
        assert latex(Value(1.0, "вес") * 2.0) == r"\mathrm{\text{вес}} \cdot 2"
    assert w[0].filename == __file__


def test_paths_are_summed_and_obvious_factors_simplified():
    x, w = Value(3.0, "x"), Value(2.0, "w")
    assert latex(x * x, wrt=x) == r"2 \cdot x"
    assert latex(x**2 * w, wrt=x) == r"2 \cdot w \cdot x"
    assert latex(x + x + 1.0, wrt=x) == "2"
    assert latex((1.0 - x) * w, wrt=x) == "-w"
    assert latex(x * w - x, wrt=x) == "w - 1"
    assert latex(w * w, wrt=Value.lift(w)) == r"2 \cdot w"


def test_a_value_without_influence_has_the_derivative_0():
    x, w = Value(3.0, "x"), Value(2.0, "w")
    assert latex(x * x.detach() + w.floor() * 0.0, wrt=w) in ("0", r"0 \cdot 0")


def test_large_shared_values_are_defined_once():
    """Written out, the expression would be 2^30 times as long as the graph."""
    x = Value(0.1, "x")
    y = x
    for _ in range(30):
        y = (y * y + y).sin()
    for text in (latex(y), latex(y, wrt=x)):
        check(text, mathtext=False)
        assert len(text) < 20_000
        assert text.count(r"\text{where}") == 1
        defined = re.findall(r"(v_\{\d+\}) &=", text.partition("where")[2])
        assert len(defined) == len(set(defined))
        assert all(len(re.findall(re.escape(name), text)) > 1 for name in defined)  # and used


def test_long_sums_are_broken_into_lines_and_leave_nothing_out():
    root = Value(0.0, "s")
    for i in range(100):
        root = root + Value(1.0, f"x_{i}") ** 2
    text = latex(root)
    check(text, mathtext=False)
    assert all(f"x_{{{i}}}^{{2}}" in text for i in range(100))
    assert max(map(len, text.split("\n"))) < 150
    assert len(latex(total([Value(1.0, f"w_{i}") for i in range(3000)]).tanh())) > 3000


def test_a_network():
    model = MLP(2, [3, 1], "tanh", rng=0)
    for i, parameter in enumerate(model.parameters()):
        parameter.label = f"w_{i}"
    loss = (model([Value(1.0, "x_1"), Value(2.0, "x_2")]) - 1.0) ** 2
    loss.label = "L"
    check(latex(loss))
    text = latex(loss, wrt=model.parameters()[0])
    check(text)
    assert r"\frac{\partial L}{\partial w_{0}} &= 2 \cdot " in text
    assert text.endswith("\\end{aligned}")


def test_rows_with_several_results_and_over_sequences():
    x = [Value(1.0, "x_1"), Value(2.0, "x_2"), Value(3.0, "x_3")]
    text = latex(softmax(x)[1] * 2.0, wrt=x[1])
    check(text)
    share = r"\operatorname{softmax}_{2}\left(x_{1}, x_{2}, x_{3}\right)"
    assert text == rf"2 \cdot {share} \cdot \left(1 - {share}\right)"
    assert latex(dot(x, [1.0, 2.0, 4.0]), wrt=x[2]) == "4"
    check(latex(where(x[0] > 0.0, x[1], x[2]), wrt=x[1]))


def test_rows_of_users():
    x = Value(2.0, "x")
    cube = Op("my_cube", lambda x: x * x * x, lambda out, x: 3.0 * x * x)
    assert latex(cube(x)) == r"x \cdot x \cdot x"
    assert latex(cube(x), wrt=x) == r"3 \cdot x \cdot x"
    opaque = Op("f_1%", lambda x: math.floor(float(x)), lambda out, x: float(x))
    assert latex(opaque(x)) == r"\operatorname{f\_1\%}\left(x\right)"
    assert latex(opaque(x), wrt=x) == r"\operatorname{f\_1\%}'\left(x\right)"
    for text in (latex(opaque(x)), latex(opaque(x), wrt=x)):
        check(text)


def test_repeated_labels_differ():
    """By an index, which leaves room for an exponent."""
    text = latex(Value(1.0, "x") ** 2 + Value(2.0, "x") ** 2)
    check(text)
    assert text == r"x_{\# 1}^{2} + x_{\# 2}^{2}"


@pytest.mark.filterwarnings("ignore:pdflatex does not know:UserWarning")
@examples(30)
@given(label=typed)
def test_any_label_compiles(label):
    x = Value(2.0, re.sub(r"[^\x20-\x7e\xa0-\uffff]", "?", label))
    check(latex(x**2 + x, wrt=x))


def test_wrong_arguments():
    x, a = Value(2.0, "x"), Array([1.0, 2.0])
    with pytest.raises(TypeError, match="latex expects a Value as root, got Array"):
        latex(a * 2.0)
    with pytest.raises(TypeError, match="latex expects a Value as wrt, got 'x'"):
        latex(x * 2.0, wrt="x")
    with pytest.raises(ValueError, match="not in the graph of root"):
        latex(x * 2.0, wrt=Value(1.0, "y"))
    y = x * 2.0
    with pytest.raises(ValueError, match="it is a constant"):
        latex(y, wrt=y.inputs[1])
