"""The search for the instances of a class."""

import gc
from weakref import ref

import pytest

from engine.support import instances
from engine.support.instances import InstanceSearch, find_instances


class Base:
    pass


class Left(Base):
    pass


class Right(Base):
    pass


class Both(Left, Right):
    @property
    def __class__(self):
        raise RuntimeError("the search reads no attributes")


class Unequal(type):
    """A metaclass whose classes are not hashable, as in some libraries."""

    def __eq__(cls, other):
        raise RuntimeError("the search compares no classes")


class Odd(Base, metaclass=Unequal):
    pass


def test_subclasses_are_found_once():
    kept = [Both(), Left(), Odd(), Base()]
    found = find_instances(Base)
    assert {*map(id, found)} == {*map(id, kept)}
    assert len(found) == 4
    assert find_instances(Right) == kept[:1]


def test_tuples_that_other_threads_are_making(in_threads):
    """If another object refers to a tuple that is being made, Python raises SystemError."""
    others = [[] for _ in range(100_000)]  # too many for one turn of Python code
    made = []

    def work(i):
        if i == 0:
            try:
                for _ in range(10):
                    find_instances(Base)
            finally:
                made.append(None)
        while not made:
            assert len(tuple(x + 1 for x in range(50))) == 50

    in_threads(work, 3)
    assert len(others) == 100_000


@pytest.mark.usefixtures("collector_off")
def test_a_search_is_repeated_among_young_objects(monkeypatch):
    searched = []

    def count(*kinds, generations=instances.ALL):
        searched.append(generations)
        return find_instances(*kinds, generations=generations)

    monkeypatch.setattr(instances, "find_instances", count)
    search, kept = InstanceSearch(Base), [Both()]
    assert search.find() == kept
    assert search.find() == kept
    kept.append(Left())
    assert search.find() == kept
    gc.collect(0)
    assert search.find() == kept
    assert searched == [instances.ALL, *[instances.YOUNG] * 3]
    kept.append(Left())
    gc.collect(1)  # all are old
    assert {*search.find()} == {*kept}
    assert search.find() == search.find()
    kept.append(Left())
    gc.collect()
    assert {*search.find()} == {*kept}
    assert searched[4:] == [instances.ALL, *[instances.YOUNG] * 2, instances.ALL]


@pytest.mark.usefixtures("collector_off")
def test_a_search_keeps_nothing_alive():
    search, x = InstanceSearch(Base), Both()
    alive = ref(x)
    assert search.find() == [x]
    del x
    assert alive() is None
    assert search.find() == []

    class Later(Base):
        pass

    y = Later()
    assert search.find() == [y]


class WithoutWeakReferences(list):
    """A class like that of NumPy's bit generators."""

    __slots__ = ()


def test_an_instance_without_weak_references_is_kept_until_all_objects_are_searched():
    search, x = InstanceSearch(WithoutWeakReferences), WithoutWeakReferences()
    with pytest.raises(TypeError, match="weak"):
        ref(x)
    for _ in range(2):
        gc.collect()
        assert search.find() == [x]
    del x
    gc.collect()
    assert search.find() == []
