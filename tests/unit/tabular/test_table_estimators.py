"""TabularClassifier and TabularRegressor: what they learn, take and refuse."""

import numpy as np
import pytest

from fastmlp.tabular import Recipe, TabularClassifier, TabularRegressor, load
from fastmlp.tabular.recipes import RECIPES
from learned import QUICK, QUICK_NUMBERS, part, table

FIRST, REST = np.arange(120), np.arange(120, 160)


def classifier(**options):
    return TabularClassifier(options.pop("recipe", QUICK), random_state=0, **options)


def regressor(**options):
    return TabularRegressor(options.pop("recipe", QUICK_NUMBERS), random_state=0, **options)


@pytest.mark.parametrize("name", RECIPES)
def test_named_recipes_learn(name):
    X, labels, numbers = table()
    short = {"epochs": 30, "widths": (32, 32), "batch_size": 32}
    recipe = Recipe.named(name, "classes").replace(**short)
    model = classifier(recipe=recipe).fit(part(X, FIRST), labels[FIRST])
    assert model.score(part(X, REST), labels[REST]) > 0.8
    recipe = Recipe.named(name, "numbers").replace(**short)
    model = regressor(recipe=recipe).fit(part(X, FIRST), numbers[FIRST])
    assert model.score(part(X, REST), numbers[REST]) > 0.75


def test_probabilities_and_classes():
    X, labels, _ = table()
    model = classifier().fit(X, labels)
    assert model.classes_.tolist() == ["big", "small"]
    chances = model.predict_proba(X)
    assert chances.shape == (160, 2) and chances.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert (model.predict(X) == model.classes_[chances.argmax(axis=1)]).all()


@pytest.mark.parametrize(
    "labels", [[0, 1], [0.0, 1.0], [False, True], ["no", "yes"], [3, -5]], ids=lambda labels: str(labels[0])
)
def test_labels_of_any_kind_come_back_as_they_were(labels):
    X, y, _ = table()
    y = np.array(labels)[(y == "big").astype(int)]
    model = classifier().fit(X, y)
    assert model.predict(X).dtype == y.dtype and set(model.predict(X)) <= set(y.tolist())
    assert model.score(X, y) > 0.85


def test_labels_of_pandas_with_its_own_types():
    pd = pytest.importorskip("pandas")
    X, y, _ = table()
    for dtype in ("string", "category", "object"):
        assert classifier().fit(pd.DataFrame(X), pd.Series(y, dtype=dtype)).score(X, y) > 0.85
    whole = pd.array((y == "big").astype(int), dtype="Int64")
    assert classifier().fit(pd.DataFrame(X), whole).classes_.tolist() == [0, 1]


def test_several_targets():
    X, _, numbers = table()
    y = np.column_stack([numbers, -1e3 * numbers])
    model = regressor().fit(X, y)
    assert model.predict(X).shape == (160, 2) and model.score(X, y) > 0.75
    assert regressor().fit(X, numbers).predict(X).shape == (160,)


def test_predictions_stay_within_the_targets():
    X, _, numbers = table()
    model = regressor().fit(X, numbers)
    far = {**X, "size": 1e9 * np.ones(160)}
    assert model.predict(far).min() >= numbers.min() and model.predict(far).max() <= numbers.max()


def test_a_constant_and_noise_are_no_reason_for_far_predictions():
    X, _, numbers = table()
    X = {**X, "almost": 1e6 + 1e-9 * np.sin(np.arange(160))}
    model = regressor().fit(X, numbers)
    assert model.predict({**X, "almost": np.full(160, 1e6)}) == pytest.approx(model.predict(X))


def test_xor_is_a_matter_of_classes():
    """Four rows: none can be held out."""
    X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    model = TabularClassifier("fast", random_state=0).fit(X, y)
    assert model.predict(X).tolist() == y


def test_sorted_labels_are_no_trouble():
    X, y, _ = table()
    order = np.argsort(y)
    assert classifier().fit(part(X, order), y[order]).score(X, y) > 0.85


