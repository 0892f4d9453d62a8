"""`CSVLogger` and `TensorBoard`: what is written of a fit, read by others."""

import csv
import sys

import numpy as np
import pytest

from fastmlp import optimizers
from fastmlp.callbacks import CSVLogger, LambdaCallback, ReduceLROnPlateau, TensorBoard
from scripts import Script, network, scripted


def test_a_csv_file_has_the_digits_of_the_history(data, tmp_path):
    path = tmp_path / "new" / "log.csv"
    seen = []
    reader = LambdaCallback(on_epoch_end=lambda *_: seen.append(len(path.read_text().splitlines())))
    net = network(optimizers.SGD(0.5))
    callbacks = [ReduceLROnPlateau("loss", factor=0.3), CSVLogger(path), reader]
    history = net.fit(*data, epochs=4, validation_data=data, callbacks=callbacks).history
    with open(path, newline="") as file:
        header, *rows = csv.reader(file)
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    assert columns.pop("epoch") == ("0", "1", "2", "3") and header == ["epoch", *history]
    assert {name: [*map(float, texts)] for name, texts in columns.items()} == history
    assert "val_loss" in header and "learning_rate" in header
    assert seen == [2, 3, 4, 5]  # the rows are there as training goes on


def test_a_csv_file_is_replaced_or_appended_to(data, tmp_path):
    path = tmp_path / "log.tsv"
    net = network()
    losses = []
    for append in (True, True, False):
        log = CSVLogger(path, separator="\t", append=append)
        losses += net.fit(*data, epochs=2, callbacks=[log]).history["loss"]
        rows = [line.split("\t") for line in path.read_text().splitlines()]
        assert rows[0] == ["epoch", "loss", "accuracy"]
        last = losses if append else losses[-2:]
        assert [float(row[1]) for row in rows[1:]] == last and [row[0] for row in rows[1:3]] == ["0", "1"]


def test_a_csv_file_of_other_columns_is_not_appended_to(data, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,mse\n0,1.5\n")
    with pytest.raises(ValueError, match=r"log.csv has the columns epoch, mse, expected epoch, loss, accur"):
        network().fit(*data, callbacks=[CSVLogger(path, append=True)])
    assert path.read_text() == "epoch,mse\n0,1.5\n"


def test_numbers_that_come_and_go(data, tmp_path):
    class Sometimes(Script):
        def on_epoch_end(self, epoch, logs):
            if self.values[epoch] is not None:
                logs[self.name] = self.values[epoch]

    path = tmp_path / "log.csv"
    network().fit(*data, epochs=2, callbacks=[Sometimes([0.5, None]), CSVLogger(path)])
    assert [line.split(",")[-1] for line in path.read_text().splitlines()] == ["script", "0.5", ""]
    with pytest.raises(ValueError, match="^the logs hold 'script', expected the columns epoch, loss, acc"):
        network().fit(*data, epochs=2, callbacks=[Sometimes([None, 0.5]), CSVLogger(path)])
    path.unlink()  # closed, on Windows too
    assert len(scripted(data, CSVLogger(path), [1.0])[0].epoch) == 1 and path.exists()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: CSVLogger(5), TypeError, "^filename is a int, expected a str or a path$"),
        (lambda: CSVLogger("log.csv", separator=", "), ValueError, "^separator is ', ', expected one char"),
        (lambda: CSVLogger("log.csv", append=1), TypeError, "^append is 1, expected True or False$"),
        (lambda: TensorBoard(5), TypeError, "^log_dir is a int, expected a str or a path$"),
        (lambda: TensorBoard(histogram_freq=-1), ValueError, "^histogram_freq is -1, expected an integer"),
        (lambda: TensorBoard(update_freq="step"), ValueError, "^update_freq is 'step', expected 'epoch', "),
        (lambda: TensorBoard(update_freq=0), ValueError, "^update_freq is 0, expected an integer"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_without_the_package_one_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    with pytest.raises(ImportError, match=r"^tensorboard is not installed, .*\[tensorboard\]"):
        TensorBoard()


@pytest.fixture
def events():
    """Reads a folder: the (step, value) of each tag."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    def read(folder):
        accumulator = EventAccumulator(str(folder)).Reload()
        return {
            tag: [(event.step, make_ndarray(event.tensor_proto)) for event in accumulator.Tensors(tag)]
            for tag in accumulator.Tags()["tensors"]
        }

    return read


def test_tensorboard_shows_the_history(data, tmp_path, events):
    net = network()
    board = TensorBoard(tmp_path)
    parts = [net.fit(*data, epochs=3, validation_data=data, callbacks=[board]).history for _ in range(2)]
    history = {name: parts[0][name] + parts[1][name] for name in parts[0]}  # two fits, one line
    train, held_out = events(tmp_path / "train"), events(tmp_path / "validation")
    assert set(train) == set(held_out) == {"epoch_loss", "epoch_accuracy"}
    for found, prefix in ((train, ""), (held_out, "val_")):
        for name in ("loss", "accuracy"):
            steps, values = zip(*found[f"epoch_{name}"], strict=True)
            assert steps == (0, 1, 2, 3, 4, 5)
            assert np.array_equal(values, np.float32(history[prefix + name]))
    assert not np.array_equal(history["loss"], history["val_loss"])


@pytest.mark.parametrize(("update_freq", "expected"), [("batch", [1, 2, 3, 4]), (2, [2, 4]), ("epoch", [])])
def test_tensorboard_shows_batches(data, tmp_path, events, update_freq, expected):
    net, heard = network(), []
    spy = LambdaCallback(on_train_batch_end=lambda batch, logs: heard.append(logs["loss"]))
    board = TensorBoard(tmp_path, update_freq=update_freq)
    net.fit(*data, epochs=2, batch_size=10, callbacks=[spy, board])
    found = events(tmp_path / "train").get("batch_loss", [])
    assert [step for step, _ in found] == expected
    assert [value for _, value in found] == [np.float32(heard[step - 1]) for step in expected]


def test_tensorboard_shows_the_weights(data, tmp_path, events):
    net, weights = network(), []
    spy = LambdaCallback(on_epoch_end=lambda *_: weights.append(net.state_dict()))
    net.fit(*data, epochs=3, callbacks=[spy, TensorBoard(tmp_path, histogram_freq=2)])
    found = events(tmp_path / "train")
    for name in net.state_dict():
        assert [step for step, _ in found[name]] == [0, 2]
        for step, buckets in found[name]:  # (left, right, count)
            array = weights[step][name]
            assert buckets[:, 2].sum() == array.size
            assert buckets[0, 0] == pytest.approx(array.min())
            assert buckets[-1, 1] == pytest.approx(array.max())
