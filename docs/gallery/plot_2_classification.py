"""
How well classes are told apart
===============================

The same calls take a network or an estimator, and labels of any kind.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

from fastmlp.plots import (
    plot_calibration,
    plot_confusion_matrix,
    plot_decision_boundary,
    plot_precision_recall,
    plot_roc,
)
from fastmlp.sklearn import MLPClassifier

iris = load_iris()
X, y = iris.data[:, :2], iris.target_names[iris.target]  # the sepals, by which two kinds are hard to tell
X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, random_state=0, stratify=y)
model = MLPClassifier((16,), learning_rate_init=0.01, max_iter=300, random_state=0).fit(X, y)

# %%
# The classes over two columns
# ----------------------------
# Of more than two columns ``features=`` says which are drawn; the others stay at their medians.

plot_decision_boundary(model, X, y)
plt.show()

# %%
# Which are taken for which
# -------------------------

plot_confusion_matrix(model, X_test, y_test)
plt.show()

# %%
# Thresholds
# ----------

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
plot_roc(model, X_test, y_test, ax=left)
plot_precision_recall(model, X_test, y_test, ax=right)
plt.show()

# %%
# Do the probabilities say what they mean?
# ----------------------------------------
# Of the rows that are given a probability of 0.8, eight in ten should be of the class.

plot_calibration(model, X_test, y_test, bins=5)
plt.show()
