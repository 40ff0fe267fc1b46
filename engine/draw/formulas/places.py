"""Places for numbers in texts and formulas: a page that computes fills them in, and so does Python.

A place is the key of a number between two characters that names do not contain. Between them, "("
before the key puts a negative number in parentheses, and "+" writes the number as a term of a sum
after the first one, with its sign.

>>> text = f"x = {mark_place('d1')} · {mark_place('d2', '(')}"
>>> fill_text(text, {"d1": "−3", "d2": "−4"})
'x = −3 · (−4)'
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

OPEN, CLOSE = "\ufdd0", "\ufdd1"  # not assigned to characters
PLACE = re.compile(f"{OPEN}([(+]?)([^{CLOSE}]*){CLOSE}")


class Place(NamedTuple):
    """The place of a number, which stands for the number where a text is written.

    key    the number's name, such as d3 for the data of value 3
    """

    key: str


def mark_place(key: str, context: str = "") -> str:
    """Return a place as text."""
    return f"{OPEN}{context}{key}{CLOSE}"


def remove_marks(text: str) -> str:
    """Replace the characters that mark places in a text of the user."""
    return text.replace(OPEN, "\ufffd").replace(CLOSE, "\ufffd")


def fill_text(text: str, numbers: Mapping[str, str]) -> str:
    """Return plain text with formatted numbers in its places."""

    def write(sign: str, number: str, context: str) -> str:
        if context == "+":
            return f" {sign or '+'} {number}"
        return f"({sign}{number})" if sign and context else sign + number

    return fill_places(text, numbers, write)


def fill_mathml(text: str, numbers: Mapping[str, str]) -> str:
    """Return MathML with formatted numbers in its places."""

    def write(sign: str, number: str, context: str) -> str:
        number = f"<mn>{number}</mn>"
        if context == "+":
            return f'<mo form="infix">{sign or "+"}</mo>{number}'
        signed = f'<mo form="prefix">{sign}</mo>{number}' if sign else number
        return f"<mrow><mo>(</mo>{signed}<mo>)</mo></mrow>" if sign and context else signed

    return fill_places(text, numbers, write)


def fill_places(
    text: str, numbers: Mapping[str, str], write: Callable[[str, str, str], str]
) -> str:
    """Return a text in which `write(sign, digits, context)` writes the numbers."""
    if OPEN not in text:
        return text

    def replace(place: re.Match[str]) -> str:
        number = numbers[place[2]]
        sign = number[0] if number.startswith("−") else ""
        return write(sign, number[len(sign) :], place[1])

    return PLACE.sub(replace, text)
