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
def test_what_reads_the_network(net, rows):
    y = np.zeros(rows)
    for call in (
        lambda: net.predict(X[:rows]), lambda: net.evaluate(X[:rows], y), lambda: net.forward(X[:rows]),
        lambda: net.gradients(X[:rows], y), lambda: net.plan.backward(X[:rows], np.ones((rows, 1), "f4")),
    ):  # fmt: skip
        with pytest.raises(
            ValueError, match="X has numbers that Rescaling or Standardize takes beyond float32"
        ):
            call()


@pytest.mark.parametrize("loss", ["mse", lambda y, p: (float(np.mean((p - y) ** 2)), 2 * (p - y) / p.size)])
def test_training(net, loss):
    net.compile("sgd", loss)
    before = net.get_weights()
    many = np.tile(X, (200_000, 1))  # so many are looked through while they are trained on
    for call in (
        lambda: net.fit(X, np.zeros(2)), lambda: net.train_on_batch(X, np.zeros((2, 1))),
        lambda: net.fit(many, np.zeros(len(many)), batch_size=10_000),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="X has numbers .*Rescaling or Standardize takes beyond float32"):
            call()
    for now, then in zip(net.get_weights(), before, strict=True):
        assert (now == then).all()


def test_the_plan_blames_what_is_to_blame(net):
    """Numbers that its dtype cannot hold are not the rescaling's fault."""
    for plan in (net.plan, Network([2, 1], seed=0).plan):
        for rows in (1, 2, 3000):
            with pytest.raises(ValueError, match="^X has numbers beyond float32$"):
                plan.predict(np.full((rows, 2), 1e300))


def test_what_is_not_finite_is_still_called_so(net):
    bad = np.array([[np.inf, 1.0]], np.float32)
    with pytest.raises(ValueError, match="contains inf at row 0, column 0, expected finite"):
        net.predict(bad)
