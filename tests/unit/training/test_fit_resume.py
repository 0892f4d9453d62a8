"""Fits that stop within an epoch and go on, in this process or another: the bits of one never stopped."""

from __future__ import annotations

import datetime
import json
import pickle
import signal
import zipfile

import numpy as np
import pytest
import scipy.sparse

import fastmlp
from fastmlp import BatchNormalization, Dense, Dropout, Network, optimizers
from fastmlp.callbacks import Callback, LambdaCallback, ModelCheckpoint
from fastmlp.schedules import CosineDecay, OneCycle
from fastmlp.training.passes import Passes
from fastmlp.training.shards import ShardPasses
from helpers import assert_same_bits
from interpreters import interpret
from model_files import assert_refused, rewritten

ROWS, SIZE, EPOCHS = 61, 8, 4  # eight batches an epoch, the last of five rows
RATE, DECAY = OneCycle(0.05, 40), CosineDecay(0.1, 30)
OPTIMIZERS = {
    "adamw": optimizers.AdamW(RATE, weight_decay=DECAY, global_clipnorm=0.5),
    "average": optimizers.Adam(RATE, use_ema=True, ema_momentum=0.9),
    "lookahead": optimizers.SGD(RATE, momentum=0.9, lookahead_steps=3),
    "accumulation": optimizers.Adam(RATE, gradient_accumulation_steps=3),
}


def network(optimizer="adamw", dtype="float64", isa=None, loss="sparse_categorical_crossentropy"):
    layers = [5, Dense(19, "tanh"), BatchNormalization(), Dropout(0.3), Dense(3)]
    net = Network(layers, output="softmax" if "cross" in loss else "identity", dtype=dtype, seed=5, isa=isa)
    net.compile(OPTIMIZERS[optimizer], loss, dropout_schedule=CosineDecay(1.5, 40))
    return net


@pytest.fixture
def data(rng):
    return rng.normal(size=(ROWS, 5)), rng.integers(0, 3, ROWS)


class StopAt(Callback):
    """Ends the fit after the network's batch of this number."""

    def __init__(self, number, how="stop"):
        self.number, self.how = number, how

    def on_train_batch_end(self, batch, logs):
        if self.network.plan.batches == self.number:
            if self.how == "interrupt":
                raise KeyboardInterrupt
            if self.how == "error":
                raise RuntimeError("mine")
            self.network.stop_training = True


def everything(net):
    state = net.plan.get_state()
    counts = [np.array([state["step"], state["pending"], net.epochs_done, *state["beta_powers"]])]
    return [*net.get_weights(), *(array for slot in state["slots"] for array in slot), *counts]


def fit(net, data, epochs=EPOCHS, **options):
    return net.fit(*data, epochs=epochs, **{"batch_size": SIZE, "verbose": 0, **options})


def assert_same_fit(net, history, whole, expected):
    first = history.epoch[0]
    assert history.epoch == expected.epoch[first:]
    assert history.history == {name: values[first:] for name, values in expected.history.items()}
    assert_same_bits(everything(net), everything(whole), zeros=True)  # moving averages have no state
    assert net.position is None and net.plan.step > 5


def elsewhere(net, tmp_path, suffix=".npz"):
    """The network of a file."""
    path = tmp_path / f"net{suffix}"
    net.save(path, include_optimizer=True)
    return fastmlp.load(path)


