"""
Overfitting and dropout
=======================

A network with many weights can learn its rows by heart, noise included. Only rows that it has not seen show
that.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import Dense, Dropout, Network
from fastmlp.callbacks import EarlyStopping
from fastmlp.optimizers import AdamW
from fastmlp.plots import plot_decision_boundary, plot_history

rng = np.random.default_rng(0)


def moons(rows):
    """Two half circles with noise; one label in ten is wrong."""
    t, upper = rng.uniform(0, np.pi, rows), rng.integers(0, 2, rows)
    above, below = np.stack([np.cos(t), np.sin(t)], 1), np.stack([1 - np.cos(t), 0.5 - np.sin(t)], 1)
    X = np.where(upper[:, None] == 1, above, below)
    return X + rng.normal(0, 0.2, X.shape), np.where(rng.random(rows) < 0.1, 1 - upper, upper)


X, y = moons(120)
X_test, y_test = moons(1000)

# %%
# Seen and unseen rows
# --------------------
# The loss of the training rows keeps falling. That of the held-out rows falls and then rises: from there on
# the network learns the noise.

net = Network([2, 128, 128, 1], output="sigmoid", seed=0)
net.compile("adam", metrics=["accuracy"])
history = net.fit(X, y, epochs=300, validation_data=(X_test, y_test), verbose=False)
plot_history(history)
plt.show()

# %%
# Three remedies
# --------------
# *Dropout* turns off each unit with some probability in every step, so that no unit can rely on another; in
# prediction all are on. *Weight decay* pulls the weights towards zero. *Early stopping* ends training when
# a held-out number has not improved for a while, and goes back to the best weights. (To judge it fairly,
# other rows are needed than those that it stopped by.) More data is the best remedy of all.


def fitted(layers, optimizer="adam", **options):
    net = Network([2, *layers, Dense(1, "sigmoid")], seed=0)
    net.compile(optimizer, metrics=["accuracy"])
    net.fit(X, y, epochs=300, validation_data=(X_test, y_test), verbose=False, **options)
    return net


wide = [Dense(128, "relu"), Dense(128, "relu")]
dropped = [Dense(128, "relu"), Dropout(0.5), Dense(128, "relu"), Dropout(0.5)]
nets = {
    "nothing": net,
    "dropout 0.5": fitted(dropped),
    "weight decay": fitted(wide, AdamW(weight_decay=1.0)),
    "early stopping": fitted(
        wide, callbacks=[EarlyStopping("val_accuracy", patience=50, restore_best_weights=True)]
    ),
}
figure, panels = plt.subplots(2, 2, figsize=(10, 8), layout="constrained")
for ax, (name, one) in zip(panels.flat, nets.items(), strict=True):
    scores = one.evaluate(X_test, y_test)
    title = f"{name}: loss {scores['loss']:.2f}, {scores['accuracy']:.1%} right"
    plot_decision_boundary(one, X, y, ax=ax, title=title)
plt.show()
