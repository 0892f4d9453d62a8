"""Spark: predictions of data frames, as a function of columns."""

from .adapters.spark import predict_udf

__all__ = ["predict_udf"]