def test_a_class_of_one_row():
    X, y, _ = table()
    y = y.astype("<U9")
    y[7] = "only once"
    model = classifier(recipe=QUICK.replace(views=("plain",) * 5)).fit(X, y)
    assert len(model.classes_) == 3
    assert np.isnan(model.out_of_fold_[7]).all() and np.isfinite(np.delete(model.out_of_fold_, 7, 0)).all()


def test_classes_of_one_row_each():
    X = {"x": np.arange(40.0) ** 2}
    model = TabularClassifier(QUICK, random_state=0).fit(X, [f"c{i}" for i in range(40)])
    assert len(model.classes_) == 40 and model.predict(X).shape == (40,)


def test_rows_out_of_their_fold():
    X, y, numbers = table()
    recipe = QUICK.replace(views=("plain",) * 5)
    model = classifier(recipe=recipe).fit(X, y)
    assert (model.classes_[model.out_of_fold_.argmax(axis=1)] == y).mean() > 0.8
    one = regressor().fit(X, numbers)
    assert np.isnan(one.out_of_fold_).sum() == 128  # a fifth is held out


def test_the_last_of_the_best_epochs_is_kept():
    X, y, _ = table()
    member = classifier().fit(X, y).ensemble_.members[0]
    assert len(member.errors) == QUICK.epochs
    assert member.epoch == max(i for i, e in enumerate(member.errors) if e == min(member.errors))


def test_validation_data_choose_the_epoch():
    X, y, _ = table()
    model = classifier().fit(part(X, FIRST), y[FIRST], validation_data=(part(X, REST), y[REST]))
    member = model.ensemble_.members[0]
    chances = member.net.predict(model.ensemble_.encoder.transform(part(X, REST)))
    wrong = (model.classes_[chances.argmax(axis=1)] != y[REST]).mean()
    assert wrong == pytest.approx(min(member.errors)) and np.isnan(model.out_of_fold_).all()


def test_nothing_held_out_takes_the_last_epoch():
    X, y, _ = table()
    member = classifier(recipe=QUICK.replace(held_out=0.0)).fit(X, y).ensemble_.members[0]
    assert member.errors == [] and member.epoch == QUICK.epochs - 1


def test_groups_are_held_out_together():
    X, y, _ = table()
    groups = np.repeat(np.arange(16), 10)
    model = classifier().fit(X, y, groups=groups)
    held = ~np.isnan(model.out_of_fold_[:, 0])
    assert 0 < held.sum() < 160
    assert all(len(set(held[groups == group])) == 1 for group in range(16))


def test_weights_of_zero_leave_rows_out():
    X, y, _ = table()
    weights = np.ones(160)
    weights[REST] = 0
    wrong = y.copy()
    wrong[REST] = "big"
    assert np.array_equal(
        classifier().fit(X, wrong, weights).predict_proba(X),
        classifier().fit(part(X, FIRST), y[FIRST]).predict_proba(X),
    )


def test_class_weight():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = (X[:, 0] + rng.normal(size=400) > 2.2).astype(int)
    plain = classifier().fit(X, y)
    balanced = classifier(class_weight="balanced").fit(X, y)
    assert balanced.predict(X)[y == 1].mean() > plain.predict(X)[y == 1].mean() + 0.2
    weighed = classifier(class_weight={0: 1.0, 1: 10.0}).fit(X, y)
    assert weighed.predict(X)[y == 1].mean() > plain.predict(X)[y == 1].mean() + 0.2


@pytest.mark.parametrize("metric", ["error", "log_loss", "auc", "f1", "balanced_accuracy"])
def test_metrics_of_classes(metric):
    X, y, _ = table()
    errors = classifier(metric=metric).fit(X, y).ensemble_.members[0].errors
    assert 0 <= min(errors) < errors[0]


