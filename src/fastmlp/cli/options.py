"""The options of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from .. import optimizers, registry
from ..config import __version__
from ..datasets.bounded import MAX_BYTES
from .reading.options import Reading


class _Parser(argparse.ArgumentParser):
    """argparse, but a mistake is answered by one line instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog.removeprefix('python -m ')}: {message} (--help lists the options)\n")


SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")


def build_parser(prog: str = "python -m fastmlp") -> argparse.ArgumentParser:
    """The commands and their options; a new command is a line here and one in `fastmlp.cli.COMMANDS`."""
    parser = _Parser(prog=prog, description="Train and run multi-layer perceptrons on a CPU.")
    parser.add_argument("--version", action="version", version=f"fastmlp {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_train(commands)
    _add_tune(commands)
    _add_predict(commands)
    _add_evaluate(commands)
    _add_plot(commands)
    _add_convert(commands)
    _add_info(commands)
    _add_completion(commands)
    commands.add_parser("bench", help="time this machine, beside the packages that are installed")
    return parser


def _add_completion(commands: Any) -> None:
    completion = commands.add_parser(
        "completion",
        help="print a script by which a shell completes commands and options",
        description='In bash, for the shell that runs: eval "$(fastmlp completion)", for all of them '
        "the same line in ~/.bashrc. It needs the package shtab.",
    )
    completion.add_argument("shell", nargs="?", choices=SHELLS, default=SHELLS[0], help="(default: bash)")


# What only networks take, with the defaults; and what only tables take.
NETWORK_ONLY: dict[str, Any] = {
    "scaling": "auto",
    "validation_split": 0.1,
    "layers": (100,),
    "activation": "relu",
    "dropout": 0.0,
    "dtype": "float32",
    "optimizer": "adam",
    "learning_rate": None,
    "batch_size": 32,
    "loss": None,
    "early_stopping": None,
    "checkpoint": None,
    "resume": None,
}
# Of these, what a network that --resume names has of its own.
OF_NETWORK = ("scaling", "layers", "activation", "dropout", "dtype", "optimizer", "learning_rate", "loss")
# Losses of a softmax over classes, and of outputs that are scaled targets.
LOSSES_OF_CLASSES = sorted(registry.LABEL_LOSSES)
LOSSES_OF_NUMBERS = ["mse", "mae", "huber", "log_cosh"]
# Pictures that `plot` makes, with their functions in `fastmlp.plots`; the first is the default.
PICTURES = {
    "classes": {
        "confusion": "plot_confusion_matrix",
        "roc": "plot_roc",
        "precision-recall": "plot_precision_recall",
        "calibration": "plot_calibration",
    },
    "numbers": {"residuals": "plot_residuals"},
}
SUFFIXES = (".png", ".svg", ".pdf")
READING = ("encoding", "delimiter", "decimal", "thousands", "comment", "header", "skip_rows", "sheet")
TABLE_ONLY = ("recipe", "nets", "metric", "features", "drop", "time_limit", *READING)
_EPOCHS = 30


def for_network(options: argparse.Namespace) -> argparse.Namespace:
    """The options with a network's defaults for what was not given, which `missing` names."""
    defaults = {**NETWORK_ONLY, "epochs": _EPOCHS}
    missing = {name: value for name, value in defaults.items() if getattr(options, name) is None}
    return argparse.Namespace(**{**vars(options), **missing, "missing": tuple(missing)})


def refuse(options: argparse.Namespace, names: Iterable[str], why: str) -> None:
    """ValueError if one of the options was given."""
    for name in names:
        if getattr(options, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} is an option {why}")


def reading_of(options: argparse.Namespace) -> Reading:
    """How the file of a table is to be read."""
    return Reading(**{name: getattr(options, name) for name in READING}, max_bytes=options.max_bytes)


def _add_train(commands: Any) -> None:
    parser = commands.add_parser(
        "train",
        help="train a model and save it",
        description="Train on a file of yours or, without one, on scikit-learn's digits: a tabular "
        "estimator on tables, a network on arrays and images. Shows figures of held-out rows, saves the "
        "model and a picture.",
    )
    parser.set_defaults(trials=None)
    _add_data(parser)
    networks = parser.add_argument_group("networks (arrays and images)")
    _add_networks(networks)
    _add_stages(networks)
    _add_training(parser)


def _add_tune(commands: Any) -> None:
    parser = commands.add_parser(
        "tune",
        help="train with the parameters that do best of several",
        description="Draw widths, learning rate, dropout and, of tables, weight decay or, of arrays and "
        "images, batch size; train on some of the training rows, measure on others, and show which do best. "
        "Then train with the best ones, and show and save what train does. Options of networks that are "
        "given are not drawn.",
    )
    parser.set_defaults(checkpoint=None, resume=None)
    group = parser.add_argument_group("trials")
    group.add_argument("--trials", type=_count, default=20, help="sets of parameters, at most (default 20)")
    group.add_argument(
        "--method", choices=("random", "halving"), default="random",
        help="halving: all begin with few epochs, the best third goes on with three times as many",
    )  # fmt: skip
    _add_data(parser)
    _add_networks(parser.add_argument_group("networks (arrays and images)"))
    _add_training(parser)


def _add_data(parser: Any) -> None:
    data = parser.add_argument_group("data")
    data.add_argument(
        "path", nargs="?", type=Path, metavar="PATH",
        help="a table (CSV, TSV, Parquet, Feather, Excel), a folder of IDX files (as MNIST's), or an .npz "
        "with X, y and optionally X_test, y_test; - is a table on standard input",
    )  # fmt: skip
    data.add_argument("--data", type=Path, metavar="PATH", help="the same")
    data.add_argument(
        "--target", metavar="COLUMN",
        help="of a table: the column to predict, its name or index; of several numbers: a,b",
    )  # fmt: skip
    data.add_argument(
        "--task", choices=("auto", "classification", "regression"), default="auto",
        help="auto: classification if the target is words or few different whole numbers",
    )  # fmt: skip
    data.add_argument(
        "--test-share", type=_test_share, metavar="SHARE",
        help=f"rows held out for the final figures, if the data has no test set (default {TEST_SHARE})",
    )  # fmt: skip
    _add_max_bytes(data)
    _add_reading(parser)
    _add_tables(parser.add_argument_group("tables"))


def _add_training(parser: Any) -> None:
    training = parser.add_argument_group("training")
    training.add_argument("--epochs", type=_count, help=f"(default: the recipe's, or {_EPOCHS} of a network)")
    training.add_argument(
        "--cv", type=_folds, metavar="FOLDS",
        help="first train and measure so many times on other rows; of tune, compare trials so "
        "(default: 3 of tables, one part of the rows of arrays)",
    )  # fmt: skip
    training.add_argument(
        "--class-weight",
        choices=("balanced",),
        help="all classes count the same, however many rows they have",
    )
    training.add_argument("--seed", type=_seed, default=0, help="the same seed, the same bits (default 0)")
    _add_threads(training)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output", type=Path, metavar="FILE", help="the model (default digits.npz; with --data, model.npz)"
    )
    output.add_argument(
        "--plot", type=Path, metavar="FILE",
        help="a picture: the loss, or of a table confusion matrix or residuals (default: as --output, .png)",
    )  # fmt: skip
    output.add_argument("--no-plot", action="store_true", help="draw no picture")
    _add_said(output, "no summary, no progress, no example rows")


