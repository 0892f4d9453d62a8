"""Model files: damaged and hostile ones are refused."""

import os
import tracemalloc
import zipfile

import numpy as np
import pytest

import fastmlp
from fastmlp import ModelFileError
from model_files import BAD_HEADERS, BAD_STATES, HUGE_CLAIMS, assert_refused, bits, rewritten


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
