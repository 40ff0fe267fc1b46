"""Labels as mathematics: what is set, in each format, and what stays as typed."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Value
from engine.draw import draw
from engine.draw.formulas.labels import (
    COMMANDS,
    GREEK,
    parse_label,
    set_latex,
    set_mathml,
    set_plain,
    set_spans,
)
from strategies import examples
from test_draw import HOSTILE, texts


@pytest.mark.parametrize(
    ("label", "plain", "latex"),
    [
        ("x", "x", "x"),
        ("x1", "x₁", "x_{1}"),
        ("x_1^2", "x₁²", "x_{1}^{2}"),
        ("x^2_1", "x₁²", "x_{1}^{2}"),
        ("w_ij", "wᵢⱼ", "w_{ij}"),
        ("w_{i,j}", "w_{i,j}", "w_{i,j}"),
        ("alpha", "α", r"\alpha"),
        (r"\alpha", "α", r"\alpha"),
        ("beta_12", "β₁₂", r"\beta_{12}"),
        ("theta_alpha", "θ_α", r"\theta_{\alpha}"),
        ("x_max", "x_max", r"x_{\mathrm{max}}"),
        ("W^(1)", "W⁽¹⁾", "W^{(1)}"),
        ("x⁽²⁾", "x⁽²⁾", "x^{(2)}"),
        ("w₁₀", "w₁₀", "w_{10}"),
        ("x'", "x′", r"x^{\prime}"),
        ("W^T", "Wᵀ", "W^{T}"),
        (r"\hat{y}", "ŷ", r"\hat{y}"),
        (r"\bar{x}_1", "x̄₁", r"\bar{x}_{1}"),
        ("loss_3", "loss₃", r"\mathrm{loss}_{3}"),
        ("loss_{train}", "loss_train", r"\mathrm{loss}_{\mathrm{train}}"),
        ("x_{-1}", "x₋₁", "x_{-1}"),
        ("x#2", "x#2", r"x_{\# 2}"),
    ],
)
def test_mathematics(label, plain, latex):
    assert set_plain(label) == plain
    assert set_latex(label) == latex


@pytest.mark.parametrize(
    "label",
    [
        "", "2x", "learning_rate", "x_1_2", "x^1^2", "x_", "_x", "x__1", "a b", "x_{1", r"\emph", "3",
        "*", "*2", "†", "′", "-", "∇L", "a*b", r"\ast_1",
        "x1y", "w[0]", "layers.0.weight", "x_{a{b}}", r"\input{x}", "<b>", "x_<b>", "$x", "x = 1", HOSTILE,
    ],
)  # fmt: skip
def test_other_labels_stay_as_typed(label):
    assert parse_label(label) is None
    assert set_plain(label) == label
    assert "".join(span.text for span in set_spans(label)) == label
    assert "".join(ET.fromstring(f"<m>{set_mathml(label)}</m>").itertext()) == label


def test_every_greek_name_is_a_letter():
    assert {set_plain(name) for name in GREEK} == set(GREEK.values())
    assert all(set_latex(name) == rf"\{name}" for name in GREEK if name not in ("epsilon", "phi"))
    assert set_latex("epsilon") == r"\varepsilon"  # the letter that drawings show


PIECES = [
    *"xyWδ1_^{}()'#,- ",
    "alpha",
    r"\beta",
    r"\hat",
    "12",
    "ij",
    "train",
    "₁",
    "⁽²⁾",
    "é",
    "日",
    "$",
    "%",
]
typed = st.text() | st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


@examples(200)
@given(label=typed)
def test_any_label_is_set(label):
    """No label is an error, markup or an unknown command, and the plain form means the same."""
    label = re.sub(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]", "?", label)
    ET.fromstring(f"<m>{set_mathml(label)}</m>")
    latex = set_latex(label)
    commands = set(re.findall(r"\\([A-Za-z]+)", latex))
    assert commands <= {"mathrm", "hat", "bar", "tilde", "backslash", "wedge", "sim", *COMMANDS}
    unescaped = re.sub(r"\\[^A-Za-z]", "", latex)
    assert unescaped.count("{") == unescaped.count("}")
    assert not re.search(r"[$%&#~]", unescaped)
    if parse_label(label) is not None:
        assert parse_label(set_plain(label)) == parse_label(label)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("form", ["%s", r"\hat{%s}", "%s_1", "%s'", "x_%s", "x^%s", "x_{a,%s}"])
def test_a_command_means_the_same_as_its_character(form, name):
    label = form.replace("%s", f"\\{name}")
    is_sign = name in ("ast", "top", "dagger", "prime")  # of scripts only
    assert (parse_label(label) is None) == (is_sign and not form.startswith("x"))
    assert parse_label(set_plain(label)) == parse_label(label)


@pytest.mark.parametrize("label", ["A^-", "A_-", "x^{-1}", "x_{i-1}", "y^{a+b}"])
def test_signs_of_scripts_mean_the_same_in_the_plain_form(label):
    assert parse_label(label) is not None
    assert parse_label(set_plain(label)) == parse_label(label)


def test_drawings_set_labels():
    picture = draw(Value(2.0, "x_1^2") * Value(3.0, "alpha") * Value(1.0, "learning_rate"))
    shown = texts(picture)
    assert [shown[f"v{i}"][0] for i in (0, 1, 3)] == ["x12", "α", "learning_rate"]
    sub, sup = ET.fromstring(picture.svg).iter("{http://www.w3.org/2000/svg}tspan")
    assert (sub.text, sup.text) == ("1", "2")
    assert float(sub.get("dy")) > 0 > float(sup.get("dy"))
    assert float(sup.get("dx")) < 0  # above the subscript


@examples(20)
@given(label=typed)
def test_drawings_of_any_label_are_svg(label):
    ET.fromstring(draw(Value(1.0, label)).svg)
