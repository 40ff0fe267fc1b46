"""A frame: one step of a pass through a graph, as data; and the formulas it shows, in MathML.

`engine.draw.trace` makes frames, `engine.draw.stepper` makes a page of them. A line of MathML is a
tuple of pieces: many lines have pieces in common, and a page holds each piece once.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.draw import symbols
from engine.draw.symbols import Symbol, name
from engine.draw.theme import number
from engine.draw.writing import BINDS, MathML, mathml

Line = tuple[str, ...]
NOTHING: Mapping[str, str] = {}


class Frame(NamedTuple):
    """One step. Ids are those of the drawing: `v3` a value, `o3` its operation, `e3-0` an arrow."""

    kind: str  # "start", "forward", "seed", "backward" or "end"
    title: str
    lines: Sequence[Line] = ()  # what is computed, with names, then with numbers
    data: Mapping[str, str] = NOTHING  # what shows from now on, by value
    grad: Mapping[str, str] = NOTHING
    hot: Sequence[str] = ()  # what it is about
    node: str = ""  # the value that is computed, or whose gradient is sent on
    to: str = ""  # the value that it is sent to
    note: str = ""
    wrong: Sequence[str] = ()  # values that are marked as wrong from now on


def letter(node: Any, called: str, spec: str) -> Symbol:
    """What stands for a node in a formula: its name, or the number that a constant is."""
    return shown(node.data, spec) if node.constant and not node.label else name(called)


def shown(x: float, spec: str) -> Symbol:
    """A number as it is written in a formula."""
    positive = x >= 0 or x != x
    return name(number(x, spec)) if positive else symbols.made("neg", name(number(-x, spec)))


def factor(x: float, spec: str) -> str:
    """A number where it is multiplied: in parentheses, if it is negative."""
    return MathML().write(shown(x, spec), BINDS["·"] + 1)


def equation(*sides: Symbol | str) -> Line:
    """a = b = c, of expressions and of MathML."""
    written = [side if isinstance(side, str) else mathml(side) for side in sides]
    return "<mo>=</mo>".join(written).partition("<mo>=</mo>")


def slope(of: Symbol, to: Symbol, d: str = "∂") -> str:
    """A local derivative: along one arrow alone."""
    over, under = (f"<mrow><mi>{d}</mi>{mathml(each)}</mrow>" for each in (of, to))
    return f"<mfrac>{over}{under}</mfrac>"


def gradient(root: Symbol, x: Symbol) -> str:
    """The derivative of the root, along all paths."""
    return slope(root, x, "d")


def grad(root: Symbol, x: Symbol) -> str:
    """What a pass has for the gradient, right or wrong."""
    return f"<mrow>{mathml(x)}<mtext>.grad</mtext></mrow>"


def slots(letters: Sequence[Symbol]) -> list[Symbol]:
    """The inputs of an operation; one that it has twice is told apart by its number."""
    uses = Counter(letters)
    nth: Counter[Symbol] = Counter()
    found = []
    for each in letters:
        nth[each] += 1
        found.append(each if uses[each] == 1 else numbered(each, nth[each]))
    return found


def numbered(x: Symbol, n: int) -> Symbol:
    """The n-th of some that have a name in common."""
    return name(f"{x.parts[0]}⁽{str(n).translate(RAISED)}⁾")


RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def chain(to: str, out: str, local: str, rule: Symbol, sign: str) -> Line:
    """d root / d x += d root / d out * ∂ out / ∂ x, the last factor by its rule."""
    ruled = f"<munder><munder>{local}<mo>⏟</mo></munder><mrow>{mathml(rule)}</mrow></munder>"
    return to, f"<mo>{sign}</mo>", f"{out}<mo>⋅</mo>{ruled}"


def product(to: str, upstream: float, local: float, sent: float, sign: str, spec: str) -> Line:
    """The same with numbers."""
    factors = symbols.made("·", shown(upstream, spec), shown(local, spec))
    return to, f"<mo>{sign}</mo>", f"{mathml(factors)}<mo>=</mo>{mathml(shown(sent, spec))}"


def running(to: str, before: float, sent: float, now: float, spec: str) -> Line:
    """What has arrived so far, where a value is used more than once."""
    total = symbols.made("+", shown(before, spec), shown(sent, spec))
    return to, "<mo>=</mo>", f"{mathml(total)}<mo>=</mo>{mathml(shown(now, spec))}"
