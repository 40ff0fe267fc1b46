"""Hooks as decorators: of functions, generators, coroutines and asynchronous generators."""

import inspect
from functools import wraps
from typing import Any


def decorated(f: Any, hook: Any) -> Any:
    """Return a function that runs `f` within a hook, and its generators and coroutines too.

    The hook is active while the code of a generator runs, and not in its caller's between two
    values.
    """
    run: Any = plain
    if inspect.isgeneratorfunction(f):
        run = generator
    elif inspect.iscoroutinefunction(f):
        run = coroutine
    elif inspect.isasyncgenfunction(f):
        run = asynchronous_generator
    return wraps(f)(run(f, hook))


def plain(f: Any, hook: Any) -> Any:
    def run(*args: Any, **named: Any) -> Any:
        with hook:
            return f(*args, **named)

    return run


def generator(f: Any, hook: Any) -> Any:
    def run(*args: Any, **named: Any) -> Any:
        return (yield from stepped(f(*args, **named), hook))

    return run


def coroutine(f: Any, hook: Any) -> Any:
    async def run(*args: Any, **named: Any) -> Any:
        return await Awaited(stepped(f(*args, **named), hook))

    return run


def asynchronous_generator(f: Any, hook: Any) -> Any:
    async def run(*args: Any, **named: Any) -> Any:
        values, step, value = f(*args, **named), "asend", None
        while True:
            try:
                following = getattr(values, step)(value)
                result = await Awaited(stepped(following.__await__(), hook))
            except StopAsyncIteration:
                return
            try:
                step, value = "asend", (yield result)
            except GeneratorExit:
                await Awaited(stepped(values.aclose().__await__(), hook))
                raise
            except BaseException as problem:
                step, value = "athrow", problem

    return run


class Awaited:
    """An awaitable that runs a generator."""

    def __init__(self, generator: Any):
        self.generator = generator

    def __await__(self) -> Any:
        return self.generator


def stepped(generator: Any, hook: Any) -> Any:
    """Run a generator or coroutine; the hook is active while its own code runs."""
    step, value = generator.send, None
    while True:
        try:
            with hook:
                result = step(value)
        except StopIteration as end:
            return end.value
        try:
            step, value = generator.send, (yield result)
        except GeneratorExit:
            with hook:
                generator.close()
            raise
        except BaseException as problem:
            step, value = generator.throw, problem
