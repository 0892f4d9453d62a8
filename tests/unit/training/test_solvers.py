"""`LBFGS` and `LevenbergMarquardt`: epochs that are iterations on all rows and weights."""

import itertools

import numpy as np
import pytest

import fastmlp
from fastmlp import BatchNormalization, Dense, Dropout, Members, Network, autodiff
from fastmlp.callbacks import Callback, EarlyStopping
from fastmlp.optimizers import LBFGS, LevenbergMarquardt, Solver
from fastmlp.training import solvers
from fastmlp.training.rows import Rows
from helpers import assert_same_bits

pytest.importorskip("scipy")

HIDDEN = (2, Dense(6, "tanh"), 1)
SOLVERS = [LBFGS(), LevenbergMarquardt()]
both = pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: solver.name)


@pytest.fixture
def data(rng):
    X = rng.uniform(-1, 1, (60, 2))
    return X, np.sin(3 * X[:, :1]) * X[:, 1:] + 0.01 * rng.standard_normal((60, 1))


def network(solver, dtype="float64", layers=HIDDEN):
    net = Network(list(layers), dtype=dtype, seed=1)
    net.compile(solver, "mse")
    return net


def fitted(net, data, epochs=30, **more):
    return net.fit(*data, epochs=epochs, batch_size=None, verbose=0, **more).history


@both
@pytest.mark.parametrize("weighted", [False, True])
def test_a_linear_network_is_the_least_squares_solution(solver, rng, weighted):
    X, y = rng.standard_normal((50, 4)), rng.standard_normal((50, 2))
    weights = rng.uniform(0, 2, 50) if weighted else np.ones(50)
    net = network(type(solver)(tolerance_gradient=1e-10, tolerance_change=0.0), layers=(4, 2))
    fitted(net, (X, y), 200, sample_weight=weights if weighted else None)
    root = np.sqrt(weights)[:, None]
    expected = np.linalg.lstsq(root * np.hstack([X, np.ones((50, 1))]), root * y, rcond=None)[0]
    np.testing.assert_allclose(np.vstack([net.weights[0], net.biases[0]]), expected, atol=1e-8)


@both
def test_the_loss_falls_at_every_iteration_and_is_the_networks(solver, dtype, data):
    net = network(solver, dtype)
    losses = []

    class Look(Callback):
        def on_epoch_end(self, epoch, logs):
            losses.append(self.network.evaluate(*data)["loss"])

    history = fitted(net, data, validation_data=data, callbacks=[Look()])
    assert history["loss"] == losses == history["val_loss"]
    assert net.epochs_done == len(losses) <= 30 and losses[-1] < 0.1 * losses[0]
    slack = 1e-5 if dtype == np.float32 else 0.0
    assert all(b < a + slack * losses[0] for a, b in itertools.pairwise(losses))


