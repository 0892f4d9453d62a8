"""
손으로 하는 순전파
==================

신경망은 층을 차례로 이은 것입니다. 한 층의 출력이 다음 층의 입력이 됩니다. 여기서는 2-3-2-2
신경망을, 종이 위에서 확인할 수 있는 수로 한 단계씩 계산합니다.
"""

import matplotlib.pyplot as plt
import numpy as np

x = np.array([1.0, 0.5])
W1, b1 = np.array([[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]]), np.array([0.1, 0.2, 0.3])
W2, b2 = np.array([[0.1, 0.4], [0.2, 0.5], [0.3, 0.6]]), np.array([0.1, 0.2])
W3, b3 = np.array([[0.1, 0.3], [0.2, 0.4]]), np.array([0.1, 0.2])


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# %%
# 첫 번째 층에서는 가중치 합을 구한 다음 각각에 시그모이드를 적용합니다.

A1 = x @ W1 + b1
Z1 = sigmoid(A1)
print("A1 =", A1)
print("Z1 =", Z1)

# %%
# 두 번째 층은 Z1을 읽습니다. 출력층은 Z2를 읽고, 합을 그대로 내보냅니다.

Z2 = sigmoid(Z1 @ W2 + b2)
y = Z2 @ W3 + b3
print("Z2 =", Z2)
print("y  =", y)
assert np.allclose(y, [0.31682708, 0.69627909])

# %%
# fastmlp로 똑같이 하기
# ---------------------

from fastmlp import Dense, Network
from fastmlp.plots import plot_network

net = Network([2, Dense(3, "sigmoid"), Dense(2, "sigmoid"), Dense(2, "identity")], dtype="float64")
net.set_weights([W1, b1, W2, b2, W3, b3])
plot_network(net)
plt.show()
print(net.predict(x))
assert np.allclose(net.predict(x), y)

# %%
# ``forward``\ 는 각 층이 내놓는 값을 돌려주므로 신경망의 안을 들여다볼 수 있습니다.

for layer, values in enumerate(net.forward(x), 1):
    print(f"layer {layer}: {values}")
