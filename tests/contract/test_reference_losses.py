"""The twin's losses against figures on paper and differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

from differences import assert_same_gradient, central_difference
from fastmlp import reference
from fastmlp.losses import LOSSES as CLASSES
from fastmlp.reference.losses import classification as losses
from helpers import outputs_of, targets


@pytest.mark.parametrize("name", list(reference.LOSSES))
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_gradient_is_the_slope(name, weighted):
    rng = np.random.default_rng(3)
    n = outputs_of(name, 4)
    p, y = 2 * rng.normal(size=(5, n)), targets(rng, name, 5, n, np.float64)
    weight = rng.uniform(0.5, 2, 5) if weighted else None
    parameter = reference.LOSSES[name].parameters
    _, dp, _ = reference.loss_gradient(name, parameter, p, y, weight)
    numeric = central_difference(
        lambda: float(reference.loss_gradient(name, parameter, p, y, weight)[0].sum()) / 5, p
    )
    assert_same_gradient(dp, numeric)


def test_losses_of_one_row_on_paper():
    z = np.array([[1.0, 2.0]])
    log_sum = math.log(math.e + math.e**2)
    value = {name: loss.value for name, loss in reference.LOSSES.items()}
    assert value["sparse_categorical_crossentropy"](z, np.array([0])) == pytest.approx(log_sum - 1)
    assert value["categorical_crossentropy"](z, np.array([[0.25, 0.75]])) == pytest.approx(log_sum - 1.75)
    p = 1 / (1 + np.exp(-z[0]))
    assert value["binary_crossentropy"](z, np.array([[1.0, 0.0]])) == pytest.approx(
        -(math.log(p[0]) + math.log(1 - p[1])) / 2
    )
    y = np.array([[0.5, 5.0]])  # errors 0.5 and -3
    assert value["mse"](z, y) == pytest.approx((0.25 + 9) / 2)
    assert value["mae"](z, y) == pytest.approx(3.5 / 2)
    assert value["huber"](z, y, 1.0) == pytest.approx((0.125 + 2.5) / 2)
    assert value["huber"](z, y, 2.0) == pytest.approx((0.125 + 4.0) / 2)
    assert value["poisson"](z, y) == pytest.approx((math.e - 0.5 + math.e**2 - 10) / 2)
    # m = 1, s = 2 and y = 0.5: the density's -log but for log(2 pi) / 2
    assert value["gaussian_nll"](z, y[:, :1]) == pytest.approx((2 + 0.25 / math.e**2) / 2)


def test_losses_of_sure_predictions_are_finite():
    z = np.array([[1e4, -1e4]])
    with np.errstate(all="raise", under="ignore"):
        assert losses.sparse_categorical_crossentropy(z, np.array([1])) == 2e4
        assert losses.sparse_categorical_crossentropy(z, np.array([0])) == 0
        assert losses.categorical_crossentropy(z, np.array([[1.0, 0.0]])) == 0
        assert losses.binary_crossentropy(z, np.array([[1.0, 0.0]])) == 0
        assert losses.binary_crossentropy(z, np.array([[0.0, 1.0]])) == 1e4


def test_a_target_of_zero_costs_nothing_however_unlikely():
    z = np.array([[0.0, -np.inf]])
    assert losses.categorical_crossentropy(z, np.array([[1.0, 0.0]])) == 0


def test_sample_weight_multiplies_values_and_gradients():
    rng = np.random.default_rng(4)
    p, y, weight = rng.normal(size=(3, 2)), rng.normal(size=(3, 2)), np.array([0.0, 1.0, 2.5])
    plain, plain_dp, _ = reference.loss_gradient("mse", 0.0, p, y)
    values, dp, _ = reference.loss_gradient("mse", 0.0, p, y, weight)
    np.testing.assert_allclose(values, plain * weight)
    np.testing.assert_allclose(dp, plain_dp * weight[:, None])
    assert np.abs(dp[1:]).min() > 1e-3


def test_correct_rows():
    z = np.array([[2.0, 1.0], [-1.0, 3.0], [0.0, 0.0]])
    correct = {name: loss.correct for name, loss in reference.LOSSES.items()}
    np.testing.assert_array_equal(
        correct["sparse_categorical_crossentropy"](z, np.array([0, 0, 0])), [1, 0, 1]
    )
    soft = np.array([[0.6, 0.4], [0.2, 0.8], [0.1, 0.9]])
    np.testing.assert_array_equal(correct["categorical_crossentropy"](z, soft), [1, 1, 0])
    labels = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    np.testing.assert_array_equal(correct["binary_crossentropy"](z, labels), [0.5, 1, 1])
    for name in reference.LOSSES:
        if not CLASSES[name].classes:
            np.testing.assert_array_equal(correct[name](z, soft), [0, 0, 0])