@pytest.mark.parametrize("number", [1, 12, 15, 16])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_fit_that_stopped_within_an_epoch_goes_on_from_its_file(
    fma_isa, dtype, data, tmp_path, optimizer, number
):
    """Stopped on one instruction set and one thread, gone on with on this machine's best and two."""
    whole = network(optimizer, dtype, fma_isa)
    expected = fit(whole, data, validation_data=data)
    net = network(optimizer, dtype, fma_isa)
    stopped = fit(net, data, validation_data=data, callbacks=[StopAt(number)])
    assert net.plan.batches == number and stopped.epoch == list(range(number // 8))
    assert (net.position is None) == (number == 16)
    net = elsewhere(net, tmp_path)
    history = fit(net, data, validation_data=data, resume=True, threads=2)
    assert_same_fit(net, history, whole, expected)


@pytest.mark.parametrize("how", ["stop", "interrupt", "error"])
@pytest.mark.parametrize("kept", ["object", "pickle", "npz", "safetensors"])
def test_however_it_stopped_and_was_kept(data, tmp_path, how, kept):
    whole, net = network("average"), network("average")
    expected = fit(whole, data)
    try:
        fit(net, data, callbacks=[StopAt(11, how)])
    except RuntimeError:
        assert how == "error"
    net = pickle.loads(pickle.dumps(net)) if kept == "pickle" else net
    net = elsewhere(net, tmp_path, f".{kept}") if "." + kept in fastmlp.files.format.SUFFIXES else net
    assert net.position.done.batch == 3
    assert_same_fit(net, fit(net, data, resume=True), whole, expected)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("batch", 0, "batch is 0, expected an integer from 1 to 13"),
        ("batch", 9, "batch is 9, expected an integer from 1 to 8"),
        ("batch", 14, "batch is 14, expected an integer from 1 to 13"),
        ("batch_size", 0, "batch_size is 0, expected"),
        ("rows", "61", "rows is '61', expected"),
        ("shuffle", 1, "shuffle is 1, expected True or False"),
        ("shards", 0, "shards is 0, expected an integer from 1 to 61"),
        ("shards", "4", "shards is '4', expected"),
        ("sums", ["1.5"], "holds 1 sums of an epoch, expected 2 or 4"),
        ("sums", ["1.5", "many"], "could not convert string to float"),
    ],
)
def test_a_damaged_position_is_refused(data, tmp_path, name, value, message):
    def change(header):
        header["training"]["position"][name] = value

    net = network()
    fit(net, data, callbacks=[StopAt(13)])
    net.save(tmp_path / "net.npz", include_optimizer=True)
    assert_refused(rewritten(tmp_path / "net.npz", tmp_path / "bad.npz", header=change), message)


def test_a_file_without_a_position_is_between_two_epochs(data, tmp_path):
    """As are those that were written before there was one."""
    net = network()
    fit(net, data, epochs=2)
    net.save(tmp_path / "net.npz", include_optimizer=True)
    with zipfile.ZipFile(tmp_path / "net.npz") as file:
        assert not {"position", "moving"} & set(json.loads(file.read("header.json"))["training"])
    assert fit(fastmlp.load(tmp_path / "net.npz"), data, resume=True).epoch == [2, 3]


def test_it_may_stop_again_and_again(data, tmp_path):
    whole, net = network("average"), network("average")
    expected = fit(whole, data)
    for number in (3, 4, 10, 13, 24, 25):
        fit(net, data, resume=True, callbacks=[StopAt(number)])
        assert net.plan.batches == number
        net = elsewhere(net, tmp_path)
    assert_same_fit(net, fit(net, data, resume=True), whole, expected)


def test_a_fit_that_is_done_is_not_done_again_but_may_be_longer(data, tmp_path):
    whole, net = network("average"), network("average")
    expected = fit(whole, data, 6)
    fit(net, data, 4)
    net = elsewhere(net, tmp_path)
    before = everything(net)
    assert fit(net, data, 4, resume=True).epoch == []
    assert_same_bits(everything(net), before, zeros=True)
    assert_same_fit(net, fit(net, data, 6, resume=True), whole, expected)


def test_an_interrupt_while_an_epoch_is_measured(data, monkeypatch, tmp_path):
    """Its batches are done, its numbers are not."""

    def late(y_true, y_pred):
        if net.plan.batches == 16 and interrupts.pop():
            raise KeyboardInterrupt
        return float(np.mean(y_pred))

    interrupts, histories, nets = [False, False], [], []
    for _ in range(2):
        net = network()
        net.compile(OPTIMIZERS["adamw"], net.loss, metrics=["accuracy", late])
        histories.append(fit(net, data))
        nets.append(net)
        interrupts = [True]
    assert histories[1].interrupted and histories[1].epoch == [0] and net.position.done.batch == 8
    interrupts = [False]
    assert_same_fit(net, fit(net, data, resume=True), nets[0], histories[0])


