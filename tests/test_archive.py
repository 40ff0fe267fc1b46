"""Archives are read with the same bits or rejected, after any damage."""

import base64
import io
import json
import os
import pickle
import signal
import stat
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from nn import archive
from nn.archive import CheckpointError, pack, read, unpack, write

DTYPES = [np.dtype(name).newbyteorder(order) for name in archive.TYPES for order in "<>"]
NAN = struct.unpack(">d", bytes.fromhex("fff0000000abcdef"))[0]  # one of many nans


def layouts(array):
    """Return a strategy for an array in C order, in Fortran order, and as a view."""
    part = np.repeat(array, 2, axis=-1)[..., ::2] if array.ndim else array
    return st.sampled_from([array, np.asfortranarray(array), part])


ARRAYS = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays(dtype, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)
TEXT = st.one_of(  # also lone surrogates, which occur in names of files
    st.text(), st.text("\ud83d\ude00$a"), st.sampled_from(["$", "$array", "$$int"])
)
KINDS = {
    "constants": st.sampled_from([None, True, False]),
    "int": st.integers(-(2**300), 2**300) | st.integers(-(2**65), 2**65),
    "float": st.floats() | st.sampled_from([NAN, -0.0, 5e-324, float("inf")]),
    "str": TEXT,
    "array": ARRAYS.flatmap(layouts),
    "scalar": ARRAYS.filter(lambda array: array.size).map(lambda array: array.flat[0]),
}
LEAVES = st.one_of(*KINDS.values())
TREES = st.recursive(
    LEAVES,
    lambda trees: st.one_of(
        st.lists(trees, max_size=4),
        st.lists(trees, max_size=3).map(tuple),
        st.dictionaries(TEXT, trees, max_size=4),
    ),
    max_leaves=12,
)


def bits(tree):
    """Return a value that is equal for trees with the same types, order and bits."""
    if isinstance(tree, np.ndarray | np.generic):
        native = tree.astype(tree.dtype.newbyteorder("="))
        order = isinstance(tree, np.ndarray) and tree.flags.fnc
        return type(tree), native.dtype, tree.shape, native.tobytes(), order
    if isinstance(tree, list | tuple):
        return type(tree), [bits(item) for item in tree]
    if isinstance(tree, dict):
        return dict, [(key, bits(item)) for key, item in tree.items()]
    return type(tree), struct.pack(">d", tree) if isinstance(tree, float) else tree


def leaves(tree):
    for item in tree.values() if isinstance(tree, dict) else tree:
        yield from leaves(item) if isinstance(item, dict | list | tuple) else [item]


def refused(content):
    """Return the message of the CheckpointError, or None if the content was read."""
    try:
        unpack(content)
    except CheckpointError as problem:
        return str(problem)


def resealed(content):
    """Return damaged content with a correct checksum."""
    return content[: -archive.SEAL] + archive.checksum(content[: -archive.SEAL])


