"""The target of a table: which columns, classes or numbers, and the rows that have one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import listed, unknown
from ...tabular import dates, frames, words
from ...tabular.columns import as_booleans
from ..classes import MANY, are_classes
from ..reading.options import Source

Array = np.ndarray[Any, Any]

# From this many different cells on, of which most are numbers, a word is a slip and no class.
SLIPS = 20


@dataclass(frozen=True)
class Target:
    """What a model is to learn.

    Attributes
    ----------
    names : list of str
        Columns of the file.
    y : ndarray, shape (rows,) or (rows, targets)
        Of the rows that have it: labels (words or whole numbers), or float64.
    kept : ndarray of bool, shape (all rows,)
    classes : bool
    notes : list of str
        What was guessed or left out.
    """

    names: list[str]
    y: Array
    kept: Array
    classes: bool
    notes: list[str]


def columns(wanted: str | None, names: Sequence[str], file: str, option: str = "--target") -> list[str]:
    """The columns that an option names: a name, an index (-1 is the last), or several with commas between."""
    if wanted is None:
        raise ValueError(
            f"--target is missing, expected the name or index of the column of {file!r} to predict, "
            f"of {listed(names)}"
        )
    if wanted in names:
        return [wanted]
    found = [_column(part.strip(), names, option) for part in wanted.split(",")]
    if len(set(found)) < len(found):
        raise ValueError(f"{option} is {wanted!r}, expected each column once")
    return found


def sought(wanted: str | None) -> tuple[str, ...]:
    """Names that --target may mean, by which the row of names is told.

    >>> sought("a, b")
    ('a, b', 'a', 'b')
    """
    return () if wanted is None else (wanted, *(part.strip() for part in wanted.split(",")))


def _column(wanted: str, names: Sequence[str], option: str) -> str:
    if wanted in names:
        return wanted
    try:
        return names[int(wanted)]
    except (ValueError, IndexError):
        raise unknown(option, wanted, names) from None


def find(source: Source, names: list[str], task: str) -> Target:
    """The target in a file to learn from, as `read` has it.

    Raises
    ------
    ValueError
        As `read` does, and if the target is the same in all rows.
    """
    target = read(source, names, task)
    for name, column in zip(names, target.y.reshape(len(target.y), -1).T, strict=True):
        if (column == column[0]).all():
            raise ValueError(
                f"target {name!r} is {column[0].item()!r} in all rows, expected two or more values"
            )
    if target.classes:
        _check_classes(target.y, names[0], task, target.notes)
    return target


def read(source: Source, names: list[str], task: str) -> Target:
    """The target in a file.

    Parameters
    ----------
    source : Source
    names : list of str
        Its columns to predict; of several, all are numbers.
    task : {"auto", "classification", "regression"}

    Raises
    ------
    ValueError
        If no row has a target, or a cell is not what the others are.
    """
    if len(names) > 1 and task == "classification":
        raise ValueError(f"--target names {len(names)} columns, expected one for --task classification")
    wanted = "regression" if len(names) > 1 else task
    parts = [_part(source, name, wanted) for name in names]
    missing = np.any([part.missing for part in parts], axis=0)
    if missing.all():
        raise ValueError(f"{source.name!r} has no row with a target, {_gaps(parts)} in all of them")
    notes = [note for part in parts for note in part.notes]
    if missing.any():
        first = source.frame.index[int(missing.argmax())]
        count = int(missing.sum())
        rows = "row" if count == 1 else "rows"
        where = f"{source.place} {first}" if count == 1 else f"the first in {source.place} {first}"
        notes.insert(0, f"{count} {rows} without a target left out: {_gaps(parts)}, {where}")
    values = [part.values[~missing] for part in parts]
    if len(parts) == 1 and parts[0].classes:
        return Target(names, values[0], ~missing, True, notes)
    y = np.column_stack(values).astype(np.float64)
    return Target(names, y[:, 0] if len(names) == 1 else y, ~missing, False, notes)


@dataclass(frozen=True)
class _Part:
    """One column: labels or numbers, and which of its rows have none."""

    values: Array
    missing: Array
    classes: bool
    gaps: list[str]
    notes: list[str]


def _gaps(parts: Sequence[_Part]) -> str:
    """What stands in place of a target.

    >>> _gaps([_Part(np.zeros(1), np.zeros(1), False, ["NA", ""], [])])
    "'' or 'NA'"
    """
    return " or ".join(map(repr, sorted({gap for part in parts for gap in part.gaps}))) or "nothing"


def _part(source: Source, name: str, task: str) -> _Part:
    cells = frames.read(source.frame[[name]]).columns[name]
    if cells.dtype.kind == "M":
        raise ValueError(
            f"{source.name!r} has dates in the target column {name!r}, expected numbers or classes"
        )
    if cells.dtype.kind == "f":
        return _numbers(source, name, task, cells, [""] if np.isnan(cells).any() else [], [])
    missing = np.array([text is None or words.is_gap(text) for text in cells])
    gaps = list(dict.fromkeys("" if text is None else text for text in cells[missing]))
    present = list(dict.fromkeys(cells[~missing]))
    formats = words.number_formats(present)
    if not formats:
        spoken = [gap for gap in gaps if gap == "none" or (gap == "-" and "+" in present)]
        missing &= np.array([text not in spoken for text in cells])
        notes = [f"target {name} has {gap!r}, taken for a class as the others are" for gap in spoken]
        return _labels(source, name, task, cells, missing, [gap for gap in gaps if gap not in spoken], notes)
    numbers = np.array(
        [np.nan if gap else formats[0].parse(text) for text, gap in zip(cells, missing, strict=True)]
    )
    note = words.how_read(formats, present)
    hint = " (--decimal and --thousands set it)" if formats[0].words() or "also be" in note else ""
    notes = [f"target {name} {note}{hint}"] if note else []
    return _numbers(source, name, task, numbers, gaps, notes)


def _numbers(
    source: Source, name: str, task: str, numbers: Array, gaps: list[str], notes: list[str]
) -> _Part:
    """Numbers, or the classes that they number."""
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        cell = source.cell(int(infinite[0]), name, source.frame[name].iloc[int(infinite[0])])
        raise ValueError(f"{cell} is infinite, expected a finite target")
    missing = np.isnan(numbers)
    known = numbers[~missing]
    whole = bool((known == np.rint(known)).all()) and bool((np.abs(known) < 2**53).all())
    if task == "regression" or (task == "auto" and not (whole and are_classes(known))):
        count = len(np.unique(known))
        if task == "auto" and whole and count <= MANY:  # of more nobody takes them for classes
            notes = [
                *notes,
                f"{count} different whole numbers taken for numbers (--task classification: classes)",
            ]
        return _Part(numbers, missing, False, gaps, notes)
    if whole:
        values = np.where(missing, 0, numbers).astype(np.int64)
    else:
        values = np.array([words.of_number(number) for number in numbers.tolist()])
    count = len(np.unique(known))
    if task == "auto" and count > 2:
        notes = [*notes, f"{count} different whole numbers taken for classes (--task regression: numbers)"]
    return _Part(values, missing, True, gaps, notes)


def _labels(
    source: Source, name: str, task: str, cells: Array, missing: Array, gaps: list[str], notes: list[str]
) -> _Part:
    """Words as they are; refused where numbers are expected, or are what most of them are."""
    present = list(dict.fromkeys(cells[~missing]))
    odd = [text for text in present if words.PLAIN.parse(text) is None]
    if task == "auto" and dates.date_formats(present):
        raise ValueError(
            f"{source.name!r} has dates in the target column {name!r}, expected numbers or classes "
            "(--task classification takes them for classes)"
        )
    mostly = task == "auto" and bool(odd) and _are_slips(present, odd)
    if present and (task == "regression" or mostly):
        row = next(i for i, text in enumerate(cells) if not missing[i] and text in odd) if odd else 0
        hint = "; --task classification takes all for classes" if mostly else ""
        raise ValueError(
            f"{source.cell(row, name, cells[row])} is no number, expected a target as in other rows{hint}"
        )
    if task == "auto" and odd and len(odd) < len(present) / 2:
        notes = [*notes, f"target {name}: {odd[0]!r} is taken for a class, as the numbers are"]
    values = np.array(["" if gap else str(text) for text, gap in zip(cells, missing, strict=True)])
    if len(as_booleans(set(present))) < len(present):
        values = np.array([text.capitalize() for text in values])
        notes = [*notes, f"target {name} has booleans in several spellings, taken for two classes"]
    return _Part(values, missing, True, gaps, notes)


def _are_slips(present: list[str], odd: list[str]) -> bool:
    """Whether words among numbers are slips: a few among many, or among numbers with decimals."""
    numbers = [number for number in map(words.PLAIN.parse, present) if number is not None]
    if len(present) >= SLIPS and len(odd) <= len(present) / 10:
        return True
    return len(odd) < len(numbers) and any(number != int(number) for number in numbers if np.isfinite(number))


def _check_classes(labels: Array, name: str, task: str, notes: list[str]) -> None:
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise ValueError(
            f"target {name!r} is {classes[0].item()!r} in all rows, expected two or more classes"
        )
    once = int((counts == 1).sum())
    if task == "auto" and len(classes) > SLIPS and 2 * once > len(classes):
        raise ValueError(
            f"target {name!r} has {len(classes)} different words in {len(labels)} rows, expected classes of "
            "several rows each; --task classification takes them all the same"
        )
    if once:
        rows = "a class has" if once == 1 else f"{once} classes have"
        notes.append(f"{rows} one row, which no figure can be made of")
