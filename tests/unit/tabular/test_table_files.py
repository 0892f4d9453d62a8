"""Saved estimators are what they were, and what is no saved estimator is refused."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import fastmlp
from fastmlp import ModelFileError
from fastmlp.tabular import TabularClassifier, TabularRegressor, load
from learned import QUICK, QUICK_NUMBERS, table

VIEWS = ("plain", "quantiles")


@pytest.fixture
def saved(tmp_path):
    X, y, _ = table()
    days, towns = zip(*((f"2024-01-{1 + i % 28:02}", f"t{i % 30}") for i in range(160)), strict=True)
    X = {**X, "day": days, "town": towns}
    model = TabularClassifier(QUICK.replace(views=VIEWS), random_state=0).fit(X, y)
    model.save(tmp_path / "model.npz")
    return model, X, tmp_path / "model.npz"


def test_a_saved_classifier_predicts_the_same_bits(saved):
    model, X, path = saved
    again = load(path)
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert np.array_equal(again.predict(X), model.predict(X))
    assert again.classes_.dtype == model.classes_.dtype
    assert again.recipe == model.recipe and again.n_features_in_ == 5
    assert again.feature_names_in_.tolist() == model.feature_names_in_.tolist()
    assert again.ensemble_.encoder.report() == model.ensemble_.encoder.report()
    assert again.metadata_ == {}
    assert [m.errors for m in again.ensemble_.members] == [m.errors for m in model.ensemble_.members]


def test_metadata_of_its_owner_are_kept(saved, tmp_path):
    model, X, path = saved
    model.metadata_ = {"made by": "me", "columns": ["a", "b"]}
    model.save(path)
    assert load(path).metadata_ == model.metadata_
    assert model.fit(X, model.predict(X)).metadata_ == {}


@pytest.mark.parametrize("several", [False, True])
def test_a_saved_regressor_predicts_the_same_bits(several, tmp_path):
    X, _, y = table()
    y = np.column_stack([y, -y]) if several else y
    model = TabularRegressor(QUICK_NUMBERS, random_state=0).fit(X, y)
    model.save(tmp_path / "model.npz")
    again = load(tmp_path / "model.npz")
    assert np.array_equal(again.predict(X), model.predict(X)) and again.predict(X).shape == y.shape


@pytest.mark.parametrize("labels", [[0, 1], [0.5, 1.0], [False, True]])
def test_labels_keep_their_kind(labels, tmp_path):
    X, y, _ = table()
    y = np.array(labels)[(y == "big").astype(int)]
    if y.dtype == float:
        y = y.astype(int) + 1
    TabularClassifier(QUICK, random_state=0).fit(X, y).save(tmp_path / "model.npz")
    assert load(tmp_path / "model.npz").classes_.dtype == y.dtype


def test_the_same_model_is_the_same_file(saved, tmp_path):
    model, _, path = saved
    model.save(tmp_path / "twice.npz")
    load(path).save(tmp_path / "again.npz")
    assert path.read_bytes() == (tmp_path / "twice.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()


def test_arrays_and_mappings_need_no_pandas(saved):
    _, X, path = saved
    row = {name: np.asarray(values)[:1].tolist() for name, values in X.items()}
    code = (
        "import sys; sys.modules['pandas'] = None\nimport json\nfrom fastmlp.tabular import load\n"
        f"print(load({str(path)!r}).predict(json.loads({json.dumps(row)!r}))[0])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() in ("big", "small"), result.stderr


def changed(path, change):
    """The file with another header."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["header.json"])
    change(header)
    members["header.json"] = json.dumps(header).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda h: h.update(format="fastmlp"), "is not a fastmlp.tabular model"),
        (lambda h: h.update(version=2), "was written by a newer fastmlp"),
        (lambda h: h.update(members=[]), "has no networks"),
        (lambda h: h.update(temperature=0), "temperature"),
        (lambda h: h["encoder"]["columns"].pop(), "inputs, expected"),
        (lambda h: h["targets"]["values"].append("third"), "has a network of 2 outputs, expected 3"),
        (lambda h: h["members"][0]["network"].update(n_in=7), "has a network of 7 inputs"),
        (lambda h: h["members"].append({**h["members"][0]}), "lacks the array networks.2"),
        (lambda h: h.pop("views"), "not a readable fastmlp model"),
    ],
)
def test_damaged_files(saved, change, words):
    _, _, path = saved
    changed(path, change)
    with pytest.raises(ModelFileError, match=words) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_other_files(saved, tmp_path):
    _, _, path = saved
    with pytest.raises(ModelFileError, match="names another format"):
        fastmlp.load(path)
    fastmlp.Network([2, 1], seed=0).save(tmp_path / "net.npz")
    with pytest.raises(ModelFileError, match="is not a fastmlp.tabular model"):
        load(tmp_path / "net.npz")
    with pytest.raises(ValueError, match="npz"):
        saved[0].save(tmp_path / "model.pkl")


def test_pickles_and_clones():
    import pickle

    from sklearn.base import clone

    X, y, _ = table()
    model = TabularClassifier(QUICK, random_state=0).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert np.array_equal(clone(model).fit(X, y).predict_proba(X), model.predict_proba(X))
