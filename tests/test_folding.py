"""Repeated structure: sums and parts of generated loops are found, and nothing else is."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from engine import Value
from engine.draw.graph.folding import find_repeats, find_sums
from engine.graph import topological
from nn import MLP


def unroll(body, steps):
    """Return the last state of a loop. A body is a list of operations on the state and weights."""
    weights = [Value(0.1 * i, f"w{i}") for i in range(4)]
    state = Value(0.5, "state")
    for _ in range(steps):
        x = state
        for i, kind in body:
            results = {
                "*": lambda x=x, y=weights[i]: x * y,
                "+": lambda x=x, y=weights[i]: x + y,
                "tanh": lambda x=x: x.tanh(),
                "skip": lambda x=x, state=state: x + state,
                "input": lambda x=x, y=weights[i]: x + y * Value(0.5),
            }
            x = results[kind]()
        state = x
    return state


bodies = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["*", "+", "tanh", "skip", "input"])),
    min_size=1,
    max_size=6,
)


@given(bodies, st.integers(5, 9))
@example([(0, "input")] * 3 + [(1, "input"), (0, "input")], 7)  # one weight tells steps apart
def test_the_steps_of_a_loop_are_found(body, steps):
    """All but the first, which begins with a leaf, and the ends that a cut elsewhere leaves over."""
    order = topological(unroll(body, steps))
    [*repeats] = find_repeats(order)
    covered = sum(len(part) for repeat in repeats for part in repeat.parts)
    computed = [node for node in order if node.op is not None]
    assert covered >= len(computed) * (steps - 2) / steps


@given(bodies, st.integers(1, 9), st.integers(0, 3))
def test_the_parts_of_a_repeat_have_one_form_and_follow_each_other(body, steps, terms):
    root = unroll(body, steps) + sum(Value(1.0).square() for _ in range(terms))
    computed = [node for node in topological(root) if node.op is not None]
    place = {node: i for i, node in enumerate(computed)}
    ends = []
    for repeat in find_repeats(topological(root)):
        assert len(repeat.parts) >= 3
        for a, b in pairwise(repeat.parts):
            assert [node.op.name for node in a] == [node.op.name for node in b]
            assert place[a[-1]] + 1 == place[b[0]]
            for x, y in zip(a, b, strict=True):
                for p, q in zip(x.inputs, y.inputs, strict=True):
                    if p in place and p is not q:  # at the same distance
                        assert place[y] - place[q] == place[x] - place[p]
        nodes = [node for part in repeat.parts for node in part]
        ends += [place[nodes[0]], place[nodes[-1]]]
    assert ends == sorted(ends)


def test_different_weights_are_different_parts():
    x = Value(0.5)
    for i in range(9):
        x = x * Value(0.5, f"w{i % 2}")
    for repeat in find_repeats(topological(x)):
        assert len(repeat.parts[0]) == 1  # leaves that are used once have no identity
    w, x = [Value(0.1), Value(0.2)], Value(0.5)
    for i in range(12):
        x = x * w[i % 2]
    [repeat] = find_repeats(topological(x))
    assert [len(part) for part in repeat.parts] == [2] * len(repeat.parts)


def test_the_samples_of_a_network_are_found():
    model = MLP(2, [3, 1], rng=0, fused=False)
    outputs = [model([i / 7, 1.0])[0] if isinstance(model([0.0, 1.0]), list) else model([i / 7, 1.0])
               for i in range(6)]  # fmt: skip
    [repeat] = find_repeats(topological(sum(out.square() for out in outputs)))
    assert len(repeat.parts) >= 5


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.booleans())
def test_a_sum_has_its_terms_in_order(places, backwards):
    xs = [Value(float(i), f"x{i}") for i in range(6)]
    terms = [xs[i] * 2.0 for i in places]
    total = terms[0]
    for term in terms[1:]:
        total = term + total if backwards else total + term
    sums = find_sums(topological(total.tanh()), 3)
    if len(terms) < 3:
        assert not sums
    else:
        [found] = sums
        assert [*found.terms] == terms[:: -1 if backwards else 1]
        assert found.nodes[-1] is total
        assert len(found.nodes) == len(terms) - 1


def test_a_partial_sum_that_is_used_twice_is_a_term():
    x = Value(1.0)
    part = x + x + x + x
    sums = find_sums(topological((part + x + x + x) * part))
    assert [len(found.terms) for found in sums] == [4, 4]
    assert part in sums[1].terms
