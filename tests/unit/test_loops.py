"""Loops of one's own: forward, backward and step by hand, beside `fit`; what is refused."""

import dataclasses
import threading

import numpy as np
import pytest

import fastmlp
from fastmlp import (
    BatchNormalization,
    BusyError,
    Dense,
    Dropout,
    LayerNormalization,
    Network,
    NotCompiledError,
    Rescaling,
    Residual,
    Scale,
    functional,
)
from fastmlp.optimizers import SGD, Adam, AdamW
from fastmlp.schedules import CosineDecay
from helpers import RULES, assert_same_bits

NETWORKS = {
    "dropout": [5, Dense(17, "gelu"), Dropout(0.3), Dense(9, "tanh"), 3],
    "batch normalization": [5, Dense(17, "relu"), BatchNormalization(), Dropout(0.2), 3],
    "others": [
        5,
        Rescaling(0.5),
        Scale(),
        8,
        LayerNormalization(),
        Residual([Dense(8, "tanh")]),
        Dropout(0.1),
    ]
    + [3],
    "frozen": [5, Dense(8, "tanh", trainable=False), Dropout(0.4), Dense(8, "tanh"), 3],
    "narrow": [5, Dense(4, "tanh"), 3],
    "wide": [5, Dense(150, "relu"), Dense(150, "relu"), 3],
}
OPTIMIZERS = [
    *RULES.values(),
    SGD(0.05, momentum=0.9, l2=0.01, l1=1e-3),
    Adam(0.01, global_clipnorm=0.1),
    AdamW(CosineDecay(0.02, 5), weight_decay=CosineDecay(0.1, 7), clipvalue=0.1),
]


def data(dtype="float32", rows=40):
    rng = np.random.default_rng(4)
    return rng.standard_normal((rows, 5)).astype(dtype), rng.standard_normal((rows, 3)).astype(dtype)


def made(name="dropout", optimizer="adam", dtype="float32", **options):
    net = Network(NETWORKS[name], dtype=dtype, seed=3)
    net.compile(optimizer, loss="mse", **options)
    return net


def mse_gradient(y, Y):
    return functional.mse_loss_gradient(y, Y)[1]


def step_by_hand(net, X, y):
    Y = net(X, training=True)
    net.zero_gradient()
    net.backward(mse_gradient(y, Y))
    net.step()
    return Y


def state_of(net):
    state = net.plan.get_state()
    return [*net.get_weights(), *[array for slot in state["slots"] for array in slot], state["step"]]


def assert_same_state(one, other):
    for a, b in zip(state_of(one), state_of(other), strict=True):
        assert_same_bits(np.asarray(a), np.asarray(b), zeros=True)


# The bits of fit


@pytest.mark.parametrize("name", NETWORKS)
def test_a_loop_has_the_bits_of_train_on_batch(name, dtype):
    nets = [made(name, dtype=dtype.name) for _ in range(2)]
    X, y = data(dtype)
    start = nets[0].get_weights()
    for rows in (slice(0, 32), slice(32, 40), slice(0, 7)):
        nets[0].train_on_batch(X[rows], y[rows])
        step_by_hand(nets[1], X[rows], y[rows])
    assert_same_state(*nets)
    assert any((a != b).any() for a, b in zip(start, nets[1].get_weights(), strict=True))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: repr(optimizer))
def test_a_loop_has_the_bits_of_fit(optimizer):
    nets = [made(optimizer=optimizer, dropout_schedule=CosineDecay(1.0, 9)) for _ in range(2)]
    X, y = data()
    nets[0].fit(X, y, epochs=3, batch_size=len(X), shuffle=False)
    for _ in range(3):
        step_by_hand(nets[1], X, y)
    assert_same_state(*nets)


