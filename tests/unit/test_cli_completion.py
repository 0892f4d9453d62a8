"""`fastmlp completion`: what shells then complete."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from fastmlp.cli import COMMANDS
from fastmlp.cli.options import PICTURES, READING, SHELLS
from fastmlp.optimizers import OPTIMIZERS

LINES = {
    "": {*COMMANDS},
    "pre": {"predict"},
    "completion ": {*SHELLS},
    "train --optimizer ": {*OPTIMIZERS},
    "train data.npz --dtype float6": {"float64"},
    "plot --kind ": {kind for kinds in PICTURES.values() for kind in kinds},
    "train --head": {"--header"},
    "train --no-": {"--no-header", "--no-plot"},
    "info --": {"--help", "--quiet", "--json"},
    "predict --output ": {"leaves.npz"},
    "train l": {"leaves.npz"},
}
# What ends a shell's words for a line in LINES, each on a line of its own.
ASKED = {
    "bash": "COMP_WORDS=(fastmlp {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _shtab_fastmlp; "
    "echo ${{COMPREPLY[@]}}",
    "fish": 'echo (complete -C "fastmlp {line}" | string replace -r "\\t.*" "")',
}


def script_of(run, shell):
    pytest.importorskip("shtab")
    if os.name == "nt" or shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    return run("completion", shell)[1]


@pytest.mark.parametrize("shell", ASKED)
def test_shells_complete_what_the_parser_knows(run, shell, tmp_path):
    script = script_of(run, shell)
    (tmp_path / "leaves.npz").touch()
    empty = {line: line + "''" if line[-1:] in (" ", "") else line for line in LINES}
    asked = [ASKED[shell].format(line=line, words=words) for line, words in empty.items()]
    done = subprocess.run(
        [shell, "-c", "\n".join([script, *asked])], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    found = [{*line.split()} for line in done.stdout.splitlines()]
    assert dict(zip(LINES, found, strict=True)) == LINES and done.stderr == ""


def test_zsh_takes_the_script(run):
    script = script_of(run, "zsh")
    asked = 'autoload -Uz compinit; compinit -u -D; eval "$SCRIPT"; print $_comps[fastmlp]'
    environment = {**os.environ, "SCRIPT": script}
    done = subprocess.run(["zsh", "-fc", asked], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "_shtab_fastmlp\n" and done.stderr == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_every_option_is_in_the_script(run, shell):
    pytest.importorskip("shtab")
    script = run("completion", shell)[1]
    for name in READING:
        assert name.replace("_", "-") in script


def test_without_shtab(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    status, out, err = run("completion")
    assert (status, out) == (2, "") and "shtab is not installed" in err and "[completion]" in err
