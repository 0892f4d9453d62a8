"""
A network in the browser
========================

A trained network is some thousand numbers, and a few lines of code that multiply and add them.
``export_js`` writes both as one JavaScript module. The two pictures here compute with such modules in your
browser; nothing is sent anywhere.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from fastmlp import Dense, Dropout, Network, Rescaling


class InThePage:
    """A network's JavaScript in the page that shows this object, as ``networks.NAME``."""

    def __init__(self, name, net):
        with TemporaryDirectory() as folder:
            path = Path(folder, "net.js")
            net.export_js(path)
            module = path.read_text("utf-8")
        self.script = f"{module}\n(globalThis.networks ??= {{}}).{name} = {{ predict, steps }};"

    def _repr_html_(self):
        return f'<script type="module">\n{self.script}</script>'


# %%
# The forward pass
# ----------------
# The 2-3-2-2 network of the page about the forward pass, with a softmax at its end.

small = Network([2, Dense(3, "sigmoid"), Dense(2, "sigmoid"), Dense(2, "softmax")])
W1, b1 = [[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]], [0.1, 0.2, 0.3]
W2, b2 = [[0.1, 0.4], [0.2, 0.5], [0.3, 0.6]], [0.1, 0.2]
W3, b3 = [[0.1, 0.3], [0.2, 0.4]], [0.1, 0.2]
small.set_weights([W1, b1, W2, b2, W3, b3])
print(small.predict([1.0, 0.5]))
InThePage("small", small)

# %%
# Drag the inputs on the left up and down, or use the sliders. The numbers on the lines are weights, those
# in the circles what the units give; the bars are the outputs of the softmax. Point at a circle to see the
# weighted sum before the activation function. Orange is positive, blue negative.
#
# .. raw:: html
#
#     <div class="fm-box fm-forward" data-network="small" data-inputs="[1, 0.5]"
#       data-title="A network of layers with 2, 3, 2 and 2 units"></div>
#
# Even the largest inputs hardly move the outputs: each sigmoid squeezes what comes to between 0 and 1, and
# the weights behind it are small.
#
# Draw a digit
# ------------
# A network that learns scikit-learn's digits. Someone wrote each of them on paper, a scan became a bitmap
# of 32 x 32 black and white pixels, as large as the digit, and the black ones were counted in blocks of
# 4 x 4: 64 numbers from 0 to 16.

X, y = load_digits(return_X_y=True)
digits = Network([64, Rescaling(1 / 16), Dense(64, "relu"), Dropout(0.3), Dense(10, "softmax")], seed=0)
digits.compile("adam", metrics=["accuracy"])
digits.fit(X[:1500], y[:1500], epochs=60, verbose=False)
print(digits.evaluate(X[1500:], y[1500:]))

figure, panels = plt.subplots(1, 10, figsize=(10, 1.2), layout="constrained")
for ax, row in zip(panels, X, strict=False):
    ax.imshow(row.reshape(8, 8), cmap="gray_r")
    ax.set_axis_off()
plt.show()
InThePage("digits", digits)

# %%
# Draw with the mouse or a finger. Your drawing goes the same way as the scans did; the small picture is
# what the network sees.
#
# .. raw:: html
#
#     <div class="fm-box fm-digit" data-network="digits" data-clear="Clear"
#       data-title="Draw a digit here"></div>
#
# It has only seen digits that are upright and fill the picture, and it must answer one of ten: draw a
# face, and it is still sure of something.
