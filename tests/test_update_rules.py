"""Update rules, recorded as instructions, have the bits of formulas written out."""

import math
from contextlib import suppress
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine import Array, Value
from engine.arithmetic import where
from engine.arrays import in_place
from engine.recorded_function import float_function
from nn import optim
from nn.update import Update
from optimizers import ROWS, settings_of
from strategies import any_float, batches, examples
from test_optim import RULES, Parameter

pytestmark = pytest.mark.filterwarnings("ignore::engine.GradientWarning")


def reference_step(rule, o, data, grad, memory):
    """Return the data after step number `o.steps`, and update the memory."""
    if o.weight_decay and not o.decoupled:
        grad = grad + o.weight_decay * data
    direction, scale = ROWS[rule].formula(o, grad, memory)
    if o.weight_decay and o.decoupled:
        data = data * (1.0 - o.lr * o.weight_decay)
    return data - o.lr * scale * direction


def check_bits(got, want):
    """Check that arrays are equal in every bit, except the sign and payload of nan."""
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(
        np.signbit(got) & ~np.isnan(got), np.signbit(want) & ~np.isnan(want)
    )


@RULES
@examples(40)
@given(
    data=st.data(),
    dtype=st.sampled_from([np.float32, np.float64]),
    shape=st.sampled_from([(3,), (2, 2), (1,), (0,)]),
    block=st.sampled_from([2, 3, in_place.BLOCK]),
)
def test_arrays_move_as_the_formulas_say(rule, data, dtype, shape, block):
    """Data and memory agree bit for bit, in float32 too; the learning rate may change."""
    settings = data.draw(settings_of(rule), label="settings")
    numbers = any_float.map(dtype) if dtype == np.float64 else st.floats(width=32)
    strategy = arrays(dtype, shape, elements=numbers)
    start, *gradients = data.draw(
        st.lists(strategy, min_size=2, max_size=5), label="start, gradients"
    )
    leaf, want = Array(start), start
    mover = optim.get(rule)([leaf], lr=0.1, **settings)
    memory = dict.fromkeys(mover.remembers, 0.0)
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(in_place, "BLOCK", block)
        for gradient in gradients:
            mover.lr = data.draw(st.sampled_from([0.1, 0.0, 1e-3, 1e30]), label="lr")
            leaf.grad = gradient
            mover.step()
            want = reference_step(rule, mover, want, gradient, memory)
            check_bits(leaf.data, want)
            for name, x in mover.memory[0].items():
                check_bits(
                    np.broadcast_to(np.asarray(x, dtype), shape),
                    np.broadcast_to(np.asarray(memory[name], dtype), shape),
                )


@RULES
@examples(40)
@given(data=st.data(), size=st.integers(1, 3))
def test_steps_of_values_agree_with_the_formulas(rule, data, size):
    settings = data.draw(settings_of(rule), label="settings")
    rows = st.lists(any_float, min_size=size, max_size=size)
    start, *gradients = data.draw(st.lists(rows, min_size=2, max_size=5), label="start, gradients")
    values, want = [Value(x) for x in start], np.array(start)
    mover = optim.get(rule)(values, lr=0.1, **settings)
    memory = dict.fromkeys(mover.remembers, 0.0)
    for gradient in gradients:
        for value, x in zip(values, gradient, strict=True):
            value.grad = x
        mover.step()
        with np.errstate(all="ignore"):
            want = reference_step(rule, mover, want, np.array(gradient), memory)
        check_bits(np.array([value.data for value in values]), want)
        for name in mover.remembers:
            kept = [memory_of_value[name] for memory_of_value in mover.memory]
            assert {type(x) for x in kept} == {float}
            check_bits(np.array(kept), np.broadcast_to(memory[name], size))


# ------------------------------------------------------------------------------------- instructions

EVERY = [
    pytest.param(rule, {**how, "weight_decay": decay}, id="-".join([rule, *how, f"decay={decay}"]))
    for rule, row in ROWS.items()
    for how in row.variants
    for decay in (0.0, 0.1)
]


def update_of(rule, how):
    mover = optim.get(rule)([Value(1.0)], **how)
    function, names, settings = mover.rule()
    decay = ("decoupled" if mover.decoupled else "coupled") if how["weight_decay"] else ""
    return Update(function, names, len(settings), decay)


@pytest.mark.parametrize(("rule", "how"), EVERY)
def test_instructions_are_neither_repeated_nor_unused(rule, how):
    """No instruction is repeated, unused, or more than the formula needs."""
    update = update_of(rule, how)
    done = update.program.instructions
    same = {(do, *(sorted(places) if do in ("+", "*") else places)) for do, _, *places in done}
    assert len(same) == len(done)
    used = {place for _, _, *places in done for place in places} | set(update.program.outputs)
    assert {step.result for step in done} <= used
    decay = {"": 0, "coupled": 2, "decoupled": 1}[update.decay]
    operations, _ = ROWS[rule].costs[update.rule.__name__]
    assert len(done) == operations + decay + 2
    assert len(update.program.outputs) == 1 + len(update.names)


