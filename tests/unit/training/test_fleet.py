"""`Fleet`: networks side by side have the bits that each has alone, and end together."""

import signal

import numpy as np
import pytest

from fastmlp import Dense, Dropout, Fleet, Network, NotCompiledError, optimizers
from fastmlp.callbacks import Callback, EarlyStopping
from helpers import assert_same_bits

ROWS = 203
LONG = 200_000  # epochs, of which none has to come to the end
STOP = EarlyStopping()


@pytest.fixture
def data(rng):
    X = rng.normal(size=(ROWS, 5))
    return X, X[:, :1] * X[:, 1:2] + 0.1 * rng.normal(size=(ROWS, 1)), rng.random(ROWS)


def networks(dtype=np.float32):
    """Different layers, dropout, rates, decays and optimizers."""
    made = [
        Network([5, 16, 1], seed=0, dtype=dtype),
        Network([5, Dense(33, "tanh"), Dropout(0.3), 1], seed=1, dtype=dtype),
        Network([5, 8, 8, 1], seed=2, dtype=dtype),
        Network([5, 16, 1], seed=0, dtype=dtype),
    ]
    rules = [
        optimizers.Adam(0.01),
        optimizers.SGD(0.05, momentum=0.9),
        optimizers.AdamW(0.02, weight_decay=0.1),
        optimizers.Adam(0.1),
    ]
    for net, rule in zip(made, rules, strict=True):
        net.compile(rule, "mse")
    return made


def parts(rng):
    """All rows, a mask, numbers with some of them twice, all rows."""
    return [None, rng.random(ROWS) < 0.7, rng.integers(0, ROWS, 150), None]


@pytest.mark.parametrize("n_jobs", [1, 2, 3, None])
def test_each_has_the_bits_that_it_has_alone(n_jobs, dtype, data, rng):
    X, y, weights = data
    rows, epochs = parts(rng), [7, 3, 5, 1]
    alone = networks(dtype)
    expected = []
    for net, part, count in zip(alone, rows, epochs, strict=True):
        some = slice(None) if part is None else part
        expected.append(net.fit(X[some], y[some], epochs=count, batch_size=16, sample_weight=weights[some]))
    fleet = Fleet(networks(dtype))
    each = [{"epochs": count} for count in epochs]
    found = fleet.fit(X, y, rows=rows, each=each, n_jobs=n_jobs, batch_size=16, sample_weight=weights)
    for net, other, history, told in zip(fleet, alone, found, expected, strict=True):
        assert history.history == told.history
        assert history.epoch == told.epoch
        assert not history.interrupted
        assert_same_bits(net.get_weights(), other.get_weights())
    assert abs(fleet[0].get_weights()[0] - fleet[3].get_weights()[0]).max() > 0.01


def test_each_stops_by_itself(data):
    X, y, _ = data
    ends = []
    for n_jobs in (1, 3):
        fleet = Fleet(networks())
        stops = [EarlyStopping("loss", patience=1, min_delta=delta) for delta in (0, 0.1, 9, 0.01)]
        own = [{"callbacks": [stop]} for stop in stops]
        found = fleet.fit(X, y, each=own, epochs=20, n_jobs=n_jobs)
        ends.append([len(history.epoch) for history in found])
    assert ends[0] == ends[1]
    assert len(set(ends[0])) > 2


def test_frames_lists_and_sparse_rows(data):
    pd, sparse = pytest.importorskip("pandas"), pytest.importorskip("scipy.sparse")
    X, y, _ = data
    words = np.where(y[:, 0] > 0, "yes", "no")
    rows = [np.arange(100), np.arange(100, ROWS)]
    found = []
    for inputs, targets in [
        (X, words),
        (pd.DataFrame(X, index=range(1000, 1000 + ROWS)), pd.Series(words)),
        (X.tolist(), words.tolist()),
        (sparse.csr_matrix(X), words),
    ]:
        fleet = Fleet(Network([5, 8, 2], output="softmax", seed=seed) for seed in range(2))
        for net in fleet:
            net.compile()
        fleet.fit(inputs, targets, rows=rows, epochs=2)
        found.append([net.get_weights() for net in fleet])
        assert fleet[0].classes.tolist() == ["no", "yes"]
    for other in found[1:]:
        for weights, expected in zip(other, found[0], strict=True):
            assert_same_bits(weights, expected)


def test_predictions_are_the_mean_of_each(dtype, data):
    X = data[0]
    fleet = Fleet(networks(dtype)[:3])
    each = fleet.predict_each(X)
    assert_same_bits(each[1], fleet[1].predict(X))
    mean = fleet.predict(X)
    assert mean.dtype == dtype
    assert_same_bits(mean, (each[0] + each[1] + each[2]) / dtype.type(3))
    np.testing.assert_allclose(mean, np.mean(np.float64(each), axis=0), rtol=1e-5, atol=1e-6)
    assert_same_bits(fleet.predict(X[0]), mean[0])


class Interrupts(Callback):
    """Sends the main thread a signal, as Ctrl-C does, once it trains."""

    def on_epoch_end(self, epoch, logs):
        if epoch == 3:
            signal.setitimer(signal.ITIMER_REAL, 0.1)


