"""What is not collected where numba, the extra `jit`, is missing."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("numba") else ["engine/tape/kernels.py", "engine/tape/tape.py"]
