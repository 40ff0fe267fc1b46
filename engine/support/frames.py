"""Stack frames: the lines of the user's code, in warnings, origins and error messages."""

import os
import sys
from collections.abc import Iterator
from functools import cache
from types import FrameType

ROOT = os.path.dirname(os.path.dirname(__file__))  # the folder of the engine
OURS: tuple[str, ...] = (os.path.join(ROOT, ""), "<Value.")  # the latter: printed methods
if os.path.basename(ROOT) == "engine":  # `nn` is a neighbor in the clone, a subfolder if installed
    OURS += (os.path.join(os.path.dirname(ROOT), "nn", ""),)


DEMOS = os.path.join(ROOT, "demos", "")  # installed in the same folder, but not internal
STANDARD_LIBRARY = os.path.join(os.path.dirname(os.__file__), "")


def is_internal(file: str) -> bool:
    """Return whether a file belongs to this package, to NumPy or to the standard library."""
    if file.startswith(internal_paths("numpy" in sys.modules)):
        return not file.startswith(DEMOS)
    return file.startswith(STANDARD_LIBRARY) and "site-packages" not in file


@cache
def internal_paths(numpy: bool) -> tuple[str, ...]:
    """Return the beginnings of the paths of internal files."""
    return (*OURS, os.path.dirname(sys.modules["numpy"].__file__ or "")) if numpy else OURS


def callers(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield a frame and its callers, innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


class NoFormula(TypeError):
    """The error for a row without a formula; its message contains the remedy."""

    __module__ = "stepgrad"  # tracebacks show the public name


def describe_failure(problem: BaseException, remedy: str) -> str:
    """Return the user's call that failed, the error's message, and a remedy.

    An example is `exp(x): must be real number; ...`. The remedy is omitted if the message has one.
    """
    return str(problem) if isinstance(problem, NoFormula) else f"{find_call(problem)}; {remedy}"


def find_call(problem: BaseException) -> str:
    """Return the user's call that raised an error, and its message.

    Returns the message alone if no line outside this package is involved, or if the call covers
    several lines.
    """
    import linecache

    user, trace = None, problem.__traceback__
    while trace is not None:
        if not is_internal(trace.tb_frame.f_code.co_filename):
            user = trace
        trace = trace.tb_next
    if user is None:
        return str(problem)
    code = user.tb_frame.f_code
    first, last, start, end = list(code.co_positions())[user.tb_lasti // 2]
    text = linecache.getline(code.co_filename, first or 0, user.tb_frame.f_globals)
    if not text or first != last or start is None or end is None:
        return str(problem)
    call = text.encode()[start:end].decode(errors="replace")
    return f"{call}: {problem}"
