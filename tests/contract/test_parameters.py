"""Parameters of activations: derivatives over all that they may be, and a sentence for what they may not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastmlp import Activation, Dense, Network, _kernels, functional, reference
from fastmlp.registry import ACTIVATIONS, BOUNDS
from helpers import ELEMENTWISE, assert_same_bits

BOUNDED = [name for name, (least, most) in BOUNDS.items() if least < most]


def inside(name):
    """Parameters over the whole range: its ends, the default, and every size between."""
    least, most = BOUNDS[name]
    sizes = np.geomspace(1e-6, 1e6, 13)
    candidates = [least, most, ACTIVATIONS[name][0], 0.3, 1.5, *sizes, *-sizes, 0.0, 1e-30, 1e15, -1e15]
    return sorted({float(p) for p in candidates if least <= p <= most})


def outside(name):
    least, most = BOUNDS[name]
    below = [least - 0.2 - 0.01 * abs(least), float(np.nextafter(least, -np.inf)), -2 * abs(least) - 1]
    return [*below, 1.01 * most, math.inf, -math.inf, math.nan]


# Both sides of 0, where the kink is, and no point within a difference's reach of it.
Z = np.concatenate([np.linspace(-8, 8, 65) + 0.013, [-30.0, 30.0]])


def around(parameter):
    """Z, and beyond it both sides of a parameter, which may be a threshold, or the square of one."""
    if abs(parameter) <= 9:
        return Z
    factors = np.array([-1.5, -0.5, 0.5, 1.5])
    return np.concatenate([Z, parameter * factors, math.sqrt(abs(parameter)) * factors])


def slope(forward, z, parameter, h=1e-4):
    """The derivative of forward(z, parameter) in z by central differences of fourth order."""
    h = h * np.maximum(1, np.abs(z) / 30)
    values = [forward(z + shift * h, parameter) for shift in (-2, -1, 1, 2)]
    return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)


def assert_is_slope(derivative, numeric, a):
    """Element by element, to the rounding of a difference of values as large as a."""
    bound = 1e-8 * np.abs(numeric) + 1e-11 * np.abs(a) + 1e-300
    assert np.isfinite(numeric).all() and np.abs(numeric).max() > 0
    assert np.all(np.abs(derivative - numeric) <= bound)


def test_there_are_bounded_parameters_and_defaults_are_inside():
    assert {"leaky_relu", "elu"} <= set(BOUNDED)
    for name, (least, most) in BOUNDS.items():
        assert least <= ACTIVATIONS[name][0] <= most and most <= 1e30
        assert name in BOUNDED or least == most == 0
        assert reference.ACTIVATIONS[name].bounds == (least, most)
    for name in BOUNDED:
        assert len(inside(name)) > 5 and not set(inside(name)) & set(outside(name))


@pytest.mark.parametrize("wrong", [lambda d: -d, lambda d: d[::-1], lambda d: 1.0001 * d, np.zeros_like])
def test_a_wrong_slope_is_seen(wrong):
    numeric = slope(lambda z, p: z**2 * p, Z, 1.5)
    assert_is_slope(2 * Z * 1.5, numeric, Z**2 * 1.5)
    with pytest.raises(AssertionError):
        assert_is_slope(wrong(2 * Z * 1.5), numeric, Z**2 * 1.5)


@pytest.mark.parametrize("name", BOUNDED)
def test_derivatives_are_slopes_over_the_whole_range(isa, name):
    """Of the engine and of its twin, which could share a mistake."""
    for parameter in inside(name):
        z = around(parameter)
        ones = np.ones_like(z)
        for module, more in ((_kernels, {"isa": isa}), (reference, {})):

            def forward(z, p, module=module, more=more):
                return module.activation_forward(name, z, p, **more)

            a = forward(z, parameter)
            saved = z if ACTIVATIONS[name][1] == "z" else a
            derivative = module.activation_backward(name, ones, saved, parameter, **more)
            assert_is_slope(derivative, slope(forward, z, parameter), a)


@pytest.mark.parametrize("name", BOUNDED)
def test_float32_has_the_derivatives_of_float64(isa, name):
    for parameter in inside(name):
        results, p = [], parameter
        for dtype in (np.float32, np.float64):
            z = around(parameter).astype(np.float32).astype(dtype)
            saved = z if ACTIVATIONS[name][1] == "z" else _kernels.activation_forward(name, z, p, isa=isa)
            results.append(_kernels.activation_backward(name, np.ones_like(z), saved, p, isa=isa))
        narrow, wide = results
        assert np.isfinite(narrow).all()
        assert np.all(np.abs(narrow - wide) <= 4e-6 * np.abs(wide) + 1e-6 * np.abs(wide).max())


@pytest.mark.parametrize("name", BOUNDED)
def test_gradients_of_a_network_are_differences_of_its_loss(name):
    """Through fusing, panels and lanes: a wide network and one with its batch rows in the lanes."""
    rng = np.random.default_rng(1)
    for parameter in [p for p in inside(name) if abs(p) <= 1e3]:
        for width in (3, 20):
            layers = [2, Dense(width, (name, parameter)), 2]
            net = Network(layers, dtype="float64", seed=2)
            net.compile("sgd", "mse")
            X, y = rng.normal(size=(8, 2)), rng.normal(size=(8, 2))
            _, pairs = net.gradients(X, y)
            weights = net.get_weights()
            flat = [array for pair in pairs for array in pair]
            for which in (0, 1):
                direction = rng.normal(size=weights[which].shape)
                losses = []
                for shift in (-2, -1, 1, 2):
                    moved = [*weights]
                    moved[which] = weights[which] + shift * 1e-5 * direction
                    net.set_weights(moved)
                    losses.append(net.evaluate(X, y)["loss"])
                net.set_weights(weights)
                numeric = (losses[0] - 8 * losses[1] + 8 * losses[2] - losses[3]) / (12 * 1e-5)
                assert (flat[which] * direction).sum() == pytest.approx(numeric, rel=1e-5, abs=1e-8)


def networks(name, parameter):
    """With the activation in every place that one can have."""
    options = {"dtype": "float64", "seed": 0}
    return [
        Network([2, Dense(3, (name, parameter)), 1], **options),
        Network([2, Dense(3), Activation((name, parameter)), 1], **options),
        Network([2, 3, 1], activation=(name, parameter), **options),
        Network([2, 3, 1], output=(name, parameter), **options),
    ]


@pytest.mark.parametrize("name", BOUNDED)
def test_outside_a_network_predicts_but_what_needs_a_derivative_is_refused(name):
    X, y = np.random.default_rng(0).normal(size=(9, 2)), np.zeros((9, 1))
    least, most = BOUNDS[name]
    for parameter in filter(math.isfinite, outside(name)):
        for net in networks(name, parameter):
            twin = reference.Plan(2, net.plan.layers, dtype="float64")
            twin.set_weights(net.get_weights())
            np.testing.assert_allclose(net.predict(X), twin.predict(X), rtol=1e-12)
            for plan in (net.plan, twin):
                for work in (
                    lambda plan=plan: plan.compile("mse", 0.0, "sgd", {}),
                    lambda plan=plan: plan.gradients(X, y, loss=("mse", 0.0)),
                    lambda plan=plan: plan.backward(X, y),
                ):
                    with pytest.raises(ValueError, match=f"'{name}'"):
                        work()
            with pytest.raises(ValueError, match=f"^activation '{name}' has the parameter") as error:
                net.compile("sgd", "mse")
            message = str(error.value)
            assert f"{parameter:g}, expected {least:g} to {most:g}" in message and "\n" not in message
            assert net.optimizer is None


@pytest.mark.parametrize("name", BOUNDED)
def test_functions_outside_give_values_and_refuse_derivatives(name):
    forward, backward = getattr(functional, name), getattr(functional, f"{name}_backward")
    for parameter in outside(name):
        if math.isfinite(parameter):
            np.testing.assert_allclose(
                forward(Z, parameter), reference.activation_forward(name, Z, parameter), rtol=1e-12
            )
        with pytest.raises(ValueError, match="^parameter is .*expected"):
            backward(Z, Z, parameter)
        for module in (_kernels, reference):
            with pytest.raises(ValueError, match=f"'{name}'"):
                module.activation_backward(name, Z, Z, parameter)


@pytest.mark.parametrize("parameter", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", BOUNDED)
def test_parameters_that_are_not_finite_are_refused_everywhere(name, parameter):
    with pytest.raises(ValueError, match=f"'{name}' .*expected a finite number"):
        networks(name, parameter)
    with pytest.raises(ValueError, match="^parameter is"):
        getattr(functional, name)(Z, parameter)


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if name not in BOUNDED])
def test_who_takes_no_parameter_says_so(name):
    with pytest.raises(ValueError, match="takes no"):
        Network([2, Dense(3, (name, 0.5)), 1])


@pytest.mark.parametrize("name", BOUNDED)
def test_the_ends_of_the_range_are_taken(name):
    for parameter in BOUNDS[name]:
        net = Network([2, Dense(3, (name, parameter)), 1], dtype="float64", seed=0)
        X = np.random.default_rng(0).normal(size=(9, 2))
        X[::2] *= 40 * max(1, abs(parameter))  # beyond a threshold
        W, b = net.get_weights()[:2]
        expected = reference.activation_forward(name, X @ W + b, parameter)
        np.testing.assert_allclose(net.forward(X)[0], expected, rtol=1e-12)
        assert_same_bits(net.predict(X), np.array([net.predict(x) for x in X]))
