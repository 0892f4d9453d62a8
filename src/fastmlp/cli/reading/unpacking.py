"""A file's bytes as text: what packs them is taken off, and their encoding found."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import Any

from ...datasets.bounded import read_exactly
from ...errors import listed


def _open_zip(path: Path, mode: str) -> Any:
    """The one file of an archive, as pandas has it; folders, and what macOS adds, are none."""
    archive = zipfile.ZipFile(path)
    names = [
        name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")
    ]
    if len(names) != 1:
        archive.close()
        raise ValueError(f"{path.name!r} packs {len(names)} files, expected one: {listed(names[:5])}")
    return archive.open(names[0])


_PACKED: dict[bytes, tuple[str, Any]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bzip2", bz2.open),
    b"\xfd7zXZ\0": ("xz", lzma.open),
    b"PK\x03\x04": ("zip", _open_zip),
}
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, OSError, zipfile.BadZipFile, RuntimeError)  # or a password
_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


def text_of(path: Path, encoding: str | None, max_bytes: int) -> tuple[str, list[str]]:
    """The text, and what was guessed.

    Raises
    ------
    ValueError
        If the file unpacks to more than `max_bytes`, is damaged, or is no text.
    """
    content = _unpacked(path, max_bytes)
    if encoding is not None:
        return _decoded(path, content, encoding), []
    for mark, name in _MARKS.items():
        if content.startswith(mark):
            return _decoded(path, content, name), []
    if b"\0" in content[:4096]:
        return _unmarked(path, content)
    try:
        return content.decode("utf-8"), []
    except UnicodeDecodeError as error:
        byte = error.start
    try:
        found, name = content.decode("cp1252"), "cp1252"
    except UnicodeDecodeError:
        found, name = content.decode("latin-1"), "latin-1"
    return found, [f"byte {byte} is not UTF-8, read as {name} (--encoding sets another)"]


def _unpacked(path: Path, max_bytes: int) -> bytes:
    with path.open("rb") as file:
        start = file.read(6)
    for magic, (name, opened) in _PACKED.items():
        if start.startswith(magic):
            try:
                with opened(path, "rb") as stream:
                    content = bytes(read_exactly(stream, max_bytes + 1))
            except _DAMAGE as error:
                raise ValueError(f"{path.name!r} is not a readable {name} file ({error})") from error
            if len(content) > max_bytes:
                raise ValueError(f"{path.name!r} unpacks to more than --max-bytes, expected {max_bytes}")
            return content
    return path.read_bytes()


def _decoded(path: Path, content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except LookupError:
        raise ValueError(f"--encoding is {encoding!r}, expected one such as utf-8 or latin-1") from None
    except UnicodeError as error:
        where = f" (byte {error.start})" if isinstance(error, UnicodeDecodeError) else ""
        raise ValueError(f"{path.name!r} is not {encoding} text{where}, --encoding sets another") from None


def _unmarked(path: Path, content: bytes) -> tuple[str, list[str]]:
    """Text of two bytes a letter, most of whose letters have a zero in the same place."""
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        high, low = content[first:4096:2], content[1 - first : 4096 : 2]
        if not low.count(0) and 2 * high.count(0) > len(high):
            return _decoded(path, content, encoding), [f"read as {encoding} (--encoding sets another)"]
    raise ValueError(f"{path.name!r} is not text: it has the byte 0 at {content.index(0)}")
