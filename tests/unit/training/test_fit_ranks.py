"""`fit(comm=)` on ranks that are threads: the bits of one process, and one sentence on all of them."""

from __future__ import annotations

import dataclasses
import signal

import numpy as np
import pytest
import scipy.sparse

import fastmlp
from fastmlp import Dense, Dropout, Heads, Network, optimizers
from fastmlp.callbacks import Callback, CSVLogger, EarlyStopping, LambdaCallback, ModelCheckpoint, TensorBoard
from fastmlp.mpi import local_rows
from fastmlp.schedules import CosineDecay, OneCycle
from fastmlp.training import exchange, ranks
from fastmlp.training.shards import ShardPasses
from fits import trained_arrays
from helpers import assert_same_bits
from ranks_in_threads import Rank, World, together

ROWS, SIZE, SHARDS = 61, 8, 4
ADAM = optimizers.AdamW(OneCycle(0.05, 40), weight_decay=CosineDecay(0.1, 30), global_clipnorm=0.5)
OPTIONS = {"epochs": 3, "batch_size": SIZE, "shards": SHARDS}


def network(optimizer=ADAM, dtype="float64", seed=5, layers=1, **options):
    hidden = [Dense(19, "tanh")] * layers
    net = Network([5, *hidden, Dropout(0.3), 3], output="softmax", dtype=dtype, seed=seed)
    net.compile(optimizer, dropout_schedule=CosineDecay(1.5, 40), **options)
    return net


@pytest.fixture
def data(rng):
    return rng.normal(size=(ROWS, 5)), rng.integers(0, 3, ROWS)


def assert_alike(nets, expected):
    for net in nets:
        if isinstance(net, BaseException):
            raise net
        assert_same_bits(trained_arrays(net), trained_arrays(expected), zeros=True)


def fitted(size, X, y, make=network, weights=None, each=lambda comm: {}, **options):
    """The networks of all ranks and their histories, or what the ranks raised."""

    def work(comm):
        net = make()
        rows = [local_rows(a, comm, SHARDS) for a in (X, y)]
        own = None if weights is None else local_rows(weights, comm, SHARDS)
        net.seen = net.fit(
            *rows, comm=comm, sample_weight=own, **{**OPTIONS, **options, **each(comm)}
        ).history
        return net

    return together(size, work)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_any_number_of_ranks_has_the_bits_of_one_process(data, dtype, size):
    alone = network(dtype=dtype.name)
    expected = alone.fit(*data, **OPTIONS).history
    nets = fitted(size, *data, make=lambda: network(dtype=dtype.name))
    assert_alike(nets, alone)
    assert all(net.seen == expected and net.position is None and net.epochs_done == 3 for net in nets)


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("least", [1, 300])
def test_gradients_are_sent_in_pieces_while_others_are_made(data, monkeypatch, size, least):
    seen = []

    class Counted(exchange.Exchange):
        def total(self):
            assert len(self._shared) >= len(self._pieces) - exchange.BEHIND
            found = super().total()
            seen.append([(piece.start, piece.end) for piece in self._pieces])
            return found

    monkeypatch.setattr(exchange, "LEAST", least)
    monkeypatch.setattr(ranks, "Exchange", Counted)
    alone = network(layers=5)
    alone.fit(*data, **OPTIONS)
    assert_alike(fitted(size, *data, make=lambda: network(layers=5)), alone)
    pieces = seen[0]
    assert all(each == pieces for each in seen) and len(pieces) == (6 if least == 1 else 5)
    assert [end for _, end in pieces[1:]] == [start for start, _ in pieces[:-1]] and pieces[-1][0] == 0
    assert pieces[0][1] == alone.plan.vector_size


@pytest.mark.parametrize("batch_size", [1, 3, 20, None])
@pytest.mark.parametrize("least", [1, 300, exchange.LEAST])
def test_batches_that_have_no_rows_of_some_parts(data, monkeypatch, batch_size, least):
    monkeypatch.setattr(exchange, "LEAST", least)
    alone = network(layers=5)
    alone.fit(*data, **{**OPTIONS, "batch_size": batch_size, "epochs": 1})
    nets = fitted(4, *data, lambda: network(layers=5), batch_size=batch_size, epochs=1)
    assert_alike(nets, alone)


def test_parts_are_one_for_each_rank_unless_told(data):
    alone = network()
    alone.fit(*data, **{**OPTIONS, "shards": 3})

    def work(comm):
        net = network()
        net.fit(*(local_rows(a, comm) for a in data), comm=comm, epochs=3, batch_size=SIZE)
        return net

    assert_alike(together(3, work), alone)