@pytest.mark.parametrize(("metric", "named"), [("AUC", "auc"), ("log loss", "log_loss"), ("F1", "f1")])
def test_metrics_by_their_names_in_reports(metric, named):
    X, y, _ = table()
    errors = [classifier(metric=each).fit(X, y).ensemble_.members[0].errors for each in (metric, named)]
    assert errors[0] == errors[1]
    with pytest.raises(ValueError, match="unknown metric 'R2', expected one of error"):
        classifier(metric="R2").fit(X, y)


def test_a_metric_of_ones_own():
    X, _, numbers = table()
    calls = []

    def worst(truth, predictions, weights):
        calls.append(truth.shape)
        return np.abs(truth - predictions).max()

    regressor(metric=worst).fit(X, numbers)
    assert calls == [(32, 1)] * QUICK.epochs
    for by_itself in (np.array(0.5), True, float("inf")):  # all that are numbers
        regressor(metric=lambda truth, predictions, weights, it=by_itself: it).fit(X, numbers)


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_an_interrupt_ends_all_networks(n_jobs):
    X, y, _ = table()
    calls = []

    def interrupted(truth, probabilities, weights):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return 0.0

    model = classifier(recipe=QUICK.replace(epochs=100_000), nets=3, n_jobs=n_jobs, metric=interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert not hasattr(model, "ensemble_")


def test_seeds():
    X, y, _ = table()
    first, again = classifier().fit(X, y), classifier().fit(X, y)
    assert np.array_equal(first.predict_proba(X), again.predict_proba(X))
    other = TabularClassifier(QUICK, random_state=1).fit(X, y)
    assert not np.array_equal(first.predict_proba(X), other.predict_proba(X))


def test_networks_trained_at_once_have_the_bits_that_they_have_alone():
    X, y, _ = table()
    recipe = QUICK.replace(views=("plain", "quantiles"))
    together = classifier(recipe=recipe, nets=4, n_jobs=4).fit(X, y)
    alone = classifier(recipe=recipe, nets=4, n_jobs=1).fit(X, y)
    fewer = classifier(recipe=recipe, nets=2, n_jobs=1).fit(X, y)
    for i, member in enumerate(together.ensemble_.members):
        weights = member.net.get_weights()
        for other in [alone, *([fewer] if i < 2 else [])]:
            same = other.ensemble_.members[i].net.get_weights()
            assert all(np.array_equal(a, b) for a, b in zip(weights, same, strict=True))


def test_calibration_makes_probabilities_likelier():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(900, 3))
    y = (rng.random(900) < 1 / (1 + np.exp(-6 * X[:, 0]))).astype(int)
    fit, rest = slice(600), slice(600, 900)

    def log_loss(model):
        return -np.log(model.predict_proba(X[rest])[np.arange(300), y[rest]]).mean()

    plain = classifier(calibrate=False).fit(X[fit], y[fit])
    calibrated = classifier().fit(X[fit], y[fit])
    assert calibrated.ensemble_.temperature != 1
    assert log_loss(calibrated) < log_loss(plain)


def test_calibration_on_few_rows_does_no_harm():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 2))
    y = (X[:, 0] + 0.3 * rng.normal(size=1200) > 0).astype(int)

    def log_loss(start, **options):
        model = classifier(nets=2, **options).fit(X[start : start + 40], y[start : start + 40])
        return -np.log(model.predict_proba(X[400:])[np.arange(800), y[400:]]).mean()

    starts = range(0, 400, 40)
    plain = np.mean([log_loss(start, calibrate=False) for start in starts])
    assert np.mean([log_loss(start) for start in starts]) < 1.05 * plain


def test_a_time_limit_makes_fewer_epochs():
    X, y, _ = table()
    endless = QUICK.replace(epochs=10_000_000)
    member = classifier(recipe=endless, time_limit=0.5).fit(X, y).ensemble_.members[0]
    assert 4 <= len(member.errors) < 1_000_000


def test_records_are_a_table():
    X, y, _ = table()
    kinds = [(name, "U8" if name == "colour" else object if name == "flag" else "f8") for name in X]
    records = np.array([*zip(*X.values(), strict=True)], kinds)
    model = classifier().fit(records, y)
    assert np.array_equal(model.predict_proba(records), classifier().fit(X, y).predict_proba(X))
    assert model.feature_names_in_.tolist() == list(X)


