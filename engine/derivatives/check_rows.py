"""The local derivatives of each row in a graph against numerical ones, apart from the others."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from engine.derivatives.numerical import ROUNDING, Differences, divide_by_step, estimate_slope
from engine.derivatives.passes import ignore_overflow
from engine.functions import is_array
from engine.graph import Gradients, send, topological

DIRECTIONS = 16  # for an input of more elements; otherwise each element is varied separately

Results = Callable[[float], list[float]]  # of a row, after a step along a direction


class WrongRow(NamedTuple):
    """A row whose derivative with respect to one input differs from the slope of its formula."""

    name: str
    input: int
    kink: bool  # no derivative exists here, so the row is wrong only if the gradient is
    text: str


def find_wrong_rows(root: Any, gradients: Gradients, tolerance: float) -> list[WrongRow]:
    """Return the wrong rows among the nodes of a backward pass, one for each name and input.

    Each row is evaluated at its own inputs, apart from the rest of the graph. A wrong derivative is
    therefore found even where its effect on `root` is far below the rounding error of `root`. Nodes
    whose gradient is 0 are skipped.
    """
    wrong: dict[tuple[str, int], WrongRow] = {}
    checked = set()
    with ignore_overflow():
        for node in topological(root):
            if node.op is None or node.op._output_index is not None or node not in gradients:
                continue
            weights = weigh(node, gradients[node])
            inputs = [(x.data, x in gradients) for x in node.inputs]
            key = node if is_array(node) else (node.op, *weights, *inputs)
            if any(weights) and key not in checked:
                checked.add(key)
                for row in find_wrong_slopes(node, weights, gradients, tolerance):
                    wrong.setdefault((row.name, row.input), row)
    return list(wrong.values())


def weigh(node: Any, gradient: Any) -> list[float]:
    """Return unequal weights for the results of a node, which are 0 where its gradient is.

    Equal weights would not do: the sum of the results may be constant, as for softmax.
    """
    return [math.cos(i) if part else 0.0 for i, part in enumerate(numbers_of(gradient))]


def find_wrong_slopes(
    node: Any, weights: list[float], gradients: Gradients, tolerance: float
) -> Iterator[WrongRow]:
    """Yield an entry for each direction in which the row of a node is wrong."""
    seed: Any = tuple(weights) if node.op._has_several_outputs else weights[0]
    data = [x.data for x in node.inputs]
    if is_array(node):
        import numpy as np

        seed, data = np.reshape(weights, node.shape), list(node._dx)
    variable = [i for i, x in enumerate(node.inputs) if not x.constant]
    for i, sent in zip(variable, send(node, seed), strict=True):
        if sent.to not in gradients:
            continue
        for index, x, direction, expected in directions(data[i], sent.contribution, DIRECTIONS):
            results = move_input(node, data, i, direction)
            differences = weighted_differences(results, weights, x)
            slope = estimate_slope(differences, x, expected)
            known = not math.isnan(slope.value) and (
                math.isfinite(expected) or slope.resolves(slope.value or 1.0)
            )
            if known and slope.relative_error(expected, tolerance) > tolerance:
                at = [getattr(a, "shape", ()) or float(a) for a in data]
                text = (
                    f"  row {node.op.name!r} looks wrong, or has a kink: at {at} its derivative "
                    f"with respect to input {i}{index} is {expected:.10g}, the slope of its "
                    f"formula {slope}"
                )
                yield WrongRow(node.op.name, i, has_kink(differences, x), text)


def directions(
    x: Any, slopes: Any, most: int | None = None
) -> Iterator[tuple[str, float, Any, float]]:
    """Yield directions in which to vary data, with the expected slope in each.

    There is one direction for each element, as the text of its index, its number, the direction and
    the slope. If there are more than `most` elements, each direction combines several that
    contribute similarly, with signs for which no two contributions cancel, and steps in proportion
    to the elements. It has no index, and the number 1.
    """
    if isinstance(x, float):
        yield "", x, 1.0, float(slopes)
        return
    import numpy as np

    size = np.where(x == 0.0, 1.0, abs(x))
    groups: Any = np.arange(x.size)[:, None]
    if most is not None and x.size > most:
        terms = (abs(slopes) * size).ravel()
        order = np.argsort(terms)
        jumps = np.flatnonzero(terms[order[1:]] > 100.0 * terms[order[:-1]]) + 1
        equal = np.linspace(0, x.size, most + 1).astype(int)[1:-1]
        groups = np.split(order, np.union1d(jumps, equal))
    for group in groups:
        direction = np.zeros(x.size)
        index, number = "", 1.0
        if len(group) == 1:
            direction[group] = 1.0
            place = [int(i) for i in np.unravel_index(group[0], x.shape)]
            index, number = str(place) if place else "", float(x.flat[group[0]])
        else:
            direction[group] = (np.where(slopes < 0.0, -1.0, 1.0) * size).flat[group]
        direction = direction.reshape(x.shape)
        used = direction != 0.0
        yield index, number, direction, float((slopes[used] * direction[used]).sum())


def move_input(node: Any, data: list[Any], i: int, direction: Any) -> Results:
    """Return the results of a row as a function of the distance of input i along a direction.

    All results are nan where the row's formula is undefined.
    """
    op = node.op

    def results(h: float) -> list[float]:
        moved = [*data[:i], move(data[i], h, direction), *data[i + 1 :]]
        try:
            if is_array(node):
                from engine.arrays.arithmetic import run

                settings = getattr(op, "settings", {})
                return numbers_of(run(op.forward, data[0].dtype, *moved, **settings))
            out = op.forward(*op.unflatten(moved))
            return [float(x) for x in out] if op._has_several_outputs else [float(out)]
        except (ArithmeticError, ValueError):
            return [math.nan] * (
                len(node.data) if op._has_several_outputs else getattr(node, "size", 1)
            )

    return results


def move(data: Any, h: float, direction: Any) -> Any:
    """Return data + h * direction, with the same bits where the direction is 0."""
    if isinstance(data, float):
        return data + h * direction
    moved, changes = data.copy(), direction != 0.0
    moved[changes] += h * direction[changes]
    return moved


def numbers_of(data: Any) -> list[float]:
    """Return the numbers of a node's data, or of its gradient, as a list."""
    if isinstance(data, tuple):  # of several results, some without a gradient
        return [x or 0.0 for x in data]
    return data.ravel().tolist() if hasattr(data, "ravel") else [float(data)]


