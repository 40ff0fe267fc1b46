"""`python -m demos` lists the demos; `python -m demos moons` runs one."""

import argparse
import ast
import importlib
import inspect
import os
import re
import sys
from pathlib import Path


def list_demos() -> dict[str, str]:
    """Return the name of each demo and the first line of its docstring."""
    files = [path for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("_")]
    texts = {path.stem: ast.get_docstring(ast.parse(path.read_text("utf-8"))) for path in files}
    return {name: (text or "").split("\n")[0] for name, text in sorted(texts.items())}


def print_list(lines: dict[str, str]) -> None:
    """Print the name and the one-line description of each demo."""
    width = max(map(len, lines))
    print("Usage: python -m demos NAME, where NAME is one of:\n")
    for name, line in lines.items():
        print(f"  {name:{width}}  {line}")
    if "mnist" not in lines:  # hatch_build.py leaves them out
        print("\nThe demos that read MNIST are in the clone.")


def main() -> None:
    lines = list_demos()
    parser = argparse.ArgumentParser(
        prog="python -m demos",
        description="Run the named demos one after the other. Without a name, list all demos.",
    )
    parser.add_argument("names", nargs="*", metavar="demo", help=", ".join(lines))
    parser.add_argument(
        "--out", type=Path, default=Path("out"), help="folder for pictures and pages (default: out)"
    )
    parser.add_argument(
        "--best", action="store_true", help="mnist: train the most accurate network, in minutes"
    )
    parser.add_argument(
        "--held-out",
        action="store_true",
        help="mnist: test on 5,000 held-out training digits instead of the test digits",
    )
    parser.add_argument(
        "--film", action="store_true", help="mnist, moons: write a page with a slider over epochs"
    )
    parser.add_argument(
        "--seed", type=parse_whole, help="gpt, mnist, tape: random seed (default: 0)"
    )
    parser.add_argument("--steps", type=parse_count, help="gpt: steps to train (default: 1000)")
    parser.add_argument("--batch", type=parse_count, help="gpt: documents per step (default: 1)")
    parser.add_argument("--layers", type=parse_count, help="gpt: number of blocks (default: 1)")
    parser.add_argument(
        "--width", type=parse_count, help="gpt: elements of a vector, a multiple of 4 (default: 16)"
    )
    parser.add_argument("--eager", action="store_true", help="gpt: train without recordings")
    parser.add_argument(
        "--file",
        type=Path,
        help="gpt: a text file with one document a line (default: names); from_torch: a Python "
        "file that defines net, a module of PyTorch, and x, the inputs of one sample",
    )
    parser.add_argument(
        "--processes", type=parse_count, help="sweep: number of processes (default: all cores)"
    )
    parser.add_argument(
        "--scheduler", type=parse_address, help="sweep: address of a Dask cluster, tcp://..."
    )
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in lines]
    if unknown:
        parser.error(f"unknown demo {unknown[0]!r}; choose from: {', '.join(lines)}")
    if not args.names:
        print_list(lines)
        return
    options = {
        name: value
        for name, value in vars(args).items()
        if name not in ("names", "out") and value is not None and value is not False
    }
    try:
        functions = [importlib.import_module(f"demos.{name}").main for name in args.names]
        for name, function in zip(args.names, functions, strict=True):
            for option in options.keys() - inspect.signature(function).parameters:
                parser.error(f"demo {name} does not take --{option.replace('_', '-')}")
        try:
            args.out.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            sys.exit(f"--out {args.out}: {problem.strerror}; choose a writable folder")
        for function in functions:
            function(args.out, **options)
    except ImportError as missing:
        names_extra = "pip install" in str(missing)
        hint = "" if names_extra else "; install what the demos need: pip install -e '.[demos]'"
        sys.exit(f"{missing}{hint}")
    except OSError as problem:  # a missing file, a full disk
        sys.exit(str(problem))
    except ValueError as problem:
        if not str(problem).startswith(os.environ.get("STEPGRAD_MNIST") or "/dev/null"):
            raise
        sys.exit(str(problem))  # a damaged file of the user
    except KeyboardInterrupt as interrupt:
        sys.exit(f"\n{str(interrupt) or 'interrupted'}")


def parse_whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a non-negative integer, got {text!r}")
    return int(text)


def parse_address(text: str) -> str:
    if not re.fullmatch(r"((tcp|tls|ws|wss|ucx)://)?[^/]+:\d+", text):
        raise argparse.ArgumentTypeError(
            f"expected an address such as tcp://127.0.0.1:8786, got {text!r}"
        )
    return text


def parse_count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return int(text)


if __name__ == "__main__":
    main()
