"""The names of Arrays in formulas, and the lines of a page that steps through their graph."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.draw.arrays.matrices import DEFAULT
from engine.draw.arrays.recorded import is_recorded, make_key
from engine.draw.arrays.symbols import ArraySymbol, make_array
from engine.draw.arrays.terms import Structure
from engine.draw.arrays.writing import (
    TermMathML,
    are_same,
    to_array_mathml,
    to_numbers,
    to_shaped_mathml,
)
from engine.draw.formulas.notation import Line, Notation
from engine.draw.formulas.places import CLOSE, OPEN, Place, mark_place
from engine.draw.formulas.symbols import Symbol, combine, lift
from engine.draw.look.theme import format_number, norm
from engine.node import Node
from engine.rules import ELEMENTWISE

SHORT = ".3g"  # the format of numbers in sums, which are long
NEGATED = re.compile(f'<mo form="prefix">−</mo>{OPEN}[(]?(\\d+){CLOSE}')  # a recorded number
LOSSES = ("cross_entropy", "soft_cross_entropy")


def is_plain_number(node: Any) -> bool:
    """Return whether formulas write an Array as a number: a constant without a label or axes."""
    return node.op is None and node.constant and not node.label and not node.data.ndim


class ArrayNotation(Notation):
    """The names of nodes, and the format of numbers and arrays.

    `largest` is the largest number of rows and columns of a matrix that shows its numbers.
    """

    def __init__(self, names: Mapping[Node, str], spec: str, largest: int):
        super().__init__(names, spec)
        self.largest = largest
        self.structures: Mapping[Node, Mapping[int, Structure]] = {}  # of the nodes' Jacobians

    def name(self, node: Any) -> ArraySymbol:
        return make_array(self.names[node], node.data)

    def input(self, node: Any) -> Symbol:
        if is_plain_number(node):
            return ArraySymbol("number", (float(node.data),), node.data)
        return self.name(node)

    def gradient(self, node: Any, gradient: Any) -> ArraySymbol:
        """Return the name of a gradient."""
        return make_array(self.names[node], gradient, "d")

    def number(self, x: Any) -> Symbol:
        if is_recorded(x):
            return Symbol("place", (make_key("s", x),))
        return lift(float(x) + 0.0)  # not -0

    def write_factor(self, x: Any) -> str:
        return mark_place(make_key("", x), "(") if is_recorded(x) else super().write_factor(x)

    def write(self, x: Symbol) -> str:
        """Write an expression of single numbers."""
        writer = TermMathML()
        writer.spec = SHORT if self.spec == DEFAULT else self.spec
        return writer.write(x)

    def format(self, x: Any) -> str:
        """Format a number; of an array with axes, its norm."""
        if isinstance(x, Place):
            return super().format(x)
        if is_recorded(x):
            return mark_place(make_key("n" if np.ndim(x) else "", x))
        if not np.ndim(x):
            return super().format(float(x))
        return f"norm {format_number(norm(x), self.spec)}"

    def format_apart(self, x: Any, y: Any) -> tuple[str, str]:
        """Format two gradients so that they differ, by their norms or else by their distance."""
        if not np.ndim(x):
            return super().format_apart(float(x), float(y))
        texts = super().format_apart(norm(x), norm(y))
        pair = f"norm {texts[0]}", f"norm {texts[1]}"
        if texts[0] == texts[1]:
            return f"{pair[0]}, off by {self.format(x - y)},", pair[1]
        return pair

    def write_numbers(self, x: Symbol, deep: bool = True) -> str:
        """Write a formula with numbers in place of names; "" if they do not fit into a line."""
        return to_numbers(x, self.largest, self.spec, deep)

    def write_formula(self, left: Symbol, sign: str, right: Symbol) -> Line:
        """Write left = right with the shape of each array below its name."""
        return to_shaped_mathml(left), f"<mo>{sign}</mo>", to_shaped_mathml(right)

    def write_values(self, left: ArraySymbol, sign: str, right: Symbol, deep: bool) -> list[Line]:
        """Write left = right = result with numbers; if they do not fit, the norm of the result."""
        result = make_array("", left.value)
        name, sides = (
            to_array_mathml(left),
            [self.write_numbers(right, deep), self.write_numbers(result)],
        )
        if are_same(*sides):
            sides = sides[1:]
        elif negated := NEGATED.fullmatch(sides[0]):  # −x = −3, but −(−3) = 3
            sides = [mark_place(f"v{negated[1]}") + sides[1]]
        if all(sides):
            return [(name, f"<mo>{sign}</mo>", "<mo>=</mo>".join(sides))]
        if sides[-1]:
            return [(name, f"<mo>{sign}</mo>", sides[-1])]
        bars = f"<mrow><mo>‖</mo>{name}<mo>‖</mo></mrow>"
        if is_recorded(result.value):
            return [(bars, "<mo>=</mo>", mark_place(make_key("l", result.value)))]
        size = format_number(norm(result.value), self.spec)
        return [(bars, "<mo>=</mo>", f"<mn>{size}</mn>")]

    def write_sum(self, to: Symbol, before: Any, sent: Any, after: Any) -> list[Line]:
        """Write the sum of the contributions so far: to = before + sent = after."""
        terms = combine("+", make_array("", before), make_array("", sent))
        total = ArraySymbol(terms.head, terms.parts, after)
        sides = [self.write_numbers(total), self.write_numbers(make_array("", after))]
        return [(to_array_mathml(to), "<mo>=</mo>", "<mo>=</mo>".join(sides))] if all(sides) else []


def choose_array_names(order: Sequence[Any], spec: str) -> list[str]:
    """Return a name for each node; only numbers may share one.

    The name is the label. An Array without a label is called as textbooks do: X a plain array that
    enters a matrix product, Y another one, Z the result of a layer before its activation, A after
    it, P probabilities, L the root, Wᵀ a transpose of W, and V any other. Names that occur several
    times are numbered: W1, W2.
    """
    letters: list[str] = []
    users: dict[Any, list[Any]] = {}
    for node in order:
        for x in node.inputs:
            users.setdefault(x, []).append(node)
    letter_of: dict[Any, str] = {}
    for node in order:
        letter = node.label or choose_letter(node, order[-1], users.get(node, []), letter_of)
        letter_of[node] = letter
        letters.append(letter)
    counts, used = Counter(x for x in letters if x), Counter[str]()
    taken, names = {node.label for node in order} - {x for x in counts if counts[x] > 1}, []
    name_of: dict[Any, str] = {}
    for node, letter in zip(order, letters, strict=True):
        used[letter] += 1
        if letter == "":  # a number
            name = format_number(node.data, spec)
        elif letter == "ᵀ":
            name = name_of[node.inputs[0]] + "ᵀ"
        else:
            name = (
                letter
                if counts[letter] == 1 and (node.label or letter not in taken)
                else f"{letter}{used[letter]}"
            )
        while name in taken and name != node.label and letter:
            name += "′"
        if letter:
            taken.add(name)
        name_of[node] = name
        names.append(name)
    return names


def choose_letter(node: Any, root: Any, users: Sequence[Any], letter_of: Mapping[Any, str]) -> str:
    """Return the letter of an Array without a label: "" for a number, "ᵀ" for a transpose."""
    op = node.op.name if node.op is not None else ""
    inputs = [letter_of.get(x, "") for x in node.inputs]
    if node is root:
        return "L"
    if not op:
        if node.constant and not node.data.ndim:
            return ""
        is_data = any(x.op.name in ("linear", "@") and x.inputs[0] is node for x in users)
        if not node.constant and not is_data:
            return "W" if node.data.ndim > 1 else "v"
        return "X" if any(x.op.name in ("linear", "@") for x in users) else "Y"
    if op == "transpose" and node.data.ndim == 2 and inputs[0] != "ᵀ":
        return "ᵀ"
    if op == "linear" or op == "@":
        biases = [x for user in users if user.op.name == "+" for x in user.inputs if x is not node]
        is_biased = op == "@" and len(users) == 1 and [x.op for x in biases] == [None]
        return "U" if is_biased else "Z"
    if op == "+" and "U" in inputs:
        return "Z"
    if op == "softmax" or (op == "sigmoid" and users[0].op.name not in ("linear", "@")):
        return "P"
    if op in LOSSES:
        return "E"
    if op in ELEMENTWISE and len(node.inputs) == 1 and inputs[0] in ("Z", "A"):
        return "A"
    return {"-": "D", "**": "S", "square": "S"}.get(op, "V")
