"""Names that programs for other engines use, and what they are called here."""

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial, wraps
from importlib import import_module
from math import pi
from opcode import opmap
from operator import methodcaller, pos
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    from inspect import Parameter

F = TypeVar("F", bound=Callable[..., Any])
Keywords = Mapping[str, tuple[str, ...]]

# The attributes of nodes in micrograd, programs derived from it, PyTorch and TensorFlow.
ATTRIBUTES = {
    **dict.fromkeys(
        ("_prev", "_children", "children", "parents", "_inputs", "prev"),
        "the nodes from which a node was computed are its .inputs",
    ),
    "_op": "the operation is .op, and its name .op.name",
    **dict.fromkeys(
        ("_backward", "backward_fn", "grad_fn", "_grad_fn"),
        "a node stores its local derivatives in .locals; define an operation with "
        "Op(name, formula, *derivatives)",
    ),
    **dict.fromkeys(("_local_grads", "local_grads"), "the local derivatives are .locals"),
    **dict.fromkeys(("gradient", "gradients", "grads"), "the gradient is .grad"),
    **dict.fromkeys(
        ("value", "val", "numpy", "tolist", "cpu", "item"),
        "the data is .data, a float or an ndarray",
    ),
    **dict.fromkeys(("name", "_name"), "the name of a node is its .label"),
    **dict.fromkeys(
        ("requires_grad_", "trainable"),
        "node.requires_grad = False freezes a leaf; node.detach() returns a constant",
    ),
    "is_leaf": "a node is a leaf if its .op is None",
    "retain_grad": "every node of the graph keeps its .grad",
    "zero_grad_": "zero_grad() sets the gradient to 0",
    "topo": "topological(node) returns the nodes in topological order",
    **dict.fromkeys(("clone", "copy"), "x * 1.0 is a new node, and x.detach() a constant"),
    **dict.fromkeys(("to", "cuda", "device"), "numbers are in the memory of the CPU"),
    **dict.fromkeys(
        ("draw", "draw_dot", "show", "plot", "visualize", "render"),
        "from stepgrad.draw import draw; draw(node) returns a picture",
    ),
    "step": "from stepgrad.draw import step; step(node) returns a page of steps",
    "dtype": "a Value is one number; write Array(...) for functions of NumPy such as np.percentile",
    **{f"arc{name}": f"write x.a{name}()" for name in ("sin", "cos", "tan")},
    **{f"arc{name}": f"write x.a{name}()" for name in ("sinh", "cosh", "tanh")},
    "arctan2": "write x.atan2(y)",
    "rint": "write x.round()",
    **dict.fromkeys(
        ("m", "v", "vel", "velocity", "momentum", "momentum_buffer", "exp_avg", "exp_avg_sq"),
        "a node has no room for an optimizer's state: keep it in a dict, as in "
        "m = {p: 0.0 for p in parameters}",
    ),
}

# Methods of a Value that NumPy calls for the elements of an array of objects.
FOR_NUMPY: dict[str, Callable[..., Any]] = {
    **{f"arc{name}": methodcaller(f"a{name}") for name in ("sin", "cos", "tan")},
    **{f"arc{name}": methodcaller(f"a{name}") for name in ("sinh", "cosh", "tanh")},
    "arctan2": lambda y, x: y.atan2(x), "rint": methodcaller("round"), "fabs": abs,
    "conjugate": pos,
    **dict.fromkeys(("deg2rad", "radians"), lambda x: x * (pi / 180.0)),
    **dict.fromkeys(("rad2deg", "degrees"), lambda x: x * (180.0 / pi)),
}  # fmt: skip

# The methods of PyTorch's tensors that nodes have under another name.
METHODS = {
    "pow": "x ** y", "power": "x ** y", "backprop": "x.backward()",
    "add": "x + y", "sub": "x - y", "mul": "x * y", "div": "x / y",
    "true_divide": "x / y", "multiply": "x * y", "subtract": "x - y", "divide": "x / y",
    "reciprocal": "1.0 / x", "rsqrt": "1.0 / x.sqrt()", "absolute": "abs(x)", "neg_": "-x",
    "clamp": "x.clip(lo, hi)", "lerp": "x + weight * (y - x)",
    "expit": "x.sigmoid()", "logistic": "x.sigmoid()", "swish": "x.silu()",
    "leakyrelu": "x.leaky_relu()", "log_sigmoid": "-(-x).softplus()",
    "logsigmoid": "-(-x).softplus()",
}  # fmt: skip
# Those that only Arrays have.
ARRAY_METHODS = {
    "unsqueeze": "expand_dims(x, axis)", "view": "x.reshape(shape)",
    "permute": "x.transpose(axes)", "expand": "x.broadcast_to(shape)",
    "masked_fill": "where(mask, value, x)", "mm": "x @ y", "bmm": "x @ y", "mv": "x @ y",
    "matmul": "x @ y", "float": "x.astype('float32')", "double": "x.astype('float64')",
    "dim": "x.ndim", "numel": "x.size", "t": "x.T", "contiguous": "x",
    "amax": "x.max(axis)", "amin": "x.min(axis)", "mT": "x.swapaxes(-1, -2)",
}  # fmt: skip

