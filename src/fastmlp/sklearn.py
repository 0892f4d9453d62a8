"""scikit-learn's MLPClassifier and MLPRegressor on this engine, and conversions from and to fitted ones.

>>> from fastmlp.sklearn import MLPClassifier
>>> model = MLPClassifier(hidden_layer_sizes=(4,), solver="lbfgs", random_state=0)
>>> model.fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1]).predict([[1, 1]])
array([1])
"""

from .adapters.sklearn import MLPClassifier, MLPRegressor, from_sklearn, to_sklearn

__all__ = ["MLPClassifier", "MLPRegressor", "from_sklearn", "to_sklearn"]
