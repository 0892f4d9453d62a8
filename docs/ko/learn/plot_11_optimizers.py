"""
여러 옵티마이저 비교
====================

단순한 경사 하강법은 모든 방향으로 같은 학습률을 씁니다. 길고 좁은 골짜기에서는 좋지 않은
방법입니다. 벽에서 벽으로 왔다 갔다 하면서 바닥을 따라서는 느리게 나아가기 때문입니다. 옵티마이저는
이전의 기울기를 기억하여 더 잘 나아갑니다.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from fastmlp import Network, optimizers
from fastmlp.functional import adam_update, sgd_update

# %%
# 골짜기
# ------
# :math:`f(x, y) = x^2 / 20 + y^2`\ 은 가로지르는 방향이 골짜기를 따라가는 방향보다 스무 배
# 가파릅니다. ``fastmlp.functional``\ 에는 옵티마이저의 갱신이 들어 있어 어떤 배열에도 쓸 수 있습니다.

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
# 숫자 이미지에서
# ---------------
# 신경망과 데이터와 행의 순서는 같고, 옵티마이저는 저마다 기본 학습률을 씁니다.

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
# Adam은 기울기의 최근 크기로 갱신을 나누므로 세밀한 조정이 거의 필요 없습니다. 좋은 학습률을 고른
# SGD와 모멘텀도 결국 그만큼 좋을 때가 많습니다.
