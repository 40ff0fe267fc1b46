"""The part of a graph of Arrays that is nearest to its root, as a graph of its own."""

from typing import Any

from engine.arrays.array import Array
from engine.draw.graph.clusters import Model
from engine.draw.graph.coarse import keep_nearest
from engine.draw.graph.copies import copy_node
from engine.draw.graph.view import View, build_view
from engine.graph import topological


def view_nearest(root: Any, model: Model | None, limit: int) -> View:
    """Return the view of the part of a large graph of Arrays that is nearest to its root.

    Its nodes are copies, whose gradients are those of the whole graph. Nodes below are left out;
    those of them that the part uses are leaves. The note of the view says how many are left out.
    """
    order = topological(root)
    rest = {node for group in keep_nearest(order, [], limit) for node in group.nodes}
    copies: dict[Any, Any] = {}
    for node in order:
        if node in rest or node.op is None:
            continue
        for x in node.inputs:
            if x not in copies:
                is_leaf = x.constant or x.op is None
                copies[x] = x if is_leaf else Array(x.data, label=x.label or f"X{len(copies)}")
        copies[node] = copy_node(node, [copies[x] for x in node.inputs])
    near = topological(copies[root])
    has_parameters = model is not None and not {*model.named_parameters().values()}.isdisjoint(near)
    view = build_view(copies[root], model if has_parameters else None, "values", len(near))
    note = f"The part nearest to the root; {len(rest):,} more nodes are below it; limit={limit:,}"
    return view._replace(note=note)
