"""Code as a fresh interpreter runs it, at the price of a fork: what takes long to import is imported once."""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PICTURES = "matplotlib.pyplot", "sklearn.datasets", "sklearn.metrics"  # what a script with pictures imports

SERVER = """
import importlib, json, os, signal, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
for line in sys.stdin:
    child = os.fork()
    if not child:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()
request = json.loads(line)
signal.alarm(request["seconds"])
for number, name in enumerate([os.devnull, *request["outputs"]]):
    os.dup2(os.open(name, os.O_RDWR), number)
os.environ.clear()
os.environ.update(request["environment"])
os.chdir(request["cwd"])
sys.argv[1:] = request["arguments"]
exec(compile(request["code"], "<string>", "exec"), {"__name__": "__main__"})
"""


@functools.cache
def server(imported):
    """A process that has imported these modules and nothing of fastmlp, and forks for every request."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, *imported], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(process.communicate)  # closes its input, at whose end it ends
    return process


def interpret(code, *arguments, environment=None, cwd=".", imported=("numpy",), seconds=120):
    """`subprocess.run([sys.executable, "-c", code, *arguments])`, with the modules `imported` loaded already.

    What depends on the start or the end of an interpreter itself needs a real one.
    """
    arguments = [str(argument) for argument in arguments]
    environment = {**os.environ} if environment is None else environment
    command = [sys.executable, "-c", code, *arguments]
    if not hasattr(os, "fork"):
        return subprocess.run(
            command, env=environment, cwd=cwd, timeout=seconds, capture_output=True, text=True
        )
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder, name) for name in ("stdout", "stderr")]
        for output in outputs:
            output.touch()
        request = {
            "code": code, "arguments": arguments, "environment": environment, "cwd": os.path.abspath(cwd),
            "seconds": seconds, "outputs": [str(output) for output in outputs],
        }  # fmt: skip
        process = server(imported)
        print(json.dumps(request), file=process.stdin, flush=True)
        status = int(process.stdout.readline())
        return subprocess.CompletedProcess(command, status, *(output.read_text() for output in outputs))


def interpret_script(path, *arguments, **options):
    """`interpret` of a file; pictures are drawn without a screen."""
    code = """
import os, runpy, sys
if "matplotlib" in sys.modules:
    sys.modules["matplotlib"].use("agg")
del sys.argv[0]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    return interpret(code, path, *arguments, **options)
