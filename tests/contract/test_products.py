"""Matrix products of bfloat16: the bits of the twin, with the processor's unit and without it."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from fastmlp import _kernels, reference
from fastmlp.reference.products import LEAST_WIDTH, PLANES, bfloat16, product, split
from helpers import (
    PRODUCT_ISAS,
    assert_close,
    assert_same_bits,
    assert_same_numbers,
    layers_of,
    make_plan,
    random_weights,
    train,
    train_epochs,
)

PRECISIONS = ["high", "medium"]
# Rows, inputs and outputs on both sides of what a tile, two of them, a block and a part of blocks take.
SHAPES = [
    (1, 64, 64), (2, 65, 79), (15, 95, 80), (16, 96, 81), (17, 97, 96), (31, 127, 97), (32, 128, 128),
    (33, 129, 64), (64, 511, 65), (65, 513, 111), (130, 64, 530),
]  # fmt: skip


def usual(rng, shape):
    return rng.standard_normal(shape).astype(np.float32)


def of_any_size(rng, shape):
    """Exponents over the whole range, so that sums overflow, vanish and are denormal on the way."""
    numbers = usual(rng, shape) * 2.0 ** rng.integers(-75, 62, shape)
    return np.where(rng.random(shape) < 0.05, rng.choice([0, 1e-40, -3e-39, 3.3e38], shape), numbers).astype(
        np.float32
    )


def near_underflow(rng, shape):
    return (usual(rng, shape) * 2.0**-63.5).astype(np.float32)


def special(rng, shape):
    odd = rng.choice([np.inf, -np.inf, np.nan], shape)
    return np.where(rng.random(shape) < 0.01, odd, of_any_size(rng, shape)).astype(np.float32)


NUMBERS = {"usual": usual, "of any size": of_any_size, "near underflow": near_underflow, "special": special}


def dense_plan(k, n, weights, precision, isa, use_bias=True):
    plan = _kernels.Plan(k, [{"kind": "dense", "units": n, "use_bias": use_bias}], isa=isa)
    plan.set_weights(weights)
    plan.matmul_precision = precision
    return plan


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_products_of_all_shapes_are_the_twins(shape, precision):
    check_products(np.random.default_rng(3), usual, shape, precision)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("numbers", NUMBERS)
def test_products_of_all_numbers_are_the_twins(numbers, precision):
    check_products(np.random.default_rng(4), NUMBERS[numbers], (40, 70, 66), precision)


def check_products(rng, numbers, shape, precision):
    """z, dx and dW of a dense layer, on every instruction set; what is read in X has to be finite."""
    m, k, n = shape
    planes = PLANES[precision]
    X = numbers(rng, (m, k))
    X[~np.isfinite(X)] = 1
    W, b, D = numbers(rng, (k, n)), usual(rng, n), numbers(rng, (m, n))
    z, dx, dW = product(X, W, planes, b), product(D, W.T, planes), product(X.T, D, planes)
    for isa in PRODUCT_ISAS:
        plan = dense_plan(k, n, [W, b], precision, isa)
        assert_same_numbers(plan.predict(X), z)
        gradients, got = plan.backward(X, D)
        assert_same_numbers(got, dx)
        assert_same_numbers(gradients[0], dW)
        if m > 1:
            assert_same_numbers(plan.predict(X[m // 2]), z[m // 2])
            assert_same_numbers(plan.predict(X[1:]), z[1:])


def test_rounding_to_bfloat16():
    given = [1, 1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8 - 2**-20, 3.3962e38, 3.3895e38, 1e-39, 2.0**-126]
    taken = [1, 1, 1 + 2**-6, -1 - 2**-7, np.inf, 3.3895314e38, 0, 2.0**-126]
    assert bfloat16(np.array(given, np.float32)).tolist() == np.array(taken, np.float32).tolist()
    assert np.isnan(bfloat16(np.array([np.nan], np.float32)))[0]


def test_rounding_is_that_of_torch():
    torch = pytest.importorskip("torch")
    numbers = of_any_size(np.random.default_rng(0), 100000)
    numbers = numbers[np.abs(numbers) > 2e-38]
    theirs = torch.from_numpy(numbers).bfloat16().float().numpy()
    assert_same_bits(bfloat16(numbers), theirs)


@pytest.mark.parametrize(("precision", "error"), [("high", 2.0**-16), ("medium", 2.0**-7)])
def test_errors_of_products(precision, error):
    """Against float64: at most `error` of the sum of the products' sizes, and for "medium" not much less."""
    rng = np.random.default_rng(1)
    X, W = usual(rng, (50, 300)), usual(rng, (300, 70))
    exact, sizes = X.astype(np.float64) @ W, np.abs(X).astype(np.float64) @ np.abs(W)
    plan = dense_plan(300, 70, [W], precision, None, use_bias=False)
    off = np.abs(plan.predict(X) - exact) / sizes
    assert error / 2000 < off.max() < error
    parts = split(X, PLANES[precision])
    assert np.abs(sum(part.astype(np.float64) for part in parts) - X).max() <= np.abs(X).max() * error


