"""Who is compared: each a function of a split that learns and predicts, with its defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .data import Split

Method = Callable[[Split], Any]


def ours(recipe: str, **options: Any) -> Method:
    def run(part: Split) -> Any:
        from fastmlp.tabular import TabularClassifier, TabularRegressor

        kind = TabularClassifier if part.task == "classes" else TabularRegressor
        model = kind(recipe, n_jobs=part.threads, random_state=part.number, **options)
        return model.fit(part.X, part.y).predict(part.X_test)

    return run


def _words(part: Split) -> list[str]:
    return [name for name in part.X if part.X[name].dtype.kind not in "iuf"]


def _coded(part: Split) -> tuple[Any, Any, int]:
    """Words as numbers in front, how many, and the numbers behind them."""
    from sklearn.compose import make_column_transformer
    from sklearn.preprocessing import OrdinalEncoder

    words = _words(part)
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    both = make_column_transformer((codes, words), remainder="passthrough")
    return both.fit_transform(part.X), both.transform(part.X_test), len(words)


def hist_gradient_boosting(part: Split) -> Any:
    from sklearn import ensemble

    name = "Classifier" if part.task == "classes" else "Regressor"
    X, X_test, words = _coded(part)
    few = [i for i in range(words) if len(np.unique(X[:, i])) < 255]
    kind = getattr(ensemble, f"HistGradientBoosting{name}")
    return kind(random_state=part.number, categorical_features=few or None).fit(X, part.y).predict(X_test)


def lightgbm(part: Split) -> Any:
    import lightgbm

    kind = lightgbm.LGBMClassifier if part.task == "classes" else lightgbm.LGBMRegressor
    X, X_test, words = _coded(part)
    model = kind(random_state=part.number, n_jobs=part.threads, verbose=-1)
    return model.fit(X, part.y, categorical_feature=list(range(words))).predict(X_test)


def catboost(part: Split) -> Any:
    import catboost

    kind = catboost.CatBoostClassifier if part.task == "classes" else catboost.CatBoostRegressor
    words = _words(part)
    X, X_test = (each.assign(**{w: each[w].astype(str) for w in words}) for each in (part.X, part.X_test))
    model = kind(random_seed=part.number, thread_count=part.threads, verbose=False, allow_writing_files=False)
    return model.fit(X, part.y, cat_features=words).predict(X_test).reshape(-1)  # (rows, 1) of many classes


def sklearn_mlp(part: Split) -> Any:
    from sklearn.compose import TransformedTargetRegressor, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    words = _words(part)
    numbers = [name for name in part.X if name not in words]
    both = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), words),
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
    )
    if part.task == "classes":
        model: Any = MLPClassifier(random_state=part.number)
    else:
        scaled = MLPRegressor(random_state=part.number)
        model = TransformedTargetRegressor(scaled, transformer=StandardScaler())
    return make_pipeline(both, model).fit(part.X, part.y).predict(part.X_test)


def pytabkit(name: str) -> Method:
    def run(part: Split) -> Any:
        import pytabkit

        kind = getattr(pytabkit, f"{name}_{'Classifier' if part.task == 'classes' else 'Regressor'}")
        model = kind(random_state=part.number, n_threads=part.threads, device="cpu")
        return model.fit(part.X, part.y, cat_col_names=_words(part)).predict(part.X_test)

    return run


METHODS: dict[str, Method] = {
    "default": ours("default"),
    "default-1": ours("default", nets=1),
    "realmlp": ours("realmlp"),
    "realmlp-s": ours("realmlp-s"),
    "fast": ours("fast"),
    "tabm": ours("tabm"),
    "hist-gradient-boosting": hist_gradient_boosting,
    "lightgbm": lightgbm,
    "catboost": catboost,
    "sklearn-mlp": sklearn_mlp,
    "pytabkit-realmlp-td": pytabkit("RealMLP_TD"),
    "pytabkit-realmlp-td-s": pytabkit("RealMLP_TD_S"),
    "pytabkit-tabm": pytabkit("TabM_D"),
}
