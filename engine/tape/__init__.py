"""A scalar graph recorded once, and replayed at the speed of compiled code.

Needs numba (the extra `jit`), which is imported when a tape is made.
"""

from engine.tape.branches import record_branches
from engine.tape.frozen import BranchChanged
from engine.tape.tape import Tape

__all__ = ["BranchChanged", "Tape", "record_branches"]
