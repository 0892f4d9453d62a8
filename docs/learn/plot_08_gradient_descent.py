"""
Gradient descent from scratch
=============================

The gradient points to where the loss grows fastest, so a step against it makes the loss smaller:

.. math:: W \\leftarrow W - \\eta\\, dW

The learning rate :math:`\\eta` is the length of the step. That, repeated, is all of training. Here is a
2-4-1 network that is trained with nothing but NumPy, then the same in fastmlp.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import Network
from fastmlp.optimizers import SGD
from fastmlp.plots import plot_decision_boundary

rng = np.random.default_rng(1)
angle = rng.uniform(0, 2 * np.pi, 300)
radius = np.where(np.arange(300) < 150, rng.normal(1, 0.2, 300), rng.normal(2.2, 0.2, 300))
X = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
y = (np.arange(300) >= 150).astype(float).reshape(-1, 1)

# %%
# From scratch
# ------------
# Forward, backward, step. The output is a sigmoid; with the cross-entropy its derivative is again output
# minus target.

net = Network([2, 4, 1], activation="tanh", output="sigmoid", dtype="float64", seed=3)
W1, b1, W2, b2 = net.get_weights()  # the weights that fastmlp starts from
rate, losses = 1.0, []
for _ in range(500):
    A1 = np.tanh(X @ W1 + b1)
    p = 1 / (1 + np.exp(-(A1 @ W2 + b2)))
    losses.append(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))
    dZ2 = (p - y) / len(X)
    dZ1 = (dZ2 @ W2.T) * (1 - A1**2)
    W2 -= rate * A1.T @ dZ2
    b2 -= rate * dZ2.sum(axis=0)
    W1 -= rate * X.T @ dZ1
    b1 -= rate * dZ1.sum(axis=0)
print(f"loss from {losses[0]:.3f} to {losses[-1]:.3f}")

# %%
# In fastmlp
# ----------
# ``batch_size=None`` takes all rows for each step, as the loop above does. The losses agree.

net.compile(SGD(rate))
history = net.fit(X, y, epochs=500, batch_size=None, verbose=False)
assert np.allclose(history.history["loss"], losses)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.3), layout="constrained")
left.plot(losses)
left.set(xlabel="step", ylabel="loss")
plot_decision_boundary(net, X, y, ax=right, title="2-4-1 after 500 steps")
plt.show()

# %%
# The learning rate
# -----------------
# Too small, and training takes for ever; too large, and each step overshoots.

figure, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
for rate in (0.03, 0.3, 3.0, 30.0):
    net = Network([2, 4, 1], activation="tanh", output="sigmoid", dtype="float64", seed=3)
    net.compile(SGD(rate))
    ax.plot(net.fit(X, y, epochs=200, batch_size=None, verbose=False).history["loss"], label=f"rate {rate:g}")
ax.set(xlabel="step", ylabel="loss", yscale="log")
figure.legend(loc="outside right upper", frameon=False)
plt.show()

# %%
# In practice a step uses a small batch of rows instead of all: many cheap, slightly noisy steps get further
# than few exact ones. ``fit`` takes 32 rows a step unless told otherwise.