def _add_tables(group: Any) -> None:
    group.add_argument(
        "--recipe", metavar="NAME", help="default, fast, realmlp, realmlp-s or tabm (default: default)"
    )
    group.add_argument("--nets", type=_count, help="networks that are averaged (default: the recipe's)")
    group.add_argument("--metric", metavar="NAME", help="what chooses the epoch: auc, log_loss, f1, mae ...")
    group.add_argument("--features", metavar="A,B", help="columns to use, even where they look like ids")
    group.add_argument("--drop", metavar="A,B", help="columns to leave out")
    group.add_argument("--time-limit", type=_positive, metavar="SECONDS", help="fewer epochs where needed")


def _add_networks(group: Any) -> None:
    group.add_argument(
        "--scaling", choices=("auto", "standardize", "none"),
        help="of the inputs, kept in the model; auto: bytes / 255, columns to mean 0 and deviation 1",
    )  # fmt: skip
    group.add_argument(
        "--validation-split", type=_share, metavar="SHARE",
        help="training rows held out to watch each epoch; 0 for none (default 0.1)",
    )  # fmt: skip
    group.add_argument(
        "--layers", type=_widths, metavar="WIDTHS",
        help="of the hidden layers: 100, or 512,512, or none (default 100)",
    )  # fmt: skip
    names = ", ".join(registry.ACTIVATIONS)
    group.add_argument("--activation", metavar="NAME", help=f"of the hidden layers (default relu): {names}")
    classes, numbers = map(", ".join, (LOSSES_OF_CLASSES, LOSSES_OF_NUMBERS))
    group.add_argument(
        "--loss", metavar="NAME", help=f"of classes {classes}; of numbers {numbers} (default: the first)"
    )
    group.add_argument("--dropout", type=_rate, metavar="RATE", help="after each hidden layer")
    group.add_argument("--dtype", choices=("float32", "float64"), help="(default float32)")
    group.add_argument("--optimizer", choices=sorted(optimizers.OPTIMIZERS), help="(default adam)")
    group.add_argument("--learning-rate", type=_positive, metavar="RATE", help="(default: the optimizer's)")
    group.add_argument("--batch-size", type=_count, metavar="ROWS", help="(default 32)")
    group.add_argument(
        "--early-stopping", type=_count, metavar="EPOCHS",
        help="end after so many without a lower loss of held-out rows, with the weights of the best one",
    )  # fmt: skip


