"""Where pictures are drawn and what comes back: axes of the caller, axes of pyplot, files."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from fastmlp import Network, plots
from fastmlp.callbacks import LayerMonitor
from fastmlp.plots import style

HISTORY = {"loss": [0.9, 0.5, 0.3], "accuracy": [0.5, 0.7, 0.9], "val_loss": [0.8, 0.6, 0.5]}
IMPORTANCES = pd.DataFrame({"importances_mean": [0.1, 0.5], "importances_std": [0.0, 0.1]}, ["a", "b"])
X, Y = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])


def classifier():
    return Network([2, 4, 1], activation="tanh", output="sigmoid", seed=0)


def monitored():
    monitor = LayerMonitor(X, Y, print_fn=None)
    net = classifier()
    net.compile("sgd")
    net.fit(X, Y, epochs=3, callbacks=[monitor], verbose=False)
    return monitor


def drawers():
    """(name, a call with one panel that takes ax= and path=) of every function of the module that draws."""
    needed = {
        "plot_activations": (["relu"],),
        "plot_history": ({"loss": [1.0, 0.5]},),
        "plot_gradient_norms": ({"a": [1.0, 2.0]},),
        "plot_layers": (monitored(), "gradients"),
        "plot_weights": (np.ones((4, 2)),),
        "plot_network": (classifier(),),
        "plot_histograms": (Network([2, 1]),),
        "plot_importances": (IMPORTANCES,),
        "plot_residuals": (Network([2, 1], seed=0), X, Y),
    }
    for name in plots.__all__:
        if not name.startswith("plot_") or name == "plot_learning_rates":
            continue
        yield name, needed.get(name, (classifier(), X, Y))


DRAWERS = dict(drawers())


@pytest.mark.parametrize("name", DRAWERS)
def test_ax_is_drawn_into_and_returned(name):
    figure = Figure()
    ax = figure.subplots()
    assert getattr(plots, name)(*DRAWERS[name], ax=ax) is ax
    assert ax.has_data() and pyplot.get_fignums() == []


@pytest.mark.parametrize("name", DRAWERS)
def test_without_ax_a_figure_of_pyplot_is_made_and_a_file_is_saved(name, tmp_path):
    path = tmp_path / "picture.png"
    ax = getattr(plots, name)(*DRAWERS[name], path=path)
    assert [pyplot.figure(number) for number in pyplot.get_fignums()] == [style.figure_of(ax)]
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and len(set(pyplot.imread(path).ravel())) > 2


def test_ax_takes_one_axes_for_each_panel():
    row = Figure().subplots(1, 2)
    drawn = plots.plot_history(HISTORY, ax=row)
    assert list(drawn) == list(row)
    assert [ax.get_ylabel() for ax in row] == ["loss", "accuracy"]
    with pytest.raises(ValueError, match="ax has 2 axes, expected 1"):
        plots.plot_history(HISTORY, metrics=["loss"], ax=row)
    with pytest.raises(ValueError, match="ax has 1 axes, expected 2"):
        plots.plot_history(HISTORY, ax=row[0])


@pytest.mark.parametrize("ax", ["here", 3])
def test_ax_of_another_kind_is_refused(ax):
    with pytest.raises(TypeError, match="ax is .* expected axes of matplotlib"):
        plots.plot_gradient_norms({"a": [1.0]}, ax=ax)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_suffix_decides_the_format(tmp_path, suffix):
    path = tmp_path / f"loss.{suffix}"
    plots.plot_history(HISTORY, path=path)
    begin = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert path.read_bytes().startswith(begin)


def test_a_picture_without_a_suffix_is_a_png_and_one_that_fails_leaves_the_old_file(tmp_path):
    plots.plot_history(HISTORY, path=tmp_path / "loss")
    before = (tmp_path / "loss.png").read_bytes()
    assert before[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(ValueError, match="Unknown symbol"):
        plots.plot_history(HISTORY, title="$\\nothing{$", path=tmp_path / "loss.png")
    with pytest.raises(ValueError, match="[Ff]ormat"):
        plots.plot_history(HISTORY, path=tmp_path / "loss.txt")
    assert [file.name for file in tmp_path.iterdir()] == ["loss.png"]
    assert (tmp_path / "loss.png").read_bytes() == before


def test_no_setting_is_touched_and_pyplot_comes_with_the_first_picture():
    code = (
        "import sys, fastmlp.plots, fastmlp\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import matplotlib; before = dict(matplotlib.rcParams)\n"
        "fastmlp.plots.plot_activations(['relu'])\n"
        "after = dict(matplotlib.rcParams); [d.pop('backend') for d in (before, after)]\n"
        "assert before == after\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("package", ["matplotlib", "sklearn"])
def test_without_a_package_the_message_names_it(monkeypatch, package):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    ax = object() if package == "sklearn" else None
    with pytest.raises(ImportError, match=f"{package} is not installed"):
        plots.plot_confusion_matrix(classifier(), X, Y, ax=ax)
