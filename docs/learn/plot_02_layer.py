"""
A layer is a matrix
===================

Neurons that read the same inputs form a layer. Their weights are the columns of a matrix W, and the whole
layer is one matrix product:

.. math:: A = f(X W + b)

X has a row for each example, W a row for each input and a column for each neuron.
"""

import numpy as np

X = np.array([[1.0, 0.5], [0.0, 2.0], [-1.0, 1.0]])  # 3 examples of 2 inputs
W = np.array([[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]])  # 2 inputs, 3 neurons
b = np.array([0.1, 0.2, 0.3])

Z = X @ W + b
print(Z.shape)  # (3, 2) @ (2, 3) -> (3, 3): a row for each example, a column for each neuron
print(Z)

# %%
# Two rules about shapes find most mistakes: the columns of X must be as many as the rows of W, and the bias
# has one number for each column of W. NumPy adds it to every row.
#
# The first number by hand: :math:`1.0 \cdot 0.1 + 0.5 \cdot 0.2 + 0.1 = 0.3`.

assert Z[0, 0] == 1.0 * 0.1 + 0.5 * 0.2 + 0.1

# %%
# ``fastmlp.functional`` has the same operation as a function, and a network holds its matrices in the same
# shapes.

from fastmlp import Network, functional

assert np.allclose(functional.dense(X, W, b), Z)

net = Network([2, 3, 2], seed=0)
print([array.shape for array in net.get_weights()])
net.summary()

# %%
# The number of parameters of a layer is inputs x units + units: here 2 x 3 + 3 = 9 and 3 x 2 + 2 = 8.

from fastmlp.plots import plot_network

plot_network(net, title="2-3-2")
