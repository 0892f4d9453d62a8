"""Networks of members: beside PyTorch, beside the twin, and what they make of rows from outside."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fastmlp import (
    Activation,
    Dense,
    Dropout,
    LayerNormalization,
    MemberDense,
    Members,
    Network,
    Rescaling,
    _kernels,
    optimizers,
    reference,
    sklearn,
)
from helpers import FMA_ISAS, HYPER, ISAS, assert_close, assert_same_bits, assert_trained, train

torch = pytest.importorskip("torch")
F = torch.nn.functional
LOSSES = {
    "mse": ("identity", lambda z, y: F.mse_loss(z, y)),
    "binary_crossentropy": ("sigmoid", F.binary_cross_entropy_with_logits),
    "sparse_categorical_crossentropy": ("softmax", F.cross_entropy),
}


def layers_of(members, units=19, outputs=3):
    """Of TabM: every dense layer between members, and heads of their own."""
    return [
        6, Members(members, start="normal"), Dense(units, use_bias=False),
        Members(members, start="ones", use_bias=True), Activation("tanh"),
        Members(members, start="ones"), Dense(units, use_bias=False),
        Members(members, start="ones", use_bias=True), Activation("silu"), MemberDense(members, outputs),
    ]  # fmt: skip


def network(members, output, isa=None, dtype="float64", **sizes):
    """With arrays that are anywhere."""
    net = Network(layers_of(members, **sizes), output=output, dtype=dtype, seed=0, isa=isa)
    rng = np.random.default_rng(5)
    net.set_weights([rng.normal(size=a.shape) / np.sqrt(a.shape[-1]) for a in net.get_weights()])
    return net


def data(loss, rows=301):
    rng = np.random.default_rng(6)
    X = rng.normal(size=(rows, 6))
    if loss.startswith("sparse"):
        return X, rng.integers(0, 3, rows)
    y = rng.normal(size=(rows, 3))
    return X, y if loss == "mse" else (y > 0).astype(float)


def outputs_in_torch(x, arrays):
    """(rows, members, outputs), as TabM's modules compute it: members in an axis of their own."""
    r1, W1, s1, b1, r2, W2, s2, b2, heads, biases = arrays
    x = torch.tanh(((x[:, None, :] * r1) @ W1) * s1 + b1)
    x = F.silu(((x * r2) @ W2) * s2 + b2)
    return torch.einsum("rki,kji->rkj", x, heads.reshape(*biases.shape, -1)) + biases


@pytest.mark.parametrize("members", [1, 3, 16])
@pytest.mark.parametrize("loss", LOSSES)
def test_members_have_the_loss_and_the_gradients_of_torch(loss, members, isa):
    output, of_torch = LOSSES[loss]
    net, (X, y) = network(members, output, isa), data(loss)
    net.compile("sgd", loss)
    arrays = [torch.tensor(array, requires_grad=True) for array in net.get_weights()]
    x, target = torch.tensor(X, requires_grad=True), torch.tensor(y)
    z = outputs_in_torch(x, arrays)
    mean = sum(of_torch(z[:, i], target) for i in range(members)) / members
    mean.backward()
    p = {"softmax": lambda z: torch.softmax(z, 2), "sigmoid": torch.sigmoid}.get(output, lambda z: z)(z)
    assert_close(net.predict(X), p.mean(axis=1).detach().numpy(), 1e-12)
    assert abs(net.evaluate(X, y)["loss"] - mean.item()) < 1e-12
    value, gradients, dX = net.plan.gradients(X, y, input_gradient=True)
    assert abs(value - mean.item()) < 1e-12
    for got, tensor in zip([*gradients, dX], [*arrays, x], strict=True):
        assert_close(got, tensor.grad.numpy(), 1e-11)


def test_predictions_are_the_means_of_the_members_in_their_order(fma_isa, dtype):
    net = network(5, "softmax", fma_isa, dtype.name)
    X = data("mse", 60)[0].astype(dtype)
    of_members = net.forward(X)[-1]
    assert of_members.shape == (60, 5, 3)
    total = of_members[:, 0]
    for i in range(1, 5):
        total = total + of_members[:, i]
    assert_same_bits(net.predict(X), total / dtype.type(5))
    assert_same_bits(net.predict(X[7]), net.predict(X)[7])
    assert_same_bits(net.forward(X[7])[-1], of_members[7])
    spread = of_members.std(axis=1)
    assert spread.max() > 1e-2