@pytest.mark.parametrize("ends", [[46], [16, 31]])  # three parts and one; one, one and two
def test_ranks_may_have_other_numbers_of_parts(data, ends):
    alone = network()
    alone.fit(*data, **OPTIONS)
    cut = [0, *ends, ROWS]

    def work(comm):
        net, own = network(), slice(cut[comm.rank], cut[comm.rank + 1])
        net.fit(data[0][own], data[1][own], comm=comm, **OPTIONS)
        return net

    assert_alike(together(len(cut) - 1, work), alone)


def test_what_fit_does_goes_on(data, tmp_path):
    X, y = data
    words = np.array(["ant", "bee", "zebra"])[np.sort(y)]  # no rank but one has seen each
    weights = np.random.default_rng(1).uniform(0, 2, ROWS)
    options = {"class_weight": "balanced", "validation_data": (X[:20], words[:20]), "epochs": 30}
    alone = network(metrics=["accuracy", "auc"])
    stop = lambda: [EarlyStopping(patience=1, restore_best_weights=True)]  # noqa: E731
    expected = alone.fit(X, words, sample_weight=weights, callbacks=stop(), **{**OPTIONS, **options})
    nets = fitted(
        4,
        X,
        words,
        lambda: network(metrics=["accuracy", "auc"]),
        weights,
        lambda comm: {"callbacks": stop()},
        **options,
    )
    assert_alike(nets, alone)
    assert 1 < len(expected.epoch) < 30
    assert all(
        net.seen == expected.history and net.classes.tolist() == ["ant", "bee", "zebra"] for net in nets
    )


def test_labels_of_heads_are_those_of_all_ranks(data):
    X, y = data
    labels = {"price": X[:, 0], "kind": np.array(["ant", "bee", "zebra"])[np.sort(y)], "sold": np.sort(y) > 1}

    def make():
        net = Network([5, 7, 5, Heads({"price": 1, "kind": (3, "softmax"), "sold": (1, "sigmoid")})], seed=5)
        net.compile(ADAM)
        return net

    def work(comm):
        net = make()
        own = {name: local_rows(array, comm, SHARDS) for name, array in labels.items()}
        net.fit(local_rows(X, comm, SHARDS), own, comm=comm, **OPTIONS)
        return net

    alone = make()
    alone.fit(X, labels, **OPTIONS)
    nets = together(3, work)
    assert_alike(nets, alone)
    for net in nets:
        assert net.classes["kind"].tolist() == ["ant", "bee", "zebra"]
        assert net.classes["sold"].tolist() == [False, True] and list(net.classes) == ["kind", "sold"]


def test_standardized_targets_and_sparse_rows(data):
    X = np.where(np.abs(data[0]) > 1, data[0], 0)
    y = 1000 + X[:, :2] * 3

    def make():
        net = Network([5, Dense(8, "tanh"), 2], seed=1, dtype="float64")
        net.compile("adam", "mse", ["r2"], standardize_targets=True)
        return net

    alone = make()
    expected = alone.fit(X, y, **OPTIONS).history
    for rows in (X, scipy.sparse.csr_array(X)):
        nets = fitted(2, rows, y, make)
        assert_alike(nets, alone)
        assert all(net.seen == expected and net.output_rescaling == alone.output_rescaling for net in nets)


def test_rows_are_read_where_they_are_mapped(data, tmp_path):
    np.save(tmp_path / "X.npy", data[0])
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    alone = network()
    alone.fit(*data, **OPTIONS)
    assert_alike(fitted(2, mapped, data[1]), alone)


@pytest.mark.parametrize("size", [1, 2])
def test_a_checkpoint_goes_on_with_any_number_of_ranks(data, tmp_path, size):
    """Four ranks are stopped within an epoch, one of them by Ctrl-C; others take the last file."""
    path = tmp_path / "run" / "net.npz"
    alone = network()
    alone.fit(*data, **OPTIONS)

    def callbacks(comm):
        def stop(batch, logs):
            if comm.rank == 2 and net_of(stopper).plan.batches == 13:
                raise KeyboardInterrupt

        stopper = LambdaCallback(on_train_batch_end=stop)
        return {"callbacks": [ModelCheckpoint(path, save_freq=5, include_optimizer=True), stopper]}

    def net_of(callback):
        return callback.network

    nets = fitted(4, *data, each=callbacks)
    assert [net.plan.batches for net in nets] == [13] * 4
    assert len({net.position for net in nets}) == 1 and nets[0].position.done.batch == 5
    assert [file.name for file in path.parent.iterdir()] == ["net.npz"]
    again = fitted(size, *data, make=lambda: fastmlp.load(path), resume=True)
    assert_alike(again, alone)
    assert_alike(fitted(size, *data, make=iter([*nets]).__next__, resume=True), alone)  # and from memory


