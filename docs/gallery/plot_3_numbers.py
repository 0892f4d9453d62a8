"""
Numbers instead of classes
==========================

What a regression leaves over, and which columns it uses.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes

from fastmlp.plots import plot_importances, plot_residuals
from fastmlp.tabular import TabularRegressor, permutation_importance

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
model = TabularRegressor("fast", random_state=0).fit(X[:300], y[:300])

# %%
# Residuals
# ---------
# A good model leaves a cloud without a shape around zero.

plot_residuals(model, X[300:], y[300:])
plt.show()

# %%
# Importances
# -----------
# How much worse the predictions are when a column is shuffled.

plot_importances(permutation_importance(model, X[300:], y[300:], random_state=0))
plt.show()
