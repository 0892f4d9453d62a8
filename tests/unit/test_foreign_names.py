"""Names and arguments of Keras, PyTorch and scikit-learn, where they mean the same."""

import numpy as np
import pytest

from fastmlp import Activation, Dense, Network
from fastmlp.registry import ACTIVATIONS, ALIASES

# Of torch.nn and keras.activations, from their own packages below.
TORCH = [
    *("Identity", "Sigmoid", "Tanh", "ReLU", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish"),
    *("Softplus", "Softsign", "ReLU6", "Hardtanh", "Hardsigmoid", "Hardswish"),
]
KERAS = [
    "linear",
    "swish",
    "exponential",
    "sigmoid",
    "tanh",
    "relu",
    "elu",
    "selu",
    "silu",
    "mish",
    "softplus",
    "celu",
    "relu6",
    "hard_tanh",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
]
Z = np.linspace(-8, 8, 65)


@pytest.mark.parametrize("name", TORCH)
def test_activations_by_the_names_of_torch(name):
    torch = pytest.importorskip("torch")
    expected = getattr(torch.nn, name)()(torch.tensor(Z)).numpy()
    net = Network([1, Dense(1, name)], dtype="float64", initializer="zeros")
    net.set_weights([[[1.0]], [0.0]])
    np.testing.assert_allclose(net.predict(Z[:, None])[:, 0], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", KERAS)
def test_activations_by_the_names_of_keras(name):
    keras = pytest.importorskip("keras")
    expected = np.asarray(keras.activations.get(name)(Z.astype(np.float32)))
    net = Network([1, Dense(1), Activation(name)], initializer="zeros")
    net.set_weights([[[1.0]], [0.0]])
    np.testing.assert_allclose(net.predict(Z[:, None])[:, 0], expected, rtol=2e-6, atol=2e-6)


def spread(W):
    """Its standard deviation, and its largest number over that, which tells distributions apart."""
    W = np.asarray(W, float)
    return W.std(), np.abs(W).max() / W.std()


@pytest.mark.parametrize(
    "name",
    [
        *("GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal"),
        *("Orthogonal", "Zeros", "RandomUniform", "RandomNormal", "TruncatedNormal"),
        *("glorot_uniform", "he_normal", "random_uniform", "random_normal", "truncated_normal", "orthogonal"),
    ],
)
def test_initializers_by_the_names_of_keras(name):
    keras = pytest.importorskip("keras")
    W = Network([300, 500], initializer=name, seed=0).weights[0]
    theirs = np.asarray(keras.initializers.get(name)((300, 500)), float)
    if "Zeros" in name:
        assert not W.any() and not theirs.any()
    else:
        assert W.std() == pytest.approx(theirs.std(), rel=0.01)
        assert ("niform" in name) == (spread(W)[1] < 1.8) == (spread(theirs)[1] < 1.8)


@pytest.mark.parametrize("name", ["xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_"])
def test_initializers_by_the_names_of_torch(name):
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn.init, name)(torch.empty(500, 300)).numpy()
    for own in (name, name[:-1]):
        W = Network([300, 500], initializer=own, seed=0).weights[0]
        assert W.std() == pytest.approx(theirs.std(), rel=0.01)
        assert ("uniform" in name) == (spread(W)[1] < 1.8) == (spread(theirs)[1] < 1.8)


def test_descriptions_say_our_name():
    assert set(ALIASES.values()) <= set(ACTIVATIONS) and not set(ALIASES) & set(ACTIVATIONS)
    net = Network([2, 3, 1], activation="swish", output="linear", seed=0)
    assert repr(net) == repr(Network([2, 3, 1], activation="silu", output="identity", seed=0))


def test_unknown_activations_get_the_nearest_name_of_any_package():
    for typed, meant in (("swich", "swish"), ("sigmoyd", "sigmoid"), ("exponental", "exponential")):
        with pytest.raises(
            ValueError, match=f"^unknown activation '{typed}', expected .*; did you mean '{meant}'"
        ):
            Dense(3, typed)


def test_batch_size_and_verbose_change_nothing(rng):
    X, y = rng.normal(size=(9, 2)), rng.normal(size=9)
    net = Network([2, 3, 1], seed=0)
    net.compile("Adam", "mean_squared_error")
    assert np.array_equal(net.predict(X, batch_size=4, verbose=0), net.predict(X))
    assert net.evaluate(X, y, batch_size=4, verbose=0) == net.evaluate(X, y)
    for call in (net.predict, lambda X, **options: net.evaluate(X, y, **options)):
        with pytest.raises(ValueError, match="^batch_size is 0, expected an integer of at least 1"):
            call(X, batch_size=0)
        with pytest.raises(TypeError):
            call(X, batch_size="all")
    net.fit(X, y, verbose=0)
