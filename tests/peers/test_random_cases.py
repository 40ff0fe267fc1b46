"""Random shapes, axes and indices: NumPy judges values and errors, PyTorch judges gradients.

Lengths of 0 and 1, negative and several axes, and numbers without axes occur in every table.
"""

import numpy as np
import pytest

import engine
from engine import Array, grad, hvp
from peers.judges import close, directions, torch, weighted

CASES = 40  # of each function


def random_shape(rng, least=0, most=4):
    return tuple(rng.choice([0, 1, 1, 2, 3, 4], rng.integers(least, most + 1)).tolist())


def random_axis(rng, ndim, several=True):
    """Return None, an axis or a tuple of axes; sometimes one that the array does not have."""
    kind = rng.integers(4)
    if kind == 0 or not ndim:
        return None
    if kind == 1 and several:
        axes = rng.permutation(ndim)[: rng.integers(ndim + 1)]
        return tuple(int(i - ndim * rng.integers(2)) for i in axes)
    return int(rng.integers(-ndim, ndim + (rng.random() < 0.05)))


def reductions(rng):
    x = rng.normal(size=random_shape(rng))
    return x, {"axis": random_axis(rng, x.ndim), "keepdims": bool(rng.integers(2))}


def partial_sums(rng):
    x = rng.normal(size=random_shape(rng))
    return x, {"axis": random_axis(rng, x.ndim, several=False)}


def with_shape(rng):
    x = rng.normal(size=random_shape(rng))
    factors = [n for n in x.shape if n != 1]
    shape = [int(n) for n in rng.permutation(factors)] + [1] * rng.integers(3)
    if shape and rng.random() < 0.5:
        shape[rng.integers(len(shape))] = -1
    return x, {"shape": tuple(shape)}


def with_axes(rng):
    x = rng.normal(size=random_shape(rng))
    axes = [int(i - x.ndim * rng.integers(2)) for i in rng.permutation(x.ndim)]
    return x, {"axes": None if rng.random() < 0.2 else tuple(axes)}


def with_two_axes(*names):
    def draw(rng):
        x = rng.normal(size=random_shape(rng, 1))
        return x, {name: int(rng.integers(-x.ndim, x.ndim)) for name in names}

    return draw


def with_length_1(rng):
    x = rng.normal(size=random_shape(rng))
    ones = [i for i, n in enumerate(x.shape) if n == 1]
    kind = rng.integers(3)
    return x, {"axis": [None, tuple(ones), ones[0] if ones else None][kind]}


def to_larger(rng):
    shape = random_shape(rng)
    own = shape[rng.integers(len(shape) + 1) :]
    own = tuple(1 if rng.random() < 0.3 else n for n in own)
    return rng.normal(size=own), {"shape": shape}


def new_axes(rng):
    x = rng.normal(size=random_shape(rng, 0, 3))
    axes = rng.permutation(x.ndim + 2)[:2].tolist()
    return x, {
        "axis": tuple(axes) if rng.random() < 0.3 else int(rng.integers(-x.ndim - 1, x.ndim + 1))
    }


def moves(rng):
    x = rng.normal(size=random_shape(rng))
    axis = random_axis(rng, x.ndim)
    axis = axis if axis != () else None
    return x, {"shift": int(rng.integers(-5, 6)), "axis": axis}


def repeats(rng):
    x = rng.normal(size=random_shape(rng))
    return x, {"repeats": int(rng.integers(4)), "axis": random_axis(rng, x.ndim, several=False)}


def tiles(rng):
    return rng.normal(size=random_shape(rng, 0, 3)), {
        "reps": tuple(rng.integers(0, 3, rng.integers(4)).tolist())
    }


def margins(rng):
    x = rng.normal(size=random_shape(rng, 1, 3))
    mode = ["constant", "edge", "reflect", "symmetric", "wrap"][rng.integers(5)]
    return x, {"pad_width": rng.integers(0, 4, (x.ndim, 2)).tolist(), "mode": mode}


def diagonals(rng):
    x = rng.normal(size=random_shape(rng, 1, 2))
    return x, {"k": int(rng.integers(-3, 4))}


def matrices(rng):
    return rng.normal(size=random_shape(rng, 2)), {"k": int(rng.integers(-3, 4))}


def offsets(rng):
    x = rng.normal(size=random_shape(rng, 2))
    first, second = (int(i) for i in rng.permutation(x.ndim)[:2])
    return x, {"offset": int(rng.integers(-3, 4)), "axis1": first, "axis2": second - x.ndim}


