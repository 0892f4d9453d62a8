"""Model files as safetensors: the same bits, readable by the library, damaged and hostile files refused."""

import hashlib
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import fastmlp
from fastmlp import (
    Activation,
    BatchNormalization,
    Dense,
    LayerNormalization,
    ModelFileError,
    Network,
    Rescaling,
)
from fastmlp.files import format as files
from fastmlp.optimizers import SGD
from helpers import RULES
from model_files import BAD_HEADERS, BAD_STATES, HUGE_CLAIMS, assert_refused, bits, network

safetensors = pytest.importorskip("safetensors")


@pytest.fixture
def saved(tmp_path, trained):
    path = tmp_path / "net.safetensors"
    trained.save(path, include_optimizer=True)
    return path


def parts(path):
    """The table, a dict, and the bytes behind it."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def joined(table, data):
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return len(text).to_bytes(8, "little") + text + data


def digest(table, data):
    """The checksum by its description: the model's text, then every array in the order of the layers."""
    result = hashlib.sha256(table["__metadata__"]["model"].encode())
    names = [name for name in table if name.startswith("layers")]
    optimizer = [name for name in table if name.startswith("optimizer")]
    for name in sorted(names, key=in_order) + sorted(optimizer, key=in_order):
        shape, (first, last) = tuple(table[name]["shape"]), table[name]["data_offsets"]
        result.update(f"\n{name} {shape}\n".encode() + data[first:last])
    return result.hexdigest()


def in_order(name):
    """Weights come before the bias of their layer."""
    *layer, which = name.split(".")
    return layer, which == "b"


def rewritten(source, change_table=None, change_model=None, change_data=None, *, right_checksum=True):
    """The file beside `source` that has other contents, and their checksum unless told otherwise."""
    table, data = parts(source)
    if change_model is not None:
        model = json.loads(table["__metadata__"]["model"])
        change_model(model)
        table["__metadata__"]["model"] = json.dumps(model)
    if change_data is not None:
        data = change_data(data)
    if right_checksum:
        table["__metadata__"]["sha256"] = digest(table, data)
    if change_table is not None:
        change_table(table)
    target = source.with_name("changed.safetensors")
    target.write_bytes(joined(table, data))
    return target


# ---- round trips ----


def test_a_loaded_network_predicts_the_same_bits(tmp_path, dtype, data):
    net = network(dtype)
    net.save(tmp_path / "net.safetensors")
    other = fastmlp.load(tmp_path / "net.safetensors")
    X = data[0].astype(dtype)
    assert other.predict(X).tobytes() == net.predict(X).tobytes()
    assert bits(other) == bits(net)
    assert (other.layers, other.seed, other.dtype) == (net.layers, net.seed, net.dtype)
    assert other.optimizer is None


@pytest.mark.parametrize("widths", [[1, 1], [13, 37, 1], [1, 13, 17]])
def test_odd_widths(widths, tmp_path, dtype):
    net = Network([widths[0], Rescaling(1 / 255), *widths[1:]], dtype=dtype, seed=1)
    net.save(str(tmp_path / "net.safetensors"))
    other = fastmlp.load(os.fsencode(tmp_path / "net.safetensors"))
    assert bits(other) == bits(net) and other.layers == net.layers


@pytest.mark.parametrize("optimizer", [*RULES.values(), SGD(0.1, momentum=0.9)])
def test_a_resumed_training_ends_with_the_same_bits(optimizer, tmp_path, dtype, data):
    whole, first = network(dtype), network(dtype)
    whole.compile(optimizer)
    batch_size = None if optimizer.all_rows else 16
    whole.fit(*data, epochs=5, batch_size=batch_size)

    first.compile(optimizer)
    first.fit(*data, epochs=2, batch_size=batch_size)
    assert bits(first) != bits(whole)
    first.save(tmp_path / "net.safetensors", include_optimizer=True)
    second = fastmlp.load(tmp_path / "net.safetensors")
    second.fit(*data, epochs=3, batch_size=batch_size)
    assert bits(second) == bits(whole)


