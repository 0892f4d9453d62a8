"""The NumPy twin against things worked out elsewhere: differences, published vectors, figures on paper."""

from __future__ import annotations

import ast
import doctest
import importlib
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fastmlp import reference
from fastmlp.reference import functions, losses, optimizers, plan, random
from helpers import run_of, targets, train_epoch, train_epochs

Plan = reference.Plan
FLOAT64 = np.dtype(np.float64)

ELEMENTWISE = [name for name, entry in reference.ACTIVATIONS.items() if entry.saved != "row"]
ROWWISE = [name for name, entry in reference.ACTIVATIONS.items() if entry.saved == "row"]
FLAT = {"step"}  # derivative 0 everywhere
KINKED = {"step", "relu", "leaky_relu", "elu", "selu"}

MODULES = ["functions", "losses", "optimizers", "random", "plan", "run"]


def assert_same_gradient(got, numeric, rtol=1e-6):
    """got agrees with central differences, and neither could pass as zeros: vectors, signs and size."""
    got, numeric = np.asarray(got).ravel(), np.asarray(numeric).ravel()
    assert got.shape == numeric.shape
    size = np.abs(numeric).max()
    assert size > 1e-4, "the gradient is too small to test anything"
    assert np.abs(got - numeric).max() <= rtol * size
    large = np.abs(numeric) > 1e-3 * size
    np.testing.assert_array_equal(np.sign(got[large]), np.sign(numeric[large]))


def central_difference(f, x, h=1e-5):
    """The gradient of the number f() with respect to the array x, which f reads: fourth order."""
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        kept = x[i]
        values = []
        for shift in (-2, -1, 1, 2):
            x[i] = kept + shift * h
            values.append(f())
        x[i] = kept
        gradient[i] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)
    return gradient


@pytest.mark.parametrize(
    "planted",
    [lambda g: 0 * g, lambda g: -g, lambda g: np.abs(g), lambda g: g[::-1], lambda g: g * (1 + 1e-5)],
    ids=["zeros", "sign", "size", "order", "factor"],
)
def test_gradient_comparison_sees_planted_errors(planted):
    right = np.array([1.0, -2.0, 0.5])
    assert_same_gradient(right, right)
    with pytest.raises(AssertionError):
        assert_same_gradient(planted(right), right)


def test_gradient_comparison_refuses_nothing_to_compare():
    with pytest.raises(AssertionError, match="too small"):
        assert_same_gradient(np.zeros(3), np.zeros(3))


# The registries


def test_registries_have_their_names():
    assert set(reference.ACTIVATIONS) >= set(
        "identity step sigmoid tanh relu leaky_relu elu selu gelu gelu_tanh silu mish softplus softsign exp "
        "softmax log_softmax".split()
    )
    assert set(reference.LOSSES) >= set(
        "sparse_categorical_crossentropy categorical_crossentropy binary_crossentropy mse mae huber "
        "poisson gaussian_nll".split()
    )
    assert set(reference.OPTIMIZERS) >= {"sgd", "adagrad", "rmsprop", "adam", "adamw", "amsgrad"}


def test_registry_entries_have_their_shape():
    for forward, derivative, saved, parameter, (least, most) in reference.ACTIVATIONS.values():
        assert callable(forward) and callable(derivative)
        assert saved in {"z", "a", "row"}
        assert isinstance(parameter, float) and least <= parameter <= most
    assert {n for n, a in reference.ACTIVATIONS.items() if a.parameter} >= {"leaky_relu", "elu"}
    assert set(ROWWISE) >= {"softmax", "log_softmax"}
    for name, loss in reference.LOSSES.items():
        assert loss.link in {"any", *reference.LINKS} and loss.outputs >= 1, name
        assert loss.link == "any" or loss.link in reference.LINKS[loss.link]
    links = {name: (loss.link, loss.outputs) for name, loss in reference.LOSSES.items()}
    assert {
        "sparse_categorical_crossentropy": ("softmax", 1),
        "categorical_crossentropy": ("softmax", 1),
        "binary_crossentropy": ("sigmoid", 1),
        "mse": ("any", 1),
        "mae": ("any", 1),
        "huber": ("any", 1),
        "poisson": ("exp", 1),
        "gaussian_nll": ("any", 2),
    }.items() <= links.items()
    slots = {name: optimizer.slots for name, optimizer in reference.OPTIMIZERS.items()}
    known = {"sgd": 1, "adagrad": 1, "rmsprop": 1, "adam": 2, "adamw": 2, "amsgrad": 3}
    assert known.items() <= slots.items()
    assert [name for name, rule in reference.OPTIMIZERS.items() if rule.by_momentum] == ["sgd"]


def test_imports_are_numpy_and_the_standard_library():
    folder = Path(reference.__file__).parent
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level < 2, f"{file.name} reaches out of the package"
                names = [node.module or ""] if node.level == 0 else []
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert name.split(".")[0] in {
                    "numpy",
                    "__future__",
                    "collections",
                    "contextlib",
                    "math",
                    "time",
                    "typing",
                }, name


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings(module):
    result = doctest.testmod(importlib.import_module(f"fastmlp.reference.{module}"))
    assert result.attempted > 0 and result.failed == 0


# Activations


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if name not in FLAT])
@pytest.mark.parametrize("parameter", [None, 0.3])
def test_elementwise_derivative_is_the_slope(name, parameter):
    entry = reference.ACTIVATIONS[name]
    z = np.linspace(-4, 4, 81) + 0.013  # no point within the difference's reach of a kink at 0
    a = reference.activation_forward(name, z, parameter)
    da = np.random.default_rng(0).normal(size=z.shape)
    dz = reference.activation_backward(name, da, z if entry.saved == "z" else a, parameter)
    numeric = central_difference(lambda: float(da @ reference.activation_forward(name, z, parameter)), z)
    assert_same_gradient(dz, numeric)


@pytest.mark.parametrize("name", ROWWISE)
def test_rowwise_backward_is_the_slope(name):
    rng = np.random.default_rng(1)
    z, da = rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
    dz = reference.activation_backward(name, da, reference.activation_forward(name, z))
    numeric = central_difference(lambda: float((da * reference.activation_forward(name, z)).sum()), z)
    assert_same_gradient(dz, numeric)


def test_step_steps_and_has_no_slope():
    z = np.array([-2.0, 0.0, 1e-9, 3.0])
    np.testing.assert_array_equal(reference.activation_forward("step", z), [0, 0, 1, 1])
    np.testing.assert_array_equal(functions.step_derivative(z), np.zeros(4))


@pytest.mark.parametrize("name", sorted(KINKED - {"step"}))
def test_continuous_at_the_kink(name):
    around = reference.activation_forward(name, np.array([-1e-12, 0.0, 1e-12]))
    assert around[1] == 0 and np.abs(around).max() < 1e-11
    entry = reference.ACTIVATIONS[name]
    slopes = entry.derivative(np.array([-1e-12, 1e-12]), entry.parameter or 0.0)
    assert slopes[0] != slopes[1] or name == "elu"  # elu with alpha 1 has no kink


