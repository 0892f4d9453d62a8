"""Weights of rows in metrics: whole ones are duplicated rows, wherever a metric is listed."""

import numpy as np
import pytest

from fastmlp import Network, optimizers
from fastmlp.callbacks import EarlyStopping, LambdaCallback
from fastmlp.metrics import MEASURES, value_of
from helpers import assert_same_bits

ROWS = 40
CLASS_NAMES = [name for name in MEASURES if name not in ("r2", "coverage", "rmse")]


@pytest.fixture
def rows(rng):
    return rng.normal(size=(ROWS, 4)), rng.integers(0, 3, ROWS), rng.integers(0, 4, ROWS).astype(float)


def network(metrics, **options):
    net = Network([4, 6, 3], activation="tanh", output="softmax", dtype="float64", seed=2)
    net.compile(optimizers.SGD(0.1), metrics=metrics, **options)
    return net


def test_whole_weights_are_duplicated_rows(rows):
    X, y, weights = rows
    net = network([*CLASS_NAMES, "top_2_accuracy"])
    repeated = np.repeat(np.arange(ROWS), weights.astype(int))
    weighted, duplicated, plain = (
        net.evaluate(X, y, weights),
        net.evaluate(X[repeated], y[repeated]),
        (net.evaluate(X, y)),
    )
    for name in net.metrics:
        assert weighted[name] == pytest.approx(duplicated[name], rel=1e-12, abs=0), name
        assert weighted[name] != pytest.approx(plain[name], rel=1e-3), name


def test_the_accuracy_of_an_epoch_is_weighted(rows):
    """With the rate 0 every batch is counted with the same weights."""
    X, y, weights = rows
    net = network(None)
    net.learning_rate = 0.0
    expected = value_of("accuracy", y, net.predict(X), weights)
    history = net.fit(X, y, epochs=3, batch_size=7, sample_weight=weights, validation_data=(X, y, weights))
    for name in ("accuracy", "val_accuracy"):
        assert history.history[name] == pytest.approx([expected] * 3, rel=1e-14, abs=0)
    silent = net.fit(X, y, epochs=400, batch_size=7, sample_weight=weights)  # several epochs in one call
    assert silent.history["accuracy"] == pytest.approx([expected] * 400, rel=1e-14, abs=0)
    assert expected != pytest.approx(net.evaluate(X, y)["accuracy"], rel=1e-3)
    assert net.train_on_batch(X, y, weights)["accuracy"] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_accuracy_of_a_batch_is_weighted(rows, shuffle):
    X, y, weights = rows
    net, heard = network(None), []
    spy = LambdaCallback(on_train_batch_end=lambda batch, logs: heard.append(logs["accuracy"]))
    history = net.fit(X, y, batch_size=15, sample_weight=weights, shuffle=shuffle, callbacks=[spy])
    from fastmlp.reference import shuffled

    order = shuffled(net.seed, 0, ROWS) if shuffle else np.arange(ROWS)
    totals = [weights[order[i : i + 15]].sum() for i in (0, 15, 30)]
    mean = np.dot(heard, totals) / weights.sum()
    assert history.history["accuracy"] == pytest.approx([mean], rel=1e-12, abs=0) and 0 < mean < 1


def test_no_weight_at_all_leaves_metrics_undefined(rows):
    X, y, weights = rows
    logs = network(["accuracy", "mse", "auc"]).evaluate(X, y, 0 * weights)
    assert logs["loss"] == 0 and all(np.isnan(logs[name]) for name in ("accuracy", "mse", "auc"))


def test_functions_get_weights_if_they_take_them(rows):
    X, y, weights = rows

    def share(y_true, y_pred, sample_weight=None):
        return -1.0 if sample_weight is None else sample_weight.sum()

    def plain(y_true, y_pred):
        return 7.0

    net = network([share, plain])
    assert net.evaluate(X, y)["share"] == -1.0
    logs = net.evaluate(X, y, weights)
    assert logs["share"] == weights.sum() and logs["plain"] == 7.0
    history = net.fit(X, y, validation_data=(X, y, weights))
    assert history.weighted == ["val_loss", "val_share"]


def test_the_held_out_loss_says_whether_it_is_weighted(rows, capsys):
    X, y, weights = rows
    net = network(None)
    assert net.fit(X, y, validation_data=(X, y), sample_weight=weights, verbose=2).weighted == [
        "loss",
        "accuracy",
    ]
    assert "(weighted)" not in capsys.readouterr().out
    history = net.fit(X, y, validation_split=0.5, sample_weight=weights, verbose=2)
    assert history.weighted == ["loss", "accuracy", "val_loss", "val_accuracy"]
    text = capsys.readouterr().out
    assert f"val_loss {history.history['val_loss'][0]:.4f} (weighted)" in text
    half = slice(ROWS // 2, None)
    assert history.history["val_loss"] == [net.evaluate(X[half], y[half], weights[half])["loss"]]


@pytest.mark.parametrize(("monitor", "pick"), [("val_auc", np.argmax), ("val_log_loss", np.argmin)])
def test_early_stopping_knows_which_way_is_better(rows, monitor, pick):
    X, y, weights = rows
    net, ends = network(["auc", "log_loss"]), []
    spy = LambdaCallback(on_epoch_end=lambda *_: ends.append(net.get_weights()))
    stop = EarlyStopping(monitor, patience=99, restore_best_weights=True)
    net.learning_rate = 3.0  # the best is not the last
    held_out = (X[:20], y[:20], weights[:20])
    history = net.fit(X, y, epochs=9, batch_size=8, validation_data=held_out, callbacks=[spy, stop]).history
    best = int(pick(history[monitor]))
    assert 0 < best < 8 and stop.best_epoch == best
    assert_same_bits(net.get_weights(), ends[best])
    assert net.evaluate(*held_out)[monitor.removeprefix("val_")] == stop.best


@pytest.mark.parametrize(
    ("metric", "y", "message"),
    [
        ("balanced_accuracy", np.ones((ROWS, 3)), "^y has rows of several classes, expected one class a row"),
        ("coverage", np.ones((ROWS, 2)), "^y has shape"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_trained(rows, metric, y, message):
    net = Network([4, 3], output="sigmoid" if y.shape[1] == 3 else "identity", seed=0)
    loss = "binary_crossentropy" if y.shape[1] == 3 else lambda y_true, y_pred: (1.0, 0 * y_pred)
    net.compile("sgd", loss, metrics=[metric])
    before = net.get_weights()
    with pytest.raises(ValueError, match=message):
        net.fit(rows[0], y)
    assert_same_bits(net.get_weights(), before, zeros=True)
