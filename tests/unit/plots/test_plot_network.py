"""Pictures of networks hold their numbers: activations, weights, diagram, histograms, gradient norms."""

import numpy as np
import pytest

from fastmlp import Dropout, LayerNormalization, Network, plots
from fastmlp.layers import Dense


def test_activations_and_derivatives_are_the_functions():
    panels = plots.plot_activations()
    assert [ax.get_title() for ax in panels] == ["step", "sigmoid", "tanh", "relu", "leaky_relu"]
    curves = {line.get_label(): line for line in panels[1].get_lines()}
    z = curves["activation a(z)"].get_xdata()
    sigmoid = 1 / (1 + np.exp(-z))
    assert np.allclose(curves["activation a(z)"].get_ydata(), sigmoid, atol=1e-12)
    assert np.allclose(curves["derivative a'(z)"].get_ydata(), sigmoid * (1 - sigmoid), atol=1e-12)
    (leaky,) = [li.get_ydata() for li in panels[4].get_lines() if li.get_label() == "derivative a'(z)"]
    drawn = ~np.isnan(leaky)
    assert np.array_equal(leaky[drawn], np.where(z > 0, 1, 0.01)[drawn]) and drawn.sum() == len(z) - 1


@pytest.mark.parametrize("count", [1, 3, 4, 6])
def test_every_activation_gets_a_panel_and_there_is_one_legend(count):
    panels = np.ravel(plots.plot_activations(["relu", "gelu", "silu", "mish", "elu", "exp"][:count]))
    assert len(panels) == count == len(panels[0].figure.axes)
    assert sum(ax.get_legend() is not None for ax in panels) == 1


def test_one_name_of_an_activation_is_one_panel():
    assert plots.plot_activations("relu").get_title() == "relu"


@pytest.mark.parametrize("names", [["softmax"], ["no such"], []])
def test_activations_refuse_unknown_names(names):
    with pytest.raises(ValueError, match="names holds .* expected some of identity, step"):
        plots.plot_activations(names)


def test_weights_are_shown_unit_by_unit_with_zero_in_the_middle_of_the_scale():
    weights = np.arange(12.0 * 5).reshape(12, 5) - 30
    image = plots.plot_weights(weights, (3, 4)).get_images()[0]
    mosaic = image.get_array().filled(np.nan)
    for unit in range(5):
        row, column = divmod(unit, 3)
        tile = mosaic[4 * row : 4 * row + 3, 5 * column : 5 * column + 4]
        assert np.array_equal(tile, weights[:, unit].reshape(3, 4))
    assert np.isnan(mosaic).sum() == mosaic.size - weights.size
    assert sum(image.get_clim()) == 0


def test_weights_of_a_network_and_a_limit():
    net = Network([16, 8, 3], seed=0)
    mosaic = plots.plot_weights(net, limit=4).get_images()[0].get_array().filled(np.nan)
    assert np.array_equal(mosaic[5:, 5:], net.weights[0][:, 3].reshape(4, 4))
    with pytest.raises(ValueError, match="shape is 2 x 2 pixels"):
        plots.plot_weights(net, (2, 2), layer=1)
    last = plots.plot_weights(net, (2, 4), layer=-1).get_images()[0].get_array().filled(np.nan)
    assert np.array_equal(last[:2, :4], net.weights[1][:, 0].reshape(2, 4))
    with pytest.raises(ValueError, match="^layer is 2, expected an integer from -2 to 1$"):
        plots.plot_weights(net, layer=2)


def test_the_diagram_has_a_column_for_each_layer_and_a_line_for_each_weight():
    net = Network([3, Dense(4, "relu"), Dropout(0.1), Dense(2)], seed=0)
    ax = plots.plot_network(net)
    words = [text.get_text().splitlines() for text in ax.texts]
    assert words[1] == ["dense, relu", "(rows, 4)", "16 parameters"]
    assert [len(points.get_offsets()) for points in ax.collections if hasattr(points, "get_sizes")][:4] == [
        3, 4, 4, 2,
    ]  # fmt: skip
    lines = [c for c in ax.collections if hasattr(c, "get_segments")]
    assert [len(c.get_segments()) for c in lines] == [12, 4, 8]
    red, blue = lines[0].get_colors()[:, 0], lines[0].get_colors()[:, 2]
    assert np.array_equal(red > blue, net.weights[0].ravel() > 0)


def test_the_diagram_of_a_wide_network_leaves_units_out():
    net = Network([784, LayerNormalization(), 100, 10], seed=0)
    ax = plots.plot_network(net, most_units=12)
    points = [c for c in ax.collections if not hasattr(c, "get_segments")]
    assert [len(c.get_offsets()) for c in points] == [11, 11, 11, 10]
    assert sum(text.get_text() == "⋮" for text in ax.texts) == 3


@pytest.fixture
def estimator():
    pytest.importorskip("sklearn")
    from fastmlp.sklearn import MLPClassifier

    X = np.random.default_rng(0).normal(size=(30, 4))
    return MLPClassifier((5,), max_iter=5, tol=0, random_state=0).fit(X, np.where(X[:, 0] > 0, "up", "down"))


def test_estimators_are_drawn_as_their_networks(estimator):
    ax = plots.plot_network(estimator)
    assert [text.get_text().splitlines()[1] for text in ax.texts] == ["(rows, 4)", "(rows, 5)", "(rows, 1)"]
    mosaic = plots.plot_weights(estimator, limit=1).get_images()[0].get_array().filled(np.nan)
    assert np.array_equal(mosaic, estimator.coefs_[0][:, 0].reshape(2, 2))
    panels = plots.plot_histograms(estimator)
    counts = [sum(bar.get_height() for bar in ax.patches) for ax in panels]
    assert counts == [20, 5]


@pytest.mark.parametrize("draw", [plots.plot_network, plots.plot_weights, plots.plot_histograms])
def test_what_is_no_network_is_refused(draw):
    with pytest.raises(TypeError, match="network is a dict, expected a Network or a fitted MLPClassifier"):
        draw({})


def test_histograms_count_every_number():
    net = Network([6, 5, 3], output="softmax", seed=0)
    net.compile("sgd")
    X, y = np.random.default_rng(0).normal(size=(20, 6)), np.arange(20) % 3
    hidden, _ = net.forward(X)
    for kind, sizes in (("weights", [30, 15]), ("activations", [100, 60]), ("gradients", [30, 15])):
        panels = plots.plot_histograms(net, kind, X, y)
        assert [sum(bar.get_height() for bar in ax.patches) for ax in panels] == sizes
        if kind == "activations":
            assert f"{np.mean(hidden == 0):.0%} zeros" in panels[0].get_title()
    with pytest.raises(ValueError, match="kind is 'biases', expected one of 'weights'"):
        plots.plot_histograms(net, "biases")
    with pytest.raises(ValueError, match="y is None, expected rows to take gradients of"):
        plots.plot_histograms(net, "gradients", X)


def test_gradient_norms_leave_zeros_out():
    ax = plots.plot_gradient_norms({"dead": [0.0, 1.0], "alive": [0.5, 0.25]})
    dead, alive = ax.get_lines()
    assert np.isnan(dead.get_ydata()[0]) and alive.get_ydata().tolist() == [0.5, 0.25]
    assert ax.get_yscale() == "log"
