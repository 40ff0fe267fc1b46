"""Expressions, written as text, as LaTeX, and as MathML, which browsers render themselves.

>>> from engine.draw.formulas.symbols import combine, make_name
>>> half = combine("/", 1.0, combine("^", make_name("x1"), 2.0))
>>> print(to_text(half), to_latex(half))
1 / x₁² \\frac{1}{x_{1}^{2}}
"""

import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from engine.draw.formulas.labels import (
    set_latex,
    set_mathml,
    set_plain,
    split_repeat,
    write_upright,
)
from engine.draw.formulas.places import mark_place

T = TypeVar("T")


@dataclass(frozen=True)
class Expression:
    """An expression: a number, a name, the place of a number, or an operation on its parts.

    Heads are "number", "name", "place", the signs + · / ^ √ ∛ < ≤ > ≥ =, "neg", "abs", "and", "or",
    "cases" (value, condition, otherwise), and names of functions. The part of a number is a float,
    followed by its text if it has its final format; that of a name or a place is a string. The
    parts of any other head are expressions.
    """

    head: str
    parts: tuple[Any, ...]


def to_text(x: Expression) -> str:
    """Return an expression as one line of plain text."""
    return PlainText().write(x)


def to_latex(x: Expression) -> str:
    """Return an expression in LaTeX's math mode, without the dollar signs."""
    return Latex().write(x)


def to_mathml(x: Expression) -> str:
    """Return an expression as the content of a <math> element."""
    return MathML().write(x)


# An operation's precedence. A part in a place that requires a higher one is put in parentheses.
COMPARISONS = ("<", "≤", ">", "≥", "=")
PRECEDENCE = {
    "cases": 0, "or": 1, "and": 2, **dict.fromkeys(COMPARISONS, 3),
    "+": 4, "neg": 5, "·": 6, "/": 7, "^": 8,
}  # fmt: skip
ATOM = 9  # the precedence of names, positive numbers and calls
COMPOUND = re.compile(r"[^\d\s.e{_^]\s*[-+*/=]|[-+*/=]\s*[^\d\s.e}]")  # a label such as a + b
EXPONENTS = {2.0: "²", 3.0: "³"}
MOST_TERMS = 100  # terms that a page can show
DOTS = Expression("name", ("⋯",))
TRIGONOMETRIC = ("sin", "cos", "tan", "sinh", "cosh", "tanh")  # squares are written as cosh²(x)
NAMES_OF_NUMBERS = {
    math.log(2.0): "ln 2", math.log(10.0): "ln 10", 2.0 / math.sqrt(math.pi): "2/√π",
    1.0 / math.log(2.0): "1/ln 2", 1.0 / math.log(10.0): "1/ln 10",
    1.0 / math.sqrt(2.0 * math.pi): "1/√(2π)",
}  # fmt: skip


def has_minus(x: Expression) -> bool:
    """Return whether an expression is a product that begins with a negative number: −2 · x."""
    while x.head == "·":
        x = x.parts[0]
        if x.head == "number":
            return bool(x.parts[0] < 0)
    return False


def remove_minus(x: Expression) -> Expression:
    """Return an expression without its first sign if that is a minus: x for −x, 2 · y for −2 · y.

    Any other expression is returned as the same object.
    """
    if x.head == "neg":
        return x.parts[0]
    if x.head == "number" and x.parts[0] < 0:
        return Expression("number", (-x.parts[0],))
    if has_minus(x):
        return Expression("·", (remove_minus(x.parts[0]), x.parts[1]))
    return x


