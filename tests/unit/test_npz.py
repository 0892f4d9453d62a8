"""Data in .npz files: read as NumPy wrote it, limited in size, refused in one sentence if damaged."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fastmlp import datasets


@pytest.fixture
def write(tmp_path):
    def write_file(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write_file


def npy(array: np.ndarray, version: tuple[int, int] = (1, 0)) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version)
    return file.getvalue()


PLAIN = npy(np.arange(6.0).reshape(3, 2))


def with_header(text: bytes) -> bytes:
    """An array of 48 bytes whose header is this text."""
    text += b" " * (-(10 + len(text) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + bytes(48)


def header(descr: str = "'<f8'", shape: str = "(3, 2)", order: str = "False") -> bytes:
    return with_header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode())


def zipped(content: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("X.npy", content)
    return file.getvalue()


def changed(zip_file: bytes, central: int, local: int, value: bytes) -> bytes:
    """A zip whose two entries of the array say something else at these offsets."""
    content = bytearray(zip_file)
    at = content.rfind(b"PK\1\2")
    content[at + central : at + central + len(value)] = value
    content[local : local + len(value)] = value
    return bytes(content)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "|u1", "<i8", "|b1", "<U3"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_it_gives_back_what_numpy_wrote(tmp_path, save, dtype, order):
    numbers = np.arange(15_000).astype(dtype)
    for shape in ((3, 5000), (3, 5, 1000), (0, 4)):
        expected = np.array(numbers[: np.prod(shape)].reshape(shape), order=order)
        save(tmp_path / "data.npz", X=expected, y=np.array(7))
        arrays = datasets.load_npz(tmp_path / "data.npz")
        assert arrays["X"].dtype == expected.dtype and np.array_equal(arrays["X"], expected)
        assert arrays["y"].shape == () and arrays["y"] == 7 and arrays["X"].flags.writeable


def test_it_reads_the_second_version_of_headers(write):
    X = datasets.load_npz(write("data.npz", zipped(npy(np.arange(6.0), (2, 0)))))["X"]
    assert X.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "names", [("X", "y", "X_test", "y_test"), ("x_train", "y_train", "x_test", "y_test")]
)
def test_names(tmp_path, names):
    np.savez(
        tmp_path / "data.npz", **{name: np.full(3, i) for i, name in enumerate(names)}, other=np.zeros(2)
    )
    arrays = datasets.load_npz(tmp_path / "data.npz")
    assert {name: array[0] for name, array in arrays.items()} == {"X": 0, "y": 1, "X_test": 2, "y_test": 3}


def test_it_refuses_objects_and_foreign_files(tmp_path, write):
    path = tmp_path / "data.npz"
    np.savez(path, X=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="not a readable .npz of plain arrays"):
        datasets.load_npz(path)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(ValueError, match='holds a, expected arrays named "X"'):
        datasets.load_npz(path)
    for content in (b"", b"text", path.read_bytes()[:-10]):
        with pytest.raises(ValueError, match=r"half.npz' is not a readable"):
            datasets.load_npz(write("half.npz", content))


DAMAGED = {
    "shape of 20 digits": zipped(header(shape="(99999999999999999999,)")),
    "negative shape": zipped(header(shape="(-3, -2)")),
    "shape of floats": zipped(header(shape="(3.0, 2)")),
    "thousands of dimensions": zipped(header(shape="(6," + "1," * 4000 + ")")),
    "no brace": zipped(with_header(b"{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), ")),
    "leading zero": zipped(header(shape="(03, 2)")),
    "open brackets": zipped(header(shape="(((((")),
    "deep brackets": zipped(header(shape="(" * 3000)),
    "no Python": zipped(with_header(b"0777L \x00 ` $ '")),
    "no text": zipped(with_header(b"\xff\xfe\x00")),
    "odd dtype": zipped(header("'(01,)f8'")),
    "dtype of a bracket": zipped(header("'('")),
    "dtype without bytes": zipped(header("'|V0'", shape="(10000000000000,)")[:-48]),
    "objects": zipped(header("'|O'")),
    "order": zipped(header(order="7")),
    "long header": zipped(with_header(b"{" + b" " * 20_000 + b"}")),
    "too short": zipped(PLAIN[:-1]),
    "too long": zipped(PLAIN + b"\0"),
    "empty": zipped(b""),
    "text": zipped(b"hello"),
    "version": zipped(npy(np.zeros(6), (3, 0))),
    "unknown compression": changed(zipped(PLAIN), 10, 8, b"\x63\0"),
    "lzma": zipped(PLAIN, zipfile.ZIP_LZMA),
    "bzip2": zipped(PLAIN, zipfile.ZIP_BZIP2),
    "encrypted": changed(zipped(PLAIN), 8, 6, b"\x01"),
    "checksum": changed(zipped(PLAIN), 16, 14, b"\0\0\0\0"),
    "no deflate": changed(zipped(PLAIN), 10, 8, b"\x08\0"),
    "states less than it holds": changed(zipped(PLAIN), 24, 22, struct.pack("<I", 60)),
    "states more than it holds": changed(zipped(PLAIN), 24, 22, struct.pack("<I", 2**29)),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_array_is_refused_by_name(write, content):
    message = r"^path 'bad\.npz' is not a readable \.npz of plain arrays \(array 'X': .+\)$"
    with pytest.raises(ValueError, match=message) as caught:
        datasets.load_npz(write("bad.npz", content))
    text = str(caught.value)
    assert type(caught.value) is ValueError and len(text) < 400 and text.isprintable()


def test_a_zip_that_needs_a_newer_reader_is_refused(write):
    content = bytearray(zipped(PLAIN))
    content[content.rfind(b"PK\1\2") + 6] = 255
    with pytest.raises(ValueError, match=r"^path 'bad\.npz' is not a readable \.npz of plain arrays"):
        datasets.load_npz(write("bad.npz", bytes(content)))


def test_any_byte_changed_is_refused_or_harmless(write):
    good, refused = zipped(PLAIN, zipfile.ZIP_DEFLATED), 0
    for position in range(len(good)):
        for flip in (1, 0x80, 0xFF):
            content = bytearray(good)
            content[position] ^= flip
            try:
                X = datasets.load_npz(write("flipped.npz", bytes(content)))["X"]
            except ValueError as error:
                assert str(error).startswith("path 'flipped.npz' "), error
                refused += 1
            else:
                assert X.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert refused > len(good)


def test_one_array_under_two_names_is_refused(tmp_path):
    np.savez(tmp_path / "data.npz", X=np.zeros(3), x_train=np.ones(3))
    with pytest.raises(ValueError, match="holds 'X' and 'x_train', expected one array for X"):
        datasets.load_npz(tmp_path / "data.npz")


# ---- size ----


def peak(load) -> int:
    """The memory that a refusal takes."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="expected at most max_bytes=|it holds|the file holds"):
            load()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


