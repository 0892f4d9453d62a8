"""Keras models to networks and back, with Keras itself as the oracle."""

import functools
import sys

import numpy as np
import pytest

import fastmlp
from fastmlp import Dense, Dropout, Network, Rescaling, Standardize
from fastmlp.keras import from_keras, to_keras
from fastmlp.optimizers import SGD, Adam

keras = pytest.importorskip("keras")
special = pytest.importorskip("scipy.special")
layers = keras.layers


@pytest.fixture(autouse=True)
def float64_is_float64(monkeypatch):
    """On most backends Keras rounds float64 to float32 after every operation, whatever a layer's dtype is."""
    from keras.src.backend.common import dtypes

    monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, "float64", "float64")


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


# ---- the exact values, and how far from them arithmetic in a dtype may end ----

# name -> (the function in float64 of z and the parameter, the largest slope there is)
EXACT = {
    "identity": (lambda z, p: z, 1),
    "sigmoid": (lambda z, p: special.expit(z), 0.25),
    "tanh": (lambda z, p: np.tanh(z), 1),
    "relu": (lambda z, p: np.maximum(z, 0), 1),
    "leaky_relu": (lambda z, p: np.where(z > 0, z, p * z), 1),
    "elu": (lambda z, p: np.where(z > 0, z, p * np.expm1(z)), 1),
    "selu": (lambda z, p: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(z)), 1.76),
    "gelu": (lambda z, p: z * special.ndtr(z), 1.13),
    "gelu_tanh": (lambda z, p: z * special.expit(np.sqrt(8 / np.pi) * (z + 0.044715 * z**3)), 1.13),
    "silu": (lambda z, p: z * special.expit(z), 1.1),
    "mish": (lambda z, p: z * np.tanh(np.logaddexp(0, z)), 1.09),
    "softplus": (lambda z, p: np.logaddexp(0, z), 1),
    "softsign": (lambda z, p: z / (1 + np.abs(z)), 1),
    "exp": (lambda z, p: np.exp(z), None),
    "softmax": (lambda z, p: special.softmax(z, axis=1), None),
    "log_softmax": (lambda z, p: special.log_softmax(z, axis=1), None),
}
# What an implementation may lose in an activation, in eps of max(|a|, |z|): the usual form of gelu,
# x / 2 * (1 + erf(x / sqrt(2))), is the worst; ours are within 5.2.
OWN = 8


def activated(name, parameter, z, error, eps):
    """The exact activation, and the bound of what one in floating point differs, given that of z."""
    function, slope = EXACT[name]
    a = function(z, parameter)
    if name == "exp":
        return a, a * (np.expm1(error) + OWN * eps)
    if name in ("softmax", "log_softmax"):
        # z - max(z) and the logarithm of a sum of n move by at most this, and softmax by as much, relatively.
        moved = 2 * error.max(axis=1, keepdims=True)
        moved = moved + (OWN + z.shape[1] + 2 * np.abs(z).max(axis=1, keepdims=True)) * eps
        return a, (a * np.expm1(moved) if name == "softmax" else moved + eps * np.abs(a))
    return a, slope * error + OWN * eps * np.maximum(np.abs(a), np.abs(z))


def dense(x, W, b, error, eps):
    """x @ W + b, in any order of the sum: each of its roundings is within eps of a partial sum."""
    size = (np.abs(x) + error) @ np.abs(W) + np.abs(b)
    return x @ W + b, error @ np.abs(W) + (len(W) + 2) * eps * size


def exact(net, X):
    """The float64 prediction of a network's description, and the bound of arithmetic in its own dtype."""
    x, eps = X.astype(np.float64), np.finfo(net.dtype).eps
    error, weights = np.zeros_like(x), iter(net.get_weights())
    for layer in net.layers:
        if isinstance(layer, (Rescaling, Standardize)):
            shift, divisor = layer.shift_and_divisor(x.shape[1])
            error = 4 * eps * (np.abs(x) + np.abs(shift)) / divisor
            x = (x - shift) / divisor
        elif isinstance(layer, Dense):
            W = next(weights).astype(np.float64)
            b = next(weights).astype(np.float64) if layer.use_bias else np.zeros(layer.units)
            z, error = dense(x, W, b, error, eps)
            x, error = activated(*fastmlp.registry.resolve_activation(layer.activation), z, error, eps)
    return x, error


