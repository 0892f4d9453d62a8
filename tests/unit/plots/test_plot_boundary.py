"""The plane is coloured as the model predicts, whichever model it is."""

import numpy as np
import pytest

from fastmlp import Network, plots


def two_classes(output):
    """Class 1 where x1 > 0."""
    net = Network([2, 2 if output == "softmax" else 1], output=output)
    weights = [[-4.0, 4.0], [0.0, 0.0]] if output == "softmax" else [[4.0], [0.0]]
    net.set_weights([weights, np.zeros(net.plan.n_out)])
    return net


def points_of(ax):
    return {c.get_label(): np.asarray(c.get_offsets()) for c in ax.collections if "class" in c.get_label()}


@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
def test_the_line_of_two_classes_is_where_both_are_as_likely(output):
    X, y = np.array([[-1.0, 0.0], [1.0, 0.5], [2.0, 1.0]]), np.array([0, 1, 1])
    ax = plots.plot_decision_boundary(two_classes(output), X, y[:, None], resolution=41)
    (line,) = [c for c in ax.collections if len(getattr(c, "levels", ())) == 1]
    assert np.abs(line.get_paths()[0].vertices[:, 0]).max() < 0.1, "the line is at x1 = 0"
    shades = ax.collections[0]  # a path for each share between two levels
    shown = {
        x1: [shades.levels[k] for k, path in enumerate(shades.get_paths()) if path.contains_point((x1, 0.5))]
        for x1 in (-1.0, 1.0)
    }
    assert max(shown[-1.0]) < 0.1 and min(shown[1.0]) > 0.9, "class 1 is likely where x1 > 0"
    assert np.array_equal(points_of(ax)["class 0"], X[:1]) and np.array_equal(points_of(ax)["class 1"], X[1:])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$x_{1}$", "$x_{2}$")


def test_regions_of_several_classes_and_one_hot_rows():
    net = Network([2, 3], output="softmax")
    net.set_weights([[[5.0, 0.0, -5.0], [0.0, 0.0, 0.0]], [0.0, 1.0, 0.0]])
    X, one_hot = [[-2.0, 0.0], [0.0, 1.0], [2.0, 0.0]], np.eye(3)[[2, 1, 0]]
    ax = plots.plot_decision_boundary(net, X, one_hot, resolution=30)
    regions = ax.collections[0].get_array().reshape(30, 30)
    assert set(np.unique(regions)) == {0, 1, 2}
    assert regions[0, 0] == 2 and regions[0, -1] == 0
    assert points_of(ax)["class 2"].tolist() == [[-2.0, 0.0]]


def test_words_as_labels_and_four_columns_of_an_estimator():
    sklearn = pytest.importorskip("fastmlp.sklearn")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 4))
    X[:, 1] += 5
    y = np.where(X[:, 2] > 0, "up", "down")
    model = sklearn.MLPClassifier((8,), solver="lbfgs", alpha=0.1, random_state=0).fit(X, y)
    ax = plots.plot_decision_boundary(model, X, y, features=(2, 0), resolution=25)
    points = points_of(ax)
    assert np.array_equal(points["class up"], X[y == "up"][:, [2, 0]])
    assert ax.get_title() == "the other columns at their medians"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$x_{3}$", "$x_{1}$")
    (line,) = [c for c in ax.collections if len(getattr(c, "levels", ())) == 1]
    assert np.abs(line.get_paths()[0].vertices[:, 0]).max() < 0.7, "the classes meet near x3 = 0"


@pytest.mark.parametrize("package", ["pandas", "polars"])
@pytest.mark.filterwarnings("error")  # scikit-learn's, of names that came to fit and not to predict
def test_columns_of_a_frame_have_their_names(package):
    frames = pytest.importorskip(package)
    sklearn = pytest.importorskip("fastmlp.sklearn")
    X = np.random.default_rng(0).normal(size=(80, 3))
    frame = frames.DataFrame({name: column for name, column in zip("abc", X.T, strict=True)})
    y = np.where(X[:, 2] > 0, "up", "down")
    model = sklearn.MLPClassifier((8,), solver="lbfgs", alpha=0.1, random_state=0).fit(frame, y)
    ax = plots.plot_decision_boundary(model, frame, y, features=("c", "a"), resolution=25)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("c", "a")
    assert np.array_equal(points_of(ax)["class up"], X[y == "up"][:, [2, 0]])
    with pytest.raises(ValueError, match="unknown column 'd', expected one of a, b, c"):
        plots.plot_decision_boundary(model, frame, y, features=("c", "d"))
    words = frames.DataFrame({"a": ["x", "y"], "b": [0.0, 1.0]})
    with pytest.raises(ValueError, match="X has columns that hold no numbers, expected numbers alone"):
        plots.plot_decision_boundary(model, words, ["up", "down"])


def test_a_regression_is_coloured_by_its_values():
    net = Network([2, 1])
    net.set_weights([[[2.0], [0.0]], [1.0]])
    X, y = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([1.0, 3.5])
    ax = plots.plot_decision_boundary(net, X, y, resolution=5)
    field, points = ax.collections
    assert np.allclose(field.get_array().reshape(5, 5)[0], 1 + 2 * np.linspace(-0.08, 1.08, 5), atol=1e-6)
    assert points.get_array().tolist() == y.tolist() and points.get_clim() == field.get_clim()


@pytest.mark.parametrize(
    "X, y, options, message",
    [
        (np.zeros((4, 1)), np.zeros(4), {}, r"X has shape \(4, 1\), expected .* at least two columns"),
        (np.zeros((4, 2)), np.zeros(3), {}, "y has 3 labels for 4 rows"),
        (np.zeros((4, 2)), np.full(4, 2), {}, r"y holds 2, expected the model's classes \[0, 1\]$"),
        (
            np.zeros((4, 2)),
            np.zeros(4),
            {"features": (0, 2)},
            r"features is \(0, 2\), expected two different",
        ),
        (
            np.zeros((4, 2)),
            np.zeros(4),
            {"features": (1, 1)},
            r"features is \(1, 1\), expected two different",
        ),
        (np.zeros((4, 2)), np.zeros(4), {"features": ("a", 1)}, r"features is \('a', 1\), expected two"),
    ],
)
def test_what_does_not_fit_is_refused(X, y, options, message):
    with pytest.raises(ValueError, match=message):
        plots.plot_decision_boundary(two_classes("sigmoid"), X, y, **options)
