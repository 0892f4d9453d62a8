"""Targets as training compares them with outputs, where `Network.compile` has them standardized."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from ..layers import OutputRescaling
from ..layers.output import weighted_statistics
from ..model import Array, Model, Objective
from .rows import Rows


def rescaling_for(
    net: Model, objective: Objective, rows: Rows, among: Callable[[Array], Array] = lambda own: own
) -> OutputRescaling | None:
    """The network's, or one of the rows' means and deviations; None where nothing is standardized.

    `among` makes of an array of these rows that of all, where others are elsewhere.
    """
    if rows.exact is None or net.output_rescaling is not None:
        return net.output_rescaling
    weights = None if rows.weights is None else among(rows.weights)
    scale, offset = objective.loss.output_scaling(*weighted_statistics(among(rows.exact), weights))
    return OutputRescaling(tuple(scale.tolist()), tuple(offset.tolist()))


def standardized(objective: Objective, rescaling: OutputRescaling | None, rows: Rows) -> Rows:
    """The rows with (y - mean) / std beside y, computed in float64."""
    if rescaling is None or rows.exact is None:
        return rows
    mean, std = objective.loss.target_scaling(*rescaling.scale_and_offset(len(rescaling.scale)))
    return dataclasses.replace(rows, standardized=((rows.exact - mean) / std).astype(rows.y.dtype))
