"""
Reading digits, and what the units look at
==========================================

A small network on scikit-learn's 8 x 8 digits. ``examples/05_mnist_16_16.py`` does the same with
784-16-16-10 on MNIST.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from fastmlp import Dense, Network, Rescaling
from fastmlp.datasets import train_test_split
from fastmlp.plots import plot_confusion_matrix, plot_history, plot_weights

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, seed=0, stratify=True)

# %%
# The pixels are 0 to 16; ``Rescaling`` makes them 0 to 1, and is saved with the network.

net = Network([64, Rescaling(1 / 16), Dense(16, "relu"), Dense(16, "relu"), Dense(10, "softmax")], seed=0)
net.summary()
net.compile("adam", metrics=["accuracy"])
history = net.fit(X_train, y_train, epochs=60, validation_data=(X_test, y_test), verbose=False)
print(net.evaluate(X_test, y_test))

# %%

plot_history(history)
plt.show()

# %%
# Which digits are taken for which:

plot_confusion_matrix(net, X_test, y_test)
plt.show()

# %%
# What the units look at
# ----------------------
# The incoming weights of a unit form a picture of the size of the input. Red pixels push the unit up, blue
# ones down. One might hope for strokes and loops; mostly it is patches, since nothing in training asks a
# unit to mean something to us.

plot_weights(net, (8, 8))
plt.show()

# %%
# Rows that it gets wrong
# -----------------------

wrong = (net.predict_classes(X_test) != y_test).nonzero()[0][:8]
figure, panels = plt.subplots(1, 8, figsize=(10, 1.8), layout="constrained")
for ax, i in zip(panels, wrong, strict=False):
    ax.imshow(X_test[i].reshape(8, 8), cmap="gray_r")
    ax.set_title(f"{y_test[i]}, said {net.predict_classes(X_test[i])}", fontsize=9)
for ax in panels:
    ax.set_axis_off()
plt.show()
