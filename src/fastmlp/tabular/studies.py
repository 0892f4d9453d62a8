"""Sets of parameters that an Optuna study proposes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..errors import shown
from ..optional import require

_PLAIN = (type(None), bool, int, float, str)  # what a study keeps as it is


class Proposals:
    """What a study asks for and is told.

    Parameters
    ----------
    study : optuna.study.Study
        Of one value, that is maximized.
    space : mapping
        Names of parameters to lists of values or to Optuna's distributions.
    """

    def __init__(self, study: Any, space: Mapping[str, Any]) -> None:
        optuna = require("optuna", "optuna")
        if not isinstance(study, optuna.study.Study):
            raise TypeError(f"method is {shown(study)}, expected 'random', 'halving' or an Optuna study")
        ways = [way.name.lower() for way in study.directions]
        if ways != ["maximize"]:
            raise ValueError(f"method is a study with {ways} of values, expected ['maximize'] of scores")
        self._study, self._failed = study, optuna.trial.TrialState.FAIL
        kinds = optuna.distributions
        self._values: dict[str, dict[Any, Any]] = {}  # of lists, by what the study keeps of a value
        self._asked: dict[str, Any] = {}
        for name, each in space.items():
            if isinstance(each, (list, tuple)):
                self._values[name] = {kept(value): value for value in each}
                if not each or len(self._values[name]) < len(each):
                    came = f"space[{name!r}] is {shown(each)}"
                    raise ValueError(f"{came}, expected values that a study can tell apart")
                self._asked[name] = kinds.CategoricalDistribution(list(self._values[name]))
            elif isinstance(each, kinds.BaseDistribution):
                self._asked[name] = each
            else:
                came = f"space[{name!r}] is {shown(each)}"
                raise TypeError(f"{came}, expected a list or an Optuna distribution")

    @contextmanager
    def next(self) -> Iterator[tuple[dict[str, Any], Any]]:
        """Parameters to try, and a function of their score; without one the trial has failed."""
        trial, scores = self._study.ask(self._asked), list[float]()
        try:
            yield {name: self._chosen(name, trial.params[name]) for name in self._asked}, scores.append
        finally:
            if scores and not math.isnan(scores[0]):
                self._study.tell(trial, scores[0])
            else:
                self._study.tell(trial, state=self._failed)

    def _chosen(self, name: str, value: Any) -> Any:
        return self._values[name][value] if name in self._values else value


def kept(value: Any) -> Any:
    """A value as a study keeps it: words in place of a tuple or the like.

    >>> kept(0.5), kept((64, 64))
    (0.5, '(64, 64)')
    """
    return value if isinstance(value, _PLAIN) else repr(value)
