"""PyTorch's modules, state dicts and tensors; real torch is the oracle, in float64."""

from __future__ import annotations

import importlib.util
import pickle
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

import fastmlp
from fastmlp import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    LayerNormalization,
    Network,
    PReLU,
    Rescaling,
    Standardize,
    registry,
    validation,
)
from fastmlp.adapters.torch import modules
from fastmlp.torch import from_torch, to_torch
from helpers import assert_same_bits, assert_within

torch = pytest.importorskip("torch")
nn = torch.nn

# Our name, the module, and a bound of its slope.
ACTIVATIONS = [
    ("identity", nn.Identity, 1.0),
    ("relu", nn.ReLU, 1.0),
    ("leaky_relu", nn.LeakyReLU, 1.0),
    (("leaky_relu", 0.3), lambda: nn.LeakyReLU(0.3), 1.0),
    ("elu", nn.ELU, 1.0),
    (("elu", 0.7), lambda: nn.ELU(0.7), 1.0),
    ("celu", nn.CELU, 1.0),
    (("celu", 0.7), lambda: nn.CELU(0.7), 1.0),
    ("selu", nn.SELU, 1.76),
    ("gelu", nn.GELU, 1.13),
    ("gelu_tanh", lambda: nn.GELU(approximate="tanh"), 1.13),
    ("silu", nn.SiLU, 1.1),
    ("mish", nn.Mish, 1.1),
    ("softplus", nn.Softplus, 1.0),
    ("softsign", nn.Softsign, 1.0),
    ("tanh", nn.Tanh, 1.0),
    ("sigmoid", nn.Sigmoid, 0.25),
    ("relu6", nn.ReLU6, 1.0),
    ("relu6", lambda: nn.Hardtanh(0, 6), 1.0),
    ("hard_tanh", nn.Hardtanh, 1.0),
    ("hard_sigmoid", nn.Hardsigmoid, 0.17),
    ("hard_swish", nn.Hardswish, 1.5),
    ("log_sigmoid", nn.LogSigmoid, 1.0),
    ("hard_shrink", nn.Hardshrink, 1.0),
    (("hard_shrink", 0.1), lambda: nn.Hardshrink(0.1), 1.0),
    (("soft_shrink", 0.1), lambda: nn.Softshrink(0.1), 1.0),
    ("tanh_shrink", nn.Tanhshrink, 1.0),
    (("thresholded_relu", -0.2), lambda: nn.Threshold(-0.2, 0), 1.0),
    (("squareplus", 2.0), lambda: modules.Squareplus(2.0), 1.0),
    ("sparse_plus", lambda: modules.SparsePlus(), 1.0),
    ("sparse_sigmoid", lambda: modules.SparseSigmoid(), 0.5),
    (("leaky_relu", 0.2), lambda: nn.RReLU(0.1, 0.3), 1.0),
]
SLOPES = {type(make()): slope for _, make, slope in ACTIVATIONS}
ROWS = {"softmax": lambda: nn.Softmax(dim=-1), "log_softmax": lambda: nn.LogSoftmax(dim=1)}
WITHOUT_MODULE = {"exp", "step"}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(5)


def made(dtype, *layers, seed=6):
    """A Sequential in eval mode, every parameter and statistic a number of its own."""
    module = nn.Sequential(*layers).to(getattr(torch, dtype.name)).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if tensor.is_floating_point():
                noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
                scale = tensor.shape[-1] ** -0.5 if tensor.ndim > 1 else 0.3
                tensor.copy_(noise * scale + (1.5 if name.endswith("var") else 0.0))
                if name.endswith("var"):
                    tensor.abs_()
    return module


def rows(dtype, width, count=9):
    X = np.random.default_rng(7).normal(0, 1.5, (count, width))
    return X.astype(dtype)


def leaves(module):
    return [
        leaf for child in module for leaf in (leaves(child) if isinstance(child, nn.Sequential) else [child])
    ]


