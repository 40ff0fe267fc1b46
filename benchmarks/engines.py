"""The engines that are measured, by the names that workers take."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

ENGINES = {
    "micrograd": "micrograd",
    "default": "stepgrad",
    "values": "stepgrad, inputs as Values",
    "node": "stepgrad, node for node",
}

PEERS = {  # the module that a peer is, or needs; what pip installs; the extra that brings it
    "micrograd": ("micrograd", "micrograd", "peers"),
    "torch": ("torch", "torch==2.13.0", "peers"),
    "fused": ("torch", "torch==2.13.0", "peers"),
    "jax": ("jax", "jax", "peers"),
    "sklearn": ("sklearn", "scikit-learn", "peers"),
    "tape": ("numba", "numba", "jit"),
}


def missing(engine: str) -> str | None:
    """What to do about an engine that is not installed; None where it is."""
    module, package, extra = PEERS.get(engine, ("benchmarks", "", ""))
    if find_spec(module) is None:
        return f"not installed: pip install {package}, or pip install -e '.[{extra}]'"
    return None


def value_of(engine: str) -> Any:
    """The engine's class of scalar nodes."""
    if engine not in ENGINES:
        raise SystemExit(f"an engine is one of {', '.join(ENGINES)}, got {engine!r}")
    return import_module("micrograd.engine" if engine == "micrograd" else "engine").Value


def count(root: Any) -> int:
    """The nodes under a root, leaves and constants included, in either engine's graph."""
    found, waiting = {root}, [root]
    while waiting:
        node = waiting.pop()
        for each in node.inputs if hasattr(node, "inputs") else node._prev:
            if each not in found:
                found.add(each)
                waiting.append(each)
    return len(found)
