"""
A film of training
==================

``Film`` is a callback that draws a picture every few epochs, and saves them as an animated GIF.
"""

import base64
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import Network
from fastmlp.optimizers import Adam
from fastmlp.plots import Film, plot_decision_boundary

rng = np.random.default_rng(0)
angle = rng.uniform(0, 3 * np.pi, 240)
arm = rng.integers(0, 2, 240)
radius = angle / 9 + 0.1
X = np.stack([radius * np.cos(angle + np.pi * arm), radius * np.sin(angle + np.pi * arm)], axis=1)
X += rng.normal(0, 0.03, X.shape)

# %%
# Two arms of a spiral, and a network that learns to tell them apart.


def draw(network, ax):
    plot_decision_boundary(network, X, arm, resolution=60, ax=ax)


class Gif:
    """A picture in the page or the notebook."""

    def __init__(self, content):
        self.text = base64.b64encode(content).decode()

    def _repr_html_(self):
        return f'<img alt="the boundary, epoch by epoch" src="data:image/gif;base64,{self.text}">'


net = Network([2, 32, 32, 1], activation="tanh", output="sigmoid", seed=1)
net.compile(Adam(0.01))
with TemporaryDirectory() as folder:
    path = Path(folder, "spiral.gif")
    net.fit(X, arm, epochs=160, callbacks=[Film(path, draw, every=16)], verbose=False)
    content = path.read_bytes()
Gif(content)

# %%
# The last picture on its own:

plot_decision_boundary(net, X, arm)
plt.show()