@pytest.mark.parametrize("name", ["frozen", "batch normalization"])
@pytest.mark.parametrize(
    "options",
    [{"use_ema": True, "ema_momentum": 0.8}, {"lookahead_steps": 2, "lookahead_alpha": 0.4}],
    ids=["average", "lookahead"],
)
def test_a_loop_has_the_slow_weights_of_train_on_batch(name, options):
    nets = [made(name, Adam(0.01, **options)) for _ in range(2)]
    X, y = data()
    for _ in range(5):
        nets[0].train_on_batch(X, y)
        step_by_hand(nets[1], X, y)
    assert_same_state(*nets)


def test_a_loop_on_logits_has_the_bits_of_a_fused_loss():
    X, _ = data()
    y = np.arange(40) % 3
    layers = [5, Dense(16, "relu"), Dropout(0.5), 3]
    classifier = Network(layers, output="softmax", seed=1)
    logits = Network(layers, seed=1)
    classifier.compile("adam")
    logits.compile("adam")
    for _ in range(3):
        classifier.train_on_batch(X, y)
        Z = logits(X, training=True)
        logits.zero_gradient()
        logits.backward(functional.sparse_categorical_crossentropy_loss_gradient(y, Z)[1])
        logits.step()
    assert_same_state(classifier, logits)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_have_the_same_bits(threads):
    net = Network([40, 400, 300, 3], seed=0)
    net.compile()
    rng = np.random.default_rng(0)
    X, dY = rng.standard_normal((300, 40)).astype("f4"), rng.standard_normal((300, 3)).astype("f4")
    before = fastmlp.get_num_threads()
    try:
        fastmlp.set_num_threads(threads)
        Y = net(X, training=True)
        dX = net.backward(dY, inputs=True)
    finally:
        fastmlp.set_num_threads(before)
    assert_same_bits(Y, net.predict(X))
    gradients, expected = net.plan.backward(X, dY)
    assert_same_bits(dX, expected)
    assert_same_bits(net.gradient, gradients)


# Gradients


def test_gradients_add_up_until_they_are_zeroed(dtype):
    net = made("wide", dtype=dtype.name)
    X, y = data(dtype)
    assert all((array == 0).all() for array in net.gradient)
    parts = []
    for rows in (slice(0, 32), slice(32, 40)):
        net.zero_gradient()
        net(X[rows], training=True)
        net.backward(y[rows])
        parts.append(net.gradient)
    net(X[:32], training=True)
    net.backward(y[:32])
    assert_same_bits(net.gradient, [b + a for a, b in zip(*parts, strict=True)])
    net.zero_gradient()
    assert all((array == 0).all() for array in net.gradient)


def test_the_two_gradients_are_made_apart():
    net = made("wide")
    X, y = data()
    net(X, training=True)
    assert net.backward(y, parameters=False) is None
    dX = net.backward(y, inputs=True, parameters=False)
    assert all((array == 0).all() for array in net.gradient)
    assert net.backward(y) is None
    gradient = net.gradient
    net.zero_gradient()
    assert_same_bits(net.backward(y, inputs=True), dX)
    assert_same_bits(net.gradient, gradient)
    assert np.abs(dX).max() > 1e-3


