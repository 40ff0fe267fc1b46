"""Arguments of derivatives: nodes, directions of their shape, and the data of both."""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from engine.functions import is_array
from engine.graph import topological
from engine.node import Node
from engine.support.arguments import numpy_type
from engine.support.trees import leaves, replace_leaves
from engine.value import Value, as_float

if TYPE_CHECKING:
    import numpy as np

    Data = float | np.ndarray  # of a Value or of an Array


def check_output(y: object) -> Node:
    """Return y, a node with one result. Raises TypeError for anything else."""
    if isinstance(y, list | tuple):
        raise TypeError(
            f"expected a node to differentiate, got a {type(y).__name__} of {len(y)}; "
            "jacobian takes several"
        )
    if callable(y) and not isinstance(y, Node):
        raise TypeError(f"expected a node to differentiate, got the function {y!r}; call it first")
    if not isinstance(y, Node):
        raise TypeError(f"expected a node to differentiate, got {y!r}; compute it from nodes")
    refuse_several_results(y)
    return y


def check_inputs(xs: Any) -> list[Any]:
    """Return a list of the nodes to differentiate with respect to, given a node or a tree of them.

    Raises TypeError for anything that is not a node, and ValueError for constants.
    """
    nodes = leaves(xs)
    for x in nodes:
        if not isinstance(x, Node):
            raise TypeError(
                "expected a node, or a list or dict of nodes, to differentiate with respect to, "
                f"got {x!r}"
            )
        refuse_several_results(x)
        if x.constant:
            raise ValueError(
                f"{x!r} does not require a gradient; make a Value or an Array of its .data"
            )
    return nodes


def check_kinds(outputs: Iterable[Node], inputs: Sequence[Node]) -> None:
    """Raise TypeError for an Array that depends on none of the Values, or vice versa.

    It may depend on one within a function that is being differentiated, where both kinds mix. The
    result of a function under `jit`, an Array, depends on Values that are its arguments.
    """
    for y in outputs:
        check_is_visible(y, inputs)
        differ = inputs and y.op is not None and all(is_array(x) != is_array(y) for x in inputs)
        if differ and not depends_on(y, inputs):
            raise kinds_do_not_mix(y, inputs[0])


def check_is_visible(y: Node, inputs: Sequence[Node]) -> None:
    """Raise TypeError if y depends on an Array of parameters that stands for one of the inputs."""
    for node in topological(y) if is_array(y) else ():
        if node._stands_for:
            hidden = {*node._stands_for}
            for x in inputs:
                if x in hidden:
                    raise kinds_do_not_mix(y, x)


def kinds_do_not_mix(y: Node, x: Node) -> TypeError:
    return TypeError(
        f"{y!r} cannot be differentiated with respect to {x!r}: Values and Arrays do not mix; the "
        "result of jit depends on its arguments and on its parameters(), and backward() sets "
        "the .grad of Values"
    )


def depends_on(y: Node, inputs: Collection[Node]) -> bool:
    """Return whether y was computed from one of the nodes."""
    return bool(inputs) and not {*inputs}.isdisjoint(topological(y))


def refuse_several_results(node: Node) -> None:
    """Raise TypeError for the node of an operation with several results."""
    if node.op is not None and node.op._has_several_outputs:
        node.apply()  # raises


def check_directions(name: str, xs: Any, vs: Any) -> list[Any]:
    """Return a list of directions, one for each x, in the form of the xs.

    Raises ValueError if their number differs, TypeError if their form does.
    """
    if isinstance(xs, dict):
        if not isinstance(vs, dict):
            raise TypeError(f"{name} expects a dict of directions, one for each x, got {vs!r}")
        if xs.keys() != vs.keys():
            raise ValueError(f"{name} expects directions for {[*xs]}, got {[*vs]}")
        return [v for key, x in xs.items() for v in check_directions(name, x, vs[key])]
    if not isinstance(xs, list | tuple):
        return [vs]
    sequences: tuple[Any, ...] = (list, tuple, *numpy_type("ndarray"))
    if not isinstance(vs, sequences):
        raise TypeError(f"{name} expects a list of directions, one for each x, got {vs!r}")
    if len(vs) != len(xs):
        raise ValueError(f"{name} expects one direction for each x, got {len(vs)} for {len(xs)}")
    return [v for x, part in zip(xs, vs, strict=True) for v in check_directions(name, x, part)]


def check_given(name: str, letter: str, direction: object) -> None:
    """Raise TypeError if the direction of a product is missing."""
    if direction is None:
        of_function = "" if name == "hvp" else f", or {name}(f, [x], {letter}) of a function f"
        raise TypeError(
            f"{name} expects a direction {letter}, got None; write {name}(y, xs, {letter}) of a "
            f"node y{of_function}"
        )


def directions_as_data(name: str, xs: Any, vs: Any) -> list[Any]:
    """Return a list of directions, one for each x, as data or nodes."""
    return [
        convert_direction(x, v)
        for x, v in zip(leaves(xs), check_directions(name, xs, vs), strict=True)
    ]


def convert_direction(x: Any, v: Any) -> "Data | Node":
    """Return a direction as data of the node's shape and dtype, or the direction if it is a node.

    Raises TypeError for non-numeric data and ValueError for another shape.
    """
    if isinstance(v, Node):
        if is_array(v) != is_array(x) or (is_array(v) and (v.shape, v.dtype) != (x.shape, x.dtype)):
            raise ValueError(
                f"a direction must have the shape and dtype of its node {x!r}, got {v!r}"
            )
        return v
    try:
        if isinstance(x, Value):
            return as_float(v)
        from engine.arrays.arguments import as_data

        data = as_data(v, x.dtype)
    except TypeError as problem:
        raise TypeError(f"a direction must be a number or an array: {problem}") from None
    if data.shape != x.shape:
        raise ValueError(
            f"a direction must have the shape {x.shape} of its node, got shape {data.shape}"
        )
    return data


def check_scalar(y: object) -> Node:
    """Return y, a Value or an Array of one element. Raises ValueError for several elements."""
    if is_array(y) and y.size != 1:
        raise ValueError(
            f"grad expects a node of one element, got shape {y.shape}; take its .sum(), or use vjp "
            "or jacobian"
        )
    return check_output(y)


def zeros_like(x: Node) -> "Data":
    """Return a gradient of zeros for a node."""
    if isinstance(x, Value):
        return 0.0
    import numpy as np

    return np.zeros_like(x.data)


def to_data(x: Any) -> Any:
    """Return the data of a node; of data the data; of several results a tuple."""
    if isinstance(x, tuple):
        return tuple(map(to_data, x))
    return x.data if isinstance(x, Node) else x


def copy_data(x: Any) -> "Data":
    """Return the data of a node, or data, as an object that the caller may modify."""
    x = to_data(x)
    return x.copy(order="K") if isinstance(x, numpy_type("ndarray")) else x


def restore_form(xs: Any, results: Sequence[Any]) -> Any:
    """Return the results in the form of `xs`: one, a list, a dict, or nested ones."""
    return list(results) if isinstance(xs, tuple) else replace_leaves(xs, results)
