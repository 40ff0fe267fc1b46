"""The scalar engines and the peers, by the names that workers take as arguments."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

ENGINES = {
    "micrograd": "micrograd",
    "default": "stepgrad",
    "values": "stepgrad, inputs as Values",
    "node": "stepgrad, node for node",
}

PEERS = {  # the module that a peer needs, the package that has it, and the extra that installs it
    "micrograd": ("micrograd", "micrograd", "peers"),
    "torch": ("torch", "torch==2.13.0", "peers"),
    "fused": ("torch", "torch==2.13.0", "peers"),
    "jax": ("jax", "jax", "peers"),
    "compile": ("torch", "torch==2.13.0", "peers"),
    "tinygrad": ("tinygrad", "tinygrad", "peers"),
    "autograd": ("autograd", "autograd", "peers"),
    "sklearn": ("sklearn", "scikit-learn", "peers"),
    "tape": ("numba", "numba", "jit"),
    "stepgrad-jit": ("numba", "numba", "jit"),
}


def missing(engine: str) -> str | None:
    """Return how to install an engine, or None if it is installed."""
    module, package, extra = PEERS.get(engine, ("benchmarks", "", ""))
    if find_spec(module) is None:
        return f"not installed: pip install {package}, or pip install -e '.[{extra}]'"
    return None


def value_of(engine: str) -> Any:
    """Return the engine's class of scalar nodes."""
    if engine not in ENGINES:
        raise SystemExit(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")
    return import_module("micrograd.engine" if engine == "micrograd" else "engine").Value


def count_nodes(root: Any) -> int:
    """Return the number of nodes under a root, leaves and constants included, of any engine."""
    visited, stack = {root}, [root]
    while stack:
        node = stack.pop()
        for child in node.inputs if hasattr(node, "inputs") else node._prev:
            if child not in visited:
                visited.add(child)
                stack.append(child)
    return len(visited)
