"""Damage to bytes, as a faulty disk, a broken transfer or an attacker causes it."""

from collections.abc import Sequence
from random import Random

EDGES = [0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
EDGES += [2**63 - 1, 2**63, 2**64 - 1, 2**40]


def flip_bits(content: bytearray, rng: Random, seeds: Sequence[bytes]) -> None:
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def truncate(content: bytearray, rng: Random, seeds: Sequence[bytes]) -> None:
    del content[rng.randrange(len(content)) :]


def insert_bytes(content: bytearray, rng: Random, seeds: Sequence[bytes]) -> None:
    at = rng.randrange(len(content) + 1)
    content[at:at] = rng.randbytes(rng.choice([1, 2, 4, 30]))


def remove_bytes(content: bytearray, rng: Random, seeds: Sequence[bytes]) -> None:
    at = rng.randrange(len(content))
    del content[at : at + rng.choice([1, 2, 4, 30])]


def repeat_bytes(content: bytearray, rng: Random, seeds: Sequence[bytes]) -> None:
    at = rng.randrange(len(content))
    part = content[at : at + rng.choice([1, 4, 30, 200])]
    content[at:at] = part * rng.choice([1, 1, 5])


def splice(content: bytearray, rng: Random, seeds: Sequence[bytes]) -> None:
    """Replace the end of the file by the end of another."""
    other = rng.choice(seeds)
    content[rng.randrange(len(content)) :] = other[rng.randrange(len(other) + 1) :]


def overwrite_number(content: bytearray, rng: Random, seeds: Sequence[bytes]) -> None:
    """Overwrite bytes with an extreme length, size or offset."""
    width = rng.choice([1, 2, 4, 8])
    at = rng.randrange(len(content))
    number = rng.choice(EDGES) % 256**width
    content[at : at + width] = number.to_bytes(width, rng.choice(["little", "big"]))


def blank(content: bytearray, rng: Random, seeds: Sequence[bytes]) -> None:
    at = rng.randrange(len(content))
    length = len(content[at : at + 16])
    content[at : at + length] = bytes(length)


ALL = [
    flip_bits,
    truncate,
    insert_bytes,
    remove_bytes,
    repeat_bytes,
    splice,
    overwrite_number,
    blank,
]


def mutate(seeds: Sequence[bytes], rng: Random) -> bytes:
    """Return one of the seeds, damaged one to three times."""
    content = bytearray(rng.choice(seeds))
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if content:
            rng.choice(ALL)(content, rng, seeds)
    return bytes(content)
