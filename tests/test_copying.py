"""Copies and pickles of graphs are equal to the original at any depth, and share nothing with it."""

import copy
import gc
import pickle
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Constant, Op, Value, dot, softmax, topological, total
from engine.rules import TABLE
from strategies import any_float, programs

WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {p}": lambda x, p=p: pickle.loads(pickle.dumps(x, p)) for p in range(6)},
    "pickle in Python": lambda x: pickle._loads(pickle._dumps(x)),
    "pickle 0 in Python": lambda x: pickle._loads(pickle._dumps(x, 0)),
}
DEEP = {name: f for name, f in WAYS.items() if name != "copy"}  # copy.copy of a list is shallow
every_way = pytest.mark.parametrize("again", WAYS.values(), ids=WAYS)
every_deep_way = pytest.mark.parametrize("again", DEEP.values(), ids=DEEP)
fast_ways = [copy.deepcopy, WAYS["pickle 5"]]

ROOT = Path(__file__).parents[1]

CUBE = Op("cube", lambda x: x**3, lambda out, x: 3 * x * x)


def describe(*roots):
    """Return everything that a graph contains, as text and numbers."""
    order = topological(total(roots))[:-1]
    place = {node: i for i, node in enumerate(order)}
    return [
        (
            type(node), node.op, node.label, repr(node.data), repr(node.grad),
            [place[x] for x in node.inputs], repr(node.locals),
        )
        for node in order
    ]  # fmt: skip


