"""`fastmlp.functional`: every kernel on arrays, against written formulas and central differences."""

import inspect
import math

import numpy as np
import pytest

from fastmlp import functional, reference, registry
from fastmlp.optimizers import OPTIMIZERS
from helpers import TRAINABLE, outputs_of, targets

DTYPES = [np.float32, np.float64]
ROWWISE = [name for name, (_, kind) in registry.ACTIVATIONS.items() if kind == "row"]
LABELS, PLAIN = sorted(registry.LABEL_LOSSES), sorted(set(registry.LOSSES) - registry.LABEL_LOSSES)

erf = np.vectorize(math.erf, otypes=[np.float64])


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# Formulas written here once more; what has none is compared with the twin.
EXPECTED = {name: activation.forward for name, activation in reference.ACTIVATIONS.items()} | {
    "identity": lambda z: z,
    "step": lambda z: np.where(z > 0, 1.0, 0.0),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(z)),
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(z)),
    "gelu": lambda z: z * (1 + erf(z / math.sqrt(2))) / 2,
    "gelu_tanh": lambda z: z / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
    "silu": lambda z: z * sigmoid(z),
    "mish": lambda z: z * np.tanh(np.log1p(np.exp(z))),
    "softplus": lambda z: np.log1p(np.exp(z)),
    "softsign": lambda z: z / (1 + np.abs(z)),
    "exp": np.exp,
    "softmax": softmax,
    "log_softmax": lambda z: np.log(softmax(z)),
}


def tolerance(dtype):
    return 32 * np.finfo(dtype).eps


def central_difference(function, z, h=1e-6):
    """The derivative of a function of an array to a number, element by element."""
    result = np.empty_like(z)
    for index in np.ndindex(z.shape):
        up, down = z.copy(), z.copy()
        up[index] += h
        down[index] -= h
        result[index] = (function(up) - function(down)) / (2 * h)
    return result


def assert_is_gradient(gradient, function, z):
    """The gradient is that of the function at z, its signs too, and it is not zero."""
    numeric = central_difference(function, z)
    assert np.abs(numeric).max() > 1e-3
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("wrong", [lambda g: -g, lambda g: g * 1.001, np.zeros_like, lambda g: g[::-1]])
def test_assert_is_gradient_can_fail(wrong):
    z = np.array([0.5, 1.0, -2.0])
    assert_is_gradient(3 * z**2, lambda z: (z**3).sum(), z)
    with pytest.raises(AssertionError):
        assert_is_gradient(wrong(3 * z**2), lambda z: (z**3).sum(), z)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


# ---- what is there ----


def test_every_kernel_has_its_functions():
    for name in registry.ACTIVATIONS:
        assert {name, f"{name}_backward"} <= set(functional.__all__)
    for name in registry.LOSSES:
        assert {name, f"{name}_loss_gradient"} <= set(functional.__all__)
    for name in OPTIMIZERS:
        assert f"{name}_update" in functional.__all__


@pytest.mark.parametrize("name", sorted(functional.__all__))
def test_every_function_is_documented(name):
    function = getattr(functional, name)
    assert function.__name__ == name
    for heading in ("Parameters", "Returns", "Examples", ">>> "):
        assert heading in function.__doc__
    for parameter in inspect.signature(function).parameters:
        if parameter != "parameter":
            assert parameter in function.__doc__


def test_unknown_functions_list_the_known_ones():
    with pytest.raises(AttributeError, match="'relo', expected one of .*relu"):
        _ = functional.relo


# ---- activations ----


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EXPECTED)
def test_activations_follow_their_formula(name, dtype, rng):
    z = rng.normal(scale=2.0, size=(7, 13)).astype(dtype)
    a = getattr(functional, name)(z)
    assert a.dtype == dtype
    expected = EXPECTED[name](z.astype(np.float64))
    np.testing.assert_allclose(a, expected, rtol=tolerance(dtype), atol=tolerance(dtype))
    assert np.unique(a).size > 1


@pytest.mark.parametrize("name", TRAINABLE)
def test_elementwise_derivatives(name, rng):
    z = rng.normal(scale=2.0, size=40)
    z[np.abs(z) < 1e-3] = 0.5  # away from the kinks
    da = rng.normal(size=40)
    forward, backward = getattr(functional, name), getattr(functional, f"{name}_backward")
    saved = z if registry.ACTIVATIONS[name][1] == "z" else forward(z)
    assert_is_gradient(backward(da, saved), lambda z: float((da * forward(z)).sum()), z)


