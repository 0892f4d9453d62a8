"""Factors of arrays, skips and frozen layers in float64 beside PyTorch."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from fastmlp import Add, BatchNormalization, Dense, LayerNormalization, Network, Residual, optimizers
from fastmlp.adapters.torch import modules
from fastmlp.torch import from_state_dict, to_torch
from helpers import assert_close, assert_same_bits, assert_trained

torch = pytest.importorskip("torch")
nn = torch.nn

N_IN, WIDTH, N_OUT, ROWS, STEPS = 5, 6, 3, 300, 20
EPSILON = 1e-3


def rows_of(rng, rows=ROWS):
    return rng.normal(size=(rows, N_IN)), rng.normal(size=(rows, N_OUT))


def adopt(module, net):
    """Gives the module's parameters, which are in the order of the network's, the network's weights."""
    names = [name for name in net.state_dict() if not name.endswith((".mean", ".variance"))]
    parameters = dict(zip(names, module.parameters(), strict=True))
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(torch.from_numpy(net.state_dict()[name].T.copy()))
    return parameters


def moved(net):
    """The arrays that gradients move."""
    return {name: a for name, a in net.state_dict().items() if not name.endswith((".mean", ".variance"))}


def randomized(net, rng):
    """Random arrays; vectors are positive, as a variance must be."""
    net.set_weights([
        rng.normal(size=a.shape) / np.sqrt(len(a)) if a.ndim == 2 else rng.uniform(0.5, 1.5, a.shape)
        for a in net.get_weights()
    ])  # fmt: skip
    return net


def steps_of_torch(module, stepper, X, y, steps=STEPS):
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    for _ in range(steps):
        stepper.zero_grad()
        nn.functional.mse_loss(module(X), y).backward()
        stepper.step()


def steps_of_ours(net, X, y, steps=STEPS):
    net.fit(X, y, epochs=steps, batch_size=None, shuffle=False, verbose=0)


# Groups of parameters

ADAM = {"betas": (0.9, 0.99), "eps": 1e-7}
GROUPED = [
    (optimizers.SGD(0.05, momentum=0.9, nesterov=True, l2=0.1), "SGD", {"momentum": 0.9, "nesterov": True}),
    (optimizers.Adagrad(0.05, l2=0.1, epsilon=1e-10), "Adagrad", {"eps": 1e-10}),
    (optimizers.RMSprop(0.01, rho=0.9, l2=0.1, epsilon=1e-7), "RMSprop", {"alpha": 0.9, "eps": 1e-7}),
    (optimizers.Adam(0.01, beta_2=0.99, l2=0.1, epsilon=1e-7), "Adam", ADAM),
    (optimizers.Adam(0.01, beta_2=0.99, epsilon=1e-7, global_clipnorm=0.2), "Adam", ADAM),
    (optimizers.AdamW(0.01, beta_2=0.99, weight_decay=0.2, epsilon=1e-7), "AdamW", ADAM),
]
RATES = {"layers.0.W": 3.0, "layers.0.b": 0.25, "layers.1.gamma": 2.0, "layers.1.beta": 0.0}
RATES |= {"layers.2.W": 0.5, "layers.2.b": 0.5}
DECAYS = {"layers.0.W": 0.5, "layers.2.W": 4.0}  # of vectors nothing decays


def clip(module, most):
    """Without the small number that PyTorch's own adds to the norm."""
    gradients = [parameter.grad for parameter in module.parameters()]
    norm = torch.sqrt(sum((g**2).sum() for g in gradients))
    assert norm > most
    for g in gradients:
        g *= most / norm


def factors(layer, table):
    return {name.split(".")[-1]: f for name, f in table.items() if name.startswith(f"layers.{layer}.")}


