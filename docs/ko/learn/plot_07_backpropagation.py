"""
역전파
======

학습에는 모든 가중치에 대한 손실의 도함수가 필요합니다. 연쇄 법칙을 쓰면 출력에서 입력 쪽으로 한 번
되돌아가면서 모두 구할 수 있으며, 드는 비용은 순전파의 두 배쯤입니다.

층 :math:`Z = X W + b`, :math:`A = f(Z)`\\ 을 종이 위에서 미분해 봅시다. :math:`dA`\\ 는 A에 대한
손실의 도함수입니다.

.. math::

    dZ &= dA \\odot f'(Z) \\\\
    dW &= X^T dZ \\qquad db = \\sum_{\\text{rows}} dZ \\\\
    dX &= dZ\\, W^T

dX는 앞 층의 dA가 됩니다. 각 도함수의 형상은 원래 양의 형상과 같습니다. dW의 형상은 W의 형상입니다.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import Network, reference

rng = np.random.default_rng(0)
X = rng.normal(size=(6, 3))
t = np.eye(2)[rng.integers(0, 2, 6)]
W1, b1, W2, b2 = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=(4, 2)), rng.normal(size=2)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# %%
# 순전파를 하면서, 되돌아갈 때 필요한 값을 저장해 둡니다.

Z1 = X @ W1 + b1
A1 = np.tanh(Z1)
Y = softmax(A1 @ W2 + b2)
loss = -np.mean(np.log((Y * t).sum(axis=1)))

# %%
# 이제 되돌아갑니다. 출력에서 소프트맥스와 교차 엔트로피는 :math:`(Y - t)`\ 를 행의 수로 나눈 값을
# 줍니다. 손실이 행에 대한 평균이기 때문입니다. tanh의 도함수는 :math:`1 - \tanh^2`\ 입니다.

dZ2 = (Y - t) / len(X)
dW2, db2 = A1.T @ dZ2, dZ2.sum(axis=0)
dA1 = dZ2 @ W2.T
dZ1 = dA1 * (1 - A1**2)
dW1, db1 = X.T @ dZ1, dZ1.sum(axis=0)

# %%
# 읽기 쉬운 또 하나의 엔진
# ------------------------
# ``fastmlp.reference``\ 는 엔진 전체를 NumPy로 쓴 것입니다. 위와 같은 계산이 함수로 들어 있습니다.

assert np.allclose(reference.activation_forward("tanh", Z1), A1)
assert np.allclose(reference.activation_backward("tanh", dA1, A1), dZ1)

# %%
# 컴파일된 엔진도 같은 기울기를 줍니다.

net = Network([3, 4, 2], activation="tanh", output="softmax", dtype="float64")
net.set_weights([W1, b1, W2, b2])
net.compile("sgd")
engine_loss, gradients = net.gradients(X, t)
assert np.isclose(engine_loss, loss)
for mine, engines in zip([(dW1, db1), (dW2, db2)], gradients, strict=True):
    assert all(np.allclose(a, b) for a, b in zip(mine, engines, strict=True))
print("loss", loss)

# %%
# 도함수 확인하기
# ---------------
# 도함수는 양쪽으로 조금씩 움직였을 때의 기울기입니다. 이렇게 수치로 미분하면 어떤 식의 실수도 찾아낼
# 수 있지만, 가중치를 하나씩 다루므로 그때마다 순전파를 두 번 해야 합니다.


def loss_of(W1):
    return -np.mean(np.log((softmax(np.tanh(X @ W1 + b1) @ W2 + b2) * t).sum(axis=1)))


step, numeric = 1e-6, np.empty_like(W1)
for place in np.ndindex(W1.shape):
    change = np.zeros_like(W1)
    change[place] = step
    numeric[place] = (loss_of(W1 + change) - loss_of(W1 - change)) / (2 * step)
print(f"largest difference {np.abs(numeric - dW1).max():.1e}")

figure, ax = plt.subplots(figsize=(4.5, 4.2), layout="constrained")
ax.axline((0, 0), slope=1, color="#b8bfc8", linewidth=1)
ax.scatter(dW1, numeric)
ax.set(xlabel="back-propagation", ylabel="numeric", title="dW of the first layer, weight by weight")
plt.show()
