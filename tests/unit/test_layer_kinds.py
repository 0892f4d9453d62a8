"""What every layer with arrays keeps, walked from the registry, in the networks of their examples."""

from __future__ import annotations

import copy
import dataclasses
import doctest
import pickle

import numpy as np
import pytest

import fastmlp
from fastmlp import Network, reference
from fastmlp.layers.base import LAYERS, Layer, Trained
from helpers import assert_same_bits

TRAINED = [cls for cls in LAYERS.values() if issubclass(cls, Trained)]


def networks_of(cls):
    """The networks that the examples of a class make."""
    names = {}
    for example in doctest.DocTestParser().get_examples(cls.__doc__):
        if example.exc_msg is None:
            exec(example.source, names)
    return [value for value in names.values() if isinstance(value, Network)]


NETWORKS = [(cls, net) for cls in TRAINED for net in networks_of(cls)]
each = pytest.mark.parametrize(("cls", "net"), NETWORKS, ids=[cls.__name__ for cls, _ in NETWORKS])


def rows_of(net, rows=9):
    """Whole numbers, which are reals and codes."""
    return np.random.default_rng(3).integers(0, 2, (rows, net.layer_sizes[0])).astype(net.dtype)


def test_every_kind_is_in_an_example():
    assert {type(layer) for _, net in NETWORKS for layer in net.layers} >= set(TRAINED)
    assert {cls.kind for cls in LAYERS.values()} - {""} == set(reference.KINDS)
    with_arrays = {cls for cls in LAYERS.values() if cls.kind and cls.arrays is not Layer.arrays}
    assert set(TRAINED) == {cls for cls in with_arrays if not cls.predicts_alone}


@each
@pytest.mark.parametrize("name", ["net.npz", "net.safetensors"])
def test_a_file_gives_the_network_back(cls, net, name, tmp_path):
    net.save(tmp_path / name)
    loaded = fastmlp.load(tmp_path / name)
    assert loaded.layers == net.layers
    assert_same_bits(loaded.predict(rows_of(net)), net.predict(rows_of(net)))
    for got, expected in zip(loaded.get_weights(), net.get_weights(), strict=True):
        assert_same_bits(got, expected, zeros=True)  # a bias begins so


@each
def test_a_copy_trains_on_with_the_same_bits(cls, net):
    X = rows_of(net)
    net = copy.deepcopy(net)
    net.compile("adam", loss="mse")
    y = np.random.default_rng(4).uniform(0.1, 0.9, (len(X), net.plan.n_out))
    net.fit(X, y, epochs=1, batch_size=4)
    before, others = net.get_weights(), [pickle.loads(pickle.dumps(net)), copy.deepcopy(net)]
    net.fit(X, y, epochs=1, batch_size=4)
    assert any((one != other).any() for one, other in zip(before, net.get_weights(), strict=True))
    for other in others:
        other.fit(X, y, epochs=1, batch_size=4)
        for got, expected in zip(other.get_weights(), net.get_weights(), strict=True):
            assert_same_bits(got, expected, zeros=True)


@each
def test_a_pickle_and_the_repr_give_the_layers_back(cls, net):
    other = pickle.loads(pickle.dumps(net))
    assert other.layers == net.layers
    assert_same_bits(other.predict(rows_of(net)), net.predict(rows_of(net)))
    shown = [layer.shown() for layer in net.layers]
    assert [eval(repr(layer), vars(fastmlp).copy()) for layer in shown] == shown


@each
def test_the_summary_has_its_line(cls, net, capsys):
    net.summary()
    lines = capsys.readouterr().out.splitlines()
    [layer, *_] = [layer for layer in net.layers if isinstance(layer, cls)]
    assert any(line.startswith(layer.words() + " ") for line in lines)
    assert lines[-1].split()[-1] == str(net.num_parameters)


@each
def test_each_array_has_factors_of_its_own(cls, net):
    """With a factor of 0 an array stays, and the others move as they do without."""
    place = next(i for i, layer in enumerate(net.layers) if isinstance(layer, cls))
    moved = list(net.layers[place]._array_names())
    for name in moved:
        changed = dataclasses.replace(net.layers[place], learning_rate={name: 0.0}, weight_decay={name: 2.0})
        layers = [*net.layers[:place], changed, *net.layers[place + 1 :]]
        other = Network([net.layer_sizes[0], *layers], dtype=net.dtype, seed=0)
        before = other.state_dict()
        other.compile("sgd", "mse")
        X = rows_of(net)
        other.fit(X, np.ones((len(X), net.layer_sizes[-1])), epochs=1, verbose=0)
        prefix = f"layers.{place}."
        kept = {key for key, array in other.state_dict().items() if np.array_equal(array, before[key])}
        assert kept & {prefix + name for name in moved} == {prefix + name}
    with pytest.raises(ValueError, match=r"names the array 'nothing', expected "):
        dataclasses.replace(net.layers[place], learning_rate={"nothing": 0.0})


def one_step(net, place, weight_decay):
    """The arrays of a copy whose layer has these factors of decay, before and after a step of AdamW."""
    changed = dataclasses.replace(net.layers[place], weight_decay=weight_decay, learning_rate=1.0)
    layers = [*net.layers[:place], changed, *net.layers[place + 1 :]]
    other = Network([net.layer_sizes[0], *layers], dtype="float64", seed=0)
    rng = np.random.default_rng(5)
    other.set_weights([rng.uniform(0.5, 1.5, array.shape) for array in other.get_weights()])
    before, X = other.state_dict(), rows_of(net).astype(np.float64)
    other.compile(fastmlp.optimizers.AdamW(1e-3, weight_decay=0.5), "mse")
    other.fit(X, np.ones((len(X), net.layer_sizes[-1])), epochs=1, verbose=0)
    return before, other.state_dict()


@each
def test_weight_decay_acts_on_weights_and_on_what_it_names(cls, net):
    """A factor of 2 takes 2 times rate times decay of the array; without names only weights decay."""
    place = next(i for i, layer in enumerate(net.layers) if isinstance(layer, cls))
    moved = net.layers[place]._array_names()
    none = {name: 0.0 for name in moved}
    before, kept = one_step(net, place, none)
    for name in moved:
        _, after = one_step(net, place, {**none, name: 2.0})
        for key, array in after.items():
            named = key == f"layers.{place}.{name}"
            taken = 2 * 1e-3 * 0.5 * before[key] if named else np.zeros_like(array)
            np.testing.assert_allclose(kept[key] - array, taken, rtol=1e-9, atol=1e-14)
    _, after = one_step(net, place, 1.0)
    decayed = {
        name for name in moved if not np.array_equal(*(d[f"layers.{place}.{name}"] for d in (after, kept)))
    }
    assert decayed == set(cls.decaying) & set(moved)