def oracle(module, X, dtype):
    """The module's outputs in float64 and how far ours of the dtype may be from them.

    Every sum of n products is off by at most n + 4 roundings, of u = eps / 2 of its terms' magnitudes each
    (the bias, the join of segments and the folded scale among them), every activation by 5.2 ulp or
    1.2 eps |z| (activations.h); an error of the input grows by |W| or the slope.  PyTorch's own float64
    counts with 8 ulp of 1 + |z| + |a|, as its elu subtracts 1 from exp.
    """
    module, value = deepcopy(module).double(), torch.from_numpy(X.astype(np.float64))
    u, u64 = np.finfo(dtype).eps / 2, np.finfo(np.float64).eps / 2
    widest = max([layer.in_features for layer in leaves(module) if isinstance(layer, nn.Linear)])
    error = np.zeros_like(X, np.float64)
    with torch.no_grad():
        for layer in leaves(module):
            z, value = value.numpy(), layer(value)
            a = value.numpy()
            if isinstance(layer, nn.Linear):
                W = np.abs(layer.weight.numpy().T)
                b = 0.0 if layer.bias is None else np.abs(layer.bias.numpy())
                error = error @ W + (len(W) + 4) * (u + u64) * ((np.abs(z) + error) @ W + b)
            elif isinstance(layer, nn.BatchNorm1d):
                scale, shift, mean = batch_terms(layer)
                # Folded into what follows, the parts meet in a sum as long as the widest layer.
                error = error * scale + (8 + widest) * (u + u64) * ((np.abs(z) + mean) * scale + shift)
            elif isinstance(layer, nn.LayerNorm):
                error = layer_norm_error(layer, z, error, u + u64)
            elif isinstance(layer, (nn.Softmax, nn.LogSoftmax)):
                n, low = z.shape[1], z.max(axis=1, keepdims=True) - z
                relative = 2 * error.max(axis=1, keepdims=True) + 2 * (n + 8 + low) * (u + u64)
                error = relative * (a if isinstance(layer, nn.Softmax) else 1 + np.abs(a))
            elif type(layer) in SLOPES and not isinstance(layer, nn.Identity):
                ours, theirs = (
                    2 * u * (5.2 * np.abs(a) + 1.2 * np.abs(z)),
                    16 * u64 * (1 + np.abs(z) + np.abs(a)),
                )
                error = SLOPES[type(layer)] * error + ours + theirs
    return value.numpy(), 1.01 * error + np.finfo(dtype).tiny  # a hundredth for products of errors


def batch_terms(layer):
    one = torch.ones_like(layer.running_mean)
    weight, bias = (one, 0 * one) if layer.weight is None else (layer.weight, layer.bias)
    scale = weight.abs() / (layer.running_var + layer.eps).sqrt()
    return scale.numpy(), bias.abs().numpy(), layer.running_mean.abs().numpy()


def layer_norm_error(layer, z, error, u):
    """By the derivative (dz - mean(dz) - y mean(y dz)) / s of y = (z - mean) / s, and n + 8 roundings."""

    def mean(array):
        return array.mean(axis=1, keepdims=True)

    s = np.sqrt(z.var(axis=1, keepdims=True) + layer.eps)
    y = np.abs(z - mean(z)) / s
    grown = (error + mean(error) + y * mean(y * error)) / s
    own = (z.shape[1] + 8) * u * (y + (mean(np.abs(z)) + np.abs(z)) / s)
    gamma = 1.0 if layer.weight is None else np.abs(layer.weight.numpy())
    beta = 0.0 if layer.bias is None else np.abs(layer.bias.numpy())
    return (grown + own) * gamma + 4 * u * beta


def assert_predicts(net, module, X, dtype):
    assert net.dtype == dtype
    expected, bound = oracle(module, X, dtype)
    assert_within(net.predict(X), expected, bound)
    assert_within(net.predict(X[0]), expected[0], bound[0])


# ---- from modules ----


def test_every_activation_of_ours_has_a_module():
    names = {name if isinstance(name, str) else name[0] for name, _, _ in ACTIVATIONS}
    assert names | set(ROWS) | WITHOUT_MODULE == set(registry.ACTIVATIONS)


@pytest.mark.parametrize(("name", "make", "slope"), ACTIVATIONS, ids=[str(row[0]) for row in ACTIVATIONS])
@pytest.mark.parametrize("width", [1, 13, 37])
def test_activations(name, make, slope, width, dtype):
    module = made(dtype, nn.Linear(13, width), make(), nn.Linear(width, 5))
    net = from_torch(module)
    assert [layer.activation for layer in net.layers] == [name, "identity"]
    assert net.layer_sizes == (13, width, 5)
    assert_predicts(net, module, rows(dtype, 13), dtype)


@pytest.mark.parametrize("name", ROWS)
def test_row_activations(name, dtype):
    module = made(dtype, nn.Linear(13, 37), nn.Tanh(), nn.Linear(37, 5), ROWS[name]())
    net = from_torch(module)
    assert net.layers[-1].activation == name
    assert_predicts(net, module, rows(dtype, 13), dtype)


