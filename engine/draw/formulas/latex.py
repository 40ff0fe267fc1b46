r"""`latex`: the expression that a graph computes, or its derivative, as LaTeX.

A value whose expression would be long has a line of its own, `name = ...`, so that the length is in
proportion to the graph.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from engine.draw.formulas.forms import build_lecture_slopes
from engine.draw.formulas.labels import is_power
from engine.draw.formulas.notation import choose_names
from engine.draw.formulas.symbols import (
    ONE,
    ZERO,
    Symbol,
    add_up,
    build_formula,
    lift,
    make_name,
    multiply,
    negate,
)
from engine.draw.formulas.writing import ATOM, Expression, Latex, flatten_sum
from engine.graph import topological
from engine.node import Node
from engine.sequences.vector_op import Output, Outputs
from engine.value import Value
from engine.watch.gradient_warnings import warn

SPEC = ".4g"
# Names, numbers and operations in the expression of a value that has no line of its own: of one
# that is used often, with a label and without, and of any.
LABELLED, SHARED, LONGEST = 6, 12, 80
DEEPEST = 10  # operations inside one another
TERMS = 8  # of a sum, in a line
LATIN = "\u00a0ßæœøłÆŒØŁµ°²³·…–—"
ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327"  # of pdflatex


def latex(root: Value, wrt: Value | None = None) -> str:
    r"""Return the expression that `root` computes, or its derivative, as LaTeX.

    The LaTeX is for math mode and requires the package amsmath. Labels are names, set as
    mathematics where they are (see `engine.draw.formulas.labels`); leaves without a label are
    numbers. The rows of the graph give the formulas, a user's own rows, too. Where the expression
    would be long, values that are used more than once are defined in lines of their own, below the
    result.

    pdflatex compiles labels of Latin and Greek letters. A UserWarning says if a label has others,
    such as Cyrillic ones, which require xelatex or lualatex.

    Args:
        root: the result of the graph.
        wrt: the value with respect to which to differentiate: a leaf, or a value in between. The
            derivative is the chain rule along the graph: the sum over all paths from `wrt` to
            `root` of the products of the local derivatives, with common factors kept. Only terms of
            0, factors of 1, signs and equal terms are simplified. Local derivatives have the form
            in which lectures write them: that of tanh is 1 - tanh².

    Raises TypeError unless `root` and `wrt` are Values: between Arrays, a local derivative is a
    matrix. Raises ValueError if `wrt` is a constant or not in the graph.

    >>> x, w = Value(2.0, "x_1"), Value(3.0, "w")
    >>> y = (x * w).tanh()
    >>> print(latex(y))
    \tanh\left(x_{1} \cdot w\right)
    >>> print(latex(x * x * w, wrt=x))
    2 \cdot w \cdot x_{1}
    """
    for name, node in (("root", root), ("wrt", wrt)):
        if not isinstance(node, Value) and (name == "root" or node is not None):
            raise TypeError(f"latex expects a Value as {name}, got {node!r}")
    order = topological(root)
    if wrt is not None and (wrt.constant or wrt not in set(order)):
        problem = "it is a constant" if wrt.constant else "it is not in the graph of root"
        raise ValueError(f"latex cannot differentiate with respect to {wrt!r}: {problem}")
    return wrap_letters(Derivation(order, wrt).write())


class Derivation:
    """The expressions of the values of a graph, and their derivatives with respect to one."""

    def __init__(self, order: Sequence[Node], wrt: Value | None):
        self.wrt, self.root = wrt, order[-1]
        self.variable: Node = order[-1] if wrt is None else wrt
        self.names = dict(zip(order, choose_names(order, SPEC), strict=True))
        self.definitions: dict[Symbol, Symbol] = {}  # by their names, in the order of the graph
        self.values: dict[Node, Symbol] = {}
        self.slopes: dict[Node, Symbol] = {}  # of the values that depend on `wrt`
        uses = Counter(x for node in order for x in node.inputs)
        self.added = {  # values that are a term of one sum
            x
            for node in order
            for x in node.inputs
            if uses[x] == 1 and node.op is not None and node.op.name in ("+", "-")
        }
        for node in order:
            if isinstance(node, Outputs):
                continue
            often = uses[node] > 1 or wrt is not None
            name = make_name(self.names[node])
            self.values[node] = self.define(node, name, self.express(node), often)
            if wrt is not None:
                self.differentiate(node, often=uses[node] > 1)

    def express(self, node: Node) -> Symbol:
        """Return the expression of a value."""
        if node.op is not None:
            return build_formula(node.op, [self.values[x] for x in list_operands(node)])
        if node.label or node is self.wrt:
            return make_name(self.names[node])
        return lift(float(node.data))

    def differentiate(self, node: Node, often: bool) -> None:
        """Add the derivative of a value, if it depends on `wrt`: the chain rule."""
        if node is self.wrt:
            self.slopes[node] = ONE
        inputs = list_operands(node)
        if node is self.wrt or node.op is None or not self.slopes.keys() & {*inputs}:
            return
        args = [self.values[x] for x in inputs]
        partials = build_lecture_slopes(node.op, self.values[node], args)
        terms = [
            multiply_factors(partial, self.slopes[x])
            for x, partial in zip(inputs, partials, strict=True)
            if x in self.slopes
        ]
        self.slopes[node] = self.define(node, self.name_slope(node), collect_terms(terms), often)

    def name_slope(self, node: Node) -> Symbol:
        """Return the name of a derivative, a quotient."""
        return Symbol("derivative", (self.names[node], self.names[self.variable]))

    def define(self, node: Node, name: Symbol, expression: Symbol, often: bool) -> Symbol:
        """Return the expression of a node; if it is long or deep, define its name and return that.

        The result remains an expression, and the variable a name.
        """
        size, depth = measure_size(expression)
        most = LABELLED if node.label else SHARED
        is_long = size > LONGEST or depth > DEEPEST or (often and size > most)
        if name.head == "name" and expression.head == "+" and node in self.added:
            is_long = False  # a line can be broken between the terms of a sum
        is_variable = node is self.wrt and node.op is not None
        is_result = node is self.root and (self.wrt is None or name.head == "derivative")
        if is_result or not (is_long or is_variable):
            return expression
        self.definitions[name] = expression
        return name

    def write(self) -> str:
        """Return the result, followed by the definitions that it uses, as LaTeX."""
        name = make_name(self.names[self.root])
        result = self.values[self.root]
        if self.wrt is not None:
            name, result = self.name_slope(self.root), self.slopes.get(self.root, ZERO)
        writer = FullLatex()
        used = {*find_names(result)}
        lines = [(name, result)]
        for defined, expression in reversed(self.definitions.items()):
            if defined in used:
                used.update(find_names(expression))
                lines.append((defined, expression))
        broken = [[writer.write(part) for part in break_sum(x)] for _, x in lines]
        if len(lines) == len(broken[0]) == 1:
            return broken[0][0]
        rows = []
        for i, ((left, _), (first, *rest)) in enumerate(zip(lines, broken, strict=True)):
            where = r"\text{where}\quad " if i == 1 else ""
            rows.append(f"{where}{writer.write(left)} &= {first}")
            rows += [rf"&\quad {'' if part.startswith('-') else '+ '}{part}" for part in rest]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


class FullLatex(Latex):
    """A writer of LaTeX that leaves nothing out, and knows derivatives."""

    longest_sum = 10**9

    def write_operation(self, head: str, parts: tuple[Any, ...]) -> str:
        if head == "derivative":
            over, under = map(self.write_differential, parts)
            return rf"\frac{{{over}}}{{{under}}}"
        return super().write_operation(head, parts)

    def write_differential(self, name: str) -> str:
        """Write ∂ of a name; of one that looks like a power, in parentheses."""
        text = self.write(make_name(name), ATOM)
        return rf"\partial {self.write_parentheses(text) if is_power(name) else text}"


def wrap_letters(latex: str) -> str:
    r"""Return LaTeX with letters beyond ASCII as text, since pdflatex has none in math mode.

    Warns of letters that it has in no mode.

    >>> print(wrap_letters(r"\mathrm{größe} + x"))
    \mathrm{gr\text{öß}e} + x
    """
    runs = dict.fromkeys(re.findall(r"[^\x00-\x7f]+", latex))
    unknown = [run for run in runs if not all(map(is_latin, run))]
    if unknown:
        warn(
            f"pdflatex does not know {', '.join(unknown)} in the labels of this graph; compile "
            "with xelatex or lualatex and a font that has them, or choose other labels",
            UserWarning,
        )
    return re.sub(r"[^\x00-\x7f]+", r"\\text{\g<0>}", latex)


def is_latin(c: str) -> bool:
    """Return whether LaTeX's default fonts have a letter, perhaps as a letter and an accent."""
    letters = unicodedata.normalize("NFD", c)
    return c in LATIN or (len(letters) == 2 and letters[0].isascii() and letters[1] in ACCENTS)