class PlainText:
    """A writer of plain text; writers of other formats override how parts are written."""

    spec = ".4g"
    longest_sum = 6  # terms or arguments; beyond it, some are left out

    def write(self, x: Expression, precedence: int = 0) -> str:
        """Return an expression for a place that requires at least this precedence."""
        head, parts = x.head, x.parts
        if head == "number":
            text = self.write_name(parts[1]) if len(parts) > 1 else self.write_number(parts[0])
            own = PRECEDENCE["neg"] if parts[0] < 0 else ATOM
        elif head == "name":
            own = PRECEDENCE["+"] if COMPOUND.search(parts[0]) else ATOM
            text = self.write_name(parts[0])
        elif head == "place":
            text, own = mark_place(parts[0], "(" if precedence > PRECEDENCE["neg"] else ""), ATOM
        else:
            own = PRECEDENCE["neg"] if has_minus(x) else PRECEDENCE.get(head, ATOM)
            text = self.write_operation(head, parts)
        return self.write_parentheses(text) if own < precedence else text

    def write_operation(self, head: str, parts: tuple[Any, ...]) -> str:
        write, own = self.write, PRECEDENCE.get(head, ATOM)
        if head == "+":
            return self.write_sum(flatten_sum(parts))
        if head == "neg":
            return self.write_sign("−") + write(parts[0], PRECEDENCE["·"])
        if head == "·":
            first = write(parts[0], PRECEDENCE["neg"] if parts[0].head in ("number", "·") else own)
            return first + self.write_sign(" · ") + write(parts[1], own)
        if head == "/":
            return self.write_fraction(*parts)
        if head == "^":
            if parts[0].head in TRIGONOMETRIC and parts[1].head == "number":
                function = self.write_exponent(self.write_function(parts[0].head), parts[1])
                return self.write_call(function, self.write_arguments(parts[0].parts))
            return self.write_exponent(write(parts[0], ATOM), parts[1])
        if head == "cases":
            return self.write_cases(*parts)
        if head in COMPARISONS or head in ("and", "or"):
            return self.write_sign(f" {head} ").join(write(part, own + 1) for part in parts)
        if head in ("√", "∛"):
            return self.write_root(head, parts[0])
        if head == "abs":
            return self.write_sign("|") + write(parts[0]) + self.write_sign("|")
        return self.write_call(self.write_function(head), self.write_arguments(parts))

    def write_arguments(self, parts: Sequence[Expression]) -> list[str]:
        return shorten([self.write(part) for part in parts], self.write(DOTS), self.longest_sum)

    def write_sum(self, terms: Sequence[Expression]) -> str:
        first, *rest = shorten(terms, DOTS, self.longest_sum)
        return self.write(first, PRECEDENCE["+"]) + "".join(map(self.write_term, rest))

    def write_term(self, term: Expression) -> str:
        """Write a term of a sum after the first one, with its sign."""
        if term.head == "place":
            return mark_place(term.parts[0], "+")
        positive = remove_minus(term)
        sign = " + " if positive is term else " − "
        return self.write_sign(sign) + self.write(positive, PRECEDENCE["·"])

    # The methods below are overridden.

    def write_number(self, x: float) -> str:
        if -x in NAMES_OF_NUMBERS:
            return "−" + NAMES_OF_NUMBERS[-x]
        text = f"{x:{self.spec}}".replace("-", "−").replace("inf", "∞")
        return NAMES_OF_NUMBERS.get(x, text)

    def write_name(self, x: str) -> str:
        return set_plain(x)

    def write_sign(self, x: str) -> str:
        return x

    def write_parentheses(self, x: str) -> str:
        return f"({x})"

    def write_fraction(self, x: Expression, y: Expression) -> str:
        over = self.write(
            x, PRECEDENCE["neg"] if x.head in ("number", "neg", "place") else PRECEDENCE["/"]
        )
        return f"{over} / {self.write(y, PRECEDENCE['/'] + 1)}"

    def write_exponent(self, base: str, y: Expression) -> str:
        if y.parts[0] in EXPONENTS:
            return base + EXPONENTS[y.parts[0]]
        return f"{base}^{self.write(y, ATOM)}"

    def write_root(self, head: str, x: Expression) -> str:
        text = self.write(x)
        return head + (text if x.head in ("name", "number") else f"({text})")

    def write_cases(self, x: Expression, condition: Expression, y: Expression) -> str:
        write = self.write
        return f"{write(x, 1)} if {write(condition, 1)} else {write(y)}"

    def write_function(self, function: str) -> str:
        return function

    def write_call(self, function: str, args: Sequence[str]) -> str:
        return f"{function}({', '.join(args)})"


