"""Ray: predictions of data sets, batch by batch."""

from .adapters.ray import Predictor

__all__ = ["Predictor"]
