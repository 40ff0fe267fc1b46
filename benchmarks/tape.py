"""The cost of a tape: a scalar graph recorded once and replayed by compiled code.

    python -m benchmarks.tape            all tables of tapes, in about six minutes
    python -m benchmarks.tape --quick    all tables of tapes, in about two minutes, with more noise

The tables: a training step of several engines, the time and memory of a node by the size of the
graph, and MNIST node by node.
"""

import argparse

from benchmarks import machine, tape_mnist, tape_moons, tape_sizes
from benchmarks.processes import FULL, QUICK, Effort


def table(effort: Effort) -> str:
    """Return all tables of tapes."""
    return "\n\n".join(part.table(effort) for part in (tape_moons, tape_sizes, tape_mnist))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tape", description="Run the benchmarks of tapes and print them."
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    effort = QUICK if parser.parse_args().quick else FULL
    print(f"{machine.facts()}\n\n{table(effort)}")


if __name__ == "__main__":
    main()
