"""One epoch of training: `Network.fit` against the twin's Plan on the same weights, data and order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastmlp import Network, optimizers, reference

from .checks import deviation

EPOCHS = {
    "784-100-10, batch 32, sgd": ([784, 100, 10], "sigmoid", "softmax", 32, 3200, optimizers.SGD(0.1)),
    "784-100-10, batch 32, adam": ([784, 100, 10], "sigmoid", "softmax", 32, 3200, optimizers.Adam()),
    "784-16-16-10, batch 10, sgd": ([784, 16, 16, 10], "sigmoid", "softmax", 10, 1000, optimizers.SGD(0.1)),
    "17-64-64-6, batch 64, adam": ([17, 64, 64, 6], "tanh", "softmax", 64, 3200, optimizers.Adam()),
    "13-37-13, batch 37, rmsprop": ([13, 37, 13], "relu", "softmax", 37, 1000, optimizers.RMSprop()),
}


class Twin:
    """The NumPy plan behind the one verb that is timed."""

    def __init__(self, net: Network, optimizer: optimizers.Optimizer) -> None:
        self.plan = reference.Plan(net.plan.n_in, net.plan.layers, dtype=net.dtype.name)
        self.plan.set_weights(net.get_weights())
        loss = "sparse_categorical_crossentropy"
        self.plan.compile(loss, 0.0, optimizer.rule, optimizer.hyperparameters())
        self.rate = float(optimizer.learning_rate)
        self.epoch = 0

    def fit(self, X: Any, y: Any, batch_size: int) -> None:
        run = reference.Run(self.plan, X, y, batch_size=batch_size, seed=0, shuffle=True)
        run.begin(np.full((1, run.batches), self.rate), epoch=self.epoch)
        run.advance()
        self.epoch += 1


def make(name: str, dtype: Any) -> tuple[Network, Twin]:
    widths, activation, output, _, _, optimizer = EPOCHS[name]
    net = Network(widths, activation=activation, output=output, dtype=dtype.name, seed=0)
    net.compile(optimizer, metrics=[])
    return net, Twin(net, optimizer)


@pytest.mark.parametrize("name", EPOCHS)
@pytest.mark.parametrize("who", ["fastmlp", "numpy"])
def test_epoch(benchmark: Any, name: str, who: str, dtype: Any, normal: Any) -> None:
    batch_size, rows = EPOCHS[name][3:5]
    net, twin = make(name, dtype)
    X = normal(rows, net.layer_sizes[0])
    y = np.arange(rows) % net.layer_sizes[-1]
    before = net.predict(X)
    jobs = {
        "fastmlp": lambda: net.fit(X, y, batch_size=batch_size, verbose=False, threads=1),
        "numpy": lambda: twin.fit(X, y, batch_size),
    }
    for job in jobs.values():
        job()
    bound = 1e-2 if dtype == np.float32 else 1e-9
    assert deviation(net.predict(X), twin.plan.predict(X), before) < bound
    benchmark.group = f"epoch of {name}, {rows} rows, {dtype}"
    benchmark(jobs[who])