def test_a_name_by_itself_is_one_name():
    pytest.importorskip("pandas")
    X, y, _ = table()
    for options in ({"features": "size"}, {"drop": ["colour", "flag"]}):
        assert classifier(**options).fit(X, y).columns_["kind"].tolist() == ["number", "left out", "left out"]
    assert classifier(drop="size").fit(X, y).columns_["kind"][0] == "left out"
    assert classifier(drop=None).fit(X, y).columns_["kind"][0] == "number"
    letters = {"a": X["size"], "b": X["colour"], "ab": X["flag"]}
    assert classifier(drop="ab").fit(letters, y).columns_["kind"].tolist()[2] == "left out"
    with pytest.raises(ValueError, match="features names the column 'sise'"):
        classifier(features="sise").fit(X, y)


def test_columns_and_names():
    pd = pytest.importorskip("pandas")
    X, y, _ = table()
    model = classifier().fit(pd.DataFrame({**X, "id": [f"row {i}" for i in range(160)]}), y)
    assert model.columns_["column"].tolist() == ["size", "colour", "flag", "id"]
    assert model.columns_["kind"].tolist() == ["number", "category", "category", "left out"]
    assert model.feature_names_in_.tolist() == ["size", "colour", "flag", "id"] and model.n_features_in_ == 4
    assert np.array_equal(model.predict(X), model.predict(pd.DataFrame(X)[["flag", "size", "colour"]]))
    with pytest.raises(ValueError, match="X lacks the column 'colour'"):
        model.predict(pd.DataFrame(X).drop(columns="colour"))
    arrays = classifier().fit(np.ones((160, 1)) * X["size"][:, None], y)
    assert not hasattr(arrays, "feature_names_in_")


def test_large_categories_have_tables():
    rng = np.random.default_rng(0)
    town = rng.integers(0, 30, 400)
    X = {"town": [f"t{each}" for each in town], "x": rng.normal(size=400)}
    y = 10.0 * (town % 3)
    model = regressor(recipe=QUICK_NUMBERS.replace(epochs=60)).fit(part_of(X, 0, 300), y[:300])
    assert type(model.ensemble_.members[0].net.layers[0]).__name__ == "Embedding"
    assert model.score(part_of(X, 300, 400), y[300:]) > 0.9
    unknown = {"town": ["never seen", None], "x": [0.0, 0.0]}
    assert np.isfinite(model.predict(unknown)).all()


def part_of(X, first, end):
    return {name: values[first:end] for name, values in X.items()}


def test_verbose(capsys):
    X, y, _ = table()
    classifier(verbose=True).fit(X, y)
    assert "a network trained: epoch" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([1.0, None, 2.0], "y has no target in 1 row, the first is row 1"),
        (["1.5", "NA", "2.5"], "y has no target in 1 row, the first is row 1"),
        (np.ma.masked_equal([1.0, 2.0, -999.0], -999.0), "y has no target in 1 row, the first is row 2"),
        ([1.0, np.inf, 2.0], "y is inf in row 1"),
        (["a", "b", "c"], "y has 'a' in row 0, expected a number"),
        ([1.0, 2.0], "y has 2 rows, expected 3"),
        (None, "y is None"),
        (np.array(["2020-01-01"] * 3, "datetime64[D]"), "y is an array of datetime64"),
    ],
)
def test_numbers_that_are_none(y, words):
    with pytest.raises(ValueError, match=words):
        regressor().fit({"x": [1, 2, 3]}, y)