@pytest.mark.parametrize(("rule", "how"), EVERY)
@examples(20)
@given(data=st.data())
def test_a_replayed_recording_gives_the_bits_of_the_rule(rule, how, data):
    """The instructions, replayed on floats, have the bits of the rule called on the same floats."""
    update = update_of(rule, how)
    replay = float_function(update.program)
    number = st.floats(0.0, 1e300) | any_float
    for xs in data.draw(batches(*[number] * update.program.inputs), label="inputs"):
        got = replay(*xs)
        assert len(got) == len(update.program.outputs)
        with suppress(ZeroDivisionError):  # by a plain `/`; the instruction follows IEEE 754
            check_bits(np.array(got), np.array(update.on_slots(*xs)))


@pytest.mark.parametrize(("rule", "how"), EVERY)
def test_rules_need_few_scratch_arrays(rule, how):
    """Arrays that are no longer needed are reused: a step of Adam touches five arrays."""
    update = update_of(rule, how)
    move, (_, scratch) = update.in_place, ROWS[rule].costs[update.rule.__name__]
    assert len(move.scratch) <= scratch + (how["weight_decay"] > 0)
    if rule == "adam" and not how["weight_decay"]:
        assert not move.scratch
        assert move.source.count("\n") == 1 + 1 + 10  # the new array, ten operations, the return


# ------------------------------------------------------------------------------------- users' rules


def lion(grad, mean, beta1, beta2):
    """Return the sign of a mean (Chen et al. 2023)."""
    ahead = beta1 * mean + (1.0 - beta1) * grad
    sign = where(ahead > 0.0, 1.0, where(ahead < 0.0, -1.0, 0.0))
    return sign, beta2 * mean + (1.0 - beta2) * grad


class Lion(optim.Optimizer):
    remembers = ("mean",)
    decoupled = True

    def rule(self):
        return lion, self.remembers, (0.9, 0.99)


@pytest.mark.parametrize("block", [2, in_place.BLOCK])
def test_a_users_rule(block, monkeypatch):
    """One function works for Values and Arrays."""
    monkeypatch.setattr(in_place, "BLOCK", block)
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=7), rng.normal(size=(5, 7))
    gradients[:, 3] = 0.0
    whole, values = Array(start), [Value(x) for x in start]
    one, other = Lion([whole], 0.1, 0.01), Lion(values, 0.1, 0.01)
    mean, w = np.zeros(7), start
    for g in gradients:
        whole.grad = g
        for value, x in zip(values, g, strict=True):
            value.grad = x
        one.step()
        other.step()
        w = w * (1 - 0.1 * 0.01) - 0.1 * np.sign(0.9 * mean + (1 - 0.9) * g)
        mean = 0.99 * mean + (1 - 0.99) * g
        np.testing.assert_array_equal(whole.data, [value.data for value in values])
        np.testing.assert_array_equal(whole.data, w)


def test_a_direction_has_the_dtype_of_the_gradient():
    """Directions keep the dtype also if the rule chooses between Python numbers."""
    grad, memory = np.float32([2.0, -3.0, 0.0]), {"mean": np.zeros(3, np.float32)}
    direction = Lion([Array(grad)], 0.1).direction(grad, memory)
    assert direction.tolist() == [1.0, -1.0, 0.0]
    assert direction.dtype == memory["mean"].dtype == np.float32


def test_one_rule_for_values_and_arrays_together():
    value, array = Value(1.0), Array([1.0, 1.0])
    mover = optim.Adam([value, array], lr=0.1)
    for g in (1.0, -3.0):
        value.grad, array.grad = g, [g, g]
        mover.step()
    assert array.data.tolist() == [value.data] * 2
    assert mover.memory[0]["sum"] == mover.memory[1]["sum"][0]


def test_a_built_in_direction_can_be_extended():
    """super().direction() computes the rule, on floats and arrays."""

    class Signed(optim.Adam):
        def direction(self, grad, memory):
            return np.sign(super().direction(grad, memory))

    value, array = Value(1.0), Array([1.0, 1.0])
    mover = Signed([value, array], lr=0.25)
    for _ in range(2):
        value.grad, array.grad = 3.0, [3.0, -2.0]
        mover.step()
    assert array.data[0] == value.data < 1.0 < array.data[1]
    assert mover.memory[1]["sum"].tolist() == [0.9 * 3.0 + 3.0, 0.9 * -2.0 - 2.0]


def test_a_direction_may_store_anything_in_memory():
    class Counting(optim.Optimizer):
        def direction(self, grad, memory):
            memory["calls"] = memory.get("calls", 0) + 1
            return grad / memory["calls"]

    w = Value(1.0)
    mover = Counting([w], 0.5, weight_decay=0.0)
    for want in (0.5, 0.25):
        w.grad = 1.0
        mover.step()
        assert w.data == want
    assert mover.memory == [{"calls": 2}]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (lambda grad: (grad if grad > 0.0 else -grad,), "a condition depends on a number"),
        (lambda grad: (math.sqrt(grad),), "cannot be recorded"),
    ],
)
def test_a_rule_that_cannot_be_recorded_is_refused(rule, says):
    class Own(optim.Optimizer):
        def rule(self):
            return rule, (), ()

    for w in (Value(1.0), Array([1.0])):
        with pytest.raises(TypeError, match=says) as caught:
            Own([w], 0.1, 0.0).step()
        assert "define direction(grad, memory)" in str(caught.value)