def test_softmin(dtype):
    layers = made(dtype, nn.Linear(13, 37), nn.Tanh(), nn.Linear(37, 5))
    net = from_torch(nn.Sequential(layers, nn.Softmin(dim=1)))
    with torch.no_grad():
        layers[-1].weight.neg_(), layers[-1].bias.neg_()
    assert_predicts(net, nn.Sequential(layers, nn.Softmax(dim=1)), rows(dtype, 13), dtype)


RESCALED = [
    lambda: nn.Softplus(beta=2),
    lambda: nn.Softplus(0.5, 30),
    lambda: nn.Hardtanh(-0.25, 0.25),
    lambda: nn.Hardtanh(-3, 3),
    lambda: nn.Hardtanh(0, 0.5),
]


@pytest.mark.parametrize("make", RESCALED, ids=lambda make: str(make()))
@pytest.mark.parametrize("where", ["within", "at the end", "after a normalisation", "after pieces"])
def test_activations_between_factors(make, where, dtype):
    """They are not trained, so that the function stays."""
    before = [nn.BatchNorm1d(37)] if where == "after a normalisation" else []
    if where == "after pieces":
        before = [modules.MaxPieces(2)]
    wide = nn.Linear(13, 74 if where == "after pieces" else 37)
    after = [] if where == "at the end" else [nn.Linear(37, 5)]
    module = made(dtype, wide, *before, make(), *after)
    for fold in (None, False):
        net = from_torch(module, fold=fold)
        X = 3 * rows(dtype, 13)
        with torch.no_grad():
            expected = module.double()(torch.tensor(X, dtype=torch.float64)).numpy()
            module.to(getattr(torch, dtype.name))
        # PyTorch is linear above the threshold, by 2.1e-9 / beta
        bound = 200 * np.finfo(dtype).eps * np.abs(expected).max() + 5e-9
        assert np.abs(net.predict(X) - expected).max() < bound < 0.1 * np.ptp(expected)
    net.compile("sgd", "mse")
    start = net.get_weights()
    factors = [i for i, array in enumerate(start) if array.ndim == 1 and len(np.unique(array)) == 1]
    net.fit(X, np.zeros_like(expected), epochs=1)
    end = net.get_weights()
    assert len(factors) == 2 and all((end[i] == start[i]).all() for i in factors)
    assert (end[0] != start[0]).any()


def test_a_wrong_prediction_is_found(dtype):
    module = made(dtype, nn.Linear(13, 37), nn.Tanh(), nn.Linear(37, 5))
    net = from_torch(module)
    weights = net.get_weights()
    weights[0][3, 4] *= 1 + 1e5 * np.finfo(dtype).eps
    net.set_weights(weights)
    with pytest.raises(AssertionError):
        assert_predicts(net, module, rows(dtype, 13), dtype)


