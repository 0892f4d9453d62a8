"""`Network`: construction, parameters, prediction, looking inside, compiling, copies."""

import copy
import pickle
import threading

import numpy as np
import pytest

import fastmlp
from fastmlp import (
    Activation,
    BatchNormalization,
    BusyError,
    Dense,
    Dropout,
    LayerNormalization,
    Network,
    NotCompiledError,
    Rescaling,
    Standardize,
)
from fastmlp.optimizers import SGD, Adam

DTYPES = ["float32", "float64"]
RTOL = {"float32": 2e-5, "float64": 1e-12}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(7)


# ---- construction ----


def test_widths_alone_make_a_network(dtype):
    net = Network([784, 100, 10], activation="sigmoid", output="softmax", dtype=dtype, seed=0)
    assert net.layers == (
        Dense(100, "sigmoid", initializer="glorot_uniform"),
        Dense(10, "softmax", initializer="glorot_uniform"),
    )
    assert net.layer_sizes == (784, 100, 10)
    assert net.num_parameters == 79510
    assert net.dtype == dtype
    assert Network([784, 16, 16, 10]).num_parameters == 13002


def test_activations_of_layers_count():
    net = Network([3, Dense(4, "tanh"), 5, Dense(2)], activation="silu", output="sigmoid")
    assert [layer.activation for layer in net.layers] == ["tanh", "silu", "sigmoid"]
    net = Network([3, 4, 5, Dense(2, "exp")], activation=["gelu", ("elu", 0.5)])
    assert [layer.activation for layer in net.layers] == ["gelu", ("elu", 0.5), "exp"]


def test_dropouts_in_a_row_are_one_that_keeps_what_all_of_them_keep():
    net = Network([3, 4, Dropout(0.5), Dropout(0.1), 2])
    assert [node["dropout"] for node in net.plan.layers] == [0.0, pytest.approx(1 - 0.5 * 0.9)]


def test_defaults_are_relu_and_identity():
    assert [layer.activation for layer in Network([3, 4, 2]).layers] == ["relu", "identity"]


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ([], ValueError, "layers has 0 elements"),
        ([3], ValueError, "layers has 1 elements"),
        (3, TypeError, "layers is a int, expected a list"),
        ("784", TypeError, "layers is a str"),
        ([0, 3], ValueError, r"layers\[0\], the input's width, is 0"),
        ([3, 0], ValueError, r"layers\[1\] is 0"),
        ([3, -1, 2], ValueError, r"layers\[1\] is -1"),
        ([3, 4.5, 2], TypeError, r"layers\[1\] is 4.5, expected a width or one of Dense, Dropout"),
        ([3, None, 2], TypeError, r"layers\[1\] is None"),
        ([Dense(3), 2], TypeError, "layers begins with Dense"),
        ([3, Dropout(0.5)], ValueError, r"layers has \[Dropout\(0.5\)\] after the input, expected a width"),
        ([3, 4, Dropout(0.5)], ValueError, r"layers ends with Dropout\(0.5\)"),
        ([3, Dense(4, "relu"), Activation("tanh"), 2], ValueError, r"layers\[2\] is Activation\('tanh'\)"),
        ([3, Activation("tanh"), 2], ValueError, r"layers\[1\] is Activation"),
        ([3, BatchNormalization()], ValueError, "expected a width or a Dense layer"),
        ([3, Dense(4, "softmax"), LayerNormalization()], ValueError, "'softmax' is in a hidden layer"),
        ([3, 4, Rescaling(2.0), 2], ValueError, "directly after the input's width"),
        ([3, Dropout(0.5), Rescaling(2.0), 2], ValueError, "directly after the input's width"),
        ([3, Standardize([1, 2], [1, 2]), 2], ValueError, "Standardize has 2 means, expected 3"),
        ([3, Dense(4, "softmax"), 2], ValueError, "'softmax' is in a hidden layer"),
    ],
)
def test_bad_layers(layers, error, message):
    with pytest.raises(error, match=message):
        Network(layers)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dtype": "float16"}, ValueError, "unknown dtype 'float16', expected one of float32, float64"),
        ({"dtype": int}, ValueError, "unknown dtype"),
        ({"dtype": None}, ValueError, "unknown dtype"),
        ({"dtype": "nonsense"}, ValueError, "unknown dtype 'nonsense'"),
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"seed": 2**64}, ValueError, "seed is 18446744073709551616"),
        ({"seed": "0"}, TypeError, "seed is '0', expected None, an integer or a NumPy Generator"),
        ({"seed": True}, TypeError, "seed is True"),
        ({"activation": "rely"}, ValueError, "unknown activation 'rely'"),
        ({"output": "rely"}, ValueError, "unknown output 'rely'"),
        ({"activation": ["tanh", "tanh"]}, ValueError, "activation has 2 names"),
        ({"isa": "mmx"}, ValueError, "'mmx'"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        Network([3, 4, 2], **options)


def test_a_width_float32_cannot_scale_is_refused():
    assert Network([1, Rescaling(1e60), 1], dtype="float64")
    with pytest.raises(ValueError, match="Rescaling .* which float32 cannot hold"):
        Network([1, Rescaling(1e60), 1], dtype="float32")


# ---- seeds ----


def test_a_seed_gives_the_same_weights(dtype):
    def weights(seed):
        return b"".join(w.tobytes() for w in Network([20, 30, 4], dtype=dtype, seed=seed).get_weights())

    assert weights(3) == weights(3)
    assert weights(3) != weights(4)
    assert weights(3) != weights(3 + 2**32)  # all 64 bits count
    assert weights(None) != weights(None)
    assert weights(np.random.default_rng(1)) == weights(np.random.default_rng(1))
    assert weights(np.int64(3)) == weights(3)


def test_a_generator_is_only_asked_for_a_seed():
    generator = np.random.default_rng(1)
    first, second = Network([2, 1], seed=generator), Network([2, 1], seed=generator)
    assert first.seed == int(np.random.default_rng(1).integers(0, 2**64, dtype=np.uint64))
    assert first.seed != second.seed
    assert (Network([2, 1], seed=first.seed).weights[0] == first.weights[0]).all()


# ---- words ----


def test_summary_has_the_parameters_of_every_layer(capsys):
    Network([784, 100, Dropout(0.2), 10], activation="sigmoid", output="softmax").summary()
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split("  ")[0].strip(): line for line in lines}
    assert rows["dense, sigmoid"].split()[-1] == "78500"
    assert rows["dense, softmax"].split()[-1] == "1010"
    assert rows["dropout, 0.2"].split()[-1] == "0"
    assert rows["Total"].split()[-1] == "79510"
    assert "(rows, 100)" in rows["dense, sigmoid"]
    assert len({len(line) for line in lines}) == 1


