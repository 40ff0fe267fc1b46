"""A page's script computes the same numbers, frames, notes and paths as the engine.

The script runs in node; test_page_live.py drives whole pages in a browser.
"""

import itertools
import json
import math
import random
import re
from collections import defaultdict

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import nn
from engine import Op, Outputs, Value, explain, softmax, topological
from engine.draw import step
from engine.draw.formulas.places import mark_place
from engine.draw.look.theme import format_number
from engine.draw.page.html import SCRIPTS, PageView, compress, pack_view, read_text
from engine.draw.steps import boxes, neuron_graphs
from engine.draw.steps.facts import get_inputs
from javascript import node as run_node
from strategies import Program, examples, programs

PROGRAM = """
let live = null, lives = [];
const keep = (frame) => ({ title: frame.title, note: frame.note, data: frame.data, grad: frame.grad,
  marks: frame.marks ?? {}, alarm: Boolean(frame.alarm), lines: frame.lines });
const questions = {
  open: ({ views, code }) => {
    const rows = eval(`[${code}]`);
    lives = [];
    for (const view of views) lives.push(createLive(view, rows, lives[0]));
    [live] = lives;
    return null;
  },
  frames: ({ view }) => lives[view].runs.map(({ frames }, run) => frames.map((frame) => {
    const { lines, ...kept } = keep(frame);
    return { ...kept, lines: lines.map((line) => line.map((piece) => fillMath(piece, lives[view].find(run))).join("")) };
  })),
  set: ({ numbers }) => {
    for (const [i, x] of Object.entries(numbers)) live.graph.data[i] = readNumbers(x);
    lives.forEach((view) => view.update());
    return null;
  },
  written: () => live.graph.nodes.map((_, i) => i).filter(live.isWritten),
  paths: ({ n }) => Array.from({ length: n }, (_, i) => live.paths(i)),
  inflate: ({ text }) => readData(text),
  format: ({ numbers, spec }) => numbers.map((x) => formatNumber(readNumbers(x), spec)),
  routes: ({ routes }) => shortenRoutes(routes),
};
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { name, ...question } = JSON.parse(line);
  let answer;
  try {
    answer = { answer: questions[name](question) };
  } catch (error) {
    answer = { error: error.stack };
  }
  console.log(JSON.stringify(answer));
});
"""
NUMBER = re.compile(r"−?\d+(?:\.\d+)?(?:e[+−]\d+)?")


@pytest.fixture(scope="module")
def script():
    """Yield a function that asks the page's script."""
    names = [name for name in SCRIPTS if name not in ("stepper.js", "host.js", "camera.js")]
    with run_node("\n".join(map(read_text, names)) + PROGRAM) as ask:

        def evaluate(name, **question):
            answer = ask({"name": name, **question})
            assert "error" not in answer, answer["error"]
            return answer["answer"]

        yield evaluate


def open_page(script, stepper):
    """Give the graph of a stepper, and those of the parts that open, to the script."""
    rows: dict[str, int] = {}
    views = [
        pack_view(PageView("", "", x.templates, x.facts, x.whole, x.graph), rows)
        for x in (stepper, *stepper.opened.values())
    ]
    script("open", views=views, code=",".join(rows))


def agree(text, expected, size=0.0):
    """Check that two texts are equal, except for the last digits of numbers.

    `size` is the magnitude of the largest terms, which may cancel.
    """
    assert NUMBER.sub("#", text) == NUMBER.sub("#", expected)
    for x, y in zip(NUMBER.findall(text), NUMBER.findall(expected), strict=True):
        x, y = (float(number.replace("−", "-")) for number in (x, y))
        assert x == pytest.approx(y, rel=2e-3, abs=1e-12 * size + 1e-300)


def compare_frames(script, stepper):
    """Check all frames of all runs, also of the parts that open."""
    for view, part in enumerate((stepper, *stepper.opened.values())):
        compare(script("frames", view=view), read_frames(part))


def read_frames(stepper):
    """Return the frames of each run in the form that the script returns."""
    return [
        [
            {
                "title": frame.title,
                "note": frame.note,
                "data": frame.data,
                "grad": frame.grad,
                "marks": {id: [mark.kind, mark.text] for id, mark in frame.marks.items()},
                "alarm": frame.alarm,
                "lines": ["".join(line) for line in frame.lines],
            }
            for frame in run.frames
        ]
        for run in stepper.runs
    ]


