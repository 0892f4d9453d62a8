"""scikit-learn's checks of estimators."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastmlp.tabular import TabularClassifier, TabularRegressor
from learned import QUICK, QUICK_NUMBERS

SHUFFLED = "a row of weight 2 falls into one batch, the row twice into two, as in scikit-learn's MLPs"
EXPECTED = {f"check_sample_weight_equivalence_on_{kind}_data": SHUFFLED for kind in ("dense", "sparse")}
MODELS = [
    TabularClassifier(QUICK.replace(epochs=40), n_jobs=1),
    TabularRegressor(QUICK_NUMBERS.replace(epochs=100), n_jobs=1),
]


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(MODELS, expected_failed_checks=lambda model: EXPECTED)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