def assert_predict_the_same(model, net, X):
    """Both are within the bound of the exact values, which are not all alike."""
    rows = X.reshape(len(X), -1)
    theirs, mine = np.asarray(keras.ops.convert_to_numpy(model(X))), net.predict(rows)
    assert mine.dtype == net.dtype and theirs.shape == mine.shape
    assert theirs.dtype == net.dtype
    expected, error = exact(net, rows)
    for who, prediction in [("Keras", theirs), ("fastmlp", mine)]:
        assert np.abs(expected).max() > 50 * error.max() and len(np.unique(expected)) > 1
        worst = np.max(np.abs(prediction - expected) / error)
        assert worst <= 1, f"{who} is off by {worst:.3g} times the bound"


def filled(model, rng):
    """The model, with every weight random, its variances positive."""
    for layer in model.layers:
        arrays = [rng.normal(size=array.shape) for array in layer.get_weights()]
        if isinstance(layer, layers.BatchNormalization):
            arrays[-1] = rng.uniform(0.5, 2, size=arrays[-1].shape)
        if isinstance(layer, layers.Dense):
            arrays[0] /= np.sqrt(len(arrays[0]))
        layer.set_weights(arrays)
    return model


def sequential(dtype, rng, *elements, shape=(13,)):
    """Of functions that make a layer when they are told the dtype."""
    made = [element(dtype=dtype) for element in elements]
    return filled(keras.Sequential([keras.Input(shape, dtype=dtype), *made]), rng)


def make(cls, *arguments, **options):
    return functools.partial(cls, *arguments, **options)


def keras_weights(model):
    return [np.asarray(keras.ops.convert_to_numpy(variable)) for variable in model.weights]


def assert_same_bits(some, others):
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def test_the_bound_sees_a_planted_error(dtype, rng):
    """A slope of a thousandth more, a bias of a hundredth, and another definition of gelu."""
    X = rng.normal(size=(9, 13)).astype(dtype)
    model = sequential(dtype, rng, make(layers.Dense, 37), make(layers.LeakyReLU, 0.2), make(layers.Dense, 3))
    net = from_keras(model)
    assert_predict_the_same(model, net, X)
    W1, b1, W2, b2 = net.get_weights()
    for weights, slope in [((W1, b1, W2, b2), 0.201), ((W1, b1 + net.dtype.type(0.01), W2, b2), 0.2)]:
        other = Network([13, Dense(37, ("leaky_relu", slope)), 3], dtype=dtype)
        other.set_weights(weights)
        with pytest.raises(AssertionError):
            assert_predict_the_same(model, other, X)
    model = sequential(dtype, rng, make(layers.Dense, 37, "gelu"))
    other = Network([13, Dense(37, "gelu_tanh")], dtype=dtype)
    other.set_weights(from_keras(model).get_weights())
    with pytest.raises(AssertionError):
        assert_predict_the_same(model, other, X)


# ---- from Keras ----

FUNCTIONS = [
    ("linear", "identity"),
    (None, "identity"),
    ("relu", "relu"),
    ("leaky_relu", ("leaky_relu", 0.2)),
    ("elu", "elu"),
    ("selu", "selu"),
    ("gelu", "gelu"),
    ("silu", "silu"),
    ("swish", "silu"),
    ("mish", "mish"),
    ("softplus", "softplus"),
    ("softsign", "softsign"),
    ("sigmoid", "sigmoid"),
    ("tanh", "tanh"),
    ("exponential", "exp"),
    ("softmax", "softmax"),
    ("log_softmax", "log_softmax"),
    (keras.activations.gelu, "gelu"),
    (keras.ops.gelu, "gelu_tanh"),
    (keras.ops.relu, "relu"),
    (keras.ops.leaky_relu, ("leaky_relu", 0.2)),
    (functools.partial(keras.activations.gelu, approximate=True), "gelu_tanh"),
    (functools.partial(keras.activations.relu, negative_slope=0.25), ("leaky_relu", 0.25)),
    (functools.partial(keras.activations.elu, alpha=0.5), ("elu", 0.5)),
]


