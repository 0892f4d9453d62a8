"""What is said of packages that are missing works today: no index has fastmlp yet."""

import re
from pathlib import Path

import pytest

import fastmlp
from fastmlp import optional

ROOT = Path(__file__).parents[2]


def test_a_missing_package_is_named_with_the_command():
    with pytest.raises(ImportError) as caught:
        optional.require("no_such_package.inside", "torch")
    assert str(caught.value) == (
        "no_such_package is not installed, expected it for this call: "
        'pip install ".[torch]" in a clone of fastmlp'
    )


def test_after_a_release_the_index_is_named(monkeypatch):
    monkeypatch.setattr(optional, "_RELEASED", True)
    assert optional.install("torch") == 'pip install "fastmlp[torch]"'


def test_no_text_names_an_index_before_the_release():
    package = Path(fastmlp.__file__).parent
    places = [*package.rglob("*.py"), *ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    named = [
        str(path)
        for path in places
        if path.name != "optional.py" and re.search(r"pip install [^\n]*fastmlp\[", path.read_text("utf-8"))
    ]
    assert len(places) > 50 and named == []