def forged(members, compress=zipfile.ZIP_STORED):
    """Return an archive of any members with a correct checksum."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compress) as made:
        for name, member in members:
            made.writestr(name, member)
        made.comment = bytes(archive.SEAL)
    return resealed(buffer.getvalue())


def head(tree, **changes):
    content = {"format": archive.FORMAT, "version": archive.VERSION, "tree": tree} | changes
    return archive.HEAD, json.dumps(content)


def npy(array, **changes):
    """Return a .npy file, whose header may be wrong."""
    stream = io.BytesIO()
    np.save(stream, array)
    if not changes:
        return stream.getvalue()
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape} | changes
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + array.tobytes()


ARRAY = {"$array": 0}
ONE = np.arange(3.0)
SMALL = pack({"weights": ONE, "loss": 0.5, "epochs": [1, 2]})


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_each_kind_of_leaf_is_read_as_it_was_saved(kind, data):
    """Type and bits are the same; arrays are native, writable, and have the same layout."""
    check(data.draw(KINDS[kind], label=kind))


@given(TREES)
def test_a_saved_tree_is_read_unchanged(tree):
    check(tree)


def check(tree):
    """Check that a saved tree is read unchanged, and that saving it again gives the same file."""
    content = pack(tree)
    got = unpack(content)
    assert bits(got) == bits(tree)
    assert pack(tree) == pack(got) == content
    for leaf in leaves([got]):
        if isinstance(leaf, np.ndarray):
            assert leaf.dtype.isnative
            assert leaf.flags.writeable
            assert leaf.flags.aligned


FIRST = (
    "UEsDBBQAAAAAAAAAIQAf6TLFpwAAAKcAAAANAAAAc3RlcGdyYWQuanNvbnsiZm9ybWF0IjogInN0ZXBncmFkIGFyY2hpdmUi"
    "LCAidmVyc2lvbiI6IDEsICJ0cmVlIjogeyJ4IjogeyIkYXJyYXkiOiAwfSwgIm4iOiBbMSwgLTAuMCwgeyIkZmxvYXQiOiAi"
    "N2ZmODAwMDAwMDAwMDAwMCJ9LCB7IiRpbnQiOiAiMHg0MDAwMDAwMDAwMDAwMDAwMDAifV0sICJzIjogIsK9In19UEsDBBQA"
    "AAAAAAAAIQDBxqM8kAAAAJAAAAAFAAAAMC5ucHmTTlVNUFkBAHYAeydkZXNjcic6ICc8ZjQnLCAnZm9ydHJhbl9vcmRlcic6"
    "IEZhbHNlLCAnc2hhcGUnOiAoMiwgMiksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg"
    "ICAgICAgICAgICAgCgAAgD8AAAAAAAAAAAAAgD9QSwECFAMUAAAAAAAAACEAH+kyxacAAACnAAAADQAAAAAAAAAAAAAAgAEA"
    "AAAAc3RlcGdyYWQuanNvblBLAQIUAxQAAAAAAAAAIQDBxqM8kAAAAJAAAAAFAAAAAAAAAAAAAACAAdIAAAAwLm5weVBLBQYA"
    "AAAAAgACAG4AAACFAQAACABhNGM0NDRmMg=="
)


def test_a_file_of_the_first_version():
    """The bytes do not depend on the machine or the time."""
    tree = {"x": np.eye(2, dtype=np.float32), "n": [1, -0.0, float("nan"), 2**70], "s": "½"}
    assert base64.b64encode(pack(tree)).decode() == FIRST
    assert bits(unpack(base64.b64decode(FIRST))) == bits(tree)


def test_numpy_and_zip_tools_show_the_contents(tmp_path):
    path = tmp_path / "any.name"
    write(path, {"a": ONE, "b": [ONE + 1]})
    with np.load(path, allow_pickle=False) as loaded:
        assert loaded["1"].tolist() == [1, 2, 3]
    with zipfile.ZipFile(path) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == ["stepgrad.json", "0.npy", "1.npy"]
        assert json.loads(opened.read("stepgrad.json")) == {
            "format": "stepgrad archive", "version": 1,
            "tree": {"a": {"$array": 0}, "b": [{"$array": 1}]},
        }  # fmt: skip


@pytest.mark.parametrize("generator", ["PCG64", "MT19937", "Philox", "SFC64"])
def test_the_state_of_a_generator(generator):
    rng = np.random.Generator(getattr(np.random, generator)(7))
    rng.random(5)
    state = unpack(pack(rng.bit_generator.state))
    want = rng.random(9)
    rng.bit_generator.state = state
    assert (rng.random(9) == want).all()


def test_every_truncation_is_rejected(tmp_path):
    for end in range(len(SMALL)):
        assert refused(SMALL[:end])
    assert refused(SMALL + b"\0").startswith("truncated or damaged")
    path = tmp_path / "model"
    for end, message in [
        (0, "empty"),
        (9, "not a checkpoint"),
        (99, "truncated"),
        (-1, "truncated"),
    ]:
        path.write_bytes(SMALL[:end])
        with pytest.raises(CheckpointError, match=f"model: {message}.*"):
            read(path)


def test_every_wrong_bit_is_rejected():
    for i in range(len(SMALL)):
        for bit in range(8):
            assert refused(SMALL[:i] + bytes([SMALL[i] ^ 1 << bit]) + SMALL[i + 1 :])


def test_a_wrong_bit_with_a_correct_checksum_raises_no_other_error():
    """No error of zipfile, json or NumPy leaves `unpack`."""
    read = 0
    for i in range(len(SMALL)):
        for bit in range(8):
            damaged = SMALL[:i] + bytes([SMALL[i] ^ 1 << bit]) + SMALL[i + 1 :]
            read += refused(resealed(damaged)) is None
    assert read < 8 * len(SMALL) / 2


@given(data=st.data())
def test_damage_with_a_correct_checksum_raises_no_other_error(data):
    damaged = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(damaged) - 1))
        end = start + data.draw(st.integers(0, 4))
        damaged[start:end] = data.draw(st.binary(max_size=4))
    refused(resealed(bytes(damaged)))


@given(st.binary(max_size=200))
def test_any_bytes_are_rejected(content):
    assert refused(content)
    assert refused(resealed(SMALL[:44] + content + bytes(archive.SEAL)))


def savez(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


MESSAGES = {
    "empty": (b"", "empty; use another checkpoint, or delete the file"),
    "text": (b"weights: 1, 2", "not a checkpoint of stepgrad: it begins with b'weights:'"),
    "pickle": (pickle.dumps([1]), "not a checkpoint of stepgrad"),
    "npz": (savez(a=ONE), "not a checkpoint of stepgrad"),
    "newer": (forged([head({}, version=2)]), "version 2 .* up to 1; update stepgrad"),
    "format": (forged([head({}, format="other")]), "its format is 'other'"),
    "not json": (forged([(archive.HEAD, "{")]), "JSONDecodeError"),
    "no text": (forged([(archive.HEAD, b"\xff")]), "UnicodeDecodeError"),
    "no head": (forged([(archive.HEAD, "[]")]), "malformed"),
    "no tree": (forged([(archive.HEAD, '{"format": "stepgrad archive", "version": 1}')]), "KeyError"),
    "deep": (forged([(archive.HEAD, "[" * 10**5)]), "RecursionError"),
    "deeper": (forged([head(json.loads("[" * 102 + "]" * 102))]), "over 100 levels deep"),
    "less": (forged([head(ARRAY)]), "KeyError"),
    "more": (forged([head({}), ("0.npy", npy(ONE))]), "1 arrays do not occur"),
    "twice": (forged([head([ARRAY, ARRAY]), ("0.npy", npy(ONE))]), "KeyError"),
    "other": (forged([head(ARRAY), ("x.npy", npy(ONE))]), "it contains stepgrad.json, x.npy"),
    "order": (forged([("0.npy", npy(ONE)), head(ARRAY)]), "not a checkpoint of stepgrad"),
    "packed": (forged([head(ARRAY), ("0.npy", npy(ONE))], zipfile.ZIP_DEFLATED), "compressed"),
    "term": (forged([head([{"$set": []}])]), "'\\$set' in its tree is not a known type"),
    "int": (forged([head({"$int": "x"})]), "ValueError"),
    "float": (forged([head({"$float": "00"})]), "error"),
    "scalar": (forged([head({"$scalar": ["|O", "00" * 8]})]), "an array of object"),
    "types": (forged([head({"$scalar": ["i4,f4", "00" * 8]})]), "an array of "),
    "none": (forged([head({"$scalar": ["<f4", ""]})]), "IndexError"),
    "object": (forged([head(ARRAY), ("0.npy", npy(ONE, descr="|O"))]), "an array of object"),
    "complex": (forged([head(ARRAY), ("0.npy", npy(ONE + 1j))]), "an array of complex"),
    "short": (forged([head(ARRAY), ("0.npy", npy(ONE)[:-8])]), "cannot reshape"),
    "long": (forged([head(ARRAY), ("0.npy", npy(ONE) + bytes(8))]), "cannot reshape"),
    "shape": (forged([head(ARRAY), ("0.npy", npy(ONE, shape=(-1, -3)))]), "ValueError"),
    "huge": (forged([head(ARRAY), ("0.npy", npy(ONE, shape=(2**50,)))]), "cannot reshape"),
    "zero": (forged([head(ARRAY), ("0.npy", npy(ONE[:0], shape=(0, 2**62, 2**62)))]), "ValueError"),
    "magic": (forged([head(ARRAY), ("0.npy", b"")]), "ValueError"),
    "header": (forged([head(ARRAY), ("0.npy", b"\x93NUMPY\1\0\x28\x23" + b"-" * 9000)]), "Error"),
    "next": (forged([head(ARRAY), ("0.npy", b"\x93NUMPY\3\0" + bytes(99))]), "another version of NumPy"),
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_the_message_names_the_fault(tmp_path, name):
    """Memory is not allocated by what a header claims."""
    content, message = MESSAGES[name]
    (tmp_path / "model").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=f"model: .*{message}"):
            read(tmp_path / "model")
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()


def nested(content):
    """Return the archive with a `0.npy` that extends to the end of `1.npy`."""
    content = bytearray(content)
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        directory, (_, first, _) = opened.start_dir, opened.infolist()
    start = first.header_offset + 30 + len("0.npy")
    entry = content.index(b"PK\1\2", directory + 1)
    data = npy(np.zeros(0, "u1"), shape=(directory - start - 128,))
    content[start : start + 128] = data
    sizes = struct.pack("<III", zlib.crc32(content[start:directory]), *[directory - start] * 2)
    content[first.header_offset + 14 : first.header_offset + 26] = sizes
    content[entry + 16 : entry + 28] = sizes
    return resealed(bytes(content))


def test_members_that_share_their_bytes_are_rejected():
    """Otherwise a small file could contain any number of large arrays, one inside the other."""
    small, large = ("0.npy", npy(ONE)), ("1.npy", npy(np.zeros(999)))
    content = forged([head([ARRAY, {"$array": 1}]), small, large])
    assert refused(content) is None
    assert "compressed or overlap" in refused(nested(content))


def test_a_zip_bomb_is_rejected():
    bomb = forged([head(ARRAY), ("0.npy", npy(np.zeros(2**22)))], zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    try:
        assert "compressed or overlap" in refused(bomb)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


class Trap:
    """An object that creates a folder when its pickle is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_no_code_runs(tmp_path):
    trap = npy(np.array([Trap(tmp_path / "sprung")], object))
    path = tmp_path / "model"
    path.write_bytes(forged([head(ARRAY), ("0.npy", trap)]))
    with pytest.raises(CheckpointError, match="an array of object"):
        read(path)
    path.write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        read(path)
    assert not (tmp_path / "sprung").exists()


