"""`fastmlp convert`: each suffix is written by the function that makes it, and foreign files are read."""

from __future__ import annotations

import numpy as np
import pytest

import fastmlp
from command_line import POINTS, QUADRANT, write_csv
from fastmlp.cli.convert import FORMATS

X = POINTS[:20].astype(np.float32)


@pytest.fixture
def net(tmp_path):
    net = fastmlp.Network([2, 5, 3], activation="tanh", output="softmax", seed=3)
    net.save(tmp_path / "net.npz")
    return net


@pytest.mark.parametrize("name", ["a.c", "a.js", "a.mjs", "a.safetensors"])
def test_files_are_those_of_python(net, run, tmp_path, name):
    assert run("convert", "net.npz", name) == (0, f"saved      {name}\n", "")
    (tmp_path / "python").mkdir()
    expected = tmp_path / "python" / name
    {"c": net.export_c, "safetensors": net.save}.get(name[2:], net.export_js)(expected)
    assert (tmp_path / name).read_bytes() == expected.read_bytes()


@pytest.mark.parametrize("stem, name", [("my-net.v2", "my_net_v2"), ("2nd", "model_2nd")])
def test_names_in_c_are_made_of_the_file_s(net, run, tmp_path, stem, name):
    assert run("convert", "net.npz", f"{stem}.c")[0] == 0
    assert f"void {name}_predict(" in (tmp_path / f"{stem}.c").read_text()


@pytest.mark.parametrize("suffix", [suffix for suffix, each in FORMATS.items() if each.read and each.write])
def test_what_is_read_comes_back(net, run, tmp_path, suffix):
    pytest.importorskip({".onnx": "onnx", ".keras": "keras"}.get(suffix, "numpy"))
    assert run("convert", "net.npz", f"a{suffix}", "--quiet") == (0, "", "")
    assert run("convert", f"a{suffix}", "b.npz")[0] == 0
    back = fastmlp.load(tmp_path / "b.npz")
    assert np.array_equal(back.predict(X), net.predict(X)) and back.layer_sizes == (2, 5, 3)


def test_onnx_runtime_predicts_the_same(net, run, tmp_path):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    run("convert", "net.npz", "a.onnx")
    found = runtime.InferenceSession(str(tmp_path / "a.onnx")).run(None, {"X": X})[0]
    assert np.allclose(found, net.predict(X), atol=1e-6)


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_torch_loads_the_state_dict(net, run, tmp_path, suffix):
    torch = pytest.importorskip("torch")
    run("convert", "net.npz", f"a{suffix}")
    module = torch.nn.Sequential(torch.nn.Linear(2, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))
    module.load_state_dict(torch.load(tmp_path / f"a{suffix}", weights_only=True))
    found = torch.softmax(module(torch.from_numpy(X)), 1).detach().numpy()
    assert np.allclose(found, net.predict(X), atol=1e-6)


def test_state_dicts_are_read_with_the_activations_that_are_told(run, tmp_path):
    torch = pytest.importorskip("torch")
    save = pytest.importorskip("safetensors.torch").save_file
    module = torch.nn.Sequential(torch.nn.Linear(2, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))
    save(module.state_dict(), tmp_path / "a.safetensors")
    told = ("--activation", "tanh", "--output-activation", "softmax")
    assert run("convert", "a.safetensors", "b.npz", *told)[0] == 0
    expected = torch.softmax(module(torch.from_numpy(X)), 1).detach().numpy()
    assert np.allclose(fastmlp.load(tmp_path / "b.npz").predict(X), expected, atol=1e-6)
    status, _, err = run("convert", "a.safetensors", "b.npz")
    assert status == 2 and "activation" in err


def test_tabular_models(run, tmp_path):
    pytest.importorskip("pandas")
    pytest.importorskip("sklearn")
    write_csv(tmp_path / "t.csv", QUADRANT.tolist())
    quick = ("--recipe", "fast", "--epochs", 2, "--no-plot", "--quiet", "--threads", 1)
    run("train", "t.csv", "--target", "kind", *quick)
    model = fastmlp.tabular.load("model.npz")
    assert run("convert", "model.npz", "a.c")[0] == 0
    model.export_c(tmp_path / "b.c", name="a")
    assert (tmp_path / "a.c").read_text() == (tmp_path / "b.c").read_text()
    status, out, err = run("convert", "model.npz", "a.js")
    assert (status, out) == (2, "") and "a name of a tabular model that ends in one of .npz, .onnx, .c" in err
    assert not (tmp_path / "a.js").exists()
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    assert run("convert", "model.npz", "a.onnx")[0] == 0
    rows = model.exported_inputs(POINTS)
    found = runtime.InferenceSession(str(tmp_path / "a.onnx")).run(["probabilities"], {"X": rows})[0]
    assert np.allclose(found, model.predict_proba(POINTS), atol=1e-6)


MISTAKES = {
    "suffix": (("net.npz", "a.bin"), "OUTPUT is 'a.bin', expected a name that ends in one of .npz, .safet"),
    "unread": (("a.c", "b.npz"), "MODEL is 'a.c', expected a name that ends in one of .npz, .safetensors"),
    "folder": (("net.npz", "no/a.onnx"), "OUTPUT is 'no/a.onnx', but 'no' is not a folder"),
    "same": (("net.npz", "./net.npz"), "the file that MODEL names"),
    "not there": (("no.npz", "a.c"), "cannot open no.npz: no such file"),
    "no network": (("no.safetensors", "a.c"), "cannot open no.safetensors: no such file"),
    "told": (
        ("net.npz", "a.c", "--activation", "relu"),
        "--activation is an option of PyTorch's state dicts",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_line(net, run, tmp_path, name):
    arguments, message = MISTAKES[name]
    files = {path.name for path in tmp_path.iterdir()}
    status, out, err = run("convert", *arguments)
    assert (status, out) == (2, "") and err.count("\n") == 1 and message in err
    assert {path.name for path in tmp_path.iterdir()} == files


def test_a_damaged_keras_file_is_one_line(run, tmp_path):
    pytest.importorskip("keras")
    (tmp_path / "a.keras").write_bytes(b"PK\x03\x04 nothing")
    status, out, err = run("convert", "a.keras", "b.npz")
    assert (status, out) == (2, "") and err.count("\n") == 1 and "a.keras is not a Keras file" in err
    status, _, err = run("convert", "no.keras", "b.npz")
    assert status == 2 and "cannot open no.keras: no such file" in err


@pytest.mark.parametrize("way", [("a.keras", "b.npz"), ("net.npz", "b.keras")])
def test_a_missing_backend_of_keras_is_named(net, run, monkeypatch, way):
    def require(name, group):
        raise ImportError from ModuleNotFoundError("no tensorflow", name="tensorflow.python")

    monkeypatch.setattr("fastmlp.adapters.keras._module.require", require)
    status, _, err = run("convert", *way)
    assert status == 2 and "keras is installed but its backend tensorflow.python is not" in err
