"""Every row of the rule table as a method of nodes, and as a fast method of `Value`.

`Methods` defines the operators and methods that all nodes share: each applies its row. The fast
methods of `Value` are printed from the instructions of the rows, with the formula and the slopes
inline, so that a node costs no call into its row. `source()` returns what is printed; a property
test holds both to the same bits.
"""

from collections.abc import Callable
from math import inf, nan
from typing import Any

from engine import arithmetic, rules
from engine.instructions import INLINE, Formulas, record
from engine.rules import ELEMENTWISE, Op, arguments

SYMBOLS = {op: name for name, op in vars(rules).items() if isinstance(op, Op)}
OPERATORS = {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "**": "pow", "neg": "neg", "abs": "abs",
}  # fmt: skip


class MadeAtFirstUse:
    """A method that is made when it is first looked up, which keeps `import engine` fast."""

    def __init__(self, make: Callable[[], Any]):
        self.make, self.method = make, None

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, node: Any, owner: type) -> Any:
        if self.method is None:
            self.method = self.make()
        for kind in owner.__mro__:
            if vars(kind).get(self.name) is self:
                setattr(kind, self.name, self.method)
        return self.method.__get__(node, owner)


class Methods:
    """The operators, and a method for each row that works element by element: `x.tanh()`."""

    __slots__ = ()


def method(op: Op) -> Callable[..., Any]:
    """Return the row as a method: `x.tanh()`, `x.clip(lo, hi)`, `x.leaky_relu(slope=0.2)`."""
    from inspect import signature

    takes = signature(op.forward)
    letters = [p.name for p in takes.parameters.values() if p.default is p.empty]

    def unary(self: Any) -> Any:
        return self._unary(op)

    def binary(self: Any, y: Any) -> Any:
        return self._binary(op, y)

    def several(self: Any, *others: Any, **named: Any) -> Any:
        try:
            bound = takes.bind(self, *others, **named)
        except TypeError as problem:
            raise TypeError(f"{op.name} takes {takes}: {problem}") from None
        bound.apply_defaults()
        return self.apply(op, *bound.args)

    arity = len(op.partials)
    f: Any = several if arity > min(len(letters), 2) else binary if arity == 2 else unary
    f.__name__, f.__qualname__ = op.name, f"Node.{op.name}"
    f.__doc__ = described(op)
    first, *others = takes.parameters.values()
    f.__signature__ = takes.replace(parameters=[first.replace(name="self"), *others])
    return f


def described(op: Op) -> str:
    """Return the docstring of a method."""
    letters = ", ".join(arguments(op.forward))
    return f"Return {op.name}({letters}) as one node: the row {op.name!r} of engine.rules."


def reflected(op: Op) -> Callable[..., Any]:
    """Return the row as the operator of a right operand: `2.0 - x`."""

    def method(self: Any, other: Any) -> Any:
        return self.lift(other)._binary(op, self)

    method.__name__ = f"__r{OPERATORS[op.name]}__"
    method.__qualname__ = f"Node.{method.__name__}"
    return method


# ------------------------------------------------------------------------------- the fast methods

