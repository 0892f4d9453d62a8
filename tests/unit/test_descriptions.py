"""Layers, optimizers, schedules and initializers: what they accept and mean, and the registry's names."""

import copy
import dataclasses
import inspect
import math
import pickle

import numpy as np
import pytest

import fastmlp
from fastmlp import (
    Dense,
    Dropout,
    Network,
    Rescaling,
    Standardize,
    initializers,
    layers,
    losses,
    optimizers,
    registry,
)
from fastmlp.descriptions import description
from fastmlp.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop
from fastmlp.schedules import Constant, CosineDecay, ExponentialDecay, Schedule, StepDecay, Warmup
from helpers import RULES

DTYPES = ["float32", "float64"]


# ---- registry ----


def test_optimizers_ask_for_every_rule_of_the_engine():
    assert set(RULES) == set(registry.OPTIMIZERS) >= set(optimizers.OPTIMIZERS)


def test_registry_has_the_promised_names():
    assert set(registry.ACTIVATIONS) >= {
        *("identity", "step", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "gelu_tanh"),
        *("silu", "mish", "softplus", "softsign", "exp", "softmax", "log_softmax"),
        *("celu", "relu6", "hard_tanh", "hard_sigmoid", "hard_swish"),
    }
    assert set(registry.LOSSES) >= {
        *("sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy"),
        *("mse", "mae", "huber", "poisson", "gaussian_nll"),
    }


def test_labels_and_parameters_are_of_known_losses():
    assert registry.LABEL_LOSSES <= set(registry.LOSSES)
    assert set(registry.LOSS_PARAMETERS) <= set(registry.LOSSES)


@pytest.mark.parametrize("name", registry.ACTIVATIONS)
def test_every_activation_builds_a_network(name):
    net = Network([3, Dense(4, "tanh"), Dense(2, name)], seed=0)
    assert net.layers[-1].activation == name
    assert np.isfinite(net.predict(np.ones((2, 3)))).all()


def test_linear_is_identity():
    assert Dense(3, "linear") == Dense(3, "identity")


def test_unknown_activation_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown activation 'rellu', expected one of .*relu.*softmax"):
        Dense(3, "rellu")


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (("relu", 0.1), ValueError, "'relu' takes no parameter"),
        (("elu", math.nan), ValueError, "finite"),
        (("elu", "big"), ValueError, "'big'"),
        (7, TypeError, "a name or a pair"),
    ],
)
def test_bad_activations(value, error, message):
    with pytest.raises(error, match=message):
        Dense(3, value)


