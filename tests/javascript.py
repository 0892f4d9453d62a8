"""JavaScript for tests: programs in Node or else in a headless browser, pages in the browser."""

import html
import os
import re
import shutil
import subprocess

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def browser():
    """The command of a Chromium, or a skipped test."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or pytest.skip("needs Chromium")


def program(text, folder):
    """What a module printed with ``print(text)``."""
    node = shutil.which("node")
    if node is None:
        page = f'<pre id="printed"></pre><script type="module">\n{PRINT_IN_PAGE}\n{text}\n</script>'
        return printed(page, folder)
    path = folder / "program.mjs"
    path.write_text(f"const print = console.log;\n{text}\n", encoding="utf-8")
    result = subprocess.run([node, str(path)], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout


PRINT_IN_PAGE = 'const print = (text) => (document.getElementById("printed").textContent += text + "\\n");'


def printed(page, folder):
    """The text of ``<pre id="printed">`` in a page, after its scripts have run in the browser."""
    found = re.search(r'<pre id="printed">(.*?)</pre>', dom(page, folder), re.DOTALL)
    assert found, "the page has no <pre id=printed>"
    return html.unescape(found[1])


def dom(page, folder):
    """A page's document after its scripts have run."""
    path = folder / "page.html"
    path.write_text(f'<!doctype html><meta charset="utf-8">\n{page}\n', encoding="utf-8")
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    options = ["--headless", "--disable-gpu", "--virtual-time-budget=20000"]
    options += [f"--user-data-dir={folder}/profile", "--dump-dom"]
    command = [browser(), *sandbox, *options, path.as_uri()]
    result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout
