"""Tokens drawn from a language model, one after the other."""

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any

from engine.sequences.rules import softmax
from engine.watch.no_grad import no_grad
from nn.arguments import check_sequence, check_within
from nn.init import Rng, generator


def generate(
    read: Callable[[int], Sequence[float]],
    rng: Rng,
    prompt: Iterable[int],
    temperature: float,
    end: int | None,
    positions: int,
) -> list[int]:
    """Return the tokens that follow a prompt, until `end` or until all positions are read.

    `read` takes the next token and returns the logits of the one after it.
    """
    temperature, rng = check_within("temperature", temperature), generator(rng)
    prompt = list(check_sequence(prompt, "generate expects a list of tokens as the prompt"))
    if not 0 < len(prompt) <= positions:
        raise ValueError(f"generate expects a prompt of 1 to {positions} tokens, got {len(prompt)}")
    tokens: list[int] = []
    with no_grad():
        for token in prompt:
            logits = read(token)
        for position in range(len(prompt), positions + 1):
            token = draw_token(rng, logits, temperature)
            if token == end:
                break
            tokens.append(token)
            if position < positions:
                logits = read(token)
    return tokens


def draw_token(rng: Any, logits: Sequence[float], temperature: float) -> int:
    """Return an index, drawn with the probabilities softmax(logits / temperature).

    At temperature 0 it is that of the largest logit.

    >>> from nn.init import generator
    >>> draw_token(generator(0), [0.0, 5.0, -1.0], temperature=0.0)
    1
    """
    largest = max(range(len(logits)), key=logits.__getitem__)
    if temperature == 0.0:
        return largest
    shares = softmax([(x - logits[largest]) / temperature for x in logits])
    u = float(rng.random())
    return next((i for i, x in enumerate(accumulate(shares)) if u < x), largest)
