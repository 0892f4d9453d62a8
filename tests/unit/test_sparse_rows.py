"""Sparse matrices wherever rows are given: the bits are those of the dense ones."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import Dense, Dropout, Network, autodiff, learning_rate_range
from helpers import assert_same_bits
from refusals import assert_refused

sparse = pytest.importorskip("scipy.sparse")
ROWS = 40


def dense(rows=ROWS):
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, 5)) * (rng.random((rows, 5)) < 0.4)


def network():
    net = Network([5, Dense(8, "tanh"), Dropout(0.3), 2], dtype="float64", seed=1)
    net.compile(loss="mse")
    return net


def targets():
    return np.random.default_rng(1).normal(size=(ROWS, 2))


CALLS = {
    "predict": lambda net, X: net.predict(X),
    "dropout": lambda net, X: net.predict(X, dropout=True, seed=3),
    "call": lambda net, X: net(X),
    "training": lambda net, X: net(X, training=True),
    "forward": lambda net, X: net.forward(X),
    "layer_output": lambda net, X: net.layer_output(X, 0),
    "gradients": lambda net, X: [dW for dW, _ in net.gradients(X, targets())[1]],
    "input_gradient": lambda net, X: net.gradients(X, targets(), input_gradient=True)[2],
    "adapt": lambda net, X: (net.adapt(X), net.get_weights())[1],
    "evaluate": lambda net, X: np.array(net.evaluate(X, targets())["loss"]),
    "train_on_batch": lambda net, X: (net.train_on_batch(X, targets()), net.get_weights())[1],
    "jacobian": lambda net, X: autodiff.jacobian(net, X),
    "vjp": lambda net, X: autodiff.vjp(net, X, targets())[1],
    "per_sample_gradients": lambda net, X: autodiff.per_sample_gradients(net, X, targets()),
    "hessian_vector_product": lambda net, X: autodiff.hessian_vector_product(
        net, X, targets(), net.get_weights()
    ),
    "learning_rate_range": lambda net, X: learning_rate_range(net, X, targets(), batch_size=8).losses,
}


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
@pytest.mark.parametrize("name", CALLS)
def test_a_sparse_matrix_does_what_a_dense_one_does(name, kind):
    X = dense()
    expected = CALLS[name](network(), X)
    assert_same_bits(CALLS[name](network(), sparse.csr_matrix(X).asformat(kind)), expected)


@pytest.mark.parametrize("name", [name for name in CALLS if name != "learning_rate_range"])
def test_what_is_wrong_in_it_is_named_with_its_place(name):
    net = network()
    X = sparse.csr_matrix(dense())
    assert_refused(lambda: CALLS[name](net, X[:, :4]), ValueError, r"X has shape \(40, 4\)", net)
    X.data[3] = np.nan
    rows, columns = X.nonzero()
    place = f"nan at row {rows[3]}, column {columns[3]}"
    assert_refused(lambda: CALLS[name](net, X), ValueError, place, net)