@pytest.mark.parametrize("brief", [True, False])
@pytest.mark.parametrize("batch_size", [8, ROWS])
def test_an_interrupt_among_epochs_that_nobody_watches(data, several, batch_size, brief, monkeypatch):
    """The cursor of the call says where it was; the first epoch is among them if it is surely brief."""
    from fastmlp.training import fit as fitting
    from fastmlp.training import passes

    def interrupted(self):
        self.run.advance(batches=10)
        raise KeyboardInterrupt

    whole, net = network(), network()
    expected = fit(whole, data, 20, batch_size=batch_size)
    monkeypatch.setattr(passes.Passes, "several", interrupted)
    monkeypatch.setattr(fitting, "BRIEF_WORK", 1e6 if brief else 0)
    assert fit(net, data, 20, batch_size=batch_size).interrupted
    done = net.plan.batches
    assert done == (0 if brief else -(-ROWS // batch_size)) + 10
    assert (net.position is None) == (batch_size == ROWS)
    monkeypatch.undo()
    assert_same_fit(net, fit(net, data, 20, batch_size=batch_size, resume=True), whole, expected)


def python_mse(y_true, y_pred):
    difference = y_pred - y_true
    return np.mean(difference**2), 2 * difference / difference.size


def test_a_loss_in_python(data):
    data = data[0], np.eye(3)[data[1]]
    whole, net = network(loss="mse"), network(loss="mse")
    for each in (whole, net):
        each.compile("adam", python_mse)
    expected = fit(whole, data)
    fit(net, data, callbacks=[StopAt(13)])
    assert_same_fit(net, fit(net, data, resume=True), whole, expected)


@pytest.mark.parametrize("optimizer", ["adamw", "accumulation"])
@pytest.mark.parametrize("first", [1, 13])
@pytest.mark.parametrize("kind", ["arrays", "a loss in Python", "parts", "sparse rows", "batches"])
def test_ctrl_c_while_a_step_is_made_comes_after_it(data, monkeypatch, kind, first, optimizer):
    """The engine's call goes on to its end, and Python hears of the signal behind it."""
    passes, name = {"a loss in Python": (Passes, "_step_back"), "parts": (ShardPasses, "_step")}.get(
        kind, (Passes, "_slice")
    )
    step = getattr(passes, name)

    def interrupted(self, *arguments):
        step(self, *arguments)
        if self.net.plan.batches == first:
            monkeypatch.setattr(passes, name, step)
            raise KeyboardInterrupt

    X, y = data[0], np.eye(3)[data[1]]
    options = {"shards": 3} if kind == "parts" else {}
    if kind == "sparse rows":
        X = scipy.sparse.csr_array(X)
    data = (
        (X, y) if kind != "batches" else ([(X[i : i + SIZE], y[i : i + SIZE]) for i in range(0, ROWS, SIZE)],)
    )
    options["batch_size"] = None if kind == "batches" else SIZE
    seen = [LambdaCallback(on_train_batch_begin=lambda batch, logs: None)]  # a batch is a call of its own
    whole, net = (Network([5, Dense(19, "tanh"), Dropout(0.3), 3], seed=5) for _ in range(2))
    for each in (whole, net):
        each.compile(OPTIMIZERS[optimizer], python_mse if kind == "a loss in Python" else "mse")
    expected = fit(whole, data, **options)
    monkeypatch.setattr(passes, name, interrupted)
    fit(net, data, callbacks=seen, **options)
    assert net.plan.batches == first and net.position.done.batch == first % 8
    assert_same_fit(net, fit(net, data, resume=True, **options), whole, expected)


def test_sparse_rows(data, tmp_path):
    sparse = pytest.importorskip("scipy.sparse")
    data = sparse.csr_array(data[0] * (data[0] > 0)), data[1]
    whole, net = network(), network()
    expected = fit(whole, data)
    fit(net, data, callbacks=[StopAt(13)])
    net = elsewhere(net, tmp_path)
    assert_same_fit(net, fit(net, data, resume=True), whole, expected)


def test_batches_that_come_as_such_are_passed_over(data, tmp_path):
    batches = [(data[0][i : i + SIZE], data[1][i : i + SIZE]) for i in range(0, ROWS, SIZE)]
    whole, net = network(), network()
    expected = fit(whole, (batches,))
    fit(net, (batches,), callbacks=[StopAt(13)])
    net = elsewhere(net, tmp_path)
    with pytest.raises(ValueError, match="^X gave 3 batches, expected the 5 that were trained and the rest"):
        fit(net, (batches[:3],), resume=True)
    assert_same_fit(net, fit(net, (batches,), resume=True), whole, expected)


@pytest.mark.parametrize("many", [False, True], ids=["a table", "tables"])
def test_tables(data, tmp_path, many):
    """One in memory is an array, of many one after another the batches are passed over."""
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(data[0], columns=list("abcde")).assign(y=data[1])
    tables = [table[:20], table[20:45], table[45:]] if many else table
    whole, net = network(), network()
    expected = fit(whole, (tables, "y"))
    fit(net, (tables, "y"), callbacks=[StopAt(13)])
    assert (net.position.recipe.rows is None) == many
    net = elsewhere(net, tmp_path)
    assert_same_fit(net, fit(net, (tables, "y"), resume=True), whole, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"batch_size": 4},
            "resume is True and batch_size is 4, expected 8, as in the epoch that was",
        ),
        ({"shuffle": False}, "resume is True and shuffle is False, expected True, as in the"),
        ({"validation_split": 0.5}, "resume is True and the training rows are 30, expected 61, as in"),
        ({"resume": 1}, "resume is 1, expected True or False"),
    ],
)
def test_another_recipe_is_refused(data, change, message):
    net = network()
    fit(net, data, callbacks=[StopAt(13)])
    before, position = everything(net), net.position
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        fit(net, data, **{"resume": True, **change})
    assert_same_bits(everything(net), before, zeros=True)
    assert net.position == position is not None


