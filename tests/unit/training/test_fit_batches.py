"""Batches that come from generators, lists and loaders: the bits of an unshuffled fit, and what ends one."""

import itertools
import threading
import time

import numpy as np
import pytest

from fastmlp import Network, optimizers
from fastmlp.callbacks import EarlyStopping, LambdaCallback
from fastmlp.schedules import CosineDecay
from fastmlp.training.batches import Batches
from fits import ALL_OPTIMIZERS, N_IN, N_OUT, Explodes, mse, network
from helpers import assert_same_bits, assert_trained

SIZE = 8


def batches_of(*arrays, size=SIZE):
    return [tuple(a[i : i + size] for a in arrays) for i in range(0, len(arrays[0]), size)]


def endless(*arrays):
    while True:
        yield from batches_of(*arrays)


class Loader:
    """Passes again and again, without a length."""

    def __init__(self, items):
        self.items, self.passes = items, 0

    def __iter__(self):
        self.passes += 1
        return iter(list(self.items))


@pytest.fixture(autouse=True)
def no_thread_stays():
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "fastmlp batches"]


@pytest.mark.parametrize("optimizer", [o for o in ALL_OPTIMIZERS if not o.all_rows], ids=repr)
def test_batches_train_to_the_bits_of_an_unshuffled_fit(data, dtype, optimizer):
    weights = np.linspace(0.5, 2, len(data[0]))
    expected, net = network(optimizer=optimizer, dtype=dtype), network(optimizer=optimizer, dtype=dtype)
    before = net.get_weights()
    wanted = expected.fit(*data, sample_weight=weights, epochs=3, batch_size=SIZE, shuffle=False).history
    history = net.fit(batches_of(*data, weights), epochs=3).history
    assert history["accuracy"] == pytest.approx(wanted["accuracy"], rel=1e-5)
    assert history["loss"] == pytest.approx(wanted["loss"], rel=1e-12)
    assert_trained(net.get_weights(), before)
    assert_same_bits(net.get_weights(), expected.get_weights())
    assert net.plan.step == expected.plan.step and net.epochs_done == expected.epochs_done == 3
    for one, other in zip(net.plan.get_state()["slots"], expected.plan.get_state()["slots"], strict=True):
        assert_same_bits(one, other)


GIVEN = {
    "list": lambda data: (batches_of(*data), {}),
    "loader": lambda data: (Loader(batches_of(*data)), {}),
    "iterator": lambda data: (iter(batches_of(*data) * 4), {"steps_per_epoch": 3}),
    "endless": lambda data: (endless(*data), {"steps_per_epoch": 3}),
    "list with steps": lambda data: (batches_of(*data), {"steps_per_epoch": 3}),
    "lists of lists": lambda data: ([[x.tolist(), y.tolist()] for x, y in batches_of(*data)], {}),
}


@pytest.mark.parametrize("kind", GIVEN)
def test_what_gives_the_same_batches_trains_the_same(data, kind):
    expected, net = network(optimizer="adam"), network(optimizer="adam")
    wanted = expected.fit(*data, epochs=4, batch_size=SIZE, shuffle=False, validation_data=data)
    given, options = GIVEN[kind](data)
    held_out = batches_of(*data)
    history = net.fit(given, epochs=4, validation_data=Loader(held_out), **options)
    assert_same_bits(net.get_weights(), expected.get_weights())
    assert history.epoch == wanted.epoch == [0, 1, 2, 3]
    assert list(history.history) == list(wanted.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    for name, values in wanted.history.items():
        np.testing.assert_allclose(history.history[name], values, rtol=1e-12)


def test_batches_of_dataloaders_are_tensors(data):
    torch = pytest.importorskip("torch")
    tensors = torch.from_numpy(data[0]), torch.from_numpy(data[1])
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*tensors), batch_size=SIZE)
    expected, net = network(optimizer="adam"), network(optimizer="adam")
    expected.fit(*data, epochs=2, batch_size=SIZE, shuffle=False)
    seen = []
    note = LambdaCallback(on_train_begin=lambda logs: seen.append(note.params["steps"]))
    net.fit(loader, epochs=2, callbacks=[note], validation_data=loader)
    assert seen == [3]
    assert_same_bits(net.get_weights(), expected.get_weights())


