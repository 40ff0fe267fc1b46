"""Threads that compute parts of compiled calls, without Python.

A worker is an operating-system thread that runs one compiled function, `work`. It reads calls from
its box, a few words of memory that it shares with the thread that gives it calls. It does not need
Python's lock, so a call begins within a microsecond. A worker without calls waits in a loop for
about a millisecond, and then sleeps.

The compiled function `run` computes a list of steps, each of which has one or several parts. It
puts parts into the boxes of the workers, computes one itself, and takes back those that no worker
has begun, so a worker that the system does not run delays nothing. One thread at a time owns the
workers; meanwhile, other threads compute all their parts themselves. The states of a box are:

    IDLE -> POSTED           `run` puts a part into the box
    POSTED -> TAKEN -> DONE  the worker computes it, or
    POSTED -> IDLE           `run` takes it back
    DONE -> IDLE             `run` has seen the result
    IDLE -> ASLEEP -> POSTED the worker sleeps until the next part
"""

import atexit
import ctypes
import os
import re
import sys
import time
from collections.abc import Callable
from functools import cache
from threading import Lock

import numpy as np

from engine.array_tape.loops import HEAD, address_of, compiler, load_function
from engine.support.threads import cores

IDLE, POSTED, TAKEN, DONE, ASLEEP = range(5)
# The words of a box: its state, the function and four arguments of a call, and the words that the
# worker needs to sleep. The state of the first box says whether a thread owns the workers.
STATE, CALL, SLEEP, WAKE, LOCK, YIELD, LEAVE, COUNT = 0, 1, 6, 7, 8, 9, 10, 11
STAY, LEAVING, GONE = range(3)
BOX = 16  # words: 128 bytes, so that no two boxes share cache lines
MOST_WORKERS = 63
PATIENCE = 20_000  # pauses of about 50 ns before a worker sleeps
OFTEN = 64  # pauses after which a waiting thread yields its core to another one
DATA = HEAD  # bytes before the address of the data in an array object

# The table begins with the number of addresses to write, the number of steps, and the largest
# number of parts of a step. Then it has for each address its destination, the index of an input,
# and an offset in bytes; and for each step the number of parts, and for each part the function and
# its four arguments. The inputs are NumPy's array objects.
RUN = """
def run(table, inputs, team):
    at = 3
    for i in range(table[0]):
        poke(table[at], peek(inputs[table[at + 1]] + DATA) + table[at + 2])
        at += 3
    helpers = 0
    owns = table[2] > 1
    if owns:
        owns = swap(team, STATE, IDLE, TAKEN)
    if owns:
        helpers = team[COUNT]
    for step in range(table[1]):
        parts = table[at]
        at += 1
        posted = parts - 1 if parts <= helpers else helpers
        for k in range(1, posted + 1):
            box = k * BOX
            for i in range(5):
                team[box + CALL + i] = table[at + 5 * k + i]
            if not swap(team, box, IDLE, POSTED):
                store(team, box, POSTED)
                call(team[WAKE], team[box + LOCK])
        call(table[at], table[at + 1], table[at + 2], table[at + 3], table[at + 4])
        for k in range(1, parts):
            p = at + 5 * k
            is_mine = k > posted
            if not is_mine:
                is_mine = swap(team, k * BOX, POSTED, IDLE)
            if is_mine:
                call(table[p], table[p + 1], table[p + 2], table[p + 3], table[p + 4])
            else:
                pauses = 0
                while load(team, k * BOX) != DONE:
                    pause()
                    pauses += 1
                    if pauses % OFTEN == 0:
                        call(team[YIELD])
                store(team, k * BOX, IDLE)
        at += 5 * parts
    if owns:
        store(team, STATE, IDLE)
"""
WORK = """
def work(box):
    pauses = 0
    while load(box, LEAVE) == STAY:
        if load(box, STATE) == POSTED:
            if swap(box, STATE, POSTED, TAKEN):
                call(box[CALL], box[CALL + 1], box[CALL + 2], box[CALL + 3], box[CALL + 4])
                store(box, STATE, DONE)
            pauses = 0
        else:
            pause()
            pauses += 1
            if pauses % OFTEN == 0:
                call(box[YIELD])
            if pauses == PATIENCE:
                if swap(box, STATE, IDLE, ASLEEP):
                    call(box[SLEEP], box[LOCK], 1)
                pauses = 0
    store(box, LEAVE, GONE)
"""


