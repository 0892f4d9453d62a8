"""
Softmax, its overflow, and one-hot rows
=======================================

To choose between classes, a network has one output for each, and softmax turns the outputs into
probabilities:

.. math:: y_k = \\frac{e^{z_k}}{\\sum_j e^{z_j}}

They are positive and add up to 1.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import functional
from fastmlp.datasets import one_hot


def softmax(z):
    e = np.exp(z)
    return e / e.sum()


z = np.array([0.3, 2.9, 4.0])
print(softmax(z))

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
left.bar(["z1", "z2", "z3"], z)
left.set_title("outputs")
right.bar(["y1", "y2", "y3"], softmax(z))
right.set(title="probabilities", ylim=(0, 1))
plt.show()

# %%
# The overflow
# ------------
# :math:`e^{1000}` is larger than any float, and infinity divided by infinity is not a number:

with np.errstate(over="ignore", invalid="ignore"):
    print(softmax(np.array([1010.0, 1000.0, 990.0])))

# %%
# Softmax does not change if the same number is taken from every output, since :math:`e^{z_k - c} = e^{z_k}
# / e^c` and the factor cancels. With the largest output as c, no exponent is above zero:


def stable_softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


print(stable_softmax(np.array([1010.0, 1000.0, 990.0])))
print(functional.softmax([1010.0, 1000.0, 990.0]))  # fastmlp does the same

# %%
# Labels as rows
# --------------
# The true class as such a row of probabilities has a 1 at its place and zeros elsewhere:

print(one_hot([2, 0, 1]))

# %%
# The class that a network predicts is the place of its largest output. Softmax keeps the order, so the
# largest output before it is the largest after it.

z = np.array([[0.3, 2.9, 4.0], [1.0, -1.0, 0.0]])
assert (functional.softmax(z).argmax(axis=1) == z.argmax(axis=1)).all()
