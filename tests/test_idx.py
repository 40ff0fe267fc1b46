"""IDX files: reading, errors of damaged files, and memory."""

import gzip
import hashlib
import struct
import tracemalloc
from functools import partial
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from nn import data, idx

CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}
NAMES = [f"{part}-{kind}" for part in ("train", "t10k") for kind in idx.KINDS]
SHAPES = array_shapes(min_dims=0, max_dims=6, min_side=0, max_side=4)
zipped = partial(gzip.compress, mtime=0)  # the same bytes, and names of tests, in every run
ARRAYS = st.sampled_from(list(CODES)).flatmap(lambda code: arrays(code, SHAPES))


def header(code, *shape):
    return struct.pack(f">4B{len(shape)}I", 0, 0, code, len(shape), *shape)


def written(array):
    """Return the bytes of an IDX file, as its authors describe the format."""
    array = np.asarray(array)
    big_endian = array.astype(array.dtype.newbyteorder(">")).tobytes()
    return header(CODES[array.dtype.str[1:]], *array.shape) + big_endian


SMALL = written(np.arange(12, dtype=np.int16).reshape(3, 4))


@pytest.fixture(scope="session")
def file(tmp_path_factory):
    """Return a function that reads a file with that content: `file(content, **expectations)`."""
    path = tmp_path_factory.mktemp("idx") / "some.idx"

    def read(content, **expected):
        path.unlink(missing_ok=True)  # some file systems wait for the disk where one is overwritten
        path.write_bytes(content)
        return idx.read(path, **expected)

    return read


@given(array=ARRAYS, pack=st.sampled_from([bytes, zipped]))
def test_what_is_written_is_read(file, array, pack):
    """Every type, rank and number is read bit for bit; gzip under any name."""
    got = file(pack(written(array)), rank=array.ndim, dtype=array.dtype)
    assert (got.dtype, got.shape) == (array.dtype, array.shape)
    assert got.dtype.isnative
    assert got.tobytes() == array.tobytes()
    got[...] = 1  # writable


def test_gzip_is_known_by_its_content(tmp_path):
    for name, content in [("plain.gz", SMALL), ("packed", zipped(SMALL))]:
        (tmp_path / name).write_bytes(content)
        assert idx.read(tmp_path / name).sum() == 66
    assert idx.read(str(tmp_path / name)).sum() == 66


def test_gzip_in_pieces_and_padded(file):
    """gzip allows several members and zeros after the last."""
    pieces = zipped(SMALL[:7]) + zipped(b"") + zipped(SMALL[7:])
    assert file(pieces + bytes(99)).sum() == 66


@pytest.mark.parametrize("pack", [bytes, zipped])
def test_every_truncation_is_refused(file, pack):
    whole = pack(SMALL)
    for end in range(len(whole)):
        with pytest.raises(ValueError, match=r"some\.idx: (empty|truncated|damaged gzip|not IDX)"):
            file(whole[:end])


def refused_or_read(file, content):
    """Return the array, or None after a ValueError that names the file."""
    try:
        return file(content)
    except ValueError as error:
        if "some.idx: " not in str(error):
            raise AssertionError("the error does not name the file") from error


@pytest.mark.parametrize(("pack", "every"), [(bytes, 1), (zipped, 9)])
def test_one_wrong_byte_is_refused_or_read(file, pack, every):
    """A changed byte raises a ValueError that names the file, or gives an array of that size."""
    whole, refused = pack(SMALL), 0
    for i in range(12 if pack is bytes else len(whole)):
        for byte in range(0, 256, every):
            got = refused_or_read(file, whole[:i] + bytes([byte]) + whole[i + 1 :])
            assert got is None or got.nbytes in (24, 0)  # 0: a dimension of that size
            refused += got is None
    assert refused > 12 * 200 / every


@given(st.binary(max_size=99), st.sampled_from([b"", b"\0\0", SMALL[:4], idx.GZIP + b"\x08"]))
def test_any_bytes_are_refused_or_read(file, content, start):
    got = refused_or_read(file, start + content)
    assert got is None or got.nbytes <= len(start + content) * idx.EXPANSION


