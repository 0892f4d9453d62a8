"""``train`` on arrays: load, build, fit, report, save, show a few rows."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ... import datasets, optimizers
from ...callbacks import EarlyStopping
from ...errors import listed
from ...layers import Dense, Dropout
from ...network import Network
from ...spread import mean_and_deviation
from ..classes import check_class_weight
from ..options import LOSSES_OF_CLASSES, LOSSES_OF_NUMBERS
from ..output import complain, say, table
from ..pictures import drawn
from ..scores import of_numbers
from .data import Data, load_training

Array = np.ndarray[Any, Any]

SHOWN_ROWS = 8


def run(options: argparse.Namespace, model: Path, picture: Path | None) -> int:
    """Load, build, fit, report, save, show a few rows."""
    if options.early_stopping is not None and not options.validation_split:
        raise ValueError("--early-stopping watches held-out rows, expected a --validation-split above 0")
    data = load_training(options)
    check_class_weight(options, data.classes is not None)
    _check_loss(options, data)
    network = _build(options, data)
    _describe(options, data, network)
    spread = None if data.classes is not None else mean_and_deviation(data.y)
    history, seconds, interrupted = _fit(options, data, network, spread)
    if spread is not None:
        _fold_spread(network, *spread)
    _report(options, data, network, history, seconds)
    if data.classes is not None:
        network.classes = _labels(data.classes)
    network.save(model)
    options.found.update(output=model)
    say(f"saved      {model}{_plot(history, picture)}")
    if not options.quiet and not interrupted:
        _show_rows(data, network)
    return complain(options, "interrupted, the network was saved as it is", 130) if interrupted else 0


def _check_loss(options: argparse.Namespace, data: Data) -> None:
    known = LOSSES_OF_NUMBERS if data.classes is None else LOSSES_OF_CLASSES
    if options.loss is not None and options.loss not in known:
        what = "numbers" if data.classes is None else "classes"
        raise ValueError(f"--loss is {options.loss!r}, expected for {what} one of {listed(known)}")


def _labels(names: Sequence[str]) -> Sequence[Any]:
    """Names of classes, as numbers where all of them are whole ones."""
    numbers = [int(name) if re.fullmatch("-?[0-9]{1,18}", name) else None for name in names]
    return numbers if [str(number) for number in numbers] == list(names) else names


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
    optimizer = kind() if options.learning_rate is None else kind(options.learning_rate)
    network.compile(optimizer, loss=options.loss)
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


def _fit(
    options: argparse.Namespace, data: Data, network: Network, spread: tuple[Array, Array] | None
) -> tuple[Any, float, bool]:
    """Train; returns the history, the seconds it took and whether Ctrl-C ended it."""
    X, y = data.X, data.y if spread is None else (data.y - spread[0]) / spread[1]
    held_out = None
    if options.validation_split:  # shuffled and by classes, as the rows may be sorted by them
        stratify = data.classes is not None
        X, X_held_out, y, y_held_out = datasets.train_test_split(
            X, y, options.validation_split, options.seed, stratify
        )
        held_out = X_held_out, y_held_out
    start = time.perf_counter()
    history = network.fit(
        X,
        y,
        epochs=options.epochs,
        batch_size=options.batch_size,
        validation_data=held_out,
        callbacks=_callbacks(options),
        class_weight=options.class_weight,
        threads=options.threads,
        verbose=not options.quiet,
    )
    return history, time.perf_counter() - start, history.interrupted


def _callbacks(options: argparse.Namespace) -> list[EarlyStopping]:
    if options.early_stopping is None:
        return []
    return [EarlyStopping("val_loss", patience=options.early_stopping, restore_best_weights=True)]


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
        figures = network.evaluate(data.X_test, data.y_test, threads=options.threads)
        line = f"loss {figures['loss']:.4f}, accuracy {figures['accuracy']:.2%} of {len(data.X_test)} rows"
    else:
        agreement = of_numbers(data.y_test, network.predict(data.X_test))
        line, figures = agreement.line, agreement.figures
    print(f"held out   {line}")
    options.found.update(
        kind="regression" if data.classes is None else "classification",
        rows_trained=len(data.X),
        rows_held_out=len(data.X_test),
        seconds=seconds,
        rows_per_second=rate,
        history=history.history,
        held_out=figures,
    )


def _plot(history: Any, picture: Path | None) -> str:
    """Draw the loss curve; returns what to say about it."""
    names = [name for name in history.history if not name.startswith("val_")]
    if not history.epoch:
        return ""
    return drawn(picture, lambda ax, path: _draw(history, names, ax, path), len(names))


def _draw(history: Any, names: list[str], ax: Any, path: Path) -> None:
    from ...plots import plot_history

    plot_history(history, metrics=names, ax=ax, path=path)


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
