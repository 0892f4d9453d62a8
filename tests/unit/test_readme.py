"""The README's Python runs as it stands, its links lead somewhere, and its commands are ones there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fastmlp.cli.options import build_parser

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_python_blocks_run_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert len(blocks("python")) >= 4
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    assert (tmp_path / "quadrants.npz").exists()
    printed = capsys.readouterr().out
    assert "Output shape" in printed and "accuracy" in printed
    assert names["history"].history["val_accuracy"][-1] > 0.9


def test_relative_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert len(links) >= 5
    for link in links:
        path, _, anchor = link.partition("#")
        assert (ROOT / path).exists(), f"README.md links to {link}, which is not there"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [heading.lower().replace(" ", "-") for heading in headings]


def test_commands_are_understood():
    lines = [line for block in blocks("sh") for line in block.splitlines() if "-m fastmlp" in line]
    assert len(lines) >= 4
    for line in lines:
        words = shlex.split(line.split("-m fastmlp", 1)[1])
        assert build_parser().parse_args(words).command == words[0]


GUIDES = sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *GUIDES])
def test_extras_and_groups_are_declared(page):
    tomllib = pytest.importorskip("tomllib", reason="tomllib came with Python 3.11")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    text = (ROOT / page).read_text(encoding="utf-8")
    for extras in re.findall(r"\.\[([\w,]+)\]\"", text):
        assert set(extras.split(",")) <= set(declared["project"]["optional-dependencies"])
    assert set(re.findall(r"--group (\w+)", text)) <= set(declared["dependency-groups"])


def test_extras_are_for_users():
    tomllib = pytest.importorskip("tomllib", reason="tomllib came with Python 3.11")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert not set(declared["project"]["optional-dependencies"]) & set(declared["dependency-groups"])