def list_operands(node: Node) -> tuple[Node, ...]:
    """Return the inputs of a value's row; of one of several results, those of the operation."""
    return node.inputs[0].inputs if isinstance(node.op, Output) else node.inputs


def multiply_factors(x: Symbol, y: Symbol) -> Symbol:
    """Return a product with its sign and its number in front.

    >>> print(multiply_factors(make_name("x"), multiply(-2.0, make_name("y"))))
    −2 · x · y
    """
    (a, x), (b, y) = split_number(x), split_number(y)
    product = multiply(x, y)
    return negate(product) if a * b == -1.0 else multiply(a * b, product)


def split_number(x: Symbol) -> tuple[float, Symbol]:
    """Return the number in front of an expression, and the rest."""
    if x.head == "number":
        return x.parts[0], ONE
    if x.head == "neg":
        number, rest = split_number(x.parts[0])
        return -number, rest
    if x.head == "·":
        (a, y), (b, z) = map(split_number, x.parts)
        return a * b, multiply(y, z)
    return 1.0, x


def collect_terms(terms: Iterable[Symbol]) -> Symbol:
    """Return a sum, in which equal terms are one term with their number.

    >>> x = make_name("x")
    >>> print(collect_terms([x, x, ONE]))
    2 · x + 1
    """
    counts = Counter(terms)
    return add_up(multiply_factors(lift(float(n)), term) for term, n in counts.items())


def measure_size(x: Symbol) -> tuple[int, int]:
    """Return the size of an expression and the depth of its operations.

    A sum in a sum is no deeper. Counting ends where the size no longer matters.
    """
    size = deepest = 0
    stack: list[tuple[Expression, int]] = [(x, 0)]
    while stack and size <= LONGEST:
        part, depth = stack.pop()
        deepest = max(deepest, depth)
        size += 1
        if part.head not in ("number", "name", "derivative"):
            stack += [(y, depth + (y.head != part.head)) for y in part.parts]
    return size, deepest


def find_names(x: Symbol) -> Iterator[Symbol]:
    """Yield the names and derivatives in an expression."""
    stack: list[Expression] = [x]
    while stack:
        part = stack.pop()
        if part.head in ("name", "derivative"):
            yield Symbol(part.head, part.parts)
        elif part.head != "number":
            stack += part.parts


def break_sum(x: Symbol) -> list[Symbol]:
    """Return an expression, or the parts of a long sum, a line each."""
    terms: list[Any] = flatten_sum([x])
    if len(terms) <= TERMS:
        return [x]
    return [add_up(terms[i : i + TERMS]) for i in range(0, len(terms), TERMS)]
