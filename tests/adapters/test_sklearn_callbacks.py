"""The estimators' callbacks, and what a fit says."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from estimators import EPS, data, pair
from fastmlp import optimizers, schedules
from fastmlp.callbacks import (
    Callback,
    EarlyStopping,
    LambdaCallback,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from fastmlp.sklearn import MLPClassifier, MLPRegressor
from helpers import assert_same_bits

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# Beyond scikit-learn


class Recorder(Callback):
    def __init__(self, batches):
        self.heard = []
        if batches:
            self.on_train_batch_begin = lambda batch, logs: self.heard.append(("batch", batch))
            self.on_train_batch_end = lambda batch, logs: self.heard.append(("done", batch, sorted(logs)))

    def on_train_begin(self, logs):
        self.heard.append(("begin", self.params["epochs"], self.params["steps"]))

    def on_epoch_end(self, epoch, logs):
        self.heard.append(("epoch", epoch, sorted(logs)))

    def on_train_end(self, logs):
        self.heard.append(("end",))


def test_callbacks_hear_of_epochs_and_batches():
    X, y = data("classes")
    options = {"max_iter": 2, "batch_size": 45, "random_state": 0}
    quiet = MLPClassifier(**options).fit(X, y)
    for batches in (False, True):
        recorder = Recorder(batches)
        model = MLPClassifier(callbacks=recorder, **options).fit(X, y, validation_data=(X, y))
        assert_same_bits(model.coefs_, quiet.coefs_)
        middle = [("batch", 0), ("done", 0, ["loss"]), ("batch", 1), ("done", 1, ["loss"])] if batches else []
        ends = [[*middle, ("epoch", i, ["loss", "val_score"])] for i in range(2)]
        assert recorder.heard == [("begin", 2, 2), *ends[0], *ends[1], ("end",)]


@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("task", ["classes", "counts"])
def test_weights_find_their_rows_however_batches_are_taken(task, alpha):
    """In the engine, gathered one by one, made dense: the same fit, and scikit-learn's own."""
    X, y = data(task)
    weight = np.random.default_rng(5).uniform(0.5, 2, len(X))
    weight[:40:3] = 0
    theirs, own = pair(task, max_iter=3, batch_size=16, alpha=alpha)
    theirs.fit(X, y, sample_weight=weight)
    own.fit(X, y, sample_weight=weight)
    for mine, other in zip(own.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(own.loss_curve_, theirs.loss_curve_, rtol=1e-3 if alpha else 1e-10)
    for rows, callbacks in ((sparse.csr_array(X), None), (X, Recorder(True))):
        other = pair(task, max_iter=3, batch_size=16, alpha=alpha)[1].set_params(callbacks=callbacks)
        other.fit(rows, y, sample_weight=weight)
        assert_same_bits(other.coefs_, own.coefs_)
        np.testing.assert_allclose(other.loss_curve_, own.loss_curve_, rtol=1e-12)


def test_callbacks_steer():
    X, y = data("classes")
    options = {"solver": "sgd", "momentum": 0, "learning_rate_init": 0.1, "random_state": 0, "max_iter": 6}

    def lower(epoch, logs):
        callback.network.optimizer = optimizers.SGD(0.0)

    callback = LambdaCallback(on_epoch_end=lower)
    once = MLPClassifier(**{**options, "max_iter": 1}).fit(X, y)
    assert_same_bits(MLPClassifier(callbacks=callback, **options).fit(X, y).coefs_, once.coefs_)
    falling = MLPClassifier(
        callbacks=[ReduceLROnPlateau("loss", factor=0.1, patience=1, min_delta=10.0)], **options
    ).fit(X, y)
    assert falling._optimizer.learning_rate < 1e-3
    stopping = EarlyStopping("val_score", patience=1, min_delta=0.5, mode="max", restore_best_weights=True)
    stopped = MLPClassifier(callbacks=[stopping], **options).fit(X, y, validation_data=(X, y))
    assert stopped.n_iter_ < 6
    assert abs(stopped.score(X, y) - stopped.validation_scores_[0]) <= EPS  # nothing was better by 0.5
    with pytest.raises(ValueError, match="callbacks came with solver='lbfgs'"):
        MLPClassifier(solver="lbfgs", callbacks=[]).fit(X, y)
    with pytest.raises(TypeError, match="callbacks holds a str"):
        MLPClassifier(callbacks=["stop"]).fit(X, y)


def test_a_rate_that_a_callback_sets_holds_from_the_next_step():
    X, y = data("classes")
    options = {
        "solver": "sgd",
        "momentum": 0,
        "random_state": 0,
        "max_iter": 1,
        "batch_size": 30,
        "shuffle": False,
    }

    def stop(callback):
        def set_rate(batch, logs):
            if batch == 1:
                callback().network.optimizer.learning_rate = 0.0

        return set_rate

    begin = LambdaCallback(on_train_batch_begin=stop(lambda: begin))
    end = LambdaCallback(on_train_batch_end=stop(lambda: end))
    for callback, steps in ((begin, 1), (end, 2)):
        given = optimizers.SGD(0.1)
        got = MLPClassifier(optimizer=given, callbacks=callback, **options).fit(X, y)
        scheduled = optimizers.SGD(schedules.FunctionOfStep(lambda step, n=steps: 0.1 if step < n else 0))
        assert_same_bits(got.coefs_, MLPClassifier(optimizer=scheduled, **options).fit(X, y).coefs_)
        assert given.learning_rate == 0.1


def test_rules_that_a_switch_chooses_and_scheduled_decay():
    X, y = data("classes")
    options = {"random_state": 0, "max_iter": 5, "batch_size": 30}

    def fitted(optimizer):
        return MLPClassifier(optimizer=optimizer, **options).fit(X, y)

    plain, amsgrad = (
        fitted(optimizers.Adam(0.1, beta_2=0.5)),
        fitted(optimizers.Adam(0.1, beta_2=0.5, amsgrad=True)),
    )
    assert np.abs(plain.coefs_[0] - amsgrad.coefs_[0]).max() > 1e-3
    constant, scheduled, none = (
        fitted(optimizers.AdamW(0.01, weight_decay=decay)) for decay in (0.5, schedules.Constant(0.5), 0.0)
    )
    assert_same_bits(scheduled.coefs_, constant.coefs_)
    falling = fitted(optimizers.AdamW(0.01, weight_decay=schedules.StepDecay(0.5, 1e-9, every=2)))
    assert 1e-4 < np.abs(falling.coefs_[0] - none.coefs_[0]).max()
    assert 1e-4 < np.abs(falling.coefs_[0] - constant.coefs_[0]).max()
    with pytest.raises(ValueError, match="batch_size is 30 of .* rows, expected all of them with Rprop"):
        fitted(optimizers.Rprop())


# What is said


def test_lines_and_progress(capsys):
    X, y = data("classes")
    MLPClassifier(max_iter=2, verbose=True, early_stopping=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["Iteration", "Validation"] * 2
    MLPClassifier(max_iter=2, verbose="progress").fit(X, y)
    assert capsys.readouterr().out.startswith("epoch 1/2  loss ")
    MLPClassifier(max_iter=2, verbose=True, solver="lbfgs").fit(X, y)
    assert capsys.readouterr().out.startswith("Iteration 1, loss = ")
    MLPClassifier(max_iter=2).fit(X, y)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_convergence_is_warned_of(solver):
    X, y = data("classes")
    with pytest.warns(ConvergenceWarning):
        MLPClassifier(max_iter=2, solver=solver).fit(X, y)


def test_a_diverging_fit_says_so():
    X, y = data("numbers")
    model = MLPRegressor(activation="identity", solver="sgd", learning_rate_init=100.0, max_iter=30)
    with pytest.raises(ValueError, match="non-finite"):
        model.fit(X, 100 * y)
    assert np.isnan(model.loss_) and model.n_iter_ == 30


def test_a_divergence_may_end_the_fit_without_an_error(rng):
    X, y = 1e3 * rng.normal(size=(40, 3)), rng.normal(size=40)
    model = MLPRegressor(
        hidden_layer_sizes=(4,), solver="sgd", learning_rate_init=1e6, max_iter=50, random_state=0
    )
    with pytest.raises(ValueError, match="non-finite"):
        model.fit(X, y)
    stop = TerminateOnNaN()
    with pytest.warns(RuntimeWarning, match="non-finite"):
        model.set_params(callbacks=[stop]).fit(X, y)
    assert stop.stopped_epoch == model.n_iter_ - 1
    assert all(np.isfinite(W).all() for W in model.coefs_)
