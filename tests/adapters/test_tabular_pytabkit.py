"""The recipe "realmlp" beside pytabkit's RealMLP-TD: its model, optimizer and schedules, on its own tensors.

Both begin with pytabkit's weights, take the rows in fastmlp's order and compute in float64.  Weights here are
RealMLP's over sqrt(n_in), so that an epsilon in Adam's root counts less: it is made small in both.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")
pytest.importorskip("pytabkit")

import pandas as pd
import torch
from pytabkit.models.alg_interfaces.base import InterfaceResources, SplitIdxs
from pytabkit.models.data.data import DictDataset, TensorInfo
from pytabkit.models.sklearn.default_params import DefaultParams
from pytabkit.models.training.lightning_modules import TabNNModule

from fastmlp import Network
from fastmlp.functional import shuffled
from fastmlp.layers.lowering import nodes_of
from fastmlp.tabular import Recipe, network
from fastmlp.tabular.encoding import TableEncoder
from fastmlp.tabular.frames import read
from fastmlp.tabular.targets import Classes, Numbers

ROWS, BATCH, EPOCHS, WIDTHS, EPSILON = 96, 32, 4, (12, 8), 1e-12
DEFAULTS = {"classes": DefaultParams.RealMLP_TD_CLASS, "numbers": DefaultParams.RealMLP_TD_REG}
SIZES = (2, 4, 13, 3, 8)  # of categories: two values, few, many, a rare one, as many as have a column each


def table():
    """Numbers (rows, 3), one of them far out and one nearly constant, and codes of categories from 1 on."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(ROWS, 3))
    numbers[:, 1] = np.where(np.arange(ROWS) % 9 == 0, numbers[:, 1], 0.25)
    numbers[:, 2] = np.exp(2 * numbers[:, 2])
    codes = np.stack([1 + np.arange(ROWS) % size for size in SIZES], axis=1)
    codes = rng.permuted(codes, axis=0)
    codes[:, 3] = np.where(rng.random(ROWS) < 0.8, 1, codes[:, 3])
    return numbers.astype(np.float32), codes


def target(task, numbers, codes):
    score = numbers[:, 0] * np.where(codes[:, 0] == 1, 1, -1) + (codes[:, 2] > 6)
    return np.digitize(score, [0, 1]) if task == "classes" else score.astype(np.float32)[:, None]


