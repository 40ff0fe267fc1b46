"""Record a graph of Values once, and replay it in compiled code.

Requires numba (the extra `jit`), which is imported by the first call of `Tape` or `jit`.
"""

from engine.tape.decorator import jit
from engine.tape.index import Table
from engine.tape.tape import Tape
from engine.watch.branches import BranchChanged, record_branches

__all__ = ["BranchChanged", "Table", "Tape", "jit", "record_branches"]
