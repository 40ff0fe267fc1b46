"""The build of the wheel: `engine` becomes the package `stepgrad`, `nn` becomes `stepgrad.nn`.

The code of the demos becomes `stepgrad.demos`, which `python -m stepgrad` runs. The MNIST files,
11 MB, and the demos that read them stay in the clone and in the source distribution.

The files are copied, and their names for each other are rewritten in imports, docstrings, examples
and messages alike. Line numbers of Python files do not change. This is text replacement: code in
these folders therefore writes `torch.nn.Linear` and not `nn.Linear`. Scripts are copied without
indentation and comment lines, because pages do not contain them either.
"""

import re
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDERS = {"engine": "stepgrad", "nn": "stepgrad/nn", "demos": "stepgrad/demos"}
NAMES = "|".join(FOLDERS)
COMMANDS = {"python -m demos": "python -m stepgrad", "-e '.[demos]'": "'stepgrad[demos]'"}
MNIST_DEMOS = (  # and their pictures
    "backprop_by_hand", "cost", "logistic_regression", "mnist", "tape", "_ledger", "_mnist_best",
    "_mnist_inside",
)  # fmt: skip
MAIN = """from stepgrad.demos.__main__ import main

if __name__ == "__main__":
    main()
"""
CLONE_ONLY = {"engine/README.md", "nn/mnist/README.md"}  # about the source, and about MNIST's files
TEXT = {".py", ".pyi", ".js", ".css", ".html", ".md"}
NAME = re.compile(
    rf"\bfrom (?!(?:{NAMES})\b)([\w.]+) import [\w, ]*"  # another package's names stay
    rf"|(?<=\bfrom )({NAMES})\b"
    rf"|(?<=\bimport )({NAMES})\b"
    rf"|(?<![\w./-])({NAMES})(?=[./][\w{{])"  # not the word at the end of a sentence
)


def rewritten(text: str) -> str:
    """Return a file's text with the names of the installed package.

    >>> rewritten("from nn import MLP  # see engine/value.py and `nn.losses`")
    'from stepgrad.nn import MLP  # see stepgrad/value.py and `stepgrad.nn.losses`'
    >>> rewritten("import engine, an engine. torch.nn.Linear, my_engine.x")
    'import stepgrad, an engine. torch.nn.Linear, my_engine.x'
    >>> rewritten("from demos.shared.tables import x  # python -m demos moons")
    'from stepgrad.demos.shared.tables import x  # python -m stepgrad moons'
    >>> rewritten("from torch import nn")
    Traceback (most recent call last):
    ValueError: 'from torch import nn' hides a package of this project; write import torch
    """

    def new_name(match: re.Match[str]) -> str:
        if match[0] not in FOLDERS:
            if re.search(rf"import .*\b({NAMES})\b", match[0]):
                raise ValueError(
                    f"{match[0]!r} hides a package of this project; write import {match[1]}"
                )
            return match[0]
        folder = FOLDERS[match[0]]
        return folder if text.startswith("/", match.end()) else folder.replace("/", ".")

    text = text.replace("from stepgrad import nn\n", "import stepgrad.nn\n")
    for command, installed in COMMANDS.items():
        text = text.replace(command, installed)
    return NAME.sub(new_name, text)


def shortened(script: str) -> str:
    """Return a script without indentation and without lines of comments.

    >>> shortened("// a\\nif (a) {\\n  // b\\n  b(); // c\\n}\\n")
    'if (a) {\\nb(); // c\\n}\\n'
    """
    return re.sub(r"^[ \t]+(//.*\n)?|^//.*\n", "", script, flags=re.M)


class CustomBuildHook(BuildHookInterface[Any]):
    """Puts the rewritten files into the wheel. An editable install uses the clone's own."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        self.copies = tempfile.TemporaryDirectory()
        for name, installed in FOLDERS.items():
            folder = Path(self.root, name)
            for file in sorted(folder.rglob("*")):
                if file.is_dir() or "__pycache__" in file.parts or file.suffix == ".gz":
                    continue
                is_picture = file.suffix != ".py"  # for README.md
                if name == "demos" and (is_picture or file.stem in MNIST_DEMOS):
                    continue
                if file.relative_to(self.root).as_posix() in CLONE_ONLY:
                    continue
                path, source = f"{installed}/{file.relative_to(folder).as_posix()}", file
                if file.suffix in TEXT:
                    source = Path(self.copies.name, path)
                    source.parent.mkdir(parents=True, exist_ok=True)
                    text = rewritten(file.read_bytes().decode())
                    source.write_bytes((shortened(text) if file.suffix == ".js" else text).encode())
                build_data["force_include"][str(source)] = path
        main = Path(self.copies.name, "__main__.py")
        main.write_text(MAIN)
        build_data["force_include"][str(main)] = "stepgrad/__main__.py"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self.copies.cleanup()
