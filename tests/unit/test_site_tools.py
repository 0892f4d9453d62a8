"""The tools that check the built site: they find what is wrong."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def dead_links():
    return runpy.run_path(str(DOCS / "check_links.py"))["dead_links"]


def written(folder, **pages):
    for name, body in pages.items():
        path = folder / f"{name.replace('__', '/')}.html"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"<!doctype html><body>{body}</body>", "utf-8")
    return folder


def test_links_that_lead_somewhere(dead_links, tmp_path):
    (tmp_path / "a b.png").write_bytes(b"")
    site = written(
        tmp_path,
        index='<p id="top"><a href="sub/page.html#here">x</a> <a href="#top">x</a> <img src="a%20b.png">',
        sub__page='<h1 id="here">x</h1> <a href="../index.html">x</a> <a href="https://example.org/none">x</a>',
    )
    assert dead_links(site) == []


@pytest.mark.parametrize(
    "link", ["none.html", "index.html#none", "#none", "none.png", "sub/none.html#top", "none/"]
)
def test_a_dead_link_is_named(dead_links, link, tmp_path):
    site = written(tmp_path, index=f'<p id="top"><a href="{link}">x</a>')
    assert dead_links(site) == [f"index.html: {link}"]


def test_pages_that_the_theme_brings_are_left_out(dead_links, tmp_path):
    site = written(tmp_path, index="", _static__page='<a href="none.html">x</a>')
    assert dead_links(site) == []


def test_a_folder_without_pages_is_said(dead_links, tmp_path):
    with pytest.raises(FileNotFoundError, match="none holds no pages"):
        dead_links(tmp_path / "none")


@pytest.mark.parametrize("tool", ["check_links", "run_notebooks"])
def test_without_a_folder_the_use_is_said(tool, monkeypatch):
    pytest.importorskip("nbclient")
    monkeypatch.setattr("sys.argv", [tool])
    with pytest.raises(SystemExit, match=f"python docs/{tool}.py"):
        runpy.run_path(str(DOCS / f"{tool}.py"), run_name="__main__")


@pytest.fixture(scope="module")
def notebooks():
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    return runpy.run_path(str(DOCS / "run_notebooks.py"))


@pytest.mark.parametrize(
    ("code", "error"), [("1 / 0", "ZeroDivisionError"), ("open('left', 'w').close()", "leaves left")]
)
def test_a_notebook_that_fails_is_said(notebooks, code, error, tmp_path, monkeypatch):
    import nbformat

    monkeypatch.setenv("MPLBACKEND", "Agg")  # which main takes away
    cells = [nbformat.v4.new_code_cell(code)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "one.ipynb")
    with pytest.raises(Exception, match=error):
        notebooks["main"](tmp_path)


def test_a_folder_without_notebooks_is_said(notebooks, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no notebooks"):
        notebooks["main"](tmp_path)
