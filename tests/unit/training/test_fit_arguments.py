"""Bad arguments of `fit`: one sentence that names them, and nothing changes."""

import copy

import numpy as np
import pytest

from fastmlp import Network
from fastmlp.callbacks import Callback, LambdaCallback
from fits import N_IN, N_OUT, ROWS, mse, network
from helpers import (
    assert_same_bits,
)

X0, Y0 = np.random.default_rng(1).normal(size=(ROWS, N_IN)), np.arange(ROWS) % N_OUT


def with_value(array, value):
    array = np.array(array, dtype=np.result_type(array, type(value)))
    array.flat[7] = value
    return array


def assert_refused(net, error, name, X, y, **options):
    """fit raises one sentence about the argument; weights, optimizer and epochs are as before."""
    before, state, epochs, loss = net.get_weights(), net.plan.get_state(), net.epochs_done, net.plan.loss
    calls = []
    if "callbacks" not in options:
        options["callbacks"] = [LambdaCallback(on_epoch_begin=lambda epoch, logs: calls.append(epoch))]
    with pytest.raises(error) as caught:
        net.fit(X, y, **options)
    message = str(caught.value)
    assert message.startswith(name), message
    assert "expected" in message or "cannot hold" in message, message
    assert "\n" not in message and not message.endswith(".") and len(message) < 200
    assert_same_bits(net.get_weights(), before)
    assert_same_bits(net.plan.get_state()["slots"], state["slots"])
    now = net.plan.get_state()
    assert (now["step"], now["beta_powers"], net.epochs_done, net.plan.loss, calls) == (
        state["step"], state["beta_powers"], epochs, loss, [],
    )  # fmt: skip
    net.fit(X0, np.eye(N_OUT)[Y0] if loss != "sparse_categorical_crossentropy" else Y0)  # the flag is free


def trained(loss="sparse_categorical_crossentropy", y=Y0):
    net = network(loss, "adam", "float32")
    net.fit(X0, y, epochs=2)
    return net


