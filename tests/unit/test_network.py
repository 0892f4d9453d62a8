"""`Network`: construction, seeds, words and configuration."""

import numpy as np
import pytest

import fastmlp
from fastmlp import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    LayerNormalization,
    Network,
    Rescaling,
    Standardize,
)

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
        ([3, 4.5, 2], TypeError, r"layers\[1\] is 4.5, expected a width or one of Dense, .*Dropout"),
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
    "layers", [[784, 8, Standardize(*[(1.0,) * 784] * 2), 1], [784, Standardize(*[(1.0,) * 784] * 2)]]
)
def test_a_layer_of_many_numbers_is_not_written_out_in_an_error(layers):
    with pytest.raises(
        ValueError, match=r"Standardize\(mean=.*\.\.\., which belongs|\.\.\. after the input, expec"
    ) as error:
        Network(layers)
    assert len(str(error.value)) < 200


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
