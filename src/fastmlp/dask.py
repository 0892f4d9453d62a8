"""Dask: predictions of arrays and data frames that fit no machine."""

from .adapters.dask import predict

__all__ = ["predict"]
