"""Formulas of arrays as text and as MathML: with names, with shapes, and with numbers."""

import html
from typing import Any

import numpy as np

from engine.draw.arrays.matrices import DEFAULT, as_table, format_together, write_shape
from engine.draw.arrays.recorded import is_recorded, make_key
from engine.draw.arrays.symbols import ArraySymbol
from engine.draw.formulas.places import PLACE, mark_place
from engine.draw.formulas.symbols import Symbol, combine, make_name
from engine.draw.formulas.writing import (
    ATOM,
    COMPARISONS,
    PRECEDENCE,
    Expression,
    MathML,
    PlainText,
)
from engine.draw.look.theme import format_number

OWN = {
    "⊙": PRECEDENCE["·"], "@": PRECEDENCE["/"],
    "Σ": PRECEDENCE["·"], "repeat": PRECEDENCE["·"],
}  # fmt: skip
OPPOSITES = {"≤": ">", "<": "≥", ">": "≤", "≥": "<"}
MOST_COLUMNS = 16  # of all matrices in a line
STRUCTURE = ("@", "⊙", "·", "+", "neg", "Σ", "repeat", "/", "same")


def to_array_text(x: Expression) -> str:
    """Return a formula of arrays as one line of plain text."""
    return ArrayText().write(x)


def to_array_mathml(x: Expression) -> str:
    """Return a formula of arrays as the content of a <math> element."""
    return ArrayMathML().write(x)


def to_shaped_mathml(x: Expression) -> str:
    """Return a formula with the shape of each array below its name."""
    return ShapedMathML().write(x)


def to_numbers(x: Expression, largest: int, spec: str = DEFAULT, deep: bool = True) -> str:
    """Return a formula with the numbers of each array in place of its name.

    Returns "" if an array has more than `largest` rows or columns, or all together too many columns
    for one line. Unless `deep`, factors and terms that are not single arrays become one matrix.
    """
    try:
        return NumberMathML(largest, spec, deep).write(x)
    except TooLargeError:
        return ""


def are_same(x: str, y: str) -> bool:
    """Return whether a formula, written with numbers, only repeats its result."""
    places = [PLACE.fullmatch(text) for text in (x, y)]
    if not all(places):
        return x == y
    kinds = {place[2].rpartition(":")[0] for place in places if place}
    return len(kinds) == 1


class TooLargeError(ValueError):
    """A matrix that does not fit into a line."""


def contains_array(x: Any) -> bool:
    """Return whether the value of an expression has axes."""
    if isinstance(x, ArraySymbol):
        return x.ndim > 0
    if x.head in ("array", "d"):
        return x.parts[0].value.ndim > 0
    if x.head == "at":  # one element
        return False
    return any(contains_array(part) for part in x.parts if isinstance(part, Symbol))


def clarify(x: Expression) -> Expression:
    """Return an expression with the signs of products and conditions that arrays need."""
    head, parts = x.head, x.parts
    if head == "·" and all(map(contains_array, parts)):
        head = "⊙"
    elif head == "^" and parts[1].head == "number" and parts[1].parts[0] == 2.0:
        if contains_array(parts[0]):
            head, parts = "⊙", (parts[0], parts[0])
    elif head == "cases":
        choices = [p.parts[0] for p in parts[::2] if p.head == "number"]
        if choices == [1.0, 0.0]:
            head, parts = "where", (parts[1],)
        elif choices == [0.0, 1.0] and parts[1].head in OPPOSITES:
            head, parts = "where", (combine(OPPOSITES[parts[1].head], *parts[1].parts),)
    if head == x.head:
        return x
    if isinstance(x, ArraySymbol):
        return ArraySymbol(head, parts, x.value)
    return Symbol(head, parts)


