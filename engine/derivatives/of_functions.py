"""Derivatives of functions: `value_and_grad`, and the call of a function on nodes."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral
from typing import Any, NamedTuple

from engine.derivatives.arguments import check_is_visible, check_scalar, depends_on
from engine.derivatives.passes import differentiate, differentiate_as_graph
from engine.functions import is_array
from engine.graph import topological
from engine.node import Node
from engine.support.arguments import format_count, is_array_like, numpy_type
from engine.support.other_names import answer_keywords
from engine.support.trees import leaves, map_leaves, replace_leaves
from engine.value import INPUTS, Value, holds_objects
from engine.watch.gradient_warnings import warn
from engine.watch.no_grad import keep_graphs

ONE_NODE = (  # the end of messages about the result of f
    "a Value or an Array of one element, got {got}; return a sum, or use jacobian for several"
)
NODES = "Values or Arrays, or lists or dicts of them, got {got}"


@answer_keywords
def value_and_grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that returns the value and the gradient of f.

    Args:
        f: a function that returns a Value or an Array of one element.
        argnums: the index of the positional argument to differentiate with respect to, or several
            indices. The argument is a number, an array, or a nested list, tuple or dict of them.

    Returns:
        a function of the arguments of f. It calls f with nodes in place of the arguments in
        `argnums`: with Arrays if there is an array among the arguments, else with Values. An
        operation on a Value and an array returns an Array. The results are floats and arrays; they
        are nodes where nodes are given, and within another function that is being differentiated,
        so that derivatives nest. The gradient has the form of the argument; for several
        `argnums`, it is a tuple of gradients.

    Issues GradientWarning if f returns a plain number, which does not depend on its arguments:
    return the node, not its `.data` or `.item()`. A constant node issues no warning.

    The function raises TypeError for arguments that are not real numbers, and ValueError if f
    returns several elements.

    >>> value_and_grad(lambda x, y: x * x * y)(3.0, 2.0)
    (18.0, 12.0)
    >>> value_and_grad(lambda p, x: p["w"] * x + p["b"])({"w": 3.0, "b": 1.0}, 2.0)
    (7.0, {'w': 2.0, 'b': 1.0})
    """
    if not callable(f) or isinstance(f, Node):
        raise TypeError(f"value_and_grad expects a function, got {f!r}")
    positions = check_positions(argnums)

    def value_and_gradient(*args: Any, **keywords: Any) -> tuple[Any, Any]:
        call = call_on_nodes(f, args, positions, keywords)
        y, inputs = call.node(), leaves(call.inputs)
        check_is_visible(y, inputs)
        with keep_graphs():
            run = differentiate_as_graph if call.nested else differentiate
            parts = run(y, check_scalar(y)._one(), inputs)
        gradient = call.in_form_of_arguments(parts)
        return call.plain(y), gradient[0] if isinstance(argnums, Integral) else gradient

    return functools.update_wrapper(value_and_gradient, f, updated=())


def check_positions(argnums: Any) -> tuple[int, ...]:
    """Return a tuple of the indices of arguments. Raises TypeError for anything else."""
    positions = tuple(argnums) if isinstance(argnums, Sequence) else (argnums,)
    if all(isinstance(i, Integral) and not isinstance(i, bool) for i in positions):
        return positions
    raise TypeError(f"argnums must be indices of arguments, such as 0 or (0, 1), got {argnums!r}")


class Call(NamedTuple):
    """A call of a function on nodes."""

    f: Callable[..., Any]
    given: tuple[Any, ...]  # the arguments to differentiate with respect to
    inputs: list[Any]  # new nodes in their form
    result: Any
    dtype: Any  # of numbers, or None if they are Values
    is_inner: bool  # whether another function is being differentiated, on which the result depends

    @property
    def nested(self) -> bool:
        """True if derivatives are nodes: if nodes were given, or the call is an inner one."""
        return self.is_inner or any(isinstance(x, Node) for x in leaves(self.given))

    def node(self) -> Any:
        """Return the result as a node. Raises TypeError if there are several."""
        return self.as_node(self.result, ONE_NODE)

    def nodes(self) -> Any:
        """Return the result with a constant in place of each number."""
        return map_leaves(self.as_node, self.result)

    def as_node(self, y: Any, expected: str = NODES) -> Node:
        """Return a part of the result as a node.

        Warns if no part is a node: the derivatives are then 0, perhaps because f left the graph.
        Does not warn about a constant node, such as the derivative of a linear function.
        """
        if isinstance(y, Node):
            return y
        node = constant_result(self.f, y, self.dtype, expected)
        parts = leaves(self.result)
        if parts and y is parts[0] and not any(isinstance(part, Node) for part in parts):
            warn(
                f"{name_function(self.f)} returned {y!r}, which does not depend on the arguments, "
                "so the derivatives are 0; return the node, not its .data, .item() or float()"
            )
        return node

    def plain(self, y: Any) -> Any:
        """Return a result: itself within another derivative, else a float or an array."""
        data = y.data if isinstance(y, Node) else y
        return y if self.nested else to_plain(data, 0.0 if self.dtype is None else data)

    def in_form_of_arguments(self, parts: Sequence[Any]) -> Any:
        """Return derivatives, one for each input, in the form of the arguments."""
        return replace_leaves(self.given, map(to_plain, parts, leaves(self.given)))


