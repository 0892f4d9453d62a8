"""Embeddings of columns beside PyTorch, and at the ends of what they take."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import Activation, Dropout, Embedding, Network, PeriodicEmbedding, Rescaling, Standardize
from helpers import assert_close, assert_same_bits, assert_trained

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


def codes_and_reals(rng, rows):
    X = rng.normal(size=(rows, 6))
    X[:, 3:] = rng.integers(0, [2, 7, 1], (rows, 3))
    return X


@pytest.mark.parametrize("dims", [8, (1, 20, 3)])
def test_embedding_has_the_gradients_of_torch(dims, isa, rng):
    net = Network([6, Embedding((2, 7, 1), dims), 4], output="identity", dtype="float64", seed=0, isa=isa)
    net.compile("sgd", "mse")
    X, Y = codes_and_reals(rng, 300), rng.normal(size=(300, 4))
    x, (tables, W, b) = torch.tensor(X), (torch.tensor(a, requires_grad=True) for a in net.get_weights())
    cut = torch.split(tables, [len(t.ravel()) for t in net.layers[0].split(tables.detach().numpy())])
    widths = (dims,) * 3 if isinstance(dims, int) else dims
    rows = [
        torch.nn.functional.embedding(x[:, 3 + i].long(), cut[i].reshape(-1, widths[i])) for i in range(3)
    ]
    predicted = torch.cat([x[:, :3], *rows], dim=1) @ W + b
    loss = ((predicted - torch.tensor(Y)) ** 2).mean()
    loss.backward()
    value, gradients, dX = net.plan.gradients(X, Y, input_gradient=True)
    assert_close(net.predict(X), predicted.detach().numpy(), 1e-13)
    assert abs(value - loss.item()) < 1e-13
    for got, tensor in zip(gradients, (tables, W, b), strict=True):
        assert_close(got, tensor.grad.numpy(), 1e-12)
    assert not dX[:, 3:].any() and dX[:, :3].all()


def test_embedding_after_the_periodic_embedding_of_other_columns(isa, dtype, rng):
    """As RealMLP has them: the values of columns, all columns of numbers, and rows of tables."""
    layers = [6, PeriodicEmbedding(3), Embedding((2, 7, 1), 4), 5, 2]
    net = Network(layers, output="identity", dtype=dtype.name, seed=0, isa=isa)
    X = codes_and_reals(rng, 40).astype(dtype)
    waves, rows, *_ = net.forward(X)
    assert np.array_equal(waves[:, 9:], X) and np.array_equal(rows[:, :12], waves[:, :12])
    tables = net.layers[1].split(net.get_weights()[4])
    for i, table in enumerate(tables):
        assert np.array_equal(rows[:, 12 + 4 * i : 16 + 4 * i], table[X[:, 3 + i].astype(int)])
    net.compile("adam", "mse")
    before = net.get_weights()
    net.fit(X, rng.normal(size=(40, 2)).astype(dtype), epochs=2, batch_size=16, verbose=0)
    assert_trained(net.get_weights(), before)


WRONG = [(3, 2.0, "0 to 1"), (3, -1.0, "0 to 1"), (4, 2.5, "0 to 6"), (4, 7.0, "0 to 6"), (5, 1.0, "0 to 0")]
CALLS = {
    "predict": lambda net, X, y: net.predict(X),
    "predict one row": lambda net, X, y: net.predict(X[20]),
    "forward": lambda net, X, y: net.forward(X),
    "evaluate": lambda net, X, y: net.evaluate(X, y),
    "gradients": lambda net, X, y: net.gradients(X, y),
    "fit": lambda net, X, y: net.fit(X, y, epochs=1, verbose=0),
    "train_on_batch": lambda net, X, y: net.train_on_batch(X, y),
    "fit's validation data": lambda net, X, y: net.fit(
        np.zeros_like(X), y, epochs=1, validation_data=(X, y), verbose=0
    ),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("column", "value", "codes"), WRONG)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_wrong_code_is_refused_with_its_place(call, column, value, codes, dtype, rng):
    net = Network([6, Embedding((2, 7, 1), 3), 4, 1], output="identity", dtype=dtype, seed=0)
    net.compile("sgd", "mse")
    X, y = codes_and_reals(rng, 30).astype(dtype), rng.normal(size=(30, 1)).astype(dtype)
    CALLS[call](net, X, y)
    before = net.get_weights()
    X[20, column] = value
    place = f"row {0 if 'one row' in call else 20}, column {column}"
    message = rf"^X has {value} in {place}, expected a whole number from {codes}$"
    with pytest.raises(ValueError, match=message):
        CALLS[call](net, X, y)
    if call != "fit's validation data":
        assert all(map(np.array_equal, net.get_weights(), before))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e-30])
def test_what_is_no_number_is_no_code(value, rng):
    net = Network([6, Embedding((2, 7, 1), 3), 1], dtype="float64", seed=0)
    X = codes_and_reals(rng, 30)
    X[3, 4] = value
    with pytest.raises(ValueError, match="in row 3, column 4, expected a whole number from 0 to 6"):
        net.plan.predict(X)


def test_codes_of_any_type(rng):
    net = Network([6, Embedding((2, 7, 1), 3), 1], dtype="float32", seed=0)
    X = np.abs(np.rint(codes_and_reals(rng, 30)))
    expected = net.predict(X.astype(np.float32))
    for dtype in (np.uint8, np.int64, np.float64, bool):
        whole = X.astype(dtype)
        assert_same_bits(net.predict(whole), net.predict(whole.astype(np.float32)))
        assert dtype is bool or np.array_equal(net.predict(whole), expected)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([4, 5, Embedding((2,), 3), 1], "got dense"),
        ([4, Embedding((2,), 3), Embedding((2,), 3), 1], "got embedding"),
        ([4, PeriodicEmbedding(), Activation("relu"), Embedding((2,), 3), 1], "got an activation"),
        ([4, Dropout(0.5), Embedding((2,), 3), 1], "got dropout"),
        ([4, Rescaling(0.5), Embedding((2,), 3), 1], "got a divisor of the input"),
        ([4, Rescaling(1.0, 2.0), Embedding((2,), 3), 1], "got a shift of the input"),
    ],
)
def test_codes_that_do_not_come_as_they_are_are_refused(layers, expected):
    with pytest.raises(ValueError, match=rf"reads codes from the last columns of the input, .*{expected}"):
        Network(layers)


def test_rescaling_of_the_other_columns_alone(rng):
    """Standardize with mean 0 and deviation 1 in the columns of codes leaves them as they are."""
    means, deviations = (1.0, 2.0, 3.0, 0.0, 0.0, 0.0), (2.0, 3.0, 4.0, 1.0, 1.0, 1.0)
    net = Network([6, Standardize(means, deviations), Embedding((2, 7, 1), 3), 1], seed=0)
    plain = Network([6, Embedding((2, 7, 1), 3), 1], seed=0)
    X = codes_and_reals(rng, 30)
    assert_close(net.predict(X * deviations + means), plain.predict(X), 1e-4)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (((), 3), ValueError, "sizes is empty"),
        (((2, 0), 3), ValueError, r"sizes\[1\] is 0"),
        (((2, 2.5), 3), TypeError, r"sizes\[1\] is 2.5"),
        ((5, 3), TypeError, "sizes is a int"),
        (((2, 2), 0), ValueError, "dims is 0"),
        (((2, 2), (1, 2, 3)), ValueError, "dims has 3 numbers, expected one for each of 2 sizes"),
    ],
)
def test_embedding_of_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        Embedding(*arguments)


def test_embedding_of_more_columns_than_there_are():
    with pytest.raises(ValueError, match=r"has 3 numbers, expected at most its input's 2"):
        Network([2, Embedding((2, 2, 2), 3), 1])
