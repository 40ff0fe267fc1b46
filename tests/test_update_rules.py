"""Update rules as recorded instructions: the bits of the formulas, for Values and Arrays."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine import Array, Value
from engine.arithmetic import where
from engine.arrays.recorded_function import float_function
from nn import optim, optimizer
from strategies import any_float
from test_optim import RULES, Parameter, settings_of

pytestmark = pytest.mark.filterwarnings("ignore::engine.GradientWarning")

# ------------------------------------------------------------ the formulas, written out for NumPy
# They round at each operation as the optimizers have since the first version: a change in the last
# bit would change trainings that must be reproducible.


def fading(memory, name, beta, x):
    total = memory[name]
    total = total * beta
    total = total + x
    memory[name] = total
    return total


def direction(o, grad, memory):
    if isinstance(o, optim.SGD):
        if not o.momentum:
            return grad
        velocity = fading(memory, "velocity", o.momentum, grad)
        return grad + o.momentum * velocity if o.nesterov else velocity
    square = grad * grad
    if isinstance(o, optim.RMSprop):
        root = np.sqrt(fading(memory, "squares", o.alpha, square))
        return grad / (root * math.sqrt(1.0 - o.alpha) + o.eps)
    if isinstance(o, optim.Adagrad):
        return grad / (np.sqrt(fading(memory, "squares", 1.0, square)) + o.eps)
    first, second = o.betas
    root = np.sqrt(fading(memory, "squares", second, square))
    root = root + o.eps * math.sqrt(o.weight(second))
    return fading(memory, "sum", first, grad) / root


def reference_step(o, data, grad, memory):
    """Return the data after step number `o.steps`, and update the memory."""
    first, second = getattr(o, "betas", (0.0, 0.0))
    scale = math.sqrt(o.weight(second)) / o.weight(first) if isinstance(o, optim.Adam) else 1.0
    rate = o.lr * scale
    if o.weight_decay and not o.decoupled:
        grad = grad + o.weight_decay * data
    move = direction(o, grad, memory)
    if o.weight_decay and o.decoupled:
        data = data * (1.0 - o.lr * o.weight_decay)
    return data - rate * move


def check_bits(got, want):
    """Check that all bits are equal, except the sign and payload of nan."""
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(
        np.signbit(got) & ~np.isnan(got), np.signbit(want) & ~np.isnan(want)
    )


@RULES
@given(
    data=st.data(),
    dtype=st.sampled_from([np.float32, np.float64]),
    shape=st.sampled_from([(3,), (2, 2), (1,), (0,)]),
    block=st.sampled_from([2, 3, optimizer.BLOCK]),
)
def test_steps_of_arrays_agree_with_the_formulas(rule, data, dtype, shape, block):
    """Data and memory, to the bit, in float32 as NumPy rounds it; the learning rate may change."""
    settings = data.draw(settings_of(rule), label="settings")
    numbers = any_float.map(dtype) if dtype == np.float64 else st.floats(width=32)
    each = arrays(dtype, shape, elements=numbers)
    start, *gradients = data.draw(st.lists(each, min_size=2, max_size=5), label="start, gradients")
    leaf, want = Array(start), start
    mover = optim.named(rule)([leaf], lr=0.1, **settings)
    memory = dict.fromkeys(mover.remembers, 0.0)
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(optimizer, "BLOCK", block)
        for gradient in gradients:
            mover.lr = data.draw(st.sampled_from([0.1, 0.0, 1e-3, 1e30]), label="lr")
            leaf.grad = gradient
            mover.step()
            want = reference_step(mover, want, gradient, memory)
            check_bits(leaf.data, want)
            for name, x in mover.memory[0].items():
                check_bits(
                    np.broadcast_to(np.asarray(x, dtype), shape),
                    np.broadcast_to(np.asarray(memory[name], dtype), shape),
                )


@RULES
@given(data=st.data(), size=st.integers(1, 3))
def test_steps_of_values_agree_with_the_formulas(rule, data, size):
    settings = data.draw(settings_of(rule), label="settings")
    rows = st.lists(any_float, min_size=size, max_size=size)
    start, *gradients = data.draw(st.lists(rows, min_size=2, max_size=5), label="start, gradients")
    values, want = [Value(x) for x in start], np.array(start)
    mover = optim.named(rule)(values, lr=0.1, **settings)
    memory = dict.fromkeys(mover.remembers, 0.0)
    for gradient in gradients:
        for value, x in zip(values, gradient, strict=True):
            value.grad = x
        mover.step()
        with np.errstate(all="ignore"):
            want = reference_step(mover, want, np.array(gradient), memory)
        check_bits(np.array([value.data for value in values]), want)
        for name in mover.remembers:
            kept = [each[name] for each in mover.memory]
            assert {type(x) for x in kept} == {float}
            check_bits(np.array(kept), np.broadcast_to(memory[name], size))


# ------------------------------------------------------------------------------------- instructions

OPTIONS = {
    "sgd": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
    "rmsprop": [{}], "adagrad": [{}], "adam": [{}], "adamw": [{}],
}  # fmt: skip
EVERY = [
    pytest.param(rule, {**how, "weight_decay": decay}, id="-".join([rule, *how, f"decay={decay}"]))
    for rule, several in OPTIONS.items()
    for how in several
    for decay in (0.0, 0.1)
]
# The number of operations in the papers' equations, with sums in place of means.
OPERATIONS = {"steepest": 0, "polyak": 2, "nesterov": 4, "rmsprop": 7, "adagrad": 5, "adam": 8}


def update_of(rule, how):
    mover = optim.named(rule)([Value(1.0)], **how)
    function, names, settings = mover.rule()
    decay = ("decoupled" if mover.decoupled else "coupled") if how["weight_decay"] else ""
    return optimizer.Update(function, names, len(settings), decay)


@pytest.mark.parametrize(("rule", "how"), EVERY)
def test_no_instruction_is_repeated_or_unused(rule, how):
    """None is repeated in another order of operands; there are as many as the equations need."""
    update = update_of(rule, how)
    done = update.program.instructions
    same = {(do, *(sorted(places) if do in ("+", "*") else places)) for do, _, *places in done}
    assert len(same) == len(done)
    used = {place for _, _, *places in done for place in places} | set(update.program.outputs)
    assert {step.result for step in done} <= used
    decay = {"": 0, "coupled": 2, "decoupled": 1}[update.decay]
    assert len(done) == OPERATIONS[update.rule.__name__] + decay + 2
    assert len(update.program.outputs) == 1 + len(update.names)


@pytest.mark.parametrize(("rule", "how"), EVERY)
@given(data=st.data())
def test_a_recorded_rule_returns_the_bits_of_the_rule(rule, how, data):
    """On floats."""
    update = update_of(rule, how)
    n = update.program.inputs
    xs = data.draw(st.lists(st.floats(0.0, 1e300) | any_float, min_size=n, max_size=n))
    try:
        want = update.on_slots(*xs)
    except ZeroDivisionError:  # by a plain `/`; the instruction follows IEEE 754
        want = None
    got = float_function(update.program)(*xs)
    assert len(got) == len(update.program.outputs)
    if want is not None:
        check_bits(np.array(got), np.array(want))


@pytest.mark.parametrize(("rule", "how"), EVERY)
def test_rules_need_at_most_one_scratch_array(rule, how):
    """Arrays are reused: a step of Adam touches five arrays."""
    move = update_of(rule, how).in_place
    assert len(move.scratch) <= (how["weight_decay"] > 0)
    if rule == "adam" and not how["weight_decay"]:
        assert not move.scratch
        assert move.source.count("\n") == 1 + 1 + 10  # the new array, ten operations, the return


# ------------------------------------------------------------------------------------- users' rules


def lion(grad, mean, beta1, beta2):
    """The sign of a mean (Chen et al. 2023)."""
    ahead = beta1 * mean + (1.0 - beta1) * grad
    sign = where(ahead > 0.0, 1.0, where(ahead < 0.0, -1.0, 0.0))
    return sign, beta2 * mean + (1.0 - beta2) * grad


class Lion(optim.Optimizer):
    remembers = ("mean",)
    decoupled = True

    def rule(self):
        return lion, self.remembers, (0.9, 0.99)


@pytest.mark.parametrize("block", [2, optimizer.BLOCK])
def test_a_users_rule(block, monkeypatch):
    """One function for Values and Arrays."""
    monkeypatch.setattr(optimizer, "BLOCK", block)
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
    """As with a schedule of momentum; another rule may apply then."""
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
@pytest.mark.parametrize("block", [2, optimizer.BLOCK])
def test_infinite_steps_do_not_warn(rule, block, monkeypatch):
    """Warnings of NumPy are errors in these tests."""
    monkeypatch.setattr(optimizer, "BLOCK", block)
    leaf = Array(np.full(5, 3e38, np.float32))
    mover = optim.named(rule)([leaf], lr=1e30, weight_decay=0.5)
    for g in (3e38, math.inf, math.nan):
        leaf.grad = np.full(5, g, np.float32)
        mover.step()
    assert np.isnan(leaf.data).all()


# --------------------------------------------------------------------------------- loaded memory


@RULES
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_state_is_loaded_in_the_dtype_and_order_of_the_parameter(rule, dtype, monkeypatch):
    """Memory that is overwritten in blocks must be contiguous; one number may replace an array."""
    monkeypatch.setattr(optimizer, "BLOCK", 4)
    start, g = np.ones((3, 4), dtype), np.arange(12, dtype=dtype).reshape(3, 4)
    ends = []
    for change in (lambda x: x, np.asfortranarray, lambda x: x.astype(np.float64), lambda x: np.stack([x, x], -1)[..., 0]):  # fmt: skip
        leaf = Array(start)
        mover = optim.named(rule)([leaf], lr=0.1)
        leaf.grad = g
        mover.step()
        state = mover.state_dict()
        state["memory"] = [
            {k: change(x) if np.ndim(x) else x for k, x in reversed(each.items())}
            for each in state["memory"]
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
def test_a_parameter_without_axes(rule, dtype):
    """In both dtypes, through a state and back."""
    leaf, row = Array(np.array(2.0, dtype)), Array(np.array([2.0], dtype))
    one, other = (optim.named(rule)([x], lr=0.1, weight_decay=0.1) for x in (leaf, row))
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
        monkeypatch.setattr(optimizer, "BLOCK", block)
        parameter, other = (Parameter(np.ones(5, np.float32)) for _ in range(2))
        movers = [optim.named(rule)([x], lr=0.1, weight_decay=0.1) for x in (parameter, other)]
        for _ in range(2):
            parameter.grad, other.grad = 0.0, np.zeros(5, np.float32)
            for mover in movers:
                mover.step()
            check_bits(parameter.data, other.data)
