"""The pictures of docs/performance.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastmlp.plots import style

from . import limit
from .jobs import WIDE
from .runner import best_other

Record = dict[str, Any]

# fastmlp comes first, and the others are paler.
COLOURS = (*style.CLASSES, style.QUIET, style.FAINT)
PALE = 0.6


def draw(figures: Record, docs: Path) -> list[tuple[str, str]]:
    """Draw what there are figures for; returns (file name, title) pairs."""
    import matplotlib

    matplotlib.use("agg")
    lines = [line for line in figures["lines"] if line["dtype"] == "float32"]
    drawn = []
    for name, title, chosen, unit in (
        ("one-row", "One row, microseconds", _chosen(lines, "predict", 1), 1e6),
        ("batch", "256 rows, microseconds", _chosen(lines, "predict", 256), 1e6),
        ("training", "One epoch, milliseconds", [x for x in lines if x["kind"] == "train"], 1e3),
    ):
        if chosen:
            drawn.append(_save(_bars(chosen, unit, title), docs, name, title))
    wide = [line for line in lines if line["name"] in WIDE and line["limits"] and line["batch"] > 1]
    if wide:
        drawn.append(_save(_limit_bars(wide), docs, "limit", "Wide nets against the multiply-add limit"))
    if figures.get("cost"):
        drawn.append(_save(_curve(figures["cost"]), docs, "cost", "Cost of a row against parameters"))
    return drawn


def _chosen(lines: Sequence[Record], kind: str, batch: int) -> list[Record]:
    return [line for line in lines if line["kind"] == kind and line["batch"] == batch]


def _save(figure: Any, docs: Path, name: str, title: str) -> tuple[str, str]:
    file = f"performance-{name}.png"
    figure.savefig(docs / file, dpi=110, metadata={"Software": None})
    return file, title


def _figure(width: float, height: float) -> tuple[Any, Any]:
    """A figure outside pyplot, which needs no closing."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    style.frame(axes)
    return figure, axes


def _bars(lines: Sequence[Record], unit: float, title: str) -> Any:
    """A group of bars for each line, a colour for each competitor, log scale."""
    names = list(dict.fromkeys(name for line in lines for name in line["times"]))
    names = [name for name in names if not name.startswith("fastmlp,")]
    figure, axes = _figure(2 + 1.3 * len(lines), 4.8)
    width = 0.85 / len(names)
    for i, name in enumerate(names):
        where = [
            (j, line["times"][name]["median"] * unit) for j, line in enumerate(lines) if name in line["times"]
        ]
        xs = [j + (i - (len(names) - 1) / 2) * width for j, _ in where]
        look = {"color": COLOURS[i % len(COLOURS)], "alpha": PALE if i else 1.0}
        axes.bar(xs, [value for _, value in where], width, label=name, **look)
    axes.set_yscale("log")
    axes.set_xticks(range(len(lines)), [_short(line) for line in lines], fontsize=8)
    axes.grid(False, axis="x")
    axes.set_title(f"{title} (log scale, lower is better)", fontsize=11)
    axes.margins(y=0.15)
    axes.set_ylim(top=4 * axes.get_ylim()[1])  # room for the legend
    axes.legend(fontsize=8, ncols=5, loc="upper left", frameon=False)
    return figure


def _short(line: Record) -> str:
    words = [line["name"]]
    if line["kind"] == "train":
        words += [
            line["optimizer"],
            "full batch" if line["batch"] == line["rows"] else f"batch {line['batch']}",
        ]
    return "\n".join(words)


def _limit_bars(lines: Sequence[Record]) -> Any:
    """GFLOP/s of the engine and of the best other, under the limit measured in the same rounds."""
    figure, axes = _figure(2 + 1.4 * len(lines), 4.8)
    for j, line in enumerate(lines):
        top = limit.best(line["limits"], line["dtype"])
        other = best_other(line)
        bars = [("fastmlp", style.TRAINING, -0.2)] + ([(other[0], style.QUIET, 0.2)] if other else [])
        for name, colour, shift in bars:
            label = name.replace(" ", "\n")
            rate = line["operations"] / line["times"][name]["median"] / 1e9
            axes.bar(j + shift, rate, 0.38, color=colour)
            text = f"{label}\n{100 * rate / top:.0f} %".replace("torch.", "torch.\n")
            axes.text(j + shift, 0.97 * rate, text, ha="center", va="top", fontsize=7, color="white")
        axes.plot([j - 0.45, j + 0.45], [top, top], color="black")
    axes.plot([], [], color="black", label="multiply-add limit")
    labels = [
        f"{_short(line)}\n{'' if line['kind'] == 'train' else str(line['batch']) + ' rows'}" for line in lines
    ]
    axes.set_xticks(range(len(lines)), labels, fontsize=8)
    axes.set_ylabel("GFLOP/s, one core")
    axes.grid(False, axis="x")
    axes.set_title("Wide nets against the multiply-add limit", fontsize=11)
    axes.legend(loc="upper left", fontsize=8, frameon=False)
    axes.margins(y=0.2)
    return figure


def _curve(records: Sequence[Record]) -> Any:
    """Seconds a row against parameters, with lines of slope one."""
    figure, axes = _figure(7, 4.8)
    xs = [record["parameters"] for record in records]
    for i, kind in enumerate(records[0]["seconds a row"]):
        ys = [record["seconds a row"][kind] for record in records]
        axes.loglog(xs, ys, "o-", color=style.color(i), label=kind)
        middle = len(xs) // 2
        axes.loglog(xs, [ys[middle] * x / xs[middle] for x in xs], ":", color=style.color(i), linewidth=1)
    axes.set_xlabel("parameters (three square layers)")
    axes.set_ylabel("seconds a row")
    axes.set_title("Cost of a row; dotted: in proportion to the parameters", fontsize=11)
    axes.legend(fontsize=8, frameon=False)
    return figure