def test_two_fits_of_one_generator_are_one(data):
    one, two, given = network(optimizer="adam"), network(optimizer="adam"), endless(*data)
    one.fit(endless(*data), epochs=6, steps_per_epoch=2)
    two.fit(given, epochs=2, steps_per_epoch=2)
    two.fit(given, epochs=4, steps_per_epoch=2)
    assert_same_bits(two.get_weights(), one.get_weights())


def test_early_stopping_leaves_the_generator_where_training_ended(data):
    given = endless(*data)
    stop = EarlyStopping("loss", min_delta=9.0, patience=2)
    history = network().fit(given, epochs=9, steps_per_epoch=2, callbacks=[stop])
    assert history.epoch == [0, 1, 2]
    np.testing.assert_array_equal(next(given)[0], data[0][:SIZE])  # six batches are two passes


def test_an_array_that_is_filled_again_is_read_in_time(data):
    room = np.empty((SIZE, N_IN)), np.empty(SIZE, np.int64)

    def refills():
        for X, y in batches_of(*data):
            for array, values in zip(room, (X, y), strict=True):
                array[: len(values)] = values
            yield tuple(array if len(X) == SIZE else array[: len(X)] for array in room)

    expected, net = network(optimizer="adam"), network(optimizer="adam")
    expected.fit(*data, batch_size=SIZE, shuffle=False)
    slow = LambdaCallback(on_train_batch_begin=lambda batch, logs: time.sleep(0.02))
    net.fit(refills(), callbacks=[slow])
    assert_same_bits(net.get_weights(), expected.get_weights())


def test_the_next_batch_is_made_while_one_trains(data):
    made = []

    def noted():
        for index, batch in enumerate(batches_of(*data)):
            made.append(index)
            yield batch

    second = threading.Event()

    def wait(batch, logs):
        if batch == 0:
            while len(made) < 2 and not second.wait(0.001):
                pass

    net = network()
    net.fit(noted(), callbacks=[LambdaCallback(on_train_batch_begin=wait)])
    assert made == [0, 1, 2] and net.plan.step == 3


def test_callbacks_hear_what_they_hear_of_arrays(data):
    def heard(*arguments, **options):
        calls = []
        net = network(optimizer=optimizers.Adam(CosineDecay(0.05, 30)))
        hooks = {
            name: lambda index, logs, name=name: calls.append((name, index, dict(logs)))
            for name in ("on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_epoch_end")
        }
        net.fit(*arguments, epochs=2, callbacks=[LambdaCallback(**hooks)], **options)
        return calls

    expected = heard(*data, batch_size=SIZE, shuffle=False)
    calls = heard(batches_of(*data))
    assert [call[:2] for call in calls] == [call[:2] for call in expected] and len(calls) == 16
    for (_, _, logs), (_, _, wanted) in zip(calls, expected, strict=True):
        assert logs == pytest.approx(wanted, rel=1e-12)


def test_a_loss_in_python(data):
    X, y = data[0], np.eye(N_OUT)[data[1]]
    nets = [Network([N_IN, 8, N_OUT], dtype="float64", seed=1) for _ in range(2)]
    for net in nets:
        net.compile("adam", mse, metrics=["mae"])
    nets[0].fit(X, y, epochs=2, batch_size=SIZE, shuffle=False)
    history = nets[1].fit(batches_of(X, y), epochs=2).history
    assert_same_bits(nets[1].get_weights(), nets[0].get_weights())
    assert list(history) == ["loss", "mae"] and history["mae"][1] < history["mae"][0]


def test_metrics_are_of_predictions_before_each_step(data):
    net, by_hand = network(), network()
    for one in (net, by_hand):
        one.compile(optimizers.SGD(0.5), one.loss, metrics=["auc", "accuracy"])
    given = batches_of(*data, np.linspace(1, 3, len(data[0])))
    history = net.fit(given).history
    predictions = []
    for X, y, weights in given:
        predictions.append(by_hand.predict(X))
        by_hand.train_on_batch(X, y, weights)
    from sklearn.metrics import roc_auc_score

    expected = [
        roc_auc_score(
            data[1] == k, np.concatenate(predictions)[:, k], sample_weight=np.linspace(1, 3, len(data[0]))
        )
        for k in range(N_OUT)
    ]
    assert history["auc"] == [pytest.approx(np.mean(expected))]


