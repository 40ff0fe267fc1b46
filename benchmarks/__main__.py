"""`python -m benchmarks`: print the machine's facts and every table."""

import argparse

from benchmarks import machine, memory, moons, sizes
from benchmarks.processes import FULL, QUICK


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about 20 s: fewer and shorter rounds")
    effort = QUICK if parser.parse_args().quick else FULL
    print(machine.facts())
    for table in (moons.table, memory.table, sizes.table):
        print(f"\n{table(effort)}", flush=True)


if __name__ == "__main__":
    main()
