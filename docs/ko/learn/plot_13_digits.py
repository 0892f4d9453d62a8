"""
숫자 읽기, 그리고 유닛은 무엇을 보는가
======================================

scikit-learn의 8 x 8 숫자 이미지를 읽는 작은 신경망입니다. ``examples/05_mnist_16_16.py``\\ 는
784-16-16-10 신경망으로 MNIST에 같은 일을 합니다.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from fastmlp import Dense, Network, Rescaling
from fastmlp.datasets import train_test_split
from fastmlp.plots import plot_confusion_matrix, plot_history, plot_weights

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, seed=0, stratify=True)

# %%
# 픽셀 값은 0에서 16까지입니다. ``Rescaling``\ 이 이것을 0에서 1까지로 바꾸며, 신경망과 함께
# 저장됩니다.

net = Network([64, Rescaling(1 / 16), Dense(16, "relu"), Dense(16, "relu"), Dense(10, "softmax")], seed=0)
net.summary()
net.compile("adam", metrics=["accuracy"])
history = net.fit(X_train, y_train, epochs=60, validation_data=(X_test, y_test), verbose=False)
print(net.evaluate(X_test, y_test))

# %%

plot_history(history)
plt.show()

# %%
# 어떤 숫자를 어떤 숫자로 잘못 읽었을까요?

plot_confusion_matrix(net, X_test, y_test)
plt.show()

# %%
# 유닛은 무엇을 보는가
# --------------------
# 한 유닛으로 들어오는 가중치는 입력과 같은 크기의 그림이 됩니다. 빨간 픽셀은 유닛의 값을 키우고 파란
# 픽셀은 줄입니다. 획이나 고리가 보이기를 기대할 수 있지만 대부분은 얼룩입니다. 유닛이 우리에게 뜻있는
# 것이어야 한다고 요구하는 것은 학습에 없기 때문입니다.

plot_weights(net, (8, 8))
plt.show()

# %%
# 틀린 이미지
# -----------

wrong = (net.predict_classes(X_test) != y_test).nonzero()[0][:8]
figure, panels = plt.subplots(1, 8, figsize=(10, 1.8), layout="constrained")
for ax, i in zip(panels, wrong, strict=False):
    ax.imshow(X_test[i].reshape(8, 8), cmap="gray_r")
    ax.set_title(f"{y_test[i]}, said {net.predict_classes(X_test[i])}", fontsize=9)
for ax in panels:
    ax.set_axis_off()
plt.show()
