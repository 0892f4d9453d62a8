"""The same bits under any floating-point control word of the caller, which is set aside and restored."""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess

import numpy as np
import pytest

from bits import compiled, data, network
from fastmlp import _kernels
from helpers import HYPER, assert_same_bits, layers_of, make_plan, random_weights, train_epoch


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    """Functions that read and write the control word of this thread."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if platform.machine() not in ("x86_64", "AMD64") or compiler is None:
        pytest.skip("needs x86-64 and a C compiler")
    folder = tmp_path_factory.mktemp("control")
    (folder / "control.c").write_text(
        "unsigned get(void) { return __builtin_ia32_stmxcsr(); }\n"
        "void set(unsigned word) { __builtin_ia32_ldmxcsr(word); }\n"
    )
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "control.c", "-o", "control.so"], cwd=folder, check=True
    )
    return ctypes.CDLL(str(folder / "control.so"))


CONTROL_BITS = 0xFFC0  # those below are sticky flags
WORDS = {
    "flush and denormals-are-zero": 0x1F80 | 0x8040,
    "round up": 0x1F80 | 0x4000,
    "round to zero": 0x1F80 | 0xE040,
}


def with_word(control, word, call):
    """call() under a control word, which must be there afterwards."""
    before = control.get()
    control.set(word)
    try:
        result = call()
        after = control.get()
    finally:
        control.set(before)
    assert after & CONTROL_BITS == word & CONTROL_BITS, "the caller's word was not restored"
    return result


def test_control_words_take_effect(control):
    """The helper's own test: with these words, other arithmetic does differ."""
    tiny, third = np.full(64, 1e-40, np.float32), np.full(64, 3, np.float32)
    assert np.all(tiny * 2 > 0) and np.all(
        with_word(control, WORDS["flush and denormals-are-zero"], lambda: tiny * 2) == 0
    )
    up = with_word(control, WORDS["round up"], lambda: 1 / third)
    zero = with_word(control, WORDS["round to zero"], lambda: 1 / third)
    assert np.all(up > zero)


# Each prepares outside, where NumPy computes, and returns what runs under the word.


def predicting(isa, dtype):
    layers = layers_of([33, 20, 5], ["identity", "relu"], "identity")
    weights = random_weights(np.random.default_rng(8), 37, layers, dtype)
    plan = make_plan(37, layers, [dtype.type(100 if w.ndim == 2 else 0) * w for w in weights], dtype, isa)
    X = data(plan, 60)
    X[::3] *= np.finfo(dtype).tiny / 8  # denormal rows, whose predictions are not zero
    wide = X.astype(np.float64)
    return lambda: [
        plan.predict(X),
        plan.predict(X[0]),
        plan.predict(X[1]),
        *plan.forward(X),
        plan.predict(wide),
    ]


def evaluating(isa, dtype):
    layers = layers_of([3], [], "identity")
    plan = make_plan(4, layers, random_weights(np.random.default_rng(8), 4, layers, dtype), dtype, isa)
    plan.compile("mse", 0.0, "sgd", HYPER["sgd"])
    X, y = data(plan, 50), np.zeros((50, 3), dtype)
    small = dtype.type(2.0 ** (-70 if dtype == np.float32 else -530))  # its square is denormal
    plan.set_weights([w * small for w in plan.get_weights()])
    return lambda: [np.array(plan.evaluate(X, y)[0]), np.array(plan.gradients(X, y)[0])]


def differentiating(isa, dtype):
    plan = compiled("narrow", dtype, isa)
    X, y = data(plan, 300, "categorical_crossentropy")
    d = np.cos(np.arange(1500)).reshape(300, 5).astype(dtype)

    def run():
        loss, gradients, dX = plan.gradients(X, y, input_gradient=True)
        outside, outside_dX = plan.backward(X, d)
        return [np.array(loss), *gradients, dX, *outside, outside_dX]

    return run


def training(isa, dtype):
    loss = "sparse_categorical_crossentropy"
    plan = compiled("narrow", dtype, isa, loss, "adam", 0.3, l2=0.01, weight_decay=0.1, global_clipnorm=0.5)
    X, y = data(plan, 100, loss)
    rates = np.full(7, 0.01)

    def run():
        loss, _ = train_epoch(plan, X, y, batch_size=16, learning_rates=rates)
        return [
            *plan.get_weights(),
            *plan.get_state()["slots"][1],
            np.array(plan.get_state()["beta_powers"]),
            np.array(loss),
        ]

    return run


def training_from_outside(isa, dtype):
    plan = network("narrow", dtype, isa, dropout=0.3)
    plan.compile(None, 0.0, "rmsprop", HYPER["rmsprop"])
    X = data(plan, 30)
    d = np.cos(np.arange(150)).reshape(30, 5).astype(dtype)

    def run():
        outputs = []
        for _ in range(4):
            outputs.append(plan.train_forward(X, seed=4))
            plan.train_backward(d, 0.01)
        return [*outputs, *plan.get_weights()]

    return run


def initializing(isa, dtype):
    plan = network("narrow", dtype, isa)

    def run():
        for layer, (kind, scale) in enumerate([("uniform", 0.1), ("normal", 0.1), ("normal", 1e-39)]):
            plan.initialize(layer, kind, scale, seed=5)
        return [w for w in plan.get_weights() if w.ndim == 2]

    return run


def working_on_arrays(isa, dtype):
    rng = np.random.default_rng(9)
    z, da = rng.standard_normal((2, 20, 9)).astype(dtype)
    positive, y = np.abs(z), np.abs(da)

    def run():
        names = ("tanh", "gelu", "softmax", "log_softmax")
        results = [_kernels.activation_forward(name, z, 0.0, isa) for name in names]
        results += [_kernels.activation_backward(name, da, z, 0.0, isa) for name in names]
        results += [_kernels.elementary(name, positive, isa) for name in ("exp", "log", "tanh", "erf")]
        results += _kernels.loss_gradient("categorical_crossentropy", 0.0, z, y, isa=isa)[:2]
        w, slots = z.copy(), [np.zeros_like(z), np.zeros_like(z)]
        _kernels.optimizer_update("adam", w, da, slots, HYPER["adam"], 0.1, 3, isa=isa)
        return [*results, w, *slots, np.array(_kernels.cosine(1.0))]

    return run


WORK = [
    predicting,
    evaluating,
    differentiating,
    training,
    training_from_outside,
    initializing,
    working_on_arrays,
]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("work", WORK)
def test_callers_control_word_is_set_aside_and_restored(isa, dtype, control, work, word):
    expected = work(isa, dtype)()
    assert_same_bits(with_word(control, WORDS[word], work(isa, dtype)), expected)
