"""`python -m demos` lists the demos, `python -m demos moons` runs one."""

import argparse
import ast
import importlib
import sys
from pathlib import Path


def stories() -> dict[str, str]:
    """Each demo's name and the first line of what it says of itself."""
    files = [path for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("_")]
    texts = {path.stem: ast.get_docstring(ast.parse(path.read_text("utf-8"))) for path in files}
    return {name: (text or "").split("\n")[0] for name, text in sorted(texts.items())}


def main() -> None:
    known = stories()
    parser = argparse.ArgumentParser(
        prog="python -m demos",
        description="Runs the demos named, one after the other; lists them when none is.",
    )
    parser.add_argument("names", nargs="*", metavar="demo", help=", ".join(known))
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for pictures")
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in known]
    if unknown:
        parser.error(f"no demo named {unknown[0]!r}; there are: {', '.join(known)}")
    if not args.names:
        print("python -m demos NAME runs one of these:\n")
        for name, line in known.items():
            print(f"  {name:10} {line}")
        return
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        for name in args.names:
            importlib.import_module(f"demos.{name}").main(args.out)
    except ModuleNotFoundError as missing:
        sys.exit(f"{missing}; the demos need: pip install -e '.[demos]', which make demo does")
    except FileExistsError:
        sys.exit(f"--out {args.out} is a file; name a folder")
    except KeyboardInterrupt:
        sys.exit("\nstopped")


if __name__ == "__main__":
    main()
