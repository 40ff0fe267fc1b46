"""Hooks as decorators of functions, generators, coroutines and asynchronous generators."""

import inspect
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from functools import partial, wraps
from typing import Any

Hook = AbstractContextManager[Any]  # one that can be entered again


def decorate(f: Callable[..., Any], hook: Hook) -> Callable[..., Any]:
    """Return a function that runs `f` with a hook active, even if it is a generator or coroutine.

    The hook is active while the generator's own code runs, not in its caller's code between two
    values.
    """
    if isinstance(f, type) or not callable(f):
        name = type(hook).__name__
        raise TypeError(f"@{name}() decorates a function, got {f!r}; decorate its methods")
    if not (inspect.isroutine(f) or isinstance(f, partial)):
        f = f.__call__  # type: ignore[operator] # `inspect` recognizes it
    wrapper: Any = wrap_function
    if inspect.isgeneratorfunction(f):
        wrapper = wrap_generator
    elif inspect.iscoroutinefunction(f):
        wrapper = wrap_coroutine
    elif inspect.isasyncgenfunction(f):
        wrapper = wrap_asynchronous_generator
    return wraps(f)(wrapper(f, hook))


def wrap_function(f: Any, hook: Hook) -> Any:
    def run(*args: Any, **kwargs: Any) -> Any:
        with hook:
            return f(*args, **kwargs)

    return run


def wrap_generator(f: Any, hook: Hook) -> Any:
    def run(*args: Any, **kwargs: Any) -> Any:
        return (yield from drive(f(*args, **kwargs), hook))

    return run


def wrap_coroutine(f: Any, hook: Hook) -> Any:
    async def run(*args: Any, **kwargs: Any) -> Any:
        return await Awaitable(drive(f(*args, **kwargs), hook))

    return run


def wrap_asynchronous_generator(f: Any, hook: Hook) -> Any:
    async def run(*args: Any, **kwargs: Any) -> Any:
        values, method, value = f(*args, **kwargs), "asend", None
        while True:
            try:
                step = getattr(values, method)(value)
                result = await Awaitable(drive(step.__await__(), hook))
            except StopAsyncIteration:
                return
            try:
                method, value = "asend", (yield result)
            except GeneratorExit:
                await Awaitable(drive(values.aclose().__await__(), hook))
                raise
            except BaseException as problem:
                method, value = "athrow", problem

    return run


class Awaitable:
    """An awaitable that runs a generator."""

    def __init__(self, generator: Generator[Any, Any, Any]):
        self.generator = generator

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.generator


def drive(
    generator: Any, hook: Hook, observe: Callable[[Any], object] = id
) -> Generator[Any, Any, Any]:
    """Run a generator or coroutine; the hook is active only while its own code runs.

    `observe` is called with each result.
    """
    resume, value = generator.send, None
    while True:
        try:
            with hook:
                result = resume(value)
        except StopIteration as end:
            observe(end.value)
            return end.value
        observe(result)
        try:
            resume, value = generator.send, (yield result)
        except GeneratorExit:
            with hook:
                generator.close()
            raise
        except BaseException as problem:
            resume, value = generator.throw, problem
