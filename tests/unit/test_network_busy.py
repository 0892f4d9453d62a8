"""`Network`: what is refused while it is busy."""

import threading

import numpy as np
import pytest

from fastmlp import BusyError, Network


def test_who_changes_a_busy_network_is_refused():
    net = Network([2, 1], seed=0)
    net.compile()
    before = net.get_weights()
    errors = []

    def intrude():
        for change in (
            lambda: net.set_weights([np.ones((2, 1)), np.ones(1)]),
            lambda: net.load_state_dict(Network([2, 1], seed=1).state_dict()),
            net.compile,
            lambda: net.fit([[1.0, 2.0]], [1.0]),
            lambda: net.train_on_batch([[1.0, 2.0]], [1.0]),
        ):
            try:
                change()
            except RuntimeError as error:
                errors.append(error)
        net.predict([[1.0, 2.0]])

    with net.changing():
        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join()
    assert len(errors) == 5 and all(isinstance(error, BusyError) for error in errors)
    assert all((a == b).all() for a, b in zip(before, net.get_weights(), strict=True))
    net.set_weights(before)  # and afterwards the network is free again


def test_the_holder_may_set_weights_but_not_compile():
    net = Network([2, 1], seed=0)
    with net.changing():
        net.set_weights([[[1], [2]], [3]])
        with pytest.raises(BusyError):
            net.compile()
    assert net.biases[0].tolist() == [3]