def interrupt(number, frame):
    raise KeyboardInterrupt


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers")
def test_ctrl_c_ends_all(data):
    X, y, _ = data
    fleet = Fleet(networks())
    each = [{"callbacks": [Interrupts()]}, {}, {}, {}]
    former = signal.signal(signal.SIGALRM, interrupt)
    try:
        found = fleet.fit(X, y, each=each, epochs=LONG, n_jobs=3)
    finally:
        signal.signal(signal.SIGALRM, former)
    assert [history.interrupted for history in found] == [True] * 4
    assert 3 < len(found[0].epoch) < LONG
    assert found[3].epoch == []
    assert np.isfinite(fleet.predict(X)).all()
    assert len(fleet.fit(X, y, epochs=2)[3].epoch) == 2


class Fails(Callback):
    def on_epoch_end(self, epoch, logs):
        raise OSError("no room")


@pytest.mark.parametrize(("place", "n_jobs"), [(0, 1), (0, 2), (1, 2), (2, 3)])
def test_an_error_of_one_ends_the_others(place, n_jobs, data):
    X, y, _ = data
    fleet = Fleet(networks())
    each = [{}] * 4
    each[place] = {"callbacks": [Fails()], "epochs": 1}
    with pytest.raises(OSError, match="no room"):
        fleet.fit(X, y, each=each, epochs=LONG, n_jobs=n_jobs)
    fleet.fit(X, y)


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"rows": [None]}, ValueError, "rows has 1 items, expected one for each of 4 networks"),
        ({"each": [{}] * 5}, ValueError, "each has 5 items, expected one for each of 4 networks"),
        ({"each": [{}, {}, {}, {"epoch": 3}]}, TypeError, r"option of each\[3\] 'epoch', .* mean 'epochs'"),
        ({"each": [{}, {}, {}, 3]}, TypeError, r"each\[3\] is 3, expected a mapping of options of fit"),
        ({"epoch": 3}, TypeError, "unknown option of fit 'epoch'"),
        ({"threads": 2}, TypeError, "fit has threads, expected n_jobs alone to say what runs where"),
        ({"n_jobs": 0}, ValueError, "n_jobs is 0, expected 1 or more, or -1 for all processors"),
        ({"callbacks": [STOP]}, ValueError, "callbacks are given for all, expected in each="),
        ({"each": [{"callbacks": [STOP]}] * 4}, ValueError, r"each\[1\] has a callback of each\[0\]"),
        ({"each": [{}, {"callbacks": [3]}, {}, {}]}, TypeError, "callbacks holds a int"),
        ({"rows": [None, None, None, [203]]}, ValueError, r"rows\[3\] has 203, expected numbers from 0"),
        ({"rows": [None, None, None, [-1]]}, ValueError, r"rows\[3\] has -1, expected numbers from 0 to 202"),
        ({"rows": [None, None, None, [0.5]]}, TypeError, r"rows\[3\] is \[0.5\], expected numbers of rows"),
        ({"rows": [None, [True], None, None]}, ValueError, r"rows\[1\] has shape \(1,\), expected \(203,\)"),
    ],
)
def test_a_refused_call_trains_none(options, error, told, data):
    X, y, _ = data
    fleet = Fleet(networks())
    before = [net.get_weights() for net in fleet]
    with pytest.raises(error, match=told):
        fleet.fit(X, y, **options)
    for net, weights in zip(fleet, before, strict=True):
        assert_same_bits(net.get_weights(), weights, zeros=True)
        assert net.plan.step == 0


def test_rows_are_taken_of_as_many_targets_and_weights(data):
    X, y, weights = data
    fleet, rows = Fleet(networks()), [np.arange(50)] * 4
    with pytest.raises(ValueError, match="y has 202 rows, expected 203 as X"):
        fleet.fit(X, y[1:], rows=rows)
    with pytest.raises(ValueError, match=r"y\['one'\] has 202 rows, expected 203 as X"):
        fleet.fit(X, {"one": y[1:]}, rows=rows)
    with pytest.raises(ValueError, match=r"sample_weight of networks\[2\] has 204 rows, expected 203"):
        fleet.fit(X, y, rows=rows, each=[{}, {}, {"sample_weight": np.ones(204)}, {}], sample_weight=weights)
    for targets in (None, "price"):
        with pytest.raises(TypeError, match="and rows are chosen, expected arrays X and y"):
            fleet.fit(X, targets, rows=rows)
    assert [net.plan.step for net in fleet] == [0] * 4


def test_what_is_no_fleet():
    net = Network([5, 1])
    with pytest.raises(ValueError, match="networks is empty"):
        Fleet([])
    with pytest.raises(TypeError, match=r"networks\[1\] is 3, expected a Network"):
        Fleet([net, 3])
    with pytest.raises(ValueError, match=r"networks\[1\] is networks\[0\], expected different objects"):
        Fleet([net, net])
    with pytest.raises(ValueError, match="networks have 1, 2 outputs"):
        Fleet([net, Network([5, 2])]).predict(np.zeros((1, 5)))
    with pytest.raises(NotCompiledError, match=r"networks\[0\] is not compiled"):
        Fleet([net]).fit(np.zeros((2, 5)), np.zeros(2))


def test_an_iterator_serves_one(data):
    X, y, _ = data
    fleet = Fleet(networks())
    with pytest.raises(TypeError, match="X is a generator, which serves one network alone"):
        fleet.fit((X[i : i + 8], y[i : i + 8]) for i in range(0, 80, 8))
    fleet.fit([(X[i : i + 8], y[i : i + 8]) for i in range(0, 80, 8)], epochs=2)
    assert [net.plan.step for net in fleet] == [20] * 4
