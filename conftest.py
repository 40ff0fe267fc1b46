"""What is not collected where numba, the extra `jit`, is missing: what imports it, what tapes."""

from importlib.util import find_spec

COMPILED = (
    "caching", "kernels", "lanes", "lowering", "machine", "passes", "program", "schedule",
    "summary", "tape",
)  # fmt: skip
collect_ignore = [
    *[f"engine/tape/{name}.py" for name in COMPILED],
    "nn/taped.py",
    "demos/_ledger.py",
    "demos/cost.py",
]
if find_spec("numba"):
    collect_ignore = []
