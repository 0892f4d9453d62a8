"""The command line: ``python -m fastmlp train``, ``predict``, ``evaluate`` and others, a module each.

Results go to standard output, mistakes to standard error in one line. Exit status: 0 done, 1 training failed,
2 wrong arguments or files, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

from . import completion, convert, evaluate, info, plot, predict, train
from .options import build_parser
from .output import complain, plain
from .streams import standard_input


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = build_parser().parse_args(argv)
    try:
        return _run(options)
    except BrokenPipeError:
        # The reader, `head` say, has seen enough; nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return complain(options, "interrupted", 130)
    except FloatingPointError as error:
        return complain(options, str(error), 1)
    except OSError as error:
        return complain(options, _os_message(error), 2)
    except (ValueError, TypeError, ImportError, MemoryError) as error:
        return complain(options, str(error) or type(error).__name__, 2)


def _run(options: argparse.Namespace) -> int:
    """The command; with --json what it finds is one object on standard output, its words go to the other."""
    options.found = {}
    if not getattr(options, "json", False):
        with standard_input(options):
            return COMMANDS[options.command](options)
    with standard_input(options), redirect_stdout(sys.stderr):
        status = COMMANDS[options.command](options)
    print(json.dumps(plain(options.found), allow_nan=False))
    return status


def _os_message(error: OSError) -> str:
    if error.filename is None or error.strerror is None:
        return str(error)
    missing = isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError))
    return f"cannot {'open' if missing else 'read or write'} {error.filename!s}: {error.strerror.lower()}"


def _bench(options: argparse.Namespace) -> int:
    from .. import bench

    return bench.main(options)


COMMANDS = {
    "train": train.run,
    "tune": train.run,
    "predict": predict.run,
    "evaluate": evaluate.run,
    "plot": plot.run,
    "convert": convert.run,
    "info": info.run,
    "completion": completion.run,
    "bench": _bench,
}