def compare(computed, expected):
    """Check nested lists and dicts of texts: the texts agree, and everything else is equal."""
    if isinstance(expected, dict):
        assert computed.keys() == expected.keys()
        for key in expected:
            compare(computed[key], expected[key])
    elif isinstance(expected, list):
        for x, y in zip(computed, expected, strict=True):
            compare(x, y)
    elif isinstance(expected, str):
        agree(computed, expected)
    else:
        assert computed == expected


def compare_program(script, program):
    """Check all frames of a program. Differences are allowed if slopes cancel.

    A gradient that cancels consists of rounding errors. They differ in JavaScript, whose exp, sin
    and other functions round differently.
    """
    root = Value.lift(program.on_values()[-1])
    try:
        compare_frames(script, step(root))
    except (AssertionError, ValueError):
        if not has_rounding_error(root):
            raise


def has_rounding_error(root):
    """Return whether slopes cancel in the gradient of a node, or in what one operation sends to it."""
    for node in topological(root):
        if node.constant or isinstance(node, Outputs):
            continue
        parts = defaultdict(list)
        for x, slope in zip(node.inputs, node.locals if node.op else (), strict=True):
            parts[x].append(slope)
        sums = [(math.fsum(slopes), max(map(abs, slopes))) for slopes in parts.values()]
        if node is not root:
            paths = explain(root, node, 1)
            sums.append((paths.gradient, max((abs(x.product) for x in paths.paths), default=0.0)))
        if any(abs(total) < 1e-10 * largest for total, largest in sums):
            return True
    return False


CANCELLING = [
    Program(  # the slopes of a cosine
        at=(0.125,),
        steps=(
            ("sigmoid", 0), ("direction_cosine", 1, 1), ("normal_pdf", 2), ("+", 3, 3), ("+", 4, 4),
            ("*", 5, 5), ("+", 5, 3), ("total", 6, 7),
        ),
    ),
    Program(  # the slopes of a loss
        at=(0.0,),
        steps=(("cross_entropy", 0, 0, 0, 0, 0), ("+", 1, 1), ("exp", 1), ("total", 2, 3)),
    ),
    Program(  # the same, beside another slope
        at=(0.0,),
        steps=(
            ("cross_entropy", 0, 0, 0, 0, 0), ("neg", 0), ("erf", 1), ("sqrt", 3), ("total", 2, 4),
        ),
    ),
]  # fmt: skip


@examples(25)
@given(program=programs(longest=12))
@example(program=CANCELLING[0])
@example(program=CANCELLING[1])
@example(program=CANCELLING[2])
@example(  # inf and nan
    program=Program(
        at=(0.0,), steps=(("log", 0), ("+", 1, 1), ("+", 2, 2), ("-", 3, 2), ("+", 4, 2))
    )
)
def test_frames_of_all_passes_agree(script, program):
    """Numbers, formulas, notes, marks, of the correct pass and of the incorrect ones."""
    root = Value.lift(program.on_values()[-1])
    if root.constant:
        return
    open_page(script, step(root))
    compare_program(script, program)


@examples(15)
@given(program=programs(longest=12), data=st.data())
def test_changed_numbers_give_the_frames_of_a_new_graph(script, program, data):
    at = data.draw(st.tuples(*[st.floats(-3.0, 3.0)] * len(program.at)), label="numbers")
    changed = program._replace(at=at)
    root = Value.lift(program.on_values()[-1])
    if root.constant:
        return
    open_page(script, step(root))
    nodes = topological(Value.lift(changed.on_values()[-1]))
    script("set", numbers={i: float(x.data) for i, x in enumerate(nodes) if x.op is None})
    compare_program(script, changed)


def network(numbers=(), samples=2, inputs=2, hidden=2):
    """Return the loss of a network, and its model; `numbers` are those of its leaves."""
    model, labels = nn.MLP(inputs, [hidden, 2], "tanh", rng=1), range(samples)
    rows = [[Value(0.3 * (i + 1) - 0.5 * j, f"x{j}") for j in range(inputs)] for i in labels]
    leaves = [*model.parameters(), *itertools.chain.from_iterable(rows)]
    for leaf, x in zip(leaves, numbers, strict=False):
        leaf.data = x
    loss = nn.losses.cross_entropy([model(row) for row in rows], [i % 2 for i in labels])
    loss.label = "loss"
    return loss, model


