"""The page: Markdown tables of a run's figures, put between two marks of docs/performance.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from . import limit, pictures
from .few_bits import MANY_ROWS, ONE_ROW, OTHER
from .jobs import WIDE
from .runner import MANY_NOT_SLOWER, THREADS, best_other, ratio

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
CLOCKS = {"wall": "the clock on the wall", "cpu": "processor time"}
Record = dict[str, Any]


def write(figures: Record, docs: Path) -> None:
    """Pictures, and the tables into performance.md, or into a page of their own where that has no marks."""
    docs.mkdir(parents=True, exist_ok=True)
    try:
        drawn = pictures.draw(figures, docs)
    except ImportError as error:
        print(f"no pictures: {error}")
        drawn = []
    text = f"{BEGIN}\n{page(figures, drawn)}\n{END}"
    target = docs / "performance.md"
    old = target.read_text() if target.exists() else ""
    if BEGIN in old and END in old:
        text = old[: old.index(BEGIN)] + text + old[old.index(END) + len(END) :]
    else:
        target, text = docs / "performance-figures.md", text + "\n"
    target.write_text(text)
    print(f"page: {target}, pictures: {len(drawn)}")


def page(figures: Record, drawn: Sequence[tuple[str, str]]) -> str:
    """All sections whose figures are there."""
    lines = figures["lines"]
    doubles = [line for line in lines if line["dtype"] == "float64"]
    sections = [_setting(figures), *_comparisons(lines)]
    if doubles:
        title = "float64, microseconds a call or an epoch"
        sections.append(f"### {title}\n\n{_against_others(doubles, 1e6)}")
    if "apart" in figures:
        sections += _comparisons(figures["apart"]["lines"], f"{figures['apart']['threads']} threads each: ")
    for title, part, table in PARTS:
        if figures.get(part):
            sections.append(f"### {title}\n\n{table(figures[part])}")
    sections += [f"![{title}]({name})" for name, title in drawn]
    return "\n\n".join(sections)


def _comparisons(lines: Sequence[Record], words: str = "") -> list[str]:
    """A section for each kind of float32 lines that are there."""
    predictions = _kind(lines, "predict")
    kinds = (
        ("one row, microseconds a call", [line for line in predictions if line["batch"] == 1], 1e6),
        ("batches, microseconds a call", [line for line in predictions if line["batch"] > 1], 1e6),
        ("training, milliseconds an epoch", _kind(lines, "train"), 1e3),
    )
    titles = [words + title if words else title[0].upper() + title[1:] for title, _, _ in kinds]
    tables = [_against_others(chosen, unit) if chosen else "" for _, chosen, unit in kinds]
    return [f"### {title}\n\n{table}" for title, table in zip(titles, tables, strict=True) if table]


def _kind(lines: Iterable[Record], kind: str) -> list[Record]:
    """float32 lines of one kind."""
    return [line for line in lines if line["kind"] == kind and line["dtype"] == "float32"]


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, the first column to the left and figures to the right."""
    rule = ["---"] + ["---:"] * (len(heads) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [heads, rule, *rows])


def number(value: float | None) -> str:
    """Three digits or so; nothing for None."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _verdict(reached: float | None, asked: float | None) -> str:
    if asked is None or reached is None:
        return ""
    return f"{asked:g} {'yes' if round(reached, 2) >= asked else 'no'}"


def _setting(figures: Record) -> str:
    env = figures["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in env["versions"].items())
    words = [
        f"{env['processor']}, {env['system']}, one core; Python {env['python']}; {versions}.",
        f"Medians of {figures['rounds']} rounds, one package after another, by {CLOCKS[figures['clock']]}.",
        *(f"{line}." for line in env["blas"]),
    ]
    if env["missing"]:
        words.append("Not measured: " + ", ".join(f"{k} ({v})" for k, v in env["missing"].items()) + ".")
    if figures.get("limits"):
        rates = ", ".join(f"{name} {rate:.0f}" for name, rate in figures["limits"].items())
        words.append(f"Multiply-add limit of the core, GFLOP/s: {rates}.")
    return " ".join(words)


def _against_others(lines: Sequence[Record], unit: float) -> str:
    """Every competitor's time, the ratio to the best, and what was asked for."""
    names = list(dict.fromkeys(name for line in lines for name in line["times"]))
    bound = any(name.endswith("bound") for name in names)
    share = any(line["limits"] for line in lines)
    heads = ["", *names, "ratio to the best", "asked for"]
    heads += ["out= to the best, bound too"] * bound + ["% of the limit"] * share
    return markdown(heads, [_line(line, names, unit, bound, share) for line in lines])


def _line(line: Record, names: Sequence[str], unit: float, bound: bool, share: bool) -> list[str]:
    times = [line["times"].get(name) for name in names]
    reached, other = ratio(line), best_other(line)
    best = f"**{number(reached)}** ({other[0]})" if other else ""
    cells = [line["title"], *(number(t["median"] * unit) if t else "" for t in times), best]
    cells.append(_verdict(reached, line["target"]))
    if bound:
        cells.append(number(ratio(line, bound=True)))
    if share:
        cells.append(number(percent(line, "fastmlp")))
    return cells


def percent(line: Record, name: str) -> float | None:
    """How much of the multiply-add limit, measured in the same rounds, was reached."""
    best = limit.best(line["limits"], line["dtype"])
    if not best or name not in line["times"]:
        return None
    return float(100 * line["operations"] / line["times"][name]["median"] / 1e9 / best)


