"""Where training goes back to when it diverges: bits that follow from the recipe alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from fastmlp import Dense, Dropout, Network, _kernels, optimizers
from fastmlp.schedules import Schedule
from fastmlp.training import fit, passes
from helpers import (
    FMA_ISAS,
    HYPER,
    OPTIMIZERS,
    RULES,
    assert_close,
    assert_same_bits,
    assert_trained,
    dense,
    layers_of,
    make_plan,
    normalization,
    run_of,
    train_epochs,
)

ROWS, BATCH, EPOCHS, N_IN = 480, 120, 3, 20
BATCHES = ROWS // BATCH
FAR = 1 * BATCHES + 2  # the step that goes too far: the third of the second epoch
KINDS = ["loss", "step"]

# Wide enough for threads; so narrow that batch rows go in the lanes; with statistics that move.
NETWORKS = {
    "wide": layers_of([100, 97, 3], ["identity", "identity"], "identity", dropout=0.1),
    "narrow": layers_of([4, 3], ["identity"], "identity"),
    "normalised": [
        dense(100, use_bias=False),  # a bias would have a gradient of roundings alone
        normalization("batch"),
        dense(3),
    ],
}


def case(name, dtype, isa, optimizer="adam"):
    """A compiled plan, X and y."""
    layers, n_in = NETWORKS[name], 3 if name == "narrow" else N_IN
    rng = np.random.default_rng(4)
    plan = _kernels.Plan(n_in, layers, dtype=np.dtype(dtype).name)
    weights = [
        rng.standard_normal(w.shape) / np.sqrt(len(w)) if w.ndim == 2 else w + 0.1 for w in plan.get_weights()
    ]
    plan = make_plan(n_in, layers, [w.astype(dtype) for w in weights], dtype, isa)
    plan.compile("mse", 0.0, optimizer, HYPER[optimizer])
    return plan, *(rng.standard_normal((ROWS, n)).astype(dtype) for n in (n_in, 3))


def rates_of(kind, dtype):
    """Rates whose step FAR leads to weights that are not finite, or to such a loss in the next batch."""
    rates = np.full((EPOCHS, BATCHES), 0.01)
    rates.flat[FAR] = np.inf if kind == "step" else 1e30 if dtype == np.float32 else 1e200
    return rates


def diverged(plan, X, y, rates, threads=1, seconds=np.inf, batches=None, **more):
    """What is left when the run has said that it diverged: cursor, sentence, sums, weights and state."""
    run = run_of(plan, X, y, batch_size=BATCH, threads=threads, squares=True, **more)
    run.begin(rates)
    with pytest.raises(FloatingPointError) as error:
        while not run.finished:
            run.advance(seconds, batches)
    state = plan.get_state()
    sums = run.sums[: run.epoch].copy(), run.sums[run.epoch, :2] if run.batch else np.zeros(2)
    what = (run.epoch, run.batch), str(error.value), state["step"], state["beta_powers"]
    return what, [*sums, *plan.get_weights(), *(array for slot in state["slots"] for array in slot)]


CUTS = [
    {}, {"seconds": 0.0}, {"batches": 1}, {"batches": 2}, {"batches": 3}, {"batches": FAR + 1},
    {"batches": FAR + 2}, {"threads": 2}, {"threads": 3, "batches": 5}, {"threads": 2, "seconds": 0.0},
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_returned_to_has_the_same_bits_however_calls_are_cut(dtype, name, kind):
    """On every instruction set, with any number of threads; and they are those of a run that ended there."""
    rates, expected = rates_of(kind, dtype), None
    steps = FAR + (kind == "loss")
    for isa in FMA_ISAS:
        for cut in CUTS:
            plan, X, y = case(name, dtype, isa)
            before = plan.get_weights()
            what, arrays = diverged(plan, X, y, rates, **cut)
            if expected is None:
                said = {"loss": "the loss of batch 3 is not finite",
                        "step": "the step of batch 2 leads to weights that are not finite"}[kind]  # fmt: skip
                assert what[:3] == ((1, steps - BATCHES), said, steps)
                assert_trained(plan.get_weights(), before)
                ended, _, _ = case(name, dtype, isa)
                run = run_of(ended, X, y, batch_size=BATCH)
                run.begin(rates)
                run.advance(batches=steps)
                assert_same_bits(plan.get_weights(), ended.get_weights())
                assert_same_bits(plan.get_state()["slots"], ended.get_state()["slots"], zeros=True)
                assert what[3] == ended.get_state()["beta_powers"]
                expected = what, arrays
            assert what == expected[0]
            assert_same_bits(arrays, expected[1], zeros=True)


@pytest.mark.parametrize("kind", KINDS)
# Rprop bounds its steps, whatever the rate is.
@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if not RULES[name].all_rows])
@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_returned_to_is_the_twins(name, optimizer, kind):
    rates, results = rates_of(kind, np.float64), []
    for isa in ("numpy", FMA_ISAS[-1]):
        plan, X, y = case(name, np.float64, isa, optimizer)
        with np.errstate(over="ignore", invalid="ignore"):
            results.append(diverged(plan, X, y, rates))
    assert results[1][0] == results[0][0]
    for got, expected in zip(results[1][1], results[0][1], strict=True):
        if expected.any():
            assert_close(got, expected, 1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_cursor_stays_at_the_batch_and_a_new_run_goes_on(fma_isa, dtype, kind):
    plan, X, y = case("wide", dtype, fma_isa)
    rates = rates_of(kind, dtype)
    run = run_of(plan, X, y, batch_size=BATCH)
    run.begin(rates)
    seen = []
    for _ in range(2):
        with pytest.raises(FloatingPointError) as error:
            run.advance()
        seen.append((run.epoch, run.batch, str(error.value), plan.step, run.sums[0, 0], *run.sums[1, :2]))
    assert seen[0] == seen[1]
    ended, _, _ = case("wide", dtype, fma_isa)
    cut = run_of(ended, X, y, batch_size=BATCH)
    cut.begin(rates)
    cut.advance(batches=plan.step)
    start = case("wide", dtype, fma_isa)[0].get_weights()
    for one in (plan, ended):
        one.set_weights(start)
        train_epochs(one, X, y, batch_size=BATCH, learning_rates=np.full((1, BATCHES), 0.01))
    assert_same_bits(plan.get_weights(), ended.get_weights())


def test_an_optimizers_state_that_is_not_finite_is_a_step(fma_isa):
    """A gradient whose square float32 cannot hold makes an average of Adam's infinite, and no weight."""
    X, y = case("wide", np.float32, fma_isa)[1:]
    X = X.copy()
    X[2 * BATCH + 7] = 1e25
    rates = np.full((1, BATCHES), 1e-3)
    for batches in (1, 2, 3, None):
        runs = []
        for _ in range(2):
            plan, _, _ = case("wide", np.float32, fma_isa)
            plan.compile("mae", 0.0, "adam", HYPER["adam"])
            runs.append(run_of(plan, X, y, batch_size=BATCH, shuffle=False))
            runs[-1].begin(rates)
        run, ended = runs
        with pytest.raises(FloatingPointError, match="^the step of batch 2 leads to weights"):
            while True:
                run.advance(batches=batches)
        ended.advance(batches=2)
        assert run.plan.step == 2
        assert_same_bits(run.plan.get_weights(), ended.plan.get_weights())
        assert_same_bits(run.plan.get_state()["slots"], ended.plan.get_state()["slots"])


