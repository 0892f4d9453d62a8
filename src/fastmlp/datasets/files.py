"""Arrays from binary files: IDX, the format of MNIST and its relatives, and NumPy's ``.npz``."""

from __future__ import annotations

import gzip
import math
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ..errors import listed

Array = npt.NDArray[Any]
PathLike = str | os.PathLike[str]

# The third byte of an IDX file names the element type; elements are big-endian.
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_IDX_MAX_DIMENSIONS = 8
_CHUNK = 1 << 20
# DEFLATE cannot expand one byte to more than 1032, so a header that claims more is refused unread.
_GZIP_MAX_RATIO = 1032


def load_idx(path: PathLike) -> Array:
    """Read one IDX file (the format of MNIST), plain or gzip, recognised by its first bytes.

    Parameters
    ----------
    path : str or path
        For example ``train-images-idx3-ubyte.gz``.

    Returns
    -------
    ndarray
        The shape and element type the header states, in native byte order: (60000, 28, 28) uint8 for MNIST's
        training images.

    Raises
    ------
    ValueError
        If the file is not IDX, or holds fewer or more bytes than its header states. Memory is taken for what
        the file holds, never for what its header claims.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "labels-idx1-ubyte"
    >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    >>> load_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    path = Path(path)
    size = path.stat().st_size
    with path.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not compressed:
            return _read_idx(raw, path, available=size)
        try:
            with gzip.open(raw) as unpacked:
                return _read_idx(unpacked, path, available=size * _GZIP_MAX_RATIO)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"path {path.name!r} is a damaged gzip file ({error})") from error


def _read_idx(stream: BinaryIO | gzip.GzipFile, path: Path, available: int) -> Array:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _IDX_TYPES:
        raise ValueError(f"path {path.name!r} is not an IDX file, it begins with {magic.hex() or 'nothing'}")
    dimensions = magic[3]
    if not 1 <= dimensions <= _IDX_MAX_DIMENSIONS:
        raise ValueError(
            f"path {path.name!r} claims {dimensions} dimensions, expected 1 to {_IDX_MAX_DIMENSIONS}"
        )
    sizes = stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise ValueError(f"path {path.name!r} ends inside its header")
    shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, len(sizes), 4))
    dtype = np.dtype(_IDX_TYPES[magic[2]])
    expected = math.prod(shape) * dtype.itemsize
    if expected == 0:
        raise ValueError(f"path {path.name!r} holds no entries, its header states the shape {shape}")
    if len(magic) + len(sizes) + expected > available:
        raise ValueError(f"path {path.name!r} is too short for the shape {shape} that its header states")
    body = _read_exactly(stream, expected)
    if len(body) < expected:
        raise ValueError(
            f"path {path.name!r} holds {len(body)} bytes, its header states {expected} for the shape {shape}"
        )
    if stream.read(1):
        raise ValueError(f"path {path.name!r} holds more than the {expected} bytes its header states")
    values: Array = np.frombuffer(body, dtype=dtype).reshape(shape)
    return values if dtype.itemsize == 1 else values.astype(dtype.newbyteorder("="))


def _read_exactly(stream: BinaryIO | gzip.GzipFile, size: int) -> bytearray:
    """Up to `size` bytes, in steps, so that memory follows the file's true length."""
    body = bytearray()
    while len(body) < size:
        chunk = stream.read(min(_CHUNK, size - len(body)))
        if not chunk:
            break
        body += chunk
    return body


def load_idx_folder(path: PathLike) -> tuple[Array, Array, Array | None, Array | None]:
    """Read a folder with the four IDX files of MNIST and its relatives.

    Parameters
    ----------
    path : str or path
        A folder with ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, and optionally the
        same names with ``t10k`` for the test set; each may end in ``.gz``.

    Returns
    -------
    X, y, X_test, y_test : ndarrays
        As `load_idx` reads them; the last two are None when the folder has no test set.

    Raises
    ------
    FileNotFoundError
        If the training files are not there.
    ValueError
        If a file is damaged, or images and labels do not agree in number.

    Examples
    --------
    >>> X, y, X_test, y_test = load_idx_folder("data/mnist")            # doctest: +SKIP
    >>> X.shape, y.shape                                                # doctest: +SKIP
    ((60000, 28, 28), (60000,))
    """
    folder = Path(path)
    X, y = _load_idx_pair(folder, "train")
    if _find_idx(folder, "t10k", "images-idx3") is None:
        return X, y, None, None
    return X, y, *_load_idx_pair(folder, "t10k")


def _find_idx(folder: Path, part: str, kind: str) -> Path | None:
    for name in (f"{part}-{kind}-ubyte", f"{part}-{kind.replace('-', '.')}-ubyte"):
        for suffix in ("", ".gz"):
            if (found := folder / (name + suffix)).is_file():
                return found
    return None


def _load_idx_pair(folder: Path, part: str) -> tuple[Array, Array]:
    images, labels = _find_idx(folder, part, "images-idx3"), _find_idx(folder, part, "labels-idx1")
    if images is None or labels is None:
        missing = f"{part}-{'images-idx3' if images is None else 'labels-idx1'}-ubyte"
        raise FileNotFoundError(f"path {str(folder)!r} holds neither {missing} nor {missing}.gz")
    X, y = load_idx(images), load_idx(labels)
    if y.ndim != 1 or len(X) != len(y):
        raise ValueError(f"path {images.name!r} has shape {X.shape}, but {labels.name!r} has {y.shape}")
    return X, y


def load_npz(path: PathLike) -> dict[str, Array]:
    """Read the arrays of an ``.npz`` file; pickled objects are refused.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    dict
        With "X", and where the file has them "y", "X_test" and "y_test". The spellings "x", "x_train",
        "X_train" and "y_train" are understood as well.

    Raises
    ------
    ValueError
        If the file is not a readable ``.npz``, or has no "X".

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "data.npz"
    >>> np.savez(path, X=np.zeros((3, 2)), y=np.arange(3))
    >>> sorted(load_npz(path))
    ['X', 'y']
    """
    path = Path(path)
    names = {"x": "X", "x_train": "X", "y": "y", "y_train": "y", "x_test": "X_test", "y_test": "y_test"}
    try:
        with np.load(path, allow_pickle=False) as stored:
            if not isinstance(stored, np.lib.npyio.NpzFile):
                raise ValueError("one single array")
            arrays = {names[key.lower()]: stored[key] for key in stored.files if key.lower() in names}
            found = listed(stored.files) or "nothing"
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"path {path.name!r} is not a readable .npz of plain arrays ({error})") from error
    if "X" not in arrays:
        raise ValueError(f'path {path.name!r} holds {found}, expected arrays named "X" and "y"')
    return arrays
