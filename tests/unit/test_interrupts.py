"""Ctrl-C in one long call: it ends soon after the signal and leaves a network that works.

Time is the process's own, which stands still while other programs have the processor, and what is soon is a
share of what the whole call takes.
"""

from __future__ import annotations

import hashlib
import signal
import time
from functools import partial

import numpy as np
import pytest

from fastmlp import Network, optimizers
from helpers import assert_same_bits

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="no timers of processor time that interrupt"
)

SHARE = 0.25  # of the whole call, after which the signal comes; who hears nothing goes on for the rest
SOON = 0.2  # seconds; or as large a share again, where all is slow
UNITS = 1024


def interrupt(number, frame):
    raise KeyboardInterrupt


def interrupted_after(call, seconds):
    """Processor seconds for which the call goes on after the signal; None if it has ended before."""
    former = signal.signal(signal.SIGPROF, interrupt)
    begun = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        cut = getattr(call(), "interrupted", False)
    except KeyboardInterrupt:
        cut = True
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, former)
    return time.process_time() - begun - seconds if cut else None


def first_long(calls):
    """Of calls with more and more to do the first that is long enough to be cut, and its own seconds."""
    for call in calls:
        begun = time.process_time()
        call()
        whole = time.process_time() - begun
        if whole >= 2 * SOON:
            return call, whole
    pytest.skip(f"takes {whole:.2f} s here, too short to be cut")


def assert_ends_soon(*calls, unchanged=lambda: None):
    """`unchanged` looks whether a call that was cut has left all as it was."""
    call, whole = first_long(calls)
    for share in (SHARE, 2 * SHARE):
        after = interrupted_after(call, share * whole)
        assert after is not None, "the signal was not heard"
        unchanged()
        assert after < max(SOON, SHARE * whole), f"{after:.2f} s after the signal, {whole:.2f} s the whole"
    call()


def assert_state_stays(net):
    before = net.get_weights(), net.plan.get_state()

    def unchanged():
        after = net.get_weights(), net.plan.get_state()
        assert_same_bits(after[0], before[0], zeros=True)
        assert after[1]["step"] == before[1]["step"]
        for one, two in zip(after[1]["slots"], before[1]["slots"], strict=True):
            assert_same_bits(one, two, zeros=True)

    return unchanged


@pytest.fixture(scope="module")
def parts():
    """More and more rows."""
    rng = np.random.default_rng(0)
    X, y = rng.random((1 << 17, 100), dtype=np.float32), rng.integers(0, 10, 1 << 17)
    return [(X[: 1 << n], y[: 1 << n]) for n in range(11, 18)]


def test_a_call_that_hears_nothing_is_told():
    calls = [partial(hashlib.sha256, bytes(1 << n)) for n in range(26, 31)]
    with pytest.raises(AssertionError, match="s after the signal|was not heard"):
        assert_ends_soon(*calls)


@pytest.fixture(scope="module")
def net():
    made = Network([100, UNITS, UNITS, 10], output="softmax", seed=0)
    made.compile("adam")
    return made


READING = {
    "predict": lambda net, X, y: net.predict(X),
    "evaluate": lambda net, X, y: net.evaluate(X, y),
    "forward": lambda net, X, y: net.forward(X),
    "gradients": lambda net, X, y: net.gradients(X, y),
}


@pytest.mark.parametrize("name", READING)
def test_what_reads_a_network_ends_soon(net, parts, name):
    calls = [partial(READING[name], net, *part) for part in parts]
    assert_ends_soon(*calls, unchanged=assert_state_stays(net))


@pytest.mark.parametrize("clipnorm", [None, 1.0])
@pytest.mark.parametrize("name", ["fit", "train_on_batch"])
def test_a_step_is_cut_and_undone(parts, name, clipnorm):
    """A step on all rows of a network that is wide; it is undone, so that each call makes the same."""
    net = Network([100, UNITS, UNITS, 10], output="softmax", seed=0)
    net.compile(optimizers.Adam(global_clipnorm=clipnorm))
    weights, state = net.get_weights(), net.plan.get_state()
    unchanged = assert_state_stays(net)

    def step(X, y):
        net.set_weights(weights)
        net.plan.set_state(state)
        if name == "fit":
            return net.fit(X, y, batch_size=None, verbose=0)
        return net.train_on_batch(X, y)

    assert_ends_soon(*[partial(step, *part) for part in parts], unchanged=unchanged)
    assert net.plan.step == 1