class Marks(TensorBoard):
    """What TensorBoard does at each batch, without its package."""

    def __init__(self, log_dir):
        self.log_dir = log_dir
        self.on_train_batch_end = lambda batch, logs: open(log_dir, "a").close()

    def on_epoch_end(self, epoch, logs):
        pass

    def on_train_end(self, logs):
        pass


def test_rank_0_reports_and_saves(data, tmp_path, capsys):
    def each(comm):
        names = [str(tmp_path / f"{kind}-{comm.rank}") for kind in ("net", "log", "events")]
        written = [ModelCheckpoint(names[0] + ".npz"), CSVLogger(names[1] + ".csv"), Marks(names[2])]
        return {"callbacks": written, "verbose": 2}

    nets = fitted(3, *data, each=each)
    assert_alike(nets, nets[0])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["events-0", "log-0.csv", "net-0.npz"]
    assert len(capsys.readouterr().out.splitlines()) == 3


class OnRank(Callback):
    """Does something after a batch on one rank."""

    def __init__(self, comm, rank, batches, what):
        self.batches, self.what = batches if comm.rank == rank else -1, what

    def on_train_batch_end(self, batch, logs):
        if self.network.plan.batches == self.batches:
            self.what(self.network)


def test_a_rank_that_stops_stops_all_at_the_same_batch(data):
    def stop(net):
        net.stop_training = True

    nets = fitted(3, *data, each=lambda comm: {"callbacks": [OnRank(comm, 1, 11, stop)]})
    assert [net.plan.batches for net in nets] == [11] * 3
    nets = fitted(3, *data, make=iter(nets).__next__, resume=True)
    alone = network()
    alone.fit(*data, **OPTIONS)
    assert_alike(nets, alone)


def failing(net):
    raise OSError(28, "No space left on device")


class Odd(Exception):
    """An error that cannot be made of a sentence, nor pickled."""

    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")


def odd(net):
    raise Odd("salt", "pepper")


def lower_rate(net):
    net.learning_rate = 0.5


@pytest.mark.parametrize(
    ("what", "kind", "said"),
    [
        (failing, OSError, "rank 1: [Errno 28] No space left on device"),
        (odd, RuntimeError, "Odd: rank 1: salt and pepper"),
        (lower_rate, ValueError, "the learning rate of batch 3 is"),
    ],
)
def test_an_error_of_a_rank_is_raised_on_all(data, what, kind, said):
    errors = fitted(3, *data, each=lambda comm: {"callbacks": [OnRank(comm, 1, 11, what)]})
    assert [type(error) for error in errors] == [kind] * 3
    assert len({str(error) for error in errors}) == 1 and str(errors[0]).startswith(said)


def test_errors_at_the_end_and_at_the_begin_are_raised_on_all(data):
    def at(hook):
        def each(comm):
            fails = LambdaCallback(**{hook: lambda logs: failing(None) if comm.rank == 2 else None})
            return {"callbacks": [fails]}

        return each

    for hook in ("on_train_begin", "on_train_end"):
        errors = fitted(3, *data, each=at(hook))
        assert [str(error) for error in errors] == ["rank 2: [Errno 28] No space left on device"] * 3


@pytest.mark.parametrize(
    "made", [0, 3, 9]
)  # the sum, a piece, and one of a batch with more parts than before
def test_memory_that_one_rank_lacks_ends_all(data, monkeypatch, made):
    room, seen = ranks.Ranks._room, set()

    def lacking(self, dtype, name, shape):
        found = room(self, dtype, name, shape)
        if self.rank == 1:
            seen.add((name, self._rooms[name].size))
            if len(seen) > made:
                raise MemoryError("no room for gradients")
        return found

    monkeypatch.setattr(exchange, "LEAST", 1)
    monkeypatch.setattr(ranks.Ranks, "_room", lacking)
    errors = fitted(3, *data, lambda: network(layers=5), batch_size=3)
    assert [f"{type(error).__name__}: {error}" for error in errors] == [
        "MemoryError: rank 1: no room for gradients"
    ] * 3


