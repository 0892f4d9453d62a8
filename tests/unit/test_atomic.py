"""Files are replaced whole or not at all: interrupts, kills, full disks, links, other users."""

import errno
import os
import signal
import stat
import subprocess
import sys

import pytest

import fastmlp
from fastmlp.files import atomic

POSIX = pytest.mark.skipif(os.name != "posix", reason="POSIX permissions, links and locks")
NOBODY = 65534
OLD, NEW = b"old" * 100, b"new" * 5000


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file.bin").write_bytes(OLD)
    return tmp_path / "file.bin"


@pytest.fixture
def shared(tmp_path):
    """A sticky folder that all may write to, where links can be given to another user."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root can make another user's links")
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def write(path, content=NEW):
    atomic.write(path, lambda file: file.write(content))


def names(path):
    return sorted(os.listdir(path.parent))


def temporary_of(path):
    """The name of the temporary while the file is written."""
    before, during = set(names(path)), set()
    atomic.write(path, lambda file: during.update(names(path)))
    (name,) = during - before
    return path.with_name(name)


# ---- interrupts ----


class Interrupts:
    """KeyboardInterrupt at the n-th bytecode that Python runs in `atomic`."""

    def __init__(self, at):
        self.left = at

    def __call__(self, frame, event, argument):
        if frame.f_code.co_filename != atomic.__file__:
            return None
        frame.f_trace_opcodes = True
        if event == "call":
            sys.settrace(self)  # without it Python 3.12 tells of no opcodes
        if event == "opcode":
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self


def interrupted(at, path):
    """Whether a save that is interrupted at the n-th bytecode got so far."""
    tracer = Interrupts(at)
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        write(path)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_an_interrupt_anywhere_leaves_one_whole_file_and_nothing_else(path):
    write(path.with_name("other"), b"")  # what is imported on the way is there
    path.with_name("other").unlink()
    at, contents = 1, []
    while interrupted(at, path):
        contents.append(path.read_bytes())
        assert names(path) == [path.name], f"at bytecode {at}"
        path.write_bytes(OLD)
        at += 1
    assert at > 200 and set(contents) == {OLD, NEW}
    assert contents == sorted(contents, reverse=True), "the old file, and from the rename on the new one"
    assert path.read_bytes() == NEW


def test_an_interrupt_during_the_rename_is_an_interrupt(path, monkeypatch):
    """The signal comes while the system renames, and is handled when that is done."""
    rename = os.replace

    def replace(source, target):
        rename(source, target)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(os, "replace", replace)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells' background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            fastmlp.Network([2, 1], seed=0).save(path.with_name("net.npz"))
    finally:
        signal.signal(signal.SIGINT, handler)
    monkeypatch.undo()
    assert names(path) == [path.name, "net.npz"]
    assert fastmlp.load(path.with_name("net.npz")).layer_sizes == (2, 1)


# ---- errors ----


@pytest.mark.parametrize("error", [ValueError("no"), MemoryError(), OSError("no number")])
def test_an_error_while_writing_comes_out_and_changes_nothing(error, path):
    def fill(file):
        file.write(NEW)
        raise error

    with pytest.raises(type(error)) as caught:
        atomic.write(path, fill)
    assert caught.value is error
    assert path.read_bytes() == OLD and names(path) == [path.name]


@pytest.mark.parametrize("call", ["fill", "fsync", "replace"])
def test_an_error_of_the_system_names_the_file(call, path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if call != "fill":
        monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError) as caught:
        atomic.write(path, full if call == "fill" else lambda file: file.write(NEW))
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_bytes() == OLD and names(path) == [path.name]


LIMITED = """
import resource, sys, fastmlp
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
net = fastmlp.Network([64, 64], seed=0)
for name in sys.argv[1:]:
    try:
        net.export_c(name) if name.endswith(".c") else net.save(name)
    except OSError as error:
        print(type(error).__name__, error.filename == name)