def written_activations(z):
    """The activations as textbooks write them, for one moderate number, without care for stability."""
    cdf = 0.5 * (1 + math.erf(z / math.sqrt(2)))
    softplus = math.log(1 + math.exp(z))
    inner = math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)
    return {
        "identity": z,
        "step": float(z > 0),
        "sigmoid": 1 / (1 + math.exp(-z)),
        "tanh": math.tanh(z),
        "relu": max(z, 0.0),
        "leaky_relu": z if z > 0 else 0.01 * z,
        "elu": z if z > 0 else math.exp(z) - 1,
        "selu": 1.0507009873554805 * (z if z > 0 else 1.6732632423543772 * (math.exp(z) - 1)),
        "gelu": z * cdf,
        "gelu_tanh": 0.5 * z * (1 + math.tanh(inner)),
        "silu": z / (1 + math.exp(-z)),
        "mish": z * math.tanh(softplus),
        "softplus": softplus,
        "softsign": z / (1 + abs(z)),
        "exp": math.exp(z),
    }


@pytest.mark.parametrize("name", written_activations(1.0))
@pytest.mark.parametrize("z", [-3.0, -0.7, 0.4, 2.5])
def test_forward_is_the_written_formula(name, z):
    got = reference.activation_forward(name, np.array([z]))[0]
    assert got == pytest.approx(written_activations(z)[name], rel=1e-13)


# At minus and plus infinity.
LIMITS = {
    "identity": (-np.inf, np.inf),
    "step": (0, 1),
    "sigmoid": (0, 1),
    "tanh": (-1, 1),
    "relu": (0, np.inf),
    "leaky_relu": (-np.inf, np.inf),
    "elu": (-1, np.inf),
    "selu": (-functions.SELU_SCALE * functions.SELU_ALPHA, np.inf),
    "gelu": (0, np.inf),
    "gelu_tanh": (0, np.inf),
    "silu": (0, np.inf),
    "mish": (0, np.inf),
    "softplus": (0, np.inf),
    "softsign": (-1, 1),
    "exp": (0, np.inf),
}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extremes_have_their_limits_without_warnings(name, dtype):
    largest = float(np.finfo(dtype).max)
    z = np.array([-np.inf, -largest, -1e4, 1e4, largest, np.inf], dtype)
    with np.errstate(divide="raise", invalid="raise"):
        a = reference.activation_forward(name, z)
        entry = reference.ACTIVATIONS[name]
        slope = entry.derivative(z if entry.saved == "z" else a, entry.parameter)
    assert a.dtype == slope.dtype == np.dtype(dtype)
    low, high = LIMITS[name]
    np.testing.assert_allclose([a[0], a[-1]], [low, high], rtol=1e-6)
    assert not np.isnan(a).any() and np.isfinite(a[2])
    assert not np.isnan(slope).any()
    assert slope[0] == (entry.parameter if name == "leaky_relu" else 1 if name == "identity" else 0)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_nan_stays_nan(name):
    assert np.isnan(reference.activation_forward(name, np.array([np.nan]))).all()


@pytest.mark.parametrize("name", list(reference.ACTIVATIONS))
def test_float32_is_float64_rounded(name):
    z = np.linspace(-5, 5, 64).reshape(8, 8)
    narrow = reference.activation_forward(name, z.astype(np.float32))
    assert narrow.dtype == np.float32
    wide = reference.activation_forward(name, z.astype(np.float32).astype(np.float64))
    np.testing.assert_allclose(narrow, wide, rtol=5e-6, atol=1e-7)


def erf_series(x):
    """erf by its Taylor series in exact fractions."""
    x = Fraction(x)
    term, total, n = x, x, 0
    while abs(term) > Fraction(1, 10**40):
        n += 1
        term = -term * x * x / n
        total += term / (2 * n + 1)
    return float(2 * total / Fraction(math.sqrt(math.pi)))


def test_erf_has_all_its_digits():
    x = np.concatenate([-np.geomspace(1e-12, 4, 30), [0.0], np.geomspace(1e-12, 4, 30)])
    expected = np.array([erf_series(value) for value in x])
    np.testing.assert_allclose(functions.erf(x), expected, rtol=1e-15, atol=0)
    np.testing.assert_array_equal(functions.erf(np.array([-np.inf, 7.0, np.inf])), [-1, 1, 1])


def test_normal_cdf_keeps_the_tail():
    # Abramowitz and Stegun, table 26.2: -log10 Q(x)
    tail = functions.normal_cdf(np.array([-5.0, -10.0, -20.0]))
    np.testing.assert_allclose(-np.log10(tail), [6.54265, 23.11805, 88.56010], atol=6e-6)


# Softmax


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_is_stable(dtype):
    with np.errstate(all="raise", under="ignore"):
        large = functions.softmax(np.array([1010, 1000, 990], dtype))
        far = functions.softmax(np.array([1e4, -1e4], dtype))
        logs = functions.log_softmax(np.array([1e4, -1e4], dtype))
    np.testing.assert_allclose(large, [9.99954600e-01, 4.53978686e-05, 2.06106005e-09], rtol=1e-6)
    assert large.sum() == pytest.approx(1, abs=4 * float(np.finfo(dtype).eps))
    np.testing.assert_array_equal(far, [1, 0])
    np.testing.assert_array_equal(logs, [0, -2e4])


def test_softmax_does_not_care_for_a_shift_and_rows_are_apart():
    z = np.random.default_rng(2).normal(size=(4, 6))
    a = functions.softmax(z)
    np.testing.assert_allclose(functions.softmax(z + 100.0), a, rtol=1e-12)
    np.testing.assert_allclose(a.sum(axis=1), 1, rtol=1e-15)
    np.testing.assert_array_equal(functions.softmax(z[2]), a[2])
    np.testing.assert_allclose(np.exp(functions.log_softmax(z)), a, rtol=1e-13)


# Losses


@pytest.mark.parametrize("name", list(reference.LOSSES))
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_gradient_is_the_slope(name, weighted):
    rng = np.random.default_rng(3)
    p, y = 2 * rng.normal(size=(5, 4)), targets(rng, name, 5, 4, FLOAT64)
    weight = rng.uniform(0.5, 2, 5) if weighted else None
    parameter = reference.LOSSES[name].parameter
    _, dp, _ = reference.loss_gradient(name, parameter, p, y, weight)
    numeric = central_difference(
        lambda: float(reference.loss_gradient(name, parameter, p, y, weight)[0].sum()) / 5, p
    )
    assert_same_gradient(dp, numeric)


