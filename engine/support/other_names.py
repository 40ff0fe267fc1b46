"""Names that programs for other engines use, and what they are called here."""

from importlib import import_module
from typing import Any

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
    **dict.fromkeys(("gradient", "gradients"), "the gradient is .grad"),
    **dict.fromkeys(("value", "val", "numpy", "tolist", "cpu"), "the number is .data"),
    **dict.fromkeys(("name", "_name"), "the name of a node is its .label"),
    **dict.fromkeys(
        ("requires_grad_", "trainable"),
        "node.requires_grad = False freezes a leaf; node.detach() returns a constant",
    ),
    "is_leaf": "a node is a leaf if its .op is None",
    "retain_grad": "every node of the graph keeps its .grad",
    "zero_grad_": "zero_grad() sets the gradient to 0",
    "topo": "topological(node) returns the nodes in topological order",
    **dict.fromkeys(
        ("m", "v", "velocity", "momentum"),
        "a node has no room for an optimizer's state: keep it in a dict, as in "
        "m = {p: 0.0 for p in parameters}",
    ),
}


# The methods of PyTorch's tensors that Arrays have under another name.
METHODS = {
    "unsqueeze": "expand_dims(x, axis)", "view": "x.reshape(shape)",
    "permute": "x.transpose(axes)", "expand": "x.broadcast_to(shape)",
    "masked_fill": "where(mask, value, x)", "pow": "x ** y", "mm": "x @ y",
    "matmul": "x @ y", "float": "x.astype('float32')", "double": "x.astype('float64')",
    "add": "x + y", "sub": "x - y", "mul": "x * y", "div": "x / y",
}  # fmt: skip


def describe_missing(node: Any, name: str) -> str:
    """Return the message for an attribute that a node does not have."""
    text = f"{type(node).__name__!r} object has no attribute {name!r}"
    remedy = ATTRIBUTES.get(name)
    if remedy is None and hasattr(type(node), "shape"):
        package = import_module(__name__.partition(".")[0])
        function = f"{name}(x, ...)" if name in package.LAZY["arrays.functions"] else None
        instead = METHODS.get(name, function)
        remedy = instead and f"write {instead}"
    return f"{text}; {remedy}" if remedy else text
