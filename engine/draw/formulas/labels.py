r"""Labels that are mathematics, such as `x_1^2`, `w_ij`, `alpha` and `\hat{y}`, in each format.

A label is mathematics if it is a letter, ∂, ∇ or ∞, a Greek name or a word, optionally followed by
a subscript, a superscript or both. A script follows `_` or `^`: letters and digits, or a simple
expression in braces or parentheses. Digits after letters are a subscript (`x1`), as are Unicode's
(`x₁`). A Greek name may begin with a backslash. A word with a word as its subscript
(`learning_rate`) is not mathematics unless the subscript is in braces.

Any other label stays as typed. Every writer escapes it, so no label is markup or a command.

>>> [set_plain(label) for label in ("x_1^2", "alpha", "w_ij", "W^(1)", "learning_rate", "<b>")]
['x₁²', 'α', 'wᵢⱼ', 'W⁽¹⁾', 'learning_rate', '<b>']
"""

import html
import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from engine.draw.look.scene import Span

NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
GREEK = dict(zip(NAMES.split(), "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", strict=True))
COMMANDS = {  # written with a backslash only
    **GREEK, "varepsilon": "ε", "varphi": "φ", "ell": "ℓ", "partial": "∂", "nabla": "∇",
    "infty": "∞", "ast": "*", "top": "⊤", "dagger": "†", "prime": "′",
}  # fmt: skip
LATEX = {char: rf"\{name}" for name, char in COMMANDS.items() if not char.isascii()}
ESCAPES = str.maketrans({  # in LaTeX's math mode
    "\\": r"\backslash ", "^": r"\wedge ", "~": r"\sim ", "`": "'", '"': "''",
    "′": r"\prime ", "&": r"\&", "#": r"\# ",
    **dict.fromkeys(" \n\t", r"\ "), **{c: rf"\{c}" for c in "_%${}"},
    **{c: f"{name} " for c, name in LATEX.items()},
})  # fmt: skip
ACCENTS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303"}
ACCENT_SIGNS = {"hat": "^", "bar": "¯", "tilde": "~"}
SUBSCRIPTS = dict(
    zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789+-=()aehijklmnoprstuvx", strict=True)
)
SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱᵀ", "0123456789+-=()niT", strict=True))
TO_SUBSCRIPTS = str.maketrans({plain: small for small, plain in SUBSCRIPTS.items()})
TO_SUPERSCRIPTS = str.maketrans(
    {plain: small for small, plain in SUPERSCRIPTS.items()} | {"′": "′"}
)
LONGEST = 60  # characters of a label that is mathematics

SYMBOLS, SIGNS = "∂∇∞", "*⊤†′"  # a base or in a script, and in a script only
LETTERS = (
    rf"(?:[^\W\d_{''.join(SUBSCRIPTS)}{''.join(SUPERSCRIPTS)}]+|[{SYMBOLS}])"
    rf"[{''.join(ACCENTS.values())}]?"
)
BASE = re.compile(rf"\\(hat|bar|tilde)(?:\{{(\\?{LETTERS})\}}| ({LETTERS}))|(\\?{LETTERS})")
SCRIPT = re.compile(
    rf"(?P<digits>\d+)|(?P<small>[{''.join(SUBSCRIPTS)}]+)|(?P<raised>[{''.join(SUPERSCRIPTS)}]+)|"
    r"(?P<primes>['′]+)|(?P<sign>[_^])(?:\{(?P<braced>[^{}]+)\}|(?P<round>\([^()]+\))|"
    rf"(?P<run>\\?[^\W_]+|[{SYMBOLS}{SIGNS}+-]))"
)
INSIDE = re.compile(rf"\\[A-Za-z]+|[A-Za-z]+|[^\W_]+|[ ,.+=()#−{SYMBOLS}{SIGNS}-]")


class Label(NamedTuple):
    """A label that is mathematics, with Greek names as letters."""

    base: str
    sub: str = ""
    sup: str = ""
    accent: str = ""  # "hat", "bar" or "tilde"


