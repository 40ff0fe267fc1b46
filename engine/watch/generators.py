"""The random generators of the process, and their states, which change when numbers are drawn."""

import random
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from engine.support.instances import InstanceSearch

KINDS = random.Random, np.random.BitGenerator, np.random.RandomState
SEARCH = InstanceSearch(*KINDS)


def find_generators() -> list[Any]:
    """Return all random generators that exist: the shared ones, then those of users.

    A function can reach a generator in many ways: as a variable, an attribute, or through other
    functions. Therefore `InstanceSearch` finds all that exist. NumPy's `Generator` is represented
    by its `bit_generator`, which has the state.
    """
    shared = [random.random.__self__, np.random.rand.__self__]  # type: ignore[attr-defined]
    return shared + SEARCH.find()


def list_states(generators: Iterable[Any]) -> list[object]:
    """Return the states of those objects that are random generators.

    No attributes of other objects are read, since these may raise errors.
    """
    is_numpys = lambda x: issubclass(type(x), np.random.Generator)
    own = [x.bit_generator if is_numpys(x) else x for x in generators]
    return [read_state(x) for x in own if issubclass(type(x), KINDS)]


def read_state(generator: Any) -> object:
    """Return the state of a generator, as data that can be compared.

    A generator without a state, such as `random.SystemRandom`, has None.

    >>> rng = np.random.default_rng(0)
    >>> before = read_state(rng.bit_generator)
    >>> x = rng.normal()
    >>> read_state(rng.bit_generator) == before
    False
    """
    try:
        if isinstance(generator, random.Random):
            return freeze(generator.getstate())
        if isinstance(generator, np.random.RandomState):
            return freeze(generator.get_state(legacy=False))
        return freeze(generator.state)
    except Exception:  # of any class of the process, which need not concern the function
        return None


def freeze(state: object) -> object:
    """Return nested dicts, sequences and arrays as tuples and bytes."""
    if isinstance(state, Mapping):
        return tuple([(key, freeze(x)) for key, x in state.items()])
    if isinstance(state, tuple | list):
        return tuple(state if {*map(type, state)} == {int} else map(freeze, state))
    return state.tobytes() if isinstance(state, np.ndarray) else state
