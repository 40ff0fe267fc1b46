"""Embedding and normalization of Values, for transformers."""

from collections.abc import Sequence
from typing import Any

from engine.sequences.rules import LAYER_NORM, RMS_NORM
from engine.value import Value
from nn.arguments import check_flag, check_whole, check_within
from nn.init import Init, Rng, make_weights
from nn.module import Module
from nn.scalar import Sample, ToVector, convert_sample
from nn.transformer.arguments import format_settings


class Embedding(ToVector, Module, has_scope=False):
    """An embedding: the rows of a matrix at integer indices, such as the vectors of tokens.

    An index gives a row, a list of `width` Values; lists of indices give lists of rows. In a
    function under `engine.jit`, an index may be an integer argument.

    rows   the number of rows; indices are from 0 to rows - 1
    width  the number of elements of a row
    init   an initializer, called with width inputs and rows outputs, or its name in `nn.init`; by
           default N(0, 1), as in PyTorch
    rng    a seed or a NumPy Generator

    Raises TypeError for indices that are not integers, and ValueError for one that is out of range.

    >>> embedding = Embedding(3, 2, init=lambda width, rows, rng: [[0, 1], [2, 3], [4, 5]])
    >>> embedding(2)
    [Value(4.0, 'w0'), Value(5.0, 'w1')]
    >>> [[x.data for x in row] for row in embedding([0, 2])]
    [[0.0, 1.0], [4.0, 5.0]]
    """

    nout: int

    def __init__(self, rows: int, width: int, *, init: str | Init = "normal", rng: Rng = None):
        self.rows = check_whole("the number of rows", rows)
        self.width = self.nout = check_whole("the width", width)
        weights = make_weights(init, width, rows, rng)
        self.weight = [[Value(w, f"w{j}") for j, w in enumerate(row)] for row in weights]

    def __call__(self, indices: Any) -> Any:
        if hasattr(indices, "tolist"):  # an array, or an integer of NumPy
            indices = indices.tolist()
        if isinstance(indices, list | tuple):
            return [self(i) for i in indices]
        return list(select_row(self.weight, indices))

    def __repr__(self) -> str:
        return f"Embedding({self.rows}, {self.width})"


def select_row(xs: Sequence[Any], index: Any) -> Any:
    """Return the element of a list at an integer, or at an integer argument under `engine.jit`.

    Raises TypeError for anything but an integer and ValueError for one that is out of range.
    """
    wrong = f"Embedding expects indices from 0 to {len(xs) - 1}, got"
    if select := getattr(index, "_select", None):
        try:
            return select(xs, from_end=False)
        except IndexError:
            raise ValueError(f"{wrong} {index.text} = {index.now}") from None
    if type(index) is not int:
        raise TypeError(f"Embedding expects integer indices, got {index!r}")
    if not 0 <= index < len(xs):
        raise ValueError(f"{wrong} {index}")
    return xs[index]


class RMSNorm(ToVector, Module):
    """RMS normalization: x / √(mean of x² + eps) * gain (Zhang & Sennrich 2019, equation 4).

    n     the number of features
    eps   0 or more
    gain  False to leave out the gain, which is then None

    >>> RMSNorm(2, gain=False)([3.0, -3.0])
    [Constant(0.999999), Constant(-0.999999)]
    """

    nout: int

    def __init__(self, n: int, *, eps: float = 1e-5, gain: bool = True):
        self.n = self.nin = self.nout = check_whole("the number of features", n)
        self.eps = check_within("eps", eps)
        has_gain = check_flag("gain", gain)
        self.gain = [Value(1.0, f"g{i}") for i in range(n)] if has_gain else None

    def __call__(self, x: Sample) -> list[Value]:
        y = RMS_NORM(convert_sample(self, x), self.eps)
        return y if self.gain is None else [g * y for g, y in zip(self.gain, y, strict=True)]

    def __repr__(self) -> str:
        settings = {"eps": (self.eps, 1e-5), "gain": (self.gain is not None, True)}
        return f"RMSNorm({self.n}{format_settings(settings)})"


class LayerNorm(ToVector, Module):
    """Layer normalization: (x - mean) / √(variance + eps) * gamma + beta (Ba et al. 2016).

    Mean and (biased) variance are those of the n features.

    n    the number of features
    eps  0 or more

    >>> [round(y.data, 3) for y in LayerNorm(2)([30.0, 10.0])]
    [1.0, -1.0]
    """

    nout: int

    def __init__(self, n: int, *, eps: float = 1e-5):
        self.n = self.nin = self.nout = check_whole("the number of features", n)
        self.eps = check_within("eps", eps)
        self.gamma = [Value(1.0, f"gamma{i}") for i in range(n)]
        self.beta = [Value(0.0, f"beta{i}") for i in range(n)]

    def __call__(self, x: Sample) -> list[Value]:
        y = LAYER_NORM(convert_sample(self, x), self.eps)
        return [g * y + b for g, y, b in zip(self.gamma, y, self.beta, strict=True)]

    def __repr__(self) -> str:
        return f"LayerNorm({self.n}{format_settings({'eps': (self.eps, 1e-5)})})"