@pytest.mark.parametrize("name", ["batch normalization", "narrow", "wide"])
def test_gradients_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    layers = [layer for layer in NETWORKS[name] if not isinstance(layer, Dropout)]
    net = Network(layers, dtype="float64", seed=3)
    X, dY = data("float64")
    module = fastmlp.torch.to_torch(net).train()
    x = torch.from_numpy(X).requires_grad_()
    out = module(x)
    out.backward(torch.from_numpy(dY))
    np.testing.assert_allclose(net(X, training=True), out.detach(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(net.backward(dY, inputs=True), x.grad, rtol=1e-9, atol=1e-12)
    gradient = iter(net.gradient)
    for parameter in module.parameters():
        ours = next(gradient)
        while ours.shape != tuple(parameter.T.shape) or not np.any(ours):  # moving statistics have none
            ours = next(gradient)
        np.testing.assert_allclose(ours, parameter.grad.T, rtol=1e-9, atol=1e-12)


def test_statistics_move_by_every_pass_of_a_step():
    """Of several batches in one step, as in PyTorch; a pass without a gradient does not count."""
    torch = pytest.importorskip("torch")
    layers = [layer for layer in NETWORKS["batch normalization"] if not isinstance(layer, Dropout)]
    net = Network(layers, dtype="float64", seed=3)
    module = fastmlp.torch.to_torch(net).train()
    X, dY = data("float64")
    net.compile("sgd")
    for part in (slice(0, 9), slice(9, 20), slice(20, None)):
        net(X[part] + 5, training=True)
        net(X[part], training=True)
        for _ in range(2):
            net.backward(dY[part])
        module(torch.from_numpy(X[part])).backward(torch.from_numpy(dY[part]))
    net.step()
    (norm,) = (part for part in module if hasattr(part, "running_mean"))
    state = net.state_dict()
    (mean,) = (array for name, array in state.items() if name.endswith(".mean"))
    np.testing.assert_allclose(mean, norm.running_mean, rtol=1e-9)
    y = np.random.default_rng(4).normal(size=(len(X), 3))
    net, other = (Network(layers, dtype="float64", seed=3) for _ in range(2))
    for one in (net, other):
        one.compile(SGD(0.1, gradient_accumulation_steps=3), loss="mse")
    other.fit(X, y, batch_size=10, shuffle=False)
    for first in range(0, len(X), 10):
        rows = slice(first, first + 10)
        net.zero_gradient()
        net.backward(functional.mse_loss_gradient(y[rows], net(X[rows], training=True))[1])
        net.step()
    for ours, theirs in zip(net.get_weights(), other.get_weights(), strict=True):
        assert (ours == theirs).all()


def test_statistics_do_not_move_by_a_pass_whose_gradient_is_zeroed():
    layers = [layer for layer in NETWORKS["batch normalization"] if not isinstance(layer, Dropout)]
    X, dY = data("float64")
    net, other = (Network(layers, dtype="float64", seed=3) for _ in range(2))
    for one in (net, other):
        one.compile("sgd")
    net(X + 5, training=True)
    net.backward(dY)
    net.zero_gradient()
    for one in (net, other):
        one(X, training=True)
        one.backward(dY)
        one.step()
    for ours, theirs in zip(net.get_weights(), other.get_weights(), strict=True):
        assert (ours == theirs).all()


def test_an_actors_loss_through_a_critic():
    """Two networks in a chain: the gradient of mean(critic(actor(X))) is the central difference."""
    actor = Network([5, Dense(8, "tanh"), Dense(2, "tanh")], dtype="float64", seed=0)
    critic = Network([7, Dense(8, "tanh"), 1], dtype="float64", seed=1)
    X, _ = data("float64")

    def value():
        return critic.predict(np.hstack([X, actor.predict(X)])).mean()

    Q = critic(np.hstack([X, actor(X, training=True)]), training=True)
    dA = critic.backward(np.full_like(Q, 1 / len(X)), inputs=True, parameters=False)[:, 5:]
    actor.backward(dA)
    assert all((array == 0).all() for array in critic.gradient)
    weights, h = actor.get_weights(), 1e-6
    numeric = []
    for sign in (1, -1):
        shifted = [array.copy() for array in weights]
        shifted[0][2, 3] += sign * h
        actor.set_weights(shifted)
        numeric.append(value())
    assert abs(actor.gradient[0][2, 3]) > 1e-5
    np.testing.assert_allclose(actor.gradient[0][2, 3], (numeric[0] - numeric[1]) / (2 * h), rtol=1e-6)


def test_a_gradient_may_be_set():
    net = made("frozen")
    given = [np.full(array.shape, 0.5) for array in net.get_weights()]
    net.gradient = given
    frozen, *others = net.gradient
    assert (frozen == 0).all() and all((array == 0.5).all() for array in others[1:])
    before = net.get_weights()
    net.step()
    assert_same_bits(net.get_weights()[:2], before[:2], zeros=True)
    assert (net.get_weights()[2] < before[2]).all()
    with pytest.raises(ValueError, match="gradient has 1 arrays, expected 6"):
        net.gradient = given[:1]
    with pytest.raises(ValueError, match="contains nan"):
        net.gradient = [np.full(array.shape, np.nan) for array in given]


def test_every_pass_between_two_steps_drops_other_units():
    net = Network([50, Dropout(0.5), 50], seed=0)
    net.set_weights([np.eye(50), np.zeros(50)])
    net.compile("sgd")
    ones = np.ones((4, 50), "f4")
    passes = [net(ones, training=True) for _ in range(3)]
    assert all(0.3 < (drawn == 0).mean() < 0.7 for drawn in passes)
    assert len({drawn.tobytes() for drawn in passes}) == 3
    again = Network([50, Dropout(0.5), 50], seed=0)
    again.set_weights([np.eye(50), np.zeros(50)])
    assert_same_bits(again(ones, training=True), passes[0])
    assert_same_bits(again(ones, training=True), passes[1])


# clip_gradients, blend, optimizers on arrays


def test_clipping_one_network_is_global_clipnorm():
    plain, clipped = made(optimizer=SGD(0.1)), made(optimizer=SGD(0.1, global_clipnorm=0.05))
    X, y = data()
    clipped.train_on_batch(X, y)
    plain.backward(mse_gradient(y, plain(X, training=True)))
    norm = fastmlp.clip_gradients([plain], 0.05)
    plain.step()
    assert norm > 0.05
    assert_same_bits(plain.get_weights(), clipped.get_weights())


def test_clipping_several_is_pytorchs():
    torch = pytest.importorskip("torch")
    nets = [made("wide", dtype="float64"), made("narrow")]
    X, y = data()
    tensors = []
    for net in nets:
        net(X, training=True)
        net.backward(y)
        for array in net.gradient:
            tensors.append(torch.nn.Parameter(torch.zeros(array.shape, dtype=torch.float64)))
            tensors[-1].grad = torch.from_numpy(array.astype("float64"))
    expected = torch.nn.utils.clip_grad_norm_(tensors, 2.0)
    assert fastmlp.clip_gradients(nets, 2.0) == pytest.approx(float(expected), rel=1e-6)
    ours = [array for net in nets for array in net.gradient]
    for a, b in zip(ours, tensors, strict=True):
        np.testing.assert_allclose(a, b.grad, rtol=1e-5, atol=1e-9)
    before = [array for net in nets for array in net.gradient]
    assert fastmlp.clip_gradients(nets, 1e6) == pytest.approx(2.0, rel=1e-5)
    assert_same_bits([array for net in nets for array in net.gradient], before)


def test_clipping_beside_a_busy_network_changes_nothing_and_leaves_the_others_free():
    free, busy = made("narrow"), made("wide")
    X, y = data()
    for net in (free, busy):
        net(X, training=True)
        net.backward(y)
    before = free.gradient
    caught = []

    def clip():
        with pytest.raises(BusyError):
            fastmlp.clip_gradients([free, busy], 1e-3)
        caught.append(True)

    with busy.changing():
        thread = threading.Thread(target=clip)
        thread.start()
        thread.join()
    assert caught
    assert_same_bits(free.gradient, before)
    assert fastmlp.clip_gradients([free, busy], 1e-3) > 1e-3
    assert fastmlp.clip_gradients([free, busy], 1.0) == pytest.approx(1e-3, rel=1e-5)


def test_a_norm_that_is_not_finite_changes_nothing():
    net = made("narrow", dtype="float64")
    net.gradient = [np.full(array.shape, 1e200) for array in net.get_weights()]
    before = net.gradient
    with pytest.raises(FloatingPointError, match="norm of the gradients is inf"):
        fastmlp.clip_gradients([net], 1.0)
    assert_same_bits(net.gradient, before)


@pytest.mark.parametrize("tau", [0.0, 0.005, 0.5, 0.995, 1.0])
def test_blending_is_pytorchs_lerp(tau, dtype):
    torch = pytest.importorskip("torch")
    net, target = made("others", dtype=dtype.name), Network(NETWORKS["others"], dtype=dtype, seed=8)
    before = target.get_weights()
    target.blend(net, tau)
    for now, old, new in zip(target.get_weights(), before, net.get_weights(), strict=True):
        expected = torch.lerp(torch.from_numpy(old), torch.from_numpy(new), tau).numpy()
        np.testing.assert_allclose(now, expected, rtol=4 * np.finfo(dtype).eps, atol=np.finfo(dtype).eps)
        if tau in (0, 1):
            assert_same_bits(now, new if tau else old, zeros=True)
    assert tau == 0 or any((a != b).any() for a, b in zip(before, target.get_weights(), strict=True))


def test_what_has_no_derivative_blends():
    """It was made elsewhere, and predicts."""
    net, target = (Network([3, 4, 2], activation=("leaky_relu", -0.2), seed=seed) for seed in (0, 1))
    target.blend(net, 1)
    X = np.random.default_rng(0).standard_normal((5, 3))
    assert_same_bits(target.predict(X), net.predict(X))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: repr(optimizer))
def test_an_optimizer_on_an_array_takes_the_steps_of_a_network(optimizer, dtype):
    net = Network([3, Dense(5, use_bias=False)], dtype=dtype, seed=0)
    net.compile(optimizer)
    array = net.get_weights()[0]
    stepper, rng = optimizer.on(array), np.random.default_rng(0)
    for _ in range(5):
        gradient = rng.standard_normal((3, 5)).astype(dtype)
        net.gradient = [gradient]
        net.step()
        stepper.step(gradient)
    assert_same_bits(array, net.get_weights()[0])
    assert stepper.steps == 5 and stepper.array is array


def test_arrays_of_any_shape_and_what_is_refused():
    number = np.array(2.0)
    stepper = SGD(0.5).on(number)
    stepper.step(1)
    assert number == 1.5
    stepper.optimizer.learning_rate = 0.25
    stepper.step(np.float32(2))
    assert number == 1.0
    with pytest.raises(ValueError, match=r"gradient has shape \(1,\), expected \(\)"):
        stepper.step([1.0])
    with pytest.raises(ValueError, match="contains nan"):
        stepper.step(np.array(np.nan))
    huge = np.array([1e38, 0.0], "f4")
    diverging = SGD(10.0, momentum=0.9).on(huge)
    with pytest.raises(FloatingPointError, match="not finite"):
        diverging.step(np.array([-1e38, 1.0], "f4"))
    assert huge.tolist() == [np.float32(1e38), 0] and diverging.steps == 0
    diverging.step(np.array([0.0, 1.0], "f4"))
    assert huge.tolist() == [np.float32(1e38), -10]
    for wrong, error in (([1.0], TypeError), (np.arange(3), TypeError), (np.eye(3)[:, 0], ValueError)):
        with pytest.raises(error, match="expected"):
            SGD().on(wrong)


# What is refused


BETWEEN = {
    "nothing before": None,
    "a step": lambda net, X, y: (net.backward(y), net.step()),
    "compile": lambda net, X, y: net.compile(),
    "fit": lambda net, X, y: net.fit(X, y),
    "train_on_batch": lambda net, X, y: net.train_on_batch(X, y),
    "set_weights": lambda net, X, y: net.set_weights(net.get_weights()),
    "blend": lambda net, X, y: net.blend(made(), 0.5),
}


@pytest.mark.parametrize("between", BETWEEN)
def test_backward_needs_the_forward_pass_of_these_weights(between):
    net = made()
    X, y = data()
    if BETWEEN[between] is not None:
        net(X, training=True)
        BETWEEN[between](net, X, y)
    with pytest.raises(RuntimeError, match=r"expected net\(X, training=True\) before it"):
        net.backward(y)


def test_what_only_reads_may_stand_between():
    net = made()
    X, y = data()
    net(X, training=True)
    net.backward(y)
    expected = net.gradient
    net.zero_gradient()
    net.predict(X[:3])
    net.evaluate(X, y)
    net.gradients(X, y)
    net.forward(X[:2])
    net.backward(y)
    assert_same_bits(net.gradient, expected)


WRONG = [
    (lambda net, X, y: net.backward(y[:7]), r"dY has shape \(7, 3\), expected \(40, 3\)"),
    (lambda net, X, y: net.backward(y * np.inf), "dY contains -inf at row 0, column 0"),
    (lambda net, X, y: net.backward((y * np.nan).tolist()), "dY contains nan at row 0"),
    (lambda net, X, y: net.backward(y, inputs=1), "inputs is 1, expected True or False"),
    (lambda net, X, y: net.blend(made(), 1.5), "tau is 1.5"),
    (lambda net, X, y: net.blend(made("narrow"), 0.5), "other has arrays of layers"),
    (lambda net, X, y: net.blend(made(dtype="float64"), 0.5), "in float64, expected those of"),
    (lambda net, X, y: fastmlp.clip_gradients([net], 0), "max_norm is 0"),
    (lambda net, X, y: fastmlp.clip_gradients([net, 3], 1), "networks holds a int"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_wrong_argument_changes_nothing(call, message):
    net = made()
    X, y = data()
    net(X, training=True)
    net.backward(y)
    expected, weights = net.gradient, net.get_weights()
    with pytest.raises((ValueError, TypeError), match=message):
        call(net, X, y)
    assert_same_bits(net.gradient, expected)
    assert_same_bits(net.get_weights(), weights, zeros=True)
    net.zero_gradient()
    net.backward(y)
    assert_same_bits(net.gradient, expected)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones(5, "f4"), r"X has shape \(5,\), expected \(rows, 5\)"),
        (np.ones((2, 4), "f4"), r"X has shape \(2, 4\), expected \(rows, 5\)"),
        (np.full((2, 5), np.nan, "f4"), "X contains NaN or infinity"),
        (np.full((2, 5), np.inf), "X contains inf at row 0, column 0"),
        (np.ones((0, 5), "f4"), "X is empty"),
    ],
)
def test_inputs_that_do_not_fit(X, message):
    with pytest.raises(ValueError, match=message):
        made()(X, training=True)


