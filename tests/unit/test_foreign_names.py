"""Names and arguments of Keras, PyTorch and scikit-learn, where they mean the same."""

import numpy as np
import pytest

from fastmlp import Activation, Dense, Dropout, Heads, Network, losses, optimizers, schedules
from fastmlp.callbacks import LambdaCallback, ModelCheckpoint
from fastmlp.registry import ACTIVATIONS, ALIASES
from refusals import assert_refused

# Of torch.nn and keras.activations, from their own packages below.
TORCH = [
    *("Identity", "Sigmoid", "Tanh", "ReLU", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish"),
    *("Softplus", "Softsign", "ReLU6", "Hardtanh", "Hardsigmoid", "Hardswish"),
    *("LogSigmoid", "Hardshrink", "Softshrink", "Tanhshrink"),
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
    *("log_sigmoid", "hard_shrink", "soft_shrink", "tanh_shrink", "squareplus"),
    *("sparse_plus", "sparse_sigmoid"),
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


def test_initial_epoch_is_the_number_of_the_first(rng):
    X, y = rng.normal(size=(40, 2)), rng.normal(size=40)
    nets = [Network([2, 3, 1], seed=0) for _ in range(2)]
    for net in nets:
        net.compile("adam")
    heard = []
    hears = LambdaCallback(on_epoch_begin=lambda epoch, logs: heard.append(epoch))
    plain = nets[0].fit(X, y, epochs=3)
    history = nets[1].fit(X, y, epochs=7, initial_epoch=4, callbacks=[hears])
    assert history.epoch == heard == [4, 5, 6] and history.history == plain.history
    assert all(map(np.array_equal, nets[0].get_weights(), nets[1].get_weights()))
    assert nets[1].fit(X, y, epochs=9, initial_epoch=8).epoch == [8]  # where nothing but the history hears
    assert nets[1].epochs_done == 4
    assert nets[1].fit(X, y, epochs=2, initial_epoch=2).epoch == []


def test_initial_epoch_of_a_solver(rng):
    X, y = rng.normal(size=(40, 2)), rng.normal(size=40)
    nets = [Network([2, 3, 1], seed=0) for _ in range(2)]
    for net in nets:
        net.compile("lbfgs")
    plain = nets[0].fit(X, y, epochs=3, batch_size=None)
    history = nets[1].fit(X, y, epochs=5, batch_size=None, initial_epoch=2)
    assert history.epoch == [2, 3, 4] and history.history == plain.history
    assert nets[1].fit(X, y, epochs=5, batch_size=None, initial_epoch=5).epoch == []


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"initial_epoch": 3}, ValueError, "^initial_epoch is 3, expected an integer from 0 to 2"),
        ({"initial_epoch": 1, "resume": True}, ValueError, "^initial_epoch is 1 and resume is True"),
        ({"validation_freq": 2}, TypeError, "^unknown option of fit: 'validation_freq', .*, as held-out"),
        ({"max_iter": 2}, TypeError, "^unknown option of fit: 'max_iter', .*; did you mean 'epochs'"),
    ],
)
def test_bad_options_of_fit(options, error, message, rng):
    X, y = rng.normal(size=(9, 2)), rng.normal(size=9)
    net = Network([2, 3, 1], seed=0)
    net.compile()
    assert_refused(lambda: net.fit(X, y, epochs=2, **options), error, message, net)
    assert net.epochs_done == 0


def heads(**options):
    net = Network([2, 4, Heads({"price": 1, "kind": (3, "softmax")})], seed=0)
    net.compile(**options)
    return net


