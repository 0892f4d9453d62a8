"""`Network`: copies and pickles."""

import copy
import pickle

import numpy as np

from fastmlp import Dense, Dropout, Network, Residual, Standardize
from fastmlp.optimizers import Adam

WIDTH = 4


def copies(net):
    return [pickle.loads(pickle.dumps(net)), copy.deepcopy(net)]


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