def call_on_nodes(
    f: Callable[..., Any], args: Any, positions: Sequence[int], keywords: dict[str, Any]
) -> Call:
    """Call f on new nodes in the form of the arguments at `positions`.

    Numbers become Values, or Arrays if there is an array among the arguments.
    """
    for i in positions:
        if not -len(args) <= i < len(args):
            raise TypeError(
                f"expected an argument {i} to differentiate with respect to, got "
                f"{format_count(len(args), 'positional argument')}"
            )
    given, replaced, outer = tuple([args[i] for i in positions]), list(args), INPUTS.get()
    dtype = dtype_of_numbers(leaves([*args, *keywords.values()]))
    inputs = [map_leaves(functools.partial(as_input, dtype=dtype), tree) for tree in given]
    for i, tree in zip(positions, inputs, strict=True):
        replaced[i] = tree
    with keep_graphs(), differentiating(outer | {*leaves(inputs)}):
        y = map_leaves(as_one_node, f(*replaced, **keywords))
    if not outer and any(isinstance(x, Node) for x in leaves(given)):
        refuse_mixed(f, leaves(y))
    is_inner = any(isinstance(part, Node) and depends_on(part, outer) for part in leaves(y))
    return Call(f, given, inputs, y, dtype, is_inner)


def name_function(f: Callable[..., Any]) -> str:
    """Return the name of a function in messages."""
    return getattr(f, "__name__", repr(f))


@contextmanager
def differentiating(inputs: frozenset[Node]) -> Iterator[None]:
    """Mark the inputs of the functions that are being differentiated."""
    token = INPUTS.set(inputs)
    try:
        yield
    finally:
        INPUTS.reset(token)


def as_one_node(y: Any) -> Any:
    """Return an array of Values, such as a result of `np.stack`, as an Array; else return y."""
    if not holds_objects(y):
        return y
    from engine.arrays.mixed import join_operand

    return join_operand(y)


def refuse_mixed(f: Callable[..., Any], results: list[Any]) -> None:
    """Raise TypeError for a graph of Values and Arrays, which `backward()` does not differentiate.

    Given nodes stay in the graph of a derivative, while numbers are replaced by nodes of its own.
    """
    for y in results:
        if isinstance(y, Node) and len({is_array(x) for x in topological(y)}) > 1:
            raise TypeError(
                f"{name_function(f)} combines Values with arrays, and was given nodes: Values and "
                "Arrays do not mix; pass numbers in place of the nodes, or Arrays in place of the "
                "Values"
            )


def dtype_of_numbers(arguments: list[Any]) -> Any:
    """Return the dtype of numbers beside the arrays among the arguments; None without arrays."""
    arrays = [x for x in arguments if is_array(x) or has_axes(x)]
    if not arrays:
        return None
    import numpy as np

    dtypes = {x.dtype if is_array(x) else np.asarray(x).dtype for x in arrays}
    dtypes = {dtype for dtype in dtypes if dtype.kind == "f"}
    return dtypes.pop() if len(dtypes) == 1 else float


def as_input(x: Any, dtype: Any = None) -> Node:
    """Return a new node with the data of an argument; numbers become Arrays if there is a dtype.

    It depends on a given node, but is not that node: `f` may use the node itself as well.
    Raises TypeError for anything but a node, a number or an array.
    """
    if isinstance(x, Node):
        if not x.constant:
            return x * 1.0
        x = x.data
    if getattr(getattr(x, "dtype", None), "kind", "") == "O":
        raise TypeError(
            "expected an array of numbers to differentiate with respect to, got one of objects; "
            "under jit, an array argument contains the numbers of the recording: call grad without "
            "jit, or on the function under jit, as in grad(jit(f)), with Values in place of numbers"
        )
    if dtype is None and not has_axes(x):
        return Value(x)
    from engine.arrays.array import Array

    return Array(x, dtype=None if has_axes(x) or hasattr(x, "dtype") else dtype)


def has_axes(x: Any) -> bool:
    """Return whether an argument is an array of NumPy or of another library."""
    return isinstance(x, numpy_type("ndarray")) or is_array_like(x)


def constant_result(f: Callable[..., Any], y: Any, dtype: Any, expected: str) -> Node:
    """Return the node of a result that does not depend on the arguments.

    Raises TypeError for a result that is not a number, and for a bool: a slope of 0 would hide that
    f compares.
    """
    try:
        if type(y) is bool or getattr(getattr(y, "dtype", None), "kind", "") == "b":
            raise TypeError("a bool")
        return as_input(y, dtype)
    except TypeError:
        raise TypeError(f"{name_function(f)} must return {expected.format(got=repr(y))}") from None


def to_plain(x: Any, like: Any = None) -> Any:
    """Return a number for an array without axes: a float if `like` is a number of Python."""
    if isinstance(x, Node) or getattr(x, "ndim", None) != 0:
        return x
    return x.item() if isinstance(like, int | float) else x[()]