@pytest.mark.parametrize(("activation", "expected"), FUNCTIONS)
def test_every_activation_of_a_dense_layer(activation, expected, dtype, rng):
    model = sequential(dtype, rng, make(layers.Dense, 37, activation))
    net = from_keras(model, seed=3)
    assert net.layers[0].activation == expected and net.dtype == dtype and net.seed == 3
    assert_same_bits(net.get_weights(), keras_weights(model))
    assert_predict_the_same(model, net, 2 * rng.normal(size=(9, 13)).astype(dtype))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (make(layers.ReLU), "relu"),
        (make(layers.ReLU, negative_slope=0.25), ("leaky_relu", 0.25)),
        (make(layers.LeakyReLU), ("leaky_relu", 0.3)),
        (make(layers.LeakyReLU, 0.1), ("leaky_relu", 0.1)),
        (make(layers.ELU), "elu"),
        (make(layers.ELU, 0.5), ("elu", 0.5)),
        (make(layers.Activation, "mish"), "mish"),
        (make(layers.Activation, keras.activations.softplus), "softplus"),
        (make(layers.Activation, "linear"), "identity"),
        (make(layers.Softmax), "softmax"),
    ],
)
def test_activations_that_are_layers(layer, expected, dtype, rng):
    model = sequential(dtype, rng, make(layers.Dense, 7), layer)
    net = from_keras(model)
    assert [layer.activation for layer in net.layers] == [expected]
    assert_predict_the_same(model, net, 2 * rng.normal(size=(9, 13)).astype(dtype))


def test_layers_as_activations(dtype, rng):
    inner = make(layers.LeakyReLU, 0.125)(dtype=dtype)
    model = sequential(dtype, rng, make(layers.Dense, 37, inner), make(layers.Dense, 3))
    net = from_keras(model)
    assert net.layers[0].activation == ("leaky_relu", 0.125)
    assert_predict_the_same(model, net, rng.normal(size=(9, 13)).astype(dtype))


@pytest.mark.parametrize("widths", [(1, 1), (13, 37, 1), (1, 13, 37, 2), (65, 16, 16, 10)])
@pytest.mark.parametrize("use_bias", [True, False])
def test_widths(widths, use_bias, dtype, rng):
    n_in, *rest = widths
    dense = [make(layers.Dense, width, "relu", use_bias=use_bias) for width in rest[:-1]]
    last = make(layers.Dense, rest[-1], use_bias=use_bias)
    model = sequential(dtype, rng, *dense, last, shape=(n_in,))
    net = from_keras(model)
    assert net.layer_sizes == widths
    assert_same_bits(net.get_weights(), keras_weights(model))
    assert_predict_the_same(model, net, rng.normal(size=(9, n_in)).astype(dtype))


def test_images(dtype, rng):
    """(28, 28) becomes 784, in the order that Flatten has."""
    elements = [make(layers.Rescaling, 1 / 255), make(layers.Flatten), make(layers.Dense, 16, "relu")]
    elements += [make(layers.Dropout, 0.2), make(layers.Dropout, 0.0), make(layers.Dense, 10, "softmax")]
    model = sequential(dtype, rng, *elements, shape=(28, 28))
    net = from_keras(model)
    assert net.layers == (
        Rescaling(1 / 255),
        *Network([784, Dense(16, "relu"), Dropout(0.2), Dense(10, "softmax")]).layers,
    )
    assert_predict_the_same(model, net, rng.integers(0, 256, size=(9, 28, 28)).astype(dtype))


