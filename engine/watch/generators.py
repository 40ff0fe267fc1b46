"""The random generators of the process, and their states, which change when numbers are drawn."""

import gc
import random
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

KINDS = random.Random, np.random.BitGenerator, np.random.RandomState


def find_generators() -> list[Any]:
    """Return all random generators that exist: the shared ones, then those of users.

    A function can reach a generator in many ways: as a variable, an attribute, or through other
    functions. All generators are therefore found among the objects that the garbage collector
    tracks, which do not include those that `gc.freeze` hides. That takes some 40 ms. NumPy's
    `Generator` is represented by its `bit_generator`, which has the state.
    """
    objects = gc.get_objects()
    kinds = {kind for kind in {*map(type, objects)} if issubclass(kind, KINDS)}
    shared = [random.random.__self__, np.random.rand.__self__]  # type: ignore[attr-defined]
    return [*shared, *(x for x in objects if type(x) in kinds)]


def list_states(generators: Iterable[Any]) -> list[object]:
    """Return the states of those objects that are random generators."""
    own = [getattr(x, "bit_generator", x) for x in generators]
    return [read_state(x) for x in own if isinstance(x, KINDS)]


def read_state(generator: Any) -> object:
    """Return the state of a generator, as data that can be compared.

    That of `random.SystemRandom`, which has none, is None.

    >>> rng = np.random.default_rng(0)
    >>> before = read_state(rng.bit_generator)
    >>> x = rng.normal()
    >>> read_state(rng.bit_generator) == before
    False
    """
    if isinstance(generator, random.Random):
        try:
            return generator.getstate()
        except NotImplementedError:
            return None
    if isinstance(generator, np.random.RandomState):
        return freeze(generator.get_state(legacy=False))
    return freeze(generator.state)


def freeze(state: object) -> object:
    """Return nested dicts and arrays as tuples and bytes."""
    if isinstance(state, Mapping):
        return tuple([(key, freeze(x)) for key, x in state.items()])
    return state.tobytes() if isinstance(state, np.ndarray) else state
