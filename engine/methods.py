"""Every row of the rule table as a method of nodes, and as a fast method of `Value`.

`Methods` defines the operators and methods that all nodes share: each applies its row. The fast
methods of `Value` are printed from the instructions of the rows, with the formula and the slopes
inline, so that a node needs no call into its row. `source()` returns that code. A property test
compares both kinds of methods bit for bit.
"""

from collections.abc import Callable
from math import inf, nan
from textwrap import indent
from typing import Any

from engine import arithmetic, rules
from engine.instructions import INLINE, Formulas, record
from engine.rules import ELEMENTWISE, SLOPES_OF_OTHERS, Op, argument_names

SYMBOLS = {op: name for name, op in vars(rules).items() if isinstance(op, Op)}
OPERATORS = {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "**": "pow", "%": "mod", "//": "floordiv",
    "neg": "neg", "abs": "abs",
}  # fmt: skip


class LazyMethod:
    """A method that replaces itself on first lookup, which keeps `import engine` fast."""

    def __init__(self, kind: type, name: str, make: Callable[[str], Any]):
        self.kind, self.name, self.make = kind, name, make
        setattr(kind, name, self)

    def __get__(self, node: Any, owner: type) -> Any:
        method = self.make(self.name)
        setattr(self.kind, self.name, method)
        return method.__get__(node, owner)


def rename(f: Any, name: str, owner: str) -> Any:
    """Return a function with the name of a method of the public class `owner`."""
    f.__name__, f.__qualname__ = name, f"{owner}.{name}"
    f.__module__ = f"stepgrad.{owner.lower()}"
    return f


class Methods:
    """The operators, and a method for each elementwise row: `x.tanh()`."""

    __slots__ = ()


def make_method(op: Op, name: str) -> Callable[..., Any]:
    """Return the row as a method: `x.tanh()`, `x.clip(lo, hi)`, `x.leaky_relu(slope=0.2)`."""
    from inspect import signature

    takes = signature(op.forward)
    required = [p.name for p in takes.parameters.values() if p.default is p.empty]

    def unary(self: Any) -> Any:
        return self._unary(op)

    def binary(self: Any, y: Any) -> Any:
        return self._binary(op, y)

    def several(self: Any, *others: Any, **settings: Any) -> Any:
        try:
            bound = takes.bind(self, *others, **rename_bounds(takes, others, settings))
        except TypeError as problem:
            raise TypeError(f"{op.name} takes {takes}: {problem}") from None
        bound.apply_defaults()
        args = [rules.UNBOUNDED.get(k, x) if x is None else x for k, x in bound.arguments.items()]
        return self.apply(op, *args)

    arity = len(op.partials)
    f: Any = several if arity > min(len(required), 2) else binary if arity == 2 else unary
    f.__doc__ = describe(op, name)
    first, *others = takes.parameters.values()
    f.__signature__ = takes.replace(parameters=[first.replace(name="self"), *others])
    return rename(f, name, "Node")


