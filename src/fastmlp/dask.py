"""Dask: training by the workers of a cluster, and predictions of rows that fit no machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .adapters.dask import predict

if TYPE_CHECKING:
    from .adapters.dask.estimators import DaskMLPClassifier, DaskMLPRegressor

__all__ = ["DaskMLPClassifier", "DaskMLPRegressor", "predict"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # the estimators need scikit-learn
        from .adapters.dask import estimators

        return getattr(estimators, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
