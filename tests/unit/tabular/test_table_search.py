"""cross_validate and tune: scikit-learn's folds and scores, the best parameters, the same for any n_jobs."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import model_selection

from fastmlp.tabular import TabularClassifier, TabularRegressor, cross_validate, tune
from fastmlp.tabular.search import METHODS
from learned import QUICK, QUICK_NUMBERS, part, table

SHORT = QUICK.replace(epochs=12, widths=(16,))


def classifier(recipe=SHORT, random_state=0):
    return TabularClassifier(recipe, random_state=random_state)


@pytest.mark.parametrize("scoring", [None, ["accuracy", "neg_log_loss"], "roc_auc"])
def test_cross_validation_is_scikit_learns(scoring):
    X, labels, _ = table()
    frame = pd.DataFrame(X)
    theirs = model_selection.cross_validate(classifier(), frame, labels, cv=3, scoring=scoring)
    for given in (frame, X):
        ours = cross_validate(classifier(), given, labels, 3, scoring=scoring)
        assert ours.keys() == theirs.keys()
        for name in theirs.keys() - {"fit_time", "score_time"}:
            assert ours[name].tolist() == theirs[name].tolist()
    assert ours["fit_time"].shape == (3,) and (ours["fit_time"] > 0).all()


def test_cross_validation_of_numbers():
    X, _, numbers = table()
    y = np.column_stack([numbers, -numbers])
    model = TabularRegressor(QUICK_NUMBERS, random_state=0)
    folds = model_selection.KFold(4, shuffle=True, random_state=1)
    theirs = model_selection.cross_validate(model, pd.DataFrame(X), y, cv=folds)
    ours = cross_validate(model, X, y, folds, return_estimator=True, n_jobs=2)
    assert ours["test_score"].tolist() == theirs["test_score"].tolist() and min(ours["test_score"]) > 0.5
    last = list(folds.split(y))[-1][1]
    assert ours["estimator"][-1].score(part(X, last), y[last]) == ours["test_score"][-1]
    assert not hasattr(model, "ensemble_")


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_groups_stay_together(task):
    X, labels, numbers = table()
    groups = np.arange(160) % 20
    model = classifier() if task == "classes" else TabularRegressor(QUICK_NUMBERS, random_state=0)
    seen = []

    def scorer(model, X, y):
        seen.append(np.unique(X.columns["group"]))
        return 0.0

    rows, y = {**X, "group": groups.astype(float)}, labels if task == "classes" else numbers
    found = cross_validate(model, rows, y, 4, groups=groups, scoring=scorer, return_estimator=True)
    assert [len(each) for each in seen] == [5, 5, 5, 5] and len(np.unique(np.concatenate(seen))) == 20
    for tested, each in zip(seen, found["estimator"], strict=True):
        held_out = ~np.isnan(each.out_of_fold_[:, 0])
        own = groups[~np.isin(groups, tested)]
        assert not set(own[held_out]) & set(own[~held_out]) and held_out.any()


@pytest.mark.parametrize("method", METHODS)
def test_tuning_finds_what_is_best_and_does_not_depend_on_jobs(method):
    X, labels, _ = table()
    space = {"learning_rate": stats.loguniform(1e-6, 1e-1), "widths": [(4,), (16,)], "nets": [1, 2]}
    given = {"n_trials": 9, "method": method, "seed": 3, "scoring": "neg_log_loss"}
    found = [tune(classifier(random_state=None), X, labels, space, n_jobs=jobs, **given) for jobs in (1, 3)]
    frames = [each.cv_results_.drop(columns="mean_fit_time") for each in found]
    pd.testing.assert_frame_equal(*frames, check_exact=True)
    first, second = found
    assert first.best_params_ == second.best_params_
    assert (first.best_estimator_.predict_proba(X) == second.best_estimator_.predict_proba(X)).all()
    assert first.best_params_["learning_rate"] > 1e-3  # the lowest rates learn nothing
    best = frames[0][frames[0]["rank_test_score"] == 1].iloc[0]
    assert best["mean_test_score"] == first.best_score_ and best["epochs"] == 12
    assert best["mean_test_score"] == frames[0][frames[0]["epochs"] == 12]["mean_test_score"].max()
    assert frames[0]["epochs"].value_counts().to_dict() == ({12: 9} if method == "random" else {4: 9, 12: 3})
    other = tune(classifier(), X, labels, space, **{**given, "seed": 4, "n_trials": 2}).cv_results_
    assert other["param_learning_rate"].tolist() != frames[0]["param_learning_rate"].tolist()[:2]


def test_scores_of_trials_are_those_of_cross_validation():
    X, labels, _ = table()
    found = tune(classifier(), X, labels, {"widths": [(8,), (24,)], "metric": ["log_loss"]}, 10, cv=4)
    assert len(found.cv_results_) == 2  # there are no more
    for _, row in found.cv_results_.iterrows():
        model = TabularClassifier(
            SHORT.replace(widths=row["param_widths"]), metric="log_loss", random_state=0
        )
        scores = cross_validate(model, X, labels, 4)["test_score"]
        assert (row["mean_test_score"], row["std_test_score"]) == (scores.mean(), scores.std())
    best = found.best_estimator_
    assert best.recipe.widths == found.best_params_["widths"] and best.metric == "log_loss"
    assert (best.predict_proba(X) == best.fit(X, labels).predict_proba(X)).all()


def test_halving_goes_on_with_the_best():
    X, labels, _ = table()
    rates = [10.0 ** -(k / 2) for k in range(2, 11)]
    recipe = SHORT.replace(epochs=90)
    given = {"space": {"learning_rate": rates}, "n_trials": 9, "method": "halving"}
    frame = tune(classifier(recipe), X, labels, scoring="neg_log_loss", **given).cv_results_
    assert frame["epochs"].tolist() == [10] * 9 + [30] * 3 + [90]
    tried, score = frame["param_learning_rate"], frame["mean_test_score"]
    assert set(tried[9:12]) == set(tried[score[:9].nlargest(3).index])
    assert tried[12] == tried[score[9:12].idxmax()]
    assert frame["rank_test_score"][12] == 1


def test_trials_that_diverge_come_last():
    X, _, numbers = table()
    model = TabularRegressor(QUICK_NUMBERS.replace(activation="relu", parametric=0), random_state=0)
    found = tune(model, X, numbers, {"learning_rate": [1e30, 0.2]}, 2)
    frame = found.cv_results_.set_index("param_learning_rate")
    assert np.isnan(frame["mean_test_score"][1e30]) and frame["rank_test_score"][1e30] == 2
    assert found.best_params_ == {"learning_rate": 0.2}
    with pytest.raises(ValueError, match="diverge"):
        tune(model, X, numbers, {"learning_rate": [1e30]}, 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"space": {"width": [1]}}, "parameter"),
        ({"method": "grid"}, "method"),
        ({"n_trials": 0}, "n_trials is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"groups": [1, 2]}, r"groups has shape \(2,\)"),
        ({"y": [1, 2]}, "y has 2 rows, expected 160"),
    ],
)
def test_wrong_arguments(options, words):
    X, labels, _ = table()
    given = {"X": X, "y": labels, "space": {"widths": [(4,)]}, "n_trials": 1, **options}
    with pytest.raises(ValueError, match=words):
        tune(classifier(), **given)


def studied(jobs=1, **options):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    X, labels, _ = table()
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=1))
    space = {
        "learning_rate": optuna.distributions.FloatDistribution(1e-6, 1e-1, log=True),
        "widths": [(4,), (16,)],
        "nets": [1, 2],
    }
    given = {"n_trials": 6, "seed": 3, "scoring": "neg_log_loss", **options}
    return study, tune(classifier(random_state=None), X, labels, space, method=study, n_jobs=jobs, **given)


def test_a_study_of_optuna_proposes_and_hears_the_scores():
    (study, found), (_, again) = studied(), studied(3)
    scores = found.cv_results_["mean_test_score"].tolist()
    assert [trial.value for trial in study.trials] == scores == again.cv_results_["mean_test_score"].tolist()
    assert study.best_value == found.best_score_ == max(scores) and len(set(scores)) > 1
    assert [trial.params["widths"] for trial in study.trials] == [
        repr(widths) for widths in found.cv_results_["param_widths"]
    ]
    assert found.best_params_["widths"] in [(4,), (16,)]
    assert found.best_params_.keys() == study.best_params.keys()
    assert found.best_params_["learning_rate"] == study.best_params["learning_rate"] > 1e-3


@pytest.mark.parametrize("name", ["schedule", "decay_schedule", "dropout_schedule"])
def test_recipes_say_every_schedule(name):
    X, labels, _ = table()
    found = [
        classifier(SHORT.replace(dropout=0.2, **{name: schedule})).fit(X, labels).predict_proba(X)
        for schedule in ("cosine", "coslog4", "flat_cosine", "constant")
    ]
    assert all((a != b).any() for i, a in enumerate(found) for b in found[:i])
    with pytest.raises(ValueError, match=f"unknown {name} 'wave', expected"):
        SHORT.replace(**{name: "wave"})


def test_recipes_have_adams_betas():
    X, labels, _ = table()
    plain = classifier().fit(X, labels).predict_proba(X)
    for beta in ("beta_1", "beta_2"):
        model = classifier(SHORT.replace(**{beta: 0.8})).fit(X, labels)
        assert (model.predict_proba(X) != plain).any()
    with pytest.raises(ValueError, match="beta_2 is 1, expected"):
        SHORT.replace(beta_2=1.0)


def test_trials_that_diverge_or_are_interrupted_have_failed(monkeypatch):
    optuna = pytest.importorskip("optuna")
    X, labels, _ = table()
    study = optuna.create_study(direction="maximize")
    for rate in (1e38, 0.04):
        study.enqueue_trial({"learning_rate": rate})
    found = tune(classifier(), X, labels, {"learning_rate": [1e38, 0.04]}, 2, study)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE"]
    assert found.best_params_ == {"learning_rate": 0.04}

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("fastmlp.tabular.search._all_tested", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tune(classifier(), X, labels, {"bins": [4, 8]}, 2, study)
    assert [trial.state.name for trial in study.trials[2:]] == ["FAIL"]


def test_what_is_no_study_is_told():
    optuna = pytest.importorskip("optuna")
    X, labels, _ = table()
    space = {"bins": [4, 8]}
    with pytest.raises(TypeError, match="method is 3, expected 'random', 'halving' or an Optuna study"):
        tune(classifier(), X, labels, space, 2, 3)
    with pytest.raises(ValueError, match=r"a study with \['minimize'\] of values, expected \['maximize'\]"):
        tune(classifier(), X, labels, space, 2, optuna.create_study())
    study = optuna.create_study(direction="maximize")
    with pytest.raises(TypeError, match=r"space\['bins'\] is .*, expected a list or an Optuna distribution"):
        tune(classifier(), X, labels, {"bins": stats.randint(2, 9)}, 2, study)
    for values in ([1, True], []):  # of which one would be left out; none
        with pytest.raises(ValueError, match=r"space\['nets'\] is .*, expected values that a study can tell"):
            tune(classifier(), X, labels, {"nets": values}, 2, study)
    assert not study.trials
