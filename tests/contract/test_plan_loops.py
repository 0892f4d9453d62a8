"""The parts of a step, `accumulate` and `take_step`, beside the NumPy twin's; what ends them early."""

import signal

import numpy as np
import pytest

from fastmlp import _kernels, reference
from helpers import HYPER, OPTIMIZERS, RATES, assert_close, assert_same_bits, dense, normalization

NODES = [
    dense(9, "tanh", dropout=0.2),
    normalization("batch", "relu", 0.3, momentum=0.9),
    {"kind": "dense", "units": 9, "activation": "gelu", "trainable": False},
    normalization("layer"),
    {"kind": "add", "source": 1},
    dense(3, "softmax", dropout=0.1),
]


def plans(isa, optimizer="adam", nodes=NODES, **hyper):
    """A compiled plan and its twin, X and a gradient of its predictions."""
    rng = np.random.default_rng(6)
    both = [_kernels.Plan(5, nodes, dtype="float64", isa=isa), reference.Plan(5, nodes, dtype="float64")]
    weights = [rng.uniform(0.2, 0.6, array.shape) * 2**0.5 for array in both[0].get_weights()]
    for plan in both:
        plan.set_weights(weights)
        plan.compile(None, 0.0, optimizer, {**HYPER[optimizer], **hyper})
    return both, rng.standard_normal((20, 5)), rng.standard_normal((20, 3)) / 20


def assert_gradients_agree(plan, twin):
    """Zero in the frozen layer and in moving statistics, close and not zero elsewhere."""
    ours, theirs = plan.get_gradient(), twin.get_gradient()
    still = [not np.any(array) for array in theirs]
    assert still == [not np.any(array) for array in ours]
    assert still == [False] * 4 + [True] * 4 + [False] * 4
    for a, b in zip(ours, theirs, strict=True):
        if np.any(b):
            assert_close(a, b, 1e-9)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_steps_by_gradients_that_add_up_are_the_twins(isa, optimizer):
    both, X, d = plans(isa, optimizer, global_clipnorm=0.5)
    start = both[0].get_weights()
    for plan in both:
        assert (plan.forward_rows, plan.has_gradient, plan.forwards) == (0, False, 0)
    for step in range(4):
        inputs = []
        for plan in both:
            plan.zero_gradient()
            for rows in (slice(0, 12), slice(12, 20)):
                plan.train_forward(X[rows], seed=step)
                inputs.append(plan.accumulate(d[rows], inputs=True))
            assert (plan.forward_rows, plan.has_gradient, plan.forwards) == (8, True, 2)
            plan.shrink_gradient(0.75)
        assert_close(inputs[:2], inputs[2:], 1e-9)
        assert_gradients_agree(*both)
        assert both[0].gradient_squares() == pytest.approx(both[1].gradient_squares(), rel=1e-9)
        for plan in both:
            plan.take_step(RATES[optimizer] / 2)
            assert (plan.forward_rows, plan.has_gradient, plan.forwards) == (0, True, 0)
            assert plan.step == step + 1
    assert_close(both[0].get_weights(), both[1].get_weights(), 1e-8)
    moved = [(a != b).any() for a, b in zip(start, both[0].get_weights(), strict=True)]
    assert moved == [True] * 6 + [False] * 2 + [True] * 4, "all but the frozen layer, statistics included"


def test_set_gradient_and_blend_are_the_twins(isa):
    both, X, d = plans(isa)
    others, _, _ = plans(isa)
    for plan, other in zip(both, others, strict=True):
        plan.set_gradient([np.full_like(array, 0.25) for array in plan.get_weights()])
        plan.take_step(0.1, l2=0.2, weight_decay=0.3)
        other.blend(plan, 0.3)
        other.blend(plan, 0.9)
    assert_gradients_agree(*both)
    assert_close(others[0].get_weights(), others[1].get_weights(), 1e-12)
    with pytest.raises(ValueError, match="other"):
        both[0].blend(_kernels.Plan(5, NODES, dtype="float32"), 0.5)


def test_shorter_batches_have_the_bits_of_buffers_of_their_own(fma_isa):
    """Buffers made for more rows serve fewer; what lies in them from before does not matter."""
    both, X, d = plans(fma_isa)
    others, _, _ = plans(fma_isa)
    both[0].train_forward(X, seed=1)
    both[0].accumulate(d)
    both[0].zero_gradient()
    for plan in (both[0], others[0]):
        plan.train_forward(X[:7], seed=2)
    assert_same_bits(*[plan.accumulate(d[:7], inputs=True) for plan in (both[0], others[0])])
    assert_same_bits(both[0].get_gradient(), others[0].get_gradient(), zeros=True)
    assert both[0].gradient_squares() > 1e-6


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that interrupt")
@pytest.mark.parametrize("part", ["forward", "backward"])
def test_a_part_that_is_interrupted_has_changed_nothing(part):
    """Many layers of some hundredths of a second each; the signal comes after one and a half."""
    n = 600
    plan = _kernels.Plan(n, [dense(n, "tanh")] * 12, dtype="float64")
    for layer in range(12):
        plan.initialize(layer, "uniform", 0.05, 1)
    rng = np.random.default_rng(0)
    X, d = rng.standard_normal((600, n)), rng.standard_normal((600, n))
    plan.train_forward(X, seed=0)
    plan.accumulate(d)
    gradient, weights = plan.get_gradient(), plan.get_weights()

    calling = False

    def interrupt(number, frame):
        if calling:
            raise KeyboardInterrupt

    former = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.07, 0.07)
    try:
        for _ in range(50):
            before = plan.get_gradient()
            calling = True
            try:
                plan.train_forward(X, seed=0) if part == "forward" else plan.accumulate(d)
            except KeyboardInterrupt:
                break
            finally:
                calling = False
        else:
            pytest.fail("no call was interrupted")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    assert_same_bits(plan.get_weights(), weights, zeros=True)
    assert_same_bits(plan.get_gradient(), before)
    plan.zero_gradient()
    plan.train_forward(X, seed=0)
    plan.accumulate(d)
    assert_same_bits(plan.get_gradient(), gradient)