class ArrayText(PlainText):
    """A writer of plain text that knows the heads of arrays."""

    def write(self, x: Expression, precedence: int = 0) -> str:
        x = clarify(x)
        write = getattr(self, WRITERS.get(x.head, ""), None)
        if write is None:
            return super().write(x, precedence)
        text = write(x) if x.head != "same" else self.write(x.parts[0], precedence)
        return self.write_parentheses(text) if OWN.get(x.head, ATOM) < precedence else text

    def write_product(self, x: Expression) -> str:
        own = OWN["⊙"]
        sides = [self.write_factor(part, own) for part in x.parts]
        return self.write_sign(" ⊙ ").join(sides)

    def write_factor(self, x: Expression, precedence: int) -> str:
        if x.head in COMPARISONS:
            return self.write(Symbol("where", (x,)))
        return self.write(x, precedence + (clarify(x).head in ("·", "Σ", "repeat")))

    def write_matrix_product(self, x: Expression) -> str:
        sides = [self.write(part, OWN["@"] + k) for k, part in enumerate(x.parts)]
        return self.write_gap().join(sides)

    def write_sum_along(self, x: Expression) -> str:
        return self.write_under("Σ", x.parts[1].parts[0]) + " " + self.write(x.parts[0], OWN["⊙"])

    def write_repeat(self, x: Expression) -> str:
        text = self.write_under("repeat", x.parts[1].parts[0])
        return text + " " + self.write(x.parts[0], OWN["⊙"])

    def write_index(self, x: Expression) -> str:
        return f"{self.write(x.parts[0], ATOM)}[{x.parts[1].parts[0]}]"

    def write_element(self, x: Expression) -> str:
        return f"{self.write(x.parts[0], ATOM)}[{', '.join(x.parts[1].parts[0])}]"

    def write_condition(self, x: Expression) -> str:
        return f"[{self.write(x.parts[0])}]"

    def write_call_under(self, x: Expression) -> str:
        function, under, *args = x.parts
        head = self.write_under(function.parts[0], under.parts[0])
        return f"{head}({', '.join(map(self.write, args))})"

    def write_transpose(self, x: Expression) -> str:
        name = self.find_transposed(x)
        return self.write_name(name) if name else self.write(x.parts[0], ATOM) + "ᵀ"

    def find_transposed(self, x: Expression) -> str:
        """Return W for the transpose of an array that is called Wᵀ; "" for any other."""
        name = x.parts[0].parts[0].name if x.parts[0].head == "array" else ""
        return name[:-1] if name.endswith("ᵀ") else ""

    def write_array(self, x: Expression) -> str:
        return self.write_name(x.parts[0].name)

    def write_gradient(self, x: Expression) -> str:
        return f"d{self.write_name(x.parts[0].name)}"

    def write_under(self, text: str, below: str) -> str:
        return f"{text}[{below}]" if below else text

    def write_gap(self) -> str:
        return " "


WRITERS = {
    "⊙": "write_product", "@": "write_matrix_product", "Σ": "write_sum_along",
    "repeat": "write_repeat", "index": "write_index", "where": "write_condition",
    "at": "write_element",
    "call": "write_call_under", "T": "write_transpose", "array": "write_array",
    "d": "write_gradient", "same": "write",
}  # fmt: skip


class ArrayMathML(ArrayText, MathML):
    """A writer of MathML that knows the heads of arrays."""

    def write_sum_along(self, x: Expression) -> str:
        return self.write_under("∑", x.parts[1].parts[0]) + self.write(x.parts[0], OWN["⊙"])

    def write_repeat(self, x: Expression) -> str:
        text = self.write_under("repeat", x.parts[1].parts[0])
        return f'{text}<mspace width="0.3em"/>{self.write(x.parts[0], OWN["⊙"])}'

    def write_index(self, x: Expression) -> str:
        index = html.escape(x.parts[1].parts[0])
        return (
            f"<mrow>{self.write(x.parts[0], ATOM)}<mo>[</mo><mtext>{index}</mtext><mo>]</mo></mrow>"
        )

    def write_element(self, x: Expression) -> str:
        indices = "".join(f"<mi>{letter}</mi>" for letter in x.parts[1].parts[0])
        return f"<msub><mrow>{self.write(x.parts[0], ATOM)}</mrow><mrow>{indices}</mrow></msub>"

    def write_condition(self, x: Expression) -> str:
        return f"<mrow><mo>[</mo>{self.write(x.parts[0])}<mo>]</mo></mrow>"

    def write_call_under(self, x: Expression) -> str:
        function, under, *args = x.parts
        head = self.write_under(function.parts[0], under.parts[0])
        inside = self.write_parentheses("<mo>,</mo>".join(map(self.write, args)))
        return f"{head}<mo>&#8289;</mo>{inside}"

    def write_transpose(self, x: Expression) -> str:
        if name := self.find_transposed(x):
            return self.write_name(name)
        inner = self.write(x.parts[0], ATOM)
        if x.parts[0].head == "d" and x.parts[0].parts[0].name.endswith("ᵀ"):
            inner = self.write_parentheses(inner)
        return f"<msup><mrow>{inner}</mrow><mi>⊤</mi></msup>"

    def write_name(self, x: str) -> str:
        if x.endswith("ᵀ") and len(x) > 1:
            return f"<msup><mrow>{super().write_name(x[:-1])}</mrow><mi>⊤</mi></msup>"
        return super().write_name(x)

    def write_gradient(self, x: Expression) -> str:
        return f'<mrow><mi mathvariant="normal">d</mi>{self.write_name(x.parts[0].name)}</mrow>'

    def write_under(self, text: str, below: str) -> str:
        tag = "mo" if text == "∑" else "mi"
        text = f"<{tag}>{html.escape(text)}</{tag}>"
        return f"<munder>{text}<mtext>{html.escape(below)}</mtext></munder>" if below else text

    def write_gap(self) -> str:
        return '<mo>&#8290;</mo><mspace width="0.25em"/>'


