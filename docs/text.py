"""Docstrings as Markdown: aligned columns of arguments become lists."""

import re

PACKAGES = {"engine": "stepgrad", "nn": "stepgrad.nn"}  # in the clone, and installed
IMPORT = re.compile(r"^( *(?:>>>|\.\.\.) +(?:from|import) )(engine|nn)\b", flags=re.M)
# One or more names at the margin, at least two spaces, and a description.
ARGUMENT = re.compile(r"^(\*?\w[\w, *]*?) {2,}(\S.*)$")


def markdown(text: str) -> str:
    """Return the text with aligned columns converted to lists, and installed names in examples.

    >>> print(markdown("Draw it.\\n\\nroot   a node\\n       or several\\nmodel  a Module"))
    Draw it.
    <BLANKLINE>
    - **root**: a node
      or several
    - **model**: a Module
    >>> markdown(">>> from nn import MLP")
    '>>> from stepgrad.nn import MLP'
    """
    if text.startswith(("Alias for field number", "Create new instance of")):
        return ""
    text = IMPORT.sub(lambda match: match[1] + PACKAGES[match[2]], text)
    return "\n\n".join(map(block, text.split("\n\n")))


def block(text: str) -> str:
    """Return a paragraph, converted to a list if all of its lines are columns."""
    lines = text.split("\n")
    first = ARGUMENT.match(lines[0])
    if not first:
        return text
    column, items = first.start(2), []
    for line in lines:
        match = ARGUMENT.match(line)
        if match and match.start(2) == column:
            items.append(f"- **{match[1]}**: {match[2]}")
        elif line.startswith(" " * column):
            items.append(f"  {line[column:]}")
        elif line.startswith("    ") and items:
            items.append(f"  {line.strip()}")
        else:
            return text
    return "\n".join(items)
