"""One element of an array, followed as if it were a single number.

An element of an input's gradient is a sum over the elements of the result that depend on it:
dW[0, 1] = Σ dZ[s, 0] · ∂Z[s, 0] / ∂W[0, 1]. The factors are the pullbacks of unit gradients, so
this works for any row. For matrix products they are elements of the other factor, and are named.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.arrays.rules import ArrayOp
from engine.draw.array_notation import ArrayNotation
from engine.draw.notation import Line, write_equality
from engine.draw.array_writing import ArrayMathML
from engine.draw.symbols import Symbol, combine, make_name
from engine.draw.writing import to_mathml
from engine.watch.wrong_passes import Contribution

LARGEST = 64  # elements of an array that is followed
MOST_TERMS = 6  # of a sum that is written out
MOST_IN_PAGE = 200  # terms of one step, over all elements that can be chosen

Index = tuple[int, ...]


class Mark(NamedTuple):
    """An element that a page marks: the id of its value, its field, its row and column."""

    id: str
    field: str
    row: int
    column: int


class Element(NamedTuple):
    """The line that follows one element, and the elements that it mentions."""

    line: Line
    marks: Sequence[Mark]


class Term(NamedTuple):
    """A term of an element's sum: an element of the upstream gradient, times a factor."""

    out: Index
    factor: float
    other: tuple[int, Index] | None = None  # the input and its element that is the factor
    is_one: bool = False  # whether the factor is 1 for every number


def find_terms(node: Any, k: int, index: Index) -> list[Term] | None:
    """Return the terms of an element of the gradient of a node's k-th input; None if unknown."""
    op, x = node.op, node.inputs[k].data
    if op.name == "linear" and all(v.data.ndim == n for v, n in zip(node.inputs, (2, 2, 1), strict=True)) and node.inputs[2].data.shape == node.data.shape[1:]:  # fmt: skip
        return find_linear_terms(node, k, index)
    if op.name == "@" and node.data.ndim == 2 == x.ndim == node.inputs[0].data.ndim == node.inputs[1].data.ndim:  # fmt: skip
        return find_product_terms(node, k, index)
    return None


def find_linear_terms(node: Any, k: int, index: Index) -> list[Term]:
    x, w, _ = (v.data for v in node.inputs)
    samples, outputs = node.data.shape
    if k == 0:
        s, i = index
        return [Term((s, o), float(w[o, i]), (1, (o, i))) for o in range(outputs)]
    if k == 1:
        o, i = index
        return [Term((s, o), float(x[s, i]), (0, (s, i))) for s in range(samples)]
    return [Term((s, index[0]), 1.0, None, True) for s in range(samples)]


def find_product_terms(node: Any, k: int, index: Index) -> list[Term]:
    x, y = (v.data for v in node.inputs)
    (rows, columns), (i, j) = node.data.shape, index
    if k == 0:
        return [Term((i, c), float(y[j, c]), (1, (j, c))) for c in range(columns)]
    return [Term((r, j), float(x[r, i]), (0, (r, i))) for r in range(rows)]


def measure_jacobian(node: Any, k: int) -> np.ndarray:
    """Return ∂ out / ∂ input as a matrix, from the pullback of each unit gradient."""
    size, shape = node.data.size, node.inputs[k].data.shape
    rows = []
    with np.errstate(all="ignore"):
        for o in range(size):
            unit = np.zeros(size, node.data.dtype)
            unit[o] = 1.0
            rows.append(node._contribution(k, unit.reshape(node.data.shape), shape)[1].ravel())
    return np.array(rows)


def list_jacobian_terms(node: Any, jacobian: np.ndarray, position: int) -> list[Term]:
    """Return the terms of an element from a column of the Jacobian, without those that are 0."""
    column = jacobian[:, position]
    places = np.flatnonzero(column)
    is_one = bool((column[places] == 1.0).all()) and isinstance(node.op, ArrayOp)
    is_one = is_one or node.op.name in ("+", "-") and bool((column[places] == 1.0).all())
    return [Term(unravel(o, node.data.shape), float(column[o]), None, is_one) for o in places]


def unravel(position: int, shape: Index) -> Index:
    return tuple(int(i) for i in np.unravel_index(position, shape))


def follow_backward(
    notation: ArrayNotation, ids: Mapping[Any, str], sent: Contribution
) -> dict[str, Element]:
    """Return the lines of all elements of a contribution, the largest element first.

    Returns no lines for arrays that show no numbers, and only one if all would be too many.
    """
    node, k, to = sent.node, sent.k, sent.to
    if not all(fits(notation, x.data) for x in (node, to)):
        return {}
    shape = to.data.shape
    positions = [*range(to.data.size)]
    positions.sort(key=lambda i: -abs(float(sent.sent.flat[i])))
    indices = [unravel(i, shape) for i in positions]
    terms = [find_terms(node, k, index) for index in indices]
    if terms[0] is None:
        jacobian = measure_jacobian(node, k)
        terms = [list_jacobian_terms(node, jacobian, i) for i in positions]
    if sum(len(x or ()) for x in terms) > MOST_IN_PAGE:
        indices, terms = indices[:1], terms[:1]
    elements = {}
    for index, found in zip(indices, terms, strict=True):
        marks = [Mark(ids[to], "grad", *place(index))]
        for term in found or ():
            marks.append(Mark(ids[node], "grad", *place(term.out)))
            if term.other:
                marks.append(Mark(ids[node.inputs[term.other[0]]], "data", *place(term.other[1])))
        line = write_backward(notation, sent, index, found or [])
        elements[key(index)] = Element(line, list(dict.fromkeys(marks)))
    return elements


