"""Functional Keras models in which tensors are added: skip connections, and what is none."""

from __future__ import annotations

import pytest

from fastmlp import Add, Dense, Scale
from fastmlp.keras import from_keras
from keras_models import (
    assert_predict_the_same,
    assert_same_bits,
    filled,
    keras,
    keras_weights,
    layers,
)

pytestmark = pytest.mark.usefixtures("float64_is_float64")


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


class Layers:
    """Keras layers of one dtype: ``L.Dense(6, "relu")``."""

    def __init__(self, dtype):
        self.dtype = dtype

    def __getattr__(self, name):
        return lambda *arguments, **options: getattr(layers, name)(*arguments, dtype=self.dtype, **options)


def plain(L, h):
    return L.Dense(2)(L.Add()([h, L.Dense(6)(L.Dropout(0.3)(L.Dense(9, "gelu")(h)))]))


def branch_first_and_relu_behind(L, h):
    s = L.Activation("relu")(L.Add()([L.Dense(6)(h), h]))
    return L.ReLU()(L.Add()([L.Dense(6)(s), s]))


def by_an_operator(L, h):
    return h + L.Dense(6, "tanh")(h)


def activation_first(L, h):
    s = L.Add()([h, L.Dense(6)(L.Activation("silu")(h))])
    return L.Add()([s, L.Dense(6)(L.Activation("silu")(s))])


def normalised(L, h):
    s = L.Add()([h, L.Dense(6)(L.Dense(9, "relu")(L.LayerNormalization()(h)))])
    n = L.BatchNormalization()(s)
    return L.Add()([L.Dense(6)(n), n])


def across(L, h):
    u = L.Dense(6, "tanh")(h)
    v = L.Add()([L.Dense(6)(u), h])
    return L.Add()([L.Add()([L.Dense(6)(v), u]), h])


def dropped(L, h):
    d = L.Dropout(0.2)(h)
    return L.Add()([L.Dense(6)(d), d])


READ = {
    plain: "Dense Dense Dropout Dense Add Dense",
    branch_first_and_relu_behind: "Dense Dense Add Activation Dense Add Activation",
    by_an_operator: "Dense Dense Add",
    activation_first: "Dense Scale Activation Dense Add Scale Activation Dense Add",
    normalised: "Dense LayerNormalization Dense Dense Add BatchNormalization Dense Add",
    across: "Dense Dense Dense Add Dense Add Add",
    dropped: "Dense Dropout Scale Dense Add",
}


def built(make, dtype, rng):
    L, inputs = Layers(dtype), keras.Input((6,), dtype=dtype)
    return filled(keras.Model(inputs, make(L, L.Dense(6)(inputs))), rng)


@pytest.mark.parametrize("make", READ)
def test_a_sum_of_two_tensors(make, dtype, rng):
    model = built(make, dtype, rng)
    net = from_keras(model)
    assert " ".join(type(layer).__name__ for layer in net.layers) == READ[make]
    assert_predict_the_same(model, net, rng.normal(size=(9, 6)).astype(dtype))
    names = [name for name in net.state_dict() if not name.endswith(".s")]
    if make is not normalised:  # Keras has variances behind all that is trained
        assert_same_bits([net.state_dict()[name] for name in names], keras_weights(model))


def test_sums_in_models_within_models(dtype, rng):
    """The inner model's input is a source; it stands twice, and its output is a source of the outer one."""
    L, inner_input = Layers(dtype), keras.Input((6,), dtype=dtype)
    inner = filled(keras.Model(inner_input, L.Add()([inner_input, L.Dense(6, "tanh")(inner_input)])), rng)
    inputs = keras.Input((6,), dtype=dtype)
    o = inner(L.Dense(6)(inputs))
    model = keras.Model(inputs, L.Dense(2)(L.Add()([inner(L.Dense(6)(o)), o])))
    for layer in model.layers:
        if isinstance(layer, layers.Dense):
            layer.set_weights([rng.normal(size=array.shape) for array in layer.get_weights()])
    net = from_keras(model)
    assert [layer for layer in net.layers if not isinstance(layer, Dense)] == [Add(1), Add(4), Add(3)]
    assert_predict_the_same(model, net, rng.normal(size=(9, 6)).astype(dtype))
    sequence = keras.Sequential([keras.Input((6,), dtype=dtype), L.Dense(6), inner])
    assert from_keras(sequence).layers[-1] == Add(1)


