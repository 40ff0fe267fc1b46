"""Record the decisions that Python makes from the numbers of Values while it builds a graph.

A graph has no branches: it records one path through the code. With other numbers the code might
build another graph, so a tape checks these decisions whenever it replays.
"""

import re
from typing import Any, cast

from engine.support.frames import find_call
from engine.value import Value
from engine.watch.decisions import Branch, Conversion
from engine.watch.extremes import replace_extremes
from engine.watch.hooks import LOCK, OPEN, Hook, active
from engine.watch.no_grad import no_grad
from engine.watch.recorded_number import RecordedNumber, detach

# The messages of functions that accept a float but no object that merely converts to one.
REFUSED = re.compile(rf"\b{RecordedNumber.__name__}\b|\b(type|or) float\b")


class record_branches(Hook):
    """Context manager that records the decisions that Python makes from the number of a Value.

    It records `<`, `<=`, `>` and `>=` between Values, including those that `sorted` and `max` make.

    While it is active, `.data` returns an object that behaves like a float and records how it is
    used. Comparisons and `if x.data` are recorded with their outcome, and the number is followed
    through + - * / **, abs, max and min, and into operations of the graph: x.data in `x * x.data`
    is a constant that a tape computes from x. Each conversion to another object is recorded with
    its result: `int`, `round`, `//`, `%`, f-strings, `float`, a C function such as `math.sin`, and
    a result under `no_grad`. As a C function only reads the number, write
    `abs(x.data) < math.inf` in place of `math.isfinite(x.data)` to record that comparison alone.
    The text that `print(x)` and `repr(x)` show for a Value is not recorded.

    >>> with record_branches() as branches:
    ...     x = Value(3.0, "x")
    ...     y = x * 2.0 if x > 0.0 else x / int(x.data)
    >>> str(branches[0]), branches[0].outcome
    ('x > 0', True)
    """

    _observes_nodes = False  # it observes those under `no_grad`, which observes all

    def __init__(self) -> None:
        super().__init__()
        self.branches: list[Branch | Conversion] = []
        self._new_leaves: list[Value] = []  # those that require a gradient

    def __enter__(self) -> list[Branch | Conversion]:  # type: ignore[override]
        super().__enter__()
        update_extremes()
        return self.branches

    def __exit__(self, *failure: Any) -> None:
        super().__exit__(*failure)
        update_extremes()
        problem = failure[1] if failure else None
        if type(problem) is TypeError and REFUSED.search(str(problem)):
            raise TypeError(
                f"{find_call(problem)}; while a function is recorded, the .data of a Value "
                "is not a float to functions written in C; pass float(x.data), which the tape "
                "compares at each replay"
            ) from problem

    @staticmethod
    def _read(node: Value) -> float:
        """Return the number of a Value as an object that records its use."""
        return cast(float, RecordedNumber(node))

    def _on_leaf(self, leaf: Any) -> None:
        if isinstance(leaf, Value) and not leaf.constant:
            self._new_leaves.append(leaf)

    def _on_decision(self, decision: Branch | Conversion) -> None:
        self.branches.append(decision)

    def _on_node(self, node: Any) -> Any:
        """Detach a node that `no_grad` would replace by a constant, so that a tape computes it."""
        is_value = isinstance(node, Value) and not (node.op is None or node.op._is_followed)
        if is_value and any(isinstance(hook, no_grad) for hook in active()):
            return detach(node)
        return node


def update_extremes() -> None:
    """Replace `max` and `min` while a recording is open in any context; restore them otherwise."""
    with LOCK:
        replace_extremes(any(isinstance(opened(), record_branches) for opened in OPEN.values()))


class BranchChanged(RuntimeError):
    """Raised by a tape whose numbers would have made Python build another graph.

    >>> from engine import Tape, Value
    >>> x = Value(3.0, "x")
    >>> tape = Tape(lambda: x * 2.0 if x > 0.0 else x)
    >>> tape.flat.data = [-1.0]
    >>> tape.forward()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    stepgrad.BranchChanged: x > 0 was True when the tape was recorded ...
    """

    __module__ = "stepgrad"  # tracebacks show the public name


def recorded_branches() -> list[Branch | Conversion]:
    """Return the decisions that the active `record_branches` have recorded so far."""
    hooks = [hook for hook in active() if isinstance(hook, record_branches)]
    return [decision for hook in hooks for decision in hook.branches]
