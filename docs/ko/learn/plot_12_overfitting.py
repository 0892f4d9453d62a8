"""
과대적합과 드롭아웃
===================

가중치가 많은 신경망은 데이터를 잡음까지 통째로 외울 수 있습니다. 그런지는 신경망이 보지 못한
행으로만 알 수 있습니다.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import Dense, Dropout, Network
from fastmlp.callbacks import EarlyStopping
from fastmlp.optimizers import AdamW
from fastmlp.plots import plot_decision_boundary, plot_history

rng = np.random.default_rng(0)


def moons(rows):
    """잡음이 섞인 두 반원. 레이블 열 개 중 하나는 틀렸다."""
    t, upper = rng.uniform(0, np.pi, rows), rng.integers(0, 2, rows)
    above, below = np.stack([np.cos(t), np.sin(t)], 1), np.stack([1 - np.cos(t), 0.5 - np.sin(t)], 1)
    X = np.where(upper[:, None] == 1, above, below)
    return X + rng.normal(0, 0.2, X.shape), np.where(rng.random(rows) < 0.1, 1 - upper, upper)


X, y = moons(120)
X_test, y_test = moons(1000)

# %%
# 본 행과 보지 못한 행
# --------------------
# 훈련 데이터의 손실은 계속 줄어듭니다. 따로 떼어 둔 행의 손실은 줄어들다가 다시 커집니다. 그때부터
# 신경망은 잡음을 학습하는 것입니다.

net = Network([2, 128, 128, 1], output="sigmoid", seed=0)
net.compile("adam", metrics=["accuracy"])
history = net.fit(X, y, epochs=300, validation_data=(X_test, y_test), verbose=False)
plot_history(history)
plt.show()

# %%
# 세 가지 대책
# ------------
# *드롭아웃*\ 은 갱신할 때마다 각 유닛을 일정한 확률로 꺼서, 어떤 유닛도 다른 유닛에 의존하지 못하게
# 합니다. 예측할 때는 모두 켜져 있습니다. *가중치 감쇠*\ 는 가중치를 0 쪽으로 끌어당깁니다. *조기
# 종료*\ 는 떼어 둔 데이터의 지표가 한동안 나아지지 않으면 학습을 끝내고 가장 좋았던 가중치로
# 되돌립니다. (이 방법을 공정하게 평가하려면 종료를 결정하는 데 쓴 것과 다른 행이 필요합니다.)
# 무엇보다 좋은 대책은 데이터를 늘리는 것입니다.


def fitted(layers, optimizer="adam", **options):
    net = Network([2, *layers, Dense(1, "sigmoid")], seed=0)
    net.compile(optimizer, metrics=["accuracy"])
    net.fit(X, y, epochs=300, validation_data=(X_test, y_test), verbose=False, **options)
    return net


wide = [Dense(128, "relu"), Dense(128, "relu")]
dropped = [Dense(128, "relu"), Dropout(0.5), Dense(128, "relu"), Dropout(0.5)]
nets = {
    "nothing": net,
    "dropout 0.5": fitted(dropped),
    "weight decay": fitted(wide, AdamW(weight_decay=1.0)),
    "early stopping": fitted(
        wide, callbacks=[EarlyStopping("val_accuracy", patience=50, restore_best_weights=True)]
    ),
}
figure, panels = plt.subplots(2, 2, figsize=(10, 8), layout="constrained")
for ax, (name, one) in zip(panels.flat, nets.items(), strict=True):
    scores = one.evaluate(X_test, y_test)
    title = f"{name}: loss {scores['loss']:.2f}, {scores['accuracy']:.1%} right"
    plot_decision_boundary(one, X, y, ax=ax, title=title)
plt.show()