def test_a_sum_that_overflows_ends_all_whatever_numpy_is_to_do():
    X, y, weights = np.full((4, 1), 3e38, np.float32), np.ones((4, 1)), np.full(4, 2.0)

    def make():
        net = Network([1, 1], seed=0)
        net.set_weights([np.zeros_like(a) for a in net.get_weights()])
        net.compile("sgd", "mae")
        return net

    def work(comm):
        own = [local_rows(a, comm, SHARDS) for a in (X, y, weights)]
        with np.errstate(all="raise"):
            make().fit(*own[:2], sample_weight=own[2], comm=comm, batch_size=4, shards=SHARDS)

    with pytest.raises(FloatingPointError, match="leads to weights that are not finite") as caught:
        make().fit(X, y, sample_weight=weights, batch_size=4, shards=SHARDS)
    assert [str(error) for error in together(2, work)] == [str(caught.value)] * 2


class Interrupted(Rank):
    """Where its 40th call is a collective of a name, Ctrl-C comes before it, or while it is waited for."""

    where, waiting, came = "", False, False

    def _begin(self, name, sent, take):
        now = name == self.where and self.calls >= 40 and not self.came
        self.came |= now
        if now and not self.waiting:
            signal.raise_signal(signal.SIGINT)
        request = super()._begin(name, sent, take)
        if now and self.waiting:
            test = request.Test

            def once():
                request.Test = test
                signal.raise_signal(signal.SIGINT)
                return test()

            request.Test = once
        return request


@pytest.mark.parametrize("where", ["Iallgather", "Iallgatherv", "Ialltoallv"])
@pytest.mark.parametrize("waiting", [False, True])
def test_ctrl_c_among_messages_comes_at_the_next_meeting(data, where, waiting):
    def work(comm):
        if comm.rank == 1:
            comm.__class__, comm.where, comm.waiting = Interrupted, where, waiting
        net = network()
        history = net.fit(*(local_rows(a, comm, SHARDS) for a in data), comm=comm, **OPTIONS)
        return net, len(history.epoch)

    before = signal.getsignal(signal.SIGINT)
    found = together(3, work, main=1)
    nets = [net for net, _ in found]
    assert len({net.plan.batches for net in nets}) == 1 and 0 < nets[0].plan.batches < 24
    assert_alike(nets, nets[0])
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_within_a_step_waits_until_it_is_made(data, monkeypatch):
    step = ShardPasses._step

    def interrupted(self, batch, *rest):
        if self._team.rank == 1 and batch == 3:
            signal.raise_signal(signal.SIGINT)
        step(self, batch, *rest)

    def work(comm):
        net = network()
        net.fit(*(local_rows(a, comm, SHARDS) for a in data), comm=comm, **OPTIONS)
        return net

    monkeypatch.setattr(ShardPasses, "_step", interrupted)
    nets = together(3, work, main=1)
    assert [net.plan.batches for net in nets] == [4] * 3
    assert_alike(nets, nets[0])


def test_divergence_is_that_of_one_process(data):
    def make():
        net = Network([5, Dense(19, "relu"), 3], dtype="float32", seed=5)
        net.compile(optimizers.SGD(1e30), "mse")
        return net

    alone, targets = make(), np.eye(3)[data[1]]
    with pytest.raises(FloatingPointError) as caught:
        alone.fit(data[0], targets, **OPTIONS)
    errors = fitted(2, data[0], targets, make)
    assert [str(error) for error in errors] == [str(caught.value)] * 2


def wrong(name, value):
    return lambda comm: {name: value} if comm.rank == 1 else {}


