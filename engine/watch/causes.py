"""The causes of wrong gradients: which node loses which part of its gradient, and who ends wrong.

A backward pass is linear in the gradients that it propagates. If a node propagates a gradient from
which a part is missing, each node below it therefore lacks the part's own backward pass.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.graph import Gradients, reverse_pass
from engine.node import Node
from engine.value import Value
from engine.watch.sizes import ignore_floating_point_errors, measure_gradient
from engine.watch.wrong_passes import Contribution, Mistake, Pass


class Cause(NamedTuple):
    """A node that does not propagate all of its gradient.

    node      the node, or the operation with several results
    arrived   the number of contributions that it propagates; 1 if it keeps only the last one
    uses      the number of contributions that it receives
    missing   the contributions that arrive late or are overwritten, in order
    effects   the parts that gradients lack because of it, by their nodes
    wrong     the nodes that end with a wrong gradient because of it, in topological order
    """

    node: Any
    arrived: int
    uses: int
    missing: list[Any]
    effects: Mapping[Any, Any]
    wrong: list[Value]


def find_causes(
    order: Sequence[Node], variant: Pass, passed: Sequence[Contribution], mistake: Mistake
) -> list[Cause]:
    """Return the causes of the wrong gradients of a pass, in the order in which nodes propagate.

    Args:
        order: the graph in topological order.
        variant: the pass.
        passed: its contributions.
        mistake: its gradients beside the right ones.

    >>> from engine.graph import topological
    >>> from engine.watch.wrong_passes import WRONG, contributions, mistakes
    >>> a = Value(2.0, "a")
    >>> b = a * 3.0
    >>> root = b + b.exp() * 0.01
    >>> passed = list(contributions(topological(root), WRONG[0]))
    >>> (cause,) = find_causes(topological(root), WRONG[0], passed, mistakes(root)[0])
    >>> cause.node is b, cause.arrived, cause.uses, cause.wrong
    (True, 1, 2, [Value(2.0, 'a')])
    """
    uses = Counter(sent.to for sent in passed)
    causes = []
    for node, missing in list_missing(variant, passed).items():
        total = missing[0]
        for contribution in missing[1:]:
            total = total + contribution
        effects = Gradients({node: total})
        with ignore_floating_point_errors(order[-1]):
            for _ in reverse_pass(reversed(order), effects):
                pass
        if variant.accumulates:  # the rest arrives in the end
            del effects[node]
        wrong = [x for x in mistake.wrong_at_end if is_affected(x, effects, mistake)]
        arrived = uses[node] - len(missing)
        causes.append(Cause(node, arrived, uses[node], missing, effects, wrong))
    return causes


def list_missing(variant: Pass, passed: Sequence[Contribution]) -> dict[Any, list[Any]]:
    """Return the contributions that a pass does not propagate, by the nodes that receive them."""
    senders = dict.fromkeys(sent.node for sent in passed)
    late: dict[Any, list[Any]] = {node: [] for node in senders}
    lost: dict[Any, list[Any]] = {}
    started = set()
    for sent in passed:
        started.add(sent.node)
        if sent.to in started:
            late[sent.to].append(sent.sent)
        lost.setdefault(sent.to, []).append(sent.sent)
    if variant.accumulates:
        return {node: missing for node, missing in late.items() if missing}
    several = {node for node in lost if isinstance(lost[node][0], tuple)}  # one for each result
    ordered = [*senders, *(node for node in lost if node not in senders)]
    return {
        node: lost[node][:-1]
        for node in ordered
        if len(lost.get(node, [])) > 1 and node not in several
    }


def is_affected(node: Value, effects: Mapping[Any, Any], mistake: Mistake) -> bool:
    """Return whether a gradient lacks a part that is larger than rounding errors."""
    return node in effects and not is_rounding_error(
        effects[node], mistake.right[node], mistake.final[node]
    )


def is_rounding_error(part: Any, *gradients: Any) -> bool:
    """Return whether a part of gradients is as small as their rounding errors; inf and nan are not.

    >>> is_rounding_error(1e-13, 0.5, 2.0), is_rounding_error(float("inf"), float("inf"))
    (True, False)
    """
    size, sizes = measure_gradient(part), map(measure_gradient, gradients)
    largest = max((x for x in sizes if not math.isnan(x)), default=0.0)
    return math.isfinite(size) and size <= 1e-12 * largest
