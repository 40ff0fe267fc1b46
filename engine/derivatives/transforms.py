"""Derivatives as functions: of any order, in reverse and forward mode, of Values and of Arrays.

`backward()` adds to `.grad`; these functions leave every `.grad` unchanged and return their result.
With `create_graph` the result is a graph itself, which can be drawn, stepped through and
differentiated again. See Griewank and Walther 2008, "Evaluating Derivatives".
"""

import functools
import operator
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

from engine.derivatives.arguments import (
    check_given,
    check_inputs,
    check_kinds,
    check_output,
    check_scalar,
    convert_direction,
    copy_data,
    directions_as_data,
    restore_form,
    zeros_like,
)
from engine.derivatives.of_functions import (
    Call,
    as_input,
    call_on_nodes,
    check_positions,
    to_plain,
    value_and_grad,
)
from engine.derivatives.passes import differentiate, differentiate_as_graph, forward_pass
from engine.functions import is_array
from engine.node import DataT, Node
from engine.support.arguments import check_flag
from engine.support.lazy import numpy_for
from engine.support.other_names import answer_keywords
from engine.support.trees import leaves, map_leaves
from engine.value import Value
from engine.watch.no_grad import keep_graphs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

NodeT = TypeVar("NodeT", bound=Node)
No: TypeAlias = Literal[False]
Yes: TypeAlias = Literal[True]
Function: TypeAlias = Callable[..., Any]
Indices: TypeAlias = int | Sequence[int]
Tree: TypeAlias = Node | Sequence[Any] | dict[Any, Any]  # of nodes


@overload
def grad(y: Node, xs: Node[DataT], *, create_graph: No = False) -> DataT: ...
@overload
def grad(y: Node, xs: Sequence[Node[DataT]], *, create_graph: No = False) -> list[DataT]: ...
@overload
def grad(y: Node, xs: NodeT, *, create_graph: Yes) -> NodeT: ...
@overload
def grad(y: Node, xs: Sequence[NodeT], *, create_graph: Yes) -> list[NodeT]: ...
@overload
def grad(y: Node, xs: Tree, *, create_graph: bool = False) -> Any: ...
@overload
def grad(y: Function, xs: Indices = 0, *, argnums: Indices | None = None) -> Function: ...
@answer_keywords
def grad(y: Any, xs: Any = None, *, argnums: Any = None, create_graph: bool = False) -> Any:
    """Return dy/dx, the gradient of y with respect to nodes; of a function, its gradient function.

    Args:
        y: a Value, or an Array of one element.
        xs: a node, or a nested list or dict of nodes, leaves or not. Where y does not depend on x,
            the result is 0.
        create_graph: return nodes, which can be differentiated again, instead of floats and arrays.

    Returns:
        a float for a Value, an array of x's shape for an Array; in the form of xs if there are
        several.

    `grad(f, argnums=0)` of a function f returns a function: the second result of
    `value_and_grad(f, argnums)`.

    Raises ValueError if y has several elements, and TypeError if an argument is not a node, or if y
    is an Array and all xs are Values, or the reverse. The result is the derivative at the data that
    y was computed from. If a leaf has been assigned new data since then, `create_graph` raises
    ValueError: the derivative's graph would mix old and new data. Where a row chooses (`where`,
    relu), the derivative chooses by the current data; a tape of it is correct as long as no choice
    changes.

    >>> x = Value(3.0)
    >>> grad(x**4, x)
    108.0
    >>> slope = grad(x**4, x, create_graph=True)
    >>> grad(slope, x)
    108.0
    >>> grad(grad(lambda x: x**4))(3.0)
    108.0
    """
    if is_function(y):
        differentiated = value_and_grad(y, check_argnums("grad", y, xs, argnums))
        return functools.update_wrapper(
            lambda *args, **keywords: differentiated(*args, **keywords)[1], y, updated=()
        )
    if xs is None or argnums is not None:
        raise TypeError(
            "grad expects a node and the nodes to differentiate with respect to, or a function and "
            f"argnums, got {y!r}, {xs!r} and argnums={argnums!r}"
        )
    return vjp(y, xs, check_scalar(y)._one(), create_graph=create_graph)


def is_function(f: Any) -> bool:
    return callable(f) and not isinstance(f, Node)


def check_argnums(name: str, f: Function, xs: Any, argnums: Any) -> Any:
    """Return the indices of arguments of f: `argnums`, or the second positional argument.

    Raises TypeError if that is a node: a function has argnums.
    """
    indices = argnums if argnums is not None else 0 if xs is None else xs
    if any(isinstance(x, Node) for x in leaves(indices)):
        raise TypeError(
            f"expected a node to differentiate, got the function {f!r}; call it first, or "
            f"differentiate the function with {name}(f, argnums=0)"
        )
    return indices


