"""The same bits: alone or in any batch, on every fma instruction set, with any threads, run after run.

Everything here compares with ==.
"""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmlp import _kernels
from helpers import (
    ELEMENTWISE,
    FMA_ISAS,
    HYPER,
    LINKS,
    LOSSES,
    OPTIMIZERS,
    OUTPUT_OF,
    OUTPUTS,
    PARAMETERS,
    RATES,
    RUNNABLE,
    TRAINABLE,
    assert_same_bits,
    assert_trained,
    layers_of,
    loss_parameter,
    make_plan,
    normalization,
    outputs_of,
    random_weights,
    run_of,
    targets,
    train,
    train_epoch,
)

needs_two = pytest.mark.skipif(len(FMA_ISAS) < 2, reason="this machine runs only one fma instruction set")

# Odd widths; one chain, four segments, two segments, many panels; 32-bit and 64-bit lines differ.
NETWORKS = {
    "narrow": (37, [33, 17, 5]),
    "one panel": (784, [16, 16, 10]),
    "two panels": (65, [19, 27]),
    "wide": (50, [131, 259, 40]),
    "tiny": (2, [3, 2]),
    "single": (33, [1]),
}
LAYER_ACTIVATIONS = ["tanh", "gelu", "mish"]


def network(name, dtype, isa, output="softmax", dropout=0.0, outputs=1):
    """A plan of NETWORKS, with as many outputs for each of its targets."""
    n_in, widths = NETWORKS[name]
    widths = [*widths[:-1], outputs * widths[-1]]
    layers = layers_of(widths, LAYER_ACTIVATIONS[: len(widths) - 1], output, dropout)
    return make_plan(n_in, layers, random_weights(np.random.default_rng(1), n_in, layers, dtype), dtype, isa)


def compiled(name, dtype, isa, loss="categorical_crossentropy", optimizer="adam", dropout=0.0, **hyper):
    plan = network(name, dtype, isa, OUTPUT_OF[LINKS[loss]], dropout, OUTPUTS[loss])
    plan.compile(loss, loss_parameter(loss), optimizer, {**HYPER[optimizer], **hyper})
    return plan


def data(plan, rows, loss=None, seed=2):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, plan.n_in)).astype(plan.dtype)
    return (X, targets(rng, loss, rows, plan.n_out, plan.dtype)) if loss else X


# A row alone and at any place in a batch


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("rows", [2, 7, 64, 1000])
def test_row_in_a_batch_is_the_row_alone(isa, dtype, name, rows):
    plan = network(name, dtype, isa)
    X = data(plan, rows)
    batch = plan.predict(X)
    alone = np.stack([plan.predict(x) for x in X])
    assert_same_bits(batch, alone)
    order = np.random.default_rng(3).permutation(rows)
    assert_same_bits(plan.predict(X[order]), alone[order])
    assert_same_bits(plan.forward(X)[0][-1], plan.forward(X[-1])[0])


