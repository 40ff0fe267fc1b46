"""NumPy's functions of nodes: `np.exp(x)`, `np.sum(x, axis=0)`, `ndarray * x`.

NumPy hands a call over to the `__array_ufunc__` or `__array_function__` of an argument (NEPs 13 and
18). These methods call the operator, the method or the function of the engine that has the name of
NumPy's function, so a new row or method needs no entry here. The tables contain the exceptions.
Functions that are compositions, such as `np.vstack`, are in `engine.arrays.compositions`.

    >>> from engine import Array
    >>> x = Array([[1.0, 2.0], [3.0, 4.0]])
    >>> np.maximum(x, 2.0).op, np.sum(x, axis=0), np.ones(2) @ x
    (Op('maximum'), Array([4., 6.]), Array([4., 6.]))

Functions that return indices, bools, shapes or constants, such as `np.argmax`, read the data of the
nodes and return plain results. Other functions raise TypeError.

A dispatch takes 1 to 2 µs for a ufunc and 5 µs for `np.sum` (`python -m benchmarks.dispatch`).
"""

import inspect
from collections.abc import Callable
from functools import cache
from importlib import import_module
from inspect import Parameter
from typing import Any

import numpy as np

from engine.arrays.numpy_messages import refused, undefined
from engine.node import Node
from engine.rules import BOUNDS
from engine.support.trees import leaves
from engine.value import is_array, is_array_operand

OPERATORS = {
    "add": "add", "subtract": "sub", "multiply": "mul", "divide": "truediv", "matmul": "matmul",
    "floor_divide": "floordiv", "divmod": "divmod", "remainder": "mod", "power": "pow",
    "float_power": "pow", "negative": "neg", "positive": "pos", "conjugate": "pos",
    "absolute": "abs", "fabs": "abs",
    "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge",
    "equal": "eq", "not_equal": "ne",
}  # fmt: skip
MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}
NAMES = {
    "amax": "max", "amin": "min", "around": "round", "rint": "round", "linalg.norm": "norm",
    "real": "__pos__", "real_if_close": "__pos__", "linalg.matmul": "__matmul__",
    **{f"linalg.{name}": name for name in ("cross", "matrix_transpose", "outer", "tensordot")},
    "linalg.vecdot": "vecdot", "expit": "sigmoid",  # of SciPy
}  # fmt: skip
REDUCTIONS = {
    "add.reduce": "sum", "multiply.reduce": "prod", "maximum.reduce": "max",
    "minimum.reduce": "min", "logaddexp.reduce": "logsumexp",
    "add.accumulate": "cumsum", "multiply.accumulate": "cumprod",
}  # fmt: skip
PARAMETERS = BOUNDS | {"a_min": "lo", "a_max": "hi"}
SCALARS = (np.floating, np.int64)  # converted to float for Values, which saves time
NAMED = Parameter.POSITIONAL_OR_KEYWORD
FUNCTIONS = {"where"}  # the method of this name has another first argument
OF_SEQUENCES = {"dot"}  # functions of sequences of Values

PLAIN = {  # functions whose results are indices, bools, shapes, text, or numbers of slope 0
    "all", "allclose", "angle", "any", "argmax", "argmin", "argpartition", "argsort", "argwhere",
    "array2string", "array_equal", "array_equiv", "array_repr", "array_str", "can_cast",
    "common_type", "count_nonzero", "digitize", "empty_like", "flatnonzero", "imag",
    "isclose", "iscomplex", "iscomplexobj", "isneginf", "isposinf", "isreal", "isrealobj",
    "may_share_memory", "min_scalar_type", "ndim", "nonzero", "ones_like", "result_type", "save",
    "savetxt", "savez", "searchsorted", "shape", "shares_memory", "size", "zeros_like",
}  # fmt: skip

# ------------------------------------------------------------------------------------------ ufuncs


