"""Formulas of rows agree with the numbers that rows compute, and are readable."""

import math
import re
import xml.etree.ElementTree as ET
from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine import Op, Value, arithmetic
from engine.draw.formulas.forms import FORMS, build_slopes, softmax_form
from engine.draw.formulas.labels import parse_label
from engine.draw.formulas.notation import Notation
from engine.draw.formulas.symbols import (
    add_up,
    build_formula,
    build_partials,
    combine,
    format_as,
    lift,
    make_name,
)
from engine.draw.formulas.writing import to_latex, to_mathml, to_text
from engine.rules import ELEMENTWISE, SLOPES_OF_OTHERS, TABLE, argument_names, flatten
from engine.sequences.many_op import ManyOp
from engine.sequences.rules import SOFTMAX
from engine.sequences.vector_op import VectorOp, output
from strategies import batches, examples

FUNCTIONS = {
    "+": lambda x, y: x + y, "·": lambda x, y: x * y, "/": arithmetic.divide, "^": arithmetic.power,
    "neg": lambda x: -x, "abs": abs, "√": arithmetic.sqrt, "∛": arithmetic.cbrt,
    "<": lambda x, y: x < y, "≤": lambda x, y: x <= y, ">": lambda x, y: x > y,
    "≥": lambda x, y: x >= y, "=": lambda x, y: x == y, "and": lambda x, y: x and y,
    "or": lambda x, y: x or y, "cases": lambda x, condition, y: x if condition else y,
    "ln": arithmetic.log, "log₂": arithmetic.log2, "log₁₀": arithmetic.log10, "max": max, "min": min,
    "σ": TABLE["sigmoid"].forward, "Φ": TABLE["normal_cdf"].forward, "sgn": TABLE["sign"].forward,
    "φ": lambda x: math.exp(-x * x / 2) / math.sqrt(2 * math.pi), "atan2": math.atan2,
    "mod": arithmetic.mod, "floor": arithmetic.floor, "round": arithmetic.rint,
    "ceil": TABLE["ceil"].forward,
    **{f: getattr(arithmetic, f) for f in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "erf", "erfc")},
    **{f"arc{f}": getattr(arithmetic, f"a{f}") for f in ("sin", "cos", "tan")},
    **{f"ar{f}": getattr(arithmetic, f"a{f}") for f in ("sinh", "cosh", "tanh")},
}  # fmt: skip


def value(symbol, scope):
    """Evaluate an expression, with the numbers of its names."""
    if symbol.head == "number":
        return symbol.parts[0]
    if symbol.head == "name":
        return scope[symbol.parts[0]]
    if symbol.head.startswith("softmax"):
        xs = [math.exp(value(part, scope)) for part in symbol.parts]
        return xs["₁₂₃₄₅₆₇₈₉".index(symbol.head[-1])] / sum(xs)
    return FUNCTIONS[symbol.head](*[value(part, scope) for part in symbol.parts])


def letters(op):
    if not isinstance(op, ManyOp):
        return list(argument_names(op.forward))
    several = lambda letter: [f"{letter[:-1]}{i}" for i in (1, 2, 3)]
    return list(flatten(several(x) if x in op.sequences else x for x in op.letters))


SINGLE = {name: op for name, op in TABLE.items() if not isinstance(op, VectorOp)}


@cache
def formulas_of(op):
    """Return the formulas of a row's result and of its partial derivatives."""
    symbols = [make_name(letter) for letter in letters(op)]
    return [build_formula(op, symbols), *build_partials(op, make_name("out"), symbols)]


@pytest.mark.parametrize("op", SINGLE.values(), ids=SINGLE)
@examples(10)
@given(data=st.data())
def test_formulas_agree_with_the_row(op, data):
    """Results and local derivatives agree, except at poles, where a formula is not finite."""
    names = letters(op)
    number = st.sampled_from([-2.5, -1.0, -0.4, 0.0, 0.3, 1.0, 2.0]) | st.floats(-4.0, 4.0).map(
        lambda x: round(x, 3)
    )
    for inputs in data.draw(batches(*[number] * len(names)), label="inputs"):
        args = op.unflatten(inputs)
        out = op.forward(*args)
        if op.name in ("%", "//") and inputs[1] and (inputs[0] / inputs[1]).is_integer():
            continue  # the quotient may have been rounded to this integer
        scope = {**dict(zip(names, inputs, strict=True)), "out": out, "e": math.e}
        wanted = [out, *flatten(op.locals(out, *args))]
        for symbol, want in zip(formulas_of(op), wanted, strict=True):
            got = value(symbol, scope)
            if math.isfinite(want) and math.isfinite(got):
                assert got == pytest.approx(want, rel=1e-9, abs=1e-12), to_text(symbol)