# Keyword arguments of PyTorch, TensorFlow, JAX and older versions of NumPy, and their counterparts.
KEYWORDS: Keywords = {
    **dict.fromkeys(("dim", "dims", "reduction_indices"), ("axis",)),
    **dict.fromkeys(("keepdim", "keep_dims"), ("keepdims",)),
    **dict.fromkeys(("correction", "unbiased"), ("ddof",)),
    **dict.fromkeys(("grad_outputs", "cotangents", "tangents"), ("v", "vs")),
    "name": ("label",),
    "argnum": ("argnums",),
}
REMARKS = {  # on keyword arguments without a counterpart
    "requires_grad": "a leaf requires a gradient until x.requires_grad = False freezes it",
    "device": "numbers are in the memory of the CPU",
    **dict.fromkeys(
        ("_children", "_op", "_prev", "children", "op"),
        "write Value(data, inputs, derivatives), or define an operation with "
        "Op(name, formula, *derivatives)",
    ),
    "retain_graph": "leave it out: a graph is kept as long as its root",
    "create_graph": "grad(y, xs, create_graph=True) returns nodes, which can be differentiated",
    "gradient": "write vjp(y, xs, v) for a gradient v of y",
    "allow_unused": "leave it out: the gradient is 0 if y does not depend on x",
    "set_to_none": "leave it out: zero_grad() sets gradients to 0, never to None",
    "has_aux": "return the value alone; the others can be computed by another call of the function",
}

# The functions and classes of PyTorch and JAX that this package has under another name.
FUNCTIONS = {
    **dict.fromkeys(("tensor", "Tensor", "Variable", "as_tensor", "asarray"), "Value or Array"),
    **dict.fromkeys(("enable_grad", "inference_mode"), "no_grad"),
    **dict.fromkeys(("cat", "concat", "hstack"), "concatenate"),
    "unsqueeze": "expand_dims", "gradcheck": "check_gradients", "check_grads": "check_gradients",
    **dict.fromkeys(
        ("make_dot", "draw_dot", "draw_graph", "plot_model", "plot_graph", "plot", "visualize"),
        "draw.draw",
    ),
    **{name: f"write from stepgrad.draw import {name}" for name in ("step", "Drawing", "Stepper")},
    "compile": "jit", "expit": "write x.sigmoid()", "set_grad_enabled": "no_grad",
    "vmap": "write f(X) with an Array of all samples, or [f(x) for x in X]",
    "jacfwd": "jacobian", "jacrev": "jacobian", "stop_gradient": "write x.detach()",
    "gradient_check": "check_gradients", "elementwise_grad": "grad",
    "backward": "write y.backward()", "matmul": "write x @ y",
    "sum": "write x.sum(axis), or total(xs) of Values",
    **{name: f"write Array(np.{name}(shape))" for name in ("zeros", "ones")},
    **{
        name: f"write from stepgrad.nn import {name}"
        for name in (
            "MLP", "Layer", "Module", "Neuron", "accuracy", "data", "fit", "init", "load", "losses",
            "optim", "save", "schedules", "sweep", "vector",
        )
    },
}  # fmt: skip


def find_for_numpy(node: Any, name: str) -> Callable[..., Any] | None:
    """Return the method that NumPy calls for a Value in an array of objects, or None."""
    f = None if hasattr(type(node), "shape") else FOR_NUMPY.get(name)
    return f and partial(f, node)


def describe_missing(node: Any, name: str) -> str:
    """Return the message for an attribute that a node does not have."""
    text = f"{type(node).__name__!r} object has no attribute {name!r}"
    remedy = ATTRIBUTES.get(name)
    if remedy is None and (instead := find_instead(type(node), name)):
        remedy = f"write {instead}"
    return f"{text}; {remedy}" if remedy else text


