"""
브라우저 속의 신경망
====================

학습된 신경망은 수천 개의 수와, 그 수를 곱하고 더하는 코드 몇 줄입니다. ``export_js``\\ 는 이 둘을
JavaScript 모듈 하나로 저장합니다. 이 페이지의 두 그림은 이런 모듈로 브라우저 안에서 계산합니다.
아무것도 전송하지 않습니다.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from fastmlp import Dense, Dropout, Network, Rescaling


class InThePage:
    """이 객체를 보여 주는 페이지에 ``networks.NAME``으로 들어가는 신경망의 JavaScript."""

    def __init__(self, name, net):
        with TemporaryDirectory() as folder:
            path = Path(folder, "net.js")
            net.export_js(path)
            module = path.read_text("utf-8")
        self.script = f"{module}\n(globalThis.networks ??= {{}}).{name} = {{ predict, steps }};"

    def _repr_html_(self):
        return f'<script type="module">\n{self.script}</script>'


# %%
# 순전파
# ------
# 순전파를 다룬 장의 2-3-2-2 신경망이며, 마지막에 소프트맥스를 붙였습니다.

small = Network([2, Dense(3, "sigmoid"), Dense(2, "sigmoid"), Dense(2, "softmax")])
W1, b1 = [[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]], [0.1, 0.2, 0.3]
W2, b2 = [[0.1, 0.4], [0.2, 0.5], [0.3, 0.6]], [0.1, 0.2]
W3, b3 = [[0.1, 0.3], [0.2, 0.4]], [0.1, 0.2]
small.set_weights([W1, b1, W2, b2, W3, b3])
print(small.predict([1.0, 0.5]))
InThePage("small", small)

# %%
# 왼쪽의 입력을 위아래로 끌거나 슬라이더를 움직여 보세요. 선 위의 수는 가중치이고, 원 안의 수는 유닛의
# 출력이며, 막대는 소프트맥스의 출력입니다. 원을 가리키면 활성화 함수를 적용하기 전의 가중치 합을 볼
# 수 있습니다. 주황색은 양수, 파란색은 음수입니다.
#
# .. raw:: html
#
#     <div class="fm-box fm-forward" data-network="small" data-inputs="[1, 0.5]"
#       data-title="층마다 유닛이 2, 3, 2, 2개인 신경망"></div>
#
# 입력을 아무리 크게 해도 출력은 거의 움직이지 않습니다. 시그모이드가 들어오는 값을 모두 0과 1 사이로
# 좁히고, 그 뒤의 가중치가 작기 때문입니다.
#
# 숫자 그리기
# -----------
# scikit-learn의 숫자 데이터를 학습하는 신경망입니다. 이 데이터는 사람이 종이에 쓴 숫자를 스캔하여
# 숫자에 꼭 맞는 32 x 32 흑백 비트맵으로 만든 다음, 4 x 4 블록마다 검은 픽셀을 센 것입니다. 그래서
# 0에서 16까지의 수 64개가 됩니다.

X, y = load_digits(return_X_y=True)
digits = Network([64, Rescaling(1 / 16), Dense(64, "relu"), Dropout(0.3), Dense(10, "softmax")], seed=0)
digits.compile("adam", metrics=["accuracy"])
digits.fit(X[:1500], y[:1500], epochs=60, verbose=False)
print(digits.evaluate(X[1500:], y[1500:]))

figure, panels = plt.subplots(1, 10, figsize=(10, 1.2), layout="constrained")
for ax, row in zip(panels, X, strict=False):
    ax.imshow(row.reshape(8, 8), cmap="gray_r")
    ax.set_axis_off()
plt.show()
InThePage("digits", digits)

# %%
# 마우스나 손가락으로 그려 보세요. 그린 것은 스캔한 숫자와 같은 과정을 거칩니다. 작은 그림이 신경망이
# 보는 것입니다.
#
# .. raw:: html
#
#     <div class="fm-box fm-digit" data-network="digits" data-clear="지우기"
#       data-title="여기에 숫자를 그리세요"></div>
#
# 이 신경망은 똑바로 서 있고 그림을 꽉 채운 숫자만 보았으며, 반드시 열 가지 중 하나로 답해야 합니다.
# 얼굴을 그려도 무언가를 확신할 것입니다.
