"""``train`` on arrays: load, build, fit, report, save, show a few rows."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from ...callbacks import Callback, EarlyStopping, ModelCheckpoint
from ...network import Network
from ..classes import check_class_weight
from ..output import complain, say, table
from ..pictures import drawn
from ..report import WARNING, Report
from .build import built, labelled, resumed
from .data import Data, load_training
from .folds import crossed
from .measure import measured

Array = np.ndarray[Any, Any]

SHOWN_ROWS = 8


def run(options: argparse.Namespace, model: Path, picture: Path | None) -> int:
    """Load, tune or cross-validate where told, build or resume, fit, report, save, show a few rows."""
    if options.early_stopping is not None and not options.validation_split:
        raise ValueError("--early-stopping watches held-out rows, expected a --validation-split above 0")
    data = load_training(options)
    check_class_weight(options, data.classes is not None)
    if options.trials is not None:
        from .trials import best_of

        options = best_of(options, data)
    elif options.cv is not None:
        _cross_validate(options, data)
    network = (built if options.resume is None else resumed)(options, data)
    _describe(options, data, network)
    history, seconds = _fit(options, data, network)
    report = measured(options, data, network)
    _report(options, data, network, history, seconds, report)
    network.save(model)
    options.found.update(output=model)
    say(f"saved      {model}{_plot(history, picture)}")
    if not options.quiet and not history.interrupted:
        _show_rows(data, network)
    if history.interrupted:
        return complain(options, "interrupted, the network was saved as it is", 130)
    if not report.better:
        complain(options, WARNING, 0)
    return 0


def _cross_validate(options: argparse.Namespace, data: Data) -> None:
    folds = crossed(options, data)
    options.found.update(folds=folds.values())
    print(f"cross-validation, {options.cv} folds of the training rows", *folds.lines(), "", sep="\n")


def _describe(options: argparse.Namespace, data: Data, network: Network) -> None:
    if options.quiet:
        return
    task = "regression" if data.classes is None else f"{len(data.classes)} classes"
    say(f"data       {data.source}, {task}: {len(data.X)} rows to train, {len(data.X_test)} held out")
    print(f"optimizer  {network.optimizer}, batches of {options.batch_size}, seed {options.seed}")
    print(f"runs on    {network.isa}, {network.dtype}\n")
    network.summary()
    print()


def _fit(options: argparse.Namespace, data: Data, network: Network) -> tuple[Any, float]:
    """Train; returns the history and the seconds it took."""
    X, y, held_out = data.X, labelled(network, data.y), None
    if options.validation_split:
        learned, watched = data.watched(options.validation_split, options.seed)
        held_out = X[watched], y[watched]
        X, y = X[learned], y[learned]
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
        resume=options.resume is not None,
    )
    return history, time.perf_counter() - start


def _callbacks(options: argparse.Namespace) -> list[Callback]:
    found: list[Callback] = []
    if options.checkpoint is not None:
        found.append(ModelCheckpoint(options.checkpoint, include_optimizer=True))
    if options.early_stopping is not None:
        found.append(EarlyStopping("val_loss", patience=options.early_stopping, restore_best_weights=True))
    return found


def _report(
    options: argparse.Namespace, data: Data, network: Network, history: Any, seconds: float, report: Report
) -> None:
    epochs = len(history.epoch)
    rows = int(len(data.X) * (1 - options.validation_split))
    rate = epochs * rows / max(seconds, 1e-9)
    noun = "epoch" if epochs == 1 else "epochs"
    print(f"trained    {epochs} {noun} in {seconds:.2f} s, {rate:,.0f} rows/s on {network.isa}")
    say(f"held out   {report.summary}")
    if not options.quiet:
        print("", *report.lines(), "", sep="\n")
    options.found.update(
        kind="regression" if data.classes is None else "classification",
        rows_trained=len(data.X),
        rows_held_out=len(data.X_test),
        seconds=seconds,
        rows_per_second=rate,
        history=history.history,
        report=report.values(),
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
