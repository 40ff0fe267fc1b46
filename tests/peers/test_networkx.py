"""Graphs for NetworkX: their paths give the gradients."""

import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from engine import Array, Value, explain, multigraph, softmax, to_networkx, topological

networkx = pytest.importorskip("networkx")


def sum_over_paths(graph, start, end):
    """Return the sum over all paths of the products of local derivatives: the chain rule."""
    paths = networkx.all_simple_edge_paths(graph, start, end)
    return sum(math.prod(graph.edges[edge]["local"] for edge in path) for path in paths)


@given(st.floats(0.5, 2.0), st.floats(0.5, 2.0))
def test_paths_give_gradients(a, b):
    """The sum over paths is the gradient; x * x has two edges, and so two paths."""
    x, y = Value(a, "x"), Value(b, "y")
    z = x * x
    root = (z + y).tanh() * (z - y) / y
    root.backward()
    graph, order = to_networkx(root), topological(root)
    assert networkx.is_directed_acyclic_graph(graph)
    assert graph.number_of_edges(order.index(x), order.index(z)) == 2
    for leaf in (x, y):
        total = sum_over_paths(graph, order.index(leaf), order.index(root))
        assert total == pytest.approx(leaf.grad, rel=1e-9, abs=1e-9)
        paths = [*networkx.all_simple_edge_paths(graph, order.index(leaf), order.index(root))]
        assert len(paths) == len(explain(root, leaf).paths)


def test_nodes_and_edges():
    model = nn.MLP(2, [4, 1], "tanh", rng=0)
    loss = (model([1.0, 2.0]) - 1.0) ** 2
    loss.backward()
    graph, order = to_networkx(loss), topological(loss)
    assert [*graph.nodes] == [*range(len(order))]
    for k, node in enumerate(order):
        entry = graph.nodes[k]
        assert (entry["data"], entry["grad"]) == (node.data, node.grad)
        assert entry["constant"] is node.constant
        assert entry["op"] == (node.op.name if node.op else "")
        assert entry["label"] == (node.label or "")
        edges = sorted(graph.in_edges(k, data="local", keys=True), key=lambda edge: edge[2])
        assert [order[x] for x, *_ in edges] == [*node.inputs]
        assert [local for *_, local in edges] == (list(node.locals) if node.op else [])


def test_other_graphs():
    """Arrays, rows with several results, and a leaf."""
    x = Array(np.ones((2, 3)))
    graph = to_networkx((x @ np.ones((3, 2))).exp().sum())
    assert [local is None for *_, local in graph.edges(data="local")] == [True, True, False, True]
    xs = [Value(1.0), Value(2.0)]
    assert to_networkx(softmax(xs)[0]).number_of_edges() == 3
    assert to_networkx(xs[0]).number_of_nodes() == 1
    with pytest.raises(TypeError, match="expected a node such as a Value, got 3"):
        to_networkx(3)


def test_a_graph_can_be_written(tmp_path):
    """GraphML has no None: labels and operations are strings, and constants have no slope."""
    networkx.write_graphml(to_networkx(Value(2.0, "x").exp() * 3.0), tmp_path / "graph.xml")
    assert "exp" in (tmp_path / "graph.xml").read_text("utf-8")


def test_examples():
    result = doctest.testmod(multigraph)
    assert result.attempted
    assert not result.failed
