"""
One neuron
==========

A neuron multiplies each input by a weight, adds the products and a bias, and passes the sum through an
activation function:

.. math:: a = f(w_1 x_1 + w_2 x_2 + b)
"""

import matplotlib.pyplot as plt
import numpy as np

# %%
# The weights say how much each input counts, the bias how easily the neuron fires. With the step function,
# which is 1 above zero and 0 below, a neuron decides. Weights of 0.5 and a bias of -0.7 make the logical
# AND:


def neuron(x, w, b):
    return int(np.dot(w, x) + b > 0)


inputs = [(0, 0), (0, 1), (1, 0), (1, 1)]
for x in inputs:
    print(x, neuron(x, w=[0.5, 0.5], b=-0.7))

# %%
# With a bias of -0.2 the same neuron is an OR. Negative weights and a positive bias give NAND:

print("OR  ", [neuron(x, w=[0.5, 0.5], b=-0.2) for x in inputs])
print("NAND", [neuron(x, w=[-0.5, -0.5], b=0.7) for x in inputs])

# %%
# The same in fastmlp
# -------------------
# A network of one unit has a weight matrix of shape (2, 1) and a bias of shape (1,).

from fastmlp import Network

net = Network([2, 1], output="step")
net.set_weights([[[0.5], [0.5]], [-0.7]])
print(net.predict(np.array(inputs)).ravel())

# %%
# What one neuron cannot do
# -------------------------
# The line :math:`w_1 x_1 + w_2 x_2 + b = 0` parts the plane in two halves, and the neuron can only tell
# them apart. XOR is 1 where exactly one input is 1: no straight line has these two points on one side and
# the other two on the other.

from fastmlp.plots import plot_decision_boundary

figure, panels = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
smooth = Network([2, 1], output="sigmoid")
smooth.set_weights([[[5.0], [5.0]], [-7.0]])
for ax, name, y in zip(panels, ("AND", "XOR"), ([0, 0, 0, 1], [0, 1, 1, 0]), strict=True):
    plot_decision_boundary(smooth, inputs, y, ax=ax, title=f"{name}, and one neuron's line")
plt.show()

# %%
# A second layer of neurons changes that: see the page about XOR.
