"""The error for a node that is converted to a number, which would leave the graph."""

import linecache
import math
from itertools import islice
from opcode import opname
from types import FrameType
from typing import Any

OPERATORS = {"fabs": "abs(x)", "pow": "x ** y"}  # for functions of math


def conversion_error(node: Any, kind: str, frame: FrameType) -> TypeError:
    """Return the error for a conversion at the current line of a frame, with the remedy there."""
    return TypeError(
        f"converting {node!r} to {kind} would leave the graph; {find_remedy(node, frame)}"
    )


def find_remedy(node: Any, frame: FrameType) -> str:
    """Return what to write in place of the expression that converts a node."""
    if opname[frame.f_code.co_code[frame.f_lasti]] == "STORE_SUBSCR":
        join = " and join it with stack(c)" if hasattr(node, "shape") else ""
        return f"for c[0] = x, make c a list{join}: an ndarray holds numbers"
    name = find_called_name(frame)
    if name == "round" or hasattr(math, name):
        instead = OPERATORS.get(name) or (hasattr(type(node), name) and f"x.{name}()")
        if instead:
            return f"write {instead}, which stays in it"
    if getattr(node, "size", 1) != 1:
        return "its numbers are x.data"
    return f"its number is x.data{'.item()' if hasattr(node, 'shape') else ''}"


def find_called_name(frame: FrameType) -> str:
    """Return the name of the function that the current line of a frame calls, or "" if unknown."""
    code = frame.f_code
    line, _, start, _ = next(islice(code.co_positions(), frame.f_lasti // 2, None))
    if line is None or start is None:
        return ""
    text = linecache.getline(code.co_filename, line, frame.f_globals).encode()[start:].decode()
    return text.partition("(")[0].rpartition(".")[2].strip()
