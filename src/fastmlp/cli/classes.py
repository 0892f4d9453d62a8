"""Whether a target is classes: of whole numbers a guess, which --task overrides."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# They are classes if each has this many rows on average, and they are few,
ROWS_PER_CLASS = 5
FEW = 20
# or more, and count from 0 or 1 without a gap.
MANY = 100


def are_classes(numbers: Array) -> bool:
    """Whether whole numbers are likelier classes than amounts; two are always.

    >>> are_classes(np.array([0, 1, 1, 0])), are_classes(np.array([1950, 1961, 1984]))
    (True, False)
    """
    values = np.unique(numbers)
    if len(values) == 2:
        return True
    in_a_row = len(values) <= MANY and values[0] in (0, 1) and values[-1] - values[0] + 1 == len(values)
    return 2 < len(values) <= len(numbers) / ROWS_PER_CLASS and (len(values) <= FEW or bool(in_a_row))


def check_class_weight(options: argparse.Namespace, classes: bool) -> None:
    """ValueError if numbers are to be weighted as classes."""
    if options.class_weight is not None and not classes:
        raise ValueError(f"--class-weight is {options.class_weight!r}, but the target is numbers")
