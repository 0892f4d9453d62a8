"""`LayerMonitor`: its numbers beside NumPy's, and the sentence for each kind of sick network."""

import numpy as np
import pytest

from fastmlp import BatchNormalization, Dense, Network, plots
from fastmlp.callbacks import Callback, LayerMonitor
from fastmlp.optimizers import SGD
from fastmlp.reference.functions import ACTIVATIONS


def monitored(layers, X, y, optimizer="sgd", epochs=2, weights=None, **more):
    net = Network(layers, seed=1, **more)
    net.compile(optimizer, "mse")
    if weights is not None:
        net.set_weights(weights(net.get_weights()))
    said = []
    monitor = LayerMonitor(X, y, print_fn=said.append)
    net.fit(X, y, epochs=epochs, callbacks=[monitor], verbose=False)
    assert said == monitor.report()
    return net, monitor


@pytest.fixture
def data(rng):
    X = rng.standard_normal((50, 3))
    return X, np.tanh(X[:, :1])


def test_the_numbers_are_those_of_the_network(dtype, data):
    class Kept(Callback):
        def on_epoch_begin(self, epoch, logs):
            self.before = self.network.get_weights()

        def on_epoch_end(self, epoch, logs):
            self.after = self.network.get_weights()

    net = Network([3, Dense(6, "relu"), BatchNormalization(), Dense(5, "sigmoid"), 1], dtype=dtype, seed=1)
    net.compile("sgd", "mse")
    monitor, kept = LayerMonitor(*data, print_fn=None), Kept()
    net.fit(*data, epochs=3, callbacks=[monitor, kept], verbose=False)
    assert monitor.layers == ["1: dense, relu", "2: batch normalization", "3: dense, sigmoid", "4: dense"]
    last = {name: values[-1] for name, values in monitor.history.items()}
    assert all(np.shape(values) == (3, 4) for values in monitor.history.values())
    outputs = [a.astype(float) for a in net.forward(data[0])]
    np.testing.assert_allclose(last["activations"], [(a**2).mean() ** 0.5 for a in outputs], rtol=1e-12)
    pairs = net.gradients(*data)[1]
    norms = [np.sqrt(sum((g.astype(float) ** 2).sum() for g in pair)) for pair in pairs]
    np.testing.assert_allclose(last["gradients"], norms, rtol=1e-12)
    places = [(0, 1), (2, 3), (6, 7), (8, 9)]  # of W and b, or gamma and beta
    length = [[np.sqrt(sum((a[i].astype(float) ** 2).sum() for i in own)) for own in places] for a in (
        [a - b for a, b in zip(kept.after, kept.before, strict=True)], kept.before,
    )]  # fmt: skip
    np.testing.assert_allclose(last["updates"], np.divide(*length), rtol=1e-12)
    assert last["dead"][0] == np.mean([(column == 0).all() for column in outputs[0].T])
    slopes = outputs[2] * (1 - outputs[2])
    assert last["saturated"][2] == np.mean(slopes < 0.05 * 0.25)
    assert np.isnan(last["dead"][1:]).all() and np.isnan(np.delete(last["saturated"], 2)).all()


def test_a_healthy_network_is_left_in_peace(data):
    assert monitored([3, Dense(16, "relu"), Dense(16, "relu"), 1], *data)[1].report() == []


def test_vanishing_gradients(data):
    layers = [3, *[Dense(6, "sigmoid")] * 7, 1]
    [sentence] = monitored(layers, *data)[1].report()
    assert sentence.startswith("vanishing gradients: that of layer 1: dense, sigmoid is ")
    assert "times that of layer 8: dense;" in sentence


def test_exploding_gradients(data):
    X, y = data
    net, monitor = monitored([3, Dense(6, "relu"), 1], X, y * 1e8, SGD(1e-12))
    sentences = [
        s for s in monitor.report() if s.startswith("exploding gradients: the norm of layer 1: dense")
    ]
    assert len(sentences) == 1


def test_dead_units(data):
    def kill(weights):
        weights[1][:] = -100
        return weights

    _, monitor = monitored([3, Dense(6, "relu"), Dense(6, "tanh"), 1], *data, weights=kill)
    [sentence] = [s for s in monitor.report() if s.startswith("dead")]
    assert sentence.startswith("dead units: 100% of layer 1: dense, relu have derivative 0 in all rows;")


def is_flat(name, z):
    activation, z = ACTIVATIONS[name], np.array([z])
    return not activation.derivative(z if activation.saved == "z" else activation.forward(z))[0]


FLAT_BELOW = [
    name
    for name, activation in ACTIVATIONS.items()
    if activation.saved != "row" and is_flat(name, -4.0) and not is_flat(name, 0.5)
]