@pytest.mark.parametrize(
    "options",
    [
        {"mean": 3.0, "variance": 0.25},
        {"mean": np.linspace(-1, 1, 13), "variance": np.linspace(0.1, 2, 13)},
        {"mean": np.zeros(13), "variance": np.zeros(13)},  # Keras divides by 1e-7 then
        {},
    ],
)
def test_normalization(options, dtype, rng):
    X = rng.normal(loc=3, size=(50, 13)).astype(dtype)
    normalization = layers.Normalization(dtype=dtype, **options)
    if not options:
        normalization.adapt(X)
    elements = [keras.Input((13,), dtype=dtype), normalization, layers.Dense(5, dtype=dtype)]
    model = keras.Sequential(elements)
    net = from_keras(model)
    shift, divisor = net.layers[0].shift_and_divisor(13)
    assert np.array_equal(shift, np.ravel(keras.ops.convert_to_numpy(normalization.mean)) * np.ones(13))
    assert_predict_the_same(model, net, X)


def test_normalization_of_images(dtype, rng):
    """One mean for each last axis, spread over the rest."""
    X = rng.normal(loc=3, size=(20, 4, 3)).astype(dtype)
    normalization = layers.Normalization(dtype=dtype)
    normalization.adapt(X)
    model = sequential(dtype, rng, make(layers.Flatten), make(layers.Dense, 5), shape=(4, 3))
    model = keras.Sequential([keras.Input((4, 3), dtype=dtype), normalization, *model.layers])
    net = from_keras(model)
    assert net.layers[0].mean == tuple(np.tile(keras.ops.convert_to_numpy(normalization.mean).ravel(), 4))
    assert_predict_the_same(model, net, X)


def test_models_within_models(dtype, rng):
    inner = sequential(dtype, rng, make(layers.Dense, 7, "tanh"))
    inputs = keras.Input((7,), dtype=dtype)
    hidden = layers.Dense(5, "relu", dtype=dtype)(inputs)
    functional = keras.Model(inputs, layers.Dropout(0.5, dtype=dtype)(hidden))
    last = layers.Dense(3, dtype=dtype)
    outer = keras.Input((13,), dtype=dtype)
    for model in (
        keras.Sequential([outer, inner, functional, last]),
        keras.Model(outer, last(functional(inner(outer)))),
    ):
        net = from_keras(model)
        activations = [layer.activation for layer in net.layers if isinstance(layer, Dense)]
        assert activations == ["tanh", "relu", "identity"] and Dropout(0.5) in net.layers
        assert_predict_the_same(model, net, rng.normal(size=(9, 13)).astype(dtype))


def test_a_layer_that_is_used_twice(dtype, rng):
    inputs = keras.Input((13,), dtype=dtype)
    shared = layers.Dense(13, "tanh", dtype=dtype)
    model = keras.Model(inputs, shared(shared(inputs)))
    net = from_keras(model)
    assert len(net.layers) == 2
    assert_predict_the_same(model, net, rng.normal(size=(9, 13)).astype(dtype))


def test_a_model_that_was_built_late(rng):
    model = keras.Sequential([layers.Dense(3, "tanh")])
    with pytest.raises(ValueError, match="has no input shape, expected keras.Input as its first element"):
        from_keras(model)
    model.build((None, 4))
    assert_predict_the_same(model, from_keras(model), rng.normal(size=(5, 4)).astype("float32"))


def test_the_network_has_its_own_copy(rng):
    model = sequential("float32", rng, make(layers.Dense, 3))
    net = from_keras(model)
    before = [array.copy() for array in net.get_weights()]
    model.layers[0].set_weights([np.zeros((13, 3)), np.zeros(3)])
    assert_same_bits(net.get_weights(), before)


class Twice(layers.Dense):
    def call(self, inputs):
        return 2 * super().call(inputs)


