"""Reader of the IDX file format, in which MNIST and similar data sets are published.

A file has two zero bytes, a code for the type of the elements, the number of dimensions, the size
of each dimension in four bytes, and the elements in C order. Numbers are big endian (LeCun, Cortes
& Burges, "The MNIST database of handwritten digits"). A file compressed by gzip is recognized by
its content, not by its name.

Any defect in a file raises a ValueError that names the file. Memory is allocated for bytes that
were read, never for the sizes in the header, which may be wrong.
"""

import gzip
import os
import zlib
from math import prod
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import DTypeLike

from nn.arguments import check_whole, format_count

HERE = Path(__file__).parent / "mnist"  # with the four files in the clone, not in the wheel
MNIST = Path(os.environ.get("STEPGRAD_MNIST") or HERE)
KINDS = ("images-idx3-ubyte", "labels-idx1-ubyte")  # after "train-" or "t10k-"

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP = b"\x1f\x8b"
EXPANSION = 1032  # deflate's limit: its longest repeat, 258 bytes, from 2 bits
CHUNK = 2**20
OTHER_FORMATS = {  # by their first bytes
    b"<": "a web page? Download the file itself",
    b"PK": "a zip archive? Unpack it",
    GZIP: "compressed twice? Unpack it once",
    b"\x93NUM": "a NumPy file? Read it with numpy.load",
}

AnyPath = str | PathLike[str]
Stream = BinaryIO | gzip.GzipFile