def test_members_that_are_alike_are_one_network(isa, rng):
    """As are their losses, weights and gradients; shared weights take all of theirs."""
    plain = Network([6, 19, 3], activation="tanh", output="softmax", dtype="float64", seed=1, isa=isa)
    W, b, V, c = plain.get_weights()
    alike = Network(
        [6, Members(4), 19, MemberDense(4, 3)], activation="tanh", output="softmax", dtype="float64", isa=isa
    )
    X, y = data("sparse_categorical_crossentropy")
    alike.set_weights([np.ones((4, 6)), W, b, np.tile(V.T, (4, 1)), np.tile(c, (4, 1))])
    assert_close(alike.predict(X), plain.predict(X), 1e-14)
    weights = rng.uniform(0.5, 2, len(X))
    for net in (plain, alike):
        net.compile("sgd")
    for given in (None, weights):
        one, other = plain.evaluate(X, y, given), alike.evaluate(X, y, given)
        assert one == pytest.approx(other, rel=1e-13) and set(one) == {"loss", "accuracy"}
    expected = plain.plan.gradients(X, y, weights)[1]
    r, *got = alike.plan.gradients(X, y, weights)[1]
    assert_close(got[:2], expected[:2], 1e-12)
    assert_close(got[2].reshape(4, 3, 19).sum(axis=0).T, expected[2], 1e-12)
    assert_close(got[3].sum(axis=0), expected[3], 1e-12)


def test_the_accuracy_is_that_of_predictions():
    """Two of three members are right about a row, which their mean is wrong about."""
    net = Network([1, MemberDense(3, 2)], output="softmax", dtype="float64")
    net.set_weights([np.zeros((6, 1)), np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 9.0]])])
    net.compile("sgd", metrics=["accuracy", "log_loss"])
    found = net.evaluate(np.zeros((1, 1)), [0])
    p = net.predict([0.0])
    assert p.argmax() == 1 and found["accuracy"] == 0.0
    assert found["log_loss"] == pytest.approx(-np.log(p[0]))
    of_members = net.forward([0.0])[-1]
    assert found["loss"] == pytest.approx(-np.log(of_members[:, 0]).mean())


NODES = [
    {"kind": "members", "members": 3, "use_bias": False},
    {"kind": "dense", "units": 19, "use_bias": False},
    {"kind": "members", "members": 3, "activation": "tanh"},
    {"kind": "batch_normalization", "dropout": 0.2},
    {"kind": "dense", "units": 7, "activation": "silu", "dropout": 0.1},
    {"kind": "member_dense", "members": 3, "units": 3, "activation": "softmax", "dropout": 0.3},
]


def filled(plan):
    rng = np.random.default_rng(5)
    positive = [rng.uniform(0.5, 1.5, a.shape) for a in plan.get_weights()]
    plan.set_weights([a if a.ndim == 1 else a - 1 for a in positive])
    return plan.get_weights()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("shuffle", [True, False])
def test_training_is_the_twins(optimizer, shuffle, isa, rng):
    """With dropout of each member's own, statistics over all members, weights, and a short last batch."""
    X, y = data("sparse_categorical_crossentropy", 101)
    weights, loss = rng.uniform(0.5, 2, len(X)), "sparse_categorical_crossentropy"
    plans = [_kernels.Plan(6, NODES, dtype="float64", isa=isa), reference.Plan(6, NODES, dtype="float64")]
    sums = []
    for plan in plans:
        before = filled(plan)
        plan.compile(loss, 0.0, optimizer, HYPER[optimizer])
        sums.append(train(plan, X, y, 0.01, 3, weights, batch_size=40, shuffle=shuffle))
        assert_trained(plan.get_weights(), before)
    assert_close(sums[0], sums[1], 1e-11)
    assert_close(plans[0].get_weights(), plans[1].get_weights(), 1e-9)
    assert_close(plans[0].evaluate(X, y, weights), plans[1].evaluate(X, y, weights), 1e-9)


def test_a_loop_of_ones_own_is_the_twins(isa, rng):
    """The gradient with respect to a prediction is shared by its members."""
    X, dY = rng.normal(size=(33, 6)), rng.normal(size=(33, 3))
    plans = [_kernels.Plan(6, NODES, dtype="float64", isa=isa), reference.Plan(6, NODES, dtype="float64")]
    found = []
    for plan in plans:
        filled(plan)
        plan.compile(None, 0.0, "adam", HYPER["adam"])
        Y = plan.train_forward(X, seed=3, dropout=0.9)
        assert plan.forward_rows == 33
        dX = plan.accumulate(dY, inputs=True)
        gradient = plan.get_gradient()
        plan.take_step(0.01)
        arrays, dx = plan.backward(X, dY)
        found.append([Y, dX, *gradient[:6], *gradient[8:], *plan.get_weights(), *arrays[:6], dx])
    assert_close(found[0], found[1], 1e-9)


