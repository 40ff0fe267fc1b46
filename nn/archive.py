"""Arrays and numbers, nested in dicts and lists, in one file: what checkpoints are made of.

The file is a zip archive in which nothing is compressed or pickled: opening it runs no code, and
any zip tool or numpy.load shows what is inside. `stepgrad.json` holds the tree; `0.npy`, `1.npy`,
... its arrays, in NumPy's own format; the archive's comment the CRC-32 of all that stands before
it, so that no damage goes unnoticed. The same tree gives the same bytes.
"""

import io
import json
import os
import secrets
import shutil
import struct
import zipfile
import zlib
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import IO, Any

import numpy as np

from nn.arguments import file

FORMAT, VERSION = "stepgrad archive", 1
HEAD = "stepgrad.json"  # the first member: its name stands at byte 30 of every file
SEAL = 8  # digits of the checksum
DEEPEST = 100  # levels of nesting
LONGEST = 2000  # bytes of an array's header, which takes memory 500 times as large to parse
QUOTED = 500  # characters at either end
TYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
TYPES += ["float16", "float32", "float64"]


class CheckpointError(ValueError):
    """A file that is no checkpoint, is not whole or does not fit; it says what to do about that.

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


def write(path: Any, tree: Any) -> None:
    """Save `tree` in a file, which at any moment is the old one or the new one, and whole.

    A tree is made of dicts with str keys, lists, tuples, NumPy arrays and scalars (bool, integers,
    floats of up to 64 bits), str, int, float, bool and None. It is on the disk when this returns.
    A process that is killed may leave a file `.stepgrad-*.tmp` in the folder; delete it at will.

    TypeError or ValueError that names the place in the tree for what cannot be saved, OSError where
    the system refuses; the file is then as it was.
    """
    replace(path, pack(tree))


def read(path: Any) -> Any:
    """The tree in a file, bit for bit as it was saved; its arrays are writable.

    CheckpointError that names the file for one that is truncated, damaged, foreign or too new;
    OSError for one that cannot be opened.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/best", {"epoch": 3, "loss": float("inf"), "weights": np.zeros(2)})
    ...     read(f"{folder}/best")
    {'epoch': 3, 'loss': inf, 'weights': array([0., 0.])}
    """
    content = file("path", path).read_bytes()
    try:
        return unpack(content)
    except CheckpointError as problem:
        raise CheckpointError(f"{path}: {problem}") from problem.__cause__


def replace(path: Any, content: bytes) -> None:
    """Make `content` that of the file, all at once and durably.

    A new file in the same folder takes the place and the permissions of the old one; where `path`
    is a symbolic link, of the file that it leads to.
    """
    path = Path(os.path.realpath(file("path", path)))
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {path.parent} to write {path.name} to; make it first")
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is a folder or a device; give the name of a file")
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
    with suppress(OSError):  # the name, where the system can sync a folder; the file is whole
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def pack(tree: Any) -> bytes:
    """The content of the file that holds `tree`."""
    arrays: list[np.ndarray] = []
    head = {"format": FORMAT, "version": VERSION, "tree": encode(tree, (), arrays)}
    text = json.dumps(head, ensure_ascii=False, allow_nan=False)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        with added(archive, HEAD, len(text)) as member:
            member.write(text.encode("utf-8", "surrogatepass"))
        for i, array in enumerate(arrays):
            with added(archive, f"{i}.npy", array.nbytes) as member:
                np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
        archive.comment = bytes(SEAL)
    buffer.getbuffer()[-SEAL:] = checksum(buffer.getbuffer()[:-SEAL])
    return buffer.getvalue()


def added(archive: zipfile.ZipFile, name: str, size: int) -> IO[bytes]:
    """A new member of about that size, to be written to; it tells neither its time nor place."""
    info = zipfile.ZipInfo(name)  # of 1980
    info.create_system = 3  # Unix
    info.file_size = size
    return archive.open(info, "w")


def checksum(body: bytes | memoryview) -> bytes:
    return b"%08x" % zlib.crc32(body)


def unpack(content: bytes) -> Any:
    """The tree in the content of a file; a CheckpointError says what is wrong with it."""
    if not content:
        raise CheckpointError("empty; take another checkpoint")
    if content[:4] != b"PK\3\4" or content[30 : 30 + len(HEAD)] != HEAD.encode():
        raise CheckpointError(f"not a checkpoint of stepgrad: it begins with {content[:8]!r}")
    if content[-SEAL:] != checksum(memoryview(content)[:-SEAL]):
        raise CheckpointError("truncated or damaged (wrong checksum); take another checkpoint")
    try:
        return opened(content)
    except CheckpointError:
        raise
    except Exception as problem:  # zipfile, json and NumPy raise what they happen to stumble on
        says = f"not as stepgrad writes it ({quoted(repr(problem))}); take another checkpoint"
        raise CheckpointError(says) from problem


def quoted(text: str) -> str:
    """What a message quotes of a file: not all of a long text, nothing that a terminal obeys.

    >>> quoted("\\x1b[2Jred" + "!" * 9999)[:20]
    '\\\\x1b[2Jred!!!!!!!!!!'
    """
    if len(text) > 2 * QUOTED:
        text = f"{text[:QUOTED]} ... {text[-QUOTED:]}"
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def opened(content: bytes) -> Any:
    """The tree in what has the right checksum, but may have been made by anybody."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if archive.namelist() != [HEAD, *(f"{i}.npy" for i in range(len(members) - 1))]:
            raise ValueError(f"it contains {', '.join(archive.namelist()[:9])}")
        # Where nothing expands and nothing is there twice, memory stays near the file's size.
        stored = all(each.compress_type == zipfile.ZIP_STORED for each in members)
        if not stored or sum(each.file_size for each in members) > len(content):
            raise ValueError("its members are compressed or overlap")
        head = json.loads(archive.read(HEAD).decode("utf-8", "surrogatepass"))
        if head["format"] != FORMAT:
            raise ValueError(f"its format is {head['format']!r}, not {FORMAT!r}")
        if head["version"] > VERSION:
            raise CheckpointError(
                f"version {head['version']} of the format, this stepgrad reads up to {VERSION}; "
                "update stepgrad or take another checkpoint"
            )
        unread = dict(enumerate(members[1:]))
        tree = decode(head["tree"], lambda i: array_in(archive.read(unread.pop(i))))
        if unread:
            raise ValueError(f"{len(unread)} arrays have no place in its tree")
        return tree


