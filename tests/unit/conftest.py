"""Fixtures that several files of this folder share."""

import numpy as np
import pytest

from fastmlp import Network, cli
from fastmlp.optimizers import SGD, Adam
from model_files import network


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command inside an empty folder: (status, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def run_command(*arguments: object) -> tuple[int, str, str]:
        try:
            status = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = int(stop.code or 0)
        return status, *capsys.readouterr()

    return run_command


@pytest.fixture
def net(dtype):
    """Three inputs, two classes, one step of training behind it."""
    net = Network([3, 4, 2], output="softmax", dtype=dtype, seed=0)
    net.compile(SGD(0.1, momentum=0.9))
    net.train_on_batch(np.ones((2, 3)), [0, 1])
    return net


@pytest.fixture
def data():
    """Forty rows of four columns and their labels, for the networks of model_files.py."""
    rng = np.random.default_rng(3)
    return rng.normal(size=(40, 4)), rng.integers(0, 3, size=40)


@pytest.fixture
def trained(data):
    """A network of model_files.py with an epoch of training behind it."""
    net = network("float32")
    net.compile(Adam(0.01))
    net.fit(*data, epochs=1)
    return net


@pytest.fixture
def saved(tmp_path, trained):
    """The file of a trained network and its optimizer."""
    path = tmp_path / "net.npz"
    trained.save(path, include_optimizer=True)
    return path