class Own(keras.Model):
    def __init__(self):
        super().__init__(name="own")
        self.dense = layers.Dense(3)

    def call(self, inputs):
        return self.dense(inputs)


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ([layers.Reshape((13, 1)), layers.Conv1D(2, 3)], r"layer 0, 'reshape\w*' \(Reshape\): not supported"),
        ([layers.Dense(3), layers.PReLU(name="p")], r"layer 1, 'p' \(PReLU\): not supported, .* LeakyReLU"),
        ([layers.GaussianDropout(0.1), layers.Dense(3)], r"\(GaussianDropout\): not supported"),
        ([Twice(3)], r"layer 0, 'twice\w*' \(Twice\): not supported"),
        ([layers.Dense(3, "relu6")], "its activation is 'relu6', expected one of elu, exponential"),
        ([layers.Dense(3, "hard_sigmoid")], "its activation is 'hard_sigmoid'"),
        ([layers.Dense(3, lambda x: x)], "its activation is '<lambda>'"),
        ([layers.Dense(3, layers.PReLU())], "its activation is 'PReLU'"),
        ([layers.Dense(3), layers.ReLU(6.0)], "a relu with a max_value or a threshold"),
        ([layers.Dense(3), layers.ReLU(threshold=1.0)], "a relu with a max_value or a threshold"),
        ([layers.Dense(3), layers.Softmax(axis=0)], "softmax along the axis 0, expected -1"),
        ([layers.Dense(3, "softmax"), layers.Dense(2)], r"layer 1, .* after a softmax, .* last layer alone"),
        ([layers.Dense(3, "relu"), layers.Activation("tanh")], r"after Dense\(3, 'relu'\), expected a Dense"),
        ([layers.Activation("tanh"), layers.Dense(3)], "an activation after the input"),
        ([layers.Dropout(0.1), layers.Dropout(0.2), layers.Dense(1)], "layer 1, .*second Dropout in a row"),
        ([layers.Dropout(0.1, noise_shape=(1, 13)), layers.Dense(1)], "its noise_shape is"),
        ([layers.Dense(3), layers.Dropout(0.1)], "Dropout"),
        ([layers.Dense(3), layers.Rescaling(2.0)], "layer 1, .* directly after the input"),
        ([layers.Rescaling(2.0), layers.Normalization(), layers.Dense(3)], "layer 1, .* after the input"),
        ([layers.Rescaling([2.0] * 13), layers.Dense(3)], "scale or its offset is an array"),
        ([layers.Rescaling(0.0), layers.Dense(3)], "layer 0, .* scale is 0"),
        ([layers.Normalization(mean=0, variance=1, invert=True), layers.Dense(3)], "its invert is True"),
        ([layers.Dense(3), layers.Dense(3, dtype="float64")], "its dtype is 'float64', expected 'float32'"),
        ([layers.Dense(3, dtype="mixed_float16")], "its dtype is 'mixed_float16', expected float32 or"),
        ([layers.Dense(3, dtype="bfloat16")], "its dtype is 'bfloat16'"),
        ([layers.Dense(3, layers.ReLU(dtype="float64"))], "its dtype is 'float64', expected 'float32'"),
        ([layers.Flatten()], "layers has"),
    ],
)
def test_what_has_no_equal_is_refused(elements, message):
    with pytest.raises(ValueError, match=message) as caught:
        from_keras(keras.Sequential([keras.Input((13,)), *elements]))
    assert "\n" not in str(caught.value)


def test_other_graphs_are_refused():
    one, two = keras.Input((3,)), keras.Input((3,))
    hidden = layers.Dense(3, name="hidden")(one)
    for model, message in [
        (keras.Model([one, two], layers.Add()([one, two])), "has 2 inputs, expected one|has the input shape"),
        (keras.Model(one, [hidden, one]), "has 2 outputs, expected one"),
        (
            keras.Model(one, layers.Add(name="sum")([hidden, one])),
            "layer 'sum' has 2 inputs, expected a chain",
        ),
        (keras.Model(one, keras.ops.relu(hidden)), r"operation 'relu\w*' \(Relu\): not supported"),
        (keras.Sequential([keras.Input((4, 3)), layers.Dense(2)]), r"shape \(4, 3\), expected a Flatten"),
        (keras.Sequential([keras.Input((None, 3)), layers.Flatten()]), "expected one with fixed lengths"),
    ]:
        with pytest.raises(ValueError, match=message):
            from_keras(model)
    model = Own()
    model.build((None, 3))
    with pytest.raises(ValueError, match="'own' is a Own with a call of its own|has no input shape"):
        from_keras(model)
    with pytest.raises(ValueError, match="layer|'own' is a Own with a call of its own"):
        from_keras(keras.Sequential([keras.Input((3,)), model]))
    with pytest.raises(TypeError, match="model is a Dense, expected a Keras model"):
        from_keras(layers.Dense(3))