@pytest.mark.parametrize(
    ("options", "error", "name"),
    [
        ({"epochs": 0}, ValueError, "epochs is 0"),
        ({"epochs": -1}, ValueError, "epochs is -1"),
        ({"epochs": 2.5}, TypeError, "epochs is 2.5"),
        ({"epochs": True}, TypeError, "epochs is True"),
        ({"epochs": None}, TypeError, "epochs is None"),
        ({"batch_size": 0}, ValueError, "batch_size is 0"),
        ({"batch_size": -1}, ValueError, "batch_size is -1"),
        ({"batch_size": 2.0}, TypeError, "batch_size is 2.0"),
        ({"batch_size": "32"}, TypeError, "batch_size is '32'"),
        ({"validation_split": 1.0}, ValueError, "validation_split is 1"),
        ({"validation_split": -0.1}, ValueError, "validation_split is -0.1"),
        ({"validation_split": np.nan}, ValueError, "validation_split is nan"),
        ({"validation_split": "0.2"}, TypeError, "validation_split is '0.2'"),
        ({"validation_split": 0.99}, ValueError, "validation_split is 0.99 of 23 rows"),
        ({"validation_split": 0.2, "validation_data": (X0, Y0)}, ValueError, "validation_split is 0.2"),
        ({"validation_data": 5}, TypeError, "validation_data is a int"),
        ({"validation_data": X0}, TypeError, "validation_data is a ndarray"),
        ({"validation_data": (X0,)}, ValueError, "validation_data has 1 elements"),
        ({"validation_data": (X0, Y0, None, None)}, ValueError, "validation_data has 4 elements"),
        ({"validation_data": (X0[:, 1:], Y0)}, ValueError, "validation_data X has shape (23, 4)"),
        ({"validation_data": (with_value(X0, np.nan), Y0)}, ValueError, "validation_data X contains nan"),
        ({"validation_data": (X0, Y0[:5])}, ValueError, "validation_data y has 5 rows"),
        ({"validation_data": (X0, Y0 + 1)}, ValueError, "validation_data y contains 3 at row 2"),
        ({"validation_data": (X0, Y0, Y0 - 1)}, ValueError, "validation_data sample_weight contains -1"),
        ({"callbacks": 5}, TypeError, "callbacks is a int"),
        ({"callbacks": [5]}, TypeError, "callbacks holds a int"),
        ({"callbacks": "stop"}, TypeError, "callbacks is a str"),
        ({"callbacks": [Callback]}, TypeError, "callbacks holds a type"),
        ({"sample_weight": np.ones(5)}, ValueError, "sample_weight has shape (5,)"),
        ({"sample_weight": np.ones((ROWS, 2))}, ValueError, "sample_weight has shape (23, 2)"),
        ({"sample_weight": -np.ones(ROWS)}, ValueError, "sample_weight contains -1 at row 0"),
        ({"sample_weight": with_value(np.ones(ROWS), np.inf)}, ValueError, "sample_weight contains inf"),
        ({"sample_weight": ["1"] * ROWS}, TypeError, "sample_weight holds strings"),
        ({"class_weight": [1, 2, 3]}, TypeError, "class_weight is a list"),
        ({"class_weight": np.array([1.0, 2.0, 3.0])}, TypeError, "class_weight is a ndarray"),
        ({"class_weight": np.ones(1)}, TypeError, "class_weight is a ndarray"),
        ({"class_weight": {3: 1.0}}, ValueError, "class_weight has the class 3"),
        ({"class_weight": {-1: 1.0}}, ValueError, "class_weight has the class -1"),
        ({"class_weight": {"a": 1.0}}, ValueError, "class_weight has the class 'a'"),
        ({"class_weight": {0: -1.0}}, ValueError, "class_weight of class 0 is -1"),
        ({"class_weight": {0: np.nan}}, ValueError, "class_weight of class 0 is nan"),
        ({"class_weight": {0: "2"}}, TypeError, "class_weight of class 0 is '2'"),
        (
            {"class_weight": {0: 1e30}, "sample_weight": 1e30 * np.ones(ROWS)},
            ValueError,
            "sample_weight times",
        ),
        ({"shuffle": 1}, TypeError, "shuffle is 1"),
        ({"verbose": 7}, ValueError, "verbose is 7"),
        ({"verbose": -1}, ValueError, "verbose is -1"),
        ({"verbose": "loud"}, ValueError, "verbose is 'loud'"),
        ({"verbose": None}, ValueError, "verbose is None"),
        ({"verbose": 1.5}, ValueError, "verbose is 1.5"),
        ({"threads": 0}, ValueError, "threads is 0"),
        ({"threads": 1.5}, TypeError, "threads is 1.5"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_options_change_nothing(options, error, name):
    assert_refused(trained(), error, name, X0, Y0, **options)


def test_numbers_of_numpy_are_numbers(capsys):
    net = trained()
    net.fit(X0, Y0, epochs=np.int64(1), batch_size=np.uint8(16), verbose=np.int64(0), threads=np.int32(1))
    net.fit(X0, Y0, verbose=np.False_, shuffle=np.True_, validation_split=np.float32(0.25))
    assert capsys.readouterr().out == ""
    net.fit(X0, Y0, verbose=np.int8(1))
    assert capsys.readouterr().out.startswith("epoch 1/1")


@pytest.mark.parametrize(
    ("X", "error", "name"),
    [
        (with_value(X0, np.nan), ValueError, "X contains nan at row 1, column 2"),
        (with_value(X0, -np.inf), ValueError, "X contains -inf at row 1, column 2"),
        (
            with_value(X0, 1e300),
            ValueError,
            "X contains 1e+300 at row 1, column 2, which float32 cannot hold",
        ),
        (X0[:, 1:], ValueError, "X has shape (23, 4), expected (rows, 5)"),
        (X0[0], ValueError, "X has shape (5,)"),
        (X0[:, None], ValueError, "X has shape (23, 1, 5)"),
        (X0[:0], ValueError, "X is empty"),
        (X0 + 0j, TypeError, "X holds complex numbers"),
        (X0.astype(str), TypeError, "X holds strings"),
        (None, TypeError, "X holds None"),
        ([[1.0] * 5, [1.0] * 4], ValueError, "X has rows of different lengths"),
    ],
)
def test_bad_inputs_change_nothing(X, error, name):
    assert_refused(trained(), error, name, X, Y0)


@pytest.mark.parametrize(
    ("loss", "y", "error", "name"),
    [
        ("sparse_categorical_crossentropy", Y0[:5], ValueError, "y has 5 rows, expected 23"),
        (
            "sparse_categorical_crossentropy",
            Y0 + 1,
            ValueError,
            "y contains 3 at row 2, expected classes 0 to 2",
        ),
        ("sparse_categorical_crossentropy", Y0 - 1, ValueError, "y contains -1 at row 0"),
        ("sparse_categorical_crossentropy", Y0 + 0.5, ValueError, "y contains 0.5 at row 0, expected whole"),
        ("sparse_categorical_crossentropy", with_value(Y0, np.nan), ValueError, "y contains nan at row 7"),
        ("sparse_categorical_crossentropy", np.eye(N_OUT)[Y0], ValueError, "y has shape (23, 3)"),
        ("sparse_categorical_crossentropy", Y0.astype(str), TypeError, "y holds strings"),
        ("sparse_categorical_crossentropy", 1, ValueError, "y is a single number"),
        ("categorical_crossentropy", Y0, ValueError, "y has shape (23,), expected (23, 3)"),
        ("categorical_crossentropy", 2 * np.eye(N_OUT)[Y0], ValueError, "y row 0 sums to 2"),
        ("categorical_crossentropy", np.eye(N_OUT)[Y0] * 3 - 2 / 3, ValueError, "y contains -0.666667"),
        (
            "binary_crossentropy",
            2 * np.eye(N_OUT)[Y0],
            ValueError,
            "y contains 2 at row 0, column 0, expected 0 to 1",
        ),
        ("binary_crossentropy", Y0, ValueError, "y has shape (23,), expected (23, 3)"),
        ("poisson", -np.eye(N_OUT)[Y0], ValueError, "y contains -1"),
        ("mse", with_value(np.eye(N_OUT)[Y0], np.nan), ValueError, "y contains nan at row 2, column 1"),
        ("mse", np.eye(N_OUT)[Y0, :2], ValueError, "y has shape (23, 2), expected (23, 3)"),
        ("mse", Y0[:, None], ValueError, "y has shape (23, 1), expected (23, 3)"),
    ],
)
def test_bad_targets_change_nothing(loss, y, error, name):
    right = Y0 if loss == "sparse_categorical_crossentropy" else np.eye(N_OUT)[Y0]
    assert_refused(trained(loss, right), error, name, X0, y)


@pytest.mark.parametrize("loss", ["mse", "binary_crossentropy"])
def test_class_weights_need_one_class_a_row(loss):
    y = np.eye(N_OUT)[Y0]
    assert_refused(
        trained(loss, y), ValueError, "class_weight came with the loss", X0, y, class_weight={0: 2.0}
    )


@pytest.mark.parametrize(
    "options",
    [
        {"sample_weight": np.ones(ROWS)},
        {"class_weight": {0: 2.0}},
        {"validation_data": (X0, np.eye(N_OUT)[Y0], np.ones(ROWS))},
    ],
)
def test_a_loss_in_python_takes_no_weights(options):
    net = network("mse", "adam", "float32")
    net.compile("adam", mse)
    net.fit(X0, np.eye(N_OUT)[Y0])
    assert_refused(net, ValueError, "sample_weight or class_weight", X0, np.eye(N_OUT)[Y0], **options)


def test_a_refused_fit_does_not_choose_a_loss():
    """Without a loss of its own a network takes the one that fits y; what was refused did not count."""
    net = Network([N_IN, N_OUT], output="softmax", dtype="float64", seed=5)
    net.compile("adam")
    net.fit(X0, Y0, epochs=2)
    other = copy.deepcopy(net)
    with pytest.raises(ValueError, match="^y row 0 sums to 2"):
        net.fit(X0, 2 * np.eye(N_OUT)[Y0])
    for each in (net, other):
        each.fit(X0, Y0)
    assert_same_bits(net.get_weights(), other.get_weights())
