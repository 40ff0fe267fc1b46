"""The instances of a class that exist in the process."""

import gc
from collections.abc import Iterator
from itertools import chain, compress, repeat
from typing import Any


def find_instances(*kinds: type) -> list[Any]:
    """Return all instances of the classes and of their subclasses.

    These are found among the objects that the garbage collector tracks; those that `gc.freeze`
    hides are missing.

    While another thread makes a tuple from an iterator, that thread fails with a SystemError if
    anything else refers to the tuple, as the list of all objects does. Therefore `list` does the
    whole search in a single call of compiled code, in which other threads run only if the collector
    starts and calls a finalizer.

    >>> class Marked(dict):
    ...     pass
    >>> x = Marked(a=1)
    >>> find_instances(Marked)
    [{'a': 1}]
    """
    classes = [*list_subclasses(kinds)]  # kept, since others could get their ids
    ids = set(map(id, classes))
    objects: Iterator[Any] = chain.from_iterable(map(gc.get_objects, [None]))  # called in `list`
    twice = chain.from_iterable(map(repeat, objects, repeat(2)))  # to be selected, and to be tested
    return list(compress(twice, map(ids.__contains__, map(id, map(type, twice)))))


def list_subclasses(kinds: tuple[type, ...]) -> Iterator[type]:
    """Yield classes and their subclasses, a class with several bases more than once."""
    for kind in kinds:
        yield kind
        yield from list_subclasses(tuple(type.__subclasses__(kind)))
