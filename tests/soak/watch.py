"""Checks that no input hangs, runs code, writes files, or takes more memory than its size explains."""

import faulthandler
import resource
import signal
import sys
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

SECONDS = 10  # an input takes a millisecond
ROOM = 2**30  # bytes of address space, in addition to those that the process has at the start
FORBIDDEN = (
    "exec", "import", "marshal.", "pickle.", "os.", "shutil.", "socket.", "subprocess.", "ctypes.",
    "cpython.run", "code.__new__", "function.__new__",
)  # fmt: skip
HARMLESS = ("os.fspath", "os.listdir", "os.scandir")


class Hung(BaseException):
    """Raised by a timeout; a BaseException, so that readers do not catch it."""


class Forbidden(BaseException):
    """Raised for an operation that reading a file does not require."""


reading = False


def audit(event: str, arguments: tuple) -> None:
    """Raise Forbidden for operations outside the process; an audit hook cannot be removed."""
    if not reading:
        return
    if event == "open":
        path, mode, flags = arguments
        if flags & 3 or (isinstance(mode, str) and set(mode) & set("wax+")):
            raise Forbidden(f"open {path!r} to write")
    elif event == "import" and str(arguments[0]).startswith("encodings"):
        return  # zipfile names members in cp437
    elif event.startswith(FORBIDDEN) and event not in HARMLESS:
        raise Forbidden(f"{event} {arguments!r:.200}")


def raise_hung(*_: object) -> None:
    raise Hung(f"more than {SECONDS} seconds")


def start() -> None:
    """Install the checks, in a process of its own, as they cannot be removed."""
    faulthandler.enable()  # prints where a crash occurs
    sys.addaudithook(audit)
    signal.signal(signal.SIGALRM, raise_hung)
    warnings.simplefilter("ignore")  # literal_eval warns about some headers
    pages = int(open("/proc/self/statm").read().split()[0]) if sys.platform == "linux" else 0  # noqa: SIM115
    if pages:
        most = pages * resource.getpagesize() + ROOM
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    tracemalloc.start()


@contextmanager
def watch_reading(most: int) -> Iterator[None]:
    """Check that reading an input is fast, only reads, and takes at most `most` bytes of memory."""
    global reading
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    reading = True
    try:
        yield
    finally:
        reading = False
        signal.setitimer(signal.ITIMER_REAL, 0)
    taken = tracemalloc.get_traced_memory()[1] - before
    if taken > most:
        raise AssertionError(
            f"{taken:,} bytes of memory, but the size of the input explains at most {most:,}"
        )


class Tally:
    """The number of inputs by outcome."""

    def __init__(self) -> None:
        self.ends: Counter[str] = Counter()

    def __str__(self) -> str:
        n = self.ends.total()
        deep = sum(count for end, count in self.ends.items() if not end.startswith("- "))
        parts = ", ".join(f"{end} {count:,}" for end, count in self.ends.most_common())
        return f"{n:,} inputs, {deep / n:.0%} past the first checks ({parts})"


@contextmanager
def name_input(i: int, seed: int, content: object) -> Iterator[None]:
    """Add the input and its number to the message of a failure."""
    try:
        yield
    except BaseException as problem:
        problem.add_note(f"input {i} of seed {seed}: {content!r:.2000}")
        raise


def random(seed: int, i: int) -> Random:
    """Return the random numbers of one input, so that it can be made again without the others."""
    return Random(f"{seed} {i}")
