"""`Network`: what compiling takes, refuses and begins anew."""

import numpy as np
import pytest

import fastmlp
from fastmlp import Dense, Dropout, Network, NotCompiledError
from fastmlp.optimizers import LBFGS, SGD, Adam
from formulas import RTOL
from refusals import assert_refused


@pytest.mark.parametrize(
    ("output", "y", "loss"),
    [
        ("softmax", [0, 1], "sparse_categorical_crossentropy"),
        ("softmax", [[0], [1]], "sparse_categorical_crossentropy"),
        ("softmax", [[1, 0], [0.5, 0.5]], "categorical_crossentropy"),
        ("log_softmax", [0.0, 1.0], "sparse_categorical_crossentropy"),
        ("sigmoid", [[0, 1], [1, 1]], "binary_crossentropy"),
        ("exp", [[0, 3], [1, 2]], "poisson"),
        ("identity", [[0, 3], [1, 2]], "mse"),
        ("tanh", [[0, 1], [1, 0]], "mse"),
    ],
)
def test_the_loss_that_fits_is_taken(output, y, loss, dtype):
    X = [[1.0, 2.0, 3.0], [0.5, 0.5, -1.0]]
    fitted, explicit = (Network([3, 2], output=output, dtype=dtype, seed=4) for _ in range(2))
    fitted.compile("sgd")
    explicit.compile("sgd", loss=loss)
    assert fitted.evaluate(X, y) == explicit.evaluate(X, y)
    fitted.train_on_batch(X, y)
    explicit.train_on_batch(X, y)
    assert fitted.weights[0].tobytes() == explicit.weights[0].tobytes()


def test_labels_and_one_hot_rows_take_the_same_steps(dtype, rng):
    """Changing from one form of target to the other keeps the optimizer's state."""
    X, labels = rng.normal(size=(8, 3)), rng.integers(0, 3, size=8)
    one_hot = np.eye(3)[labels]
    first, second = (Network([3, 5, 3], output="softmax", dtype=dtype, seed=4) for _ in range(2))
    for net in (first, second):
        net.compile(Adam(0.01))
    for step in range(4):
        first.train_on_batch(X, labels)
        second.train_on_batch(X, one_hot if step % 2 else labels)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=50 * RTOL[dtype.name], atol=RTOL[dtype.name])
    assert second.plan.step == 4


def test_default_metrics_follow_the_loss():
    softmax_net, identity_net = Network([2, 2], output="softmax"), Network([2, 2])
    for net, loss, expected in [
        (softmax_net, None, ["accuracy"]),
        (softmax_net, "mse", []),
        (identity_net, None, []),
        (Network([2, 1], output="sigmoid"), None, ["accuracy"]),
    ]:
        net.compile(loss=loss)
        assert net.metrics == expected


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"loss": "mean"}, ValueError, "unknown loss 'mean', expected one of sparse_categorical"),
        ({"loss": "binary_crossentropy"}, ValueError, "needs the output activation 'sigmoid', got 'softmax'"),
        ({"loss": "poisson"}, ValueError, "needs the output activation 'exp'"),
        ({"loss": ("mse", 0.5)}, ValueError, "'mse' takes no parameter"),
        ({"loss": ("huber", 0.0)}, ValueError, "delta is 0, expected a finite number above 0"),
        ({"loss": 3}, TypeError, "loss is 3"),
        ({"optimizer": "adan"}, ValueError, "unknown optimizer 'adan'"),
        ({"optimizer": 0.1}, TypeError, "optimizer is 0.1"),
        ({"metrics": ["acuracy"]}, ValueError, "'acuracy'"),
    ],
)
def test_a_bad_compile_changes_nothing(arguments, error, message):
    net = Network([2, 2], output="softmax", seed=0)
    net.compile(SGD(0.1, momentum=0.5), metrics=[])
    net.train_on_batch([[1, 2]], [1])
    with pytest.raises(error, match=message):
        net.compile(**arguments)
    assert net.optimizer == SGD(0.1, momentum=0.5)
    assert net.plan.step == 1


