"""
Back-propagation
================

Training needs the derivative of the loss with respect to every weight. The chain rule gives all of them in
one pass from the output back to the input, which costs about twice as much as the forward pass.

On paper, for a layer :math:`Z = X W + b`, :math:`A = f(Z)`, with :math:`dA` the derivative of the loss with
respect to A:

.. math::

    dZ &= dA \\odot f'(Z) \\\\
    dW &= X^T dZ \\qquad db = \\sum_{\\text{rows}} dZ \\\\
    dX &= dZ\\, W^T

dX is the dA of the layer before. The shapes are those of the quantities themselves: dW has the shape of W.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import Network, reference

rng = np.random.default_rng(0)
X = rng.normal(size=(6, 3))
t = np.eye(2)[rng.integers(0, 2, 6)]
W1, b1, W2, b2 = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=(4, 2)), rng.normal(size=2)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# %%
# Forward, keeping what the way back needs:

Z1 = X @ W1 + b1
A1 = np.tanh(Z1)
Y = softmax(A1 @ W2 + b2)
loss = -np.mean(np.log((Y * t).sum(axis=1)))

# %%
# Back. At the output, softmax and cross-entropy give :math:`(Y - t)` divided by the number of rows, as the
# loss is their mean. The derivative of tanh is :math:`1 - \tanh^2`.

dZ2 = (Y - t) / len(X)
dW2, db2 = A1.T @ dZ2, dZ2.sum(axis=0)
dA1 = dZ2 @ W2.T
dZ1 = dA1 * (1 - A1**2)
dW1, db1 = X.T @ dZ1, dZ1.sum(axis=0)

# %%
# The readable twin of the engine
# -------------------------------
# ``fastmlp.reference`` is the whole engine in NumPy. The same lines are there, as functions:

assert np.allclose(reference.activation_forward("tanh", Z1), A1)
assert np.allclose(reference.activation_backward("tanh", dA1, A1), dZ1)

# %%
# And the compiled engine gives the same gradients:

net = Network([3, 4, 2], activation="tanh", output="softmax", dtype="float64")
net.set_weights([W1, b1, W2, b2])
net.compile("sgd")
engine_loss, gradients = net.gradients(X, t)
assert np.isclose(engine_loss, loss)
for mine, engines in zip([(dW1, db1), (dW2, db2)], gradients, strict=True):
    assert all(np.allclose(a, b) for a, b in zip(mine, engines, strict=True))
print("loss", loss)

# %%
# Checking a derivative
# ---------------------
# A derivative is the slope for a small step to both sides. This finds mistakes in any formula, one weight
# at a time, and costs two forward passes for each:


def loss_of(W1):
    return -np.mean(np.log((softmax(np.tanh(X @ W1 + b1) @ W2 + b2) * t).sum(axis=1)))


step, numeric = 1e-6, np.empty_like(W1)
for place in np.ndindex(W1.shape):
    change = np.zeros_like(W1)
    change[place] = step
    numeric[place] = (loss_of(W1 + change) - loss_of(W1 - change)) / (2 * step)
print(f"largest difference {np.abs(numeric - dW1).max():.1e}")

figure, ax = plt.subplots(figsize=(4.5, 4.2), layout="constrained")
ax.axline((0, 0), slope=1, color="#b8bfc8", linewidth=1)
ax.scatter(dW1, numeric)
ax.set(xlabel="back-propagation", ylabel="numeric", title="dW of the first layer, weight by weight")
plt.show()
