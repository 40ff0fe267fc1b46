"""Run parts of the soak: `python -m soak idx_files=100000 kills=100 seed=1`, from tests/.

Each part is a module here with a function `soak(n, seed)`, which says how it went.
"""

import sys
from importlib import import_module

PARTS = ("idx_files", "checkpoints", "labels", "kills")

asked = {name: int(n) for name, _, n in (each.partition("=") for each in sys.argv[1:])}
seed = asked.pop("seed", 0)
if len(asked) != 1 or asked.keys() - set(PARTS):
    sys.exit(f"{__doc__}\none of {', '.join(PARTS)} in each process")
for name, n in asked.items():
    print(f"{name}: {import_module(f'soak.{name}').soak(n, seed)}", flush=True)
