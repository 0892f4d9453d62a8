"""
밑바닥부터 만드는 경사 하강법
=============================

기울기는 손실이 가장 빨리 커지는 방향을 가리킵니다. 그러므로 그 반대 방향으로 한 걸음 가면 손실이
줄어듭니다.

.. math:: W \\leftarrow W - \\eta\\, dW

학습률 :math:`\\eta`\\ 는 걸음의 크기입니다. 이것을 되풀이하는 것이 학습의 전부입니다. 여기서는 2-4-1
신경망을 NumPy만으로 학습시키고, 같은 일을 fastmlp로도 해 봅니다.
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
# 밑바닥부터
# ----------
# 순전파, 역전파, 갱신입니다. 출력은 시그모이드이고, 교차 엔트로피를 쓰면 도함수는 이번에도 출력에서
# 정답을 뺀 값입니다.

net = Network([2, 4, 1], activation="tanh", output="sigmoid", dtype="float64", seed=3)
W1, b1, W2, b2 = net.get_weights()  # fastmlp의 초기 가중치
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
# fastmlp로
# ---------
# ``batch_size=None``\ 으로 하면 위의 반복문처럼 갱신할 때마다 모든 행을 씁니다. 손실이 서로 같습니다.

net.compile(SGD(rate))
history = net.fit(X, y, epochs=500, batch_size=None, verbose=False)
assert np.allclose(history.history["loss"], losses)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.3), layout="constrained")
left.plot(losses)
left.set(xlabel="step", ylabel="loss")
plot_decision_boundary(net, X, y, ax=right, title="2-4-1 after 500 steps")
plt.show()

# %%
# 학습률
# ------
# 학습률이 너무 작으면 학습이 한없이 오래 걸리고, 너무 크면 갱신할 때마다 지나칩니다.

figure, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
for rate in (0.03, 0.3, 3.0, 30.0):
    net = Network([2, 4, 1], activation="tanh", output="sigmoid", dtype="float64", seed=3)
    net.compile(SGD(rate))
    ax.plot(net.fit(X, y, epochs=200, batch_size=None, verbose=False).history["loss"], label=f"rate {rate:g}")
ax.set(xlabel="step", ylabel="loss", yscale="log")
figure.legend(loc="outside right upper", frameon=False)
plt.show()

# %%
# 실제로는 모든 행 대신 작은 배치로 갱신합니다. 정확한 몇 걸음보다, 조금 부정확하더라도 값싼 여러
# 걸음이 더 멀리 갑니다. ``fit``\ 은 따로 지정하지 않으면 한 번에 32행을 씁니다.
