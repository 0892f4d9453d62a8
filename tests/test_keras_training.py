"""A compiled Keras model gives a network that trains alike, or one that is not compiled."""

import numpy as np
import pytest

from fastmlp.keras import from_keras
from fastmlp.optimizers import SGD, Adam
from keras_models import filled, keras, layers


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
