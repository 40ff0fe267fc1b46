"""Functions of NumPy that return views or their own input, or write into arrays, under `jit`."""

import numpy as np
import pytest

from engine import Array, jit
from test_array_jit import WAYS, choose_way


def increase(x, *_):
    x += 1.0
    return x


VIEWS = {  # of a matrix of 3 rows and 3 columns
    **{
        f"einsum {subscripts}": lambda x, subscripts=subscripts: np.einsum(subscripts, x)
        for subscripts in (
            "ij->ji",
            "ii->i",
            "...i->i...",
            "i...->...i",
            "ij",
            "ij->ij",
            "ji",
            "ii",
            "ij->i",
        )
    },
    "einsum of lists": lambda x: np.einsum(x, [0, 1], [1, 0]),
    "ravel": np.ravel,
    "ravel by name": lambda x: np.ravel(a=x),
    "ravel F": lambda x: np.ravel(x, "F"),
    "reshape": lambda x: np.reshape(x, (3, 3)),
    "reshape F": lambda x: np.reshape(x, (9,), order="F"),
    "squeeze": np.squeeze,
    "diagonal": np.diagonal,
    "diag": np.diag,
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 3, 3)),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, np.ones((2, 3, 3)))[0],
    "broadcast_arrays of one shape": lambda x: np.broadcast_arrays(x, np.ones((3, 3)))[0],
    "broadcast_arrays of a constant": lambda x: np.broadcast_arrays(np.arange(3.0), x)[0] * x,
    "atleast_1d": np.atleast_1d,
    "atleast_3d": np.atleast_3d,
    "atleast_2d of several": lambda x: np.atleast_2d(x, x[0])[1],
    "real": np.real,
    "real_if_close": np.real_if_close,
    "x.real": lambda x: x.real if isinstance(x, np.ndarray) else np.real(x),
    "conj": np.conj,
    "nan_to_num": np.nan_to_num,
    "transpose": np.transpose,
    "mT": lambda x: x.mT if isinstance(x, np.ndarray) else x.T,
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "moveaxis": lambda x: np.moveaxis(x, 0, 1),
    "split": lambda x: np.split(x, 3)[1],
    "array_split": lambda x: np.array_split(x, 2)[0],
    "hsplit": lambda x: np.hsplit(x, 3)[2],
    "flip": np.flip,
    "rot90": np.rot90,
    "expand_dims": lambda x: np.expand_dims(x, 0),
    "slice": lambda x: x[::-1, 1:],
    "ellipsis": lambda x: x[...],
    "element": lambda x: x[0, 0, ...],
    "rows": lambda x: [*x][1],
    "astype": lambda x: x.astype(x.dtype, copy=False) if isinstance(x, np.ndarray) else x,
    "trace": lambda x: x.trace(),
    "clip": lambda x: np.clip(x, 0.0, None),
    "round": lambda x: np.round(x, 3),
    "trim_zeros": lambda x: np.trim_zeros(x[0] > 0.6) * x[0, 0] if isinstance(x, np.ndarray) else x,
    "sliding windows": lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, axis=0),
    "pad": lambda x: np.pad(x, 0),
    "repeat": lambda x: np.repeat(x, 1),
    "concatenate": lambda x: np.concatenate([x]),
    "sum over no axis": lambda x: np.sum(x, axis=()),
    "slogdet": lambda x: np.linalg.slogdet(x).logabsdet * x,
    "matrix power": lambda x: np.linalg.matrix_power(x, 1),
    "allclose": lambda x: x * 2.0 if np.allclose(x, x) else x,
    "count": lambda x: x * (1.0 / np.count_nonzero(x > -9.0)),
}
SOURCES = {  # of the matrix: an argument, a result, the data of a leaf and of a node, and nodes
    "argument": lambda f, x, w: f(x),
    "result": lambda f, x, w: f(x * 1.5),
    "data": lambda f, x, w: f(w.data) * 1.5,
    "data of a node": lambda f, x, w: f((w * x).data),
    "leaf": lambda f, x, w: f(w),
    "node": lambda f, x, w: f(w * x),
}


def evaluate(f, w, x):
    """Return the bits of a result and of a gradient, or an error."""
    w.zero_grad()
    try:
        out = f(x)
        out.backward()
    except Exception as problem:
        return problem
    return out.data.tobytes(), w.grad.tobytes()


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", VIEWS)
def test_views(name, source, monkeypatch):
    """Replays with other data return the same bits as the function."""
    choose_way(monkeypatch, WAYS[-1])
    w, rng = Array(np.eye(3)), np.random.default_rng(0)

    def f(x):
        y = SOURCES[source](VIEWS[name], x, w) * 2.0
        return (y * y).sum() + (w * x).sum() * y.sum()

    fast = jit(f, [w])
    for _ in range(4):
        w.data, x = rng.random((3, 3)), rng.random((3, 3))
        expected, got = evaluate(f, w, x), evaluate(fast, w, x)
        if isinstance(expected, Exception):  # of a function that is not defined for Arrays
            assert repr(got) == repr(expected)
        else:
            assert got == expected