def test_normalizations_and_their_statistics(tmp_path, dtype, data):
    elements = [BatchNormalization(0.75), Activation("gelu"), LayerNormalization(0.01)]
    net = Network([4, Dense(13), *elements, Dense(3, "softmax")], dtype=dtype, seed=1)
    net.compile("adam")
    net.fit(*data, epochs=2, batch_size=16)
    net.save(tmp_path / "net.safetensors", include_optimizer=True)
    other = fastmlp.load(tmp_path / "net.safetensors")
    assert other.layers == net.layers and bits(other) == bits(net)
    assert not np.array_equal(other.state_dict()["layers.1.mean"], np.zeros(13))
    for each in (net, other):
        each.fit(*data, epochs=2, batch_size=16)
    assert bits(other) == bits(net)


def test_both_suffixes_hold_the_same(saved, tmp_path):
    net = fastmlp.load(saved)
    net.save(tmp_path / "net.npz", include_optimizer=True)
    other = fastmlp.load(tmp_path / "net.npz")
    other.save(tmp_path / "again.safetensors", include_optimizer=True)
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()


SAVE = """
import sys
from model_files import network
net = network("float32")
net.compile("adam")
net.save(sys.argv[1], include_optimizer=True)
"""


def test_the_same_network_gives_the_same_file_in_every_process(tmp_path):
    """The library orders metadata by hashes that are seeded anew in each process."""
    contents = set()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[:2]))}
    for i in range(2):
        path = tmp_path / f"{i}.safetensors"
        subprocess.run([sys.executable, "-c", SAVE, str(path)], check=True, env=environment)
        contents.add(path.read_bytes())
    for _ in range(5):
        net = network("float32")
        net.compile("adam")
        net.save(path, include_optimizer=True)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_the_library_reads_the_file(saved):
    from safetensors.numpy import load_file

    net, arrays = fastmlp.load(saved), load_file(saved)
    for name, array in net.state_dict().items():
        assert arrays[name].dtype == array.dtype and arrays[name].shape == array.shape
        assert arrays[name].tobytes() == array.tobytes()
    assert "layers.0.b" not in arrays and arrays["optimizer.1.layers.1.b"].shape == (3,)
    with safetensors.safe_open(saved, framework="numpy") as file:
        metadata = file.metadata()
    assert (metadata["format"], metadata["version"]) == ("fastmlp", "1")
    model = json.loads(metadata["model"])
    assert model["layers"][0] == {"type": "Standardize", "mean": [0, 1, 2, 3], "std": [1, 2, 3, 4]}
    table, data = parts(saved)
    assert metadata["sha256"] == digest(table, data)
    assert int.from_bytes(saved.read_bytes()[:8], "little") % 8 == 0


def test_the_library_is_not_needed(saved, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    net = fastmlp.load(saved)
    net.save(saved.with_name("again.safetensors"), include_optimizer=True)
    assert saved.with_name("again.safetensors").read_bytes() == saved.read_bytes()


def test_the_library_would_lay_the_file_out_the_same_way(saved):
    from safetensors.numpy import load_file, save

    table, data = parts(saved)
    theirs = save(load_file(saved))
    end = 8 + int.from_bytes(theirs[:8], "little")
    del table["__metadata__"]
    assert list(table.items()) == list(json.loads(theirs[8:end]).items()) and data == theirs[end:]


def test_a_crash_while_writing_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def crash(*arguments, **keywords):
        raise OSError("disk full")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, crash)
            with pytest.raises(OSError, match="disk full"):
                Network([2, 1]).save(saved)
        assert saved.read_bytes() == before
        assert os.listdir(saved.parent) == [saved.name]


def test_a_description_that_could_not_be_read_again_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_HEADER_BYTES", 1000)
    layer = fastmlp.Standardize(np.full(30, 1 / 3), np.full(30, 2 / 3))
    for name in ("net.npz", "net.safetensors"):
        with pytest.raises(ValueError, match="description has .* bytes, expected at most 1000"):
            Network([30, layer, 1]).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# ---- damaged and foreign files ----


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        fastmlp.load(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", bytes(8), bytes(1000), b"\xff" * 100, b"\x02" + bytes(7) + b"[]", b"PK\x03\x04"],
)
def test_foreign_files(content, tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    assert_refused(path, "truncated, damaged or not a safetensors file")


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}, {"model": "{}"}])
def test_a_file_of_someone_else(metadata, tmp_path):
    from safetensors.numpy import save_file

    save_file({"layers.0.W": np.ones((2, 1), np.float32)}, tmp_path / "net.safetensors", metadata)
    assert_refused(tmp_path / "net.safetensors", "not a fastmlp model: it has no metadata")


