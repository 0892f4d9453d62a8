"""`OptunaPruning`: what a study hears, and how a fit ends that it prunes."""

import numpy as np
import pytest

from fastmlp import optimizers
from fastmlp.callbacks import CSVLogger, EarlyStopping, OptunaPruning
from helpers import assert_same_bits
from scripts import network

optuna = pytest.importorskip("optuna")
optuna.logging.set_verbosity(optuna.logging.ERROR)


class After(optuna.pruners.BasePruner):
    """Prunes when a trial has reported so many numbers."""

    def __init__(self, epochs):
        self.epochs = epochs

    def prune(self, study, trial):
        return len(trial.intermediate_values) >= self.epochs


def studied(objective, pruner=None, trials=1, **options):
    study = optuna.create_study(pruner=pruner or optuna.pruners.NopPruner(), **options)
    study.optimize(objective, n_trials=trials)
    return study


def test_every_epoch_is_reported(data):
    X, y = data
    found = []

    def objective(trial):
        callback = OptunaPruning(trial, "val_loss")
        for _ in range(2):  # a second fit goes on counting
            history = network().fit(X, y, epochs=3, validation_split=0.25, callbacks=[callback])
            found.extend(history.history["val_loss"])
        assert callback.step == 6
        return found[-1]

    (trial,) = studied(objective).trials
    assert trial.state == optuna.trial.TrialState.COMPLETE
    assert trial.intermediate_values == dict(enumerate(found)) and len(found) == 6


def test_a_pruned_fit_ends_after_the_epoch_with_the_best_weights(data, tmp_path):
    X, y = data
    nets = []

    def objective(trial):
        nets.append(network())
        stop = EarlyStopping("loss", patience=50, restore_best_weights=True)
        log = CSVLogger(tmp_path / "log.csv")
        nets[0].fit(X, y, epochs=50, batch_size=5, callbacks=[stop, log, OptunaPruning(trial, "loss")])
        raise AssertionError("the fit went on")

    (trial,) = studied(objective, After(4)).trials
    assert trial.state == optuna.trial.TrialState.PRUNED
    assert list(trial.intermediate_values) == [0, 1, 2, 3] and nets[0].epochs_done == 4
    expected = network()
    history = expected.fit(X, y, epochs=4, batch_size=5)
    assert np.argmin(history.history["loss"]) == 3
    assert_same_bits(nets[0].get_weights(), expected.get_weights())
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 5


def test_the_median_pruner_prunes_the_worst(data):
    X, y = data

    def objective(trial):
        net = network()
        net.compile(optimizers.SGD([0.1, 0.1, 1e-9][trial.number]))
        history = net.fit(X, y, epochs=6, callbacks=[OptunaPruning(trial, "loss")])
        return history.history["loss"][-1]

    study = studied(objective, optuna.pruners.MedianPruner(2, 0), trials=3)
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "COMPLETE", "PRUNED"]
    assert 1 <= len(study.trials[2].intermediate_values) < 6


def test_a_diverging_training_is_pruned(data):
    X, y = data

    def objective(trial):
        net = network()
        net.compile(optimizers.SGD(1e308))
        with np.errstate(over="ignore", invalid="ignore"):
            net.fit(X * 10, y, epochs=50, batch_size=5, callbacks=[OptunaPruning(trial, "loss")])

    (trial,) = studied(objective).trials
    assert trial.state == optuna.trial.TrialState.PRUNED


def test_estimators_of_sklearn_report_too(data):
    pytest.importorskip("sklearn")
    from fastmlp.sklearn import MLPRegressor

    X, y = data

    def objective(trial):
        pruning = OptunaPruning(trial, "loss")
        model = MLPRegressor(hidden_layer_sizes=(8,), max_iter=50, random_state=0, callbacks=[pruning])
        model.fit(X, np.asarray(y, float).reshape(len(X), -1)[:, 0])

    (trial,) = studied(objective, After(3)).trials
    assert trial.state == optuna.trial.TrialState.PRUNED and len(trial.intermediate_values) == 3


def test_what_does_not_fit_is_refused(data):
    with pytest.raises(TypeError, match="^trial is a dict, expected a trial of Optuna"):
        OptunaPruning({})
    trial = optuna.trial.FixedTrial({})
    with pytest.raises(TypeError, match="^monitor is 3, expected a name such as 'val_loss'"):
        OptunaPruning(trial, 3)
    net = network()
    with pytest.raises(ValueError, match="^monitor is 'val_loss', expected one of .*; validation_split or"):
        net.fit(*data, callbacks=[OptunaPruning(trial)])
    assert net.plan.step == 0
