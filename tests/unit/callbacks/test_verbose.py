"""`verbose=1` of callbacks, as Keras has it: a line for each thing that they do, and silence without it."""

import datetime
import inspect

import numpy as np
import pytest

import fastmlp
from fastmlp import callbacks
from fastmlp.callbacks import EarlyStopping, LearningRateScheduler, ModelCheckpoint, ReduceLROnPlateau
from scripts import scripted

VALUES = [3.0, 2.0, 2.5, 2.25, 1.0]


def lines(capsys, data, make, verbose):
    scripted(data, make(verbose), VALUES, verbose=0)
    return capsys.readouterr().out.splitlines()


TOLD = {
    EarlyStopping: [
        "epoch 4: training ends, script is no better than 2",
        "epoch 2: its weights, the best, are restored",
    ],
    ReduceLROnPlateau: ["epoch 3: learning rate 0.001", "epoch 4: learning rate 0.0001"],
    LearningRateScheduler: [f"epoch {i}: learning rate {i / 8:g}" for i in range(1, 6)],
    ModelCheckpoint: [f"epoch {i}: saved to net-{i}.npz" for i in (1, 2, 5)],
}
MAKE = {
    EarlyStopping: lambda v: EarlyStopping(
        "script", mode="min", patience=2, restore_best_weights=True, verbose=v
    ),
    ReduceLROnPlateau: lambda v: ReduceLROnPlateau("script", mode="min", patience=1, verbose=v),
    LearningRateScheduler: lambda v: LearningRateScheduler(lambda epoch: (epoch + 1) / 8, verbose=v),
    ModelCheckpoint: lambda v: ModelCheckpoint(
        "net-{epoch}.npz", monitor="script", mode="min", save_best_only=True, verbose=v
    ),
}


@pytest.mark.parametrize("kind", TOLD, ids=lambda kind: kind.__name__)
def test_what_a_callback_does_is_told_if_asked(kind, data, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert lines(capsys, data, MAKE[kind], 1) == TOLD[kind]
    assert lines(capsys, data, MAKE[kind], True) == TOLD[kind]
    assert lines(capsys, data, MAKE[kind], np.int64(1)) == TOLD[kind]
    assert lines(capsys, data, MAKE[kind], np.False_) == []
    assert lines(capsys, data, MAKE[kind], 0) == []
    for wrong in (2, -1, "1", None):
        with pytest.raises(ValueError, match="^verbose is .*, expected 0 or 1$"):
            MAKE[kind](wrong)


def test_files_within_epochs_are_told(data, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    often = ModelCheckpoint("net-{batch}.npz", save_freq=datetime.timedelta(microseconds=1), verbose=1)
    scripted(data, often, VALUES[:1], batch_size=10, verbose=0)
    assert capsys.readouterr().out.splitlines()[-1] == "epoch 1: saved to net-2.npz"


def test_those_have_it_that_have_it_in_keras():
    keras = pytest.importorskip("keras")

    def takes(module, name):
        return "verbose" in inspect.signature(getattr(module.callbacks, name).__init__).parameters

    shared = [name for name in callbacks.__all__ if hasattr(keras.callbacks, name)]
    assert len(shared) > 5
    assert [takes(fastmlp, name) for name in shared] == [takes(keras, name) for name in shared]
