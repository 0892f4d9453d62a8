"""`class_weight` as factors of the rows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import listed
from ...validation import real

Array = np.ndarray[Any, Any]


def factors_of_rows(
    class_weight: Mapping[Any, Any], labels: Array, classes: Array, *, all_known: bool
) -> Array:
    """The factor (rows,) of every row's class, 1 for a class without any.

    A part of the data, such as a fold, may lack a class that has a factor.  It may be a mistake where others
    have none, which scikit-learn refuses, and is warned of; it is one where no class but these can come,
    `all_known`, as in `partial_fit`.
    """
    index = {label: i for i, label in enumerate(classes.tolist())}
    factors = np.ones(len(index))
    unknown = []
    for label, factor in class_weight.items():
        value = real(factor, f"class_weight of class {label!r}", minimum=0.0)
        if label in index:
            factors[index[label]] = value
        else:
            unknown.append(label)
    if unknown:
        known = listed(map(repr, index))
        sentence = f"class_weight has the class {unknown[0]!r}, expected one of {known}"
        if all_known or any(isinstance(label, str) != isinstance(classes[0], str) for label in unknown):
            raise ValueError(sentence)
        if len(class_weight) - len(unknown) < len(index):
            warnings.warn(f"{sentence}; it has no effect", stacklevel=2)
    if not factors.any():
        raise ValueError("class_weight is 0 for every class of y, expected at least one above 0")
    return np.asarray(factors[np.searchsorted(classes, labels)])