SHARES = [f"softmax{i}(x, other₁, other₂, other₃)" for i in "₁₂₃₄"]
CHANCES = [f"−({' + '.join(SHARES[1:])})", *SHARES[1:]]


@pytest.mark.parametrize(
    ("op", "row", "slopes"),
    [
        ("+", "x + y", ["1", "1"]),
        ("-", "x − y", ["1", "−1"]),
        ("*", "x · y", ["y", "x"]),
        ("/", "x / y", ["1 / y", "−out / y"]),
        ("tanh", "tanh(x)", ["1 / cosh²(x)"]),
        ("exp", "e^x", ["out"]),
        ("sqrt", "√x", ["0.5 / out"]),
        ("sigmoid", "σ(x)", ["σ(x) · σ(−x)"]),
        ("relu", "max(0, x)", ["0 if x ≤ 0 else 1"]),
        ("normal_cdf", "Φ(x)", ["φ(x)"]),
        ("log2", "log₂(x)", ["1/ln 2 / x"]),
        ("expm1", "e^x − 1", ["e^x"]),
        ("asinh", "arsinh(x)", ["1 / √(1 + x²)"]),
        ("hypot", "√(x² + y²)", ["x / √(x² + y²)", "y / √(y² + x²)"]),
        ("erf", "erf(x)", ["2/√π · e^(−x²)"]),
        ("silu", "x · σ(x)", ["σ(x) + x · σ(x) · σ(−x)"]),
        ("gelu", "x · Φ(x)", ["Φ(x) + x · φ(x)"]),
        ("**", "x^y", ["y · x^(y − 1)", "0 if out = 0 else out · ln(x)"]),
        ("%", "mod(x, y)", ["1", "−floor(x / y)"]),
        ("//", "floor(x / y)", ["0", "0"]),
        ("xlogy", "x · ln(y)", ["ln(y)", "x / y"]),
        ("logaddexp", "max(x, y) + ln(1 + e^(−|x − y|))", ["σ(x − y)", "σ(y − x)"]),
        ("sign", "sgn(x)", ["0"]),
        ("dot", "w₁ · x₁ + w₂ · x₂ + w₃ · x₃ + b", ["x₁", "x₂", "x₃", "w₁", "w₂", "w₃", "1"]),
        ("cross_entropy", "ln(1 + e^(other₁ − x) + e^(other₂ − x) + e^(other₃ − x))", CHANCES),
        ("logsumexp", "ln(e^x₁ + e^x₂ + e^x₃)", [f"softmax{i}(x₁, x₂, x₃)" for i in "₁₂₃"]),
    ],
)
def test_formulas_read_as_in_a_textbook(op, row, slopes):
    symbols = [make_name(letter) for letter in letters(TABLE[op])]
    assert to_text(build_formula(TABLE[op], symbols)) == row
    assert [
        to_text(symbol) for symbol in build_partials(TABLE[op], make_name("out"), symbols)
    ] == slopes


@pytest.mark.parametrize("op", FORMS, ids=lambda op: op.name)
@examples(20)
@given(data=st.data())
def test_other_forms_are_equal_to_the_slopes_of_the_row(op, data):
    """As formulas on floats, and as they are written."""
    names = letters(op)
    number = st.sampled_from([-2.5, -1.0, -0.4, 0.3, 1.0, 2.0, 3.5]) | st.floats(-4.0, 4.0).map(
        lambda x: round(x, 3)
    )
    written = build_slopes(op, make_name("out"), [make_name(name) for name in names])
    for inputs in data.draw(batches(*[number] * len(names)), label="inputs"):
        args = op.unflatten(inputs)
        out = op.forward(*args)
        if not math.isfinite(out) or (op.name == "**" and inputs[0] < 1e-3):
            continue
        scope = {**dict(zip(names, inputs, strict=True)), "out": out, "e": math.e}
        want = flatten(op.locals(out, *args))
        forms = flatten(FORMS[op](out, *args))
        for slope, form, (_, *others) in zip(want, forms, written, strict=True):
            if form is not None and math.isfinite(slope) and math.isfinite(form):
                assert form == pytest.approx(slope, rel=1e-9, abs=1e-12)
                for other in others:
                    assert value(other, scope) == pytest.approx(slope, rel=1e-9, abs=1e-12)


