"""Numbers that are finite until the input is rescaled: told as what they are."""

import numpy as np
import pytest

from fastmlp import Network, Standardize

X = np.array([[3e38, 1.0], [-3e38, 2.0]], np.float32)


@pytest.fixture
def net():
    net = Network([2, Standardize((0.0, 0.0), (0.1, 1.0)), 4, 1], seed=0)
    net.compile("sgd")
    return net


@pytest.mark.parametrize("rows", [1, 2])
def test_prediction_and_evaluation(net, rows):
    for call in (lambda: net.predict(X[:rows]), lambda: net.evaluate(X[:rows], np.zeros(rows))):
        with pytest.raises(ValueError, match="Standardize takes beyond the network's dtype"):
            call()


def test_training(net):
    before = net.get_weights()
    with pytest.raises(ValueError, match="X has numbers in column 0 that .* Standardize takes beyond"):
        net.fit(X, np.zeros(2))
    for now, then in zip(net.get_weights(), before, strict=True):
        assert (now == then).all()


def test_what_is_not_finite_is_still_called_so(net):
    bad = np.array([[np.inf, 1.0]], np.float32)
    with pytest.raises(ValueError, match="contains inf at row 0, column 0, expected finite"):
        net.predict(bad)
