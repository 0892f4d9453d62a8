"""`fastmlp.autodiff` against torch.func and numeric differences."""

import numpy as np
import pytest

import fastmlp
from fastmlp import Add, BatchNormalization, Dense, LayerNormalization, Network, Scale, Standardize, autodiff

LAYERS = [
    4,
    Standardize(np.arange(4.0), np.array([1.0, 2.0, 0.5, 3.0])),
    Dense(8, "gelu"),
    BatchNormalization(),
    Dense(8, "tanh"),
    Add(2),
    Scale(),
    LayerNormalization(),
    Dense(3, "softmax"),
]


@pytest.fixture
def X(rng):
    return rng.standard_normal((6, 4))


@pytest.fixture
def net():
    net = Network(LAYERS, dtype="float64", seed=2)
    net.compile()
    return net


def test_jacobians_and_their_products_are_numeric_differences(net, X, rng):
    J, h = autodiff.jacobian(net, X), 1e-6
    assert J.shape == (6, 3, 4) and np.abs(J).max() > 1e-2
    for i in range(4):
        step = np.zeros(4)
        step[i] = h
        np.testing.assert_allclose(
            J[:, :, i], (net.predict(X + step) - net.predict(X - step)) / (2 * h), rtol=1e-6, atol=1e-9
        )
    dX, dY = rng.standard_normal((6, 4)), rng.standard_normal((6, 3))
    np.testing.assert_allclose(autodiff.jvp(net, X, dX), np.einsum("rji,ri->rj", J, dX), rtol=1e-12)
    np.testing.assert_allclose(autodiff.vjp(net, X, dY), np.einsum("rji,rj->ri", J, dY), atol=1e-13)


def test_they_are_torch_funcs(X, rng):
    torch = pytest.importorskip("torch")
    net = Network([4, Dense(8, "gelu"), LayerNormalization(), Dense(8, "relu"), 3], dtype="float64", seed=2)
    module = fastmlp.torch.to_torch(net)
    x, v, u = (torch.from_numpy(rng.standard_normal(shape)) for shape in ((6, 4), (6, 4), (6, 3)))
    expected = torch.func.vmap(torch.func.jacrev(module))(x)
    np.testing.assert_allclose(autodiff.jacobian(net, x), expected.detach(), rtol=1e-9, atol=1e-12)
    _, expected = torch.func.jvp(module, (x,), (v,))
    np.testing.assert_allclose(autodiff.jvp(net, x, v), expected.detach(), rtol=1e-9, atol=1e-12)
    _, pull = torch.func.vjp(module, x)
    np.testing.assert_allclose(autodiff.vjp(net, x, u), pull(u)[0].detach(), rtol=1e-9, atol=1e-12)


def test_blocks_of_rows_give_the_same(net, rng, monkeypatch):
    X = rng.standard_normal((20, 4))
    whole = autodiff.jacobian(net, X)
    monkeypatch.setattr(autodiff, "BLOCK", 10)
    assert (autodiff.jacobian(net, X) == whole).all()


def test_gradients_of_rows_are_torch_funcs(X):
    torch = pytest.importorskip("torch")
    net = Network([4, Dense(8, "gelu"), Dense(3, "identity")], dtype="float64", seed=2)
    net.compile(loss="mse")
    y = np.cos(X[:, :3])
    module = fastmlp.torch.to_torch(net)
    parameters = dict(module.named_parameters())

    def loss(parameters, x, t):
        return ((torch.func.functional_call(module, parameters, (x,)) - t) ** 2).mean()

    expected = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))(
        parameters, torch.from_numpy(X), torch.from_numpy(y)
    )
    ours = autodiff.per_sample_gradients(net, X, y)
    assert len(ours) == len(expected) == 4
    for a, b in zip(ours, expected.values(), strict=True):
        np.testing.assert_allclose(a, np.swapaxes(b.detach(), 1, -1), rtol=1e-9, atol=1e-12)


def test_gradients_of_rows_have_the_gradient_as_their_mean(net, X):
    y = np.array([0, 1, 2, 0, 1, 2])
    flat = [array for pair in net.gradients(X, y)[1] for array in pair if array is not None]
    ours = [array for array in autodiff.per_sample_gradients(net, X, y) if np.any(array)]
    for a, b in zip(ours, flat, strict=True):
        np.testing.assert_allclose(a.mean(axis=0), b, rtol=1e-9, atol=1e-12)


def test_right_gradients_pass_the_check_and_wrong_ones_do_not(net, X):
    y, before = np.array([0, 1, 2, 0, 1, 2]), net.get_weights()
    errors = autodiff.check_gradients(net, X, y)
    assert max(errors.values()) < 1e-6 and not any(name.endswith("mean") for name in errors)
    assert len(errors) == 11 and all((a == b).all() for a, b in zip(before, net.get_weights(), strict=True))
    for factor, right in ((1.0, True), (1.01, False)):

        def loss(y_true, y_pred, factor=factor):
            residual = y_pred - y_true
            return float((residual**2).mean()), factor * 2 * residual / residual.size

        own = Network([4, 8, 3], activation="tanh", seed=0)
        own.compile(loss=loss)
        errors = autodiff.check_gradients(own, X, np.cos(X[:, :3]))
        assert (max(errors.values()) < 1e-6) == right
        assert right or min(errors.values()) > 1e-5


def test_what_does_not_fit(net, X):
    for call, message in (
        (lambda: autodiff.vjp(net, X, X), r"dY has shape \(6, 4\), expected \(6, 3\)"),
        (lambda: autodiff.jvp(net, X, X[:2]), r"dX has shape \(2, 4\), expected \(6, 4\)"),
        (lambda: autodiff.jacobian(net, X[:, :3]), "X has shape"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
