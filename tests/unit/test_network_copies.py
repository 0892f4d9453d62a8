"""`Network`: copies and pickles."""

import copy
import dataclasses
import itertools
import pickle

import numpy as np
import pytest

from fastmlp import Dense, Dropout, Network, Residual, Standardize
from fastmlp.layers.chain import LAYERS, from_config
from fastmlp.optimizers import Adam
from helpers import assert_same_bits, assert_trained

WIDTH = 4


def copies(net):
    return [pickle.loads(pickle.dumps(net)), copy.deepcopy(net)]


def made(cls):
    """A layer of the class: what it must be told is tried out."""
    asked = [f for f in dataclasses.fields(cls) if f.init and f.default is f.default_factory]
    for values in itertools.product([1, 0.25, "tanh", (0.5,) * WIDTH], repeat=len(asked)):
        try:
            return cls(**{field.name: value for field, value in zip(asked, values, strict=True)})
        except (TypeError, ValueError):
            pass
    raise AssertionError(f"no {cls.__name__} could be made")


def network_with(layer, dtype):
    """A network around the layer, its arrays random; a variance must be positive."""
    between = [layer, Dense(WIDTH)] if layer.leads else [Dense(WIDTH), layer]
    net = Network([WIDTH, *between, 3], output="softmax", dtype=dtype, seed=3)
    rng = np.random.default_rng(5)
    net.set_weights([rng.uniform(0.1, 1.0, a.shape) for a in net.get_weights()])
    return net


@pytest.mark.parametrize("kind", LAYERS)
def test_every_kind_of_layer_is_copied(kind, dtype, rng):
    """The layer, and a network with it, whose training goes on with the same bits."""
    layer = made(LAYERS[kind])
    others = [copy.copy(layer), from_config(layer.to_config())]
    others += [pickle.loads(pickle.dumps(layer, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for other in [*copies(layer), *others]:
        assert type(other) is LAYERS[kind] and other == layer and repr(other) == repr(layer)
    X, y = rng.normal(size=(20, WIDTH)), rng.integers(0, 3, 20)
    net = network_with(layer, dtype)
    net.compile(Adam(0.01))
    net.fit(X, y, epochs=2, batch_size=8)
    others = copies(net)
    before = net.get_weights()
    net.fit(X, y, epochs=2, batch_size=8)
    assert_trained(net.get_weights(), before)
    for other in others:
        assert other.layers == net.layers
        assert_same_bits(other.get_weights(), before)
        other.fit(X, y, epochs=2, batch_size=8)
        assert_same_bits(other.get_weights(), net.get_weights())
        assert_same_bits(other.predict(X), net.predict(X))


def test_a_block_is_copied():
    block = Residual([Dense(8, "relu"), Dense(WIDTH, "identity", trainable=False, learning_rate={"b": 0.5})])
    for other in copies(block):
        assert other == block and repr(other) == repr(block)
        assert Network([WIDTH, WIDTH, other]).layers == Network([WIDTH, WIDTH, block]).layers


def test_copies_predict_the_same_bits(dtype, rng):
    X = rng.normal(size=(9, 4)).astype(dtype)
    net = Network([4, Standardize([0, 1, 2, 3], [1, 2, 3, 4]), 5, 2], activation="gelu", dtype=dtype, seed=3)
    for other in copies(net):
        assert other.predict(X).tobytes() == net.predict(X).tobytes()
        assert (other.layers, other.seed, other.dtype, other.isa) == (
            net.layers,
            net.seed,
            net.dtype,
            net.isa,
        )
        other.set_weights([np.zeros_like(w) for w in other.get_weights()])
        assert net.weights[0].any()


def test_copies_keep_the_optimizer(dtype, rng):
    X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
    net = Network([3, 6, Dropout(0.5), 1], dtype=dtype, seed=3)
    net.compile(Adam(0.01), loss=("huber", 0.5))
    net.fit(X, y, epochs=3, batch_size=8)
    others = copies(net)
    net.fit(X, y, epochs=2, batch_size=8)
    for other in others:
        assert other.optimizer == net.optimizer and other.loss == net.loss
        other.fit(X, y, epochs=2, batch_size=8)
        for a, b in zip(net.get_weights(), other.get_weights(), strict=True):
            assert a.tobytes() == b.tobytes()


def test_copies_keep_ones_own_attributes_and_class():
    net = Named([2, 1], seed=0)
    net.title, net.itself = "mine", net
    for other in copies(net):
        assert type(other) is Named and other.title == "mine"
        assert other.itself is other


class Named(Network):
    """A subclass must survive pickling."""