@pytest.mark.parametrize(("optimizer", "peer", "arguments"), GROUPED, ids=lambda value: str(value))
def test_factors_are_groups_of_parameters(isa, rng, optimizer, peer, arguments):
    net = Network(
        [
            N_IN,
            Dense(WIDTH, "tanh", learning_rate=factors(0, RATES), weight_decay=factors(0, DECAYS)),
            LayerNormalization(EPSILON, learning_rate=factors(1, RATES)),
            Dense(N_OUT, learning_rate=0.5, weight_decay=4.0),
        ],
        dtype="float64", seed=1, isa=isa,
    )  # fmt: skip
    randomized(net, rng)
    module = nn.Sequential(
        nn.Linear(N_IN, WIDTH), nn.Tanh(), nn.LayerNorm(WIDTH, EPSILON), nn.Linear(WIDTH, N_OUT)
    ).double()
    decay = getattr(optimizer, "weight_decay", 0.0) or optimizer.l2
    groups = [
        {
            "params": [parameter],
            "lr": RATES[name] * optimizer.learning_rate,
            "weight_decay": DECAYS.get(name, 0.0) * decay,
        }
        for name, parameter in adopt(module, net).items()
    ]
    stepper, before, (X, y) = getattr(torch.optim, peer)(groups, **arguments), net.state_dict(), rows_of(rng)
    if np.isfinite(optimizer.global_clipnorm or np.inf):
        stepper.register_step_pre_hook(lambda *_: clip(module, optimizer.global_clipnorm))
    net.compile(optimizer, "mse")
    steps_of_ours(net, X, y)
    steps_of_torch(module, stepper, X, y)
    for (name, got), parameter in zip(net.state_dict().items(), module.parameters(), strict=True):
        assert_close(got, parameter.detach().numpy().T.copy(), 1e-8)
        if RATES[name]:
            assert_trained([got], [before[name]])
        else:
            assert_same_bits(got, before[name])


# Skips: outputs that several layers read


class Skipping(nn.Module):
    """The layers of `skipping`; parameters in their order."""

    def __init__(self, normalised):
        super().__init__()
        self.first, self.second = nn.Linear(N_IN, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.between = nn.BatchNorm1d(WIDTH, EPSILON) if normalised else nn.Identity()
        self.third, self.last = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, N_OUT)
        self.double()

    def forward(self, x):
        a = torch.tanh(self.first(x))
        b = a + self.between(self.second(a))
        c = a + (b + torch.sigmoid(self.third(b)))
        return self.last(b + c)


def skipping(isa, normalised):
    """Layer 1 has three readers, the first Add three as well: a Dense and two Adds behind it each."""
    between = [BatchNormalization(0.9, EPSILON)] if normalised else []
    first = 3 + len(between)
    return Network(
        [
            N_IN, Dense(WIDTH, "tanh"), Dense(WIDTH, "identity"), *between, Add(1), Dense(WIDTH, "sigmoid"),
            Add(first), Add(1), Add(first), Dense(N_OUT),
        ],
        dtype="float64", seed=2, isa=isa,
    )  # fmt: skip


@pytest.mark.parametrize("rows", [7, ROWS])
def test_gradients_of_an_output_with_several_readers(isa, rng, rows):
    net, module = randomized(skipping(isa, False), rng), Skipping(False)
    adopt(module, net)
    X, y = rows_of(rng, rows)
    x = torch.tensor(X, requires_grad=True)
    nn.functional.mse_loss(module(x), torch.from_numpy(y)).backward()
    net.compile("sgd", "mse")
    _, gradients, dX = net.plan.gradients(X, y, input_gradient=True)
    assert_close(net.predict(X), module(x).detach().numpy(), 1e-13)
    assert_close(gradients, [p.grad.numpy().T.copy() for p in module.parameters()], 1e-12)
    assert_close(dX, x.grad.numpy(), 1e-12)


@pytest.mark.parametrize("normalised", [False, True])
def test_steps_with_an_output_of_several_readers(isa, rng, normalised):
    net, module = randomized(skipping(isa, normalised), rng), Skipping(normalised)
    adopt(module, net)
    X, y = rows_of(rng)
    before = list(moved(net).values())
    net.compile(optimizers.SGD(0.02, momentum=0.9), "mse")
    steps_of_ours(net, X, y)
    steps_of_torch(module, torch.optim.SGD(module.parameters(), 0.02, momentum=0.9), X, y)
    now = list(moved(net).values())
    assert_trained(now, before)
    expected = [p.detach().numpy().T.copy() for p in module.parameters()]
    if normalised:  # it takes the bias before it away again, whose gradient is of roundings alone
        del now[3], expected[3]
    assert_close(now, expected, 1e-9)