"""


@POSIX
def test_a_file_that_outgrows_its_limit_is_named(tmp_path):
    paths = [str(tmp_path / f"net{suffix}") for suffix in (".npz", ".safetensors", ".c")]
    result = subprocess.run([sys.executable, "-c", LIMITED, *paths], capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("OSError True\n" * 3, "")
    assert os.listdir(tmp_path) == []


def test_places_where_no_file_can_be(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        write(tmp_path / "folder")
    assert caught.value.filename == str(tmp_path / "folder")
    with pytest.raises(FileNotFoundError) as caught:
        write(tmp_path / "none" / "file")
    assert caught.value.filename == str(tmp_path / "none" / "file")
    assert os.listdir(tmp_path) == ["folder"] and os.listdir(tmp_path / "folder") == []


@POSIX
def test_what_is_no_regular_file_stays(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to(os.devnull)
    for name in ("pipe", "null"):
        with pytest.raises(OSError, match="Not a regular file") as caught:
            write(tmp_path / name)
        assert caught.value.filename == str(tmp_path / name)
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode) and stat.S_ISCHR(os.stat(os.devnull).st_mode)
    assert sorted(os.listdir(tmp_path)) == ["null", "pipe"]


@POSIX
@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_folder_that_cannot_be_synchronised_is_no_failed_save(number, path, monkeypatch):
    synchronise = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        synchronise(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write(path)
    assert path.read_bytes() == NEW


def test_relative_bytes_and_long_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (b"bytes", "relative", "x" * 255, "\u6f22" * 85, "new\nline"):
        write(name)
        write(name)
        with open(name, "rb") as file:
            assert file.read() == NEW
    assert len(os.listdir(tmp_path)) == 5


# ---- permissions and links ----


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o444])
def test_permissions_stay_and_nobody_reads_more_on_the_way(mode, path):
    path.chmod(mode)
    modes = []

    def fill(file):
        modes.append(stat.S_IMODE(os.fstat(file.fileno()).st_mode))
        file.write(NEW)

    atomic.write(path, fill)
    assert stat.S_IMODE(path.stat().st_mode) == mode and path.read_bytes() == NEW
    assert modes == [0o600]


@POSIX
def test_a_new_file_has_the_permissions_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "file")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


@POSIX
def test_links_stay_and_what_they_lead_to_is_replaced(path, tmp_path):
    (tmp_path / "sub").mkdir()
    links = {"a": path.name, "b": tmp_path / "a", "sub/c": "../b", "d": "sub/new", "e": "e"}
    for link, to in links.items():
        (tmp_path / link).symlink_to(to)
    write(tmp_path / "sub" / "c")
    assert path.read_bytes() == NEW
    write(tmp_path / "d", b"made")
    assert (tmp_path / "sub" / "new").read_bytes() == b"made"
    with pytest.raises(OSError) as caught:
        write(tmp_path / "e")
    assert (caught.value.errno, caught.value.filename) == (errno.ELOOP, str(tmp_path / "e"))
    assert all((tmp_path / link).is_symlink() for link in links)


def refused_link(link, victim):
    before = victim.read_bytes()
    with pytest.raises(PermissionError, match="a link of another user") as caught:
        write(link)
    assert caught.value.filename == str(link)
    assert victim.read_bytes() == before and link.is_symlink()
    assert [name for name in os.listdir(link.parent) if name.endswith(".tmp")] == []


def test_another_users_link_in_a_shared_folder_is_not_followed(shared, path):
    link = shared / "net.npz"
    link.symlink_to(path)
    os.lchown(link, NOBODY, NOBODY)
    refused_link(link, path)
    with pytest.raises(PermissionError):
        fastmlp.Network([2, 1]).save(link)
    # A link of ours that leads to it does not help.
    path.with_name("ours").symlink_to(link)
    with pytest.raises(PermissionError):
        write(path.with_name("ours"))
    assert path.read_bytes() == OLD


def test_links_that_the_system_would_follow_are_followed(shared, path):
    link = shared / "net.npz"
    link.symlink_to(path)
    write(link)
    assert path.read_bytes() == NEW and link.is_symlink(), "our own link"
    os.lchown(link, NOBODY, NOBODY)
    for owner, mode in [(NOBODY, 0o1777), (0, 0o755), (0, 0o777), (0, 0o1775)]:
        path.write_bytes(OLD)
        os.chown(shared, owner, owner)
        shared.chmod(mode)
        write(link)
        assert path.read_bytes() == NEW and link.is_symlink(), (owner, oct(mode))


def test_permissions_of_a_strangers_file_are_not_kept(shared):
    """It may have been put there, open to all, for a file of ours to take its place."""
    file = shared / "net.npz"
    file.write_bytes(OLD)
    file.chmod(0o666)
    os.chown(file, NOBODY, NOBODY)
    before = os.umask(0o022)
    try:
        write(file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644 and file.stat().st_uid == os.geteuid()


def test_a_temporary_cannot_be_guessed_nor_put_there(path, monkeypatch):
    assert temporary_of(path) != temporary_of(path)
    victim = path.with_name("victim")
    victim.write_bytes(OLD)
    monkeypatch.setattr(os, "urandom", bytes)  # one that was guessed nevertheless
    planted = temporary_of(path)
    planted.symlink_to(victim)
    with pytest.raises(FileExistsError):
        write(path)
    assert victim.read_bytes() == OLD


# ---- temporaries of killed processes ----

KILLED = """
import os, signal, sys
from fastmlp.files import atomic
def fill(file):
    file.write(b"half")
    file.flush()
    print(flush=True)
    if sys.stdin.readline() == "die\\n":
        os.kill(os.getpid(), signal.SIGKILL)