@lru_cache(1000)
def parse_label(text: str) -> Label | None:
    r"""Return the parts of a label that is mathematics, or None for any other label.

    >>> parse_label("x_1^2"), parse_label(r"\hat{y}_i")
    (Label(base='x', sub='1', sup='2', accent=''), Label(base='y', sub='i', sup='', accent='hat'))
    >>> parse_label("sigma12").sub, parse_label("x y"), parse_label("x_1_2"), parse_label(r"\emph")
    ('12', None, None, None)

    Dollar signs around a label, as in LaTeX, are left out.

    >>> parse_label("$x_1$").sub
    '1'
    """
    if len(text) > 2 and text[0] == text[-1] == "$":
        text = text[1:-1]
    name, number = split_repeat(text)
    if number:
        label = parse_label(name)
        return label and label._replace(sub=label.sub + number)
    match = BASE.match(text) if len(text) <= LONGEST else None
    base = match and parse_word(match[2] or match[3] or match[4])
    if not match or not base or base in SIGNS:
        return None
    base, accent = split_accent(base)
    scripts = {"sub": "", "sup": ""}
    at, primes = match.end(), ""
    while at < len(text):
        script = SCRIPT.match(text, at)
        if script is None or (script["digits"] and at > match.end()):
            return None
        kind, content = read_script(script)
        if script["run"] and kind == "sub" and is_snake_case(base, content):
            return None
        if script["primes"]:
            primes, content = primes + str(content), ""
        elif content is None or not content or scripts[kind]:
            return None
        scripts[kind] = scripts[kind] or content
        at = script.end()
    return Label(base, scripts["sub"], scripts["sup"] + primes, match[1] or accent)


def split_repeat(text: str) -> tuple[str, str]:
    """Return a name and its number: x#2 is the second value that is called x."""
    repeated = re.fullmatch(r"(.+)(#\d+)", text)
    return (repeated[1], repeated[2]) if repeated else (text, "")


def read_script(script: re.Match[str]) -> tuple[str, str | None]:
    """Return the kind of a script and its content, None if that is not simple."""
    if script["primes"]:
        return "sup", "′" * len(script["primes"])
    if script["small"]:
        return "sub", "".join(SUBSCRIPTS[c] for c in script["small"]).replace("-", "−")
    if script["raised"]:
        return "sup", "".join(SUPERSCRIPTS[c] for c in script["raised"]).replace("-", "−")
    kind = "sup" if script["sign"] == "^" else "sub"
    return kind, parse_content(
        script["digits"] or script["braced"] or script["round"] or script["run"]
    )


def parse_word(word: str) -> str | None:
    """Return a word, a Greek letter for its name, or None for an unknown command."""
    return COMMANDS.get(word[1:]) if word[0] == "\\" else GREEK.get(word, word)


def parse_content(text: str) -> str | None:
    """Return the content of a script with Greek letters for their names, None if unknown."""
    parts = INSIDE.findall(text)
    words = [parse_word(part) if part[0].isalpha() or part[0] == "\\" else part for part in parts]
    if "".join(parts) != text or None in words:
        return None
    return "".join(map(str, words)).replace("-", "−").strip()


def is_power(text: str) -> bool:
    """Return whether a label looks like a power, such as x_1^2, so that ∂x_1^2 is ambiguous."""
    label = parse_label(text)
    return label is not None and label.sup.isdigit()


def is_snake_case(base: str, content: str | None) -> bool:
    """Return whether a base and its subscript are both words, as in learning_rate."""
    return len(base) > 1 and len(content or "") > 1 and not str(content).isdigit()


def split_accent(base: str) -> tuple[str, str]:
    """Return a letter and the name of its accent: ŷ is y with a hat."""
    letters = unicodedata.normalize("NFD", base)
    names = [name for name, mark in ACCENTS.items() if letters[1:] == mark]
    return (letters[0], names[0]) if names else (base, "")


def accented(label: Label) -> str:
    """Return the base of a label with its accent, as one character if Unicode has it."""
    return unicodedata.normalize("NFC", label.base + ACCENTS.get(label.accent, ""))


