"""What the held-out rows say of a model, beside what is right without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..metrics import value_of
from .output import table

Array = np.ndarray[Any, Any]

MOST_CLASSES = 12  # of a matrix that is printed
CONFUSIONS = 8  # that are listed in place of a larger one
LEARNED = "the training rows"
WARNING = "warning: the held-out rows do not show that the model is better than the baseline"
_TINY = 1e-12
_OF_CLASSES = {
    "accuracy": "accuracy",
    "balanced accuracy": "balanced_accuracy",
    "F1": "f1",
    "AUC": "auc",
    "log loss": "log_loss",
}
_SCORES = ("accuracy", "R2")
_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Figure:
    """A number that says how good a model is, of one of several targets `of`; NaN where there is none."""

    name: str
    model: float
    baseline: float
    form: str = ".4f"
    of: str = ""

    def shown(self, value: float) -> str:
        """As text.

        >>> Figure("R2", 0.5, 0.0).shown(0.5), Figure("R2", 0.5, 0.0).shown(float("nan"))
        ('0.5000', '-')
        """
        return "-" if np.isnan(value) else f"{value:{self.form}}"

    @property
    def title(self) -> str:
        """The name, and which target's it is."""
        return f"{self.of}: {self.name}" if self.of else self.name

    def line(self) -> tuple[str, str, str]:
        """Cells of a table."""
        return self.title, self.shown(self.model), self.shown(self.baseline)


@dataclass(frozen=True)
class Report:
    """The figures of a model.

    Attributes
    ----------
    summary : str
        In one line.
    rows : int
        That they are of.
    figures : list of Figure
    baseline : str
        What it says.
    details : list of str
        Lines of a confusion matrix or of residuals.
    better : bool
        Whether the rows show that the model is better than the baseline.
    confusion : dict
        Of classes their names and the counts of rows, of the true class by that of the prediction.
    """

    summary: str
    rows: int
    figures: list[Figure]
    baseline: str
    details: list[str]
    better: bool
    confusion: dict[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> dict[str, float]:
        """The model's figures, by name."""
        return {figure.title: figure.model for figure in self.figures}

    @property
    def score(self) -> float:
        """The accuracy of classes, the mean R2 of numbers."""
        return float(np.mean([figure.model for figure in self.figures if figure.name in _SCORES]))

    def lines(self) -> list[str]:
        """All of it as text."""
        heads = ("", "model", "baseline")
        return [
            *table(heads, [figure.line() for figure in self.figures]),
            f"baseline: {self.baseline}",
            "",
            *self.details,
        ]

    def values(self) -> dict[str, Any]:
        """All of it for --json; figures of several targets by target."""
        found: dict[str, dict[str, Any]] = {"model": {}, "baseline": {}}
        for figure in self.figures:
            key = figure.name.lower().replace(" ", "_")
            for which, of in found.items():
                place = of.setdefault(figure.of, {}) if figure.of else of
                place[key] = getattr(figure, which)
        return {"rows": self.rows, **found, "better_than_baseline": self.better, **self.confusion}


def of_classes(
    classes: Array, probabilities: Array, truth: Array, known: Array, whose: str = LEARNED
) -> Report:
    """A classifier's figures.

    Parameters
    ----------
    classes : ndarray, shape (classes,)
        Labels.
    probabilities : ndarray, shape (rows, classes)
    truth : ndarray, shape (rows,)
        Indices of the rows' classes.
    known : ndarray
        Those of the rows that the baseline knows.
    whose : str
        Which rows these are.
    """
    shares = np.bincount(known, minlength=len(classes)) / len(known)
    constant = np.broadcast_to(shares, probabilities.shape)
    found = [
        Figure(name, value_of(metric, truth, probabilities), value_of(metric, truth, constant))
        for name, metric in _OF_CLASSES.items()
        if name != "AUC" or len(np.unique(truth)) > 1
    ]
    accuracy = float(np.mean(probabilities.argmax(axis=1) == truth))
    gain = _losses(constant, truth) - _losses(probabilities, truth)
    commonest = int(shares.argmax())
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (truth, probabilities.argmax(axis=1)), 1)
    return Report(
        f"accuracy {accuracy:.2%} of {len(truth)} rows, always {str(classes[commonest])!r}: "
        f"{float(np.mean(truth == commonest)):.2%}",
        len(truth),
        found,
        f"the classes' shares of {whose}, {str(classes[commonest])!r} the commonest",
        _matrix(classes, counts),
        _is_above_zero(gain),
        {"classes": classes, "confusion_matrix": counts},
    )


