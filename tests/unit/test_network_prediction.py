"""`Network`: prediction, and looking inside."""

import numpy as np
import pytest

from fastmlp import Dense, Dropout, Network, Rescaling, Standardize
from formulas import RTOL, sigmoid, softmax


def test_the_lecture_notes_forward_pass(dtype):
    """Three layers by hand: A1, Z1 and y as the notes print them."""
    net = Network([2, 3, 2, 2], activation="sigmoid", output="identity", dtype=dtype)
    net.set_weights(
        [
            *([[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]], [0.1, 0.2, 0.3]),
            *([[0.1, 0.4], [0.2, 0.5], [0.3, 0.6]], [0.1, 0.2]),
            *([[0.1, 0.3], [0.2, 0.4]], [0.1, 0.2]),
        ]
    )
    Z1, _, y = net.forward([1.0, 0.5])
    np.testing.assert_allclose(Z1, [0.57444252, 0.66818777, 0.75026011], rtol=1e-6)
    np.testing.assert_allclose(y, [0.31682708, 0.69627909], rtol=1e-6)
    assert net.predict([1.0, 0.5]).tobytes() == y.tobytes()


def test_predict_agrees_with_numpy(dtype, rng):
    net = Network([5, 7, 3], activation="tanh", output="softmax", dtype=dtype, seed=2)
    X = rng.normal(size=(11, 5))
    W1, b1, W2, b2 = (w.astype(np.float64) for w in net.get_weights())
    expected = softmax(np.tanh(X @ W1 + b1) @ W2 + b2)
    np.testing.assert_allclose(net.predict(X.astype(dtype)), expected, rtol=50 * RTOL[dtype.name])


def test_one_row_gives_one_row(dtype, rng):
    net = Network([5, 7, 3], dtype=dtype, seed=2)
    X = rng.normal(size=(4, 5)).astype(dtype)
    rows = net.predict(X)
    assert rows.shape == (4, 3) and rows.dtype == dtype
    assert net.predict(X[1]).shape == (3,)
    assert net.predict(X[1]).tobytes() == rows[1].tobytes()
    assert net(X).tobytes() == rows.tobytes()


@pytest.mark.parametrize(
    "kind", ["list", "int", "bool", "float16", "strided", "read-only", "big-endian", "other"]
)
def test_everything_numeric_converts(kind, dtype, rng):
    net = Network([4, 3, 2], dtype=dtype, seed=2)
    base = rng.integers(0, 2, size=(6, 4)).astype(dtype)
    other = {"float32": "float64", "float64": "float32"}[dtype.name]
    X = {
        "list": lambda: base.tolist(),
        "int": lambda: base.astype(np.int32),
        "bool": lambda: base.astype(bool),
        "float16": lambda: base.astype(np.float16),
        "strided": lambda: np.repeat(np.repeat(base, 2, axis=0), 2, axis=1)[::2, ::2],
        "read-only": lambda: np.frombuffer(base.tobytes(), dtype).reshape(6, 4),
        "big-endian": lambda: base.astype(np.dtype(dtype).newbyteorder(">")),
        "other": lambda: base.astype(other),
    }[kind]()
    assert net.predict(X).tobytes() == net.predict(base).tobytes()


def test_data_frames_convert(dtype, rng):
    pandas = pytest.importorskip("pandas")
    net = Network([3, 2], dtype=dtype, seed=2)
    frame = pandas.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": [True, False]})
    expected = net.predict(np.array([[1, 0.5, 1], [2, 1.5, 0]], dtype))
    assert net.predict(frame).tobytes() == expected.tobytes()


def test_rescaled_bytes_are_the_bits_of_a_division(dtype):
    net = Network([1, Rescaling(1 / 255), Dense(1, "identity", use_bias=False)], dtype=dtype)
    net.set_weights([[[1.0]]])
    X = np.arange(256, dtype=np.uint8).reshape(-1, 1)
    expected = X.astype(dtype) / np.dtype(dtype).type(255)
    assert net.predict(X).tobytes() == expected.tobytes()
    assert net.predict(X.astype(dtype)).tobytes() == expected.tobytes()
    assert (X.astype(dtype) * np.dtype(dtype).type(1 / 255)).tobytes() != expected.tobytes()


def test_standardize_is_part_of_the_network(dtype, rng):
    X = rng.normal(3.0, 2.0, size=(50, 3)).astype(dtype)
    layer = Standardize.adapt(X)
    net = Network([3, layer, Dense(3, "identity", use_bias=False)], dtype=dtype)
    net.set_weights([np.eye(3)])
    out = net.predict(X)
    expected = (X - np.array(layer.mean, dtype)) / np.array(layer.std, dtype)
    np.testing.assert_allclose(out, expected, rtol=RTOL[dtype.name], atol=RTOL[dtype.name])


def test_out_is_written_and_returned(dtype, rng):
    net = Network([4, 3], dtype=dtype, seed=2)
    X = rng.normal(size=(6, 4)).astype(dtype)
    out = np.full((6, 3), np.nan, dtype)
    assert net.predict(X, out=out) is out
    assert out.tobytes() == net.predict(X).tobytes()
    assert net.predict(X.tolist(), out=np.empty((6, 3), dtype)).tobytes() == out.tobytes()


def test_predict_classes(dtype):
    many = Network([2, 2], output="softmax", dtype=dtype)
    many.set_weights([[[1, 0], [0, 1]], [0, 0]])
    assert many.predict_classes([[3, 1], [1, 3], [2, 2]]).tolist() == [0, 1, 0]
    assert many.predict_classes([1, 3]) == 1
    one = Network([1, 1], output="sigmoid", dtype=dtype)
    one.set_weights([[[1]], [0]])
    classes = one.predict_classes([[-1], [0], [1]])
    assert classes.tolist() == [0, 0, 1]  # 0.5 is not above 0.5
    assert classes.dtype == np.int64
    with pytest.raises(ValueError, match="activation 'identity', predict_classes expects 'sigmoid'"):
        Network([1, 1], dtype=dtype).predict_classes([[1]])


def test_forward_shows_every_layer(dtype, rng):
    net = Network([5, 7, Dropout(0.5), 3], activation="sigmoid", dtype=dtype, seed=2)
    X = rng.normal(size=(4, 5))
    a1, a2 = net.forward(X)
    W1, b1, W2, b2 = (w.astype(np.float64) for w in net.get_weights())
    np.testing.assert_allclose(a1, sigmoid(X @ W1 + b1), rtol=50 * RTOL[dtype.name])
    np.testing.assert_allclose(a2, a1.astype(np.float64) @ W2 + b2, rtol=0, atol=RTOL[dtype.name])
    assert a2.tobytes() == net.predict(X).tobytes()