def test_a_method_is_refused_as_a_rule():
    """It would record its settings as they are at the first step."""

    class Own(optim.Optimizer):
        factor = 2.0

        def times(self, grad):
            return (self.factor * grad,)

        def rule(self):
            return self.times, (), ()

    with pytest.raises(TypeError, match="it is a method"):
        Own([Value(1.0)], 0.1, 0.0).step()


def test_settings_may_change_between_steps():
    """Settings may change between steps, and the rule with them."""
    for leaf in (Value(0.0), Array([0.0])):
        mover = optim.SGD([leaf], lr=1.0, momentum=0.5)
        path = [0.0]
        for momentum, decay in [(0.5, 0.0), (0.25, 0.0), (0.0, 0.0), (0.5, 0.5)]:
            mover.momentum, mover.weight_decay = momentum, decay
            leaf.grad = 1.0 if isinstance(leaf, Value) else [1.0]
            mover.step()
            path.append(float(np.asarray(leaf.data).item()))
        assert [a - b for a, b in pairwise(path)] == [1.0, 1.25, 1.0, 0.5 * 1.25 + 1 + 0.5 * -3.25]


@RULES
@pytest.mark.parametrize("block", [2, in_place.BLOCK])
def test_infinite_steps_do_not_warn(rule, block, monkeypatch):
    """NumPy's warnings are errors here."""
    monkeypatch.setattr(in_place, "BLOCK", block)
    want = np.full(5, 3e38, np.float32)
    leaf = Array(want)
    mover = optim.get(rule)([leaf], lr=1e30, weight_decay=0.5)
    memory = dict.fromkeys(mover.remembers, 0.0)
    for g in (3e38, math.inf, math.nan):
        leaf.grad = np.full(5, g, np.float32)
        mover.step()
        with np.errstate(all="ignore"):
            want = reference_step(rule, mover, want, leaf.grad, memory)
        check_bits(leaf.data, want)
    assert not np.isfinite(leaf.data).any()


# --------------------------------------------------------------------------------- loaded memory


@RULES
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_state_is_loaded_in_the_dtype_and_order_of_the_parameter(rule, dtype, monkeypatch):
    """Memory that is not contiguous, or a single number, is loaded as contiguous arrays."""
    monkeypatch.setattr(in_place, "BLOCK", 4)
    start, g = np.ones((3, 4), dtype), np.arange(12, dtype=dtype).reshape(3, 4)
    ends = []
    for change in (lambda x: x, np.asfortranarray, lambda x: x.astype(np.float64), lambda x: np.stack([x, x], -1)[..., 0]):  # fmt: skip
        leaf = Array(start)
        mover = optim.get(rule)([leaf], lr=0.1)
        leaf.grad = g
        mover.step()
        state = mover.state_dict()
        state["memory"] = [
            {k: change(x) if np.ndim(x) else x for k, x in reversed(memory.items())}
            for memory in state["memory"]
        ]
        mover.load_state_dict(state)
        mover.step()
        ends.append([leaf.data, *mover.memory[0].values()])
        assert list(mover.memory[0]) == list(mover.remembers)
        assert {x.dtype for x in ends[-1] if isinstance(x, np.ndarray)} == {np.dtype(dtype)}
    for other in ends[1:]:
        for x, y in zip(ends[0], other, strict=True):
            np.testing.assert_array_equal(x, y)


@RULES
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_parameter_of_one_number(rule, dtype):
    """Arrays of no axes work in both dtypes, also through a state and back."""
    leaf, row = Array(np.array(2.0, dtype)), Array(np.array([2.0], dtype))
    one, other = (optim.get(rule)([x], lr=0.1, weight_decay=0.1) for x in (leaf, row))
    for g in (1.0, -3.0, 0.5):
        leaf.grad, row.grad = np.array(g, dtype), np.array([g], dtype)
        one.load_state_dict(one.state_dict())
        one.step()
        other.step()
        check_bits(leaf.data.reshape(1), row.data)


@RULES
def test_a_gradient_of_0_for_an_array(rule, monkeypatch):
    """zero_grad() assigns 0.0, which a user's parameter may keep as a float."""
    for block in (2, 100):
        monkeypatch.setattr(in_place, "BLOCK", block)
        parameter, other = (Parameter(np.ones(5, np.float32)) for _ in range(2))
        movers = [optim.get(rule)([x], lr=0.1, weight_decay=0.1) for x in (parameter, other)]
        for _ in range(2):
            parameter.grad, other.grad = 0.0, np.zeros(5, np.float32)
            for mover in movers:
                mover.step()
            check_bits(parameter.data, other.data)
