"""`fastmlp.autodiff` against torch.func and numeric differences."""

import numpy as np
import pytest

import fastmlp
from fastmlp import (
    Add,
    AlphaDropout,
    BatchNormalization,
    Dense,
    Embedding,
    GaussianNoise,
    LayerNormalization,
    Maxout,
    Network,
    OutputRescaling,
    ParametricActivation,
    PeriodicEmbedding,
    PReLU,
    Scale,
    Standardize,
    autodiff,
)
from helpers import LINKS, LOSSES, OUTPUT_OF, OUTPUTS, targets

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


def oracle(torch, module, loss, X, v):
    """torch.autograd.functional.hvp of a module's loss, by the names of its parameters."""
    names = [name for name, _ in module.named_parameters()]
    parameters = tuple(p.detach() for p in module.parameters())

    def value(*arrays):
        return loss(torch.func.functional_call(module, dict(zip(names, arrays, strict=True)), (X,)))

    return torch.autograd.functional.hvp(value, parameters, tuple(v))[1]


ELEMENTWISE = [
    *("tanh", "sigmoid", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus", "softsign"),
    *("celu", "relu6", "hard_tanh", "hard_swish"),  # PyTorch has no second derivative of hard_sigmoid
]


@pytest.mark.parametrize("activation", ELEMENTWISE)
@pytest.mark.parametrize("loss", ["mse", "huber", "categorical_crossentropy"])
def test_hessian_vector_products_are_torchs(activation, loss, rng):
    torch = pytest.importorskip("torch")
    output = "softmax" if loss == "categorical_crossentropy" else "tanh"
    layers = [4, Dense(6, activation), LayerNormalization(), Dense(5, activation), Dense(3, output)]
    net = Network(layers, dtype="float64", seed=2)
    net.compile(loss=loss)
    module = fastmlp.torch.to_torch(net).double()
    X, y = rng.standard_normal((7, 4)), rng.dirichlet(np.ones(3), 7)
    v = [rng.standard_normal(array.shape) for array in net.get_weights()]
    target = torch.tensor(y)
    losses = {
        "mse": lambda p: torch.nn.functional.mse_loss(p, target),
        "huber": lambda p: torch.nn.functional.huber_loss(p, target),
        "categorical_crossentropy": lambda p: -(target * p.log()).sum(dim=1).mean(),
    }
    theirs = oracle(torch, module, losses[loss], torch.tensor(X), [torch.tensor(a.T.copy()) for a in v])
    got = autodiff.hessian_vector_product(net, X, y, v)
    assert max(np.abs(array).max() for array in got) > 1e-2
    for mine, other in zip(got, theirs, strict=True):
        np.testing.assert_allclose(mine, other.numpy().T, rtol=1e-9, atol=1e-11)


def differences(plan, X, y, v, weights, loss, h=1e-5):
    """(g(w + h v) - g(w - h v)) / 2h, extrapolated twice in h^2 (Romberg)."""
    w = plan.get_weights()

    def slope(h):
        found = []
        for sign in (1, -1):
            plan.set_weights([a + sign * h * b for a, b in zip(w, v, strict=True)])
            found.append(plan.gradients(X, y, weights, loss=loss)[1])
        plan.set_weights(w)
        return [(a - b) / (2 * h) for a, b in zip(*found, strict=True)]

    rough, fine, finer = slope(h), slope(h / 2), slope(h / 4)
    first = [(4 * b - a) / 3 for a, b in zip(rough, fine, strict=True)]
    second = [(4 * b - a) / 3 for a, b in zip(fine, finer, strict=True)]
    return [(16 * b - a) / 15 for a, b in zip(first, second, strict=True)]


def assert_slopes(net, X, y, v, weights=None):
    got = autodiff.hessian_vector_product(net, X, y, v, weights)
    objective = net.objective_for(y)
    y = objective.loss.as_targets(y, net.plan.n_out, np.dtype(np.float64), len(X))
    expected = differences(net.plan, X, y, v, weights, objective.named)
    size = max(np.abs(array).max() for array in expected)
    assert size > 1e-3
    for mine, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-8 * size)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"mae", "hinge", "quantile", "huber"}))
