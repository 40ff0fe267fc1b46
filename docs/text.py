"""Docstrings as Markdown: columns of arguments become lists."""

import re

# A name or several at the margin, two blanks or more, and what it is; or more of that, further in.
ARGUMENT = re.compile(r"^(\*?\w[\w, *]*?) {2,}(\S.*)$")


def markdown(text: str) -> str:
    """The same text, in which columns are lists.

    >>> print(markdown("What it does.\\n\\nroot   a node\\n       or several\\nmodel  a Module"))
    What it does.
    <BLANKLINE>
    - **root**: a node
      or several
    - **model**: a Module
    """
    if text.startswith(("Alias for field number", "Create new instance of")):
        return ""
    return "\n\n".join(map(block, text.split("\n\n")))


def block(text: str) -> str:
    lines = text.split("\n")
    first = ARGUMENT.match(lines[0])
    if not first:
        return text
    column, found = first.start(2), []
    for line in lines:
        match = ARGUMENT.match(line)
        if match and match.start(2) == column:
            found.append(f"- **{match[1]}**: {match[2]}")
        elif line.startswith(" " * column):
            found.append(f"  {line[column:]}")
        elif line.startswith("    ") and found:
            found.append(f"  {line.strip()}")
        else:
            return text
    return "\n".join(found)