DIGITS = "₀₁₂₃₄₅₆₇₈₉"
FROM_SUBSCRIPTS = str.maketrans(DIGITS, "0123456789")
GREEK = {"σ": r"\sigma", "Φ": r"\Phi", "φ": r"\varphi"}
LATEX_SIGNS = {"·": r"\cdot", "≤": r"\leq", "≥": r"\geq", "and": r"\land", "or": r"\lor", "−": "-"}
LATEX_FUNCTIONS = [
    "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan",
    "ln", "log", "max", "min",
]  # fmt: skip
INFIX = '<mo form="infix">'  # a sign that begins a row, with spaces as between its operands
MATHML_SIGNS = {"and": "∧", "or": "∨", "·": "⋅"}


class Latex(PlainText):
    """A writer of LaTeX: names of several letters are upright, trailing digits are an index."""

    def write_number(self, x: float) -> str:
        if -x in NAMES_OF_NUMBERS:
            return "-" + self.write_number(-x)
        if x in NAMES_OF_NUMBERS:
            text = NAMES_OF_NUMBERS[x].replace("√(2π)", r"\sqrt{2\pi}")
            return text.replace("√π", r"\sqrt{\pi}").replace("ln", r"\ln")
        text = f"{x:{self.spec}}".replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
        return re.sub(r"e([+-]\d+)", lambda e: rf" \cdot 10^{{{int(e[1])}}}", text)

    def write_name(self, x: str) -> str:
        if re.fullmatch(r"−?[\d,.]+e[+−]\d+", x):  # a formatted number
            number, exponent = x.replace("−", "-").split("e")
            return rf"{number} \cdot 10^{{{int(exponent)}}}"
        signs = {"⋯": r"\cdots", "inf": r"\infty"}
        return signs.get(x) or (x if re.fullmatch(r"[\d.]+", x) else set_latex(x))

    def write_sign(self, x: str) -> str:
        return x.replace(x.strip(), LATEX_SIGNS.get(x.strip(), x.strip()))

    def write_parentheses(self, x: str) -> str:
        return rf"\left({x}\right)"

    def write_fraction(self, x: Expression, y: Expression) -> str:
        return rf"\frac{{{self.write(x)}}}{{{self.write(y)}}}"

    def write_exponent(self, base: str, y: Expression) -> str:
        if re.search(r"\^\{(?:[^{}]|\{[^{}]*\})*\}$", base):  # a second superscript is an error
            base = self.write_parentheses(base)
        return f"{base}^{{{self.write(y)}}}"

    def write_root(self, head: str, x: Expression) -> str:
        return (r"\sqrt" if head == "√" else r"\sqrt[3]") + f"{{{self.write(x)}}}"

    def write_cases(self, x: Expression, condition: Expression, y: Expression) -> str:
        first = rf"{self.write(x)} & \text{{if }} {self.write(condition)}"
        return rf"\begin{{cases}} {first} \\ {self.write(y)} & \text{{otherwise}} \end{{cases}}"

    def write_function(self, function: str) -> str:
        base = function.rstrip(DIGITS)
        digits = function[len(base) :].translate(FROM_SUBSCRIPTS)
        slope = re.fullmatch("(.+)(′)(\\d*)", base)  # f′2, the slope of an unknown row
        prime = ""
        if slope:
            base, prime, digits = slope[1], "'", slope[3]
        index = f"_{{{digits}}}" if digits else ""
        plain = write_upright(base).replace("mathrm", "operatorname", 1)
        plain = rf"\{base}" if base in LATEX_FUNCTIONS else plain
        return f"{GREEK.get(base, plain)}{prime}{index}"

    def write_call(self, function: str, args: Sequence[str]) -> str:
        return rf"{function}\left({', '.join(args)}\right)"