@examples(3)
@given(numbers=st.lists(st.floats(-3.0, 3.0), max_size=16))
@pytest.mark.parametrize("level", [None, "layers", ["layers.0"]])
def test_all_views_of_a_changed_network_are_those_of_a_new_page(script, level, numbers):
    """The picture of a network or of boxes, the opened neurons and the opened loss."""
    stepper, (loss, model) = step(*network(), level=level), network(numbers)
    open_page(script, stepper)
    script("set", numbers={i: x.data for i, x in enumerate(topological(loss)) if x.op is None})
    compare_frames(script, step(loss, model, level=level))
    names = [fact.name for fact in stepper.facts if fact.name]
    assert len({*names}) == len(names)


def test_an_opened_neuron_says_what_it_leaves_out(script, monkeypatch):
    """Samples, and the products of a long sum; the numbers follow a change."""
    monkeypatch.setattr(neuron_graphs, "MOST_TERMS", 4)
    monkeypatch.setattr(neuron_graphs, "MOST_SAMPLES", 2)
    size = {"samples": 4, "inputs": 6, "hidden": 1}
    stepper, (loss, model) = step(*network(**size)), network(**size)
    open_page(script, stepper)
    model.layers[1].neurons[0].weights[0].data = 2.0
    loss, model = network([x.data for x in model.parameters()], **size)
    script("set", numbers={i: x.data for i, x in enumerate(topological(loss)) if x.op is None})
    neuron = step(loss, model).opened["layers[0].neurons[0]"]
    compare(script("frames", view=1), read_frames(neuron))
    first, *_, last = neuron.frames
    assert "shows samples 0 to 1 of 4" in first.note
    assert "4 of 6 products are shown" in first.note
    loss.backward()
    left_out = model.layers[0].neurons[0].bias.grad - neuron.texts[0].numbers["g0"]
    assert last.note.endswith(f"{format_number(left_out, '.4g')} to that of b.")


def test_a_leaf_of_a_box_can_change_unless_it_is_an_exponent(script):
    """The exponent decides how a formula is written, also in a part that opens."""
    model = nn.MLP(1, [2, 1], "tanh", rng=0)
    loss = (model([Value(0.5, "x")]) - 1.0) ** 2.0
    open_page(script, step(loss, model))
    leaves = {i: x for i, x in enumerate(topological(loss)) if x.op is None}
    written = {i for i in script("written") if i in leaves}
    assert [leaves[i].data for i in leaves.keys() - written] == [2.0]


def test_labels_that_look_like_places_are_texts():
    """In the names, titles and hover texts of a network and of boxes."""
    loss, model = network()
    label = mark_place("d999")
    for node in (loss, *(x for x in topological(loss) if x.label == "x0")):
        node.label = label
    for level in (None, "layers"):
        stepper = step(loss, model, level=level)
        texts = [stepper.templates, stepper.facts, (stepper.graph.circles or {}).get("titles")]
        assert label not in json.dumps(texts, ensure_ascii=False)
        assert any("\ufffdd999\ufffd" in fact.name for fact in stepper.facts)


def test_a_page_of_more_values_than_it_computes_says_so(script, monkeypatch):
    monkeypatch.setattr(boxes, "MOST_VALUES", 20)
    stepper = step(*network())
    assert stepper.graph is None
    assert "more than the 20 that a page computes" in stepper.frames[0].note
    open_page(script, stepper.opened["layers[0].neurons[0]"])
    assert script("frames", view=0)


