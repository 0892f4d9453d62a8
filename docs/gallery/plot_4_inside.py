"""
Inside a network
================

Its layers, its weights, and the numbers that flow through it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from fastmlp import Dense, Network, Rescaling
from fastmlp.plots import (
    plot_activations,
    plot_gradient_norms,
    plot_histograms,
    plot_network,
    plot_weights,
)

X, y = load_digits(return_X_y=True)
net = Network([64, Rescaling(1 / 16), Dense(16, "relu"), Dense(16, "relu"), Dense(10, "softmax")], seed=0)
net.compile("adam")
net.fit(X, y, epochs=20, verbose=False)

# %%
# Layers
# ------

plot_network(net)
plt.show()

# %%
# Incoming weights as pictures
# ----------------------------

plot_weights(net, (8, 8))
plt.show()

# %%
# How numbers are spread
# ----------------------
# Weights, activations or gradients, layer by layer.

plot_histograms(net, "activations", X)
plt.show()

# %%

plot_histograms(net, "gradients", X, y)
plt.show()

# %%
# Sizes of gradients
# ------------------

_, gradients = net.gradients(X, y)
plot_gradient_norms({"after 20 epochs": [np.linalg.norm(dW) for dW, _ in gradients]})
plt.show()

# %%
# Activation functions and their derivatives
# ------------------------------------------

plot_activations(["relu", "elu", "silu", "softplus"])
plt.show()
