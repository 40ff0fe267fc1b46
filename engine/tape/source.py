"""A tape as Python code, to be read: one line a node in the forward pass, and one in the backward.

The lines are what the rows say, written down with names for numbers; run by Python they give the
bits that the tape gives. (The tape runs the same in another order, without what nobody needs.)
"""

import keyword
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from unicodedata import normalize

from engine import floats
from engine.tape.flat import Flat
from engine.tape.rows import Instruction, Template

LONGEST = 500  # of a formula; what is longer is written in parts
INFIX = ("+", "-", "*", "<", "<=", ">", ">=", "==", "!=", "&", "|")
ON_THE_LEFT = {"+": ("+", "-", "*"), "-": ("+", "-", "*"), "*": ("*",)}  # what needs no brackets
ON_THE_RIGHT = {"+": ("*",), "-": ("*",)}


def source(graph: Flat, constants: Sequence[float]) -> str:
    """A function `replay` of parameters and inputs: outputs, and the gradient of their sum."""
    name, fixed = names(graph, constants), set(graph.constants.tolist())
    nodes: dict[int, tuple[Template, list[int]]] = {}
    for kind in graph.kinds:
        inputs = zip(kind.nodes.tolist(), kind.inputs.tolist(), strict=True)
        nodes.update({i: (kind.template, to) for i, to in inputs})

    ahead = [forward(name, i, *nodes[i]) for i in sorted(nodes)]
    ahead += [f"assert {name[x]} {do} {name[y]}" for do, x, y in graph.guards]
    gradients = Gradients(name)
    back = [gradients.add(i, "1.0") for i in graph.outputs.tolist() if i not in fixed]
    under = sorted((i for i in nodes if i < graph.size - graph.aside), reverse=True)
    back += [backward(name, gradients, fixed, i, *nodes[i]) for i in under]

    wanted = [*graph.parameters.tolist(), *graph.inputs.tolist()]
    slopes = [f"d_{name[i]}" if i in gradients.begun else "0.0" for i in wanted]
    lines = [
        f"# forward: {len(nodes):,} node{'s' * (len(nodes) != 1)}",
        *ahead,
        "# backward: a gradient is the sum of what arrives, from 0 on",
        *filter(None, back),
        f"return {listed(name[i] for i in graph.outputs)}, {listed(slopes)}",
    ]
    head = "from math import inf, nan\n\nfrom engine.floats import *\n\n\n"
    called = f"def replay({', '.join(name[i] for i in wanted)}):\n"
    return head + called + "\n".join(f"    {line}" for line in lines)


def names(graph: Flat, constants: Sequence[float]) -> list[str]:
    """What each node is called: its label, if that is a name and its own; else its place."""
    labels = {i: normalize("NFKC", label) for i, label in graph.labels.items()}  # as Python reads
    found, times = [f"v{i}" for i in range(graph.size)], Counter(labels.values())
    taken = {*found, *floats.__all__, *keyword.kwlist, "abs", "inf", "nan", "replay"}
    for i, label in labels.items():
        own = times[label] == 1 and label.isidentifier() and label not in taken
        if own and not label.startswith(("_", "d_")):
            found[i] = label
    for i, number in zip(graph.constants, constants, strict=True):
        found[i] = f"({number!r})" if repr(number).startswith("-") else repr(number)
    return found


def listed(parts: Iterable[str]) -> str:
    return f"[{', '.join(parts)}]"


def forward(name: list[str], i: int, row: Template, inputs: list[int]) -> str:
    """The assignment of a node's number."""
    text = Text({s: name[x] for s, x in enumerate(inputs)}, row, row.forward, [row.out])
    return "; ".join([*text.parts, f"{name[i]} = {text.of(row.out)}"])


def backward(
    name: list[str],
    gradients: "Gradients",
    fixed: set[int],
    i: int,
    row: Template,
    inputs: list[int],
) -> str:
    """What a node sends to its inputs: its gradient, times the local derivative if it is not 1."""
    given = {row.out: name[i], **{s: name[x] for s, x in enumerate(inputs)}}
    sent = [(x, s) for x, s in zip(inputs, row.locals, strict=True) if x not in fixed]
    slopes = [s for _, s in sent if s is not None]
    text = Text(given, row, [*row.forward, *row.backward], slopes)
    for x, s in sent:
        factor = "" if s is None else f" * {text.of(s, 'times')}"
        text.parts.append(gradients.add(x, f"d_{name[i]}{factor}"))
    return "; ".join(text.parts)


class Gradients:
    """The assignments of gradients, of which the first begins a sum."""

    def __init__(self, name: list[str]):
        self.name = name
        self.begun: set[int] = set()

    def add(self, i: int, part: str) -> str:
        how = "+= " if i in self.begun else "= 0.0 + "
        self.begun.add(i)
        return f"d_{self.name[i]} {how}{part}"


class Formula(NamedTuple):
    text: str
    do: str  # the outermost operator, "" where there is none


class Text:
    """Formulas for slots; `parts` are assignments of what occurs in them more than once."""

    def __init__(
        self,
        given: dict[int, str],
        row: Template,
        instructions: list[Instruction],
        wanted: list[int],
    ):
        held = row.constants.items()
        self.formulas = {s: Formula(repr(x), "neg" if x < 0 else "") for s, x in held}
        self.formulas |= {s: Formula(name, "") for s, name in given.items()}
        self.parts: list[str] = []
        todo = needed(instructions, wanted, given)
        uses = Counter(s for each in todo for s in operands(each))
        uses.update(wanted)
        for each in todo:
            found = self.formula(each)
            if found.do and (uses[each.result] > 1 or len(found.text) > LONGEST):
                self.parts.append(f"_{len(self.parts)} = {found.text}")
                found = Formula(f"_{len(self.parts) - 1}", "")
            self.formulas[each.result] = found

    def of(self, s: int, place: str = "") -> str:
        """The formula of a slot; in brackets, if it has an operator, as a factor."""
        found = self.formulas[s]
        return f"({found.text})" if place and found.do in (*INFIX, "neg") else found.text

    def formula(self, each: Instruction) -> Formula:
        if each.do in INFIX:
            left, right = self.formulas[each.a], self.formulas[each.b]
            x = bracketed(left, ON_THE_LEFT.get(each.do, ()))
            y = bracketed(right, ON_THE_RIGHT.get(each.do, ()))
            return Formula(f"{x} {each.do} {y}", each.do)
        found = [self.formulas[s] for s in operands(each)]
        if each.do == "=":
            return found[0]
        if each.do == "neg":
            return Formula(f"-{bracketed(found[0], ())}", "neg")
        return Formula(f"{each.do}({', '.join(x.text for x in found)})", "call")


def bracketed(x: Formula, bare: tuple[str, ...]) -> str:
    return x.text if x.do in ("", "call", *bare) else f"({x.text})"


def operands(each: Instruction) -> list[int]:
    return [s for s in (each.a, each.b, each.c) if s >= 0]


def needed(
    instructions: list[Instruction], wanted: list[int], given: dict[int, str]
) -> list[Instruction]:
    """The instructions that some slots come of, in their order."""
    slots, found = set(wanted) - set(given), []
    for each in reversed(instructions):
        if each.result in slots:
            found.append(each)
            slots.update(s for s in operands(each) if s not in given)
    return found[::-1]