# ---- layers ----


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Dense(0), ValueError, "units is 0, expected an integer from 1"),
        (lambda: Dense(2.5), TypeError, "units is 2.5"),
        (lambda: Dense(True), TypeError, "units is True"),
        (lambda: Dense(10**12), ValueError, "units is 1000000000000"),
        (lambda: Dense(3, use_bias=1), TypeError, "use_bias is 1, expected True or False"),
        (
            lambda: Dense(3, initializer="he"),
            ValueError,
            "unknown initializer 'he', expected one of glorot_uniform",
        ),
        (lambda: Dropout(1.0), ValueError, "rate is 1, expected a finite number at least 0 and below 1"),
        (lambda: Dropout(-0.1), ValueError, "rate is -0.1"),
        (lambda: Dropout("0.1"), TypeError, "rate is '0.1', expected a number"),
        (lambda: Rescaling(0), ValueError, "scale is 0"),
        (lambda: Rescaling(math.inf), ValueError, "scale is inf"),
        (lambda: Standardize([1, 2], [1, 0]), ValueError, "std contains 0 at index 1"),
        (lambda: Standardize([1, 2], [1]), ValueError, "std has 1 numbers, expected 2"),
        (lambda: Standardize([[1]], [1]), ValueError, r"mean has shape \(1, 1\)"),
        (lambda: Standardize([math.nan], [1]), ValueError, "mean contains nan at row 0"),
    ],
)
def test_bad_layers(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_layers_are_frozen_values():
    layer = Dense(3, ("leaky_relu", 0.2), use_bias=False, initializer=("normal", 0.001))
    assert layer == Dense(np.int64(3), ["leaky_relu", 0.2], use_bias=np.False_, initializer=["normal", 0.001])
    assert hash(layer) == hash(Dense(3, ("leaky_relu", 0.2), use_bias=False, initializer=("normal", 0.001)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        layer.units = 4


def test_a_default_parameter_is_not_shown():
    assert Dense(3, ("leaky_relu", 0.01)) == Dense(3, "leaky_relu")


@pytest.mark.parametrize(
    "layer",
    [
        Dense(3),
        Dense(3, ("elu", 0.5), use_bias=False, initializer=("uniform", 0.1)),
        Dropout(0.25),
        Rescaling(1 / 255, offset=-1.0),
        Standardize((1.0, 0.1), (2.0, 0.3)),
    ],
)
def test_layers_survive_repr_and_json(layer):
    import json

    assert eval(repr(layer)) == layer
    assert layers.chain.from_config(json.loads(json.dumps(layer.to_config()))) == layer


def test_adapt_standardizes():
    X = np.random.default_rng(0).normal(3.0, [1.0, 5.0, 0.1], size=(500, 3))
    X[:, 2] = 0.1  # its sum is not exact, so a careless deviation would be 1e-17
    layer = Standardize.adapt(X)
    shift, divisor = layer.shift_and_divisor(3)
    scaled = (X - shift) / divisor
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled[:, :2].std(axis=0), 1, rtol=1e-12)
    assert layer.std[2] == 1.0
    with pytest.raises(ValueError, match=r"X has shape \(0, 3\)"):
        Standardize.adapt(X[:0])


@pytest.mark.parametrize("size", [1e6, -1e6, 0.1, 1e-100, 1e100])
def test_the_noise_of_computing_a_number_is_no_spread(size):
    noise = np.random.default_rng(0).integers(-8, 9, 200) * np.spacing(abs(size))
    X = np.stack([size + noise, np.linspace(0, 1e-12, 200), size * np.linspace(1, 1 + 1e-12, 200)], axis=1)
    layer = Standardize.adapt(X)
    assert layer.std[0] == 1.0
    assert layer.std[1] == pytest.approx(X[:, 1].std())
    assert layer.std[2] == pytest.approx(X[:, 2].std()), "small but true"


def test_a_constant_and_noise_are_no_reason_for_far_predictions():
    rng = np.random.default_rng(0)
    X = np.stack([rng.normal(size=300), 1e6 + 1e-9 * rng.normal(size=300)], axis=1)
    net = fastmlp.Network([2, Standardize.adapt(X), 1], dtype="float64", seed=0)
    net.compile("adam")
    net.fit(X, X[:, 0], epochs=5, verbose=False)
    assert abs(net.predict([[0.0, 1e6 + 1]])[0]) < 10


def test_rescaling_divides_by_whole_numbers():
    shift, divisor = Rescaling(1 / 255).shift_and_divisor(2)
    assert divisor.tolist() == [255.0, 255.0]
    assert shift.tolist() == [0.0, 0.0]
    shift, divisor = Rescaling(1 / 127.5, offset=-1.0).shift_and_divisor(1)
    np.testing.assert_allclose([shift[0], divisor[0]], [127.5, 127.5], rtol=1e-15)
    assert Rescaling(3.0).shift_and_divisor(1)[1][0] == 1 / 3  # and not 0, the whole number beside it


# ---- initializers ----


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("initializer", "kind", "scale"),
    [
        ("glorot_uniform", "uniform", math.sqrt(6 / 500)),
        ("glorot_normal", "normal", math.sqrt(2 / 500)),
        ("he_uniform", "uniform", math.sqrt(6 / 200)),
        ("he_normal", "normal", math.sqrt(2 / 200)),
        ("lecun_uniform", "uniform", math.sqrt(3 / 200)),
        ("lecun_normal", "normal", math.sqrt(1 / 200)),
        (("he_uniform", 0.5), "uniform", 0.5 * math.sqrt(6 / 200)),
        (("lecun_normal", 3.0), "normal", 3 * math.sqrt(1 / 200)),
        (("random_normal", 0.2), "normal", 0.2),
        (("uniform", 0.3), "uniform", 0.3),
        (("normal", 0.001), "normal", 0.001),
        ("zeros", "uniform", 0.0),
    ],
)
def test_initial_weights_have_their_distribution(initializer, kind, scale, dtype):
    net = Network([200, Dense(300, initializer=initializer), 1], dtype=dtype, seed=5)
    W, n = net.weights[0].astype(np.float64), 60_000
    deviation = scale if kind == "normal" else scale / math.sqrt(3)
    assert abs(W.mean()) <= 4 * deviation / math.sqrt(n)
    # A sample deviation deviates by sigma / sqrt(2 n) for a normal distribution, less for a uniform one.
    assert abs(W.std() - deviation) <= 4 * deviation / math.sqrt(2 * n)
    if kind == "uniform":
        assert np.abs(W).max() <= scale
        assert scale == 0 or np.abs(W).max() > 0.99 * scale
    else:
        assert np.abs(W).max() > 3 * scale
    assert not net.biases[0].any()


def test_all_initializer_names_resolve():
    for name in initializers.NAMES:
        kind, scale = initializers.distribution(initializers.resolve(name), 10, 10)
        assert kind in ("uniform", "normal", "truncated_normal", "orthogonal") and scale >= 0


def test_network_initializer_applies_where_a_layer_has_none():
    net = Network([4, Dense(5, initializer="glorot_uniform"), 3], initializer="zeros", seed=0)
    assert net.weights[0].any()
    assert not net.weights[1].any()


@pytest.mark.parametrize(
    "value",
    [("normal", -1.0), ("normal", math.inf), ("he_normal", -1.0), ("zeros", 1.0), ("he", 1.0), "he"],
)
def test_bad_initializers(value):
    with pytest.raises(ValueError, match="initializer|scale"):
        Network([2, 1], initializer=value)


# ---- optimizers ----

ALL = [kind() for kind in optimizers.OPTIMIZERS.values()]


def test_learning_rate_comes_first():
    assert [kind(0.5).learning_rate for kind in optimizers.OPTIMIZERS.values()] == [0.5] * len(ALL)
    assert SGD(0.1, 0.9, True) == SGD(learning_rate=0.1, momentum=0.9, nesterov=True)
    assert Adam(0.1, 0.8, 0.9, 1e-7) == Adam(0.1, beta_1=0.8, beta_2=0.9, epsilon=1e-7)


def test_defaults_are_the_documented_ones():
    penalties = {"l1": 0.0, "l2": 0.0, "weight_decay": 0.0, "clipvalue": None, "global_clipnorm": None}
    average = {"use_ema": False, "ema_momentum": 0.99, "ema_overwrite_frequency": None}
    several = {"gradient_accumulation_steps": None, "lookahead_steps": None, "lookahead_alpha": 0.5}
    common = {**penalties, **average, **several}
    adam = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}
    assert SGD().hyperparameters() == {**common, "momentum": 0.0, "nesterov": False}
    assert Adagrad().hyperparameters() == {**common, "epsilon": 1e-10}
    assert RMSprop().hyperparameters() == {**common, "rho": 0.9, "epsilon": 1e-8}
    assert Adam().hyperparameters() == {**common, **adam}
    assert AdamW().hyperparameters() == {**common, **adam, "weight_decay": 0.01}
    assert optimizers.Adadelta().hyperparameters() == {**common, "rho": 0.9, "epsilon": 1e-6}
    assert optimizers.Adamax().hyperparameters() == {**common, **adam}
    assert optimizers.NAdam().hyperparameters() == {**common, **adam, "momentum_decay": 4e-3}
    assert optimizers.RAdam().hyperparameters() == {**common, **adam}
    assert optimizers.Lion().hyperparameters() == {**common, "beta_1": 0.9, "beta_2": 0.99}
    sizes = {"eta_minus": 0.5, "eta_plus": 1.2, "step_min": 1e-6, "step_max": 50.0}
    assert optimizers.Rprop().hyperparameters() == {**common, **sizes}
    assert [item.learning_rate for item in ALL] == [
        *(0.01, 0.01, 0.001, 1.0, 0.001, 0.001, 0.002, 0.002, 0.001, 0.0001, 0.01)
    ]


