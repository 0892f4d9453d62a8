"""Batch and layer normalisation: against NumPy, numeric differences and the twin; bits; folding."""

from __future__ import annotations

import pickle

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
    Rescaling,
    _kernels,
    reference,
)
from helpers import (
    FMA_ISAS,
    assert_close,
    assert_same_bits,
    assert_trained,
    dense,
    normalization,
    train_epoch,
)
from helpers import train as train_with

EPS = {"float32": np.finfo(np.float32).eps, "float64": np.finfo(np.float64).eps}


def layers_of(n, norm, activation="tanh", dropout=0.0):
    """A dense layer, a normalisation with an activation, and two classes."""
    return [
        dense(n),
        normalization(norm, activation, dropout),
        dense(2, "softmax"),
    ]


DEEP = [
    normalization("batch"),
    dense(13, "relu"),  # without it the normalisation would take every shift before it away
    normalization("batch", "gelu", 0.1, 1e-5, 0.99),
    dense(40, "relu"),
    normalization("layer", "tanh", 0.2, 1e-5),
    normalization("batch", momentum=0.5),
    dense(3, dropout=0.1),
    normalization("layer", "softmax"),
]


def random_arrays(rng, plan):
    """Arrays for `set_weights`; vectors are positive, as a variance must be."""
    return [
        rng.normal(size=a.shape) / np.sqrt(len(a)) if a.ndim == 2 else rng.uniform(0.5, 1.5, a.shape)
        for a in plan.get_weights()
    ]


def pair(rng, n_in, layers, dtype, isa=None):
    """The compiled plan and its twin with the same weights."""
    plans = [_kernels.Plan(n_in, layers, dtype=dtype, isa=isa), reference.Plan(n_in, layers, dtype=dtype)]
    arrays = random_arrays(rng, plans[0])
    for plan in plans:
        plan.set_weights(arrays)
    return plans


def train(plan, X, y, batch_size=32, epochs=2, threads=1):
    return train_with(plan, X, y, 0.01, epochs, batch_size=batch_size, seed=3, threads=threads)


# ---- numbers ----


@pytest.mark.parametrize("n", [1, 2, 13, 37, 100])
def test_layer_normalization_is_the_formula(isa, dtype, rng, n):
    layers = [normalization("layer"), dense(1)]
    plan = _kernels.Plan(n, layers, dtype=dtype.name, isa=isa)
    gamma, beta = rng.normal(size=n).astype(dtype), rng.normal(size=n).astype(dtype)
    plan.set_weights([gamma, beta, np.ones((n, 1)), [0.0]])
    X = (rng.normal(size=(29, n)) * 5 + 3).astype(dtype)
    wide = X.astype(np.longdouble)
    centred = wide - wide.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + np.longdouble(1e-3))
    expected = centred / deviation * gamma + beta
    # the mean is off by n roundings of the largest |x|, which the deviation divides
    bound = 8 * (n + 8) * EPS[dtype.name] * (np.abs(wide).max() / deviation + 1) * (np.abs(gamma) + 1)
    assert (np.abs(plan.forward(X)[0] - expected) <= bound + 4 * EPS[dtype.name] * np.abs(beta)).all()
    assert n == 1 or np.abs(expected).max() > 0.5


