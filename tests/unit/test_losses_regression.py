"""Losses of numbers: what their options do, targets that they refuse, extremes."""

import numpy as np
import pytest

from fastmlp import Network, _kernels, losses
from helpers import assert_close, assert_same_bits


def gradient(loss, p, y, dtype, isa=None):
    return _kernels.loss_gradient(
        loss.name, loss.parameters, np.array(p, dtype), np.array(y, dtype), isa=isa
    )


# ---- options and targets ----


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.Quantile([]), "^levels is empty, expected at least one number above 0 and below 1$"),
        (lambda: losses.Quantile([0.5, 1]), "^levels is 1, expected a finite number above 0 and below 1"),
        (lambda: losses.Quantile(0), "^levels is 0, expected a finite number above 0 and below 1"),
        (lambda: losses.TweedieDeviance(1), "^power is 1, expected a finite number above 1 and below 2"),
        (lambda: losses.TweedieDeviance(2), "^power is 2, expected a finite number above 1 and below 2"),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("loss", "y", "message"),
    [
        (losses.GammaDeviance(), [3, 0], "y contains 0 at row 1, column 0, expected above 0"),
        (losses.GammaDeviance(), [3, -1], "y contains -1 at row 1, column 0, expected above 0"),
        (losses.TweedieDeviance(), [0, -1], "y contains -1 at row 1, column 0, expected 0 or more"),
        (losses.PoissonDeviance(), [0, -1], "y contains -1 at row 1, column 0, expected 0 or more"),
    ],
)
def test_targets_out_of_bounds(loss, y, message):
    with pytest.raises(ValueError) as caught:
        loss.as_targets(y, 1, np.dtype("float32"), 2)
    assert str(caught.value) == f"{message} for loss {loss.name!r}"


# ---- quantiles ----


def test_one_output_for_each_level_and_target():
    loss = losses.Quantile([0.25, 0.75])
    assert loss.outputs == 2 and loss.parameters == (0.25, 0.75)
    net = Network([2, 4], initializer="zeros", dtype="float64")
    net.compile(loss=loss)
    # predictions 0 of targets 4 and 8: (0.25 * 4 + 0.25 * 8 + 0.75 * 4 + 0.75 * 8) / 4
    assert net.evaluate([[1.0, 1.0]], [[4.0, 8.0]])["loss"] == 3
    assert net.loss_parameter == (0.25, 0.75)
    with pytest.raises(ValueError, match="loss 'quantile' has 3 outputs a target, got a network of 4"):
        net.compile(loss=losses.Quantile())


def test_the_outputs_of_the_first_level_come_first(isa, dtype):
    values, d, _ = gradient(losses.Quantile([0.25, 0.75]), [[1, 0, 0, 0]], [[0, 4]], dtype, isa)
    assert values.tolist() == [(0.75 + 1 + 0 + 3) / 4]
    assert (4 * d).tolist() == [[0.75, -0.25, 0, -0.75]]


def test_the_median_is_half_the_absolute_error(isa, dtype):
    rng = np.random.default_rng(0)
    p, y = rng.normal(size=(2, 20, 9)).astype(dtype)
    for mine, other in zip(
        gradient(losses.Quantile(0.5), p, y, dtype, isa)[:2],
        gradient(losses.MAE(), p, y, dtype, isa)[:2],
        strict=True,
    ):
        assert_same_bits(2 * mine, other)


def test_any_number_of_levels():
    levels = np.arange(1, 100) / 100
    X, rng = np.zeros((500, 1)), np.random.default_rng(0)
    y = rng.normal(size=500)
    net = Network([1, 99], dtype="float64", seed=0)
    net.compile("adam", losses.Quantile(levels))
    start = net.evaluate(X, y)["loss"]
    net.fit(X, y, epochs=5, verbose=0)
    best = np.quantile(y, levels)
    error = y[:, None] - best
    assert net.evaluate(X, y)["loss"] < start
    net.set_weights([np.zeros((1, 99)), best])
    expected = np.maximum(levels * error, (levels - 1) * error).mean()
    assert net.evaluate(X, y)["loss"] == pytest.approx(expected, rel=1e-12)