@pytest.mark.parametrize("kind", optimizers.OPTIMIZERS.values())
def test_names_are_taken_as_people_type_them(kind):
    for name in (kind.name, kind.__name__, kind.__name__.upper(), f" {kind.name[:3]}_{kind.name[3:]}"):
        assert optimizers.resolve(name) == kind()


@pytest.mark.parametrize("optimizer", ALL)
def test_every_optimizer_takes_the_common_hyperparameters(optimizer):
    changed = dataclasses.replace(
        optimizer, l1=0.1, l2=0.2, weight_decay=0.3, clipvalue=1.0, global_clipnorm=2.0
    )
    values = changed.hyperparameters()
    assert [values[name] for name in ("l1", "l2", "weight_decay", "clipvalue", "global_clipnorm")] == [
        *(0.1, 0.2, 0.3, 1.0, 2.0)
    ]
    assert eval(repr(changed), vars(optimizers)) == changed
    assert optimizers.from_config(optimizers.to_config(changed)) == changed


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SGD(-0.1), ValueError, "learning_rate is -0.1"),
        (lambda: SGD(math.nan), ValueError, "learning_rate is nan"),
        (lambda: SGD("fast"), TypeError, "learning_rate is 'fast', expected a number"),
        (lambda: SGD(0.1, momentum=1.0), ValueError, "momentum is 1"),
        (lambda: SGD(0.1, nesterov=True), ValueError, "nesterov is True with momentum 0"),
        (lambda: Adam(beta_1=1.0), ValueError, "beta_1 is 1"),
        (lambda: Adam(epsilon=0.0), ValueError, "epsilon is 0, expected a finite number at least 1e-30"),
        (lambda: optimizers.NAdam(momentum_decay=-1), ValueError, "momentum_decay is -1"),
        (lambda: optimizers.Rprop(eta_minus=1.0), ValueError, "eta_minus is 1"),
        (lambda: optimizers.Rprop(eta_plus=1.0), ValueError, "eta_plus is 1"),
        (lambda: optimizers.Rprop(step_min=0), ValueError, "step_min is 0"),
        (
            lambda: optimizers.Rprop(step_min=2, step_max=1),
            ValueError,
            "step_min is 2.0, expected at most step_max",
        ),
        (lambda: RMSprop(centered=1), TypeError, "centered is 1"),
        (lambda: optimizers.resolve("nadan"), ValueError, "did you mean 'nadam'"),
        (lambda: RMSprop(rho=-0.5), ValueError, "rho is -0.5"),
        (lambda: Adam(l1=-1.0), ValueError, "l1 is -1"),
        (lambda: Adam(clipvalue=0.0), ValueError, "clipvalue is 0, expected a finite number above 0"),
        (lambda: Adam(global_clipnorm=math.inf), ValueError, "global_clipnorm is inf"),
        (lambda: optimizers.Optimizer(), TypeError, "base class"),
        (lambda: optimizers.resolve("adan"), ValueError, "unknown optimizer 'adan', expected one of sgd"),
        (lambda: optimizers.resolve(SGD), TypeError, "optimizer is the class SGD, expected an object of it"),
    ],
)
def test_bad_optimizers(make, error, message):
    with pytest.raises(error, match=message):
        make()