CHANGES = {  # of an array x that was computed, or of another one
    "of a view": lambda x: increase(x[0]),
    "of an Einstein sum": lambda x: increase(np.einsum("ij->ji", x)),
    "of a part": lambda x: increase(np.split(x, 3)[0]),
    "of a broadcast array": lambda x: increase(np.broadcast_arrays(x, np.ones((3, 3)))[0]),
    "of the same array": lambda x: increase(np.atleast_1d(x)),
    "below a view": lambda x: [x[0], increase(x)][0],
    "below an Einstein sum": lambda x: [np.einsum("ii->i", x), increase(x)][0],
    "below a broadcast array": lambda x: [np.broadcast_arrays(x, np.ones(3))[0], increase(x)][0],
    "nan_to_num": lambda x: np.nan_to_num(x, copy=False),
    "out of a ufunc": lambda x: [t := x * 2.0, np.exp(x, out=t)][0],
    "out of a function": lambda x: [t := np.zeros((3, 3)), np.clip(x, 0.0, 0.5, out=t)][0],
    "out of a sum": lambda x: [t := np.zeros(3), np.sum(x, 0, None, t)][0],
    "out of a product": lambda x: [t := np.zeros((3, 3)), np.dot(x, x, t)][0],
    "out of a concatenation": lambda x: [t := np.zeros((3, 3)), np.concatenate([x], out=t)][0],
    "copyto": lambda x: [t := np.zeros((3, 3)), np.copyto(t, x)][0],
    "put": lambda x: [t := np.zeros((3, 3)), np.put(t, [0], x[0, 0])][0],
    "putmask": lambda x: [t := np.zeros((3, 3)), np.putmask(t, t < 1.0, x)][0],
    "place": lambda x: [t := np.zeros((3, 3)), np.place(t, t < 1.0, x)][0],
    "put_along_axis": lambda x: [x, np.put_along_axis(x, np.zeros((1, 3), int), 1.0, 0)][0],
    "fill_diagonal": lambda x: [x, np.fill_diagonal(x, 0.0)][0],
    "add.at": lambda x: [t := np.zeros(3), np.add.at(t, [0, 0, 1], x[0])][0],
    "a part of a plain array": lambda x: [t := np.zeros((3, 3)), t.__setitem__(0, x[0])][0],
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_in_place_are_refused(name):
    """A replay would change the wrong array, or one that other steps read as a constant."""
    w = Array(np.eye(3))
    f = lambda x: (w * CHANGES[name](x * 1.5)).sum()
    x = np.random.default_rng(0).random((3, 3))
    f(x)
    with pytest.raises(TypeError, match=r"under jit|plain array"):
        jit(f, [w])(x)


IN_PLACE = {  # changes of a constant array between two uses, or after the last one
    "between": lambda a, use: use(a) + use(add_one(a)),
    "of a view": lambda a, use: use(a[:2]) + use(a) + use(add_one(a[:2])) + use(a),
    "there and back": lambda a, use: use(a) + use(add_one(a)) + use(add_one(a, -1.0)),
    "after": lambda a, use: use(a) + 0.0 * add_one(a).sum(),
}


def add_one(a, one=1.0):
    a += one
    return a


@pytest.mark.parametrize("f", IN_PLACE.values(), ids=IN_PLACE)
def test_constants_that_change_in_place(f):
    """A replay would read the last numbers, and the recording knows an array by its identity."""
    w = Array([1.0, 2.0, 3.0])
    fast = jit(lambda x: f(np.zeros(3), lambda a: (w[: len(a)] * (x[: len(a)] + a)).sum()), [w])
    with pytest.raises(TypeError, match=r"constant array was changed in place under jit"):
        fast(np.ones(3))


def test_constants_that_are_created_in_each_step():
    w = Array([1.0, 2.0])

    def f(x):
        out, a = 0.0, np.zeros(2)
        for _ in range(3):
            out, a = out + (w * (x + a)).sum(), a + 1.0
        return out

    fast = jit(f, [w])
    for x in (np.ones(2), np.full(2, 3.0)):
        assert fast(x).item() == f(x).item()
