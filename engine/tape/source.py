"""A tape as Python code, to be read: one line a node in the forward pass, and one in the backward.

The lines are what the rows say, written down with names for numbers; run by Python they give the
bits that the tape gives. (The tape runs the same in another order, without what nobody needs.)
"""

import keyword
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from unicodedata import normalize

from engine import arithmetic
from engine.instructions import FACTOR, PYTHON, Formulas, Recorded
from engine.tape.flat import Flat


def source(graph: Flat, constants: Sequence[float]) -> str:
    """A function `replay` of parameters and inputs: outputs, and the gradient of their sum."""
    name, fixed = names(graph, constants), set(graph.constants.tolist())
    nodes: dict[int, tuple[Recorded, list[int]]] = {}
    for kind in graph.kinds:
        inputs = zip(kind.nodes.tolist(), kind.inputs.tolist(), strict=True)
        nodes.update({i: (kind.template, to) for i, to in inputs})

    results: dict[int, dict[int, int]] = defaultdict(dict)  # of an operation with several
    for i, shared, index in graph.results.tolist():
        results[shared][index] = i
    ahead = [forward(name, results.get(i, {0: i}), *nodes[i]) for i in sorted(nodes)]
    ahead += [f"assert {name[x]} {do} {name[y]}" for do, x, y in graph.guards]
    gradients = Gradients(name)
    back = [gradients.add(i, "1.0") for i in graph.outputs.tolist() if i not in fixed]
    under = sorted((i for i in nodes if i < graph.size - graph.aside), reverse=True)
    back += [
        pullback(name, gradients, fixed, results[i], *nodes[i])
        if nodes[i][0].gs
        else backward(name, gradients, fixed, i, *nodes[i])
        for i in under
    ]

    wanted = [*graph.parameters.tolist(), *graph.inputs.tolist()]
    slopes = [f"d_{name[i]}" if i in gradients.begun else "0.0" for i in wanted]
    lines = [
        f"# forward: {len(nodes):,} node{'s' * (len(nodes) != 1)}",
        *ahead,
        "# backward: a gradient is the sum of what arrives, from 0 on",
        *filter(None, back),
        f"return {listed(name[i] for i in graph.outputs)}, {listed(slopes)}",
    ]
    head = "from math import inf, nan\n\nfrom engine.arithmetic import *\n\n\n"
    called = f"def replay({', '.join(name[i] for i in wanted)}):\n"
    return head + called + "\n".join(f"    {line}" for line in lines)


def names(graph: Flat, constants: Sequence[float]) -> list[str]:
    """What each node is called: its label, if that is a name and its own; else its place."""
    labels = {i: normalize("NFKC", label) for i, label in graph.labels.items()}  # as Python reads
    found, times = [f"v{i}" for i in range(graph.size)], Counter(labels.values())
    taken = {*found, *arithmetic.__all__, *keyword.kwlist, "abs", "inf", "nan", "replay"}
    for i, label in labels.items():
        own = times[label] == 1 and label.isidentifier() and label not in taken
        if own and not label.startswith(("_", "d_")):
            found[i] = label
    for i, number in zip(graph.constants, constants, strict=True):
        found[i] = f"({number!r})" if repr(number).startswith("-") else repr(number)
    return found


def listed(parts: Iterable[str]) -> str:
    return f"[{', '.join(parts)}]"


def forward(name: list[str], results: dict[int, int], row: Recorded, inputs: list[int]) -> str:
    """Return the assignment of a node's number, or of those of an operation's results."""
    outs = [row.outs[k] for k in results]
    text = Formulas({s: name[x] for s, x in enumerate(inputs)}, row, row.forward, outs, PYTHON)
    found = [f"{name[i]} = {text.of(row.outs[k])}" for k, i in results.items()]
    return "; ".join([*text.parts, *found])


def backward(
    name: list[str],
    gradients: "Gradients",
    fixed: set[int],
    i: int,
    row: Recorded,
    inputs: list[int],
) -> str:
    """Return the contributions of a node: its gradient times the local derivative, unless 1."""
    given = {row.outs[0]: name[i], **{s: name[x] for s, x in enumerate(inputs)}}
    sent = [(x, s) for x, s in zip(inputs, row.locals, strict=True) if x not in fixed]
    slopes = [s for _, s in sent if s is not None]
    text = Formulas(given, row, [*row.forward, *row.backward], slopes, PYTHON)
    for x, s in sent:
        factor = "" if s is None else f" * {text.of(s, FACTOR + 1)}"
        text.parts.append(gradients.add(x, f"d_{name[i]}{factor}"))
    return "; ".join(text.parts)


def pullback(
    name: list[str],
    gradients: "Gradients",
    fixed: set[int],
    results: dict[int, int],
    row: Recorded,
    inputs: list[int],
) -> str:
    """Return the contributions of an operation with several results."""
    given = {row.outs[k]: name[i] for k, i in results.items()}
    for k, g in enumerate(row.gs):
        i = results.get(k, -1)
        given[g] = f"d_{name[i]}" if i in gradients.begun else "0.0"
    given |= {s: name[x] for s, x in enumerate(inputs)}
    sent = [(x, s) for x, s in zip(inputs, row.locals, strict=True) if x not in fixed]
    wanted = [s for _, s in sent if s is not None]
    text = Formulas(given, row, [*row.forward, *row.backward], wanted, PYTHON)
    text.parts += [gradients.add(x, text.of(s)) for x, s in sent if s is not None]
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
