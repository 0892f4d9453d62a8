"""scikit-learn's own tests of its MLP, run with this package's classes in the place of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

neural = pytest.importorskip("sklearn.neural_network")
pytestmark = pytest.mark.slow

IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor\n"
OURS = "from fastmlp.sklearn import MLPClassifier, MLPRegressor\n"
CONFTEST = """
import pytest

@pytest.fixture
def global_random_seed():
    return 42
"""

# Tests that cannot apply, each with the reason.
NOT_OURS: dict[str, str] = {}


def test_their_tests_pass_with_our_classes(tmp_path):
    source = Path(neural.__file__).with_name("tests") / "test_mlp.py"
    if not source.exists():
        pytest.skip("scikit-learn is installed without its tests")
    text = source.read_text(encoding="utf-8")
    assert text.count(IMPORT) == 1
    (tmp_path / "test_mlp.py").write_text(text.replace(IMPORT, OURS), encoding="utf-8")
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    known = set(re.findall(r"^def (test_\w+)", text, re.MULTILINE))
    assert set(NOT_OURS) <= known
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mlp.py"]
    command += [f"--deselect=test_mlp.py::{name}" for name in NOT_OURS]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # they ask for none
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
    passed = int(re.search(r"(\d+) passed", result.stdout)[1])
    assert passed >= len(known) - len(NOT_OURS)
    assert "skipped" not in result.stdout and "failed" not in result.stdout
