"""The facts about a value: its rule, its line of code, and the paths of its gradient."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Outputs, Value, explain, record_origins, topological
from engine.draw.formulas.notation import Notation
from engine.draw.formulas.shortening import LONGEST_NAME, shorten_names
from engine.draw.look.theme import format_number
from engine.draw.steps.facts import MOST_PATHS, collect_facts
from engine.draw.steps.trace import trace
from nn import Neuron
from strategies import programs
from test_trace import words

SPEC = ".17g"


def known(root, parameters=(), spec=".4g"):
    return collect_facts(root, Notation(trace(root).names, spec), set(parameters))


@given(program=programs(longest=15))
def test_paths_agree_with_explain(program):
    """Products, nodes, the number of paths, and the sum of the others agree."""
    root = Value.lift(program.on_values()[-1])
    if root.constant:
        return
    order = topological(root)
    facts = known(root, spec=SPEC)
    for i, node in enumerate(order):
        if node.constant or isinstance(node, Outputs):
            assert not facts[i].paths
            continue
        want = explain(root, node, MOST_PATHS)
        assert facts[i].path_count == f"{want.number:,}"
        assert len(facts[i].paths) == len(want.paths)
        if want.number > MOST_PATHS:
            assert facts[i].rest == format_number(want.remainder, SPEC)
        assert len({path.route for path in facts[i].paths}) == len(facts[i].paths)
        for (product, to, k, rank, _), path in zip(facts[i].paths, want.paths, strict=True):
            assert product == format_number(path.product, SPEC)
            at, nodes, factors = i, [node], []
            while to >= 0:
                via = to if facts[to].shared is None else facts[to].shared
                assert order[via].inputs[k] is order[at]
                factors.append(facts[to].factors[k])
                at = to
                nodes.append(order[at])
                _, to, k, rank, _ = facts[at].paths[rank]
            assert nodes[-1] is root
            if not any(map(math.isnan, path.locals)):
                assert len(factors) == len(path.locals)


def test_the_rule_with_names_and_numbers():
    x, y = Value(3.0, "x"), Value(-2.0, "y")
    f = x * y
    f.label = "f"
    leaf, _, product = known(f)
    assert [words(line) for line in product.lines] == ["f=x⋅y", "∂f∂x=y=−2", "∂f∂y=x=3"]
    assert (leaf.gradient, product.gradient) == ("−2", "1")
    assert [words([factor]) for factor in product.factors] == ["(−2)", "3"]
    assert list(leaf.lines) == list(leaf.factors) == []
    assert [words(line) for line in known(x.tanh() * 1.0)[1].lines] == [
        "v1=tanh\u2061(x)", "∂v1∂x=1cosh2\u2061(x)=1−v12=0.009866",
    ]  # fmt: skip


def test_kinds():
    neuron = Neuron(1, "tanh", rng=0)
    out = neuron([2.0]) * Value(1.0, "s")
    kinds = {x.name: x.kind for x in known(out, neuron.parameters())}
    assert kinds == {
        "w0": "parameter", "2": "constant", "b": "parameter", "v3": "dot", "v4": "tanh",
        "s": "leaf", "v6": "×",
    }  # fmt: skip


def test_the_rule_of_a_wide_operation_has_all_derivatives():
    """The page shows the first few, and the others when asked."""
    neuron = Neuron(20, "linear", rng=0)
    assert len(known(neuron([1.0] * 20))[-1].lines) == 22


def test_routes_show_where_paths_differ():
    """Also where an operation uses a value twice, and far from both ends of a long path."""
    x = Value(2.0, "x")
    square = x * x
    square.label = "y"
    assert [path.route for path in known(square)[0].paths] == ["x#1 → y", "x#2 → y"]
    node = x
    for _ in range(5):
        node = node.tanh()
    node = node.exp() + node.sin()
    for _ in range(5):
        node = node.tanh()
    first, second = [path.route for path in known(node)[0].paths]
    assert first == "x → v₁ → v₂ → … → v₆ → … → v₁₂ → v₁₃"
    assert second == "x → v₁ → v₂ → … → v₇ → … → v₁₂ → v₁₃"


@given(st.lists(st.text("ab", min_size=1, max_size=60), min_size=2, max_size=6, unique=True))
def test_shortened_names_are_distinct(names):
    shorts = shorten_names(names)
    assert len({*shorts.values()}) == len(names)
    assert all(shorts[name] == name for name in names if len(name) <= LONGEST_NAME)


def test_a_long_name_is_shortened_in_the_middle():
    names = [f"the_weight_of_input_{i}_in_the_hidden_layer_of_the_network" for i in (1, 2)]
    assert [*shorten_names(names).values()] == ["the_we…t_1_i…etwork", "the_we…t_2_i…etwork"]
    assert [*shorten_names(names[:1]).values()] == ["the_weight_o…the_network"]


def test_a_large_number_of_paths_is_rounded():
    x = Value(1.0, "x")
    for _ in range(200):
        x = x + x
    assert known(x)[0].path_count == "10^60"


@pytest.mark.parametrize("recorded", [True, False])
def test_the_origin_is_the_line_of_code(recorded):
    if recorded:
        with record_origins():
            y = Value(1.0).exp()
    else:
        y = Value(1.0).exp()
    made = known(y)[1].origin
    assert made.endswith(": y = Value(1.0).exp()") if recorded else made == ""
