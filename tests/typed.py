"""Types that mypy must infer: `make types` checks this file, and nothing runs it."""

from typing import assert_type

from engine import Array, Value
from nn import losses


def losses_have_the_type_of_their_predictions(p: list[Value], a: Array, rows: Array) -> None:
    """Assert that mypy infers a Value or an Array and rejects the other calls: no ignore is unused."""
    assert_type(losses.mse(p, [1.0]), Value)
    assert_type(losses.mse(a, [1.0]), Array)
    assert_type(losses.huber(a, [1.0], delta=2.0), Array)
    assert_type(losses.huber(p, [1.0], 2.0), Value)
    assert_type(losses.cross_entropy([p], [0]), Value)
    assert_type(losses.cross_entropy(rows, [0]), Array)
    assert_type(losses.cross_entropy(rows, [[0.5, 0.5]], reduction="none"), Array)
    assert_type(losses.cross_entropy([p], [0], weight=[1.0], reduction="none"), list[Value])
    assert_type(losses.mse(a, [1.0], reduction="none"), Array)
    assert_type(losses.huber(p, [1.0], 2.0, reduction="sum"), Value)
    reductions: list[Value] = losses.mse(p, [1.0], reduction="none")  # noqa: F841
    losses.mse(a, [1.0], delta=2.0)  # type: ignore[call-overload]
    losses.hinge(3.0, [1.0])  # type: ignore[call-overload]