@pytest.mark.parametrize("name", ROWWISE)
def test_row_derivatives(name, rng):
    z, da = rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    forward, backward = getattr(functional, name), getattr(functional, f"{name}_backward")
    assert_is_gradient(backward(da, forward(z)), lambda z: float((da * forward(z)).sum()), z)


def test_step_has_no_derivative():
    assert functional.step_backward([1.0, 2.0], [0.0, 1.0]).tolist() == [0.0, 0.0]


def test_parameters_are_taken():
    assert functional.leaky_relu([-2.0, 2.0], 0.25).tolist() == [-0.5, 2.0]
    assert functional.leaky_relu_backward([1.0, 1.0], [-2.0, 2.0], 0.25).tolist() == [0.25, 1.0]
    np.testing.assert_allclose(functional.elu([-1.0], 2.0), 2 * math.expm1(-1), rtol=1e-15)
    with pytest.raises(ValueError, match="'relu' takes none"):
        functional.relu([1.0], 0.5)
    with pytest.raises(ValueError, match="parameter is nan"):
        functional.elu([1.0], math.nan)
    assert functional.leaky_relu([-2.0, 2.0], -0.25).tolist() == [0.5, 2.0]
    with pytest.raises(ValueError, match=r"parameter is -0\.25, expected 0 to 1e\+30, where the der"):
        functional.leaky_relu_backward([1.0], [1.0], -0.25)


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_is_stable(dtype):
    for row in ([1010, 1000, 990], [1e4, -1e4]):
        a = functional.softmax(np.array(row, dtype))
        assert np.isfinite(a).all()
        np.testing.assert_allclose(a.sum(), 1, rtol=tolerance(dtype))
        np.testing.assert_array_equal(np.isnan(functional.log_softmax(np.array(row, dtype))), False)
    np.testing.assert_allclose(
        functional.softmax([0.3, 2.9, 4.0]), [0.01821127, 0.24519181, 0.73659691], atol=1e-8
    )


# ---- any array ----

SHAPES = [(), (1,), (5,), (0,), (3, 4), (2, 3, 17), (0, 3)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_stay(shape, dtype, rng):
    z = rng.normal(size=shape).astype(dtype)
    a = functional.tanh(z)
    assert a.shape == shape and a.dtype == dtype
    assert functional.tanh_backward(z, a).shape == shape
    assert functional.log1p(np.abs(z)).shape == shape
    if shape and shape[-1]:
        assert functional.softmax(z).shape == shape


@pytest.mark.parametrize("name", ["gelu", "softmax", "log1p"])
def test_any_memory_is_read_and_none_written(name, rng):
    z = np.abs(rng.normal(size=(6, 8)))
    function = getattr(functional, name)
    wide = np.full((12, 16), np.nan)
    wide[::2, ::2] = z
    frozen = z.copy()
    frozen.flags.writeable = False
    expected = function(z)
    for same in (wide[::2, ::2], np.asfortranarray(z), frozen, z[::-1][::-1], z.astype(">f8"), z.tolist()):
        assert function(same).tobytes() == expected.tobytes()
    assert (z == frozen).all() and expected is not z


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (np.ones(3, np.float32), np.float32),
        (np.ones(3, np.float16), np.float32),
        (np.ones(3, np.int32), np.float64),
        ([1, 2], np.float64),
        ([True], np.float64),
        (1.5, np.float64),
    ],
)
def test_types_of_results(value, dtype):
    assert functional.relu(value).dtype == dtype


def test_types_meet_in_the_wider_one():
    a = functional.relu_backward(np.ones(3, np.float32), np.ones(3))
    assert a.dtype == np.float64


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: functional.relu(["a"]), TypeError, "z holds strings"),
        (lambda: functional.relu([1j]), TypeError, "z holds complex numbers"),
        (
            lambda: functional.relu_backward([1, 2], [1]),
            ValueError,
            r"a has shape \(1,\), expected \(2,\) as da has",
        ),
        (lambda: functional.gelu_backward([1, 2], [1]), ValueError, r"z has shape \(1,\)"),
        (lambda: functional.softmax(1.0), ValueError, r"z has shape \(\), expected rows"),
        (lambda: functional.softmax(np.ones((3, 0))), ValueError, r"z has shape \(3, 0\)"),
        (lambda: functional.erf("x"), TypeError, "x holds strings"),
    ],
)
def test_bad_arrays(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "expected", "low", "high"),
    [
        ("exp", np.exp, -20, 20),
        ("log", np.log, 0.01, 50),
        ("log1p", np.log1p, -0.9, 50),
        ("expm1", np.expm1, -5, 20),
        ("tanh", np.tanh, -9, 9),
        ("erf", erf, -4, 4),
        ("sigmoid", sigmoid, -20, 20),
    ],
)
def test_elementary_functions(name, expected, low, high, dtype):
    x = np.linspace(low, high, 997).astype(dtype)
    np.testing.assert_allclose(
        getattr(functional, name)(x), expected(x.astype(np.float64)), rtol=4 * np.finfo(dtype).eps, atol=0
    )