# ---- schedules ----

SCHEDULES = [
    Constant(0.3),
    StepDecay(0.3, 0.7, every=7),
    ExponentialDecay(0.3, 0.9, every=5),
    CosineDecay(0.3, steps=40, minimum=0.01),
    Warmup(CosineDecay(0.3, steps=40), steps=9),
    Warmup(StepDecay(0.3, 0.5, every=3), steps=1),
]
FORMULAS = [
    lambda t: 0.3,
    lambda t: 0.3 * 0.7 ** (t // 7),
    lambda t: 0.3 * 0.9 ** (t / 5),
    lambda t: 0.01 + 0.29 * (1 + math.cos(math.pi * min(t, 40) / 40)) / 2,
    lambda t: 0.3 * (t + 1) / 9 if t < 9 else 0.3 * (1 + math.cos(math.pi * min(t - 9, 40) / 40)) / 2,
    lambda t: 0.3 * 0.5 ** (max(t - 1, 0) // 3),
]


@pytest.mark.parametrize(("schedule", "formula"), list(zip(SCHEDULES, FORMULAS, strict=True)))
def test_schedules_follow_their_formula(schedule, formula):
    values = schedule.values(0, 100)
    assert values.dtype == np.float64 and values.shape == (100,)
    np.testing.assert_allclose(values, [formula(t) for t in range(100)], rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_do_not_depend_on_the_cut(schedule):
    whole = schedule.values(0, 100)
    cut = np.concatenate([schedule.values(0, 13), schedule.values(13, 1), schedule.values(14, 86)])
    assert whole.tobytes() == cut.tobytes()
    assert schedule(57) == whole[57]


def test_far_steps_are_exact_and_quick():
    assert StepDecay(1.0, 0.5, every=1).values(60, 1)[0] == 2.0**-60
    assert ExponentialDecay(1.0, 0.5, every=1).values(10**12, 1)[0] == 0.0
    assert CosineDecay(1.0, steps=10, minimum=0.25).values(10**12, 1)[0] == 0.25


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("step", [-1, -(2**63), 2**53, 2**63 - 1, 2**63, 10**30])
def test_steps_out_of_range_are_refused(schedule, step):
    with pytest.raises(ValueError, match="step is .*expected an integer from 0 to 9007199254740991"):
        schedule(step)
    with pytest.raises(ValueError, match="first_step is .*expected an integer from 0 to 9007199254740991"):
        schedule.values(step, 2)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_last_steps_have_rates(schedule):
    assert 0 <= schedule(2**53 - 1) <= 0.3
    assert schedule.values(2**53 - 2, 2)[1] == schedule(2**53 - 1)
    assert schedule.values(2**53 - 1, 0).shape == (0,)
    with pytest.raises(ValueError, match="count is 2, expected an integer from 0 to 1"):
        schedule.values(2**53 - 1, 2)
    with pytest.raises(ValueError, match="count is -1"):
        schedule.values(0, -1)
    for step in (1.5, True, "1"):
        with pytest.raises(TypeError, match="step is"):
            schedule(step)


@pytest.mark.parametrize("steps", [2**53 + 1, 10**30, 10**400])
def test_lengths_out_of_range_are_refused(steps):
    for make in (
        lambda: StepDecay(0.1, 0.5, every=steps),
        lambda: ExponentialDecay(0.1, 0.5, every=steps),
        lambda: CosineDecay(0.1, steps=steps),
        lambda: Warmup(0.1, steps=steps),
    ):
        with pytest.raises(ValueError, match="expected an integer from 1 to 9007199254740992"):
            make()


@pytest.mark.parametrize("optimizer", RULES.values(), ids=RULES)
def test_squares_are_the_slots_that_are_never_negative(optimizer):
    """Gradients of both signs: what holds averages of them has both too."""
    if hasattr(optimizer, "momentum"):
        optimizer = dataclasses.replace(optimizer, momentum=0.9)
    net = Network([3, 40], seed=0)
    net.compile(optimizer)
    rng = np.random.default_rng(0)
    net.fit(rng.normal(size=(64, 3)), rng.normal(size=(64, 40)), epochs=3, batch_size=None)
    slots = net.plan.get_state()["slots"]
    assert slots and all(any(array.any() for array in slot) for slot in slots)
    found = tuple(k for k, slot in enumerate(slots) if min(array.min() for array in slot) >= 0)
    assert found == tuple(k for k in optimizer.squares if k < len(slots))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_go_into_optimizers(schedule):
    optimizer = Adam(schedule, l2=0.1)
    assert optimizer.learning_rates(3, 5).tolist() == schedule.values(3, 5).tolist()
    assert optimizers.from_config(optimizers.to_config(optimizer)) == optimizer


def test_a_schedule_of_ones_own_works_but_is_not_saved():
    @dataclasses.dataclass(frozen=True)
    class Half(Schedule):
        def values(self, first_step, count):
            return np.full(count, 0.5)

    assert SGD(Half()).learning_rates(0, 2).tolist() == [0.5, 0.5]
    with pytest.raises(ValueError, match="Half"):
        optimizers.to_config(SGD(Half()))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Constant(-1.0),
        lambda: StepDecay(0.1, 0.0),
        lambda: StepDecay(0.1, 1.5),
        lambda: StepDecay(0.1, 0.5, every=0),
        lambda: CosineDecay(0.1, steps=0),
        lambda: CosineDecay(0.1, steps=5, minimum=-0.1),
        lambda: Warmup(-0.1, steps=5),
    ],
)
def test_bad_schedules(make):
    with pytest.raises(ValueError, match="expected"):
        make()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_scheduled_rate_reaches_the_weights(dtype):
    """With plain gradient descent a rate of 0 leaves the weights as they are, and another one does not."""
    X, y = np.ones((4, 2)), np.zeros((4, 1))
    net = Network([2, 1], dtype=dtype, seed=1)
    before = net.get_weights()
    net.compile(SGD(StepDecay(0.0, 0.5, every=1)))
    net.fit(X, y, epochs=2)
    assert all((a == b).all() for a, b in zip(before, net.get_weights(), strict=True))
    net.compile(SGD(StepDecay(0.25, 0.5, every=1)))
    net.fit(X, y, epochs=1)
    W, b = (array.astype(np.float64) for array in before)
    residual = W.sum() + b[0]
    np.testing.assert_allclose(net.get_weights()[0], W - 0.25 * 2 * residual, rtol=1e-5)


def test_public_names_exist():
    for name in fastmlp.__all__:
        assert getattr(fastmlp, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = fastmlp.nothing
    assert set(fastmlp.__all__) <= set(dir(fastmlp))


def test_completion_names_what_is_for_users(monkeypatch):
    optional = {"dask", "keras", "mpi", "onnx", "ray", "sklearn", "spark", "tabular", "torch"}
    assert {name for name in dir(fastmlp) if not name.startswith("_")} == {
        *(set(fastmlp.__all__) - {"__version__"}),
        *optional,
    }
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert optional - set(dir(fastmlp)) == {"sklearn", "tabular"}  # `help` gets all that it is told of


# ---- what descriptions have in common ----


@description
class Two:
    """Options."""

    first: int
    second: int = 2
    third: int = dataclasses.field(default=3, kw_only=True)


@description
class Three(Two):
    """More of them."""

    fourth: int = 4
    fifth: list = dataclasses.field(default_factory=list)


def test_options_come_in_order_or_by_name():
    assert vars(Two(1)) == {"first": 1, "second": 2, "third": 3}
    assert vars(Two(1, 5, third=6)) == {"first": 1, "second": 5, "third": 6}
    assert vars(Three(1, 5, 7)) == {"first": 1, "second": 5, "third": 3, "fourth": 7, "fifth": []}
    assert Three(1).fifth is not Three(1).fifth


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Two(), "Two came without first, expected it"),
        (lambda: Two(1, 2, 3), "Two got 3 options without a name, expected at most 2: first, second"),
        (lambda: Two(1, first=1), "Two got first twice, expected it once"),
        (lambda: losses.MSE(1), "MSE got 1 options without a name, expected none"),
        (lambda: losses.MSE(delta=1), "MSE got the option 'delta', expected none"),
        (lambda: Adam(beta1=0.8), "unknown option of Adam: 'beta1', expected .*'beta_1'"),
        (lambda: dataclasses.replace(Two(1), forth=1), "unknown option of Two: 'forth', expected one of"),
    ],
)
def test_options_that_do_not_fit(call, message):
    with pytest.raises(TypeError, match=f"^{message}"):
        call()


def test_an_object_does_not_change():
    two = Two(1)
    for name in ("first", "other"):
        with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot set '{name}' of Two"):
            setattr(two, name, 1)
        with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot delete '{name}' of Two"):
            delattr(two, name)
    assert two == Two(1)


def test_objects_are_equal_by_their_options():
    assert Two(1) == Two(1, 2) and hash(Two(1)) == hash(Two(1, 2))
    assert Two(1) != Two(2) and Two(1) != Three(1) and Two(1) != 1
    assert repr(Three(1)) == "Three(first=1, second=2, third=3, fourth=4, fifth=[])"
    assert pickle.loads(pickle.dumps(Three(1, fourth=5))) == copy.deepcopy(Three(1, fourth=5))


def test_signatures_say_the_options():
    @dataclasses.dataclass
    class Plain:
        first: int
        second: int = 2
        third: int = dataclasses.field(default=3, kw_only=True)

    ours, expected = inspect.signature(Two).parameters, inspect.signature(Plain).parameters
    assert [str(item) for item in ours.values()] == [str(item) for item in expected.values()]
    assert list(inspect.signature(Adam).parameters)[:3] == ["learning_rate", "beta_1", "beta_2"]