def test_the_gradient_of_the_mean_is_a_difference(isa, rng):
    net, (X, _) = network(3, "sigmoid", isa), data("mse", 9)
    dY, h = rng.normal(size=(9, 3)), 1e-6
    arrays, dX = net.plan.backward(X, dY)

    def slope(change):
        return (change(h) - change(-h)) / (2 * h)

    def of_input(step):
        moved = X.copy()
        moved[4, 2] += step
        return (net.predict(moved) * dY).sum()

    def of_factor(step):
        moved = net.get_weights()
        moved[0][1, 2] += step
        other = network(3, "sigmoid", isa)
        other.set_weights(moved)
        return (other.predict(X) * dY).sum()

    assert abs(slope(of_input) - dX[4, 2]) < 1e-8 and abs(dX[4, 2]) > 1e-5
    assert abs(slope(of_factor) - arrays[0][1, 2]) < 1e-8 and abs(arrays[0][1, 2]) > 1e-5


def test_dropped_predictions_are_the_twins(isa, rng):
    """Each member drops its own units; what a row gives does not depend on the rows beside it."""
    X = rng.normal(size=(700, 6))
    plans = [_kernels.Plan(6, NODES, dtype="float64", isa=isa), reference.Plan(6, NODES, dtype="float64")]
    for plan in plans:
        filled(plan)
    found, expected = (plan.predict_dropped(X, seed=3) for plan in plans)
    assert_close(found, expected, 1e-11)
    assert_same_bits(plans[0].predict_dropped(X[:5], seed=3), found[:5])
    assert np.abs(found - plans[0].predict(X)).max() > 0.01


@pytest.mark.parametrize("isa_or_twin", ["numpy", *ISAS])
def test_outputs_may_be_rescaled(isa_or_twin, rng):
    """Predictions, their losses and gradients are those of rescaled members."""
    nodes = [*NODES[:3], {**NODES[5], "activation": "identity", "dropout": 0.0}]
    X, scale, offset = rng.normal(size=(20, 6)), np.array([2.0, 3.0, 0.5]), np.array([100.0, -7.0, 0.0])
    kind = reference.Plan if isa_or_twin == "numpy" else _kernels.Plan
    plan, plain = (kind(6, nodes, dtype="float64", isa=isa_or_twin) for _ in range(2))
    for one in (plan, plain):
        filled(one)
        one.compile("mse", 0.0, "sgd", {})
    plan.rescale_output(scale, offset)
    y = rng.normal(size=(20, 3)) * scale + offset
    assert_close(plan.predict(X), plain.predict(X) * scale + offset, 1e-13)
    errors = plain.forward(X)[-1] * scale + offset - y[:, None]
    assert plan.evaluate(X, y)[0] == pytest.approx((errors**2).mean(axis=(1, 2)).sum(), rel=1e-12)
    of_plain = plain.backward(X, y * scale)
    for got, expected in zip(plan.backward(X, y)[0], of_plain[0], strict=True):
        assert_close(got, expected, 1e-12)


def test_bits_depend_on_nothing(dtype):
    """Parts of rows that begin within the members of one, blocks of a chain too, on any instruction set."""
    X, y = data("sparse_categorical_crossentropy", 300)
    X, found = X.astype(dtype), []
    nodes = [*NODES[:3], {"kind": "dense", "units": 133, "activation": "relu"}, NODES[5]]
    nodes = [{**node, "members": 7} if "members" in node else node for node in nodes]
    for isa in FMA_ISAS:
        for threads in (1, 2, 3):
            plan = _kernels.Plan(6, nodes, dtype=dtype.name, isa=isa)
            filled(plan)
            plan.compile("sparse_categorical_crossentropy", 0.0, "adam", HYPER["adam"])
            sums = train(plan, X, y, 0.01, epochs=8, batch_size=90, threads=threads)
            whole = plan.predict(X, threads=threads)
            parts = [plan.predict(X[:1]), plan.predict(X[1:48]), plan.predict(X[48:], threads=threads)]
            assert_same_bits(np.concatenate(parts), whole)
            found.append([*plan.get_weights(), whole, sums, np.array(plan.evaluate(X, y, threads=threads))])
    for other in found[1:]:
        assert_same_bits(other, found[0])