# ---- dense ----


@pytest.mark.parametrize("dtype", DTYPES)
def test_dense(dtype, rng):
    X, W, b = (rng.normal(size=shape).astype(dtype) for shape in [(4, 40), (40, 20), (20,)])
    # An inner product of 40 rounds 40 times; the bound is in terms of the sizes of what is added.
    bound = 41 * np.finfo(dtype).eps * (np.abs(X).astype(np.float64) @ np.abs(W) + np.abs(b))
    exact = X.astype(np.float64) @ W + b
    assert (np.abs(functional.dense(X, W, b) - exact) <= bound).all()
    assert (np.abs(functional.dense(X, W) - (exact - b)) <= bound).all()
    np.testing.assert_allclose(
        functional.dense(X, W, b, "tanh"), np.tanh(exact), atol=float(bound.max()) + tolerance(dtype)
    )
    assert functional.dense(X[0], W, b).tobytes() == functional.dense(X, W, b)[0].tobytes()
    assert functional.dense(X.reshape(2, 2, 40), W, b).shape == (2, 2, 20)


def test_dense_backward(rng):
    X, W, b, dz = (rng.normal(size=shape) for shape in [(6, 5), (5, 3), (3,), (6, 3)])
    dX, dW, db = functional.dense_backward(dz, X, W)
    assert_is_gradient(dX, lambda X: float((dz * functional.dense(X, W, b)).sum()), X)
    assert_is_gradient(dW, lambda W: float((dz * functional.dense(X, W, b)).sum()), W)
    assert_is_gradient(db, lambda b: float((dz * functional.dense(X, W, b)).sum()), b)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: functional.dense([[1.0]], [[1.0], [2.0]]), r"X has shape \(1, 1\), expected \(..., 2\)"),
        (lambda: functional.dense([[1.0]], [1.0]), r"W has shape \(1,\), expected \(n_in, n_out\)"),
        (lambda: functional.dense([[1.0]], [[1.0]], [1.0, 2.0]), r"b has shape \(2,\), expected \(1,\)"),
        (lambda: functional.dense_backward([[1.0]], [[1.0], [2.0]], [[1.0]]), r"dz has shape \(1, 1\)"),
        (lambda: functional.dense([[1.0]], [[1.0]], activation="rely"), "unknown activation 'rely'"),
    ],
)
def test_bad_dense(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---- losses ----

VALUES = {
    name: lambda y, p, loss=loss: loss.value(p, y, loss.parameter) for name, loss in reference.LOSSES.items()
} | {
    "sparse_categorical_crossentropy": lambda y, z: -np.log(softmax(z))[np.arange(len(y)), y],
    "categorical_crossentropy": lambda y, z: -(y * np.log(softmax(z))).sum(axis=1),
    "binary_crossentropy": lambda y, z: (
        -(y * np.log(sigmoid(z)) + (1 - y) * np.log(1 - sigmoid(z))).mean(axis=1)
    ),
    "mse": lambda y, p: ((p - y) ** 2).mean(axis=1),
    "mae": lambda y, p: np.abs(p - y).mean(axis=1),
    "huber": lambda y, p: np.where(np.abs(p - y) <= 1, (p - y) ** 2 / 2, np.abs(p - y) - 0.5).mean(axis=1),
    "poisson": lambda y, z: (np.exp(z) - y * z).mean(axis=1),
    "gaussian_nll": lambda y, p: (p[:, 4:] / 2 + (p[:, :4] - y) ** 2 / (2 * np.exp(p[:, 4:]))).mean(axis=1),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", registry.LOSSES)
def test_loss_values(name, dtype, rng):
    n = outputs_of(name, 4)
    y, p = targets(rng, name, 9, n, np.float64), rng.normal(size=(9, n)).astype(dtype)
    weight = rng.uniform(size=9).astype(dtype)
    expected = VALUES[name](y, p.astype(np.float64))
    function = getattr(functional, name)
    np.testing.assert_allclose(function(y, p), expected.mean(), rtol=tolerance(dtype))
    np.testing.assert_allclose(
        function(y, p, sample_weight=weight), (weight * expected).sum() / 9, rtol=tolerance(dtype)
    )
    assert type(function(y, p)) is float


@pytest.mark.parametrize("name", registry.LOSSES)
def test_loss_gradients(name, rng):
    n = outputs_of(name, 4)
    y, p, weight = targets(rng, name, 9, n, np.float64), rng.normal(size=(9, n)), rng.uniform(size=9)
    value, gradient = getattr(functional, f"{name}_loss_gradient")(y, p, sample_weight=weight)
    function = getattr(functional, name)
    assert value == function(y, p, sample_weight=weight)
    assert_is_gradient(gradient, lambda p: function(y, p, sample_weight=weight), p)


def test_huber_takes_its_parameter():
    assert functional.huber([0.0], [3.0], 2.0) == 2.0 * (3.0 - 1.0)
    assert functional.huber_loss_gradient([0.0], [3.0], 2.0)[1].tolist() == [2.0]
    with pytest.raises(ValueError, match="parameter is 0"):
        functional.huber([0.0], [3.0], 0.0)


def test_flat_predictions_keep_their_shape():
    value, gradient = functional.mse_loss_gradient([1.0, 2.0], [1.0, 4.0])
    assert value == 2.0 and gradient.tolist() == [0.0, 2.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: functional.mse([1.0], [1.0, 2.0]), "y_true has 1 rows, expected 2"),
        (lambda: functional.mse([], []), r"y_pred has shape \(0,\)"),
        (lambda: functional.sparse_categorical_crossentropy([2], [[1.0, 2.0]]), "y_true contains 2 at row 0"),
        (lambda: functional.mse([1.0], [1.0], sample_weight=[-1.0]), "sample_weight contains -1"),
        (lambda: functional.gaussian_nll([1.0], [1.0]), r"has shape \(1,\), expected 2 outputs a target"),
        (lambda: functional.gaussian_nll([1.0], [[1.0, 2.0, 3.0]]), "expected 2 outputs a target"),
    ],
)
def test_bad_losses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_functional_loss_is_a_python_loss():
    """`Network.compile` takes functions of the form (y_true, y_pred) -> (value, gradient)."""
    from fastmlp import Network

    X, y = [[1.0, 2.0], [3.0, -1.0]], [[0.5], [1.5]]
    nets = [Network([2, 3, 1], activation="tanh", dtype="float64", seed=0) for _ in range(2)]
    nets[0].compile("sgd", loss="mse")
    nets[1].compile("sgd", loss=functional.mse_loss_gradient)
    for net in nets:
        net.train_on_batch(X, y)
    for a, b in zip(nets[0].get_weights(), nets[1].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


# ---- optimizers ----


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("step", [-1, 2**53, 2**63, 10**30])
def test_steps_out_of_range_are_refused(name, step):
    with pytest.raises(ValueError, match="step is .*expected an integer from 0 to 9007199254740991"):
        getattr(functional, f"{name}_update")([1.0], [1.0], step=step)


def expected_update(name, w, g, slots, h, rate, step):
    """One step by PyTorch's formulas, in float64."""
    if h["clipvalue"] is not None:
        g = np.clip(g, -h["clipvalue"], h["clipvalue"])
    g = g + h["l1"] * np.sign(w) + h["l2"] * w
    w = w * (1 - rate * h["weight_decay"])
    if name == "sgd":
        if h["momentum"] == 0:
            return w - rate * g, slots
        v = h["momentum"] * slots[0] + g
        return w - rate * (g + h["momentum"] * v if h["nesterov"] else v), [v]
    if name == "adagrad":
        s = slots[0] + g * g
        return w - rate * g / (np.sqrt(s) + h["epsilon"]), [s]
    if name == "rmsprop":
        s = h["rho"] * slots[0] + (1 - h["rho"]) * g * g
        return w - rate * g / (np.sqrt(s) + h["epsilon"]), [s]
    m = h["beta_1"] * slots[0] + (1 - h["beta_1"]) * g
    v = h["beta_2"] * slots[1] + (1 - h["beta_2"]) * g * g
    state = [m, v, np.maximum(v, slots[2])] if name == "amsgrad" else [m, v]
    t = step + 1
    corrected = np.sqrt(state[-1]) / math.sqrt(1 - h["beta_2"] ** t) + h["epsilon"]
    return w - rate / (1 - h["beta_1"] ** t) * m / corrected, state


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "extra",
    [{}, {"l1": 0.01, "l2": 0.1}, {"weight_decay": 0.5}, {"clipvalue": 0.3}],
    ids=lambda value: str(value),
)
@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("sgd", {}),
        ("sgd", {"momentum": 0.9}),
        ("sgd", {"momentum": 0.9, "nesterov": True}),
        ("adagrad", {}),
        ("rmsprop", {"rho": 0.8}),
        ("adam", {"beta_1": 0.8}),
        ("adam", {"amsgrad": True, "beta_2": 0.5}),
        ("adamw", {}),
    ],
)
def test_optimizers_follow_their_formula(name, own, extra, dtype, rng):
    optimizer = OPTIMIZERS[name](0.1, **own, **extra)
    hyper, rule = optimizer.hyperparameters(), optimizer.rule
    w = rng.normal(size=(3, 7)).astype(dtype)
    exact, slots = w.astype(np.float64), None
    exact_slots = [np.zeros((3, 7)) for _ in range(registry.OPTIMIZERS[rule])]
    for step in range(4):
        g = rng.normal(size=(3, 7)).astype(dtype)
        before = w.copy()
        new, slots = getattr(functional, f"{name}_update")(
            w, g, slots, step=step, learning_rate=0.1, **own, **extra
        )
        exact, exact_slots = expected_update(rule, exact, g.astype(np.float64), exact_slots, hyper, 0.1, step)
        assert (w == before).all() and new.dtype == dtype
        np.testing.assert_allclose(new, exact, rtol=16 * tolerance(dtype), atol=4 * tolerance(dtype))
        for slot, exact_slot in zip(slots, exact_slots, strict=True):
            np.testing.assert_allclose(
                slot, exact_slot, rtol=16 * tolerance(dtype), atol=4 * tolerance(dtype)
            )
        assert np.abs(new - w).max() > 1e-3
        w = new


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: functional.adam_update([1.0], [1.0, 2.0]),
            ValueError,
            r"g has shape \(2,\), expected \(1,\)",
        ),
        (lambda: functional.adam_update([1.0], [1.0], [[0.0]]), ValueError, "slots has 1 arrays, expected 2"),
        (lambda: functional.sgd_update([1.0], [1.0], beta_1=0.5), TypeError, "beta_1"),
        (lambda: functional.sgd_update([1.0], [1.0], learning_rate=-1), ValueError, "learning_rate is -1"),
        (lambda: functional.sgd_update([1.0], [1.0], step=-1), ValueError, "step is -1"),
    ],
)
def test_bad_updates(call, error, message):
    with pytest.raises(error, match=message):
        call()


