"""A run that begins at a batch, with the state of one that stopped there: the bits of one never stopped."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import assert_same_bits, run_of
from pairs import pair

AROUND = {
    "plain": {},
    "average": {"use_ema": 1.0, "ema_momentum": 0.9, "ema_overwrite_frequency": 4.0},
    "lookahead": {"lookahead_steps": 3.0, "lookahead_alpha": 0.5},
    "accumulation": {"gradient_accumulation_steps": 4.0},
    "clipping": {"global_clipnorm": 0.5},
}
RATES = np.linspace(0.01, 0.05, 14).reshape(2, 7)


def made(isa, dtype, name, twin):
    """A plan of 47 rows, and the rows; the last of seven batches is shorter."""
    plans = pair([9, 17, 4], ["tanh"], "mse", isa, "adam", 0.3, dtype=dtype, rows=47, **AROUND[name])
    return plans[twin], plans[2:]


def begun(plan, rows, threads=1, **more):
    run = run_of(plan, *rows, batch_size=7, seed=3, threads=threads)
    given = {"l2": RATES / 100, "weight_decay": RATES / 10, "dropout": RATES * 20}
    run.begin(RATES, epoch=5, **given, **more)
    return run


def all_of(plan):
    state = plan.get_state()
    counts = [np.array([state["step"], state["pending"], *state["beta_powers"]])]
    return [*plan.get_weights(), *(array for slot in state["slots"] for array in slot), *counts]


@pytest.mark.parametrize("stop", [1, 3, 6])
@pytest.mark.parametrize("name", AROUND)
@pytest.mark.parametrize("twin", [False, True], ids=["plan", "twin"])
def test_a_run_that_begins_at_a_batch_has_the_bits_of_one_never_stopped(isa, dtype, twin, name, stop):
    whole, rows = made(isa, dtype, name, twin)
    expected = begun(whole, rows)
    expected.advance()
    stopped, _ = made(isa, dtype, name, twin)
    first = begun(stopped, rows)
    first.advance(batches=stop)
    other, _ = made(isa, dtype, name, twin)
    other.set_weights(stopped.get_weights())
    other.set_state(stopped.get_state())
    run = begun(other, rows, 1 if twin else 2, batch=stop, sums=first.sums[0, :2].tolist())
    assert (run.epoch, run.batch) == (0, stop) and run.sums[0, 0] == first.sums[0, 0]
    run.advance()
    assert run.finished
    assert_same_bits(run.sums[:, :2], expected.sums[:, :2])
    assert_same_bits(all_of(other), all_of(whole))


@pytest.mark.parametrize("batch", [-1, 7])
def test_a_batch_that_the_epoch_lacks_is_refused(isa, batch):
    plan, rows = made(isa, "float32", "plain", False)
    run = begun(plan, rows)
    run.advance(batches=2)
    with pytest.raises(ValueError, match=f"^batch is {batch}, expected 0 to 6$"):
        run.begin(RATES, batch=batch)
    assert (run.epoch, run.batch) == (0, 2)


def test_a_step_that_diverges_after_the_beginning_leaves_its_sums(isa):
    """What goes back to where the call began goes back to the sums that it was given."""
    plan, rows = made(isa, "float32", "plain", False)
    run = run_of(plan, *rows, batch_size=7, seed=3)
    rates = RATES.copy()
    rates[0, 4] = np.inf
    run.begin(rates, batch=4, sums=(2.5, 0.0))
    with pytest.raises(FloatingPointError, match="^the step of batch 4 leads"):
        run.advance()
    assert run.batch == 4 and run.sums[0, 0] == 2.5 and plan.step == 0
