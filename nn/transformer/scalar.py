"""Attention, transformer blocks and a GPT of Values, one scalar at a time.

A sequence is a list with the vector of each position, which is a list of Values. In the equations,
x is the vector of one position.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from math import sqrt
from operator import add
from typing import Any

from engine.functions import Weights, linear, logsumexp, softmax, total
from engine.value import Value
from engine.watch.scopes import scoped
from nn.arguments import check_flag, check_sequence, check_whole, look_up
from nn.init import Init, Rng, generator, make_weights
from nn.module import Module
from nn.scalar import MLP, Layer, Sample, ToVector, convert_sample
from nn.transformer.arguments import (
    NORMS,
    SMALL,
    check_heads,
    check_length,
    check_pairs,
    format_settings,
)
from nn.transformer.sampling import generate
from nn.transformer.scalar_layers import Embedding, LayerNorm, RMSNorm, select_row

Vector = Sequence[Value]
Memory = list[tuple[Vector, Vector]]  # of a head: the key and the value of each position so far


class Head(Module):
    """One head of attention: the mean of the values v, weighted by softmax(q · k / √size).

    q, k and v are linear in the vectors of the positions.
    """

    def __init__(self, query: Layer, key: Layer, value: Layer):
        self.query, self.key, self.value = query, key, value

    def read(self, x: Vector, memory: Memory) -> None:
        """Append the key and the value of a position to the memory."""
        memory.append((self.key._outputs(x), self.value._outputs(x)))

    @partial(scoped, most=0)
    def attend(self, x: Vector, memory: Memory) -> Vector:
        """Return the sum of the values in the memory, weighted for a position."""
        keys, values = zip(*memory, strict=True)
        query = [q / sqrt(len(keys[0])) for q in self.query._outputs(x)]
        weights = softmax(multiply_rows(keys, query))
        return multiply_rows([*zip(*values, strict=True)], weights)

    def __repr__(self) -> str:
        return f"Head({self.query.nin}, {self.query.nout})"


def multiply_rows(rows: Sequence[Sequence[Value]], x: Sequence[Value]) -> Vector:
    """Return the product of a matrix, given as its rows, and a vector."""
    return linear(Weights(rows, [None] * len(rows)), x)


class Attention(ToVector, Module):
    """Self-attention with several heads (Vaswani et al. 2017, section 3.2).

    Each head weights the values of all positions; a linear layer combines the heads' results. A
    sequence gives a sequence: `attention(X)[t]` is the vector of position t.

    width   the number of elements of a vector, of which each head has width / heads
    heads   the number of heads
    causal  True if a position sees only itself and earlier ones; False if it sees all
    bias    True for biases in the linear layers
    init    an initializer, or its name in `nn.init`; biases start at 0
    rng     a seed or a NumPy Generator

    Raises ValueError if `heads` does not divide `width`.

    >>> attention = Attention(4, 2, init="zeros")
    >>> [len(x) for x in attention([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])]
    [4, 4]
    >>> len(attention.parameters())
    64
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
    ):
        self.width, heads = check_heads(width, heads)
        self.nin = self.nout = self.width
        self.causal, self.bias = check_flag("causal", causal), check_flag("bias", bias)
        rng, size = generator(rng), self.width // heads
        query, key, value = [iter(make_weights(init, width, width, rng)) for _ in range(3)]

        def make_part(rows: Iterator[Any]) -> Layer:
            part = [next(rows) for _ in range(size)]
            return Layer(width, size, "linear", init=lambda *_: part, bias=bias)

        self.heads = [
            Head(make_part(query), make_part(key), make_part(value)) for _ in range(heads)
        ]
        self.output = Layer(width, width, "linear", init=init, rng=rng, bias=bias)

    def __call__(self, X: Iterable[Sample]) -> list[Vector]:
        xs, memories = [convert_sample(self, x) for x in check_sequence(X)], self._memories()
        if self.causal:
            return [self._step(x, memories) for x in xs]
        for x in xs:
            self._read(x, memories)
        return [self._attend(x, memories) for x in xs]

    def _memories(self) -> list[Memory]:
        """Return an empty memory for each head."""
        return [[] for _ in self.heads]

    def _step(self, x: Vector, memories: list[Memory]) -> Vector:
        """Return the result at a position, after those that are in the memories."""
        self._read(x, memories)
        return self._attend(x, memories)

    def _read(self, x: Vector, memories: list[Memory]) -> None:
        for head, memory in zip(self.heads, memories, strict=True):
            head.read(x, memory)

    def _attend(self, x: Vector, memories: list[Memory]) -> Vector:
        pairs = zip(self.heads, memories, strict=True)
        return self.output._outputs([y for head, memory in pairs for y in head.attend(x, memory)])

    def __repr__(self) -> str:
        settings = {"causal": (self.causal, True), "bias": (self.bias, False)}
        return f"Attention({self.width}, {len(self.heads)}{format_settings(settings)})"


