"""Files are read as written, damaged ones are refused in one sentence, arrays are prepared right."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fastmlp import datasets

IDX_TYPES = {">u1": 0x08, ">i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}


def real_data(name: str) -> Path:
    if "FASTMLP_DATA" not in os.environ:
        pytest.skip("FASTMLP_DATA is not set: it names the folder with the real data sets")
    folder = Path(os.environ["FASTMLP_DATA"]) / name
    if not folder.is_dir():
        pytest.skip(f"FASTMLP_DATA has no folder {name}")
    return folder


def idx_bytes(array: np.ndarray, kind: str = ">u1") -> bytes:
    header = bytes([0, 0, IDX_TYPES[kind], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(kind).tobytes()


@pytest.fixture
def write(tmp_path):
    def write_file(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


# ---- IDX ----


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", IDX_TYPES)
def test_idx_gives_back_what_was_written(write, kind, packed):
    expected = np.arange(-12, 12).reshape(2, 3, 4).astype(kind)
    content = idx_bytes(expected, kind)
    # The suffix says nothing: the first bytes decide.
    array = datasets.load_idx(write("file", gzip.compress(content) if packed else content))
    assert array.dtype == np.dtype(kind).newbyteorder("=") and array.dtype.isnative
    assert np.array_equal(array, expected)


LABELS = idx_bytes(np.arange(10))
DAMAGED = {
    "empty": (b"", "not an IDX file"),
    "text": (b"hello world", "not an IDX file, it begins with 68656c6c"),
    "unknown type": (b"\0\0\x0a" + LABELS[3:], "not an IDX file"),
    "no dimensions": (b"\0\0\x08\0" + LABELS[4:], "claims 0 dimensions"),
    "255 dimensions": (b"\0\0\x08\xff" + LABELS[4:], "claims 255 dimensions"),
    "ends in the header": (LABELS[:6], "ends inside its header"),
    "one byte short": (LABELS[:-1], "too short"),
    "one byte long": (LABELS + b"\0", "more than the 10 bytes"),
    "no rows": (idx_bytes(np.zeros((0, 28, 28))), r"no entries.*\(0, 28, 28\)"),
    "lies": (b"\0\0\x08\x03" + b"\xff" * 12 + bytes(100), "too short"),
}


@pytest.mark.parametrize("content, message", DAMAGED.values(), ids=DAMAGED)
def test_damaged_idx_is_refused(write, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        datasets.load_idx(write("broken-idx", content))
    assert "broken-idx" in str(caught.value) and "path" in str(caught.value)


def test_damaged_gzip_is_refused(write):
    packed = gzip.compress(idx_bytes(np.arange(200)))
    for content in (
        packed[:-9],
        packed[:60] + bytes([packed[60] ^ 0xFF]) + packed[61:],
        packed[:-8] + bytes(8),
    ):
        with pytest.raises(ValueError, match="damaged gzip"):
            datasets.load_idx(write("broken.gz", content))


def test_packed_header_that_lies_by_little_is_refused(write):
    short = gzip.compress(LABELS[:-1])
    with pytest.raises(ValueError, match="holds 9 bytes, its header states 10"):
        datasets.load_idx(write("short.gz", short))


@pytest.mark.parametrize("packed", [False, True])
def test_lying_header_takes_no_memory(write, packed):
    claims_a_gigabyte = b"\0\0\x08\x01" + struct.pack(">I", 2**30) + os.urandom(2**20 + 10)
    path = write("lie", gzip.compress(claims_a_gigabyte, 1) if packed else claims_a_gigabyte)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="holds|too short"):
            datasets.load_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_idx_folder(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (6, 2, 2)), rng.integers(0, 3, 6)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(X))
    with pytest.raises(FileNotFoundError, match="train-labels-idx1-ubyte"):
        datasets.load_idx_folder(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(y)))
    X_read, y_read, *test = datasets.load_idx_folder(tmp_path)
    assert np.array_equal(X_read, X) and np.array_equal(y_read, y) and test == [None, None]
    (tmp_path / "t10k-images.idx3-ubyte").write_bytes(idx_bytes(X[:2]))
    (tmp_path / "t10k-labels.idx1-ubyte").write_bytes(idx_bytes(y[:3]))
    with pytest.raises(ValueError, match=r"\(2, 2, 2\).*\(3,\)"):
        datasets.load_idx_folder(tmp_path)
    (tmp_path / "t10k-labels.idx1-ubyte").write_bytes(idx_bytes(y[:2]))
    assert np.array_equal(datasets.load_idx_folder(tmp_path)[3], y[:2])


# Of the unpacked files, as their publishers state them.
MD5 = {
    "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
}


def test_mnist_is_read_whole():
    folder = real_data("mnist")
    X, y, X_test, y_test = datasets.load_idx_folder(folder)
    assert (X.shape, y.shape, X_test.shape, y_test.shape) == (
        (60000, 28, 28),
        (60000,),
        (10000, 28, 28),
        (10000,),
    )
    for array, name in zip((X, y, X_test, y_test), MD5, strict=True):
        assert hashlib.md5(idx_bytes(array)).hexdigest() == MD5[name]


# ---- arrays ----


@pytest.mark.parametrize("dtype", ["(", "(01,)f4", "no such", 3])
def test_one_hot_refuses_odd_dtypes(dtype):
    with pytest.raises(ValueError, match="^dtype is .*, expected a dtype of NumPy$"):
        datasets.one_hot([0], dtype=dtype)


def test_one_hot():
    assert datasets.one_hot([0, 2]).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert datasets.one_hot(np.array([[1.0], [0.0]]), 3, "float64").tolist() == [[0, 1, 0], [1, 0, 0]]
    assert datasets.one_hot([True, False]).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    "labels, n_classes, message",
    [
        ([0, 3], 3, "labels contains 3 at row 1, expected classes 0 to 2"),
        ([-1, 0], None, "labels contains -1 at row 0"),
        ([0.5], None, "labels contains 0.5 at row 0, expected whole"),
        ([np.nan], None, "labels contains nan"),
        ([], None, "labels has shape"),
        ([[0, 1]], None, "labels has shape"),
        ([0], 0, "n_classes is 0"),
    ],
)
def test_one_hot_refuses(labels, n_classes, message):
    with pytest.raises(ValueError, match=message):
        datasets.one_hot(labels, n_classes)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_standardize(dtype):
    X = np.random.default_rng(0).integers(0, 200, (500, 3)).astype(dtype)
    before = X.copy()
    Z, mean, std = datasets.standardize(X)
    assert Z.dtype == ("float32" if dtype == "float32" else "float64")
    assert np.array_equal(X, before)
    assert np.abs(Z.mean(axis=0)).max() < 1e-6 and np.abs(Z.std(axis=0) - 1).max() < 1e-6
    assert np.allclose(Z * std + mean, X, rtol=0, atol=1e-4) and np.ptp(Z) > 1


def test_standardize_keeps_constant_columns_at_zero():
    X = np.full((1000, 3), 0.1)
    X[:, 1] = np.arange(1000) * 1e-12
    X[:, 2] = 1e6 + np.random.default_rng(0).normal(size=1000) * 1e-9
    Z, _, std = datasets.standardize(X)
    assert std[0] == 1 and np.abs(Z[:, 0]).max() < 1e-12
    assert std[2] == 1, "the noise of computing a number is no spread"
    assert np.abs(Z[:, 1].std() - 1) < 1e-9, "a column of small but true spread is scaled"


@pytest.mark.parametrize("X", [[1.0, 2.0], np.zeros((0, 3)), [[np.inf]], [["a"]]])
def test_standardize_refuses(X):
    with pytest.raises((ValueError, TypeError), match="X "):
        datasets.standardize(X)


def test_scale_images_divides_by_255():
    pixels = np.arange(256, dtype=np.uint8).reshape(2, 8, 16)
    for dtype in (np.float32, np.float64):
        scaled = datasets.scale_images(pixels, dtype)
        assert scaled.shape == (2, 128) and scaled.dtype == dtype
        assert np.array_equal(scaled.ravel(), np.arange(256, dtype=dtype) / dtype(255))


def test_scale_images_refuses():
    with pytest.raises(TypeError, match="images has dtype float64"):
        datasets.scale_images(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="images has shape"):
        datasets.scale_images(np.zeros(4, np.uint8))


# ---- splitting ----


def test_split_parts_are_all_rows_once_and_pairs_stay_together():
    X = np.arange(40).reshape(20, 2)
    X_train, X_test, y_train, y_test = datasets.train_test_split(X, X[:, 0] * 10, test_size=0.3, seed=1)
    assert X_train.shape == (14, 2) and X_test.shape == (6, 2)
    assert sorted(np.concatenate([X_train, X_test])[:, 0]) == X[:, 0].tolist()
    assert np.array_equal(X_train[:, 0] * 10, y_train) and np.array_equal(X_test[:, 0] * 10, y_test)
    assert not np.array_equal(np.concatenate([X_test, X_train]), X), "the rows are shuffled"


def test_split_follows_the_seed():
    X = np.arange(100)
    first, again, other = (datasets.train_test_split(X, X, 10, seed)[1] for seed in (5, 5, 6))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    random = {tuple(datasets.train_test_split(X, X, 10)[1]) for _ in range(3)}
    assert len(random) == 3, "without a seed each split is another"


@pytest.mark.parametrize("size, rows", [(0.25, 25), (0.001, 1), (7, 7), (np.float32(0.5), 50), (0.301, 31)])
def test_split_sizes(size, rows):
    assert len(datasets.train_test_split(np.zeros(100), np.zeros(100), size, 0)[1]) == rows


def test_stratified_split_keeps_the_shares():
    y = np.repeat([0, 1, 2], [80, 15, 5])
    X = np.arange(100)
    for stratify in (True, y):
        _, X_test, y_train, y_test = datasets.train_test_split(X, y, 0.2, 3, stratify)
        assert np.bincount(y_test).tolist() == [16, 3, 1] and np.bincount(y_train).tolist() == [64, 12, 4]
        assert not np.array_equal(X_test, np.sort(X_test))
    plain = [np.bincount(datasets.train_test_split(X, y, 0.2, s)[3], minlength=3).tolist() for s in range(5)]
    assert any(counts != [16, 3, 1] for counts in plain), "without stratify the shares vary"


def test_stratified_sizes_add_up_where_shares_are_no_whole_numbers():
    y = np.arange(31) % 7
    for n_test in range(1, 31):
        parts = datasets.train_test_split(y, y, n_test, 0, True)
        assert len(parts[3]) == n_test
        assert np.abs(np.bincount(parts[3], minlength=7) - np.bincount(y) * n_test / 31).max() < 1


@pytest.mark.parametrize("size", [0, 1.0, 0.0, -0.1, 10, 11, float("nan")])
def test_split_refuses_sizes_that_leave_a_part_empty(size):
    with pytest.raises(ValueError, match="test_size is"):
        datasets.train_test_split(np.zeros(10), np.zeros(10), size, 0)


def test_split_refuses_other_lengths():
    with pytest.raises(ValueError, match="y has shape"):
        datasets.train_test_split(np.zeros(10), np.zeros(9))
    with pytest.raises(ValueError, match="stratify has shape"):
        datasets.train_test_split(np.zeros(10), np.zeros(10), stratify=[0, 1])
