"""A compiled Keras model gives a network that trains alike, or one that is not compiled."""

import numpy as np
import pytest

from fastmlp import losses
from fastmlp.keras import from_keras
from fastmlp.optimizers import SGD, Adadelta, Adam, Lion, NAdam
from keras_models import assert_predict_the_same, filled, keras, layers


def compiled(optimizer, loss, output=None, dtype="float32", **options):
    model = keras.Sequential([keras.Input((4,), dtype=dtype), layers.Dense(3, output, dtype=dtype)])
    model.compile(optimizer, loss, **options)
    return model


CONSTANT_RATES = [
    (keras.optimizers.SGD(0.1), SGD(0.1)),
    (keras.optimizers.SGD(0.1, momentum=0.75, nesterov=True), SGD(0.1, momentum=0.75, nesterov=True)),
    (keras.optimizers.SGD(0.1, clipvalue=0.5), SGD(0.1, clipvalue=0.5)),
    (keras.optimizers.SGD(0.1, global_clipnorm=0.5), SGD(0.1, global_clipnorm=0.5)),
    (
        keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=2),
        SGD(0.1, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=2),
    ),
    (keras.optimizers.SGD(0.1, gradient_accumulation_steps=2), SGD(0.1, gradient_accumulation_steps=2)),
    # Without the epsilon, which Keras adds before the root is corrected.
    (keras.optimizers.Adam(0.01, 0.8, 0.95, 1e-30), Adam(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-30)),
    (keras.optimizers.Adadelta(2.0, 0.9, 1e-4), Adadelta(2.0, rho=0.9, epsilon=1e-4)),
    (
        keras.optimizers.Nadam(0.01, 0.8, 0.95, 1e-5),
        NAdam(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-5, momentum_decay=1.0),
    ),
    (keras.optimizers.Lion(0.01, 0.8, 0.95), Lion(0.01, beta_1=0.8, beta_2=0.95)),
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
        (keras.losses.BinaryCrossentropy(label_smoothing=0.1), "sigmoid", "binary_crossentropy"),
        (keras.losses.CategoricalCrossentropy(label_smoothing=0.1), "softmax", "categorical_crossentropy"),
        ("binary_focal_crossentropy", "sigmoid", "binary_focal_crossentropy"),
        (
            keras.losses.BinaryFocalCrossentropy(True, alpha=0.3, gamma=1.5, label_smoothing=0.1),
            "sigmoid",
            "binary_focal_crossentropy",
        ),
        ("categorical_focal_crossentropy", "softmax", "categorical_focal_crossentropy"),
        (
            keras.losses.CategoricalFocalCrossentropy(alpha=0.5, gamma=1.5, label_smoothing=0.1),
            "softmax",
            "categorical_focal_crossentropy",
        ),
        (keras.losses.KLDivergence(), "softmax", "kl_divergence"),
        ("hinge", None, "hinge"),
        (keras.losses.SquaredHinge(), "tanh", "squared_hinge"),
        (keras.losses.LogCosh(), None, "log_cosh"),
        ("cosine_similarity", None, "cosine_similarity"),
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
    assert abs(mine) > 0.01 and abs(mine - np.mean(values)) <= 64 * np.finfo(np.float32).eps * max(1, mine)


def test_every_loss_that_keras_has_too_was_compared():
    [mark] = [m for m in test_losses_have_the_same_values.pytestmark if "expected" in m.args[0]]
    shared = {cls.name for name, cls in losses.NAMES.items() if hasattr(keras.losses, name)}
    assert shared == {expected for *_, expected in mark.args[1]}


class Square(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)


class Own(keras.optimizers.SGD):
    """Of the same name, so that only its module tells."""


Own.__name__ = "SGD"

NOT_OURS = [
    ("rmsprop", "mse", None, "RMSprop, expected one of keras.optimizers: SGD, Adam"),
    ("adamw", "mse", None, ".AdamW, expected one of keras"),
    (Own(0.1), "mse", None, "test_keras_training.SGD, expected one of keras.optimizers"),
    (keras.optimizers.Adam(amsgrad=True), "mse", None, "optimizer has amsgrad=True, expected False"),
    (keras.optimizers.Adam(clipnorm=1.0), "mse", None, "optimizer has clipnorm=1.0, expected None"),
    (keras.optimizers.Adam(weight_decay=0.1), "mse", None, "optimizer has weight_decay=0.1, expected None"),
    (keras.optimizers.SGD(0.1, weight_decay=0.1), "mse", None, "optimizer has weight_decay=0.1"),
    (
        keras.optimizers.SGD(0.1, use_ema=True, gradient_accumulation_steps=2),
        "mse",
        None,
        "optimizer averages weights after every batch of a step, expected one a step",
    ),
    (keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10)), "mse", None, "has a schedule"),
    ("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), "softmax", "loss has from_logits=True"),
    ("sgd", keras.losses.CategoricalCrossentropy(axis=0), "softmax", "loss has axis=0, expected -1"),
    ("sgd", keras.losses.MeanSquaredError(reduction="sum"), None, "loss has reduction='sum'"),
    ("sgd", keras.losses.MeanSquaredError(dtype="float16"), None, "loss has the dtype 'float16'"),
    ("sgd", "binary_crossentropy", "tanh", "needs the output activation 'sigmoid', got 'tanh'"),
    ("sgd", keras.losses.Dice(), "softmax", "loss is 'Dice', expected one of keras.losses: sparse_categ"),
    ("sgd", Square(), None, "loss is 'Square'"),
    ("sgd", lambda y_true, y_pred: keras.ops.mean(y_true - y_pred), None, "loss is '<lambda>'"),
]


