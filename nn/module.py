"""`Module`, the base class of models: it finds, names, saves and counts their parameters."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, MemberDescriptorType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from engine.node import Node
from engine.support.arguments import check_unmasked, is_bool, is_real, numpy_type
from engine.support.freezing import is_frozen
from engine.support.lazy import numpy_if_installed
from engine.support.other_names import answer_keywords
from engine.watch.hooks import condition
from engine.watch.scopes import scoped
from nn.arguments import check_flag, check_mapping
from nn.keywords import answer_constructor
from nn.other_names import ATTRIBUTES, PARAMETERS
from nn.predictions import predict
from nn.search import DeepSearch, Search, is_of_user

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

FILL = "build a model with the same layers, then call nn.load(path, model)"
MOST_PROBLEMS = 20  # in one message
Column: TypeAlias = tuple[str, Any, Any, str]  # path, weights, biases, activation


class TrainingMode:
    """The attribute `training` of modules. A graph under `jit` depends on it."""

    def __get__(self, module: Any, owner: type) -> bool:
        if module is None:
            return True
        return condition(lambda: module.__dict__.get("training", True))

    def __set__(self, module: Any, mode: bool) -> None:
        module.__dict__["training"] = mode


class Module:
    """Base class of models and of their parts.

    A leaf node that is not a constant is a parameter. Parameters, constants and submodules are
    found in the attributes of a module, in the order of assignment, after those of its class. The
    search enters sequences, mappings, object arrays, and objects of dataclasses and of your own
    classes. It does not enter functions and objects of other libraries, and refuses parameters in
    sets, which have no order. An object that is reached twice counts once, under its first path.
    Constants are saved together with the parameters but receive no gradient; running statistics are
    an example.

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

    training = TrainingMode()  # False in evaluation mode; dropout and batch normalization read it
    nout: int | None = None  # number of outputs; a module that sets it is one row of a summary

    def __init_subclass__(cls, has_scope: bool = True, **options: Any) -> None:
        """Make calls of the module visible to drawings.

        `has_scope=False` omits this for a module whose parameters identify its nodes.

        Raises TypeError for a class that computes in `forward`, as modules of PyTorch do.
        """
        super().__init_subclass__(**options)
        defined = {name for kind in cls.__mro__ for name in vars(kind)}
        if "forward" in defined and "__call__" not in defined:
            raise TypeError(f"a Module computes in __call__: rename {cls.__name__}.forward")
        answer_constructor(cls)
        method = vars(cls).get("__call__")
        if has_scope and isinstance(method, FunctionType):  # no static method, nor a jit
            setattr(cls, "__call__", scoped(method))  # noqa: B010

    if not TYPE_CHECKING:  # a type checker would accept any name

        def __getattr__(self, name: str) -> Any:
            """Raise AttributeError, with the counterpart of a name of another library."""
            remedy = ATTRIBUTES.get(name) or describe_conversion(self, name)
            if remedy := remedy or describe_parameter(self, name):
                text = f"{type(self).__name__!r} object has no attribute {name!r}; {remedy}"
                raise AttributeError(text, name=name, obj=self)
            return object.__getattribute__(self, name)  # raises the error, also of a property

    def __setattr__(self, name: str, x: object) -> None:
        """Set an attribute. Raises TypeError if numbers would replace a parameter."""
        if name in self.__dict__ or hasattr(type(self), name):
            check_assignment(self, name, x)
        object.__setattr__(self, name, x)

    def parameters(self) -> list[Node]:
        """Return the parameters: all leaf nodes that are not constants.

        >>> from nn import Neuron
        >>> Neuron(2, init="zeros").parameters()
        [Value(0.0, 'w0'), Value(0.0, 'w1'), Value(0.0, 'b')]
        """
        nodes = [part for _, part in find_parts(self) if isinstance(part, Node)]
        return [node for node in nodes if not node.constant]

    def named_parameters(self) -> dict[str, Node]:
        """Return the parameters by path.

        Raises ValueError if two parameters have the same path.

        >>> from nn import MLP
        >>> list(MLP(1, [1]).named_parameters())
        ['layers.0.neurons.0.weights.0', 'layers.0.neurons.0.bias']
        """
        return {path: node for path, node in self.named_state().items() if not node.constant}

    def named_modules(self) -> dict[str, "Module"]:
        """Return this module, whose path is "", and all its submodules by path.

        >>> from nn import MLP
        >>> list(MLP(1, [1]).named_modules())
        ['', 'layers.0', 'layers.0.neurons.0']
        """
        return {path: part for path, part in find_parts(self) if isinstance(part, Module)}

    def named_state(self) -> dict[str, Node]:
        """Return the parameters and the constants by path.

        Raises ValueError if two of them have the same path.

        >>> from nn import vector
        >>> list(vector.BatchNorm(2).named_state())
        ['gamma', 'beta', 'running_mean', 'running_variance']
        """
        state: dict[str, Node] = {}
        for path, part in find_parts(self):
            if isinstance(part, Node) and state.setdefault(path, part) is not part:
                raise ValueError(f"two parameters of {self!r} are named {path!r}; rename one")
        return state

    def generators(self) -> dict[str, "np.random.Generator"]:
        """Return the NumPy Generators of the model, such as a dropout layer's, by path.

        >>> from nn import vector
        >>> list(vector.Sequential(vector.Dense(2, 3), vector.Dropout(rng=0)).generators())
        ['modules.1.rng']
        """
        return {path: part for path, part in find_parts(self) if is_generator(part)}

    @answer_keywords
    def zero_grad(self) -> None:
        """Set the gradients of all parameters to 0. `backward()` adds to them.

        >>> from nn import Neuron
        >>> model = Neuron(1, "linear", init="zeros")
        >>> model([2.0]).backward()
        >>> model.zero_grad()
        >>> [p.grad for p in model.parameters()]
        [0.0, 0.0]
        """
        for parameter in self.parameters():
            parameter.zero_grad()

    def train(self, mode: bool = True) -> Self:
        """Set `training` to `mode` in this module and all submodules, and return the module.

        >>> from nn import vector
        >>> model = vector.Sequential(vector.Dense(2, 3), vector.Dropout())
        >>> model.train(False).modules[1].training, model.train().modules[1].training
        (False, True)
        """
        mode = check_flag("mode", mode)
        for module in self.named_modules().values():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set `training` to False in this module and all submodules, and return the module.

        >>> from nn import vector
        >>> vector.Dropout(rng=0).eval()([[1.0, 2.0]])  # it drops nothing in evaluation mode
        ConstantArray([[1., 2.]])
        """
        return self.train(False)

    def freeze(self) -> Self:
        """Exclude the parameters of this module from training, and return the module.

        They become constants: `parameters()` and optimizers leave them out, and no gradient reaches
        them; they are still saved. `requires_grad = False` freezes a single parameter. Running
        statistics are not parameters; they are updated as before, except in eval() mode.

        >>> from nn import MLP
        >>> model = MLP(2, [16, 1])
        >>> layer = model.layers[0].freeze()
        >>> len(model.parameters()), len(model.state_dict()), len(model.unfreeze().parameters())
        (17, 65, 65)
        """
        for parameter in self.parameters():
            parameter.requires_grad = False
        return self

    def unfreeze(self) -> Self:
        """Make the frozen parameters of this module trainable again, and return the module.

        An optimizer moves them if it was made before they were frozen.

        >>> from nn import Neuron
        >>> model = Neuron(2).freeze()
        >>> len(model.parameters()), len(model.unfreeze().parameters())
        (0, 3)
        """
        for _, part in find_parts(self):
            if isinstance(part, Node) and is_frozen(part):
                part.requires_grad = True
        return self

    def predict(self, X: "ArrayLike", kind: str = "outputs") -> Any:
        """Return the predictions for samples X, one for each, as numbers.

        kind  "outputs" for the outputs of the model; "probabilities" for the softmax of several
              outputs, or the sigmoid of one; "classes" for the index of the largest of several
              outputs, or 0 and 1 for one, which is 1 if the output is positive

        The result has shape `(samples,)`, or `(samples, outputs)` for several; it is an array, or a
        list if NumPy is not installed. The model is in eval() mode meanwhile, and no graph is kept.
        Raises ValueError for an unknown kind.

        >>> from nn import MLP
        >>> MLP(2, [3], init="zeros").predict([[1.0, 2.0], [3.0, 4.0]], "classes")
        array([0, 0])
        """
        return predict(self, X, kind)

    def state_dict(self) -> dict[str, "float | np.ndarray"]:
        """Return copies of the data of all parameters and constants by path.

        >>> from nn import Neuron
        >>> Neuron(2, init="zeros").state_dict()
        {'weights.0': 0.0, 'weights.1': 0.0, 'bias': 0.0}
        """
        return {path: copy.copy(node.data) for path, node in self.named_state().items()}

    def load_state_dict(self, state: "Mapping[str, ArrayLike]") -> None:
        """Copy the entries of `state` into the parameters and constants of the same paths.

        Data is converted to the dtype of the parameter. Raises ValueError if entries are missing,
        unknown or of another shape. The message lists all of them, and the model is unchanged.

        >>> from nn import Neuron
        >>> a, b = Neuron(2), Neuron(2)
        >>> a.load_state_dict(b.state_dict())
        >>> a.state_dict() == b.state_dict()
        True
        """
        check_mapping("a state", state, "state_dict() returns")
        nodes = self.named_state()
        problems = [f"{path}: missing" for path in nodes if path not in state]
        problems += [f"{path}: no such parameter" for path in state if path not in nodes]
        new = {}
        for path, node in nodes.items():
            if path in state:
                try:
                    new[path] = converted_like(node.data, state[path])
                except ValueError as problem:
                    problems.append(f"{path}: {problem}")
        if problems:
            if len(problems) > MOST_PROBLEMS:
                problems[MOST_PROBLEMS:] = [f"and {len(problems) - MOST_PROBLEMS:,} more"]
            remedy = find_conversion(self, state)
            question = "does it come from a model with the same layers and sizes?"
            raise ValueError(
                f"{self!r} cannot load this state and is unchanged; "
                + (f"it comes from {remedy}" if remedy else question)
                + "".join([f"\n  {problem}" for problem in problems])
            )
        for path, data in new.items():
            nodes[path].data = data

    def summary(self) -> str:
        """Return a table of the layers, their numbers of outputs and of parameters.

        A submodule whose `nout` is set is one row. Any other is replaced by the rows of its parts.
        Frozen parameters are counted separately.

        >>> from nn import MLP
        >>> print(MLP(2, [16, 16, 1]).summary())
        layer     what                    outputs  parameters
        layers.0  Layer(2, 16, 'relu')         16          48
        layers.1  Layer(16, 16, 'relu')        16         272
        layers.2  Layer(16, 1, 'linear')        1          17
        total                                             337
        """
        rows: list[tuple[str, str, str]] = []
        counts: list[list[int]] = []  # of parameters and of frozen ones
        current = None  # beginning of the paths that belong to the last row
        for path, part in find_parts(self)[1:]:
            frozen = isinstance(part, Node) and is_frozen(part)
            if not (isinstance(part, Module) or frozen) and getattr(part, "constant", True):
                continue
            if current is None or not path.startswith(current):
                is_parameter = isinstance(part, Node)
                if not is_parameter and part.nout is None:
                    continue
                what, nout = ("parameter", "") if is_parameter else (repr(part), str(part.nout))
                rows.append((path, what, nout))
                counts.append([0, 0])
                current = path + "."
            if isinstance(part, Node):
                counts[-1][frozen] += getattr(part.data, "size", 1)
        table = [
            ("layer", "what", "outputs", "parameters"),
            *[(*cells, format_counts(*count)) for cells, count in zip(rows, counts, strict=True)],
            ("total", "", "", format_counts(*map(sum, zip(*counts, strict=True)))),
        ]
        a, b, c, d = (max(map(len, column)) for column in zip(*table, strict=True))
        return "\n".join(f"{i:<{a}}  {j:<{b}}  {k:>{c}}  {n:>{d}}" for i, j, k, n in table)

    def _columns(self) -> Iterator[Column]:
        """Yield the fully connected layers, in the order in which drawings show them.

        Each is a tuple of its path, weights, biases and activation. Any other module has None for
        weights and biases, and its repr in place of the activation. A residual block yields "+ X"
        after its layers.
        """
        last = None
        for path, part in find_parts(self)[1:]:
            if isinstance(part, Module) and (last is None or not path.startswith(f"{last}.")):
                last = path
                for inner, *column in part._columns():
                    yield (f"{path}.{inner}" if inner else path, *column)
        if last is None:
            yield "", None, None, repr(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def check_module(user: str, model: Any) -> Module:
    """Return a model. Raises TypeError for anything that is not a Module."""
    if isinstance(model, Module):
        return model
    remedy = f"; {FILL}" if type(model).__name__ == "Checkpoint" else ""
    raise TypeError(f"{user} expects a Module such as nn.MLP(2, [16, 1]), got {model!r}{remedy}")


def describe_conversion(module: Module, name: str) -> str:
    """Return why a module does not have `to_vector` or `to_scalar`; "" for any other name."""
    other = {"to_vector": "to_scalar", "to_scalar": "to_vector"}.get(name)
    if other is None:
        return ""
    kind, others = ("Arrays", "scalar") if name == "to_vector" else ("Values", "vector")
    if hasattr(type(module), other):
        return f"it is a module of {kind} already"
    return f"only modules of nn.{others} with a counterpart of {kind} have it"


def describe_parameter(module: Module, name: str) -> str:
    """Return a message with the attribute of the weights or biases; "" for any other name."""
    attributes = [x for x in PARAMETERS.get(name, ()) if x in vars(module)]
    if attributes or name not in PARAMETERS or is_of_user(type(module)):
        return "".join([f"write .{attribute}" for attribute in attributes])
    return "its layers have them: named_parameters() returns all parameters by path"


def find_conversion(module: Module, state: Mapping[str, object]) -> str:
    """Return how to convert a state that is of Values where a network of Arrays is, or vice versa.

    Returns "" for a module that has no counterpart, for a state of the same kind, and for one with
    a different count of numbers.
    """
    data_of_module = [node.data for node in module.named_state().values()]
    if count_numbers(data_of_module) != count_numbers(state.values()):
        return ""
    is_array = {hasattr(data, "dtype") for data in state.values()}
    if hasattr(module, "to_scalar") and is_array == {False}:
        return (
            "a network of Values (scalars), and this is one of Arrays; "
            "load it into the network of Values, then call its to_vector()"
        )
    if hasattr(module, "to_vector") and is_array == {True}:
        return (
            "a network of Arrays, and this is one of Values (scalars); "
            "load it into the network of Arrays, then call its to_scalar()"
        )
    return ""


def count_numbers(parts: Iterable[Any]) -> int:
    return sum([getattr(part, "size", 1) for part in parts])


def format_counts(trainable: int = 0, frozen: int = 0) -> str:
    """Format the number of parameters, and of frozen ones if there are any."""
    if not frozen:
        return f"{trainable:,}"
    return f"{trainable:,} + {frozen:,} frozen" if trainable else f"{frozen:,} frozen"


def check_assignment(module: "Module", name: str, new: object) -> None:
    """Raise TypeError for numbers in the place of a parameter, which would no longer be found."""
    owner = type(module).__name__
    old: Any = vars(module).get(name, getattr(type(module), name, None))
    if isinstance(old, MemberDescriptorType):
        old = getattr(module, name, None)
    if is_leaf(old) and not isinstance(new, Node) and is_numeric(new):
        raise TypeError(
            f"{owner}.{name} is {'a constant' if old.constant else 'a parameter'} and cannot be "
            f"replaced by numbers, got {new!r}; assign its data: {name}.data = ..."
        )
    if isinstance(old, list | tuple) and old and all(map(is_leaf, old)) and is_numeric(new):
        raise TypeError(
            f"{owner}.{name} holds parameters and cannot be replaced by numbers, got {new!r}; "
            f"assign the data of each: {name}[0].data = ..."
        )


def is_leaf(x: Any) -> bool:
    return isinstance(x, Node) and x.op is None


def is_numeric(x: object) -> bool:
    """Return whether `x` is a number, an array, or a list or tuple with one of them in it."""
    if isinstance(x, list | tuple):
        return any(map(is_numeric, x))
    return is_real(x) or is_bool(x) or isinstance(x, numpy_type("ndarray"))


def find_parts(module: Module) -> list[tuple[str, Any]]:
    """Return `module` and every Module, leaf node and Generator in it, each once, with its path."""
    return Search(is_part, is_searched).find(module)


def find_hidden_parts(module: Module) -> list[tuple[str, Any]]:
    """Return the parts that `find_parts` finds, and those in functions, for messages about them."""
    return DeepSearch(is_part, is_searched).find(module)


def is_part(x: object) -> bool:
    return is_leaf(x) if isinstance(x, Node) else isinstance(x, Module) or is_generator(x)


def is_searched(kind: type) -> bool:
    return issubclass(kind, Module) or is_of_user(kind)


def is_generator(x: object) -> bool:
    """Return whether `x` is a NumPy Generator."""
    return isinstance(x, numpy_type("Generator", "numpy.random"))


def converted_like(data: Any, value: Any) -> Any:
    """Return a copy of `value` of the type of `data`, the data of a parameter.

    Raises ValueError if `value` is not numeric or has another shape.
    """
    if isinstance(data, float) and (is_real(value) or is_bool(value)):
        return value
    np = numpy_if_installed()
    if np is None:
        raise ValueError(f"{type(value).__name__} in the state, not a number")
    data = np.asarray(data)
    try:
        array = np.asarray(check_unmasked(value))
    except (ValueError, TypeError):  # lists of unequal lengths, Arrays
        array = np.array(None)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{type(value).__name__} in the state, not numbers")
    if array.shape != data.shape:
        raise ValueError(f"shape {data.shape} in the model, {array.shape} in the state")
    return array.astype(data.dtype)