def test_rows_from_outside_may_be_of_any_form(rng):
    net = Network([4, Rescaling(1 / 255), Members(3), 8, MemberDense(3, 2)], dtype="float32", seed=0)
    rows = rng.integers(0, 256, (50, 4)).astype(np.uint8)
    wide = np.zeros((50, 9))
    wide[:, :4] = rows
    assert_same_bits(net.predict(rows), net.predict(rows.astype(np.float32)))
    assert_same_bits(net.predict(wide[:, :4]), net.predict(rows))
    bad = rows.astype(np.float32)
    bad[31, 2] = np.nan
    with pytest.raises(ValueError, match="X contains nan at row 31, column 2"):
        net.predict(bad)


def test_fit_reaches_what_one_network_cannot(rng):
    """A network learns, its loss the mean of its members'; dropout and normalisation stand between."""
    X = rng.normal(size=(400, 6)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    layers = [6, Members(8), 32, LayerNormalization(), Activation("relu"), Dropout(0.1), MemberDense(8, 2)]
    net = Network(layers, output="softmax", seed=0)
    net.compile("adam")
    history = net.fit(X, y, epochs=60, batch_size=32, verbose=0)
    assert history.history["loss"][-1] < 0.35 < history.history["loss"][0]
    assert net.evaluate(X, y)["accuracy"] > 0.93


def test_factors_begin_as_they_say():
    r = Network([400, Members(3), 1], seed=0).get_weights()[0]
    assert r.shape == (3, 400) and set(np.unique(r)) == {-1.0, 1.0} and abs(r.mean()) < 0.1
    r = Network([400, Members(3, start="normal", use_bias=True), 1], seed=0).get_weights()[:2]
    assert abs(r[0].std() - 1) < 0.06 and abs(r[0].mean()) < 0.06 and not r[1].any()
    assert (Network([400, Members(3, start="ones"), 1], seed=0).get_weights()[0] == 1).all()
    for kind in ("uniform", "normal", "signs"):
        plans = [_kernels.Plan(5, [{"kind": "members"}]), reference.Plan(5, [{"kind": "members"}])]
        for plan in plans:
            plan.initialize(0, kind, 0.7, 11)
        assert_close(plans[0].get_weights()[0], plans[1].get_weights()[0], 1e-6)


def test_members_of_different_numbers_are_refused():
    message = r"^layers has MemberDense\(4, 2, .*\), expected as many members as Members\(3\) has$"
    with pytest.raises(ValueError, match=message):
        Network([5, Members(3), 8, MemberDense(4, 2)])
    nodes = [{"kind": "members", "members": 3}, {"kind": "member_dense", "members": 4}]
    for plan in (_kernels.Plan, reference.Plan):
        with pytest.raises(ValueError, match="members"):
            plan(5, nodes)


@pytest.mark.parametrize(("members", "start"), [(0, "signs"), (2000, "signs"), (2, "random")])
def test_wrong_numbers_and_names_are_refused(members, start):
    with pytest.raises(ValueError, match="members is|unknown start 'random'"):
        Members(members, start=start)


def test_what_knows_no_members_says_so():
    net = Network([5, Members(3), 8, 1], seed=0)
    for other in (net.folded, lambda: sklearn.to_sklearn(net)):
        with pytest.raises(ValueError, match=r"net has the layer Members\(3\), which has no equivalent in "):
            other()


def test_steps_of_adamw_are_those_of_torch(fma_isa):
    """50 steps of TabM: factors decay as weights do, biases do not."""
    rates = {"weight_decay": {"r": 1.0}}
    layers = layers_of(4)
    layers = [
        dataclasses.replace(layer, **rates) if isinstance(layer, Members) else layer for layer in layers
    ]
    net = Network(layers, output="softmax", dtype="float64", seed=3, isa=fma_isa)
    X, y = data("sparse_categorical_crossentropy", 100)
    arrays = [torch.tensor(array, requires_grad=True) for array in net.get_weights()]
    biases = {3, 7, 9}
    groups = [
        {"params": [a for i, a in enumerate(arrays) if (i in biases) == kept], "weight_decay": decay}
        for kept, decay in ((False, 0.3), (True, 0.0))
    ]
    theirs = torch.optim.AdamW(groups, lr=2e-3)
    for step in range(50):
        part = slice(step % 5 * 20, step % 5 * 20 + 20)
        z = outputs_in_torch(torch.tensor(X[part]), arrays)
        loss = F.cross_entropy(z.flatten(0, 1), torch.tensor(y[part]).repeat_interleave(4))
        theirs.zero_grad()
        loss.backward()
        theirs.step()
    net.compile(optimizers.AdamW(2e-3, weight_decay=0.3, epsilon=1e-8))
    net.fit(X, y, epochs=10, batch_size=20, shuffle=False, verbose=0)
    for got, tensor in zip(net.get_weights(), arrays, strict=True):
        assert_close(got, tensor.detach().numpy(), 1e-9)
