"""
XOR: 은닉층은 왜 필요한가
=========================

뉴런 하나는 직선 하나를 긋습니다. 은닉층은 여러 개를 긋고, 출력층은 그 결과를 조합합니다.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import Network
from fastmlp.optimizers import SGD, Adam
from fastmlp.plots import plot_decision_boundary

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([0, 1, 1, 0])

# %%
# 은닉층이 없으면 네 점 중 많아야 셋만 맞힐 수 있습니다. 손실은 모든 점에 0.5라고 답할 때 가장 작고,
# 학습은 그리로 갑니다. 그러면 몇 점을 맞히는지는 우연입니다.

line = Network([2, 1], output="sigmoid", seed=0)
line.compile(SGD(0.5), metrics=["accuracy"])
line.fit(X, y, epochs=1000, batch_size=None, verbose=False)
print(line.evaluate(X, y))

# %%
# 손으로 만드는 XOR
# -----------------
# XOR는 "OR이면서 NAND"입니다. 은닉 뉴런 두 개가 OR와 NAND를 계산하고, 출력 뉴런이 둘의 AND를
# 계산합니다.

gates = Network([2, 2, 1], activation="step", output="step")
gates.set_weights([[[0.5, -0.5], [0.5, -0.5]], [-0.2, 0.7], [[0.5], [0.5]], [-0.7]])
print(gates.predict(X).ravel())

# %%
# 학습으로 얻기
# -------------
# tanh 유닛이 네 개 있으면 신경망은 이런 가중치를 스스로 찾아냅니다.

net = Network([2, 4, 1], activation="tanh", output="sigmoid", seed=0)
net.compile(Adam(0.05))
net.fit(X, y, epochs=1000, batch_size=None, verbose=False)
print(net.predict(X).ravel().round(3))

figure, panels = plt.subplots(1, 2, figsize=(10, 4.3), layout="constrained")
plot_decision_boundary(line, X, y, ax=panels[0], title="no hidden layer")
plot_decision_boundary(net, X, y, ax=panels[1], title="2-4-1")
plt.show()
