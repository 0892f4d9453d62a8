"""
Optimizers side by side
=======================

Plain gradient descent takes the same step length in all directions. In a long narrow valley that is a bad
choice: it swings from wall to wall and creeps along the floor. Optimizers remember earlier gradients to do
better.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from fastmlp import Network, optimizers
from fastmlp.functional import adam_update, sgd_update

# %%
# A valley
# --------
# :math:`f(x, y) = x^2 / 20 + y^2` is twenty times as steep across as along. ``fastmlp.functional`` has the
# steps of the optimizers for arrays of one's own.

start = np.array([-7.0, 2.0])


def gradient(p):
    return np.array([p[0] / 10, 2 * p[1]])


def path(update, **settings):
    p, state, points = start, None, [start]
    for step in range(40):
        p, state = update(p, gradient(p), state, step=step, **settings)
        points.append(p)
    return np.array(points)


paths = {
    "SGD": path(sgd_update, learning_rate=0.95),
    "momentum": path(sgd_update, learning_rate=0.1, momentum=0.9),
    "Adam": path(adam_update, learning_rate=0.3),
}
figure, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
xs, ys = np.meshgrid(np.linspace(-8, 4, 100), np.linspace(-3, 3, 100))
ax.contour(xs, ys, xs**2 / 20 + ys**2, levels=15, colors="#c9ced6", linewidths=0.8)
for name, points in paths.items():
    ax.plot(*points.T, marker=".", label=name)
ax.set(xlabel="x", ylabel="y")
ax.legend(frameon=False)
plt.show()

# %%
# On digits
# ---------
# The same network, data and order of rows; each optimizer with its default learning rate.

X, y = load_digits(return_X_y=True)
figure, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
for name, optimizer in {
    "SGD": optimizers.SGD(0.01),
    "SGD, momentum 0.9": optimizers.SGD(0.01, momentum=0.9),
    "RMSprop": optimizers.RMSprop(),
    "Adam": optimizers.Adam(),
}.items():
    net = Network([64, 32, 10], output="softmax", seed=0)
    net.compile(optimizer)
    history = net.fit(X / 16, y, epochs=20, verbose=False)
    ax.plot(range(1, 21), history.history["loss"], label=name)
ax.set(xlabel="epoch", ylabel="loss", yscale="log", xticks=[1, 5, 10, 15, 20])
ax.legend(frameon=False)
plt.show()

# %%
# Adam divides each step by the recent size of its gradient, so it needs little tuning; SGD with momentum
# and a good rate is often as good in the end.