BAD = {
    "batch_size": (
        wrong("batch_size", 9),
        "batch_size is 8 on rank 0 and 9 on rank 1, expected the same on each",
    ),
    "epochs": (wrong("epochs", 4), "epochs is 3 on rank 0 and 4 on rank 1, expected the same on each rank"),
    "shards": (wrong("shards", 5), "shards is 4 on rank 0 and 5 on rank 1, expected the same on each rank"),
    "callbacks": (
        wrong("callbacks", [EarlyStopping()]),
        "the list of callbacks is [] on rank 0 and ['EarlyStopping'] on rank 1, expected the same",
    ),
    "an argument": (wrong("epochs", 0), "rank 1: epochs is 0, expected an integer of at least 1"),
    "validation_split": (
        lambda comm: {"validation_split": 0.2},
        "validation_split is 0.2 with comm, expected validation_data, the same on each rank",
    ),
    "a stream": (
        lambda comm: {"validation_data": iter([])},
        "validation_data is a list_iterator with comm, expected arrays, the same on each rank",
    ),
    "no shards": (wrong("shards", 0), "rank 1: shards is 0, expected an integer of at least 1"),
    "few shards": (lambda comm: {"shards": 2}, "shards is 2, expected at least 3, a part for each rank"),
    "many shards": (lambda comm: {"shards": 62}, "shards is 62, expected at most 61, the number of rows"),
    "other parts": (
        lambda comm: {"shards": 5},
        "X has 31 rows on rank 0, of 61 in all, which end within part 2 of 5,",
    ),
    "weights of rows": (
        wrong("class_weight", {0: 2.0}),
        "class_weight is None on rank 0 and {0: 2.0} on rank 1, expected the same on each rank",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_arguments_that_do_not_fit_are_told_on_all_ranks(data, case):
    each, said = BAD[case]
    nets = []

    def make():
        nets.append(network())
        return nets[-1]

    errors = fitted(3, *data, make, each=each)
    assert all(isinstance(error, (ValueError, TypeError)) for error in errors), errors
    assert len({str(error) for error in errors}) == 1 and str(errors[0]).startswith(said), errors
    for net in nets:
        assert_same_bits(trained_arrays(net), trained_arrays(network()), zeros=True)
        assert net.epochs_done == 0 and net.classes is None


ROWS_OF_RANK_1 = {
    "columns": (lambda X, y: (X[:, :4], y), {}, "rank 1: X has shape (15, 4), expected (rows, 5)"),
    "none": (
        lambda X, y: (X[:0], y[:0]),
        {},
        "rank 1: X is empty with shape (0, 5), expected at least one row",
    ),
    "NaN": (lambda X, y: (X * np.nan, y), {}, "rank 1: X contains nan at row 0, column 0, expected finite"),
    "targets": (lambda X, y: (X, y[:-1]), {}, "rank 1: y has"),
    "words": (
        lambda X, y: (X, y.astype(str)),
        {},
        "rank 0: y contains 2 at row 0, expected one of '0', '1', '2'",
    ),
    "another network": (
        None,
        {"seed": 6},
        "the seed is 5 on rank 0 and 6 on rank 1, expected the same on each",
    ),
    "another optimizer": (None, {"optimizer": "sgd"}, "the optimizer is adamw on rank 0 and sgd on rank 1,"),
    "another norm": (
        None,
        {"optimizer": dataclasses.replace(ADAM, global_clipnorm=2.0)},
        "global_clipnorm of the optimizer is 0.5 on rank 0 and 2.0 on rank 1, expected the same on each rank",
    ),
    "many layers": (
        None,
        {"layers": 50},
        "the network of rank 1 is not that of rank 0, expected the same on",
    ),
    "other layers": (None, {"dtype": "float32"}, "the network is Network("),
}


@pytest.mark.parametrize("case", ROWS_OF_RANK_1)
def test_rows_and_networks_that_do_not_fit_are_told_on_all_ranks(data, case):
    change, options, said = ROWS_OF_RANK_1[case]

    def work(comm):
        own = [local_rows(a, comm, SHARDS) for a in data]
        net = network(**(options if comm.rank == 1 else {}))
        if comm.rank == 1 and change is not None:
            own = change(*own)
        net.fit(*own, comm=comm, **OPTIONS)

    errors = together(4, work)
    assert all(isinstance(error, (ValueError, TypeError, RuntimeError)) for error in errors), errors
    assert len({str(error) for error in errors}) == 1 and str(errors[0]).startswith(said), errors


def test_other_weights_or_held_out_rows_are_told(data):
    def work(comm):
        net = network()
        weights = net.get_weights()
        weights[0][0, 0] += comm.rank == 1
        net.set_weights(weights)
        net.fit(*(local_rows(a, comm, SHARDS) for a in data), comm=comm, **OPTIONS)

    for error in together(2, work):
        assert str(error).startswith("the digest of the weights is ")
    held_out = lambda comm: {"validation_data": (data[0][comm.rank :], data[1][comm.rank :])}  # noqa: E731
    for error in fitted(2, *data, each=held_out):
        assert str(error).startswith("the digest of validation_data is ")


def test_a_communicator_is_asked_for():
    net = network()
    with pytest.raises(TypeError, match="comm is a int without rank, expected a communicator of mpi4py"):
        net.fit([[0.0] * 5], [0], comm=3)
    comm = World(2).ranks()[0]
    with pytest.raises(ValueError, match="shards is 1, expected an integer from 2 to 10"):
        local_rows(np.arange(10), comm, 1)
    assert [local_rows(np.arange(10), one, 3).tolist() for one in World(2).ranks()] == [
        [0, 1, 2, 3, 4, 5, 6],
        [7, 8, 9],
    ]
