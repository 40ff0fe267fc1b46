"""The search for the instances of a class."""

import gc

from engine.support.instances import find_instances


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
    """A metaclass whose classes have no hash, as some libraries define."""

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


def test_only_instances_are_referred_to():
    kept = Base()
    other = [kept]
    before = len(gc.get_referrers(other))
    found = find_instances(Base)
    assert found[0] is kept
    assert len(gc.get_referrers(other)) == before


def test_tuples_that_other_threads_are_making(in_threads):
    """If another object refers to a tuple that is being made, Python raises SystemError."""
    others = [[] for _ in range(100_000)]  # more to search than Python code can in its turn
    made = []

    def work(i):
        if i == 0:
            for _ in range(10):
                find_instances(Base)
            made.append(None)
        while not made:
            assert len(tuple(x + 1 for x in range(50))) == 50

    in_threads(work, 3)
    assert len(others) == 100_000
