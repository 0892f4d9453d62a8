"""scikit-learn: its two estimators on the engine, and conversions of fitted ones."""

from .convert import from_sklearn, to_sklearn
from .estimators import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "from_sklearn", "to_sklearn"]
