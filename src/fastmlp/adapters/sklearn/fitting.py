"""What a stochastic fit does between epochs: scores, stopping, callbacks, what is printed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...network import Network
from ...optional import require
from ...training.callbacks.hooks import Hooks
from ...training.progress import Progress
from .rows import Rows
from .solvers import described
from .stochastic import Trainer

Array = np.ndarray[Any, Any]

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
    "preprocessed."
)


# ---- scores ----


def accuracy(y: Array, predictions: Array, weights: Array | None, *, multilabel: bool) -> float:
    """The share of rows whose every label is right; y holds class indices (rows,), or a row of 0 and 1."""
    if multilabel or predictions.shape[1] == 1:
        right = ((predictions > 0.5) == (y > 0.5)).all(axis=1)
    else:
        right = predictions.argmax(axis=1) == (y if y.ndim == 1 else y.argmax(axis=1))
    return float(np.average(right, weights=weights))


def r2(y: Array, predictions: Array, weights: Array | None) -> float:
    """1 - (residual sum of squares) / (total sum of squares), the mean over the outputs.

    An output without any spread scores 1 if it is met and 0 if not, as in scikit-learn.
    """
    factors = np.ones((len(y), 1)) if weights is None else weights[:, None]
    residual = (factors * (y - predictions.astype(np.float64)) ** 2).sum(axis=0)
    mean = (factors * y).sum(axis=0) / factors.sum()
    total = (factors * (y - mean) ** 2).sum(axis=0)
    scores = np.where(residual == 0, 1.0, 0.0)
    np.subtract(1, residual / np.where(total == 0, 1, total), out=scores, where=total != 0)
    return float(scores.mean())


@dataclass(frozen=True)
class HeldOut:
    """Rows that are not trained on.  `kind` is "classes", "labels" (several a row) or "numbers"."""

    rows: Rows
    kind: str

    def score(self, trainer: Trainer) -> float:
        """Accuracy or R^2; NaN where a prediction is not finite."""
        if trainer.diverged:
            return float("nan")
        predictions = trainer.net.predict(self.rows.X, None, trainer.threads)
        if not np.isfinite(predictions).all():
            return float("nan")
        if self.kind == "numbers":
            return r2(self.rows.y, predictions, self.rows.weights)
        return accuracy(self.rows.y, predictions, self.rows.weights, multilabel=self.kind == "labels")


# ---- callbacks ----


class Watchers:
    """The callbacks of a fit; the network that they see carries the solver's description as its optimizer."""

    def __init__(self, hooks: Hooks, trainer: Trainer) -> None:
        self.hooks, self.trainer = hooks, trainer

    def train_begins(self, epochs: int, rows: int, held_out: bool) -> None:
        trainer = self.trainer
        params = {
            "epochs": epochs,
            "steps": -(-rows // trainer.batch_size),
            "batch_size": trainer.batch_size,
            "metrics": ["loss", "val_score"] if held_out else ["loss"],
            "running": ["loss"],
        }
        net = trainer.net
        net.compile(described(trainer.solver), trainer.goal.loss, metrics=[])
        net.stop_training = False
        trainer.watcher = self if self.hooks.hear_batches() else None
        self.hooks.begin(net, params)

    @property
    def net(self) -> Network:
        """The network in training."""
        return self.trainer.net

    def epoch_begins(self, epoch: int) -> None:
        self.net.optimizer = described(self.trainer.solver)
        with self._rate_watched():
            self.hooks.call("on_epoch_begin", epoch, {})

    def epoch_ends(self, epoch: int, logs: dict[str, float]) -> bool:
        """Whether a callback wants the fit to end."""
        with self._rate_watched():
            self.hooks.call("on_epoch_end", epoch, logs)
        return self.net.stop_training

    def train_ends(self, logs: dict[str, float], *, failed: bool) -> None:
        self.hooks.end(logs, failed=failed)

    def batch_begins(self, batch: int) -> None:
        with self._rate_watched():
            self.hooks.call("on_train_batch_begin", batch, {})

    def batch_ends(self, batch: int, loss: float) -> None:
        with self._rate_watched():
            self.hooks.call("on_train_batch_end", batch, {"loss": loss})

    @contextmanager
    def _rate_watched(self) -> Iterator[None]:
        """Takes over the learning rate, if a callback sets it or puts another optimizer in the network."""
        assert self.net.optimizer is not None
        known, rate = self.net.optimizer, self.net.optimizer.learning_rate
        yield
        if self.net.optimizer is not known or known.learning_rate != rate:
            self.trainer.take(self.net.optimizer)


# ---- the loop ----


class Descending:
    """One call of an estimator's fit or partial_fit with a stochastic solver.

    `model` is the estimator, whose public attributes of the course of training are written as it goes.
    """

    def __init__(
        self, model: Any, trainer: Trainer, rows: Rows, held_out: HeldOut | None, *, incremental: bool
    ) -> None:
        self.model, self.trainer, self.rows, self.held_out = model, trainer, rows, held_out
        self.incremental = incremental
        self.epochs = 1 if incremental else model.max_iter
        self.prints = model.verbose not in (False, 0, "progress")
        self.progress = Progress(int(model.verbose == "progress"), self.epochs, 1)
        hooks = Hooks(model.callbacks)
        self.watchers = Watchers(hooks, trainer) if hooks else None

    def run(self) -> None:
        self.model.n_iter_ = 0
        self.logs: dict[str, float] = {}
        failed = True
        try:
            if self.watchers is not None:
                self.watchers.train_begins(self.epochs, len(self.rows), self.held_out is not None)
            self._all_epochs()
            failed = False
        finally:
            self._leave(failed)

    def _all_epochs(self) -> None:
        model = self.model
        try:
            for epoch in range(self.epochs):
                if self._ends(epoch, self._epoch(epoch)):
                    break
        except KeyboardInterrupt:
            while self.trainer.has_finished_epoch():
                self._ends(model.n_iter_, self._epoch(model.n_iter_))
            warnings.warn("Training interrupted by user.", stacklevel=2)
        if self.trainer.diverged:
            self._tell_divergence()

    def _tell_divergence(self) -> None:
        """ValueError, unless a callback takes it, or held-out rows have chosen weights before it."""
        model = self.model
        if self.watchers and self.watchers.hooks.take_divergence(model.n_iter_ - 1, NOT_FINITE):
            return
        if not model.early_stopping or model.best_validation_score_ == -np.inf:
            raise ValueError(NOT_FINITE)
        warnings.warn(
            f"Stochastic Optimizer: training diverged in iteration {model.n_iter_}; the weights are those "
            "with the best validation score. A lower learning_rate_init may help.",
            require("sklearn.exceptions", "sklearn").ConvergenceWarning,
            stacklevel=2,
        )

    def _leave(self, failed: bool) -> None:
        """However the fit ended: keep the solver's state, return to the best weights, end the callbacks."""
        try:
            self.progress.close()
            self.trainer.finish()
            if self.model.early_stopping:
                self.trainer.net.plan.set_weights(self.model._best_weights)
        finally:
            if self.watchers is not None:
                self.watchers.train_ends(self.logs, failed=failed)

    def _epoch(self, epoch: int) -> dict[str, float]:
        """Train on all rows, score the held-out ones; what there is to tell."""
        model = self.model
        self.progress.epoch_begin(epoch)
        if self.watchers is not None:
            self.watchers.epoch_begins(epoch)
        model.loss_ = self.trainer.epoch(self.rows, self._certain(epoch))
        model.n_iter_ += 1
        model.t_ += len(self.rows)
        model.loss_curve_.append(model.loss_)
        logs = {"loss": model.loss_}
        if self.prints:
            print(f"Iteration {model.n_iter_}, loss = {model.loss_:.8f}")
        if self.held_out is not None:
            logs["val_score"] = self.held_out.score(self.trainer)
            model.validation_scores_.append(logs["val_score"])
            if self.prints:
                print(f"Validation score: {logs['val_score']:f}")
        self.progress.epoch_end(epoch, logs)
        return logs

    def _certain(self, epoch: int) -> int:
        """How many epochs there will be from this one on, however they go; 1 if any is watched."""
        model = self.model
        watched = self.watchers is not None or self.held_out is not None or not self.progress.silent
        if watched or not self.trainer.solver.is_steady():
            return 1
        return int(min(self.epochs - epoch, model.n_iter_no_change - model._no_improvement_count + 1))

    def _ends(self, epoch: int, logs: dict[str, float]) -> bool:
        """Whether this epoch was the last one."""
        model, trainer = self.model, self.trainer
        self._count_improvement(logs)
        trainer.solver.epoch_ends(model.t_, trainer.net.plan)
        stopping = trainer.diverged and model.early_stopping
        if not stopping and model._no_improvement_count > model.n_iter_no_change:
            stopping = trainer.solver.stops(self._message(), self.prints, trainer.net.plan)
            if not stopping:
                model._no_improvement_count = 0
        if self.watchers is not None:
            stopping = self.watchers.epoch_ends(epoch, logs) or stopping
        self.logs = logs
        if not stopping and not self.incremental and model.n_iter_ == model.max_iter:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({model.max_iter}) reached and the optimization "
                "hasn't converged yet.",
                require("sklearn.exceptions", "sklearn").ConvergenceWarning,
                stacklevel=2,
            )
        return stopping

    def _count_improvement(self, logs: dict[str, float]) -> None:
        """Epochs without progress of `tol`, of the loss or, with early stopping, of the held-out score."""
        model = self.model
        progress = False
        if self.held_out is not None:
            score, before = logs["val_score"], model.best_validation_score_
            progress = score >= before + model.tol  # NaN is none
            if score > before:
                model.best_validation_score_ = score
                model._best_weights = self.trainer.net.get_weights() if model.early_stopping else None
        if model.early_stopping:
            stuck = not progress
        else:
            stuck = model.loss_ > model.best_loss_ - model.tol
            if model.loss_ < model.best_loss_:
                model.best_loss_ = model.loss_
        model._no_improvement_count = model._no_improvement_count + 1 if stuck else 0

    def _message(self) -> str:
        what = "Validation score did" if self.model.early_stopping else "Training loss did"
        return (
            f"{what} not improve more than tol={self.model.tol:f} for {self.model.n_iter_no_change:d} "
            "consecutive epochs."
        )
