"""The facts about Arrays that a page shows when one is selected."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from engine.draw.arrays.formulas import build_array_formula, build_pullback, build_slope
from engine.draw.arrays.matrices import write_shape
from engine.draw.arrays.notation import ArrayNotation
from engine.draw.arrays.paths import MOST_PATHS, add_routes, list_paths
from engine.draw.arrays.recorded import read_number
from engine.draw.arrays.symbols import make_array
from engine.draw.arrays.terms import find_product
from engine.draw.arrays.writing import to_array_mathml
from engine.draw.formulas.notation import Line, number_repeats
from engine.draw.formulas.symbols import make_name
from engine.draw.steps.facts import Facts, describe_kind
from engine.node import Node
from engine.watch.paths import largest_paths

MOST_ELEMENTS = 1_000_000  # of all arrays of a graph whose paths are listed, for time and memory


@np.errstate(all="ignore")  # as in the engine
def collect_array_facts(
    notation: ArrayNotation, grads: Any, parameters: Collection[Node], has_paths: bool = True
) -> list[Facts]:
    """Return the facts about every node: its shape, formula, pullbacks, and the largest paths."""
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
    is_small = sum(node.data.size for node in notation.names) <= MOST_ELEMENTS
    return add_paths(facts, notation) if has_paths and is_small else facts


def add_paths(facts: Sequence[Facts], notation: ArrayNotation) -> list[Facts]:
    """Return the facts with the paths of each gradient, whose sizes are norms."""
    order: list[Any] = [*notation.names]
    place = {node: i for i, node in enumerate(order)}
    table = largest_paths(order[-1], order, MOST_PATHS)
    listed = []
    for fact, node in zip(facts, order, strict=True):
        paths, count, rest = list_paths(table, node, place, notation)
        paths = [x._replace(product=x.product.replace(" ", "\u00a0")) for x in paths]
        factors = [write_jacobian(node, k, notation) for k in range(len(node.inputs))]
        listed.append(fact._replace(factors=factors, paths=paths, path_count=count, rest=rest))
    steps = [name_uses(node, notation) for node in order]
    return [fact._replace(paths=add_routes(i, listed, steps)) for i, fact in enumerate(listed)]


def collect_live_array_facts(
    notation: ArrayNotation, grads: Any, parameters: Collection[Node]
) -> list[Facts]:
    """Return the facts with places for numbers, without gradients and paths."""
    facts = collect_array_facts(notation, grads, parameters, has_paths=False)
    order: list[Any] = [*notation.names]
    return [
        fact._replace(
            factors=[write_jacobian(node, k, notation) for k in range(len(node.inputs))],
            uses=name_uses(node, notation),
        )
        for fact, node in zip(facts, order, strict=True)
    ]


def name_uses(node: Any, notation: ArrayNotation) -> list[str]:
    """Return the names of a node's inputs, numbered if one is used several times."""
    inputs = [make_name(notation.names[x]) for x in node.inputs]
    return [str(x) for x in number_repeats(inputs)]


def write_jacobian(node: Any, k: int, notation: ArrayNotation) -> str:
    """Write the derivative of a node by its k-th input, a factor along a path; "" if constant.

    Of a matrix product, it is the other matrix, and of an operation on elements a diagonal matrix.
    They have their numbers if these fit into a line. Others have the sign of a derivative.
    """
    x = node.inputs[k]
    if x.constant or node.constant:
        return ""
    local = node.locals[k]
    if local is not None and not np.ndim(local):
        return notation.write_factor(read_number(local))
    name, inputs = notation.name(node), [notation.input(y) for y in node.inputs]
    if local is not None and node.data.shape == x.data.shape:
        numbers = notation.write_numbers(make_array("", np.ravel(local)))
        slope = to_array_mathml(build_slope(node.op, k, name, inputs))  # type: ignore[arg-type]
        return f"<mrow><mi>diag</mi><mo>(</mo>{numbers or slope}<mo>)</mo></mrow>"
    product = find_product(node)
    if product and k < 2:
        other: Any = notation.name(node.inputs[1 - k])
        factor = other if product == "linear" and k == 0 else other.T
        return notation.write_numbers(factor) or to_array_mathml(factor)
    over, under = (f"<mrow><mi>∂</mi>{to_array_mathml(notation.name(y))}</mrow>" for y in (node, x))
    return f"<mfrac>{over}{under}</mfrac>"


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
