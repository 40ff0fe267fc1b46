"""`jit`, a decorator for functions of Values. Its first call imports numba."""

from __future__ import annotations  # help() then shows DTypeLike, not its definition

import os
from collections.abc import Callable, Iterable
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from engine.arrays.arguments import as_dtype
from engine.support.arguments import check_flag, check_whole
from engine.tape.flat_graph import check_leaves
from engine.tape.tape import load_machine

MOST_RECORDINGS = 64
NO_JIT = "STEPGRAD_JIT"  # an environment variable: 0 switches recording off


def jit(
    loss: Callable[..., Any] | None = None,
    parameters: Any = None,
    *,
    static: Iterable[str] = (),
    dtype: DTypeLike = np.float64,
    fast: bool = False,
    threads: int | None = None,
    limit: int = MOST_RECORDINGS,
    enabled: bool = True,
) -> Any:
    """Compile a function of Values: record it at the first call of each structure, then replay.

    `loss(*args)` is any function that returns a Value, or a list of them, computed from parameters
    and arguments. `jit(loss)` is called with the same arguments and returns a node, an Array: its
    `.data` is the loss, and `.backward()` fills the gradients of the parameters. Results and
    gradients match those of the function bit for bit, except that contributions to a row that is
    selected twice are added in another order.

    Arguments that are integers, also in lists and tuples, are indices: they select a row of a
    `Table`, or an element in `take`. Floats and Values are inputs. Both may change without another
    recording. Everything else is structure, such as the length of a list, a string or a bool, and
    each structure has a recording of its own. If Python tests a number, as in `if x > 0`, the
    function is recorded again when the outcome changes. Everything else that the function does,
    such as reading global variables or changing objects, happens only while it is recorded. Random
    numbers stay those of the recording; a warning names functions that draw from generators of
    `random` or NumPy that exist at their first recording.

    Args:
        loss: The function. Omit it when using `@jit(parameters=...)`.
        parameters: The leaves to train: a list of Values, or a Module. None takes all leaves that
            require a gradient, in the order in which recordings reach them.
        static: Names of arguments that are structure although they are numbers.
        dtype, fast, threads: As for `Tape`.
        limit: The largest number of recordings to keep; the least recently used is dropped.
        enabled: False calls the function itself, as the environment variable STEPGRAD_JIT=0 does.

    Raises:
        TypeError: `loss` does not return Values, or uses an integer argument as a plain number.
        ImportError: numba is not installed.

    >>> from engine import Table, Value
    >>> w, table = Value(2.0), Table([Value(10.0), Value(20.0)])
    >>> @jit
    ... def loss(i, x):
    ...     return (w * x - table[i]) ** 2
    >>> y = loss(1, 5.0)
    >>> y.backward()
    >>> y.item(), loss.flat.grad
    (100.0, array([   0.,   20., -100.]))
    """
    if loss is None:
        settings = locals()
        return lambda f: jit(f, **{name: x for name, x in settings.items() if name != "loss"})
    if not callable(loss):
        raise TypeError(f"jit expects a function that returns a Value, got {loss!r}")
    if isinstance(loss, type):
        raise TypeError(f"jit expects a function or a model, got the class {loss.__name__}")
    if hasattr(parameters, "parameters"):
        parameters = parameters.parameters()
    elif parameters is None and hasattr(loss, "parameters"):  # a Module
        parameters = loss.parameters()
    if not isinstance(static, Iterable):
        raise TypeError(f"static must be a list of names of arguments, got {static!r}")
    static = (static,) if isinstance(static, str) else tuple(static)
    if unknown := [name for name in static if name not in signature(loss).parameters]:
        function = getattr(loss, "__name__", type(loss).__name__)
        raise ValueError(f"{function} has no argument {unknown[0]!r}, got static={list(static)}")
    load_machine("jit")
    from engine.tape.recordings import Jit, MachineOptions

    return Jit(
        loss, None if parameters is None else check_leaves("parameters", parameters),
        static=static,
        options=MachineOptions(
            as_dtype(dtype, "the dtype of jit"), check_flag("fast", fast), threads
        ),
        limit=check_whole("limit", limit),
        enabled=check_flag("enabled", enabled) and os.environ.get(NO_JIT) != "0",
    )  # fmt: skip
