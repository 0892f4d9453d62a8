"""What the figures come to: geometric means of ratios of errors, ranks, seconds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

Figures = dict[str, dict[str, dict[str, float]]]  # method -> table -> {"error": ..., "seconds": ...}


def means(lines: Iterable[dict[str, Any]]) -> Figures:
    """Of each method and table over its splits."""
    lists: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for line in lines:
        table = lists.setdefault(line["method"], {}).setdefault(line["table"], [])
        table.append((line["error"], line["seconds"]))
    return {
        method: {
            table: dict(zip(("error", "seconds"), map(float, np.mean(each, axis=0)), strict=True))
            for table, each in tables.items()
        }
        for method, tables in lists.items()
    }


def rows(figures: Figures, reference: str) -> list[dict[str, Any]]:
    """A row for each method, on the tables that all have done: the best first.

    "ratio" is the geometric mean over the tables of its error to the reference's; "spread" the standard error
    of that mean, relatively; "rank" the mean place, 1 the best; "seconds" the sum of processor time; "cost"
    its ratio to the reference's.
    """
    shared = sorted(set.intersection(*(set(tables) for tables in figures.values())))
    if not shared:
        return []
    errors = np.array([[figures[method][table]["error"] for table in shared] for method in figures])
    logs = np.log(errors / errors[list(figures).index(reference)])
    worse, same = (compare(errors[:, None], errors[None]).sum(axis=1) for compare in (np.greater, np.equal))
    places = worse + (same + 1) / 2
    seconds = {name: sum(each[table]["seconds"] for table in shared) for name, each in figures.items()}
    found = [
        {
            "method": method,
            "tables": len(shared),
            "ratio": float(np.exp(logs[i].mean())),
            "spread": float(logs[i].std() / np.sqrt(len(shared))),
            "rank": float(places[i].mean()),
            "seconds": seconds[method],
            "cost": seconds[method] / seconds[reference],
        }
        for i, method in enumerate(figures)
    ]
    return sorted(found, key=lambda row: row["ratio"])


def text(found: list[dict[str, Any]], reference: str) -> str:
    """The rows as a Markdown table."""
    lines = [
        f"| method | error to {reference} | average rank | processor seconds a split | to {reference} |",
        "|---|---|---|---|---|",
    ]
    for row in found:
        ratio = f"{row['ratio']:.3f} +- {row['ratio'] * row['spread']:.3f}"
        seconds = f"{row['seconds']:.1f} | {row['cost']:.2f}"
        lines.append(f"| {row['method']} | {ratio} | {row['rank']:.2f} | {seconds} |")
    return "\n".join(lines)