def test_hessian_vector_products_of_every_loss_are_slopes_of_gradients(name, rng):
    """But of those whose gradients have steps or, as huber's above, kinks."""
    outputs = OUTPUTS[name]
    layers = [4, Dense(6, "tanh"), Dense(3 * outputs, OUTPUT_OF[LINKS[name]])]
    net = Network(layers, dtype="float64", seed=2)
    net.compile(loss=name)
    v = [rng.standard_normal(array.shape) for array in net.get_weights()]
    y = targets(rng, name, 7, 3 * outputs, np.dtype(np.float64))
    assert_slopes(net, rng.standard_normal((7, 4)), y, v, rng.uniform(0, 2, 7))


@pytest.mark.parametrize(
    "layers",
    [
        LAYERS,
        [4, PeriodicEmbedding(2, frequencies=3, width=3), ParametricActivation("gelu"), PReLU(), 3],
        [4, Embedding((3, 2), (2, 3)), Dense(5, "gelu_tanh", trainable=False), Dense(3, "log_softmax")],
        [4, Dense(3, "exp")],
        [4, Maxout(5, 2), GaussianNoise(0.1), Dense(4, "selu"), AlphaDropout(0.1), Dense(3)],
        [4, Dense(6, "tanh"), Dense(3), OutputRescaling([10.0, 2.0, 0.5], [1.0, -1.0, 3.0])],
    ],
    ids=["kinds", "waves", "codes", "exp", "pieces", "rescaled"],
)
def test_hessian_vector_products_of_layers_are_slopes_of_gradients(layers, rng):
    net = Network(layers, dtype="float64", seed=2)
    net.compile(loss="mse")
    net.set_weights([array + rng.uniform(0.1, 0.5, array.shape) for array in net.get_weights()])
    X = rng.standard_normal((6, 4))
    X[:, 2:] = rng.integers(0, 2, (6, 2))
    moves = [not name.endswith((".mean", ".variance")) for name in net.parameter_shapes()]
    v = [
        rng.standard_normal(array.shape) * moved
        for array, moved in zip(net.get_weights(), moves, strict=True)
    ]
    assert_slopes(net, X, rng.standard_normal((6, 3)), v)
    ones = [array if moved else array + 1 for array, moved in zip(v, moves, strict=True)]
    y = rng.standard_normal((6, 3))
    for a, b in zip(*(autodiff.hessian_vector_product(net, X, y, u) for u in (v, ones)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_kinks_and_zero_weights(rng):
    """At zero every smooth activation has its slope there, as in a network that begins with zeros."""
    X, y = rng.standard_normal((6, 4)), rng.standard_normal((6, 3))
    for name in ("sigmoid", "softplus", "silu", "mish", "gelu", "elu", "tanh", "softsign"):
        net = Network([4, Dense(3, name)], dtype="float64", initializer="zeros")
        net.compile(loss="mse")
        v = [rng.standard_normal(array.shape) for array in net.get_weights()]
        W, _ = autodiff.hessian_vector_product(net, X, y, v)
        eps = [1e-7 * array for array in v]
        net.set_weights(eps)
        ahead = net.plan.gradients(X, y)[1][0]
        net.set_weights([array * 0 for array in v])
        before = net.plan.gradients(X, y)[1][0]
        if name not in ("elu", "softsign"):  # whose second derivatives jump there
            np.testing.assert_allclose(W, (ahead - before) / 1e-7, atol=1e-5)
        assert np.isfinite(W).all() and np.abs(W).max() > 1e-3


def test_hessian_vector_products_of_float32_are_those_of_its_weights_in_float64(rng):
    net = Network([4, Dense(6, "tanh"), 3], output="softmax", seed=2)
    net.compile()
    double = Network([4, Dense(6, "tanh"), 3], output="softmax", dtype="float64", seed=2)
    double.compile()
    double.set_weights(net.get_weights())
    X, y = rng.standard_normal((7, 4)).astype("float32"), rng.integers(0, 3, 7)
    v = [rng.standard_normal(array.shape) for array in net.get_weights()]
    for a, b in zip(*(autodiff.hessian_vector_product(n, X, y, v) for n in (net, double)), strict=True):
        assert a.dtype == np.float64
        np.testing.assert_array_equal(a, b)


def test_what_does_not_fit_a_hessian_vector_product_is_refused(net, X):
    y, v = np.zeros(6, int), net.get_weights()
    with pytest.raises(ValueError, match="v has 1"):
        autodiff.hessian_vector_product(net, X, y, v[:1])
    net.compile(loss=lambda y_true, y_pred: (0.0, y_pred))
    with pytest.raises(ValueError, match="loss is a function in Python"):
        autodiff.hessian_vector_product(net, X, np.zeros((6, 3)), v)