def test_evaluate_takes_batches(data):
    net = network()
    weights = np.linspace(0, 2, len(data[0]))
    expected = net.evaluate(*data, weights)
    assert net.evaluate(iter(batches_of(*data, weights))) == pytest.approx(expected, rel=1e-12)
    first = net.evaluate(data[0][:SIZE], data[1][:SIZE])
    assert net.evaluate(endless(*data), steps=1) == pytest.approx(first, rel=1e-12)
    assert first != expected


def test_labels_of_classes(data):
    words = np.array(["one", "three", "two"])
    net, expected = network(optimizer="adam"), network(optimizer="adam")
    expected.fit(*data, batch_size=SIZE, shuffle=False, class_weight={1: 3.0})
    net.fit(batches_of(data[0], words[data[1]]), class_weight={"three": 3.0})
    assert net.classes.tolist() == words.tolist()
    assert_same_bits(net.get_weights(), expected.get_weights())


def test_targets_stay_standardized(data):
    y = 1000 + 50 * data[0][:, 0]
    nets = [Network([N_IN, 1], dtype="float64", seed=0) for _ in range(2)]
    for net in nets:
        net.compile("adam", standardize_targets=True)
        net.fit(data[0], y)
    nets[0].fit(data[0], y, batch_size=SIZE, shuffle=False)
    nets[1].fit(batches_of(data[0], y))
    assert_same_bits(nets[1].get_weights(), nets[0].get_weights())


# ---- the end ----


def test_an_error_of_the_generator_comes_out_unchanged(data):
    for error in (FloatingPointError("mine"), OSError("disk"), KeyError("k")):

        def fails(error=error):
            yield from batches_of(*data)
            raise error

        net = network()
        with pytest.raises(type(error)) as caught:
            net.fit(fails())
        assert caught.value is error and net.plan.step == 3
        net.fit(batches_of(*data))  # it can be used


def test_an_interrupt_ends_the_fit_and_the_thread(data):
    def interrupt(batch, logs):
        if batch == 1:
            raise KeyboardInterrupt

    asked = []

    def noted():
        for index, batch in enumerate(endless(*data)):
            asked.append(index)
            if index > 3:
                time.sleep(0.2)  # it is at work when the fit ends
            yield batch

    net = network()
    history = net.fit(
        noted(), epochs=3, steps_per_epoch=10, callbacks=[LambdaCallback(on_train_batch_end=interrupt)]
    )
    assert history.interrupted and net.plan.step == 2 and len(asked) <= 5
    net.fit(batches_of(*data))


def test_a_divergence_names_batch_and_epoch(data):
    net = network(optimizer=optimizers.SGD(Explodes()), loss="mse")
    expected = network(optimizer=optimizers.SGD(Explodes()), loss="mse")
    y = np.tile(data[1][:, None], (1, N_OUT)).astype(float)
    with pytest.raises(FloatingPointError) as wanted:
        expected.fit(data[0], y, epochs=5, batch_size=SIZE, shuffle=False)
    with pytest.raises(FloatingPointError) as caught:
        net.fit(batches_of(data[0], y), epochs=5)
    assert str(caught.value) == str(wanted.value) and "epoch 3: " in str(caught.value)
    assert_same_bits(net.get_weights(), expected.get_weights())


def test_a_generator_that_runs_out_is_told(data):
    net, whole = network(), network()
    with pytest.warns(RuntimeWarning) as told:
        history = net.fit(iter(batches_of(*data)), epochs=4, steps_per_epoch=2)
    assert [str(w.message) for w in told] == [
        "X ran out after 1 batches of an epoch, expected 2; training ends"
    ]
    assert told[0].filename == __file__
    assert history.epoch == [0, 1] and net.plan.step == 3
    whole.fit(batches_of(*data))
    assert_same_bits(net.get_weights(), whole.get_weights())
    with pytest.warns(RuntimeWarning, match="after 0 batches"):
        history = network().fit(iter(batches_of(*data)), epochs=4, steps_per_epoch=3)
    assert history.epoch == [0]


