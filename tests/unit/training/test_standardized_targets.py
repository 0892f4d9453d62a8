"""`compile(standardize_targets=True)`: training on (y - mean) / std, everything else in the units of y."""

from __future__ import annotations

import copy
import ctypes
import pickle

import numpy as np
import pytest

from fastmlp import Activation, Dense, Dropout, Network, OutputRescaling, learning_rate_range, load
from fastmlp.callbacks import EarlyStopping, LambdaCallback
from fastmlp.losses import GaussianNLL, Quantile
from helpers import assert_same_bits

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 3))
Y = 1e5 + 3e4 * np.stack([X[:, 0] + 0.5 * X[:, 1] ** 2, 1e-6 * X[:, 2]], axis=1)
KEPT = 160  # of validation_split=0.2


def network(n_out=2, dtype="float32", loss="mse", standardize=True, **more):
    net = Network([3, 12, n_out], activation="tanh", seed=3, dtype=dtype)
    net.compile("adam", loss, standardize_targets=standardize, **more)
    return net


def statistics(y, weights=None):
    """In long double, as an oracle."""
    y = np.asarray(y, np.longdouble)
    mean = np.average(y, axis=0, weights=weights)
    return mean, np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weights))


def by_hand(net, y):
    """Targets as training sees them, by the network's own numbers."""
    layer = net.layers[-1]
    return (y - np.array(layer.offset)) / np.array(layer.scale)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_is_that_on_targets_standardized_by_hand(dtype):
    net, hand = network(dtype=dtype, metrics=["mae"]), network(dtype=dtype, standardize=False)
    history = net.fit(X, Y, epochs=4, validation_split=0.2, verbose=0).history
    mean, std = statistics(Y[:KEPT])
    assert np.allclose(net.layers[-1].offset, mean.astype(float), rtol=1e-15)
    assert np.allclose(net.layers[-1].scale, std.astype(float), rtol=1e-13)
    other = hand.fit(X, by_hand(net, Y), epochs=4, validation_split=0.2, verbose=0).history
    assert_same_bits(net.get_weights(), hand.get_weights())
    assert history["loss"] == other["loss"] and history["val_loss"] == other["val_loss"]
    predictions = hand.predict(X).astype(np.longdouble) * std + mean
    error = np.abs(net.predict(X) - predictions)
    assert np.all(error <= 4 * np.finfo(dtype).eps * np.abs(predictions))
    metric = np.abs(net.predict(X[KEPT:]) - Y[KEPT:]).mean()
    assert np.isclose(history["val_mae"][-1], metric, rtol=1e-5)


def test_evaluate_is_in_the_units_of_y():
    net = network(metrics=["mae"])
    net.fit(X, Y, epochs=2, verbose=0)
    found, predictions = net.evaluate(X, Y), net.predict(X).astype(float)
    assert np.isclose(found["loss"], ((predictions - Y) ** 2).mean(), rtol=1e-4)
    assert np.isclose(found["mae"], np.abs(predictions - Y).mean(), rtol=1e-4)
    assert_same_bits(net.forward(X)[-1], net.predict(X))
    assert_same_bits(net.layer_output(X, -1), net.predict(X))
    assert_same_bits(net(X, training=True), net.predict(X))


def test_native_predictions_are_in_the_units_of_y():
    net = network()
    native, before = net.native(), net.predict(X)
    net.fit(X, Y, epochs=1, verbose=0)
    x, out = X.astype(np.float32), np.empty((200, 2), np.float32)
    assert native.ctypes()(native.handle, x.ctypes.data_as(ctypes.c_void_p), 200, out.ctypes) == 0
    assert_same_bits(out, net.predict(X))
    assert not np.array_equal(out, before)