@pytest.mark.parametrize("batches", [1, 2, None])
def test_a_step_too_far_comes_before_a_row_that_is_not_finite(fma_isa, dtype, batches):
    """A batch that is refused for its rows ends a call, but not what the steps before it have led to."""
    for isa in (fma_isa, "numpy"):
        plan, X, y = case("wide", dtype, isa)
        X = X.copy()
        X[3 * BATCH] = np.nan  # in the last batch
        rates = np.full((1, BATCHES), 0.01)
        rates[0, 2] = np.inf
        run = run_of(plan, X, y, batch_size=BATCH, shuffle=False, check_rows=True)
        run.begin(rates)
        with (
            np.errstate(over="ignore", invalid="ignore"),
            pytest.raises(FloatingPointError, match="^the step of batch 2"),
        ):
            while True:
                run.advance(batches=batches)
        assert plan.step == 2 and all(np.isfinite(w).all() for w in plan.get_weights())


@dataclass(frozen=True)
class Explodes(Schedule):
    """A rate that is far too high at one step."""

    step: int
    rate: float

    def _at(self, steps):
        return np.where(steps == self.step, self.rate, 0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_fit_returns_to_the_same_weights_whatever_the_clock_says(monkeypatch, dtype, kind):
    """Slices of any length, epochs alone or several to a call."""
    rng = np.random.default_rng(6)
    X, y = rng.standard_normal((ROWS, N_IN)).astype(dtype), rng.standard_normal((ROWS, 3)).astype(dtype)
    rate = np.inf if kind == "step" else 1e30 if dtype == np.float32 else 1e200
    results = []
    for seconds, brief in ((0.0, 0.0), (1e9, 0.0), (0.0, np.inf), (1e9, np.inf), (2e-3, 5e-3)):
        monkeypatch.setattr(passes, "SLICE", seconds)
        monkeypatch.setattr(fit, "BRIEF", brief)
        net = Network([N_IN, Dense(30, "identity"), Dropout(0.1), 3], dtype=dtype, seed=3)
        net.compile(optimizers.Adam(Explodes(2 * BATCHES + 1, rate)), "mse", metrics=[])
        with pytest.raises(
            FloatingPointError, match="^training diverged in epoch 3: the (loss|step) of batch"
        ):
            net.fit(X, y, epochs=20, batch_size=BATCH, verbose=0)
        state = net.plan.get_state()
        results.append((net.plan.step, net.epochs_done, [*net.get_weights(), *sum(state["slots"], [])]))
    for step, epochs, arrays in results:
        assert (step, epochs) == (2 * BATCHES + 1 + (kind == "loss"), 2)
        assert_same_bits(arrays, results[0][2])


def test_a_single_step_that_goes_too_far_leaves_all_as_it_was(dtype):
    rng = np.random.default_rng(7)
    X, y = rng.standard_normal((50, 4)).astype(dtype), rng.standard_normal((50, 2)).astype(dtype)
    net = Network([4, 8, 2], dtype=dtype, seed=1)
    net.compile(optimizers.Adam(Explodes(1, np.inf)), "mse")
    net.train_on_batch(X, y)
    weights, state = net.get_weights(), net.plan.get_state()
    with pytest.raises(FloatingPointError, match="^the loss of the batch is not finite"):
        net.train_on_batch(X, y)
    assert_same_bits(net.get_weights(), weights)
    assert net.plan.get_state()["step"] == state["step"] == 1
    assert_same_bits(net.plan.get_state()["slots"], state["slots"])


def test_without_the_step_that_goes_too_far_nothing_diverges(dtype):
    for name in NETWORKS:
        plan, X, y = case(name, dtype, FMA_ISAS[-1])
        start = plan.get_weights()
        train_epochs(plan, X, y, batch_size=BATCH, learning_rates=np.full((EPOCHS, BATCHES), 0.01))
        assert_trained(plan.get_weights(), start)


@pytest.mark.parametrize("twin", [False, True])
def test_a_batch_is_judged_by_its_own_loss(twin):
    """Each row's is finite here; the sum over the epoch is not, and the loss of two rows together is not."""
    layers = layers_of([1], [], "identity")
    plan = make_plan(1, layers, [np.zeros((1, 1)), np.zeros(1)], "float64", "numpy" if twin else None)
    plan.compile("mse", 0.0, "sgd", HYPER["sgd"])
    X, y = np.ones((4, 1)), np.full((4, 1), 1.2e154)
    run = run_of(plan, X, y, batch_size=1)
    run.begin(np.full((1, 4), 1e-160))
    run.advance()
    assert run.finished and run.sums[0, 0] == np.inf and plan.step == 4
    run = run_of(plan, X, y, batch_size=2)
    run.begin(np.full((1, 2), 1e-160))
    with pytest.raises(FloatingPointError, match="the loss of batch 0 is not finite"):
        run.advance()
