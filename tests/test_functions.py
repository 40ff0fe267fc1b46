"""Functions of several nodes: dot, total, logsumexp, softmax, maximum, minimum, where."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf

from engine import (
    Value,
    VectorOp,
    dot,
    grad,
    logsumexp,
    maximum,
    minimum,
    softmax,
    topological,
    total,
    walk,
    where,
)
from engine.rules import TABLE
from reference import ulps
from strategies import inf, nan, wide

OVER_SEQUENCES = {
    "total": total,
    "logsumexp": logsumexp,
    "softmax": lambda xs: softmax(xs)[0],
    "dot": lambda xs: dot(xs, [1.0, 2.0, 3.0]),
    "dot, weights": lambda xs: dot([1.0, 2.0, 3.0], xs, bias=4),
}
over_sequences = pytest.mark.parametrize("f", OVER_SEQUENCES.values(), ids=OVER_SEQUENCES)
moderate = st.floats(-1e100, 1e100)
logits = st.lists(st.floats(-700.0, 700.0), min_size=1, max_size=6)


def gradients(root, leaves):
    root.backward()
    return [each.grad for each in leaves]


def values(xs):
    return [Value(x) for x in xs]


# ----------------------------------------------------------------------------------------- inputs


@over_sequences
def test_any_iterable_of_numbers_and_values(f):
    """Inputs are lists, tuples, generators, dict values and NumPy rows, of numbers and Values."""
    want = f([0.5, -1.0, 2.0])
    for xs in [
        (0.5, -1, 2),
        (x for x in [0.5, -1.0, 2.0]),
        {"a": 0.5, "b": -1.0, "c": 2.0}.values(),
        np.array([0.5, -1.0, 2.0]),
        np.array([0.5, -1.0, 2.0], dtype=np.float32),
        [Value(0.5), -1, np.float64(2.0)],
        map(Value, [0.5, -1.0, 2.0]),
        np.array(values([0.5, -1.0, 2.0])),
    ]:
        got = f(xs)
        assert isinstance(got, Value)
        assert type(got.data) is float
        assert got.data == want.data
        assert [each.data for each in got.inputs] == [each.data for each in want.inputs]


@over_sequences
def test_one_node_however_many_inputs(f):
    xs = values([0.5, -1.0, 2.0])
    y = f(xs)
    (node,) = [node for node in topological(y) if node.op and node.op._output_index is None]
    assert [each for each in node.inputs if not each.constant] == xs


@over_sequences
def test_numbers_are_constants(f):
    """Only Values receive gradients, the same as if the numbers were Values."""
    xs, ys = values([0.5, -1.0, 2.0]), values([0.5, -1.0, 2.0])
    mixed = f([xs[0], -1.0, xs[2]])
    got, want = gradients(mixed, mixed.inputs), gradients(f(ys), ys)
    assert [xs[0].grad, xs[2].grad] == [want[0], want[2]]
    assert [g for g, each in zip(got, mixed.inputs, strict=True) if each.constant] == [0.0] * (
        len(got) - 2
    )


@over_sequences
def test_the_same_node_repeated(f):
    """Its gradient is the sum of the gradients of separate nodes with the same value."""
    x, ys = Value(0.5), values([0.5, 0.5, 0.5])
    y = f([x, x, x])
    node = y.inputs[0] if y.op._output_index is not None else y
    assert node.inputs.count(x) == 3
    assert gradients(y, [x]) == [pytest.approx(sum(gradients(f(ys), ys)), abs=1e-16)]


@over_sequences
@pytest.mark.parametrize(
    ("xs", "named"),
    [
        (["a", 1.0, 2.0], "the string 'a'"),
        ([1.0, None, 2.0], "None"),
        (np.ones((3, 2)), r"an array of shape \(2,\)"),
        ([[1.0], 2.0, 3.0], "a list of 1"),
        (5.0, r"expected a sequence of Values, got 5\.0; write \[5\.0\]"),
    ],
    ids=["string", "None", "matrix", "nested", "number"],
)
def test_what_is_not_a_sequence_of_numbers_is_refused(f, xs, named):
    with pytest.raises(TypeError, match=named):
        f(xs)


def test_empty_sequences():
    """An empty sum is its initial value; softmax of an empty sequence raises."""
    bias = Value(3.0)
    assert total([]).data == 0.0
    assert dot([], []).data == 0.0
    y = dot([], [], bias)
    assert (y.data, gradients(y, [bias])) == (3.0, [1.0])
    assert total([]).constant
    for f in [logsumexp, softmax]:
        for nothing in [[], (), iter([]), np.array([])]:
            with pytest.raises(ValueError, match=f"{f.__name__} takes at least one input"):
                f(nothing)


def test_dot_of_unequal_lengths():
    for ws, xs in [([1.0], [1.0, 2.0]), (values([1.0, 2.0]), [1.0]), (iter([1.0]), [])]:
        with pytest.raises(ValueError, match=r"equal length, got \d and \d"):
            dot(ws, xs)


def test_a_row_called_with_sequences_of_unequal_lengths():
    """Sequences of unequal lengths are not redistributed over the arguments."""
    with pytest.raises((TypeError, ValueError)):
        TABLE["dot"]([Value(1.0)], [1.0, 2.0, 3.0], 0.0)


def test_arguments_are_not_changed_and_not_kept():
    xs = values([1.0, 2.0])
    before = list(xs)
    y = total(xs)
    softmax(xs), dot(xs, xs), logsumexp(xs)
    assert xs == before
    xs.append(Value(3.0))
    assert len(y.inputs) == 2


# ---------------------------------------------------------------------------------- dot and total


@given(st.lists(st.tuples(moderate, moderate), max_size=8), moderate)
def test_dot_is_the_chain_of_products_and_sums(pairs, b):
    """Result and gradients have the bits of bias + w1 * x1 + w2 * x2 + ... with operators."""
    ws, xs, bias = values(w for w, _ in pairs), values(x for _, x in pairs), Value(b)
    chain = again = Value(b)
    vs, ys = values(w for w, _ in pairs), values(x for _, x in pairs)
    for v, y in zip(vs, ys, strict=True):
        chain = chain + v * y
    one = dot(ws, xs, bias)
    assert one.data.hex() == chain.data.hex()
    assert one.inputs == (*ws, *xs, bias)
    assert gradients(one, one.inputs) == gradients(chain, [*vs, *ys, again])


@given(st.lists(wide, max_size=8))
def test_total_is_the_chain_of_sums(numbers):
    """The sum is from left to right, so it is the same in every version of Python."""
    xs, want = values(numbers), 0.0
    for x in numbers:
        want = want + x
    y = total(xs)
    assert y.data.hex() == want.hex()
    assert not xs or gradients(y, xs) == [1.0] * len(xs)


# -------------------------------------------------------------------------- logsumexp and softmax


@given(logits)
def test_logsumexp_and_its_slopes(numbers):
    """The slopes of log Σ exp(x) are the shares of softmax, compared with mpmath.

    The distance to the largest is rounded once, which exp turns into |distance| / 2 units. Each
    term has a few more roundings.
    """
    xs, few = values(numbers), 6 + len(numbers)
    with mpmath.workprec(200):
        exps = [mpmath.exp(mpf(x)) for x in numbers]
        y = logsumexp(xs)
        assert abs(mpf(y.data) - mpmath.log(sum(exps))) <= 4 * math.ulp(max(1, *map(abs, numbers)))
        for x, e, slope in zip(numbers, exps, gradients(y, xs), strict=True):
            assert ulps(slope, e / sum(exps)) <= few + max(numbers) - x


@given(logits)
def test_softmax_and_its_slopes(numbers):
    """d p_i / d x_j is p_i ((i = j) - p_j), compared with mpmath, also where 1 - p would cancel."""
    few = 6 + len(numbers)
    span = max(numbers) - min(numbers)
    with mpmath.workprec(2400):
        exps = [mpmath.exp(mpf(x)) for x in numbers]
        shares = [e / sum(exps) for e in exps]
        for i in range(len(numbers)):
            xs = values(numbers)
            y = softmax(xs)[i]
            assert ulps(y.data, shares[i]) <= few + span
            for j, slope in enumerate(gradients(y, xs)):
                want = shares[i] * (sum(shares[:i] + shares[i + 1 :]) if i == j else -shares[j])
                assert ulps(slope, want) <= 2 * (few + span), f"d p{i} / d x{j} = {slope}"


@given(st.lists(wide, min_size=1, max_size=8))
def test_softmax_sums_to_one(numbers):
    """Shares sum to 1 for any inputs, including huge ones, and the gradient of the sum is 0."""
    xs = values(numbers)
    shares = softmax(xs)
    assert all(0.0 <= p.data <= 1.0 for p in shares)
    assert math.fsum(p.data for p in shares) == pytest.approx(1.0, abs=1e-15 * (2 + len(xs)))
    assert gradients(total(shares), xs) == pytest.approx([0.0] * len(xs), abs=1e-15)


@given(st.lists(wide, min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_softmax_does_not_depend_on_the_order_of_its_inputs(numbers, random):
    order = random.sample(range(len(numbers)), len(numbers))
    straight, mixed = softmax(numbers), softmax([numbers[i] for i in order])
    for place, i in enumerate(order):
        assert mixed[place].data == pytest.approx(straight[i].data, rel=1e-14, abs=1e-320)


def test_all_shares_are_the_results_of_one_operation():
    xs = values([1.0, 2.0, 3.0])
    a, b, c = shares = softmax(xs)
    ((shared,),) = {p.inputs for p in shares}
    assert (shared.inputs, shared.data) == (tuple(xs), (a.data, b.data, c.data))
    assert [p.op.name for p in shares] == ["softmax[0]", "softmax[1]", "softmax[2]"]
    assert [p.locals for p in shares] == [(1.0,)] * 3
    total([a * 2.0, b, c * c]).backward()
    assert shared.grad == (2.0, 1.0, 2.0 * c.data)
    assert len(topological(total(shares))) == 3 + 1 + 3 + 1


def test_the_derivatives_of_several_results():
    """The Jacobian is p_i ((i = j) - p_j), also if only some results are used, or one twice."""
    numbers = [0.3, -0.5, 1.1]
    p = [x.data for x in softmax(numbers)]
    jacobian = [[p[i] * ((i == j) - p[j]) for j in range(3)] for i in range(3)]
    shared = softmax(values(numbers))[0].inputs[0]
    assert np.array(shared.locals) == pytest.approx(np.array(jacobian).T)
    for used in ([0], [2, 0], [1, 1, 2]):
        xs = values(numbers)
        shares = softmax(xs)
        got = gradients(total([shares[i] for i in used]), xs)
        assert got == pytest.approx([sum(jacobian[i][j] for i in used) for j in range(3)])


@pytest.mark.parametrize(
    ("numbers", "result", "shares"),
    [
        ([1e3, 1e3], 1e3 + math.log(2.0), [0.5, 0.5]),
        ([-1e3, -1e3], -1e3 + math.log(2.0), [0.5, 0.5]),
        ([1e308, -1e308], 1e308, [1.0, 0.0]),
        ([0.0, 1e4], 1e4, [0.0, 1.0]),
        ([0.0, -40.0], math.exp(-40.0), [1.0, math.exp(-40.0)]),
        ([5.0], 5.0, [1.0]),
        ([1e308] * 4, 1e308, [0.25] * 4),
        ([-inf, 0.0], 0.0, [0.0, 1.0]),
        ([0.0, nan], nan, [nan, nan]),
    ],
)
def test_huge_logits(numbers, result, shares):
    """Nothing overflows or loses digits, and nan propagates."""
    xs = values(numbers)
    y = logsumexp(xs)
    assert y.data == pytest.approx(result, rel=1e-15, abs=0, nan_ok=True)
    assert gradients(y, xs) == pytest.approx(shares, nan_ok=True)
    assert [p.data for p in softmax(numbers)] == pytest.approx(shares, nan_ok=True)


@pytest.mark.parametrize("wrong", [0.0, 1e3, 1e300])
def test_cross_entropy_of_a_confident_wrong_answer(wrong):
    """logsumexp(z) - z[answer] and its gradient, softmax - one-hot, stay finite."""
    z = values([wrong, 0.0])
    loss = logsumexp(z) - z[1]
    assert loss.data == pytest.approx(wrong if wrong else math.log(2.0))
    share = 0.5 if wrong == 0.0 else 1.0
    assert gradients(loss, z) == [share, -share]


# ----------------------------------------------------------------------- maximum, minimum, where


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_the_larger_and_the_smaller(a, b):
    """The selected input receives the gradient; a tie, also of 0.0 and -0.0, shares it."""
    for f, taken in [(maximum, a > b), (minimum, a < b)]:
        x, y = values([a, b])
        z = f(x, y)
        assert z.data == (a if taken else b)
        assert gradients(z, [x, y]) == ([0.5, 0.5] if a == b else [float(taken), float(not taken)])


def test_the_larger_of_a_number_and_a_value_in_either_place():
    x = Value(2.0)
    assert maximum(x, 3).data == maximum(3, x).data == x.maximum(3).data == 3.0
    assert minimum(x, 3).data == minimum(3, x).data == x.minimum(3).data == 2.0
    assert maximum(2, np.float32(3)).data == 3.0
    z = maximum(x, x)
    assert gradients(z, [x]) == [1.0]


@given(st.floats(), st.floats(), st.floats())
def test_where(condition, a, b):
    """Every condition except 0 is true, including nan, as in Python and NumPy."""
    c, x, y = values([condition, a, b])
    z = where(c, x, y)
    assert z.data.hex() == (a if condition else b).hex()
    assert gradients(z, [c, x, y]) == [0.0, float(bool(condition)), float(not condition)]


@pytest.mark.parametrize("condition", [True, 1, np.bool_(True), np.True_, Value(2.0) > 1])
def test_where_takes_what_comparisons_give(condition):
    x, y = values([3.0, 4.0])
    assert where(condition, x, y).data == 3.0
    assert gradients(where(condition, x, 9), [x, y]) == [1.0, 0.0]
    assert where(condition, 1, 2).data == 1.0


@pytest.mark.parametrize("f", [maximum, minimum])
def test_nan_is_not_swallowed(f):
    for a, b in [(nan, 1.0), (1.0, nan)]:
        assert math.isnan(f(a, b).data)


def test_the_operation_between_is_not_a_value():
    """The node of several results is in the graph; using it as a number raises with a remedy."""
    x = Value(0.5, "x")
    p, _ = softmax([x, 1.0])
    (shared,) = p.inputs
    for use in (
        lambda: shared + 1.0, lambda: shared.tanh(), lambda: shared < 1.0, lambda: walk(shared),
        lambda: shared.detach(), lambda: grad(shared, x), lambda: grad(p, shared),
        lambda: grad(p, shared, create_graph=True), lambda: 2.0 * shared,
    ):  # fmt: skip
        with pytest.raises(TypeError, match=r"Outputs\(.*\) has several results; select one"):
            use()


def test_a_pullback_of_the_wrong_length_is_named():
    for bad in (lambda gs, outs, xs: gs[:1], lambda gs, outs, xs: None):
        op = VectorOp("bad", lambda xs: list(xs), bad)
        y = op([Value(1.0), Value(2.0)])[0]
        with pytest.raises(ValueError, match="expected 2 gradients from the pullback of 'bad'"):
            y.backward()


def test_a_list_or_a_function_is_refused_as_a_root():
    x = Value(2.0)
    with pytest.raises(TypeError, match="got a list of 1; jacobian takes several"):
        grad([x * x], x)
    with pytest.raises(TypeError, match=r"got the function .*; call it first"):
        grad(lambda x: x * x, x)


def test_a_vector_op_returns_a_list():
    with pytest.raises(TypeError, match=r"mine must return a list of results, got 1\.0"):
        VectorOp("mine", lambda xs: xs[0], lambda gs, outs, xs: gs)([Value(1.0)])
    (shared,) = softmax([Value(1.0), 2.0])[0].inputs
    with pytest.raises(TypeError, match="has several results; select one"):
        shared.backward()
