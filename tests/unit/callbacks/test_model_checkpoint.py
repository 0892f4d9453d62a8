"""`ModelCheckpoint`."""

import pytest

import fastmlp
from fastmlp.callbacks import (
    LambdaCallback,
    ModelCheckpoint,
)
from helpers import assert_same_bits
from scripts import network, scripted


def test_every_epoch_is_saved_under_its_name(data, tmp_path):
    path = tmp_path / "net-{epoch:03d}-{val_loss:.3f}.npz"
    net, weights = network(), []
    spy = LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(net.get_weights()))
    history = net.fit(*data, epochs=3, validation_split=0.3, callbacks=[ModelCheckpoint(path), spy])
    losses = history.history["val_loss"]
    names = [f"net-{epoch:03d}-{loss:.3f}.npz" for epoch, loss in zip((1, 2, 3), losses, strict=True)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for name, expected in zip(names, weights, strict=True):
        assert_same_bits(fastmlp.load(tmp_path / name).get_weights(), expected)


def test_folders_of_checkpoints_are_made(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = network()
    net.fit(*data, epochs=2, callbacks=[ModelCheckpoint("runs/{epoch}/net.npz"), ModelCheckpoint("net.npz")])
    for path in ("runs/2/net.npz", "net.npz"):
        assert_same_bits(fastmlp.load(path).get_weights(), net.get_weights())
    assert fastmlp.load("runs/1/net.npz").layer_sizes == net.layer_sizes


@pytest.mark.parametrize(("mode", "saved"), [("min", [0, 1, 4]), ("max", [0, 5])])
def test_only_the_best_is_saved(data, tmp_path, mode, saved):
    path = str(tmp_path / "net-{epoch}.npz")
    checkpoint = ModelCheckpoint(path, monitor="script", mode=mode, save_best_only=True)
    _, weights, _ = scripted(data, checkpoint, [5, 3, 4, 3, 2, 6])
    assert {path.name for path in tmp_path.iterdir()} == {f"net-{epoch + 1}.npz" for epoch in saved}
    for epoch in saved:
        assert_same_bits(fastmlp.load(path.format(epoch=epoch + 1)).get_weights(), weights[epoch])


def test_a_checkpoint_resumes(data, tmp_path):
    path = tmp_path / "net.npz"
    whole, net = network("adam"), network("adam")
    whole.fit(*data, epochs=5, batch_size=8)
    net.fit(*data, epochs=2, batch_size=8, callbacks=[ModelCheckpoint(path, include_optimizer=True)])
    resumed = fastmlp.load(path)
    resumed.fit(*data, epochs=3, batch_size=8)
    assert_same_bits(resumed.get_weights(), whole.get_weights())