def read(path: AnyPath, rank: int | None = None, dtype: DTypeLike | None = None) -> np.ndarray:
    """Return the array in an IDX file, writable and in the byte order of this machine.

    rank   the expected number of dimensions
    dtype  the expected type: uint8, int8, int16, int32, float32 or float64

    Raises ValueError if the file is not IDX, is truncated, overlong or damaged, or has another rank
    or type. Raises OSError if it cannot be opened.

    >>> read(MNIST / "t10k-labels-idx1-ubyte.gz", rank=1)[:5]
    array([7, 2, 1, 0, 4], dtype=uint8)
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        compressed = file.read(len(GZIP)) == GZIP
        file.seek(0)
        try:
            if not compressed:
                return read_array(file, size, rank, dtype)
            with gzip.GzipFile(fileobj=file) as content:
                return read_array(content, size * EXPANSION, rank, dtype)
        except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
            message = f"damaged gzip, or bytes after its end ({problem}); download it again"
        except ValueError as problem:
            message = str(problem)
    raise ValueError(f"{path}: {message}")


def read_array(stream: Stream, limit: int, rank: int | None, dtype: DTypeLike | None) -> np.ndarray:
    """Return the array in an uncompressed stream of at most `limit` bytes, as `read` does."""
    stored, shape = read_header(stream)
    native = stored.newbyteorder("=")
    if rank is not None and len(shape) != rank:
        raise ValueError(f"expected rank {rank}, got {len(shape)}, of shape {format_shape(shape)}")
    if dtype is not None and native != np.dtype(dtype):
        raise ValueError(f"expected elements of {np.dtype(dtype)}, got {native}")
    expected = prod(shape) * stored.itemsize
    if expected > limit:
        raise ValueError(
            f"truncated, or wrong header: shape {shape} takes {expected} bytes of elements, "
            f"the whole file can hold {limit}; download it again"
        )
    elements = bytearray()
    while len(elements) < expected and (chunk := stream.read(min(CHUNK, expected - len(elements)))):
        elements += chunk
    if len(elements) < expected:
        raise ValueError(
            f"truncated: shape {shape} takes {expected} bytes of elements, got {len(elements)}; "
            "download it again"
        )
    if stream.read(1):
        raise ValueError(f"overlong: bytes follow the {expected} that shape {shape} takes")
    return np.frombuffer(elements, stored).astype(native, copy=False).reshape(shape)


def read_header(stream: Stream) -> tuple[np.dtype, tuple[int, ...]]:
    """Return the type and the shape in the header of an IDX file."""
    magic = stream.read(4)
    if not magic:
        raise ValueError("empty; download it again")
    if not b"\0\0".startswith(magic[:2]):
        start = magic.lstrip()
        remedies = [text for first, text in OTHER_FORMATS.items() if start.startswith(first)]
        raise ValueError("; ".join([f"not IDX, which begins with two zeros: {magic!r}", *remedies]))
    if len(magic) < 4:
        raise ValueError(f"truncated: {len(magic)} bytes; download it again")
    _, _, code, rank = magic
    if code not in TYPES:
        codes = ", ".join(f"0x{code:02x} ({np.dtype(kind).name})" for code, kind in TYPES.items())
        raise ValueError(f"unknown type code 0x{code:02x}; IDX has {codes}")
    sizes = stream.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise ValueError(
            f"truncated: the sizes of {rank} dimensions take {4 * rank} bytes, got {len(sizes)}; "
            "download it again"
        )
    return np.dtype(TYPES[code]), tuple(np.frombuffer(sizes, ">u4").tolist())


def format_shape(shape: tuple[int, ...]) -> str:
    """Return a shape for a message, abridged: a damaged file may have 255 dimensions."""
    return str(shape) if len(shape) <= 4 else f"({', '.join(map(str, shape[:4]))}, ...)"


def read_labelled(folder: AnyPath, part: str, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images of shape `(n, height, width)` and labels of shape `(n,)`, both uint8.

    They are two files of `folder`; `part` is "train" or "t10k". Raises ValueError as `read` does,
    and also for a label that is not below `classes`, for unequal numbers of images and labels, and
    for images without pixels.

    >>> images, labels = read_labelled(MNIST, "t10k", classes=10)
    >>> images.shape, labels.shape
    ((10000, 28, 28), (10000,))
    """
    classes = check_whole("classes", classes)
    image_file, label_file = (find_file(folder, part, kind) for kind in KINDS)
    labels = read(label_file, rank=1, dtype=np.uint8)
    if (labels >= classes).any():
        i = int((labels >= classes).argmax())
        raise ValueError(
            f"{label_file}: expected labels from 0 to {classes - 1}, got label {labels[i]} at "
            f"index {i}; if there are more classes, pass classes={int(labels.max()) + 1}"
        )
    images = read(image_file, rank=3, dtype=np.uint8)
    if len(images) != len(labels):
        raise ValueError(
            f"{image_file} has {format_count(len(images), 'image')}, "
            f"{label_file} has {format_count(len(labels), 'label')}; "
            "take both from the same data set"
        )
    if not images.size:
        raise ValueError(f"{image_file}: no pixels, of shape {images.shape}")
    return images, labels


def find_file(folder: AnyPath, part: str, kind: str) -> Path:
    """Return the path of a file, whose name may have ".gz" at its end and ".idx" for "-idx".

    Raises FileNotFoundError if there is none.

    >>> find_file(MNIST, "t10k", "labels-idx1-ubyte").name
    't10k-labels-idx1-ubyte.gz'
    """
    names = [f"{part}-{kind}", f"{part}-{kind}".replace("-idx", ".idx")]
    for name in names:
        for path in (Path(folder, name), Path(folder, f"{name}.gz")):
            if path.is_file():
                return path
    if Path(folder) == HERE:
        raise FileNotFoundError(
            "the installed package has no MNIST files: set STEPGRAD_MNIST to the folder mnist in "
            "nn of a clone or source distribution, or pass data.mnist a folder with the four files"
        )
    expected = ", ".join(f"{part}-{kind}" for part in ("train", "t10k") for kind in KINDS)
    raise FileNotFoundError(
        f"no {names[0]} in {folder}; a data set is four files: {expected}, "
        "each with or without .gz, and also spelled .idx"
    )
