"""The estimators' fits in calls of several epochs, and what Ctrl-C leaves of them."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from estimators import ROWS, SOLVERS, data
from fastmlp import optimizers, schedules
from fastmlp._kernels import Run
from fastmlp.adapters.sklearn import stochastic
from fastmlp.callbacks import Callback, LambdaCallback
from fastmlp.sklearn import MLPClassifier
from helpers import assert_same_bits

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_ctrl_c_keeps_what_there_is():
    X, y = data("classes")

    def interrupt(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    model = MLPClassifier(max_iter=9, random_state=0, callbacks=LambdaCallback(on_epoch_begin=interrupt))
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, y)
    assert model.n_iter_ == 2
    assert_same_bits(model.coefs_, MLPClassifier(max_iter=2, random_state=0).fit(X, y).coefs_)


def test_ctrl_c_after_several_epochs_in_one_call_counts_them_all(monkeypatch):
    X, y = data("classes")
    original, raised = stochastic._Block.next_epoch, []

    def interrupted(block):
        if block.told == 2 and not raised:
            raised.append(block)
            raise KeyboardInterrupt
        return original(block)

    monkeypatch.setattr(stochastic._Block, "next_epoch", interrupted)
    model = MLPClassifier(max_iter=9, random_state=0, n_iter_no_change=20)
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, y)
    done = raised[0].run.epoch
    assert model.n_iter_ == len(model.loss_curve_) == done > 2
    again = MLPClassifier(max_iter=done, random_state=0, n_iter_no_change=20).fit(X, y)
    assert model.loss_curve_ == again.loss_curve_
    assert_same_bits(model.coefs_, again.coefs_)


def test_ctrl_c_between_calls_leaves_an_optimizer_to_go_on_with(monkeypatch):
    """Of 30 epochs that were drawn the first call trains one, and the next one is interrupted."""

    class EpochByEpoch(Run):
        def advance(self, seconds, batches=None):
            super().advance(batches=self.batches - self.batch)

    X, y = data("classes")
    monkeypatch.setattr(stochastic, "Run", EpochByEpoch)
    original, raised = stochastic._Block.has_next, []

    def interrupted(block):
        if block.told == 1 and not raised:
            raised.append(len(block.run.sums))
            raise KeyboardInterrupt
        return original(block)

    options = {"shuffle": False, "random_state": 0, "n_iter_no_change": 50}
    one, other = (MLPClassifier(max_iter=epochs, **options) for epochs in (30, 1))
    other.fit(X, y)
    monkeypatch.setattr(stochastic._Block, "has_next", interrupted)
    with pytest.warns(UserWarning, match="interrupted"):
        one.fit(X, y)
    assert raised == [30] and one.n_iter_ == 1
    assert_same_bits(one.partial_fit(X, y).coefs_, other.partial_fit(X, y).coefs_)


@pytest.mark.parametrize("batch_size", [16, 33, 200])  # even batches, a rest, all rows
@pytest.mark.parametrize(
    ("options", "several"),
    [
        *((options, name != "invscaling") for name, options in SOLVERS.items()),
        ({"tol": 0.02, "n_iter_no_change": 3, "max_iter": 60}, True),
        ({"dropout": 0.2, "activation": ["relu", "gelu"]}, True),
        ({"optimizer": optimizers.Adam(0.01, l2=0.01)}, True),
        ({"learning_rate": schedules.ExponentialDecay(0.01, factor=0.9, every=20)}, True),
        ({"random_state": np.random.RandomState}, True),
    ],
)
def test_epochs_in_one_call_are_those_one_by_one(options, several, batch_size, monkeypatch):
    """A callback that does nothing makes every epoch a call of its own."""
    X, y = data("classes")
    X, y = X[:96], y[:96]
    blocks, original = [], stochastic.Trainer._from_block
    monkeypatch.setattr(
        stochastic.Trainer,
        "_from_block",
        lambda trainer, rows, block: blocks.append(len(block.run.sums)) or original(trainer, rows, block),
    )
    options = {"hidden_layer_sizes": (9, 5), "max_iter": 25, "random_state": 3, **options}
    draws = options["random_state"]
    fits = []
    for callbacks in ([], [Callback()]):
        options["random_state"] = draws if draws == 3 else draws(3)
        blocks.clear()
        model = MLPClassifier(**options, batch_size=batch_size, alpha=0.1, callbacks=callbacks)
        fits.append(model.fit(X, y))
        assert bool(blocks) == (several and not callbacks)
    one, other = fits
    assert_same_bits(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_)
    for name in ("loss_curve_", "n_iter_", "t_", "best_loss_", "_no_improvement_count"):
        assert getattr(one, name) == getattr(other, name), name
    if draws != 3:
        assert one.random_state.randint(2**31) == other.random_state.randint(2**31)
    one, other = (fit.partial_fit(X, y) for fit in fits)
    assert_same_bits(one.coefs_, other.coefs_)


def test_long_epochs_are_calls_of_their_own(monkeypatch):
    """Ctrl-C waits for a slice of time, not for an epoch."""
    X, y = data("classes")
    drawn, original = [], stochastic.Trainer._draw
    monkeypatch.setattr(stochastic.Trainer, "_draw", lambda *args: drawn.append(original(*args)) or drawn[-1])
    for brief, blocks in ((1e9, True), (ROWS, False)):
        monkeypatch.setattr(stochastic, "BRIEF", brief)
        drawn.clear()
        MLPClassifier(max_iter=4).fit(X, y)
        assert drawn and all((block is not None) == blocks for block in drawn)