def test_losses_of_one_row_on_paper():
    z = np.array([[1.0, 2.0]])
    log_sum = math.log(math.e + math.e**2)
    value = {name: loss.value for name, loss in reference.LOSSES.items()}
    assert value["sparse_categorical_crossentropy"](z, np.array([0])) == pytest.approx(log_sum - 1)
    assert value["categorical_crossentropy"](z, np.array([[0.25, 0.75]])) == pytest.approx(log_sum - 1.75)
    p = 1 / (1 + np.exp(-z[0]))
    assert value["binary_crossentropy"](z, np.array([[1.0, 0.0]])) == pytest.approx(
        -(math.log(p[0]) + math.log(1 - p[1])) / 2
    )
    y = np.array([[0.5, 5.0]])  # errors 0.5 and -3
    assert value["mse"](z, y) == pytest.approx((0.25 + 9) / 2)
    assert value["mae"](z, y) == pytest.approx(3.5 / 2)
    assert value["huber"](z, y, 1.0) == pytest.approx((0.125 + 2.5) / 2)
    assert value["huber"](z, y, 2.0) == pytest.approx((0.125 + 4.0) / 2)
    assert value["poisson"](z, y) == pytest.approx((math.e - 0.5 + math.e**2 - 10) / 2)
    # m = 1, s = 2 and y = 0.5: the density's -log but for log(2 pi) / 2
    assert value["gaussian_nll"](z, y[:, :1]) == pytest.approx((2 + 0.25 / math.e**2) / 2)


def test_losses_of_sure_predictions_are_finite():
    z = np.array([[1e4, -1e4]])
    with np.errstate(all="raise", under="ignore"):
        assert losses.sparse_categorical_crossentropy(z, np.array([1])) == 2e4
        assert losses.sparse_categorical_crossentropy(z, np.array([0])) == 0
        assert losses.categorical_crossentropy(z, np.array([[1.0, 0.0]])) == 0
        assert losses.binary_crossentropy(z, np.array([[1.0, 0.0]])) == 0
        assert losses.binary_crossentropy(z, np.array([[0.0, 1.0]])) == 1e4


def test_a_target_of_zero_costs_nothing_however_unlikely():
    z = np.array([[0.0, -np.inf]])
    assert losses.categorical_crossentropy(z, np.array([[1.0, 0.0]])) == 0


def test_sample_weight_multiplies_values_and_gradients():
    rng = np.random.default_rng(4)
    p, y, weight = rng.normal(size=(3, 2)), rng.normal(size=(3, 2)), np.array([0.0, 1.0, 2.5])
    plain, plain_dp, _ = reference.loss_gradient("mse", 0.0, p, y)
    values, dp, _ = reference.loss_gradient("mse", 0.0, p, y, weight)
    np.testing.assert_allclose(values, plain * weight)
    np.testing.assert_allclose(dp, plain_dp * weight[:, None])
    assert np.abs(dp[1:]).min() > 1e-3


def test_correct_rows():
    z = np.array([[2.0, 1.0], [-1.0, 3.0], [0.0, 0.0]])
    correct = {name: loss.correct for name, loss in reference.LOSSES.items()}
    np.testing.assert_array_equal(
        correct["sparse_categorical_crossentropy"](z, np.array([0, 0, 0])), [1, 0, 1]
    )
    soft = np.array([[0.6, 0.4], [0.2, 0.8], [0.1, 0.9]])
    np.testing.assert_array_equal(correct["categorical_crossentropy"](z, soft), [1, 1, 0])
    labels = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    np.testing.assert_array_equal(correct["binary_crossentropy"](z, labels), [0.5, 1, 1])
    for name, loss in reference.LOSSES.items():
        if loss.link in ("any", "exp"):
            np.testing.assert_array_equal(correct[name](z, soft), [0, 0, 0])


# Whole networks


ANY_OUTPUT = [name for name in reference.ACTIVATIONS if name not in FLAT]
OUTPUTS = {name: reference.LINKS.get(loss.link, ANY_OUTPUT) for name, loss in reference.LOSSES.items()}
PAIRS = [(output, loss) for loss, outputs in OUTPUTS.items() for output in outputs]


def network(hidden, output, seed=0, n_in=4, width=6, n_out=3, **more):
    """A float64 plan with one hidden layer and biases that are not zero."""
    layers = [
        (width, hidden, reference.ACTIVATIONS[hidden].parameter, True, more.pop("dropout", 0.0)),
        (n_out, output, reference.ACTIVATIONS[output].parameter, True, 0.0),
    ]
    made = Plan(n_in, layers, dtype="float64", **more)
    rng = np.random.default_rng(seed)
    made.set_weights([rng.normal(size=w.shape) for w in made.get_weights()])
    return made


def assert_network_gradients(made, X, y, weight):
    loss, gradients, dX = made.gradients(X, y, weight, input_gradient=True)
    weights = made.get_weights()

    def value():
        made.set_weights(weights)
        return made.evaluate(X, y, weight)[0] / len(X)

    assert loss == pytest.approx(value(), rel=1e-14)
    for gradient, w in zip(gradients, weights, strict=True):
        assert gradient.shape == w.shape
        assert_same_gradient(gradient, central_difference(value, w, 1e-4), rtol=1e-6)
    assert_same_gradient(dX, central_difference(value, X, 1e-4), rtol=1e-6)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_network_gradients_for_every_output_and_loss(output, loss):
    made = network("tanh", output, seed=5, n_out=3 * reference.LOSSES[loss].outputs)
    made.compile(loss, reference.LOSSES[loss].parameter, "sgd", {})
    rng = np.random.default_rng(6)
    y = targets(rng, loss, 5, made.n_out, FLOAT64)
    assert_network_gradients(made, rng.normal(size=(5, 4)), y, rng.uniform(0.5, 2, 5))


@pytest.mark.parametrize("loss", list(reference.LOSSES))
@pytest.mark.parametrize("hidden", [name for name in ELEMENTWISE if name not in FLAT])
def test_network_gradients_for_every_hidden_activation_and_loss(hidden, loss):
    made = network(hidden, OUTPUTS[loss][0], seed=7, n_out=3 * reference.LOSSES[loss].outputs)
    made.set_weights([0.5 * w for w in made.get_weights()])  # exp of large numbers has rough differences
    made.compile(loss, reference.LOSSES[loss].parameter, "sgd", {})
    rng = np.random.default_rng(8)
    y = targets(rng, loss, 5, made.n_out, FLOAT64)
    assert_network_gradients(made, rng.normal(size=(5, 4)), y, None)


def test_input_rescaling_is_in_the_prediction_and_the_gradient():
    shift, divisor = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 4.0, 0.5, 1.0])
    plain, rescaled = (
        network("tanh", "identity"),
        network("tanh", "identity", input_shift=shift, input_divisor=divisor),
    )
    X, y = np.random.default_rng(9).normal(size=(3, 4)), np.ones((3, 3))
    np.testing.assert_array_equal(rescaled.predict(X), plain.predict((X - shift) / divisor))
    rescaled.compile("mse", 0.0, "sgd", {})
    assert_network_gradients(rescaled, X, y, None)