def derivative_of_function(
    name: str,
    f: Function,
    xs: Any,
    argnums: Any,
    derive: Callable[[Any, list[Any]], tuple[Any, ...]],
    *,
    order: int,
) -> Function:
    """Return a function of the arguments of f that returns derivatives as numbers.

    `derive` returns a tuple with a derivative for each argument, and one within it for each second
    argument if the order is 2. A single index in place of `argnums` selects the only entry.
    """
    indices = check_argnums(name, f, xs, argnums)
    positions = check_positions(indices)

    def derivative(*args: Any, **keywords: Any) -> Any:
        call = call_on_nodes(f, args, positions, keywords)
        if call.is_inner:
            raise TypeError(
                f"{name} of a function returns numbers, which cannot be differentiated again; nest "
                "grad, jvp and vjp, whose results may be nodes"
            )
        parts: Any = derive(call.nodes(), call.inputs)
        for _ in range(order if isinstance(indices, Integral) else 0):
            (parts,) = parts
        return parts

    return functools.update_wrapper(derivative, f, updated=())


def call_on_primals(name: str, f: Function, primals: Any) -> Call:
    """Call f on nodes. Raises TypeError unless `primals` is a list or tuple of its arguments."""
    if not isinstance(primals, list | tuple):
        raise TypeError(
            f"expected a node to differentiate, got the function {f!r}; call it first, or pass a "
            f"list of its arguments to {name}, got {primals!r}"
        )
    return call_on_nodes(f, primals, range(len(primals)), {})


def products_for(call: Call, primals: Any, parts: Sequence[Any]) -> Any:
    """Return products, one for each input, in the form of the list or tuple of arguments."""
    products = call.in_form_of_arguments(parts)
    return products if isinstance(primals, tuple) else list(products)


@overload
def vjp(y: Node, xs: Node[DataT], v: "ArrayLike", *, create_graph: No = False) -> DataT: ...
@overload
def vjp(
    y: Node, xs: Sequence[Node[DataT]], v: "ArrayLike", *, create_graph: No = False
) -> list[DataT]: ...
@overload
def vjp(y: Node, xs: NodeT, v: "ArrayLike", *, create_graph: Yes) -> NodeT: ...
@overload
def vjp(y: Node, xs: Sequence[NodeT], v: "ArrayLike", *, create_graph: Yes) -> list[NodeT]: ...
@overload
def vjp(y: Node, xs: Node | Sequence[Node], v: "ArrayLike", *, create_graph: bool) -> Any: ...
@overload
def vjp(y: Function, xs: Sequence[Any], v: Any) -> tuple[Any, Any]: ...
@answer_keywords
@keep_graphs()
def vjp(y: Any, xs: Any, v: Any = None, *, create_graph: bool = False) -> Any:
    """Return v · dy/dx, the vector-Jacobian product, by one backward pass.

    `v` has the shape of y; if it is a node, the result is a graph that depends on it. The other
    arguments, the result and the errors are those of `grad` for nodes.

    `vjp(f, primals, v)` of a function f and a list of its arguments returns the value of f and a
    product for each argument. Numbers, trees and nodes are those of `value_and_grad`.

    >>> from engine import Array
    >>> x = Array([1.0, 2.0, 3.0])
    >>> vjp(x * x, x, [1.0, 0.0, 10.0])
    array([ 2.,  0., 60.])
    >>> vjp(lambda x, y: x * x * y, (3.0, 2.0), 10.0)
    (18.0, (120.0, 90.0))
    """
    check_given("vjp", "v", v)
    if is_function(y):
        call = call_on_primals("vjp", y, xs)
        out = call.nodes()
        parts = vjp(check_output(out), leaves(call.inputs), v, create_graph=call.nested)
        return map_leaves(call.plain, out), products_for(call, xs, parts)
    inputs = check_inputs(xs)
    v = convert_direction(check_output(y), v)
    check_kinds([y], inputs)
    as_graph = check_flag("create_graph", create_graph) or isinstance(v, Node)
    run = differentiate_as_graph if as_graph else differentiate
    return restore_form(xs, run(y, v, inputs))


