"""The IDX format: arrays of numbers in a file, as MNIST and its relatives are published.

Two zero bytes, a code for the type of the elements, the number of dimensions, the size of each in
four bytes, then the elements, the last dimension fastest; big endian throughout (LeCun, Cortes &
Burges, "The MNIST database of handwritten digits"). A file may be packed by gzip: its content tells
so, not its name.

Whatever is wrong with a file is a ValueError that names it. No header is believed before the file
bears it out: memory goes to what has been read, never to what is promised.
"""

import gzip
import os
import zlib
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nn.arguments import whole

MNIST = Path(__file__).parent / "mnist"  # the four files that come with this package
KINDS = ("images-idx3-ubyte", "labels-idx1-ubyte")  # "train" and "t10k" stand before each

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP = b"\x1f\x8b"
EXPANSION = 1032  # deflate's most: 258 bytes, its longest repeat, from 2 bits
CHUNK = 2**20
FOREIGN = {  # what is also found under such names, by how it begins
    b"<": "a web page? Download the file itself",
    b"PK": "a zip archive? Unpack it",
    GZIP: "packed twice? Unpack it once",
    b"\x93NUM": "a file of NumPy's? Read it with numpy.load",
}


def read(path: Any, rank: int | None = None, dtype: Any = None) -> np.ndarray:
    """The array in an IDX file: writable, in the byte order of this machine.

    Its type is uint8, int8, int16, int32, float32 or float64. `rank` and `dtype` say what is
    expected: the number of dimensions, the type.

    ValueError that names the file for one that is not IDX, is truncated, overlong or damaged, or
    holds something other than expected; OSError for one that cannot be opened.

    >>> read(MNIST / "t10k-labels-idx1-ubyte.gz", rank=1)[:5]
    array([7, 2, 1, 0, 4], dtype=uint8)
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        packed = file.read(len(GZIP)) == GZIP
        file.seek(0)
        try:
            if not packed:
                return array(file, size, rank, dtype)
            with gzip.GzipFile(fileobj=file) as content:
                return array(content, size * EXPANSION, rank, dtype)
        except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
            says = f"damaged gzip, or bytes after its end ({problem}); download it again"
        except ValueError as problem:
            says = str(problem)
    raise ValueError(f"{path}: {says}")


def brief(shape: tuple[int, ...]) -> str:
    """A shape in a message; a damaged file may have 255 dimensions."""
    return str(shape) if len(shape) <= 4 else f"({', '.join(map(str, shape[:4]))}, ...)"


def array(content: BinaryIO | gzip.GzipFile, most: int, rank: Any, dtype: Any) -> np.ndarray:
    """The array in an unpacked stream of at most `most` bytes; a ValueError says what is wrong."""
    stored, shape = header(content)
    native = stored.newbyteorder("=")
    if rank is not None and len(shape) != rank:
        raise ValueError(
            f"rank {len(shape)}, of shape {brief(shape)}, where rank {rank} is expected"
        )
    if dtype is not None and native != np.dtype(dtype):
        raise ValueError(f"elements of {native}, where {np.dtype(dtype)} is expected")
    wanted = prod(shape) * stored.itemsize
    if wanted > most:
        raise ValueError(
            f"truncated, or of a wrong header: shape {shape} takes {wanted} bytes of elements, the "
            f"whole file can hold {most}; download it again"
        )
    found = bytearray()
    while len(found) < wanted and (chunk := content.read(min(CHUNK, wanted - len(found)))):
        found += chunk
    if len(found) < wanted:
        raise ValueError(
            f"truncated: shape {shape} takes {wanted} bytes of elements, found {len(found)}; "
            "download it again"
        )
    if content.read(1):
        raise ValueError(f"overlong: bytes follow the {wanted} that shape {shape} takes")
    return np.frombuffer(found, stored).astype(native, copy=False).reshape(shape)


def header(content: BinaryIO | gzip.GzipFile) -> tuple[np.dtype, tuple[int, ...]]:
    """The type and the shape that an IDX file begins with."""
    magic = content.read(4)
    if not magic:
        raise ValueError("empty; download it again")
    foreign = [what for start, what in FOREIGN.items() if magic.lstrip().startswith(start)]
    if not b"\0\0".startswith(magic[:2]):
        raise ValueError("; ".join([f"not IDX, which begins with two zeros: {magic!r}", *foreign]))
    if len(magic) < 4:
        raise ValueError(f"truncated: {len(magic)} bytes; download it again")
    _, _, code, rank = magic
    if code not in TYPES:
        known = ", ".join(f"0x{each:02x} ({np.dtype(TYPES[each]).name})" for each in TYPES)
        raise ValueError(f"type code 0x{code:02x}; IDX has {known}")
    sizes = content.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise ValueError(
            f"truncated: the sizes of {rank} dimensions take {4 * rank} bytes, found {len(sizes)}; "
            "download it again"
        )
    return np.dtype(TYPES[code]), tuple(np.frombuffer(sizes, ">u4").tolist())


def labelled(folder: Any, part: str, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Images and their labels, uint8 of shapes `(n, height, width)` and `(n,)`, from two files.

    `part` is "train" or "t10k". ValueError also for labels that are not in 0 .. classes - 1, for
    images and labels of different number, and for none.

    >>> images, labels = labelled(MNIST, "t10k", classes=10)
    >>> images.shape, labels.shape
    ((10000, 28, 28), (10000,))
    """
    classes = whole("classes", classes)
    pictures, answers = (located(folder, part, what) for what in KINDS)
    labels = read(answers, rank=1, dtype=np.uint8)
    if (labels >= classes).any():
        i = int((labels >= classes).argmax())
        raise ValueError(
            f"{answers}: label {labels[i]} at index {i}, where {classes} classes have labels "
            f"0 to {classes - 1}; if there are more, pass classes={int(labels.max()) + 1}"
        )
    images = read(pictures, rank=3, dtype=np.uint8)
    if len(images) != len(labels):
        raise ValueError(
            f"{pictures} has {len(images)} images, {answers} {len(labels)} labels; "
            "take both from the same data set"
        )
    if not images.size:
        raise ValueError(f"{pictures}: no pixels, of shape {images.shape}")
    return images, labels


def located(folder: Any, part: str, kind: str) -> Path:
    """Where a file is that may be packed and may be spelled with a dot; FileNotFoundError if none.

    >>> located(MNIST, "t10k", "labels-idx1-ubyte").name
    't10k-labels-idx1-ubyte.gz'
    """
    names = [f"{part}-{kind}", f"{part}-{kind}".replace("-idx", ".idx")]
    for name in [each + suffix for each in names for suffix in ("", ".gz")]:
        if (path := Path(folder, name)).is_file():
            return path
    four = ", ".join(f"{part}-{kind}" for part in ("train", "t10k") for kind in KINDS)
    raise FileNotFoundError(
        f"no {names[0]} in {folder}; a data set is four files there: {four}, "
        "each plain or with .gz, also spelled .idx"
    )