def test_two_fits_have_the_bits_of_one_whatever_the_second_is_given():
    one, two = network(), network()
    one.fit(X, Y, epochs=5, verbose=0)
    two.fit(X, Y, epochs=2, verbose=0)
    layers = two.layers
    two.fit(X, Y, epochs=3, verbose=0)
    assert_same_bits(two.get_weights(), one.get_weights())
    two.fit(X, 2 * Y, epochs=1, verbose=0)
    assert two.layers == layers


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
@pytest.mark.parametrize("epochs", [0, 2])
def test_files_and_copies_go_on_with_the_same_bits(tmp_path, suffix, epochs):
    net = network(metrics=["r2"])
    if epochs:
        net.fit(X, Y, epochs=epochs, verbose=0)
    path = tmp_path / f"net.{suffix}"
    net.save(path, include_optimizer=True)
    others = [load(path), copy.deepcopy(net), pickle.loads(pickle.dumps(net))]
    net.fit(X, Y, epochs=2, verbose=0)
    for other in others:
        assert other.standardize_targets
        other.fit(X, Y, epochs=2, verbose=0)
        assert_same_bits(other.predict(X), net.predict(X))
        assert other.layers == net.layers


def test_weights_of_rows_count_in_mean_and_deviation():
    weights = RNG.uniform(0, 2, 200).astype(np.float32)
    weights[:20] = 0
    y = Y.copy()
    y[:20] = 1e12  # of weight 0
    net = network()
    net.fit(X, y, epochs=1, sample_weight=weights, verbose=0)
    mean, std = statistics(y, weights.astype(np.longdouble))
    assert np.allclose(net.layers[-1].offset, mean.astype(float), rtol=1e-14)
    assert np.allclose(net.layers[-1].scale, std.astype(float), rtol=1e-12)
    with pytest.raises(ValueError, match="sample_weight is 0 in all rows"):
        network().fit(X, y, sample_weight=np.zeros(200), verbose=0)


def test_a_spread_that_float32_does_not_hold_is_trained_on():
    y = 1.7e9 + X[:, 0]  # float32 has steps of 128 there
    net, hand = network(1), network(1, standardize=False)
    net.fit(X, y, epochs=3, verbose=0)
    assert abs(net.layers[-1].scale[0] - X[:, 0].std()) < 1e-6
    hand.fit(X, by_hand(net, y[:, None]), epochs=3, verbose=0)
    assert_same_bits(net.get_weights(), hand.get_weights())


def test_a_target_without_spread_keeps_its_scale():
    net = network()
    net.fit(X, np.stack([X[:, 0], np.full(200, 0.1)], axis=1), epochs=1, verbose=0)
    assert net.layers[-1].scale[1] == 1 and net.layers[-1].offset[1] == 0.1


def test_log_variances_grow_by_that_of_the_targets():
    y = Y[:, 0]
    net = network(2, loss=GaussianNLL())
    history = net.fit(X, y, epochs=3, verbose=0).history
    mean, std = statistics(y)
    assert np.allclose(net.layers[-1].scale, [float(std), 1], rtol=1e-12)
    assert np.allclose(net.layers[-1].offset, [float(mean), 2 * np.log(float(std))], rtol=1e-12)
    m, s = net.predict(X).astype(float).T
    expected = ((s + (m - y) ** 2 / np.exp(s)) / 2).mean()
    assert np.isclose(net.evaluate(X, y)["loss"], expected, rtol=1e-4)
    # the same likelihood but for the unit: log(std) more a row
    assert abs(net.evaluate(X, y)["loss"] - float(np.log(std)) - history["loss"][-1]) < 0.1


def test_quantiles_of_two_targets():
    net = network(4, loss=Quantile([0.2, 0.8]))
    net.fit(X, Y, epochs=40, batch_size=20, verbose=0)
    mean, std = statistics(Y)
    assert np.allclose(net.layers[-1].offset, np.tile(mean.astype(float), 2), rtol=1e-14)
    below = (Y < net.predict(X)[:, 2:]).mean(axis=0)
    assert np.all(below > 0.6)