@overload
def jvp(y: Function, xs: Sequence[Any], vs: Sequence[Any]) -> tuple[Any, Any]: ...
@overload
def jvp(y: Node, xs: Tree, vs: Any, *, create_graph: bool = False) -> Any: ...
@answer_keywords
@keep_graphs()
def jvp(y: Any, xs: Any, vs: Any = None, *, create_graph: bool = False) -> Any:
    """Return dy/dx · v, the Jacobian-vector product, by one forward pass.

    `vs` has a direction for each x, of its shape, in the form of xs. The pass computes the tangent
    of each node: its derivative when the xs move in these directions. A forward pass yields one
    column of the Jacobian, a backward pass one row.

    With `create_graph`, or if a direction is a node, the result is a graph. It is then computed by
    two backward passes (Townsend 2017, "A new trick for calculating Jacobian vector products").

    `jvp(f, primals, tangents)` of a function f, a list of its arguments and a list of directions
    returns the value of f and the product, as in JAX. f may return several results. Numbers, trees
    and nodes are those of `value_and_grad`.

    Raises ValueError if the number or the shapes of the directions differ from those of xs.

    >>> x, y = Value(3.0), Value(2.0)
    >>> jvp(x * x * y, [x, y], [1.0, 0.0])
    12.0
    >>> jvp(lambda x, y: x * x * y, (3.0, 2.0), (1.0, 0.0))
    (18.0, 12.0)
    """
    check_given("jvp", "vs", vs)
    if is_function(y):
        call = call_on_primals("jvp", y, xs)
        out = call.nodes()
        product = lambda y: jvp(y, call.inputs, vs, create_graph=call.nested)
        return map_leaves(call.plain, out), map_leaves(lambda y: to_plain(product(y), 0.0), out)
    inputs = check_inputs(xs)
    check_kinds([check_output(y)], inputs)
    vs = directions_as_data("jvp", xs, vs)
    if check_flag("create_graph", create_graph) or any(isinstance(v, Node) for v in vs):
        u = as_input(y._one())
        rows = differentiate_as_graph(y, u, inputs)  # linear in u
        return derivative_of_products(rows, vs, [u], differentiate_as_graph)[0]
    tangents: dict[Any, Any] = {}
    for x, v in zip(inputs, vs, strict=True):
        tangents[x] = tangents[x] + v if x in tangents else v
    tangent = forward_pass(y, tangents)
    return copy_data(zeros_like(y) if tangent is None else tangent)


def derivative_of_products(
    slopes: list[Any], vs: list[Any], xs: list[Any], run: Callable[..., list[Any]]
) -> list[Any]:
    """Return the derivatives of slopes · vs with respect to the xs, by `run`."""
    products: dict[Any, Any] = {}  # by dtype: nodes of different dtypes cannot be added
    for slope, v in zip(slopes, vs, strict=True):
        product = slope * v
        product = product.sum() if is_array(product) else product
        dtype = getattr(product, "dtype", float)
        products[dtype] = products[dtype] + product if dtype in products else product
    results = [run(product, product._one(), xs) for product in products.values()]
    return [functools.reduce(operator.add, parts) for parts in zip(*results, strict=True)]


@overload
def jacobian(ys: Function, xs: Indices = 0, *, argnums: Indices | None = None) -> Function: ...
@overload
def jacobian(ys: Tree, xs: Tree) -> Any: ...
@answer_keywords
def jacobian(ys: Any, xs: Any = None, *, argnums: Any = None) -> Any:
    """Return all first derivatives, by one backward pass for each element of y.

    Returns:
        an array of shape `(*y.shape, *x.shape)` for one y and one x; an array of shape
        `(len(ys), len(xs))` for lists of Values; for lists that contain Arrays, and for nested
        lists and dicts, an array for each y and x, in the form of ys and within it in that of xs.

    `jacobian(f, argnums=0)` of a function f returns a function of its arguments, as `grad` does.
    Several `argnums` give a tuple. Raises TypeError within another function that is being
    differentiated, because the results are numbers.

    >>> x, y = Value(3.0), Value(2.0)
    >>> jacobian([x * y, x + y], [x, y])
    array([[2., 3.],
           [1., 1.]])
    >>> jacobian(lambda x: [x[0] * x[1], x[0] + x[1]])([3.0, 2.0])
    array([[2., 3.],
           [1., 1.]])
    """
    if is_function(ys):
        derive = lambda ys, trees: tuple([jacobian(ys, tree) for tree in trees])
        return derivative_of_function("jacobian", ys, xs, argnums, derive, order=1)
    np = numpy_for("a matrix of derivatives")
    inputs, outputs = check_inputs(xs), [check_output(y) for y in leaves(ys)]
    check_kinds(outputs, inputs)
    blocks = [jacobian_blocks(y, inputs) for y in outputs]
    are_numbers = all(isinstance(x, Value) for x in inputs) and not any(
        np.ndim(block) for row in blocks for block in row
    )
    if not (is_flat(ys) and is_flat(xs) and are_numbers):
        return restore_form(ys, [restore_form(xs, row) for row in blocks])
    matrix = np.array(blocks).reshape(len(outputs), len(inputs))
    rows = matrix if isinstance(ys, list | tuple) else matrix[0]
    result = rows if isinstance(xs, list | tuple) else rows[..., 0]
    return result if result.ndim else float(result)


