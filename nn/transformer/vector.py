"""A GPT of Arrays, which computes all positions of all documents at once, and its layers.

A sequence is an Array with the vector of each position, of shape `(positions, width)`, or
`(samples, positions, width)` for several. `Embedding` and `LayerNorm` are those of `nn.vector`.
"""

from __future__ import annotations  # help() then shows ArrayLike, not its definition

from collections.abc import Iterable
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from engine.arrays.arguments import as_dtype
from engine.arrays.array import Array
from nn.arguments import check_flag, check_whole, check_within, look_up
from nn.convertible import ToScalar
from nn.init import Init, Rng, generator
from nn.losses import cross_entropy
from nn.module import Module
from nn.transformer.arguments import (
    NORMS,
    SMALL,
    check_heads,
    check_length,
    check_pairs,
    format_settings,
)
from nn.transformer.sampling import generate
from nn.vector import (
    MLP,
    Dense,
    Embedding,
    LayerNorm,
    Samples,
    check_indices,
    convert_samples,
)


class RMSNorm(ToScalar, Module):
    """RMS normalization: X / √(mean of X² + eps) * gain (Zhang & Sennrich 2019, equation 4).

    X is `(..., n)`, such as `(samples, n)` or a single sample `(n,)`. The mean is that of the n
    features of each sample.

    n      the number of features
    eps    0 or more
    gain   False to leave out the gain, which is then None
    dtype  float32 or float64, the dtype of the gain

    >>> RMSNorm(2, gain=False)([[3.0, -3.0]]).data.round(3).tolist()
    [[1.0, -1.0]]
    """

    nout: int

    def __init__(
        self, n: int, *, eps: float = 1e-5, gain: bool = True, dtype: DTypeLike = np.float32
    ):
        self.n = self.nout = check_whole("the number of features", n)
        self.eps, ones = check_within("eps", eps), np.ones(n, as_dtype(dtype))
        self.gain = Array(ones, "gain") if check_flag("gain", gain) else None

    def __call__(self, X: Samples) -> Array:
        X = convert_samples(self, X, self.n)
        y = X / (X.square().mean(axis=-1, keepdims=True) + self.eps).sqrt()
        return y if self.gain is None else y * self.gain

    def __repr__(self) -> str:
        settings = {"eps": (self.eps, 1e-5), "gain": (self.gain is not None, True)}
        return f"RMSNorm({self.n}{format_settings(settings)})"