# ---- other packages ----


@pytest.mark.parametrize(
    ("loss", "metric", "options"),
    [
        (losses.Quantile(0.3), "mean_pinball_loss", {"alpha": 0.3}),
        (losses.PoissonDeviance(), "mean_poisson_deviance", {}),
        (losses.GammaDeviance(), "mean_gamma_deviance", {}),
        (losses.TweedieDeviance(1.3), "mean_tweedie_deviance", {"power": 1.3}),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_scikit_learns_metrics(loss, metric, options, weighted):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.poisson(2, 40) + float(loss.positive)
    weight = rng.uniform(0.5, 2, 40) if weighted else np.ones(40)
    net = Network([3, 8, 1], output="exp", activation="tanh", seed=0, dtype="float64")
    net.compile("adam", loss)
    net.fit(X, y, epochs=3, verbose=0)
    theirs = getattr(metrics, metric)(y, net.predict(X)[:, 0], sample_weight=weight, **options)
    mine = net.evaluate(X, y, sample_weight=weight)["loss"]
    assert mine * len(X) / weight.sum() == pytest.approx(theirs, rel=1e-12)


def test_tweedie_lies_between_its_neighbours(isa):
    """The limits of the power at 1 and 2."""
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(2, 20, 3))
    y = np.exp(y)
    for power, neighbour in ((1 + 1e-6, losses.PoissonDeviance()), (2 - 1e-6, losses.GammaDeviance())):
        for mine, other in zip(
            gradient(losses.TweedieDeviance(power), z, y, "float64", isa)[:2],
            gradient(neighbour, z, y, "float64", isa)[:2],
            strict=True,
        ):
            assert_close(mine, other, 1e-4)


# ---- extremes ----


def test_log_cosh_far_out_and_near(isa, dtype):
    far = float(np.finfo(dtype).max / 4)
    values, d, _ = gradient(losses.LogCosh(), [[far], [-far]], [[0], [0]], dtype, isa)
    assert values.tolist() == [far, far] and (2 * d).ravel().tolist() == [1, -1]
    near = np.array([[1e-3], [0.03], [0.49], [0.51]])
    values, _, _ = gradient(losses.LogCosh(), near, np.zeros((4, 1)), dtype, isa)
    exact = np.log1p(2 * np.sinh(near.astype(dtype).astype(np.longdouble) / 2) ** 2)[:, 0]
    assert np.abs(values / exact - 1).max() < 8 * np.finfo(dtype).eps


def test_deviances_of_nothing(isa, dtype):
    """A target of 0 has no logarithm, a rate of 0 no inverse."""
    for loss in (losses.PoissonDeviance(), losses.TweedieDeviance(1.5)):
        values, d, _ = gradient(loss, [[0.0], [-1e4]], [[0.0], [0.0]], dtype, isa)
        rate = 2 / (2 - (loss.parameters or (1,))[0])
        assert values.tolist() == [rate, 0] and d.ravel().tolist() == [1, 0]


def test_cosines_of_rows_of_any_length(isa, dtype):
    rng = np.random.default_rng(0)
    p, y = rng.normal(size=(2, 20, 9)).astype(dtype)
    values, d, _ = gradient(losses.CosineSimilarity(), p, y, dtype, isa)
    far = dtype.type(2.0) ** (np.finfo(dtype).maxexp - 8)
    for factor in (far, 1 / far):
        scaled, _, _ = gradient(losses.CosineSimilarity(), factor * p, factor * y, dtype, isa)
        assert_same_bits(scaled, values)
    p, y = [[0, 0], [3, 4], [1, 0]], [[1, 1], [0, 0], [2, 0]]
    values, d, _ = gradient(losses.CosineSimilarity(), p, y, dtype, isa)
    assert values.tolist() == [0, 0, -1] and d.tolist() == [[0, 0], [0, 0], [0, 0]]
