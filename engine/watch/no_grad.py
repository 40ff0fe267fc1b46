"""`no_grad`: operations without a graph; and its inverse, for derivatives."""

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import ref

from engine.node import Node
from engine.watch.anomaly import detect_anomaly, detect_gradient_anomaly
from engine.watch.hooks import ACTIVE, Hook


class no_grad(Hook):
    """Context manager that disables graph recording: results are constants.

    Results receive no gradient and keep no reference to their inputs, which saves memory. Use it to
    evaluate a model, for example on a validation set. As a decorator it also applies inside
    generators and coroutines. `with no_grad(): yield` in an undecorated generator stays active in
    the caller's code between two values, as in PyTorch.

    >>> from engine import Value
    >>> w = Value(3.0)
    >>> with no_grad():
    ...     y = w * 2.0
    >>> y, y.constant, y.inputs
    (Constant(6.0), True, ())
    """

    _rank = 2

    def _on_node(self, node: Node) -> Node:
        return node if node.op is not None and node.op._is_followed else node._without_graph()


@contextmanager
def keep_graphs(*, check_results: bool = False) -> Iterator[None]:
    """Record graphs even under `no_grad`, because derivatives are computed from them.

    Under `detect_anomaly` gradients are checked, but results only if `check_results`: a rule that
    runs on nodes evaluates both sides of a `where`, and the side that is not chosen may be inf.
    """
    before = ACTIVE.get()
    entries = [entry for entry in before if not isinstance(entry.hook(), no_grad)]
    gradients_only = detect_gradient_anomaly()  # the entries refer to it weakly
    if not check_results:
        entries = [
            entry._replace(hook=ref(gradients_only))
            if isinstance(entry.hook(), detect_anomaly)
            else entry
            for entry in entries
        ]
    try:
        ACTIVE.set(tuple(entries))
        yield
    finally:
        ACTIVE.set(before)
