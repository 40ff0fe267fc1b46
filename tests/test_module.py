"""Module: parameters in order, state, training mode, summary."""

import copy
import dataclasses
import functools
import pickle
import struct
import threading
from collections import deque
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Array, Constant, ConstantArray, Value
from engine.node import Node
from nn import MLP, Layer, Module, Neuron, optim, vector
from strategies import any_float


class Holder(Module):
    """A module with the given attributes."""

    def __init__(self, **attributes):
        vars(self).update(attributes)


class ArrayLeaf(Node):
    """The part of an array node that Module uses."""

    __slots__ = ("data", "grad")

    def __init__(self, data):
        self.op, self.data, self.grad = None, data, np.ones_like(data)


def bits(model):
    return [struct.pack("d", p.data) for p in model.parameters()]


# ------------------------------------------------------------------------- what it finds


def test_parameters_are_the_leaves_in_the_order_of_attributes():
    a, b, c, d, e, f = map(Value, range(6))
    model = Holder(
        z=a,
        text="no",
        y=[b, (c, 3.0)],
        constant=Constant(7.0),
        interior=a * b,
        x={"u": d, "v": [e]},
        w=Holder(training=False, f=f),
    )
    assert list(model.named_parameters().items()) == [
        ("z", a), ("y.0", b), ("y.1.0", c), ("x.u", d), ("x.v.0", e), ("w.f", f),
    ]  # fmt: skip
    assert model.parameters() == [a, b, c, d, e, f]


def test_what_is_shared_counts_once_by_its_first_name():
    tied, part = Value(1.0), Holder(p=Value(2.0))
    model = Holder(a=tied, b=part, c=[tied, part, part.p])
    assert list(model.named_parameters()) == ["a", "b.p"]


def test_cycles_end():
    child = Holder(p=Value(1.0))
    child.parent, child.many = Holder(child=child), [child]
    child.many.append(child.many)
    assert list(child.parent.named_parameters()) == ["child.p"]


def test_zero_grad_forgets_all_gradients():
    model = Holder(p=Value(2.0), q=[ArrayLeaf(np.ones(3))])
    (model.p**2).backward()
    model.zero_grad()
    assert model.p.grad == 0.0
    assert not np.any(model.q[0].grad)


def test_train_and_eval_reach_every_part_and_no_other_model():
    model, other = Holder(parts=[Holder(), {"a": Holder(b=Holder())}]), Holder()
    inner = [model, model.parts[0], model.parts[1]["a"], model.parts[1]["a"].b]
    assert all(part.training for part in inner)
    assert model.eval() is model
    assert not any(part.training for part in inner)
    assert other.training
    assert model.train() is model
    assert all(part.training for part in inner)
    assert Module.training is True


# ------------------------------------------------------------------------------ its state


@given(st.lists(any_float, min_size=9, max_size=9))
def test_state_returns_every_bit(numbers):
    """inf, nan and -0.0 return, too; a state is a copy."""
    source, target = MLP(2, [2, 1]), MLP(2, [2, 1])
    for parameter, number in zip(source.parameters(), numbers, strict=True):
        parameter.data = number
    state, before = source.state_dict(), bits(source)
    for parameter in source.parameters():
        parameter.data = 7.0
    target.load_state_dict(state)
    assert bits(target) == before
    assert all(type(number) is float for number in state.values())


def test_state_of_arrays_is_copied_both_ways_and_keeps_the_type():
    model = Holder(w=ArrayLeaf(np.ones((2, 3), np.float32)))
    state = model.state_dict()
    model.w.data[:] = 5.0
    assert state["w"].tolist() == [[1.0] * 3] * 2
    given_data = np.arange(6.0).reshape(2, 3)
    model.load_state_dict({"w": given_data})
    given_data[:] = 9.0
    assert model.w.data.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert model.w.data.dtype == np.float32
    with pytest.raises(ValueError, match=r"w: shape \(2, 3\) in the model, \(3, 2\) in the state"):
        model.load_state_dict({"w": np.ones((3, 2))})


def test_state_may_come_from_a_file_of_arrays():
    model = Neuron(1)
    model.load_state_dict({"weights.0": np.array(3), "bias": np.float32(0.5)})
    assert [p.data for p in model.parameters()] == [3.0, 0.5]


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        ({"bias": None}, ["bias: NoneType in the state, not numbers"]),
        ({"bias": "1.5"}, ["bias: str in the state, not numbers"]),
        ({"bias": 1j}, ["bias: complex in the state, not numbers"]),
        ({"bias": [[1.0], [1.0, 2.0]]}, ["bias: list in the state, not numbers"]),
        ({"bias": [1.0]}, ["bias: shape () in the model, (1,) in the state"]),
        ({"w": 1.0}, ["w: no such parameter"]),
        (
            {"w": 1.0, "bias": np.ones((2, 2)), "weights.0": ...},  # ... is left out
            [
                "weights.0: missing",
                "w: no such parameter",
                "bias: shape () in the model, (2, 2) in the state",
            ],
        ),
    ],
)
def test_a_state_that_does_not_fit_is_refused_whole(change, lines):
    model = Neuron(2, rng=0)
    before = bits(model)
    state = {"weights.0": 8.0, "weights.1": 8.0, "bias": 8.0} | change
    with pytest.raises(ValueError, match="cannot load this state") as refusal:
        model.load_state_dict({name: data for name, data in state.items() if data is not ...})
    first, *problems = str(refusal.value).split("\n  ")
    assert first == (
        "Neuron(2, 'relu') cannot load this state and is unchanged; "
        "does it come from a model with the same layers and sizes?"
    )
    assert problems == lines
    assert bits(model) == before