ZEROS = np.zeros(20_000_000, np.uint8)


def test_more_than_allowed_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, X=ZEROS[:10], y=ZEROS)
    assert peak(lambda: datasets.load_npz(path, max_bytes=len(ZEROS))) < 3_000_000
    assert len(datasets.load_npz(path, max_bytes=len(ZEROS) + 1000)["y"]) == len(ZEROS)
    np.savez_compressed(tmp_path / "two.npz", X=ZEROS, y=ZEROS)
    assert peak(lambda: datasets.load_npz(tmp_path / "two.npz", max_bytes=len(ZEROS) + 1000)) < 3_000_000
    message = r"'bomb.npz' unpacks to 2\d{7} bytes up to its array 'y', expected at most max_bytes=100000$"
    with pytest.raises(ValueError, match=message):
        datasets.load_npz(path, max_bytes=100_000)
    with pytest.raises(ValueError, match="max_bytes is 0"):
        datasets.load_npz(path, max_bytes=0)


def test_an_idx_file_has_the_same_limit(write):
    path = write("bomb.gz", gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", len(ZEROS)) + ZEROS.tobytes()))
    assert peak(lambda: datasets.load_idx(path, max_bytes=len(ZEROS) - 1)) < 3_000_000
    assert len(datasets.load_idx(path, max_bytes=len(ZEROS))) == len(ZEROS)


def test_the_limit_is_a_gigabyte_unless_told(write):
    """Files that only state it, since who believes them takes no more either."""
    content = changed(zipped(header(shape=f"({2**27 + 100},)")), 24, 22, struct.pack("<I", 2**30 + 928))
    path = write("bomb.npz", content)
    with pytest.raises(ValueError, match="unpacks to 1073742752 bytes .* most max_bytes=1073741824"):
        datasets.load_npz(path)
    assert peak(lambda: datasets.load_npz(path, max_bytes=2**40)) < 3_000_000
    packed = gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", 2**30 + 1) + os.urandom(2**21), 1)
    with pytest.raises(ValueError, match="unpacks to 1073741825 bytes, expected .*=1073741824"):
        datasets.load_idx(write("bomb.gz", packed))


def test_what_is_stored_uncompressed_may_have_its_size(tmp_path):
    np.savez(tmp_path / "data.npz", X=np.zeros(1000))
    assert datasets.load_npz(tmp_path / "data.npz", max_bytes=1)["X"].shape == (1000,)
