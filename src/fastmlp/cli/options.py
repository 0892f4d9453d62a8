"""The options of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from .. import optimizers
from ..config import __version__
from ..datasets.bounded import MAX_BYTES


class _Parser(argparse.ArgumentParser):
    """argparse, but a mistake is answered by one line instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog.removeprefix('python -m ')}: {message} (--help lists the options)\n")


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options; a new command is a line here and one in `fastmlp.cli.COMMANDS`."""
    parser = _Parser(prog="python -m fastmlp", description="Train and run multi-layer perceptrons on a CPU.")
    parser.add_argument("--version", action="version", version=f"fastmlp {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_train(commands)
    _add_predict(commands)
    _add_info(commands)
    commands.add_parser("bench", help="time this machine, beside the packages that are installed")
    return parser


def _add_train(commands: Any) -> None:
    parser = commands.add_parser(
        "train",
        help="train a network and save it",
        description="Train a network on files of yours or, without --data, on scikit-learn's digits; "
        "show loss and accuracy on held-out rows, save the network and a picture of the loss.",
    )
    data = parser.add_argument_group("data")
    data.add_argument(
        "--data", type=Path, metavar="PATH",
        help="a folder of IDX files (as MNIST's), a CSV, or an .npz with X, y and optionally X_test, y_test",
    )  # fmt: skip
    data.add_argument("--target", metavar="COLUMN", help="of a CSV: the column to predict, its name or index")
    data.add_argument(
        "--task", choices=("auto", "classification", "regression"), default="auto",
        help="auto: classification if the target is words or few different whole numbers",
    )  # fmt: skip
    data.add_argument(
        "--scaling", choices=("auto", "standardize", "none"), default="auto",
        help="of the inputs, kept in the model; auto: bytes / 255, columns to mean 0 and deviation 1",
    )  # fmt: skip
    data.add_argument(
        "--test-share", type=_test_share, default=0.25, metavar="SHARE",
        help="rows held out for the final figures, if the data has no test set (default %(default)s)",
    )  # fmt: skip
    data.add_argument(
        "--validation-split", type=_share, default=0.1, metavar="SHARE",
        help="training rows held out to watch each epoch; 0 for none (default %(default)s)",
    )  # fmt: skip
    _add_max_bytes(data)
    network = parser.add_argument_group("network")
    network.add_argument(
        "--layers", type=_widths, default=(100,), metavar="WIDTHS",
        help="of the hidden layers: 100, or 512,512, or none (default 100)",
    )  # fmt: skip
    network.add_argument("--activation", default="relu", help="of the hidden layers (default %(default)s)")
    network.add_argument("--dropout", type=_rate, default=0.0, metavar="RATE", help="after each hidden layer")
    network.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    training = parser.add_argument_group("training")
    training.add_argument(
        "--optimizer", choices=sorted(optimizers.OPTIMIZERS), default="adam", help="(default %(default)s)"
    )
    training.add_argument(
        "--learning-rate", type=_positive, metavar="RATE", help="(default: the optimizer's)"
    )
    training.add_argument("--epochs", type=_count, default=30, help="(default %(default)s)")
    training.add_argument(
        "--batch-size", type=_count, default=32, metavar="ROWS", help="(default %(default)s)"
    )
    training.add_argument("--seed", type=_seed, default=0, help="the same seed, the same bits (default 0)")
    training.add_argument("--threads", type=_count, help="at most this many")
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output", type=Path, metavar="FILE", help="the network (default digits.npz; with --data, model.npz)"
    )
    output.add_argument(
        "--plot", type=Path, metavar="FILE", help="the loss curve (default: as --output, .png)"
    )
    output.add_argument("--no-plot", action="store_true", help="draw no picture")
    output.add_argument("--quiet", action="store_true", help="no summary, no progress, no example rows")


def _add_max_bytes(parser: Any) -> None:
    parser.add_argument(
        "--max-bytes", type=_count, default=MAX_BYTES, metavar="BYTES",
        help="of a packed file: the most that it may unpack to (default 1 GiB)",
    )  # fmt: skip


def _add_predict(commands: Any) -> None:
    parser = commands.add_parser(
        "predict",
        help="predict rows with a saved network",
        description="Predict rows with a saved network: CSV on standard output, or into a file. "
        "A class name that a spreadsheet would run as a formula (=1+1) gets a ' before it.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="a file that train saved")
    parser.add_argument(
        "data",
        type=Path,
        metavar="DATA",
        help="a CSV, an .npz with X, an IDX file of images or a folder of them",
    )
    parser.add_argument(
        "--target", metavar="COLUMN", help="of a CSV: leave this column out, and compare with it"
    )
    _add_max_bytes(parser)
    parser.add_argument("--threads", type=_count, help="at most this many")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help=".csv, or .npy for the network's outputs as they are"
    )


def _add_info(commands: Any) -> None:
    parser = commands.add_parser(
        "info",
        help="show how fastmlp runs here, or what a saved network is",
        description="Show versions, instruction sets and threads; with MODEL, the network in that file.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", nargs="?", help="a file that train saved")


def _argument(
    expected: str, convert: Callable[[str], Any], fits: Callable[[Any], bool]
) -> Callable[[str], Any]:
    """A type for argparse whose complaint says what was expected."""

    def parse(text: str) -> Any:
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not fits(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")
        return value

    return parse


def _split_widths(text: str) -> tuple[int, ...]:
    return () if text == "none" else tuple(int(width) for width in text.split(","))


_count = _argument("a whole number of at least 1", int, lambda value: value >= 1)
_seed = _argument("a whole number from 0 to 2**64 - 1", int, lambda value: 0 <= value < 2**64)
_share = _argument("a share of at least 0 and below 1", float, lambda value: 0 <= value < 1)
_test_share = _argument("a share above 0 and below 1", float, lambda value: 0 < value < 1)
_rate = _argument("a rate of at least 0 and below 1", float, lambda value: 0 <= value < 1)
_positive = _argument("a finite number above 0", float, lambda value: 0 < value < float("inf"))
_widths = _argument(
    "widths such as 100 or 512,512, or none", _split_widths, lambda value: all(width >= 1 for width in value)
)
