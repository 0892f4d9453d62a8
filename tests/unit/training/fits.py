"""Networks and loops that the tests of `fit` share."""

import dataclasses

import numpy as np

from fastmlp import Dense, Dropout, Network, losses, optimizers, reference
from fastmlp.schedules import CosineDecay, Schedule, Warmup
from helpers import (
    LINKS,
    OUTPUT_OF,
    RULES,
    outputs_of,
    train_epoch,
)

ROWS, N_IN, N_OUT = 23, 5, 3
SCHEDULE = Warmup(CosineDecay(0.05, steps=20), steps=4)
ALL_OPTIMIZERS = [
    *(dataclasses.replace(optimizer, learning_rate=SCHEDULE) for optimizer in RULES.values()),
    optimizers.SGD(SCHEDULE, momentum=0.9, nesterov=True),
    optimizers.RMSprop(SCHEDULE, rho=0.8),
    optimizers.Adam(SCHEDULE, l2=0.01),
    optimizers.AdamW(SCHEDULE, clipvalue=0.5),
]


def network(loss="sparse_categorical_crossentropy", optimizer="sgd", dtype="float64", **options):
    net = Network(
        [N_IN, Dense(8, "tanh"), Dropout(0.3), outputs_of(loss, N_OUT)],
        output=OUTPUT_OF[LINKS[loss]],
        dtype=dtype,
        seed=5,
        **options,
    )
    net.compile(optimizer, loss)
    return net


def trained_arrays(net):
    """What training changes: weights, and the optimizer's state."""
    return [*net.get_weights(), *(array for slot in net.plan.get_state()["slots"] for array in slot)]


def twin_of(net):
    """The reference's Plan with the network's weights, compiled alike."""
    plan = reference.Plan(net.plan.n_in, net.plan.layers, dtype=net.dtype.name)
    plan.set_weights(net.get_weights())
    parameters = losses.resolve(net.plan.loss).parameters
    plan.compile(net.plan.loss, parameters, net.optimizer.rule, net.optimizer.hyperparameters())
    return plan


def by_hand(net, X, y, epochs, batch_size, shuffle):
    """What `fit` should do, batch by batch on the twin: weights, each epoch's loss and accuracy."""
    plan, numbers, rows = twin_of(net), [], len(X)
    for epoch in range(epochs):
        order = reference.shuffled(net.seed, epoch, rows) if shuffle else np.arange(rows)
        total = right = 0.0
        for first in range(0, rows, batch_size):
            chosen = order[first : first + batch_size]
            rate = net.optimizer.learning_rates(plan.step, 1)
            loss, correct = train_epoch(
                plan, X[chosen], y[chosen], batch_size=len(chosen), seed=net.seed, shuffle=False,
                learning_rates=rate,
            )  # fmt: skip
            total, right = total + loss, right + correct
        numbers.append((total / rows, right / rows))
    return plan.get_weights(), np.array(numbers).T


def mse(y_true, y_pred):
    difference = y_pred - y_true
    return np.mean(difference**2), 2 * difference / difference.size


class Explodes(Schedule):
    """A rate that is too high from step 7 on."""

    def _at(self, steps):
        return np.where(steps < 7, 0.05, np.inf)
