"""Model files: replaced whole, links and permissions stay."""

import os
import subprocess
import sys

import numpy as np
import pytest

import fastmlp
from fastmlp import Dense, Network
from fastmlp.files import format as files
from model_files import bits


def test_a_crash_while_writing_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def crash(*arguments, **keywords):
        raise OSError("disk full")

    for module, name in [(np.lib.format, "write_array"), (os, "fsync"), (os, "replace")]:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, crash)
            with pytest.raises(OSError, match="disk full"):
                Network([2, 1]).save(saved)
        assert saved.read_bytes() == before
        assert os.listdir(saved.parent) == [saved.name]


def test_saving_replaces_the_file(saved):
    net = Network([2, 1], seed=5)
    net.save(str(saved))
    assert bits(fastmlp.load(os.fsencode(saved))) == bits(net)
    assert os.listdir(saved.parent) == [saved.name]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions and links")
def test_permissions_and_links_stay(saved, tmp_path):
    os.chmod(saved, 0o600)
    link = tmp_path / "link.npz"
    link.symlink_to(saved)
    Network([2, 1], seed=5).save(link)
    assert link.is_symlink()
    assert os.stat(saved).st_mode & 0o777 == 0o600
    assert fastmlp.load(saved).layer_sizes == (2, 1)


@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_a_file_that_is_replaced_while_it_is_read_is_the_old_one(suffix, tmp_path, monkeypatch):
    """A trainer saves again and again beside a server that loads: each load is of one save."""
    path, module = tmp_path / f"net{suffix}", files
    old, new = (Network([5, Dense(4, activation)], seed=0) for activation in ("relu", "tanh"))
    new.set_weights([np.full((5, 4), 7.0), np.full(4, 7.0)])

    def saved_meanwhile(function):
        def replaced(*arguments):
            new.save(path)
            return function(*arguments)

        return replaced

    for owner, name in [(module, "parsed_header"), (module.chain, "check"), (module, "_restore_classes")]:
        old.save(path)
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, saved_meanwhile(getattr(owner, name)))
            net = fastmlp.load(path)
        assert net.layers == old.layers and bits(net) == bits(old)
        assert bits(fastmlp.load(path)) == bits(new)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_a_pipe_is_not_waited_for(suffix, tmp_path):
    os.mkfifo(tmp_path / f"net{suffix}")
    code = "import fastmlp, sys; fastmlp.load(sys.argv[1])"
    command = [sys.executable, "-c", code, str(tmp_path / f"net{suffix}")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "is not a regular file" in result.stderr


def test_a_busy_network_is_not_saved(tmp_path):
    import threading

    net, errors = Network([2, 1]), []

    def save():
        try:
            net.save(tmp_path / "net.npz")
        except fastmlp.BusyError as error:
            errors.append(error)

    with net.changing():
        thread = threading.Thread(target=save)
        thread.start()
        thread.join()
    assert len(errors) == 1 and not (tmp_path / "net.npz").exists()