def rename_bounds(takes: Any, others: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `x.clip(min=0.0)`, as NumPy names them, by the names of the row."""
    known = settings and "lo" in takes.parameters and settings.keys() <= rules.BOUNDS.keys()
    if not known:
        return settings
    no_bounds = dict.fromkeys([*rules.BOUNDS.values()][len(others) :])
    return no_bounds | {rules.BOUNDS[name]: x for name, x in settings.items()}


def make_reflected(op: Op, name: str) -> Callable[..., Any]:
    """Return the row as the operator of a right operand: `2.0 - x`."""

    def method(self: Any, other: Any) -> Any:
        return self._reflected(op, other)

    method.__doc__ = describe(op, name)
    return rename(method, name, "Node")


def describe(op: Op, name: str) -> str:
    """Return the docstring of a method, made from its row."""
    try:
        from engine.support.row_docs import docstring
    except ModuleNotFoundError:  # the core without the rest of the engine
        return f"Apply the row {op.name!r}."
    return docstring(op, name)


# ------------------------------------------------------------------------------- the fast methods

# A fast method handles Values and floats while no hook is active. Subclasses, which include
# Constant, and other operands are left to the general definition.
UNARY = """\
def {name}(self):
    if observed or type(self) is not Value:
        return self._unary({op})
    {x} = self._data
{of_value}"""
BINARY = """\
def {name}(self, {other}):
    if type(self) is not Value:
        return self._binary({op}, {other})
    if type({other}) is not Value or observed:
        if type({other}) is not float or observed:
            return self._binary({op}, {other})
        {x} = self._data
{of_number}
    {x} = self._data
{of_value}"""
REFLECTED = """\
def {name}(self, {x}):
    if type({x}) is not float or observed or type(self) is not Value:
        return self._reflected({op}, {x})
    {y} = self._data
{of_number}"""
CONSTANT = """\
constant = new(Constant)
constant._data = {number}
constant._grad = 0.0
constant.op = constant._x = constant._y = constant._dx = constant._dy = None
"""
NODE = """\
node = new(Value)
node.op = {op}
node._x = {x}
node._y = {y}
node._data = out
node._grad = 0.0
node._dx = {dx}
node._dy = {dy}
return node
"""


def source(name: str) -> str:
    """Return the source of a fast method of `Value`, as printed from its row.

    >>> print(source("__neg__").partition("node = ")[0])
    def __neg__(self):
        if observed or type(self) is not Value:
            return self._unary(NEG)
        x = self._data
        out = -x
    <BLANKLINE>
    """
    op = FAST[name]
    x, y = (*argument_names(op.forward), "")[:2]
    fill = {"name": name, "op": SYMBOLS[op], "x": x, "y": y}
    if not y:
        return UNARY.format(**fill, of_value=indent(print_node(op, "self"), " " * 4))
    if name.startswith("__r"):
        text = CONSTANT.format(number=x) + print_node(op, "constant", "self")
        return REFLECTED.format(**fill, of_number=indent(text, " " * 4))
    other = "other" if name.startswith("__") else y  # the name of the parameter
    number = "" if other == y else f"{y} = other\n"
    number += CONSTANT.format(number=y) + print_node(op, "self", "constant")
    value = "" if other == "other" else f"other = {y}\n"
    value += f"{y} = other._data\n" + print_node(op, "self", "other")
    fill |= {"of_number": indent(number, " " * 8), "of_value": indent(value, " " * 4)}
    return BINARY.format(**fill, other=other)


def print_node(op: Op, *inputs: str) -> str:
    """Return the lines that create a node from its inputs, one of which may be the constant."""
    row = record(op, len(inputs))
    slopes = dict(zip(inputs, row.locals, strict=True))
    slopes.pop("constant", None)
    names, steps = dict(enumerate(argument_names(op.forward))), [*row.forward, *row.backward]
    wanted = [s for s in slopes.values() if s is not None]
    formulas = Formulas(names, row, steps, wanted, INLINE, {row.outs[0]: "out"})
    texts = {x: "1.0" if s is None else formulas.format(s) for x, s in slopes.items()}
    x, y = (*inputs, "None")[:2]
    node = NODE.format(op=SYMBOLS[op], x=x, y=y, dx=texts.get(x, "None"), dy=texts.get(y, "None"))
    return "\n".join([*formulas.assignments, node])


def compile_method(name: str) -> Any:
    """Return a fast method of `Value`; tracebacks and `inspect.getsource` show its lines."""
    import linecache

    file, text = f"<Value.{name}, printed from engine.rules>", source(name)
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    methods: dict[str, Any] = {}
    exec(compile(text, file, "exec"), SPACE, methods)
    f = methods[name]
    f.__doc__ = describe(FAST[name], name)
    return rename(f, name, "Value")


SPACE: dict[str, Any] = {  # the globals of the fast methods
    **arithmetic.FLOATS, **{name: op for op, name in SYMBOLS.items()}, "new": object.__new__,
    "observed": False, "inf": inf, "nan": nan, "__name__": __name__,
}  # fmt: skip
FAST: dict[str, Op] = {}  # the rows of the fast methods, by the methods' names
NAMES: dict[Op, str] = {}  # the names of the methods, by their rows
for _row, _op in ELEMENTWISE.items():
    if _op in SLOPES_OF_OTHERS or _op is rules.ROUND:  # `Node.round` has an argument, decimals
        continue
    _methods = [f"__{OPERATORS[_row]}__"] if _row in OPERATORS else []
    _methods += [_row] if _row.isidentifier() else []
    NAMES[_op] = _methods[0]
    _reflected = (
        [f"__r{OPERATORS[_row]}__"] if _methods[0] != _row and len(_op.partials) == 2 else []
    )
    for _name in [*_methods, *_reflected]:
        _make = make_reflected if _name in _reflected else make_method
        LazyMethod(Methods, _name, lambda name, f=_make, op=_op: f(op, name))
        if len(_op.partials) <= 2 and not _op.forward.__defaults__:
            FAST[_name] = _op


def install(value: Any, constant: Any) -> None:
    """Install the fast methods in `Value`."""
    SPACE.update(Value=value, Constant=constant)
    for name in FAST:
        LazyMethod(value, name, compile_method)