def weighted_differences(results: Results, weights: list[float], x: float) -> Differences:
    """Return the differences at x of a weighted sum of results.

    Results that do not depend on x contribute no rounding error: those that stay the same if x is
    nan, and in a large step.
    """
    center = results(0.0)
    others = [results(math.nan), results(8.0 * max(abs(x), 1.0))] if weights[1:] else []
    used = [
        (weight, i)
        for i, weight in enumerate(weights)
        if weight and not (others and others[0][i] == center[i] == others[1][i])
    ]

    def differences(h: float) -> tuple[float, float, float]:
        upper, lower = results(h), results(-h)
        first = sum([w * (upper[i] - lower[i]) for w, i in used])
        second = sum([w * ((upper[i] - center[i]) - (center[i] - lower[i])) for w, i in used])
        rounding = sum(
            [ROUNDING * abs(w * number[i]) for w, i in used for number in (upper, lower)]
        )
        return divide_by_step(first, second, rounding, x, h)

    return differences


def has_kink(differences: Differences, x: float) -> bool:
    """Return whether the slopes on both sides differ, no matter how small the step.

    The second difference then grows as 1 / h. It grows as 1 / h² if it is rounding error.
    """
    h = (abs(x) or 1.0) * 2.0**-16
    (_, wide, _), (_, narrow, rounding) = differences(64.0 * h), differences(h)
    return 16.0 * wide < narrow < 256.0 * wide and narrow * h * h > 512.0 * rounding