def test_a_step_needs_a_gradient_and_compile():
    X, y = data()
    net = Network(NETWORKS["narrow"], seed=0)
    net(X, training=True)
    net.backward(y)
    with pytest.raises(NotCompiledError):
        net.step()
    net.compile()
    with pytest.raises(RuntimeError, match="the gradient is zero, expected a call of backward"):
        net.step()


def test_a_step_that_overflows_changes_nothing():
    net = made("batch normalization", SGD(1e30, momentum=0.9), "float32")
    X, y = data()
    net(X, training=True)
    net.backward(y * np.float32(1e20))
    before, gradient = state_of(net), net.gradient
    with pytest.raises(FloatingPointError, match="not finite"):
        net.step()
    for a, b in zip(state_of(net), before, strict=True):
        assert_same_bits(np.asarray(a), np.asarray(b), zeros=True)
    assert_same_bits(net.gradient, gradient, zeros=True)
    net.learning_rate = 1e-22
    net.step()
    assert net.plan.step == 1


def test_a_busy_network_is_refused_and_a_callback_may_go_on():
    net = made()
    X, y = data()
    net(X, training=True)
    net.backward(y)
    errors = []

    def intrude():
        for call in (
            lambda: net(X, training=True),
            lambda: net.backward(y),
            net.step,
            net.zero_gradient,
            lambda: net.blend(made(), 0.5),
            lambda: fastmlp.clip_gradients([net], 1e-3),
        ):
            with pytest.raises(BusyError) as caught:
                call()
            errors.append(caught.value)

    before = net.gradient
    with net.changing():
        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join()
        net.backward(y)
    assert len(errors) == 6
    assert_same_bits(net.gradient, [a + b for a, b in zip(before, before, strict=True)])


def test_description_of_a_stepper_is_its_own():
    optimizer = Adam(0.1)
    stepper = optimizer.on(np.zeros(3))
    optimizer.learning_rate = 5.0
    assert stepper.optimizer == dataclasses.replace(optimizer, learning_rate=0.1)