@settings(max_examples=40, deadline=None, database=None)
@given(
    widths=st.lists(st.integers(1, 90), min_size=2, max_size=5),
    rows=st.integers(2, 130),
    double=st.booleans(),
    activation=st.sampled_from(TRAINABLE),
    seed=st.integers(0, 1000),
)
def test_any_network_has_the_same_bits(widths, rows, double, activation, seed):
    """Row alone or in a batch, and on every fma instruction set; the baseline keeps the first of the two."""
    dtype = np.dtype(np.float64 if double else np.float32)
    n_in, *widths = widths
    rng = np.random.default_rng(seed)
    layers = layers_of(widths, [activation, "tanh", activation][: len(widths) - 1], "softmax")
    weights = random_weights(rng, n_in, layers, dtype)
    X = rng.standard_normal((rows, n_in)).astype(dtype)
    results = {}
    for isa in RUNNABLE:
        plan = make_plan(n_in, layers, weights, dtype, isa)
        results[isa] = plan.predict(X)
        for r in {0, rows // 2, rows - 1}:
            assert_same_bits(plan.predict(X[r]), results[isa][r])
        assert_same_bits(plan.predict(X[rows // 2 :]), results[isa][rows // 2 :])
    for isa in FMA_ISAS:
        assert_same_bits(results[isa], results[FMA_ISAS[0]])


@pytest.mark.parametrize("loss", LOSSES)
def test_evaluate_adds_rows_in_order_in_float64(isa, dtype, loss):
    plan = compiled("narrow", dtype, isa, loss)
    X, y = data(plan, 700, loss)
    weight = np.random.default_rng(4).uniform(0.1, 2, 700).astype(dtype)
    total = correct = 0.0
    for r in range(700):
        row_loss, row_correct = plan.evaluate(X[r : r + 1], y[r : r + 1], weight[r : r + 1])
        assert row_loss == dtype.type(row_loss)
        total, correct = total + row_loss, correct + row_correct
    assert plan.evaluate(X, y, weight) == (total, correct)
    assert total != 0


def test_input_gradient_of_a_row_does_not_depend_on_the_batch(isa, dtype):
    plan = network("narrow", dtype, isa)
    X = data(plan, 70)
    d = np.random.default_rng(5).standard_normal((70, plan.n_out)).astype(dtype)
    dX = plan.backward(X, d)[1]
    for r in range(70):
        assert_same_bits(plan.backward(X[r : r + 1], d[r : r + 1])[1], dX[r : r + 1])


# Instruction sets


def on_every_isa(run):
    """The same result on every fma instruction set; returns it."""
    first, *others = (run(isa) for isa in FMA_ISAS)
    for other in others:
        assert_same_bits(other, first)
    return first


@needs_two
@pytest.mark.parametrize("name", NETWORKS)
def test_instruction_sets_predict_the_same(dtype, name):
    def run(isa):
        plan = network(name, dtype, isa)
        X = data(plan, 150)
        return [
            plan.predict(X),
            plan.predict(X[3]),
            plan.predict((X * 50 + 100).astype(np.uint8)),
            *plan.forward(X),
        ]

    on_every_isa(run)


@needs_two
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ["narrow", "two panels", "wide"])
def test_instruction_sets_find_the_same_gradients(dtype, name, loss):
    def run(isa):
        plan = compiled(name, dtype, isa, loss)
        X, y = data(plan, 300, loss)
        weight = np.linspace(0.1, 2, 300).astype(dtype)
        value, gradients, dX = plan.gradients(X, y, weight, input_gradient=True)
        return [np.array(value), *gradients, dX, np.array(plan.evaluate(X, y, weight)[0])]

    on_every_isa(run)


@needs_two
@pytest.mark.parametrize("activation", TRAINABLE)
def test_instruction_sets_agree_on_every_activation(dtype, activation):
    def run(isa):
        layers = layers_of([33, 9], [activation], activation)
        plan = make_plan(21, layers, random_weights(np.random.default_rng(6), 21, layers, dtype), dtype, isa)
        X = data(plan, 40)
        gradients, dX = plan.backward(X, np.cos(np.arange(40 * 9)).reshape(40, 9).astype(dtype))
        return [plan.predict(X), *gradients, dX]

    on_every_isa(run)


def trained(
    isa,
    dtype,
    optimizer,
    epochs=3,
    threads=1,
    seconds=np.inf,
    dropout=0.3,
    name="narrow",
    batch_size=16,
    **hyper,
):
    """Weights, predictions, state and sums of the losses of a training run."""
    loss = "sparse_categorical_crossentropy"
    plan = compiled(name, dtype, isa, loss, optimizer, dropout, **hyper)
    X, y = data(plan, 150, loss)
    before = plan.get_weights()
    sums = train(
        plan, X, y, RATES[optimizer], epochs, batch_size=batch_size, threads=threads, seconds=seconds
    )
    assert_trained(plan.get_weights(), before)
    state = plan.get_state()
    assert state["step"] == plan.step == epochs * -(-150 // batch_size)
    powers = np.array(state["beta_powers"])
    results = [*plan.get_weights(), plan.predict(X), powers, *(a for slot in state["slots"] for a in slot)]
    return [array for array in results if array.any()], sums  # without momentum, say, powers of beta are 0


@needs_two
@pytest.mark.parametrize("batch_size", [1, 16, 150])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_instruction_sets_train_the_same(dtype, optimizer, batch_size):
    sums = set()

    def run(isa):
        results, run_sums = trained(isa, dtype, optimizer, epochs=2, batch_size=batch_size)
        sums.add(run_sums)
        return results

    on_every_isa(run)
    assert len(sums) == 1


@needs_two
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_instruction_sets_train_the_same_with_every_penalty(dtype, optimizer):
    penalties = {"l1": 1e-3, "l2": 1e-2, "weight_decay": 0.1, "clipvalue": 0.05, "global_clipnorm": 0.5}
    if optimizer == "sgd":
        penalties |= {"momentum": 0.9, "nesterov": True}
    on_every_isa(lambda isa: trained(isa, dtype, optimizer, **penalties)[0])


@needs_two
@pytest.mark.parametrize("name", ["wide", "one panel"])
def test_instruction_sets_train_wide_networks_the_same(dtype, name):
    on_every_isa(lambda isa: trained(isa, dtype, "adam", epochs=1, name=name)[0])


# Threads, slices, runs


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_predictions(fma_isa, dtype, threads):
    plan = compiled("wide", dtype, fma_isa)
    X, y = data(plan, 1003, "categorical_crossentropy")
    assert 1003 * plan.num_parameters > 3 * 2e6, "too little work to be divided"
    assert_same_bits(plan.predict(X, threads=threads), plan.predict(X, threads=1))
    assert_same_bits(plan.predict(X.astype(np.float64), threads=threads), plan.predict(X, threads=1))
    assert plan.evaluate(X, y, threads=threads) == plan.evaluate(X, y, threads=1)


@pytest.mark.parametrize("hyper", [{}, {"global_clipnorm": 0.5}], ids=["", "clipped"])
@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_training(fma_isa, dtype, threads, hyper):
    def run(threads):
        plan = compiled("wide", dtype, fma_isa, dropout=0.2, **hyper)
        X, y = data(plan, 401, "categorical_crossentropy")
        assert 200 * 3 * plan.num_parameters > 3 * 2e6, "too little work to be divided"
        before = plan.get_weights()
        sums = train(plan, X, y, 0.01, batch_size=200, threads=threads)
        assert_trained(plan.get_weights(), before)
        return plan.get_weights(), sums

    one, other = run(1), run(threads)
    assert_same_bits(other[0], one[0])
    assert other[1] == one[1]


@pytest.mark.parametrize("hyper", [{"l2": 1e-3}, {"global_clipnorm": 0.5}], ids=["penalty", "clipped"])
@pytest.mark.parametrize("norm", [None, "layer", "batch"])
@pytest.mark.parametrize(
    ("rows", "batch_size", "epochs"), [(2000, 190, 2), (3650, 301, 2), (7400, 700, 1), (1030, 1024, 10)]
)
def test_every_way_of_a_step_has_the_same_bits(fma_isa, dtype, rows, batch_size, epochs, norm, hyper):
    """Large batches of a network with few weights: threads share weights, or hand on sums over the rows.

    Sums that start anew in a chain's first block and behind whole blocks, and a last batch with rows for one.
    Each way has three batches before the fastest one goes on.
    """
    layers = layers_of([100, 97, 3], ["relu", "tanh"], "softmax", 0.1)
    weights = random_weights(np.random.default_rng(8), 20, layers, dtype)
    if norm:
        layers.insert(1, normalization(norm))
        weights[2:2] = [np.ones(100, dtype), np.zeros(100, dtype)] * (2 if norm == "batch" else 1)
    results = []
    for threads in (1, 2, 3):
        plan = make_plan(20, layers, weights, dtype, fma_isa)
        plan.compile("sparse_categorical_crossentropy", 0.0, "adam", {**HYPER["adam"], **hyper})
        X, y = data(plan, rows, "sparse_categorical_crossentropy")
        assert batch_size * 3 * plan.num_parameters > 1e6, "too little work to be divided"
        assert batch_size * 420 > 2 * 1.2 * plan.num_parameters, "too many weights for a relay"
        assert rows // batch_size * epochs >= 9, "too few batches for every way"
        results.append((plan, train(plan, X, y, 0.01, epochs=epochs, batch_size=batch_size, threads=threads)))
    assert_trained(results[0][0].get_weights(), weights)
    for plan, sums in results[1:]:
        assert_same_bits(plan.get_weights(), results[0][0].get_weights())
        assert sums == results[0][1]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_slices_do_not_change_training(isa, dtype, optimizer):
    whole, sums = trained(isa, dtype, optimizer, seconds=10)
    sliced, sliced_sums = trained(isa, dtype, optimizer, seconds=0)
    assert_same_bits(sliced, whole)
    assert sliced_sums == sums


def test_slices_do_happen(isa):
    plan = compiled("narrow", np.float32, isa)
    X, y = data(plan, 150, "categorical_crossentropy")
    run = run_of(plan, X, y, batch_size=1)
    trained = 0
    for _ in range(5):  # the first slice may be longer: a copy of cold memory takes its time
        run.begin(np.full((1, 150), 0.01))
        run.advance(seconds=0)
        trained = 150 if run.finished else run.batch
    assert 1 <= trained < 150


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_runs_repeat(isa, dtype, optimizer):
    one, other = trained(isa, dtype, optimizer), trained(isa, dtype, optimizer)
    assert_same_bits(other[0], one[0])
    assert other[1] == one[1]


def test_seed_and_epoch_matter(isa, dtype):
    """What is equal above is not equal for want of randomness."""

    def run(seed, first_epoch, shuffle=True, dropout=0.0):
        plan = compiled("narrow", dtype, isa, dropout=dropout)
        X, y = data(plan, 64, "categorical_crossentropy")
        train(plan, X, y, 0.01, seed=seed, epoch=first_epoch, shuffle=shuffle)
        return plan.get_weights()[0].tobytes()

    assert len({run(1, 0), run(2, 0), run(1, 1), run(1, 0, False), run(1, 0, dropout=0.3)}) == 5
    assert run(1, 0, False) == run(2, 1, False)
    assert run(1, 0, False, 0.3) != run(2, 0, False, 0.3)


def test_batches_of_another_size_in_between_do_not_matter(isa, dtype):
    """The buffers of training are made anew when the size of the batch changes."""
    loss = "categorical_crossentropy"
    plan = compiled("narrow", dtype, isa, loss, dropout=0.3)
    X, y = data(plan, 50, loss)
    for batch_size in (50, 7, 1, 33):
        train(plan, X, y, 0.01, batch_size=batch_size)
    fresh = compiled("narrow", dtype, isa, loss, dropout=0.3)
    for batch_size in (50, 7, 1, 33):
        train(fresh, X, y, 0.01, batch_size=batch_size)
        other = compiled("narrow", dtype, isa, loss, dropout=0.3)
        other.set_weights(fresh.get_weights())
        other.set_state(fresh.get_state())
        fresh = other
    assert_same_bits(fresh.get_weights(), plan.get_weights())


# The caller's floating-point control word


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


# Networks so narrow that batch rows go in the lanes


@pytest.mark.parametrize("output", ["identity", "sigmoid", "softmax", "log_softmax"])
@pytest.mark.parametrize("hidden", ELEMENTWISE)
def test_rows_of_a_narrow_network_are_the_same_alone(isa, dtype, hidden, output):
    p = PARAMETERS[hidden]
    layers = [(4, hidden, p, True, 0.0), (3, hidden, p, False, 0.0), (4, output, 0.0, True, 0.0)]
    plan = _kernels.Plan(7, layers, dtype=dtype, isa=isa)
    rng = np.random.default_rng(11)
    plan.set_weights([0.4 * rng.standard_normal(w.shape).astype(dtype) for w in plan.get_weights()])
    X = rng.standard_normal((101, 7)).astype(dtype)
    alone = np.array([plan.predict(row) for row in X])
    assert np.all(np.isfinite(alone)) and np.ptp(alone) > 0.01
    for rows in (2, 15, 16, 17, 33, 101):
        assert_same_bits(plan.predict(X[:rows]), alone[:rows])
        assert_same_bits(plan.predict(X[-rows:].astype(np.float64)), alone[-rows:])
    with pytest.raises(ValueError):
        plan.predict(np.where(np.arange(101)[:, None] == 100, np.nan, X))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", [loss for loss in LOSSES if LINKS[loss] != "softmax"])
def test_rows_of_one_target_lose_as_each_alone(isa, dtype, loss, weighted):
    """Few outputs put batch rows in the lanes; the loss of arrays sees each row by itself.

    With unit weights the prediction's logit is the input, so the gradient of the input is the loss's own.
    """
    rng = np.random.default_rng(5)
    n = outputs_of(loss, 1)
    z, y = (3 * rng.standard_normal((37, n)).astype(dtype), targets(rng, loss, 37, n, dtype))
    weight = rng.random(37).astype(dtype) if weighted else None
    plan = _kernels.Plan(n, [(n, OUTPUT_OF[LINKS[loss]], 0.0, False, 0.0)], dtype=dtype, isa=isa)
    plan.set_weights([np.eye(n)])
    plan.compile(loss, 1.0, "sgd", {})
    values, d, correct = _kernels.loss_gradient(loss, 1.0, z, y, weight, isa=isa)
    assert np.any(d > 0) and np.any(d < 0)
    assert_same_bits(plan.gradients(z, y, weight, input_gradient=True)[2], d)
    total = 0.0
    for value in values:
        total += float(value)
    assert plan.evaluate(z, y, weight) == (total, correct.sum())


NARROW = [
    (2, [4, 1], ["tanh"], "binary_crossentropy", "sgd"),
    (3, [4, 3, 1], ["mish", "relu"], "huber", "adam"),
    (1, [1, 1], ["gelu"], "poisson", "sgd"),
    (4, [4, 4], ["gelu"], "sparse_categorical_crossentropy", "adam"),
    (4, [3, 4, 2], ["leaky_relu", "softplus"], "categorical_crossentropy", "adamw"),
    (2, [4, 3], ["tanh"], "mse", "rmsprop"),
    (2, [3], [], "binary_crossentropy", "adagrad"),
    (3, [4, 4], ["tanh"], "gaussian_nll", "amsgrad"),
]


@pytest.mark.parametrize("n_in, widths, hidden, loss, optimizer", NARROW)
def test_narrow_networks_train_as_wide_ones(isa, dtype, n_in, widths, hidden, loss, optimizer):
    """A narrow network trains with batch rows in the lanes; inputs that are all 0 make it a wide one.

    Each of those adds 0 to every sum, so the bits must be those of the network without them.
    """
    rng = np.random.default_rng(13)
    layers = layers_of(widths, hidden, OUTPUT_OF[LINKS[loss]])
    weights = random_weights(rng, n_in, layers, dtype)
    X = rng.standard_normal((301, n_in)).astype(dtype)
    y, weight = targets(rng, loss, 301, widths[-1], dtype), rng.random(301).astype(dtype)
    wide_X = np.zeros((301, 17), dtype)
    wide_X[:, :n_in] = X
    for batch_size, threads in ((16, 1), (50, 1), (301, 1), (301, 3)):
        results = []
        for inputs in (X, wide_X):
            rows = np.zeros((inputs.shape[1], widths[0]), dtype)
            rows[:n_in] = weights[0]
            plan = make_plan(inputs.shape[1], layers, [rows, *weights[1:]], dtype, isa)
            plan.compile(loss, loss_parameter(loss), optimizer, HYPER[optimizer])
            sums = train(plan, inputs, y, RATES[optimizer], 3, weight, batch_size=batch_size, threads=threads)
            after = plan.get_weights()
            results.append(([after[0][:n_in], *after[1:]], sums))
        assert results[0][1] == results[1][1]
        assert_same_bits(results[0][0], results[1][0])
        assert_trained(results[0][0], weights)


@pytest.mark.parametrize("kind", ["uint8", "float64", "rescaled", "strided"])
def test_narrow_networks_read_any_rows(isa, kind):
    rng = np.random.default_rng(3)
    X, y = rng.integers(0, 256, (100, 3)), rng.integers(0, 2, (100, 1)).astype("f")
    inputs = {"uint8": X.astype(np.uint8), "float64": X.astype(float), "rescaled": X.astype(np.uint8)}
    given = inputs.get(kind, np.repeat(X.astype("f"), 2, axis=0)[::2])
    shown = (X / np.float32(255)).astype("f") if kind == "rescaled" else X.astype("f")
    layers = layers_of([4, 1], ["tanh"], "sigmoid")
    weights = [0.01 * w for w in random_weights(rng, 3, layers, "f")]
    divisor = {"input_divisor": np.full(3, 255.0)} if kind == "rescaled" else {}
    plans = [make_plan(3, layers, weights, "f", isa, **more) for more in (divisor, {})]
    for plan, inputs in zip(plans, (given, shown), strict=True):
        plan.compile("binary_crossentropy", 0.0, "sgd", {})
        train(plan, inputs, y, 0.01, 2, batch_size=40)
    assert_same_bits(plans[0].get_weights(), plans[1].get_weights())
    assert_trained(plans[0].get_weights(), weights)