@pytest.mark.parametrize("activation", FLAT_BELOW)
@pytest.mark.parametrize("bias", [-100.0, 100.0])
def test_units_beyond_the_ends_of_any_flat_activation_are_counted(activation, bias, data):
    """Three of six units are, on either side where the activation is flat there."""

    def half(weights):
        weights[1][:3] = bias
        weights[0][:, 3:] = 0
        weights[1][3:] = 0.5
        return weights

    _, monitor = monitored([3, Dense(6, activation), 1], *data, SGD(0.0), weights=half)
    counted = [monitor.history[name][-1][0] for name in ("dead", "saturated")]
    assert np.nansum(counted) == (0.5 if is_flat(activation, bias) else 0.0) and np.isnan(counted).sum() == 1


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "softsign", "hard_sigmoid", "hard_tanh"])
def test_saturation(activation, data):
    def strong(weights):
        weights[0] *= 1000
        return weights

    _, monitor = monitored([3, Dense(6, activation), 1], *data, weights=strong)
    [sentence] = [s for s in monitor.report() if s.startswith("saturation")]
    assert "% of the outputs of layer 1: dense, " + activation + " are where it is flat;" in sentence


def test_large_updates(data):
    X, y = data
    _, monitor = monitored([3, 1], X, 100 * y, SGD(0.5), epochs=1)
    assert monitor.report() == [s for s in monitor.report() if s.startswith("large updates: layer 1: dense ")]
    assert len(monitor.report()) == 1


def test_labels_and_a_loss_in_python(rng):
    X = rng.standard_normal((30, 3))
    words = np.where(X[:, 0] > 0, "yes", "no")
    net = Network([3, Dense(4, "relu"), 2], output="softmax", seed=1)
    net.compile()
    monitor = LayerMonitor(X, words, print_fn=None)
    net.fit(X, words, callbacks=[monitor], verbose=False)
    assert np.isfinite(monitor.history["gradients"]).all()

    def mse(y, p):
        return float(((p - y) ** 2).mean()), 2 * (p - y) / p.size

    numbers = []
    for loss in ("mse", mse):
        net = Network([3, Dense(4, "relu"), 1], dtype="float64", seed=1)
        net.compile("sgd", loss)
        monitor = LayerMonitor(X, X[:, :1], print_fn=None)
        net.fit(X, X[:, :1], callbacks=[monitor], verbose=False)
        numbers.append(monitor.history["gradients"])
    np.testing.assert_allclose(numbers[1], numbers[0], rtol=1e-10)


def test_rows_that_do_not_fit_are_refused_before_anything_is_trained(data):
    net = Network([3, 1], seed=1)
    net.compile()
    before = net.weights[0]
    with pytest.raises(ValueError, match="LayerMonitor's X"):
        net.fit(*data, callbacks=[LayerMonitor(data[0][:, :2], data[1])])
    assert (net.weights[0] == before).all()


def test_the_picture_has_what_was_recorded(data):
    pytest.importorskip("matplotlib").use("agg")
    from matplotlib import pyplot

    _, monitor = monitored([3, Dense(6, "relu"), Dense(5, "sigmoid"), 1], *data, epochs=4)
    panels = plots.plot_layers(monitor, title="inside")
    assert len(panels) == 5
    for panel, name in zip(panels, monitor.history, strict=True):
        drawn = {line.get_label(): list(line.get_ydata()) for line in panel.get_lines()}
        recorded = dict(zip(monitor.layers, np.array(monitor.history[name]).T.tolist(), strict=True))
        assert drawn == {label: line for label, line in recorded.items() if not np.isnan(line).all()}
    with pytest.raises(ValueError, match="quantity"):
        plots.plot_layers(monitor, ["gradients", "weights"])
    with pytest.raises(ValueError, match="monitor has recorded no epoch"):
        plots.plot_layers(LayerMonitor(*data))
    pyplot.close("all")


@pytest.mark.parametrize("loss", ["mse", "huber"])
def test_gradients_are_those_of_standardized_targets(loss, data):
    """Dollars alone make no gradient explode."""
    X, y = data
    recorded = []
    for targets, standardize in ((1e6 + 1e5 * y, True), ((y - y.mean()) / y.std(), False)):
        net = Network([X.shape[1], Dense(8, "tanh"), 1], seed=0, dtype="float64")
        net.compile(SGD(0.05), loss, standardize_targets=standardize)
        monitor = LayerMonitor(X, targets, print_fn=None)
        net.fit(X, targets, epochs=3, verbose=0, callbacks=[monitor])
        assert monitor.report() == []
        recorded.append(monitor.history["gradients"])
    np.testing.assert_allclose(recorded[0], recorded[1], rtol=1e-8)


def test_sparse_rows_are_looked_at_as_dense_ones(data):
    sparse = pytest.importorskip("scipy.sparse")
    X, y = data
    X = np.where(X > 0, X, 0.0)
    _, of_dense = monitored([3, Dense(4, "relu"), 1], X, y)
    _, of_sparse = monitored([3, Dense(4, "relu"), 1], sparse.csr_matrix(X), y)
    np.testing.assert_equal(of_sparse.history, of_dense.history)