def test_truncated_files(saved, tmp_path):
    content = saved.read_bytes()
    path = tmp_path / "cut.safetensors"
    for length in [*range(0, 64), *range(64, len(content), 37), len(content) - 1]:
        path.write_bytes(content[:length])
        assert_refused(path, "truncated, damaged or not")


def test_longer_files(saved):
    saved.write_bytes(saved.read_bytes() + b"\0")
    assert_refused(saved, "truncated, damaged or not")


def test_flipped_bits_are_noticed_or_harmless(saved, tmp_path):
    """A damaged file is refused, or it is the same network: then the flip was in what only people read."""
    content = saved.read_bytes()
    good = fastmlp.load(saved)
    state = good.plan.get_state()
    path, rng, refused = tmp_path / "flipped.safetensors", np.random.default_rng(0), 0
    positions = [*range(16), *rng.integers(0, len(content), size=600)]
    for position in positions:
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            net = fastmlp.load(path)
        except ModelFileError:
            refused += 1
        else:
            assert bits(net) == bits(good) and net.layers == good.layers
            assert (net.optimizer, net.loss, net.seed) == (good.optimizer, good.loss, good.seed)
            for ours, theirs in zip(net.plan.get_state()["slots"], state["slots"], strict=True):
                assert [array.tobytes() for array in ours] == [array.tobytes() for array in theirs]
    assert refused > 0.95 * len(positions)


def test_numbers_changed_by_a_tool_are_noticed(saved):
    bad = rewritten(saved, change_data=lambda data: data[:-4] + b"\0\0\0\x40", right_checksum=False)
    assert_refused(bad, "not those of its checksum")
    fastmlp.load(rewritten(saved, change_data=lambda data: data[:-4] + b"\0\0\0\x40"))


@pytest.mark.parametrize(("change", "message"), BAD_HEADERS)
def test_bad_headers(change, message, saved):
    assert_refused(rewritten(saved, change_model=change), message)


@pytest.mark.parametrize("model", ["", "[]", "null", "{", '{"format": NaN}', "[" * 100_000, "\ud800"])
def test_headers_that_are_none(model, saved):
    def change(table):
        table["__metadata__"]["model"] = model

    assert_refused(rewritten(saved, change), "model|format|readable|damaged")


