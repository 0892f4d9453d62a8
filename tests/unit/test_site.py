"""The site's sources: lessons run and are translated, guides are in a list, public names in the reference."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest

import fastmlp
from fastmlp import plots
from interpreters import PICTURES, interpret_script

DOCS = Path(__file__).resolve().parents[2] / "docs"
LESSONS = sorted((DOCS / "learn").glob("plot_*.py"))

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")


@pytest.fixture
def pages(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    yield importlib.import_module("public_names")
    sys.modules.pop("public_names")


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_lesson_runs(lesson, tmp_path):
    result = interpret_script(lesson, cwd=tmp_path, imported=PICTURES)
    assert result.returncode == 0, result.stderr
    assert list(tmp_path.iterdir()) == [], "a lesson leaves no files"


def test_lessons_are_numbered_without_gaps():
    assert [int(lesson.stem.split("_")[1]) for lesson in LESSONS] == list(range(1, len(LESSONS) + 1))
    assert len(LESSONS) >= 13


def blocks_of(lesson):
    """(code without its docstrings and comments, lines of prose) of each block of a lesson."""
    text = lesson.read_text("utf-8")
    found = []
    for block in re.split(r"^# %%\n", text, flags=re.MULTILINE):
        tree = ast.parse(block)
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
                node.body = node.body[1:]
        words = re.match(r'(?:#.*\n)*|""".*?"""', block, re.DOTALL)[0]
        found.append((ast.unparse(tree), words))
    return found


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_the_translation_has_the_same_code(lesson):
    translated = blocks_of(DOCS / "ko" / "learn" / lesson.name)
    original = blocks_of(lesson)
    assert [code for code, _ in translated] == [code for code, _ in original]
    assert any(code for code, _ in original)
    for (_, words), (_, source) in zip(translated, original, strict=True):
        assert bool(words) == bool(source)
        assert not words or re.search("[가-힣]", words), f"not translated: {words}"
        assert words.count(".. math::") == source.count(".. math::")


def test_every_lesson_is_translated():
    translated = {lesson.name for lesson in (DOCS / "ko" / "learn").glob("plot_*.py")}
    assert translated == {lesson.name for lesson in LESSONS}


def test_every_picture_is_in_the_gallery():
    scripts = [path.read_text("utf-8") for path in (DOCS / "gallery").glob("plot_*.py")]
    called = {name for name in plots.__all__ for text in scripts if re.search(rf"^.*\b{name}\(", text, re.M)}
    assert called == set(plots.__all__)


def test_every_guide_is_in_a_list():
    lists = [page.read_text("utf-8") for page in DOCS.glob("*.md")]
    listed = {
        name.strip()
        for text in lists
        for block in re.findall(r"```\{toctree\}\n(.*?)```", text, re.S)
        for name in block.splitlines()
        if name and not name.startswith(":")
    }
    written = {page.stem for page in DOCS.glob("*.md")} - {"index"}
    assert written <= listed, f"{sorted(written - listed)} stand in no list"


def test_every_public_name_has_a_page(pages):
    shown = set()
    for _, _, name in pages.PAGES:
        module = importlib.import_module(name) if not name.endswith(("torch", "keras", "onnx")) else None
        shown |= set() if module is None else {id(getattr(module, entry)) for entry in pages.public(module)}
    for name in fastmlp.__all__:
        thing = getattr(fastmlp, name)
        if callable(thing):
            assert id(thing) in shown, name
    modules = {
        name for name, thing in vars(fastmlp).items() if name in fastmlp.__all__ and not callable(thing)
    }
    known = {page.removeprefix("fastmlp.") for _, _, page in pages.PAGES}
    assert modules - {"__version__"} <= known, f"{modules - known} have no page"


def test_a_page_is_written_for_each_module(pages, tmp_path):
    wanted = [page for page in pages.PAGES if not page[2].endswith(("torch", "keras", "onnx", "tensorboard"))]
    pages.PAGES[:] = wanted
    pages.write(tmp_path / "reference")
    index = (tmp_path / "reference" / "index.rst").read_text("utf-8")
    assert all(f"   {page}\n" in index for page, _, _ in wanted)
    layers = (tmp_path / "reference" / "layers.rst").read_text("utf-8")
    assert layers.startswith("Layers\n======\n") and "   Dense\n" in layers


def test_all_that_a_module_lists_is_on_its_page(pages, tmp_path):
    pages.PAGES[:] = [page for page in pages.PAGES if page[0] in ("reference", "layers", "plots")]
    pages.write(tmp_path / "reference")
    for page, _, name in pages.PAGES:
        text = (tmp_path / "reference" / f"{page}.rst").read_text("utf-8")
        listed = importlib.import_module(name).__all__
        assert [each for each in listed if f"   {each}\n" not in text and f":: {each}\n" not in text] == []


def test_a_class_has_its_methods_for_users_in_the_reference(pages):
    methods = dict((name, kind) for kind, name in pages.members("fastmlp", "Network"))
    assert methods["predict"] == methods["fit"] == methods["compile"] == "method"  # of three classes
    assert methods["weights"] == "property"
    assert not {"of_batches", "changing", "begin_epochs"} & set(methods)  # what the engine asks
    assert pages.members("fastmlp.losses", "CategoricalCrossentropy") == []
    assert pages.members("fastmlp.callbacks", "EarlyStopping") == []
    assert ("method", "on_epoch_end") in pages.members("fastmlp.callbacks", "Callback")
    assert ("method", "adapt") in pages.members("fastmlp.layers", "Standardize")
    template = (DOCS / "_templates" / "autosummary" / "class.rst").read_text("utf-8")
    assert "in members_for_users(module, objname)" in template
    assert ".. auto{{ kind }}:: {{ name }}" in template


def test_what_the_reference_leaves_out_is_there(pages):
    for whole, names in pages._INNER.items():
        module, _, name = whole.rpartition(".")
        assert set(names or ()) <= set(dir(getattr(importlib.import_module(module), name))), whole