def test_channels_first_is_refused():
    elements = [keras.Input((3, 4)), layers.Flatten(data_format="channels_first"), layers.Dense(2)]
    with pytest.raises(ValueError, match="data_format is 'channels_first'"):
        from_keras(keras.Sequential(elements))


# ---- training ----


def compiled(optimizer, loss, output=None, dtype="float32", **options):
    model = keras.Sequential([keras.Input((4,), dtype=dtype), layers.Dense(3, output, dtype=dtype)])
    model.compile(optimizer, loss, **options)
    return model


CONSTANT_RATES = [
    (keras.optimizers.SGD(0.1), SGD(0.1)),
    (keras.optimizers.SGD(0.1, momentum=0.75, nesterov=True), SGD(0.1, momentum=0.75, nesterov=True)),
    (keras.optimizers.SGD(0.1, clipvalue=0.5), SGD(0.1, clipvalue=0.5)),
    (keras.optimizers.SGD(0.1, global_clipnorm=0.5), SGD(0.1, global_clipnorm=0.5)),
    # Without the epsilon, which Keras adds before the root is corrected.
    (keras.optimizers.Adam(0.01, 0.8, 0.95, 1e-30), Adam(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-30)),
]


@pytest.mark.parametrize(("theirs", "ours"), CONSTANT_RATES)
def test_optimizers_take_the_same_steps(theirs, ours, rng):
    """Keras' optimizer is fed our gradients; both start from the same weights."""
    theirs = type(theirs).from_config(theirs.get_config())  # its own state
    net = from_keras(filled(compiled(theirs, "mse"), rng))
    assert net.optimizer == ours and net.loss == "mse"
    variables = [keras.Variable(array) for array in net.get_weights()]
    X, y, eps, path = rng.normal(size=(16, 4)), rng.normal(size=(16, 3)), np.finfo(np.float32).eps, 0.0
    for step in range(1, 6):
        before, gradients = net.get_weights(), net.gradients(X, y)[1]
        theirs.apply([array for pair in gradients for array in pair], variables)
        net.train_on_batch(X, y)
        after = net.get_weights()
        # A step has about ten roundings, each of something no larger than the weight or the whole path.
        path = path + max(np.abs(a - b).max() for a, b in zip(after, before, strict=True))
        allowed = step * 10 * eps * (path + max(np.abs(a).max() for a in after))
        for mine, variable in zip(after, variables, strict=True):
            assert np.abs(mine - variable.numpy()).max() <= allowed
    assert path > 0.001


@pytest.mark.parametrize(
    ("loss", "output", "expected"),
    [
        ("mse", None, "mse"),
        ("mean_absolute_error", "tanh", "mae"),
        (keras.losses.MeanSquaredError(), None, "mse"),
        (keras.losses.Huber(delta=0.5), None, "huber"),
        ("huber", None, "huber"),
        (keras.losses.Poisson(), "exponential", "poisson"),
        ("binary_crossentropy", "sigmoid", "binary_crossentropy"),
        (keras.losses.BinaryCrossentropy(), "sigmoid", "binary_crossentropy"),
        ("categorical_crossentropy", "softmax", "categorical_crossentropy"),
        (keras.losses.CategoricalCrossentropy(), "softmax", "categorical_crossentropy"),
        (keras.losses.sparse_categorical_crossentropy, "softmax", "sparse_categorical_crossentropy"),
        (keras.losses.SparseCategoricalCrossentropy(), "softmax", "sparse_categorical_crossentropy"),
    ],
)
def test_losses_have_the_same_values(loss, output, expected, rng):
    model = filled(compiled("sgd", loss, output), rng)
    net = from_keras(model)
    assert net.loss == expected
    X = rng.normal(size=(16, 4)).astype("float32")
    y = rng.integers(0, 3, size=16)
    if "sparse" not in expected:
        y = np.eye(3, dtype="float32")[y]
    function = keras.losses.get(loss)
    values = keras.ops.convert_to_numpy(function(y, model(X)))
    # The two predict alike to some eps, and a logarithm adds its own; Keras clips probabilities at 1e-7.
    mine = net.evaluate(X, y)["loss"]
    assert mine > 0.01 and abs(mine - np.mean(values)) <= 64 * np.finfo(np.float32).eps * max(1, mine)


