"""Rows as kernels in JavaScript: the two passes of a row over nodes, and over lanes of samples."""

import re
from collections.abc import Iterable

from engine.draw.page.javascript import JAVASCRIPT, compare_conditions, print_number
from engine.instructions import FACTOR, Formulas, Recorded

NAME = re.compile(r"\b[a-z_]\w*\b")


class Kernels:
    """The kernels of several programs, each printed once."""

    def __init__(self) -> None:
        self.texts: dict[str, int] = {}

    def find(self, row: Recorded, kinds: str) -> int:
        """Return the number of the kernel of a row for these kinds of inputs."""
        return self.texts.setdefault(print_kernel(row, kinds), len(self.texts))

    def __str__(self) -> str:
        return "const KERNELS = [\n" + ",\n".join(self.texts) + "\n];\n"


def print_kernel(row: Recorded, kinds: str) -> str:
    """Return the two passes of a row as a JavaScript object.

    `forward(n, V, U, table)` computes the rows V of n lanes from those of the inputs and from the
    numbers U. `backward(n, V, G, U, D, table)` adds to the gradients G of rows and D of numbers. It
    visits nodes and samples from the last to the first, as the backward pass of a graph does.

    >>> from engine.instructions import record
    >>> from engine.rules import MUL
    >>> print(print_kernel(record(MUL, 2), "ul"))
    {forward(n, V, U, table) {
      for (let j = 0; j < table.length; j += 3) {
        const x0 = U[table[j]], i1 = table[j + 1] * n, o0 = table[j + 2] * n;
        for (let s = 0; s < n; s++) {
          const x1 = V[i1 + s];
          V[o0 + s] = x0 * x1;
        }
      }
    }, backward(n, V, G, U, D, table) {
      for (let j = table.length - 3; j >= 0; j -= 3) {
        const x0 = U[table[j]], i1 = table[j + 1] * n, o0 = table[j + 2] * n;
        let d0 = 0;
        for (let s = n - 1; s >= 0; s--) {
          const x1 = V[i1 + s], g0 = G[o0 + s];
          d0 += g0 * x1;
          G[i1 + s] += g0 * x0;
        }
        D[table[j]] += d0;
      }
    }}
    """
    forward, backward = print_pass(row, kinds, False), print_pass(row, kinds, True)
    head = "backward(n, V, G, U, D, table)"
    return f"{{forward(n, V, U, table) {{\n{forward}}}, {head} {{\n{backward}}}}}"


def print_pass(row: Recorded, kinds: str, backward: bool) -> str:
    """Return the loops of one pass of a row over nodes and lanes."""
    uniform = [k for k, kind in enumerate(kinds) if kind in "uU"]
    sent = [k for k, kind in enumerate(kinds) if kind.islower()]
    reads = {f"x{k}": f"V[i{k} + s]" for k in range(len(kinds)) if k not in uniform}
    names = {k: f"x{k}" for k in range(len(kinds))}
    wanted: dict[int, int | None] = {}
    if backward:
        names |= {slot: f"out{k}" for k, slot in enumerate(row.outs)}
        names |= {slot: f"g{k}" for k, slot in enumerate(row.gs)}
        reads |= {f"out{k}": f"V[o{k} + s]" for k in range(len(row.outs))}
        reads |= {f"g{k}": f"G[o{k} + s]" for k in range(len(row.outs))}
        wanted.update((k, row.locals[k]) for k in sent)
    else:
        wanted.update(enumerate(row.outs))
    slots = [slot for slot in wanted.values() if slot is not None]
    body, texts = write_formulas(row, names, slots, as_factor=backward)
    for k, slot in wanted.items():
        formula = "" if slot is None else texts[slot]  # a slope of 1 has none
        if not backward:
            body.append(f"V[o{k} + s] = {formula};")
            continue
        gradient = f"d{k}" if k in uniform else f"G[i{k} + s]"
        product = f"g0 * {formula}" if formula else "g0"
        body.append(f"{gradient} += {formula if row.gs else product};")
    if not body:
        return ""
    used = list_identifiers(body)
    if loads := [f"{name} = {read}" for name, read in reads.items() if name in used]:
        body.insert(0, f"const {', '.join(loads)};")

    width = len(kinds) + 1
    place = ["table[j]", *(f"table[j + {k}]" for k in range(1, width))]
    head = [f"x{k} = U[{place[k]}]" if k in uniform else f"i{k} = {place[k]} * n"
            for k in range(len(kinds))]  # fmt: skip
    head += [f"o{k} = ({place[-1]} + {k}) * n" if k else f"o0 = {place[-1]} * n"
             for k in range(len(row.outs))]  # fmt: skip
    used = list_identifiers(body)
    head = [text for text in head if text.partition(" ")[0] in used]
    sums = [k for k in sent if k in uniform]
    nodes, loop = f"let j = 0; j < table.length; j += {width}", "let s = 0; s < n; s++"
    if backward:
        nodes = f"let j = table.length - {width}; j >= 0; j -= {width}"
        loop = "let s = n - 1; s >= 0; s--"
    lines = [
        f"for ({nodes}) {{",
        f"  const {', '.join(head)};",
        *(["  let " + ", ".join(f"d{k} = 0" for k in sums) + ";"] if backward and sums else []),
        f"  for ({loop}) {{", *(f"    {line}" for line in body), "  }",
        *(f"  D[{place[k]}] += d{k};" for k in sums if backward),
        "}",
    ]  # fmt: skip
    return "".join(f"  {line}\n" for line in lines)


def write_formulas(
    row: Recorded, names: dict[int, str], wanted: list[int], as_factor: bool
) -> tuple[list[str], dict[int, str]]:
    """Return the statements before the formulas of the wanted slots, and the formulas."""
    given = {slot: print_number(x) for slot, x in row.constants.items()} | names
    formulas = Formulas(given, row, compare_conditions(row), wanted, JAVASCRIPT)
    precedence = FACTOR + 1 if as_factor else 0
    texts = {slot: formulas.format(slot, precedence) for slot in wanted}
    return [f"const {line};" for line in formulas.assignments], texts


def list_identifiers(lines: Iterable[str]) -> set[str]:
    """Return the names in lines of JavaScript."""
    return {name for line in lines for name in NAME.findall(line)}
