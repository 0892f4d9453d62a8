"""The commands of the guide work as they stand, one after the other."""

import re
from pathlib import Path

import numpy as np
import pytest

from command_line import POINTS, QUADRANT

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "command-line.md"
COMMAND = re.compile(r"^python -m fastmlp (.+)$", re.MULTILINE)


def test_the_guide_s_commands(run, tmp_path):
    pytest.importorskip("pandas")
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    if not GUIDE.exists():
        pytest.skip("the guides are not beside the tests")
    text = GUIDE.read_text(encoding="utf-8")
    np.savez(tmp_path / "arrays.npz", X=POINTS, y=QUADRANT)
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        exec(compile(block, GUIDE.name, "exec"), {})
    outputs = {}
    for command in COMMAND.findall(text):
        if "mnist" not in command:
            status, out, err = run(*command.split())
            assert status == 0, f"{command}: {err}"
            outputs[command.split()[0], command.replace("--data ", "").split()[1]] = out
    assert "1 row without a target left out: '?', line 9" in outputs["train", "customers.csv"]
    predicted = outputs["predict", "leaves.npz"].splitlines()
    assert predicted[0] == "customer,leaves,probability of no,probability of yes"
    assert [line.split(",")[:2] for line in predicted[1:]] == [["C-900", "no"], ["C-901", "yes"]]
    assert "a category of 3 values" in outputs["info", "leaves.npz"]