def parts(rng):
    x = rng.normal(size=random_shape(rng, 1))
    axis = int(rng.integers(-x.ndim, x.ndim))
    ends = sorted(rng.integers(0, x.shape[axis] + 1, rng.integers(3)).tolist())
    return x, {
        "indices_or_sections": ends if rng.random() < 0.7 else int(rng.integers(1, 4)),
        "axis": axis,
    }


def places(rng):
    x = rng.normal(size=random_shape(rng))
    axis = random_axis(rng, x.ndim, several=False)
    n = x.size if axis is None or not -x.ndim <= axis < x.ndim else x.shape[axis]
    size = random_shape(rng, 0, 2)
    return x, {"indices": rng.integers(-n, n, size) if n else np.zeros((0,), int), "axis": axis}


# ------------------------------------------------------- functions that move elements, and indices


def index_of(rng):
    """Return an array and an index: integers, slices, None, an ellipsis, lists, masks."""
    x = rng.normal(size=random_shape(rng))
    index, axes = [], list(x.shape)
    length = random_shape(rng, 1, 1)[0]
    while axes and rng.random() < 0.8:
        n, kind = axes[0], rng.integers(8)
        if kind == 0:
            index.append(None)
            continue
        if kind == 1 and not any(i is ... for i in index):
            index.append(...)
            del axes[: rng.integers(len(axes) + 1)]
            continue
        if kind == 2 and len(axes) > 1:
            index.append(rng.random(tuple(axes[:2])) < 0.5)
            del axes[:2]
            continue
        bounds = [None if rng.random() < 0.4 else int(rng.integers(-n - 1, n + 2)) for _ in "ab"]
        bound = n + (rng.random() < 0.02)
        index.append(
            slice(*bounds, [None, 1, 2, -1, -2][rng.integers(5)])
            if kind < 5 or not n
            else int(rng.integers(-n, bound)) if kind == 5
            else rng.integers(-n, bound, length) if kind == 6
            else rng.integers(-n, bound, (2, length)).tolist()
        )  # fmt: skip
        del axes[0]
    return x, {"index": index[0] if len(index) == 1 and rng.random() < 0.5 else tuple(index)}


MOVES = {
    "reshape": with_shape, "transpose": with_axes, "swapaxes": with_two_axes("first", "second"),
    "squeeze": with_length_1, "broadcast_to": to_larger, "expand_dims": new_axes, "roll": moves,
    "flip": lambda rng: partial_sums(rng) if rng.random() < 0.5 else with_length_1(rng),
    "sort": partial_sums, "repeat": repeats, "tile": tiles, "pad": margins, "diag": diagonals,
    "tril": matrices, "triu": matrices, "diagonal": offsets, "split": parts, "take": places,
}  # fmt: skip
ALL_MOVES = MOVES | {f"getitem{i}": index_of for i in range(10)}


def move(name, x, settings):
    """Call NumPy's function, which an Array hands over to the engine's."""
    if name.startswith("getitem"):
        return x[settings["index"]]
    return getattr(np, name)(x, *settings.values())


def outcome(f, *args, **settings):
    """Return the result of a function, or the error."""
    try:
        return f(*args, **settings)
    except (TypeError, ValueError, IndexError) as problem:
        return problem


def same_errors(mine, theirs):
    """Return whether NumPy raised an error; assert that the engine then raises one of its kind."""
    if isinstance(theirs, Exception):
        kinds = [k for k in (TypeError, ValueError, IndexError) if isinstance(theirs, k)]
        assert isinstance(mine, tuple(kinds)), (mine, theirs)
        return True
    assert not isinstance(mine, Exception), mine
    return False


def positions(x, out):
    """Return the places of the elements of `out` in x, after 0 for new elements, which are 0."""
    values = np.concatenate([[0.0], x.ravel()])
    order = np.argsort(values)
    return order[np.searchsorted(values[order], out)]


