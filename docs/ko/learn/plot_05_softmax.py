"""
소프트맥스와 오버플로, 그리고 원-핫 표현
========================================

여러 클래스 중 하나를 고르는 신경망은 클래스마다 출력을 하나씩 가지며, 소프트맥스는 이 출력을 확률로
바꿉니다.

.. math:: y_k = \\frac{e^{z_k}}{\\sum_j e^{z_j}}

모두 양수이고 더하면 1이 됩니다.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import functional
from fastmlp.datasets import one_hot


def softmax(z):
    e = np.exp(z)
    return e / e.sum()


z = np.array([0.3, 2.9, 4.0])
print(softmax(z))

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
left.bar(["z1", "z2", "z3"], z)
left.set_title("outputs")
right.bar(["y1", "y2", "y3"], softmax(z))
right.set(title="probabilities", ylim=(0, 1))
plt.show()

# %%
# 오버플로
# --------
# :math:`e^{1000}`\ 은 어떤 부동소수점 수보다도 크고, 무한대를 무한대로 나누면 수가 아닌 값이 됩니다.

with np.errstate(over="ignore", invalid="ignore"):
    print(softmax(np.array([1010.0, 1000.0, 990.0])))

# %%
# 모든 출력에서 같은 수를 빼도 소프트맥스는 변하지 않습니다. :math:`e^{z_k - c} = e^{z_k} / e^c`\
# 이므로 이 인수가 약분되기 때문입니다. 가장 큰 출력을 c로 하면 0보다 큰 지수가 없습니다.


def stable_softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


print(stable_softmax(np.array([1010.0, 1000.0, 990.0])))
print(functional.softmax([1010.0, 1000.0, 990.0]))  # fastmlp도 똑같이 합니다

# %%
# 레이블을 행으로 나타내기
# ------------------------
# 정답 클래스를 이런 확률의 행으로 나타내면 그 자리만 1이고 나머지는 0입니다. 이것을 원-핫 표현이라고
# 합니다.

print(one_hot([2, 0, 1]))

# %%
# 신경망이 예측하는 클래스는 출력이 가장 큰 자리입니다. 소프트맥스는 순서를 바꾸지 않으므로, 적용하기
# 전에 가장 큰 출력이 적용한 뒤에도 가장 큽니다.

z = np.array([[0.3, 2.9, 4.0], [1.0, -1.0, 0.0]])
assert (functional.softmax(z).argmax(axis=1) == z.argmax(axis=1)).all()
