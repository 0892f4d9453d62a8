"""
손실 함수: 신경망은 얼마나 틀렸는가
===================================

학습하려면 출력이 정답에서 얼마나 떨어져 있는지를 나타내는 수 하나가 필요합니다. 이 수는 가중치가
조금 바뀔 때 조금 바뀌어야 합니다. 정확도는 그렇지 않습니다. 작은 변화로는 예측한 클래스가 대부분
그대로이기 때문입니다.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import Network, functional

# %%
# 교차 엔트로피
# -------------
# 클래스를 예측할 때 씁니다. 신경망이 정답 클래스에 준 확률의 로그에 음의 부호를 붙이고, 모든 행에
# 대해 평균합니다.

probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
labels = np.array([0, 2])
picked = probabilities[np.arange(2), labels]
print("by hand:", -np.log(picked).mean())

# %%
# 확신하고 맞힌 답에는 대가가 거의 없습니다. 확신하고 틀린 답의 대가는 한없이 커집니다. 같은 확률에
# 대한 제곱 오차는 1에서 멈춥니다. 그곳에서는 소프트맥스가 거의 평평하므로, 소프트맥스 이전의 출력에서
# 보면 제곱 오차도 거의 평평합니다. 가장 크게 틀린 답이 가장 적게 배우게 되는 것입니다.

p = np.linspace(0.005, 1, 200)
figure, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
ax.plot(p, -np.log(p), label="cross-entropy")
ax.plot(p, (1 - p) ** 2, label="squared error")
ax.set(xlabel="probability given to the true class", ylabel="loss")
ax.legend(frameon=False)
plt.show()

# %%
# 소프트맥스와 교차 엔트로피를 함께 쓰기
# --------------------------------------
# 소프트맥스 이전의 출력 z에 대한 이 둘의 도함수는 나온 값과 나왔어야 할 값의 차이 :math:`y - t`\
# 입니다. 그래서 둘은 짝을 이루며, 이 신경망은 ``"softmax"``\ 로 끝나고 손실 함수로
# ``"categorical_crossentropy"``\ 를 씁니다.

z = np.array([[2.0, 1.0, 0.1]])
t = np.array([[0.0, 1.0, 0.0]])
y = functional.softmax(z)
step = 1e-6


def cross_entropy(z):
    return -np.log(functional.softmax(z)[0, 1])


numeric = [(cross_entropy(z + step * e) - cross_entropy(z - step * e)) / (2 * step) for e in np.eye(3)]
print("y - t:  ", (y - t)[0])
print("numeric:", np.array(numeric))

# %%
# 클래스가 아니라 수를 예측할 때는 평균 제곱 오차를 쓰고 출력은 그대로 둡니다.

net = Network([3, 1], seed=0)
net.compile("sgd", loss="mse")
X, y = np.eye(3), np.array([1.0, 2.0, 3.0])
print(net.evaluate(X, y)["loss"], np.mean((net.predict(X)[:, 0] - y) ** 2))