@pytest.mark.parametrize("bias", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("widths", [(1, 1, 1), (13, 37, 1), (37, 100, 13)])
def test_biases(bias, widths, dtype):
    n_in, hidden, n_out = widths
    first, second = nn.Linear(n_in, hidden, bias=bias[0]), nn.Linear(hidden, n_out, bias=bias[1])
    module = made(dtype, first, nn.SiLU(), second)
    net = from_torch(module)
    assert [layer.use_bias for layer in net.layers] == list(bias)
    assert_same_bits(net.weights[0], first.weight.detach().numpy().T)
    assert_predicts(net, module, rows(dtype, n_in), dtype)


def test_nested_with_a_module_in_two_places(dtype):
    square = nn.Linear(13, 13)
    inner = nn.Sequential(nn.Identity(), square, nn.ReLU(), nn.Sequential(nn.Dropout(0.2), square), nn.ELU())
    module = made(dtype, nn.Flatten(), inner, nn.Sequential(), nn.Flatten(), nn.Linear(13, 2))
    net = from_torch(module, n_in=13, seed=0)
    assert net.layers == from_torch(inner, seed=0).layers + (
        Dense(2, "identity", initializer="glorot_uniform"),
    )
    assert net.layer_sizes == (13, 13, 13, 2) and Dropout(0.2) in net.layers
    assert_predicts(net, module, rows(dtype, 13), dtype)


def test_a_module_twice_in_one_sequence(dtype):
    square, tanh = nn.Linear(5, 5), nn.Tanh()
    module = made(dtype, square, tanh, square, tanh, nn.Linear(5, 2))
    assert from_torch(module).layer_sizes == (5, 5, 5, 2)
    assert_predicts(from_torch(module), module, rows(dtype, 5), dtype)


def test_a_single_linear_and_a_subclass_of_sequential(dtype):
    class Perceptron(nn.Sequential):
        pass

    net = from_torch(made(dtype, nn.Linear(3, 2))[0])
    assert net.layer_sizes == (3, 2)
    module = Perceptron(*made(dtype, nn.Linear(3, 2), nn.Tanh()))
    assert_predicts(from_torch(module), module, rows(dtype, 3), dtype)


def test_parametrized_weights_are_those_that_count():
    linear = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    net = from_torch(nn.Sequential(linear))
    assert_same_bits(net.weights[0], linear.weight.detach().numpy().T)


def test_the_network_has_weights_of_its_own():
    module = made(np.dtype("float32"), nn.Linear(3, 2))
    before = deepcopy(module.state_dict())
    net = from_torch(module.train())
    X = rows(np.float32, 3)
    expected = net.predict(X)
    assert module.training and all(
        (tensor == before[name]).all() for name, tensor in module.state_dict().items()
    )
    with torch.no_grad():
        module[0].weight.zero_()
    assert_same_bits(net.predict(X), expected)


def test_dtypes_on_request():
    half = nn.Sequential(nn.Linear(3, 2), nn.Tanh()).to(torch.bfloat16)
    net = from_torch(half, dtype="float64")
    assert net.dtype == np.float64
    assert_same_bits(net.weights[0], half[0].weight.detach().double().numpy().T)
    mixed = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2).double())
    with pytest.raises(
        TypeError, match="module.0.weight is float32, expected float32 or float64 in all, or dtype="
    ):
        from_torch(mixed)
    assert from_torch(mixed, dtype="float32").dtype == np.float32


# ---- normalisations ----

NORMALIZED = {
    "before the activation": lambda: [nn.Linear(13, 37), nn.BatchNorm1d(37), nn.ReLU(), nn.Linear(37, 5)],
    "after the activation": lambda: [nn.Linear(13, 37), nn.Tanh(), nn.BatchNorm1d(37), nn.Linear(37, 5)],
    "between activations": lambda: [nn.Linear(13, 5), nn.Tanh(), nn.BatchNorm1d(5), nn.Tanh()],
    "first": lambda: [nn.BatchNorm1d(13), nn.Linear(13, 37), nn.SiLU(), nn.Linear(37, 5), nn.Softmax(-1)],
    "last": lambda: [nn.Linear(13, 37), nn.GELU(), nn.Linear(37, 5), nn.BatchNorm1d(5)],
    "plain": lambda: [nn.Linear(13, 37, bias=False), nn.BatchNorm1d(37, affine=False), nn.Linear(37, 5)],
    "layer": lambda: [nn.Linear(13, 37), nn.LayerNorm(37), nn.ReLU(), nn.Linear(37, 5)],
    "layer, plain": lambda: [nn.LayerNorm(13, elementwise_affine=False), nn.Linear(13, 5), nn.Sigmoid()],
    "layer, no bias": lambda: [nn.Linear(13, 5), nn.Tanh(), nn.LayerNorm(5, bias=False), nn.Linear(5, 4)],
    "both": lambda: [
        nn.LayerNorm(13),
        nn.Linear(13, 37),
        nn.BatchNorm1d(37),
        nn.ReLU(),
        nn.LayerNorm(37),
        nn.ELU(),
    ],
}


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("name", NORMALIZED)
def test_normalisations(name, fold, dtype):
    module = made(dtype, *NORMALIZED[name]())
    net = from_torch(module, fold=fold)
    kinds = [type(layer) for layer in net.layers]
    assert kinds.count(LayerNormalization) == sum(isinstance(layer, nn.LayerNorm) for layer in module)
    count = 0 if fold else sum(isinstance(layer, nn.BatchNorm1d) for layer in module)
    assert kinds.count(BatchNormalization) == count
    assert_predicts(net, module, rows(dtype, 13), dtype)


def test_the_modules_mode_decides_on_folding():
    module = nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4, eps=1e-4, momentum=0.3), nn.ReLU(), nn.Linear(4, 1)
    )
    kept = BatchNormalization(momentum=0.7, epsilon=1e-4)
    assert from_torch(module.train()).layers[1:3] == (kept, Activation("relu"))
    assert [type(layer) for layer in from_torch(module.eval()).layers] == [Dense, Dense]
    assert kept in from_torch(module.eval(), fold=False).layers
    assert kept not in from_torch(module.train(), fold=True).layers
    module[1].momentum = None
    assert len(from_torch(module, fold=True).layers) == 2


