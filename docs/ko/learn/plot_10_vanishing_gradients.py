"""
기울기 소실과 죽은 렐루
=======================

역전파에서 각 층은 기울기에 자기 가중치와 활성화 함수의 도함수를 곱합니다. 깊은 신경망에서는 작은
수를 여러 번 곱하므로 결과가 거의 0이 되고, 앞쪽 층은 학습되지 않습니다.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import Dense, Network
from fastmlp.optimizers import Adam
from fastmlp.plots import plot_gradient_norms, plot_histograms

rng = np.random.default_rng(0)
X = rng.normal(size=(256, 32))
y = (X.sum(axis=1) > 0).astype(int)


def gradient_norms(activation, initializer):
    layers = [32, *[Dense(32, activation, initializer=initializer)] * 8, Dense(1, "sigmoid")]
    net = Network(layers, dtype="float64", seed=1)
    net.compile("sgd")
    _, gradients = net.gradients(X, y)
    return [np.linalg.norm(dW) for dW, _ in gradients[:8]]


# %%
# 시그모이드의 도함수는 아무리 커도 1/4입니다. 가중치가 커서 메워 주지 않는 한 되돌아가는 층마다 기울기는
# 4분의 1 이하로 줄고, 여덟 층 가운데 첫째 층에는 마지막 층이 받는 기울기의 1만분의 몇만 남습니다.
# 렐루의 도함수는 활성화된 곳에서 1이며, He 초깃값을 쓰면 기울기의 크기가 유지됩니다.

norms = {
    "sigmoid, Glorot": gradient_norms("sigmoid", "glorot_uniform"),
    "tanh, Glorot": gradient_norms("tanh", "glorot_uniform"),
    "relu, He": gradient_norms("relu", "he_normal"),
}
plot_gradient_norms(norms, title="before training, by depth")
plt.show()
print({name: f"{values[0] / values[-1]:.1e}" for name, values in norms.items()})

# %%
# 죽은 렐루
# ---------
# 모든 행에서 합이 음수인 렐루는 0을 출력하고 도함수도 0이므로 다시는 바뀌지 않습니다. 큰 음수 편향이
# 그렇게 만들고, 너무 큰 학습률로 한 번 갱신해도 그렇게 됩니다.

X2 = rng.normal(size=(200, 2))
y2 = (X2[:, 0] * X2[:, 1] > 0).astype(int)


def with_negative_biases(activation):
    net = Network([2, Dense(16, activation), Dense(1, "sigmoid")], dtype="float64", seed=2)
    W1, b1, W2, b2 = net.get_weights()
    net.set_weights([W1, b1 - 5, W2, b2])
    net.compile(Adam(0.05), metrics=["accuracy"])
    net.fit(X2, y2, epochs=300, verbose=False)
    return net


for activation in ("relu", "leaky_relu"):
    net = with_negative_biases(activation)
    active = np.mean(net.forward(X2)[0] > 0)
    print(f"{activation}: accuracy {net.evaluate(X2, y2)['accuracy']:.2f}, active {active:.0%}")

# %%
# ``plot_histograms``\ 로 보면 한눈에 알 수 있습니다. 출력이 모두 0인 층이 보입니다.

plot_histograms(with_negative_biases("relu"), "activations", X2)
plt.show()
