"""`Network`: weights and state dicts go in and come out."""

import numpy as np
import pytest

from fastmlp import Dense, Network


def test_weights_go_in_and_out(dtype, rng):
    net = Network([3, 4, Dense(2, use_bias=False)], dtype=dtype, seed=0)
    new = [rng.normal(size=shape).astype(dtype) for shape in [(3, 4), (4,), (4, 2)]]
    net.set_weights(new)
    got = net.get_weights()
    assert [a.tobytes() for a in got] == [a.tobytes() for a in new]
    assert all(a.dtype == dtype and a.flags.writeable for a in got)
    assert [W.shape for W in net.weights] == [(3, 4), (4, 2)]
    assert net.biases[1] is None
    assert (net.biases[0] == new[1]).all()


def test_what_comes_out_is_a_copy(dtype):
    net = Network([3, 2], dtype=dtype, seed=0)
    before = net.get_weights()
    net.get_weights()[0][:] = 7
    net.state_dict()["layers.0.W"][:] = 7
    assert (net.get_weights()[0] == before[0]).all()
    with pytest.raises(ValueError, match="read-only"):
        net.weights[0][0, 0] = 7
    with pytest.raises(ValueError, match="read-only"):
        net.biases[0][0] = 7


def test_what_goes_in_is_copied(dtype, rng):
    net = Network([3, 2], dtype=dtype, seed=0)
    W = rng.normal(size=(3, 2)).astype(dtype)
    net.set_weights([W, np.zeros(2)])
    kept = W.copy()
    W[:] = 0
    assert (net.weights[0] == kept).all()


def test_state_dict_names_and_round_trip(dtype):
    net = Network([3, 4, Dense(2, use_bias=False)], dtype=dtype, seed=0)
    other = Network([3, 4, Dense(2, use_bias=False)], dtype=dtype, seed=1)
    state = net.state_dict()
    assert list(state) == ["layers.0.W", "layers.0.b", "layers.1.W"]
    other.load_state_dict(dict(reversed(state.items())))
    assert all((a == b).all() for a, b in zip(net.get_weights(), other.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([np.zeros((3, 2))], ValueError, r"weights has 1 arrays, expected 2: layers.0.W, layers.0.b"),
        ([np.zeros((2, 3)), np.zeros(2)], ValueError, r"layers.0.W has shape \(2, 3\), expected \(3, 2\)"),
        ([np.ones((3, 2)), np.zeros(3)], ValueError, r"layers.0.b has shape \(3,\), expected \(2,\)"),
        ([np.ones((3, 2)), [0, np.nan]], ValueError, "layers.0.b contains nan at row 1"),
        ([np.full((3, 2), np.inf), [0, 0]], ValueError, "layers.0.W contains inf at row 0, column 0"),
        ([np.ones((3, 2)), ["a", "b"]], TypeError, "layers.0.b holds strings"),
        ([np.ones((3, 2)), [1j, 0]], TypeError, "layers.0.b holds complex numbers"),
        ("weights", TypeError, "weights is a str"),
        (None, TypeError, "weights is a NoneType"),
    ],
)
def test_bad_weights_change_nothing(weights, error, message, dtype):
    net = Network([3, 2], dtype=dtype, seed=0)
    before = net.get_weights()
    with pytest.raises(error, match=message):
        net.set_weights(weights)
    assert all((a == b).all() for a, b in zip(before, net.get_weights(), strict=True))


def test_weights_too_large_for_the_type_are_refused():
    net = Network([1, 1], dtype="float32", seed=0)
    with pytest.raises(
        ValueError, match=r"layers.0.W contains 1e\+300 at row 0, column 0, which float32 cannot"
    ):
        net.set_weights([[[1e300]], [0.0]])


def test_bad_state_dicts_change_nothing(dtype):
    net = Network([3, 2], dtype=dtype, seed=0)
    before = net.get_weights()
    good = net.state_dict()
    with pytest.raises(ValueError, match="state lacks 'layers.0.b'"):
        net.load_state_dict({"layers.0.W": good["layers.0.W"] + 1})
    with pytest.raises(ValueError, match="state holds 'extra'"):
        net.load_state_dict({**good, "extra": np.zeros(1)})
    with pytest.raises(TypeError, match="state is a list"):
        net.load_state_dict([1, 2])
    assert all((a == b).all() for a, b in zip(before, net.get_weights(), strict=True))
