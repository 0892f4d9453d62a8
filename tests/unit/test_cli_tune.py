"""`fastmlp tune` on a table: what `fastmlp.tabular.tune` finds on the training rows."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

pytest.importorskip("pandas")
pytest.importorskip("sklearn")

import fastmlp.tabular  # noqa: E402
from command_line import POINTS, QUADRANT, write_csv  # noqa: E402
from fastmlp.cli.options import build_parser  # noqa: E402
from fastmlp.cli.tables.trials import SPACE  # noqa: E402
from fastmlp.datasets import train_test_split  # noqa: E402

QUICK = ("--recipe", "fast", "--epochs", 2, "--no-plot", "--threads", 1, "--seed", 3)


@pytest.mark.parametrize("method", ["random", "halving"])
def test_the_best_parameters_are_those_of_python(run, tmp_path, method):
    write_csv(tmp_path / "t.csv", QUADRANT.tolist())
    told = ("tune", "t.csv", "--target", "kind", *QUICK, "--trials", 3, "--cv", 2, "--method", method)
    status, out, err = run(*told, "--json")
    found = json.loads(out)
    X, y = POINTS.round(6), QUADRANT
    learned = np.sort(train_test_split(np.arange(400), y, 0.25, 3, True)[0])
    model = fastmlp.tabular.TabularClassifier(
        fastmlp.tabular.recipes.resolve("fast", "classes").replace(epochs=2), random_state=3
    )
    tuned = fastmlp.tabular.tune(model, X[learned], y[learned], SPACE, 3, method, seed=3, cv=2)
    expected = {name: list(v) if isinstance(v, tuple) else v for name, v in tuned.best_params_.items()}
    assert status == 0 and found["parameters"] == expected
    assert found["score"] == pytest.approx(tuned.best_score_)
    saved = fastmlp.tabular.load("model.npz")
    assert saved.recipe.widths == tuned.best_params_["widths"]
    assert np.array_equal(saved.predict(X), tuned.best_estimator_.predict(X))
    first = re.search(r"^ *1 .*$", err, re.MULTILINE).group().split()
    assert float(first[-2]) == pytest.approx(tuned.best_score_, abs=5e-5)
    assert "held out " in err and found["rows_held_out"] == 100


def test_the_help_names_all_recipes():
    text = " ".join(build_parser().format_help().split() + subcommand("tune").format_help().split())
    assert all(name in text for name in fastmlp.tabular.recipes.RECIPES)


def subcommand(name):
    (commands,) = build_parser()._subparsers._group_actions
    return commands.choices[name]
