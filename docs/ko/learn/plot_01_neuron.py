"""
뉴런 하나
=========

뉴런은 입력마다 가중치를 곱하고, 그 곱과 편향을 모두 더한 다음, 합을 활성화 함수에 통과시킵니다.

.. math:: a = f(w_1 x_1 + w_2 x_2 + b)
"""

import matplotlib.pyplot as plt
import numpy as np

# %%
# 가중치는 각 입력이 얼마나 중요한지를, 편향은 뉴런이 얼마나 쉽게 활성화되는지를 나타냅니다. 0보다
# 크면 1이고 그렇지 않으면 0인 계단 함수를 쓰면 뉴런은 둘 중 하나를 결정합니다. 가중치가 모두 0.5이고
# 편향이 -0.7이면 논리곱(AND)이 됩니다.


def neuron(x, w, b):
    return int(np.dot(w, x) + b > 0)


inputs = [(0, 0), (0, 1), (1, 0), (1, 1)]
for x in inputs:
    print(x, neuron(x, w=[0.5, 0.5], b=-0.7))

# %%
# 편향을 -0.2로 바꾸면 같은 뉴런이 OR가 됩니다. 가중치를 음수로, 편향을 양수로 하면 NAND가 됩니다.

print("OR  ", [neuron(x, w=[0.5, 0.5], b=-0.2) for x in inputs])
print("NAND", [neuron(x, w=[-0.5, -0.5], b=0.7) for x in inputs])

# %%
# fastmlp로 똑같이 하기
# ---------------------
# 유닛이 하나인 신경망은 형상이 (2, 1)인 가중치 행렬과 (1,)인 편향을 가집니다.

from fastmlp import Network

net = Network([2, 1], output="step")
net.set_weights([[[0.5], [0.5]], [-0.7]])
print(net.predict(np.array(inputs)).ravel())

# %%
# 뉴런 하나로 할 수 없는 일
# -------------------------
# 직선 :math:`w_1 x_1 + w_2 x_2 + b = 0`\ 은 평면을 둘로 나누고, 뉴런은 그 두 영역만 구별할 수
# 있습니다. XOR는 입력 중 정확히 하나가 1일 때 1입니다. 이 두 점을 한쪽에, 나머지 두 점을 다른 쪽에
# 두는 직선은 없습니다.

from fastmlp.plots import plot_decision_boundary

figure, panels = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
smooth = Network([2, 1], output="sigmoid")
smooth.set_weights([[[5.0], [5.0]], [-7.0]])
for ax, name, y in zip(panels, ("AND", "XOR"), ([0, 0, 0, 1], [0, 1, 1, 0]), strict=True):
    plot_decision_boundary(smooth, inputs, y, ax=ax, title=f"{name}, and one neuron's line")
plt.show()

# %%
# 뉴런의 층을 하나 더 쌓으면 달라집니다. XOR를 다루는 장을 보세요.
