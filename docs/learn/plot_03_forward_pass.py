"""
The forward pass by hand
========================

A network is layers in a row: the outputs of one are the inputs of the next. Here is a 2-3-2-2 network,
computed step by step, with numbers that you can check on paper.
"""

import matplotlib.pyplot as plt
import numpy as np

x = np.array([1.0, 0.5])
W1, b1 = np.array([[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]]), np.array([0.1, 0.2, 0.3])
W2, b2 = np.array([[0.1, 0.4], [0.2, 0.5], [0.3, 0.6]]), np.array([0.1, 0.2])
W3, b3 = np.array([[0.1, 0.3], [0.2, 0.4]]), np.array([0.1, 0.2])


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# %%
# The first layer: weighted sums, then the sigmoid of each.

A1 = x @ W1 + b1
Z1 = sigmoid(A1)
print("A1 =", A1)
print("Z1 =", Z1)

# %%
# The second layer reads Z1, the output layer reads Z2 and leaves its sums as they are.

Z2 = sigmoid(Z1 @ W2 + b2)
y = Z2 @ W3 + b3
print("Z2 =", Z2)
print("y  =", y)
assert np.allclose(y, [0.31682708, 0.69627909])

# %%
# The same in fastmlp
# -------------------

from fastmlp import Dense, Network
from fastmlp.plots import plot_network

net = Network([2, Dense(3, "sigmoid"), Dense(2, "sigmoid"), Dense(2, "identity")], dtype="float64")
net.set_weights([W1, b1, W2, b2, W3, b3])
plot_network(net)
plt.show()
print(net.predict(x))
assert np.allclose(net.predict(x), y)

# %%
# ``forward`` returns what every layer gives, to look inside:

for layer, values in enumerate(net.forward(x), 1):
    print(f"layer {layer}: {values}")
