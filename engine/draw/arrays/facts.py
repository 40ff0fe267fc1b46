"""The facts about Arrays that a page shows when one is selected."""

from collections.abc import Collection
from typing import Any

import numpy as np

from engine.draw.arrays.formulas import build_array_formula, build_pullback
from engine.draw.arrays.matrices import write_shape
from engine.draw.arrays.notation import ArrayNotation
from engine.draw.arrays.writing import to_array_mathml
from engine.draw.formulas.notation import Line
from engine.draw.steps.facts import Facts, describe_kind
from engine.node import Node


@np.errstate(all="ignore")  # as in the engine
def collect_array_facts(
    notation: ArrayNotation, grads: Any, parameters: Collection[Node]
) -> list[Facts]:
    """Return the facts about every node: its shape, its formula, and its pullbacks."""
    facts = []
    for i, node in enumerate(notation.names):
        kind = f"{describe_kind(node, parameters)}, {write_shape(node.data.shape)}"
        facts.append(
            Facts(
                f"v{i}", notation.names[node], kind, to_array_mathml(notation.name(node)),
                write_rules(node, notation, grads), origin=str(node.origin or ""),
                gradient=notation.format(grads[node]),
            )
        )  # fmt: skip
    return facts


def write_rules(node: Any, notation: ArrayNotation, grads: Any) -> list[Line]:
    """Write an operation's formula and its pullbacks."""
    if node.op is None:
        return []
    name, inputs = notation.name(node), [notation.input(x) for x in node.inputs]
    formula: Any = build_array_formula(node, inputs)  # type: ignore[arg-type]
    lines: list[Line] = []
    if to_array_mathml(formula) != to_array_mathml(name):
        lines.append((to_array_mathml(name), "<mo>=</mo>", to_array_mathml(formula)))
    gradient = notation.gradient(node, grads[node])
    for k, x in enumerate(node.inputs):
        if not x.constant and not node.constant:
            sent = node._contribution(k, gradient.value, x.data.shape)[1]
            pulled = build_pullback(node, k, gradient, name, inputs, sent)  # type: ignore[arg-type]
            to = to_array_mathml(notation.gradient(x, sent))
            lines.append((to, "<mo>+=</mo>", to_array_mathml(pulled)))
    return lines
