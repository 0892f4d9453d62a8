"""Lists, functions and switches: one thing is not a list, what prints is a function, epochs have 32 bits."""

import numpy as np
import pytest

import fastmlp
from fastmlp import Network
from refusals import assert_refused

ARRAY = np.array([1, 0])
NO_LISTS = [5, "adam", b"ab", memoryview(np.ones((2, 2))), {"mae": 1}, np.array(3.0)]


@pytest.mark.parametrize("value", NO_LISTS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("argument", ["layers", "weights", "metrics", "callbacks"])
def test_one_thing_is_not_a_list(argument, value, net):
    net.compile()
    calls = {
        "layers": lambda: Network(value),
        "weights": lambda: net.set_weights(value),
        "metrics": lambda: net.compile(metrics=value),
        "callbacks": lambda: net.fit(np.ones((2, 3)), np.ones((2, 2)), callbacks=value),
    }
    assert_refused(calls[argument], TypeError, f"{argument} is a {type(value).__name__}, expected a list")


@pytest.mark.parametrize("call", ["summary", "show_config"])
def test_what_prints_is_a_function(call, net):
    printer = getattr(net, call, None) or getattr(fastmlp, call)
    assert_refused(lambda: printer(None), TypeError, "print_fn is None, expected a function")


def test_arrays_are_no_switches(net):
    net.compile()
    X, y = np.ones((2, 3)), np.ones((2, 2))
    assert_refused(lambda: net.gradients(X, y, input_gradient=ARRAY), TypeError, "input_gradient is array")
    assert_refused(lambda: net.fit(X, y, verbose=ARRAY), ValueError, "verbose is array")
    assert_refused(lambda: net.fit(X, y, callbacks=ARRAY), TypeError, "callbacks holds a int64")
    assert_refused(lambda: Network([2, 1], initializer=ARRAY), TypeError, "initializer is array")


def test_a_metric_beyond_a_float_is_said():
    net = Network([1, 1], seed=0)
    net.compile(metrics=[lambda t, p: 10**400])
    assert_refused(lambda: net.evaluate([[1.0]], [1.0]), TypeError, "returned a int, expected a number")


@pytest.mark.parametrize("epochs", [2, 10**30])
def test_epochs_have_numbers_of_32_bits(epochs):
    net = Network([1, 1], seed=0)
    net.compile()
    net.epochs_done = 2**32 - 2
    sentence = f"epochs is {epochs}, expected at most 1, as 4294967294 have been done"
    assert_refused(lambda: net.fit([[1.0]], [1.0], epochs=epochs), ValueError, sentence)
    net.fit([[1.0]], [1.0])
    assert net.epochs_done == 2**32 - 1
