"""`fit(shards=)`: bits that follow from the number of parts alone, and what goes on working with them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

import fastmlp
from fastmlp import (
    BatchNormalization,
    Dense,
    Dropout,
    Embedding,
    Heads,
    Members,
    Network,
    losses,
    optimizers,
    reference,
)
from fastmlp.callbacks import Callback, EarlyStopping, LambdaCallback, ModelCheckpoint
from fastmlp.schedules import CosineDecay, OneCycle
from fastmlp.training.shards import PART_KEY, Parts
from fits import mse, trained_arrays, twin_of
from helpers import assert_close, assert_same_bits, run_of

ROWS, SIZE = 61, 8
OPTIMIZERS = {
    "adamw": optimizers.AdamW(OneCycle(0.05, 40), weight_decay=CosineDecay(0.1, 30), global_clipnorm=0.5),
    "average": optimizers.Adam(0.05, use_ema=True, ema_momentum=0.9, l2=0.01),
    "accumulation": optimizers.SGD(0.05, momentum=0.9, gradient_accumulation_steps=3),
}


def network(optimizer="adamw", dtype="float64", **options):
    net = Network([5, Dense(19, "tanh"), Dropout(0.3), 3], output="softmax", dtype=dtype, seed=5)
    net.compile(OPTIMIZERS[optimizer], dropout_schedule=CosineDecay(1.5, 40), **options)
    return net


@pytest.fixture
def data(rng):
    return rng.normal(size=(ROWS, 5)), rng.integers(0, 3, ROWS)


@pytest.mark.parametrize("rows", [1, 2, 7, 61, 64])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_parts_are_those_of_array_split_and_batches_take_their_share_of_each(rows, count):
    parts = Parts(rows, count, range(count))
    sizes = [len(part) for part in np.array_split(np.arange(rows), count)]
    assert parts.ends.tolist() == np.cumsum(sizes).tolist()
    for size in (1, 2, 5, 8, rows):
        taken = np.zeros(count, int)
        for first in range(0, rows, size):
            last = min(first + size, rows)
            shares = [parts.share(part, first, last) for part in range(count)]
            lengths = np.array([share.stop - share.start for share in shares])
            assert [share.start for share in shares] == taken.tolist()
            assert lengths.sum() == last - first and lengths.max() - lengths.min() <= 1
            taken += lengths
        assert taken.tolist() == sizes


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_one_part_has_the_bits_of_a_fit_without(data, dtype, optimizer):
    plain, parts = network(optimizer, dtype.name), network(optimizer, dtype.name)
    expected = plain.fit(*data, epochs=3, batch_size=SIZE)
    history = parts.fit(*data, epochs=3, batch_size=SIZE, shards=1)
    assert_same_bits(trained_arrays(parts), trained_arrays(plain), zeros=True)
    assert history.history["accuracy"] == expected.history["accuracy"]
    assert history.history["loss"] == pytest.approx(expected.history["loss"], rel=1e-14)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_parts_do_what_the_twin_does_step_by_step(data, optimizer, threads):
    """By hand: array_split, an order for each part, rows dealt out in turn, gradients in order."""
    X, y = data
    net, shards = network(optimizer), 4
    plan = twin_of(net)
    history = net.fit(X, y, epochs=2, batch_size=SIZE, shards=shards, threads=threads)
    parts = np.array_split(np.arange(ROWS), shards)
    step = 0
    for epoch in range(2):
        orders = [
            part[reference.shuffled((5 + p * PART_KEY) % 2**64, epoch, len(part))]
            for p, part in enumerate(parts)
        ]
        dealt = [(k % shards, orders[k % shards][k // shards]) for k in range(ROWS)]
        total = 0.0
        for first in range(0, ROWS, SIZE):
            batch = dealt[first : first + SIZE]
            vector = np.zeros(plan.vector_size)
            several = net.optimizer.batches_a_step
            for p in range(shards):
                order = np.array([row for part, row in batch if part == p], np.int64)
                if len(order):
                    out = np.zeros(plan.vector_size)
                    loss, _ = run_of(plan, X, y, batch_size=SIZE).part_gradient(
                        order, out, batch=len(batch), seed=(5 + p * PART_KEY) % 2**64,
                        dropout=float(net.dropout_schedule.values(step // several, 1)[0]),
                    )  # fmt: skip
                    total += loss
                    vector += out
            decay = net.optimizer.weight_decays(step // several, 1)
            rate = float(net.optimizer.learning_rates(step // several, 1)[0])
            plan.step_by(vector, rate, weight_decay=None if decay is None else float(decay[0]))
            step += 1
        assert history.history["loss"][epoch] == pytest.approx(total / ROWS, rel=1e-9)
    if net.optimizer.use_ema:
        plan.take_average()
    assert_close(net.get_weights(), plan.get_weights(), 1e-8)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [1, 3, SIZE, None])
def test_bits_follow_from_the_number_of_parts_not_of_threads(data, shuffle, batch_size):
    found = {}
    for shards in (1, 4, 5):
        nets = [network(dtype="float32") for _ in range(2)]
        for threads, net in enumerate(nets, 1):
            net.fit(*data, epochs=2, batch_size=batch_size, shards=shards, threads=threads, shuffle=shuffle)
        assert_same_bits(trained_arrays(nets[0]), trained_arrays(nets[1]), zeros=True)
        found[shards] = nets[0].get_weights()[0].tobytes()
    assert len(set(found.values())) == 3


def test_parts_drop_other_units_and_have_other_orders(rng):
    """Rows that are alike in all parts: without parts of their own in the seed, gradients would be alike."""
    X, y = np.tile(rng.normal(size=(8, 5)), (2, 1)), np.tile(rng.integers(0, 3, 8), 2)
    net, half = network(), network()
    net.fit(X, y, batch_size=None, shards=2)
    half.fit(X[:8], y[:8], batch_size=None, shards=1)
    assert not np.allclose(net.get_weights()[0], half.get_weights()[0], rtol=1e-3)


def stopped_and_resumed(net, stop, X, y, **options):
    def at_batch(batch, logs):
        net.stop_training = net.plan.batches == stop

    first = net.fit(
        X, y, epochs=3, batch_size=SIZE, callbacks=[LambdaCallback(on_train_batch_end=at_batch)], **options
    )
    assert net.position is not None and len(first.epoch) < 3
    return net.fit(X, y, epochs=3, batch_size=SIZE, resume=True, **options)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_fit_that_stops_within_an_epoch_goes_on_from_a_file(data, tmp_path, optimizer):
    whole, other = network(optimizer), network(optimizer)
    expected = whole.fit(*data, epochs=3, batch_size=SIZE, shards=4)
    path = tmp_path / "net.npz"
    keep = ModelCheckpoint(path, save_freq=11, include_optimizer=True)
    stop = LambdaCallback(
        on_train_batch_end=lambda b, _: setattr(other, "stop_training", other.plan.batches == 13)
    )
    other.fit(*data, epochs=3, batch_size=SIZE, shards=4, callbacks=[keep, stop])
    again = fastmlp.load(path)
    assert again.position.done.batch == 3
    with pytest.raises(ValueError, match="shards is 2, expected 4, as in the epoch that was stopped"):
        again.fit(*data, epochs=3, batch_size=SIZE, shards=2, resume=True)
    with pytest.raises(ValueError, match="resume is True and shards is None, expected 4"):
        again.fit(*data, epochs=3, batch_size=SIZE, resume=True)
    history = again.fit(*data, epochs=3, batch_size=SIZE, shards=4, resume=True)
    assert_same_bits(trained_arrays(again), trained_arrays(whole), zeros=True)
    assert history.history["loss"] == expected.history["loss"][1:]
    assert again.epochs_done == whole.epochs_done == 3


def test_what_fit_does_goes_on(data):
    X, y = data
    words = np.array(["ant", "bee", "cat"])[y]
    net = network(metrics=["accuracy", "auc"])
    weights = np.random.default_rng(1).uniform(0, 2, ROWS)
    batches = []
    history = net.fit(
        X, words, epochs=30, batch_size=SIZE, shards=4, validation_split=0.2, sample_weight=weights,
        class_weight="balanced", callbacks=[
            EarlyStopping(patience=2, restore_best_weights=True),
            LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append((batch, logs))),
        ],
    )  # fmt: skip
    assert set(history.history) == {"loss", "accuracy", "auc", "val_loss", "val_accuracy", "val_auc"}
    assert net.classes.tolist() == ["ant", "bee", "cat"] and len(history.epoch) < 30
    assert [batch for batch, _ in batches[:7]] == [0, 1, 2, 3, 4, 5, 0]  # 48 of the 61 rows are trained on
    mean = np.mean([logs["loss"] for _, logs in batches[:6]])
    assert history.history["loss"][0] == pytest.approx(mean, rel=1e-12)


def test_weights_of_rows_count_in_every_part(data):
    X, y = data
    weights = np.random.default_rng(1).integers(1, 3, ROWS).astype(float)
    net = network(metrics=["accuracy"])
    seen = []
    log = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["accuracy"]))
    history = net.fit(X, y, batch_size=None, shards=3, sample_weight=weights, callbacks=[log])
    assert history.history["accuracy"][0] == pytest.approx(seen[0], rel=1e-12)
    assert 0 < seen[0] < 1


@pytest.mark.parametrize("standardize", [False, True])
def test_regression_and_standardized_targets(rng, standardize):
    X = rng.normal(size=(50, 5))
    y = 1000 + 3 * X[:, :2]
    nets = []
    for shards in (None, 1, 3):
        net = Network([5, Dense(8, "tanh"), 2], seed=1, dtype="float64")
        net.compile(optimizers.Adam(0.05), "mse", ["r2"], standardize_targets=standardize)
        history = net.fit(X, y, epochs=5, batch_size=10, shards=shards)
        nets.append((net, history.history["r2"]))
    assert_same_bits(nets[1][0].get_weights(), nets[0][0].get_weights())
    assert nets[1][1] == nets[0][1]
    if standardize:
        assert nets[2][0].output_rescaling == nets[0][0].output_rescaling
        assert nets[2][1][-1] > 0.5


def layers_of(kind):
    if kind == "members":
        return [5, Members(3), Dense(8, "tanh"), 3]
    if kind == "heads":
        return [5, Dense(8, "tanh"), Dense(3), Heads({"size": 1, "kind": (2, "softmax")})]
    if kind == "embedding":
        return [5, Embedding([4], [3]), Dense(8, "relu"), 3]
    return [5, Dense(8, "tanh"), BatchNormalization(trainable=False), 3]


@pytest.mark.parametrize("kind", ["members", "heads", "embedding", "frozen"])
def test_kinds_of_layers_and_losses(rng, kind):
    X = rng.normal(size=(40, 5))
    X[:, 4] = rng.integers(0, 4, 40)
    y = rng.normal(size=(40, 3))
    targets = {"size": y[:, 0], "kind": rng.integers(0, 2, 40)} if kind == "heads" else y
    nets = []
    for shards in (None, 1, 3):
        net = Network(layers_of(kind), seed=1, dtype="float64")
        net.compile("adam", losses.Heads({"size": "huber"}) if kind == "heads" else "mse")
        net.fit(X, targets, epochs=2, batch_size=9, shards=shards)
        nets.append(net)
    assert_same_bits(nets[1].get_weights(), nets[0].get_weights(), zeros=kind == "frozen")
    assert_close(nets[2].get_weights()[0], nets[0].get_weights()[0], 0.1)  # other batches, the same way


def test_sparse_rows_have_the_bits_of_dense_ones(data):
    X, y = data
    X = np.where(np.abs(X) > 1, X, 0)
    dense, sparse = network(), network()
    dense.fit(X, y, epochs=2, batch_size=SIZE, shards=4)
    sparse.fit(scipy.sparse.csr_array(X), y, epochs=2, batch_size=SIZE, shards=4)
    assert_same_bits(trained_arrays(sparse), trained_arrays(dense), zeros=True)


def test_divergence_leaves_the_last_finite_weights(data):
    X, y = data
    net = Network([5, Dense(19, "relu"), 3], dtype="float32", seed=5)
    net.compile(optimizers.SGD(1e30), "mse")
    with pytest.raises(FloatingPointError, match=r"diverged in epoch 1: the (loss|step) of batch \d"):
        net.fit(X, np.eye(3)[y], batch_size=SIZE, shards=4)
    assert all(np.isfinite(w).all() for w in net.get_weights())
    assert (net.position is None) == (net.plan.batches == 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shards": 0}, "shards is 0, expected an integer of at least 1"),
        ({"shards": 2.5}, "shards is 2.5"),
        ({"shards": 62}, "shards is 62, expected at most 61, the number of rows"),
        ({"y": None}, "shards is 2 of batches, expected arrays, which can be divided"),
    ],
)
def test_what_cannot_be_divided_is_told(data, change, said):
    X, y = data
    net = network()
    before = trained_arrays(net)
    if "y" in change:
        X, y = [(X, y)], None
    with pytest.raises((TypeError, ValueError), match=said):
        net.fit(X, y, **{"shards": 2, **({} if "y" in change else change)})
    assert_same_bits(trained_arrays(net), before, zeros=True)


def test_what_takes_a_whole_batch_is_told(data):
    X, y = data
    net = Network([5, Dense(8, "tanh"), BatchNormalization(), 3], seed=1)
    net.compile("adam", "mse")
    with pytest.raises(ValueError, match=r"layer BatchNormalization\(\), which takes all rows of a batch"):
        net.fit(X, np.eye(3)[y], shards=2)
    net = Network([5, Dense(8, "tanh"), 3], seed=1)
    net.compile("adam", mse)
    with pytest.raises(ValueError, match="the loss is a function in Python, which takes"):
        net.fit(X, np.eye(3)[y], shards=2)
    net.compile(optimizers.LevenbergMarquardt(), "mse")
    with pytest.raises(
        ValueError, match="the optimizer is LevenbergMarquardt, which takes all rows of a batch"
    ):
        net.fit(X, np.eye(3)[y], batch_size=None, shards=2)


def test_ctrl_c_ends_a_fit_as_ever(data):
    class Interrupts(Callback):
        def on_train_batch_end(self, batch, logs):
            if self.network.plan.batches == 11:
                raise KeyboardInterrupt

    net, whole = network(), network()
    history = net.fit(*data, epochs=3, batch_size=SIZE, shards=4, callbacks=[Interrupts()])
    assert history.epoch == [0] and net.position.done.batch == 3
    net.fit(*data, epochs=3, batch_size=SIZE, shards=4, resume=True)
    whole.fit(*data, epochs=3, batch_size=SIZE, shards=4)
    assert_same_bits(trained_arrays(net), trained_arrays(whole), zeros=True)
