"""Optimizers of Arrays move them as Values, to the last bit, and change nothing else."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine import Array, Value
from engine.arrays import in_place
from nn import optim
from nn.optimizer import STEPS_TO_FLUSH
from optimizers import settings_of, with_memory
from strategies import SPECIAL, any_float, examples
from test_optim import RULES

# Gradients are given here, and some are 0.
pytestmark = pytest.mark.filterwarnings("ignore::engine.GradientWarning")

BLOCKS = [2, in_place.BLOCK]  # few elements a thread, as of a large array, or all at once
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)


def gradients_of(rule, steps=5, shape=(3,), dtype=np.float64):
    rng = np.random.default_rng(len(rule))
    return [rng.normal(size=shape).astype(dtype) for _ in range(steps)]


def moving(rule, leaf, **settings):
    """Return an optimizer with a memory and a weight decay."""
    return optim.get(rule)(
        [leaf], **{"lr": 0.1, "weight_decay": 0.05} | with_memory(rule) | settings
    )


@pytest.fixture(params=BLOCKS, ids=["blocks", "whole"])
def block(request, monkeypatch):
    monkeypatch.setattr(in_place, "BLOCK", request.param)


@RULES
@examples(40)
@given(data=st.data(), shape=st.sampled_from([(), (1,), (3,), (2, 2)]))
def test_an_array_moves_as_its_elements_do(rule, data, shape):
    """Arrays move bit for bit as Values, also with inf and nan."""
    settings = data.draw(settings_of(rule), label="settings")
    strategy = arrays(np.float64, shape, elements=any_float)
    start, *gradients = data.draw(
        st.lists(strategy, min_size=2, max_size=5), label="start, gradients"
    )
    leaf = Array(start)
    values = [Value(x) for x in start.ravel()]
    whole, single = (optim.get(rule)(ps, lr=0.1, **settings) for ps in ([leaf], values))
    for gradient in gradients:
        leaf.grad = gradient
        for value, x in zip(values, gradient.ravel(), strict=True):
            value.grad = x
        whole.step()
        single.step()
        np.testing.assert_array_equal(leaf.data.ravel(), [value.data for value in values])
        assert (leaf.shape, leaf.dtype) == (shape, np.float64)


@pytest.mark.parametrize("rule", ["adam", "adamw"])
@given(
    data=st.data(),
    first=st.floats(0, 0.99),
    second=st.floats(0.5, 0.9999),
    decay=st.sampled_from([0.0, 0.01, 0.5]),
)
def test_adam_is_algorithm_1_of_the_paper(rule, data, first, second, decay):
    """Moments, their correction, the step (Kingma & Ba 2015); AdamW's decay is apart (Algorithm 2)."""
    sizes = st.floats(-1e3, 1e3, allow_subnormal=False)
    strategy = arrays(np.float64, 3, elements=sizes)
    w, *gradients = data.draw(st.lists(strategy, min_size=2, max_size=8), label="start, gradients")
    lr, eps, m, v, start = 0.03, 1e-8, np.zeros(3), np.zeros(3), w
    leaf = Array(w)
    settings = {"betas": (first, second), "eps": eps, "weight_decay": decay}
    optimizer = optim.get(rule)([leaf], lr=lr, **settings)
    for t, g in enumerate(gradients, 1):
        leaf.grad = g
        optimizer.step()
        g = g + decay * w if rule == "adam" else g
        m, v = first * m + (1 - first) * g, second * v + (1 - second) * g**2
        step = lr * (m / (1 - first**t)) / (np.sqrt(v / (1 - second**t)) + eps)
        w = w - step - (lr * decay * w if rule == "adamw" else 0.0)
        # a step is at most some lr long; of what it is made, 20 roundings
        np.testing.assert_allclose(leaf.data, w, rtol=1e-12, atol=1e-12 * max(1, *abs(start)))


def test_adamws_decay_is_decoupled():
    """Decoupled decay shrinks weights without a gradient and does not enter the memory."""
    heavy, light = Array([1.0, -4.0]), Array([1.0, -4.0])
    decayed = optim.AdamW([heavy], lr=0.1, weight_decay=0.5)
    plain = optim.AdamW([light], lr=0.1, weight_decay=0.0)
    for g in gradients_of("adamw", shape=(2,)):
        heavy.grad = light.grad = g
        decayed.step()
        plain.step()
    for name, x in decayed.memory[0].items():
        np.testing.assert_array_equal(x, plain.memory[0][name])
    still = Array([2.0])
    optim.AdamW([still], lr=0.1, weight_decay=0.5).step()
    assert still.data.tolist() == [2.0 * (1 - 0.1 * 0.5)]
    moved = Array([2.0])
    optim.Adam([moved], lr=0.1, weight_decay=0.5).step()  # there it is a gradient like others
    assert moved.data.tolist() == pytest.approx([1.9], rel=1e-7)


