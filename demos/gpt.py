"""A GPT of 4,192 scalars learns to make up names, one scalar at a time, as compiled code.

Writes gpt.svg: the loss by step, and where each head looks while it reads a name. Writes gpt.html:
a page that steps through the loss of one name, block by block; its boxes open.
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from math import sqrt
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from demos.pictures.gpt import save_picture
from demos.shared.timing import Stopwatch
from engine import Value, dot, jit, no_grad, softmax
from engine.draw import step
from nn import data, optim, schedules
from nn.scalar import GPT

POSITIONS, HEADS, RATE = 16, 4, 0.01
SAMPLES = 20  # names to make up
BOUNDARY = 0  # the token before and after a document


def main(
    out: Path, seed: int = 0, steps: int = 1000, batch: int = 1, layers: int = 1, width: int = 16,
    eager: bool = False, file: Path | None = None,
) -> None:  # fmt: skip
    if width % HEADS:
        sys.exit(f"--width must be a multiple of {HEADS}, the number of heads, got {width}")
    documents = read_documents(file) if file else data.names()
    characters = sorted({*"".join(documents)})
    shuffled = np.random.default_rng(seed).permutation(len(documents))
    tokens = [encode(documents[i], characters) for i in shuffled]
    model = GPT(len(characters) + 1, width, HEADS, layers, POSITIONS, rng=seed)
    loss = jit(model.loss, model, enabled=not eager)
    print(f"{model}: {len(model.parameters()):,} parameters\n{len(documents):,} documents")
    if not eager:
        stopwatch = Stopwatch()
        for document in {len(document): document for document in tokens}.values():
            loss(document).backward()
        if batch > 1:
            loss.map(tokens[:batch]).mean().backward()
        print(f"{loss}, one for each length, in {stopwatch.lap():.1f} s")

    stopwatch, losses = Stopwatch(), []
    bar = tqdm(train(loss, tokens, steps, batch), total=steps, desc="gpt", unit="step")
    for number in bar:
        losses.append(number)
        if len(losses) % 50 == 0:
            bar.set_postfix(loss=f"{np.mean(losses[-50:]):.4f}", refresh=False)
    seconds = stopwatch.lap()
    loss.sync()
    print(f"{loss} after training")
    print(f"{steps:,} steps in {seconds:.2f} s: {steps / seconds:,.0f} steps per second")
    print(f"loss {np.mean(losses[:50]):.4f} at first, {np.mean(losses[-50:]):.4f} at last\n")

    rng = np.random.default_rng(seed)
    for _ in range(SAMPLES):
        print(f"  {decode(model.generate(rng, [BOUNDARY], end=BOUNDARY), characters)}")
    read = tokens[0][:-1]  # the last token is only predicted
    save_picture(
        losses, attention_weights(model, read), format_tokens(read, characters), out / "gpt.svg"
    )
    print(f"\nwrote {out / 'gpt.svg'}")
    print(f"wrote {step_page(model, min(tokens, key=len)).save(out / 'gpt.html')}")


def read_documents(path: Path) -> list[str]:
    """Return the lines of a file that are not empty. Exits with a message if there is none."""
    try:
        documents = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        sys.exit(f"--file {path}: {reason}; choose a text file with one document a line")
    if not documents:
        sys.exit(f"--file {path}: expected one document a line, got an empty file")
    return documents


def encode(document: str, characters: Sequence[str]) -> list[int]:
    """Return the tokens of a document, cut to one more than the number of positions.

    >>> encode("abba", ["a", "b"])
    [0, 1, 2, 2, 1, 0]
    """
    tokens = [BOUNDARY, *[characters.index(c) + 1 for c in document], BOUNDARY]
    return tokens[: POSITIONS + 1]


def decode(tokens: Sequence[int], characters: Sequence[str]) -> str:
    return "".join([characters[token - 1] for token in tokens])


def format_tokens(tokens: Sequence[int], characters: Sequence[str]) -> list[str]:
    """Return a text for each token, "·" for the boundary."""
    return ["·" if token == BOUNDARY else characters[token - 1] for token in tokens]


def train(loss: Any, documents: Sequence[list[int]], steps: int, batch: int) -> Iterator[float]:
    """Yield the loss of each step of Adam, whose learning rate decreases linearly to 0."""
    optimizer = optim.Adam(loss.parameters(), lr=RATE)
    rate, source = schedules.linear(RATE, steps=steps), cycle(documents)
    for i in range(steps):
        optimizer.zero_grad()
        some = [*islice(source, batch)]
        mean = loss(some[0]) if batch == 1 else loss.map(some).mean()
        mean.backward()
        optimizer.lr = rate(i)
        optimizer.step()
        yield float(mean.data)


def attention_weights(model: GPT, tokens: Sequence[int]) -> list[list[np.ndarray]]:
    """Return the weights of each head of each block, of shape (positions, positions).

    Row t has the weights of the positions up to t, and zeros for the others.
    """
    weights = []
    with no_grad():
        embeddings = map(model.token_embedding, tokens)
        positions = map(model.position_embedding, range(len(tokens)))
        xs = [model.norm([*map(add, *pair)]) for pair in zip(embeddings, positions, strict=True)]
        for block in model.blocks:
            normalized = [block.attention_norm(x) for x in xs]
            weights.append([compute_weights(head, normalized) for head in block.attention.heads])
            xs = block(xs)
    return weights


def compute_weights(head: Any, xs: Sequence[Sequence[Value]]) -> np.ndarray:
    """Return softmax(q · k / √size) for the query of each position and the keys up to it."""
    queries, keys = [
        [[neuron(x) for neuron in layer.neurons] for x in xs] for layer in (head.query, head.key)
    ]
    weights = np.zeros((len(xs), len(xs)))
    for t, query in enumerate(queries):
        scores = [dot(query, key) / sqrt(len(key)) for key in keys[: t + 1]]
        weights[t, : t + 1] = [w.data for w in softmax(scores)]
    return weights


def step_page(model: GPT, tokens: Sequence[int]) -> Any:
    """Return a page that steps through the loss of a document, with boxes that open."""
    loss = model.loss(tokens)
    loss.label = "loss"
    return step(loss, model, level="blocks")