@given(xs=st.lists(st.floats(-4.0, 4.0), min_size=3, max_size=3))
def test_the_form_of_softmax_is_equal_to_its_slopes(xs):
    outs = SOFTMAX.forward(xs)
    for i, slopes in enumerate(zip(*SOFTMAX.locals(outs, xs), strict=True)):
        for j, slope in enumerate(slopes):
            form = softmax_form(i, j, outs, float(i == j))
            assert form == pytest.approx(slope, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("op", "forms"),
    [
        ("tanh", ["1 − out²"]),
        ("sigmoid", ["out · (1 − out)"]),
        ("exp", ["e^x"]),
        ("sqrt", ["1 / (2 · out)"]),
        ("/", [None, "−x / y²"]),
        ("**", ["y · out / x", None]),
        ("tan", ["1 / cos²(x)"]),
        ("log2", ["1 / (x · ln 2)"]),
        ("logsumexp", ["e^(x₁ − out)", "e^(x₂ − out)", "e^(x₃ − out)"]),
        ("cross_entropy", ["softmax₁(x, other₁, other₂, other₃) − 1", None, None, None]),
        ("relu", [None]),
    ],
)
def test_other_forms_read_as_in_lectures(op, forms):
    symbols = [make_name(letter) for letter in letters(TABLE[op])]
    slopes = build_slopes(TABLE[op], make_name("out"), symbols)
    written = [[to_text(form) for form in others] for _, *others in slopes]
    assert written == [[form] if form else [] for form in forms]


def test_forms_of_softmax_name_its_results():
    p, q, x, y = map(make_name, "pqxy")
    slopes = build_slopes(output(SOFTMAX, 0), p, [x, y], [p, q])
    assert [[*map(str, forms)] for forms in slopes] == [
        ["p · (1 − p)", "p · (δ₁₁ − p)"], ["q · (−p)", "p · (δ₁₂ − q)"],
    ]  # fmt: skip


def test_a_user_row_has_a_formula():
    cube = Op("cube", lambda x: x * x * x, lambda out, x: 3.0 * x * x)
    assert to_text(build_formula(cube, [make_name("a")])) == "a · a · a"
    assert to_text(build_partials(cube, make_name("out"), [make_name("a")])[0]) == "3 · a · a"
    assert cube(Value(2.0)).data == 8.0


def test_formulas_accept_numbers():
    assert to_text(build_formula(TABLE["*"], [-3.0, 2.0])) == "−3 · 2"
    assert to_text(build_partials(TABLE["tanh"], 0.7071, [0.8814])[0]) == "1 / cosh²(0.8814)"


@pytest.mark.parametrize(
    ("exponent", "slopes"),
    [
        (2.0, ["2 · x"]), (3.0, ["3 · x²"]), (1.0, ["1"]), (0.5, ["0.5 · x^(−0.5)"]),
        (-1.0, ["(−1) · x^(−2)"]), ("p", ["p · x^(p − 1)", "p · out / x"]),
    ],
)  # fmt: skip
def test_the_exponent_of_a_slope_is_computed(exponent, slopes):
    """Also of a number in its final format, as in steps; a name stays general."""
    shown = make_name(exponent) if exponent == "p" else Notation({}, ".4g").number(exponent)
    forms, _ = build_slopes(TABLE["**"], make_name("out"), [make_name("x"), shown])
    assert [to_text(form) for form in forms] == slopes


def test_a_long_sum_is_shortened():
    ws, xs = ([make_name(f"{c}{i}") for i in range(100)] for c in "wx")
    assert (
        to_text(build_formula(TABLE["dot"], [*ws, *xs, make_name("b")]))
        == "w₀ · x₀ + w₁ · x₁ + w₂ · x₂ + ⋯ + b"
    )


def test_a_page_can_show_all_terms_of_a_long_sum():
    """The terms that are left out are in the MathML, with a class."""
    total = add_up([make_name(f"x{i}") * (-1.0) ** i for i in range(40)])
    row = ET.fromstring(f"<math>{to_mathml(total)}</math>")
    folded = ["".join(part.itertext()) for part in row if part.get("class") == "folded"]
    assert folded == [f"{'+−'[i % 2]}x{i}" for i in range(3, 39)]
    assert [part.get("class") for part in row].count("dots") == 1


x, y, z = make_name("x"), make_name("y"), make_name("z")


ONE_SHOWN, TWO_SHOWN = format_as(1.0, "1"), format_as(2.0, "2")  # in their final format


