"""The facts about a value: its rule, and its line of code. See test_live.py for its paths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Value, record_origins
from engine.draw.formulas.notation import Notation
from engine.draw.formulas.places import fill_mathml
from engine.draw.formulas.shortening import LONGEST_NAME, shorten_names
from engine.draw.steps.facts import collect_facts
from engine.draw.steps.numbers import choose_places
from engine.draw.steps.trace import trace
from nn import Neuron
from test_trace import words


def known(root, parameters=()):
    """Return the facts about the nodes of a graph, with their numbers."""
    traced = trace(root)
    notation = Notation(traced.names, ".4g", places=choose_places([*traced.names]))
    return [
        fact._replace(
            lines=[[fill_mathml(x, traced.texts[0]) for x in line] for line in fact.lines],
            factors=[fill_mathml(x, traced.texts[0]) for x in fact.factors],
        )
        for fact in collect_facts(notation, set(parameters))
    ]


def test_the_rule_with_names_and_numbers():
    x, y = Value(3.0, "x"), Value(-2.0, "y")
    f = x * y
    f.label = "f"
    _, _, product = known(f)
    assert [words(line) for line in product.lines] == ["f=x⋅y", "∂f∂x=y=−2", "∂f∂y=x=3"]
    assert [words([factor]) for factor in product.factors] == ["(−2)", "3"]
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


@given(st.lists(st.text("ab", min_size=1, max_size=60), min_size=2, max_size=6, unique=True))
def test_shortened_names_are_distinct(names):
    shorts = shorten_names(names)
    assert len({*shorts.values()}) == len(names)
    assert all(shorts[name] == name for name in names if len(name) <= LONGEST_NAME)


def test_a_long_name_is_shortened_in_the_middle():
    names = [f"the_weight_of_input_{i}_in_the_hidden_layer_of_the_network" for i in (1, 2)]
    assert [*shorten_names(names).values()] == ["the_we…t_1_i…etwork", "the_we…t_2_i…etwork"]
    assert [*shorten_names(names[:1]).values()] == ["the_weight_o…the_network"]


@pytest.mark.parametrize("recorded", [True, False])
def test_the_origin_is_the_line_of_code(recorded):
    if recorded:
        with record_origins():
            y = Value(1.0).exp()
    else:
        y = Value(1.0).exp()
    made = known(y)[1].origin
    assert made.endswith(": y = Value(1.0).exp()") if recorded else made == ""
