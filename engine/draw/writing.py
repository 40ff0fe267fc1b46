"""Expressions written down: as text, as LaTeX, and as MathML, which browsers set by themselves.

>>> from engine.draw.symbols import made, name
>>> half = made("/", 1.0, made("^", name("x1"), 2.0))
>>> print(text(half), latex(half))
1 / x1² \\frac{1}{x_{1}^{2}}
"""

import html
import re
from typing import Any

from engine.draw.symbols import NAMED, Symbol, lift

# How strongly an operation binds: a part that binds less than its place asks for is put in
# parentheses.
COMPARISONS = ("<", "≤", ">", "≥", "=")
BINDS = {
    "cases": 0, "or": 1, "and": 2, **dict.fromkeys(COMPARISONS, 3),
    "+": 4, "neg": 5, "·": 6, "/": 7, "^": 8,
}  # fmt: skip
TIGHT, MOST = 9, 6  # MOST: the terms of a sum that are written out


def text(x: Any) -> str:
    """In one line of plain text."""
    return Text().write(x)


def latex(x: Any) -> str:
    """In LaTeX's mathematics, without the signs that begin and end it."""
    return Latex().write(x)


def mathml(x: Any) -> str:
    """As the inside of a <math> element."""
    return MathML().write(x)


class Text:
    """A way of writing; the others replace what they write otherwise."""

    spec = ".4g"

    def write(self, x: Any, least: int = 0) -> str:
        """An expression where a part has to bind at least so strongly."""
        x = lift(x)
        head, parts = x.head, x.parts
        if head == "number":
            found, binds = self.number(parts[0]), BINDS["neg"] if parts[0] < 0 else TIGHT
        elif head == "name":
            found, binds = self.name(parts[0]), TIGHT
        else:
            binds = BINDS.get(head, TIGHT)
            found = self.operation(head, parts, binds)
        return self.bracketed(found) if binds < least else found

    def operation(self, head: str, parts: tuple[Symbol, ...], binds: int) -> str:
        write = self.write
        if head == "+":
            return self.sum(terms(Symbol(head, parts)))
        if head == "neg":
            return self.sign("−") + write(parts[0], BINDS["·"])
        if head == "·":
            first = write(parts[0], 0 if parts[0].head == "number" else binds)
            return first + self.sign(" · ") + write(parts[1], binds)
        if head == "/":
            return self.fraction(*parts)
        if head == "^":
            return self.power(*parts)
        if head == "cases":
            return self.cases(*parts)
        if head in COMPARISONS or head in ("and", "or"):
            return self.sign(f" {head} ").join(write(part, binds + 1) for part in parts)
        if head in ("√", "∛"):
            return self.root(head, parts[0])
        if head == "abs":
            return self.sign("|") + write(parts[0]) + self.sign("|")
        return self.call(head, [write(part) for part in parts])

    def sum(self, parts: list[Symbol]) -> str:
        if len(parts) > MOST:
            parts = [*parts[: MOST // 2], Symbol("name", ("⋯",)), parts[-1]]
        found = self.write(parts[0], BINDS["+"])
        for part in parts[1:]:
            minus = part.head == "neg" or (part.head == "number" and part.parts[0] < 0)
            if minus:
                part = part.parts[0] if part.head == "neg" else lift(-part.parts[0])
            found += self.sign(" − " if minus else " + ") + self.write(part, BINDS["neg"])
        return found

    # What is written otherwise elsewhere.

    def number(self, x: float) -> str:
        if -x in NAMED:
            return "−" + NAMED[-x]
        return NAMED.get(x) or f"{x:{self.spec}}".replace("-", "−").replace("inf", "∞")

    def name(self, x: str) -> str:
        return x

    def sign(self, x: str) -> str:
        return x

    def bracketed(self, x: str) -> str:
        return f"({x})"

    def fraction(self, x: Symbol, y: Symbol) -> str:
        over = self.write(x, 0 if x.head == "number" else BINDS["/"])
        return f"{over} / {self.write(y, BINDS['/'] + 1)}"

    def power(self, x: Symbol, y: Symbol) -> str:
        base = self.write(x, TIGHT)
        if y in (lift(2.0), lift(3.0)):
            return base + ("²" if y == lift(2.0) else "³")
        return f"{base}^{self.write(y, TIGHT)}"

    def root(self, head: str, x: Symbol) -> str:
        inner = self.write(x)
        return head + (inner if x.head in ("name", "number") else f"({inner})")

    def cases(self, x: Symbol, condition: Symbol, y: Symbol) -> str:
        write = self.write
        return f"{write(x, 1)} if {write(condition, 1)} else {write(y)}"

    def call(self, function: str, args: list[str]) -> str:
        return f"{function}({', '.join(self.listed(args))})"

    def listed(self, args: list[str]) -> list[str]:
        dots = self.name("⋯")
        return args if len(args) <= MOST else [*args[: MOST // 2], dots, args[-1]]


DIGITS = "₀₁₂₃₄₅₆₇₈₉"
LEVEL = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
GREEK = {"σ": r"\sigma", "Φ": r"\Phi", "φ": r"\varphi"}
SIGNS = {"·": r"\cdot", "≤": r"\le", "≥": r"\ge", "and": r"\land", "or": r"\lor", "−": "-"}
KNOWN = [
    "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan",
    "ln", "log", "max", "min",
]  # fmt: skip


class Latex(Text):
    """LaTeX; names of several letters are set upright, digits at their end as an index."""

    def number(self, x: float) -> str:
        if -x in NAMED:
            return "-" + self.number(-x)
        if x in NAMED:
            return NAMED[x].replace("√π", r"\sqrt{\pi}").replace("ln", r"\ln")
        found = f"{x:{self.spec}}".replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
        return re.sub(r"e([+-]\d+)", lambda e: rf" \cdot 10^{{{int(e[1])}}}", found)

    def name(self, x: str) -> str:
        if x == "⋯":
            return r"\cdots"
        letters, digits = indexed(x)
        shown = re.sub(r"([_&%$#{}])", r"\\\1", re.sub(r"[\\^~]", "?", letters))
        shown = GREEK.get(letters) or (shown if len(letters) == 1 else rf"\mathrm{{{shown}}}")
        return f"{shown}_{{{digits}}}" if digits else shown

    def sign(self, x: str) -> str:
        return x.replace(x.strip(), SIGNS.get(x.strip(), x.strip()))

    def bracketed(self, x: str) -> str:
        return rf"\left({x}\right)"

    def fraction(self, x: Symbol, y: Symbol) -> str:
        return rf"\frac{{{self.write(x)}}}{{{self.write(y)}}}"

    def power(self, x: Symbol, y: Symbol) -> str:
        return f"{self.write(x, TIGHT)}^{{{self.write(y)}}}"

    def root(self, head: str, x: Symbol) -> str:
        return (r"\sqrt" if head == "√" else r"\sqrt[3]") + f"{{{self.write(x)}}}"

    def cases(self, x: Symbol, condition: Symbol, y: Symbol) -> str:
        rows = rf"{self.write(x)} & {self.write(condition)} \\ {self.write(y)} & \text{{otherwise}}"
        return rf"\begin{{cases}} {rows} \end{{cases}}"

    def call(self, function: str, args: list[str]) -> str:
        base = function.rstrip(DIGITS)
        digits = function[len(base) :].translate(str.maketrans(DIGITS, "0123456789"))
        index = f"_{{{digits}}}" if digits else ""
        head = GREEK.get(base, rf"\{base}" if base in KNOWN else rf"\operatorname{{{base}}}")
        return rf"{head}{index}\left({', '.join(self.listed(args))}\right)"


class MathML(Text):
    """MathML Core, which every browser sets; names and numbers are escaped."""

    def number(self, x: float) -> str:
        return f"<mn>{super().number(x)}</mn>"

    def name(self, x: str) -> str:
        found = re.fullmatch("(.+)⁽([⁰¹²³⁴⁵⁶⁷⁸⁹]+)⁾(′*)", x)
        if found:  # the n-th of that name
            base, nth = self.name(found[1]), found[2].translate(LEVEL)
            return f"<msup>{base}<mrow><mo>(</mo><mn>{nth}</mn><mo>)</mo></mrow></msup>{found[3]}"
        letters, digits = indexed(x)
        shown = f"<mi>{html.escape(letters)}</mi>"
        return f"<msub>{shown}<mn>{digits}</mn></msub>" if digits else shown

    def sign(self, x: str) -> str:
        return (
            f"<mo>{html.escape({'and': '∧', 'or': '∨', '·': '⋅'}.get(x.strip(), x.strip()))}</mo>"
        )

    def bracketed(self, x: str) -> str:
        return f"<mrow><mo>(</mo>{x}<mo>)</mo></mrow>"

    def row(self, x: Symbol, least: int = 0) -> str:
        return f"<mrow>{self.write(x, least)}</mrow>"

    def fraction(self, x: Symbol, y: Symbol) -> str:
        return f"<mfrac>{self.row(x)}{self.row(y)}</mfrac>"

    def power(self, x: Symbol, y: Symbol) -> str:
        return f"<msup>{self.row(x, TIGHT)}{self.row(y)}</msup>"

    def root(self, head: str, x: Symbol) -> str:
        return (
            f"<msqrt>{self.write(x)}</msqrt>"
            if head == "√"
            else f"<mroot>{self.row(x)}<mn>3</mn></mroot>"
        )

    def cases(self, x: Symbol, condition: Symbol, y: Symbol) -> str:
        row = "<mtr><mtd>{}</mtd><mtd>{}</mtd></mtr>".format
        rows = row(self.write(x), "<mtext>if\u00a0</mtext>" + self.write(condition))
        rows += row(self.write(y), "<mtext>otherwise</mtext>")
        return f"<mrow><mo>{{</mo><mtable>{rows}</mtable></mrow>"

    def call(self, function: str, args: list[str]) -> str:
        inside = "<mo>,</mo>".join(self.listed(args))
        return f"<mi>{html.escape(function)}</mi><mo>&#8289;</mo>{self.bracketed(inside)}"


def terms(x: Symbol) -> list[Symbol]:
    """The terms of nested sums, from left to right."""
    found, waiting = [], [x]
    while waiting:
        part = waiting.pop()
        if part.head == "+":
            waiting += reversed(part.parts)
        else:
            found.append(part)
    return found


def indexed(x: str) -> tuple[str, str]:
    """A name and the digits at its end, which are its index."""
    found = re.fullmatch(r"([^\W\d_]+)(\d+)", x)
    return (found[1], found[2]) if found else (x, "")
