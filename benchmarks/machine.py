"""The facts without which a figure means nothing: the machine, its software, how time was taken."""

import datetime
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "numba", "micrograd", "torch", "jax", "scikit-learn")


def facts() -> str:
    """The lines that stand above the tables."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return "\n".join(
        [
            f"stepgrad benchmarks, {datetime.date.today()}",
            f"{cpu()}, {os.cpu_count()} cores, {platform.system()}",
            ", ".join([python, *(f"{each} {installed(each)}" for each in PACKAGES)]),
            "fresh processes that take turns; for graphs of scalars float64, 1 thread, CPU time",
            "collector: Python's garbage collector, on as by default, or off by gc.disable()",
        ]
    )


def cpu() -> str:
    """The processor's name, as the system gives it."""
    try:
        name = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:  # not Linux
        name = None
    return name[1].strip() if name else platform.processor() or platform.machine()


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
