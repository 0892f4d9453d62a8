"""Spark: predictions of data frames by their executors."""

from .scoring import predict_udf

__all__ = ["predict_udf"]
