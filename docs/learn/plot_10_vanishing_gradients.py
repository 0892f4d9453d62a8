"""
Vanishing gradients and dead relus
==================================

On the way back each layer multiplies the gradient by its weights and by the slope of its activation. In a
deep network the product of many small factors is nearly nothing, and the first layers do not learn.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import Dense, Network
from fastmlp.optimizers import Adam
from fastmlp.plots import plot_gradient_norms, plot_histograms

rng = np.random.default_rng(0)
X = rng.normal(size=(256, 32))
y = (X.sum(axis=1) > 0).astype(int)


def gradient_norms(activation, initializer):
    layers = [32, *[Dense(32, activation, initializer=initializer)] * 8, Dense(1, "sigmoid")]
    net = Network(layers, dtype="float64", seed=1)
    net.compile("sgd")
    _, gradients = net.gradients(X, y)
    return [np.linalg.norm(dW) for dW, _ in gradients[:8]]


# %%
# The slope of the sigmoid is at most 1/4: unless large weights make up for it, each layer on the way back
# leaves a quarter of the gradient or less, and the first of eight gets some ten-thousandths of what the last
# one gets. Relu's slope is 1 where it is active, and with He's initial weights the gradient keeps its length.

norms = {
    "sigmoid, Glorot": gradient_norms("sigmoid", "glorot_uniform"),
    "tanh, Glorot": gradient_norms("tanh", "glorot_uniform"),
    "relu, He": gradient_norms("relu", "he_normal"),
}
plot_gradient_norms(norms, title="before training, by depth")
plt.show()
print({name: f"{values[0] / values[-1]:.1e}" for name, values in norms.items()})

# %%
# Dead relus
# ----------
# A relu whose sum is negative for every row gives 0, has the slope 0, and so never changes again. A large
# negative bias does it, and so does one step with too large a learning rate.

X2 = rng.normal(size=(200, 2))
y2 = (X2[:, 0] * X2[:, 1] > 0).astype(int)


def with_negative_biases(activation):
    net = Network([2, Dense(16, activation), Dense(1, "sigmoid")], dtype="float64", seed=2)
    W1, b1, W2, b2 = net.get_weights()
    net.set_weights([W1, b1 - 5, W2, b2])
    net.compile(Adam(0.05), metrics=["accuracy"])
    net.fit(X2, y2, epochs=300, verbose=False)
    return net


for activation in ("relu", "leaky_relu"):
    net = with_negative_biases(activation)
    active = np.mean(net.forward(X2)[0] > 0)
    print(f"{activation}: accuracy {net.evaluate(X2, y2)['accuracy']:.2f}, active {active:.0%}")

# %%
# ``plot_histograms`` shows it at a glance: a layer whose outputs are all zero.

plot_histograms(with_negative_biases("relu"), "activations", X2)
plt.show()
