"""Networks and callbacks that the tests of callbacks share."""

from fastmlp import Network
from fastmlp.callbacks import (
    Callback,
    LambdaCallback,
)

ROWS = 20
HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


def network(optimizer="sgd", metrics=None):
    net = Network([4, 6, 3], activation="tanh", output="softmax", dtype="float64", seed=2)
    net.compile(optimizer, metrics=metrics)
    return net


class Script(Callback):
    """Gives each epoch the number a test wants, under the name that another callback watches."""

    def __init__(self, values, name="script"):
        self.values, self.name = values, name

    def on_train_begin(self, logs):
        self.params["metrics"].append(self.name)

    def on_epoch_end(self, epoch, logs):
        logs[self.name] = self.values[epoch]


def scripted(data, callback, values, *, net=None, **options):
    """A fit of as many epochs as there are values; the history, and the weights after each epoch."""
    net = net or network()
    weights = []
    spy = LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(net.get_weights()))
    callbacks = [Script(values), spy, callback]
    return net.fit(*data, epochs=len(values), callbacks=callbacks, **options), weights, net
