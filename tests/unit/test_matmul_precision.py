"""`matmul_precision` of networks: chosen, shown, copied, saved and loaded."""

from __future__ import annotations

import copy
import pickle
import signal

import numpy as np
import pytest

import fastmlp
from fastmlp import BatchNormalization, Dense, Dropout, Network
from fastmlp.export.folding import folded
from fastmlp.model import restored
from helpers import assert_same_bits


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((200, 70)).astype(np.float32), rng.integers(0, 3, 200)


def network(precision="medium", **options):
    net = Network(
        [70, Dense(80, "relu"), Dropout(0.1), Dense(64, "tanh"), Dense(3, "softmax")],
        seed=0, matmul_precision=precision, **options,
    )  # fmt: skip
    net.compile("adam")
    return net


def test_default_of_new_networks():
    assert fastmlp.get_matmul_precision() == "highest" == Network([64, 64]).matmul_precision
    try:
        fastmlp.set_matmul_precision("medium")
        assert Network([64, 64]).matmul_precision == "medium"
        assert Network([64, 64], matmul_precision="high").matmul_precision == "high"
        assert Network([64, 64], dtype="float64").matmul_precision == "highest"
        with pytest.raises(ValueError, match="matmul_precision is 'low', expected 'highest'"):
            fastmlp.set_matmul_precision("low")
        assert fastmlp.get_matmul_precision() == "medium"
    finally:
        fastmlp.set_matmul_precision("highest")


@pytest.mark.parametrize("wrong", ["low", "Medium", 3, b"high", ["high"]])
def test_what_is_no_precision(wrong):
    with pytest.raises(ValueError, match="matmul_precision is .*, expected 'highest', 'high' or 'medium'"):
        Network([64, 64], matmul_precision=wrong)
    net = network()
    with pytest.raises(ValueError, match="matmul_precision is"):
        net.matmul_precision = wrong
    assert net.matmul_precision == "medium"


def test_float64_refuses():
    with pytest.raises(ValueError, match="'high' with dtype float64, expected 'highest' or float32"):
        Network([64, 64], dtype="float64", matmul_precision="high")
    net = Network([64, 64], dtype="float64", matmul_precision="highest")
    with pytest.raises(ValueError, match="'medium' with dtype float64"):
        net.matmul_precision = "medium"


def test_it_is_shown():
    net = network("high")
    assert repr(net).endswith("seed=0, matmul_precision='high')")
    assert eval(repr(net), vars(fastmlp)).matmul_precision == "high"
    assert "matmul_precision high" in net._repr_html_()
    lines = []
    net.summary(lines.append)
    assert lines[-1] == "matmul_precision high"
    net.matmul_precision = "highest"
    assert "precision" not in repr(net) + net._repr_html_()
    fastmlp.show_config(lines.append)
    assert any(line.startswith("matmul precision") and line.endswith("highest") for line in lines)


def test_setting_it_later_is_the_same(data):
    X, _ = data
    net = network("highest")
    highest = net.predict(X)
    net.matmul_precision = "medium"
    assert_same_bits(net.predict(X), network("medium").predict(X))
    assert 1e-5 < np.abs(net.predict(X) - highest).max() < 0.05
    net.matmul_precision = "highest"
    assert_same_bits(net.predict(X), highest)


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_copies_keep_it(data, precision):
    X, y = data
    net = network(precision)
    net.fit(X, y, epochs=1, verbose=0)
    for other in (copy.deepcopy(net), copy.copy(net), pickle.loads(pickle.dumps(net)), folded(net)):
        assert other.matmul_precision == precision
        assert_same_bits(other.predict(X), net.predict(X))
    assert_same_bits(net.layer_output(X, 0), net.forward(X)[0])


def test_pickles_from_before_there_was_one():
    net = network("highest")
    description = (70, net.layers, "float32", 0, None)
    assert restored(Network, description, net.get_weights()).matmul_precision == "highest"


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_files_keep_it_and_training_goes_on(tmp_path, data, precision, ending):
    X, y = data
    net = network(precision)
    net.fit(X, y, epochs=2, verbose=0)
    net.save(tmp_path / f"net{ending}", include_optimizer=True)
    loaded = fastmlp.load(tmp_path / f"net{ending}")
    assert loaded.matmul_precision == precision
    assert_same_bits(loaded.predict(X), net.predict(X))
    for one in (net, loaded):
        one.fit(X, y, epochs=2, verbose=0)
    assert_same_bits(loaded.get_weights(), net.get_weights())


def test_files_of_highest_are_what_they_were(tmp_path):
    network("highest").save(tmp_path / "net.npz")
    assert b"precision" not in (tmp_path / "net.npz").read_bytes()


def test_a_damaged_file(tmp_path):
    network("high").save(tmp_path / "net.safetensors")
    written = (tmp_path / "net.safetensors").read_bytes()
    assert written.count(b"high") == 1
    (tmp_path / "net.safetensors").write_bytes(written.replace(b"high", b"hihg"))
    with pytest.raises(fastmlp.ModelFileError, match="matmul_precision is 'hihg'"):
        fastmlp.load(tmp_path / "net.safetensors")


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_two_fits_are_one(data, precision):
    X, y = data
    once, twice = network(precision), network(precision)
    once.fit(X, y, epochs=4, verbose=0)
    twice.fit(X, y, epochs=1, verbose=0)
    twice.fit(X, y, epochs=3, verbose=0)
    assert_same_bits(once.get_weights(), twice.get_weights())


def test_batch_normalization_and_loops_of_ones_own(data):
    """A pass in parts has the bits of fit."""
    X, y = data
    layers = [70, Dense(64), BatchNormalization(), Dense(64, "relu"), 3]
    nets = [Network(layers, output="softmax", seed=1, matmul_precision="high") for _ in range(2)]
    for net in nets:
        net.compile("sgd", "sparse_categorical_crossentropy")
    nets[0].fit(X, y, batch_size=None, shuffle=False, verbose=0)
    p = nets[1](X, training=True)
    d = np.zeros_like(p)
    d[np.arange(200), y] = -1 / (200 * p[np.arange(200), y])
    nets[1].backward(d)
    nets[1].step()
    for got, expected in zip(nets[1].get_weights(), nets[0].get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_it_learns_as_well(data):
    X, _ = data
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    found = {}
    for precision in ("highest", "high", "medium"):
        net = network(precision)
        net.fit(X, y, epochs=60, verbose=0)
        found[precision] = net.evaluate(X, y)["accuracy"]
    assert min(found.values()) > 0.97, found

@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
def test_signals_leave_products_of_the_weights_that_there_are():
    """Wherever in a call they come: packed weights follow those in float32."""
    net = Network([2048, 4096, 64], seed=0, matmul_precision="high")
    same = Network([2048, 4096, 64], seed=0, matmul_precision="high")
    weights, X = net.get_weights(), np.linspace(-1, 1, 4096, dtype=np.float32).reshape(2, 2048)

    def interrupt(number, frame):
        raise KeyboardInterrupt

    def change(k):
        for _ in range(20):
            net.set_weights([k * array for array in weights])

    former = signal.signal(signal.SIGALRM, interrupt)
    try:
        for k in range(1, 9):
            signal.setitimer(signal.ITIMER_REAL, 0.13 + 0.011 * k)
            with pytest.raises(KeyboardInterrupt):
                change(k)
            same.set_weights(net.get_weights())
            assert (net.predict(X) == same.predict(X)).all()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
