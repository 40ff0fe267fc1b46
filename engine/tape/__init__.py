"""Record a graph of Values once, and replay it in compiled code.

Requires numba (the extra `jit`), which is imported when the first tape is made.
"""

from engine.tape.index import Table
from engine.tape.recordings import Jit, jit
from engine.tape.tape import Tape
from engine.watch.branches import BranchChanged, record_branches

__all__ = ["BranchChanged", "Jit", "Table", "Tape", "jit", "record_branches"]