def write_backward(
    notation: ArrayNotation, sent: Contribution, index: Index, terms: Sequence[Term]
) -> Line:
    """Write an element of a contribution as a sum, with letters and with numbers."""
    node, to = sent.node, sent.to
    upstream, result = notation.gradient(node, sent.upstream), float(sent.sent[index])
    left = write_at(notation.gradient(to, sent.sent), index)
    sides = []
    if terms:
        letters = [*map(str, terms[0].out)]
        out, used = name_axes([term.out for term in terms])
        names = write_at(upstream, out)
        if terms[0].other is not None:
            other = node.inputs[terms[0].other[0]]
            at, _ = name_axes([term.other[1] for term in terms if term.other], terms=terms)
            names += f"<mo>⋅</mo>{write_at(notation.name(other), at)}"
        elif not terms[0].is_one:
            over = f"<mrow><mi>∂</mi>{write_at(notation.name(node), out)}</mrow>"
            under = f"<mrow><mi>∂</mi>{write_at(notation.name(to), index)}</mrow>"
            names += f"<mo>⋅</mo><mfrac>{over}{under}</mfrac>"
        if len(terms) > 1:
            letters = "".join(f"<mi>{x}</mi>" for x in used)
            names = f"<munder><mo>∑</mo><mrow>{letters}</mrow></munder>{names}"
        sides.append(names)
        numbers = [write_term(notation, float(sent.upstream[term.out]), term) for term in terms]
        total = numbers[0]
        for number in numbers[1:]:
            total = combine("+", total, number)
        sides.append(to_mathml(total))
    sides.append(to_mathml(notation.number(result)))
    if len(sides) > 2 and sides[-1] == sides[-2]:
        sides.pop()
    return left, "<mo>=</mo>", write_equality(*sides)


def write_term(notation: ArrayNotation, upstream: float, term: Term) -> Symbol:
    number = notation.number(upstream)
    return number if term.is_one else combine("·", number, notation.number(term.factor))


def name_axes(
    indices: Sequence[Index], terms: Sequence[Term] = ()
) -> tuple[list[str], list[str]]:
    """Return an index with a letter for each axis along which the indices vary, and the letters."""
    letters = iter("sjkl")
    own = [next(letters) if len({i[axis] for i in indices}) > 1 else str(indices[0][axis]) for axis in range(len(indices[0]))]
    if terms:  # an axis that varies with one of the result has its letter
        out, _ = name_axes([term.out for term in terms])
        for axis in range(len(own)):
            for result in range(len(out)):
                if own[axis].isalpha() and out[result].isalpha() and [i[axis] for i in indices] == [t.out[result] for t in terms]:
                    own[axis] = out[result]
    return own, [x for x in own if x.isalpha()]


def write_at(name: Symbol, index: Sequence[Any]) -> str:
    """Write an element of an array, as in Python."""
    text = ArrayMathML().write(name)
    if not index:
        return text
    inside = "<mo>,</mo>".join(f"<mi>{i}</mi>" if str(i).isalpha() else f"<mn>{i}</mn>" for i in index)
    return f"<mrow>{text}<mo>[</mo>{inside}<mo>]</mo></mrow>"


def follow_forward(notation: ArrayNotation, ids: Mapping[Any, str], node: Any) -> dict[str, Element]:
    """Return the lines of all elements of a matrix product, the largest first."""
    if node.data.ndim != 2 or not all(fits(notation, x.data) for x in (node, *node.inputs)):
        return {}
    positions = sorted(range(node.data.size), key=lambda i: -abs(float(node.data.flat[i])))
    elements = {}
    for position in positions:
        index = unravel(position, node.data.shape)
        terms = find_terms(node, 0, (index[0], 0))
        if terms is None:
            return {}
        x, y = node.inputs[:2]
        is_linear = node.op.name == "linear"
        inner = [(i, index[1]) if not is_linear else (index[1], i) for i in range(x.data.shape[1])]
        rows = [(index[0], i) for i in range(x.data.shape[1])]
        if not inner:
            return {}
        letter = "j" if len(inner) > 1 else "0"
        at = [letter, str(index[1])] if not is_linear else [str(index[1]), letter]
        names = write_at(notation.name(x), [str(index[0]), letter]) + "<mo>⋅</mo>" + write_at(notation.name(y), at)
        if len(inner) > 1:
            names = f"<munder><mo>∑</mo><mi>j</mi></munder>{names}"
        total: Any = None
        marks = [Mark(ids[node], "data", *index)]
        for i, j in zip(rows, inner, strict=True):
            term = combine("·", notation.number(x.data[i]), notation.number(y.data[j]))
            total = term if total is None else combine("+", total, term)
            marks += [Mark(ids[x], "data", *i), Mark(ids[y], "data", *j)]
        if is_linear:
            b = node.inputs[2]
            names += "<mo>+</mo>" + write_at(notation.name(b), [str(index[1])])
            total = combine("+", total, notation.number(b.data[index[1]]))
            marks.append(Mark(ids[b], "data", 0, index[1]))
        line = write_at(notation.name(node), index), "<mo>=</mo>", write_equality(names, to_mathml(total), to_mathml(notation.number(node.data[index])))
        elements[key(index)] = Element(line, marks)
    if len(elements) * len(inner) > MOST_IN_PAGE:
        return dict([*elements.items()][:1])
    return elements


def fits(notation: ArrayNotation, x: Any) -> bool:
    """Return whether an array shows its numbers and is small enough to be followed."""
    return x.ndim <= 2 and 0 < x.size <= LARGEST and max(x.shape, default=1) <= notation.largest


def key(index: Index) -> str:
    """Return the row and column of an element as a key in a page."""
    return ",".join(map(str, place(index)))


def place(index: Index) -> tuple[int, int]:
    """Return the row and column of an element in a drawing."""
    return (0, index[0]) if len(index) == 1 else (index[0], index[1]) if index else (0, 0)
