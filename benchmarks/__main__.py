"""`python -m benchmarks`: print the machine's facts and every table."""

import argparse

from benchmarks import (
    imports,
    machine,
    memory,
    mnist,
    mnist_profile,
    moons,
    node,
    pictures,
    sizes,
    tape,
)
from benchmarks.processes import FULL, QUICK


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="about four minutes: fewer and shorter rounds"
    )
    effort = QUICK if parser.parse_args().quick else FULL
    print(machine.facts())
    for each in (moons, node, memory, imports, sizes, tape, mnist, mnist_profile, pictures):
        print(f"\n{each.table(effort)}", flush=True)


if __name__ == "__main__":
    main()
