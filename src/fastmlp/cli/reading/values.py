"""Cells as numbers, written as the options say."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...tabular import words
from ...tabular.words import NumberFormat
from .options import Reading, Source

Array = np.ndarray[Any, Any]


def converted(source: Source, options: Reading) -> Source:
    """With numbers in the columns that are numbers in the format that was told, if one was."""
    if options.decimal is None and options.thousands is None:
        return source
    form = NumberFormat(options.decimal or ".", options.thousands or "")
    if form.decimal == form.thousands:
        raise ValueError(f"--decimal and --thousands are both {form.decimal!r}, expected two different marks")
    for i in range(source.frame.shape[1]):
        numbers = _numbers(source.frame.iloc[:, i], form)
        if numbers is not None:
            source.frame.isetitem(i, numbers)
    return source


def _numbers(cells: Any, form: NumberFormat) -> Array | None:
    """float64 with NaN for gaps; None where a cell is something else."""
    read = {}
    for cell in dict.fromkeys(cells):
        if not isinstance(cell, str):
            return None
        number = float("nan") if words.is_gap(cell) else form.parse(cell)
        if number is None:
            return None
        read[cell] = number
    return np.array([read[cell] for cell in cells])