class Theirs:
    """pytabkit's model of the whole table."""

    def __init__(self, task, numbers, codes, truth):
        few = [3] if task == "classes" else [0]
        y = truth[:, None] if task == "classes" else truth
        data = {"x_cont": numbers, "x_cat": codes, "y": y}
        infos = {
            "x_cont": TensorInfo(feat_shape=[numbers.shape[1]]),
            "x_cat": TensorInfo(cat_sizes=[size + 1 for size in SIZES]),
            "y": TensorInfo(cat_sizes=few),
        }
        rows = DictDataset({name: torch.tensor(each) for name, each in data.items()}, infos)
        chosen = torch.arange(ROWS)[None]
        split = SplitIdxs(chosen, None, None, split_seed=0, sub_split_seeds=[0], split_id=0)
        changes = {"hidden_sizes": list(WIDTHS), "p_drop": 0.0, "batch_size": BATCH, "n_epochs": EPOCHS}
        self.module = TabNNModule(**{**DEFAULTS[task], **changes, "opt_eps": EPSILON})
        self.module.compile_model(rows, [split], InterfaceResources(n_threads=1, gpu_devices=[]))
        self.module.model.double()
        tensors = self.module.creator.static_model.forward_ds(rows).tensors
        reals = {name: each.double() for name, each in tensors.items() if each.is_floating_point()}
        self.tensors = {**tensors, **reals}
        self.optimizer = self.module.configure_optimizers()
        self.module.hp_manager.update_hypers(self.module)

    def batch(self, chosen):
        return {name: each[None, chosen] for name, each in self.tensors.items()}

    def train(self, order):
        model, module = self.module.model, self.module
        steps = iter(range(EPOCHS * ROWS // BATCH))
        for epoch in range(EPOCHS):
            for chosen in np.split(order(epoch), ROWS // BATCH):
                module.progress.epoch_float = next(steps) * BATCH / ROWS
                module.hp_manager.update_hypers(module)
                model.train()
                outputs = model(self.batch(torch.tensor(chosen)))
                self.optimizer.opt.zero_grad()
                module.criterion(outputs["x_cont"], outputs["y"]).sum().backward()
                self.optimizer.step()

    def outputs(self):
        self.module.model.eval()
        with torch.no_grad():
            return self.module.model(self.batch(torch.arange(ROWS)))["x_cont"][0].numpy()

    def arrays(self):
        """In the order of fastmlp's layers, as fastmlp has them."""
        found = {}
        for parameter in self.module.model.parameters():
            found.setdefault(str(parameter.context.scope), []).append(parameter.detach().numpy()[0])
        place = dict.fromkeys(found, 0)

        def one(scope):
            place[scope] += 1
            return found[scope][place[scope] - 1]

        frequency, phase = (one(f"/plr/{name}")[:, 0].T for name in ("weight_1", "bias_1"))
        W, b = (one(f"/plr/{name}") for name in ("weight_2", "bias_2"))
        arrays = {"frequency": frequency, "W": W.transpose(1, 2, 0), "phase": phase, "b": b[:, 0].T}
        yield "periodic_embedding", arrays
        yield "embedding", {"tables": np.concatenate([each.ravel() for each in found["/tfms/emb"]])}
        for i in range(len(WIDTHS) + 1):
            scope = f"/net/{('first', 'middle', 'last')[i]}_layer/layer-{i}/"
            if i == 0:
                yield "scale", {"s": one(f"{scope}scale")}
            W = one(f"{scope}weight")
            yield "dense", {"W": W / math.sqrt(len(W)), "b": one(f"{scope}bias")}
            if i < len(WIDTHS):
                yield "parametric_activation", {"alpha": one(f"{scope}act")}


def weights_of(theirs, net):
    """Theirs, in the order and the shapes of `Network.get_weights`."""
    nodes = [node for node in nodes_of(net.plan.n_in, net.layers) if node.shapes]
    arrays = list(theirs.arrays())
    assert [node.layer.kind for node in nodes] == [kind for kind, _ in arrays]
    return [
        np.array(given[name].reshape(shape), np.float64)
        for node, (_, given) in zip(nodes, arrays, strict=True)
        for name, shape in node.shapes.items()
    ]


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_the_recipe_realmlp_gives_realmlps_numbers(task):
    numbers, codes = table()
    truth = target(task, numbers, codes)
    theirs = Theirs(task, numbers, codes, truth)

    columns = {f"x{i}": numbers[:, i].astype(np.float64) for i in range(numbers.shape[1])}
    columns |= {f"c{i}": [f"v{code:02}" for code in codes[:, i]] for i in range(len(SIZES))}
    recipe = Recipe.named("realmlp", task).replace(widths=WIDTHS, dropout=0.0, epochs=EPOCHS)
    frame = read(pd.DataFrame(columns), "X")
    encoder = TableEncoder.learn(frame, one_hot_up_to=recipe.one_hot_up_to)
    X = encoder.transform(frame)
    targets = Classes(np.arange(3)) if task == "classes" else Numbers.learn(truth.astype(np.float64))
    inputs = network.Inputs(X.shape[1], encoder.number_count, tuple(each.size for each in encoder.embedded))
    output = "softmax" if targets.softmax else "identity"
    net = Network(network.layers_of(inputs, targets.outputs, recipe), output=output, dtype="float64", seed=5)
    net.set_weights(weights_of(theirs, net))

    def agree():
        z = theirs.outputs()
        expected = torch.softmax(torch.tensor(z), dim=1).numpy() if task == "classes" else z
        assert targets.from_network(net.predict(X)) == pytest.approx(expected, rel=1e-5, abs=1e-5)

    agree()
    network.compile_for(net, recipe, EPOCHS * ROWS // BATCH, targets.loss)
    net.compile(dataclasses.replace(net.optimizer, epsilon=EPSILON), targets.loss, [])
    y = targets.to_network(truth, recipe.label_smoothing)
    net.fit(X, y, epochs=EPOCHS, batch_size=BATCH, verbose=False)
    theirs.train(lambda epoch: shuffled(5, epoch, ROWS))
    agree()
    for ours, array in zip(net.get_weights(), weights_of(theirs, net), strict=True):
        assert ours == pytest.approx(array, rel=1e-5, abs=1e-5)
