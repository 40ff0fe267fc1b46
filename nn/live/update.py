"""The update rule of an optimizer, recorded with its settings and printed as JavaScript."""

import copy
from collections.abc import Iterable

from engine.draw.page.javascript import JAVASCRIPT, compare_conditions, print_number
from engine.instructions import Formulas, Instruction, Recorded, Slot
from engine.recorded_function import RecordedFunction, record_function
from nn.optimizer import Optimizer
from nn.update import Number, apply_rule


def print_update(optimizer: Optimizer) -> str:
    """Return a JavaScript function that moves weights as the optimizer's `step` does.

    `update(moved, data, grad, memory, lr, steps)` changes the entries `moved` of `data` and of the
    arrays in `memory`. `steps` counts this step too.

    Raises TypeError if the rule cannot be recorded (see `engine.recorded_function`).

    >>> from engine import Value
    >>> from nn.optim import SGD
    >>> print(print_update(SGD([Value(1.0)], momentum=0.9)))
    function update(moved, data, grad, [m0], lr, steps) {
      for (const i of moved) {
        const x0 = data[i], x1 = grad[i], x2 = m0[i];
        const x7 = 0.9 * x2 + x1;
        const x9 = x0 - lr * x7;
        data[i] = x9; m0[i] = x7;
      }
    }
    """
    recorded = record_update(optimizer)
    count = len(optimizer.remembers)
    row = Recorded(
        recorded.instructions, recorded.outputs, [], [], [], recorded.constants, recorded.slots
    )
    given = {slot: print_number(x) for slot, x in row.constants.items()}
    given |= {k: f"x{k}" for k in range(count + 2)} | {count + 2: "lr", count + 3: "steps"}
    once, each = split_instructions(compare_conditions(row), {*row.constants, count + 2, count + 3})
    needed = {s for step in each for s in step.operands} | {*row.outs}
    shared = {step.result: f"u{step.result}" for step in once if step.result in needed}
    before = Formulas(given, row, once, [], JAVASCRIPT, shared).assignments
    own = {s: f"x{s}" for s in row.outs if s not in given and s not in shared}
    inside = Formulas(given | shared, row, each, [], JAVASCRIPT, own).assignments
    memory = [f"m{k}" for k in range(count)]
    reads = [f"x{k} = {name}[i]" for k, name in enumerate(["data", "grad", *memory])]
    names = given | shared | own
    writes = [
        f"{array}[i] = {names[slot]}"
        for array, slot in zip(["data", *memory], row.outs, strict=True)
    ]
    lines = [
        *(f"  const {line};" for line in before),
        "  for (const i of moved) {",
        f"    const {', '.join(reads)};",
        *(f"    const {line};" for line in inside),
        f"    {'; '.join(writes)};",
        "  }",
    ]
    head = f"function update(moved, data, grad, [{', '.join(memory)}], lr, steps) {{"
    return "\n".join([head, *lines, "}"])


def record_update(optimizer: Optimizer) -> RecordedFunction:
    """Record a step of an optimizer: (data, grad, *memory, lr, steps) -> [data, *memory]."""
    names, weight_decay = optimizer.remembers, optimizer.weight_decay

    def move(data: Number, grad: Number, *rest: Number) -> list[Number]:
        memory = dict(zip(names, rest, strict=False))
        lr, steps = rest[len(names) :]
        moving = copy.copy(optimizer)
        moving.steps = steps
        rule = lambda grad: (moving.direction(grad, memory),)
        scale, shrink, decay = moving.scale(), weight_decay, ""
        rate = lr if not isinstance(scale, Slot) and scale == 1.0 else lr * scale
        if weight_decay:
            decay = "decoupled" if optimizer.decoupled else "coupled"
            shrink = 1.0 - lr * weight_decay if optimizer.decoupled else weight_decay
        (new,) = apply_rule(rule, decay, data, grad, (), rate, shrink)
        return [new, *(memory[name] for name in names)]

    try:
        return record_function(move, 4 + len(names))
    except TypeError as problem:
        raise TypeError(
            f"train_page cannot record the rule of {optimizer.name} ({problem}); write it with "
            "operators and the functions of engine.arithmetic, without an if on a number"
        ) from problem


def split_instructions(
    instructions: Iterable[Instruction], uniform: set[int]
) -> tuple[list[Instruction], list[Instruction]]:
    """Return the instructions that depend only on uniform slots, and the others."""
    uniform, once, each = {*uniform}, [], []
    for step in instructions:
        if uniform.issuperset(step.operands):
            uniform.add(step.result)
            once.append(step)
        else:
            each.append(step)
    return once, each