class Transformer(ToVector, Module):
    """A transformer block: x + attention(norm(x)), and then x + mlp(norm(x)).

    The norms precede the parts, as in GPT-2 (Radford et al. 2019). The MLP has one hidden layer of
    4 * width neurons. A sequence gives a sequence, as for `Attention`.

    width, heads  as for `Attention`, like `causal`, `bias`, `init` and `rng`
    activation    of the hidden layer
    norm          "rms_norm" for `RMSNorm` without gain, or "layer_norm" for `LayerNorm`

    >>> block = Transformer(4, 2, rng=0)
    >>> [len(x) for x in block([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])]
    [4, 4]
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
    ):
        width, heads = check_heads(width, heads)
        rng, self.norm = generator(rng), norm
        self.attention_norm = make_norm(norm, width)
        self.attention = Attention(width, heads, causal=causal, bias=bias, init=init, rng=rng)
        self.mlp_norm = make_norm(norm, width)
        self.mlp = MLP(width, [4 * width, width], activation, init=init, rng=rng, bias=bias)

    def __call__(self, X: Iterable[Sample]) -> list[Vector]:
        xs = [convert_sample(self.attention, x) for x in check_sequence(X)]
        changes = self.attention([self.attention_norm(x) for x in xs])
        return [self._add_mlp(add_vectors(x, y)) for x, y in zip(xs, changes, strict=True)]

    @partial(scoped, most=1)
    def _step(self, x: Vector, memories: list[Memory]) -> Vector:
        """Return the result at a position, after those that are in the memories."""
        change = self.attention._step(self.attention_norm(x), memories)
        return self._add_mlp(add_vectors(x, change))

    def _add_mlp(self, x: Vector) -> Vector:
        return add_vectors(x, self.mlp._outputs(self.mlp_norm(x)))

    def __repr__(self) -> str:
        settings = {
            "activation": (self.mlp.activation, "squared_relu"), "norm": (self.norm, "rms_norm"),
            "causal": (self.attention.causal, True), "bias": (self.attention.bias, False),
        }  # fmt: skip
        heads = len(self.attention.heads)
        return f"Transformer({self.attention.width}, {heads}{format_settings(settings)})"


def add_vectors(x: Iterable[Value], y: Iterable[Value]) -> Vector:
    return [*map(add, x, y)]


def make_norm(name: str, width: int) -> RMSNorm | LayerNorm:
    """Return the normalization with that name. Raises ValueError for an unknown name."""
    return (
        LayerNorm(width)
        if look_up("norm", NORMS, name) == "layer_norm"
        else RMSNorm(width, gain=False)
    )


class GPT(ToVector, Module):
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

    The other arguments are those of `Transformer`.

    >>> model = GPT(27, width=16, heads=4, layers=1, positions=16, rng=0)
    >>> len(model.parameters())
    4192
    >>> logits = model([26, 0, 11])
    >>> len(logits), len(logits[0])
    (3, 27)
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
    ):
        rng = generator(rng)
        self.vocabulary = check_whole("the size of the vocabulary", vocabulary)
        self.positions = check_whole("the number of positions", positions)
        self.token_embedding = Embedding(vocabulary, width, init=init, rng=rng)
        self.position_embedding = Embedding(positions, width, init=init, rng=rng)
        self.norm = make_norm(norm, width)
        self.blocks = [
            Transformer(
                width, heads, activation=activation, norm=norm, bias=bias, init=init, rng=rng
            )
            for _ in range(check_whole("the number of layers", layers))
        ]
        self.head = Layer(width, vocabulary, "linear", init=init, rng=rng, bias=False)

    def __call__(self, tokens: Iterable[int]) -> list[Vector]:
        """Return the logits of the next token at each position, a list of `vocabulary` Values.

        Raises TypeError for tokens that are not integers, and ValueError for more tokens than
        positions and for a token out of range.
        """
        tokens = list(check_sequence(tokens, "GPT expects a list of tokens"))
        check_length("GPT", len(tokens), self.positions)
        memories = self._memories()
        return [self._step(token, i, memories) for i, token in enumerate(tokens)]

    def _memories(self) -> list[list[Memory]]:
        """Return the empty memories of each block."""
        return [block.attention._memories() for block in self.blocks]

    def _step(self, token: int, position: int, memories: list[list[Memory]]) -> Vector:
        """Return the logits after a token, whose keys and values are appended to the memories."""
        x: Vector = self.norm(
            add_vectors(self.token_embedding(token), self.position_embedding(position))
        )
        for block, memory in zip(self.blocks, memories, strict=True):
            x = block._step(x, memory)
        return self.head._outputs(x)

    def loss(self, tokens: Iterable[int]) -> Value:
        """Return the mean cross entropy of each token of a document after the first.

        It is -log softmax(logits)[next token]. Raises ValueError for fewer than 2 tokens.

        >>> GPT(27, init="zeros").loss([26, 0, 11, 26])
        Value(3.29584)
        """
        tokens = list(check_sequence(tokens, "GPT expects a list of tokens"))
        check_pairs(len(tokens))
        pairs = zip(self(tokens[:-1]), tokens[1:], strict=True)
        return total([logsumexp(z) - select_row(z, token) for z, token in pairs]) / (
            len(tokens) - 1
        )

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
        memories = self._memories()
        read = lambda token: [z.data for z in self._step(token, len(memories[0][0]), memories)]
        return generate(read, rng, prompt, temperature, end, self.positions)

    def __repr__(self) -> str:
        block = self.blocks[0]
        settings = {
            "activation": (block.mlp.activation, "squared_relu"), "norm": (block.norm, "rms_norm"),
            "bias": (block.attention.bias, False),
        }  # fmt: skip
        return (
            f"GPT({self.vocabulary}, width={block.attention.width}, "
            f"heads={len(block.attention.heads)}, layers={len(self.blocks)}, "
            f"positions={self.positions}{format_settings(settings)})"
        )
