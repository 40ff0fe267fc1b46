"""`python -m docs.prose` counts phrases that the style guide rules out, and shows where they are.

    python -m docs.prose [FOLDER]

It reads the docstrings and comments of Python files, Markdown files and the text of notebooks. The
patterns are crude: a hit is a sentence to read again.
"""

import ast
import io
import json
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIRST_WORDS = re.compile(
    r"(What|Whether|Which|Within|How|Of|In which|That|Whatever|Whichever)\b"
    r"|\w+Error (where|for|that|if)\b"
)
PHRASES = re.compile(
    r"that there (is|are)\b|ask(s|ed)? for (no|a|the)\b|(is|are) told (of|by|that)\b|\bof then\b"
    r"|may be had|\b(is|are) (said|meant)\b|goes on\b|(is|are) looked at|speaks? of\b"
    r"|in all of these ways|\bwhat is (told|said|asked|meant|wanted|given|left)\b|\bas it were\b"
    r"|\bnobody (needs|asks|sees)\b|\bit is of\b|\bthereby\b|\bwherein\b|\bwhereof\b|\bthe said\b"
    r"|\bhas it that\b|\bfor what (is|are)\b|\b(is|are) asked\b"
    r"|\bas it should be\b|\bthan what\b|(?<=[.;:] )What (is|are|a|the)\b",
    re.IGNORECASE,
)
SKIPPED = ("out", "dist", "build", "node_modules")  # and folders whose names begin with a dot


def passages(file: Path) -> Iterator[tuple[int, str, bool]]:
    """Yield the prose of a file: line, text, and whether it is a docstring."""
    text = file.read_text("utf-8")
    if file.suffix == ".md":
        for number, line in enumerate(text.splitlines(), 1):
            yield number, line, False
    elif file.suffix == ".ipynb":
        for cell in json.loads(text)["cells"]:
            if cell["cell_type"] == "markdown":
                yield 0, "".join(cell["source"]), False
    else:
        kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, kinds) and (docstring := ast.get_docstring(node)):
                yield getattr(node, "lineno", 1), docstring, True
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string.lstrip("# "), False


def odd_phrases(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the words of each odd phrase in a file."""
    for line, text, is_docstring in passages(file):
        if is_docstring and (match := FIRST_WORDS.match(text)):
            yield line, match[0]
        for match in PHRASES.finditer(text):
            yield line, match[0]


def files(folder: Path) -> list[Path]:
    """Return the files with prose under a folder."""
    suffixes = {".py", ".md", ".ipynb"}
    every = (file for file in sorted(folder.rglob("*")) if file.suffix in suffixes)
    skipped = lambda file: any(
        part in SKIPPED or part.startswith(".") for part in file.relative_to(folder).parts[:-1]
    )
    return [file for file in every if file.is_file() and not skipped(file)]


def main() -> None:
    """Print the odd phrases of the project, or of a folder, and their number."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    hits = [(file, *hit) for file in files(folder) for hit in odd_phrases(file)]
    for file, line, words in hits:
        print(f"{file.relative_to(folder)}:{line}: {words}")
    print(f"{len(hits)} odd phrases")


if __name__ == "__main__":
    main()
