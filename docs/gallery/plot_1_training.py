"""
How training goes
=================

Curves of a fit, and which learning rate to begin with.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from fastmlp import Dense, Network, Rescaling, learning_rate_range
from fastmlp.callbacks import LayerMonitor
from fastmlp.plots import plot_history, plot_layers, plot_learning_rates

X, y = load_digits(return_X_y=True)


def network():
    net = Network([64, Rescaling(1 / 16), Dense(32, "relu"), Dense(32, "relu"), Dense(10, "softmax")], seed=0)
    net.compile("adam", metrics=["accuracy"])
    return net


# %%
# Loss and metrics
# ----------------
# ``plot_history`` takes what ``fit`` returns, or a fitted estimator.

net = network()
monitor = LayerMonitor(X[:500], y[:500], print_fn=None)
history = net.fit(X, y, epochs=30, validation_split=0.25, callbacks=[monitor], verbose=False)
plot_history(history)
plt.show()

# %%
# The learning rate
# -----------------
# The rate grows from batch to batch. Where the loss falls fastest is a good rate to begin with.

plot_learning_rates(learning_rate_range(network(), X, y))
plt.show()

# %%
# Layer by layer
# --------------
# ``LayerMonitor`` measures the layers after each epoch; the lines are the layers.

plot_layers(monitor)
plt.show()
