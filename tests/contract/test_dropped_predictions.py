"""Predictions with dropout: the twin's, with bits that depend on the seed and a row's place alone."""

import numpy as np
import pytest

from fastmlp import _kernels, reference
from helpers import FMA_ISAS, assert_close, assert_same_bits, dense, normalization

NODES = [
    dense(9, "tanh", dropout=0.2),
    normalization("batch", "relu", 0.3),
    dense(9, "gelu"),
    normalization("layer"),
    {"kind": "add", "source": 1},
    dense(3, "softmax", dropout=0.1),
]


def plan_of(isa, dtype, nodes=NODES, n_in=5):
    kind = reference if isa == "numpy" else _kernels
    plan = kind.Plan(n_in, nodes, dtype=dtype.name, **({} if isa == "numpy" else {"isa": isa}))
    rng = np.random.default_rng(6)
    plan.set_weights([rng.uniform(0.2, 0.6, array.shape) for array in plan.get_weights()])
    return plan


def rows_of(count, dtype, n_in=5):
    return np.random.default_rng(7).standard_normal((count, n_in)).astype(dtype)


def test_predictions_are_the_twins(isa, dtype):
    plan, twin, X = plan_of(isa, dtype), plan_of("numpy", dtype), rows_of(70, dtype)
    assert_close(
        plan.predict_dropped(X, seed=3), twin.predict_dropped(X, seed=3), 300 * float(np.finfo(dtype).eps)
    )
    assert_same_bits(plan.predict_dropped(X[0], seed=3), plan.predict_dropped(X, seed=3)[0])


def test_steps_of_the_optimizer_do_not_enter_the_masks(isa, dtype):
    plan, X = plan_of(isa, dtype), rows_of(20, dtype)
    before = plan.predict_dropped(X, seed=3)
    plan.compile(None, 0.0, "sgd", {})
    weights = plan.get_weights()
    for _ in range(2):
        plan.train_forward(X, seed=9)
        plan.train_backward(np.full((20, 3), 0.1, dtype), 0.1)
    plan.set_weights(weights)
    assert plan.step == 2
    assert_same_bits(plan.predict_dropped(X, seed=3), before)
    plan.train_forward(X, seed=9)
    plan.predict_dropped(X, seed=3)
    assert plan.forward_rows == 20, "predictions have to leave training's buffers alone"


@pytest.mark.parametrize("threads", [2, 3])
def test_neither_threads_nor_the_rows_below_change_the_bits(fma_isa, dtype, threads):
    nodes = [dense(300, "tanh", dropout=0.2), dense(40, "relu", dropout=0.5), dense(3, dropout=0.1)]
    plan, X = plan_of(fma_isa, dtype, nodes, 50), rows_of(3500, dtype, 50)
    assert 3500 * plan.num_parameters > 2e7, "too little work to be divided"
    one = plan.predict_dropped(X, seed=2**63 + 5, threads=1)
    assert_same_bits(plan.predict_dropped(X, seed=2**63 + 5, threads=threads), one)
    for count in (1, 17, 1025):
        assert_same_bits(plan.predict_dropped(X[:count], seed=2**63 + 5, threads=threads), one[:count])
    assert not np.array_equal(plan.predict_dropped(X[1024:], seed=2**63 + 5), one[1024:])


def test_instruction_sets_have_the_same_bits(fma_isa, dtype):
    X = rows_of(70, dtype)
    first = FMA_ISAS[0]
    assert_same_bits(
        plan_of(fma_isa, dtype).predict_dropped(X, seed=3), plan_of(first, dtype).predict_dropped(X, seed=3)
    )
