"""The file format of checkpoints: a tree of dicts, lists, numbers and arrays in one file.

The file is a zip archive without compression and without pickles: reading it runs no code, and any
zip tool or numpy.load shows its contents. `stepgrad.json` contains the tree; `0.npy`, `1.npy`, ...
contain its arrays in NumPy's format. The comment of the archive is the CRC-32 of all bytes before
it, which detects damage. The same tree gives the same bytes.
"""

import io
import json
import os
import secrets
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np

from nn.arguments import check_path

FORMAT, VERSION = "stepgrad archive", 1
HEAD = "stepgrad.json"  # the first member; every file has its name at byte 30
SEAL = 8  # digits of the checksum
MAX_DEPTH = 100  # levels of nesting
MAX_HEADER = 2000  # bytes of the header of an array, whose parser takes 500 times as much memory
MAX_QUOTE = 500  # characters at either end
REMEDY = "use another checkpoint, or delete the file to train from the start"
TYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
TYPES += ["float16", "float32", "float64"]
Tree: TypeAlias = (
    "Mapping[str, Tree] | Sequence[Tree] | np.ndarray | np.generic | str | float | bool | None"
)
Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | bool | None"
Place = tuple[str | int, ...]  # keys and indices, from the root of the tree


class CheckpointError(ValueError):
    """A file that is not a checkpoint, is damaged, or does not fit the model or the training.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "photo.ckpt")
    ...     _ = path.write_bytes(b"not one")
    ...     try:
    ...         read(path)
    ...     except CheckpointError as problem:
    ...         print(path.name in str(problem))
    True
    """

    __module__ = "stepgrad.nn"  # tracebacks show the public name


def write(path: str | os.PathLike[str], tree: Tree) -> None:
    """Save a tree in a file atomically: at any time, the file is the complete old or new one.

    A tree consists of dicts with str keys, lists, tuples, NumPy arrays and scalars (bool, integers,
    floats of up to 64 bits), str, int, float, bool and None. It is on the disk when `write`
    returns. A process that is killed may leave a file `.stepgrad-*.tmp` in the folder, which can be
    deleted.

    Raises TypeError or ValueError, with the place in the tree, for anything that cannot be saved,
    and OSError if the file cannot be written. The old file is then unchanged.
    """
    replace(path, pack(tree))


def read(path: str | os.PathLike[str]) -> Tree:
    """Return the tree in a file, bit for bit as it was saved. Its arrays are writable.

    Raises CheckpointError if the file is truncated, damaged, not a checkpoint, or of a newer
    version, and OSError if it cannot be opened.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/best", {"epoch": 3, "loss": float("inf"), "weights": np.zeros(2)})
    ...     read(f"{folder}/best")
    {'epoch': 3, 'loss': inf, 'weights': array([0., 0.])}
    """
    content = check_path("path", path).read_bytes()
    try:
        return unpack(content)
    except CheckpointError as problem:
        raise CheckpointError(f"{path}: {problem}") from problem.__cause__


