"""`fastmlp completion`: what bash then completes."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from fastmlp.cli import COMMANDS
from fastmlp.cli.options import PICTURES, READING
from fastmlp.optimizers import OPTIMIZERS

LINES = {
    "": {*COMMANDS},
    "pre": {"predict"},
    "train --optimizer ": {*OPTIMIZERS},
    "train data.npz --dtype float6": {"float64"},
    "plot --kind ": {kind for kinds in PICTURES.values() for kind in kinds},
    "train --head": {"--header"},
    "train --no-": {"--no-header", "--no-plot"},
    "info --": {"--help", "--quiet", "--json"},
    "predict --output ": set(),  # bash takes names of files then
    "train ": set(),
}


def test_bash_completes_what_the_parser_knows(run):
    if os.name == "nt" or shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    script = run("completion")[1]
    asked = [
        f"COMP_WORDS=(fastmlp {line or chr(39) * 2}{chr(32) + chr(39) * 2 if line.endswith(' ') else ''}); "
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _fastmlp; echo ${COMPREPLY[@]}"
        for line in LINES
    ]
    done = subprocess.run(
        ["bash", "-c", "\n".join([script, *asked])], capture_output=True, text=True, check=True
    )
    found = [{*line.split()} for line in done.stdout.splitlines()]
    assert dict(zip(LINES, found, strict=True)) == LINES and done.stderr == ""


def test_every_option_is_in_the_script(run):
    script = run("completion")[1]
    for name in READING:
        assert f"--{name.replace('_', '-')}" in script
