"""
XOR: what a hidden layer is for
===============================

One neuron draws one line. A hidden layer draws several, and the output layer combines what they say.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import Network
from fastmlp.optimizers import SGD, Adam
from fastmlp.plots import plot_decision_boundary

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([0, 1, 1, 0])

# %%
# Without a hidden layer at best three of the four are right. The loss is lowest with 0.5 for every point, and
# that is what training comes to; how many are right is then chance.

line = Network([2, 1], output="sigmoid", seed=0)
line.compile(SGD(0.5), metrics=["accuracy"])
line.fit(X, y, epochs=1000, batch_size=None, verbose=False)
print(line.evaluate(X, y))

# %%
# XOR from two neurons by hand
# ----------------------------
# XOR is "OR and NAND". Two hidden neurons compute OR and NAND, the output neuron their AND:

gates = Network([2, 2, 1], activation="step", output="step")
gates.set_weights([[[0.5, -0.5], [0.5, -0.5]], [-0.2, 0.7], [[0.5], [0.5]], [-0.7]])
print(gates.predict(X).ravel())

# %%
# Learned
# -------
# With four tanh units, a network finds such weights itself.

net = Network([2, 4, 1], activation="tanh", output="sigmoid", seed=0)
net.compile(Adam(0.05))
net.fit(X, y, epochs=1000, batch_size=None, verbose=False)
print(net.predict(X).ravel().round(3))

figure, panels = plt.subplots(1, 2, figsize=(10, 4.3), layout="constrained")
plot_decision_boundary(line, X, y, ax=panels[0], title="no hidden layer")
plot_decision_boundary(net, X, y, ax=panels[1], title="2-4-1")
plt.show()