def test_one_step_of_training_is_pytorchs():
    dtype = np.dtype("float64")
    module = made(dtype, *NORMALIZED["both"](), nn.Linear(37, 1)).train()
    net = from_torch(module)
    X, y = rows(dtype, 13, 32), rows(dtype, 1, 32)
    net.compile(fastmlp.optimizers.SGD(0.1), loss="mse")
    before = [array.copy() for array in net.get_weights()]
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    loss = nn.functional.mse_loss(module(torch.from_numpy(X)), torch.from_numpy(y))
    loss.backward()
    optimizer.step()
    got = net.train_on_batch(X, y)["loss"]
    assert abs(got - loss.item()) < 1e-13 * loss.item()
    trained = from_torch(module)
    for name, ours, theirs, old in zip(
        net.state_dict(), net.get_weights(), trained.get_weights(), before, strict=True
    ):
        if name.endswith("variance"):  # PyTorch divides the batch's by one less than the count
            theirs = 0.9 * old + (theirs - 0.9 * old) * 31 / 32
        # What shifts a column before a batch normalisation has no gradient but rounding.
        assert np.abs(ours - theirs).max() < 1e-12 * max(1.0, np.abs(theirs).max()), name
        assert name in ("layers.0.beta", "layers.1.b") or np.abs(ours - old).max() > 1e-6, name


# ---- to modules, and round trips ----


def biased(net):
    """Biases begin at zero: here they are numbers."""
    rng = np.random.default_rng(8)
    net.set_weights([rng.normal(0, 0.3, a.shape) if a.ndim == 1 else a for a in net.get_weights()])


@pytest.mark.parametrize("name", [name for name, _, _ in ACTIVATIONS] + sorted(WITHOUT_MODULE), ids=str)
def test_to_torch(name, dtype):
    layers = [13, Dropout(0.1), Dense(37, name), Dense(5, "identity", use_bias=False)]
    net = Network(layers, dtype=dtype, seed=0)
    biased(net)
    module = to_torch(net)
    assert not module.training and isinstance(module[0], nn.Dropout)
    X = rows(dtype, 13)
    with torch.no_grad():
        got = module(torch.from_numpy(X)).numpy()
    assert got.dtype == dtype
    if name in WITHOUT_MODULE:
        hidden = net.forward(X)[0]
        with torch.no_grad():
            z = module[1](torch.from_numpy(X)).double().numpy()
        near = 64 * np.finfo(dtype).eps * (1 + np.abs(z))  # 13 products and an exponential
        if name == "exp":
            assert_within(hidden, np.exp(z), near * np.exp(z))
        else:
            clear = np.abs(z) > near
            assert_same_bits(hidden[clear], (z > 0).astype(dtype)[clear])
        assert np.abs(got - net.predict(X)).max() < 1e3 * np.finfo(dtype).eps * np.abs(got).max()
    else:
        expected, bound = oracle(module, X, dtype)
        assert_within(net.predict(X), expected, bound)
    again = from_torch(module, seed=0)
    assert repr(again) == repr(net)
    assert_same_bits(again.get_weights(), net.get_weights())


@pytest.mark.parametrize("name", NORMALIZED)
def test_round_trips_keep_the_bits(name, dtype):
    net = from_torch(made(dtype, *NORMALIZED[name]()), fold=False, seed=3)
    module = to_torch(net)
    again = from_torch(module, fold=False, seed=3)
    assert repr(again) == repr(net)
    for one, other in zip(again.get_weights(), net.get_weights(), strict=True):
        assert_same_bits(one, other, zeros=True)  # beta of a plain normalisation
    assert_predicts(net, module, rows(dtype, 13), dtype)


@pytest.mark.parametrize("output", list(ROWS))
def test_softmax_at_the_end(output, dtype):
    net = Network([4, 8, 3], output=output, dtype=dtype, seed=0)
    module = to_torch(net)
    assert_predicts(net, module, rows(dtype, 4), dtype)
    assert repr(from_torch(module, seed=0)) == repr(net)


