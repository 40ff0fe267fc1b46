"""The machine, its software, and how times are measured: the lines above the tables.

    python -m benchmarks.machine

prints the kernel of NumPy's BLAS, as in the environment of all workers.
"""

import ctypes
import datetime
import json
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from benchmarks.processes import run

PACKAGES = (
    "numpy", "numba", "micrograd", "torch", "jax", "tinygrad", "autograd", "scikit-learn",
)  # fmt: skip


def facts() -> str:
    """Return the facts of the machine, several lines."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return "\n".join(
        [
            f"stepgrad benchmarks, {datetime.date.today()}",
            f"{cpu()}, {os.cpu_count()} cores, {platform.system()}; "
            f"NumPy's products: OpenBLAS, kernel {run(('machine',))['kernel']}",
            ", ".join(
                [python, *(f"{package} {installed_version(package)}" for package in PACKAGES)]
            ),
            "fresh processes that alternate; scalar graphs: float64, 1 thread, CPU time",
            "collector: Python's garbage collector, on (the default) or off by gc.disable()",
        ]
    )


def cpu() -> str:
    """Return the name of the processor according to the system."""
    try:
        name = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:  # not Linux
        name = None
    return name[1].strip() if name else platform.processor() or platform.machine()


def blas_kernel() -> str:
    """Return the processor for which NumPy's OpenBLAS chooses its code, or "unknown"."""
    spec = find_spec("numpy")
    folder = Path(spec.origin).parents[1] if spec and spec.origin else Path()
    for library in sorted(folder.glob("numpy.libs/*openblas*")):
        get_name = getattr(ctypes.CDLL(str(library)), "scipy_openblas_get_corename64_", None)
        if get_name is not None:
            get_name.restype = ctypes.c_char_p
            return get_name().decode()
    return "unknown"


def installed_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    print(json.dumps({"kernel": blas_kernel()}))
