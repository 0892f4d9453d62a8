"""``train`` on a table: read, hold rows out, fit, report, save."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets import train_test_split
from ...tabular import TabularClassifier, TabularRegressor, metrics, recipes
from ..classes import check_class_weight
from ..options import TEST_SHARE, reading_of
from ..output import complain, say, table
from ..pictures import drawn
from ..reading import files
from ..reading.options import Source
from ..report import WARNING, Report, of_classes, of_numbers
from . import task
from .cells import located
from .folds import crossed
from .held_out import spare_odd_cells
from .task import Target
from .trials import best_of

Array = np.ndarray[Any, Any]

FEWEST = 20  # rows of which some can be spared for the final figures
SHOWN_ROWS = 8


def run(options: argparse.Namespace, path: Path, picture: Path | None) -> int:
    """Read, hold rows out, fit, report, save; the exit status."""
    given = reading_of(options)
    source = files.read(options.data, given, task.sought(options.target))
    names = files.names(source.frame)
    target = task.find(source, task.columns(options.target, names, source.name), options.task)
    check_class_weight(options, target.classes)
    frame = source.frame.drop(columns=target.names)[target.kept]
    if not frame.shape[1]:
        raise ValueError(f"{source.name!r} has no column beside the target {', '.join(target.names)}")
    test = _held_out(target, options)
    spare_odd_cells(frame, test)
    model = _model(options, target)
    _describe(options, source, target, test)
    if options.trials is None:
        with located(source, frame):
            _cross_validate(options, frame, target)
    with located(source, frame[~test]):
        if options.trials is None:
            model.fit(frame[~test], target.y[~test])
        else:
            model = best_of(options, model, frame[~test], target, target.y[~test])
    model.metadata_ = {
        "targets": target.names,
        "columns": names,
        "named": source.named,
        "reading": given.of_numbers(),
    }
    shown = test if test.any() else ~test
    with located(source, frame[shown]):
        report = _measured(model, frame[shown], target, shown, ~test)
    _show(options, model, report, bool(test.any()))
    model.save(path)
    options.found.update(
        kind="classification" if target.classes else "regression",
        target=target.names,
        rows_trained=int((~test).sum()),
        rows_held_out=int(test.sum()),
        networks=len(model.ensemble_.members),
        seconds=model.fit_seconds_,
        columns=model.ensemble_.encoder.report(),
        notes=[*source.notes, *target.notes],
        report=report.values(),
        output=path,
    )
    X, y = frame[shown], target.y[shown]
    say(f"saved      {path}{drawn(picture, lambda ax, to: _draw(model, X, y, ax, to))}")
    if not options.quiet:
        _show_rows(model, X[:SHOWN_ROWS], y[:SHOWN_ROWS])
    if not report.better and test.any():
        complain(options, WARNING, 0)
    return 0


def _held_out(target: Target, options: argparse.Namespace) -> Array:
    """Which rows the final figures are of: none of few; a class of one row is learned from."""
    rows, test = len(target.y), np.zeros(len(target.y), bool)
    spared = np.arange(rows)
    if target.classes:
        _, place, counts = np.unique(target.y, return_inverse=True, return_counts=True)
        spared = spared[counts[place] > 1]
    if (rows < FEWEST and options.test_share is None) or len(spared) < 2:
        return test
    share = TEST_SHARE if options.test_share is None else options.test_share
    chosen = train_test_split(spared, target.y[spared], share, options.seed, target.classes)[1]
    test[chosen] = True
    return test


def _model(options: argparse.Namespace, target: Target) -> Any:
    kind: Any = TabularClassifier if target.classes else TabularRegressor
    recipe = options.recipe or "default"
    resolved = recipes.resolve(recipe, kind._task)
    if options.epochs is not None:
        recipe = resolved.replace(epochs=options.epochs)
    metrics.resolve(options.metric, kind._task)
    weights = {"class_weight": options.class_weight} if target.classes else {}
    return kind(
        recipe,
        **weights,
        nets=options.nets,
        metric=options.metric,
        features=_listed(options.features),
        drop=_listed(options.drop) or (),
        time_limit=options.time_limit,
        n_jobs=options.threads,
        random_state=options.seed,
        verbose=not options.quiet,
    )


def _cross_validate(options: argparse.Namespace, frame: Any, target: Target) -> None:
    if options.cv is None:
        return
    folds = crossed(_model(options, target), frame, target, options.cv, options.seed)
    options.found.update(folds=folds.values())
    print(f"cross-validation, {options.cv} folds", *folds.lines(), sep="\n")


def _listed(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",")]


def _describe(options: argparse.Namespace, source: Source, target: Target, test: Array) -> None:
    """What was read and guessed: the notes are said even to those who want it quiet."""
    if not options.quiet:
        kind = f"{len(np.unique(target.y))} classes" if target.classes else "regression"
        held_out = int(test.sum())
        say(
            f"data       {source.name}, {', '.join(target.names)}, {kind}: "
            f"{len(test) - held_out} rows to train, {held_out} held out"
        )
    places = [] if source.named else ["the file has no names, columns go by place: 0, 1, ... (--header)"]
    for note in (*source.notes, *places, *target.notes):
        say(f"note       {note}")


def _measured(model: Any, frame: Any, target: Target, shown: Array, learned: Array) -> Report:
    if target.classes:
        codes = np.searchsorted(model.classes_, target.y)
        return of_classes(model.classes_, model.predict_proba(frame), codes[shown], codes[learned])
    return of_numbers(target.names, model.predict(frame), target.y[shown], target.y[learned])


def _show(options: argparse.Namespace, model: Any, report: Report, held_out: bool) -> None:
    columns = model.ensemble_.encoder.report()
    if not options.quiet:
        print()
        lines = table(
            ("column", "became", "note"), [(c["column"], c["became"], c["note"]) for c in columns], left=True
        )
        print(*lines, "", sep="\n")
    members = model.ensemble_.members
    noun = "network" if len(members) == 1 else "networks"
    say(f"trained    {len(members)} {noun} in {model.fit_seconds_:.2f} s")
    where = "held out  " if held_out else "few rows, none held out; on the same rows"
    say(f"{where} {report.summary}")
    if not options.quiet:
        print("", *report.lines(), "", sep="\n")


def _draw(model: Any, frame: Any, y: Array, ax: Any, path: Path) -> None:
    from ... import plots

    if hasattr(model, "classes_"):
        plots.plot_confusion_matrix(model, frame, y, ax=ax, path=path)
    else:
        plots.plot_residuals(model, frame, y, ax=ax, path=path)


def _show_rows(model: Any, frame: Any, y: Array) -> None:
    print("\nheld-out rows")
    predicted = model.predict(frame)
    if hasattr(model, "classes_"):
        highest = model.predict_proba(frame).max(axis=1)
        shown = [
            (str(expected), str(found), f"{share:.1%}")
            for expected, found, share in zip(y.tolist(), predicted.tolist(), highest, strict=True)
        ]
        print(*table(("expected", "predicted", "probability"), shown), sep="\n")
        return
    rows = zip(y.reshape(len(y), -1), predicted.reshape(len(y), -1), strict=True)
    lines = [tuple(" ".join(f"{value:.6g}" for value in each) for each in row) for row in rows]
    print(*table(("expected", "predicted"), lines), sep="\n")
