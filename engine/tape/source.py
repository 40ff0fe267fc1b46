"""Print a tape as Python code, for reading.

The code states the rows of both passes with names for numbers. Run in Python, it gives the same
bits as the tape, which omits unneeded instructions and runs the others in another order.
"""

import keyword
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple
from unicodedata import normalize

import numpy as np

from engine import arithmetic
from engine.instructions import FACTOR, PYTHON, Formulas, Recorded
from engine.support.arguments import format_count
from engine.tape.flat_graph import FlatGraph

HEAD = f"from math import inf, nan\n\nfrom {arithmetic.__name__} import *\n\n\n"
WIDTH, INDENT = 100, " " * 4
BREAK = re.compile(r"(?<=,) | (?=[-+*/<>=!&|]+ )")  # after a comma, or before an operator
BRACKETS = {"(": 1, "[": 1, ")": -1, "]": -1}


class Operation(NamedTuple):
    """An operation of the graph: its instructions, its inputs, and its results by index."""

    row: Recorded
    inputs: list[int]
    results: dict[int, int]


def print_source(graph: FlatGraph, constants: Sequence[float]) -> str:
    """Return the code of a function `replay` of parameters and inputs.

    It returns the outputs, and the gradient of their sum for each argument.
    """
    silent = np.flatnonzero(~graph.sends).tolist()
    names, fixed = name_nodes(graph, constants), {*graph.constants.tolist(), *silent}
    results: dict[int, dict[int, int]] = defaultdict(dict)
    for i, operation, index in graph.results.tolist():
        results[operation][index] = i
    operations = {
        i: Operation(group.template, inputs, results[i] if group.template.gs else {0: i})
        for group in graph.groups
        for i, inputs in zip(group.nodes.tolist(), group.inputs.tolist(), strict=True)
    }

    arguments = [*graph.parameters.tolist(), *graph.inputs.tolist()]
    gradients = GradientStatements(names, fixed)
    forward = [print_forward(names, operations[i]) for i in sorted(operations)]
    checks = [
        guard.code.replace("{}", names[guard.x], 1).replace("{}", names[guard.y], 1)
        for guard in graph.guards
    ]
    seeds = [[gradients.add(i, "1.0")] for i in graph.outputs.tolist() if i not in fixed]
    under = sorted((i for i in operations if graph.sends[i]), reverse=True)
    backward = [print_backward(names, gradients, operations[i]) for i in under]
    slopes = [f"d_{names[i]}" if i in gradients.assigned else "0.0" for i in arguments]
    lines = [
        f"# forward: {format_count(len(operations), 'node')}",
        *(line for statements in forward for line in fill_lines(statements)),
        *(line for check in checks for line in break_check(check)),
        "# backward: a gradient is the sum of its contributions, starting from 0",
        *(line for statements in [*seeds, *backward] for line in fill_lines(statements)),
        *break_line(f"return {bracket(names[i] for i in graph.outputs)}, {bracket(slopes)}"),
    ]
    signature = break_line(f"def replay({', '.join(names[i] for i in arguments)}):")
    return HEAD + "\n".join([*signature, *(INDENT + line for line in lines)])


def name_nodes(graph: FlatGraph, constants: Sequence[float]) -> list[str]:
    """Return a name for each node: its label if that is a unique identifier, or its place.

    A constant is named by its number.
    """
    labels = {i: normalize("NFKC", label) for i, label in graph.labels.items()}  # as Python reads
    names, uses = [f"v{i}" for i in range(graph.size)], Counter(labels.values())
    taken = {*names, *arithmetic.__all__, *keyword.kwlist, "abs", "inf", "nan", "replay"}
    for i, label in labels.items():
        usable = uses[label] == 1 and label.isidentifier() and label not in taken
        if usable and not label.startswith(("_", "d_")):
            names[i] = label
    for i, number in zip(graph.constants, constants, strict=True):
        names[i] = f"({number!r})" if repr(number).startswith("-") else repr(number)
    return names


