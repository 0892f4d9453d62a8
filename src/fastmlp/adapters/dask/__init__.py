"""Dask: predictions of arrays and data frames in parts, by the workers that hold them."""

from .scoring import predict

__all__ = ["predict"]
