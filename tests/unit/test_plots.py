"""Pictures hold what they claim to hold; matplotlib's global state is left alone."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from fastmlp import Network

pytest.importorskip("matplotlib", reason="plots need matplotlib")

from matplotlib.figure import Figure  # noqa: E402

from fastmlp import plots  # noqa: E402

HISTORY = {"loss": [0.9, 0.5, 0.3], "accuracy": [0.5, 0.7, 0.9], "val_loss": [0.8, 0.6, 0.5]}


def lines_of(ax):
    return {line.get_label(): np.asarray(line.get_ydata(), dtype=float) for line in ax.get_lines()}


def test_history_draws_every_value():
    figure = plots.plot_history(HISTORY, title="a run")
    loss, accuracy = figure.axes
    assert lines_of(loss)["training"].tolist() == HISTORY["loss"]
    assert lines_of(loss)["validation"].tolist() == HISTORY["val_loss"]
    assert list(lines_of(accuracy)) == ["training"]
    assert loss.get_lines()[0].get_xdata().tolist() == [1, 2, 3]
    assert (loss.get_xlabel(), loss.get_ylabel(), accuracy.get_ylabel()) == ("epoch", "loss", "accuracy")
    assert figure.get_suptitle() == "a run"


def test_history_of_a_fit():
    net = Network([2, 4, 1], seed=0)
    net.compile("adam")
    history = net.fit(np.ones((20, 2)), np.ones(20), epochs=2, verbose=False)
    assert lines_of(plots.plot_history(history).axes[0])["training"].tolist() == history.history["loss"]


def test_a_picture_without_a_suffix_is_a_png_and_one_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "loss"
    plots.plot_history(HISTORY, path=path)
    before = (tmp_path / "loss.png").read_bytes()
    assert before[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(ValueError, match="Unknown symbol"):
        plots.plot_history(HISTORY, title="$\\nothing{$", path=tmp_path / "loss.png")
    with pytest.raises(ValueError, match="[Ff]ormat"):
        plots.plot_history(HISTORY, path=tmp_path / "loss.txt")
    assert [file.name for file in tmp_path.iterdir()] == ["loss.png"]
    assert (tmp_path / "loss.png").read_bytes() == before


@pytest.mark.parametrize("history, metrics", [({}, None), ({"loss": []}, None), (HISTORY, ["recall"])])
def test_history_without_values_is_refused(history, metrics):
    with pytest.raises(ValueError, match="history has no values of"):
        plots.plot_history(history, metrics=metrics)


def test_activations_and_derivatives_are_the_functions():
    figure = plots.plot_activations()
    panels = figure.axes[:5]
    assert [ax.get_title() for ax in panels] == ["step", "sigmoid", "tanh", "relu", "leaky_relu"]
    z = panels[1].get_lines()[-1].get_xdata()
    curves = lines_of(panels[1])
    sigmoid = 1 / (1 + np.exp(-z))
    assert np.allclose(curves["activation a(z)"], sigmoid, atol=1e-12)
    assert np.allclose(curves["derivative a'(z)"], sigmoid * (1 - sigmoid), atol=1e-12)
    leaky = lines_of(panels[4])["derivative a'(z)"]
    drawn = ~np.isnan(leaky)
    assert np.array_equal(leaky[drawn], np.where(z > 0, 1, 0.01)[drawn]) and drawn.sum() == len(z) - 1


@pytest.mark.parametrize("count", [1, 3, 4, 5, 6])
def test_every_activation_gets_a_panel_and_there_is_one_legend(count):
    figure = plots.plot_activations(["relu", "gelu", "silu", "mish", "elu", "exp"][:count])
    panels = [ax for ax in figure.axes if ax.get_title()]
    legends = len(figure.legends) + sum(ax.get_legend() is not None for ax in figure.axes)
    assert len(panels) == count and legends == 1


@pytest.mark.parametrize("names", [["softmax"], ["no such"], []])
def test_activations_refuse_unknown_names(names):
    with pytest.raises(ValueError, match="names holds .* expected some of identity, step"):
        plots.plot_activations(names)


def two_classes() -> Network:
    net = Network([2, 1], output="sigmoid")
    net.set_weights([[[4.0], [0.0]], [0.0]])  # class 1 where x1 > 0
    return net


def test_decision_boundary_follows_the_network():
    X, y = np.array([[-1.0, 0.0], [1.0, 0.5], [2.0, 1.0]]), np.array([0, 1, 1])
    figure = plots.plot_decision_boundary(two_classes(), X, y[:, None], resolution=41)
    ax = figure.axes[0]
    line = [c for c in ax.collections if len(getattr(c, "levels", ())) == 1]
    (path,) = line[0].get_paths()
    assert np.abs(path.vertices[:, 0]).max() < 0.1, "the line is at x1 = 0"
    points = [c.get_offsets() for c in ax.collections if c.get_label().startswith("class")]
    assert np.array_equal(np.concatenate(points), X)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$x_1$", "$x_2$")


def test_decision_regions_of_several_classes():
    net = Network([2, 3], output="softmax")
    net.set_weights([[[5.0, 0.0, -5.0], [0.0, 0.0, 0.0]], [0.0, 1.0, 0.0]])
    figure = plots.plot_decision_boundary(
        net, [[-2.0, 0.0], [0.0, 1.0], [2.0, 0.0]], [2, 1, 0], resolution=30
    )
    regions = figure.axes[0].collections[0].get_array()
    assert set(np.unique(regions)) == {0, 1, 2}
    assert regions.reshape(30, 30)[0, 0] == 2 and regions.reshape(30, 30)[0, -1] == 0


def test_decision_boundary_needs_two_columns():
    with pytest.raises(ValueError, match=r"X has shape \(4, 3\)"):
        plots.plot_decision_boundary(two_classes(), np.zeros((4, 3)), np.zeros(4))


def test_weights_are_shown_unit_by_unit():
    weights = np.arange(12.0 * 5).reshape(12, 5) - 30
    figure = plots.plot_weights(weights, (3, 4))
    pictures = [ax.get_images()[0].get_array() for ax in figure.axes if ax.get_images()]
    assert len(pictures) == 5
    for unit, picture in enumerate(pictures):
        assert np.array_equal(picture, weights[:, unit].reshape(3, 4))
    limits = {ax.get_images()[0].get_clim() for ax in figure.axes if ax.get_images()}
    assert len(limits) == 1 and sum(limits.pop()) == 0, "one scale for all, zero in its middle"


def test_weights_of_a_network_and_a_limit():
    net = Network([16, 8, 3], seed=0)
    figure = plots.plot_weights(net, limit=4)
    pictures = [ax.get_images()[0].get_array() for ax in figure.axes if ax.get_images()]
    assert len(pictures) == 4 and np.array_equal(pictures[3].ravel(), net.weights[0][:, 3].astype(float))
    with pytest.raises(ValueError, match="shape is 2 x 2 pixels"):
        plots.plot_weights(net, (2, 2), layer=1)


def test_gradient_norms_leave_zeros_out():
    ax = plots.plot_gradient_norms({"dead": [0.0, 1.0], "alive": [0.5, 0.25]}).axes[0]
    assert np.isnan(lines_of(ax)["dead"][0]) and lines_of(ax)["alive"].tolist() == [0.5, 0.25]
    assert ax.get_yscale() == "log"


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_path_saves_and_ax_draws_into_a_figure_of_the_caller(tmp_path, suffix):
    figure = Figure()
    ax = figure.subplots()
    path = tmp_path / f"loss.{suffix}"
    assert plots.plot_history(HISTORY, ax=ax, path=path) is figure
    assert len(ax.get_lines()) == 2 and len(figure.axes) == 1
    assert path.stat().st_size > 1000


def test_no_window_is_made_and_no_setting_touched():
    code = (
        "import sys, fastmlp.plots, fastmlp\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import matplotlib; before = dict(matplotlib.rcParams)\n"
        "fastmlp.plots.plot_activations(['relu'])\n"
        "assert dict(matplotlib.rcParams) == before\n"
        "from matplotlib import pyplot; assert pyplot.get_fignums() == []\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_without_matplotlib_the_message_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "fastmlp\[train\]"'):
        plots.plot_history(HISTORY)