def test_a_state_of_another_kind_says_how_to_convert_it():
    """It is recognized by its numbers; any other state does not come from a network of Values."""
    scalar, arrays = MLP(2, [3, 1]), vector.MLP(2, [3, 1])
    for model, other, method in [(arrays, scalar, "to_vector"), (scalar, arrays, "to_scalar")]:
        with pytest.raises(ValueError, match=rf"then call its {method}\(\)\n"):
            model.load_state_dict(other.state_dict())
        for state in ({"a": 1}, {"a": np.ones(3)}, {}):
            with pytest.raises(ValueError, match="does it come from a model with the same layers"):
                model.load_state_dict(state)


def test_a_long_list_of_problems_is_cut():
    with pytest.raises(ValueError, match=r"weights\.19: missing\n  and 81 more$"):
        Neuron(100).load_state_dict({})


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_share_nothing(copied):
    model = MLP(2, [3, 1], "leaky_relu", rng=0)
    twin = copied(model)
    assert twin([1.0, 2.0]).data == model([1.0, 2.0]).data
    assert not set(twin.parameters()) & set(model.parameters())
    assert list(twin.named_parameters()) == list(model.named_parameters())


def test_constants_are_state_but_no_parameters():
    """Constants are saved and loaded with the parameters, but receive no gradient."""
    model = Holder(
        w=Array(np.ones(2)),
        seen=ConstantArray(np.zeros(2)),
        part=Holder(count=Constant(3.0)),
        b=Value(1.0),
    )
    assert model.parameters() == [model.w, model.b]
    assert list(model.named_parameters()) == ["w", "b"]
    assert list(model.named_state()) == ["w", "seen", "part.count", "b"]
    assert model.summary().split()[-1] == "3"
    state = model.state_dict()
    model.seen.data, model.part.count.data = np.full(2, 5.0), 7.0
    model.seen.data[0] = 6.0
    assert (state["seen"].tolist(), state["part.count"]) == ([0.0, 0.0], 3.0)
    twin = copy.deepcopy(model)
    twin.load_state_dict(state)
    assert (twin.seen.data.tolist(), twin.part.count.data) == ([0.0, 0.0], 3.0)
    assert (model.seen.data.tolist(), model.part.count.data) == ([6.0, 5.0], 7.0)
    twin.seen.data[:] = 9.0
    assert state["seen"].tolist() == [0.0, 0.0]
    del state["seen"]
    with pytest.raises(ValueError, match=r"seen: missing$"):
        twin.load_state_dict(state)
    with pytest.raises(ValueError, match=r"seen: shape \(2,\) in the model, \(3,\) in the state"):
        twin.load_state_dict(state | {"seen": np.zeros(3)})
    assert twin.seen.data.tolist() == [9.0, 9.0]


def test_generators_are_found_by_name_each_once():
    """Generators are neither parameters nor part of the state."""
    shared, own = np.random.default_rng(0), np.random.default_rng(0)
    model = Holder(rng=shared, parts=[Holder(rng=own), {"a": Holder(rng=shared)}], seed=3)
    assert model.generators() == {"rng": shared, "parts.0.rng": own}
    assert model.parameters() == []
    assert model.state_dict() == {}
    assert Module().generators() == {}
    twin = copy.deepcopy(model)
    assert list(twin.generators()) == ["rng", "parts.0.rng"]
    assert twin.rng is twin.parts[1]["a"].rng is not shared
    assert twin.rng.random() == shared.random()  # the copy has the same state and is independent
    assert twin.rng.random() == shared.random()


# ---------------------------------------------------------------------------- its summary


def test_summary_opens_what_does_not_say_its_outputs():
    """Parameters outside layers are rows; submodules with `nout` are one row each."""
    model = Holder(
        scale=Value(1.0),
        branches=[Holder(layer=Layer(2, 3)), MLP(2, [500, 3])],
        table=ArrayLeaf(np.zeros((50, 20))),
        empty=Holder(),
    )
    assert model.summary().split("\n") == [
        "layer             what                      outputs  parameters",
        "scale             parameter                                   1",
        "branches.0.layer  Layer(2, 3, 'relu')             3           9",
        "branches.1        MLP(2, [500, 3], 'relu')        3       3,003",
        "table             parameter                               1,000",
        "total                                                     4,013",
    ]