def test_numbers_written_in_words():
    X, _, numbers = table()
    words = regressor().fit(X, [repr(float(number)) for number in numbers])
    assert np.array_equal(words.predict(X), regressor().fit(X, numbers).predict(X))


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (["a", None, "b"], "y has no target in 1 row, the first is row 1"),
        ([0.0, np.nan, 1.0], "y has no target in 1 row"),
        (["a", np.nan, "b"], "y has no target in 1 row, the first is row 1"),
        (np.ma.masked_equal(["a", "b", "?"], "?"), "y has no target in 1 row, the first is row 2"),
        (["a", "a", "a"], "y has one class, 'a'"),
        ([0.5, 1.25, 2.5], "Unknown label type"),
        (["a"], "y has 1 rows, expected 3"),
    ],
)
def test_labels_that_are_none(y, words):
    with pytest.raises(ValueError, match=words):
        classifier().fit({"x": [1, 2, 3]}, y)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"recipe": "best"}, "best"),
        ({"recipe": 3}, "recipe is 3"),
        ({"nets": 0}, "nets"),
        ({"metric": "rmse"}, "metric"),
        ({"metric": lambda truth, predictions: 0.0}, r"metric is a function of \(truth, predictions\)"),
        ({"metric": lambda truth, predictions, weights: None}, "metric returned None, expected a number"),
        ({"metric": lambda truth, predictions, weights: np.nan}, "metric returned nan, expected a number"),
        ({"metric": lambda truth, predictions, weights: truth}, "metric returned array"),
        ({"n_jobs": 0}, "n_jobs is 0"),
        ({"time_limit": 0}, "time_limit"),
        ({"features": ["nope"]}, "features names the column 'nope'"),
        ({"calibrate": "yes"}, "calibrate"),
    ],
)
def test_wrong_options(options, words):
    X, y, _ = table()
    with pytest.raises((ValueError, TypeError), match=words):
        classifier(**options).fit(X, y)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"groups": [1]}, r"groups has shape \(1,\)"),
        ({"groups": [1] * 160}, "groups has 1 group"),
        ({"sample_weight": [0] * 160}, "sample_weight is zero in all 160 rows"),
        ({"validation_data": 3}, "validation_data is a int"),
        ({"validation_data": ({"size": [1]}, ["big"])}, "validation_data X lacks"),
        ({"validation_data": (part(table()[0], REST), ["huge"] * 40)}, "validation_data y has 'huge'"),
    ],
)
def test_wrong_arguments_of_fit(options, words):
    X, y, _ = table()
    with pytest.raises((ValueError, TypeError), match=words):
        classifier().fit(X, y, **options)


@pytest.mark.parametrize("change", [{"widths": (0,)}, {"views": ()}, {"views": ("x",)}, {"held_out": 0.6}])
def test_wrong_recipes(change):
    with pytest.raises(ValueError, match=next(iter(change)).rstrip("s")):
        QUICK.replace(**change)


def test_a_network_of_members_is_saved(tmp_path):
    X, labels, _ = table()
    model = classifier(recipe=Recipe.named("tabm", "classes").replace(epochs=4), nets=2).fit(X, labels)
    model.save(tmp_path / "model.npz")
    assert model.ensemble_.members[0].net.plan.members == 8
    assert (load(tmp_path / "model.npz").predict_proba(X) == model.predict_proba(X)).all()


def test_a_start_that_is_not_for_members():
    with pytest.raises(ValueError, match="start is 'normal', expected 'data' of a recipe with members"):
        Recipe.named("tabm", "classes").replace(start="normal")


def test_recipes_in_json():
    import json

    for recipes in (Recipe.named("default", "numbers"), QUICK.replace(activation=("leaky_relu", 0.3))):
        assert Recipe.from_config(json.loads(json.dumps(recipes.to_config()))) == recipes


def test_out_of_fold_has_a_row_for_each_of_fit():
    X, labels, numbers = table(120)
    weights = np.ones(120)
    weights[::3] = 0
    for kind, recipe, y in ((TabularClassifier, QUICK, labels), (TabularRegressor, QUICK_NUMBERS, numbers)):
        model = kind(recipe.replace(epochs=1), nets=5, random_state=0).fit(X, y, weights)
        assert len(model.out_of_fold_) == 120
        assert (np.isnan(model.out_of_fold_).any(axis=1) == (weights == 0)).all()
