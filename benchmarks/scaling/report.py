"""The measurements and the model, as a section of docs/performance.md and its picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import model

Figures = dict[str, Any]
LINKS = {"10 Gbit/s": 10e9 / 8, "100 Gbit/s": 100e9 / 8}
MACHINES = (1, 2, 4, 8, 16, 32, 64)
HIDDEN = (512, 1024, 2048, 4096)
BATCHES = (1024, 8192, 65536)


def models(figures: Figures) -> tuple[model.Model, dict[str, model.Model]]:
    """That of ranks with one thread on this machine, and those of machines with all of its threads."""
    widths, batch = tuple(figures["widths"]), figures["batch"]
    here = model.fitted(figures["ranks"]["1"], widths, batch, figures["link"])
    machine = model.fitted(figures["all_threads"], widths, batch, figures["link"])
    links = {name: model.Model(machine.compute, machine.latency, speed) for name, speed in LINKS.items()}
    return here, links


def network(hidden: int) -> tuple[int, ...]:
    return (784, hidden, hidden, 10)


def lines(figures: Figures) -> Iterator[str]:
    """Tables in Markdown."""
    here, links = models(figures)
    widths, batch, ranks = tuple(figures["widths"]), figures["batch"], figures["ranks"]
    yield f"{'-'.join(map(str, widths))}, batches of {batch}, one thread a rank, all on one machine:"
    yield ""
    yield "| ranks | a step, s | times as fast | the model's step, s |"
    yield "|---|---|---|---|"
    for name, seconds in ranks.items():
        expected = here.step(widths, batch, int(name))
        yield f"| {name} | {seconds:.2f} | {ranks['1'] / seconds:.2f} | {expected:.2f} |"
    yield ""
    machine = links["10 Gbit/s"].compute * 1e12
    yield (
        f"Constants: {here.compute * 1e12:.1f} ps for a row and a parameter on one thread, {machine:.1f} on "
        f"{figures['threads']}; {here.latency * 1e6:.0f} us of latency a step; "
        f"{here.bandwidth / 1e9:.1f} GB/s between two ranks."
    )
    yield ""
    yield (
        "| width | "
        + " | ".join(f"{name}: 2, 8 and 64 machines pay from a batch of" for name in links)
        + " |"
    )
    yield "|---|" + "---|" * len(links)
    for hidden in HIDDEN:
        least = [
            ", ".join(str(m.least_batch(network(hidden), r)) for r in (2, 8, 64)) for m in links.values()
        ]
        yield f"| {hidden} | {' | '.join(least)} |"


def draw(figures: Figures, docs: Path) -> None:
    """Speedups that the model expects."""
    from matplotlib.figure import Figure

    _, links = models(figures)
    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, (name, expected) in zip(figure.subplots(1, 2, sharey=True), links.items(), strict=True):
        for batch in BATCHES:
            speedups = [expected.speedup(network(2048), batch, machines) for machines in MACHINES]
            axes.plot(MACHINES, speedups, marker="o", label=f"batches of {batch}")
        axes.plot(MACHINES, MACHINES, color="0.6", linestyle=":", label="as many times")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.set_xticks(MACHINES, [str(machines) for machines in MACHINES])
        axes.set_yticks(MACHINES, [str(machines) for machines in MACHINES])
        axes.set_xlabel("machines")
        axes.set_title(name)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("times as fast as one")
    figure.axes[0].legend(fontsize=8)
    figure.suptitle("784-2048-2048-10 on several machines: a model, not a measurement")
    figure.savefig(docs / "performance-scaling.png", dpi=110, metadata={"Software": None})
