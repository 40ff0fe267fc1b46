"""`Module`: anything with parameters, which it finds, names, saves and counts."""

import copy
from collections.abc import Mapping
from typing import Any, Self

from engine.node import Node
from engine.support.arguments import is_bool, is_real, numpy_type
from engine.support.lazy import numpy_if_installed
from nn.arguments import flag, mapping


class Module:
    """A part of a model; its attributes are its parameters and its own parts.

    A parameter is a leaf node that is not a constant. It is found wherever an attribute leads: in
    Modules, lists, tuples and dicts, in the order in which they were assigned. What is reached
    twice counts once, under its first name. A constant node is state that is saved with the
    parameters, but moved by no gradient, such as running statistics.

    >>> from engine import Value
    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope, self.offset = Value(2.0), Value(1.0)
    ...
    ...     def __call__(self, x):
    ...         return self.slope * x + self.offset
    >>> Line().parameters()
    [Value(2.0), Value(1.0)]
    """

    training = True  # what dropout and batch normalization ask
    nout: int | None = None  # how many outputs; a module that says so is one row of a summary

    def parameters(self) -> list[Any]:
        """The nodes that training changes."""
        nodes = [part for _, part in parts(self) if isinstance(part, Node)]
        return [node for node in nodes if not node.constant]

    def named_parameters(self) -> dict[str, Any]:
        """The parameters, each by the path that leads to it.

        >>> from nn import MLP
        >>> list(MLP(1, [1]).named_parameters())
        ['layers.0.neurons.0.weights.0', 'layers.0.neurons.0.bias']
        """
        return {name: node for name, node in self.named_state().items() if not node.constant}

    def named_modules(self) -> dict[str, "Module"]:
        """This module, under "", and every one in it, each by the path that leads to it.

        >>> from nn import MLP
        >>> list(MLP(1, [1]).named_modules())
        ['', 'layers.0', 'layers.0.neurons.0']
        """
        return {name: part for name, part in parts(self) if isinstance(part, Module)}

    def named_state(self) -> dict[str, Any]:
        """The parameters and the constants among the attributes, each by its path."""
        found: dict[str, Any] = {}
        for name, part in parts(self):
            if isinstance(part, Node) and found.setdefault(name, part) is not part:
                raise ValueError(f"two parameters of {self!r} are named {name!r}; rename one")
        return found

    def generators(self) -> dict[str, Any]:
        """The sources of randomness, such as dropout's, each by the path that leads to it."""
        return {name: part for name, part in parts(self) if is_generator(part)}

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def train(self, mode: bool = True) -> Self:
        """Make `.training` true here and in every part, as it is at first; return the module."""
        mode = flag("mode", mode)
        for _, part in parts(self):
            if isinstance(part, Module):
                part.training = mode
        return self

    def eval(self) -> Self:
        """Make `.training` false here and in every part; return the module."""
        return self.train(False)

    def state_dict(self) -> dict[str, Any]:
        """The data of parameters and constants by name: copies, which training leaves alone."""
        return {name: copy.copy(each.data) for name, each in self.named_state().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Give every parameter a copy of its entry of `state`.

        ValueError that lists what is missing, what is not in the model and what has another shape;
        the model is then as it was.

        >>> from nn import Neuron
        >>> a, b = Neuron(2), Neuron(2)
        >>> a.load_state_dict(b.state_dict())
        >>> a.state_dict() == b.state_dict()
        True
        """
        mapping("a state", state, "state_dict() returns")
        parameters = self.named_state()
        problems = [f"{name}: missing" for name in parameters if name not in state]
        problems += [f"{name}: no such parameter" for name in state if name not in parameters]
        new = {}
        for name, parameter in parameters.items():
            if name in state:
                try:
                    new[name] = fitted(state[name], parameter.data)
                except ValueError as problem:
                    problems.append(f"{name}: {problem}")
        if problems:
            if len(problems) > 20:
                problems[20:] = [f"and {len(problems) - 20:,} more"]
            raise ValueError(
                f"{self!r} cannot take this state, and was left as it was; "
                "does it come from a model of the same layers and sizes?\n  "
                + "\n  ".join(problems)
            )
        for name, data in new.items():
            parameters[name].data = data

    def summary(self) -> str:
        """A table, to be printed: what the model is made of, and how many parameters it has.

        A part that says how many outputs it has is one row; any other is opened, down to its
        parameters.

        >>> from nn import MLP
        >>> print(MLP(2, [16, 16, 1]).summary())
        layer     what                    outputs  parameters
        layers.0  Layer(2, 16, 'relu')         16          48
        layers.1  Layer(16, 16, 'relu')        16         272
        layers.2  Layer(16, 1, 'linear')        1          17
        total                                             337
        """
        rows: list[tuple[str, str, str]] = []
        counts: list[int] = []
        row = None
        for name, part in parts(self)[1:]:
            if not isinstance(part, Module) and getattr(part, "constant", True):
                continue
            if row is None or not name.startswith(row):
                is_parameter = isinstance(part, Node)
                if not is_parameter and part.nout is None:
                    continue
                what, nout = ("parameter", "") if is_parameter else (repr(part), str(part.nout))
                rows.append((name, what, nout))
                counts.append(0)
                row = name + "."
            if isinstance(part, Node):
                counts[-1] += getattr(part.data, "size", 1)
        table = [
            ("layer", "what", "outputs", "parameters"),
            *[(*cells, f"{count:,}") for cells, count in zip(rows, counts, strict=True)],
            ("total", "", "", f"{sum(counts):,}"),
        ]
        a, b, c, d = (max(map(len, column)) for column in zip(*table, strict=True))
        return "\n".join(f"{i:<{a}}  {j:<{b}}  {k:>{c}}  {n:>{d}}" for i, j, k, n in table)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def parts(module: Module) -> list[tuple[str, Any]]:
    """`module`, then every Module, leaf and generator in it, each once, by its first name."""
    found: list[tuple[str, Any]] = [("", module)]
    seen = {id(module)}

    def visit(held: Any, start: str) -> None:
        for key, each in inside(held):
            if isinstance(each, Node):
                if each.op is None and id(each) not in seen:
                    seen.add(id(each))
                    found.append((f"{start}{key}", each))
            elif is_generator(each) and id(each) not in seen:
                seen.add(id(each))
                found.append((f"{start}{key}", each))
            elif isinstance(each, (Module, list, tuple, dict)) and id(each) not in seen:
                seen.add(id(each))
                name = f"{start}{key}"
                if isinstance(each, Module):
                    found.append((name, each))
                visit(each, f"{name}.")

    visit(module, "")
    return found


def inside(held: Any) -> Any:
    """The names and things in a Module, dict, list or tuple."""
    if isinstance(held, Module):
        held = vars(held)
    return held.items() if isinstance(held, dict) else enumerate(held)


def is_generator(x: Any) -> bool:
    """Return whether `x` is a NumPy Generator."""
    return isinstance(x, numpy_type("Generator", "numpy.random"))


def fitted(value: Any, like: Any) -> Any:
    """A copy of `value` with the type of `like`; ValueError where it has another shape."""
    if isinstance(like, float) and (is_real(value) or is_bool(value)):
        return value
    np = numpy_if_installed()
    if np is None:
        raise ValueError(f"{type(value).__name__} in the state, not a number")
    like = np.asarray(like)
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):  # lists of unequal lengths, Arrays
        array = np.array(None)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{type(value).__name__} in the state, not numbers")
    if array.shape != like.shape:
        raise ValueError(f"shape {like.shape} in the model, {array.shape} in the state")
    return array.astype(like.dtype)
