"""A damaged IDX file gives an array, or a ValueError that names the file."""

import gzip
import pickle
import struct
import zlib
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np

from nn import idx
from soak.mutations import EDGES, mutate
from soak.watch import Tally, name_input, random, start, watch_reading

WIDTHS = {8: 1, 9: 1, 11: 2, 12: 4, 13: 4, 14: 8}
EARLY = ("empty", "not IDX", "truncated: 1 b", "truncated: 2 b", "truncated: 3 b", "type code")


def pack_header(code: int, sizes: list[int]) -> bytes:
    return struct.pack(f">4B{len(sizes)}I", 0, 0, code, len(sizes), *sizes)


def draw_file(rng: Random) -> bytes:
    """Return a valid file."""
    code, sizes = rng.choice(list(WIDTHS)), [rng.randrange(5) for _ in range(rng.randrange(5))]
    return pack_header(code, sizes) + rng.randbytes(WIDTHS[code] * int(np.prod(sizes)))


def draw_header(rng: Random) -> bytes:
    """Return a header with extreme sizes, and few bytes after it."""
    rank = rng.choice([1, 2, 3, 9, 64, 65, 255])
    sizes = [rng.choice([*EDGES, 0, 1, 1, 1]) % 2**32 for _ in range(rank)]
    return pack_header(rng.choice(list(WIDTHS)), sizes) + rng.randbytes(rng.randrange(99))


def compress(content: bytes, rng: Random) -> bytes:
    """Return the data compressed by gzip, in one or several members, with or without a name."""
    cut = rng.randrange(len(content) + 1)
    made = [gzip.compress(part, rng.randrange(10)) for part in (content[:cut], content[cut:])]
    if rng.random() < 0.2:  # flags: text, header's CRC, extra field, name, comment
        made[0] = made[0][:3] + bytes([rng.randrange(32)]) + made[0][4:10] + bytes(9) + made[0][10:]
    return b"".join(made) + bytes(rng.choice([0, 0, 7]))


BOMB = gzip.compress(pack_header(8, [10]) + bytes(2**25))
FULL = gzip.compress(pack_header(8, [2**16]) + bytes(2**16))
FOREIGN = [
    b"",
    b"<html>",
    b"PK\3\4",
    pickle.dumps([print, 1]),
    b"\x93NUMPY\1\0",
    zlib.compress(b"x"),
]


def draw_input(rng: Random) -> bytes:
    """Return an input, which may be damaged before compression, after it, or both."""
    kind = rng.random()
    if kind < 0.02:
        return mutate([BOMB, FULL], rng)
    if kind < 0.04:
        return mutate(FOREIGN, rng)
    content = draw_header(rng) if kind < 0.2 else draw_file(rng)
    if rng.random() < 0.6:
        seeds = [content, draw_file(rng)]
        content = mutate(seeds, rng)
    if rng.random() < 0.5:
        content = compress(content, rng)
        if rng.random() < 0.5:
            content = mutate([content], rng)
    return content


def soak(n: int, seed: int) -> Tally:
    """Read n files."""
    tally = Tally()
    with TemporaryDirectory() as folder:
        path = Path(folder, "some.idx")
        path.write_bytes(FULL)
        idx.read(path)
        start()
        for i in range(n):
            content = draw_input(random(seed, i))
            path.unlink()
            path.write_bytes(content)
            with name_input(i, seed, content):
                tally.ends[read_file(path, len(content))] += 1
    return tally


def read_file(path: Path, size: int) -> str:
    """Read a file and return the outcome; deflate's highest ratio bounds the memory."""
    with watch_reading(2**20 + 3 * size * idx.EXPANSION):
        try:
            array = idx.read(path)
        except ValueError as problem:
            message = str(problem)
        else:
            assert array.flags.writeable
            assert array.nbytes <= size * idx.EXPANSION
            return "read"
    assert message.startswith(f"{path}: "), message
    assert len(message) < 4000, message
    message = message.removeprefix(f"{path}: ")
    early = message.startswith(EARLY)
    return "- " * early + " ".join(message.split(",")[0].split(":")[0].split()[:2])