def array_in(member: bytes) -> np.ndarray:
    """The array in a .npy file, whose header is not believed before the file bears it out."""
    stream = io.BytesIO(member)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("an array in another version of NumPy's format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=LONGEST)
    found = elements(memoryview(member)[stream.tell() :], dtype)
    return found.reshape(shape, order="F" if fortran else "C")


def elements(content: bytes | memoryview, dtype: np.dtype) -> np.ndarray:
    """The numbers in `content`, if of a type that may be saved, in this machine's byte order."""
    if dtype.name not in TYPES:
        raise ValueError(f"an array of {dtype}")
    return np.frombuffer(content, dtype).astype(dtype.newbyteorder("="))


def encode(x: Any, place: tuple[Any, ...], arrays: list[np.ndarray]) -> Any:
    """`x`, which stands at `place` in the tree, in terms of JSON; its arrays go to `arrays`.

    What JSON has no term for is an object with one key, which begins with "$"; keys of the tree
    that begin so are given a second one.
    """
    kind = type(x)
    if len(place) > DEEPEST:
        raise ValueError(f"{name(place)} is over {DEEPEST} levels deep; is a part inside itself?")
    if kind in (bool, str, type(None)):
        return x
    if kind is int:
        return x if abs(x) < 2**63 else {"$int": hex(x)}
    if kind is float:
        return x if isfinite(x) else {"$float": struct.pack(">d", x).hex()}
    if kind in (list, tuple):
        items = [encode(each, (*place, i), arrays) for i, each in enumerate(x)]
        return items if kind is list else {"$tuple": items}
    if kind is dict:
        if strange := [key for key in x if type(key) is not str]:
            raise TypeError(f"{name(place)} has the key {strange[0]!r}; a key is a str")
        coded = {key: encode(each, (*place, key), arrays) for key, each in x.items()}
        return {"$" * key.startswith("$") + key: each for key, each in coded.items()}
    what = kind.__name__
    if kind is np.ndarray or isinstance(x, np.generic):
        if x.dtype.name in TYPES:
            little = np.asarray(x, x.dtype.newbyteorder("<"))
            if kind is not np.ndarray:
                return {"$scalar": [little.dtype.str, little.tobytes().hex()]}
            arrays.append(little)
            return {"$array": len(arrays) - 1}
        what += f" of {x.dtype}"
    raise TypeError(
        f"{name(place)} is a {what}; what can be saved is a dict, list, tuple, str, int, float, "
        f"bool, None, and NumPy's arrays and scalars of {', '.join(TYPES)}"
    )


def name(place: tuple[Any, ...]) -> str:
    return "tree" + "".join(f"[{key!r}]" for key in place[:9]) + "..." * (len(place) > 9)


def decode(x: Any, array: Any, depth: int = 0) -> Any:
    """What `encode` made `x` of; `array(i)` is the i-th of its arrays."""
    if depth > DEEPEST:
        raise ValueError(f"its tree is over {DEEPEST} levels deep")
    match x:
        case {"$array": i}:
            return array(i)
        case {"$scalar": [code, bits]}:
            return elements(bytes.fromhex(bits), np.dtype(code))[0]
        case {"$int": digits}:
            return int(digits, 16)
        case {"$float": bits}:
            return struct.unpack(">d", bytes.fromhex(bits))[0]
        case {"$tuple": items}:
            return tuple(decode(items, array, depth))
        case dict():
            if unknown := [key for key in x if key.startswith("$") and key[:2] != "$$"]:
                raise ValueError(f"{unknown[0]!r} in its tree means nothing")
            deeper = {key: decode(each, array, depth + 1) for key, each in x.items()}
            return {key[key.startswith("$") :]: each for key, each in deeper.items()}
        case list():
            return [decode(each, array, depth + 1) for each in x]
    return x