@pytest.mark.parametrize(
    "layer", [Rescaling(1 / 255), Rescaling(0.3, -0.7), Standardize([0.1, 100.0], [3.0, 0.7])]
)
def test_preprocessing(layer, dtype, tmp_path):
    net = Network([2, layer, Dense(1, "identity")], dtype=dtype, seed=0)
    net.set_weights([np.array([[1.0], [0.0]]), np.array([0.0])])  # shows the first column as it was prepared
    module = to_torch(net)
    X = rows(dtype, 2)
    with torch.no_grad():
        assert_same_bits(module(torch.from_numpy(X)).numpy(), net.predict(X))
    again = from_torch(module, seed=0)
    assert again.layers[0] == layer or dtype == np.float32 and isinstance(layer, Standardize)
    assert_same_bits(again.predict(X), net.predict(X))
    same = pickle.loads(pickle.dumps(module))  # what torch.save does with a whole module
    with torch.no_grad():
        assert_same_bits(same(torch.from_numpy(X)).numpy(), net.predict(X))


def test_pixels_are_divided_as_they_come():
    net = Network([3, Rescaling(1 / 255), 2], seed=0)
    X = np.array([[0, 7, 255], [3, 100, 200]], np.uint8)
    with torch.no_grad():
        got = to_torch(net)[0](torch.from_numpy(X)).numpy()
    assert_same_bits(got, (X / np.float32(255)).astype(np.float32))


def test_to_torch_leaves_the_generator_alone_and_the_module_trains():
    state = torch.get_rng_state()
    module = to_torch(Network([3, Dropout(0.5), 4, 1], seed=0))
    assert (torch.get_rng_state() == state).all()
    assert all(parameter.requires_grad for parameter in module.parameters())
    module.train()(torch.ones(2, 3)).sum().backward()
    assert module[1].weight.grad.abs().sum() > 0


def test_frozen_layers_stay_frozen():
    layers = [3, Dense(4, trainable=False), BatchNormalization(trainable=False), Dense(4), PReLU(), 1]
    module = to_torch(Network(layers, seed=0))
    kept = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
    trained = {name for name, wanted in kept.items() if wanted}
    assert trained == {"3.weight", "3.bias", "4.weight", "5.weight", "5.bias"}, kept


# ---- what is refused ----


