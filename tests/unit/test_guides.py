"""The guides' Python runs as it stands: block after block, in a process of its own, in an empty folder.

A block is left out where it imports an optional package that is missing, begins with ``# needs: gcc`` (a
command or a module) that is missing, or uses a name that only such a block has made.  Then the test ends as
skipped, after the other blocks have passed.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDES = ("coming-from-*.md", "command-line.md", "custom-loops.md", "deploying.md", "precision.md")
GUIDES += ("clusters.md", "reproducibility.md", "tables.md")
SLOW = ["clusters", "deploying"]  # half a minute and more
PAGES = sorted(page for pattern in GUIDES for page in DOCS.glob(pattern))
QUICK = [page for page in PAGES if page.stem not in SLOW]

# What a guide may import beside the standard library, NumPy and what it builds itself.
OPTIONAL = {"Cython", "cffi", "dask", "joblib", "keras", "matplotlib", "numba", "onnx", "onnxruntime"}
OPTIONAL |= {"optuna", "pandas", "pyspark", "ray", "safetensors", "scipy", "skl2onnx", "sklearn", "torch"}

FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEEDS = re.compile(r"# needs: (.+)")


def missing(names: set[str]) -> set[str]:
    """Those that are neither modules nor commands here."""
    return {name for name in names if not (importlib.util.find_spec(name) or shutil.which(name))}


def facts(code: str) -> tuple[set[str], set[str], set[str]]:
    """What a block needs, the names it makes, and those it uses without making them."""
    listed = NEEDS.match(code)
    needs = {name.strip() for name in listed[1].split(",")} if listed else set()
    made, used = set(), set()
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except SyntaxError:  # shows when it runs
        return needs, made, used
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            origins = (
                [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            )
            needs |= OPTIONAL & {origin.partition(".")[0] for origin in origins}
            made |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            made.add(node.name)
        elif isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else made).add(node.id)
    return needs, made, used - made


def script(page: str) -> tuple[str, int, set[str]]:
    """A page's Python, with every line where it stands there; how many blocks; what is missing for others."""
    lines = [""] * (page.count("\n") + 1)
    known: set[str] = set()
    lacking: dict[str, set[str]] = {}  # names that blocks left out would have made, and what these lacked
    count, left_out = 0, set()
    for block in FENCE.finditer(page):
        needs, made, used = facts(block[1])
        absent = missing(needs).union(*(lacking[name] for name in used if name in lacking))
        if absent:
            left_out |= absent
            lacking |= dict.fromkeys(made - known, absent)
            continue
        known |= made
        lacking = {name: what for name, what in lacking.items() if name not in made}
        first = page.count("\n", 0, block.start(1))
        code = block[1].splitlines()
        lines[first : first + len(code)] = code
        count += 1
    return "\n".join(lines) + "\n", count, left_out


def run(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a page's blocks; a traceback names the page's own lines.  Skips if some were left out."""
    code, count, left_out = script(page.read_text(encoding="utf-8"))
    empty = folder / "empty"
    empty.mkdir()
    program = folder / f"{page.stem}.py"
    program.write_text(code, encoding="utf-8")
    paths = [str(empty), *filter(None, [os.environ.get("PYTHONPATH")])]  # a guide may import what it builds
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "MPLBACKEND": "Agg"}
    command = [sys.executable, str(program)]
    result = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, f"{page.name}:\n{result.stdout}{result.stderr}"
    if left_out:
        pytest.skip(f"{page.name}: {count} blocks passed, others need {', '.join(sorted(left_out))}")
    return result


@pytest.mark.parametrize("page", QUICK, ids=lambda page: page.stem)
def test_guide(page: Path, tmp_path: Path) -> None:
    assert FENCE.search(page.read_text(encoding="utf-8")), f"{page.name} has no Python"
    run(page, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_long_guide(name: str, tmp_path: Path) -> None:
    run(DOCS / f"{name}.md", tmp_path)


def test_there_are_guides() -> None:
    assert "coming-from-pytorch" in {page.stem for page in PAGES}


# ---- the runner itself ----


def written(folder: Path, text: str) -> Path:
    page = folder / "coming-from-nowhere.md"
    page.write_text(text, encoding="utf-8")
    return page


GOOD = """# A page

```python
import os
assert os.listdir() == []
x = 1
```

```sh
this is no python
```

```python
print(x + 1, __name__)
open("file", "w").close()
```
"""


def test_blocks_share_names_in_an_empty_folder(tmp_path: Path) -> None:
    assert run(written(tmp_path, GOOD), tmp_path).stdout == "2 __main__\n"


@pytest.mark.parametrize(
    ("planted", "message"),
    [("assert x == 2", "AssertionError"), ("y", "NameError"), ("x = = 1", "SyntaxError"), ("exit(3)", ":")],
)
def test_a_wrong_block_fails(planted: str, message: str, tmp_path: Path) -> None:
    page = written(tmp_path, GOOD + f"\n```python\n{planted}\n```\n")
    with pytest.raises(AssertionError, match=message) as caught:
        run(page, tmp_path)
    assert "coming-from-nowhere.md" in str(caught.value)
    if message != ":":
        assert f"line {GOOD.count(chr(10)) + 3}" in str(caught.value)  # the page's


def test_a_block_that_lacks_something_is_reported(tmp_path: Path) -> None:
    page = written(tmp_path, GOOD + "\n```python\n# needs: sys, no_such_thing\nraise ValueError\n```\n")
    with pytest.raises(pytest.skip.Exception, match="2 blocks passed, others need no_such_thing"):
        run(page, tmp_path)


def test_a_block_that_has_what_it_needs_runs(tmp_path: Path) -> None:
    page = written(tmp_path, GOOD + "\n```python\n# needs: sys, python3\nraise ValueError\n```\n")
    with pytest.raises(AssertionError, match="ValueError"):
        run(page, tmp_path)


def test_a_failing_page_is_not_skipped(tmp_path: Path) -> None:
    planted = "\n```python\n# needs: no_such_thing\n```\n\n```python\nraise ValueError\n```\n"
    with pytest.raises(AssertionError, match="ValueError"):
        run(written(tmp_path, GOOD + planted), tmp_path)


def test_what_comes_after_a_block_left_out_follows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.OPTIONAL", {"no_such_thing"})
    blocks = [
        "import no_such_thing as other\nvalue = 1\nx = 3",
        "print(value)",  # only a block left out has made it
        "other.do()",
        "print(x)",  # another block has made it, too
        "value = 2\nprint(value)",
    ]
    page = written(tmp_path, GOOD + "".join(f"\n```python\n{block}\n```\n" for block in blocks))
    code, count, left_out = script(page.read_text())
    assert (count, left_out) == (4, {"no_such_thing"})
    assert [line for line in code.splitlines() if line][-3:] == ["print(x)", "value = 2", "print(value)"]
    with pytest.raises(pytest.skip.Exception, match="4 blocks passed, others need no_such_thing"):
        run(page, tmp_path)


def test_an_unknown_package_is_not_an_excuse(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ModuleNotFoundError"):
        run(written(tmp_path, GOOD + "\n```python\nimport no_such_thing\n```\n"), tmp_path)
