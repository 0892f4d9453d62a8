"""Whole tabular models as C files and as ONNX files, against the estimators."""

import ctypes
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest

from fastmlp.tabular import Recipe, TabularClassifier, TabularRegressor
from helpers import FMA_ISAS, assert_same_bits

CC = next(filter(shutil.which, (os.environ.get("CC", "gcc"), "gcc", "clang", "cc")), None)
FMA = ["-mfma"] if FMA_ISAS and os.uname().machine == "x86_64" else ["-DFASTMLP_FMA=1"]
needs_cc = pytest.mark.skipif(CC is None, reason="needs a C compiler")


def table(rows, rng, dates=True):
    """Numbers and words of all kinds, with gaps."""

    def gapped(values, every):
        return [None if i % every == 0 else value for i, value in enumerate(values)]

    first = np.datetime64("1999-11-20T00:00", "m")
    moments = [str(first + np.timedelta64(int(at), "m")) for at in rng.integers(0, 3_000_000, rows)]
    days = [str(first.astype("M8[D]") + np.timedelta64(int(at), "D")) for at in rng.integers(0, 900, rows)]
    found = {
        "size": gapped(rng.normal(5, 3, rows).tolist(), 11),
        "two": rng.choice(["x", "y"], rows).tolist(),
        'five "*/': gapped(rng.choice(["a", "b", "c", 'd"\\é??/'], rows).tolist(), 7),
        "many": rng.choice([f"w{i}" for i in range(30)], rows).tolist(),
        "few": rng.integers(0, 3, rows).astype(float).tolist(),
        "number": rng.normal(0, 1, rows).tolist(),
    }
    return found | ({"when": gapped(moments, 17), "day": gapped(days, 13)} if dates else {})


def fitted(kind, recipe, rng, X, *, nets=None, outputs=1):
    numbers = (
        np.array([0 if each is None else each for each in X["size"]]) if isinstance(X, dict) else X[:, 0]
    )
    numbers = numbers + rng.normal(size=len(numbers))
    y = np.array(["low", "mid", "high"])[np.digitize(numbers, [3, 7])]
    if kind is TabularRegressor:
        y = numbers if outputs == 1 else np.stack([numbers, -(numbers**2)], axis=1)
    short = Recipe.named(recipe, kind._task).replace(epochs=3, widths=(24, 16))
    return kind(short, nets=nets, random_state=0).fit(X, y)


def expected(model, X):
    if isinstance(model, TabularClassifier):
        return model.predict_proba(X)
    return model.predict(X).reshape(len(model.exported_inputs(X)), -1)


class Compiled:
    """An exported model in a shared library; its own test has passed."""

    def __init__(self, model, folder, **options):
        model.export_c(folder / "model.c", **options)
        self.text = (folder / "model.c").read_text("ascii")
        self.outputs = model.ensemble_.targets.outputs
        strict = [CC, "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", *FMA]
        subprocess.run(
            [*strict, "-O2", "-shared", "-fPIC", "model.c", "-o", "m.so", "-lm"], cwd=folder, check=True
        )
        for flags in ([], ["-DFASTMLP_FMA=0", "-fsanitize=undefined", "-fno-sanitize-recover=all"]):
            command = [*strict, "-O1", *flags, "-DMODEL_TEST", "model.c", "-o", "main", "-lm"]
            if subprocess.run(command, cwd=folder, capture_output=True).returncode == 0 or not flags:
                subprocess.run(["./main"], cwd=folder, check=True, capture_output=True)
        self.library = ctypes.CDLL(str(folder / "m.so"))

    def predict(self, told):
        told = np.ascontiguousarray(told)
        out = np.full((len(told), self.outputs), np.nan)
        self.library.model_predict_rows(pointer(told), pointer(out), ctypes.c_size_t(len(told)))
        return out


def pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


@needs_cc
@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
@pytest.mark.parametrize("recipe", ["fast", "default", "realmlp", "tabm"])
def test_c_predicts_what_the_estimator_does(kind, recipe, rng, tmp_path):
    X = table(240, rng)
    model = fitted(kind, recipe, rng, X, nets=3)
    new = table(300, rng)
    new["many"][5], new["two"][6] = "unseen", None
    found = Compiled(model, tmp_path).predict(model.exported_inputs(new))
    truth = expected(model, new)
    size = np.abs(truth).max()
    close = np.abs(found - truth) <= 1e-12 * size
    assert close.mean() > 0.97  # a cosine of another library may be another float32
    assert np.abs(found - truth).max() <= 1e-5 * size and np.ptp(truth) > 0.01 * size


@needs_cc
def test_numbers_have_the_bits_and_quantiles_their_offsets(rng, tmp_path):
    X = table(240, rng, dates=False)
    model = fitted(TabularRegressor, "default", rng, X, outputs=2)
    compiled = Compiled(model, tmp_path, levels=[0.1, 0.5, 0.9])
    new = table(100, rng, dates=False)
    new["size"][:2] = [1e300, -1e300]
    told = np.ascontiguousarray(model.exported_inputs(new))
    if FMA_ISAS:
        assert_same_bits(compiled.predict(told), model.predict(new))
    out = np.full((2, 3), np.nan)
    compiled.library.model_predict_quantiles(pointer(told[4]), pointer(out))
    one = {name: values[4:5] for name, values in new.items()}
    np.testing.assert_allclose(out, model.predict_quantiles(one, [0.1, 0.5, 0.9])[0], rtol=1e-5)


@needs_cc
@pytest.mark.parametrize("width", [1, 4])
def test_arrays_and_words_alone(width, rng, tmp_path):
    (tmp_path / "a").mkdir()
    model = fitted(TabularRegressor, "fast", rng, rng.normal(4, 2, (90, width)))
    X = rng.normal(4, 2, (50, width))
    X[3] = np.nan
    np.testing.assert_allclose(
        Compiled(model, tmp_path / "a").predict(model.exported_inputs(X)), expected(model, X), rtol=1e-5
    )
    words = {
        name: rng.choice(list("abcdefghijkl"[:kinds]), 90).tolist() for name, kinds in (("p", 12), ("q", 3))
    }
    model = TabularClassifier(Recipe.named("fast", "classes").replace(epochs=2)).fit(words, words["q"])
    np.testing.assert_allclose(
        Compiled(model, tmp_path).predict(model.exported_inputs(words)), expected(model, words), rtol=1e-5
    )


@needs_cc
def test_words_have_codes_and_the_header_says_the_order(rng, tmp_path):
    X = table(240, rng)
    model = fitted(TabularClassifier, "fast", rng, X)
    compiled = Compiled(model, tmp_path)
    names = [column.name for column in model.ensemble_.encoder.used]
    told = model.exported_inputs(X)
    for name in ("two", 'five "*/', "many"):
        at = names.index(name)
        codes = [compiled.library.model_code(at, None if w is None else w.encode()) for w in X[name]]
        assert codes == told[:, at].tolist() and max(codes) > 1
        assert compiled.library.model_code(at, b"unseen") == 0
    assert compiled.library.model_code(names.index("number"), b"x") == 0
    header = compiled.text.partition("Columns of out")[0]
    said = re.findall(r"^ +(\d+)  (.*): (?:number|code|seconds)", header, re.M)
    assert [int(number) for number, _ in said] == list(range(len(names)))
    assert [name.replace("* /", "*/") for _, name in said] == names
    classes = (ctypes.c_char_p * 3).in_dll(compiled.library, "model_classes")
    assert [each.decode() for each in classes] == model.classes_.tolist()


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
@pytest.mark.parametrize("recipe", ["fast", "default", "realmlp", "tabm"])
def test_onnx_predicts_what_the_estimator_does(kind, recipe, rng, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    X = table(240, rng)
    model = fitted(kind, recipe, rng, X, nets=3)
    new = table(300, rng)
    new["many"][5], new["two"][6] = "unseen", None
    told, truth = model.exported_inputs(new), expected(model, new)
    for opset in (13, 17):
        model.export_onnx(tmp_path / "model.onnx", opset=opset)
        session = runtime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
        found, *label = session.run(None, {"X": told})
        assert found.dtype == np.float64 and np.ptp(truth) > 0.01 * np.abs(truth).max()
        np.testing.assert_allclose(found, truth, rtol=0, atol=2e-5 * np.abs(truth).max())
        if kind is TabularClassifier:
            clear = np.diff(np.sort(truth, axis=1)[:, -2:], axis=1)[:, 0] > 1e-4
            assert clear.sum() > 100 and (label[0] == model.predict(new))[clear].all()
        columns = json.loads(session.get_modelmeta().custom_metadata_map["columns"])
        assert [each["name"] for each in columns] == list(X)
        assert columns[1]["values"] == ["x", "y"] and "values" not in columns[0]


def test_what_does_not_fit_is_refused(rng, tmp_path):
    X = table(60, rng)
    model = fitted(TabularClassifier, "fast", rng, X)
    with pytest.raises(ValueError, match="levels is 0.5, expected None of classes"):
        model.export_c(tmp_path / "model.c", levels=0.5)
    with pytest.raises(ValueError, match="expected a name that ends with .c"):
        model.export_c(tmp_path / "model.h")
    with pytest.raises(ValueError, match="lacks the column 'number'"):
        model.exported_inputs({name: values for name, values in X.items() if name != "number"})
    assert list(tmp_path.iterdir()) == []
