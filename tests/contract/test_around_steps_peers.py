"""Fifty steps in float64 beside Keras' options, PyTorch's averaged model, and lookahead's formulas."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import Network, optimizers

STEPS, ROWS = 50, 16
OURS = [
    lambda **more: optimizers.SGD(0.05, momentum=0.9, **more),
    lambda **more: optimizers.Adam(0.01, **more),
]
TORCHS = [
    lambda torch, parameters: torch.optim.SGD(parameters, 0.05, momentum=0.9),
    lambda torch, parameters: torch.optim.Adam(parameters, 0.01),
]


@pytest.fixture
def batches(rng):
    X = rng.standard_normal((STEPS, ROWS, 4))
    return X, np.sin(X[..., :2]) + X[..., 2:]


def linear(optimizer):
    net = Network([4, 2], dtype="float64", seed=1)
    net.compile(optimizer, "mse")
    return net


def theirs(torch, net, which):
    model = torch.nn.Linear(4, 2, dtype=torch.float64)
    with torch.no_grad():
        model.weight.copy_(torch.tensor(net.weights[0].T.copy()))
        model.bias.copy_(torch.tensor(net.biases[0]))
    return model, TORCHS[which](torch, model.parameters())


def backward(torch, model, X, y):
    torch.nn.functional.mse_loss(model(torch.tensor(X)), torch.tensor(y)).backward()


def assert_alike(net, model):
    np.testing.assert_allclose(net.weights[0], model.weight.detach().numpy().T, rtol=1e-9)
    np.testing.assert_allclose(net.biases[0], model.bias.detach().numpy(), rtol=1e-9)


@pytest.mark.parametrize("which", range(2))
def test_the_average_is_that_of_pytorch(batches, which):
    torch = pytest.importorskip("torch")
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    net = linear(OURS[which](use_ema=True, ema_momentum=0.9))
    model, optimizer = theirs(torch, net, which)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    for X, y in zip(*batches, strict=True):
        net.train_on_batch(X, y)
        optimizer.zero_grad()
        backward(torch, model, X, y)
        optimizer.step()
        average.update_parameters(model)
    assert_alike(net, model)
    net.plan.take_average()
    assert_alike(net, average.module)


@pytest.mark.parametrize("which", range(2))
def test_gradients_of_several_batches_make_pytorchs_step(batches, which):
    torch = pytest.importorskip("torch")
    net = linear(OURS[which](gradient_accumulation_steps=4))
    model, optimizer = theirs(torch, net, which)
    for number, (X, y) in enumerate(zip(*batches, strict=True), 1):
        net.train_on_batch(X, y)
        backward(torch, model, X, y)
        if number % 4 == 0:
            for parameter in model.parameters():
                parameter.grad /= 4
            optimizer.step()
            optimizer.zero_grad()
    assert net.plan.step == STEPS // 4
    assert_alike(net, model)


@pytest.mark.parametrize("which", range(2))
def test_lookahead_is_the_papers(batches, which):
    torch = pytest.importorskip("torch")
    net = linear(OURS[which](lookahead_steps=5, lookahead_alpha=0.3))
    model, optimizer = theirs(torch, net, which)
    slow = [parameter.detach().clone() for parameter in model.parameters()]
    for number, (X, y) in enumerate(zip(*batches, strict=True), 1):
        if number < STEPS - 1:  # two steps more of the inner loop are left out, so that w is not slow
            net.train_on_batch(X, y)
            optimizer.zero_grad()
            backward(torch, model, X, y)
            optimizer.step()
            if number % 5 == 0:
                with torch.no_grad():
                    for w, phi in zip(model.parameters(), slow, strict=True):
                        phi += 0.3 * (w - phi)
                        w.copy_(phi)
    assert_alike(net, model)


@pytest.mark.parametrize(
    "options",
    [
        {"use_ema": True},
        {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 7},
        {"gradient_accumulation_steps": 3},
        {"gradient_accumulation_steps": 3, "global_clipnorm": 0.5},
    ],
    ids=str,
)
def test_options_are_those_of_keras(batches, options):
    keras = pytest.importorskip("keras")
    net = linear(optimizers.SGD(0.05, momentum=0.9, **options))
    W, b = (keras.Variable(a, dtype="float64") for a in (net.weights[0], net.biases[0]))
    if keras.backend.backend() != "numpy":
        pytest.skip("Keras computes with another backend than NumPy")
    theirs = keras.optimizers.SGD(0.05, momentum=0.9, **options)
    for X, y in zip(*batches, strict=True):
        d = 2 * (X @ W.numpy() + b.numpy() - y) / y.size
        theirs.apply([X.T @ d, d.sum(axis=0)], [W, b])
    net.fit(*(a.reshape(-1, a.shape[-1]) for a in batches), batch_size=ROWS, shuffle=False)
    theirs.finalize_variable_values([W, b])
    bound = STEPS * np.finfo(np.float32).eps  # Keras' constants are float32
    np.testing.assert_allclose(net.weights[0], W.numpy(), rtol=0, atol=bound)
    np.testing.assert_allclose(net.biases[0], b.numpy(), rtol=0, atol=bound)