@examples(15)
@given(program=programs(longest=12))
@example(  # the slopes of softmax cancel
    program=Program(at=(0.0,), steps=(("+", 0, 1.137), ("where", 1, 1, 1), ("softmax", 2, 2, 0)))
)
def test_paths_agree_with_explain(script, program):
    """Products, nodes, the number of paths, and the sum of the others."""
    root = Value.lift(program.on_values()[-1])
    if root.constant:
        return
    order, stepper = topological(root), step(root, format=".17g")
    open_page(script, stepper)
    facts = script("paths", n=len(order))
    for i, node in enumerate(order):
        if node.constant or isinstance(node, Outputs) or node is root:
            assert not facts[i].get("paths")
            continue
        expected = explain(root, node, 5)
        paths = facts[i]["paths"]
        assert facts[i]["path_count"] == f"{expected.number:,}"
        sizes = [abs(path.product) for path in expected.paths]
        gradient = format_number(expected.gradient, ".17g")
        agree(facts[i]["gradient"], gradient, size=expected.number * max(sizes, default=0.0))
        assert len(paths) == len(expected.paths)
        assert len({path[-1] for path in paths}) == len(paths)
        are_distinct = all(x > y * (1 + 1e-9) for x, y in itertools.pairwise(sizes))
        for (product, to, _, rank, _), path in zip(paths, expected.paths, strict=True):
            agree(product, format_number(path.product, ".17g"))
            at, nodes = i, [node]
            while to >= 0:
                assert order[at] in get_inputs(order[to])[0]
                at = to
                nodes.append(order[at])
                _, to, _, rank, _ = facts[at].get("paths", [[0, -1, 0, 0, ""]])[rank]
            assert nodes[-1] is root
            assert not are_distinct or tuple(nodes) == path.nodes


def test_routes_show_where_paths_differ(script):
    """Also where an operation uses a value twice, and far from both ends of a long path."""
    x = Value(2.0, "x")
    square = x * x
    square.label = "y"
    open_page(script, step(square))
    assert [path[-1] for path in script("paths", n=1)[0]["paths"]] == ["x#1 → y", "x#2 → y"]
    node = x
    for _ in range(5):
        node = node.tanh()
    node = node.exp() + node.sin()
    for _ in range(5):
        node = node.tanh()
    open_page(script, step(node))
    assert [path[-1] for path in script("paths", n=1)[0]["paths"]] == [
        "x → v₁ → v₂ → … → v₆ → … → v₁₂ → v₁₃", "x → v₁ → v₂ → … → v₇ → … → v₁₂ → v₁₃"
    ]  # fmt: skip
    (route,) = script("routes", routes=[[*"abcdefghijk"]])
    assert route == "a → b → c → d → … → j → k"


def test_a_large_number_of_paths_is_rounded(script):
    x = Value(1.0, "x")
    for _ in range(200):
        x = x + x
    open_page(script, step(x))
    assert script("paths", n=1)[0]["path_count"] == "10^60"


def test_rows_that_cannot_be_printed_keep_their_numbers(script):
    """A row with an `if`, a node with given slopes: both passes are computed, nothing can change."""
    bent = Op("bent", lambda x: x if x > 0 else 0.1 * x, lambda out, x: 1.0 if x > 0 else 0.1)
    x, y = Value(-2.0, "x"), Value(3.0, "y")
    root = bent(x) * Value(6.0, [x, y], [3.0, -2.0]) + softmax([x, y])[0]
    stepper = step(root)
    open_page(script, stepper)
    compare_frames(script, stepper)
    assert "row" not in stepper.graph.nodes[1]


SPECS = [".4g", ".17g", ".1g", ".3f", ".0f", ".2e", "g", "f", ".1%", ",.2f", "+.3g", ".3G", ""]
numbers = st.floats() | st.floats(-1e4, 1e4) | st.integers(-1000, 1000).map(lambda n: n / 8)


@examples(5)
@given(xs=st.lists(numbers, min_size=20, max_size=60))
@pytest.mark.parametrize("spec", SPECS)
def test_numbers_are_written_as_python_writes_them(script, spec, xs):
    """Also halves, which Python rounds to the even digit."""
    if spec == "":  # JavaScript changes to exponents at other sizes
        xs = [x for x in xs if x == 0 or 1e-4 < abs(x) < 1e16]
    packed = [x if math.isfinite(x) else repr(x) for x in xs]
    assert script("format", numbers=packed, spec=spec) == [format_number(x, spec) for x in xs]


@examples(8)
@given(
    st.text(max_size=300)
    | st.lists(st.integers(-(2**53), 2**53))
    | st.text("ab", max_size=9).map("x".join)
)
def test_compressed_data_is_read(script, data):
    text = json.dumps(data, ensure_ascii=False)
    assert script("inflate", text=compress(text)) == json.loads(text.encode("utf-8", "replace"))


def test_large_data_is_read(script):
    """With codes of its own, and beyond one window."""
    data = [random.Random(0).random() for _ in range(5000)] + ["ab" * 20_000]
    assert script("inflate", text=compress(json.dumps(data))) == data