# A fast method handles operands that are exactly Values and floats while no hook is active. The
# definition in `Methods` handles everything else.
ONE_INPUT = """\
def {name}(self):
    if observed:
        return self._unary({op})
    {x} = self._data
{body}"""
TWO_INPUTS = """\
def {name}(self, {other}):
    if type({other}) is not Value or observed:
        if type({other}) is not float or observed:
            return self._binary({op}, {other})
{of_number}
    {x} = self._data
{data}
{body}"""
REFLECTED = """\
def {name}(self, other):
    if type(other) is not float or observed:
        return self.lift(other)._binary({op}, self)
{of_number}"""
CONSTANT = """\
{node} = self._data
{number} = other
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


def printed(op: Op, name: str) -> str:
    """Return the source of the fast method of a row with one or two inputs."""
    letters, symbol = arguments(op.forward), SYMBOLS[op]
    if len(letters) == 1:
        body = indent(node_of(op, ["self"]), "    ")
        return ONE_INPUT.format(name=name, op=symbol, x=letters[0], body=body)
    x, y = letters
    if name.startswith("__r"):
        of_number = CONSTANT.format(node=y, number=x) + node_of(op, ["constant", "self"])
        return REFLECTED.format(name=name, op=symbol, of_number=indent(of_number, "    "))
    of_number = CONSTANT.format(node=x, number=y) + node_of(op, ["self", "constant"])
    other = "other" if name.startswith("__") else y  # the name of the argument
    body = indent(node_of(op, ["self", "other"]), "    ")
    data = f"    other = {y}\n    {y} = other._data" if other == y else f"    {y} = other._data"
    return TWO_INPUTS.format(
        name=name,
        op=symbol,
        other=other,
        of_number=indent(
            of_number.replace(f"{y} = other\n", "" if other == y else f"{y} = other\n"), "        "
        ),
        x=x,
        data=data,
        body=body,
    )


def indent(text: str, by: str) -> str:
    return "".join(f"{by}{line}" for line in text.splitlines(keepends=True))


def node_of(op: Op, inputs: list[str]) -> str:
    """Return the lines that make a node of its inputs, one of which may be the constant."""
    row = record(op, len(inputs))
    pairs = list(zip(inputs, row.locals, strict=True))
    wanted = [s for x, s in pairs if x != "constant" and s is not None]
    given, every = dict(enumerate(arguments(op.forward))), [*row.forward, *row.backward]
    found = Formulas(given, row, every, wanted, INLINE, {row.outs[0]: "out"})
    slopes = ["None" if x == "constant" else "1.0" if s is None else found.of(s) for x, s in pairs]
    x, y, *_ = [*inputs, "None"]
    dx, dy, *_ = [*slopes, "None"]
    lines = "".join(f"{line}\n" for line in found.parts)
    return lines + NODE.format(op=SYMBOLS[op], x=x, y=y, dx=dx, dy=dy)


def source(name: str) -> str:
    """Return the source of a fast method of `Value`, as printed from its row.

    >>> print(source("__neg__").partition("node = ")[0])
    def __neg__(self):
        if observed:
            return self._unary(NEG)
        x = self._data
        out = -x
    <BLANKLINE>
    """
    return printed(FAST[name], name)


def compiled(name: str, space: dict[str, Any]) -> Any:
    """Return a fast method of `Value`; tracebacks and `inspect.getsource` show its lines."""
    import linecache

    file, text = f"<Value.{name}, printed from engine.rules>", source(name)
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    local: dict[str, Any] = {}
    exec(compile(text, file, "exec"), space, local)
    f = local[name]
    f.__qualname__, f.__module__ = f"Value.{name}", "stepgrad.value"
    f.__doc__ = described(FAST[name])
    return f


def define(owner: type, name: str, made: MadeAtFirstUse) -> None:
    """Set a method of a class."""
    made.__set_name__(owner, name)
    setattr(owner, name, made)


FAST: dict[str, Op] = {}  # the rows of the fast methods, by the methods' names
NAMES: dict[Op, str] = {}  # the names of the methods, by their rows
for _name, _op in ELEMENTWISE.items():
    _called = [f"__{OPERATORS[_name]}__"] if _name in OPERATORS else []
    _called += [_name] if _name.isidentifier() else []
    NAMES[_op] = _called[0]
    for _method in _called:
        define(Methods, _method, MadeAtFirstUse(lambda op=_op: method(op)))
        if len(_op.partials) <= 2 and not _op.forward.__defaults__:
            FAST[_method] = _op
    if len(_op.partials) == 2 and _name in OPERATORS:
        FAST[_method := f"__r{OPERATORS[_name]}__"] = _op
        define(Methods, _method, MadeAtFirstUse(lambda op=_op: reflected(op)))


SPACE: dict[str, Any] = {  # the globals of the fast methods
    **arithmetic.FLOATS, **{name: op for op, name in SYMBOLS.items()}, "new": object.__new__,
    "observed": False, "inf": inf, "nan": nan, "__name__": __name__,
}  # fmt: skip


def install(value: Any, constant: Any) -> None:
    """Give `Value` the fast methods and `Constant` the definitions."""
    SPACE.update(Value=value, Constant=constant)
    for name in FAST:
        define(value, name, MadeAtFirstUse(lambda name=name: compiled(name, SPACE)))
        setattr(constant, name, vars(Methods)[name])