def _losses(probabilities: Array, truth: Array) -> Array:
    return -np.log(np.maximum(probabilities[np.arange(len(truth)), truth], _TINY))


def _is_above_zero(gains: Array) -> bool:
    """Whether the mean of the rows' gains is more than chance makes of it: two standard errors."""
    if len(gains) < 2:
        return bool(gains.mean() > 0)
    return bool(gains.mean() > 2 * gains.std(ddof=1) / np.sqrt(len(gains)))


def _matrix(classes: Array, counts: Array) -> list[str]:
    """Rows of the true class, columns of the predicted; of many classes the commonest mistakes."""
    names = [str(label) for label in classes.tolist()]
    if len(classes) <= MOST_CLASSES:
        rows = [(name, *map(str, row)) for name, row in zip(names, counts.tolist(), strict=True)]
        return ["rows of a class (left) by what they are taken for (top)", *table(("", *names), rows)]
    counts = counts - np.diag(np.diag(counts))
    order = np.argsort(-counts, axis=None, kind="stable")[:CONFUSIONS]
    pairs = [divmod(int(place), len(classes)) for place in order]
    rows = [(str(counts[i, j]), names[i], names[j]) for i, j in pairs if counts[i, j]]
    return ["the commonest mistakes", *table(("rows", "class", "taken for"), rows)] if rows else []


def of_numbers(
    names: Sequence[str], predictions: Array, y: Array, known: Array, whose: str = LEARNED
) -> Report:
    """A regressor's figures, of arrays of shape (rows,) or (rows, targets); `known` as of classes."""
    predictions, y, known = (each.reshape(len(each), -1) for each in (predictions, y, known))
    mean = known.mean(axis=0)
    figures, gains = [], []
    for i, name in enumerate(names):
        of = name if len(names) > 1 else ""
        model, constant = predictions[:, i] - y[:, i], mean[i] - y[:, i]
        for metric, of_errors in _ERRORS.items():
            figures.append(Figure(metric, of_errors(model), of_errors(constant), ".6g", of))
        figures.append(Figure("R2", _explained(model, y[:, i]), _explained(constant, y[:, i]), ".4f", of))
        scale = np.mean(constant**2) or 1.0
        gains.append((constant**2 - model**2) / scale)
    _, error, baseline = figures[0].line()
    _, explained, _ = figures[2].line()
    return Report(
        f"root mean square error {error}, R2 {explained} on {len(y)} rows, always the mean: {baseline}",
        len(y),
        figures,
        f"the mean of {whose}, {', '.join(f'{value:.6g}' for value in mean)}",
        _residuals(names, y - predictions),
        _is_above_zero(np.mean(gains, axis=0)),
    )


_ERRORS: dict[str, Callable[[Array], float]] = {
    "root mean square error": lambda e: float(np.sqrt(np.mean(e**2))),
    "mean absolute error": lambda e: float(np.mean(np.abs(e))),
}


def _explained(errors: Array, y: Array) -> float:
    """R2; of rows with one target it says nothing."""
    variance = np.mean((y - y.mean()) ** 2)
    return float(1 - np.mean(errors**2) / variance) if variance > 0 else float("nan")


def _residuals(names: Sequence[str], residuals: Array) -> list[str]:
    heads = ("target - prediction", *(f"{share:.0%}" for share in _SHARES))
    rows = [
        (name, *(f"{value:.6g}" for value in np.quantile(residuals[:, i], _SHARES)))
        for i, name in enumerate(names)
    ]
    return ["so many of the rows have a residual below", *table(heads, rows)]