class Custom(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(3, 3), nn.Linear(3, 1)

    def forward(self, x):
        return self.head(self.body(x) + x)


class Louder(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def hooked():
    linear = nn.Linear(3, 3)
    linear.register_forward_hook(lambda module, inputs, output: 2 * output)
    return linear


def patched():
    linear = nn.Linear(3, 3)
    linear.forward = torch.relu
    return linear


def sequence(*layers):
    return lambda: nn.Sequential(nn.Linear(3, 3), nn.Sequential(*[layer() for layer in layers]))


L = sequence(lambda: nn.Linear(3, 3))
REFUSED = [
    (lambda: "net", TypeError, "module is a str, expected a torch.nn.Module"),
    (lambda: nn.Sequential, TypeError, "module is a type, expected a torch.nn.Module"),
    (sequence(lambda: nn.Conv2d(1, 2, 3)), TypeError, r"module\.1\.0 is Conv2d, expected Sequential, Linear"),
    (
        sequence(lambda: nn.Hardtanh(-1, 2)),
        ValueError,
        r"module\.1\.0 is Hardtanh\(-1, 2\), expected -c and c, or 0 and c",
    ),
    (sequence(lambda: nn.Threshold(0.5, 2)), ValueError, r"1\.0 is Threshold\(0.5, 2\), expected the"),
    (sequence(nn.GLU), TypeError, r"module\.1\.0 is GLU, which combines columns, expected"),
    (sequence(nn.Tanh, lambda: nn.LSTM(3, 3)), TypeError, r"module\.1\.1 is LSTM"),
    (sequence(nn.FeatureAlphaDropout), TypeError, r"module\.1\.0 is FeatureAlphaDropout"),
    (sequence(lambda: nn.BatchNorm2d(3)), TypeError, r"module\.1\.0 is BatchNorm2d"),
    (Custom, TypeError, r"^module is Custom, .* of all that it .*\(module.body, module.head\); fastmlp.onnx"),
    (sequence(Custom), TypeError, r"module\.1\.0 is Custom.*\(module.1.0.body, module.1.0.head\); .* whole$"),
    (sequence(lambda: Louder(3, 3)), TypeError, r"module\.1\.0 is Louder, expected"),
    (sequence(patched), TypeError, r"module\.1\.0 is Linear, expected"),
    (sequence(hooked), ValueError, r"module\.1\.0 is Linear with forward hooks, expected none"),
    (lambda: nn.ModuleList([nn.Linear(3, 3)]), TypeError, "module is ModuleList, which says nothing of"),
    (sequence(nn.ModuleDict), TypeError, r"module\.1\.0 is ModuleDict"),
    (lambda: nn.Sequential(), ValueError, "module has no dense layer"),
    (lambda: nn.LayerNorm(3), ValueError, "module has no dense layer"),
    (sequence(lambda: nn.Linear(4, 3)), ValueError, r"module\.1\.0: it takes 4 inputs, expected the 3 of"),
    (sequence(lambda: nn.LayerNorm(4)), ValueError, r"module\.1\.0: it takes 4 inputs, expected the 3 of"),
    (sequence(lambda: nn.LayerNorm((3, 3))), ValueError, r"module\.1\.0 is LayerNorm over \(3, 3\)"),
    (sequence(lambda: nn.BatchNorm1d(3, track_running_stats=False)), ValueError, "without running"),
    (sequence(lambda: nn.BatchNorm1d(3, momentum=None)), ValueError, r"module\.1\.0 has momentum=None"),
    (sequence(lambda: nn.Dropout(1.0)), ValueError, r"module\.1\.0: rate is 1, expected"),
    (sequence(nn.Dropout), ValueError, r"module\.1\.0: it is Dropout at the end"),
    (sequence(nn.Dropout, nn.Tanh), ValueError, r"1.0: it is Dropout before 'tanh', expected it after"),
    (sequence(nn.Tanh, nn.ReLU), ValueError, r"module\.1\.1: it is the activation 'relu' after"),
    (lambda: nn.Sequential(nn.ReLU(), nn.Linear(3, 3)), ValueError, r"0: it is the activation 'relu'"),
    (sequence(lambda: nn.Softmax(dim=0)), ValueError, r"module\.1\.0 is Softmax\(dim=0\), expected dim=-1"),
    (sequence(lambda: nn.Softmin(dim=0)), ValueError, r"module\.1\.0 is Softmin\(dim=0\), expected dim=-1"),
    (sequence(lambda: nn.Softmax(1), lambda: nn.Linear(3, 3)), ValueError, r"1\.0: it is softmax before"),
    (sequence(lambda: nn.Softplus(beta=-2)), ValueError, r"module\.1\.0 is Softplus\(beta=-2, threshold=20"),
    (sequence(lambda: nn.Softplus(threshold=5)), ValueError, r"Softplus\(beta=1.0, threshold=5\)"),
    (sequence(lambda: nn.Flatten(0)), ValueError, r"module\.1\.0 is Flatten\(0, -1\), expected Flatten"),
    (lambda: nn.Linear(3, 3).half(), TypeError, "module.weight is float16, expected float32 or float64"),
    (lambda: nn.Linear(3, 3, device="meta"), ValueError, "module.weight has no numbers"),
    (lambda: nn.Linear(3, 3, dtype=torch.complex64), TypeError, "module.weight is complex64"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "message"), REFUSED, ids=lambda value: None)
def test_refused_modules(make, error, message):
    module = make()
    with pytest.raises(error, match=message) as caught:
        from_torch(module)
    assert type(caught.value) is error
    text = str(caught.value)
    assert "\n" not in text and not text.endswith(".") and len(text) < 250


def of_columns():
    """The activations of PyTorch, with the options that they need."""
    given = {"Threshold": (0.5, 0), "MultiheadAttention": (4, 2)}
    for name in torch.nn.modules.activation.__all__:
        yield name, getattr(nn, name)(*given.get(name, ()))


COMBINING = {"GLU", "MultiheadAttention", "Softmax2d"}  # columns, or images


def test_every_activation_of_torch_is_read(dtype):
    for name, module in of_columns():
        whole = made(dtype, nn.Linear(13, 8), module)
        if name in COMBINING:
            with pytest.raises(TypeError, match=f"^module.1 is {name}, which combines columns, expected"):
                from_torch(whole)
            continue
        X = rows(dtype, 13)
        with torch.no_grad():
            expected = whole(torch.from_numpy(X)).numpy()
        bound = 200 * np.finfo(dtype).eps + (5e-9 if name == "Softplus" else 0)  # which has a threshold there
        assert np.abs(from_torch(whole).predict(X) - expected).max() < bound < 1e-3 * np.ptp(expected), name


def test_refused_arguments():
    with pytest.raises(ValueError, match="module: it takes 3 inputs, expected the 4 of the input"):
        from_torch(nn.Linear(3, 2), n_in=4)
    with pytest.raises(TypeError, match="fold is 1, expected True, False or None"):
        from_torch(nn.Linear(3, 2), fold=1)
    with pytest.raises(ValueError, match="unknown dtype 'float16'"):
        from_torch(nn.Linear(3, 2), dtype="float16")
    with pytest.raises(TypeError, match="net is a Linear, expected a Network"):
        to_torch(nn.Linear(3, 2))
    broken = nn.Linear(3, 2)
    with torch.no_grad():
        broken.weight[0, 1] = float("nan")
    with pytest.raises(ValueError, match="contains nan"):
        from_torch(broken)


def test_dropouts_that_commute_or_meet():
    module = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.LeakyReLU(), nn.Dropout(0.2), nn.Linear(4, 1))
    assert from_torch(module).layers[1] == Dropout(0.6)
    assert from_torch(module).layers[0].activation == "leaky_relu"


# ---- tensors as arguments ----


def test_tensors_are_read_where_they_lie(dtype):
    X = torch.randn(6, 3, dtype=getattr(torch, dtype.name))
    y = torch.tensor([0, 1, 1, 0, 1, 0])
    array = X.numpy()
    for given in (X, torch.utils.dlpack.from_dlpack(X), X.detach()):
        assert np.shares_memory(validation.as_inputs(given, 3, dtype), array)
    net = Network([3, 4, 2], output="softmax", dtype=dtype, seed=0)
    net.compile()
    assert_same_bits(net.predict(X), net.predict(array))
    assert_same_bits(net.predict(X[0]), net.predict(array[0]))
    assert_same_bits(net.predict(X.T.contiguous().T), net.predict(array))  # another order of strides
    assert net.evaluate(X, y, torch.ones(6)) == net.evaluate(array, y.numpy(), np.ones(6))
    history = net.fit(X, y, validation_data=(X, y), sample_weight=torch.ones(6), verbose=False)
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    pixels = torch.tensor([[0, 7, 255]], dtype=torch.uint8)
    assert np.shares_memory(validation.as_inputs(pixels, 3, dtype), pixels.numpy())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: torch.ones(2, 3, requires_grad=True), r"requires grad, expected what X.detach\(\) gives"),
        (lambda: nn.Linear(3, 2).weight, r"X is a Parameter that requires grad.*X.detach\(\)"),
        (lambda: torch.ones(2, 3, device="meta"), r"lies on device meta, expected what X.cpu\(\) gives"),
        (lambda: torch.ones(2, 3, dtype=torch.bfloat16), r"torch.bfloat16.*expected what X.float\(\) gives"),
        (lambda: torch.ones(2, 3, dtype=torch.bfloat16, requires_grad=True), r"X.detach\(\).float\(\)"),
        (lambda: torch.eye(3).to_sparse(), "X cannot be read as an array: can't convert Sparse"),
        (lambda: torch.ones(2, 3, dtype=torch.complex64), "X holds complex numbers"),
    ],
)
def test_unreadable_tensors(make, message):
    net = Network([3, 2], seed=0)
    net.compile("sgd")
    for call in (
        net.predict,
        net.forward,
        lambda X: net.fit(X, [[0.0, 0.0]] * 2),
        lambda X: net.evaluate(X, [0]),
    ):
        with pytest.raises(TypeError, match=message):
            call(make())