NESTED = {}
NESTED["model"] = [NESTED]


@pytest.mark.parametrize(
    ("tree", "error", "message"),
    [
        ({"a": [0, {1, 2}]}, TypeError, r"tree\['a'\]\[1\] is a set, which cannot be saved; use dicts"),
        ({"a": {2: 3}}, TypeError, r"tree\['a'\] has the key 2; a key must be a str"),
        ({np.str_("a"): 3}, TypeError, r"tree has the key (np\.str_\()?'a'"),
        (b"bytes", TypeError, "tree is a bytes,"),
        ([1j], TypeError, r"tree\[0\] is a complex,"),
        ([np.array([None])], TypeError, r"tree\[0\] is a ndarray of object, .* int8, .*float64"),
        ([np.zeros(2, "c8")], TypeError, "ndarray of complex64"),
        ([np.zeros(2, "M8[s]")], TypeError, "ndarray of datetime64"),
        ([np.zeros(2, "i4,f4")], TypeError, "ndarray of "),
        ([np.array("text")], TypeError, "ndarray of <U4"),
        ([np.ma.array([1], mask=[True])], TypeError, "is a MaskedArray,"),
        ([np.str_("text")], TypeError, "str_ of <U4"),
        ([stat.FILE_ATTRIBUTE_HIDDEN, signal.SIGINT], TypeError, r"tree\[1\] is a Signals,"),
        (NESTED, ValueError, r"tree\['model'\]\[0\].* is over 100 levels deep; does a part contain it"),
    ],
)  # fmt: skip
def test_the_message_names_a_part_that_cannot_be_saved(tmp_path, tree, error, message):
    """The file does not change."""
    write(tmp_path / "model", "old")
    with pytest.raises(error, match=message):
        write(tmp_path / "model", tree)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert read(tmp_path / "model") == "old"


def test_the_deepest_tree_is_read():
    tree = 1
    for _ in range(archive.MAX_DEPTH):
        tree = [tree]
    assert unpack(pack(tree)) == tree
    with pytest.raises(ValueError, match="over 100 levels"):
        pack([tree])
