"""Networks to Keras models and back."""

import sys

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
    Residual,
    Standardize,
)
from fastmlp.keras import from_keras, to_keras
from keras_models import (
    assert_predict_the_same,
    assert_same_bits,
    keras,
    keras_weights,
)
from residual_networks import residual_nets

pytestmark = pytest.mark.usefixtures("float64_is_float64")


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


NAMES = [name for name in fastmlp.registry.ACTIVATIONS if name != "step"]


def reloaded(model, tmp_path):
    model.save(tmp_path / "model.keras")
    return keras.saving.load_model(tmp_path / "model.keras")


PARAMETERS = [("leaky_relu", 0.2), ("elu", 0.5), ("celu", 0.5), ("squareplus", 2.0)]
PARAMETERS += [("hard_shrink", 0.125), ("soft_shrink", 0.125)]
PARAMETERS += [("thresholded_relu", p) for p in (0.25, 0.0, -0.25)]


@pytest.mark.parametrize("name", [*NAMES, *PARAMETERS])
def test_every_activation_goes_there_and_back(name, dtype, rng, tmp_path):
    """Also through a file of Keras', where keras.ops.gelu would come back as another function."""
    net = Network([13, Dense(37, name)], dtype=dtype, seed=1)
    X = 2 * rng.normal(size=(9, 13)).astype(dtype)
    model = to_keras(net)
    for each in (model, reloaded(model, tmp_path)):
        assert_predict_the_same(each, net, X)
        back = from_keras(each, seed=1)
        assert (back.layers, back.dtype) == (net.layers, net.dtype)
        assert_same_bits(back.get_weights(), net.get_weights())
        assert back.predict(X).tobytes() == net.predict(X).tobytes()


@pytest.mark.parametrize("widths", [(1, 1), (13, 37, 1), (1, 13, 37, 2)])
def test_networks_go_there_and_back(widths, dtype, rng):
    n_in, *rest = widths
    first = Standardize(rng.normal(size=n_in), rng.uniform(0.5, 2, size=n_in))
    elements = [Dense(width, "tanh", use_bias=width != 37) for width in rest[:-1]]
    net = Network([n_in, first, *elements, Dropout(0.25), rest[-1]], output="sigmoid", dtype=dtype, seed=2)
    model = to_keras(net)
    assert {layer.compute_dtype for layer in model.layers} == {dtype}
    assert_same_bits(keras_weights(model), net.get_weights())
    X = rng.normal(size=(9, n_in)).astype(dtype)
    assert_predict_the_same(model, net, X)
    back = from_keras(model, seed=2)
    assert back.layers[1:] == net.layers[1:]
    assert back.predict(X).tobytes() == net.predict(X).tobytes()


def test_rescaling_goes_there_and_back(dtype, rng):
    net = Network([13, Rescaling(1 / 127.5, -1.0), Dense(5)], dtype=dtype, seed=2)
    model = to_keras(net)
    X = rng.integers(0, 256, size=(9, 13)).astype(dtype)
    assert_predict_the_same(model, net, X)
    assert from_keras(model).layers == net.layers


def normalized(rng, dtype):
    elements = [BatchNormalization(0.75, 0.01), Dense(7), LayerNormalization(0.1), Activation(("elu", 0.5))]
    elements += [Dense(5), BatchNormalization(), Activation("gelu_tanh"), Dropout(0.1), Dense(3, "selu")]
    net = Network([13, *elements, LayerNormalization(), Activation("softmax")], dtype=dtype, seed=2)
    state = {name: rng.uniform(0.5, 2, size=array.shape) for name, array in net.state_dict().items()}
    state.update({name: rng.normal(size=array.shape) for name, array in state.items() if array.ndim == 2})
    net.load_state_dict(state)
    return net


def test_normalizations_go_there_and_back(dtype, rng, tmp_path):
    net = normalized(rng, dtype)
    X = rng.normal(size=(9, 13)).astype(dtype)
    for model in (to_keras(net), reloaded(to_keras(net), tmp_path)):
        assert_predict_the_same(model, net, X)
        back = from_keras(model)
        assert back.layers == net.layers
        assert_same_bits(back.get_weights(), net.get_weights())


def test_skip_connections_make_a_functional_model(dtype, rng, tmp_path):
    for net in residual_nets(np.dtype(dtype), rng).values():
        X = rng.normal(size=(9, net.plan.n_in)).astype(dtype)
        model = to_keras(net)
        assert not isinstance(model, keras.Sequential)
        assert_same_bits(keras_weights(model), [a for own in model.layers for a in own.get_weights()])
        expected, near = net.predict(X), 100 * np.finfo(dtype).eps
        for each, bound in ((model, near), (reloaded(model, tmp_path), max(near, 1e-6))):
            found = keras.ops.convert_to_numpy(each(X))  # of a file's means Keras reads float32
            assert found.dtype == dtype
            assert np.abs(found - expected).max() < bound * np.abs(expected).max()
    frozen = Residual([Dense(4, trainable=False), BatchNormalization(trainable=False)])
    model = to_keras(Network([3, 4, frozen, 1], seed=0))
    kinds = {type(layer).__name__: layer.trainable for layer in model.layers}
    assert kinds["BatchNormalization"] is False and len(model.trainable_weights) == 4


def test_frozen_layers_stay_frozen():
    """Of frozen batch normalisation Keras too takes the moving averages in training."""
    frozen = [Dense(4, trainable=False), BatchNormalization(trainable=False)]
    model = to_keras(Network([3, *frozen, Dense(4, "relu"), LayerNormalization(), 1], seed=0))
    assert [layer.trainable for layer in model.layers] == [False, False, True, True, True]
    assert len(model.trainable_weights) == 6 and len(model.non_trainable_weights) == 6


def test_what_keras_has_not_is_refused():
    with pytest.raises(ValueError, match="'step' has no equal in Keras"):
        to_keras(Network([2, Dense(3, "step"), 1]))
    with pytest.raises(ValueError, match="^activation 'soft_shrink' has the parameter -1, .* 0 or more$"):
        to_keras(Network([2, Dense(3, ("soft_shrink", -1.0)), 1]))
    with pytest.raises(TypeError, match="net is a int, expected a Network"):
        to_keras(3)


def test_a_file_names_no_other_function(tmp_path):
    """Than those with options: a hostile one could call whatever keras.activations has."""
    model = to_keras(Network([2, Dense(3, ("celu", 0.5))]))
    model.layers[0].activation.__name__ = "deserialize"
    with pytest.raises(Exception, match="its activation is 'deserialize', expected one of celu"):
        reloaded(model, tmp_path)


def test_a_backend_that_rounds_to_float32_is_refused(monkeypatch):
    convert = keras.ops.convert_to_numpy
    monkeypatch.setattr(keras.ops, "convert_to_numpy", lambda x: convert(x).astype(np.float32))
    with pytest.raises(ValueError, match=r"holds the weights as float32, expected float64; JAX .*enable_x64"):
        to_keras(Network([2, 1], dtype="float64"))


def test_without_keras_the_group_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    for call in (lambda: from_keras(None), lambda: to_keras(None)):
        with pytest.raises(ImportError, match=r'keras is not installed.*pip install "\.\[keras\]"'):
            call()


def test_without_a_backend_it_is_named(monkeypatch, tmp_path):
    (tmp_path / "keras.py").write_text("import tensorflow_of_nobody")
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="its backend tensorflow_of_nobody is not, .*KERAS_BACKEND"):
        to_keras(Network([2, 1]))
