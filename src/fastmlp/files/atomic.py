"""Writing files whole or not at all; every file that the package writes goes through `write`.

The new file gets a name of its own in the target's folder, is brought to the disk, and takes the target's
place by a rename.  So a reader meets the old file or the new one, and so does whoever comes after an error,
Ctrl-C, a killed process or a power cut.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable
from functools import partial
from typing import IO

_MOST_LINKS = 40  # in a chain, as Linux follows
_PREFIX = 48  # characters of the target's name: a file's name has room for 255 bytes


def write(path: str | bytes | os.PathLike[str], fill: Callable[[IO[bytes]], object]) -> None:
    """Put a new file in the place of `path`.

    Parameters
    ----------
    path : str, bytes or path
        A link stays a link, and what it leads to is replaced.
    fill : callable
        Writes the content into the open file that it is given. What it raises comes out, and nothing has
        changed.

    Raises
    ------
    OSError
        If the file cannot be written; it names `path`. PermissionError too if `path` is a link that another
        user made in a sticky folder that all may write to, such as /tmp.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "greeting.txt")
    ...     write(path, lambda file: file.write(b"hello"))
    ...     os.listdir(folder)
    ['greeting.txt']
    """
    name = os.fsdecode(path)
    try:
        target = _end_of_links(name)
        mode = _kept_mode(target)
        _remove_abandoned(target)
        while not _replaced(target, mode, fill):
            pass
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, name) from error  # it named a temporary, or no file
    _sync_folder(os.path.dirname(target) or os.curdir)


def _replaced(target: str, mode: int | None, fill: Callable[[IO[bytes]], object]) -> bool:
    """One attempt; False if another save removed the new file before it was locked."""
    temporary = _prefix(target) + os.urandom(8).hex() + ".tmp"
    # Exclusive: neither a file nor a link of that name is opened.  Until it is whole, it is its owner's alone
    # if the target may be.  No Python runs in the opener, so no signal leaves a descriptor behind.
    opener = partial(os.open, mode=0o666 if mode is None else 0o600)
    try:
        with open(temporary, "xb", opener=opener) as file:
            if not _locked(file):
                return False
            fill(file)
            file.flush()
            if mode is not None:
                os.chmod(file.fileno() if os.chmod in os.supports_fd else temporary, mode)
            os.fsync(file.fileno())
            if os.name == "nt":
                file.close()  # Windows renames no open file; elsewhere the lock goes when the name has gone
            os.replace(temporary, target)
        return True
    finally:
        try:
            os.unlink(temporary)
        except OSError:  # it has taken the target's place, or was never made
            pass


# ---- the target ----


def _end_of_links(path: str) -> str:
    """The path that a chain of links leads to; the rule is that of Linux's fs.protected_symlinks."""
    for _ in range(_MOST_LINKS):
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return path
        if not stat.S_ISLNK(status.st_mode):
            return path
        # Looked at before it is read: our own link in such a folder is one that nobody can exchange.
        folder = _shared_folder(path)
        if folder is not None and status.st_uid not in (os.geteuid(), folder.st_uid):
            came = "a link of another user in a folder that all may write to"
            raise PermissionError(errno.EACCES, came, path)
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def _shared_folder(path: str) -> os.stat_result | None:
    """The status of the path's folder if that is sticky and all may write to it."""
    status = os.stat(os.path.dirname(path) or os.curdir)
    return status if status.st_mode & stat.S_ISVTX and status.st_mode & stat.S_IWOTH else None


def _kept_mode(target: str) -> int | None:
    """The permissions that the new file takes from the old one; None where the umask decides."""
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), target)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", target)
    if _shared_folder(target) is not None and status.st_uid != os.geteuid():
        return None  # another user may have put it there, open to all
    return stat.S_IMODE(status.st_mode) & 0o777


def _sync_folder(folder: str) -> None:
    """Bring the rename to the disk, where the system can do that.

    A failure is no failed save: the new file has its name and is on the disk.  All that a power cut could
    still do is bring back the old one.
    """
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        pass


# ---- temporaries that a killed process left ----
#
# A process that writes holds the lock of its temporary (flock) until the temporary has its final name, and
# the system lets go of it when the process ends, however it ends.  So whoever gets the lock of a temporary
# knows that nobody will finish it.  A new temporary has no lock for a moment: who writes takes it before the
# first byte, and begins anew if the file was locked or removed by then.  Some network file systems keep locks
# to one machine, so only the temporaries of this one are looked at.  Without flock (Windows) none is removed.


def _prefix(target: str) -> str:
    """How the paths of a target's temporaries begin on this machine; names that begin alike may share it."""
    import platform
    import zlib

    folder, name = os.path.split(target)
    machine = zlib.crc32(platform.node().encode())
    return os.path.join(folder, f".{name[:_PREFIX]}.{machine:08x}")


def _locked(file: IO[bytes]) -> bool:
    """Take the lock of a new temporary; False if another save was quicker and removes the file."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks, where none can be taken for abandoned
    return os.fstat(file.fileno()).st_nlink > 0


def _remove_abandoned(target: str) -> None:
    """Remove the target's temporaries that no process writes; what cannot be removed stays."""
    folder, beginning = os.path.split(_prefix(target))
    ours = re.compile(re.escape(beginning) + r"[0-9a-f]{16}\.tmp")
    try:
        with os.scandir(folder or os.curdir) as entries:
            names = [entry.name for entry in entries if ours.fullmatch(entry.name)]
    except OSError:
        return
    for name in names:
        try:
            _remove_if_abandoned(os.path.join(folder, name))
        except OSError:
            pass


def _remove_if_abandoned(path: str) -> None:
    try:
        import fcntl
    except ImportError:
        return
    # For writing, as NFS asks of exclusive locks; a pipe of that name is not waited for.
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb+", buffering=0) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: somebody writes it
        if os.path.samestat(status, os.lstat(path)):
            os.unlink(path)