def test_backward_takes_any_loss():
    made = network("tanh", "sigmoid")
    made.compile("mse", 0.0, "sgd", {})
    rng = np.random.default_rng(10)
    X, y = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    _, expected, expected_dX = made.gradients(X, y, input_gradient=True)
    gradients, dX = made.backward(X, 2 * (made.predict(X) - y) / y.size)
    for got, want in zip([*gradients, dX], [*expected, expected_dX], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
        assert np.abs(want).max() > 1e-4


def test_layers_without_bias_have_no_bias():
    made = Plan(3, [(2, "tanh", 0.0, False, 0.0), (1, "identity", 0.0, True, 0.0)], dtype="float64")
    assert [w.shape for w in made.get_weights()] == [(3, 2), (2, 1), (1,)]
    assert made.num_parameters == 9
    made.set_weights([np.full((3, 2), 0.5), np.full((2, 1), 2.0), np.full(1, -1.0)])
    assert made.predict(np.ones(3)) == pytest.approx(4 * math.tanh(1.5) - 1)
    made.compile("mse", 0.0, "sgd", {})
    assert [g.shape for g in made.gradients(np.ones((2, 3)), np.zeros((2, 1)))[1]] == [(3, 2), (2, 1), (1,)]


# The lecture notes


def test_lecture_case_1_forward_pass():
    made = Plan(
        2,
        [(3, "sigmoid", 0, True, 0), (2, "sigmoid", 0, True, 0), (2, "identity", 0, True, 0)],
        dtype="float64",
    )
    made.set_weights(
        [
            np.array([[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]]),
            np.array([0.1, 0.2, 0.3]),
            np.array([[0.1, 0.4], [0.2, 0.5], [0.3, 0.6]]),
            np.array([0.1, 0.2]),
            np.array([[0.1, 0.3], [0.2, 0.4]]),
            np.array([0.1, 0.2]),
        ]
    )
    x = np.array([1.0, 0.5])
    w, b = made.get_weights()[:2]
    np.testing.assert_allclose(functions.dense_forward(x, w, b), [0.3, 0.7, 1.1], rtol=1e-15)
    layers = made.forward(x)
    np.testing.assert_allclose(layers[0], [0.57444252, 0.66818777, 0.75026011], atol=5e-9)
    np.testing.assert_allclose(layers[2], [0.31682708, 0.69627909], atol=5e-9)
    np.testing.assert_array_equal(made.predict(x), layers[2])
    softmax = functions.softmax(np.array([0.3, 2.9, 4.0]))
    np.testing.assert_allclose(softmax, [0.01821127, 0.24519181, 0.73659691], atol=5e-9)


def planar_points(rows=400):
    """Two classes that no line separates: petals of a flower."""
    rng = np.random.default_rng(1)
    angle = rng.uniform(0, 2 * np.pi, rows)
    radius = 4 * np.sin(4 * angle) + rng.normal(scale=0.2, size=rows)
    X = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    return X, (angle > np.pi).astype(float)[:, None]


def case_3(seed=2):
    made = Plan(2, [(4, "tanh", 0.0, True, 0.0), (1, "sigmoid", 0.0, True, 0.0)], dtype="float64")
    for layer in range(2):
        made.initialize(layer, "normal", 0.001, seed)
    made.compile("binary_crossentropy", 0.0, "sgd", {})
    return made


def test_lecture_case_3_each_intermediate_of_a_step():
    X, y = planar_points()
    made = case_3()
    rng = np.random.default_rng(3)
    made.set_weights([rng.normal(size=w.shape) for w in made.get_weights()])
    W1, b1, W2, b2 = made.get_weights()
    m = len(X)
    A1 = np.tanh(X @ W1 + b1)
    A2 = 1 / (1 + np.exp(-(A1 @ W2 + b2)))
    cost = -(y * np.log(A2) + (1 - y) * np.log(1 - A2)).sum() / m
    dZ2 = A2 - y
    dW2, db2 = A1.T @ dZ2 / m, dZ2.sum(axis=0) / m
    dZ1 = dZ2 @ W2.T * (1 - A1**2)
    dW1, db1 = X.T @ dZ1 / m, dZ1.sum(axis=0) / m

    loss, gradients, _ = made.gradients(X, y)
    assert loss == pytest.approx(cost, rel=1e-12)
    for got, want in zip(gradients, [dW1, db1, dW2, db2], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-14)
        assert np.abs(want).max() > 1e-3

    train_epoch(made, X, y, batch_size=m, shuffle=False, learning_rates=np.array([1.2]))
    for got, w, g in zip(made.get_weights(), [W1, b1, W2, b2], [dW1, db1, dW2, db2], strict=True):
        np.testing.assert_allclose(got, w - 1.2 * g, rtol=1e-10, atol=1e-13)


def test_lecture_case_3_learns_what_no_line_separates():
    X, y = planar_points()
    made = case_3()
    before = made.evaluate(X, y)[0] / len(X)
    assert before == pytest.approx(math.log(2), abs=1e-4)  # small weights know nothing yet
    run = train_epochs(made, X, y, batch_size=len(X), shuffle=False, learning_rates=np.full((3000, 1), 1.2))
    assert run.sums[-1, 0] / len(X) < 0.35
    assert ((made.predict(X) > 0.5) == (y > 0.5)).mean() > 0.85


# Random numbers

VECTORS = [
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), VECTORS)
def test_philox_published_vectors(counter, key, words):
    got = reference.philox(np.array(counter, np.uint32), key)
    assert got.dtype == np.uint32
    assert " ".join(f"{word:08x}" for word in got.tolist()) == words


def test_philox_takes_many_counters():
    counters = np.random.default_rng(0).integers(0, 2**32, (2, 3, 4), dtype=np.uint32)
    together = reference.philox(counters, (1, 2))
    assert together.shape == (2, 3, 4)
    np.testing.assert_array_equal(together[1, 2], reference.philox(counters[1, 2], (1, 2)))


def word(seed, c0, c1, c2, c3):
    """One philox word at a time, for loops."""
    counter = np.array([c0, c1, c2, c3], np.uint32)
    return [int(w) for w in reference.philox(counter, (seed & 0xFFFFFFFF, seed >> 32))]