@pytest.mark.parametrize(
    ("content", "expected", "says"),
    [
        (b"", {}, "empty; download it again"),
        (zipped(b""), {}, "empty; download it again"),
        (b"\0\0\x08", {}, "truncated: 3 bytes"),
        (b"<!DOCTYPE html>", {}, r"not IDX.*b'<!DO'; a web page\? Download the file itself"),
        (b"\n\n<html>", {}, "a web page"),
        (b"PK\3\4 and more", {}, r"not IDX.*; a zip archive\? Unpack it"),
        (zipped(zipped(SMALL)), {}, r"compressed twice\? Unpack it once"),
        (b"\x93NUMPY\1\0", {}, r"Read it with numpy\.load"),
        (b"\1\2\3\4", {}, r"two zeros: b'\\x01\\x02\\x03\\x04'$"),
        (b"\0\0\x0a\1", {}, r"type code 0x0a; IDX has 0x08 \(uint8\), 0x09 \(int8\), 0x0b \(int16"),
        (b"\0\0\x08\3" + bytes(11), {}, "sizes of 3 dimensions take 12 bytes, got 11"),
        (SMALL, {"rank": 3}, r"expected rank 3, got 2, of shape \(3, 4\)"),
        (SMALL, {"dtype": "u1"}, "expected elements of uint8, got int16"),
        (SMALL[:-1], {}, r"truncated: shape \(3, 4\) takes 24 bytes of elements, got 23"),
        (SMALL[:12], {}, r"\(3, 4\) takes 24 bytes of elements, the whole file can hold 12;"),
        (SMALL + b"\0", {}, r"overlong: bytes follow the 24 that shape \(3, 4\) takes"),
        (zipped(SMALL[:-1]), {}, "truncated: .* takes 24 bytes of elements, got 23"),
        (zipped(SMALL + b"\0"), {}, "overlong: bytes follow the 24 "),
        (zipped(SMALL) + zipped(b"more"), {}, "overlong: bytes follow the 24 "),
        (zipped(SMALL) + b"garbage", {}, r"bytes after its end \(Not a gzipped file"),
        (zipped(SMALL)[:-3], {}, r"damaged gzip.*\(Compressed file ended before"),
        (zipped(SMALL)[:-8] + bytes(8), {}, r"damaged gzip.*\(CRC check failed"),
        (zipped(SMALL)[:12] + b"?" * 30, {}, r"damaged gzip.*\(Error -3 while"),
        (header(8, *[2**32 - 1] * 9), {}, r"takes \d{87} bytes of elements, the whole file can"),
        (zipped(header(14, *[2**32 - 1] * 9)), {}, r"takes \d{88} bytes of elements, the"),
        (header(8, *[1] * 200) + b"\0", {}, "maximum supported dimension"),
        (header(8, 0, *[2**32 - 1] * 9), {}, "too big|too large|[Mm]aximum"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(file, content, expected, says):
    with pytest.raises(ValueError, match=says) as caught:
        file(content, **expected)
    assert "some.idx: " in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (zipped(header(8, 10) + bytes(2**26)), "overlong"),
        (zipped(header(14, 2**17) + bytes(2**16)), "can hold"),
        (zipped(header(8, 2**16) + bytes(2**15)), "truncated: "),
        (header(14, 2**30) + bytes(2**16), "can hold"),
    ],
    ids=["bomb", "promise", "shortfall", "plain"],
)
def test_memory_is_for_what_was_read(file, content, says):
    """Memory is allocated for bytes that were read, not for sizes in a header."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=says):
            file(content)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_gzip_at_its_best(file):
    """A file that is compressed a thousandfold is read."""
    assert file(zipped(header(8, 2**22) + bytes(2**22))).nbytes == 2**22


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        idx.read(tmp_path / "nothing")


def test_the_files_of_mnist_are_the_original_ones():
    """The files of this package are those that Y. LeCun published, by their MD5."""
    sums = {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    }
    notes = (idx.MNIST / "README.md").read_text(encoding="utf-8")
    for name, md5 in sums.items():
        with gzip.open(idx.MNIST / f"{name}.gz") as content:
            assert hashlib.md5(content.read(), usedforsecurity=False).hexdigest() == md5
        assert f"| {name} | {md5} |" in notes
    assert list(sums) == NAMES


def test_mnist():
    """Shapes, types, the range of the pixels, and the count of each digit."""
    (X, y), (X_test, y_test) = data.mnist()
    assert (X.shape, X.dtype, y.shape, y.dtype) == ((60000, 784), np.float32, (60000,), np.int64)
    assert (X_test.shape, X_test.dtype) == ((10000, 784), np.float32)
    assert (y_test.shape, y_test.dtype) == ((10000,), np.int64)
    assert np.bincount(y).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert (X.min(), X.max(), X_test.min(), X_test.max()) == (0, 1, 0, 1)
    assert X.mean(dtype=float) == pytest.approx(0.1307, abs=5e-5)  # figures that the field knows
    squares = np.einsum("ij,ij->i", X, X)
    assert (squares.mean(dtype=float) / 784 - 0.1307**2) ** 0.5 == pytest.approx(0.3081, abs=1e-4)
    for part, got in [("train", X), ("t10k", X_test)]:
        images, _ = idx.read_labelled(idx.MNIST, part, classes=10)
        np.testing.assert_array_equal(got[::999], images[::999].reshape(-1, 784) / np.float32(255))


def images(n, height=3, width=2):
    return np.arange(n * height * width, dtype=np.uint8).reshape(n, height, width)


def data_set(folder, names=NAMES, pack=bytes, **changes):
    """Write four small files: six images of 3 x 2 pixels to train on, four to test with."""
    folder.mkdir(exist_ok=True)
    contents = [images(6), np.arange(6, dtype=np.uint8), images(4), np.arange(4, dtype=np.uint8)]
    for name, place, content in zip(names, NAMES, contents, strict=True):
        content = changes.get(place.replace("-idx", " ").split()[0].replace("-", "_"), content)
        if content is not None:
            (folder / name).write_bytes(pack(written(content)))
    return folder


@pytest.mark.parametrize("pack", [bytes, zipped])
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dot", ["-", "."])
def test_any_folder_of_four_files(tmp_path, pack, suffix, dot):
    names = [name.replace("-idx", f"{dot}idx") + suffix for name in NAMES]
    folder = data_set(tmp_path, names, pack)
    for path in (folder, str(folder)):
        (X, y), (X_test, y_test) = data.mnist(path)
        assert X.dtype == X_test.dtype == np.float32
        np.testing.assert_array_equal(X, images(6).reshape(6, 6) / np.float32(255))
        np.testing.assert_array_equal(X_test, X[:4])
        assert (y.tolist(), y_test.tolist()) == ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3])


def test_a_folder_of_that_name_is_no_file(tmp_path):
    """A folder with the name of a file is passed over; some archives create one."""
    folder = data_set(tmp_path, [f"{name}.gz" for name in NAMES])
    (folder / NAMES[0]).mkdir()
    assert data.mnist(folder)[0][0].shape == (6, 6)


@pytest.mark.parametrize("n", range(4))
def test_a_missing_file_is_named_with_all_four(tmp_path, n):
    folder = data_set(tmp_path)
    (folder / NAMES[n]).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        data.mnist(folder)
    for says in [f"no {NAMES[n]} in {folder}", *NAMES, ".gz", ".idx"]:
        assert says in str(caught.value)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        data.mnist(tmp_path / "nowhere")


@given(labels=arrays(np.uint8, 6), classes=st.integers(1, 256))
def test_labels_stay_below_classes(tmp_path_factory, labels, classes):
    folder = data_set(tmp_path_factory.getbasetemp() / "labels", train_labels=labels)
    if max(*labels, 3) < classes:
        (_, y), _ = data.mnist(folder, classes=classes)
        assert y.tolist() == labels.tolist()
    else:
        with pytest.raises(
            ValueError,
            match=r"-labels-idx1-ubyte: expected labels from 0 to \d+, got label \d+ at index \d",
        ):
            data.mnist(folder, classes=classes)


BYTES = np.zeros(6, np.uint8)


@pytest.mark.parametrize(
    ("changes", "arguments", "says"),
    [
        ({"t10k_labels": BYTES[:4] + 10}, {}, "t10k-labels-idx1-ubyte: expected labels from 0 to 9, got label 10 at index 0; .*pass classes=11"),
        ({}, {"classes": 5}, "train-labels-idx1-ubyte: .*got label 5 at index 5; .*pass classes=6"),
        ({}, {"classes": 0}, "classes must be a whole number, 1 or more, got 0"),
        ({"train_images": images(7)}, {}, "train-images-idx3-ubyte has 7 images, .*train-labels-idx1-ubyte has 6 labels"),
        ({"t10k_labels": BYTES[:3]}, {}, "t10k-images-idx3-ubyte has 4 images, .* 3 labels"),
        ({"t10k_images": images(4, 2, 3)}, {}, r"images of equal size, got \(3, 2\) and \(2, 3\)"),
        ({"train_images": images(6).reshape(6, 6)}, {}, "train-images.*: expected rank 3, got 2"),
        ({"train_labels": BYTES.astype("i4")}, {}, "train-labels.*: expected elements of uint8, got int32"),
        ({"train_images": images(6)[:0], "train_labels": BYTES[:0]}, {}, r"no pixels, of shape \(0, 3, 2\)"),
        ({"t10k_images": images(4, 0)}, {}, r"t10k-images-idx3-ubyte: no pixels, of shape \(4, 0, 2\)"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_are_refused(tmp_path, changes, arguments, says):
    folder = data_set(tmp_path, **changes)
    with pytest.raises(ValueError, match=says):
        data.mnist(folder, **arguments)


def test_sizes_are_products():
    """The helper above writes the known header of MNIST's first file."""
    start = header(8, 60000, 28, 28)
    with gzip.open(idx.MNIST / f"{NAMES[0]}.gz") as content:
        assert content.read(16) == start
        assert len(content.read()) == prod((60000, 28, 28))
