"""The quiz of the stepper's page: answers, mistakes, hints, the score, and new numbers.

Requires the browser of tests/browsers.py.
"""

import re

import pytest

from browsers import chromium, fields, watched
from engine import Array, Value
from engine.draw import step
from engine.draw.look.theme import format_number
from engine.draw.page.html import read_text
from engine.graph import topological
from engine.rules import Op
from engine.watch.wrong_passes import RIGHT, contributions
from javascript import node
from nn import MLP


def graph():
    """Return e = sin(d) · b with d = a · b + a, where a is used twice, and so is b."""
    a, b = Value(2.0, "a"), Value(-3.0, "b")
    c = a * b
    c.label = "c"
    d = c + a
    d.label = "d"
    s = d.sin()
    s.label = "s"
    e = s * b
    e.label = "e"
    return e


def bell():
    """Return y = tanh(x)² + 1."""
    x = Value(0.5, "x")
    t = x.tanh()
    t.label = "t"
    q = t**2
    q.label = "q"
    y = q - 1.0 * x
    y.label = "y"
    return y


def list_answers(root):
    """Return the numbers that the quiz asks for, from the engine."""
    order = topological(root)
    numbers = [x.data for x in order if x.op]
    received = set()
    for sent in contributions(order, RIGHT):
        numbers += [sent.local, sent.sent, *([sent.after] if sent.to in received else [])]
        received.add(sent.to)
    return numbers


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Return the folder of the pages."""
    folder = tmp_path_factory.mktemp("quiz")
    step(graph(), quiz=True).save(folder / "graph.html")
    step(bell()).save(folder / "bell.html")
    return folder


@pytest.fixture(scope="module")
def tab():
    with chromium() as browser:
        yield browser.new_page(viewport={"width": 1000, "height": 800}, reduced_motion="reduce")


@pytest.fixture
def opened(tab, pages):
    """Yield a function that opens a page; no page may report an error."""

    def open_(name, address=""):
        tab.goto("about:blank")
        tab.goto((pages / f"{name}.html").as_uri() + address)
        return tab

    with watched(tab):
        yield open_


def type_answer(page, text):
    """Type an answer over the last one, and return what the page says about it."""
    page.keyboard.insert_text(str(text))
    page.keyboard.press("Enter")
    return page.inner_text(".verdict")


def find_asked(page):
    return page.get_attribute(".quiz input", "aria-label")


def test_right_answers_lead_through_the_graph_by_keyboard(opened, pages):
    a = Value(0.7, "a")
    y = (a * 3.0).tanh() * a
    y.label = "y"
    step(y, quiz=True).save(pages / "small.html")
    page, asked, answers = opened("small"), [], list_answers(y)
    page.keyboard.press("Enter")  # the inputs
    for number in answers:
        while not page.is_visible(".quiz input"):
            page.keyboard.press("Enter")  # a step that asks for nothing
        asked.append(find_asked(page))
        blank = [text for texts in fields(page).values() for text in texts if "?" in text]
        if "send" not in asked[-1]:  # the product is in the drawing if nothing is added to it
            assert len(blank) == ("local" not in asked[-1])
        text = format_number(number, ".4g")
        assert type_answer(page, text) == "Right."
        assert page.input_value(".quiz input") == text
        assert page.evaluate("document.activeElement.matches('.quiz input')")
        page.keyboard.press("Enter")
    assert asked[2:5] == [
        "What is y?",
        "What is the local derivative of y with respect to v₃?",
        "What does y send to v₃?",
    ]
    assert asked[-1].startswith("a had the gradient")
    count = len(answers)
    assert page.inner_text(".score").startswith(f"{count} of {count} · {count} at first try")
    assert page.inner_text(".place") == "10 of 10"
    page.keyboard.press("Enter")  # again
    assert page.inner_text(".place") == "1 of 10"
    assert page.inner_text(".score").startswith(f"0 of {count}")


def test_later_numbers_are_out_of_reach(opened):
    page = opened("graph", "#step=7")
    for key in ("ArrowRight", "End"):
        page.keyboard.press("Escape")  # leaves the input
        page.keyboard.press(key)
        page.evaluate("stepgrad.goto(12)")
        assert page.inner_text(".place") == "7 of 14"
    assert fields(page)["v4"] == ["s", "data 0.7568", "grad"]
    page.select_option(".facts select", label="e (×)")
    assert "0.75" not in page.inner_text(".facts").replace("data", "")
    page.keyboard.press("Escape")
    page.click("div.graph", position={"x": 3, "y": 3})
    page.keyboard.press("-")  # a typed number goes to the input
    assert page.input_value(".quiz input") == "-"
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text(".place") == "6 of 14"


# Gives wrong answers, {question: [text]}, and then all hints. Returns what the page says.
ANSWER = """(answers) => {
    const form = document.querySelector(".quiz"), input = form.querySelector("input");
    const hint = form.querySelector("[data-quiz=hint]"), sentences = {};
    while (document.querySelector(".kind").textContent !== "end") {
        const question = input.checkVisibility() ? input.getAttribute("aria-label") : "";
        for (const text of answers[question] ?? []) {
            input.value = text;
            form.requestSubmit();
            (sentences[question] ??= []).push(form.querySelector(".verdict").textContent);
        }
        while (!hint.hidden) hint.click();
        form.requestSubmit();
    }
    return sentences;
}"""
MISTAKES = {
    "graph": {
        "What is c?": [("6", "sign"), ("-1", "a + b"), ("5", "a − b"), ("x", "Type a number"), ("7", "Not this")],
        "What is d?": [("-12", "c · a"), ("4", "sign"), ("2", "a itself")],
        "What is s?": [("-0.6536", "local derivative"), ("0.8", "two digits"), ("0.7569", "last digits")],
        "What is the local derivative of e with respect to s?": [("0.7568", "for b"), ("0", "stays the same"), ("-2.27", "e itself")],
        "What is the local derivative of s with respect to d?": [("0.727", "at the output"), ("1.961", "product with"), ("-3", "upstream")],
        "What does s send to d?": [("-0.6536", "upstream gradient is missing"), ("-3", "local derivative is missing"), ("-3.6536", "not added"), ("-1.961", "sign")],
        "What is the local derivative of d with respect to a?": [("2", "a itself"), ("-1", "sign")],
        "What does c send to a?": [("1.961", "local derivative is missing"), ("3.922", "for b")],
        "a had the gradient 1.961; what is it now?": [("-5.882", "assigned, not added"), ("1.961", "had before"), ("7.843", "subtracted"), ("3.922", "sign")],
    },
    "bell": {
        "What is q?": [("0.9242", "2"), ("0.4621", "t itself")],
        "What is the local derivative of q with respect to t?": [("0.4621", "exponent is missing"), ("0.4271", "at the output")],
        "What is the local derivative of t with respect to x?": [("0.75", "not the input x"), ("-0.2136", "The 1"), ("0.8135", "at the output")],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_answer_is_understood(opened, name):
    page = opened(name, "#quiz=1")
    answers = {question: [text for text, _ in wrong] for question, wrong in MISTAKES[name].items()}
    sentences = page.evaluate(ANSWER, answers)
    for question, wrong in MISTAKES[name].items():
        for text, sentence in wrong:
            assert sentence in sentences[question].pop(0), (question, text)
    assert page.get_attribute(".verdict", "role") == "status"


def test_hints_show_the_formula_its_numbers_and_the_answer(opened):
    page = opened("graph", "#step=12")

    def formula():
        return page.text_content(".formula").replace(" ", "")

    assert find_asked(page) == "What is the local derivative of c with respect to a?"
    assert formula() == "c=a⋅b"
    page.keyboard.press("?")
    assert formula().endswith("=b")
    page.keyboard.press("?")
    assert formula().endswith("=−3=?")
    assert type_answer(page, "-3") == "Right."
    page.keyboard.press("Enter")
    page.click("[data-quiz=hint]")
    assert formula().endswith("∂c∂a⏟b")
    page.keyboard.press("?")
    assert formula().endswith("1.961⋅(−3)=?")
    page.keyboard.press("?")
    assert page.inner_text(".verdict") == "It is −5.883."
    page.keyboard.press("Enter")
    type_answer(page, "7")
    assert type_answer(page, "-3.922") == "Right."
    page.keyboard.press("Enter")
    assert type_answer(page, "2") == "Right."
    score, _, time = page.inner_text(".score").rpartition(" · ")
    assert score == "4 of 6 · 1 at first try · 2 later · 1 shown"
    assert re.fullmatch(r"\d+:\d\d", time)  # of this test


JUDGE = """
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const judge = ([text, number, spec]) => isAnswer(text, [readNumbers(number)], spec);
  console.log(JSON.stringify(JSON.parse(line).map(judge)));
});
"""


def test_an_answer_is_judged_to_the_digits_shown():
    cases = [
        ("0.4424", 0.44243, True), ("0.44243", 0.44243, True), (".44", 0.44243, True), ("0.4", 0.44243, False),
        ("0.45", 0.44243, False), ("4.4e-1", 0.44243, True), ("−3", -3.0, True), ("3", -3.0, False),
        ("0", 0.0, True), ("0", 3e-17, True), ("12", 12.4, True), ("13", 12.4, False), ("1", 0.9, False),
        ("0.12", 0.125, True), ("0.13", 0.125, True), ("0.1", 0.1003, True), ("1200", 1234.0, True),
        ("1300", 1234.0, False), ("0,25", 0.25, True), ("inf", "inf", True), ("-inf", "inf", False),
        ("nan", "nan", True), ("1", "nan", False), ("three", 3.0, False),
    ]  # fmt: skip
    asked = [(text, number, ".4g") for text, number, _ in cases]
    numbers = (0.0, 1.0, -0.25, 1 / 3, 12345.678, -2e-7, 6.02e23)
    for spec in (".4g", ".2f", ".3e", ",.1f", "+.3g", ".1%", ""):  # the number as the page shows it
        asked += [(format_number(x, spec), x, spec) for x in numbers]
    names = ("arithmetic.js", "graph.js", "numbers.js", "changes.js", "answers.js")
    with node("".join(map(read_text, names)) + JUDGE) as judge:
        judged = judge(asked)
    expected = [is_right for _, _, is_right in cases]
    assert judged == expected + [True] * (len(asked) - len(cases))


def test_new_numbers_are_small_whole_ones_and_undone_together(opened, pages):
    page = opened("bell")
    page.click("[data-do=quiz]")
    page.click("[data-quiz=draw]")
    x = page.evaluate("stepgrad.get('x').data")
    assert x in (-2, -1.5, -1, -0.5, 1, 1.5, 2)
    page.keyboard.press("Escape")
    page.keyboard.press("Control+z")
    assert page.evaluate("stepgrad.get('x').data") == 0.5
    products = Value(0.5, "x") * Value(0.25, "y") / Value(0.1, "z") + Value(0.7, "w")
    step(products).save(pages / "products.html")
    page = opened("products")
    page.click("[data-do=quiz]")
    drawn = page.evaluate(
        """() => [0, 1, 2, 3, 4].flatMap(() => {
            document.querySelector("[data-quiz=draw]").click();
            return ["x", "y", "z", "w"].map((name) => stepgrad.get(name).data);
        })"""
    )
    assert {*drawn} <= {-4, -3, -2, -1, 1, 2, 3, 4}
    page.click("[data-do=reset]")
    assert page.evaluate("stepgrad.get('z').data") == 0.1


def test_the_address_keeps_the_quiz(opened):
    page = opened("bell")
    page.click("[data-do=quiz]")
    assert page.get_attribute("[data-do=quiz]", "aria-pressed") == "true"
    page.wait_for_function("location.hash === '#step=1&quiz=1'")
    page.reload()
    assert page.is_visible(".quiz")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.click("[data-do=quiz]")
    assert not page.is_visible(".quiz")
    page.wait_for_function("location.hash === '#step=2'")
    page = opened("graph", "#quiz=0&step=5")
    assert not page.is_visible(".quiz")
    assert page.is_visible("[data-do=play]")


def test_a_page_that_cannot_compute_has_no_quiz(opened, pages):
    model = MLP(2, [3, 1], "tanh", rng=0)
    loss = model([Value(0.5, "x1"), Value(-1.0, "x2")]) ** 2
    step(loss, model).save(pages / "network.html")
    assert not opened("network", "#quiz=1").is_visible("[data-do=quiz]")
    with pytest.raises(ValueError, match="level='values'"):
        step(loss, model, quiz=True)
    with pytest.raises(ValueError, match="got Arrays"):
        step((Array([1.0]) * 2.0).sum(), quiz=True)
    bent = Op("bent", lambda x: x if x > 0 else 0.1 * x, lambda out, x: 1.0 if x > 0 else 0.1)
    with pytest.raises(ValueError, match="'bent' in v1; write its row with functions of engine"):
        step(bent(Value(2.0, "x")), quiz=True)
    with pytest.raises(TypeError, match="quiz must be True or False"):
        step(loss, quiz="yes")
    assert step(loss, model, level="values", quiz=True).quiz
