"""`python -m demos` lists the demos, `python -m demos moons` runs one."""

import argparse
import ast
import importlib
import inspect
import sys
from pathlib import Path


def catalogue() -> dict[str, str]:
    """Each demo's name and the first line of what it says of itself."""
    files = [path for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("_")]
    texts = {path.stem: ast.get_docstring(ast.parse(path.read_text("utf-8"))) for path in files}
    return {name: (text or "").split("\n")[0] for name, text in sorted(texts.items())}


def main() -> None:
    known = catalogue()
    parser = argparse.ArgumentParser(
        prog="python -m demos",
        description="Runs the demos named, one after the other; lists them when none is.",
    )
    parser.add_argument("names", nargs="*", metavar="demo", help=", ".join(known))
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for pictures")
    parser.add_argument("--best", action="store_true", help="mnist: as well as it can, in minutes")
    parser.add_argument(
        "--held-out",
        action="store_true",
        help="mnist: judge by 5,000 training digits instead",
    )
    parser.add_argument("--seed", type=seed, help="of the demos that take one")
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in known]
    if unknown:
        parser.error(f"no demo named {unknown[0]!r}; there are: {', '.join(known)}")
    if not args.names:
        print("python -m demos NAME runs one of these:\n")
        for name, line in known.items():
            print(f"  {name:{max(map(len, known))}}  {line}")
        return
    given = {"best": args.best or None, "held_out": args.held_out or None, "seed": args.seed}
    options = {name: value for name, value in given.items() if value is not None}
    try:
        stories = [importlib.import_module(f"demos.{name}").main for name in args.names]
        for name, story in zip(args.names, stories, strict=True):
            for option in options.keys() - inspect.signature(story).parameters:
                parser.error(f"demo {name} takes no --{option.replace('_', '-')}")
        try:
            args.out.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            sys.exit(f"--out {args.out}: {problem.strerror}; name a folder to write to")
        for story in stories:
            story(args.out, **options)
    except ModuleNotFoundError as missing:
        sys.exit(f"{missing}; the demos need: pip install -e '.[demos]', which make demo does")
    except KeyboardInterrupt as stop:
        sys.exit(f"\n{stop or 'stopped'}")


def seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a whole number, 0 or more, got {text!r}")
    return int(text)


if __name__ == "__main__":
    main()