def _add_stages(group: Any) -> None:
    """Files of a training that can be gone on with."""
    group.add_argument(
        "--checkpoint", type=Path, metavar="FILE",
        help="save the network there with its optimizer after each epoch",
    )  # fmt: skip
    group.add_argument(
        "--resume", type=Path, metavar="FILE",
        help="go on with the network of a --checkpoint until it has done --epochs in all; data, seed and "
        "batches as before",
    )  # fmt: skip


def _add_reading(parser: Any) -> None:
    group = parser.add_argument_group("how a table is read", "What is not given is found, or guessed aloud.")
    group.add_argument("--encoding", help="of text: utf-8, latin-1 ...")
    group.add_argument("--delimiter", type=_delimiter, metavar="MARK", help="between cells: ; or tab, space")
    group.add_argument("--decimal", type=_mark, metavar="MARK", help="the decimal point of all numbers")
    group.add_argument("--thousands", type=_mark, metavar="MARK", help="what stands between thousands")
    group.add_argument("--comment", metavar="TEXT", help="lines that begin so are left out")
    group.add_argument(
        "--header", action=argparse.BooleanOptionalAction, help="whether the first row holds names"
    )
    group.add_argument("--skip-rows", type=_natural, metavar="ROWS", help="lines above the table")
    group.add_argument("--sheet", metavar="NAME", help="of an Excel file (default: the first)")


def _add_max_bytes(parser: Any) -> None:
    parser.add_argument(
        "--max-bytes", type=_count, default=MAX_BYTES, metavar="BYTES",
        help="of a packed file: the most that it may unpack to (default 1 GiB)",
    )  # fmt: skip


def _add_predict(commands: Any) -> None:
    parser = commands.add_parser(
        "predict",
        help="predict rows with a saved model",
        description="Predict rows with a saved model: CSV on standard output, or into a file. "
        "A class name that a spreadsheet would run as a formula (=1+1) gets a ' before it.",
    )
    _add_rows(
        parser, "a table, an .npz with X, an IDX file of images or a folder of them; - is standard input"
    )
    parser.add_argument("--id", metavar="A,B", help="columns to write beside the predictions")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help=".csv, or .npy for the outputs as they are; - is standard output",
    )
    _add_threads(parser)
    _add_said(parser, "no comparison with targets")