def assert_not_compiled(model, message):
    """One sentence says why, and the predictions are the model's."""
    with pytest.warns(UserWarning, match="the network is not compiled as model .* is: ") as caught:
        net = from_keras(model)
    (text,) = [str(item.message) for item in caught if "not compiled" in str(item.message)]
    assert message in text and "\n" not in text
    assert net.optimizer is None and net.loss is None
    X = np.random.default_rng(4).normal(size=(9, 4)).astype(net.dtype)
    assert_predict_the_same(model, net, X)


@pytest.mark.parametrize(("optimizer", "loss", "output", "message"), NOT_OURS)
def test_another_training_is_not_taken_for_ours(optimizer, loss, output, message):
    assert_not_compiled(compiled(optimizer, loss, output), message)


def shared():
    square = layers.Dense(4, "tanh")
    return [square, square, layers.Dense(3)]


def frozen_kernel():
    dense = layers.Dense(3)
    dense.build((None, 4))
    dense.kernel.trainable = False
    return [dense]


def with_lora():
    return [layers.Dense(3, lora_rank=2)]


PULLED = [
    (lambda: [layers.Dense(3, kernel_regularizer="l2")], "/kernel' has a regularizer, expected none"),
    (lambda: [layers.Dense(3, bias_regularizer="l1")], "/bias' has a regularizer"),
    (lambda: [layers.Dense(3, kernel_constraint="unit_norm")], "/kernel' has a constraint"),
    (lambda: [layers.Dense(3, bias_constraint="non_neg")], "/bias' has a constraint"),
    (
        lambda: [layers.Dense(3), layers.BatchNormalization(gamma_constraint="non_neg")],
        "/gamma' has a constraint",
    ),
    (lambda: [layers.Dense(3, name="d", activity_regularizer="l2")], "layer 'd' has an activity_regularizer"),
    (
        lambda: [layers.Dense(3, layers.LeakyReLU(0.1, name="a", activity_regularizer="l2"))],
        "layer 'a' has an activity_regularizer",
    ),
    (lambda: [layers.Dense(3), layers.Dropout(0.1, activity_regularizer="l1"), layers.Dense(3)], "'dropout"),
    (lambda: [layers.Dense(3, trainable=False)], "/kernel' is not trained"),
    (frozen_kernel, "kernel' is not trained"),
    (lambda: [layers.Dense(3), layers.BatchNormalization(trainable=False)], "/gamma' is not trained"),
    (lambda: [layers.Dense(3), layers.BatchNormalization(scale=False)], "scale=False or center=False"),
    (lambda: [layers.Dense(3), layers.BatchNormalization(center=False)], "scale=False or center=False"),
    (lambda: [layers.LayerNormalization(scale=False), layers.Dense(3)], "scale=False or center=False"),
    (lambda: [layers.LayerNormalization(center=False), layers.Dense(3)], "scale=False or center=False"),
    (shared, "/kernel' is not trained by itself, as if frozen or used twice"),
    (with_lora, "a kernel that is computed from others is not trained"),
]


@pytest.mark.parametrize(("make", "message"), PULLED)
def test_what_else_pulls_at_the_weights_is_not_forgotten(make, message):
    model = keras.Sequential([keras.Input((4,)), *make()])
    model.compile("sgd", "mse")
    assert_not_compiled(model, message)


def test_what_the_loss_alone_pulls_at_is_compiled_without_a_word(recwarn):
    assert from_keras(compiled("sgd", "mse")).optimizer == SGD(0.01)
    assert from_keras(compiled("adam", "mse")).optimizer == Adam(0.001, epsilon=1e-7)
    normalized = [layers.Dense(3), layers.BatchNormalization(), layers.LayerNormalization()]
    model = keras.Sequential([keras.Input((4,)), *normalized, layers.Dropout(0.1), layers.Dense(3)])
    model.compile("sgd", "mse")
    assert from_keras(model).optimizer == SGD(0.01)
    assert not [item for item in recwarn if "compiled" in str(item.message)]
    assert_not_compiled(compiled("sgd", "mse", loss_weights=[0.5]), "compiled with loss_weights")


def test_a_model_that_is_not_compiled_gives_no_warning(recwarn):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, kernel_regularizer="l2")])
    assert from_keras(model).optimizer is None
    assert not [item for item in recwarn if "compiled" in str(item.message)]