@RULES
def test_a_large_array_moves_as_its_parts_do(rule):
    """Several blocks, the last one short, give the same bits for any memory order of the gradient,
    inf and nan included."""
    shape = (5, in_place.BLOCK // 2 + 1)  # compiled loops, too, run in parts
    start, *gradients = gradients_of(rule, steps=3, shape=shape, dtype=np.float32)
    with np.errstate(over="ignore"):
        start[0, : len(SPECIAL)] = gradients[1][1, : len(SPECIAL)] = SPECIAL
    leaf, rows = Array(start), [Array(row) for row in start]
    whole, parts = (optim.get(rule)(ps, lr=0.1, weight_decay=0.05) for ps in ([leaf], rows))
    for g in gradients:
        leaf.grad = np.asfortranarray(g)
        for row, gradient in zip(rows, g, strict=True):
            row.grad = gradient
        whole.step()
        parts.step()
    np.testing.assert_array_equal(leaf.data, [row.data for row in rows])


# ---------------------------------------------------------------------- nothing else is touched


@RULES
@DTYPES
@pytest.mark.usefixtures("block")
def test_dtypes_stay(rule, dtype):
    """Weights, gradients and memory keep float32; float64 would take twice the time."""
    leaf = Array(np.ones(3, dtype))
    optimizer = moving(rule, leaf)
    for g in gradients_of(rule, dtype=dtype):
        leaf.grad = g
        optimizer.step()
        assert leaf.dtype == leaf.grad.dtype == dtype
        assert {x.dtype for x in optimizer.memory[0].values()} == {np.dtype(dtype)}
        assert optimizer.direction(leaf.grad, copy.deepcopy(optimizer.memory[0])).dtype == dtype


@RULES
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.usefixtures("block")
def test_gradients_are_not_changed_and_not_kept(rule, decay):
    """A step leaves the gradient as it is, and no memory is a view of it."""
    leaf, other = Array([1.0, 2.0, 3.0]), Array([1.0, 2.0, 3.0])
    first, second = (moving(rule, x, weight_decay=decay) for x in (leaf, other))
    for g in gradients_of(rule):
        given_gradient, fresh = g.copy(), g.copy()
        leaf.grad, other.grad = given_gradient, fresh
        first.step()
        second.step()
        np.testing.assert_array_equal(given_gradient, g)
        given_gradient[:] = 1e6  # as another backward into the same array would
        np.testing.assert_array_equal(leaf.data, other.data)


@RULES
@pytest.mark.usefixtures("block")
def test_a_graph_from_before_the_step_stays_right(rule):
    """A step does not change the old data in place: the gradient is 2 w of the old w."""
    leaf = Array([1.0, -2.0, 3.0])
    optimizer, old = moving(rule, leaf), leaf.data
    for g in gradients_of(rule):
        before, numbers = leaf.data, leaf.data.copy()
        root = (leaf**2).sum()
        leaf.grad = g
        optimizer.step()
        assert not np.array_equal(leaf.data, numbers)
        np.testing.assert_array_equal(before, numbers)
        optimizer.zero_grad()
        root.backward()
        np.testing.assert_array_equal(leaf.grad, 2 * numbers)
    assert old.tolist() == [1.0, -2.0, 3.0]


def test_zero_grad_forgets_and_backward_begins_anew():
    leaf = Array([1.0, 2.0])
    optimizer = optim.SGD([leaf], lr=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        assert leaf.grad.tolist() == [0.0, 0.0]
        (3.0 * leaf).sum().backward()
        assert leaf.grad.tolist() == [3.0, 3.0]
    optimizer.step()
    assert leaf.data.tolist() == [-0.5, 0.5]


# --------------------------------------------------------------------------------- its state


@RULES
@DTYPES
@pytest.mark.usefixtures("block")
def test_a_loaded_state_goes_on_the_same(rule, dtype):
    """A state is a copy both ways: later steps of either optimizer leave it as it was."""
    gradients = gradients_of(rule, steps=6, shape=(2, 2), dtype=dtype)
    leaf = Array(np.ones((2, 2), dtype))
    straight = moving(rule, leaf)
    for g in gradients[:3]:
        leaf.grad = g
        straight.step()
    saved, weights = straight.state_dict(), leaf.data
    unchanged = copy.deepcopy(saved)
    resumed_leaf = Array(weights)
    resumed = moving(rule, resumed_leaf, lr=7.0)
    resumed.load_state_dict(saved)
    for g in gradients[3:]:
        leaf.grad = resumed_leaf.grad = g
        straight.step()
        resumed.step()
        np.testing.assert_array_equal(resumed_leaf.data, leaf.data)
    assert saved["steps"] == 3
    for kept, known in zip(saved["memory"], unchanged["memory"], strict=True):
        assert list(kept) == list(optim.get(rule).remembers)
        for name, x in kept.items():
            np.testing.assert_array_equal(x, known[name])


def test_a_state_of_other_shapes_is_refused_and_nothing_is_changed():
    leaf, other = Array(np.ones((2, 3))), Array(np.ones((3, 2)))
    leaf.grad = np.ones((2, 3))
    source, target = optim.Adam([leaf], lr=0.5), optim.Adam([other])
    source.step()
    with pytest.raises(
        ValueError, match=r"sum of parameter 0 has shape \(2, 3\), the parameter \(3, 2\)"
    ):
        target.load_state_dict(source.state_dict())
    assert (target.lr, target.steps, target.memory) == (1e-3, 0, [{"sum": 0.0, "squares": 0.0}])


def test_constants_and_interior_nodes_are_not_moved():
    w = Array([1.0])
    for node in (Array.lift(np.ones(2)), 2 * w, w.reshape(1, 1)):
        with pytest.raises(ValueError, match="expects leaves"):
            optim.SGD([w, node])


@pytest.mark.parametrize("rule", optim.OPTIMIZERS)
@pytest.mark.parametrize("block", [1, 7, 64])
def test_block_by_block_a_large_array_gets_the_same_bits(rule, block, monkeypatch):
    """Blocks give the same bits on any number of threads, also with loaded memory."""
    rng = np.random.default_rng(0)
    start, grads = rng.normal(size=(5, 9)), rng.normal(size=(4, 5, 9))
    ends = []
    for size in (1000, block):
        monkeypatch.setattr(in_place, "BLOCK", size)
        W = Array(start)
        moving = optim.get(rule)([W], lr=0.1, weight_decay=0.01)
        for i, grad in enumerate(grads):
            W.grad = grad
            before = W.data
            kept = before.copy()
            moving.step()
            assert np.array_equal(before, kept)  # a graph that holds it stays right
            if i == 1:
                state = moving.state_dict()
                moving = optim.get(rule)([W], lr=0.1, weight_decay=0.01)
                moving.load_state_dict(state)
        ends.append([W.data, *moving.memory[0].values()])
    for whole, parts in zip(*ends, strict=True):
        assert np.broadcast_to(whole, np.shape(parts)).tobytes() == np.asarray(parts).tobytes()


def test_a_rule_that_makes_new_memory_is_remembered_block_by_block(monkeypatch):
    class Mean(optim.Optimizer):
        remembers = ("mean",)
        elementwise = True

        def direction(self, grad, memory):
            memory["mean"] = 0.5 * memory["mean"] + 0.5 * grad
            return memory["mean"]

    monkeypatch.setattr(in_place, "BLOCK", 4)
    W = Array(np.zeros(10))
    moving = Mean([W], lr=1.0, weight_decay=0.0)
    for _ in range(2):
        W.grad = np.ones(10)
        moving.step()
    assert moving.memory[0]["mean"].tolist() == [0.75] * 10
    assert W.data.tolist() == [-1.25] * 10


def test_a_rule_that_looks_at_all_elements_is_given_all(monkeypatch):
    class Normalized(optim.Optimizer):
        def direction(self, grad, memory):
            return grad / np.linalg.norm(grad)

    monkeypatch.setattr(in_place, "BLOCK", 4)
    W = Array(np.zeros(16))
    W.grad = np.ones(16)
    Normalized([W], lr=1.0, weight_decay=0.0).step()
    assert W.data.tolist() == [-0.25] * 16


def test_a_rule_that_returns_the_gradient_or_what_it_remembers_keeps_them():
    """Only results of a rule are overwritten, never arrays that it keeps or receives."""

    class Remembering(optim.Optimizer):
        remembers = ("kept",)

        def direction(self, grad, memory):
            memory["kept"] = memory["kept"] + grad
            return memory["kept"]

    for rule, kept in [(Remembering, "kept"), (optim.SGD, None)]:
        leaf = Array([1.0, 2.0])
        optimizer = rule([leaf], 0.5, weight_decay=0.0)
        for step in (1, 2):
            leaf.grad = [1.0, 1.0]
            optimizer.step()
            assert leaf.grad.tolist() == [1.0, 1.0]
            if kept:
                assert optimizer.memory[0][kept].tolist() == [step, step]


@RULES
def test_memory_does_not_stay_subnormal(rule):
    """Numbers that are almost subnormal become 0; others do not change."""
    w = Array(np.ones(2, np.float32))
    optimizer = optim.get(rule)([w], **({"momentum": 1e-3} if rule == "sgd" else {}))
    for step in range(2 * STEPS_TO_FLUSH):
        w.grad = np.array([1e-3, 0.0], np.float32)
        optimizer.step()
        for x in optimizer.memory[0].values():
            kept = x[0]
            x[1] = 1e-37 if step % 2 else 1e-41
            assert kept > 0.0
    w.grad = np.zeros(2, np.float32)
    optimizer.steps = 3 * STEPS_TO_FLUSH - 1
    optimizer.step()
    for x in optimizer.memory[0].values():
        assert x[1] == 0.0
        assert x[0] > 0.0