def _add_evaluate(commands: Any) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="show how good a saved model is on other rows",
        description="Predict rows that have their targets, and show the figures that train shows of "
        "held-out rows. The baseline is what is right of these rows without a model.",
    )
    _add_rows(parser, "a table, an .npz with X and y, or a folder of IDX files; - is standard input")
    _add_threads(parser)
    _add_said(parser, "one line of figures")


def _add_plot(commands: Any) -> None:
    parser = commands.add_parser(
        "plot",
        help="draw how good a saved model is on other rows",
        description="Predict rows that have their targets, and draw how they compare.",
    )
    _add_rows(parser, "a table, an .npz with X and y, or a folder of IDX files; - is standard input")
    parser.add_argument(
        "--kind", choices=[kind for kinds in PICTURES.values() for kind in kinds],
        help="(default: confusion of classes, residuals of numbers)",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help=".png, .svg or .pdf (default: as MODEL, .png)"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing")


def _add_convert(commands: Any) -> None:
    parser = commands.add_parser(
        "convert",
        help="write a model for another program, or read one",
        description="Write a model as a file of the kind that the name's end says: .onnx, .c, .js or .mjs, "
        ".safetensors, .keras, .pt or .pth (PyTorch's state dict) or .npz; of a tabular model .onnx, .c or "
        ".npz. Models of ONNX, Keras and, as state dicts in .safetensors, of PyTorch are read.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help=".npz, .safetensors, .onnx or .keras")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="the file to write")
    group = parser.add_argument_group("PyTorch's state dicts, which do not know their activations")
    group.add_argument("--activation", metavar="NAME", help="of the hidden layers")
    group.add_argument("--output-activation", metavar="NAME", help="of the last layer (default identity)")
    parser.add_argument("--quiet", action="store_true", help="print nothing")


def _add_rows(parser: Any, data: str) -> None:
    """What names a model and rows for it."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a file that train saved")
    parser.add_argument("data", type=Path, metavar="DATA", help=data)
    parser.add_argument(
        "--target", metavar="COLUMN", help="of a table: leave this column out, and compare with it"
    )
    _add_max_bytes(parser)
    _add_reading(parser)


def _add_threads(parser: Any) -> None:
    parser.add_argument("--threads", type=_count, help="at most this many")


def _add_info(commands: Any) -> None:
    parser = commands.add_parser(
        "info",
        help="show how fastmlp runs here, or what a saved model is",
        description="Show versions, instruction sets and threads; with MODEL, the model in that file.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", nargs="?", help="a file that train saved")
    _add_said(parser, "of a model one line")


def _add_said(parser: Any, quiet: str) -> None:
    """How much is said, and in which form."""
    parser.add_argument("--quiet", action="store_true", help=quiet)
    parser.add_argument(
        "--json", action="store_true",
        help="one JSON object on standard output; what is said goes to standard error",
    )  # fmt: skip


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


def _named_mark(text: str) -> str:
    return {"tab": "\t", "\\t": "\t", "space": " "}.get(text, text)


def _split_widths(text: str) -> tuple[int, ...]:
    return () if text == "none" else tuple(int(width) for width in text.split(","))


_count = _argument("a whole number of at least 1", int, lambda value: value >= 1)
_folds = _argument("a whole number of at least 2", int, lambda value: value >= 2)
_natural = _argument("a whole number of at least 0", int, lambda value: value >= 0)
_mark = _argument("one character", str, lambda value: len(value) == 1)
_delimiter = _argument(
    "one character, tab or space", _named_mark, lambda value: len(value) == 1 and value not in '\r\n"'
)
_seed = _argument("a whole number from 0 to 2**64 - 1", int, lambda value: 0 <= value < 2**64)
_share = _argument("a share of at least 0 and below 1", float, lambda value: 0 <= value < 1)
TEST_SHARE = 0.25
_test_share = _argument("a share above 0 and below 1", float, lambda value: 0 < value < 1)
_rate = _argument("a rate of at least 0 and below 1", float, lambda value: 0 <= value < 1)
_positive = _argument("a finite number above 0", float, lambda value: 0 < value < float("inf"))
_widths = _argument(
    "widths such as 100 or 512,512, or none", _split_widths, lambda value: all(width >= 1 for width in value)
)