@pytest.mark.parametrize("n", [0, 1, 2, 5, 64, 1001])
def test_shuffled_is_a_permutation(n):
    order = reference.shuffled(3, 4, n)
    assert order.dtype == np.int64 and order.shape == (n,)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_shuffled_is_the_specified_one():
    seed, epoch, n = (5 << 32) + 7, 9, 11
    order = list(range(n))
    for t, i in enumerate(range(n - 1, 0, -1)):
        j = word(seed, t // 4, 0, epoch, 1)[t % 4] * (i + 1) >> 32
        order[i], order[j] = order[j], order[i]
    np.testing.assert_array_equal(reference.shuffled(seed, epoch, n), order)


def test_shuffled_depends_on_seed_and_epoch_and_favours_no_place():
    base = reference.shuffled(0, 0, 100)
    assert (base != np.arange(100)).any()
    assert (base != reference.shuffled(1, 0, 100)).any()
    assert (base != reference.shuffled(1 << 32, 0, 100)).any()
    assert (base != reference.shuffled(0, 1, 100)).any()
    np.testing.assert_array_equal(base, reference.shuffled(0, 0, 100))
    counts = np.zeros((4, 4))
    for epoch in range(2000):
        counts[np.arange(4), reference.shuffled(0, epoch, 4)] += 1
    assert np.abs(counts - 500).max() < 5 * math.sqrt(2000 * 0.25 * 0.75)


@pytest.mark.parametrize("shape", [(3, 5), (4, 4), (1, 1)])
def test_weights_are_the_specified_ones(shape):
    seed, layer, scale = (9 << 32) + 1, 2, 0.5
    uniform, normal = np.empty(shape), np.empty(shape)
    for e in range(shape[0] * shape[1]):
        w = word(seed, e // 2, 0, 0, 2 | layer << 8)[2 * (e % 2) :]
        u = ((w[0] >> 5) * 67108864 + (w[1] >> 6)) / 2**53
        uniform.flat[e] = -scale + (scale - -scale) * u
        w = word(seed, e, 0, 0, 2 | layer << 8)
        u1, u2 = (((w[i] >> 5) * 67108864 + (w[i + 1] >> 6)) / 2**53 for i in (0, 2))
        normal.flat[e] = scale * (math.sqrt(-2 * math.log(1 - u1)) * math.cos(2 * math.pi * u2))
    np.testing.assert_array_equal(reference.uniform_weights(seed, layer, shape, scale), uniform)
    np.testing.assert_allclose(reference.normal_weights(seed, layer, shape, scale), normal, rtol=1e-12)


def test_weights_are_distributed_as_named():
    uniform = reference.uniform_weights(0, 0, (200, 100), 2.0)
    assert uniform.min() >= -2 and uniform.max() < 2
    assert abs(uniform.mean()) < 5 * (2 / math.sqrt(3)) / math.sqrt(uniform.size)
    assert uniform.std() == pytest.approx(2 / math.sqrt(3), rel=0.02)
    normal = reference.normal_weights(0, 0, (200, 100), 2.0)
    assert abs(normal.mean()) < 5 * 2 / math.sqrt(normal.size)
    assert normal.std() == pytest.approx(2, rel=0.02)
    assert (np.abs(normal) < 2).mean() == pytest.approx(0.6827, abs=0.02)
    assert (np.abs(normal) < 4).mean() == pytest.approx(0.9545, abs=0.01)


def test_initialize_fills_one_layer():
    made = network("tanh", "identity")
    before = made.get_weights()
    made.initialize(1, "uniform", 0.25, 6)
    after = made.get_weights()
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[2], reference.uniform_weights(6, 1, (6, 3), 0.25))
    np.testing.assert_array_equal(after[3], np.zeros(3))
    narrow = Plan(4, [(3, "identity", 0.0, True, 0.0)])
    narrow.initialize(0, "normal", 1.0, 6)
    expected = reference.normal_weights(6, 0, (4, 3), 1.0).astype(np.float32)
    np.testing.assert_array_equal(narrow.get_weights()[0], expected)


def test_dropout_mask_is_the_specified_one():
    seed, layer, step, rate = (3 << 32) + 2, 1, 12, 0.3
    mask = reference.dropout_mask(seed, layer, step, (3, 6), rate, np.dtype("float32"))
    assert mask.dtype == np.float32
    for r in range(3):
        for j in range(6):
            kept = word(seed, j // 4, r, step, 3 | layer << 8)[j % 4] >= math.floor(rate * 2**32)
            assert mask[r, j] == (np.float32(1 / 0.7) if kept else 0)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_drops_at_its_rate_and_keeps_the_expectation(rate):
    mask = reference.dropout_mask(0, 0, 0, (200, 100), rate, np.dtype("float64"))
    deviation = math.sqrt(rate * (1 - rate) / mask.size)
    assert abs((mask == 0).mean() - rate) < 5 * deviation
    assert abs(mask.mean() - 1) < 5 * deviation / (1 - rate)
    assert (mask != reference.dropout_mask(0, 0, 1, (200, 100), rate, np.dtype("float64"))).any()
    assert (mask != reference.dropout_mask(0, 1, 0, (200, 100), rate, np.dtype("float64"))).any()
    assert (mask[0] != mask[1]).any()


def test_dropout_is_on_in_training_only_and_uses_its_mask():
    made = network("identity", "identity", dropout=0.5)
    made.compile(None, 0.0, "sgd", {})
    X = np.random.default_rng(11).normal(size=(7, 4))
    W1, b1, W2, b2 = made.get_weights()
    mask = reference.dropout_mask(8, 0, 0, X.shape, 0.5, np.dtype("float64"))
    dropped = made.train_forward(X, seed=8)
    np.testing.assert_allclose(dropped, ((X * mask) @ W1 + b1) @ W2 + b2, rtol=1e-12)
    assert np.abs(dropped - made.predict(X)).max() > 0.1
    da = np.ones_like(dropped)
    made.train_backward(da, 0.1)
    np.testing.assert_allclose(made.get_weights()[0], W1 - 0.1 * (X * mask).T @ (da @ W2.T), rtol=1e-12)


def test_dropped_hidden_units_pass_no_gradient():
    made = Plan(2, [(5, "identity", 0, True, 0), (3, "identity", 0, True, 0.5)], dtype="float64")
    rng = np.random.default_rng(12)
    made.set_weights([rng.normal(size=w.shape) for w in made.get_weights()])
    made.compile(None, 0.0, "sgd", {})
    before = made.get_weights()
    mask = reference.dropout_mask(5, 1, 0, (1, 5), 0.5, np.dtype("float64"))[0]
    assert 0 < (mask == 0).sum() < 5
    made.train_forward(np.ones((1, 2)), seed=5)
    made.train_backward(np.ones((1, 3)), 0.1)
    moved = np.abs(made.get_weights()[0] - before[0]).max(axis=0) > 1e-6
    np.testing.assert_array_equal(moved, mask > 0)


# Optimizers

W0, G0 = np.array([1.0, -2.0, 0.5]), np.array([0.5, -1.0, 4.0])


def steps(name, hyperparameters, gradients=(G0,), rate=0.1):
    """Weights and slots after the gradients."""
    w = W0.copy()
    slots = [np.zeros(3) for _ in range(reference.OPTIMIZERS[name].slots)]
    for t, g in enumerate(gradients):
        assert reference.optimizer_update(name, w, g, slots, hyperparameters, rate, t) is None
    return w, slots


ADAM = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}


def test_sgd_by_hand():
    np.testing.assert_allclose(steps("sgd", {})[0], [0.95, -1.9, 0.1], rtol=1e-15)
    # v = g, then v = 0.9 g + g
    w, (v,) = steps("sgd", {"momentum": 0.9, "nesterov": False}, (G0, G0))
    np.testing.assert_allclose(v, 1.9 * G0, rtol=1e-15)
    np.testing.assert_allclose(w, W0 - 0.1 * (1 + 1.9) * G0, rtol=1e-14)
    # g + 0.9 v: 1.9 g, then g + 0.9 * 1.9 g
    w, _ = steps("sgd", {"momentum": 0.9, "nesterov": True}, (G0, G0))
    np.testing.assert_allclose(w, W0 - 0.1 * (1.9 + 2.71) * G0, rtol=1e-14)


def test_adagrad_by_hand():
    w, (s,) = steps("adagrad", {"epsilon": 1e-10}, (G0, 2 * G0))
    np.testing.assert_allclose(s, 5 * G0**2, rtol=1e-15)
    np.testing.assert_allclose(w, W0 - 0.1 * np.sign(G0) * (1 + 2 / math.sqrt(5)), rtol=1e-9)


def test_rmsprop_by_hand():
    w, (s,) = steps("rmsprop", {"rho": 0.9, "epsilon": 1e-8}, (G0, 2 * G0))
    np.testing.assert_allclose(s, (0.09 + 0.4) * G0**2, rtol=1e-14)
    np.testing.assert_allclose(w, W0 - 0.1 * np.sign(G0) * (1 / math.sqrt(0.1) + 2 / 0.7), rtol=1e-6)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_by_hand(name):
    # the first corrected step is the gradient's sign, whatever its size
    w, (m, v) = steps(name, ADAM)
    np.testing.assert_allclose(w, W0 - 0.1 * np.sign(G0), rtol=1e-7)
    np.testing.assert_allclose(m, 0.1 * G0, rtol=1e-14)
    np.testing.assert_allclose(v, 0.001 * G0**2, rtol=1e-12)
    # the second: m' = (0.09 + 0.2) g / 0.19, v' = (0.000999 + 0.004) g^2 / 0.001999
    w, _ = steps(name, ADAM, (G0, 2 * G0))
    second = (0.29 / 0.19) / math.sqrt(0.004999 / 0.001999)
    np.testing.assert_allclose(w, W0 - 0.1 * np.sign(G0) * (1 + second), rtol=1e-7)


def test_amsgrad_by_hand():
    # beta_2 = 0.5: v = g^2 / 2, then g^2 / 4 from a gradient of 0, and the larger stays
    h = {**ADAM, "beta_2": 0.5}
    w, (m, v, largest) = steps("amsgrad", h, (G0, 0 * G0))
    np.testing.assert_allclose(m, 0.09 * G0, rtol=1e-14)
    np.testing.assert_allclose(v, G0**2 / 4, rtol=1e-14)
    np.testing.assert_allclose(largest, G0**2 / 2, rtol=1e-14)
    # the first step is the sign; the second m' = 0.09 g / 0.19 over sqrt(0.5 g^2 / 0.75)
    second = (0.09 / 0.19) / math.sqrt(0.5 / 0.75)
    np.testing.assert_allclose(w, W0 - 0.1 * np.sign(G0) * (1 + second), rtol=1e-7)


def test_epsilon_is_added_outside_the_root():
    g = np.array([1.0, -1.0, 1.0])
    np.testing.assert_allclose(steps("adagrad", {"epsilon": 1.0}, (g,))[0], W0 - 0.05 * g, rtol=1e-14)
    np.testing.assert_allclose(steps("adam", {**ADAM, "epsilon": 1.0}, (g,))[0], W0 - 0.05 * g, rtol=1e-12)
    rms = 0.1 / (math.sqrt(0.1) + 1)
    np.testing.assert_allclose(
        steps("rmsprop", {"rho": 0.9, "epsilon": 1.0}, (g,))[0], W0 - rms * g, rtol=1e-14
    )


def test_penalties_decay_and_clips_by_hand():
    np.testing.assert_allclose(steps("sgd", {"l2": 0.1})[0], W0 - 0.1 * (G0 + 0.1 * W0), rtol=1e-15)
    np.testing.assert_allclose(steps("sgd", {"l1": 0.1})[0], W0 - 0.1 * (G0 + 0.1 * np.sign(W0)), rtol=1e-15)
    np.testing.assert_allclose(steps("sgd", {"weight_decay": 0.5})[0], 0.95 * W0 - 0.1 * G0, rtol=1e-15)
    np.testing.assert_allclose(steps("sgd", {"clipvalue": 0.75})[0], W0 - 0.1 * np.array([0.5, -0.75, 0.75]))
    norm = math.sqrt(0.25 + 1 + 16)
    np.testing.assert_allclose(
        steps("sgd", {"global_clipnorm": 2.0})[0], W0 - 0.1 * G0 * 2 / norm, rtol=1e-14
    )
    np.testing.assert_array_equal(steps("sgd", {"global_clipnorm": 5.0})[0], steps("sgd", {})[0])
    # the penalty is added after the clip, to the weights as they were before the decay
    both = steps("sgd", {"clipvalue": 0.75, "l2": 1.0, "weight_decay": 0.5})[0]
    np.testing.assert_allclose(both, 0.95 * W0 - 0.1 * (np.array([0.5, -0.75, 0.75]) + W0), rtol=1e-14)


def test_adamw_decays_apart_from_the_averages():
    decayed, (m, _) = steps("adamw", {**ADAM, "weight_decay": 0.5})
    plain, (plain_m, _) = steps("adamw", ADAM)
    np.testing.assert_allclose(decayed - plain, -0.05 * W0, rtol=1e-12)
    np.testing.assert_array_equal(m, plain_m)


@pytest.mark.parametrize(("dtype", "limit"), [("float32", 2.0**-100), ("float64", 2.0**-900)])
def test_small_numbers_become_zero(dtype, limit):
    x = np.array([limit, -limit, 0.99 * limit, -0.99 * limit, 0, np.nan, np.inf], dtype)
    flushed = optimizers.flush(x)
    assert flushed.dtype == x.dtype
    np.testing.assert_array_equal(flushed, np.array([limit, -limit, 0, 0, 0, np.nan, np.inf], dtype))
    assert not np.signbit(flushed[3])


def test_weights_and_slots_are_flushed():
    w, v = np.array([1e-280, 1.0]), np.array([1e-280, 0.0])
    reference.optimizer_update("sgd", w, np.zeros(2), [v], {"momentum": 0.5}, 0.1)
    np.testing.assert_array_equal(w, [0, 1])
    np.testing.assert_array_equal(v, [0, 0])


def test_deltas_are_flushed():
    made = Plan(1, [(1, "sigmoid", 0.0, True, 0.0)], dtype="float64")
    made.compile("binary_crossentropy", 0.0, "sgd", {})
    for delta, expected in [(1e-250, 2.5e-251), (1e-280, 0.0)]:  # the slope at 0 is 1/4
        _, db = made.backward(np.ones((1, 1)), np.array([[delta]]))[0]
        assert db[0] == pytest.approx(expected, rel=1e-12, abs=0)
    for z in (-500.0, -700.0):  # the delta of a target 0 is sigmoid(z), near exp(z)
        made.set_weights([np.zeros((1, 1)), np.array([z])])
        _, db = made.gradients(np.ones((1, 1)), np.zeros((1, 1)))[1]
        assert db[0] == pytest.approx(math.exp(z) if z > -600 else 0.0, rel=1e-12, abs=0)


# Training


ONE_EPOCH = {"batch_size": 4, "seed": 1, "learning_rates": np.full(3, 0.05)}


def epoch(made, X, y, weight=None, **changes):
    return train_epoch(made, X, y, weight, **{**ONE_EPOCH, **changes})


def data(rows=10):
    rng = np.random.default_rng(13)
    return rng.normal(size=(rows, 4)), rng.integers(0, 3, rows)


def classifier(optimizer="sgd", hyperparameters=None, **more):
    made = network("tanh", "softmax", **more)
    made.compile(
        "sparse_categorical_crossentropy", 0.0, optimizer, {} if hyperparameters is None else hyperparameters
    )
    return made


def test_an_epoch_is_its_batches_in_shuffled_order():
    X, y = data()
    weight = np.random.default_rng(14).uniform(0.5, 2, 10)
    made, by_hand = classifier(), classifier()
    rates = np.array([0.1, 0.2, 0.3])
    loss, correct = epoch(made, X, y, weight, epoch=5, learning_rates=rates)
    assert made.step == 3
    order = reference.shuffled(1, 5, 10)
    total = right = 0.0
    for rows, rate in zip([order[:4], order[4:8], order[8:]], rates, strict=True):
        value, hits = by_hand.evaluate(X[rows], y[rows], weight[rows])
        total, right = total + value, right + hits
        gradients = by_hand.gradients(X[rows], y[rows], weight[rows])[1]
        by_hand.set_weights([w - rate * g for w, g in zip(by_hand.get_weights(), gradients, strict=True)])
    assert loss == pytest.approx(total, rel=1e-12) and correct == right
    start = classifier().get_weights()
    for got, want, old in zip(made.get_weights(), by_hand.get_weights(), start, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
        assert np.abs(got - old).max() > 1e-3


@pytest.mark.parametrize("optimizer", list(reference.OPTIMIZERS))
def test_an_epoch_in_slices_is_the_whole_epoch(optimizer):
    X, y = data()
    h = {"momentum": 0.9, "nesterov": True, "rho": 0.9, **ADAM}
    whole, sliced = classifier(optimizer, h, dropout=0.3), classifier(optimizer, h, dropout=0.3)
    loss, correct = epoch(whole, X, y)
    run = run_of(sliced, X, y, batch_size=4, seed=1)
    run.begin(np.full((1, 3), 0.05))
    for expected in ((0, 1), (0, 2), (1, 0)):
        run.advance(seconds=0.0)
        assert (run.epoch, run.batch) == expected
    assert run.finished and run.sums[0, :2].tolist() == [loss, correct]
    for a, b in zip(whole.get_weights(), sliced.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("optimizer", list(reference.OPTIMIZERS))
def test_training_goes_on_from_a_saved_state(optimizer):
    X, y = data()
    h = {"momentum": 0.9, "nesterov": False, "rho": 0.9, **ADAM}
    first = classifier(optimizer, h)
    epoch(first, X, y)
    second = classifier(optimizer, h, seed=99)
    second.set_weights(first.get_weights())
    second.set_state(first.get_state())
    fresh = classifier(optimizer, h)
    fresh.set_weights(first.get_weights())
    for made in (first, second, fresh):
        epoch(made, X, y, epoch=1)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(first.get_weights(), fresh.get_weights(), strict=True))


def test_state_has_step_powers_and_slots():
    X, y = data()
    made = classifier("adam", ADAM)
    epoch(made, X, y)
    state = made.get_state()
    assert state["step"] == 3
    assert state["beta_powers"] == pytest.approx((0.9**3, 0.999**3), rel=1e-14)
    assert len(state["slots"]) == 2
    for slot in state["slots"]:
        assert [array.shape for array in slot] == [w.shape for w in made.get_weights()]
        assert all(np.abs(array).max() > 0 for array in slot)
    assert len(classifier("sgd", {"momentum": 0.0}).get_state()["slots"]) == 0
    assert len(classifier("sgd", {"momentum": 0.5}).get_state()["slots"]) == 1


def test_the_plan_updates_as_optimizer_update_does():
    X, y = data(4)
    h = {**ADAM, "l2": 0.1, "weight_decay": 0.2, "clipvalue": 0.05}
    made = classifier("adamw", h)
    before, gradients = made.get_weights(), made.gradients(X, y)[1]
    epoch(made, X, y, shuffle=False, learning_rates=np.array([0.1]))
    for i, (got, w, g) in enumerate(zip(made.get_weights(), before, gradients, strict=True)):
        penalties = {} if i % 2 == 0 else {"l2": 0.0, "weight_decay": 0.0}  # biases are not penalised
        old = w.copy()
        reference.optimizer_update(
            "adamw", w, g, [np.zeros_like(w), np.zeros_like(w)], {**h, **penalties}, 0.1
        )
        np.testing.assert_allclose(got, w, rtol=1e-12)
        assert np.abs(got - old).max() > 1e-3


def test_global_norm_is_over_all_parameters():
    X, y = data(4)
    plain, clipped = classifier(), classifier("sgd", {"global_clipnorm": 0.01})
    before, gradients = plain.get_weights(), plain.gradients(X, y)[1]
    norm = math.sqrt(sum((g * g).sum() for g in gradients))
    assert norm > 0.1
    epoch(clipped, X, y, shuffle=False, learning_rates=np.array([1.0]))
    for got, w, g in zip(clipped.get_weights(), before, gradients, strict=True):
        np.testing.assert_allclose(w - got, 0.01 / norm * g, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("by_step", [False, True])
def test_a_run_that_diverges_leaves_the_last_that_is_finite(by_step):
    """The weights of the loss that is not finite, or those before the step that led to such."""
    X, y = data()
    rates = np.full((2, 3), 0.05)
    made, expected = classifier("adam", ADAM), classifier("adam", ADAM)
    before = run_of(expected, X, y, batch_size=4, seed=1)
    before.begin(rates)
    before.advance(batches=5)
    if by_step:
        rates[1, 2] = math.inf
    else:
        X = X.copy()
        X[reference.shuffled(1, 1, 10)[-1]] = np.nan  # in the second epoch's last batch
    epoch(made, data()[0], y)
    run = run_of(made, X, y, batch_size=4, seed=1)
    run.begin(rates[1:], epoch=1)
    message = "step of batch 2 leads to weights" if by_step else "loss of batch 2 is"
    for _ in range(2):  # the cursor stays at that batch
        with pytest.raises(FloatingPointError, match=message):
            run.advance()
        assert (run.epoch, run.batch) == (0, 2)
        for a, b in zip(made.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        got, want = made.get_state(), expected.get_state()
        assert got["step"] == want["step"] == 5 and got["beta_powers"] == want["beta_powers"]
        for slot, kept in zip(got["slots"], want["slots"], strict=True):
            for a, b in zip(slot, kept, strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_diverging_run_says_so():
    made = network("relu", "identity")
    made.compile("mse", 0.0, "sgd", {})
    X, y = data()
    with pytest.raises(FloatingPointError):
        for number in range(200):
            epoch(made, X, np.eye(3)[y], epoch=number, learning_rates=np.full(3, 1e6))
    assert all(np.isfinite(w).all() for w in made.get_weights())


def test_a_loss_from_outside_trains_as_the_one_inside():
    X, _ = data(4)
    y = np.random.default_rng(15).normal(size=(4, 3))
    inside, outside = network("tanh", "sigmoid", dropout=0.4), network("tanh", "sigmoid", dropout=0.4)
    inside.compile("mse", 0.0, "adam", ADAM)
    outside.compile(None, 0.0, "adam", ADAM)
    assert outside.loss is None
    for number in range(3):
        epoch(inside, X, y, epoch=number, shuffle=False, learning_rates=np.array([0.1]))
        a = outside.train_forward(X, seed=1)
        outside.train_backward(2 * (a - y) / a.size, 0.1)
    for got, want, old in zip(
        outside.get_weights(), inside.get_weights(), network("tanh", "sigmoid").get_weights(), strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-9)
        assert np.abs(got - old).max() > 0.01


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_everything_stays_in_the_plans_dtype(dtype):
    made = Plan(4, [(6, "gelu", 0.0, True, 0.2), (3, "softmax", 0.0, True, 0.0)], dtype=dtype)
    made.initialize(0, "uniform", 0.5, 0)
    made.initialize(1, "normal", 0.5, 0)
    made.compile("sparse_categorical_crossentropy", 0.0, "adam", ADAM)
    X, y = data()
    epoch(made, X.astype(dtype), y)
    loss, gradients, dX = made.gradients(X.astype(dtype), y, input_gradient=True)
    arrays = [*made.get_weights(), *gradients, dX, *made.forward(X), *made.get_state()["slots"][0]]
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}
    assert isinstance(loss, float)


def test_bytes_are_divided_into_pixels():
    made = Plan(3, [(2, "identity", 0.0, True, 0.0)], input_divisor=np.full(3, 255.0))
    made.initialize(0, "normal", 1.0, 0)
    pixels = np.array([[0, 128, 255]], np.uint8)
    scaled = pixels.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(made.predict(pixels), scaled @ made.get_weights()[0])


def test_predict_writes_into_out():
    made = network("tanh", "softmax")
    X = np.random.default_rng(16).normal(size=(5, 4))
    out = np.full((5, 3), np.nan)
    assert made.predict(X, out=out, threads=2) is out
    np.testing.assert_array_equal(out, made.predict(X))
    assert made.predict(X[0]).shape == (3,)
    with pytest.raises(ValueError, match="out must be"):
        made.predict(X, out=np.empty((5, 2)))


def test_get_weights_are_copies():
    made = network("tanh", "softmax")
    made.get_weights()[0][:] = 0
    assert np.abs(made.get_weights()[0]).min() > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Plan(0, [(1, "tanh", 0, True, 0)]), "n_in"),
        (lambda: Plan(2, []), "layers"),
        (lambda: Plan(2, [(0, "tanh", 0, True, 0)]), "at least 1 output"),
        (lambda: Plan(2, [(1, "tan", 0, True, 0)]), "unknown, known are .*tanh"),
        (lambda: Plan(2, [(1, "tanh", 0, True, 1.0)]), "dropout"),
        (lambda: Plan(2, [(2, "softmax", 0, True, 0), (1, "tanh", 0, True, 0)]), "last"),
        (lambda: Plan(2, [(1, "tanh", 0, True, 0)], dtype="int32"), "dtype"),
        (lambda: Plan(2, [(1, "tanh", 0, True, 0)], input_shift=[1.0]), "input_shift"),
        (lambda: network("tanh", "softmax").compile("poisson", 0.0, "sgd", {}), "needs an output activation"),
        (lambda: network("tanh", "softmax").compile("msee", 0.0, "sgd", {}), "unknown, known are .*mse"),
        (lambda: network("tanh", "softmax").compile("mse", 0.0, "sgdd", {}), "unknown, known are .*sgd"),
        (lambda: network("step", "softmax").compile("mse", 0.0, "sgd", {}), "derivative 0"),
        (lambda: network("tanh", "softmax").set_weights([np.zeros((4, 6))]), "shapes"),
        (lambda: network("tanh", "softmax").predict(np.zeros((2, 3))), "X must have shape"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_wrong_weights_change_nothing():
    made = network("tanh", "softmax")
    before = made.get_weights()
    wrong = [np.zeros_like(w) for w in before[:-1]] + [np.zeros(4)]
    with pytest.raises(ValueError, match="weights"):
        made.set_weights(wrong)
    for a, b in zip(before, made.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_was_not_compiled_is_refused():
    made = network("tanh", "softmax")
    with pytest.raises(RuntimeError, match="no loss"):
        made.evaluate(np.zeros((1, 4)), np.zeros(1, np.int64))
    with pytest.raises(RuntimeError, match="no optimizer"):
        made.train_forward(np.zeros((1, 4)), seed=0)
    made.compile(None, 0.0, "sgd", {})
    with pytest.raises(RuntimeError, match="train_forward before"):
        made.train_backward(np.zeros((1, 3)), 0.1)


def test_attributes():
    made = network("tanh", "softmax")
    assert (made.n_in, made.n_out, made.isa, made.step, made.loss) == (4, 3, "numpy", 0, None)
    assert made.dtype == np.float64 and made.num_parameters == 4 * 6 + 6 + 6 * 3 + 3
    assert [(node["units"], node["activation"]) for node in made.layers] == [(6, "tanh"), (3, "softmax")]
    assert {node["kind"] for node in made.layers} == {"dense"} <= set(reference.KINDS)
    assert Plan(784, [(100, "sigmoid", 0, True, 0), (10, "softmax", 0, True, 0)]).num_parameters == 79510
    assert plan.Plan is Plan and random.philox is reference.philox