# ---- the example ----


def test_the_example_acts_as_its_module_does(capsys):
    path = Path(__file__).resolve().parents[2] / "examples" / "reinforcement_learning_policy.py"
    spec = importlib.util.spec_from_file_location("policy_example", path)
    example = importlib.util.module_from_spec(spec)
    threads = torch.get_num_threads()
    try:
        spec.loader.exec_module(example)
        example.main(["--steps", "200"])
        assert "200 observations, the same actions" in capsys.readouterr().out
        torch.manual_seed(1)
        policy = example.Policy().eval()
        net = example.converted(policy)
        X = rows(np.dtype("float32"), 4, 50)
        actor = nn.Sequential(policy.mlp_extractor.policy_net, policy.action_net)
        assert_predicts(net, actor, X, np.float32)
        act = example.fastmlp_actor(net)
        with torch.no_grad():
            logits = actor(torch.from_numpy(X)).numpy()
        actions = [act(x) for x in X]
        assert actions == logits.argmax(axis=1).tolist() and set(actions) == {0, 1}
        # Another network's actions are found to differ.
        example.converted = lambda policy: from_torch(nn.Sequential(nn.Linear(4, 64), nn.Linear(64, 2)))
        with pytest.raises(SystemExit, match="actions differ"):
            example.main(["--steps", "200"])
    finally:
        torch.set_num_threads(threads)