def load_source(source: str) -> int:
    """Compile a function, whose names in capital letters are constants; return its address."""
    text = re.sub(r"\b[A-Z]+\b", lambda name: str(globals()[name[0]]), source)
    return load_function(text, lambda name: compiler().build_function(name, text))


@cache
def load_runner() -> Callable[..., None]:
    """Return the compiled function `run`."""
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3)(load_source(RUN))


class Team:
    """The workers of this process, which are started when they are first needed.

    `address` is that of the first box, an argument of `run`.
    """

    def __init__(self) -> None:
        space = np.zeros((MOST_WORKERS + 2) * BOX, np.int64)
        skipped = -address_of(space) // 8 % BOX
        self.words = space[skipped : skipped + (MOST_WORKERS + 1) * BOX].reshape(-1, BOX)
        self.address, self.lock = address_of(self.words), Lock()
        self.is_closed = False

    def start(self, count: int) -> None:
        """Start workers until there are `count`, or one for each core but the caller's."""
        if count <= self.words[0, COUNT]:
            return
        with self.lock:
            count = min(count, cores() - 1, MOST_WORKERS)
            while self.words[0, COUNT] < count and not self.is_closed:
                if not self.start_worker(self.words[self.words[0, COUNT] + 1]):
                    return
                self.words[0, COUNT] += 1

    def start_worker(self, box: np.ndarray) -> bool:
        """Start a thread for a box; return whether the system could start one."""
        make, start = PYTHON.PyThread_allocate_lock, PYTHON.PyThread_start_new_thread
        make.restype, start.restype = ctypes.c_void_p, ctypes.c_ulong
        sleep, wake = PYTHON.PyThread_acquire_lock, PYTHON.PyThread_release_lock
        if not box[LOCK]:  # else the system could not start the thread before
            box[LOCK] = make() or 0
            if not box[LOCK]:
                return False
            sleep(ctypes.c_void_p(box[LOCK].item()), 1)  # the worker sleeps until it is released
        box[SLEEP], box[YIELD] = find_address(sleep), find_address(find_yield())
        self.words[0, [WAKE, YIELD]] = find_address(wake), box[YIELD]
        return start(ctypes.c_void_p(load_source(WORK)), ctypes.c_void_p(address_of(box))) != NONE

    def forget(self) -> None:
        """Forget the workers and their owner in a forked process, where they do not exist."""
        self.words[:], self.lock = 0, Lock()

    def close(self) -> None:
        """Stop all workers before their code is freed."""
        self.is_closed, count = True, self.words[0, COUNT].item()
        self.words[0, COUNT] = 0
        boxes, end = self.words[1 : count + 1], time.monotonic() + 1
        boxes[:, LEAVE] = LEAVING
        for box in boxes:
            PYTHON.PyThread_release_lock(ctypes.c_void_p(box[LOCK].item()))
        while (boxes[:, LEAVE] != GONE).any() and time.monotonic() < end:
            time.sleep(1e-4)


PYTHON = ctypes.pythonapi  # its functions PyThread_... do not need Python's lock
NONE = ctypes.c_ulong(-1).value  # no thread
TEAM = Team()
atexit.register(TEAM.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=TEAM.forget)


def find_address(f: object) -> int:
    """Return the address of a library function."""
    return ctypes.cast(f, ctypes.c_void_p).value or 0  # type: ignore[arg-type]


def find_yield() -> object:
    """Return the system function that lets another thread run."""
    if sys.platform == "win32":
        return ctypes.WinDLL("kernel32").SwitchToThread
    return ctypes.CDLL(None).sched_yield
