"""`python -m benchmarks`: print the facts of the machine and all tables."""

import argparse

from benchmarks import (
    deep,
    gpt,
    imports,
    layouts,
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
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Run all benchmarks and print their tables."
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer and shorter rounds, about four minutes"
    )
    effort = QUICK if parser.parse_args().quick else FULL
    print(machine.facts())
    first = (moons, node, memory, imports, sizes, tape, gpt, mnist, mnist_profile, deep)
    for benchmark in (*first, pictures, layouts):
        print(f"\n{benchmark.table(effort)}", flush=True)


if __name__ == "__main__":
    main()
