"""Model files: the same bits again, resumed training, damaged and hostile files, atomic replacement."""

import json
import os
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest

import fastmlp
from fastmlp import Dense, Dropout, ModelFileError, Network, NotCompiledError, Rescaling, Standardize
from fastmlp.files import format as files
from fastmlp.optimizers import SGD, Adam, AdamW, RMSprop
from fastmlp.schedules import CosineDecay, Warmup

DTYPES = ["float32", "float64"]


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    return rng.normal(size=(40, 4)), rng.integers(0, 3, size=40)


def network(dtype):
    layers = [
        4,
        Standardize([0, 1, 2, 3], [1, 2, 3, 4]),
        Dense(6, ("elu", 0.5), use_bias=False),
        Dropout(0.3),
        3,
    ]
    return Network(layers, output="softmax", dtype=dtype, seed=2**64 - 3)


def bits(net):
    return [w.tobytes() for w in net.get_weights()]


def rewritten(source, target, header=None, arrays=None, compression=zipfile.ZIP_STORED):
    """A copy of a model file with a changed header, or with members replaced, removed (None) or added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "header.json" and header is not None:
                fields = json.loads(content)
                header(fields)
                content = json.dumps(fields).encode()
            if arrays is not None and name in arrays:
                content = arrays[name]
            if content is not None:
                new.writestr(name, content)
    return target


@pytest.fixture
def saved(tmp_path, data):
    net = network("float32")
    net.compile(Adam(0.01))
    net.fit(*data, epochs=1)
    path = tmp_path / "net.npz"
    net.save(path, include_optimizer=True)
    return path


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


@pytest.mark.parametrize("optimizer", ["sgd", SGD(0.1, momentum=0.9), "adagrad", "rmsprop", "adam", "adamw"])
@pytest.mark.parametrize("one_hot", [False, True])
def test_a_resumed_training_ends_with_the_same_bits(optimizer, one_hot, tmp_path, dtype, data):
    X, y = data
    y = np.eye(3)[y] if one_hot else y
    whole = network(dtype)
    whole.compile(optimizer)
    whole.fit(X, y, epochs=5, batch_size=16)

    first = network(dtype)
    first.compile(optimizer)
    first.fit(X, y, epochs=2, batch_size=16)
    assert bits(first) != bits(whole)
    first.save(tmp_path / "net.npz", include_optimizer=True)
    second = fastmlp.load(tmp_path / "net.npz")
    second.fit(X, y, epochs=3, batch_size=16)
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


# ---- damaged and foreign files ----


def assert_refused(path, message):
    with pytest.raises(ModelFileError, match=message) as caught:
        fastmlp.load(path)
    text = str(caught.value)
    assert text.isprintable() and len(text) < len(str(path)) + 400 and str(path) in text


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        fastmlp.load(tmp_path / "none.npz")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x93NUMPY", bytes(1000)])
def test_foreign_files(content, tmp_path):
    path = tmp_path / "net.npz"
    path.write_bytes(content)
    assert_refused(path, "truncated, damaged or not a fastmlp model")


def test_an_npz_of_someone_else(tmp_path):
    np.savez(tmp_path / "net.npz", W=np.ones(3))
    assert_refused(tmp_path / "net.npz", "it has no header.json")


def test_truncated_files(saved, tmp_path):
    content = saved.read_bytes()
    path = tmp_path / "cut.npz"
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        assert_refused(path, "truncated, damaged or not")


def test_flipped_bits_are_noticed_or_harmless(saved, tmp_path):
    """Every number stands under a checksum: a damaged file is refused, or it is the same network."""
    content = saved.read_bytes()
    good = fastmlp.load(saved)
    path, rng, refused = tmp_path / "flipped.npz", np.random.default_rng(0), 0
    for position in rng.integers(0, len(content), size=300):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            net = fastmlp.load(path)
        except ModelFileError:
            refused += 1
        else:
            assert bits(net) == bits(good) and net.layers == good.layers
    assert refused > 200


# Also what a header in another container is refused for.
BAD_HEADERS = [
    (lambda h: h.update(format="other"), "names another format"),
    (lambda h: h.update(version=2), r"written by a newer fastmlp \(format 2\), this one reads up to 1"),
    (lambda h: h.update(version="1"), "format version '1'"),
    (lambda h: h.update(version=0), "format version 0"),
    (lambda h: h.pop("layers"), "'layers'"),
    (lambda h: h.update(layers=[]), "expected a width or a Dense layer"),
    (lambda h: h.update(layers=7), "not a readable fastmlp model"),
    (lambda h: h["layers"].append({"type": "Dropout", "rate": 0.1}), "layers ends with"),
    (lambda h: h["layers"][1].update(type="Conv"), "unknown layer 'Conv'"),
    (lambda h: h["layers"][1].update(type=["Dense"]), "not a readable"),
    (lambda h: h["layers"][1].update(units=5), "layers.0.W"),
    (lambda h: h["layers"][1].update(units="6"), "units is '6'"),
    (lambda h: h["layers"][1].update(activation="softmax"), "hidden layer"),
    (lambda h: h["layers"][1].update(activation="rely"), "unknown activation 'rely'"),
    (lambda h: h["layers"][1].update(colour="red"), "colour"),
    (lambda h: h["layers"][1].update({"\x1b[2J\x07": 1}), r"argument '\\x1b\[2J\\x07'"),
    (lambda h: h["layers"][1].update({"x" * 10**6: 1}), "argument 'xxxx"),
    (lambda h: h.update(format="\n" * 10**6, version="\x1b" * 10**6), "names another format"),
    (lambda h: h.update(version="\x1b" * 10**6), r"format version '\\x1b"),
    (lambda h: h["layers"][1].update(use_bias=True), "lacks the array layers.0.b"),
    (lambda h: h["layers"][0].update(std=[1, 2, 3]), "std has 3 numbers"),
    (lambda h: h["layers"][0].update(mean=[0, 1, 2], std=[1, 2, 3]), "Standardize has 3 means"),
    (lambda h: h.update(n_in=5), "layers.0.W"),
    (lambda h: h.update(n_in=-1), "n_in is -1"),
    (lambda h: h.update(dtype="float64"), "layers.0.W"),
    (lambda h: h.update(dtype="int8"), "unknown dtype 'int8'"),
    (lambda h: h.update(seed=-1), "seed is -1"),
    (lambda h: h.update(seed=None), "seed is None"),
    (lambda h: h["compile"].update(loss="mean"), "unknown loss 'mean'"),
    (lambda h: h["compile"].update(compiled_loss="poisson"), "needs the output activation"),
    (lambda h: h["compile"]["optimizer"].update(type="adan"), "unknown optimizer 'adan'"),
    (lambda h: h["compile"]["optimizer"].update(beta_1=2), "beta_1 is 2"),
    (
        lambda h: h["compile"]["optimizer"].update(learning_rate={"type": "Sine"}),
        "unknown schedule 'Sine'",
    ),
    (lambda h: h["training"].update(slots=1), r"slots|holds 'optimizer\.1"),
    (lambda h: h["training"].update(slots=10**9), "slots is 1000000000"),
    (lambda h: h["training"].update(step=-1), "step is -1"),
    (lambda h: h["training"].update(step=2**53), "step is 9007199254740992"),
    (lambda h: h["training"].update(step=2**63 - 1), "step is 9223372036854775807"),
    (lambda h: h.update(compile=None), "the state of an optimizer but no optimizer"),
    (lambda h: h["training"].update(epochs="many"), "epochs is 'many'"),
    (lambda h: h["training"].update(beta_powers=[0.5]), "not a readable"),
    (lambda h: h["training"].update(beta_powers=[0.5, 7]), "beta_powers is 7"),
    (lambda h: h["training"].update(beta_powers=[-0.5, 0.5]), "beta_powers is -0.5"),
]


@pytest.mark.parametrize(("change", "message"), BAD_HEADERS)
def test_bad_headers(change, message, saved, tmp_path):
    assert_refused(rewritten(saved, tmp_path / "bad.npz", header=change), message)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", "not a readable"),
        (b"[]", "names another format"),
        (b"null", "names another format"),
        (b"{", "not a readable"),
        (b"\xff\xfe", "not a readable"),
        (b'{"format": "fastmlp", "version": NaN}', "contains NaN"),
        (b"[" * 100_000, "not a readable"),
        (b'{"a":' + b"9" * 10_000 + b"}", "not a readable"),
    ],
)
def test_headers_that_are_none(header, message, saved, tmp_path):
    assert_refused(rewritten(saved, tmp_path / "bad.npz", arrays={"header.json": header}), message)


def npy(array, version=(1, 0)):
    import io

    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), version=version)
    return file.getvalue()


W = np.zeros((4, 6), np.float32)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "lacks the array layers.0.W"),
        (b"", "bytes for layers.0.W"),
        (npy(W)[:-1], "bytes for layers.0.W"),
        (npy(W) + b"\0", "bytes for layers.0.W"),
        (npy(np.zeros((6, 4), np.float32)), r"holds layers.0.W of shape \(6, 4\)"),
        (npy(np.zeros((4, 6), np.int32)), "int32"),
        (npy(W.astype(">f4")), "holds layers.0.W"),
        (npy(np.asfortranarray(W)), "holds layers.0.W"),
        (npy(W, (2, 0)), r".npy version \(2, 0\)"),
        (npy(W + np.nan), "layers.0.W contains nan at row 0, column 0"),
        (npy(W).replace(b"(4, 6)", b"(9, 9)"), r"shape \(9, 9\)"),
        (b"\x93NUMPY\x01\x00" + bytes(96 + 120), "layers.0.W|readable"),
    ],
)
def test_bad_arrays(content, message, saved, tmp_path):
    assert_refused(rewritten(saved, tmp_path / "bad.npz", arrays={"layers.0.W.npy": content}), message)


BAD_STATES = [
    (0, np.nan, r"optimizer.0.layers.0.W contains nan at row 0, column 0"),
    (0, np.inf, r"optimizer.0.layers.0.W contains inf at row 0, column 0"),
    (1, np.nan, r"optimizer.1.layers.0.W contains nan at row 0, column 0"),
    (1, -np.inf, r"optimizer.1.layers.0.W contains -inf at row 0, column 0"),
    (1, -1e-30, r"holds -1e-30 in optimizer.1.layers.0.W, expected numbers of 0 or more"),
]


@pytest.mark.parametrize(("slot", "value", "message"), BAD_STATES)
def test_states_that_no_training_reaches_are_refused(slot, value, message, saved, tmp_path):
    bad = W.copy()
    bad[0, 0] = value
    name = f"optimizer.{slot}.layers.0.W.npy"
    assert_refused(rewritten(saved, tmp_path / "bad.npz", arrays={name: npy(bad)}), message)


def test_first_moments_may_be_negative(saved, tmp_path):
    target = rewritten(saved, tmp_path / "good.npz", arrays={"optimizer.0.layers.0.W.npy": npy(W - 1)})
    assert fastmlp.load(target).plan.get_state()["slots"][0][0][0, 0] == -1


def test_the_last_step_loads_and_a_training_beyond_it_is_refused(saved, tmp_path, data):
    def change(header):
        header["training"]["step"] = 2**53 - 1
        header["compile"]["optimizer"]["learning_rate"] = {
            "type": "ExponentialDecay", "learning_rate": 0.1, "factor": 0.9, "every": 10,
        }  # fmt: skip

    net = fastmlp.load(rewritten(saved, tmp_path / "late.npz", header=change))
    assert net.plan.step == 2**53 - 1
    with pytest.raises(ValueError, match="count is 2, expected an integer from 0 to 1"):
        net.fit(*data, batch_size=20)


def test_a_pickle_inside_is_not_opened(saved, tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    import io

    file = io.BytesIO()
    np.lib.format.write_array(file, np.array([Bomb()], dtype=object), allow_pickle=True)
    bad = rewritten(saved, tmp_path / "bad.npz", arrays={"layers.0.W.npy": file.getvalue()})
    assert_refused(bad, "layers.0.W")
    assert not (tmp_path / "exploded").exists()


def test_compressed_members_are_refused(saved, tmp_path):
    bad = rewritten(saved, tmp_path / "bad.npz", compression=zipfile.ZIP_DEFLATED)
    assert_refused(bad, "uncompressed")


HUGE_CLAIMS = [
    lambda h: h["layers"][1].update(units=10**12),
    lambda h: h["layers"][1].update(units=2**31 - 1),
    lambda h: h.update(n_in=2**31 - 1),
    lambda h: h.update(layers=[{**h["layers"][1], "units": 2**31 - 1}] * 50),
]


@pytest.mark.parametrize("change", HUGE_CLAIMS)
def test_claims_of_huge_sizes_cost_no_memory(change, saved, tmp_path):
    bad = rewritten(saved, tmp_path / "bad.npz", header=change)
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError):
            fastmlp.load(bad)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


# ---- replacement ----


def test_a_crash_while_writing_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def crash(*arguments, **keywords):
        raise OSError("disk full")

    for module, name in [(np.lib.format, "write_array"), (os, "fsync"), (os, "replace")]:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, crash)
            with pytest.raises(OSError, match="disk full"):
                Network([2, 1]).save(saved)
        assert saved.read_bytes() == before
        assert os.listdir(saved.parent) == [saved.name]


def test_saving_replaces_the_file(saved):
    net = Network([2, 1], seed=5)
    net.save(str(saved))
    assert bits(fastmlp.load(os.fsencode(saved))) == bits(net)
    assert os.listdir(saved.parent) == [saved.name]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions and links")
def test_permissions_and_links_stay(saved, tmp_path):
    os.chmod(saved, 0o600)
    link = tmp_path / "link.npz"
    link.symlink_to(saved)
    Network([2, 1], seed=5).save(link)
    assert link.is_symlink()
    assert os.stat(saved).st_mode & 0o777 == 0o600
    assert fastmlp.load(saved).layer_sizes == (2, 1)


@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_a_file_that_is_replaced_while_it_is_read_is_the_old_one(suffix, tmp_path, monkeypatch):
    """A trainer saves again and again beside a server that loads: each load is of one save."""
    path, module = tmp_path / f"net{suffix}", files
    old, new = (Network([5, Dense(4, activation)], seed=0) for activation in ("relu", "tanh"))
    new.set_weights([np.full((5, 4), 7.0), np.full(4, 7.0)])

    def saved_meanwhile(function):
        def replaced(*arguments):
            new.save(path)
            return function(*arguments)

        return replaced

    for owner, name in [(module, "_parsed_header"), (module.chain, "check"), (module, "_class_names")]:
        old.save(path)
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, saved_meanwhile(getattr(owner, name)))
            net = fastmlp.load(path)
        assert net.layers == old.layers and bits(net) == bits(old)
        assert bits(fastmlp.load(path)) == bits(new)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_a_pipe_is_not_waited_for(suffix, tmp_path):
    os.mkfifo(tmp_path / f"net{suffix}")
    code = "import fastmlp, sys; fastmlp.load(sys.argv[1])"
    command = [sys.executable, "-c", code, str(tmp_path / f"net{suffix}")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "is not a regular file" in result.stderr


def test_a_busy_network_is_not_saved(tmp_path):
    import threading

    net, errors = Network([2, 1]), []

    def save():
        try:
            net.save(tmp_path / "net.npz")
        except fastmlp.BusyError as error:
            errors.append(error)

    with net.changing():
        thread = threading.Thread(target=save)
        thread.start()
        thread.join()
    assert len(errors) == 1 and not (tmp_path / "net.npz").exists()