def entry(name, **fields):
    return lambda table: table[name].update(fields)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (entry("layers.0.W", shape=[6, 4]), r"holds layers.0.W of shape \(6, 4\)"),
        (entry("layers.0.W", shape=[24]), r"holds layers.0.W of shape \(24,\)"),
        (entry("layers.0.W", dtype="I32"), "layers.0.W of shape .* and dtype 'I32', expected .* and 'F32'"),
        (entry("layers.0.W", dtype="F64"), "dtype 'F64'"),
        (entry("layers.0.W", dtype="F16", shape=[4, 12]), "dtype 'F16'"),
        (entry("layers.0.W", dtype="F31"), "dtype 'F31'"),
        (entry("layers.0.W", dtype="F" * 10**6), "dtype 'F{59}, expected"),
        (entry("layers.0.W", dtype=["F32"]), r"dtype \['F32'\]"),
        (entry("layers.0.W", shape=[2**40, 2**40]), r"of shape \(1099511627776, 1099511627776\)"),
        (entry("layers.0.W", shape=[-4, 6]), r"of shape \(-4, 6\)"),
        (entry("layers.0.W", shape="many"), "of shape 'many'"),
        (entry("layers.0.W", shape=None), "of shape None"),
        (lambda table: table.update({"layers.0.W": "F32"}), "damaged"),
        (entry("layers.0.W", data_offsets=None), "damaged"),
        (entry("layers.0.W", data_offsets=[0, "96"]), "damaged"),
        (entry("layers.0.W", data_offsets=[0.0, 96.0]), "damaged"),
        (entry("layers.0.W", data_offsets=[0, 96, 96]), "damaged"),
        (entry("layers.0.W", data_offsets=[0, 2**62]), "damaged"),
        (entry("layers.0.W", data_offsets=[2**64, 2**65]), "damaged"),
        (entry("layers.0.W", data_offsets=[96, 0]), "damaged"),
        (lambda table: table["layers.0.W"].update(table["optimizer.0.layers.0.W"]), "damaged"),
        (lambda table: table.pop("layers.0.W"), "lacks the array layers.0.W"),
        (lambda table: table.update(spare=table["layers.0.W"]), "holds 'spare'"),
        (lambda table: table.update({"layers.0.V": table.pop("layers.0.W")}), "lacks the array layers.0.W"),
        (lambda table: table["__metadata__"].update(model=7), "damaged"),
        (lambda table: table.update(__metadata__=[]), "damaged"),
        (lambda table: table["__metadata__"].update(sha256=""), "checksum"),
        (lambda table: table["__metadata__"].pop("sha256"), "no metadata 'sha256'"),
        (lambda table: table.pop("__metadata__"), "no metadata 'model'"),
    ],
)
def test_bad_tables(change, message, saved):
    assert_refused(rewritten(saved, change), message)


def test_arrays_beyond_the_layers_are_refused(saved):
    table, data = parts(saved)
    table["spare"] = {"dtype": "F32", "shape": [1], "data_offsets": [len(data), len(data) + 4]}
    saved.write_bytes(joined(table, data + bytes(4)))
    assert_refused(saved, "holds 'spare', expected only the arrays of its layers")


def test_numbers_that_are_none(saved):
    table, data = parts(saved)
    first = table["layers.0.W"]["data_offsets"][0]
    nan = np.float32(np.nan).tobytes()
    bad = rewritten(saved, change_data=lambda data: data[:first] + nan + data[first + 4 :])
    assert_refused(bad, "layers.0.W contains nan at row 0, column 0")


@pytest.mark.parametrize(("slot", "value", "message"), BAD_STATES)
def test_states_that_no_training_reaches_are_refused(slot, value, message, saved):
    first = parts(saved)[0][f"optimizer.{slot}.layers.0.W"]["data_offsets"][0]
    number = np.float32(value).tobytes()
    bad = rewritten(saved, change_data=lambda data: data[:first] + number + data[first + 4 :])
    assert_refused(bad, message)


@pytest.mark.parametrize(
    "text",
    [b"\xff\xfe{}", b'{"__metadata__":{"model":"\xff"}}', b"{" * 5000, b"[" * 10**5, b'{"a":1,"a":1}', b"[]"],
)
def test_tables_that_are_none(text, tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(joined(text, b""))
    assert_refused(path, "truncated, damaged or not")


def refused_within(path, limit):
    """The error; the peak of Python's and NumPy's memory stays below `limit` bytes."""
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError) as caught:
            fastmlp.load(path)
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()
    return str(caught.value)


@pytest.mark.parametrize("change", HUGE_CLAIMS)
def test_claims_of_huge_sizes_cost_no_memory(change, saved):
    refused_within(rewritten(saved, change_model=change), 5_000_000)


@pytest.mark.parametrize("size", [2**20, 2**40, 2**63, 2**64 - 1])
def test_a_table_of_claimed_size_is_not_read(size, tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(size.to_bytes(8, "little") + bytes(100))
    assert "truncated" in refused_within(path, 1_000_000)


def test_a_long_table_is_not_read(tmp_path):
    """A sparse file: nothing but its length is there."""
    path = tmp_path / "net.safetensors"
    size = 99_000_000  # below what the library itself refuses
    with open(path, "wb") as file:
        file.write(size.to_bytes(8, "little"))
        file.truncate(8 + size)
    assert f"has a table of {size} bytes" in refused_within(path, 1_000_000)