def test_step_runs_and_refuses_training(dtype):
    net = Network([1, Dense(2, "step"), 1], dtype=dtype)
    net.set_weights([[[1, -1]], [0, 0], [[1], [2]], [0]])
    assert net.predict([[3], [-3]]).ravel().tolist() == [1, 2]
    with pytest.raises(ValueError, match="'step' has derivative 0"):
        net.compile()


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "gradients"])
def test_compile_comes_first(method):
    with pytest.raises(NotCompiledError, match="compile"):
        getattr(Network([2, 1]), method)([[1.0, 2.0]], [1.0])


@pytest.mark.parametrize(
    ("optimizer", "error", "message"),
    [
        (
            "sgd",
            ValueError,
            r"^optimizer is SGD\(0.01\), expected Adam\(0.001, l2=0.1\) with another learning rate",
        ),
        (
            Adam(0.001),
            ValueError,
            r"^optimizer is Adam\(0.001\), expected Adam\(0.001, l2=0.1\) with another",
        ),
        (Adam(0.1, l2=0.1, use_ema=True), ValueError, "^optimizer is Adam.*, expected Adam"),
        (LBFGS(), ValueError, r"^optimizer is LBFGS\(\), expected Adam"),
        ("adan", ValueError, "^unknown optimizer 'adan'"),
        (0.1, TypeError, "^optimizer is 0.1, expected"),
    ],
    ids=str,
)
def test_an_optimizer_of_other_steps_takes_no_others_place(optimizer, error, message, tmp_path):
    """The plan would go on with the one that was compiled, and a file would have the state of that."""
    net = Network([2, 1], seed=0)
    net.compile(Adam(l2=0.1))
    net.train_on_batch([[1.0, 2.0]], [1.0])
    assert_refused(lambda: setattr(net, "optimizer", optimizer), error, message, net)
    assert net.optimizer == Adam(l2=0.1)
    net.optimizer = given = Adam(0.5, l2=0.1)
    given.learning_rate = 0.25
    assert net.learning_rate == 0.5
    net.save(tmp_path / "net.npz", include_optimizer=True)
    assert fastmlp.load(tmp_path / "net.npz").optimizer == Adam(0.5, l2=0.1)


def test_compile_begins_the_optimizer_anew(dtype, rng):
    X, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 1))
    net = Network([3, 1], dtype=dtype, seed=0)
    start = net.get_weights()
    results = []
    for _ in range(2):
        net.set_weights(start)
        net.compile("adam")
        net.fit(X, y, epochs=3, batch_size=2)
        results.append(net.weights[0].tobytes())
    assert results[0] == results[1]


def test_two_fits_are_one(dtype, rng):
    X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
    nets = [Network([3, 4, Dropout(0.3), 1], dtype=dtype, seed=0) for _ in range(2)]
    for net, cut in zip(nets, [(5,), (2, 3)], strict=True):
        net.compile("adam")
        for epochs in cut:
            net.fit(X, y, epochs=epochs, batch_size=6)
    for a, b in zip(nets[0].get_weights(), nets[1].get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: Network([2, 1], ouput="tanh"), "option of Network: 'ouput', .* did you mean 'output'"),
        (lambda net: net.compile(optimiser="sgd"), "option of compile: 'optimiser', .* 'optimizer'"),
        (lambda net: net.fit([[1, 2]], [3], epoch=2), "option of fit: 'epoch', .* did you mean 'epochs'"),
        (lambda net: net.evaluate([[1, 2]], [3], step=2), "option of evaluate: 'step', expected one of X, y"),
    ],
)
def test_an_option_that_does_not_exist_is_told_those_that_do(call, message):
    net = Network([2, 1], seed=0)
    net.compile("adam")
    with pytest.raises(TypeError, match=message) as caught:
        call(net)
    assert "\n" not in str(caught.value)
    assert net.plan.step == 0 and type(net.optimizer).__name__ == "Adam"
