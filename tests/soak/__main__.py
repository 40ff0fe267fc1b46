"""Run parts of the soak: `python -m soak idx_files=100000 kills=100 seed=1`, from tests/.

Each part is a module of this package with a function `soak(n, seed)`, which returns a summary.
"""

import sys
from importlib import import_module

PARTS = ("idx_files", "checkpoints", "labels", "kills")

counts = {name: int(n) for name, _, n in (argument.partition("=") for argument in sys.argv[1:])}
seed = counts.pop("seed", 0)
if len(counts) != 1 or counts.keys() - set(PARTS):
    sys.exit(f"{__doc__}\nexpected one of {', '.join(PARTS)}, got {', '.join(counts) or 'none'}")
for name, n in counts.items():
    print(f"{name}: {import_module(f'soak.{name}').soak(n, seed)}", flush=True)