class ShapedMathML(ArrayMathML):
    """A writer of MathML with the shape of each array below its name."""

    def add_shape(self, text: str, value: Any) -> str:
        shape = np.shape(value)
        if not shape:
            return text
        below = f'<mtext class="shape">{write_shape(shape)}</mtext>'
        return f"<munder><mrow>{text}</mrow>{below}</munder>"

    def write_array(self, x: Expression) -> str:
        return self.add_shape(super().write_array(x), x.parts[0].value)

    def write_gradient(self, x: Expression) -> str:
        return self.add_shape(super().write_gradient(x), x.parts[0].value)

    def write(self, x: Expression, precedence: int = 0) -> str:
        if x.head == "same" and x.parts[0].head in ("array", "d") and contains_array(x.parts[0]):
            return self.add_shape(ArrayMathML().write(x.parts[0], ATOM), x.value)  # type: ignore[attr-defined]
        return super().write(x, precedence)

    def write_transpose(self, x: Expression) -> str:
        if x.parts[0].head not in ("array", "d"):
            return super().write_transpose(x)
        return self.add_shape(ArrayMathML().write_transpose(x), x.value)  # type: ignore[attr-defined]


class TermMathML(MathML):
    """A writer of sums of products of single numbers, with each sign in front of its product."""

    def write_operation(self, head: str, parts: tuple[Any, ...]) -> str:
        if head == "·" and parts[0].head == "place":
            return self.write_product(parts, mark_place(parts[0].parts[0]))
        return super().write_operation(head, parts)

    def write_term(self, term: Expression) -> str:
        if term.head == "·" and term.parts[0].head == "place":
            return self.write_product(term.parts, mark_place(term.parts[0].parts[0], "+"))
        return super().write_term(term)

    def write_product(self, parts: tuple[Any, ...], first: str) -> str:
        return first + self.write_sign(" · ") + self.write(parts[1], PRECEDENCE["·"])


class NumberMathML(ArrayMathML):
    """A writer of MathML with numbers in place of names."""

    def __init__(self, largest: int, spec: str, deep: bool):
        self.largest, self.format, self.deep, self.columns = largest, spec, deep, 0

    def write(self, x: Expression, precedence: int = 0) -> str:
        x = clarify(x)
        if x.head in ("array", "d"):
            return self.write_value(x.parts[0].value, precedence)
        is_value = isinstance(x, ArraySymbol) and x.head != "number"
        if is_value and (x.head in ("T", "index") or not (self.deep or x.head in STRUCTURE)):
            return self.write_value(x.value, precedence)  # type: ignore[attr-defined]
        if x.head == "same" and x.parts[0].head in ("array", "d") and contains_array(x.parts[0]):
            return self.write_value(x.value, precedence)  # type: ignore[attr-defined]
        return super().write(x, precedence)

    def write_factor(self, x: Expression, precedence: int) -> str:
        """Write a factor of ⊙; a local derivative becomes one matrix."""
        if not self.deep and isinstance(x, ArraySymbol) and x.ndim:
            return self.write_value(x.value)
        return super().write_factor(x, precedence)

    def write_value(self, value: Any, precedence: int = 0) -> str:
        """Return a number, or a matrix; of recorded numbers a place."""
        value, recorded = np.asarray(value), is_recorded(value)
        if recorded and not value.ndim:
            return ArrayMathML().write(Symbol("place", (make_key("", value),)), precedence)
        if not value.ndim:
            number = make_name(format_number(abs(value) if value < 0 else value, self.format))
            return ArrayMathML().write(combine("neg", number) if value < 0 else number, precedence)
        table = as_table(value)
        self.columns += table.shape[1]
        if (
            value.ndim > 2
            or max(table.shape) > self.largest
            or self.columns > MOST_COLUMNS
            or not value.size
        ):
            raise TooLargeError
        if recorded:
            return mark_place(make_key(f"m{table.shape[1]}:", table))
        texts, exponent = format_together(table, self.format)
        return write_matrix(texts, table.shape[1], exponent)


def write_matrix(texts: Any, columns: int, exponent: int = 0) -> str:
    """Return rows of numbers in brackets."""
    cells = [f"<mtd><mn>{text}</mn></mtd>" for text in texts]
    rows = [cells[k : k + columns] for k in range(0, len(cells), columns)]
    table = "".join(f"<mtr>{''.join(row)}</mtr>" for row in rows)
    factor = ""
    if exponent:
        power = f"<msup><mn>10</mn><mn>{exponent}</mn></msup>".replace("-", "−")
        factor = f"{power}<mo>⋅</mo>"
    return f'{factor}<mrow class="matrix"><mo>[</mo><mtable>{table}</mtable><mo>]</mo></mrow>'
