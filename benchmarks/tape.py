"""What a tape costs: a scalar graph recorded once, and replayed by compiled code.

    python -m benchmarks.tape            every table of tapes, in about six minutes
    python -m benchmarks.tape --quick    the same in about two minutes, with less certain figures

A training step against other engines, the time and the memory of a node by the size of the graph,
and MNIST node by node.
"""

import argparse

from benchmarks import machine, tape_mnist, tape_moons, tape_sizes
from benchmarks.processes import FULL, QUICK, Effort


def table(effort: Effort) -> str:
    """The tables of all parts."""
    return "\n\n".join(each.table(effort) for each in (tape_moons, tape_sizes, tape_mnist))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tape", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    effort = QUICK if parser.parse_args().quick else FULL
    print(f"{machine.facts()}\n\n{table(effort)}")


if __name__ == "__main__":
    main()
