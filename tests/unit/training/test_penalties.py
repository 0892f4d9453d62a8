"""Penalties and weight decay: of the weights alone, whatever a batch has in it."""

import numpy as np
import pytest

from fastmlp import Dense, Network
from fastmlp.optimizers import SGD
from helpers import assert_close

RATE = 0.1
PENALTIES = {
    "l1": (0.2, lambda w, factor: 0.2 * factor * np.sign(w)),
    "l2": (0.3, lambda w, factor: 0.3 * factor * w),
    "weight_decay": (0.4, lambda w, factor: 0.4 * factor * w),
}


def network(factors, **penalty):
    first, second = (Dense(5, "tanh", weight_decay=factor) for factor in factors)
    net = Network([4, first, second, 2], dtype="float64", seed=3)
    net.set_weights([array + 0.5 * (array.ndim == 1) for array in net.get_weights()])
    net.compile(SGD(RATE, **penalty), "mse")
    return net


def change(net, X, y, batch_size, **more):
    """Of each array in the first step, over the learning rate."""
    before = net.get_weights()
    net.fit(X[:batch_size], y[:batch_size], batch_size=batch_size, shuffle=False, **more)
    return [(old - new) / RATE for old, new in zip(before, net.get_weights(), strict=True)]


@pytest.mark.parametrize("factors", [(1.0, 1.0), (3.0, 0.0)], ids=["network", "layers"])
@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("batch_size", [1, 8, 64])
def test_a_penalty_does_not_depend_on_the_batch_size(rng, name, factors, batch_size):
    """A step with it differs by its gradient from one without, be it of 1 row or 64, weighted or not."""
    value, gradient = PENALTIES[name]
    X, y = rng.normal(size=(64, 4)), rng.normal(size=(64, 2))
    for more in ({}, {"sample_weight": rng.uniform(0.5, 9, batch_size)}):
        net = network(factors, **{name: value})
        weights = net.get_weights()
        steps = change(net, X, y, batch_size, **more), change(network(factors), X, y, batch_size, **more)
        found = [own - plain for own, plain in zip(*steps, strict=True)]
        of_layers = zip(weights, np.repeat([*factors, 1.0], 2), strict=True)
        for one, (w, factor) in zip(found, of_layers, strict=True):
            expected = gradient(w, factor) if w.ndim == 2 else 0 * w
            np.testing.assert_allclose(one, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", PENALTIES)
def test_batches_that_make_one_step_have_one_penalty(rng, name):
    X, y = rng.normal(size=(64, 4)), rng.normal(size=(64, 2))
    net = network((1.0, 1.0), **{name: PENALTIES[name][0]}, gradient_accumulation_steps=8)
    net.fit(X, y, batch_size=8, shuffle=False)
    whole = network((1.0, 1.0), **{name: PENALTIES[name][0]})
    whole.fit(X, y, batch_size=64, shuffle=False)
    assert_close(net.get_weights(), whole.get_weights(), 1e-12)
