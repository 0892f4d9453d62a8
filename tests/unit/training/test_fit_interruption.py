"""Ctrl-C and stops, between epochs and within them, and epochs that are many to a call."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from fastmlp import optimizers
from fastmlp.callbacks import Callback, LambdaCallback
from fastmlp.schedules import CosineDecay
from fastmlp.training import fit
from fits import N_OUT, ROWS, Explodes, mse, network
from helpers import (
    assert_same_bits,
    assert_trained,
)


class InterruptAt(Callback):
    def __init__(self, hook, number):
        self.seen = None

        def interrupt(index, logs):
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == number:
                self.seen = self.network.get_weights()
                raise KeyboardInterrupt

        setattr(self, hook, interrupt)


def test_an_interrupt_between_epochs_loses_nothing(data):
    whole, net = network(optimizer="adam"), network(optimizer="adam")
    whole.fit(*data, epochs=5, batch_size=8)
    history = net.fit(*data, epochs=5, batch_size=8, callbacks=[InterruptAt("on_epoch_end", 2)])
    assert history.interrupted and history.epoch == [0, 1] and len(history.history["loss"]) == 2
    assert not net.fit(*data, epochs=3, batch_size=8).interrupted
    assert_same_bits(net.get_weights(), whole.get_weights())


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that interrupt")
def test_an_interrupt_among_short_epochs_leaves_a_history_of_all_of_them(data, several):
    """Epochs of a few microseconds are many to a call, and Ctrl-C is heard when it returns."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    net, again = network(), network()
    former = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        history = net.fit(*data, epochs=10**9, batch_size=ROWS, verbose=0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    assert history.interrupted and net.plan.step == len(history.epoch) > 1
    assert several[0] == fit.BATCHES_AHEAD
    assert history.epoch == list(range(net.plan.step))
    longer = again.fit(*data, epochs=net.plan.step, batch_size=ROWS, callbacks=[Callback()])
    assert longer.history == history.history
    assert_same_bits(again.get_weights(), net.get_weights())


@pytest.mark.parametrize("metrics", [[], ["accuracy"]])
def test_epochs_that_nobody_watches_are_those_that_are_watched(data, several, metrics):
    watched, alone = network(optimizer="adam"), network(optimizer="adam")
    histories = []
    for net, callbacks in ((watched, [Callback()]), (alone, [])):
        net.compile(optimizers.Adam(CosineDecay(0.05, 60)), net.loss, metrics=metrics)
        histories.append(net.fit(*data, epochs=20, batch_size=8, callbacks=callbacks, verbose=0))
        assert several == ([] if callbacks else [20])
    assert histories[1].history == histories[0].history
    assert histories[1].epoch == histories[0].epoch == list(range(20))
    assert_same_bits(alone.get_weights(), watched.get_weights())
    assert alone.epochs_done == watched.epochs_done == 20


@pytest.mark.parametrize("what", ["callback", "held out", "metric", "python loss", "progress"])
def test_epochs_that_somebody_watches_are_calls_of_their_own(data, several, capsys, what):
    X, y = data[0], np.eye(N_OUT)[data[1]]
    net = network("mse")
    net.compile("sgd", mse if what == "python loss" else "mse", metrics=["mae"] if what == "metric" else [])
    net.fit(
        X, y, epochs=5, batch_size=8, callbacks=[Callback()] if what == "callback" else None,
        validation_split=0.5 if what == "held out" else 0.0, verbose=2 if what == "progress" else 0,
    )  # fmt: skip
    assert several == [] and net.plan.step > 0
    capsys.readouterr()


def test_a_fit_that_is_to_stop_ends_after_the_epoch(data):
    net = network()
    stop = LambdaCallback(on_train_begin=lambda logs: setattr(net, "stop_training", True))
    assert net.fit(*data, epochs=5, callbacks=[stop]).epoch == [0]


def test_divergence_among_short_epochs_tells_the_epoch_and_keeps_those_before(data, several):
    net, before = network(), network()
    for each in (net, before):
        each.compile(optimizers.SGD(Explodes()), each.loss)
    with pytest.raises(
        FloatingPointError, match="^training diverged in epoch 8: the step of batch 0 leads to weights"
    ):
        net.fit(*data, epochs=20, batch_size=ROWS, verbose=0)
    assert several == [20]
    before.fit(*data, epochs=7, batch_size=ROWS)
    assert net.plan.step == net.epochs_done == 7
    assert_same_bits(net.get_weights(), before.get_weights())


def test_a_schedule_that_ends_among_short_epochs_counts_none_twice(data, several, monkeypatch):
    """Its next steps are asked for in a call that has not begun."""
    monkeypatch.setattr(fit, "BATCHES_AHEAD", 4)
    net = network()

    def rate(step):
        if step >= 8:
            raise ArithmeticError("no more steps")
        return 0.1

    net.compile(optimizers.SGD(rate), net.loss)
    heard = []
    monkeypatch.setattr(
        "fastmlp.training.callbacks.history.History.extend", lambda *given: heard.append(given)
    )
    with pytest.raises(ArithmeticError, match="no more steps"):
        net.fit(*data, epochs=20, batch_size=ROWS, verbose=0)
    assert several == [4, 4, 4] and [len(logs["loss"]) for _, _, logs in heard] == [4, 4]
    assert net.plan.step == net.epochs_done == 8


@pytest.mark.parametrize("python_loss", [False, True])
def test_an_interrupt_within_an_epoch_leaves_the_weights_of_that_moment(data, python_loss):
    X, y = data[0], np.eye(N_OUT)[data[1]]
    net = network("mse")
    net.compile("sgd", mse if python_loss else "mse")
    stop = InterruptAt("on_train_batch_end", 5)
    history = net.fit(X, y, epochs=5, batch_size=8, callbacks=[stop])
    assert history.interrupted and history.epoch == [0] and len(history.history["loss"]) == 1
    assert net.plan.step == 5
    assert_same_bits(net.get_weights(), stop.seen)
    assert np.isfinite(net.predict(X)).all()
    before = net.get_weights()
    net.fit(X, y)
    assert_trained(net.get_weights(), before)


LONG_FIT = """
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits that it is ignored
import numpy as np
from fastmlp import Network
from fastmlp.callbacks import LambdaCallback

rng = np.random.default_rng(0)
X, y = rng.normal(size=(100_000, 40)).astype("float32"), rng.integers(0, 10, 100_000)
net = Network([40, 256, 256, 10], output="softmax", seed=0)
net.compile("sgd")
begun = LambdaCallback(on_epoch_end=lambda epoch, logs: epoch or print("begun", flush=True))
history = net.fit(X, y, epochs=1_000_000, callbacks=[begun])
assert history.interrupted and all(len(values) == len(history.epoch) for values in history.history.values())
assert net.plan.step > 0 and all(np.isfinite(w).all() for w in net.get_weights())
net.fit(X[:100], y[:100])
print("usable", net.predict(X[:3]).shape)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_control_c_ends_a_long_fit():
    child = subprocess.Popen(
        [sys.executable, "-c", LONG_FIT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout.readline() == "begun\n"
        time.sleep(0.3)
        sent = time.monotonic()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
        waited = time.monotonic() - sent
    finally:
        child.kill()
    assert (child.returncode, out, err) == (0, "usable (3, 10)\n", "")
    assert waited < 20  # a slice, not the million epochs
