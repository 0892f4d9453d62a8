"""`OptunaPruning`: a trial of Optuna hears of every epoch, and may end the fit."""

from __future__ import annotations

from typing import Any

from ...errors import tells_options
from ...optional import require
from .base import Logs
from .monitor import Monitor


class OptunaPruning(Monitor):
    """Reports a number of every epoch to a trial of Optuna, and ends the fit where its pruner says so.

    The fit ends with `optuna.TrialPruned`, which the study takes for what it is; best weights come back as
    after any error.  A training that diverges is pruned too.

    Parameters
    ----------
    trial : optuna.trial.Trial
        Of a study with one objective, in any storage; its direction is the study's.
    monitor : str
        A name in the logs: "val_loss", "loss", "val_accuracy", ...

    Attributes
    ----------
    step : int
        Epochs that were reported, of all fits that have the callback.

    Raises
    ------
    ImportError
        If the package optuna is not installed.
    TypeError
        If the trial is none.

    References
    ----------
    Akiba, Sano, Yanase, Ohta and Koyama, "Optuna: A Next-generation Hyperparameter Optimization Framework"
    (2019), arXiv:1907.10902.

    Examples
    --------
    >>> import numpy as np, optuna
    >>> from fastmlp import Network
    >>> from fastmlp.callbacks import OptunaPruning
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> def objective(trial):
    ...     net = Network([3, trial.suggest_int("width", 2, 32), 1], seed=0)
    ...     net.compile("adam")
    ...     pruning = OptunaPruning(trial, "val_loss")
    ...     history = net.fit(X, X[:, 0], epochs=5, validation_split=0.2, callbacks=[pruning])
    ...     return history.history["val_loss"][-1]
    >>> study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    >>> study.optimize(objective, n_trials=4)
    >>> len(study.trials)
    4
    """

    @tells_options
    def __init__(self, trial: Any, monitor: str = "val_loss") -> None:
        self._pruned = require("optuna", "optuna").TrialPruned
        super().__init__(monitor, "min")  # of which nothing is asked: the study knows what is better
        if not (hasattr(trial, "report") and hasattr(trial, "should_prune")):
            raise TypeError(f"trial is a {type(trial).__name__}, expected a trial of Optuna")
        self.trial = trial
        self.step = 0

    def on_train_begin(self, logs: Logs) -> None:
        self._check_known()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        value = self._value(logs)
        self.trial.report(value, self.step)
        self.step += 1
        if self.trial.should_prune():
            raise self._pruned(f"pruned after epoch {epoch + 1}, with {self.monitor} {value:g}")

    def on_divergence(self, epoch: int, message: str) -> bool:
        raise self._pruned(message)
