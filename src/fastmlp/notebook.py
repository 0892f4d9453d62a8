"""What notebooks show of networks, histories and fits: tables and a curve, in HTML without scripts."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

_WIDTH, _HEIGHT, _MARGIN = 320, 120, 8  # of a curve, in pixels
_COLORS = {"": "#2563a8", "val_": "#d9722e"}
_LOSSES = {prefix: f"{prefix}loss" for prefix in _COLORS}


def runs() -> bool:
    """Whether this is the kernel of a notebook: only there HTML is shown and a bar redrawn in place."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and type(shell).__name__ != "TerminalInteractiveShell"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table, its first column words and the others numbers.

    >>> table(["a"], [["<"]])[-69:]
    '<tbody><tr><td style="text-align:left">&lt;</td></tr></tbody></table>'
    """
    first = ' style="text-align:left"'
    lines = []
    for row in rows:
        cells = [f"<td{first * (i == 0)}>{_escaped(str(cell))}</td>" for i, cell in enumerate(row)]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    names = "".join(f"<th>{_escaped(name)}</th>" for name in head)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def of_layers(title: str, layers: Sequence[tuple[str, int, int]]) -> str:
    """The table of `Network.summary`: (words, width, parameters) of the input and each layer."""
    rows: list[Sequence[object]] = [
        (words, f"(rows, {width})", f"{count:,}") for words, width, count in layers
    ]
    rows.append(("total", "", f"{sum(count for *_, count in layers):,}"))
    return f"<b>{_escaped(title)}</b>" + table(["layer", "output shape", "parameters"], rows)


def of_history(curves: Mapping[str, Sequence[float]]) -> str:
    """The curve of the loss, and the first, the best and the last number of each metric."""
    if not curves or not all(len(values) for values in curves.values()):
        return "<b>History</b> of no epoch"
    epochs = len(next(iter(curves.values())))
    rows = []
    for name, values in curves.items():
        lowest, highest = min(values), max(values)
        rows.append([name, *(f"{value:.4g}" for value in (values[0], values[-1], lowest, highest))])
    noun = "epoch" if epochs == 1 else "epochs"
    picture = _curve(curves) if epochs > 1 else ""
    return f"<b>History</b> of {epochs} {noun}<br>{picture}" + table(
        ["", "first", "last", "lowest", "highest"], rows
    )


class GrowingCurve:
    """The losses of a running fit below a notebook's cell: one picture, drawn again as they become more."""

    def __init__(self) -> None:
        self._curves: dict[str, list[float]] = {}
        self._shown: Any = None  # IPython's handle of the picture

    @property
    def drawn(self) -> bool:
        return self._shown is not None

    def add(self, logs: Mapping[str, float]) -> None:
        """An epoch's numbers, which `draw` shows."""
        for name in _LOSSES.values():
            if name in logs:
                self._curves.setdefault(name, []).append(logs[name])

    def draw(self, words: str) -> None:
        """Show the picture with a line above it, in the place of the last one."""
        ipython: Any = import_module("IPython.display")  # which is loaded where this is called
        picture = ipython.HTML(f"{_escaped(words)}<br>{_curve(self._curves)}")
        if self._shown is None:
            self._shown = ipython.display(picture, display_id=True)
        else:
            self._shown.update(picture)


def _curve(history: Mapping[str, Sequence[float]]) -> str:
    """Lines of the losses by epoch, training blue, held-out rows orange."""
    curves = {prefix: history[name] for prefix, name in _LOSSES.items() if name in history}
    finite = [value for values in curves.values() for value in values if math.isfinite(value)]
    if not finite:
        return ""
    low, span = min(finite), max(finite) - min(finite) or 1.0
    bottom, up = _HEIGHT - _MARGIN, (_HEIGHT - 2 * _MARGIN) / span
    lines = []
    for prefix, values in curves.items():
        across = (_WIDTH - 2 * _MARGIN) / max(len(values) - 1, 1)
        points = " ".join(
            f"{_MARGIN + i * across:.1f},{bottom - (values[i] - low) * up:.1f}"
            for i in _places(len(values))
            if math.isfinite(values[i])
        )
        name = _LOSSES[prefix]
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="{_COLORS[prefix]}" stroke-width="1.8">'
            f"<title>{name}</title></polyline>"
        )
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img">{"".join(lines)}</svg>'


def _places(count: int) -> list[int]:
    """The indices of all values, or of as many as there are pixels, evenly, with the first and the last.

    >>> _places(3), len(_places(100_000)), _places(100_000)[-1]
    ([0, 1, 2], 320, 99999)
    """
    few = min(count, _WIDTH)
    return [round(i * (count - 1) / max(few - 1, 1)) for i in range(few)]


def _escaped(text: str) -> str:
    from html import escape  # not needed by scripts

    return escape(text)