def test_held_out_batches_that_run_out_are_told(data):
    with pytest.raises(ValueError, match="validation_data ran out after 1 batches of an epoch, expected 2"):
        network().fit(
            batches_of(*data), epochs=4, validation_data=iter(batches_of(*data)), validation_steps=2
        )


def test_held_out_lists_begin_anew(data):
    net = network()
    net.compile(optimizers.SGD(0.0), net.loss)
    history = net.fit(*data, epochs=3, validation_data=Loader(batches_of(*data)), validation_steps=2)
    expected = net.evaluate(data[0][: 2 * SIZE], data[1][: 2 * SIZE])["loss"]
    assert history.history["val_loss"] == pytest.approx([expected] * 3)


REFUSED = [
    (lambda b: (iter(b),), {"epochs": 2}, "X is a list_iterator, which passes once, and epochs is 2"),
    (lambda b: ([],), {}, "X gives no batches"),
    (lambda b: (np.ones((4, N_IN)),), {}, "X is a ndarray without y"),
    (lambda b: (iter(b), b[0][1]), {}, "y came with X, a list_iterator"),
    (lambda b: (b,), {"sample_weight": [1.0]}, "sample_weight came with batches"),
    (lambda b: (b,), {"validation_split": 0.5}, "validation_split is 0.5 of batches"),
    (lambda b: (b,), {"class_weight": "balanced"}, "class_weight is 'balanced' of batches"),
    (lambda b: (b,), {"steps_per_epoch": 0}, "steps_per_epoch is 0"),
    (lambda b: b[0], {"steps_per_epoch": 2}, "steps_per_epoch is 2, expected None with arrays"),
    (lambda b: b[0], {"validation_steps": 2}, "validation_steps is 2, expected None without batches"),
    (lambda b: ([b[0][:1]],), {}, "batch 0 has 1 elements"),
    (lambda b: ([5],), {}, "batch 0 is a int"),
    (lambda b: ([(b[0][0][:, :2], b[0][1])],), {}, r"batch 0 X has shape \(8, 2\)"),
    (lambda b: (b,), {"validation_data": iter([([[1.0]], [0])])}, r"validation_data batch 0 X has shape"),
    (lambda b: (b,), {"validation_data": iter([0]), "epochs": 2}, "validation_data is a list_iterator"),
]


@pytest.mark.parametrize("arguments, options, sentence", REFUSED, ids=[case[2] for case in REFUSED])
def test_what_does_not_fit_is_refused_before_any_step(data, arguments, options, sentence):
    net = network()
    before = net.weights
    with pytest.raises((ValueError, TypeError), match=sentence):
        net.fit(*arguments(batches_of(*data)), **options)
    assert_same_bits(net.weights, before)
    assert net.plan.step == 0 and net.classes is None


def test_a_wrong_batch_is_named(data):
    X, y = data[0].copy(), data[1]
    X[12, 3] = np.nan
    net = network()
    with pytest.raises(ValueError, match="batch 1 X contains nan at row 4, column 3"):
        net.fit(batches_of(X, y))
    assert net.plan.step == 1


def test_rules_of_all_rows_and_first_standardizations_need_arrays(data):
    net = network(optimizer="rprop")
    with pytest.raises(ValueError, match="Rprop needs all rows"):
        net.fit(batches_of(*data))
    net = Network([N_IN, 1])
    net.compile("sgd", standardize_targets=True)
    with pytest.raises(ValueError, match="standardize_targets is True and the targets come in batches"):
        net.fit(batches_of(data[0], data[0][:, 0]))


@pytest.mark.parametrize("steps", range(1, 8))
def test_epochs_of_steps_are_slices_of_the_passes(steps):
    batches = Batches(Loader("abcd"), steps)
    assert batches.first() == "a"
    given = list(itertools.chain.from_iterable(batches.epoch() for _ in range(5)))
    assert "".join(given) == ("abcd" * 9)[: 5 * steps] and batches.missing is None