def set_spans(text: str) -> list[Span]:
    """Return a label as spans on the baseline, below and above it.

    >>> set_spans("alpha_1")
    [Span(text='α', shift=''), Span(text='1', shift='sub')]
    """
    label = parse_label(text)
    if label is None:
        return [Span(text)]
    scripts = [Span(label.sub, "sub"), Span(label.sup, "sup")]
    return [Span(accented(label)), *[span for span in scripts if span.text]]


@lru_cache(4096)
def set_plain(text: str) -> str:
    """Return a label as plain text, with Unicode's subscripts and superscripts where they exist.

    >>> set_plain("beta^2"), set_plain("x_train"), set_plain("x1#2")
    ('β²', 'x_train', 'x₁#2')
    """
    name, number = split_repeat(text)
    label = parse_label(name)
    if label is None:
        return text
    plain = accented(label)
    for sign, content, table in (
        ("_", label.sub, TO_SUBSCRIPTS), ("^", label.sup, TO_SUPERSCRIPTS),
    ):  # fmt: skip
        content = content.replace("−", "-")
        small = all(ord(c) in table for c in content) and not re.search("[a-z]{3}", content)
        brackets = "{}" if not content.isalnum() else ("", "")
        plain += content.translate(table) if small else f"{sign}{brackets[0]}{content}{brackets[1]}"
    return plain + number


def set_latex(text: str) -> str:
    r"""Return a label in LaTeX's math mode; as upright text if it is not mathematics.

    >>> print(set_latex("x_1^2"), set_latex("alpha_ij"), set_latex("x_train"), set_latex("50 %"))
    x_{1}^{2} \alpha_{ij} x_{\mathrm{train}} \mathrm{50\ \%}
    """
    label = parse_label(text)
    if label is None:
        return write_upright(text)
    base = write_letters(label.base) if len(label.base) == 1 else write_upright(label.base)
    base = base.strip()
    if label.accent:
        base = rf"\{label.accent}{{{base}}}"
    sub = f"_{{{write_script(label.sub)}}}" if label.sub else ""
    sup = f"^{{{write_script(label.sup)}}}" if label.sup else ""
    return base + sub + sup


def write_script(content: str) -> str:
    """Return the content of a script in LaTeX; words of three or more letters are upright."""
    parts = re.findall(r"[A-Za-z]{3,}|.", content)
    return "".join(write_upright(x) if len(x) > 2 else write_letters(x) for x in parts).strip()


def write_letters(text: str) -> str:
    """Return letters and signs in LaTeX."""
    return text.translate({**ESCAPES, ord("−"): "-"})


def write_upright(text: str) -> str:
    r"""Return any text as upright text in LaTeX's math mode, with special characters escaped.

    >>> print(write_upright(r"\input{x}"))
    \mathrm{\backslash input\{x\}}
    """
    control = {ord(c): "?" for c in text if unicodedata.category(c)[0] == "C"}
    return rf"\mathrm{{{text.translate({**control, **ESCAPES})}}}"


@lru_cache(4096)  # pages repeat the same names many times
def set_mathml(text: str) -> str:
    """Return a label as MathML, escaped.

    >>> set_mathml("x_1")
    '<msub><mi>x</mi><mn>1</mn></msub>'
    """
    label = parse_label(text)
    if label is None:
        return f"<mi>{html.escape(text)}</mi>"
    base = f"<mi>{html.escape(label.base)}</mi>"
    if label.accent:
        base = f'<mover accent="true">{base}<mo>{ACCENT_SIGNS[label.accent]}</mo></mover>'
    sub, sup = (write_mathml_script(x) for x in (label.sub, label.sup))
    if sub and sup:
        return f"<msubsup>{base}{sub}{sup}</msubsup>"
    return f"<msub>{base}{sub}</msub>" if sub else f"<msup>{base}{sup}</msup>" if sup else base


def write_mathml_script(content: str) -> str:
    """Return the content of a script as one element of MathML; "" if it is empty."""
    parts = []
    for part in re.findall(r"\d+|[^\W\d_]{3,}|.", content):
        tag = "mn" if part.isdigit() else "mi" if part.isalpha() else "mo"
        space = "\u00a0" if part == " " else html.escape(part)
        parts.append(f"<{tag}>{space}</{tag}>")
    return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>" if parts else ""