@pytest.mark.parametrize("name", ALL_MOVES)
def test_moves(name):
    rng = np.random.default_rng(list(name.encode()))
    judged = 0
    for _ in range(CASES):
        x, settings = ALL_MOVES[name](rng)
        want, leaf = outcome(move, name, x, settings), Array(x)
        out = outcome(move, name, leaf, settings)
        try:
            if same_errors(out, want):
                continue
            judged += 1
            outs, wants = (out, want) if isinstance(want, list) else ([out], [want])
            theirs = torch.tensor(x, requires_grad=True)
            table = torch.cat([torch.zeros(1), theirs.reshape(-1)])
            y = z = 0.0
            for mine, other in zip(outs, wants, strict=True):
                assert isinstance(mine, Array)
                assert mine.shape == np.shape(other)
                np.testing.assert_array_equal(mine.data, other)
                y = y + weighted(mine**2)
                z = z + weighted(table[torch.tensor(positions(x, np.asarray(other)))] ** 2)
            compare_derivatives(y, [leaf], z, [theirs])
        except Exception as problem:
            problem.add_note(f"{name} of shape {x.shape} with {settings}")
            raise
    assert judged > CASES / 2


def compare_derivatives(y, xs, z, leaves, roundings=500):
    """Compare gradients and products with the Hessian. A nan of PyTorch is 0 here, or nan."""
    slopes = torch.autograd.grad(z, leaves, create_graph=True, allow_unused=True)
    slopes = [torch.zeros_like(x) if g is None else g for g, x in zip(slopes, leaves, strict=True)]
    moves = directions([x.data for x in xs])
    along = sum((g * torch.tensor(v)).sum() for g, v in zip(slopes, moves, strict=True))
    second = [None] * len(xs)
    if along.requires_grad:
        second = torch.autograd.grad(along, leaves, allow_unused=True)
    for got, want, order in ((grad(y, xs), slopes, 1), (hvp(y, xs, moves), second, 2)):
        for mine, other in zip(got, want, strict=True):
            other = np.zeros(mine.shape) if other is None else other.numpy(force=True)
            unknown = np.isnan(other)
            assert not np.where(np.isnan(mine), 0.0, mine)[unknown].any()
            size = max(1.0, np.abs(other[~unknown]).max(initial=0.0))
            close(mine[~unknown], other[~unknown], roundings * size, f"order {order}", floor=1.0)


# --------------------------------------------------------------------------- reductions and sums

TORCH = {
    "sum": lambda x: x.sum(-1), "mean": lambda x: x.mean(-1), "max": lambda x: x.amax(-1),
    "min": lambda x: x.amin(-1), "prod": lambda x: x.prod(-1), "var": lambda x: x.var(-1, correction=0),
    "std": lambda x: x.std(-1, correction=0), "logsumexp": lambda x: x.logsumexp(-1),
    "norm": lambda x: torch.linalg.vector_norm(x, dim=-1),
    "softmax": lambda x: x.softmax(-1), "log_softmax": lambda x: x.log_softmax(-1),
}  # fmt: skip
KEEP_SHAPE = {"softmax", "log_softmax"}
FUNCTIONS = {"norm": engine.norm}  # the others are methods


def by_torch(name, x, axis, shape):
    """Reduce the last of axes that are moved and joined."""
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = [i % x.ndim for i in axes]
    order = [i for i in range(x.ndim) if i not in axes] + axes
    moved = x.permute(order)
    joined = moved.reshape(
        *moved.shape[: x.ndim - len(axes)], int(np.prod([x.shape[i] for i in axes]))
    )
    out = TORCH[name](joined)
    return (
        out.reshape(moved.shape).permute(np.argsort(order).tolist())
        if name in KEEP_SHAPE
        else out.reshape(shape)
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TORCH)
def test_reductions(name):
    rng = np.random.default_rng(list(name.encode()))
    judged = 0
    for _ in range(CASES):
        x, settings = reductions(rng)
        leaf, axis = Array(x), settings["axis"]
        f, keys = FUNCTIONS.get(name, getattr(Array, name, None)), ["axis", "keepdims"]
        settings = {key: settings[key] for key in keys[: 1 if name in KEEP_SHAPE else 2]}
        out = outcome(f, leaf, **settings)
        want = outcome(getattr(np, name if name in ("max", "min") else "sum"), x, **settings)
        try:
            if same_errors(out, want):
                continue
            judged += 1
            shape = x.shape if name in KEEP_SHAPE else want.shape
            assert out.shape == shape
            theirs = torch.tensor(x, requires_grad=True)
            other = by_torch(name, theirs, axis, shape)
            close(out.data, other.numpy(force=True), 100, "value", floor=1.0)
            if name in ("sum", "mean", "max", "min", "prod", "var", "std"):
                close(out.data, getattr(np, name)(x, **settings), 100, "value", floor=1.0)
            compare_derivatives(weighted(out**2), [leaf], weighted(other**2), [theirs], 2000)
        except Exception as problem:
            problem.add_note(f"{name} of shape {x.shape} with {settings}")
            raise
    assert judged > CASES / 2


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_partial_sums(name):
    rng = np.random.default_rng(list(name.encode()))
    for _ in range(CASES):
        x, settings = partial_sums(rng)
        x = np.where(rng.random(x.shape) < 0.2, 0.0, x)
        leaf, axis = Array(x), settings["axis"]
        out, want = (outcome(getattr(np, name), each, axis) for each in (leaf, x))
        if same_errors(out, want):
            continue
        assert out.shape == want.shape
        close(out.data, want, 50, "value", floor=1.0)
        theirs = torch.tensor(x, requires_grad=True)
        flat = axis is None
        other = getattr(theirs.reshape(-1) if flat else theirs, name)(0 if flat else axis)
        compare_derivatives(weighted(out**2), [leaf], weighted(other**2), [theirs], 2000)


