"""
The loss: how wrong is the network?
===================================

Training needs one number that says how far the outputs are from the targets. It must change a little when a
weight changes a little: accuracy does not, since most small changes leave every predicted class as it is.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import Network, functional

# %%
# Cross-entropy
# -------------
# For classes: minus the logarithm of the probability that the network gave to the true class, averaged over
# the rows.

probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
labels = np.array([0, 2])
picked = probabilities[np.arange(2), labels]
print("by hand:", -np.log(picked).mean())

# %%
# A sure and right answer costs nothing; a sure and wrong one costs without bound. The squared error of the
# same probability stops at 1. Seen from the outputs before softmax it is nearly flat there, because softmax
# is: what is most wrong would learn least.

p = np.linspace(0.005, 1, 200)
figure, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
ax.plot(p, -np.log(p), label="cross-entropy")
ax.plot(p, (1 - p) ** 2, label="squared error")
ax.set(xlabel="probability given to the true class", ylabel="loss")
ax.legend(frameon=False)
plt.show()

# %%
# Softmax and cross-entropy together
# ----------------------------------
# Their derivative with respect to the outputs z before softmax is the difference between what came and what
# should have come, :math:`y - t`. That is why the two belong together, and why a network here ends in
# ``"softmax"`` with the loss ``"categorical_crossentropy"``.

z = np.array([[2.0, 1.0, 0.1]])
t = np.array([[0.0, 1.0, 0.0]])
y = functional.softmax(z)
step = 1e-6


def cross_entropy(z):
    return -np.log(functional.softmax(z)[0, 1])


numeric = [(cross_entropy(z + step * e) - cross_entropy(z - step * e)) / (2 * step) for e in np.eye(3)]
print("y - t:  ", (y - t)[0])
print("numeric:", np.array(numeric))

# %%
# For numbers instead of classes: the mean squared error, with an output that is left as it is.

net = Network([3, 1], seed=0)
net.compile("sgd", loss="mse")
X, y = np.eye(3), np.array([1.0, 2.0, 3.0])
print(net.evaluate(X, y)["loss"], np.mean((net.predict(X)[:, 0] - y) ** 2))