class Square(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)


@pytest.mark.parametrize(
    ("optimizer", "loss", "output"),
    [
        ("rmsprop", "mse", None),
        ("adamw", "mse", None),
        (keras.optimizers.Adam(amsgrad=True), "mse", None),
        (keras.optimizers.Adam(clipnorm=1.0), "mse", None),
        (keras.optimizers.SGD(0.1, weight_decay=0.1), "mse", None),
        (keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10)), "mse", None),
        ("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), "softmax"),
        ("sgd", keras.losses.CategoricalCrossentropy(label_smoothing=0.1), "softmax"),
        ("sgd", keras.losses.MeanSquaredError(reduction="sum"), None),
        ("sgd", "binary_crossentropy", "tanh"),
        ("sgd", "kl_divergence", "softmax"),
        ("sgd", Square(), None),
        ("sgd", lambda y_true, y_pred: keras.ops.mean(y_true - y_pred), None),
    ],
)
def test_another_training_is_not_taken_for_ours(optimizer, loss, output):
    net = from_keras(compiled(optimizer, loss, output))
    assert net.optimizer is None and net.loss is None


def test_what_else_pulls_at_the_weights_is_not_forgotten():
    for options in [
        {"kernel_regularizer": "l2"},
        {"bias_constraint": "non_neg"},
        {"trainable": False},
    ]:
        model = keras.Sequential([keras.Input((4,)), layers.Dense(3, **options)])
        model.compile("sgd", "mse")
        assert from_keras(model).optimizer is None
    assert from_keras(compiled("sgd", "mse", loss_weights=[0.5])).optimizer is None
    assert from_keras(compiled("sgd", "mse")).optimizer == SGD(0.01)
    assert from_keras(compiled("adam", "mse")).optimizer == Adam(0.001, epsilon=1e-7)


# ---- to Keras ----

NAMES = [name for name in fastmlp.registry.ACTIVATIONS if name != "step"]


def reloaded(model, tmp_path):
    model.save(tmp_path / "model.keras")
    return keras.saving.load_model(tmp_path / "model.keras")


@pytest.mark.parametrize("name", [*NAMES, ("leaky_relu", 0.2), ("elu", 0.5)])
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


def test_what_keras_has_not_is_refused():
    with pytest.raises(ValueError, match="'step' has no equal in Keras"):
        to_keras(Network([2, Dense(3, "step"), 1]))
    with pytest.raises(TypeError, match="net is a int, expected a Network"):
        to_keras(3)


def test_a_backend_that_rounds_to_float32_is_refused(monkeypatch):
    convert = keras.ops.convert_to_numpy
    monkeypatch.setattr(keras.ops, "convert_to_numpy", lambda x: convert(x).astype(np.float32))
    with pytest.raises(ValueError, match=r"holds the weights as float32, expected float64; JAX .*enable_x64"):
        to_keras(Network([2, 1], dtype="float64"))


def test_without_keras_the_group_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    for call in (lambda: from_keras(None), lambda: to_keras(None)):
        with pytest.raises(ImportError, match=r'keras is not installed.*pip install "fastmlp\[keras\]"'):
            call()
