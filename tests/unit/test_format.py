"""Model files: the same bits again, resumed training, what cannot be saved."""

import json

import numpy as np
import pytest

import fastmlp
from fastmlp import Network, NotCompiledError, Rescaling
from fastmlp.optimizers import SGD, AdamW, RMSprop
from fastmlp.schedules import CosineDecay, Warmup
from helpers import RULES
from model_files import bits, network

# ---- round trips ----


def test_a_loaded_network_predicts_the_same_bits(tmp_path, dtype, data):
    net = network(dtype)
    net.save(tmp_path / "net.npz")
    other = fastmlp.load(tmp_path / "net.npz")
    X = data[0].astype(dtype)
    assert other.predict(X).tobytes() == net.predict(X).tobytes()
    assert bits(other) == bits(net)
    assert (other.layers, other.seed, other.dtype) == (net.layers, net.seed, net.dtype)
    assert other.optimizer is None


def test_rescaled_bytes_survive(tmp_path):
    net = Network([2, Rescaling(1 / 255), 3], seed=0)
    net.save(tmp_path / "net.npz")
    X = np.arange(256, dtype=np.uint8).reshape(-1, 2)
    assert fastmlp.load(tmp_path / "net.npz").predict(X).tobytes() == net.predict(X).tobytes()


@pytest.mark.parametrize(
    "arguments",
    [
        {"optimizer": SGD(Warmup(CosineDecay(0.1, steps=50), steps=5), momentum=0.9, nesterov=True)},
        {
            "optimizer": RMSprop(0.01, global_clipnorm=1.0, l2=0.001),
            "loss": "sparse_categorical_crossentropy",
        },
        {"optimizer": AdamW(0.01), "metrics": []},
        {"optimizer": "adagrad", "loss": "mse", "metrics": []},
    ],
)
def test_what_compile_was_told_is_saved(arguments, tmp_path, dtype):
    net = network(dtype)
    net.compile(**arguments)
    net.save(tmp_path / "net.npz")
    other = fastmlp.load(tmp_path / "net.npz")
    assert (other.optimizer, other.loss, other.metrics) == (net.optimizer, net.loss, net.metrics)


def test_a_loss_parameter_is_saved(tmp_path, dtype):
    net = Network([2, 1], dtype=dtype, seed=0)
    net.compile(loss=("huber", 0.25))
    net.save(tmp_path / "net.npz")
    other = fastmlp.load(tmp_path / "net.npz")
    X, y = [[3.0, 4.0]], [100.0]
    assert other.evaluate(X, y) == net.evaluate(X, y)


@pytest.mark.parametrize("optimizer", [*RULES.values(), SGD(0.1, momentum=0.9)])
@pytest.mark.parametrize("one_hot", [False, True])
def test_a_resumed_training_ends_with_the_same_bits(optimizer, one_hot, tmp_path, dtype, data):
    X, y = data
    y = np.eye(3)[y] if one_hot else y
    whole = network(dtype)
    whole.compile(optimizer)
    batch_size = None if optimizer.all_rows else 16
    whole.fit(X, y, epochs=5, batch_size=batch_size)

    first = network(dtype)
    first.compile(optimizer)
    first.fit(X, y, epochs=2, batch_size=batch_size)
    assert bits(first) != bits(whole)
    first.save(tmp_path / "net.npz", include_optimizer=True)
    second = fastmlp.load(tmp_path / "net.npz")
    second.fit(X, y, epochs=3, batch_size=batch_size)
    assert bits(second) == bits(whole)


def test_without_the_optimizer_a_training_begins_anew(tmp_path, data):
    net = network("float32")
    net.compile("adam")
    net.fit(*data, epochs=2)
    net.save(tmp_path / "net.npz")
    other = fastmlp.load(tmp_path / "net.npz")
    assert other.plan.step == 0
    assert not any(array.any() for slot in other.plan.get_state()["slots"] for array in slot)


def test_the_same_network_gives_the_same_file(tmp_path):
    for name in ("a.npz", "b.npz"):
        network("float32").save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_numpy_and_people_can_read_the_file(saved):
    with np.load(saved, allow_pickle=False) as arrays:
        assert arrays["layers.0.W"].shape == (4, 6)
        assert "layers.0.b" not in arrays
        assert arrays["optimizer.1.layers.1.b"].shape == (3,)
        header = json.loads(arrays["header.json"])
    assert header["format"] == "fastmlp" and header["version"] == 1
    assert header["layers"][0] == {"type": "Standardize", "mean": [0, 1, 2, 3], "std": [1, 2, 3, 4]}


# ---- what cannot be saved ----


@pytest.mark.parametrize("name", ["net", "net.pkl", "net.NPZ", "net.safetensor"])
def test_other_suffixes_are_refused(name, tmp_path):
    with pytest.raises(ValueError, match=r"path is .*expected a name that ends with .npz, .safetensors"):
        Network([2, 1]).save(tmp_path / name)
    with pytest.raises(ValueError, match=r"path is .*expected a name that ends with .npz, .safetensors"):
        fastmlp.load(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_path_must_be_one():
    with pytest.raises(TypeError, match="path is a int"):
        Network([2, 1]).save(3)


def mean_square(y_true, y_pred):
    return float(((y_pred - y_true) ** 2).mean()), 2 * (y_pred - y_true) / y_pred.size


def test_a_python_loss_is_left_out(tmp_path):
    net = Network([2, 1], seed=0)
    net.compile(loss=mean_square)
    with pytest.raises(ValueError, match="loss is a Python function"):
        net.save(tmp_path / "net.npz", include_optimizer=True)
    assert list(tmp_path.iterdir()) == []
    net.save(tmp_path / "net.npz")
    other = fastmlp.load(tmp_path / "net.npz")
    assert bits(other) == bits(net) and other.optimizer is None


def test_an_optimizer_must_be_there_to_be_saved(tmp_path):
    with pytest.raises(NotCompiledError, match="include_optimizer"):
        Network([2, 1]).save(tmp_path / "net.npz", include_optimizer=True)
