"""The command line: ``python -m fastmlp train``, ``predict`` and ``info``.

Results go to standard output, mistakes to standard error in one line. Exit status: 0 done, 1 training failed,
2 wrong arguments or files, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import cli_data, optimizers
from .cli_data import Data
from .cli_options import build_parser
from .cli_output import say, table, write_csv, write_npy
from .config import show_config
from .errors import listed, printable
from .files.format import load_with_classes, save
from .layers import Dense, Dropout
from .network import Network

Array = np.ndarray[Any, Any]

SHOWN_ROWS = 8


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = build_parser().parse_args(argv)
    try:
        return COMMANDS[options.command](options)
    except BrokenPipeError:
        # The reader, `head` say, has seen enough; nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return _complain(options, "interrupted", 130)
    except FloatingPointError as error:
        return _complain(options, str(error), 1)
    except OSError as error:
        return _complain(options, _os_message(error), 2)
    except (ValueError, TypeError, ImportError, MemoryError) as error:
        return _complain(options, str(error) or type(error).__name__, 2)


def _complain(options: argparse.Namespace, message: str, status: int) -> int:
    print(printable(f"fastmlp {options.command}: {' '.join(message.split())}"), file=sys.stderr)
    return status


def _os_message(error: OSError) -> str:
    if error.filename is None or error.strerror is None:
        return str(error)
    missing = isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError))
    return f"cannot {'open' if missing else 'read or write'} {error.filename!s}: {error.strerror.lower()}"


# ---- train ----


def train(options: argparse.Namespace) -> int:
    """Load, build, fit, report, save, show a few rows."""
    model, picture = _output_paths(options)
    data = cli_data.load_training(
        options.data,
        options.target,
        options.task,
        options.scaling,
        options.test_share,
        options.seed,
        options.max_bytes,
    )
    network = _build(options, data)
    _describe(options, data, network)
    spread = None if data.classes is not None else _target_spread(data.y)
    history, seconds, interrupted = _fit(options, data, network, spread)
    if spread is not None:
        _fold_spread(network, *spread)
    _report(options, data, network, history, seconds)
    save(network, model, classes=data.classes)
    say(f"saved      {model}{_plot(history, picture)}")
    if not options.quiet and not interrupted:
        _show_rows(data, network)
    return _complain(options, "interrupted, the network was saved as it is", 130) if interrupted else 0


def _output_paths(options: argparse.Namespace) -> tuple[Path, Path | None]:
    """Where the network and the picture go; a place that cannot be written is refused before any work."""
    model = options.output or Path("digits.npz" if options.data is None else "model.npz")
    if model.suffix != ".npz":
        raise ValueError(f"--output is {str(model)!r}, expected a name that ends in .npz")
    picture = None if options.no_plot else options.plot or model.with_suffix(".png")
    for path in filter(None, (model, picture)):
        if not path.parent.is_dir():
            raise ValueError(f"--output or --plot is {str(path)!r}, but {str(path.parent)!r} is not a folder")
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise ValueError(f"--output or --plot is {str(path)!r}, which cannot be written")
    if options.data is not None and options.data.exists() and model.exists() and model.samefile(options.data):
        raise ValueError(f"--output is {str(model)!r}, the file that --data names")
    return model, picture


def _build(options: argparse.Namespace, data: Data) -> Network:
    layers: list[Any] = [data.X.shape[1]]
    if data.scaling is not None:
        layers.append(data.scaling)
    for width in options.layers:
        layers.append(Dense(width, options.activation))
        if options.dropout > 0:
            layers.append(Dropout(options.dropout))
    if data.classes is not None:
        layers.append(Dense(len(data.classes), "softmax"))
    else:
        layers.append(Dense(data.y.shape[1], "identity"))
    network = Network(layers, dtype=options.dtype, seed=options.seed)
    kind = optimizers.OPTIMIZERS[options.optimizer]
    network.compile(kind() if options.learning_rate is None else kind(options.learning_rate))
    return network


def _describe(options: argparse.Namespace, data: Data, network: Network) -> None:
    if options.quiet:
        return
    task = "regression" if data.classes is None else f"{len(data.classes)} classes"
    say(f"data       {data.source}, {task}: {len(data.X)} rows to train, {len(data.X_test)} held out")
    print(f"optimizer  {network.optimizer}, batches of {options.batch_size}, seed {options.seed}")
    print(f"runs on    {network.isa}, {network.dtype}\n")
    network.summary()
    print()


def _target_spread(y: Array) -> tuple[Array, Array]:
    mean, std = y.mean(axis=0), y.std(axis=0)
    std[(y == y[0]).all(axis=0)] = 1.0
    return mean, std


def _fit(
    options: argparse.Namespace, data: Data, network: Network, spread: tuple[Array, Array] | None
) -> tuple[Any, float, bool]:
    """Train; returns the history, the seconds it took and whether Ctrl-C ended it."""
    y = data.y if spread is None else (data.y - spread[0]) / spread[1]
    start = time.perf_counter()
    history = network.fit(
        data.X,
        y,
        epochs=options.epochs,
        batch_size=options.batch_size,
        validation_split=options.validation_split,
        threads=options.threads,
        verbose=not options.quiet,
    )
    return history, time.perf_counter() - start, history.interrupted


def _fold_spread(network: Network, mean: Array, std: Array) -> None:
    """Let the last layer give the target's own units: it learned (y - mean) / std."""
    *others, W, b = network.get_weights()
    network.set_weights([*others, W * std, b * std + mean])