# ---- random numbers ----


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # the vectors published with the Random123 library
        ([0] * 4, (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, (0xFFFFFFFF, 0xFFFFFFFF), [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            (0xA4093822, 0x299F31D0),
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_vectors(counter, key, words):
    assert functional.philox(counter, key).tolist() == words
    assert functional.philox(np.array([[counter, counter]]), key).tolist() == [[words, words]]


def test_shuffled_is_the_documented_permutation():
    """Fisher-Yates from the back, each word once: the promise that lets a training be repeated anywhere."""
    seed, epoch, n = 2**40 + 7, 3, 50
    order = list(range(n))
    for t in range(n - 1):
        i = n - 1 - t
        word = int(functional.philox([t // 4, 0, epoch, 1], (seed & 0xFFFFFFFF, seed >> 32))[t % 4])
        j = word * (i + 1) >> 32
        order[i], order[j] = order[j], order[i]
    assert functional.shuffled(seed, epoch, n).tolist() == order
    assert functional.shuffled(seed, epoch + 1, n).tolist() != order
    assert functional.shuffled(seed, epoch, 0).shape == (0,)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: functional.philox([0, 0, 0], (0, 0)), ValueError, r"counter has shape \(3,\)"),
        (lambda: functional.philox([0.0] * 4, (0, 0)), ValueError, "dtype float64"),
        (lambda: functional.philox([-1, 0, 0, 0], (0, 0)), ValueError, "32-bit words"),
        (lambda: functional.philox([0] * 4, (2**32, 0)), ValueError, "key is 4294967296"),
        (lambda: functional.shuffled(-1, 0, 3), ValueError, "seed is -1"),
        (lambda: functional.shuffled(0, 0, -3), ValueError, "n is -3"),
    ],
)
def test_bad_random_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
