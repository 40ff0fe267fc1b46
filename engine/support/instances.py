"""The instances of a class that exist in the process."""

import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, compress, repeat
from typing import Any
from weakref import ref

ALL = (None,)  # generations of the garbage collector
YOUNG = (0, 1)
# The first generation whose collection makes other objects old.
FIRST = 1 if sys.version_info < (3, 14) else 0  # from 3.14 on, each collection may


class InstanceSearch:
    """A search for the instances of some classes that is repeated, mostly among young objects.

    A search of all objects is slow in a process that has imported large libraries. But few objects
    are young, and objects become old only in garbage collections. If there was none since the last
    search of all objects, the instances are those that it found and those among the young objects.
    Between searches, instances are not kept alive, unless their class has no weak references; those
    are kept until the next search of all objects.

    >>> class Marked(dict):
    ...     pass
    >>> search = InstanceSearch(Marked)
    >>> search.find()
    []
    >>> x = Marked(a=1)
    >>> search.find()
    [{'a': 1}]
    """

    def __init__(self, *kinds: type):
        self.kinds = kinds
        self.last: tuple[list[int], list[Callable[[], Any]]] = [], []  # counts, and references

    def find(self) -> list[Any]:
        """Return the instances that exist."""
        before, found = self.last
        collections = [kind["collections"] for kind in gc.get_stats()[FIRST:]]
        if collections == before:
            kept = [x for get in found if (x := get()) is not None]
            young = find_instances(*self.kinds, generations=YOUNG)
            return [*{id(x): x for x in kept + young}.values()]
        del found
        self.last = [], []  # frees the instances that only it kept alive
        instances = find_instances(*self.kinds)
        self.last = collections, [*map(make_reference, instances)]
        return instances


def make_reference(x: Any) -> Callable[[], Any]:
    """Return a weak reference to an object, or a function that returns it if its class has none."""
    try:
        return ref(x)
    except TypeError:
        return lambda: x


def find_instances(*kinds: type, generations: Iterable[int | None] = ALL) -> list[Any]:
    """Return all instances of the classes and of their subclasses.

    These are found among the objects that the garbage collector tracks, or those in some of its
    generations; those that `gc.freeze` hides are missing.

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
    objects: Iterator[Any] = chain.from_iterable(map(gc.get_objects, generations))  # in `list`
    twice = chain.from_iterable(map(repeat, objects, repeat(2)))  # to be selected, and to be tested
    return list(compress(twice, map(ids.__contains__, map(id, map(type, twice)))))


def list_subclasses(kinds: tuple[type, ...]) -> Iterator[type]:
    """Yield classes and their subclasses, a class with several bases more than once."""
    for kind in kinds:
        yield kind
        yield from list_subclasses(tuple(type.__subclasses__(kind)))
