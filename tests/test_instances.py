"""The search for the instances of a class."""

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