@pytest.mark.parametrize("rows", [1, 2, 255, 256, 257, 600])
def test_one_step_moves_the_statistics(isa, dtype, rng, rows):
    layers = layers_of(19, "batch")
    plan = _kernels.Plan(5, layers, dtype=dtype.name, isa=isa)
    plan.set_weights(random_arrays(rng, plan))
    X, y = rng.normal(size=(rows, 5)).astype(dtype), rng.integers(0, 2, rows)
    z = plan.forward(X)[0].astype(np.float64)
    before = plan.get_weights()
    plan.compile("sparse_categorical_crossentropy", 0.0, "sgd", {})
    train(plan, X, y, batch_size=rows, epochs=1)
    mean, variance = plan.get_weights()[4:6]
    assert_close(mean, (0.9 * before[4] + 0.1 * z.mean(axis=0)).astype(dtype), 64 * EPS[dtype.name])
    assert_close(variance, (0.9 * before[5] + 0.1 * z.var(axis=0)).astype(dtype), 64 * EPS[dtype.name])


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("n_in, n", [(3, 1), (9, 16), (20, 37)])
def test_gradients_by_differences(rng, isa, norm, n_in, n):
    if n == 1 and norm == "layer":
        pytest.skip("a row of one value is normalised to zero")
    plan = _kernels.Plan(n_in, layers_of(n, norm), dtype="float64", isa=isa)
    arrays = random_arrays(rng, plan)
    plan.set_weights(arrays)
    plan.compile("sparse_categorical_crossentropy", 0.0, "sgd", {})
    X, y = rng.normal(size=(23, n_in)), rng.integers(0, 2, 23)
    _, gradients, dX = plan.gradients(X, y, input_gradient=True)

    def loss():
        return plan.evaluate(X, y)[0] / len(X)

    h = 1e-5
    for i in (0, 1, 2, 3):  # W, b, gamma, beta
        if norm == "layer" and i == 1:
            continue  # a bias shared by all columns would vanish; the rest is in W's test
        flat = arrays[i].reshape(-1)
        for j in range(0, flat.size, max(1, flat.size // 5)):
            kept = flat[j]
            flat[j] = kept + h
            plan.set_weights(arrays)
            up = loss()
            flat[j] = kept - h
            plan.set_weights(arrays)
            down = loss()
            flat[j] = kept
            assert abs((up - down) / (2 * h) - gradients[i].reshape(-1)[j]) < 1e-8
        assert np.abs(gradients[i]).max() > 1e-4
    plan.set_weights(arrays)
    X[3, 1] += h
    up = loss()
    X[3, 1] -= 2 * h
    assert abs((up - loss()) / (2 * h) - dX[3, 1]) < 1e-8
    assert np.abs(dX).max() > 1e-4


@pytest.mark.parametrize("axis", [0, 1])
def test_the_twin_goes_back_through_the_statistics(rng, axis):
    """Central differences of the whole normalisation, statistics included."""
    x, dz = rng.normal(size=(6, 5)), rng.normal(size=(6, 5))
    gamma, beta = rng.normal(size=5), rng.normal(size=5)

    def total(x):
        return (dz * (reference.normalized(x, *reference.statistics(x, axis), 1e-3) * gamma + beta)).sum()

    mean, variance = reference.statistics(x, axis)
    x_hat = reference.normalized(x, mean, variance, 1e-3)
    dx, d_gamma, d_beta = reference.normalization_backward(dz, x_hat, gamma, variance, 1e-3, axis)
    numeric = np.empty_like(x)
    for at in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[at] += 1e-6
        down[at] -= 1e-6
        numeric[at] = (total(up) - total(down)) / 2e-6
    assert_close(dx, numeric, 1e-8)
    assert_close(d_gamma, (dz * x_hat).sum(axis=0), 1e-14)
    assert_close(d_beta, dz.sum(axis=0), 1e-14)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_training_is_the_twins(rng, isa, optimizer, clip):
    plans = pair(rng, 7, DEEP, "float64", isa)
    X, y = rng.normal(size=(333, 7)), rng.integers(0, 3, 333)
    weights = rng.uniform(0.5, 2.0, 333)
    hyper = {"momentum": 0.9} if optimizer == "sgd" else {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-6}
    before = plans[0].get_weights()
    results = []
    for plan in plans:
        plan.compile("sparse_categorical_crossentropy", 0.0, optimizer, {**hyper, "global_clipnorm": clip})
        rates = np.full(9, 0.01)
        results.append(train_epoch(plan, X, y, weights, batch_size=40, seed=1, learning_rates=rates))
    assert plans[0].step == plans[1].step == 9
    assert abs(results[0][0] - results[1][0]) < 1e-9 * results[1][0]
    assert_close(plans[0].get_weights(), plans[1].get_weights(), 1e-8)
    assert_trained(plans[0].get_weights(), before)


def test_a_loss_in_python_trains_the_same(rng, fma_isa):
    """train_forward and train_backward, which a Python loss runs on, take a step of train's."""
    layers = [*layers_of(13, "batch")[:2], dense(2)]
    X, y = rng.normal(size=(50, 4)), rng.normal(size=(50, 2))
    plans = [_kernels.Plan(4, layers, dtype="float64", isa=fma_isa) for _ in range(2)]
    arrays = random_arrays(rng, plans[0])
    for plan, loss in zip(plans, ("mse", None), strict=True):
        plan.set_weights(arrays)
        plan.compile(loss, 0.0, "sgd", {})
    train(plans[0], X, y, batch_size=50, epochs=1)
    shuffled = reference.shuffled(3, 0, 50)
    out = plans[1].train_forward(X[shuffled], seed=3)
    plans[1].train_backward((out - y[shuffled]) * (2 / out.size), 1e-2)
    assert_close(plans[1].get_weights(), plans[0].get_weights(), 1e-12)


# ---- bits ----


def test_bits_do_not_depend_on_the_batch(fma_isa, dtype, rng):
    plan, _ = pair(rng, 7, DEEP, dtype.name, fma_isa)
    X = rng.normal(size=(131, 7)).astype(dtype)
    together = plan.predict(X)
    assert_same_bits(np.array([plan.predict(row) for row in X]), together)
    assert_same_bits(plan.predict(X[:50]), together[:50])
    assert_same_bits(plan.predict(np.asfortranarray(X)), together)
    assert_same_bits(plan.forward(X)[-1], together)


def test_training_has_the_same_bits_everywhere(dtype, rng):
    X, y = rng.normal(size=(9000, 7)).astype(dtype), rng.integers(0, 3, 9000)
    arrays = None
    expected = None
    for isa in FMA_ISAS:
        for threads in (1, 2, 3):
            plan = _kernels.Plan(7, DEEP, dtype=dtype.name, isa=isa)
            arrays = arrays or random_arrays(rng, plan)
            plan.set_weights(arrays)
            plan.compile("sparse_categorical_crossentropy", 0.0, "sgd", {"momentum": 0.9})
            train(plan, X, y, batch_size=4000, epochs=1, threads=threads)
            expected = expected or plan.get_weights()
            assert_same_bits(plan.get_weights(), expected)
    assert_trained(expected, [array.astype(dtype) for array in arrays])


def test_a_batch_that_fails_leaves_the_statistics(rng):
    plan = _kernels.Plan(5, layers_of(9, "batch"), dtype="float64")
    plan.set_weights(random_arrays(rng, plan))
    plan.compile("sparse_categorical_crossentropy", 0.0, "sgd", {})
    before = plan.get_weights()
    X, y = rng.normal(size=(64, 5)), rng.integers(0, 2, 64)
    with pytest.raises(FloatingPointError):
        train(plan, X * 1e200, y)
    assert_same_bits(plan.get_weights(), before)


# ---- Network ----


def deep_network(dtype="float32"):
    return Network(
        [
            6,
            Rescaling(0.5),
            BatchNormalization(),
            Dense(13, "relu"),
            Dropout(0.1),
            BatchNormalization(momentum=0.8),
            Activation("tanh"),
            Dense(20),
            BatchNormalization(epsilon=1e-5),
            Activation("gelu"),
            Dense(9),
            LayerNormalization(),
            Activation(("leaky_relu", 0.1)),
            BatchNormalization(),
            Dense(4, "softmax", use_bias=False),
        ],
        dtype=dtype,
        seed=1,
    )


@pytest.fixture
def trained(dtype, rng):
    net = deep_network(dtype)
    X = rng.normal(size=(300, 6)) * 3 + 1
    y = (X[:, 0] > 1) + 2 * (X[:, 1] > 1)
    net.compile("adam")
    losses = net.fit(X, y, epochs=15).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    return net, X, y


def test_folded(trained, dtype):
    net, X, _ = trained
    flat = net.folded()
    assert not any(isinstance(layer, BatchNormalization) for layer in flat.layers)
    assert isinstance(flat.layers[0], Rescaling) and flat.dtype == net.dtype
    # some 50 roundings of numbers near 1, through activations of slope at most 1.1
    assert np.abs(flat.predict(X) - net.predict(X)).max() < 64 * EPS[dtype.name]
    assert net.predict(X).std() > 0.1


def test_folding_leaves_other_networks_alone(rng):
    net = Network([5, Dense(7, "relu"), LayerNormalization(), 2], seed=0)
    X = rng.normal(size=(9, 5)).astype(np.float32)
    assert net.folded().layers == net.layers
    assert_same_bits(net.folded().predict(X), net.predict(X))


def test_saved_and_pickled(trained, tmp_path):
    net, X, y = trained
    net.save(tmp_path / "net.npz", include_optimizer=True)
    loaded = fastmlp.load(tmp_path / "net.npz")
    copy = pickle.loads(pickle.dumps(net))
    for other in (loaded, copy):
        assert other.layers == net.layers
        assert_same_bits(other.predict(X), net.predict(X))
    more = net.fit(X, y, epochs=2).history
    assert loaded.fit(X, y, epochs=2).history == more


def test_state_dict_and_counts():
    net = Network([4, Dense(8), BatchNormalization(), Activation("relu"), LayerNormalization(), 2])
    names = [["W", "b"], ["gamma", "beta", "mean", "variance"], ["gamma", "beta"], ["W", "b"]]
    assert list(net.state_dict()) == [f"layers.{i}.{name}" for i, own in enumerate(names) for name in own]
    assert net.num_parameters == 40 + 32 + 16 + 18
    assert net.layer_sizes == (4, 8, 2)
    assert [W.shape for W in net.weights] == [(4, 8), (8, 2)]
    found = [node["activation"] for node in net.plan.layers]
    assert found == ["identity", "relu", "identity", "identity"]
    lines = []
    net.summary(lines.append)
    assert lines[3].split() == ["dense,", "identity", "(rows,", "8)", "40"]
    assert lines[4].split() == ["batchnormalization", "(rows,", "8)", "32"]
    assert lines[-1].split() == ["Total", "106"]


def test_gradients_pair_gamma_and_beta():
    net = Network([4, Dense(8), BatchNormalization(), Activation("relu"), 2], seed=0)
    net.compile("sgd", "mse")
    _, pairs = net.gradients(np.ones((3, 4)), np.zeros((3, 2)))
    assert [(dW.shape, db.shape) for dW, db in pairs] == [((4, 8), (8,)), ((8,), (8,)), ((8, 2), (2,))]


def test_a_negative_variance_is_refused():
    net = Network([2, BatchNormalization(), 1])
    arrays = net.get_weights()
    arrays[3] = np.array([1.0, -0.5])
    with pytest.raises(ValueError, match="layers.0.variance contains -0.5, expected numbers of 0 or more"):
        net.set_weights(arrays)
    assert net.get_weights()[3].min() == 1


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: BatchNormalization(momentum=1.5), ValueError, "momentum is 1.5"),
        (lambda: BatchNormalization(epsilon=0.0), ValueError, "epsilon is 0"),
        (lambda: LayerNormalization(epsilon=-1.0), ValueError, "epsilon is -1"),
        (lambda: LayerNormalization(epsilon="x"), TypeError, "epsilon is 'x'"),
        (lambda: Activation("swishy"), ValueError, "swishy"),
    ],
)
def test_bad_descriptions(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    "layer, message",
    [
        ({**normalization("batch"), "units": 4}, "has 3 inputs and 4 outputs, expected 3"),
        (normalization("group"), "'group_normalization'"),
        (normalization("layer", epsilon=0.0), "epsilon"),
        (normalization("layer", epsilon=float("nan")), "epsilon"),
        (normalization("batch", momentum=1.1), "momentum"),
        ({**normalization("layer"), "momentum": 0.5}, "'layer_normalization' has 'momentum'"),
        ({**normalization("batch"), "rate": 0.1}, "'rate'"),
    ],
)
def test_the_door_refuses(layer, message):
    with pytest.raises(ValueError, match=message):
        _kernels.Plan(3, [layer, dense(1)])
