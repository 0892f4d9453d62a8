"""Tables as people have them: `TabularClassifier` and `TabularRegressor`.

>>> from fastmlp.tabular import TabularClassifier
>>> table = {"weight": [1.0, 5.0, None, 1.2, 5.5, 4.8] * 10, "kind": ["a", "b", "b", "a", "b", "b"] * 10}
>>> model = TabularClassifier("fast", random_state=0).fit(table, ["light", "heavy", "heavy"] * 20)
>>> model.predict({"weight": [5.1], "kind": ["b"]})
array(['heavy'], dtype='<U5')
"""

from .estimators import TabularClassifier, TabularRegressor, load
from .importance import gradient_importance, permutation_importance
from .recipes import Recipe
from .search import Tuned, cross_validate, tune

__all__ = [
    "Recipe",
    "TabularClassifier",
    "TabularRegressor",
    "Tuned",
    "cross_validate",
    "gradient_importance",
    "load",
    "permutation_importance",
    "tune",
]