@pytest.mark.parametrize("widths", [(LEAST_WIDTH - 1, LEAST_WIDTH), (LEAST_WIDTH, LEAST_WIDTH - 1)])
def test_narrow_layers_stay_float32(widths):
    k, n = widths
    rng = np.random.default_rng(5)
    weights, X = [usual(rng, (k, n)), usual(rng, n)], usual(rng, (20, k))
    medium, highest = (dense_plan(k, n, weights, name, None).predict(X) for name in ("medium", "highest"))
    assert_same_bits(medium, highest)


# Networks

HIDDEN = [130, 64, 96]


def deep_plan(precision, isa=None, dropout=0.0, optimizer="adam", **hyper):
    layers = layers_of([*HIDDEN, 10], ["relu", "tanh", "gelu"], "softmax", dropout)
    weights = random_weights(np.random.default_rng(1), 100, layers, np.float32)
    plan = make_plan(100, layers, weights, np.float32, isa)
    plan.matmul_precision = precision
    plan.compile("sparse_categorical_crossentropy", (), optimizer, hyper)
    return plan


def rows(count, seed=2):
    rng = np.random.default_rng(seed)
    return usual(rng, (count, 100)), rng.integers(0, 10, count)


def trained(precision, isa=None, threads=1, batch_size=70, epochs=2, **options):
    X, y = rows(300)
    plan = deep_plan(precision, isa, **options)
    train(plan, X, y, 0.01, epochs, batch_size=batch_size, threads=threads)
    return [*plan.get_weights(), plan.predict(X)]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("batch_size", [70, 300])
def test_training_has_the_same_bits_everywhere(precision, batch_size):
    first = trained(precision, PRODUCT_ISAS[0], batch_size=batch_size, dropout=0.2)
    for isa in PRODUCT_ISAS:
        for threads in (1, 2, 3):
            assert_same_bits(trained(precision, isa, threads, batch_size, dropout=0.2), first)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_training_is_that_of_the_twin(precision):
    X, y = rows(60)
    plan = deep_plan(precision)
    layers = layers_of([*HIDDEN, 10], ["relu", "tanh", "gelu"], "softmax")
    twin = reference.Plan(100, layers)
    twin.set_weights(plan.get_weights())
    twin.matmul_precision = precision
    twin.compile("sparse_categorical_crossentropy", (), "adam", {})
    error = 1e-3 if precision == "medium" else 1e-4  # of roundings that a last digit turns
    assert_close(plan.predict(X), twin.predict(X), error)
    (loss, gradients, dX), (other, expected, dX_expected) = (
        one.gradients(X, y, input_gradient=True) for one in (plan, twin)
    )
    assert abs(loss - other) < error
    assert_close([*gradients, dX], [*expected, dX_expected], error)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_row_does_not_depend_on_the_rows_beside_it(precision):
    X, _ = rows(2000)
    plan = deep_plan(precision)
    together = plan.predict(X)
    for threads in (1, 2, 3):
        assert_same_bits(plan.predict(X, threads=threads), together)
    for part in (slice(0, 1), slice(3, 20), slice(64, 97), slice(5, 1900)):
        assert_same_bits(plan.predict(X[part]), together[part])
    assert_same_bits(plan.forward(X)[-1], together)
    assert_same_bits(np.array([plan.predict(x) for x in X[:9]]), together[:9])


def test_precisions_differ_and_highest_is_what_it_was():
    X, _ = rows(100)
    plan = deep_plan("highest")
    highest, others = plan.predict(X), {}
    for precision in PRECISIONS:
        plan.matmul_precision = precision
        others[precision] = np.abs(plan.predict(X) - highest).max()
    plan.matmul_precision = "highest"
    assert_same_bits(plan.predict(X), highest)
    assert 0 < 20 * others["high"] < others["medium"] < 0.05