def test_summary_prints_where_it_is_told():
    lines = []
    Network([5, Rescaling(0.5), Dense(3, ("leaky_relu", 0.2), use_bias=False), 1]).summary(lines.append)
    assert any(line.startswith("rescaling") for line in lines)
    assert any(line.startswith("dense, leaky_relu(0.2)") and line.split()[-1] == "15" for line in lines)


def test_repr_makes_the_same_network(dtype):
    net = Network(
        [3, Rescaling(0.5), Dense(4, ("elu", 0.5), use_bias=False), Dropout(0.25), Dense(2, "exp")],
        dtype=dtype,
        seed=9,
    )
    again = eval(repr(net))
    assert repr(again) == repr(net)
    assert again.layers == net.layers
    assert all((a == b).all() for a, b in zip(net.get_weights(), again.get_weights(), strict=True))


# ---- parameters ----


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


# ---- prediction ----


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
    np.testing.assert_allclose(net.predict(X.astype(dtype)), expected, rtol=50 * RTOL[dtype])


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
    other = {"float32": "float64", "float64": "float32"}[dtype]
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
    np.testing.assert_allclose(out, expected, rtol=RTOL[dtype], atol=RTOL[dtype])


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
    np.testing.assert_allclose(a1, sigmoid(X @ W1 + b1), rtol=50 * RTOL[dtype])
    np.testing.assert_allclose(a2, a1.astype(np.float64) @ W2 + b2, rtol=0, atol=50 * RTOL[dtype])
    assert a2.tobytes() == net.predict(X).tobytes()


# ---- gradients ----


def test_gradients_are_central_differences(rng):
    net = Network(
        [4, 6, Dense(3, use_bias=False)], activation="tanh", output="softmax", dtype="float64", seed=1
    )
    net.compile()
    X, y, weight = rng.normal(size=(5, 4)), np.array([0, 2, 1, 1, 0]), np.array([1.0, 2.0, 0.0, 0.5, 1.0])
    loss, gradients, dX = net.gradients(X, y, weight, input_gradient=True)
    assert gradients[1][1] is None
    flat = [array for pair in gradients for array in pair if array is not None]
    weights, h = net.get_weights(), 1e-6

    def loss_with(values, X):
        net.set_weights(values)
        return net.gradients(X, y, weight)[0]

    def difference(arrays, array, index, X):
        up, down = ([a.copy() for a in arrays] for _ in range(2))
        up[array][index] += h
        down[array][index] -= h
        return (loss_with(up, X) - loss_with(down, X)) / (2 * h)

    for k, gradient in enumerate(flat):
        numeric = np.array([difference(weights, k, i, X) for i in np.ndindex(gradient.shape)])
        assert np.abs(gradient).max() > 1e-3
        np.testing.assert_allclose(gradient.ravel(), numeric, rtol=1e-6, atol=1e-9)
    net.set_weights(weights)
    assert loss == net.gradients(X, y, weight)[0]
    numeric_x = np.empty_like(X)
    for i in np.ndindex(X.shape):
        shifted = [X.copy(), X.copy()]
        shifted[0][i] += h
        shifted[1][i] -= h
        numeric_x[i] = (loss_with(weights, shifted[0]) - loss_with(weights, shifted[1])) / (2 * h)
    assert np.abs(dX).max() > 1e-3
    np.testing.assert_allclose(dX, numeric_x, rtol=1e-6, atol=1e-9)