class GradientStatements:
    """The assignments of gradients; the first to each begins a sum."""

    def __init__(self, names: list[str], fixed: set[int]):
        self.names, self.fixed = names, fixed
        self.assigned: set[int] = set()

    def add(self, i: int, contribution: str) -> str:
        """Return the statement that adds a contribution to the gradient of a node."""
        assign = "+= " if i in self.assigned else "= 0.0 + "
        self.assigned.add(i)
        return f"d_{self.names[i]} {assign}{contribution}"


def print_forward(names: list[str], operation: Operation) -> list[str]:
    """Return the assignments of an operation's results."""
    row, inputs, results = operation
    variables = {slot: names[x] for slot, x in enumerate(inputs)}
    formulas = Formulas(variables, row, row.forward, [row.outs[k] for k in results], PYTHON)
    values = [f"{names[i]} = {formulas.format(row.outs[k])}" for k, i in results.items()]
    return [*formulas.assignments, *values]


def print_backward(
    names: list[str], gradients: GradientStatements, operation: Operation
) -> list[str]:
    """Return the contributions of an operation to the gradients of its inputs.

    Each is its gradient times the local derivative, if that is not 1. For an operation with several
    results, the pullback computes the contributions.
    """
    row, inputs, results = operation
    variables = {slot: names[x] for slot, x in enumerate(inputs)}
    variables |= {row.outs[k]: names[i] for k, i in results.items()}
    for k, g in enumerate(row.gs):
        has_gradient = results.get(k, -1) in gradients.assigned
        variables[g] = f"d_{names[results[k]]}" if has_gradient else "0.0"
    pairs = zip(inputs, row.locals, strict=True)
    sent = [(x, slot) for x, slot in pairs if x not in gradients.fixed]
    slopes = [slot for _, slot in sent if slot is not None]
    formulas = Formulas(variables, row, [*row.forward, *row.backward], slopes, PYTHON)
    statements = []
    for x, slot in sent:
        if row.gs:
            if slot is not None:
                statements.append(gradients.add(x, formulas.format(slot)))
        else:
            factor = "" if slot is None else f" * {formulas.format(slot, FACTOR + 1)}"
            statements.append(gradients.add(x, f"d_{names[results[0]]}{factor}"))
    return [*formulas.assignments, *statements]


# ------------------------------------------------------------------------------------------- lines


def fill_lines(statements: Iterable[str]) -> Iterator[str]:
    """Yield lines with as many statements as fit; break a statement that is longer than a line."""
    line = ""
    for statement in statements:
        if line and len(INDENT) + len(line) + 2 + len(statement) <= WIDTH:
            line += f"; {statement}"
            continue
        if line:
            yield line
        lines = break_line(statement)
        line = lines[0] if len(lines) == 1 else ""
        if not line:
            yield from lines
    if line:
        yield line


def break_line(statement: str) -> list[str]:
    """Return the lines of a statement, broken inside brackets, at the outermost ones possible."""
    room = WIDTH - len(INDENT)
    if len(statement) > room and not statement.startswith(("def ", "return ")):
        name, assign, formula = statement.partition("= ")
        statement = f"{name}{assign}({formula})"
    lines, indent, start, depth = [], "", 0, 0
    while len(indent) + len(statement) - start > room:
        end = start + room - len(indent)
        levels = [BRACKETS.get(x, 0) for x in statement[start:end]]
        depths = dict(enumerate(accumulate(levels, initial=depth), start))
        cuts = [x.start() for x in BREAK.finditer(statement, start + room // 2, end)]
        cuts = [cut for cut in cuts if depths[cut] > 0]
        if not cuts:
            break
        cut = min(reversed(cuts), key=lambda i: (depths[i], statement[i + 1] in "*/"))
        lines.append(indent + statement[start:cut])
        indent, start, depth = INDENT * 2, cut + 1, depths[cut]
    return [*lines, indent + statement[start:]]


def break_check(check: str) -> list[str]:
    """Return the lines of an assertion, or a comment cut to one line."""
    return [check[: WIDTH - len(INDENT)]] if check.startswith("#") else break_line(check)


def bracket(parts: Iterable[str]) -> str:
    """Return the code of a list."""
    return f"[{', '.join(parts)}]"