def find_instead(kind: type, name: str) -> str | None:
    """Return the expression in place of a method that a class of nodes does not have."""
    if name in METHODS:
        return METHODS[name]
    base = name.removesuffix("_")
    if base != name and hasattr(kind, base):  # x.relu_() works in place
        return f"x = x.{base}()"
    if not hasattr(kind, "shape"):
        return None
    package = import_module(__name__.partition(".")[0])
    if name in ARRAY_METHODS or name in package.LAZY["arrays.functions"]:
        return ARRAY_METHODS.get(name, f"{name}(x, ...)")
    numpy = sys.modules["numpy"]
    f = getattr(numpy, name, None)
    protocol = import_module("engine.arrays.numpy_protocol")
    return f"np.{name}(x)" if protocol.is_defined(kind, f) else None


def make_keyword_decorator(names: Keywords, remarks: Mapping[str, str]) -> Callable[[F], F]:
    """Return a decorator whose functions answer keyword arguments of other libraries.

    A call with a keyword that the function lacks raises TypeError; the message names the
    counterpart, or a similar keyword.

    names    the counterparts of each keyword; the message names the first one that is an
             argument of the function; an example may follow, as in "betas=(0.9, 0.999)"
    remarks  for keywords without a counterpart among the arguments
    """

    def decorate(f: F) -> F:
        parameters = cache(partial(parameters_of, f))

        @wraps(f)
        def function(*args: Any, **settings: Any) -> Any:
            for name in settings:
                if name not in parameters():
                    called = type(args[0]).__name__ if f.__name__ == "__init__" else f.__name__
                    refuse_keyword(called, name, parameters(), names, remarks)
            return f(*args, **settings)

        return function  # type: ignore[return-value]

    return decorate


def parameters_of(f: Callable[..., Any]) -> Mapping[str, "Parameter"]:
    from inspect import signature  # not needed otherwise

    return signature(f).parameters


def refuse_keyword(
    called: str,
    name: str,
    parameters: Mapping[str, "Parameter"],
    names: Keywords,
    remarks: Mapping[str, str],
) -> None:
    """Raise TypeError for a keyword that a function lacks, with the remedy if it is known."""
    remedy = remarks.get(name)
    for answer in names.get(name, ()):
        keyword = answer.partition("=")[0]
        if keyword in parameters:
            is_one = parameters[keyword].kind != parameters[keyword].VAR_POSITIONAL
            remedy = f"write {answer}" if is_one else f"pass the {keyword} as separate arguments"
            break
    if remedy is None:
        from difflib import get_close_matches  # not needed otherwise

        if any(p.kind == p.VAR_KEYWORD for p in parameters.values()):
            return
        similar = get_close_matches(name, [*parameters.keys() - {"self"}], 1)
        remedy = f"did you mean {similar[0]!r}?" if similar else ""
    text = f"{called}() got an unexpected keyword argument {name!r}"
    raise TypeError(f"{text}; {remedy}" if remedy else text)


answer_keywords = make_keyword_decorator(KEYWORDS, REMARKS)


def refuse_others(f: Callable[..., Any], called: str, others: Iterable[str]) -> None:
    """Raise TypeError for keywords that a function of the core collects in `others`."""
    parameters = {name: p for name, p in parameters_of(f).items() if name != "others"}
    for name in others:
        refuse_keyword(called, name, parameters, KEYWORDS, REMARKS)


def refuse_name(module: str, name: str, names: Mapping[str, str]) -> NoReturn:
    """Raise AttributeError for a name that a module does not have, with the name here, if any.

    It is called by the module's `__getattr__`. For `from module import name`, it raises an
    ImportError, because Python would replace an AttributeError by one without the remedy.
    """
    if name not in names:
        text = f"module {module!r} has no attribute {name!r}"
        raise AttributeError(text, name=name, obj=sys.modules[module])  # Python suggests another
    here = names[name]
    remedy = here if here.startswith("write ") else f"it is called {here} here"
    caller = sys._getframe(2)
    if caller.f_code.co_code[caller.f_lasti] == opmap["IMPORT_FROM"]:
        raise ImportError(f"cannot import name {name!r} from {module!r}; {remedy}", name=module)
    raise AttributeError(f"module {module!r} has no attribute {name!r}; {remedy}", name=name)