def test_sums_behind_flatten_and_of_one_tensor(dtype):
    L, inputs = Layers(dtype), keras.Input((2, 3), dtype=dtype)
    h = L.Dense(6)(L.Flatten()(inputs))
    assert from_keras(keras.Model(inputs, L.Add()([h, L.Dense(6)(h)]))).layers[-1] == Add(1)
    assert len(from_keras(keras.Model(inputs, L.Add()([h]))).layers) == 1


def test_a_compiled_model_is_trained_alike(rng):
    """Factors of 1 that stand for no layer of Keras' are frozen: there is no warning of them."""
    model = built(activation_first, "float32", rng)
    model.compile("adam", "mse")
    net = from_keras(model, seed=0)
    assert net.optimizer.learning_rate == 0.001 and Scale(trainable=False) in net.layers
    X, y = rng.normal(size=(40, 6)).astype("float32"), rng.normal(size=(40, 6)).astype("float32")
    net.fit(X, y, epochs=2, batch_size=10, shuffle=False, verbose=False)
    assert [set(w.tolist()) for name, w in net.state_dict().items() if name.endswith(".s")] == [{1.0}] * 2
    if keras.backend.backend() != "numpy":  # which does not train
        model.fit(X, y, epochs=2, batch_size=10, shuffle=False, verbose=False)
        assert abs(net.predict(X) - keras.ops.convert_to_numpy(model(X))).max() < 1e-4


EXPECTED = "expected keras.layers.Add of a tensor and what layers make of it"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda L, i, h: L.Add(name="s")([h, h]), f"layer 's' adds a tensor to itself, {EXPECTED}"),
        (
            lambda L, i, h: L.Add(name="s")([L.Dense(6)(h), L.Dense(6)(h)]),
            f"layer 's' adds what two branches make of a tensor, {EXPECTED}",
        ),
        (
            lambda L, i, h: L.Add(name="s")([i, L.Dense(6)(i)]),
            r"layer 2, 's' \(Add\): it adds the network's input, expected the output of a layer",
        ),
        (
            lambda L, i, h: L.Add(name="s")([h, L.Dense(1)(h)]),
            r"layer 's' adds the shapes \(6,\) and \(1,\), expected two alike",
        ),
        (lambda L, i, h: L.Add(name="s")([h, L.Dense(6)(h), h]), "layer 's' has 3 inputs, expected a chain"),
        (
            lambda L, i, h: L.Concatenate(name="s")([h, L.Dense(6)(h)]),
            "layer 's' has 2 inputs, expected a chain of layers, or keras.layers.Add of a tensor and what",
        ),
        (
            lambda L, i, h: L.Subtract(name="s")([h, L.Dense(6)(h)]),
            "layer 's' has 2 inputs, expected a chain",
        ),
        (lambda L, i, h: h * L.Dense(6)(h), r"layer 'multiply\w*' has 2 inputs, expected a chain of layers"),
        (lambda L, i, h: h + 1.0, r"operation 'add\w*' \(Add\): not supported, expected one of"),
        (
            lambda L, i, h: L.Add()([L.Activation("relu")(L.Activation("tanh")(h)), h]),
            r"\(Activation\): it is the activation 'relu' after Activation\('tanh'\), expected it",
        ),
    ],
)
def test_other_sums_are_refused(make, message):
    L, inputs = Layers("float32"), keras.Input((6,))
    with pytest.raises(ValueError, match=message) as caught:
        from_keras(keras.Model(inputs, make(L, inputs, L.Dense(6)(inputs))))
    assert "\n" not in str(caught.value)