def test_what_cannot_go_on_is_refused(data):
    net, batches = network(), [data]
    fit(net, data, callbacks=[StopAt(13)])
    with pytest.raises(ValueError, match="^resume is True and X came as batches, expected it as arrays, as"):
        net.fit(batches, epochs=4, resume=True)
    net.train_on_batch(*data)
    with pytest.raises(ValueError, match="^resume is True and the network was trained otherwise since a fit"):
        fit(net, data, resume=True)
    net.compile(optimizers.LBFGS())
    with pytest.raises(
        ValueError, match="^resume is True and the optimizer LBFGS, expected False: it begins"
    ):
        fit(net, data, batch_size=None, resume=True)


@pytest.mark.parametrize(
    ("made", "options", "message"),
    [
        (iter, {"steps_per_epoch": 2}, "expected an iterable whose every pass is an epoch"),
        (list, {"steps_per_epoch": 2}, "expected an iterable whose every pass is an epoch"),
        (list, {}, "expected no metric but the accuracy"),
    ],
)
def test_batches_that_cannot_be_passed_over_are_refused(data, made, options, message):
    batches = [(data[0][i : i + SIZE], data[1][i : i + SIZE]) for i in range(0, ROWS, SIZE)]
    net = network()
    net.compile("adam", metrics=["accuracy"] if options else ["log_loss"])
    fit(net, (made(batches),), epochs=1, callbacks=[StopAt(1)], **options)
    assert net.position is not None
    with pytest.raises(ValueError, match=message):
        fit(net, (made(batches),), epochs=2, resume=True, **options)


def test_without_resume_the_epoch_begins_anew(data):
    net = network("average")
    fit(net, data, callbacks=[StopAt(13)])
    average = net.get_weights()
    start = LambdaCallback(on_train_begin=lambda logs: seen.append(net.get_weights()))
    seen = []
    history = fit(net, data, epochs=1, callbacks=[start])
    assert history.epoch == [0] and net.plan.batches == 13 + 8 and net.epochs_done == 2
    assert_same_bits(seen[0], average)


