"""Errors for NumPy's functions of nodes: the reason, and what to write instead."""

from operator import attrgetter
from typing import Any

import numpy as np

INSTEAD = {  # expressions for functions that have no row
    "copysign": "where(np.signbit(y), -abs(x), abs(x))",
    "fmod": "x - np.trunc(x / y) * y",
    "nansum": "where(np.isnan(x), 0.0, x).sum()",
    "ptp": "x.max() - x.min()", "vdot": "(x * y).sum()",
    "linalg.vector_norm": "np.linalg.norm(x)",
}  # fmt: skip
REMARKS = {  # by the first part of a name
    "add.at": "write a + np.bincount(indices, x, len(a))",
    "linalg.": "inverses, determinants, eigenvalues and factorizations of matrices have no rows; "
    "write their derivatives as an ArrayOp",
    "fft.": "Fourier transforms have no rows; write their derivatives as an ArrayOp",
}
REMEDIES = {
    "dtype": "convert with .astype()",
    "out": "assign the result to a name",
    "where": "choose with where(condition, x, y)",
}


def undefined(name: str, node: Any) -> TypeError:
    """Return the error for a function that has no row."""
    instead = INSTEAD.get(name)
    remark = next((text for start, text in REMARKS.items() if name.startswith(start)), None)
    remedy = f"write {instead}" if instead else remark or "compose it from other functions"
    prefix = "np." if is_of_numpy(name) else ""  # not of scipy.special
    return TypeError(
        f"{prefix}{name} is not defined for {'Arrays' if hasattr(node, 'shape') else 'Values'}; "
        f"{remedy}, or pass x.data to compute numbers without a graph"
    )


def is_of_numpy(name: str) -> bool:
    """Return whether NumPy has a function of this name, such as "linalg.det" or "add.at"."""
    try:
        return callable(attrgetter(name)(np))
    except AttributeError:
        return False


def refused(name: str, parameter: str) -> TypeError:
    """Return the error for an argument of NumPy that has no meaning for nodes."""
    remedy = f"; {REMEDIES[parameter]}" if parameter in REMEDIES else ""
    return TypeError(f"np.{name} of nodes does not accept the argument {parameter}{remedy}")