def is_flat(xs: Any) -> bool:
    """Return whether `xs` is a node or a list of nodes, not a dict or a nested list."""
    return isinstance(xs, Node) or (
        isinstance(xs, list | tuple) and all(isinstance(x, Node) for x in xs)
    )


def jacobian_blocks(y: Any, inputs: list[Any]) -> list[Any]:
    """Return dy/dx for each x, of shape `(*y.shape, *x.shape)`."""
    if isinstance(y, Value):
        return vjp(y, inputs, 1.0)
    import numpy as np

    rows = [vjp(y, inputs, unit.reshape(y.shape)) for unit in np.eye(y.size, dtype=y.dtype)]
    return [
        np.array([row[i] for row in rows], y.dtype).reshape((*y.shape, *np.shape(x.data)))
        for i, x in enumerate(inputs)
    ]


@overload
def hessian(y: Function, xs: Indices = 0, *, argnums: Indices | None = None) -> Function: ...
@overload
def hessian(y: Node, xs: Tree) -> Any: ...
@answer_keywords
@keep_graphs()
def hessian(y: Any, xs: Any = None, *, argnums: Any = None) -> Any:
    """Return all second derivatives of a scalar y, in the form of `jacobian(grad(y, xs), xs)`.

    `hessian(f, argnums=0)` of a function f returns a function of its arguments, as `jacobian` does.
    Several `argnums` give a tuple of tuples.

    >>> x, y = Value(3.0), Value(2.0)
    >>> hessian(x * x * y, [x, y])
    array([[4., 6.],
           [6., 0.]])
    >>> hessian(lambda x: x[0] ** 2 * x[1])([3.0, 2.0])
    array([[4., 6.],
           [6., 0.]])
    """
    if is_function(y):
        return derivative_of_function("hessian", y, xs, argnums, hessian_rows, order=2)
    check_output(y)
    return jacobian(grad(y, xs, create_graph=True), xs)


@keep_graphs()
def hessian_rows(y: Node, trees: list[Any]) -> tuple[Any, ...]:
    """Return a row of second derivatives for each tree of nodes: a derivative for each tree."""
    slopes = grad(check_scalar(y), trees, create_graph=True)
    return tuple([tuple([jacobian(slope, tree) for tree in trees]) for slope in slopes])


@overload
def hvp(y: Function, xs: Sequence[Any], vs: Sequence[Any]) -> tuple[Any, Any]: ...
@overload
def hvp(y: Node, xs: Node[DataT], vs: "ArrayLike") -> DataT: ...
@overload
def hvp(y: Node, xs: Sequence[Node[DataT]], vs: "ArrayLike") -> list[DataT]: ...
@overload
def hvp(y: Node, xs: Tree, vs: Any, *, create_graph: bool = False) -> Any: ...
@answer_keywords
@keep_graphs()
def hvp(y: Any, xs: Any, vs: Any = None, *, create_graph: bool = False) -> Any:
    """Return the Hessian of a scalar y times a direction, by differentiating grad(y, xs) · vs.

    This takes a few passes and does not compute the Hessian (Pearlmutter 1994, "Fast exact
    multiplication by the Hessian"). `vs` has a direction for each x, as for `jvp`. The result is a
    graph with `create_graph`, or if a direction is a node.

    `hvp(f, primals, vs)` of a function f, a list of its arguments and a list of directions returns
    the value of f and a product for each argument, as `vjp` does.

    >>> x, y = Value(3.0), Value(2.0)
    >>> hvp(x * x * y, [x, y], [1.0, 10.0])
    [64.0, 6.0]
    >>> hvp(lambda x, y: x * x * y, (3.0, 2.0), (1.0, 10.0))
    (18.0, (64.0, 6.0))
    """
    check_given("hvp", "vs", vs)
    if is_function(y):
        call = call_on_primals("hvp", y, xs)
        out = call.node()
        parts = leaves(hvp(out, call.inputs, vs, create_graph=call.nested))
        return map_leaves(call.plain, out), products_for(call, xs, parts)
    y, inputs = check_scalar(y), check_inputs(xs)
    check_kinds([y], inputs)
    vs = directions_as_data("hvp", xs, vs)
    as_graph = check_flag("create_graph", create_graph) or any(isinstance(v, Node) for v in vs)
    slopes = differentiate_as_graph(y, y._one(), inputs)
    run = differentiate_as_graph if as_graph else differentiate
    ends = inputs
    if any(isinstance(v, Node) and not v.constant for v in vs):
        # A direction may depend on the xs, but is not differentiated: the products with other
        # nodes, `ends`, are linear in them, and the second pass differentiates those.
        ends = [as_input(x.data) for x in inputs]
        slopes = derivative_of_products(slopes, ends, inputs, differentiate_as_graph)
    return restore_form(xs, derivative_of_products(slopes, vs, ends, run))