def test_weights_that_were_set_stay(data):
    """They take the place of the average, and so of what it stands for."""
    net = network("average")
    fit(net, data, callbacks=[StopAt(13)])
    chosen = [array + 1 for array in net.get_weights()]
    net.set_weights(chosen)
    start = LambdaCallback(on_train_begin=lambda logs: seen.append(net.get_weights()))
    seen = []
    fit(net, data, callbacks=[start], resume=True)
    assert_same_bits(seen[0], chosen)


# Checkpoints within epochs


def test_a_checkpoint_every_so_many_batches(data, tmp_path):
    whole, net = network("average"), network("average")
    expected = fit(whole, data)
    path = tmp_path / "{epoch}-{batch}.npz"
    fit(net, data, callbacks=[ModelCheckpoint(path, save_freq=5, include_optimizer=True)])
    assert_same_bits(everything(net), everything(whole), zeros=True)
    files = sorted(file.name for file in tmp_path.iterdir())
    assert files == sorted(["1-5.npz", "2-2.npz", "2-7.npz", "3-4.npz", "4-1.npz", "4-6.npz"])
    for name in files:
        net = fastmlp.load(tmp_path / name)
        epoch, batch = map(int, name[:-4].split("-"))
        assert net.plan.batches == 8 * (epoch - 1) + batch
        assert_same_fit(net, fit(net, data, resume=True), whole, expected)


def test_a_checkpoint_every_so_often(data, tmp_path, monkeypatch):
    from fastmlp.training.callbacks import checkpoint

    times = iter(range(1000))
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: next(times) // 2)
    every = datetime.timedelta(seconds=3)
    net, count = network(), LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    path = tmp_path / "{epoch}-{batch}.npz"
    fit(net, data, callbacks=[ModelCheckpoint(path, save_freq=every), count])
    assert 1 < len(list(tmp_path.iterdir())) < 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"save_freq": 0}, "save_freq is 0, expected"),
        (
            {"save_freq": "batch"},
            "save_freq is 'batch', expected 'epoch', a number of batches or a time",
        ),
        ({"save_freq": datetime.timedelta()}, "save_freq is .*, expected 'epoch', a number"),
        (
            {"save_freq": 5, "save_best_only": True},
            "save_freq is 5 and save_best_only True, expected",
        ),
    ],
)
def test_a_frequency_that_is_none_is_refused(options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        ModelCheckpoint("a.npz", **options)


KILLED = """
import os, sys
import numpy as np
import fastmlp
from fastmlp.callbacks import Callback, ModelCheckpoint

path, kind, kill_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
rng = np.random.default_rng(0)
X, y = rng.normal(size=(1000, 20)).astype(kind), rng.integers(0, 4, 1000)

class Die(Callback):
    def on_train_batch_end(self, batch, logs):
        if self.network.plan.batches == kill_at:
            os.kill(os.getpid(), 9)

if os.path.exists(path):
    net = fastmlp.load(path)
else:
    layers = [20, fastmlp.Dense(32, "relu"), fastmlp.Dropout(0.2), 4]
    net = fastmlp.Network(layers, output="softmax", dtype=kind, seed=1)
    rate = fastmlp.schedules.OneCycle(0.01, 96)
    net.compile(fastmlp.optimizers.AdamW(rate, use_ema=True, gradient_accumulation_steps=2))
checkpoint = ModelCheckpoint(path, save_freq=7, include_optimizer=True)
history = net.fit(X, y, epochs=3, batch_size=16, callbacks=[checkpoint, Die()], resume=True)
state = net.plan.get_state()
print(repr([[w.tobytes().hex() for w in net.get_weights()], state["step"], state["pending"],
            [[a.tobytes().hex() for a in slot] for slot in state["slots"]], history.history["loss"][-1]]))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no signal that kills")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_script_that_is_killed_goes_on_when_it_is_started_again(tmp_path, dtype):
    def run(name, kill_at):
        return interpret(KILLED, tmp_path / name, dtype, kill_at)

    whole = run("whole.npz", 0)
    assert whole.returncode == 0, whole.stderr
    for kill_at in (100, 150):  # both between two files, within the second epoch and the third
        assert run("killed.npz", kill_at).returncode == -signal.SIGKILL
    again = run("killed.npz", 0)
    assert (again.returncode, again.stdout) == (0, whole.stdout), again.stderr