def _limit_table(lines: Sequence[Record]) -> str:
    wide = [line for line in lines if line["name"] in WIDE and line["limits"] and line["batch"] > 1]
    rows = []
    for line in wide:
        asked = (72.0 if line["name"] == WIDE[1] else None) if line["kind"] == "train" else None
        own, other = percent(line, "fastmlp"), best_other(line)
        theirs = f"{number(percent(line, other[0]))} ({other[0]})" if other else ""
        limit_now = number(limit.best(line["limits"], line["dtype"]))
        rows.append([line["title"], limit_now, number(own), theirs, _verdict(own, asked)])
    if not rows:
        return "The limit was not measured."
    return markdown(["", "limit, GFLOP/s", "fastmlp, %", "best other, %", "asked for"], rows)


def _avx2_table(lines: Sequence[Record]) -> str:
    rows = []
    for line in lines:
        own, other = line["times"].get("fastmlp, avx2"), line["times"].get("NumPy")
        if line["kind"] == "train" and own and other:
            reached = other["median"] / own["median"]
            cells = [number(own["median"] * 1e3), number(other["median"] * 1e3)]
            rows.append([line["title"], *cells, number(reached), _verdict(reached, 1.0)])
    return markdown(["", "fastmlp on AVX2, ms", "NumPy on its best, ms", "ratio", "asked for"], rows)


def _pair_table(first: str, second: str, heads: Sequence[str], default: float) -> Callable[[Any], str]:
    """Two of the engine's own times and their ratio."""

    def table(records: Sequence[Record]) -> str:
        rows = []
        for record in records:
            a, b = record["times"][first]["median"], record["times"][second]["median"]
            verdict = _verdict(round(a / b, 2), record.get("target", default))
            rows.append([record["title"], number(a * 1e6), number(b * 1e6), number(a / b), verdict])
        return markdown(["", *heads, "ratio", "asked for"], rows)

    return table


def _threads_table(records: Sequence[Record]) -> str:
    """One thread's time in each count's, and whether none of the larger ones is slower."""
    counts = [count for count in map(str, THREADS[2:]) if all(count in r["times"] for r in records)]
    heads = ["", "one thread, us", "two threads, us", "ratio", "asked for"]
    heads += [f"{count} threads" for count in counts] + ["asked for"] * bool(counts)
    rows = []
    for record in records:
        one, two = record["times"]["1"]["median"], record["times"]["2"]["median"]
        verdict = _verdict(round(one / two, 2), record["target"])
        rows.append([record["title"], number(one * 1e6), number(two * 1e6), number(one / two), verdict])
        many = [one / record["times"][count]["median"] for count in counts]
        rows[-1] += [number(share) for share in many]
        rows[-1] += [_verdict(min(many), MANY_NOT_SLOWER)] if many else []
    return markdown(heads, rows)


def _fixed_table(fixed: Record) -> str:
    rows = [
        [
            f"{name}, 2-3-2-2",
            f"{value * 1e6:.3f} us",
            _verdict(0.25e-6 / value, 1.0).replace("1 ", "0.25 us "),
        ]
        for name, value in fixed.items()
        if name != "import"
    ]
    asked = _verdict(15e-3 / fixed["import"], 1.0).replace("1 ", "15 ms ")
    rows.append(["import fastmlp, after numpy", f"{fixed['import'] * 1e3:.1f} ms", asked])
    return markdown(["", "cost", "asked for"], rows)


def _cost_table(records: Sequence[Record]) -> str:
    kinds = list(records[0]["seconds a row"])
    rows = [
        [
            f"{r['parameters']:,}",
            *(number(r["seconds a row"][k] * 1e9 / r["parameters"] * 1e3) for k in kinds),
        ]
        for r in records
    ]
    return markdown(["parameters", *(f"{kind}, ns a row and 1000 parameters" for kind in kinds)], rows)


def _rows_table(records: Sequence[Record]) -> str:
    rows = [[f"{r['rows']:,}", number(r["seconds"] / r["rows"] * 1e9)] for r in records]
    return markdown(["rows", "784-100-10, ns a row"], rows)


def _few_bits_table(records: Sequence[Record]) -> str:
    """Times and errors; of one row the shares of float32's time, of many the ratio to the other."""
    names = list(dict.fromkeys(name for record in records for name in record["times"]))
    rows = []
    for record in records:
        times = {name: t["median"] for name, t in record["times"].items()}
        cells = [
            f"{number(times[name] * 1e6)} ({record['errors'][name]:.0e})" if name in times else ""
            for name in names
        ]
        if record["batch"] == 1:
            shares = {name: (times[name] / times["float32"], asked) for name, asked in ONE_ROW.items()}
            words = [f"{name} at {share:.2f}" for name, (share, _) in shares.items()]
            asked = [f"{most} {'yes' if share <= most else 'no'}" for share, most in shares.values()]
            rows.append([record["title"], *cells, ", ".join(words), ", ".join(asked)])
        else:
            reached = times[OTHER] / times["int8"] if OTHER in times else None
            rows.append([record["title"], *cells, number(reached), _verdict(reached, MANY_ROWS)])
    ratios = "one row: of float32's time; many: int8 against the other"
    return markdown(["", *(f"{name}, us (error)" for name in names), ratios, "asked for"], rows)


PARTS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("Of the multiply-add limit", "lines", _limit_table),
    ("AVX2 alone, training", "lines", _avx2_table),
    (
        "float64 beside float32",
        "doubles",
        _pair_table("float32", "float64", ["float32, us", "float64, us"], 0.5),
    ),
    ("More threads, wall time (0.95 and 0.91: not slower, but for noise)", "threads", _threads_table),
    ("Weights in few bits", "few_bits", _few_bits_table),
    ("Fixed costs", "fixed", _fixed_table),
    ("Cost against parameters", "cost", _cost_table),
    ("Cost against rows", "rows", _rows_table),
)
