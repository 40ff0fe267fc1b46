"""The opcodes of the tape's kernels, in one table.

An opcode computes one number from up to three operands x, y and z. The formulas are Python code:
`engine.tape.kernels` prints its loops from them. True is 1.0, false is 0.0.

A batch has a row of lanes for each slot, one lane for each sample, and the formula holds lane by
lane. A number that all samples share can stay one number as the first operand of the opcodes marked
SHARED; elsewhere SPREAD copies it into a row (see `engine.tape.passes`).
"""

from typing import NamedTuple

import numpy as np

CALL = "call"  # computed by one function for all such opcodes, in double precision, then rounded
LOOP = "loop"  # has a loop of its own, in the precision of the tape: the frequent ones
SHARED = "shared"  # the same over lanes, where x is a number that all samples share
BY_HAND = "by hand"  # written out in the templates of the kernels


class Opcode(NamedTuple):
    """An elementary instruction of the kernels.

    Attributes:
        name: The name that `engine.instructions` gives it.
        operands: The number of operands, 1 to 3.
        formula: Its result, as Python code in x, y and z.
        kind: The part of the kernels that computes it: CALL, LOOP, SHARED or BY_HAND.
        shared: The opcode that takes its place over lanes if x is shared.
    """

    name: str
    operands: int
    formula: str
    kind: str = CALL
    shared: str = ""


FUNCTIONS = (  # of one operand, with the same name in the C library
    "exp", "log", "sqrt", "tanh", "cosh", "sinh", "sin", "cos", "tan", "expm1", "log1p", "exp2",
    "log2", "log10", "cbrt", "asin", "acos", "atan", "asinh", "acosh", "atanh", "erf", "erfc",
    "floor", "rint",
)  # fmt: skip
FREQUENT = ("exp", "sqrt", "tanh")  # of these functions

# fmt: off
OPCODES = (  # the order matters: checkpoints of tapes contain a checksum of codes
    Opcode("=",               1, "x"),
    Opcode("+",               2, "x + y",                             LOOP),
    Opcode("-",               2, "x - y",                             LOOP),
    Opcode("*",               2, "x * y",                             LOOP, "scale"),
    Opcode("divide",          2, "x / y",                             LOOP),
    Opcode("neg",             1, "-x"),
    Opcode("abs",             1, "abs(x)"),
    Opcode("<",               2, "1.0 if x < y else 0.0"),
    Opcode("<=",              2, "1.0 if x <= y else 0.0",            LOOP),
    Opcode(">",               2, "1.0 if x > y else 0.0",             LOOP),
    Opcode(">=",              2, "1.0 if x >= y else 0.0",            LOOP),
    Opcode("==",              2, "1.0 if x == y else 0.0",            LOOP),
    Opcode("!=",              2, "1.0 if x != y else 0.0"),
    Opcode("&",               2, "1.0 if x != 0.0 and y != 0.0 else 0.0"),
    Opcode("|",               2, "1.0 if x != 0.0 or y != 0.0 else 0.0"),
    Opcode("where",           3, "y if x != 0.0 else z",              LOOP),
    *[Opcode(name,            1, f"{name}(float64(x))", LOOP if name in FREQUENT else CALL)
      for name in FUNCTIONS],
    Opcode("power",           2, "power(x, y)"),
    Opcode("hypot",           2, "hypot(x, y)"),
    Opcode("atan2",           2, "atan2(x, y)"),
    Opcode("mod",             2, "x % y"),
    Opcode("floor_divide",    2, "x // y"),
    # A term of a sum of products, whose next term is another such instruction. Both roundings stay.
    Opcode("multiply add",    3, "z + x * y",                         BY_HAND, "scale add"),
    # Lanes only.
    Opcode("spread",          1, "x",                                 SHARED),
    Opcode("scale",           2, "x * y",                             SHARED),
    Opcode("scale add",       3, "z + x * y",                         BY_HAND),
    Opcode("sum",             1, "x",                                 BY_HAND),  # over samples
    Opcode("sum product",     2, "x * y",                             BY_HAND),
    # Several sums of products: x is the same in all, and y is in consecutive registers. The first z
    # is either of these; for "to any", it is in any registers.
    Opcode("multiply add vector",        3, "z + x * y",              BY_HAND),
    Opcode("multiply add vector to any", 3, "z + x * y",              BY_HAND),
)
# fmt: on

CODES = {op.name: code for code, op in enumerate(OPCODES)}
OPERANDS = np.array([op.operands for op in OPCODES], np.uint8)  # by code
SHARED_CODES = np.array([CODES.get(op.shared, 0) for op in OPCODES], np.uint8)  # 0: none

COPY, ADD, MULTIPLY = CODES["="], CODES["+"], CODES["*"]
MULTIPLY_ADD, MULTIPLY_ADD_VECTOR = CODES["multiply add"], CODES["multiply add vector"]
VECTOR_TO_ANY = CODES["multiply add vector to any"]
SPREAD, SCALE, SCALE_ADD = CODES["spread"], CODES["scale"], CODES["scale add"]
SUM, SUM_PRODUCT = CODES["sum"], CODES["sum product"]
