"""Confusion matrix, ROC, precision and recall, calibration and residuals show scikit-learn's numbers."""

import numpy as np
import pytest

from fastmlp import Network, plots

metrics = pytest.importorskip("sklearn.metrics")
rng = np.random.default_rng(0)
X = rng.normal(size=(200, 3))
Y3 = (X[:, 0] + rng.normal(0, 0.5, 200) > 0) + (X[:, 1] > 0.5).astype(int)
Y2 = Y3 > 0


def of_three():
    net = Network([3, 8, 3], output="softmax", seed=0)
    net.compile("adam")
    net.fit(X, Y3, epochs=20, verbose=False)
    return net


def of_two():
    net = Network([3, 8, 1], output="sigmoid", seed=0)
    net.compile("adam")
    net.fit(X, Y2, epochs=20, verbose=False)
    return net


def labels_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize("normalize", [None, "true"])
def test_confusion_matrix_counts_the_rows(normalize):
    net = of_three()
    ax = plots.plot_confusion_matrix(net, X, Y3, normalize=normalize)
    expected = metrics.confusion_matrix(Y3, net.predict(X).argmax(1), normalize=normalize)
    assert np.array_equal(ax.get_images()[0].get_array(), expected)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
    shown = [float(text.get_text()) for text in ax.texts]
    assert np.allclose(shown, expected.ravel(), atol=0.005)


def test_roc_and_precision_recall_of_two_classes_have_one_curve_each():
    net = of_two()
    scores = net.predict(X)[:, 0]
    roc = plots.plot_roc(net, X, Y2)
    assert labels_of(roc)[0] == f"class True, AUC {metrics.roc_auc_score(Y2, scores):.3f}"
    fpr, tpr, _ = metrics.roc_curve(Y2, scores)
    assert np.array_equal(roc.get_lines()[0].get_xydata(), np.stack([fpr, tpr], axis=1))
    precision = plots.plot_precision_recall(net, X, Y2)
    assert labels_of(precision) == [f"class True, AP {metrics.average_precision_score(Y2, scores):.3f}"]


def test_roc_of_three_classes_has_each_against_the_others():
    net = of_three()
    ax = plots.plot_roc(net, X, Y3)
    scores = net.predict(X).astype(float)
    expected = [f"class {k}, AUC {metrics.roc_auc_score(Y3 == k, scores[:, k]):.3f}" for k in range(3)]
    assert labels_of(ax)[:3] == expected


def test_calibration_shows_shares_against_probabilities():
    from sklearn.calibration import calibration_curve

    net = of_two()
    ax = plots.plot_calibration(net, X, Y2, bins=5)
    shares, means = calibration_curve(Y2, net.predict(X)[:, 0].astype(float), n_bins=5, strategy="quantile")
    assert np.allclose(ax.get_lines()[0].get_xydata(), np.stack([means, shares], axis=1), atol=1e-9)


def test_residuals_are_y_minus_the_prediction():
    net = Network([3, 2], seed=0)
    Y = rng.normal(size=(200, 2))
    ax = plots.plot_residuals(net, X, Y, output=1)
    predicted = net.predict(X)[:, 1].astype(float)
    drawn = np.asarray(ax.collections[0].get_offsets())
    assert np.allclose(drawn, np.stack([predicted, Y[:, 1] - predicted], axis=1), atol=1e-9)
    with pytest.raises(ValueError, match=r"y has shape \(200,\) for predictions of shape \(200, 2\)"):
        plots.plot_residuals(net, X, Y[:, 0])


@pytest.mark.parametrize("draw", [plots.plot_roc, plots.plot_precision_recall, plots.plot_calibration])
def test_one_class_alone_and_rows_that_differ_are_refused(draw):
    with pytest.raises(ValueError, match="y holds the class (0|False) alone"):
        draw(of_two(), X, np.zeros(200, dtype=int))
    with pytest.raises(ValueError, match="y has 3 labels for 200 rows of X"):
        draw(of_two(), X, [0, 1, 1])


@pytest.mark.parametrize(
    "model, message", [(Network([3, 2]), "model ends in 'identity'"), (3, "model is a int")]
)
def test_what_is_no_classifier_is_refused(model, message):
    with pytest.raises(TypeError, match=message):
        plots.plot_confusion_matrix(model, X, Y3)
