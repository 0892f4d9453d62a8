"""The learning-rate range test: its rates, its losses against a loop by hand, the network left alone."""

import numpy as np
import pytest

from fastmlp import Network, NotCompiledError, learning_rate_range

rng = np.random.default_rng(0)
X = rng.normal(size=(96, 3))
Y = X @ [1.0, -2.0, 0.5]


def network(optimizer="sgd"):
    net = Network([3, 8, 1], activation="tanh", dtype="float64", seed=3)
    net.compile(optimizer)
    return net


def test_the_losses_are_those_of_a_loop_with_the_same_rates_and_rows():
    found = learning_rate_range(network(), X, Y, low=1e-4, high=1e-1, steps=12, batch_size=32)
    net, order = network(), np.random.default_rng(3)
    rows = np.concatenate([order.permutation(96) for _ in range(4)])
    for step, rate in enumerate(np.geomspace(1e-4, 1e-1, 12)):
        net.learning_rate = rate
        chosen = rows[32 * step : 32 * step + 32]
        assert found.losses[step] == net.train_on_batch(X[chosen], Y[chosen])["loss"]
    assert found.learning_rates.tolist() == np.geomspace(1e-4, 1e-1, 12).tolist()


def test_the_smoothed_losses_are_a_weighted_mean():
    found = learning_rate_range(network(), X, Y, high=1e-2, steps=15)
    weights = 0.9 ** np.arange(14, -1, -1)
    assert np.isclose(found.smoothed[-1], weights @ found.losses / weights.sum(), rtol=1e-12)


def test_the_suggestion_lies_where_training_works():
    found = learning_rate_range(network(), X, Y)
    assert 1e-3 < found.suggestion < 3
    before = np.flatnonzero(found.learning_rates == found.suggestion)[0]
    assert found.smoothed.argmin() >= before and len(found.losses) <= 100


def test_it_ends_where_the_loss_explodes_and_the_network_is_left_alone():
    net = network()
    before, state = net.get_weights(), net.plan.get_state()
    found = learning_rate_range(net, X, 100 * Y, low=1e-3, high=1e8, steps=200)
    assert len(found.losses) < 200 and found.learning_rates[-1] < 1e8
    assert all((a == b).all() for a, b in zip(net.get_weights(), before, strict=True))
    assert net.learning_rate == network().learning_rate and net.plan.step == 0 == state["step"]


def test_words_that_a_first_batch_lacks_are_known():
    y = np.repeat(["a", "b", "c"], 32)
    net = Network([3, 3], output="softmax", seed=3)
    net.compile("sgd")
    found = learning_rate_range(net, X, y, batch_size=2, steps=10)
    indices = Network([3, 3], output="softmax", seed=3)
    indices.compile("sgd")
    same = learning_rate_range(indices, X, np.repeat([0, 1, 2], 32), batch_size=2, steps=10)
    assert found.losses.tolist() == same.losses.tolist() and net.classes is None


def test_a_loss_below_0_does_not_count_as_diverged():
    net = Network([3, 2], dtype="float64", seed=3)
    net.compile("sgd", loss="gaussian_nll")
    net.set_weights([np.zeros((3, 2)), [0.0, -4.0]])
    found = learning_rate_range(net, X, np.zeros(96), low=1e-6, high=1e-5, steps=30)
    assert len(found.losses) == 30 and found.smoothed[0] < 0


def test_targets_and_weights_that_do_not_fit_are_refused_as_in_fit():
    with pytest.raises(ValueError, match="y has 95"):
        learning_rate_range(network(), X, Y[:-1])
    with pytest.raises(ValueError, match="sample_weight"):
        learning_rate_range(network(), X, Y, sample_weight=np.ones(3))
    with pytest.raises(FloatingPointError, match="the loss of the first batch is not finite"):
        learning_rate_range(network(), X, np.full(96, 1e200))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"low": 0.0}, "low is 0 and high 10, expected 0 < low < high"),
        ({"low": 2.0, "high": 1.0}, "low is 2 and high 1"),
        ({"steps": 3}, "steps is 3"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        learning_rate_range(network(), X, Y, **options)


def test_a_network_that_is_not_compiled_is_refused():
    with pytest.raises(NotCompiledError):
        learning_rate_range(Network([3, 1]), X, Y)
