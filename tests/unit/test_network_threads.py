"""`Network`: what reads it in one thread, beside what reads, trains and compiles it in others."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fastmlp import BusyError, Network

ROWS, CLASSES, SECONDS = 3000, 10, 0.5


@pytest.fixture
def net():
    made = Network([20, 64, CLASSES], output="softmax", seed=0)
    made.compile("sgd")  # either form of targets will do
    return made


@pytest.fixture
def targets(rng):
    labels = rng.integers(0, CLASSES, ROWS)
    return rng.normal(size=(ROWS, 20)).astype("f4"), labels, np.eye(CLASSES, dtype="f4")[labels]


def beside(*calls):
    """What each call has returned, over and over in a thread of its own for a while."""
    start, end = threading.Barrier(len(calls)), time.monotonic() + SECONDS

    def repeated(call):
        start.wait()
        results = [call()]
        while time.monotonic() < end:
            results.append(call())
        return results

    with ThreadPoolExecutor(len(calls)) as threads:
        return [each.result() for each in [threads.submit(repeated, call) for call in calls]]


def test_targets_of_two_forms_at_once(net, targets):
    """Each call has a loss of its own, and the value that it has alone."""
    X, labels, rows = targets
    calls = [
        lambda: net.evaluate(X, labels), lambda: net.evaluate(X, rows),
        lambda: {"loss": net.gradients(X, labels)[0]}, lambda: {"loss": net.gradients(X, rows)[0]},
    ]  # fmt: skip
    alone = [call() for call in calls]
    for expected, found in zip(alone, beside(*calls), strict=True):
        assert found == [expected] * len(found)


@pytest.mark.parametrize("loss", ["mse", "categorical_crossentropy"])
def test_a_compile_beside_calls_changes_none_of_them(net, targets, loss):
    """A call takes one compile's loss or the other's, whole."""
    X, _, rows = targets
    losses = ["categorical_crossentropy", loss]
    known = []
    for each in losses:
        net.compile("sgd", each)
        known.append((net.evaluate(X, rows)["loss"], net.gradients(X, rows)[0]))

    def compiles():
        for each in losses:
            net.compile("adam", each)

    evaluated, differentiated, _ = beside(
        lambda: net.evaluate(X, rows)["loss"], lambda: net.gradients(X, rows)[0], compiles
    )
    assert set(evaluated) <= {value for value, _ in known}
    assert set(differentiated) <= {value for _, value in known}


def test_a_fit_beside_calls_of_the_other_form(net, targets):
    """Losses are of one moment's weights or another's: finite, and who comes second is told."""
    X, labels, rows = targets

    def fits(y):
        try:
            net.fit(X[:200], y[:200], verbose=0)
        except BusyError:
            return False
        return True

    read, differentiated, *trained = beside(
        lambda: net.evaluate(X, labels)["loss"], lambda: net.gradients(X, rows)[0],
        lambda: fits(labels), lambda: fits(rows),
    )  # fmt: skip
    assert np.isfinite(read + differentiated).all()
    assert any(trained[0] + trained[1])