def _report(options: argparse.Namespace, data: Data, network: Network, history: Any, seconds: float) -> None:
    epochs = len(history.epoch)
    rows = int(len(data.X) * (1 - options.validation_split))
    rate = epochs * rows / max(seconds, 1e-9)
    noun = "epoch" if epochs == 1 else "epochs"
    print(f"trained    {epochs} {noun} in {seconds:.2f} s, {rate:,.0f} rows/s on {network.isa}")
    if data.classes is not None:
        scores = network.evaluate(data.X_test, data.y_test, threads=options.threads)
        loss, accuracy = scores["loss"], scores["accuracy"]
        print(f"held out   loss {loss:.4f}, accuracy {accuracy:.2%} of {len(data.X_test)} rows")
        return
    error, explained = _regression_scores(data.y_test, network.predict(data.X_test))
    print(f"held out   root mean square error {error:.6g}, R2 {explained:.4f} on {len(data.X_test)} rows")


def _regression_scores(y: Array, predictions: Array) -> tuple[float, float]:
    """The root mean square error, and the share of the variance that the predictions explain."""
    residual = float(np.mean((y - predictions) ** 2))
    variance = float(np.mean((y - y.mean(axis=0)) ** 2))
    return residual**0.5, 1 - residual / variance if variance > 0 else float("nan")


def _plot(history: Any, picture: Path | None) -> str:
    """Draw the loss curve; returns what to say about it."""
    if picture is None or not history.epoch:
        return ""
    try:
        from .plots import plot_history

        plot_history(history, path=picture)
    except ImportError:
        return ' (no picture: matplotlib is not installed, pip install "fastmlp[train]" brings it)'
    return f" and {picture}"


def _show_rows(data: Data, network: Network) -> None:
    rows = slice(0, SHOWN_ROWS)
    outputs = network.predict(data.X_test[rows])
    print("\nheld-out rows")
    if data.classes is None:
        pairs = zip(_values(data.y_test[rows]), _values(outputs), strict=True)
        print(*table(("expected", "predicted"), pairs), sep="\n")
        return
    lines = [
        (data.classes[expected], data.classes[row.argmax()], f"{row.max():.1%}")
        for expected, row in zip(data.y_test[rows], outputs, strict=True)
    ]
    print(*table(("expected", "predicted", "probability"), lines), sep="\n")


def _values(rows: Array) -> list[str]:
    return [" ".join(f"{value:.6g}" for value in row) for row in rows]


# ---- predict ----


