"""Ray: predictions of data sets by its workers."""

from .scoring import Predictor

__all__ = ["Predictor"]