def chain(length):
    """Return a leaf and the root of a chain of unary, binary and sequence nodes over it."""
    leaf = node = Value(1.0)
    for _ in range(length // 3):
        node = total([leaf - (-node)])
    return leaf, node


def gradient(root, leaf):
    leaf.zero_grad()
    root.backward()
    return leaf.grad


# ------------------------------------------------------------------------- equal and independent


@given(programs(smooth=False, numbers=any_float, longest=40), st.sampled_from([*WAYS]))
def test_the_same_graph_again(program, way):
    """Order, data, labels, gradients and local derivatives are equal; no node is shared."""
    again, results = WAYS[way], program.on_values()
    root = results[-1]
    results[0].label, root.label = "x", "out"
    root.backward()
    other = again(root)
    assert describe(other) == describe(root)
    assert not set(topological(other)) & set(topological(root))


@every_way
@pytest.mark.parametrize("node", [Value(3.0), Value(-0.0, "x"), Constant(2.0)], ids=repr)
def test_a_leaf(again, node):
    node.grad = 5.0
    other = again(node)
    assert other is not node
    assert describe(other) == describe(node)


@every_way
def test_differentiating_one_leaves_the_other_alone(again):
    x = Value(3.0, "x")
    y = x * x + dot([x, 2.0], [x, x])
    other = again(y)
    leaf = topological(other)[0]
    other.backward()
    assert (leaf.grad, x.grad, y.grad) == (14.0, 0.0, 0.0)
    y.backward()
    y.backward()
    assert (leaf.grad, x.grad) == (14.0, 28.0)
    leaf.data = 7.0
    assert x.data == 3.0


@every_way
def test_an_interior_node_is_copied_with_its_graph(again):
    x = Value(3.0)
    y = x * x
    z = y + 1
    z.backward()
    other = again(y)
    assert describe(other) == describe(y)
    assert len(topological(other)) == 2


@pytest.mark.parametrize("way", WAYS)
def test_a_graph_of_any_depth(way):
    """Chains of 5,000 and 30,000 nodes exceed the recursion limit."""
    again = WAYS[way]
    leaf, root = chain(30_000 if way == "pickle 5" else 5_000)
    other = again(root)
    order = topological(other)
    assert len(order) == len(topological(root))
    assert gradient(other, order[0]) == gradient(root, leaf)


# -------------------------------------------------------------------------------------- together


@every_deep_way
def test_two_roots_saved_together_share_what_they_shared(again):
    x, y = Value(3.0, "x"), Value(2.0, "y")
    part = x * y
    roots = [part + x, part.exp(), x, part]
    others = again(roots)
    assert describe(*others) == describe(*roots)
    assert not set(topological(total(others))) & set(topological(total(roots)))


@every_deep_way
def test_shares_of_one_softmax(again):
    shares = softmax([Value(float(i)) for i in range(5)])
    assert describe(*again(shares)) == describe(*shares)


class Model:
    """An object with parameters in lists and dicts, as models have, and a loss over them."""

    def __init__(self):
        self.weights = [Value(0.5, "w0"), Value(-1.0, "w1")]
        self.named = {"bias": Value(0.1, "b"), "again": self.weights[0]}
        self.velocity = dict.fromkeys(self.weights, 0.0)
        self.loss = dot(self.weights, [1.0, 2.0], self.named["bias"]).tanh() ** 2

    def parameters(self):
        return [*self.weights, self.named["bias"]]

    def step(self):
        self.loss.backward()
        for w in self.parameters():
            w.data -= 0.1 * w.grad


@every_deep_way
def test_a_model_that_holds_nodes(again):
    """A copy trains like the original and independently of it; its dict keys are its own nodes."""
    model, twin = Model(), Model()
    other = again(model)
    assert other.named["again"] is other.weights[0]
    assert list(other.velocity) == other.weights
    assert set(other.parameters()) < set(topological(other.loss))
    other.step()
    assert all(w.grad == 0.0 for w in model.parameters())
    twin.step()
    assert describe(other.loss, *other.parameters()) == describe(twin.loss, *twin.parameters())


# ------------------------------------------------------------------------------------- subclasses


class Named(Value):
    __slots__ = ("note",)


class Loose(Value):
    """A subclass without slots, so that its objects have a dict."""


class Odd(Value):
    __slots__ = ("__hidden", "unset")

    def __init__(self, data):
        super().__init__(data)
        self.__hidden = "here"

    def hidden(self):
        return self.__hidden


class One(Value):
    __slots__ = "note"  # Python reads this as one name


@pytest.mark.parametrize("again", fast_ways)
@pytest.mark.parametrize("cls", [Named, Loose, One])
def test_attributes_of_a_subclass_are_kept(again, cls):
    x = cls(3.0, "x")
    x.note = "first layer"
    other, *_ = topological(again(x * x))
    assert (type(other), other.data, other.label, other.note) == (cls, 3.0, "x", "first layer")


@pytest.mark.parametrize("again", fast_ways)
def test_slots_that_python_treats_specially(again):
    """A private slot, a slot that is never assigned, and the slot of weak references."""
    x = Odd(3.0)
    reference = weakref.ref(x)
    other = again(x)
    assert (type(other), other.data, other.hidden()) == (Odd, 3.0, "here")
    assert reference() is x


# --------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize("place", [0, 500, 1_500])
def test_a_failed_pickle_does_not_affect_later_ones(place):
    """The same graph, parts of it and other deep graphs can be saved afterwards."""
    leaf, root = chain(1_500)
    node = topological(root)[place]
    node._label = lambda: None
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(root)
    node.label = None
    for again in fast_ways:
        for part in [root, root.inputs[0], leaf, chain(1_500)[1]]:
            assert len(topological(again(part))) == len(topological(part))
    assert gradient(root, leaf) == 501.0
    node._label = lambda: None
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(root)
    del leaf, root, node, part
    for again in fast_ways:  # new nodes may have the addresses of the old ones
        assert len(topological(again(chain(1_500)[1]))) == 1_501


def test_a_failed_deepcopy_does_not_affect_later_ones():
    class Stubborn(str):
        def __deepcopy__(self, memo):
            raise RuntimeError("no copies")

    leaf, root = chain(3_000)
    leaf.label = Stubborn("x")
    with pytest.raises(RuntimeError, match="no copies"):
        copy.deepcopy(root)
    leaf.label = None
    for again in fast_ways:
        assert len(topological(again(root))) == len(topological(root))


@pytest.mark.parametrize("protocol", range(6))
def test_a_row_that_is_not_in_the_table_is_refused_by_name(protocol, monkeypatch):
    """A file contains no code. A row in the table is saved by its name and loaded from the table."""
    y = CUBE(Value(2.0)) + 1
    with pytest.raises(TypeError, match=r"'cube' is not in engine.rules.TABLE.*TABLE\['cube'\] ="):
        pickle.dumps(y, protocol)
    assert describe(copy.deepcopy(y)) == describe(y)  # a copy stays in this process
    monkeypatch.setitem(TABLE, "cube", CUBE)
    saved = pickle.dumps(y, protocol)
    assert describe(pickle.loads(saved)) == describe(y)
    monkeypatch.delitem(TABLE, "cube")
    with pytest.raises(ValueError, match="no operation 'cube'"):
        pickle.loads(saved)


def test_rows_are_themselves_after_a_round_trip():
    for op in TABLE.values():
        assert all(again(op) is op for again in WAYS.values())


# ------------------------------------------------------------------------- processes and threads


def test_a_pickle_is_read_by_a_fresh_process():
    x = Value(3.0, "x")
    y = x**3 + softmax([x, 1.0])[0]
    code = """if True:
        import pickle, sys
        x, y = pickle.load(sys.stdin.buffer)
        y.backward()
        print(x.grad.hex())"""
    run, saved = [sys.executable, "-c", code], pickle.dumps((x, y))
    out = subprocess.check_output(run, input=saved, cwd=ROOT)
    assert out.decode().strip() == gradient(y, x).hex()


def test_threads_do_not_see_each_other(monkeypatch, in_threads):
    """Concurrent copies, pickles and failures are correct, and each orders its graph once."""
    _, root = chain(2_000)
    want, copies, lists = describe(root), {}, []
    order = lambda node: (lists.append(node), topological(node))[1]
    monkeypatch.setattr("engine.support.copying.topological", order)

    def work(i):
        for _ in range(4):
            copies[i] = describe(fast_ways[i % 2](root))
            x = Value(1.0)
            x._label = lambda: None
            with pytest.raises((pickle.PicklingError, AttributeError)):
                pickle.dumps(x * 2)

    in_threads(work, 6)
    assert [copies[i] == want for i in range(6)] == [True] * 6
    assert len(lists) <= 6 * 4 * 2


class Proxy:
    """An object of another library, such as PyTorch, which isinstance would load."""

    @property
    def __class__(self):
        raise RuntimeError("loaded")


@every_way
def test_copying_keeps_nothing_alive(again):
    """With the collector off, original and copy are freed with the last reference to them."""
    proxy = Proxy()  # noqa: F841

    def alive():
        return sum(issubclass(type(x), Value) for x in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = alive()
        _, root = chain(40)
        other = again(root)
        assert alive() > before
        del root, other, _
        assert alive() == before
    finally:
        gc.enable()