class Attention(ToScalar, Module):
    """Self-attention with several heads (Vaswani et al. 2017, section 3.2).

    A head of size s computes softmax(Q Kᵀ / √s) V from s columns of Q, K and V, which are linear in
    X. A linear layer combines the heads' results.

    width   the number of elements of a vector, of which each head has width / heads
    heads   the number of heads
    causal  True if a position sees only itself and earlier ones; False if it sees all
    bias    True for biases in the linear layers
    init    an initializer, or its name in `nn.init`; biases start at 0
    rng     a seed or a NumPy Generator
    dtype   float32 or float64

    Raises ValueError if `heads` does not divide `width`.

    >>> Attention(4, 2)(np.ones((10, 3, 4))).shape
    (10, 3, 4)
    """

    nout: int

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        causal: bool = True,
        bias: bool = False,
        init: str | Init = "xavier_normal",
        rng: Rng = None,
        dtype: DTypeLike = np.float32,
    ):
        self.width, self.heads = check_heads(width, heads)
        self.nout, rng = self.width, generator(rng)
        self.causal, self.bias = check_flag("causal", causal), check_flag("bias", bias)
        self.query, self.key, self.value, self.output = [
            Dense(width, width, "linear", init=init, rng=rng, dtype=dtype, bias=bias)
            for _ in range(4)
        ]

    def __call__(self, X: Samples) -> Array:
        X = convert_samples(self, X, self.width)
        if X.ndim < 2:
            raise ValueError(
                f"Attention expects shape (positions, {self.width}) or (samples, positions, "
                f"{self.width}), got {X.shape}"
            )
        Q, K, V = [self._split(part(X)) for part in (self.query, self.key, self.value)]
        scores = Q @ K.swapaxes(-1, -2) / sqrt(self.width // self.heads)
        if self.causal:
            scores = scores + np.triu(np.full(scores.shape[-2:], -np.inf, X.dtype), 1)
        return self.output((scores.softmax() @ V).swapaxes(-2, -3).reshape(X.shape))

    def _split(self, X: Array) -> Array:
        """Return the part of each head: `(..., heads, positions, width / heads)`."""
        return X.reshape((*X.shape[:-1], self.heads, -1)).swapaxes(-2, -3)

    def __repr__(self) -> str:
        settings = {"causal": (self.causal, True), "bias": (self.bias, False)}
        return f"Attention({self.width}, {self.heads}{format_settings(settings)})"


class Transformer(ToScalar, Module):
    """A transformer block: X + attention(norm(X)), and then X + mlp(norm(X)).

    The norms precede the parts, as in GPT-2 (Radford et al. 2019). The MLP has one hidden layer of
    4 * width neurons.

    width, heads  as for `Attention`, like `causal`, `bias`, `init`, `rng` and `dtype`
    activation    of the hidden layer
    norm          "rms_norm" for `RMSNorm` without gain, or "layer_norm" for `LayerNorm`

    >>> Transformer(4, 2)(np.ones((10, 3, 4))).shape
    (10, 3, 4)
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        activation: str = "squared_relu",
        norm: str = "rms_norm",
        causal: bool = True,
        bias: bool = False,
        init: str | Init = "xavier_normal",
        rng: Rng = None,
        dtype: DTypeLike = np.float32,
    ):
        width, heads = check_heads(width, heads)
        rng, self.norm = generator(rng), norm
        how: Any = {"init": init, "rng": rng, "dtype": dtype, "bias": bias}
        self.attention_norm = make_norm(norm, width, dtype)
        self.attention = Attention(width, heads, causal=causal, **how)
        self.mlp_norm = make_norm(norm, width, dtype)
        self.mlp = MLP(width, [4 * width, width], activation, **how)

    def __call__(self, X: Samples) -> Array:
        X = convert_samples(self.attention, X, self.attention.width)
        X = X + self.attention(self.attention_norm(X))
        return X + self.mlp(self.mlp_norm(X))

    def __repr__(self) -> str:
        settings = {
            "activation": (self.mlp.activation, "squared_relu"), "norm": (self.norm, "rms_norm"),
            "causal": (self.attention.causal, True), "bias": (self.attention.bias, False),
        }  # fmt: skip
        attention = self.attention
        return f"Transformer({attention.width}, {attention.heads}{format_settings(settings)})"


def make_norm(name: str, width: int, dtype: DTypeLike) -> RMSNorm | LayerNorm:
    """Return the normalization with that name. Raises ValueError for an unknown name."""
    if look_up("norm", NORMS, name) == "layer_norm":
        return LayerNorm(width, dtype=dtype)
    return RMSNorm(width, gain=False, dtype=dtype)


class GPT(ToScalar, Module):
    """A language model: a transformer that predicts the next token (Radford et al. 2018, 2019).

    The vector of a position is norm(token_embedding[token] + position_embedding[position]). The
    blocks follow, and a linear layer, `head`, gives the logits of the next token. Unlike GPT-2 it
    normalizes after the embeddings and not before the head, has no biases by default, and no
    dropout.

    vocabulary  the number of tokens, which are integers from 0 on
    width       the number of elements of a vector
    heads       the number of heads of each block
    layers      the number of blocks
    positions   the largest number of tokens to read
    init        an initializer, or its name in `nn.init`; by default N(0, 0.08²)

    The other arguments are those of `Transformer`. The same seed gives the weights of
    `nn.scalar.GPT`, rounded to `dtype`.

    >>> model = GPT(27, width=16, heads=4, layers=1, positions=16)
    >>> model([26, 0, 11]).shape, model([[26, 0, 11], [26, 4, 4]]).shape
    ((3, 27), (2, 3, 27))
    """

    def __init__(
        self,
        vocabulary: int,
        width: int = 16,
        heads: int = 4,
        layers: int = 1,
        positions: int = 16,
        *,
        activation: str = "squared_relu",
        norm: str = "rms_norm",
        bias: bool = False,
        init: str | Init = SMALL,
        rng: Rng = None,
        dtype: DTypeLike = np.float32,
    ):
        how: Any = {"init": init, "rng": generator(rng), "dtype": dtype}
        self.vocabulary = check_whole("the size of the vocabulary", vocabulary)
        self.positions = check_whole("the number of positions", positions)
        self.token_embedding = Embedding(vocabulary, width, **how)
        self.position_embedding = Embedding(positions, width, **how)
        self.norm = make_norm(norm, width, dtype)
        self.blocks = [
            Transformer(width, heads, activation=activation, norm=norm, bias=bias, **how)
            for _ in range(check_whole("the number of layers", layers))
        ]
        self.head = Dense(width, vocabulary, "linear", bias=False, **how)

    def __call__(self, tokens: ArrayLike) -> Array:
        """Return the logits of the next token at each position.

        Tokens of shape `(positions,)` give logits of shape `(positions, vocabulary)`, and tokens of
        shape `(samples, positions)` logits of shape `(samples, positions, vocabulary)`. Raises
        TypeError for tokens that are not integers, and ValueError for more tokens than positions
        and for a token out of range.
        """
        indices = self._check(tokens)
        check_length("GPT", indices.shape[-1], self.positions)
        places = np.arange(indices.shape[-1])
        X = self.norm(self.token_embedding(indices) + self.position_embedding(places))
        for block in self.blocks:
            X = block(X)
        return self.head(X)

    def _check(self, tokens: ArrayLike) -> np.ndarray:
        """Return tokens as an array of one or two axes."""
        indices = check_indices(tokens, self.vocabulary)
        if indices.ndim not in (1, 2):
            raise ValueError(
                "GPT expects tokens of shape (positions,) or (samples, positions), got shape "
                f"{indices.shape}"
            )
        return indices

    def loss(self, tokens: ArrayLike) -> Array:
        """Return the mean cross entropy of each token of a document after the first.

        It is -log softmax(logits)[next token]. Tokens have the shape `(tokens,)`, or `(samples,
        tokens)` for documents of one length. Raises ValueError for fewer than 2 tokens.

        >>> round(GPT(27, init="zeros").loss([26, 0, 11, 26]).item(), 4)
        3.2958
        """
        indices = self._check(tokens)
        check_pairs(indices.shape[-1])
        logits = self(indices[..., :-1]).reshape((-1, self.vocabulary))
        return cross_entropy(logits, indices[..., 1:].ravel())

    def generate(
        self,
        rng: Rng = None,
        prompt: Iterable[int] = (0,),
        *,
        temperature: float = 1.0,
        end: int | None = None,
    ) -> list[int]:
        """Return tokens that follow a prompt, each drawn after those before it.

        rng          a seed or a NumPy Generator
        prompt       one or more tokens to begin with, which the result does not contain
        temperature  divides the logits; 0 takes the most probable token
        end          the token that ends a document, which the result does not contain

        It stops at `end`, or when the model has read a token at each position. Models of Values and
        of Arrays with the same weights return the same tokens. Raises ValueError for an empty
        prompt or one with more tokens than positions.

        >>> GPT(3, positions=4, init="zeros").generate(0, prompt=[2, 1])
        [1, 0, 0]
        """
        tokens: list[int] = []

        def read(token: int) -> list[float]:
            tokens.append(token)
            return self(tokens).data[-1].tolist()

        return generate(read, rng, prompt, temperature, end, self.positions)

    def __repr__(self) -> str:
        block = self.blocks[0]
        settings = {
            "activation": (block.mlp.activation, "squared_relu"), "norm": (block.norm, "rms_norm"),
            "bias": (block.attention.bias, False),
        }  # fmt: skip
        return (
            f"GPT({self.vocabulary}, width={block.attention.width}, "
            f"heads={block.attention.heads}, layers={len(self.blocks)}, "
            f"positions={self.positions}{format_settings(settings)})"
        )