def test_summary_counts_what_is_shared_once():
    layer = Layer(2, 3)
    model = Holder(a=layer, b=Holder(c=layer), ab=Layer(1, 1))  # ab does not belong to a
    names = [line.split()[0] for line in model.summary().split("\n")]
    assert names == ["layer", "a", "ab", "total"]
    assert model.summary().split()[-1] == "11" == str(len(model.parameters()))


def test_summary_of_nothing():
    assert repr(Module()) == "Module()"
    assert Module().summary().split("\n")[1].split() == ["total", "0"]


# --------------------------------------------------------------- parameters are not replaced


@pytest.mark.parametrize(
    ("make", "name", "numbers", "remedy"),
    [
        (lambda: Neuron(2), "bias", 5.0, "bias.data = ..."),
        (lambda: Neuron(2), "bias", np.float32(5.0), "bias.data = ..."),
        (lambda: Neuron(2), "weights", [1.0, 2.0], "weights[0].data = ..."),
        (lambda: Neuron(2), "weights", np.ones(2), "weights[0].data = ..."),
        (lambda: vector.Dense(2, 3), "weight", np.ones((3, 2)), "weight.data = ..."),
        (lambda: vector.Dense(2, 3), "bias", [0.0] * 3, "bias.data = ..."),
        (lambda: vector.BatchNorm(2), "running_mean", 0.0, "running_mean.data = ..."),
    ],
)
def test_numbers_do_not_replace_parameters(make, name, numbers, remedy):
    """They would be constants, and `parameters` would silently lose one."""
    module = make()
    before, state = getattr(module, name), list(module.named_state())
    with pytest.raises(
        TypeError, match=f"{type(module).__name__}.{name} .*replaced by numbers"
    ) as e:
        setattr(module, name, numbers)
    assert str(e.value).endswith(remedy)
    assert getattr(module, name) is before
    assert list(module.named_state()) == state


def test_other_parameters_replace_parameters():
    neuron, bias = Neuron(2), Value(5.0)
    neuron.bias = bias
    neuron.weights = (bias, Value(1.0))
    assert neuron.parameters()[0] is bias
    neuron.bias = None
    assert neuron.bias is None


# ------------------------------------------------------------ where else parameters are found


@dataclasses.dataclass
class Pair:
    first: Value
    rest: list


class Plain:
    """A class of a user that is no Module, as in micrograd."""

    shared = Value(7.0)

    def __init__(self, **attributes):
        vars(self).update(attributes)


class Slotted(Module):
    __slots__ = ("empty", "held")
    scale, name = Value(9.0), "of the class"


def test_parameters_are_found_wherever_they_can_be():
    a, b, c, d, e, f, g = map(Value, range(7))
    layers = np.empty((1, 2), object)
    layers[0] = a, Holder(p=b)
    model = Holder(
        array=layers,
        queue=deque([c]),
        data=Pair(d, [Plain(w=e)]),
        space=SimpleNamespace(f=f),
        mapping=MappingProxyType({"g": g}),
    )
    assert list(model.named_parameters().items()) == [
        ("array.0.0", a), ("array.0.1.p", b), ("queue.0", c), ("data.first", d),
        ("data.rest.0.shared", Plain.shared), ("data.rest.0.w", e), ("space.f", f), ("mapping.g", g),
    ]  # fmt: skip
    assert "array.0.1" in model.named_modules()
    assert not model.eval().named_modules()["array.0.1"].training


def test_attributes_of_a_class_and_slots_are_searched_and_may_be_shadowed():
    model, slot = Slotted(), Value(1.0)
    model.held = slot
    assert model.named_parameters() == {"held": slot, "scale": Slotted.scale}
    for name in ("scale", "held"):
        with pytest.raises(
            TypeError, match=f"Slotted.{name} is a parameter and cannot be replaced"
        ):
            setattr(model, name, 3.0)
    model.scale = other = Value(2.0)
    assert model.named_parameters() == {"held": slot, "scale": other}


def test_a_set_is_refused_unless_its_parts_are_elsewhere_too():
    a, b = Value(1.0), Value(2.0)
    assert Holder(listed=[a, b], index={a, b}, names={"x"}).parameters() == [a, b]
    with pytest.raises(TypeError, match=r"index of Holder\(\) is a set that contains Value\(2.0\)"):
        Holder(listed=[a], index={(b, 3.0)}).parameters()


def test_the_search_ends_in_circles_and_leaves_others_alone():
    a, head = Value(1.0), Plain()
    node = head
    for _ in range(2000):  # deeper than Python's recursion
        node.next = node = Plain()
    node.next, node.w = head, a
    optimizer = optim.SGD([Value(5.0)], 0.1)
    other = [
        optimizer,
        threading.Lock(),
        functools.partial(print, Value(1.0)),
        lambda: a,
        np.ones(3),
        Plain,
    ]
    model = Holder(head=head, other=other)
    assert model.parameters() == [Plain.shared, a]


def test_a_module_that_computes_in_forward_is_refused():
    """As modules of PyTorch do."""
    with pytest.raises(TypeError, match=r"computes in __call__: rename Net.forward"):

        class Net(Module):
            def forward(self, x):
                return x
