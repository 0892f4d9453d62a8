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

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="no timers of processor time that interrupt"
)

SHARE = 0.25  # of the whole call, after which the signal comes; who hears nothing goes on for the rest
SOON = 0.2  # seconds; or as large a share again, where all is slow
TRIES = 4  # each with half the time to the signal, as beside other programs the same call can be shorter
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


def assert_ends_soon(*calls, state=list):
    """A call that was cut ends soon and leaves `state()`, a list of arrays, as it was.

    The signal that comes when all has been done, and is heard on the way out, is sent again sooner.
    """
    call, whole = first_long(calls)
    for share in (SHARE, 2 * SHARE):
        for halved in range(TRIES):
            before = state()
            after = interrupted_after(call, share * whole / 2**halved)
            if after is not None and all(map(np.array_equal, state(), before)):
                break
        else:
            pytest.fail("no signal was heard, or what was done by then was not undone")
        assert after < max(SOON, SHARE * whole), f"{after:.2f} s after the signal, {whole:.2f} s the whole"
    call()


def state_of(net):
    state = net.plan.get_state()
    return [*net.get_weights(), *np.atleast_1d(state["step"]), *(a for slot in state["slots"] for a in slot)]


@pytest.fixture(scope="module")
def parts():
    """More and more rows."""
    rng = np.random.default_rng(0)
    X, y = rng.random((1 << 17, 100), dtype=np.float32), rng.integers(0, 10, 1 << 17)
    return [(X[: 1 << n], y[: 1 << n]) for n in range(11, 18)]


def test_a_call_that_hears_nothing_is_told():
    calls = [partial(hashlib.sha256, bytes(1 << n)) for n in range(26, 31)]
    with pytest.raises(AssertionError, match="s after the signal"):
        assert_ends_soon(*calls)


def test_a_call_that_is_not_undone_is_told():
    count = np.zeros(1)

    def counts(n):
        count[0] += 1
        hashlib.sha256(bytes(1 << n))

    with pytest.raises(pytest.fail.Exception, match="not undone"):
        assert_ends_soon(*[partial(counts, n) for n in range(26, 31)], state=lambda: [count.copy()])


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
    assert_ends_soon(*calls, state=partial(state_of, net))


@pytest.mark.parametrize("clipnorm", [None, 1.0])
@pytest.mark.parametrize("name", ["fit", "train_on_batch"])
def test_a_step_is_cut_and_undone(parts, name, clipnorm):
    """A step on all rows of a network that is wide."""
    net = Network([100, UNITS, UNITS, 10], output="softmax", seed=0)
    net.compile(optimizers.Adam(global_clipnorm=clipnorm))

    def step(X, y):
        if name == "fit":
            return net.fit(X, y, batch_size=None, verbose=0)
        return net.train_on_batch(X, y)

    assert_ends_soon(*[partial(step, *part) for part in parts], state=partial(state_of, net))
    assert all(np.isfinite(array).all() for array in net.get_weights())


def test_weights_in_few_bits_are_set_whole_or_not_at_all():
    """Storing them is the longest part of `quantized`, too."""
    small = Network([8192, 8192], seed=0).quantized("int8")
    old = small.get_weights()
    new = [2 * array for array in old]
    call, whole = first_long([partial(small.set_weights, new)])
    heard = []
    for share in (0.3, 0.7):
        small.set_weights(old)
        heard.append(interrupted_after(call, share * whole))
        found = small.get_weights()[0]
        assert np.array_equal(found, old[0]) or np.array_equal(found, new[0])  # also where all had been done
    assert max(after for after in heard if after is not None) < SOON
    call()
    assert np.array_equal(small.get_weights()[0], new[0])
