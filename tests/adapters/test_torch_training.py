"""Training beside PyTorch's: its optimizers and losses, step by step in float64, where it has them."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import Dense, Network, optimizers
from helpers import (
    LINKS,
    LOSSES,
    OUTPUT_OF,
    RULES,
    assert_close,
    assert_trained,
    loss_of,
    outputs_of,
    targets,
)

torch = pytest.importorskip("torch")
nn = torch.nn

N_IN, HIDDEN, TARGETS, ROWS, STEPS = 5, 8, 3, 24, 50

# Those of PyTorch with what ours have; the learning rate comes first.
THEIRS = {
    "sgd": lambda o, p: torch.optim.SGD(p, o.learning_rate, momentum=o.momentum, nesterov=o.nesterov),
    "adagrad": lambda o, p: torch.optim.Adagrad(p, o.learning_rate, eps=o.epsilon),
    "rmsprop": lambda o, p: torch.optim.RMSprop(p, o.learning_rate, alpha=o.rho, eps=o.epsilon),
    "adam": lambda o, p: torch.optim.Adam(p, o.learning_rate, betas=(o.beta_1, o.beta_2), eps=o.epsilon),
    "adamw": lambda o, p: torch.optim.AdamW(
        p, o.learning_rate, betas=(o.beta_1, o.beta_2), eps=o.epsilon, weight_decay=o.weight_decay
    ),
    "amsgrad": lambda o, p: torch.optim.Adam(
        p, o.learning_rate, betas=(o.beta_1, o.beta_2), eps=o.epsilon, amsgrad=True
    ),
}
OURS = [
    *(optimizer for rule, optimizer in RULES.items() if rule in THEIRS and rule != "adamw"),
    optimizers.SGD(0.05, momentum=0.9),
    optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    optimizers.RMSprop(0.01, rho=0.7, epsilon=1e-3),
    optimizers.Adam(0.05, beta_1=0.7, beta_2=0.6, epsilon=1e-4),
    optimizers.Adam(0.05, beta_1=0.7, beta_2=0.6, epsilon=1e-4, amsgrad=True),
    optimizers.AdamW(0.05, weight_decay=0.0),
]


def gaussian(p, y):
    mean, log_variance = p.chunk(2, dim=1)
    return nn.GaussianNLLLoss(eps=1e-300)(mean, y, log_variance.exp())


LOSSES_OF_TORCH = {
    "sparse_categorical_crossentropy": nn.CrossEntropyLoss(label_smoothing=0.1),
    "categorical_crossentropy": nn.CrossEntropyLoss(label_smoothing=0.1),
    "binary_crossentropy": lambda z, y: nn.functional.binary_cross_entropy_with_logits(z, 0.9 * y + 0.05),
    "kl_divergence": lambda z, y: nn.KLDivLoss(reduction="batchmean")(z.log_softmax(dim=1), y),
    "mse": nn.MSELoss(),
    "mae": nn.L1Loss(),
    "huber": nn.HuberLoss(delta=0.8),
    "poisson": nn.PoissonNLLLoss(),
    "gaussian_nll": gaussian,
    "cosine_similarity": lambda p, y: -nn.functional.cosine_similarity(p, y).mean(),
}


def pair(loss):
    """A network, a module that computes its logits with its weights, and rows."""
    rng = np.random.default_rng(8)
    n_out = outputs_of(loss, TARGETS)
    net = Network(
        [N_IN, Dense(HIDDEN, "tanh"), n_out], output=OUTPUT_OF[LINKS[loss]], dtype="float64", seed=2
    )
    module = nn.Sequential(nn.Linear(N_IN, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, n_out)).double()
    with torch.no_grad():
        for parameter, array in zip(module.parameters(), net.get_weights(), strict=True):
            parameter.copy_(torch.from_numpy(array.T if array.ndim == 2 else array))
    y = targets(rng, loss, ROWS, n_out, np.float64)
    return net, module, rng.normal(size=(ROWS, N_IN)), y


def weights_of(module):
    return [parameter.detach().numpy().T.copy() for parameter in module.parameters()]


def train_both(net, module, optimizer, loss, X, y, groups=None):
    """Steps on all rows; the losses before each, ours and theirs."""
    net.compile(optimizer, loss_of(loss), metrics=[])
    theirs, function = THEIRS[optimizer.rule](optimizer, groups or module.parameters()), LOSSES_OF_TORCH[loss]
    ours = net.fit(X, y, epochs=STEPS, batch_size=None, shuffle=False, verbose=0).history["loss"]
    X, y, values = torch.from_numpy(X), torch.from_numpy(y), []
    for _ in range(STEPS):
        theirs.zero_grad()
        value = function(module(X), y)
        value.backward()
        theirs.step()
        values.append(value.item())
    return ours, values


def test_every_pair_is_one_of_ours():
    assert {optimizer.rule for optimizer in OURS} == set(THEIRS) <= set(RULES)
    assert set(LOSSES_OF_TORCH) <= set(LOSSES)


@pytest.mark.parametrize("optimizer", OURS, ids=repr)
def test_fifty_steps_of_an_optimizer(optimizer):
    net, module, X, y = pair("mse")
    before = net.get_weights()
    ours, theirs = train_both(net, module, optimizer, "mse", X, y)
    assert_close(np.array(ours), np.array(theirs), 1e-10)
    assert_close(net.get_weights(), weights_of(module), 1e-9)
    assert_trained(net.get_weights(), before)


def test_decoupled_decay_is_of_weights_alone():
    """PyTorch decays biases too, unless they are in a group of their own."""
    net, module, X, y = pair("mse")
    weights, biases = ([p for p in module.parameters() if p.ndim == n] for n in (2, 1))
    groups = [{"params": weights}, {"params": biases, "weight_decay": 0.0}]
    train_both(net, module, optimizers.AdamW(0.01, weight_decay=0.2), "mse", X, y, groups)
    assert_close(net.get_weights(), weights_of(module), 1e-9)


@pytest.mark.parametrize("loss", LOSSES_OF_TORCH)
def test_fifty_steps_of_a_loss(loss):
    net, module, X, y = pair(loss)
    before = net.get_weights()
    ours, theirs = train_both(net, module, optimizers.SGD(0.05), loss, X, y)
    assert_close(np.array(ours), np.array(theirs), 1e-11)
    assert_close(net.get_weights(), weights_of(module), 1e-10)
    assert_trained(net.get_weights(), before)
    assert ours[-1] < ours[0]
