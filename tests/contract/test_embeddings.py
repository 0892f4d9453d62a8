"""Embeddings of columns beside PyTorch, and at the ends of what they take."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import Network, PeriodicEmbedding
from helpers import assert_close

torch = pytest.importorskip("torch")


def waves_in_torch(x, columns, frequency, phase, W, b):
    """PBLD: linear in cosines of each column, column by column, then all columns."""
    angles = 2 * torch.pi * x[:, None, :columns] * frequency + phase
    values = torch.einsum("rfp,fkp->rpk", torch.cos(angles), W.reshape(len(frequency), len(b), columns)) + b.T
    return torch.cat([values.flatten(1), x], dim=1)


SHAPES = [(None, 16, 4), (3, 5, 2), (17, 16, 4), (1, 64, 9)]


@pytest.mark.parametrize(("columns", "frequencies", "width"), SHAPES)
def test_periodic_embedding_has_the_gradients_of_torch(columns, frequencies, width, isa, rng):
    layers = [20, PeriodicEmbedding(columns, frequencies, width, sigma=0.4), 3]
    net = Network(layers, output="identity", dtype="float64", seed=0, isa=isa)
    net.compile("sgd", "mse")
    X, Y = rng.normal(size=(300, 20)), rng.normal(size=(300, 3))
    arrays = [torch.tensor(array, requires_grad=True) for array in net.get_weights()]
    x = torch.tensor(X, requires_grad=True)
    *own, W, b = arrays
    predicted = waves_in_torch(x, columns or 20, *own) @ W + b
    loss = ((predicted - torch.tensor(Y)) ** 2).mean()
    loss.backward()
    value, gradients, dX = net.plan.gradients(X, Y, input_gradient=True)
    assert_close(net.predict(X), predicted.detach().numpy(), 1e-13)
    assert abs(value - loss.item()) < 1e-13
    for got, tensor in zip([*gradients, dX], [*arrays, x], strict=True):
        assert_close(got, tensor.grad.numpy(), 1e-12)


def test_periodic_embedding_of_any_number_is_bounded(isa, dtype):
    """Each wave is at most 1 in size, also where an input has more turns than its type has digits of one."""
    net = Network([1, PeriodicEmbedding(), 1], output="identity", dtype=dtype.name, seed=1, isa=isa)
    x = np.array([[s * 10.0**e] for s in (1, -1) for e in range(-30, 31)], dtype)
    z = net.forward(x)[0]
    assert np.isfinite(z).all() and np.array_equal(z[:, 3:], x)
    bound = np.abs(net.get_weights()[2].reshape(16, 3)).sum(axis=0) + np.abs(net.get_weights()[3][:, 0])
    assert (np.abs(z[:, :3]) <= bound * (1 + 1e-6)).all() and np.abs(z[:, :3]).max() > 0.1


def test_periodic_embedding_starts_as_it_says():
    frequency, phase, W, b = Network([400, PeriodicEmbedding(sigma=0.3), 1], seed=0).get_weights()[:4]
    assert abs(frequency.std() / 0.3 - 1) < 0.05 and abs(frequency.mean()) < 0.02
    for array, bound in ((phase, np.pi), (W, 0.25), (b, 0.25)):
        assert -bound <= array.min() < -0.98 * bound and 0.98 * bound < array.max() <= bound


def test_periodic_embedding_of_too_many_columns_is_refused():
    with pytest.raises(ValueError, match="columns of .* is 4, expected at most its input's 3"):
        Network([3, PeriodicEmbedding(4), 1])
