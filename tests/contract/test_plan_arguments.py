"""What a Plan and a Run are made of, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import _kernels, reference
from helpers import (
    HYPER,
    LINKS,
    OUTPUTS,
    PARAMETERS,
    RUNNABLE,
    assert_same_bits,
    dense,
    run_of,
    train,
    train_epochs,
)
from pairs import pair


def test_registries_agree_with_the_twin():
    assert set(PARAMETERS) == set(reference.ACTIVATIONS)
    assert PARAMETERS == {name: entry.parameter for name, entry in reference.ACTIVATIONS.items()}
    assert LINKS == {name: entry.link for name, entry in reference.LOSSES.items()}
    assert OUTPUTS == {name: entry.outputs_of(entry.parameters) for name, entry in reference.LOSSES.items()}
    assert {n: p for n, (p, *_) in _kernels.loss_names().items()} == {
        n: e.parameters for n, e in reference.LOSSES.items()
    }
    assert _kernels.optimizer_names() == {name: entry.slots for name, entry in reference.OPTIMIZERS.items()}


def test_attributes(isa, dtype):
    plan, twin, _, _ = pair([9, 17, 4], ["leaky_relu"], "mse", isa, dtype=dtype)
    assert plan.isa == isa
    for name in ("n_in", "n_out", "dtype", "num_parameters", "step", "loss"):
        assert getattr(plan, name) == getattr(twin, name), name
    assert twin.layers == plan.layers
    with pytest.raises(AttributeError):
        plan.n_in = 3


@pytest.mark.parametrize(
    "n_in, layers, more",
    [
        (0, [dense(1, "tanh")], {}),
        (-5, [dense(1, "tanh")], {}),
        (3, [], {}),
        (3, [dense(0, "tanh")], {}),
        (3, [dense(2, "tanh"), dense(-1, "tanh")], {}),
        (3, [dense(2, "nonsense")], {}),
        (3, [dense(2, "softmax"), dense(2, "tanh")], {}),
        (3, [dense(2, "tanh", dropout=1.0)], {}),
        (3, [dense(2, "tanh", dropout=-0.1)], {}),
        (3, [dense(2, "tanh", dropout=float("nan"))], {}),
        (3, [dense(2, "tanh")], {"dtype": "int32"}),
        (3, [dense(2, "tanh")], {"dtype": "float16"}),
        (3, [dense(2, "tanh")], {"isa": "nonsense"}),
        (3, [dense(2, "tanh")], {"input_shift": [1.0, 2.0]}),
        (3, [dense(2, "tanh")], {"input_divisor": np.ones((1, 3))}),
    ],
)
def test_descriptions_that_make_no_network(n_in, layers, more):
    with pytest.raises(ValueError):
        _kernels.Plan(n_in, layers, **more)


@pytest.mark.parametrize("layer", [(2, "tanh", 0.0, True, 0.0), {"units": 2}, "dense", None])
@pytest.mark.parametrize("module", [_kernels, reference], ids=["plan", "twin"])
def test_a_layer_is_a_node(module, layer):
    with pytest.raises(TypeError, match="a layer is .* expected a node, a dict with its kind"):
        module.Plan(3, [layer])


@pytest.mark.parametrize("width", [2**31, 2**47, 2**62])
def test_networks_beyond_memory(width):
    with pytest.raises(MemoryError):
        _kernels.Plan(width, [dense(width, "tanh")])


def test_isa_of_the_environment(isa, monkeypatch):
    layers = [dense(2, "tanh")]
    monkeypatch.setenv("FASTMLP_ISA", isa)
    assert _kernels.Plan(3, layers).isa == isa and _kernels.isas()["default"] == isa
    monkeypatch.setenv("FASTMLP_ISA", "nonsense")
    with pytest.raises(ValueError, match="FASTMLP_ISA"):
        _kernels.Plan(3, layers)
    assert _kernels.Plan(3, layers, isa=isa).isa == isa
    monkeypatch.delenv("FASTMLP_ISA")
    assert _kernels.Plan(3, layers).isa == RUNNABLE[-1]


def test_compile_refuses_what_does_not_fit(isa):
    plan, _, X, y = pair([3, 4, 2], ["tanh"], "mse", isa, "adam")
    train(plan, X, y, 0.01)
    state = plan.get_state()
    for arguments in (
        ("nonsense", 0.0, "sgd", {}),
        ("mse", 0.0, "nonsense", {}),
        ("mse", 0.0, "sgd", {"surprise": 1}),
        ("mse", 0.0, "adam", {**HYPER["adam"], "epsilon": 0.0}),
        ("poisson", 0.0, "sgd", {}),
        ("binary_crossentropy", 0.0, "sgd", {}),
        ("sparse_categorical_crossentropy", 0.0, "sgd", {}),
    ):
        with pytest.raises(ValueError):
            plan.compile(*arguments)
        assert plan.loss == "mse" and plan.step == state["step"]
        assert_same_bits(plan.get_state()["slots"][0], state["slots"][0])
    stepped = _kernels.Plan(3, [dense(2, "step"), dense(2)], isa=isa)
    assert stepped.predict(np.ones(3, np.float32)).tolist() == [0, 0]
    with pytest.raises(ValueError, match="'step'"):
        stepped.compile("mse", 0.0, "sgd", {})


@pytest.mark.parametrize("optimizer", ["adagrad", "adam"])
@pytest.mark.parametrize("epsilon", [1e-40, 1e-60])
def test_epsilon_that_float32_cannot_hold_makes_no_not_a_number(isa, optimizer, epsilon):
    """A dead weight divides zero by epsilon; so does the padding."""
    hyper = {**HYPER[optimizer], "epsilon": epsilon, "weight_decay": 0.0}
    try:
        plan, _, X, y = pair([3, 4, 2], ["relu"], "mse", isa, optimizer, dtype=np.dtype(np.float32), **hyper)
    except ValueError as error:
        assert "epsilon" in str(error)
        return
    X[:, 0] = 0
    train(plan, X, y, 0.01)
    assert all(np.isfinite(w).all() for w in plan.get_weights())


def test_work_without_compile(isa):
    plan = _kernels.Plan(3, [dense(2, "tanh")], dtype="float64", isa=isa)
    X, y = np.ones((4, 3)), np.ones((4, 2))
    for work in (
        lambda: train(plan, X, y, 0.1),
        lambda: plan.gradients(X, y),
        lambda: plan.evaluate(X, y),
        lambda: plan.take_step(0.1),
        lambda: plan.train_backward(y, 0.1),
    ):
        with pytest.raises(RuntimeError):
            work()
    assert plan.step == 0


def test_train_backward_needs_a_forward(isa):
    plan, _, X, y = pair([3, 4, 2], ["tanh"], "mse", isa)
    plan.compile(None, 0.0, "sgd", HYPER["sgd"])
    d = np.ones((24, 2))
    with pytest.raises(RuntimeError):
        plan.train_backward(d, 0.1)
    plan.train_forward(X, seed=0)
    for bad in (d[:23], d[:, :1], d.astype(np.float32), d.astype(complex)):
        with pytest.raises((ValueError, TypeError)):
            plan.train_backward(bad, 0.1)
    plan.train_backward(d, 0.1)
    with pytest.raises(RuntimeError):
        plan.train_backward(d, 0.1)
    assert plan.step == 1


BAD_ROWS = {
    "X one row": {"X": np.ones(3)},
    "X width": {"X": np.ones((24, 4))},
    "X rows": {"X": np.ones((23, 3))},
    "X empty": {"X": np.ones((0, 3))},
    "X complex": {"X": np.ones((24, 3), complex)},
    "y rows": {"y": np.zeros(23, np.int64)},
    "y shape": {"y": np.zeros((24, 1), np.int64)},
    "y type": {"y": np.zeros(24, np.int32)},
    "y one-hot": {"y": np.zeros((24, 2))},
    "y negative": {"y": np.full(24, -1)},
    "y too large": {"y": np.full(24, 2)},
    "weight rows": {"sample_weight": np.ones(23)},
    "weight type": {"sample_weight": np.ones(24, np.float32)},
    "weight shape": {"sample_weight": np.ones((24, 1))},
    "batch size": {"batch_size": 0},
    "seed": {"seed": -1},
    "loss unknown": {"loss": ("nonsense", 0.0)},
    "loss unfit": {"loss": ("poisson", 0.0)},
    "loss's targets": {"loss": ("mse", 0.0)},
}

BAD_EPOCHS = {
    "order rows": {"order": np.zeros((2, 15), np.int64)},
    "order epochs": {"order": np.zeros((3, 24), np.int64)},
    "order of one epoch": {"order": np.zeros(24, np.int64)},
    "order type": {"order": np.zeros((2, 24), np.int32)},
    "order too large": {"order": np.full((2, 24), 24)},
    "rates of one epoch": {"learning_rates": np.ones(3)},
    "rates too few": {"learning_rates": np.ones((2, 2))},
    "rates too many": {"learning_rates": np.ones((2, 4))},
    "rates type": {"learning_rates": np.ones((2, 3), np.float32)},
    "penalties of one epoch": {"l2": np.ones(3)},
    "penalties too few": {"l2": np.ones((2, 2))},
    "penalties type": {"l2": np.ones((2, 3), np.float32)},
    "penalty negative": {"l2": np.array([[0.1, -0.1, 0.0]] * 2)},
    "penalty infinite": {"l2": np.array([[0.1, np.inf, 0.0]] * 2)},
    "penalty NaN": {"l2": np.array([[0.1, 0.1, np.nan]] * 2)},
    "epoch": {"epoch": -1},
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_run_refuses_rows_that_do_not_fit(isa, case):
    plan, _, X, _ = pair([3, 4, 2], ["tanh"], "sparse_categorical_crossentropy", isa, "adam")
    good = {
        "X": X,
        "y": np.arange(24) % 2,
        "sample_weight": None,
        "batch_size": 8,
        "seed": 1,
        "shuffle": True,
    }
    chosen = {**good, **BAD_ROWS[case]}
    weights = plan.get_weights()
    with pytest.raises((ValueError, TypeError, OverflowError)):
        _kernels.Run(plan, **chosen)
    rows = {name: chosen.get(name) for name in ("X", "y", "sample_weight", "loss")}
    if BAD_ROWS[case].keys() & rows.keys() and case != "X one row":
        for work in (plan.evaluate, plan.gradients):
            with pytest.raises((ValueError, TypeError)):
                work(**rows)
    assert_same_bits(plan.get_weights(), weights)
    run = _kernels.Run(plan, **good)
    run.begin(np.full((1, 3), 0.01))
    run.advance()
    assert plan.step == 3


@pytest.mark.parametrize("case", BAD_EPOCHS)
def test_a_run_refuses_epochs_that_do_not_fit(isa, case):
    """What was begun before goes on."""
    plan, _, X, y = pair([3, 4, 2], ["tanh"], "sparse_categorical_crossentropy", isa, "adam")
    good = {"learning_rates": np.full((2, 3), 0.01)}
    run = run_of(plan, X, y, batch_size=8)
    with pytest.raises((ValueError, TypeError, OverflowError)):
        run.begin(**{**good, **BAD_EPOCHS[case]})
    assert plan.step == 0 and run.finished
    run.begin(**good)
    run.advance(batches=4)
    with pytest.raises((ValueError, TypeError, OverflowError)):
        run.begin(**{**good, **BAD_EPOCHS[case]})
    assert (run.epoch, run.batch, plan.step) == (1, 1, 4)
    run.advance()
    whole, _, _, _ = pair([3, 4, 2], ["tanh"], "sparse_categorical_crossentropy", isa, "adam")
    expected = train_epochs(whole, X, y, batch_size=8, **good)
    assert_same_bits(plan.get_weights(), whole.get_weights())
    assert_same_bits(run.sums[:, :2], expected.sums[:, :2])


def test_weights_and_state_that_do_not_fit(isa):
    plan, _, X, y = pair([3, 4, 2], ["tanh"], "mse", isa, "adam")
    train(plan, X, y, 0.01)
    weights, state = plan.get_weights(), plan.get_state()
    wrong = [
        weights[:-1],
        [*weights, weights[0]],
        [weights[0].T, *weights[1:]],
        [*weights[:-1], np.zeros(3)],
        [*weights[:-1], "text"],
        [np.zeros(1)] * 4,
    ]
    for bad in wrong:
        with pytest.raises((ValueError, TypeError)):
            plan.set_weights(bad)
        for slots in ([bad, state["slots"][1]], [state["slots"][0], bad]):
            with pytest.raises((ValueError, TypeError)):
                plan.set_state({**state, "slots": slots})
    for slots in ([], state["slots"][:1], [*state["slots"], weights]):
        with pytest.raises(ValueError):
            plan.set_state({**state, "slots": slots})
    for bad in ({"step": "many"}, {"beta_powers": (0.5,)}, {"beta_powers": "text"}, {"step": 2**70}):
        with pytest.raises((ValueError, TypeError, OverflowError)):
            plan.set_state({**state, "slots": [[w + 1 for w in weights]] * 2, **bad})
    for key in ("step", "beta_powers", "slots"):
        with pytest.raises(KeyError):
            plan.set_state({k: v for k, v in state.items() if k != key})
    assert_same_bits(plan.get_weights(), weights)
    after = plan.get_state()
    assert after["step"] == state["step"] and after["beta_powers"] == state["beta_powers"]
    for one, two in zip(after["slots"], state["slots"], strict=True):
        assert_same_bits(one, two)