@pytest.mark.parametrize("normalised", [False, True])
def test_to_torch_gives_skips_that_train(isa, rng, normalised):
    net = randomized(skipping(isa, normalised), rng)
    module = to_torch(net)
    assert type(module) is modules.SkipSequential and not module.training
    X, y = rows_of(rng)
    before = list(moved(net).values())
    net.compile(optimizers.SGD(0.02, momentum=0.9), "mse")
    steps_of_ours(net, X, y)
    module.train()
    steps_of_torch(module, torch.optim.SGD(module.parameters(), 0.02, momentum=0.9), X, y)
    now = list(moved(net).values())
    assert_trained(now, before)
    expected = [p.detach().numpy().T.copy() for p in module.parameters()]
    if normalised:
        del now[3], expected[3]
    assert_close(now, expected, 1e-9)


def test_skips_hold_in_slices_pickles_and_state_dicts():
    net = Network(
        [3, Dense(4, "tanh"), Residual([Dense(4), 4]), Dense(2, "softmax")], dtype="float64", seed=0
    )
    module = to_torch(net)
    assert str(module[6]) == "Skip(back=5)"
    X = np.random.default_rng(1).normal(size=(5, 3))
    with torch.no_grad():
        x = torch.from_numpy(X)
        whole = module(x)
        assert_same_bits(pickle.loads(pickle.dumps(module))(x).numpy(), whole.numpy())
        assert_same_bits(module[-1](module[:-1](x)).numpy(), whole.numpy())
        assert_same_bits(module[1:](module[0](x)).numpy(), whole.numpy())
        with pytest.raises(IndexError, match="a Skip is given the output of a module before the first one"):
            module[2:](x)
    again = to_torch(Network([3, *net.layers], dtype="float64", seed=5))
    again.load_state_dict(module.state_dict())
    assert_same_bits(again(x).detach().numpy(), whole.numpy())
    other = [3, Dense(4, "tanh"), Dense(4), Dense(4), Add(2), Dense(2, "softmax")]
    with pytest.raises(RuntimeError, match=r"6\.places_back is 5, expected 3"):
        to_torch(Network(other, dtype="float64")).load_state_dict(module.state_dict())
    with pytest.raises(ValueError, match=r"state has '6\.places_back', expected"):
        from_state_dict(module.state_dict(), activation="tanh")


# Frozen layers


def test_a_frozen_batch_normalization_is_one_in_eval(isa, rng):
    """It takes its moving averages while the layers around it are trained, and hands gradients through."""
    frozen = BatchNormalization(0.9, EPSILON, trainable=False)
    net = Network([N_IN, Dense(WIDTH, "tanh"), frozen, Dense(N_OUT)], dtype="float64", seed=3, isa=isa)
    randomized(net, rng)
    between = nn.BatchNorm1d(WIDTH, EPSILON)
    module = nn.Sequential(nn.Linear(N_IN, WIDTH), nn.Tanh(), between, nn.Linear(WIDTH, N_OUT)).double()
    adopt(module, net)
    before = net.state_dict()
    between.running_mean.copy_(torch.from_numpy(before["layers.1.mean"]))
    between.running_var.copy_(torch.from_numpy(before["layers.1.variance"]))
    between.eval().requires_grad_(False)
    X, y = rows_of(rng)
    net.compile(optimizers.AdamW(0.01, weight_decay=0.1, epsilon=1e-7), "mse")
    steps_of_ours(net, X, y)
    groups = [
        {"params": [p], "weight_decay": 0.1 if p.ndim == 2 else 0.0}
        for p in module.parameters() if p.requires_grad
    ]  # fmt: skip
    steps_of_torch(module, torch.optim.AdamW(groups, 0.01, eps=1e-7), X, y)
    now = net.state_dict()
    for name in ("gamma", "beta", "mean", "variance"):
        assert_same_bits(now[f"layers.1.{name}"], before[f"layers.1.{name}"])
    others = [name for name in moved(net) if not name.startswith("layers.1.")]
    trained = [p.detach().numpy().T.copy() for p in module.parameters() if p.requires_grad]
    assert_trained([now[name] for name in others], [before[name] for name in others])
    assert_close([now[name] for name in others], trained, 1e-9)
    assert_close(net.predict(X), module(torch.from_numpy(X)).detach().numpy(), 1e-10)
