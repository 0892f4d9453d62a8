"""Curves hold the values of the history, and epochs count from 1."""

from types import SimpleNamespace

import numpy as np
import pytest

from fastmlp import Network, plots

HISTORY = {"loss": [0.9, 0.5, 0.3], "accuracy": [0.5, 0.7, 0.9], "val_loss": [0.8, 0.6, 0.5]}


def lines_of(ax):
    return {line.get_label(): np.asarray(line.get_ydata(), dtype=float).tolist() for line in ax.get_lines()}


def test_every_value_is_drawn():
    loss, accuracy = plots.plot_history(HISTORY, title="a run")
    assert lines_of(loss) == {"training": HISTORY["loss"], "validation": HISTORY["val_loss"]}
    assert lines_of(accuracy) == {"training": HISTORY["accuracy"]}
    assert loss.get_lines()[0].get_xdata().tolist() == [1, 2, 3]
    assert (loss.get_xlabel(), loss.get_ylabel(), accuracy.get_ylabel()) == ("epoch", "loss", "accuracy")
    assert loss.figure.get_suptitle() == "a run"


def history_of(epochs):
    return plots.plot_history({"loss": np.ones(epochs)})


def layers_of(epochs):
    return plots.plot_layers(SimpleNamespace(history={"gradients": [[1.0]] * epochs}, layers=["1: dense"]))


@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 20, 100, 1234])
@pytest.mark.parametrize("draw", [history_of, layers_of])
def test_ticks_are_epochs_that_there_are_from_1_on(draw, epochs):
    ticks = draw(epochs).get_xticks()
    assert ticks[0] == 1 and ticks[-1] <= epochs and (ticks == np.round(ticks)).all()
    assert (len(ticks) > 1) == (epochs > 1)


def test_the_history_of_a_fit_and_of_an_estimator():
    net = Network([2, 4, 1], seed=0)
    net.compile("adam")
    history = net.fit(np.ones((20, 2)), np.ones(20), epochs=2, verbose=False)
    assert lines_of(plots.plot_history(history))["training"] == history.history["loss"]
    sklearn = pytest.importorskip("fastmlp.sklearn")
    estimator = sklearn.MLPRegressor(max_iter=3, early_stopping=True, random_state=0)
    with pytest.warns(match="Maximum iterations"):
        estimator.fit(np.random.default_rng(0).normal(size=(40, 2)), np.arange(40.0))
    loss, score = plots.plot_history(estimator)
    assert lines_of(loss)["training"] == estimator.loss_curve_
    assert lines_of(score)["training"] == list(estimator.validation_scores_)


def test_one_name_of_a_metric_is_one_panel():
    assert plots.plot_history({"loss": [2.0, 1.0], "mae": [0.5, 0.25]}, metrics="mae").get_ylabel() == "mae"


@pytest.mark.parametrize("history, metrics", [({}, None), ({"loss": []}, None), (HISTORY, ["recall"])])
def test_a_history_without_values_is_refused(history, metrics):
    with pytest.raises(ValueError, match="history has no values of"):
        plots.plot_history(history, metrics=metrics)
    with pytest.raises(TypeError, match="history is a int, expected a History"):
        plots.plot_history(3)
