"""Freezing: frozen leaves are constants, keep their place in a model, and do not move."""

import copy
import pickle
import warnings

import numpy as np
import pytest

import nn
from engine import Array, Constant, ConstantArray, Value
from nn import MLP, fit, losses, optim, vector

X, Y = nn.data.moons(20, rng=0)


class Holder(nn.Module):
    pass


def networks():
    return [MLP(2, [4, 1], "tanh", rng=0), vector.MLP(2, [4, 1], "tanh", rng=0, dtype="float64")]


def loss_of(model):
    return nn.objective.Objective(model, losses.binary_cross_entropy)(X, Y)[0]


def snapshot(model):
    return {path: np.copy(x) for path, x in model.state_dict().items()}


@pytest.mark.parametrize(
    ("leaf", "kind"), [(Value(2.0, "w"), Constant), (Array([1.0, 2.0], "w"), ConstantArray)]
)
def test_a_frozen_leaf_is_a_constant_and_the_same_object(leaf, kind):
    before, own = repr(leaf.data), type(leaf)
    (leaf * leaf).sum().backward() if own is Array else (leaf * leaf).backward()
    leaf.requires_grad = False
    assert type(leaf) is kind
    assert leaf.constant
    assert not leaf.requires_grad
    assert not np.any(leaf.grad)
    other = type(leaf).lift(3.0)
    (Value(3.0) * leaf).backward() if own is Value else (Array(other.data) * leaf).sum().backward()
    assert not np.any(leaf.grad)
    for copied in (copy.deepcopy(leaf), pickle.loads(pickle.dumps(leaf))):
        copied.requires_grad = True
        assert type(copied) is own
        assert repr(copied.data) == before
        assert copied.label == "w"
    leaf.requires_grad = True
    assert type(leaf) is own
    assert repr(leaf.data) == before
    assert not np.any(leaf.grad)


class Weight(Value):
    def __init__(self, data):
        super().__init__(data)
        self.age = 3


class Slotted(Weight):
    __slots__ = ()


class Rows(Array):
    pass


@pytest.mark.parametrize("kind", [Weight, Slotted, Rows])
def test_a_leaf_of_a_subclass_can_be_frozen(kind):
    leaf, one = kind([1.0, 2.0] if kind is Rows else 2.0), (Array if kind is Rows else Value)(1.0)
    result = type(leaf * one)
    leaf.requires_grad = False
    assert leaf.constant
    assert isinstance(leaf, kind)
    assert type(leaf * one) is type(one * leaf) is result
    assert (leaf * leaf).constant
    assert (-leaf).constant
    total = (leaf * one + leaf).sum() if kind is Rows else leaf * one + leaf
    total.backward()
    assert np.array_equal(one.grad, np.sum(leaf.data))
    assert not np.any(leaf.grad)
    for copied in (leaf, copy.copy(leaf), pickle.loads(pickle.dumps(leaf))):
        assert getattr(copied, "age", 3) == 3
        assert copied.constant
        copied.requires_grad = True
        assert type(copied) is kind
    model = Holder()
    model.w = leaf
    assert model.freeze().parameters() == []
    assert model.unfreeze().parameters() == [leaf]


def test_requires_grad_is_refused_where_it_means_nothing():
    class Own(Constant):
        __slots__ = ()

    with pytest.raises(ValueError, match="which was computed"):
        (Value(1.0) * 2.0).requires_grad = False
    with pytest.raises(TypeError, match="True or False, got 0"):
        Value(1.0).requires_grad = 0
    with pytest.raises(TypeError, match="a Own is always a constant"):
        Own(1.0).requires_grad = True


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("i", [0, 1], ids=["Values", "Arrays"])
def test_a_frozen_layer_keeps_its_numbers(i, optimizer):
    """Also with an optimizer from before, with momentum and weight decay; the rest learns."""
    model = networks()[i]
    settings = {"momentum": 0.9} if optimizer == "sgd" else {}
    mover = optim.get(optimizer)(model.parameters(), 0.1, weight_decay=0.1, **settings)
    for step in range(4):
        if step == 2:
            model.layers[0].freeze()
            before = snapshot(model)
        mover.zero_grad()
        loss_of(model).backward()
        mover.step()
    after = model.state_dict()
    for path, x in before.items():
        assert np.array_equal(after[path], x) == path.startswith("layers.0"), path
    model.unfreeze()
    mover.zero_grad()
    loss_of(model).backward()
    mover.step()
    assert not any(np.array_equal(model.state_dict()[path], x) for path, x in after.items())


@pytest.mark.parametrize("i", [0, 1], ids=["Values", "Arrays"])
def test_fit_trains_the_rest_and_says_nothing(i):
    model = networks()[i]
    model.layers[0].freeze()
    before = snapshot(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        records = list(fit(model, X, Y, loss="binary_cross_entropy", epochs=3, lr=0.1))
    assert records[-1].loss < records[0].loss
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(np.array_equal(after[p], x) == p.startswith("layers.0") for p, x in before.items())
    nn.diagnose(model, X, Y)
    with pytest.raises(ValueError, match="not frozen as a whole"):
        fit(model.freeze(), X, Y, loss="mse", epochs=1)
    assert loss_of(model).data == pytest.approx(float(loss_of(model.unfreeze()).data))


def test_gradients_of_the_rest_are_those_of_the_whole():
    for model in networks():
        loss_of(model).backward()
        expected = {path: np.copy(p.grad) for path, p in model.named_parameters().items()}
        model.zero_grad()
        model.layers[1].freeze()
        loss_of(model).backward()
        rest = model.named_parameters()
        assert set(rest) == {path for path in expected if path.startswith("layers.0")}
        assert all(np.array_equal(p.grad, expected[path]) for path, p in rest.items())


def test_unfreezing_leaves_running_statistics_alone(tmp_path):
    model = vector.Sequential(vector.Dense(2, 3, rng=0), vector.BatchNorm(3), vector.Dense(3, 1))
    names = list(model.freeze().unfreeze().named_parameters())
    assert names == [
        f"modules.{name}"
        for name in ("0.weight", "0.bias", "1.gamma", "1.beta", "2.weight", "2.bias")
    ]
    model.freeze()
    nn.save(tmp_path / "x.ckpt", model)
    other = vector.Sequential(vector.Dense(2, 3, rng=1), vector.BatchNorm(3), vector.Dense(3, 1))
    nn.load(tmp_path / "x.ckpt", other)
    assert np.array_equal(other.modules[0].weight.data, model.modules[0].weight.data)


def test_conversions_keep_what_is_frozen():
    for model in networks():
        model.layers[0].freeze()
        convert = "to_vector" if isinstance(model, MLP) else "to_scalar"
        other = getattr(model, convert)()
        assert len(other.parameters()) in (2, 5)
        assert all(path.startswith("layers.1") for path in other.named_parameters())
    (model, _) = networks()
    model.layers[0].neurons[0].freeze()
    with pytest.raises(ValueError, match="2 of 8 W of Layer"):
        model.to_vector()


def test_a_summary_counts_what_is_frozen():
    model = Holder()
    model.net, model.w = MLP(2, [4, 1], rng=0), Value(1.0)
    model.net.layers[0].freeze()
    model.w.requires_grad = False
    lines = [line.split("  ")[-1].strip() for line in model.summary().splitlines()]
    assert lines == ["parameters", "5 + 12 frozen", "1 frozen", "5 + 13 frozen"]