def predict(options: argparse.Namespace) -> int:
    """Load a network and rows, predict, write."""
    network, classes = load_with_classes(options.model)
    X, y, words = cli_data.load_inputs(options.data, options.target, options.max_bytes)
    if options.output is not None and options.output.suffix not in (".csv", ".npy"):
        raise ValueError(f"--output is {str(options.output)!r}, expected a name that ends in .csv or .npy")
    if X.shape[1] != network.layer_sizes[0]:
        hint = "; --target leaves a column out" if X.shape[1] == network.layer_sizes[0] + 1 else ""
        raise ValueError(f"DATA has {X.shape[1]} columns, expected {network.layer_sizes[0]} as MODEL{hint}")
    outputs = network.predict(X, threads=options.threads)
    if options.output is not None and options.output.suffix == ".npy":
        write_npy(options.output, outputs)
    else:
        write_csv(options.output, _rows(network, classes, outputs))
    if y is not None:
        expected = y if words is None else np.array(words)[y]
        print(_agreement(network, classes, outputs, expected), file=sys.stderr)
    return 0


def _output_activation(network: Network) -> str:
    return str(network.plan.layers[-1][1])


def _is_binary(network: Network, outputs: Array) -> bool:
    return _output_activation(network) == "sigmoid" and outputs.shape[1] == 1


def _class_names(network: Network, classes: tuple[str, ...] | None, outputs: Array) -> list[str]:
    """The predicted class of each row of a classifier."""
    if _is_binary(network, outputs):
        return [str(int(p > 0.5)) for p in outputs[:, 0]]
    names = classes or tuple(map(str, range(outputs.shape[1])))
    return [names[code] for code in outputs.argmax(axis=1)]


def _rows(network: Network, classes: tuple[str, ...] | None, outputs: Array) -> Iterator[Sequence[str]]:
    """The head and the rows of the file that `predict` writes."""
    activation = _output_activation(network)
    if _is_binary(network, outputs):
        shares, heads = outputs[:, 0], ("class", "probability of 1")
    elif activation in ("softmax", "log_softmax"):
        shares, heads = outputs.max(axis=1), ("class", "probability")
        shares = np.exp(shares) if activation == "log_softmax" else shares
    else:
        yield [f"output {j}" for j in range(outputs.shape[1])]
        yield from ([f"{v:.9g}" for v in row] for row in outputs)
        return
    yield heads
    yield from zip(_class_names(network, classes, outputs), map("{:.6f}".format, shares), strict=True)


def _agreement(network: Network, classes: tuple[str, ...] | None, outputs: Array, y: Array) -> str:
    """How the predictions compare with targets that came with the rows."""
    if len(y) != len(outputs):
        raise ValueError(f"y has {len(y)} rows, expected {len(outputs)} as X has")
    if _output_activation(network) not in ("softmax", "log_softmax", "sigmoid"):
        error, explained = _regression_scores(y.reshape(outputs.shape), outputs)
        return f"root mean square error {error:.6g}, R2 {explained:.4f} on {len(y)} rows"
    if y.shape == outputs.shape and outputs.shape[1] > 1:
        right = np.mean((outputs > 0.5) == (y > 0.5))
    else:
        predicted = _class_names(network, classes, outputs)
        right = np.mean(
            [name == str(value) for name, value in zip(predicted, y.ravel().tolist(), strict=True)]
        )
    return f"accuracy {right:.2%} of {len(y)} rows"


# ---- info ----


def info(options: argparse.Namespace) -> int:
    """The configuration, or a network's summary."""
    if options.model is None:
        show_config()
        return 0
    network, classes = load_with_classes(options.model)
    say(f"{options.model}: {network.dtype}, seed {network.seed}, runs on {network.isa} here")
    if classes is not None:
        print(f"classes: {listed(classes)}")
    print()
    network.summary()
    return 0


def bench(options: argparse.Namespace) -> int:
    """Time this machine; exit status 0."""
    from . import bench as module

    return module.main(options)


COMMANDS = {"train": train, "predict": predict, "info": info, "bench": bench}