def test_a_loss_in_python_has_the_gradients_of_its_twin(dtype, rng):
    def mean_square(y_true, y_pred):
        residual = y_pred - y_true
        return float((residual**2).mean()), 2 * residual / residual.size

    net = Network([4, 5, 2], activation="tanh", output="sigmoid", dtype=dtype, seed=1)
    X, y = rng.normal(size=(6, 4)), rng.uniform(size=(6, 2))
    net.compile(loss="mse")
    loss, gradients = net.gradients(X, y)
    net.compile(loss=mean_square)
    own_loss, own_gradients = net.gradients(X, y)
    np.testing.assert_allclose(own_loss, loss, rtol=50 * RTOL[dtype])
    for (dW, db), (own_dW, own_db) in zip(gradients, own_gradients, strict=True):
        assert np.abs(dW).max() > 1e-4
        np.testing.assert_allclose(own_dW, dW, rtol=50 * RTOL[dtype], atol=RTOL[dtype])
        np.testing.assert_allclose(own_db, db, rtol=50 * RTOL[dtype], atol=RTOL[dtype])


# ---- compile ----


@pytest.mark.parametrize(
    ("output", "y", "loss"),
    [
        ("softmax", [0, 1], "sparse_categorical_crossentropy"),
        ("softmax", [[0], [1]], "sparse_categorical_crossentropy"),
        ("softmax", [[1, 0], [0.5, 0.5]], "categorical_crossentropy"),
        ("log_softmax", [0.0, 1.0], "sparse_categorical_crossentropy"),
        ("sigmoid", [[0, 1], [1, 1]], "binary_crossentropy"),
        ("exp", [[0, 3], [1, 2]], "poisson"),
        ("identity", [[0, 3], [1, 2]], "mse"),
        ("tanh", [[0, 1], [1, 0]], "mse"),
    ],
)
def test_the_loss_that_fits_is_taken(output, y, loss, dtype):
    X = [[1.0, 2.0, 3.0], [0.5, 0.5, -1.0]]
    fitted, explicit = (Network([3, 2], output=output, dtype=dtype, seed=4) for _ in range(2))
    fitted.compile("sgd")
    explicit.compile("sgd", loss=loss)
    assert fitted.evaluate(X, y) == explicit.evaluate(X, y)
    fitted.train_on_batch(X, y)
    explicit.train_on_batch(X, y)
    assert fitted.weights[0].tobytes() == explicit.weights[0].tobytes()


def test_labels_and_one_hot_rows_take_the_same_steps(dtype, rng):
    """Changing from one form of target to the other keeps the optimizer's state."""
    X, labels = rng.normal(size=(8, 3)), rng.integers(0, 3, size=8)
    one_hot = np.eye(3)[labels]
    first, second = (Network([3, 5, 3], output="softmax", dtype=dtype, seed=4) for _ in range(2))
    for net in (first, second):
        net.compile(Adam(0.01))
    for step in range(4):
        first.train_on_batch(X, labels)
        second.train_on_batch(X, one_hot if step % 2 else labels)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=50 * RTOL[dtype], atol=RTOL[dtype])
    assert second.plan.step == 4


def test_default_metrics_follow_the_loss():
    softmax_net, identity_net = Network([2, 2], output="softmax"), Network([2, 2])
    for net, loss, expected in [
        (softmax_net, None, ["accuracy"]),
        (softmax_net, "mse", []),
        (identity_net, None, []),
        (Network([2, 1], output="sigmoid"), None, ["accuracy"]),
    ]:
        net.compile(loss=loss)
        assert net.metrics == expected


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"loss": "mean"}, ValueError, "unknown loss 'mean', expected one of sparse_categorical"),
        ({"loss": "binary_crossentropy"}, ValueError, "needs the output activation 'sigmoid', got 'softmax'"),
        ({"loss": "poisson"}, ValueError, "needs the output activation 'exp'"),
        ({"loss": ("mse", 0.5)}, ValueError, "'mse' takes no parameter"),
        ({"loss": ("huber", 0.0)}, ValueError, "delta is 0, expected a finite number above 0"),
        ({"loss": 3}, TypeError, "loss is 3"),
        ({"optimizer": "adan"}, ValueError, "unknown optimizer 'adan'"),
        ({"optimizer": 0.1}, TypeError, "optimizer is 0.1"),
        ({"metrics": ["acuracy"]}, ValueError, "'acuracy'"),
    ],
)
def test_a_bad_compile_changes_nothing(arguments, error, message):
    net = Network([2, 2], output="softmax", seed=0)
    net.compile(SGD(0.1, momentum=0.5), metrics=[])
    net.train_on_batch([[1, 2]], [1])
    with pytest.raises(error, match=message):
        net.compile(**arguments)
    assert net.optimizer == SGD(0.1, momentum=0.5)
    assert net.plan.step == 1