@pytest.mark.parametrize("weights", [{"kind": 0.5}, [1, 0.5], (1.0, 0.5)])
def test_loss_weights_are_those_of_heads(weights):
    X, y = np.ones((2, 2)), {"price": [1.0, 2.0], "kind": [0, 2]}
    for loss in (None, {"price": "huber"}):
        net = heads(loss=loss, loss_weights=weights)
        same = heads(loss=losses.Heads(loss or {}, {"kind": 0.5}))
        scores = net.evaluate(X, y)
        assert scores == same.evaluate(X, y) != heads(loss=loss).evaluate(X, y)
        assert scores["loss"] == pytest.approx(scores["price_loss"] + 0.5 * scores["kind_loss"], rel=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss_weights": [1]}, "^loss_weights has 1 numbers, expected one for each of the heads price"),
        ({"loss_weights": {"kid": 1}}, "^unknown head in weights 'kid', expected one of price, kind"),
        ({"loss_weights": {"kind": -1}}, "^weight of head 'kind' is -1, expected"),
        (
            {"loss_weights": [1, 1], "loss": losses.Heads(weights={"kind": 2})},
            "^loss_weights came with a loss that has weights, expected one of them$",
        ),
        ({"loss_weights": [1, 1], "loss": "mse"}, "^loss_weights is .* and the loss is one of the whole"),
    ],
)
def test_bad_loss_weights(options, message):
    net = heads()
    assert_refused(lambda: net.compile(**options), ValueError, message, net)


def test_loss_weights_need_heads():
    net = Network([2, 1], seed=0)
    net.compile()
    message = "^loss_weights is 2 and the loss is one of the whole output, expected None"
    assert_refused(lambda: net.compile(loss_weights=2), ValueError, message, net)


def test_weighted_metrics_are_metrics():
    net = Network([2, 3], output="softmax", seed=0)
    net.compile(weighted_metrics=["accuracy"])
    assert net.metrics == ["accuracy"]
    net.compile(metrics=["auc"], weighted_metrics=["log_loss"])
    assert net.metrics == ["auc", "log_loss"]
    net.compile(weighted_metrics=[])
    assert net.metrics == []
    for options, message in (
        ({"metrics": ["auc"], "weighted_metrics": ["AUC"]}, "^metrics has 'auc' twice, expected different"),
        ({"weighted_metrics": "auc"}, "^weighted_metrics is "),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            net.compile(**options)
    both = heads(metrics={"kind": ["accuracy"]}, weighted_metrics={"price": "mae"})
    assert both.metrics == ["kind_accuracy", "price_mae"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optimizers.Adam(lr=1e-3), "^unknown option of Adam: 'lr', .* mean 'learning_rate'?"),
        (lambda: Network([2, 1]).compile(jit_compile=True), "^unknown .* of compile: .* is compiled$"),
        (lambda: Dense(out_features=3), "^unknown option of Dense: 'out_features', .* did you mean 'units'?"),
        (lambda: Dense(3, bias=False), "^unknown option of Dense: 'bias', .*; did you mean 'use_bias'\\?$"),
        (lambda: Dense(3, input_dim=4), "'input_dim', .*, as the input's width is the first .* list$"),
        (
            lambda: Dense(3, kernel_regularizer="l2"),
            "'kernel_regularizer', .*, as the optimizer has l1 and l2$",
        ),
        (
            lambda: Dropout(p=0.5),
            "^unknown option of Dropout: 'p', expected one of rate; did you mean 'rate'\\?$",
        ),
        (
            lambda: optimizers.Adam(betas=(0.9, 0.99)),
            "did you mean 'beta_1'\\?$",
        ),  # not 'beta_2', the nearest
        (lambda: optimizers.Adam(momentum=0.9), "did you mean 'beta_1'\\?$"),  # not 'ema_momentum'
        (lambda: optimizers.SGD(clipnorm=1.0), "did you mean 'global_clipnorm'\\?$"),
        (lambda: schedules.CosineDecay(1e-3, decay_steps=10), "did you mean 'steps'\\?$"),
        (lambda: Network([2, 1], output_activation="tanh"), "did you mean 'output'\\?$"),  # not 'activation'
        (lambda: Network([2, 1], random_state=0), "did you mean 'seed'\\?$"),
        (lambda: Network([2, 1]).compile(lr=0.1), "'lr', .*, as the optimizer has the learning rate$"),
        (lambda: Network([2, 1]).fit([[1, 2]], [1], patience=3), "as EarlyStopping is a callback$"),
        (
            lambda: ModelCheckpoint("a.npz", save_weights_only=True),
            "as a file has the network, and .* needs$",
        ),
    ],
)
def test_options_of_other_packages_name_ours(call, message):
    assert_refused(call, TypeError, message)
