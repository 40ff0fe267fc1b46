"""Derivatives as functions: of any order, in reverse and forward mode, of Values and of Arrays.

`backward()` adds to `.grad`; these functions leave every `.grad` unchanged and return their result.
With `create_graph` the result is a graph itself, which can be drawn, stepped through and
differentiated again. See Griewank and Walther 2008, "Evaluating Derivatives".
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

from engine.derivatives.arguments import (
    check_directions,
    check_inputs,
    check_output,
    check_scalar,
    convert_direction,
    copy_data,
    restore_form,
    zeros_like,
)
from engine.derivatives.passes import differentiate, differentiate_as_graph, forward_pass
from engine.functions import is_array
from engine.node import DataT, Node
from engine.support.arguments import check_flag
from engine.support.lazy import numpy_for
from engine.value import Value
from engine.watch.no_grad import keep_graphs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

NodeT = TypeVar("NodeT", bound=Node)
No: TypeAlias = Literal[False]
Yes: TypeAlias = Literal[True]


@overload
def grad(y: Node, xs: Node[DataT], *, create_graph: No = False) -> DataT: ...
@overload
def grad(y: Node, xs: Sequence[Node[DataT]], *, create_graph: No = False) -> list[DataT]: ...
@overload
def grad(y: Node, xs: NodeT, *, create_graph: Yes) -> NodeT: ...
@overload
def grad(y: Node, xs: Sequence[NodeT], *, create_graph: Yes) -> list[NodeT]: ...
@overload
def grad(y: Node, xs: Node | Sequence[Node], *, create_graph: bool) -> Any: ...
def grad(y: Node, xs: Node | Sequence[Node], *, create_graph: bool = False) -> Any:
    """Return dy/dx, the gradient of y with respect to one node or to each of several.

    Args:
        y: a Value, or an Array of one element.
        xs: a node, or a list of nodes, leaves or not. Where y does not depend on x, the result is
            0.
        create_graph: return nodes, which can be differentiated again, instead of floats and arrays.

    Returns:
        a float for a Value, an array of x's shape for an Array; a list of them if xs is a list.

    Raises ValueError if y has several elements, and TypeError if an argument is not a node. The
    result is the derivative at the data that y was computed from. If a leaf has been assigned new
    data since then, `create_graph` raises ValueError: the derivative's graph would mix old and new
    data. Where a row chooses (`where`, relu), the derivative chooses by the current data; a tape of
    it is correct as long as no choice changes.

    >>> x = Value(3.0)
    >>> grad(x**4, x)
    108.0
    >>> slope = grad(x**4, x, create_graph=True)
    >>> grad(slope, x)
    108.0
    """
    return vjp(y, xs, check_scalar(y)._one(), create_graph=create_graph)


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
@keep_graphs()
def vjp(y: Node, xs: Node | Sequence[Node], v: "ArrayLike", *, create_graph: bool = False) -> Any:
    """Return v · dy/dx, the vector-Jacobian product, by one backward pass.

    `v` has the shape of y. The other arguments, the result and the errors are those of `grad`.

    >>> from engine import Array
    >>> x = Array([1.0, 2.0, 3.0])
    >>> vjp(x * x, x, [1.0, 0.0, 10.0])
    array([ 2.,  0., 60.])
    """
    inputs = check_inputs(xs)
    v = convert_direction(check_output(y), v)
    run = differentiate_as_graph if check_flag("create_graph", create_graph) else differentiate
    return restore_form(xs, run(y, v, inputs))


@keep_graphs()
def jvp(y: Node[DataT], xs: Node | Sequence[Node], vs: "ArrayLike") -> DataT:
    """Return dy/dx · v, the Jacobian-vector product, by one forward pass.

    `vs` has a direction for each x, of its shape. The pass computes the tangent of each node: its
    derivative when the xs move in these directions. A forward pass yields one column of the
    Jacobian, a backward pass one row.

    Raises ValueError if the number or the shapes of the directions differ from those of xs.

    >>> x, y = Value(3.0), Value(2.0)
    >>> jvp(x * x * y, [x, y], [1.0, 0.0])
    12.0
    """
    inputs = check_inputs(xs)
    tangents: dict[Any, Any] = {}
    for x, v in zip(inputs, check_directions("jvp", xs, vs, len(inputs)), strict=True):
        tangent = convert_direction(x, v)
        tangents[x] = tangents[x] + tangent if x in tangents else tangent
    tangent = forward_pass(check_output(y), tangents)
    return copy_data(zeros_like(y) if tangent is None else tangent)  # type: ignore[return-value]


def jacobian(ys: Node | Sequence[Node], xs: Node | Sequence[Node]) -> Any:
    """Return all first derivatives, by one backward pass for each element of y.

    Returns:
        an array of shape `(*y.shape, *x.shape)` for one y and one x; an array of shape
        `(len(ys), len(xs))` for lists of Values; a list of lists of arrays for lists that contain
        Arrays.

    >>> x, y = Value(3.0), Value(2.0)
    >>> jacobian([x * y, x + y], [x, y])
    array([[2., 3.],
           [1., 1.]])
    """
    np = numpy_for("a matrix of derivatives")
    inputs = check_inputs(xs)
    outputs = [check_output(y) for y in (ys if isinstance(ys, list | tuple) else [ys])]
    blocks: Any = [jacobian_blocks(y, inputs) for y in outputs]
    if all(isinstance(x, Value) for x in (*outputs, *inputs)):
        blocks = np.array(blocks).reshape(len(outputs), len(inputs))
    if not isinstance(xs, list | tuple):
        blocks = [row[0] for row in blocks] if isinstance(blocks, list) else blocks[:, 0]
    result = restore_form(ys, blocks)
    return float(result) if isinstance(result, np.floating) else result


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


@keep_graphs()
def hessian(y: Node, xs: Node | Sequence[Node]) -> Any:
    """Return all second derivatives of a scalar y, in the form of `jacobian(grad(y, xs), xs)`.

    >>> x, y = Value(3.0), Value(2.0)
    >>> hessian(x * x * y, [x, y])
    array([[4., 6.],
           [6., 0.]])
    """
    return jacobian(grad(y, xs, create_graph=True), xs)


@overload
def hvp(y: Node, xs: Node[DataT], vs: "ArrayLike") -> DataT: ...
@overload
def hvp(y: Node, xs: Sequence[Node[DataT]], vs: "ArrayLike") -> list[DataT]: ...
@keep_graphs()
def hvp(y: Node, xs: Node | Sequence[Node], vs: "ArrayLike") -> Any:
    """Return the Hessian of a scalar y times a direction, by differentiating grad(y, xs) · vs.

    This takes a few passes and does not compute the Hessian (Pearlmutter 1994, "Fast exact
    multiplication by the Hessian"). `vs` has a direction for each x, as for `jvp`.

    >>> x, y = Value(3.0), Value(2.0)
    >>> hvp(x * x * y, [x, y], [1.0, 10.0])
    [64.0, 6.0]
    """
    inputs = check_inputs(xs)
    slopes = grad(y, inputs, create_graph=True)
    products: dict[Any, Any] = {}  # by dtype: nodes of different dtypes cannot be added
    for slope, v in zip(slopes, check_directions("hvp", xs, vs, len(slopes)), strict=True):
        product = slope * convert_direction(slope, v)
        product = product.sum() if is_array(product) else product
        dtype = getattr(product, "dtype", float)
        products[dtype] = products[dtype] + product if dtype in products else product
    result = [copy_data(zeros_like(x)) for x in inputs]
    for product in products.values():
        result = [a + b for a, b in zip(result, grad(product, inputs), strict=True)]
    return restore_form(xs, result)
