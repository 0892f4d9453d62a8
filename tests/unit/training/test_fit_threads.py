"""`fit` while others use the network."""

import threading

import numpy as np

from fastmlp import BusyError
from fastmlp.callbacks import LambdaCallback
from fits import N_IN, N_OUT, network
from helpers import (
    assert_same_bits,
)


def slow(net):
    """A fit of several slices, undisturbed unless callbacks do something."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20000, N_IN)), rng.integers(0, N_OUT, 20000)
    return lambda callbacks=(): net.fit(X, y, epochs=5, batch_size=4, callbacks=callbacks)


def test_predict_during_fit_is_safe(data):
    undisturbed, net = network(), network()
    slow(undisturbed)()
    X = data[0]
    begun, done, seen = threading.Event(), threading.Event(), []

    def look():
        begun.wait()
        while not done.is_set():
            seen.append(net.predict(X, threads=2))
            seen.append(net.evaluate(*data)["loss"])

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        slow(net)([LambdaCallback(on_epoch_begin=lambda epoch, logs: begun.set())])
    finally:
        done.set()
        begun.set()
        for thread in threads:
            thread.join()
    assert len(seen) > 4 and all(np.isfinite(value).all() for value in seen)
    assert_same_bits(net.get_weights(), undisturbed.get_weights())


def test_fit_during_fit_is_refused(data):
    undisturbed, net = network(), network()
    undisturbed.fit(*data, epochs=2)
    errors = []

    def intrude():
        for change in (lambda: net.fit(*data), net.compile):
            try:
                change()
            except BusyError as error:
                errors.append(str(error))

    def from_both_sides(epoch, logs):
        intrude()
        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join()

    net.fit(*data, epochs=2, callbacks=[LambdaCallback(on_epoch_end=from_both_sides)])
    assert len(errors) == 8 and all("network" in error for error in errors)
    assert_same_bits(net.get_weights(), undisturbed.get_weights())
