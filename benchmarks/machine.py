"""The machine, its software, and how times are measured: the lines above the tables."""

import datetime
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "numba", "micrograd", "torch", "jax", "scikit-learn")


def facts() -> str:
    """Return the facts of the machine, several lines."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return "\n".join(
        [
            f"stepgrad benchmarks, {datetime.date.today()}",
            f"{cpu()}, {os.cpu_count()} cores, {platform.system()}",
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


def installed_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
