"""Arrays from IDX files, the format of MNIST and its relatives."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .. import validation
from .bounded import MAX_BYTES, Array, PathLike, read_exactly

# The third byte of an IDX file names the element type; elements are big-endian.
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_IDX_MAX_DIMENSIONS = 8
# DEFLATE cannot expand one byte to more than 1032, so a header that claims more is refused unread.
_GZIP_MAX_RATIO = 1032


def load_idx(path: PathLike, *, max_bytes: int = MAX_BYTES) -> Array:
    """Read one IDX file (the format of MNIST), plain or gzip, recognised by its first bytes.

    Parameters
    ----------
    path : str or path
        For example ``train-images-idx3-ubyte.gz``.
    max_bytes : int
        The most that a packed file may unpack to, 1 GiB unless given.

    Returns
    -------
    ndarray
        The shape and element type the header states, in native byte order: (60000, 28, 28) uint8 for MNIST's
        training images.

    Raises
    ------
    ValueError
        If the file is not IDX, holds fewer or more bytes than its header states, or unpacks to more than
        `max_bytes`. Memory is taken for what the file holds, never for what its header claims.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "labels-idx1-ubyte"
    >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    >>> load_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    path = Path(path)
    limit = validation.integer(max_bytes, "max_bytes", 1)
    size = path.stat().st_size
    with path.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not compressed:
            return _read_idx(raw, path, available=size, limit=size)
        try:
            with gzip.open(raw) as unpacked:
                return _read_idx(unpacked, path, available=size * _GZIP_MAX_RATIO, limit=limit)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"path {path.name!r} is a damaged gzip file ({error})") from error


def _read_idx(stream: BinaryIO | gzip.GzipFile, path: Path, available: int, limit: int) -> Array:
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
    if expected > limit:
        came = f"path {path.name!r} unpacks to {expected} bytes"
        raise ValueError(f"{came}, expected at most max_bytes={limit}")
    body = read_exactly(stream, expected)
    if len(body) < expected:
        raise ValueError(
            f"path {path.name!r} holds {len(body)} bytes, its header states {expected} for the shape {shape}"
        )
    if stream.read(1):
        raise ValueError(f"path {path.name!r} holds more than the {expected} bytes its header states")
    values: Array = np.frombuffer(body, dtype=dtype).reshape(shape)
    return values if dtype.itemsize == 1 else values.astype(dtype.newbyteorder("="))


def load_idx_folder(
    path: PathLike, *, max_bytes: int = MAX_BYTES
) -> tuple[Array, Array, Array | None, Array | None]:
    """Read a folder with the four IDX files of MNIST and its relatives.

    Parameters
    ----------
    path : str or path
        A folder with ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, and optionally the
        same names with ``t10k`` for the test set; each may end in ``.gz``.
    max_bytes : int
        The most that each packed file may unpack to, 1 GiB unless given.

    Returns
    -------
    X, y, X_test, y_test : ndarrays
        As `load_idx` reads them; the last two are None when the folder has no test set.

    Raises
    ------
    FileNotFoundError
        If the training files are not there.
    ValueError
        If a file is damaged or unpacks to more, or images and labels do not agree in number.

    Examples
    --------
    >>> X, y, X_test, y_test = load_idx_folder("data/mnist")            # doctest: +SKIP
    >>> X.shape, y.shape                                                # doctest: +SKIP
    ((60000, 28, 28), (60000,))
    """
    folder = Path(path)
    X, y = _load_idx_pair(folder, "train", max_bytes)
    if _find_idx(folder, "t10k", "images-idx3") is None:
        return X, y, None, None
    return X, y, *_load_idx_pair(folder, "t10k", max_bytes)


def _find_idx(folder: Path, part: str, kind: str) -> Path | None:
    for name in (f"{part}-{kind}-ubyte", f"{part}-{kind.replace('-', '.')}-ubyte"):
        for suffix in ("", ".gz"):
            if (found := folder / (name + suffix)).is_file():
                return found
    return None


def _load_idx_pair(folder: Path, part: str, max_bytes: int) -> tuple[Array, Array]:
    images, labels = _find_idx(folder, part, "images-idx3"), _find_idx(folder, part, "labels-idx1")
    if images is None or labels is None:
        missing = f"{part}-{'images-idx3' if images is None else 'labels-idx1'}-ubyte"
        raise FileNotFoundError(f"path {str(folder)!r} holds neither {missing} nor {missing}.gz")
    X, y = load_idx(images, max_bytes=max_bytes), load_idx(labels, max_bytes=max_bytes)
    if y.ndim != 1 or len(X) != len(y):
        raise ValueError(f"path {images.name!r} has shape {X.shape}, but {labels.name!r} has {y.shape}")
    return X, y