# ---------------------------------------------------------------------------- several Arrays


def operands(rng):
    """Two shapes that broadcast, and some that do not."""
    shape = random_shape(rng)
    cut = lambda: shape[rng.integers(len(shape) + 1) :]
    shapes = [tuple(1 if rng.random() < 0.3 else n for n in each) for each in (shape, cut())]
    if rng.random() < 0.05:
        shapes[1] = (*shapes[1], 7)
    return [rng.normal(size=shapes[i]) for i in rng.permutation(2)]


def factors(rng):
    """Vectors, matrices and stacks for a matrix product, and some that do not fit."""
    stack, (m, n, k) = random_shape(rng, 0, 2), rng.integers(0, 4, 3).tolist()
    cut = lambda: tuple(
        1 if rng.random() < 0.2 else n for n in stack[rng.integers(len(stack) + 1) :]
    )
    x, y = (*cut(), m, n), (*cut(), n + (rng.random() < 0.03), k)
    x, y = (x[-1:] if rng.random() < 0.2 else x), (y[-2:-1] if rng.random() < 0.2 else y)
    return [rng.normal(size=x), rng.normal(size=y)]


def alike(rng, axis):
    """Arrays that differ in the length of one axis, and some in another."""
    shape = list(random_shape(rng, 1, 3))
    axis = axis % len(shape)
    shapes = [
        [*shape[:axis], int(rng.integers(4)), *shape[axis + 1 :]] for _ in range(rng.integers(1, 4))
    ]
    if rng.random() < 0.05:
        shapes[0].append(1)
    return [rng.normal(size=shape) for shape in shapes]


PAIRS = {
    "+": (operands, lambda lib, x, y: x + y), "-": (operands, lambda lib, x, y: x - y),
    "*": (operands, lambda lib, x, y: x * y), "/": (operands, lambda lib, x, y: x / y),
    "maximum": (operands, lambda lib, x, y: lib.maximum(x, y)), "hypot": (operands, lambda lib, x, y: lib.hypot(x, y)),
    "where": (operands, lambda lib, x, y: lib.where(x > 0, x, y)), "@": (factors, lambda lib, x, y: x @ y),
    "outer": (lambda rng: [rng.normal(size=random_shape(rng, 1, 1)) for _ in "xy"], lambda lib, x, y: lib.outer(x, y)),
    "concatenate 0": (lambda rng: alike(rng, 0), lambda lib, *xs: lib.concatenate(xs)),
    "concatenate -1": (lambda rng: alike(rng, -1), lambda lib, *xs: lib.concatenate(xs, -1)),
    "stack": (lambda rng: [rng.normal(size=s) for s in [random_shape(rng, 2, 3)] * rng.integers(1, 4)], lambda lib, *xs: lib.stack(xs, -2)),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_several_arrays(name):
    draw, f = PAIRS[name]
    rng = np.random.default_rng(list(name.encode()))
    judged = 0
    for _ in range(CASES):
        at = draw(rng)
        xs = [Array(x) for x in at]
        out, want = outcome(f, np, *xs), outcome(f, np, *at)
        try:
            if same_errors(out, want):
                continue
            judged += 1
            assert out.shape == want.shape
            close(out.data, want, 50, "value", floor=1.0)
            leaves = [torch.tensor(x, requires_grad=True) for x in at]
            other = f(torch, *leaves)
            compare_derivatives(weighted(out**2), xs, weighted(other**2), leaves, 2000)
        except Exception as problem:
            problem.add_note(f"{name} of shapes {[x.shape for x in at]}")
            raise
    assert judged > CASES / 2