def of_new(plan, X):
    """What a new plan with the same weights predicts."""
    new = deep_plan(plan.matmul_precision)
    new.set_weights(plan.get_weights())
    return new.predict(X)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_whatever_moves_the_weights_moves_the_predictions(precision):
    X, y = rows(100)
    plan, other = deep_plan(precision, use_ema=1.0, ema_momentum=0.5), deep_plan(precision)
    train(other, X, y, 0.1, 1)

    def step():
        d = plan.train_forward(X, seed=0)
        plan.train_backward(d / 100, 0.01)

    changes = {
        "initialize": lambda: plan.initialize(1, "normal", 0.1, 3),
        "train": lambda: train(plan, X, y, 0.1, 1),
        "step": step,
        "blend": lambda: plan.blend(other, 0.3),
        "average": plan.take_average,
        "set": lambda: plan.set_weights(other.get_weights()),
    }
    for name, change in changes.items():
        before = plan.predict(X)
        change()
        assert_same_bits(plan.predict(X), of_new(plan, X))
        assert (plan.predict(X) != before).any(), name


@pytest.mark.parametrize("precision", PRECISIONS)
def test_diverging_training_goes_back(precision):
    X, y = rows(100)
    plan, other = deep_plan(precision), deep_plan(precision)
    with pytest.raises(FloatingPointError):
        train_epochs(plan, X, y, batch_size=100, learning_rates=np.array([[0.01], [np.inf]]))
    train(other, X, y, 0.01, batch_size=100)
    assert_same_bits(plan.get_weights(), other.get_weights())
    assert_same_bits(plan.predict(X), other.predict(X))


def test_whole_gradients_and_clipping():
    for precision in PRECISIONS:
        first = trained(precision, PRODUCT_ISAS[0], global_clipnorm=0.1, gradient_accumulation_steps=2)
        for isa in PRODUCT_ISAS[1:]:
            for threads in (1, 2):
                got = trained(precision, isa, threads, global_clipnorm=0.1, gradient_accumulation_steps=2)
                assert_same_bits(got, first)


def test_a_plan_refuses_what_is_no_precision():
    plan = _kernels.Plan(64, [{"kind": "dense", "units": 64}], dtype="float64")
    with pytest.raises(ValueError, match="matmul_precision is 'high' with dtype float64"):
        plan.matmul_precision = "high"
    with pytest.raises(ValueError, match="matmul_precision is 'low', expected"):
        plan.matmul_precision = "low"
    assert plan.matmul_precision == "highest"


# The unit

needs_unit = pytest.mark.skipif("amx" not in PRODUCT_ISAS, reason="this processor has no unit for them")

UNIT = """
import numpy as np
from fastmlp import _kernels
def result(isa):
    plan = _kernels.Plan(200, [{"kind": "dense", "units": 100}], isa=isa)
    plan.initialize(0, "normal", 1, 0)
    plan.matmul_precision = "medium"
    return plan, plan.predict(np.cos(np.arange(40000, dtype=np.float32)).reshape(200, 200))
"""


def outcome_of(script):
    done = subprocess.run([sys.executable, "-c", UNIT + script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@needs_unit
def test_the_unit_is_used_where_its_instruction_set_is_chosen():
    script = "print([result(isa)[0].matrix_unit for isa in ('avx512', 'amx')])"
    assert outcome_of(script) == ["[False,", "True]"]


@needs_unit
def test_a_system_that_refuses_the_unit():
    """A signal stack too small for its registers: Linux refuses, and the bits are the same."""
    script = """
import ctypes
class Stack(ctypes.Structure):
    _fields_ = [("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]
room = ctypes.create_string_buffer(4096)
small = Stack(ctypes.addressof(room), 0, 4096)
assert ctypes.CDLL(None, use_errno=True).sigaltstack(ctypes.byref(small), None) == 0
refused, got = result("amx")
print(refused.matrix_unit, (got == result("avx512")[1]).all())
"""
    assert outcome_of(script) == ["False", "True"]


@needs_unit
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_unit_after_a_fork_and_in_threads():
    script = """
import os, threading
plan, first = result("amx")
X = np.cos(np.arange(40000, dtype=np.float32)).reshape(200, 200)
found = []
threads = [threading.Thread(target=lambda: found.append((plan.predict(X) == first).all())) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
if os.fork() == 0:
    os._exit(0 if (plan.predict(X) == first).all() and plan.matrix_unit else 1)
print(all(found), len(found), os.wait()[1])
"""
    assert outcome_of(script) == ["True", "4", "0"]