def test_early_stopping_brings_back_the_best_weights():
    net = network()
    stop = EarlyStopping(patience=3, restore_best_weights=True, min_delta=10)
    history = net.fit(X, Y, epochs=10, validation_split=0.2, callbacks=[stop], verbose=0)
    assert stop.best_epoch == 0
    rows = X[KEPT:], by_hand(net, Y[KEPT:]).astype(np.float32)
    total, _ = net.plan.evaluate(*rows, loss=("mse", 0.0), standardized=True)
    assert total / 40 == history.history["val_loss"][0]


def test_callbacks_see_predictions_in_the_units_of_y():
    seen = []
    show = LambdaCallback(on_train_begin=lambda logs: seen.append(net.predict(X).mean(axis=0)))
    net = network()
    net.fit(X, Y, epochs=1, callbacks=[show], verbose=0)
    assert np.allclose(seen[0], Y.mean(axis=0), rtol=0.5)


def test_divergence_and_an_interruption_leave_finite_weights_in_the_units_of_y():
    net = network()
    net.compile("sgd", "mse", standardize_targets=True)
    net.learning_rate = 1e30
    with pytest.raises(FloatingPointError):
        net.fit(X, Y, epochs=50, verbose=0)
    assert np.isfinite(net.get_weights()[0]).all() and net.output_rescaling is not None

    def interrupt(epoch, logs):
        raise KeyboardInterrupt

    net = network()
    net.fit(X, Y, epochs=50, callbacks=[LambdaCallback(on_epoch_end=interrupt)], verbose=0)
    assert net.epochs_done == 1
    assert np.abs(net.predict(X).mean(axis=0) - Y.mean(axis=0))[0] < Y[:, 0].std()


def test_train_on_batch_takes_the_statistics_of_its_first_batch():
    net, hand = network(), network(standardize=False)
    losses = [net.train_on_batch(X[i : i + 50], Y[i : i + 50])["loss"] for i in (0, 50)]
    mean, std = statistics(Y[:50])
    assert np.allclose(net.layers[-1].offset, mean.astype(float), rtol=1e-14)
    targets = by_hand(net, Y)
    assert losses == [hand.train_on_batch(X[i : i + 50], targets[i : i + 50])["loss"] for i in (0, 50)]
    assert_same_bits(net.get_weights(), hand.get_weights())


def test_the_range_test_leaves_the_network_as_it_is():
    net = network(1)
    found = learning_rate_range(net, X, Y[:, 0], steps=30)
    assert net.output_rescaling is None
    hand = network(1, standardize=False)
    mean, std = (float(v) for v in statistics(Y[:, 0]))
    expected = learning_rate_range(hand, X, (Y[:, 0] - mean) / std, steps=30)
    assert np.allclose(found.losses[:20], expected.losses[:20], rtol=1e-4)


def test_a_layer_of_ones_own_is_kept():
    layer = OutputRescaling.adapt(Y, sample_weight=np.arange(200))
    mean, std = statistics(Y, np.arange(200))
    assert np.allclose(layer.offset, mean.astype(float)) and np.allclose(layer.scale, std.astype(float))
    net = Network([3, 8, 2, layer], seed=0)
    net.compile("adam", standardize_targets=True)
    net.fit(X, Y, epochs=1, verbose=0)
    assert net.layers[-1] is layer


def test_without_the_option_a_layer_of_ones_own_is_trained_through():
    """In the units of y: for Adam another step size is all that the factor of the gradient would be."""
    net = Network([3, 12, 1, OutputRescaling.adapt(Y[:, 0])], activation="tanh", seed=0, dtype="float64")
    net.compile("adam", "mse")
    first = net.fit(X, Y[:, 0], epochs=60, verbose=0).history["loss"]
    assert first[0] > 1e6 and first[-1] < 0.5 * Y[:, 0].var()
    assert np.isclose(net.evaluate(X, Y[:, 0])["loss"], first[-1], rtol=0.2)


