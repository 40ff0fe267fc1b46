"""`to_networkx`: the graph of a node for NetworkX."""

from typing import TYPE_CHECKING, Any

from engine.graph import topological
from engine.support.lazy import import_extra

if TYPE_CHECKING:
    from networkx import MultiDiGraph


def to_networkx(root: Any) -> "MultiDiGraph":
    """Return the graph under a node as a `networkx.MultiDiGraph`.

    Node k of the result is the k-th node of `topological(root)`, so `root` is the last. It has the
    attributes `label` and `op`, which are "" if there is none, `data`, `grad` and `constant`. Edges
    lead from an input to the node that uses it. Their key is the position of the input, and
    `local` is the local derivative, one for each result of an operation with several. Edges from a
    constant have no `local`, and neither do those of rows that mix elements, whose derivative is a
    matrix. A node that occurs twice among the inputs, as in x * x, has two edges.

    Requires NetworkX, the extra `networkx`. Raises ImportError if it is not installed, and
    TypeError if `root` is not a node.

    >>> from engine import Value
    >>> x = Value(3.0, "x")
    >>> graph = to_networkx(x * x)
    >>> print(graph)
    MultiDiGraph with 2 nodes and 2 edges
    >>> graph.nodes[1]["op"], [local for _, _, local in graph.edges(data="local")]
    ('*', [3.0, 3.0])
    """
    order = topological(root)
    graph = import_extra("networkx", "to_networkx", "networkx").MultiDiGraph()
    index = {node: k for k, node in enumerate(order)}
    for node, k in index.items():
        op = "" if node.op is None else node.op.name
        graph.add_node(
            k, label=node.label or "", op=op, data=node.data, grad=node.grad,
            constant=node.constant,
        )  # fmt: skip
        if node.op is not None:
            for i, (x, local) in enumerate(zip(node.inputs, node.locals, strict=True)):
                slope = {} if local is None else {"local": local}
                graph.add_edge(index[x], k, key=i, **slope)
    return graph
