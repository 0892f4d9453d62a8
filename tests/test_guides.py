"""The guides' Python runs as it stands: block after block, in a process of its own, in an empty folder.

A block whose first line is ``# needs: onnx, gcc`` is left out where one of these, a module or a command, is
missing; a page of which all blocks need something says ``<!-- needs: torch -->`` once, above them.  Then the
test ends as skipped, after the other blocks have passed.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = sorted([*DOCS.glob("coming-from-*.md"), *DOCS.glob("deploying.md")])

FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGE_NEEDS = re.compile(r"^<!-- needs: (.+) -->$", re.MULTILINE)
BLOCK_NEEDS = re.compile(r"# needs: (.+)")


def missing(names: str) -> list[str]:
    """Those of "onnx, gcc" that are neither modules nor commands here."""
    wanted = [name.strip() for name in names.split(",")]
    return [name for name in wanted if not (importlib.util.find_spec(name) or shutil.which(name))]


def script(page: str) -> tuple[str, int, list[str]]:
    """A page's Python, with every line where it stands there; how many blocks; what is missing for others."""
    lines = [""] * (page.count("\n") + 1)
    whole = PAGE_NEEDS.search(page)
    lacking = missing(whole[1]) if whole else []
    left_out, count = list(lacking), 0
    for block in FENCE.finditer(page):
        own = BLOCK_NEEDS.match(block[1])
        absent = lacking or (missing(own[1]) if own else [])
        if absent:
            left_out += [name for name in absent if name not in left_out]
            continue
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
    result = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, f"{page.name}:\n{result.stdout}{result.stderr}"
    if left_out:
        pytest.skip(f"{page.name}: {count} blocks passed, others need {', '.join(left_out)}")
    return result


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_guide(page: Path, tmp_path: Path) -> None:
    assert FENCE.search(page.read_text(encoding="utf-8")), f"{page.name} has no Python"
    run(page, tmp_path)


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


def test_a_page_may_need_something_as_a_whole(tmp_path: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match="0 blocks passed, others need no_such_thing"):
        run(written(tmp_path, "<!-- needs: no_such_thing -->\n" + GOOD), tmp_path)
    (tmp_path / "empty").rmdir()
    assert run(written(tmp_path, "<!-- needs: sys -->\n" + GOOD), tmp_path).stdout == "2 __main__\n"