def test_folded_networks_have_it_in_their_weights():
    net = network(dtype="float64")
    net.fit(X, Y, epochs=2, verbose=0)
    folded = net.folded()
    assert folded.output_rescaling is None and len(folded.layers) == 2
    assert np.allclose(folded.predict(X), net.predict(X), rtol=1e-13)
    scaled = Network([3, Dense(2), Activation("identity"), OutputRescaling([2.0, 3.0], [4.0, 5.0])], seed=0)
    assert np.allclose(scaled.folded().predict(X), scaled.predict(X), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "softmax"}, "standardize_targets is True and the output 'softmax', expected 'identity'"),
        ({"loss": "cosine_similarity"}, "loss 'cosine_similarity', expected one of mse, mae, huber"),
        ({"loss": lambda y, p: (0.0, p)}, "loss a function in Python, expected one of mse"),
        ({"loss": "hinge"}, "loss 'hinge', expected one of"),
    ],
)
def test_what_cannot_be_standardized_is_refused(options, message):
    options = dict(options)
    net = Network([3, 2], output=options.pop("output", "identity"))
    with pytest.raises(ValueError, match=message):
        net.compile("adam", standardize_targets=True, **options)
    assert net.optimizer is None


def test_a_layer_of_another_loss_is_refused():
    net = network(2, loss=GaussianNLL())
    net.fit(X, Y[:, 0], epochs=1, verbose=0)
    net.compile("adam", "mse", standardize_targets=True)  # two targets may have any two scales
    net = Network([3, 2, OutputRescaling([2.0, 3.0], [0.0, 0.0])])
    with pytest.raises(ValueError, match="expected standardized targets of the loss 'gaussian_nll'"):
        net.compile("adam", GaussianNLL(), standardize_targets=True)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([3, OutputRescaling([1.0], [0.0]), 1], r"layers\[1\] is OutputRescaling.*expected it at the end"),
        ([3, Dense(1, "tanh"), OutputRescaling([1.0], [0.0])], "after the activation 'tanh', expected"),
        ([3, 2, OutputRescaling([1.0], [0.0])], "has 1 scales, expected 2, one an output"),
        ([3, 1, Dropout(0.5), OutputRescaling([1.0], [0.0])], r"layers ends with Dropout\(0.5\)"),
        ([3, 1, OutputRescaling([1e-60], [0.0])], "which float32 cannot hold"),
    ],
)
def test_a_layer_in_a_wrong_place_is_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        Network(layers)


@pytest.mark.parametrize(
    ("scale", "offset", "message"),
    [
        ([0.0], [1.0], "scale contains 0 at index 0, expected numbers above 0"),
        ([1.0], [1.0, 2.0], "offset has 2 numbers, expected 1"),
        (1.0, 1.0, r"scale has shape \(\), expected one number for each output"),
        ([np.inf], [1.0], "scale contains inf"),
    ],
)
def test_numbers_that_rescale_nothing_are_refused(scale, offset, message):
    with pytest.raises(ValueError, match=message):
        OutputRescaling(scale, offset)


def test_a_call_that_is_refused_adds_nothing():
    net = network()
    with pytest.raises(ValueError):
        net.fit(X, Y, validation_data=(X[:, :2], Y))
    with pytest.raises(ValueError):
        net.train_on_batch(X, Y[:-1])
    assert net.output_rescaling is None


def test_a_target_of_one_number_and_roundings_is_not_divided_by_them():
    y = np.array([1e6, 1e6 + 2e-10, 1e6 - 2e-10, 1e6])
    assert len(set(y.tolist())) == 3
    for weights in (None, [1.0, 2.0, 1.0, 0.0]):
        layer = OutputRescaling.adapt(y, weights)
        assert layer.scale == (1.0,) and layer.offset == (1e6,)
