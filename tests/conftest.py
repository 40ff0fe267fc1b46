"""Fixtures, and Hypothesis profiles: choose one with `pytest --hypothesis-profile=soak`."""

import gc
import os
import re
import signal
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, find, settings
from hypothesis.strategies import none

# Some shells start background jobs with interrupts ignored, but some tests send interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if "PYTEST_XDIST_WORKER" in os.environ:  # workers occupy all cores; BLAS threads would spin
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

DEFAULT = settings(  # no test fails because the machine is slow
    settings.get_profile("default"), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("default", DEFAULT)
settings.register_profile("ci", DEFAULT, derandomize=True, print_blob=True)
settings.register_profile("few", DEFAULT, derandomize=True, max_examples=20)
settings.register_profile("soak", DEFAULT, max_examples=10_000)

settings.load_profile("ci" if os.environ.get("CI") else "default")

LIBRARY = "(numpy|numba|matplotlib|graphviz|tqdm)\\b"  # those with an oldest version
USES = re.compile(rf"""^\s*(import|from) {LIBRARY}|importorskip\("{LIBRARY}""", re.MULTILINE)
SLOW = re.compile(r"^(import|from) (demos|balls|exact|paths)\b", re.MULTILINE)  # training, mpmath


def pytest_addoption(parser):
    parser.addoption(
        "--dependencies",
        action="store_true",
        help="collect only the files whose tests may depend on the version of a library",
    )


def pytest_ignore_collect(collection_path: Path, config):
    if config.getoption("--dependencies") and collection_path.name.startswith("test_"):
        text = collection_path.read_text("utf-8")
        return True if SLOW.search(text) or not USES.search(text) else None
    return None


@pytest.fixture(scope="module", autouse=True)
def hide_older_objects():
    """Hide the objects that exist before a file's tests from the garbage collector.

    Collected tests and imported libraries are many objects, which each full collection and each
    search for models and random generators (engine/support/instances.py) would visit. The searches
    then do not find what a test file makes when it is imported.
    """
    find(none(), lambda x: True)  # Hypothesis registers NumPy's generator while it is not hidden
    gc.collect()
    gc.freeze()


@pytest.fixture
def collector_off():
    """Turn the garbage collector off, so that only reference counts free objects."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def in_threads():
    """Return a function that calls f(0), f(1), ... in concurrent threads that switch often."""

    def run(f, n):
        threads = [threading.Thread(target=f, args=[i]) for i in range(n)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield run
    sys.setswitchinterval(before)