def test_step_runs_and_refuses_training(dtype):
    net = Network([1, Dense(2, "step"), 1], dtype=dtype)
    net.set_weights([[[1, -1]], [0, 0], [[1], [2]], [0]])
    assert net.predict([[3], [-3]]).ravel().tolist() == [1, 2]
    with pytest.raises(ValueError, match="'step' has derivative 0"):
        net.compile()


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "gradients"])
def test_compile_comes_first(method):
    with pytest.raises(NotCompiledError, match="compile"):
        getattr(Network([2, 1]), method)([[1.0, 2.0]], [1.0])


def test_compile_begins_the_optimizer_anew(dtype, rng):
    X, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 1))
    net = Network([3, 1], dtype=dtype, seed=0)
    start = net.get_weights()
    results = []
    for _ in range(2):
        net.set_weights(start)
        net.compile("adam")
        net.fit(X, y, epochs=3, batch_size=2)
        results.append(net.weights[0].tobytes())
    assert results[0] == results[1]


def test_two_fits_are_one(dtype, rng):
    X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
    nets = [Network([3, 4, Dropout(0.3), 1], dtype=dtype, seed=0) for _ in range(2)]
    for net, cut in zip(nets, [(5,), (2, 3)], strict=True):
        net.compile("adam")
        for epochs in cut:
            net.fit(X, y, epochs=epochs, batch_size=6)
    for a, b in zip(nets[0].get_weights(), nets[1].get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


# ---- the flag ----


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


# ---- copies ----


def copies(net):
    return [pickle.loads(pickle.dumps(net)), copy.deepcopy(net)]


def test_copies_predict_the_same_bits(dtype, rng):
    X = rng.normal(size=(9, 4)).astype(dtype)
    net = Network([4, Standardize([0, 1, 2, 3], [1, 2, 3, 4]), 5, 2], activation="gelu", dtype=dtype, seed=3)
    for other in copies(net):
        assert other.predict(X).tobytes() == net.predict(X).tobytes()
        assert (other.layers, other.seed, other.dtype, other.isa) == (
            net.layers,
            net.seed,
            net.dtype,
            net.isa,
        )
        other.set_weights([np.zeros_like(w) for w in other.get_weights()])
        assert net.weights[0].any()


def test_copies_keep_the_optimizer(dtype, rng):
    X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
    net = Network([3, 6, Dropout(0.5), 1], dtype=dtype, seed=3)
    net.compile(Adam(0.01), loss=("huber", 0.5))
    net.fit(X, y, epochs=3, batch_size=8)
    others = copies(net)
    net.fit(X, y, epochs=2, batch_size=8)
    for other in others:
        assert other.optimizer == net.optimizer and other.loss == net.loss
        other.fit(X, y, epochs=2, batch_size=8)
        for a, b in zip(net.get_weights(), other.get_weights(), strict=True):
            assert a.tobytes() == b.tobytes()


def test_copies_keep_ones_own_attributes_and_class():
    net = Named([2, 1], seed=0)
    net.title, net.itself = "mine", net
    for other in copies(net):
        assert type(other) is Named and other.title == "mine"
        assert other.itself is other


class Named(Network):
    """A subclass must survive pickling."""


# ---- configuration ----


def test_threads_are_set_and_checked():
    before = fastmlp.get_num_threads()
    try:
        fastmlp.set_num_threads(1)
        assert fastmlp.get_num_threads() == 1
        for bad, error in [(0, ValueError), (1.5, TypeError), ("2", TypeError)]:
            with pytest.raises(error, match="threads is"):
                fastmlp.set_num_threads(bad)
        assert fastmlp.get_num_threads() == 1
    finally:
        fastmlp.set_num_threads(before)


def test_show_config_names_the_instruction_set(capsys):
    fastmlp.show_config()
    out = capsys.readouterr().out
    assert fastmlp.__version__ in out and np.__version__ in out
    assert Network([1, 1]).isa in out
