"""
Activation functions, and why they must not be linear
=====================================================

The activation function is what makes depth worth something.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import Network
from fastmlp.plots import plot_activations

plot_activations(["step", "sigmoid", "tanh", "relu", "leaky_relu", "gelu"])
plt.show()

# %%
# - **step**: 1 above zero. Its derivative is 0 everywhere, so nothing can be learned through it.
# - **sigmoid**: :math:`1/(1+e^{-z})`, between 0 and 1; a probability at the output. Its derivative is at
#   most 1/4.
# - **tanh**: between -1 and 1, centred at zero.
# - **relu**: :math:`\max(0, z)`. Its derivative is 1 wherever it is active: the usual choice for hidden
#   layers.
# - **leaky relu** lets a little through below zero; **gelu** is a smooth relu.
#
# Linear layers collapse into one
# -------------------------------
# Without an activation function, two layers are :math:`(x W_1 + b_1) W_2 + b_2 = x (W_1 W_2) + (b_1 W_2 +
# b_2)`: one layer with other weights. A network of identities, however deep, computes what a single layer
# computes.

deep = Network([3, 8, 8, 2], activation="identity", dtype="float64", seed=4)
W1, b1, W2, b2, W3, b3 = deep.get_weights()
flat = Network([3, 2], dtype="float64")
flat.set_weights([W1 @ W2 @ W3, (b1 @ W2 + b2) @ W3 + b3])

X = np.random.default_rng(0).normal(size=(5, 3))
print(np.abs(deep.predict(X) - flat.predict(X)).max())

# %%
# The same with a bend
# --------------------
# With relu, each hidden unit adds a bend to the function; eight of them follow a parabola.

x = np.linspace(-1, 1, 200).reshape(-1, 1)
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
ax.plot(x, x**2, color="black", label="the parabola")
for activation in ("identity", "relu"):
    net = Network([1, 8, 1], activation=activation, seed=1)
    net.compile("adam", loss="mse")
    net.learning_rate = 0.02
    net.fit(x, x**2, epochs=400, verbose=False)
    ax.plot(x, net.predict(x), label=f"1-8-1, {activation}")
ax.set(xlabel="x", ylabel="y")
ax.legend(frameon=False)
plt.show()
