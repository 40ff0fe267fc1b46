"""Docstrings of the methods of nodes, made from their rows."""

import re
import sys
from math import isfinite, isnan
from typing import Any

from engine import formulas
from engine.rules import UNBOUNDED, Op, argument_names

PROBES = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)  # domains of the table begin and end at -1, 0 or 1
STEP = 1e-6
HELPERS = {
    f.__name__ for f in vars(formulas).values() if getattr(f, "__module__", "") == formulas.__name__
}


def docstring(op: Op, name: str) -> str:
    """Return the docstring of a row's method: formula, derivatives, domain, kinks, an example.

    >>> from engine.rules import LOG
    >>> for line in docstring(LOG, 'log').splitlines():  # doctest: +NORMALIZE_WHITESPACE
    ...     print("|", line)
    | Return log(x) as one node.
    |
    | Derivative: divide(1.0, x)
    | Defined for x >= 0; -inf at x = 0.
    |
    | >>> Value(0.5).log()
    | Value(-0.693147)
    """
    letters, slopes = argument_names(op.forward), [formula(partial) for partial in op.partials]
    call = f"{op.name}({', '.join(letters)})" if op.name.isidentifier() else formula(op.forward)
    lines = [f"Return {call} as one node.", ""]
    if formula(op.forward) != call:
        lines += [f"Formula: {formula(op.forward)}"]
    if len(letters) == 1:
        lines += [f"Derivative: {slopes[0]}", *domain(op)]
    else:
        lines += [f"Derivative for {x}: {slope}" for x, slope in zip(letters, slopes, strict=True)]
    words = set(re.findall(r"\w+", " ".join([formula(op.forward), *slopes])))
    notes = ["out is the result."] * ("out" in words)
    bounds = "None means no bound. The bounds may also be named min and max; either may be omitted."
    notes += [bounds] * bool(UNBOUNDED.keys() & set(letters))
    if helpers := sorted(words & HELPERS - {op.name}):
        notes += [f"engine.formulas defines {', '.join(helpers)}."]
    lines += [*kinks(op), *notes, "", *example(op, name)]
    clear_float_flags()
    return "\n".join(lines)


def clear_float_flags() -> None:
    """Clear the processor's flags for invalid operations, which the probes have set.

    NumPy would report them if it called the method, as for an array of Values. A ufunc clears them
    when it starts.
    """
    if "numpy" in sys.modules:
        sys.modules["numpy"].add(0.0, 0.0)


def formula(f: Any) -> str:
    """Return the formula of a function of one line as its file has it, else a call of it."""
    import linecache

    f = getattr(f, "__wrapped__", f)
    code = f.__code__
    places = [p for p in code.co_positions() if None not in p and p[3] > p[2]]
    lines = {line for p in places for line in p[:2]} - {code.co_firstlineno} or {
        code.co_firstlineno
    }
    if len(lines) == 1:
        line = lines.pop()
        columns = [p[2:] for p in places if p[:2] == (line, line)]
        text = linecache.getline(code.co_filename, line).encode()
        start, end = min(start for start, _ in columns), max(end for _, end in columns)
        return text[start:end].decode().strip().removeprefix("return ")
    name = "f" if code.co_name == "<lambda>" else f.__name__
    return f"{name}({', '.join(argument_names(f))})"


def evaluate(op: Op, *args: float) -> tuple[float, ...]:
    """Return the result of a row and its slopes for numbers; defaults replace missing ones."""
    args = op._with_defaults(args)
    out = op.forward(*args)
    return out, *op.locals(out, *args)


def domain(op: Op) -> list[str]:
    """Return a line about the numbers for which a row of one input is defined."""
    outs = {x: out for x in PROBES if not isnan(out := evaluate(op, x)[0])}
    low, high = min(outs, default=PROBES[-1]), max(outs, default=PROBES[0])
    if low > high:
        return []
    bounds = f"{low:g} <= x <= {high:g}" if high < PROBES[-1] else f"x >= {low:g}"
    infinite = [f"{out} at x = {x:g}" for x, out in outs.items() if not isfinite(out)]
    return [f"Defined for {'; '.join([bounds if low > PROBES[0] else 'all x', *infinite])}."]


def kinks(op: Op) -> list[str]:
    """Return a line that states the slopes at a kink, where the left and right slopes differ."""
    inputs = len(op.partials) - len(op.forward.__defaults__ or ())
    if inputs > 2:
        return []

    def is_kink(at: float) -> bool:
        left, right = (evaluate(op, at + step, *[at] * (inputs - 1))[1] for step in (-STEP, STEP))
        return isfinite(left) and isfinite(right) and 0.01 < abs(left - right) < 100.0

    places = [at for at in (0.0, 1.0) if is_kink(at)]
    if not places:
        return []
    slopes = evaluate(op, *[places[-1]] * inputs)[1 : inputs + 1]
    letters = list(argument_names(op.forward)[:inputs])
    place = " = ".join(letters if len(places) == 2 else [*letters, f"{places[0]:g}"])
    numbers = " and ".join(f"{slope:g}" for slope in slopes)
    return [f"Slope{'s' * (inputs > 1)} at the kink {place}: {numbers}."]


def example(op: Op, name: str) -> list[str]:
    """Return a runnable example of the method."""
    count = len(op.partials) - len(op.forward.__defaults__ or ()) - 1
    others = [0.25 * 2**i for i in range(count)]
    x = 2.0 if isnan(evaluate(op, 0.5, *others)[0]) else 0.5
    call = f"Value({x}).{op.name}({', '.join(map(repr, others))})"
    if name in ("__neg__", "__abs__"):
        call = f"-Value({x})" if name == "__neg__" else f"abs(Value({x}))"
    elif name.startswith("__r"):
        call = f"{x} {op.name} Value({others[0]})"
    elif name.startswith("__"):
        call = f"Value({x}) {op.name} {others[0]}"
    return [f">>> {call}", f"Value({float(f'{evaluate(op, x, *others)[0]:.6g}')})"]