def test_lbfgs_is_scipys_on_the_loss(data):
    """The same objective written with PyTorch, minimized by scipy."""
    torch, optimize = pytest.importorskip("torch"), pytest.importorskip("scipy.optimize")
    net = network(LBFGS())
    arrays = net.get_weights()
    X, y = (torch.tensor(array) for array in data)

    def objective(vector):
        flat, parts, end = torch.tensor(vector, requires_grad=True), [], 0
        for array in arrays:
            parts.append(flat[end : end + array.size].reshape(array.shape))
            end += array.size
        loss = ((torch.tanh(X @ parts[0] + parts[1]) @ parts[2] + parts[3] - y) ** 2).mean()
        loss.backward()
        return loss.item(), flat.grad.numpy()

    start = np.concatenate([array.ravel() for array in arrays])
    result = optimize.minimize(objective, start, method="L-BFGS-B", jac=True, options={"maxiter": 12})
    fitted(net, data, 12)
    np.testing.assert_allclose(np.concatenate([a.ravel() for a in net.get_weights()]), result.x, rtol=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_levenberg_marquardt_beats_lbfgs_by_equal_numbers_of_evaluations(seed):
    """The case of its docstring: a loss with its gradient is one, residuals and Jacobian are one each."""
    rng, losses = np.random.default_rng(seed), {}
    X = rng.uniform(-1, 1, (200, 2))
    y = np.sin(3 * X[:, :1]) * X[:, 1:] + 0.01 * rng.standard_normal((200, 1))
    for solver, run in zip(SOLVERS, (solvers.lbfgs, solvers.levenberg_marquardt), strict=True):
        net = Network([2, Dense(16, "tanh"), 1], dtype="float64", seed=seed)
        net.compile(solver, "mse")
        problem = solvers.Problem(net, net.objective_for(y), Rows(X, y, None))
        found = []

        def heard(vector, problem=problem, found=found):
            if problem.evaluations > 200:
                return False
            found.append(vector)
            return True

        run(problem, solver, 1000, heard)
        assert len(found) > 50
        net.set_weights(problem.unpacked(found[-1]))
        losses[solver.name] = net.evaluate(X, y)["loss"]
    assert losses["levenbergmarquardt"] < 8e-5 and losses["lbfgs"] > 2.5e-4


def test_a_step_is_that_of_the_damped_normal_equations(data):
    """The first damping is 1e-3 of the largest element of the diagonal; of least squares by J of PyTorch."""
    torch = pytest.importorskip("torch")
    net = network(LevenbergMarquardt())
    arrays = [torch.tensor(array) for array in net.get_weights()]
    X, y = (torch.tensor(array) for array in data)

    def residuals(*arrays):
        return (torch.tanh(X @ arrays[0] + arrays[1]) @ arrays[2] + arrays[3] - y).ravel() / 60**0.5

    J = torch.cat(
        [j.reshape(60, -1) for j in torch.func.jacrev(residuals, (0, 1, 2, 3))(*arrays)], dim=1
    ).numpy()
    A, g = J.T @ J, J.T @ residuals(*arrays).numpy()
    step = np.linalg.solve(A + 1e-3 * A.diagonal().max() * np.eye(len(A)), g)
    expected = np.concatenate([array.numpy().ravel() for array in arrays]) - step
    fitted(net, data, 1)
    np.testing.assert_allclose(np.concatenate([a.ravel() for a in net.get_weights()]), expected, rtol=1e-8)


def test_the_jacobian_of_parameters_is_pytorchs(dtype, rng):
    torch = pytest.importorskip("torch")
    net = Network([3, Dense(4, "tanh"), Dense(2, "softmax")], dtype=dtype, seed=1)
    X = rng.standard_normal((5, 3))
    arrays = [torch.tensor(array.astype(np.float64)) for array in net.get_weights()]
    expected = torch.func.jacrev(
        lambda *a: torch.softmax(torch.tanh(torch.tensor(X) @ a[0] + a[1]) @ a[2] + a[3], dim=1), (0, 1, 2, 3)
    )(*arrays)
    for got, theirs in zip(autodiff.parameter_jacobian(net, X), expected, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, theirs.numpy(), atol=20 * np.finfo(dtype).eps)


@both
def test_what_is_frozen_stays(solver, data):
    layers = [2, Dense(6, "tanh", trainable=False), BatchNormalization(trainable=False), 1]
    net = network(solver, layers=layers)
    before = net.get_weights()
    history = fitted(net, data, 20)
    for i, (a, b) in enumerate(zip(net.get_weights(), before, strict=True)):
        assert (a == b).all() == (i < 6)
    assert history["loss"][-1] < history["loss"][0]


@both
def test_best_weights_are_those_of_an_iterations_end(solver, data):
    net, seen = network(solver), []

    class Kept(Callback):
        def on_epoch_end(self, epoch, logs):
            seen.append(self.network.get_weights())
            logs["made_up"] = float(abs(epoch - 4))

        def on_train_begin(self, logs):
            self.params["metrics"].append("made_up")

    stop = EarlyStopping("made_up", mode="min", patience=3, restore_best_weights=True)
    history = fitted(net, data, 50, callbacks=[Kept(), stop])
    assert len(history["loss"]) == 8 and stop.best_epoch == 4
    assert all((a == b).all() for a, b in zip(net.get_weights(), seen[4], strict=True))


@both
def test_an_interruption_leaves_the_last_iteration(solver, data):
    class Stop(Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 3:
                raise KeyboardInterrupt

    net, other = network(solver), network(solver)
    assert len(fitted(net, data, callbacks=[Stop()])["loss"]) == 4
    fitted(other, data, 4)
    assert all((a == b).all() for a, b in zip(net.get_weights(), other.get_weights(), strict=True))


@both
def test_a_fit_ends_where_the_gradient_is_small(solver, data):
    net = network(type(solver)(tolerance_gradient=10.0))
    assert fitted(net, data) == {}
    net = network(type(solver)(tolerance_gradient=1e-2))
    assert 0 < len(fitted(net, data, 500)["loss"]) < 500


@both
def test_a_loss_that_is_not_finite_is_a_divergence(solver, data):
    net = network(solver)
    before = net.get_weights()
    with pytest.raises(FloatingPointError, match="diverged in epoch 1: the loss is not finite"):
        fitted(net, (data[0], data[1] + 1e200))
    assert all((a == b).all() for a, b in zip(net.get_weights(), before, strict=True))


@both
def test_names_and_files(solver, tmp_path, data):
    for name in (type(solver).__name__, solver.name, solver.name.upper()):
        net = network(name)
        assert net.optimizer == solver
    net.save(tmp_path / "net.npz", include_optimizer=True)
    assert fastmlp.load(tmp_path / "net.npz").optimizer == solver
    assert repr(LBFGS(history_size=5)) == "LBFGS(history_size=5)" and repr(solver)[-2:] == "()"


@both
def test_refusals(solver, data):
    name, net = type(solver).__name__, network(solver)
    with pytest.raises(ValueError, match=f"batch_size is 32 of 60 rows, expected all of them with {name}"):
        net.fit(*data)
    with pytest.raises(ValueError, match=f"{name} makes no single step for a batch"):
        net.train_on_batch(*data)
    net.backward(net(data[0], training=True))
    with pytest.raises(ValueError, match=f"{name} makes no single step for a loop"):
        net.step()
    with pytest.raises(ValueError, match=f"{name} makes no single step for a plain array"):
        solver.on(np.zeros(2))
    for options in ({"learning_rate": 0.1}, {"l2": 0.1}, {"use_ema": True}, {"clipvalue": 1.0}):
        with pytest.raises(ValueError, match=f"{next(iter(options))} is .*, expected none with {name}"):
            type(solver)(**options)
    with pytest.raises(AttributeError, match="has no learning rate"):
        net.optimizer.learning_rate = 0.1
    for layer, message in [
        (Dropout(0.1), "the network has dropout"),
        (BatchNormalization(), "the network has BatchNormalization"),
        (Dense(3, learning_rate=0.5), "a layer has factors"),
    ]:
        other = network(solver, layers=[2, Dense(4), layer, 1])
        with pytest.raises(ValueError, match=message):
            fitted(other, data)
    net.compile(solver, lambda y, p: (0.0, p))
    with pytest.raises(ValueError, match="loss is a function in Python"):
        fitted(net, data)


def test_levenberg_marquardt_is_for_small_least_squares(data):
    net = Network([2, 1], seed=0)
    net.compile(LevenbergMarquardt(), "huber")
    with pytest.raises(ValueError, match="loss is 'huber', expected 'mse' with LevenbergMarquardt"):
        fitted(net, data)
    wide = network(LevenbergMarquardt(), layers=[2, 1500, 1500, 1])
    with pytest.raises(ValueError, match=r"rows \* outputs \* parameters are \d+, expected at most"):
        fitted(wide, data)
    with pytest.raises(TypeError, match="base class"):
        Solver()


@both
def test_standardized_targets_are_solved_as_those_standardized_by_hand(solver, data):
    X, y = data
    raw = 1e4 + 1e3 * y
    by_hand, net = network(solver), network(solver)
    net.compile(solver, "mse", standardize_targets=True)
    history = fitted(net, (X, raw))
    mean, deviation = net.output_rescaling.offset[0], net.output_rescaling.scale[0]
    np.testing.assert_allclose([mean, deviation], [raw.mean(), raw.std()], rtol=1e-12)
    assert fitted(by_hand, (X, (raw - mean) / deviation)) == history
    assert_same_bits(net.get_weights(), by_hand.get_weights())
    assert history["loss"][-1] < 0.1 * history["loss"][0] < 1
    np.testing.assert_allclose(net.predict(X), mean + deviation * by_hand.predict(X))


def test_members_are_no_least_squares_problem(data):
    net = network(LevenbergMarquardt(), layers=(2, Members(2), 3, 1))
    with pytest.raises(ValueError, match="^the network has 2 members, expected none with LevenbergMarquardt"):
        fitted(net, data)
    net.compile(LBFGS(), "mse")
    losses = fitted(net, data)["loss"]
    assert losses[-1] < losses[0]
