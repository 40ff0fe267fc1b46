"""Groups of elementwise steps, with the reductions beside them, that one loop can compute."""

import numpy as np

from engine.array_tape.kernels import EXACT, Kernel
from engine.array_tape.native import SMALL_LOOP
from engine.array_tape.patterns import Domain
from engine.array_tape.steps import (
    EACH_CALL,
    ELEMENTWISE,
    GUARD,
    REDUCTION,
    VIEW,
    ArrayStep,
    TracedArray,
    is_number,
)

REDUCED = {  # reductions that a loop can compute, and the kind of their dtype
    "add.reduce": "f", "maximum.reduce": "f", "minimum.reduce": "f",
    "logical_and.reduce": "b", "logical_or.reduce": "b",
}  # fmt: skip
DTYPES = {np.dtype(np.float32), np.dtype(np.float64)}  # in the native byte order only
# Signed integers. Loops only compare them, and the results are bools.
INTEGERS = {np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)}
COMPARISONS = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}
ARITHMETIC = {"add", "multiply", "positive", "absolute"}  # NumPy has other rules for bools
LOOKAHEAD = 24  # steps after a loop among which others that it could compute are searched


def fuse_steps(steps: list[ArrayStep], kept: set[TracedArray]) -> list[ArrayStep]:
    """Return steps with a compiled step in place of each group.

    A group ends where another step needs one of its results. `kept` are results that are needed
    elsewhere.
    """
    return compile_groups(find_groups(steps), kept)


def find_groups(steps: list[ArrayStep]) -> list[list[ArrayStep]]:
    """Return the steps in groups, in an order in which they can run."""
    groups: list[list[ArrayStep]] = []
    while steps:
        before, group, steps = take_group(steps)
        groups += [*find_groups(before), group]
    return groups


def take_group(steps: list[ArrayStep]) -> tuple[list[ArrayStep], list[ArrayStep], list[ArrayStep]]:
    """Return the steps before a loop, those that the loop computes, and the rest, in order.

    The first step is in the loop if it can be. A step joins it if it uses a result or an operand of
    the loop; steps that it needs for this run before the loop.
    """
    first, *rest = steps
    domain = Domain([first]) if is_fusible(first) else None
    if domain is None or not domain.fits:
        return [], [first], rest
    group, near = [first], {first.out, *first.operands()}
    inside: set[TracedArray] = {first.out}  # results of the loop
    later: set[TracedArray] = set()  # results of steps that need one of them
    scanned: list[ArrayStep] = []
    passed = 0
    for step in rest:
        scanned.append(step)
        operands = list(step.operands())
        needs, waits = not inside.isdisjoint(operands), not later.isdisjoint(operands)
        is_near = needs if step.kind == VIEW else is_fusible(step) and not near.isdisjoint(operands)
        if is_small(first) and not is_small(step):  # a number, for which a loop need not wait
            is_near = False
        wider = domain.extend(step) if is_near and not waits else None
        if wider is not None:
            domain = wider
            group.append(step)
            inside.add(step.out)
            near.update([step.out, *operands])
        elif needs or waits:
            later.update(step.outs)
            passed += 1
            if passed > LOOKAHEAD:
                break
    taken, needed, before = set(map(id, group)), set(near), []
    # Whether random numbers are drawn before the loop: earlier draws must then precede it, too.
    draws = False
    for step in reversed(scanned):
        draws |= step.kind == EACH_CALL and not needed.isdisjoint(step.outs)
        is_needed = not needed.isdisjoint(step.outs) or (draws and step.kind == EACH_CALL)
        if id(step) not in taken and is_needed and step.out not in later:
            before.append(step)
            taken.add(id(step))
            needed.update(step.operands())
    return before[::-1], group, [step for step in rest if id(step) not in taken]


def is_small(step: ArrayStep) -> bool:
    """Return whether a step computes one number from numbers."""
    return step.kind != VIEW and all(x.size == 1 for x in (*step.operands(), *step.outs))


def is_fusible(step: ArrayStep) -> bool:
    """Return whether a loop computes the same bits as NumPy."""
    if step.kind not in (ELEMENTWISE, REDUCTION):
        return False
    operands = list(step.operands())
    if any(is_number(x.value) for x in operands):
        return False
    if step.name in COMPARISONS and {x.dtype for x in operands} <= INTEGERS:
        return all(isinstance(x, TracedArray) or fits_int64(x) for x in step.args)
    kinds = {x.dtype for x in (*operands, step.out)} - {np.dtype(bool)}
    if len(kinds) > 1 or not kinds <= DTYPES:
        return False
    if step.kind == REDUCTION:
        (x,) = operands
        return x.dtype.kind == step.out.dtype.kind == REDUCED.get(step.name)
    if step.name not in EXACT or (step.out.dtype == bool and step.name in ARITHMETIC):
        return False
    constants = [x for x in step.args if not isinstance(x, TracedArray)]
    return all(is_constant(x, kinds) for x in constants)


def fits_int64(x: object) -> bool:
    """Return whether a constant is an integer of at most 64 bits."""
    return type(x) is int and -(2**63) <= x < 2**63


def is_constant(x: object, kinds: set[np.dtype]) -> bool:
    """Return whether a constant has the dtype of the arrays, or none of its own."""
    if isinstance(x, np.ndarray | np.generic):
        return x.ndim == 0 and (x.dtype in kinds or x.dtype == bool)
    return type(x) in (float, int, bool)


def is_worthwhile(group: list[ArrayStep]) -> bool:
    """Return whether a loop is faster than the functions of NumPy."""
    steps = [step for step in group if step.kind != VIEW]
    if len(steps) == 1:
        (step,) = steps
        is_tiny = all(x.size <= SMALL_LOOP for x in (*step.outs, *step.operands()))
        is_fast = is_tiny or step.kind == ELEMENTWISE
        return is_fast and is_fusible(step) and Domain(group).fits
    return len(steps) > 0


def compile_groups(groups: list[list[ArrayStep]], kept: set[TracedArray]) -> list[ArrayStep]:
    """Return the steps in order: a Kernel for each large group, and the others as they are."""
    plans: list[Kernel | list[ArrayStep]] = [
        Kernel(group) if is_worthwhile(group) else group for group in groups
    ]
    needed, out = set(kept), []
    for plan in reversed(plans):
        if isinstance(plan, Kernel):
            for step in reversed(plan.steps):
                if step.kind == VIEW and step.out in needed:
                    out.append(step)
                    needed.update(step.operands())
            plan.finish(needed)
            out.append(plan)
            needed.update(plan.args)
            continue
        for step in reversed(plan):
            if step.kind in (GUARD, EACH_CALL) or step.out in needed:
                out.append(step)
                needed.update(step.operands())
    return out[::-1]
