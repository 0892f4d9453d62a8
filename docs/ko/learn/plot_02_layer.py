"""
층은 행렬이다
=============

같은 입력을 읽는 뉴런들이 하나의 층을 이룹니다. 각 뉴런의 가중치는 행렬 W의 열이 되고, 층 전체는
행렬 곱 하나가 됩니다.

.. math:: A = f(X W + b)

X는 데이터마다 행 하나를, W는 입력마다 행 하나와 뉴런마다 열 하나를 가집니다.
"""

import numpy as np

X = np.array([[1.0, 0.5], [0.0, 2.0], [-1.0, 1.0]])  # 입력이 2개인 데이터 3개
W = np.array([[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]])  # 입력 2개, 뉴런 3개
b = np.array([0.1, 0.2, 0.3])

Z = X @ W + b
print(Z.shape)  # (3, 2) @ (2, 3) -> (3, 3): 데이터마다 행, 뉴런마다 열
print(Z)

# %%
# 형상에 관한 두 규칙만 알아도 실수를 대부분 찾아낼 수 있습니다. X의 열 수는 W의 행 수와 같아야 하고,
# 편향은 W의 열마다 수를 하나씩 가집니다. NumPy는 편향을 모든 행에 더해 줍니다.
#
# 첫 번째 수를 손으로 계산하면 :math:`1.0 \cdot 0.1 + 0.5 \cdot 0.2 + 0.1 = 0.3`\ 입니다.

assert Z[0, 0] == 1.0 * 0.1 + 0.5 * 0.2 + 0.1

# %%
# ``fastmlp.functional``\ 에는 같은 연산이 함수로 들어 있고, 신경망은 행렬을 같은 형상으로 보관합니다.

from fastmlp import Network, functional

assert np.allclose(functional.dense(X, W, b), Z)

net = Network([2, 3, 2], seed=0)
print([array.shape for array in net.get_weights()])
net.summary()

# %%
# 한 층의 매개변수 수는 입력 수 x 유닛 수 + 유닛 수입니다. 여기서는 2 x 3 + 3 = 9개와 3 x 2 + 2 =
# 8개입니다.

from fastmlp.plots import plot_network

plot_network(net, title="2-3-2")
