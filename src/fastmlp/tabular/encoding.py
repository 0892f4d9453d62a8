"""A table as the matrix that a network takes: scaled numbers and indicators, then codes of categories."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _kernels
from ..spread import is_one_number
from . import columns, frames, recognition
from .columns import Column, LeftOut
from .frames import Frame

Array = np.ndarray[Any, Any]

FAR = 1e100  # in spreads: as good as infinite, and its square is finite


class Scaling:
    """x minus the median, over the range of the middle half, drawn in smoothly: z / sqrt(1 + (z/3)^2).

    Where the middle half is one number, but for roundings, half the whole range takes its place; where that
    is too, z is 0.

    References
    ----------
    Holzmueller, Grinsztajn and Steinwart, "Better by Default", arXiv:2407.04491.
    """

    def __init__(self, center: Array, factor: Array) -> None:
        self.center, self.factor = center, factor

    @classmethod
    def learn(cls, numbers: Array) -> Scaling:
        """From float64 of shape (rows, n)."""
        if not numbers.shape[1]:
            return cls(np.zeros(0), np.zeros(0))
        low, center, high = np.quantile(numbers, [0.25, 0.5, 0.75], axis=0)
        flat = is_one_number(np.stack([low, high]))
        spread = np.where(~flat, high - low, 0.5 * np.ptp(numbers, axis=0))
        return cls(center, np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0))

    def __call__(self, numbers: Array) -> Array:
        with np.errstate(over="ignore"):
            z = np.clip((numbers - self.center) * self.factor, -FAR, FAR)
        return np.asarray(z / np.sqrt(1 + (z / 3) ** 2))


@dataclass(frozen=True)
class Encoded:
    """Rows that an encoder has made ready: float32 of shape (rows, n).  Estimators' `prepare` gives them."""

    matrix: Array
    encoder: TableEncoder


