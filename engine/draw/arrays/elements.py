"""Lines that follow one element of an array as if it were a single number, for a page."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.draw.arrays.notation import ArrayNotation
from engine.draw.arrays.recorded import is_recorded, make_key, read_number
from engine.draw.arrays.terms import (
    Index,
    Term,
    find_product,
    list_backward_terms,
    list_forward_terms,
    list_product_terms,
)
from engine.draw.arrays.writing import to_array_mathml
from engine.draw.formulas.notation import Line, write_equality
from engine.draw.formulas.symbols import Symbol, combine
from engine.watch.wrong_passes import Contribution

LARGEST = 64  # elements of an array that is followed
MOST_IN_LINE = 3  # terms of a sum whose names and numbers stand in one line
MOST_IN_PAGE = 200  # terms of one step, over all elements that can be chosen
LETTERS = "sjklmn"  # of axes


class CellMark(NamedTuple):
    """An element that a page marks: the id of its value, its field, its row and column."""

    id: str
    field: str
    row: int
    column: int


class Element(NamedTuple):
    """The lines that follow one element, and the elements that they mention, itself first."""

    lines: Sequence[Line]
    marks: Sequence[CellMark]
    slot: str = ""  # of the element, in a page that computes
    is_alone: bool = False  # whether such a page follows only the largest element of the array


class Follower:
    """A writer of the lines of all elements of an array, the largest element first.

    The lines are by row and column, as in "0,1". Of arrays that show no numbers only the largest
    element has lines, and only in a matrix product. It is also the only one if there are many.
    """

    def __init__(self, notation: ArrayNotation, ids: Mapping[Any, str]):
        self.notation, self.ids = notation, ids

    def follow_forward(self, node: Any) -> dict[str, Element]:
        """Return the lines of the elements of a matrix product: Z[0, 1] = Σ X[0, j] W[1, j]."""
        if not find_product(node) or not node.data.size:
            return {}
        is_small = self.fits(node, *node.inputs)
        indices = list_element_indices(node.data, is_small)
        terms = {index: list_forward_terms(node, index) for index in indices}
        x, *_, bias = node.inputs

        def follow(index: Index) -> tuple[list[Line], list[CellMark]]:
            firsts = [read_number(x.data[term.first]) for term in terms[index]]
            names, numbers = self.write_terms(node, self.notation.name(x), firsts, terms[index])
            marks = [self.mark(node, "data", index)]
            marks += [self.mark(x, "data", term.first) for term in terms[index]]
            marks += self.mark_others(node, terms[index])
            if find_product(node) == "linear":
                at = index[1:]
                names += f"<mo>+</mo>{write_element(self.notation.name(bias), at)}"
                numbers = combine("+", numbers, self.notation.number(bias.data[at]))
                marks.append(self.mark(bias, "data", at))
            left = write_element(self.notation.name(node), index)
            lines = self.write_lines(left, names, numbers, node.data[index], len(terms[index]))
            return lines, marks

        return self.collect(node.data, is_small, terms, follow)

    def follow_backward(self, sent: Contribution) -> dict[str, Element]:
        """Return the lines of the elements of a contribution: dW[0, 1] = Σ dZ[s, 0] X[s, 1]."""
        node, to = sent.node, sent.to
        is_small = self.fits(node, to)
        if is_small:
            structure = self.notation.structures.get(node, {}).get(sent.k)
            table = list_backward_terms(node, sent.k, structure)
            pairs = dict(zip(np.ndindex(to.data.shape), table, strict=True))
            terms = {index: pairs[index] for index in list_element_indices(sent.sent, is_small)}
        elif find_product(node) and to.data.size:
            indices = list_element_indices(sent.sent, is_small)
            terms = {index: list_product_terms(node, sent.k, index) for index in indices}
        else:
            return {}
        upstream = self.notation.gradient(node, sent.upstream)

        def follow(index: Index) -> tuple[list[Line], list[CellMark]]:
            firsts = [read_number(sent.upstream[term.first]) for term in terms[index]]
            over = self.notation.name(node), self.notation.name(to), index
            names, numbers = self.write_terms(node, upstream, firsts, terms[index], over)
            marks = [self.mark(to, "grad", index)]
            marks += [self.mark(node, "grad", term.first) for term in terms[index]]
            marks += self.mark_others(node, terms[index])
            left = write_element(self.notation.gradient(to, sent.sent), index)
            lines = self.write_lines(left, names, numbers, sent.sent[index], len(terms[index]))
            return lines, marks

        return self.collect(sent.sent, is_small, terms, follow)

    def collect(
        self,
        x: np.ndarray,
        is_small: bool,
        terms: Mapping[Index, Sequence[Term]],
        follow: Callable[[Index], tuple[list[Line], list[CellMark]]],
    ) -> dict[str, Element]:
        """Return the elements that `follow` writes, with marks if the arrays show their numbers."""
        is_live, has_many = is_recorded(x), sum(map(len, terms.values())) > MOST_IN_PAGE
        elements = {}
        for index in [*terms][:1] if has_many and not is_live else terms:
            lines, marks = follow(index)
            element = Element(lines, [*dict.fromkeys(marks)] if is_small else [])
            if is_live:
                slot = make_key("", x[index]) if is_recorded(x[index]) else ""
                element = element._replace(slot=slot, is_alone=has_many or not is_small)
            elements[write_place(index)] = element
        return elements

    def fits(self, *nodes: Any) -> bool:
        """Return whether arrays show their numbers and are small enough to be followed."""
        arrays = [x.data for x in nodes]
        has_numbers = all(max(x.shape, default=1) <= self.notation.largest for x in arrays)
        return has_numbers and all(x.ndim <= 2 and 0 < x.size <= LARGEST for x in arrays)

    def write_terms(
        self,
        node: Any,
        first: Symbol,
        firsts: Sequence[Any],
        terms: Sequence[Term],
        over: tuple[Symbol, Symbol, Index] | None = None,
    ) -> tuple[str, Symbol]:
        """Write a sum of products with letters, as MathML, and with numbers.

        Args:
            node: the node whose inputs are the other factors.
            first: the array of the first factors, which are `firsts`.
            firsts: the first factors.
            terms: the products.
            over: the names in ∂ out / ∂ x[index], the other factor if it has no name.
        """
        if not terms:
            return "", self.notation.number(0.0)
        letters: dict[tuple[int, ...], str] = {}
        at = name_indices([term.first for term in terms], letters)
        names = write_element(first, at)
        if terms[0].other is not None:
            others = [term.other[1] for term in terms if term.other is not None]
            other = self.notation.name(node.inputs[terms[0].other[0]])
            names += f"<mo>⋅</mo>{write_element(other, name_indices(others, letters))}"
        elif over is not None and not terms[0].is_one:
            out, x, index = over
            fraction = f"<mrow><mi>∂</mi>{write_element(out, at)}</mrow>"
            fraction += f"<mrow><mi>∂</mi>{write_element(x, index)}</mrow>"
            names += f"<mo>⋅</mo><mfrac>{fraction}</mfrac>"
        if letters:
            below = "<mo>,</mo>".join(f"<mi>{x}</mi>" for x in letters.values())
            names = f"<munder><mo>∑</mo><mrow>{below}</mrow></munder>{names}"
        products = [self.multiply(x, term) for x, term in zip(firsts, terms, strict=True)]
        total = products[0]
        for product in products[1:]:
            total = combine("+", total, product)
        return names, total

    def multiply(self, first: Any, term: Term) -> Symbol:
        """Return a product of two numbers; a sign of the first one is in front."""
        if term.is_one:
            return self.notation.number(first)
        if is_recorded(first):
            numbers = self.notation.number(first), self.notation.number(term.factor)
            return combine("·", *numbers)
        product = combine("·", self.notation.number(abs(first)), self.notation.number(term.factor))
        return combine("neg", product) if first < 0.0 else product

    def write_lines(
        self, left: str, names: str, numbers: Symbol, result: Any, terms: int
    ) -> list[Line]:
        """Write left = names = numbers = result; a longer sum has its numbers in another line."""
        sides = [self.notation.write(x) for x in (numbers, self.notation.number(result))]
        if sides[0] == sides[1] or numbers.head in ("number", "place"):
            sides.pop()
        if names and terms >= MOST_IN_LINE:
            return [(left, "<mo>=</mo>", names), ("", "<mo>=</mo>", write_equality(*sides))]
        return [(left, "<mo>=</mo>", write_equality(*filter(None, [names, *sides])))]

    def mark(self, node: Any, field: str, index: Index) -> CellMark:
        return CellMark(self.ids[node], field, *find_place(index))

    def mark_others(self, node: Any, terms: Sequence[Term]) -> list[CellMark]:
        others = [term.other for term in terms if term.other is not None]
        return [self.mark(node.inputs[k], "data", index) for k, index in others]


def list_element_indices(x: np.ndarray, is_small: bool) -> list[Index]:
    """Return the indices of the elements that a page can follow, the largest number first.

    Of an array that is not small, only the largest number can be followed. A page sorts recorded
    numbers itself, so that their indices are row by row.
    """
    if is_recorded(x):
        return [*np.ndindex(x.shape)]
    return sort_indices(x) if is_small else [find_largest(x)]


def sort_indices(x: np.ndarray) -> list[Index]:
    """Return the indices of an array, that of the largest number first."""
    return sorted(np.ndindex(x.shape), key=lambda index: -abs(float(x[index])))


def find_largest(x: np.ndarray) -> Index:
    """Return the index of the largest number of an array."""
    return tuple(map(int, np.unravel_index(np.argmax(np.abs(x)), x.shape)))


def name_indices(indices: Sequence[Index], letters: dict[tuple[int, ...], str]) -> list[str]:
    """Return one index for all: a letter for each axis along which they vary.

    Axes along which they vary in the same way have the same letter; `letters` contains them.

    >>> letters = {}
    >>> name_indices([(0, 2), (1, 2)], letters), name_indices([(5, 0), (5, 1)], letters)
    (['s', '2'], ['5', 's'])
    """
    names = []
    for axis, places in enumerate(zip(*indices, strict=True)):
        if len(set(places)) == 1:
            names.append(str(places[0]))
        else:
            free = [x for x in LETTERS[axis:] if x not in letters.values()]
            names.append(letters.setdefault(places, free[0]))
    return names


def write_element(name: Symbol, index: Sequence[Any]) -> str:
    """Write an element of an array, as in Python."""
    text = to_array_mathml(name)
    if not index:
        return text
    tags = ["mi" if str(i).isalpha() else "mn" for i in index]
    inside = "<mo>,</mo>".join(f"<{tag}>{i}</{tag}>" for tag, i in zip(tags, index, strict=True))
    return f"<mrow>{text}<mo>[</mo>{inside}<mo>]</mo></mrow>"


def find_place(index: Index) -> tuple[int, int]:
    """Return the row and column of an element in a drawing.

    >>> find_place((2, 1)), find_place((3,)), find_place(())
    ((2, 1), (0, 3), (0, 0))
    """
    row, column = (0, 0, *index)[-2:]
    return row, column


def write_place(index: Index) -> str:
    """Return the row and column of an element as a key in a page."""
    return ",".join(map(str, find_place(index)))
