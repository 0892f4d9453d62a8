"""
활성화 함수, 그리고 활성화 함수가 선형이면 안 되는 이유
=======================================================

층을 깊게 쌓는 일이 의미를 가지는 것은 활성화 함수 덕분입니다.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import Network
from fastmlp.plots import plot_activations

plot_activations(["step", "sigmoid", "tanh", "relu", "leaky_relu", "gelu"])
plt.show()

# %%
# - **계단 함수(step)**: 0보다 크면 1입니다. 도함수가 어디서나 0이므로 이 함수를 통해서는 아무것도
#   학습할 수 없습니다.
# - **시그모이드(sigmoid)**: :math:`1/(1+e^{-z})`. 0과 1 사이의 값으로, 출력층에서는 확률이 됩니다.
#   도함수는 아무리 커도 1/4입니다.
# - **하이퍼볼릭 탄젠트(tanh)**: -1과 1 사이의 값이며 0을 중심으로 합니다.
# - **렐루(relu)**: :math:`\max(0, z)`. 활성화된 곳에서는 도함수가 1이므로 은닉층에 가장 흔히
#   쓰입니다.
# - **리키 렐루(leaky relu)**\ 는 0보다 작은 값도 조금 통과시킵니다. **gelu**\ 는 매끄러운 렐루입니다.
#
# 선형 층은 하나로 합쳐진다
# -------------------------
# 활성화 함수가 없으면 두 층은 :math:`(x W_1 + b_1) W_2 + b_2 = x (W_1 W_2) + (b_1 W_2 + b_2)`, 곧
# 가중치만 다른 층 하나입니다. 항등 함수로 이루어진 신경망은 아무리 깊어도 층 하나가 계산하는 것만을
# 계산합니다.

deep = Network([3, 8, 8, 2], activation="identity", dtype="float64", seed=4)
W1, b1, W2, b2, W3, b3 = deep.get_weights()
flat = Network([3, 2], dtype="float64")
flat.set_weights([W1 @ W2 @ W3, (b1 @ W2 + b2) @ W3 + b3])

X = np.random.default_rng(0).normal(size=(5, 3))
print(np.abs(deep.predict(X) - flat.predict(X)).max())

# %%
# 꺾임이 있으면
# -------------
# 렐루를 쓰면 은닉 유닛마다 함수에 꺾이는 점이 하나씩 생깁니다. 여덟 개면 포물선을 따라갑니다.

x = np.linspace(-1, 1, 200).reshape(-1, 1)
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
ax.plot(x, x**2, color="black", label="the parabola")
for activation in ("identity", "relu"):
    net = Network([1, 8, 1], activation=activation, seed=1)
    net.compile("adam", loss="mse")
    net.learning_rate = 0.02
    net.fit(x, x**2, epochs=400, verbose=False)
    ax.plot(x, net.predict(x), label=f"1-8-1, {activation}")
ax.set(xlabel="x", ylabel="y")
ax.legend(frameon=False)
plt.show()