@pytest.mark.parametrize(
    ("symbol", "written"),
    [
        (x - (y - z), "x − (y − z)"),
        (x - (y + z), "x − (y + z)"),
        ((x - y) - z, "x − y − z"),
        (x + -y, "x − y"),
        (x + -2.0, "x − 2"),
        (-(x + y), "−(x + y)"),
        (-(x * y), "−x · y"),
        (x * (y + z), "x · (y + z)"),
        (x * -y, "x · (−y)"),
        (combine("/", x, combine("/", y, z)), "x / (y / z)"),
        (combine("/", combine("·", x, y), combine("·", y, z)), "(x · y) / (y · z)"),
        (combine("^", x + y, 2.0), "(x + y)²"),
        (combine("^", -x, 3.0), "(−x)³"),
        (combine("^", -2.0, x), "(−2)^x"),
        (combine("^", x, y + 1.0), "x^(y + 1)"),
        (x * 1.0 + 0.0, "x"),
        (x * 0.0, "0"),
        (0.0 - (-x), "x"),
        (abs(x - y), "|x − y|"),
        (ONE_SHOWN - combine("neg", TWO_SHOWN), "1 − (−2)"),
        (-combine("neg", TWO_SHOWN), "−(−2)"),
        (ONE_SHOWN + -TWO_SHOWN, "1 − 2"),
        (ONE_SHOWN * TWO_SHOWN, "1 · 2"),
        (combine("/", -x, y), "−x / y"),
        (-lift(0.0), "0"),
        (combine("cases", x, (x > 0.0) & (y <= 1.0), -x), "x if x > 0 and y ≤ 1 else −x"),
    ],
    ids=str,
)
def test_parentheses_where_they_are_needed(symbol, written):
    assert to_text(symbol) == written
    assert str(symbol) == written


def test_latex():
    row = [make_name("x1")]
    assert to_latex(build_partials(TABLE["tanh"], make_name("o"), row)[0]) == (
        r"\frac{1}{\cosh^{2}\left(x_{1}\right)}"
    )
    assert to_latex(combine("√", x) * 0.5) == r"\sqrt{x} \cdot 0.5"
    assert to_latex(combine("cases", 0.0, x <= 0.0, 1.0)) == (
        r"\begin{cases} 0 & \text{if } x \leq 0 \\ 1 & \text{otherwise} \end{cases}"
    )
    assert to_latex(combine("log₁₀", make_name("a_b%"))) == r"\log_{10}\left(\mathrm{a\_b\%}\right)"
    assert to_latex(combine("σ", -1e-7)) == r"\sigma\left(-1 \cdot 10^{-7}\right)"


@pytest.mark.parametrize("op", ELEMENTWISE.values(), ids=ELEMENTWISE)
def test_every_formula_is_well_formed(op):
    symbols = [make_name(letter) for letter in letters(op)]
    for symbol in [build_formula(op, symbols), *build_partials(op, make_name("out"), symbols)]:
        ET.fromstring(f"<math>{to_mathml(symbol)}</math>")
        written = to_latex(symbol)
        assert written.count("{") == written.count("}")
        assert written.count(r"\left(") == written.count(r"\right)")
        assert not re.search(r"[^\x00-\x7f]", written)


def test_products_that_begin_with_a_minus():
    product = combine("·", -2.0, x)
    for symbol, text, latex in [
        (combine("neg", product), "−(−2 · x)", r"-\left(-2 \cdot x\right)"),
        (combine("·", y, product), "y · (−2 · x)", r"y \cdot \left(-2 \cdot x\right)"),
        (combine("·", product, y), "−2 · x · y", r"-2 \cdot x \cdot y"),
        (combine("+", y, product), "y − 2 · x", r"y - 2 \cdot x"),
        (combine("+", y, combine("neg", product)), "y − (−2 · x)", r"y - \left(-2 \cdot x\right)"),
    ]:
        assert (to_text(symbol), to_latex(symbol)) == (text, latex)


@pytest.mark.parametrize(
    "op", sorted(SLOPES_OF_OTHERS, key=lambda op: op.name), ids=lambda op: op.name
)
def test_slopes_of_rows_are_written_without_their_cases(op):
    """They choose between formulas by the size of numbers; mathematics has one."""
    symbols = [make_name(letter) for letter in letters(op)]
    for symbol in (build_formula(op, symbols), *build_partials(op, make_name("out"), symbols)):
        assert " if " not in to_text(symbol).replace("0 if out = 0", "")  # 0 · ln 0 of a power


def test_the_elements_of_mathml():
    root = ET.fromstring(
        f"<math>{to_mathml(combine('/', make_name('x12'), combine('^', y, 2.0)))}</math>"
    )
    assert [element.tag for element in root.iter()] == [
        "math", "mfrac", "mrow", "msub", "mi", "mn", "mrow", "msup", "mrow", "mi", "mrow", "mn",
    ]  # fmt: skip
    assert "".join(root.itertext()) == "x12y2"
    assert to_mathml(make_name("x#2")) == "<msub><mi>x</mi><mtext>#2</mtext></msub>"


TAGS = ("math", "mrow", "mi", "mn", "mo", "msub", "msup", "msubsup", "mover", "mtext")


@given(label=st.text())
@example("x#2")
def test_no_name_is_markup(label):
    """Names are escaped; a label that is mathematics shows its parts."""
    clean = re.sub(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]", "?", label)
    root = ET.fromstring(f"<math>{to_mathml(make_name(clean) + 1.0)}</math>")
    assert {element.tag for element in root.iter()} <= {*TAGS}
    if parse_label(clean) is None:
        assert "".join(root.itertext()) == f"{clean}+1"
