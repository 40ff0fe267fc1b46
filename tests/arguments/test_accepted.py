"""Numbers of NumPy are accepted like those of Python, with the same result."""

import numpy as np
import pytest

from engine import Array, Tape, Value, concatenate, explain
from engine.draw import draw, step
from nn import MLP, Layer, Neuron, augment, data, fit, init, losses, optim, schedules, vector

INTS = [np.int64(2), np.int32(2), np.uint8(2)]
FLOATS = [np.float64(0.5), np.float32(0.5)]
x = Value(2.0)
X, y = np.ones((4, 2)), np.array([1.0, -1.0, 1.0, -1.0])


def sizes_of(module):
    return {name: np.shape(p.data) for name, p in module.named_parameters().items()}, repr(module)


TAKE_INTS = {
    "Value": lambda n: Value(n).data, "Array": lambda n: Array(n).item(), "power": lambda n: (x**n).data,
    "Neuron": lambda n: sizes_of(Neuron(n)), "Layer": lambda n: sizes_of(Layer(n, n)),
    "MLP": lambda n: sizes_of(MLP(n, [n, n])), "MLP of an array": lambda n: sizes_of(MLP(2, np.array([int(n), 1]))),
    "Dense": lambda n: sizes_of(vector.Dense(n, n)), "vector.MLP": lambda n: sizes_of(vector.MLP(n, [n, n])),
    "BatchNorm": lambda n: sizes_of(vector.BatchNorm(n)),
    "init": lambda n: init.he_normal(n, n, n).tolist(), "seed": lambda n: data.moons(9, rng=n)[0].tolist(),
    "moons": lambda n: data.moons(n, rng=0)[0].shape, "blobs": lambda n: set(data.blobs(9, centers=n)[1]),
    "batches": lambda n: [len(part[0]) for part in data.batches(X, y, n)],
    "shift": lambda n: augment.shift(np.ones((1, 4, 4)), n, rng=0).tolist(),
    "threads": lambda n: augment.distort(np.ones((1, 4, 4)), threads=n, rng=0).tolist(),
    "explain": lambda n: str(explain(x * x, x, n)),
    "draw": lambda n: draw(x * x, limit=n).dot, "step": lambda n: step(x * x, limit=n).drawing.dot,
    "Tape": lambda n: Tape(x * x, threads=n).forward(),
    "Tape.forward": lambda n: Tape(x * x, [x]).forward(np.array([[n]])).tolist(),
    "label": lambda n: losses.cross_entropy([[x, x, x]], [n]).data,
    "steps": lambda n: schedules.cosine(0.1, n)(n), "sum": lambda n: concatenate([Array([[1.0]])] * 2, axis=n - 1).shape,
    "fit": lambda n: len(list(fit(MLP(2, [1], rng=0), X, y, loss="hinge", epochs=n, batch_size=n, patience=n))),
}  # fmt: skip
TAKE_FLOATS = {
    "Value": lambda v: Value(v).data, "+": lambda v: (x + v).data, "where": lambda v: (x.maximum(v)).data,
    "lr": lambda v: optim.SGD([x], lr=v).lr, "momentum": lambda v: optim.SGD([x], momentum=v).momentum,
    "schedule": lambda v: schedules.constant(v)(v), "step": lambda v: schedules.linear(0.1, 2)(v),
    "dropout": lambda v: vector.Dropout(v).rate, "noise": lambda v: data.moons(9, v, rng=0)[0].tolist(),
    "fraction": lambda v: len(data.split(X, y, v, rng=0)[0][0]), "huber": lambda v: losses.huber([x], [1.0], v).data,
    "Neuron": lambda v: Neuron(1, rng=0)(v).data, "target": lambda v: losses.mse([x], [v]).data,
}  # fmt: skip


@pytest.mark.parametrize("name", TAKE_INTS)
@pytest.mark.parametrize("n", INTS, ids=lambda n: type(n).__name__)
def test_whole_numbers_of_numpy_are_ints(name, n):
    if name.startswith("Tape"):
        pytest.importorskip("numba")
    assert TAKE_INTS[name](n) == TAKE_INTS[name](2)


@pytest.mark.parametrize("name", TAKE_FLOATS)
@pytest.mark.parametrize("v", FLOATS, ids=lambda v: type(v).__name__)
def test_numbers_of_numpy_are_floats(name, v):
    assert TAKE_FLOATS[name](v) == TAKE_FLOATS[name](0.5)


@pytest.mark.parametrize(
    "v", [np.array(2.0), np.array(2), np.bool_(True), True, np.float16(2)], ids=repr
)
def test_a_value_takes_any_one_real_number(v):
    assert Value(v).data == float(v)
    assert (x * v).data == 2.0 * float(v)
    assert MLP(1, [1], init="zeros")(v).data == 0.0


@pytest.mark.parametrize("flag", [1, np.bool_(True), np.int64(1)], ids=repr)
def test_flags_take_what_is_true_or_false(flag):
    assert optim.SGD([x], momentum=0.5, nesterov=flag).nesterov is True
    assert Neuron(2, fused=flag).fused is True
