"""`jit`, a decorator for functions of Values, or of Arrays."""

from __future__ import annotations  # help() then shows DTypeLike, not its definition

import os
from collections import deque
from collections.abc import Callable, Iterable
from inspect import getclosurevars, signature
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from engine.arrays.arguments import as_dtype
from engine.arrays.array import Array
from engine.node import Node
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
    """Compile a function of nodes: record it at the first call of each structure, then replay.

    With `parameters` that are Arrays, or a Module of Arrays, it is a function of Arrays; see
    `engine.array_tape.jit.ArrayJit`. So is a function without `parameters` that refers, by global
    names or names of enclosing functions, to Arrays or such Modules, also in lists, tuples and
    dicts. Any other is a function of Values, which requires numba.

    `loss(*args)` is any function that returns a Value, or a list of them, computed from parameters
    and arguments. `jit(loss)` is called with the same arguments and returns a node, an Array: its
    `.data` is the loss, and `.backward()` fills the gradients of the parameters and of the leaves
    among the arguments. First derivatives, such as `grad(jit(loss))`, are supported. Results and
    gradients match those of the function bit for bit, except that contributions to a row that is
    selected twice are added in another order.

    Arguments that are integers, also in lists and tuples, are indices: they select a row of a
    `Table`, or an element in `take`. Floats and Values are inputs. Both may change without another
    recording. Everything else is structure, such as the length of a list, a string or a bool, and
    each structure has a recording of its own. If Python tests a number, as in `if x > 0`, the
    function is recorded again when the outcome changes. Everything else that the function does,
    such as reading global variables or changing objects, happens only while it is recorded. Random
    numbers stay those of the recording; a warning names a function that draws from a generator of
    `random` or NumPy that existed at its first recording.

    Args:
        loss: The function. Omit it when using `@jit(parameters=...)`.
        parameters: The leaves to train: a list of Values or of Arrays, or a Module. None takes all
            leaves that require a gradient, in the order in which recordings reach them.
        static: Names of arguments that are structure although they are numbers.
        dtype, fast: As for `Tape`.
        threads: The number of threads. For a function of Values, as for `Tape`. For a function of
            Arrays, it is the number of parts in which steps on large arrays are computed, by
            default the number of threads of OpenBLAS; more than the cores do not help. Without
            llvmlite, OpenBLAS uses its own threads, or one if this is 1.
        limit: The largest number of recordings to keep; the least recently used is dropped.
        enabled: False calls the function itself, as the environment variable STEPGRAD_JIT=0 does.

    Raises:
        TypeError: `loss` does not return nodes, uses an integer argument as a plain number, or does
            something with Arrays that a replay cannot do again.
        ImportError: `loss` is a function of Values, and numba is not installed.

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
        raise TypeError(f"jit expects a function that returns Values or Arrays, got {loss!r}")
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
    if threads is not None:
        threads = check_whole("threads (None uses all cores)", threads)
    given = isinstance(parameters, list | tuple) and any(isinstance(p, Array) for p in parameters)
    if given or (parameters is None and uses_arrays(loss)):
        if static or np.dtype(dtype) != np.float64 or fast:
            raise ValueError(
                "static, dtype and fast are options of functions of Values; Arrays have their own "
                "dtype"
            )
        from engine.array_tape.jit import ArrayJit

        return ArrayJit(
            loss,
            None if parameters is None else check_array_leaves(parameters),
            limit=check_whole("limit", limit),
            enabled=check_flag("enabled", enabled) and os.environ.get(NO_JIT) != "0",
            threads=threads,
        )
    load_machine("jit of a function of Values")
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


def check_array_leaves(parameters: Iterable[Any]) -> list[Array]:
    """Return Arrays to train. Raises TypeError for others, and ValueError for computed Arrays."""
    xs = list(parameters)
    for x in xs:
        if not isinstance(x, Array) or x.op is not None or x.constant:
            raise TypeError(
                "parameters of a function of Arrays must be leaves that require a gradient, got "
                f"{x!r}"
            )
    return xs


def uses_arrays(f: Callable[..., Any]) -> bool:
    """Return whether a function refers to Arrays, or Modules of Arrays, and to no Values."""
    try:
        names = getclosurevars(getattr(f, "__func__", f))
    except TypeError:  # a built-in function, or an object
        return False
    objects = [*names.nonlocals.values(), *names.globals.values(), getattr(f, "__self__", None)]
    nodes = list_nodes(objects)
    return bool(nodes) and all(isinstance(x, Array) for x in nodes)


def list_nodes(objects: list[Any]) -> list[Node]:
    """Return the nodes among some objects, in nested lists, tuples and dicts, and in Modules.

    The search is short even if a global variable contains many numbers: it visits at most 1,000
    containers, the outermost first, and at most 100 elements of each.
    """
    nodes, visited, queue = [], set[int](), deque(objects)
    while queue and len(visited) < 1_000:
        x = queue.popleft()
        if issubclass(type(x), Node):
            nodes.append(x)
        elif id(x) not in visited and (elements := [*islice(elements_of(x), 100)]):
            visited.add(id(x))
            queue.extend(elements)
    return nodes


def elements_of(x: Any) -> Iterable[Any]:
    """Return the elements of a container, or the parameters of a Module.

    No attributes of other objects are read, since these may raise errors.
    """
    kind = type(x)
    for container in (list, tuple):
        if issubclass(kind, container):
            return container.__iter__(x)
    if issubclass(kind, dict):
        return dict.values(x)
    parameters = x.named_parameters() if hasattr(kind, "named_parameters") else {}
    return parameters.values() if isinstance(parameters, dict) else ()  # PyTorch returns no dict