class MathML(PlainText):
    """A writer of MathML Core, with names and numbers escaped."""

    def write_number(self, x: float) -> str:
        return f"<mn>{super().write_number(x)}</mn>"

    def write_name(self, x: str) -> str:
        name, repeat = split_repeat(x)
        if repeat:  # x#2 is the second node that is called x
            return f"<msub>{self.write_name(name)}<mtext>{repeat}</mtext></msub>"
        return set_mathml(x)

    def write_sign(self, x: str) -> str:
        form = ' form="prefix"' if x == "−" else ""  # without a space after it
        return f"<mo{form}>{html.escape(MATHML_SIGNS.get(x.strip(), x.strip()))}</mo>"

    def write_parentheses(self, x: str) -> str:
        return f"<mrow><mo>(</mo>{x}<mo>)</mo></mrow>"

    def write_sum(self, terms: Sequence[Expression]) -> str:
        """Write a sum; the terms that are left out have a class, so that a page can show them."""
        first, *rest = terms
        texts = [self.write(first, PRECEDENCE["+"]), *map(self.write_term, rest)]
        if len(texts) > self.longest_sum:
            start = self.longest_sum // 2
            dots = "<mo>+</mo><mo>⋯</mo>"
            hidden = shorten(texts[start:-1], dots, MOST_TERMS)
            rows = [("dots", dots), *(("folded", text) for text in hidden)]
            texts[start:-1] = [
                f'<mrow class="{kind}">{text.replace("<mo>", INFIX, 1)}</mrow>'
                for kind, text in rows
            ]
        return "".join(texts)

    def write_row(self, x: Expression, precedence: int = 0) -> str:
        return f"<mrow>{self.write(x, precedence)}</mrow>"

    def write_fraction(self, x: Expression, y: Expression) -> str:
        return f"<mfrac>{self.write_row(x)}{self.write_row(y)}</mfrac>"

    def write_exponent(self, base: str, y: Expression) -> str:
        return f"<msup><mrow>{base}</mrow>{self.write_row(y)}</msup>"

    def write_root(self, head: str, x: Expression) -> str:
        if head == "√":
            return f"<msqrt>{self.write(x)}</msqrt>"
        return f"<mroot>{self.write_row(x)}<mn>3</mn></mroot>"

    def write_cases(self, x: Expression, condition: Expression, y: Expression) -> str:
        row = "<mtr><mtd>{}</mtd><mtd>{}</mtd></mtr>".format
        rows = row(self.write(x), "<mtext>if\u00a0</mtext>" + self.write(condition))
        rows += row(self.write(y), "<mtext>otherwise</mtext>")
        return f"<mrow><mo>{{</mo><mtable>{rows}</mtable></mrow>"

    def write_function(self, function: str) -> str:
        return f"<mi>{html.escape(function)}</mi>"

    def write_call(self, function: str, args: Sequence[str]) -> str:
        inside = self.write_parentheses("<mo>,</mo>".join(args))
        return f"{function}<mo>&#8289;</mo>{inside}"


def shorten(items: Sequence[T], dots: T, most: int) -> list[T]:
    """Return the first items, dots and the last one if there are more than `most`."""
    return [*items] if len(items) <= most else [*items[: most // 2], dots, items[-1]]


def flatten_sum(parts: Sequence[Expression]) -> list[Expression]:
    """Return the terms of a sum and of the sums in it, from left to right."""
    terms, stack = [], [*reversed(parts)]
    while stack:
        term = stack.pop()
        if term.head == "+":
            stack += reversed(term.parts)
        else:
            terms.append(term)
    return terms