def replace(path: str | os.PathLike[str], content: bytes) -> None:
    """Replace the content of a file atomically and durably.

    A new file in the same folder takes the place and the permissions of the old one. A symbolic
    link stays, and the file that it points to is replaced.
    """
    path = Path(os.path.realpath(check_path("path", path)))
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {path.parent} to write {path.name} to; create it first")
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is a folder or a device; pass the name of a file")
    temporary = path.with_name(f".stepgrad-{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as new:
            new.write(content)
            new.flush()
            os.fsync(new.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:  # Ctrl-C as well
        with suppress(OSError):
            temporary.unlink()
        raise
    with suppress(OSError):  # some systems cannot sync a folder; the file is complete anyway
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def pack(tree: Tree) -> bytes:
    """Return the content of a file for a tree."""
    arrays: list[np.ndarray] = []
    head = {"format": FORMAT, "version": VERSION, "tree": _encode(tree, (), arrays)}
    text = json.dumps(head, ensure_ascii=False, allow_nan=False)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        with _open_member(archive, HEAD, len(text)) as member:
            member.write(text.encode("utf-8", "surrogatepass"))
        for i, array in enumerate(arrays):
            with _open_member(archive, f"{i}.npy", array.nbytes) as member:
                np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
        archive.comment = bytes(SEAL)
    buffer.getbuffer()[-SEAL:] = checksum(buffer.getbuffer()[:-SEAL])
    return buffer.getvalue()


def _open_member(archive: zipfile.ZipFile, name: str, size: int) -> IO[bytes]:
    """Open a new member of about that size to write to.

    Its time and its system are constants, so that the same tree gives the same bytes.
    """
    info = zipfile.ZipInfo(name)  # from 1980
    info.create_system = 3  # Unix
    info.file_size = size
    return archive.open(info, "w")


def checksum(body: bytes | memoryview) -> bytes:
    return b"%08x" % zlib.crc32(body)


def unpack(content: bytes) -> Tree:
    """Return the tree in the content of a file. Raises CheckpointError if there is none."""
    if not content:
        raise CheckpointError(f"empty; {REMEDY}")
    if content[:4] != b"PK\3\4" or content[30 : 30 + len(HEAD)] != HEAD.encode():
        raise CheckpointError(f"not a checkpoint of stepgrad: it begins with {content[:8]!r}")
    if content[-SEAL:] != checksum(memoryview(content)[:-SEAL]):
        raise CheckpointError(f"truncated or damaged (wrong checksum); {REMEDY}")
    try:
        return _unpack_archive(content)
    except CheckpointError:
        raise
    except Exception as problem:  # zipfile, json and NumPy raise errors of many types
        raise CheckpointError(f"malformed ({escape(repr(problem))}); {REMEDY}") from problem


def escape(text: str) -> str:
    """Shorten a text from a file and escape its control characters, so that a message can quote it.

    >>> escape("\\x1b[2Jred" + "!" * 9999)[:20]
    '\\\\x1b[2Jred!!!!!!!!!!'
    """
    if len(text) > 2 * MAX_QUOTE:
        text = f"{text[:MAX_QUOTE]} ... {text[-MAX_QUOTE:]}"
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def _unpack_archive(content: bytes) -> Tree:
    """Return the tree in a file with the right checksum, which may still be malicious."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if archive.namelist() != [HEAD, *(f"{i}.npy" for i in range(len(members) - 1))]:
            raise ValueError(f"it contains {', '.join(archive.namelist()[:9])}")
        # Without compression and overlaps, memory stays near the size of the file.
        stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
        if not stored or sum(member.file_size for member in members) > len(content):
            raise ValueError("its members are compressed or overlap")
        head = json.loads(archive.read(HEAD).decode("utf-8", "surrogatepass"))
        if head["format"] != FORMAT:
            raise ValueError(f"its format is {head['format']!r}, not {FORMAT!r}")
        if head["version"] > VERSION:
            raise CheckpointError(
                f"version {head['version']} of the format; this stepgrad reads up to {VERSION}; "
                "update stepgrad or use another checkpoint"
            )
        unread = dict(enumerate(members[1:]))
        tree = _decode(head["tree"], lambda i: _parse_array(archive.read(unread.pop(i))))
        if unread:
            raise ValueError(f"{len(unread)} arrays do not occur in its tree")
        return tree


def _parse_array(member: bytes) -> np.ndarray:
    """Return the array in a .npy file. Memory is allocated by its size, not by its header."""
    stream = io.BytesIO(member)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("an array in another version of NumPy's format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=MAX_HEADER)
    elements = _parse_elements(memoryview(member)[stream.tell() :], dtype)
    return elements.reshape(shape, order="F" if fortran else "C")


def _parse_elements(content: bytes | memoryview, dtype: np.dtype) -> np.ndarray:
    """Return the numbers in `content` in native byte order. Raises ValueError for other dtypes."""
    if dtype.name not in TYPES:
        raise ValueError(f"an array of {dtype}")
    return np.frombuffer(content, dtype).astype(dtype.newbyteorder("="))


def _encode(x: Any, place: Place, arrays: list[np.ndarray]) -> Json:
    """Convert `x`, at `place` in the tree, to JSON, and append its arrays to `arrays`.

    A type that JSON lacks becomes an object with one key that begins with "$". A key of the tree
    that begins with "$" gets a second one.
    """
    kind = type(x)
    if len(place) > MAX_DEPTH:
        raise ValueError(
            f"{_format(place)} is over {MAX_DEPTH} levels deep; does a part contain itself?"
        )
    if kind in (bool, str, type(None)):
        return x
    if kind is int:
        return x if abs(x) < 2**63 else {"$int": hex(x)}
    if kind is float:
        return x if isfinite(x) else {"$float": struct.pack(">d", x).hex()}
    if kind in (list, tuple):
        items = [_encode(item, (*place, i), arrays) for i, item in enumerate(x)]
        return items if kind is list else {"$tuple": items}
    if kind is dict:
        if invalid := [key for key in x if type(key) is not str]:
            raise TypeError(f"{_format(place)} has the key {invalid[0]!r}; a key must be a str")
        encoded = {key: _encode(item, (*place, key), arrays) for key, item in x.items()}
        return {"$" * key.startswith("$") + key: item for key, item in encoded.items()}
    description = kind.__name__
    if kind is np.ndarray or isinstance(x, np.generic):
        if x.dtype.name in TYPES:
            little = np.asarray(x, x.dtype.newbyteorder("<"))
            if kind is not np.ndarray:
                return {"$scalar": [little.dtype.str, little.tobytes().hex()]}
            arrays.append(little)
            return {"$array": len(arrays) - 1}
        description += f" of {x.dtype}"
    raise TypeError(
        f"{_format(place)} is a {description}, which cannot be saved; use dicts, lists, tuples, "
        f"str, int, float, bool, None, and NumPy arrays and scalars of {', '.join(TYPES)}"
    )


def _format(place: Place) -> str:
    """Return the expression for a place in the tree: tree['extra'][0]."""
    return "tree" + "".join(f"[{key!r}]" for key in place[:9]) + "..." * (len(place) > 9)


def _decode(x: Any, array: Callable[[int], np.ndarray], depth: int = 0) -> Tree:
    """Undo `_encode`; `array(i)` returns the i-th array."""
    if depth > MAX_DEPTH:
        raise ValueError(f"its tree is over {MAX_DEPTH} levels deep")
    match x:
        case {"$array": i}:
            return array(i)
        case {"$scalar": [code, bits]}:
            return _parse_elements(bytes.fromhex(bits), np.dtype(code))[0]
        case {"$int": digits}:
            return int(digits, 16)
        case {"$float": bits}:
            return struct.unpack(">d", bytes.fromhex(bits))[0]
        case {"$tuple": items}:
            return tuple(_decode(items, array, depth))  # type: ignore[arg-type]
        case dict():
            if unknown := [key for key in x if key.startswith("$") and key[:2] != "$$"]:
                raise ValueError(f"{unknown[0]!r} in its tree is not a known type")
            decoded = {key: _decode(item, array, depth + 1) for key, item in x.items()}
            return {key[key.startswith("$") :]: item for key, item in decoded.items()}
        case list():
            return [_decode(item, array, depth + 1) for item in x]
    return x