class TableEncoder:
    """What was learned of a table's columns, and how rows become what a network takes.

    Attributes
    ----------
    columns : list of Column
        In the order of the table that was learned.
    scaling : Scaling
        Of numbers and indicators, as RealMLP has it: the value of a few rows stands out as 1.66, that of most
        is 0, and the others' then -1.66.
    named : bool
        Whether the columns had names, which are then looked for in every later table.
    """

    def __init__(self, found: list[Column], scaling: Scaling, named: bool) -> None:
        self.columns, self.scaling, self.named = found, scaling, named

    @classmethod
    def learn(
        cls,
        frame: Frame,
        *,
        one_hot_up_to: int = 9,
        features: str | Iterable[str] | None = None,
        drop: str | Iterable[str] | None = (),
    ) -> TableEncoder:
        """Learn from the rows of a table.

        Parameters
        ----------
        frame : Frame
        one_hot_up_to : int
            Categories of at most so many values, the gap counted, have a column for each.
        features : str or iterable of str, optional
            The columns to use, even where each of their values is there once; all others are left out.
        drop : str or iterable of str, optional
            Columns to leave out.

        Raises
        ------
        ValueError
            If a name is unknown, a number infinite, or no column is left to learn from.
        """
        wanted = None if features is None else _names(features)
        unwanted = [] if drop is None else _names(drop)
        for argument, names in (("features", wanted or []), ("drop", unwanted)):
            for name in names:
                if name not in frame.columns:
                    known = ", ".join(map(repr, frame.names))
                    raise ValueError(f"{argument} names the column {name!r}, expected one of {known}")
        chosen = [name for name in frame.names if (wanted is None or name in wanted) and name not in unwanted]
        if not chosen:
            raise ValueError("no column is left by features and drop, expected one or more")
        seen = frame.without(set(frame.names) - set(chosen))
        kinds = recognition.recognise(seen, one_hot_up_to=one_hot_up_to, keep=frozenset(wanted or ()))
        by_name = {column.name: column for column in kinds}
        found = [by_name.get(name) or LeftOut(name, note="it was not asked for") for name in frame.names]
        raw = _told([(column, seen.columns[column.name]) for column in kinds], len(frame))
        return cls(found, Scaling.learn(raw), frame.named)

    # ---- what the network is told ----

    @property
    def used(self) -> list[Column]:
        return [column for column in self.columns if not isinstance(column, LeftOut)]

    @property
    def names(self) -> list[str]:
        """Of the matrix's columns."""
        numbers = [name for column in self.used for name in column.number_names()]
        indicators = [name for column in self.used for name in column.indicator_names()]
        return [*numbers, *indicators, *(column.name for column in self.embedded)]

    @property
    def origins(self) -> list[str]:
        """Of the matrix's columns, which column of the table each comes from."""
        numbers = [column.name for column in self.used for _ in column.number_names()]
        indicators = [column.name for column in self.used for _ in column.indicator_names()]
        return [*numbers, *indicators, *(column.name for column in self.embedded)]

    @property
    def number_count(self) -> int:
        """Columns of the matrix that are scaled numbers: the first ones."""
        return sum(len(column.number_names()) for column in self.used)

    @property
    def embedded(self) -> list[columns.Category]:
        """Categories whose codes are the matrix's last columns."""
        return [column for column in self.used if isinstance(column, columns.Category) and not column.one_hot]

    def transform(self, X: Any, argument: str = "X") -> Array:
        """Rows as the network takes them.

        Parameters
        ----------
        X : table
            As `frames.read` takes it; columns in any order where they have names.

        Returns
        -------
        ndarray of float32, shape (rows, n)

        Raises
        ------
        ValueError
            If a column is missing, or a cell cannot be read as in training.
        """
        frame = self._matched(frames.read(X, argument), argument)
        cells = [(column, frame.columns[column.name]) for column in self.used]
        codes = [found[:, None] for column, values in cells if (found := column.codes(values)) is not None]
        return np.hstack([self.scaling(_told(cells, len(frame))), *codes]).astype(np.float32)

    def told(self, X: Any) -> Array:
        """What an exported model is told of a table: float64 of shape (rows, used columns), NaN for gaps.

        A number is itself, a category its code, 0 of a gap and of what training did not have, a date the
        seconds since 1970.
        """
        frame = self._matched(frames.read(X), "X")
        return np.column_stack([column.told(frame.columns[column.name]) for column in self.used])

    def row(self, X: dict[Any, Any]) -> Array | None:
        """What `transform` makes of a dictionary of single values, without a frame of it.

        Returns
        -------
        ndarray of float32, shape (1, n)
            None where a value is of another type or a column is missing, which `transform` looks into.
        """
        return self._row(X) if self.named else None

    @functools.cached_property
    def _row(self) -> _kernels.RowEncoder:
        return _kernels.RowEncoder(self.used, self.scaling.center, self.scaling.factor)

    def _matched(self, frame: Frame, argument: str) -> Frame:
        """The table with the names that the columns had in training."""
        if self.named and frame.named:
            missing = [column.name for column in self.used if column.name not in frame.columns]
            if missing:
                others = [
                    name for name in frame.names if name not in {column.name for column in self.columns}
                ]
                hint = f"; it has {_listed(others)}, which training did not have" if others else ""
                raise ValueError(
                    f"{argument} lacks {_listed(missing)}, expected the columns of training{hint}"
                )
            return frame
        if len(frame.columns) != len(self.columns):
            raise ValueError(
                f"{argument} has {len(frame.columns)} columns, expected {len(self.columns)} as in training"
            )
        names = [column.name for column in self.columns]
        return Frame(dict(zip(names, frame.columns.values(), strict=True)), named=False)

    # ---- reports and files ----

    def report(self) -> list[dict[str, str]]:
        """What became of each column: its name, kind, what the network sees of it, and what was guessed."""
        return [
            {"column": column.name, "kind": column.kind, "became": column.became(), "note": column.note}
            for column in self.columns
        ]

    def to_config(self) -> dict[str, Any]:
        """A dict that JSON can hold."""
        return {
            "columns": [column.to_config() for column in self.columns],
            "center": self.scaling.center.tolist(),
            "factor": self.scaling.factor.tolist(),
            "named": self.named,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TableEncoder:
        """What `to_config` wrote."""
        scaling = Scaling(np.array(config["center"]), np.array(config["factor"]))
        return cls([columns.from_config(each) for each in config["columns"]], scaling, config["named"])


def _told(cells: list[tuple[Column, Array]], rows: int) -> Array:
    """Numbers, then indicators, of columns with their values: float64 of shape (rows, n)."""
    numbers = [column.numbers(values) for column, values in cells]
    indicators = [column.indicators(values) for column, values in cells]
    return np.hstack([np.empty((rows, 0)), *numbers, *indicators])


def _names(given: str | Iterable[str]) -> list[str]:
    """A name by itself is one, and not its letters."""
    return [given] if isinstance(given, str) else [str(name) for name in given]


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return f"the column{'s' if len(names) > 1 else ''} {shown}{', ...' if len(names) > 5 else ''}"
