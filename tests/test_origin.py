"""Origins: nodes record their line of code while `record_origins` is active."""

import copy
import pickle

import pytest

from engine import Array, Origin, Value, grad, record_origins, topological
from nn import MLP, vector


def line_of(node):
    return node.origin.text


def test_leaves_and_operations_of_both_payloads():
    with record_origins():
        x = Value(2.0, "x")
        y = x * 3.0 + x
        a = Array([1.0])
        b = (a * 2.0).sum()
    assert [line_of(node) for node in (x, y, a, b)] == [
        'x = Value(2.0, "x")', "y = x * 3.0 + x", "a = Array([1.0])", "b = (a * 2.0).sum()",
    ]  # fmt: skip
    assert [line_of(node) for node in topological(y)[1:]] == ["y = x * 3.0 + x"] * 3


def test_file_line_and_function():
    def double(x):
        return x + x

    with record_origins():
        y = double(Value(1.0))
    first = double.__code__.co_firstlineno
    assert y.origin == Origin(__file__, first + 1, "double", "return x + x")
    assert str(y.origin) == f"test_origin.py, line {first + 1} in double: return x + x"


@pytest.mark.parametrize("model", [MLP(2, [3, 1], rng=0), vector.MLP(2, [3, 1], rng=0)])
def test_nodes_of_a_network_originate_at_its_call(model):
    with record_origins():
        out = model([1.0, 2.0] if isinstance(model, MLP) else [[1.0, 2.0]])
    origins = {node.origin and line_of(node) for node in topological(out)}
    assert origins == {None, "out = model([1.0, 2.0] if isinstance(model, MLP) else [[1.0, 2.0]])"}


def test_nodes_of_a_derivative_originate_at_its_call():
    x = Value(2.0)
    with record_origins():
        slope = grad(x * x, x, create_graph=True)
    assert line_of(slope) == "slope = grad(x * x, x, create_graph=True)"


def test_an_expression_over_several_lines():
    with record_origins():
        y = (
            Value(1.0)
            * Value(2.0)
            + 3.0
        ).tanh()  # fmt: skip
    assert line_of(y.inputs[0]) == "Value(1.0) * Value(2.0) + 3.0"
    assert line_of(y.inputs[0].inputs[0]) == "Value(1.0) * Value(2.0)"


def test_nothing_is_recorded_before_and_after():
    x = Value(1.0)
    with record_origins():
        with record_origins():
            pass
        inside = x * 2.0
    assert inside.origin is not None
    assert x.origin is None
    assert all(node.origin is None for node in (x * 2.0, Value(1.0), Array([1.0]) * 2.0))


def test_an_error_ends_the_recording():
    with pytest.raises(ZeroDivisionError), record_origins():
        _ = 1 / 0
    assert Value(1.0).origin is None


def test_in_threads(in_threads):
    """One thread ending its recording does not end another's."""
    origins = []

    def work(i):
        for _ in range(50):
            with record_origins():
                origins.append((Value(1.0) * 2.0).origin)

    in_threads(work, 4)
    assert len(origins) == 200
    assert None not in origins
    assert Value(1.0).origin is None


def test_copies_and_pickles_keep_origins():
    with record_origins():
        y = Value(1.0) * 2.0
    assert copy.deepcopy(y).origin == pickle.loads(pickle.dumps(y)).origin == y.origin