def array_ufunc(self: Any, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
    """Return the node of a ufunc, such as `np.exp(x)` or `ndarray * x`."""
    if method == "__call__" and not settings:
        name, reflected = methods_of(ufunc)
        if isinstance(inputs[0], Node):
            call, others = getattr(inputs[0], name, None), inputs[1:]
        else:
            call, others = getattr(self, reflected, None), inputs[:1]
        if call is not None and (out := call(*others)) is not NotImplemented:
            return out
    return apply_ufunc(self, ufunc, method, inputs, settings)


def value_ufunc(self: Any, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
    """Return the node of a ufunc of Values; with an array of objects, an array of nodes."""
    first, is_call = inputs[0], method == "__call__" and not settings
    if is_call and type(first) is np.ndarray and not first.ndim:
        first = first[()]  # NumPy's scalars are such arrays in comparisons
        inputs = first, *inputs[1:]
    if is_call and isinstance(first, SCALARS):
        call = getattr(self, methods_of(ufunc)[1], None)
        if call is not None and (out := call(float(first))) is not NotImplemented:
            return out
    if any(map(is_array_operand, inputs)):
        inputs = Node._join_values(inputs)
        return array_ufunc(next(filter(is_array, inputs)), ufunc, method, *inputs, **settings)
    if not is_call or not isinstance(first, Node):
        arrays = [x for x in (*inputs, *settings.get("out", ())) if isinstance(x, np.ndarray)]
        if any(x.dtype == object for x in arrays):
            return getattr(ufunc, method)(*map(box, inputs), **settings)
    return array_ufunc(self, ufunc, method, *inputs, **settings)


@cache
def methods_of(ufunc: np.ufunc) -> tuple[str, str]:
    """Return the names of a ufunc's method of a left and of a right operand; "" if none.

    Ufuncs that return bools have none, except for comparisons. Those for `==` and `!=` have none
    for two nodes, because the methods compare these by identity.
    """
    name = ufunc.__name__
    operator = OPERATORS.get(name)
    if operator is None:
        name = NAMES.get(name, f"a{name[3:]}" if name.startswith("arc") else name)
        return ("" if returns_bool(ufunc) else name), ""
    reflected = f"__{MIRRORED.get(operator, f'r{operator}')}__" if ufunc.nin == 2 else ""
    return ("" if operator in ("eq", "ne") else f"__{operator}__"), reflected


def returns_bool(ufunc: np.ufunc) -> bool:
    """Return whether a ufunc returns bools for floats."""
    return f"{'d' * ufunc.nin}->?" in ufunc.types


def apply_ufunc(
    self: Any, ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], settings: dict[str, Any]
) -> Any:
    """Return the node of a ufunc, or its plain result if that is a bool.

    `a += x` calls a ufunc with the ndarray `a` as its output. Numbers cannot hold the graph, so the
    result is a new Array, which Python assigns to the name `a`. The ndarray does not change: its
    other names, and the code that passed it as an argument, keep it.
    """
    name, (left, reflected) = ufunc.__name__, methods_of(ufunc)
    if method == "outer" and not settings:
        return outer_product(self, ufunc, *inputs)
    if method != "__call__":
        return reduce_ufunc(self, f"{name}.{method}", *inputs, **settings)
    first, *others = inputs
    if any(isinstance(target, Node) for target in settings.get("out", ())):
        raise refused(name, "out")
    if returns_bool(ufunc) and (isinstance(first, Node | list | tuple) or not reflected):
        return ufunc(*data_of(inputs), **settings)
    target, *rest = settings.pop("out", None) or (None,)
    if target is not None or rest:
        if rest or target is not first:
            raise refused(name, "out")
        settings.pop("axes", None)  # of a @= x
    if settings:
        raise refused(name, next(iter(settings)))
    if reflected and not isinstance(first, Node):
        call, others = getattr(others[0], reflected, None), [first]
    else:
        call = getattr(self.lift(first), left, None)
    if call is None:
        call, others = compositions().UFUNCS.get(name), [*map(self.lift, inputs)]
    if call is None:
        raise undefined(name, self)
    out = call(*others)
    if out is NotImplemented:  # of ==, which compares identity
        return name == "not_equal"
    if target is not None and np.shape(out.data) != target.shape:
        raise ValueError(
            f"np.{name} in place expects a result of shape {target.shape}, got "
            f"{np.shape(out.data)}; write a = a + x in place of a += x"
        )
    return out


def reduce_ufunc(self: Any, name: str, x: Any, *others: Any, axis: Any = 0, **settings: Any) -> Any:
    """Return the node of a reduction such as `np.add.reduce(x)`, or a single Value unchanged."""
    method, keepdims = REDUCTIONS.get(name), settings.pop("keepdims", False)
    if method is None or others:
        raise undefined(name, self)
    for parameter, argument in settings.items():
        if argument is not None:
            raise refused(name, parameter)
    if not hasattr(self, "shape"):
        return x
    f = getattr(self.lift(x), method)
    return f(axis) if name.endswith("accumulate") else f(axis, keepdims)


def outer_product(self: Any, ufunc: np.ufunc, x: Any, y: Any) -> Any:
    """Return the node of a ufunc that is applied to all pairs of elements."""
    x, y = self.lift(x), self.lift(y)
    if hasattr(self, "shape"):
        x = x.reshape(*x.shape, *[1] * y.ndim)
    return ufunc(x, y)


# -------------------------------------------------------------------------------- other functions


def array_function(self: Any, f: Any, types: Any, args: Any, settings: Any) -> Any:
    """Return the node of a function of Arrays, such as `np.sum(x)` or `np.concatenate([x, y])`."""
    known = lambda kind: issubclass(kind, (Node, np.ndarray)) or hasattr(kind, "_as_data")
    if not all(map(known, types)):
        return NotImplemented
    if f.__name__ in PLAIN or (f is np.where and len(args) == 1):
        if isinstance(settings.get("out"), Node):
            raise refused(numpy_name(f), "out")
        return f(*data_of(args), **data_of(settings))
    call = counterpart(self.__class__, f)
    if call is None:
        raise undefined(numpy_name(f), self)
    return call(*args, **settings)


def value_function(self: Any, f: Any, types: Any, args: Any, settings: Any) -> Any:
    """Return the result of a function of Values; for sequences of Values, NumPy's result."""
    arrays = list(filter(is_array, leaves(args)))
    if arrays:
        return array_function(arrays[0], f, types, args, settings)
    has_sequence = any(isinstance(x, list | tuple | np.ndarray) for x in args)
    if f.__name__ in PLAIN or not (has_sequence or counterpart(self.__class__, f) is None):
        return array_function(self, f, types, args, settings)
    return np.ndarray.__array_function__(np.empty(0), f, (np.ndarray,), args, settings)


@cache
def counterpart(kind: Any, f: Any) -> Callable[..., Any] | None:
    """Return NumPy's function `f` for nodes of a class, or None if the engine has no such function.

    An argument of `f` is passed to our parameter of the same name, or of the same position if `f`
    has no default for it.
    """
    name = NAMES.get(numpy_name(f), numpy_name(f))
    own, lift = find_own(kind, name)
    if own is None:
        of_arrays = hasattr(kind, "shape")
        if of_arrays and name in compositions().MOVES:
            return compositions().move_elements(f)
        own = getattr(compositions(), "FUNCTIONS" if of_arrays else "OF_VALUES").get(name)
    if own is None:
        return None
    try:
        signature = inspect.signature(f)
    except ValueError:  # a function in C, in older versions of NumPy
        return lambda x, *args, **settings: own(lift(x), *args, **settings)
    theirs, ours = signature.parameters, inspect.signature(own).parameters
    by_position = [*ours.values()]
    required = [p.name for p in by_position[1:] if p.default is p.empty and p.kind is NAMED]
    places: dict[str, Parameter | None] = {}  # our parameters, by NumPy's names
    for i, (name, p) in enumerate(theirs.items()):
        at_position = by_position[i] if p.default is p.empty and i < len(ours) else None
        places[name] = ours.get(PARAMETERS.get(name, name), at_position)
    first = next(iter(theirs.values()))
    if any(p.kind is p.VAR_POSITIONAL for p in theirs.values()):
        return own

    def call(*args: Any, **settings: Any) -> Any:  # NumPy has checked that `f` takes these
        given = dict(zip(theirs, args, strict=False)) | settings
        positional, named = [lift(given.pop(first.name))], dict.fromkeys(required)  # None: no bound
        for name, x in given.items():
            place = places.get(name)
            if name not in theirs:
                named[name] = x
            elif place is None:
                if x is not theirs[name].default:
                    raise refused(numpy_name(f), name)
            elif place.kind is Parameter.VAR_POSITIONAL:
                positional.append(x)
            else:
                named[place.name] = x
        return own(*positional, **named)

    return call


def is_defined(kind: Any, f: Any) -> bool:
    """Return whether a NumPy function accepts nodes of a class."""
    if isinstance(f, np.ufunc):
        own = hasattr(kind, methods_of(f)[0] or "?") or f.__name__ in compositions().UFUNCS
        return own or returns_bool(f)
    if not hasattr(f, "_implementation"):  # functions that dispatch have it
        return False
    return f.__name__ in PLAIN or counterpart(kind, f) is not None


def find_own(kind: Any, name: str) -> tuple[Any, Any]:
    """Return the method or function of this name, and the conversion of its first argument."""
    method = getattr(kind, name, None)
    if callable(method) and name not in FUNCTIONS:
        return method, kind.lift
    package = import_module(__name__.partition(".")[0])
    public = name in package.__all__ and name not in OF_SEQUENCES
    if not hasattr(kind, "shape"):
        public = public and name not in package.LAZY["arrays.functions"]
    return (getattr(package, name) if public else None), lambda x: x


def compositions() -> Any:
    """Return the module of compositions, which imports Array."""
    return import_module("engine.arrays.compositions")


def numpy_name(f: Any) -> str:
    """Return NumPy's name of a function, such as "sum" or "linalg.norm"."""
    return f"{f.__module__}.{f.__name__}".removeprefix("numpy.")


def data_of(x: Any) -> Any:
    """Return an argument with the data of nodes in place of the nodes."""
    if isinstance(x, Node):
        return x.data
    if isinstance(x, dict):
        return {key: data_of(value) for key, value in x.items()}
    return type(x)(map(data_of, x)) if type(x) in (list, tuple) else x


# ------------------------------------------------------------------------------- arrays of Values


def box(x: Any) -> Any:
    """Return a node as an array of objects without axes; NumPy then computes with the object."""
    if not isinstance(x, Node):
        return x
    boxed = np.empty((), object)
    boxed[()] = x
    return boxed


def map_elements(self: Any, f: Callable[[Any], Any], xs: np.ndarray) -> Any:
    """Return f(x) for each element of an array of objects."""
    return np.frompyfunc(f, 1, 1)(xs)
