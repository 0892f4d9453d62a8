"""The calls that callgrind counts run, and a change is named."""

import doctest

from benchmarks.instructions import __main__ as instructions
from benchmarks.instructions import calls


def test_the_calls_run_and_are_those_of_the_file(capsys):
    calls.main(1)
    assert doctest.testmod(instructions) == (0, 1)
    known = instructions.json.loads(instructions.FILE.read_text())["instructions"]
    assert list(known) == list(calls.hot_calls()) and len(known) == 5
    assert instructions.changes(known, known) == []
    fewer = {name: count * 96 // 100 for name, count in known.items()}
    assert [line.split(": ")[0] for line in instructions.changes(known, fewer)] == list(known)
