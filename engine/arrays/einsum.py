"""Einstein sums: sums of products of several Arrays, whose axes are named by letters."""

from collections.abc import Sequence
from string import ascii_letters
from typing import Any

import numpy as np

from engine.arithmetic import dispatched


@dispatched
def einsum(subscripts: str, *xs: Any) -> Any:
    return np.einsum(subscripts, *xs, optimize=True)


def name_axes(subscripts: str, dims: Sequence[int]) -> tuple[list[str], str]:
    """Return the letters of each input's axes, and those of the result.

    Letters replace ellipses, and name the axes of a result that the subscripts leave out.

    >>> name_axes("...ij,jk", [3, 2])
    (['aij', 'jk'], 'aik')
    """
    inputs, arrow, result = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    free = [letter for letter in ascii_letters if letter not in subscripts]
    hidden = [n - len(term.replace("...", "")) for term, n in zip(terms, dims, strict=True)]
    most = max([n for n, term in zip(hidden, terms, strict=True) if "..." in term], default=0)
    terms = [
        term.replace("...", "".join(free[most - n : most]))
        for term, n in zip(terms, hidden, strict=True)
    ]
    if not arrow:
        letters = "".join(terms)
        once = [x for x in sorted({*letters} - {*free[:most]}) if letters.count(x) == 1]
        result = f"...{''.join(once)}"
    return terms, result.replace("...", "".join(free[:most]))


def einsum_pullback(i, g, out, *xs, subscripts):
    """Return the Einstein sum of g and the other inputs, over the axes of input i.

    An axis of input i that no other operand has was summed: its gradient repeats along a vector of
    ones. A letter that input i has twice selects a diagonal: its gradient lies on an identity
    matrix.
    """
    terms, result = name_axes(subscripts, [x.ndim for x in xs])
    operands, letters = [g, *xs[:i], *xs[i + 1 :]], [result, *terms[:i], *terms[i + 1 :]]
    free = [x for x in ascii_letters if x not in "".join([result, *terms])]
    own = ""
    for letter, n in zip(terms[i], xs[i].shape, strict=True):
        if letter in own:
            operands.append(np.eye(n, dtype=g.dtype))
            letters.append(letter + free[0])
            own += free.pop(0)
            continue
        own += letter
        lengths = [-1]
        for axes, x in zip(letters, operands, strict=True):
            lengths += [m for axis, m in zip(axes, x.shape, strict=True) if axis == letter]
        if max(lengths) < n:  # also if the axis of another operand has length 1
            operands.append(np.ones(n, g.dtype))
            letters.append(letter)
    return einsum(f"{','.join(letters)}->{own}", *operands)