atomic.write(sys.argv[1], fill)
"""


@pytest.fixture
def writer(path):
    """A process in the middle of a save, and the name of its temporary."""
    command = [sys.executable, "-c", KILLED, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "\n"
    yield process
    process.stdin.close()
    process.stdout.close()
    process.wait()


@POSIX
def test_what_a_killed_process_left_goes_with_the_next_save(writer, path):
    writer.stdin.write("die\n")
    writer.stdin.flush()
    assert writer.wait() == -signal.SIGKILL
    assert len(names(path)) == 2 and path.read_bytes() == OLD
    write(path.with_name("another"))
    assert len(names(path)) == 3, "another file's save does not look at it"
    write(path)
    assert names(path) == ["another", path.name] and path.read_bytes() == NEW


@POSIX
def test_what_a_living_process_writes_stays(writer, path):
    write(path)
    assert len(names(path)) == 2 and path.read_bytes() == NEW
    writer.stdin.write("go on\n")
    writer.stdin.flush()
    assert writer.wait() == 0
    assert names(path) == [path.name] and path.read_bytes() == b"half"


@POSIX
def test_only_temporaries_of_ours_go(path, monkeypatch):
    abandoned, link, pipe, folder, strangers = (temporary_of(path) for _ in range(5))
    with monkeypatch.context() as patch:
        patch.setattr("platform.node", lambda: "another machine, where it may be written")
        elsewhere = temporary_of(path)
    kept = [elsewhere, *(path.with_name(name) for name in (abandoned.name + "x", "." + abandoned.name))]
    for file in (abandoned, *kept):
        file.write_bytes(b"half")
    link.symlink_to(path)
    os.mkfifo(pipe)
    folder.mkdir()
    if os.geteuid() == 0:
        strangers.touch()
        os.chown(strangers, NOBODY, NOBODY)
        kept.append(strangers)
    write(path)
    assert set(names(path)) == {path.name, *(file.name for file in (*kept, link, pipe, folder))}


@POSIX
@pytest.mark.parametrize("moment", ["before it is locked", "while it is removed"])
def test_a_temporary_that_is_taken_for_abandoned_is_made_anew(moment, path, monkeypatch):
    """Another save looks at it between its creation and its lock."""
    import fcntl

    lock, other = fcntl.flock, []

    def flock(file, operation):
        if not other:
            (name,) = (name for name in os.listdir(path.parent) if name.endswith(".tmp"))
            other.append(open(path.with_name(name), "rb+"))
            lock(other[0], operation)
            if moment == "before it is locked":
                os.unlink(other[0].name)
                other[0].close()
        lock(file, operation)

    def fill(file):
        if moment == "while it is removed" and os.path.sameopenfile(file.fileno(), other[0].fileno()):
            os.unlink(other[0].name)
        file.write(NEW)

    monkeypatch.setattr(fcntl, "flock", flock)
    atomic.write(path, fill)
    other[0].close()
    assert path.read_bytes() == NEW and names(path) == [path.name]


@POSIX
def test_a_file_system_without_locks_is_written_to(path, monkeypatch):
    import fcntl

    def flock(file, operation):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    abandoned = temporary_of(path)
    abandoned.touch()
    monkeypatch.setattr(fcntl, "flock", flock)
    write(path)
    assert path.read_bytes() == NEW and abandoned.exists(), "nobody can tell whether it is abandoned"
