"""Sixty files as people have them: what is read is what a line of pandas reads, told everything."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pandas = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from fastmlp.cli.reading import files  # noqa: E402
from fastmlp.cli.reading.options import Reading  # noqa: E402
from fastmlp.tabular import frames, words  # noqa: E402

ROWS = 24
AGES = [18 + 7 * i % 53 for i in range(ROWS)]
INCOMES = [round(1000.5 + 137.25 * ((5 * i) % ROWS), 2) for i in range(ROWS)]
CITIES = ["Rome", "Oslo", "Bern", "Lima"] * (ROWS // 4)
KINDS = ["yes" if age > 40 else "no" for age in AGES]
HEAD = ("age", "income", "city", "kind")


def text(
    *,
    mark: str = ",",
    head: tuple[str, ...] | None = HEAD,
    end: str = "\n",
    cell: Callable[[int, str, str], str] = lambda row, name, value: value,
    line: Callable[[str], str] = lambda line: line,
) -> str:
    """The table, each cell and line as a file may have it."""
    rows = [
        mark.join(cell(i, name, str(value)) for name, value in zip(HEAD, row, strict=True))
        for i, row in enumerate(zip(AGES, INCOMES, CITIES, KINDS, strict=True))
    ]
    return end.join(map(line, [*([] if head is None else [mark.join(head)]), *rows])) + end


def of(column: str, change: Callable[[str], str], rows: int = ROWS) -> str:
    """With the first rows of one column changed."""
    return text(cell=lambda i, name, value: change(value) if name == column and i < rows else value)


def quoted(value: str) -> str:
    return f'"{value}"'


def thousands(value: str) -> str:
    return f'"{float(value):,.2f}"'


PLAIN = text()
# name: (content, what pandas must be told, what we are told)
CASES: dict[str, tuple[str | bytes, dict[str, Any], dict[str, Any]]] = {
    "plain": (PLAIN, {}, {}),
    "no names": (text(head=None), {"header": None}, {}),
    "no names, told": (text(head=None), {"header": None}, {"header": False}),
    "names, told": (PLAIN, {}, {"header": True}),
    "semicolons": (text(mark=";"), {"sep": ";"}, {}),
    "tabs": (text(mark="\t"), {"sep": "\t"}, {}),
    "pipes": (text(mark="|"), {"sep": "|"}, {}),
    "spaces": (text(mark=" "), {"sep": " "}, {}),
    "many spaces": (text(mark="   "), {"sep": r"\s+"}, {}),
    "carets, told": (text(mark="^"), {"sep": "^"}, {"delimiter": "^"}),
    "a space behind commas": (text(mark=", "), {"skipinitialspace": True}, {}),
    "spaces around names": (text(head=(" age", "income ", " city ", "kind")), {}, {}),
    "CRLF": (text(end="\r\n"), {}, {}),
    "CR": (text(end="\r"), {}, {}),
    "no last line end": (PLAIN.rstrip("\n"), {}, {}),
    "blank lines": (PLAIN.replace("\n", "\n\n"), {}, {}),
    "blank lines at both ends": ("\n\n" + PLAIN + "\n\n  \n", {}, {}),
    "BOM": (("\ufeff" + PLAIN).encode(), {}, {}),
    "UTF-16": (PLAIN.encode("utf-16"), {"encoding": "utf-16"}, {}),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), {"encoding": "utf-16-le"}, {}),
    "UTF-32": (PLAIN.encode("utf-32"), {"encoding": "utf-32"}, {}),
    "Latin-1": (PLAIN.replace("Bern", "Zürich").encode("latin-1"), {"encoding": "latin-1"}, {}),
    "cp1252": (PLAIN.replace("Bern", "10 €").encode("cp1252"), {"encoding": "cp1252"}, {}),
    "cp1250, told": (
        PLAIN.replace("Bern", "Łódź").encode("cp1250"), {"encoding": "cp1250"}, {"encoding": "cp1250"}
    ),
    "UTF-8 beyond ASCII": (PLAIN.replace("Rome", "東京"), {}, {}),
    "gzip": (gzip.compress(PLAIN.encode()), {"compression": "gzip"}, {}),
    "all quoted": (text(cell=lambda i, name, value: quoted(value)), {}, {}),
    "quoted commas": (of("city", lambda value: f'"{value}, north"'), {}, {}),
    "doubled quotes": (of("city", lambda value: f'"the ""{value}"""'), {}, {}),
    "quotes inside a word": (of("city", lambda value: f'{value} 5"'), {}, {}),
    "line ends in quotes": (of("city", lambda value: f'"{value}\nnorth"'), {}, {}),
    "apostrophes": (of("city", lambda value: f"{value}'s"), {}, {}),
    "empty cells": (of("income", lambda value: "", 5), {}, {}),
    "empty first row": (of("income", lambda value: "", 1), {}, {}),
    "NA": (of("income", lambda value: "NA", 5), {}, {}),
    "n/a": (of("income", lambda value: "n/a", 5), {}, {}),
    "nan": (of("age", lambda value: "nan", 5), {}, {}),
    "null": (of("age", lambda value: "NULL", 5), {}, {}),
    "None": (of("city", lambda value: "None", 5), {}, {}),
    "question marks": (of("income", lambda value: "?", 5), {"na_values": ["?"]}, {}),
    "question marks among words": (of("city", lambda value: "?", 5), {"na_values": ["?"]}, {}),
    "dashes": (of("income", lambda value: "-", 5), {"na_values": ["-"]}, {}),
    "decimal commas": (
        text(mark=";", cell=lambda i, name, value: value.replace(".", ",")), {"sep": ";", "decimal": ","}, {}
    ),
    "decimal commas in quotes": (of("income", lambda v: quoted(v.replace(".", ","))), {"decimal": ","}, {}),
    "decimal commas, told": (
        text(mark=";", cell=lambda i, name, value: value.replace(".", ",")),
        {"sep": ";", "decimal": ","},
        {"decimal": ","},
    ),
    "thousands": (of("income", thousands), {"thousands": ","}, {}),
    "thousands, told": (of("income", thousands), {"thousands": ","}, {"thousands": ","}),
    "German thousands": (
        of("income", lambda v: thousands(v).translate(str.maketrans(",.", ".,"))),
        {"thousands": ".", "decimal": ","},
        {},
    ),
    "dots between thousands, told": (
        of("income", lambda v: f"{int(float(v)) // 10}.000"),
        {"thousands": "."},
        {"thousands": ".", "decimal": ","},
    ),
    "exponents": (of("income", lambda value: f"{float(value):e}"), {}, {}),
    "plus signs": (of("income", lambda value: f"+{value}"), {}, {}),
    "no digit before the point": (of("income", lambda value: f".{value[:2]}"), {}, {}),
    "large whole numbers": (of("income", lambda value: f"{value[0]}000000000000000000"), {}, {}),
    "leading zeros": (of("age", lambda value: f"00{value}"), {}, {}),
    "a comment above": ("# made by a tool, today\n" + PLAIN, {"comment": "#"}, {}),
    "comments, told": (PLAIN.replace("\n", "\n% note\n", 3), {"comment": "%"}, {"comment": "%"}),
    "a title": ("Customers\n" + PLAIN, {"skiprows": 1}, {}),
    "a title with commas": ("Customers,,,\n" + PLAIN, {"skiprows": 1}, {}),
    "lines to skip": ("made,by\na,tool,in,1999\n" + PLAIN, {"skiprows": 2}, {"skip_rows": 2}),
    "sep=": ("sep=;\n" + text(mark=";"), {"sep": ";", "skiprows": 1}, {}),
    "trailing commas": (text(line=lambda line: line + ","), {"usecols": range(4)}, {}),
    "trailing commas below names": (
        text(line=lambda line: line + "," * (line[0] != "a")), {"index_col": False, "usecols": range(4)}, {}
    ),
    "rows of commas at the end": (PLAIN + ",,,\n,,,\n", {"nrows": ROWS}, {}),
    "an index without a name": (pandas.read_csv(io.StringIO(PLAIN)).to_csv(), {}, {}),
    "names twice": (text(head=("age", "income", "income", "kind")), {}, {}),
    "numbers as names": (text(head=("2019", "2020", "2021", "kind")), {}, {}),
    "names with commas": (text(head=('"age, years"', "income", "city", "kind")), {}, {}),
    "a name that begins with #": (text(head=("#age", "income", "city", "kind")), {}, {}),
    "booleans": (of("city", lambda value: str(value < "M")), {"dtype": {"city": str}}, {}),
    "dates": (of("city", lambda value: f"2024-01-{len(value)}{ord(value[0]) % 10}"), {}, {}),
    "one word of names is in the rows": (of("city", lambda value: "city", 1), {}, {}),
}  # fmt: skip


def cells(frame: Any) -> dict[str, list[Any]]:
    """Columns as numbers and words, None for gaps."""
    found = {}
    for i, name in enumerate(frame.columns):
        column = frames.as_column(frame.iloc[:, i].to_numpy())
        if column.dtype == object:
            present = [cell for cell in column if cell is not None and not words.is_gap(cell)]
            formats = words.number_formats(present)
            read = formats[0].parse if formats else str
            gap = [cell is None or words.is_gap(cell) for cell in column]
            column = [None if no else read(cell) for cell, no in zip(column, gap, strict=True)]
        else:
            column = [None if cell != cell else cell for cell in column.tolist()]
        found[str(name).strip()] = column
    return found


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", CASES)
def test_what_is_read_is_what_pandas_reads(tmp_path, name):
    content, told, options = CASES[name]
    path = write(tmp_path / "table.csv", content)
    source = files.read(path, Reading(**options), ("kind",) if name == "numbers as names" else ())
    expected = cells(pandas.read_csv(path, **told))
    assert cells(source.frame) == expected
    assert len(source.frame) == ROWS


@pytest.mark.parametrize("name", CASES)
def test_each_file_is_learned_and_predicted(run, tmp_path, name):
    content, _, options = CASES[name]
    write(tmp_path / "table.csv", content)
    told = [
        f"--{key}"
        if value is True
        else f"--no-{key}"
        if value is False
        else f"--{key.replace('_', '-')}={value}"
        for key, value in options.items()
    ]
    target = "3" if name.startswith("no names") else "kind"
    common = ("--epochs", 1, "--recipe", "fast", "--quiet", "--no-plot", "--threads", 1)
    status, out, err = run("train", "--data", "table.csv", "--target", target, *common, *told)
    assert status == 0, err
    status, out, err = run("predict", "model.npz", "table.csv", *told)
    assert status == 0 and len(out.splitlines()) == ROWS + 1
    assert f"of {ROWS} rows" in err


@pytest.mark.parametrize("kind", ["parquet", "feather", "xlsx"])
def test_files_that_know_their_types(run, tmp_path, kind):
    pytest.importorskip("openpyxl" if kind == "xlsx" else "pyarrow")
    frame = pandas.read_csv(io.StringIO(PLAIN)).assign(since=pandas.date_range("2020-01-01", periods=ROWS))
    frame.loc[3, "income"] = np.nan
    path = tmp_path / f"table.{kind}"
    writers = {"parquet": frame.to_parquet, "feather": frame.to_feather, "xlsx": frame.to_excel}
    writers[kind](path, **({"index": False} if kind == "xlsx" else {}))
    source = files.read(path)
    assert cells(source.frame) == cells(frame)
    common = ("--epochs", 1, "--recipe", "fast", "--quiet", "--no-plot")
    assert run("train", "--data", path.name, "--target", "kind", *common)[0] == 0
    frame.to_csv(tmp_path / "new.csv", index=False)
    ours, theirs = run("predict", "model.npz", path.name)[1], run("predict", "model.npz", "new.csv")[1]
    assert ours == theirs and len(ours.splitlines()) == ROWS + 1


def test_sheets_and_titles_of_excel(tmp_path):
    pytest.importorskip("openpyxl")
    frame = pandas.read_csv(io.StringIO(PLAIN))
    with pandas.ExcelWriter(tmp_path / "book.xlsx") as book:
        pandas.DataFrame({"other": [1]}).to_excel(book, sheet_name="first", index=False)
        frame.to_excel(book, sheet_name="second", index=False, startrow=2)
        book.sheets["second"].cell(1, 1, "Customers")
    source = files.read(tmp_path / "book.xlsx", Reading(sheet="second"))
    assert cells(source.frame) == cells(frame) and "title" in source.notes[0]
    assert source.frame.index[0] == 4 and source.place == "row"
    assert files.read(tmp_path / "book.xlsx").notes == ["sheet 'first' of 2 (--sheet sets it)"]
    with pytest.raises(ValueError, match="--sheet is 'third', expected one of first, second"):
        files.read(tmp_path / "book.xlsx", Reading(sheet="third"))


GUESSES = {
    "title": ("Customers\n" + PLAIN, "line 1 is taken for a title: 'Customers' (--skip-rows 0"),
    "comment": ("# a tool, today\n" + PLAIN, "line 1 is taken for a comment: '# a tool, today'"),
    "encoding": (PLAIN.replace("Bern", "Zürich").encode("latin-1"), "not UTF-8, read as cp1252 (--encoding"),
    "two delimiters": ("a;b,c;d\n1;2,3;4\n", "cells end at ';', ',' would do too (--delimiter"),
    "names of words": ("a,b\nx,y\nz,y\n", "line 1 is taken for names (--no-header"),
    "rows of words": ("a,b\nx,y\na,y\n", "line 1 is taken for a row, columns are named by place (--header"),
    "names twice": (text(head=("a", "b", "b", "kind")), "names that are there twice become b.1"),
    "names of rows": ("a,b\nr1,1,2\nr2,3,4\n", "the first column has no name"),
}


@pytest.mark.parametrize("name", GUESSES)
def test_guesses_are_said(tmp_path, name):
    content, said = GUESSES[name]
    notes = files.read(write(tmp_path / "table.csv", content)).notes
    assert any(said in note for note in notes), notes


@pytest.mark.parametrize("first", ["?,1,0", ",1,0", "a,1,0", "2024-01-01,1,0", "NA,?,x"])
def test_a_first_row_with_a_value_is_no_names(tmp_path, first):
    source = files.read(write(tmp_path / "table.csv", first + "\n" + "b,2,1\n" * 9))
    assert source.frame.shape == (10, 3) and not source.named
    assert source.frame.iloc[0].tolist() == first.split(",")


DAMAGED = {
    "ragged": ("a,b\n1,2\n3\n4,5\n", "line 3: '3' has 1 cell, expected 2 as in line 1"),
    "too long": ("a,b\n1,2\n3,4,5\n", "line 3: '3,4,5' has 3 cells, expected 2 as in line 1"),
    "a comment below": (
        "a,b\n1,2\n# end\n",
        "line 3: '# end' has 1 cell, expected 2 as in line 1; --comment",
    ),
    "unclosed quote": ('x,k\n1,a\n2,"b\n3,a\n4,b\n', "line 3: '2,\"b' has a quote that is not closed"),
    "two unclosed quotes": (
        'x,k\n1,a\n2,"b\n3,a\n4,"b\n',
        "line 3: '2,\"b' has a quote inside a quoted cell",
    ),
    "a quote that closes too soon": (
        'x,k\n1,"a" b\n',
        "line 2: '1,\"a\" b' has a quote inside a quoted cell",
    ),
    "a long unclosed quote": ('x,k\n2,"b\n' + "3,a\n" * 40_000, "line 2: '2,\"b' begins a cell of more than"),
    "empty": ("", "is empty"),
    "blank": ("\n \n\n", "is empty"),
    "only commas": (",,\n,,\n", "is empty"),
    "names alone": ("a,b\n", "has no rows below its header"),
    "bytes": (b"a,b\n1,\0\n", "is not text: it has the byte 0 at 6"),
    "half a gzip file": (gzip.compress(PLAIN.encode())[:60], "is not a readable gzip file"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_refused_with_its_place(run, tmp_path, name):
    content, said = DAMAGED[name]
    write(tmp_path / "bad.csv", content)
    status, out, err = run("train", "--data", "bad.csv", "--target", "k")
    assert status == 2 and out == "" and err.count("\n") == 1
    assert err.startswith("fastmlp train: 'bad.csv' ") and said in err


def zipped(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, "" if name.endswith("/") else PLAIN)
    return packed.getvalue()


def test_archives_of_one_file(run, tmp_path):
    """As Kaggle packs tables, and macOS with what it adds."""
    expected = cells(files.read(write(tmp_path / "plain.csv", PLAIN)).frame)
    for names in (["a.csv"], ["data/", "data/a.csv", "__MACOSX/data/._a.csv"]):
        assert cells(files.read(write(tmp_path / "table.csv.zip", zipped(*names))).frame) == expected
    write(tmp_path / "two.zip", zipped("a.csv", "b.csv"))
    assert "'two.zip' packs 2 files, expected one: a.csv" in run("train", "two.zip", "--target", "kind")[2]
    write(tmp_path / "half.zip", zipped("a.csv")[:-30])
    assert "'half.zip' is not a readable zip file" in run("train", "half.zip", "--target", "kind")[2]
    write(tmp_path / "half.xlsx", zipped("a.csv")[:-30])
    assert "'half.xlsx' is not a readable Excel file" in run("train", "half.xlsx", "--target", "kind")[2]
    status, _, err = run("train", "table.csv.zip", "--target", "kind", "--max-bytes", 100)
    assert status == 2 and "unpacks to more than --max-bytes, expected 100" in err


def test_what_a_packed_file_unpacks_to_is_limited(run, tmp_path):
    write(tmp_path / "table.csv.gz", gzip.compress(PLAIN.encode()))
    status, _, err = run("train", "--data", "table.csv.gz", "--target", "kind", "--max-bytes", 100)
    assert status == 2 and "unpacks to more than --max-bytes, expected 100" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"encoding": "utf-9"}, "--encoding is 'utf-9', expected one such as"),
        ({"encoding": "ascii"}, "is not ascii text"),
        ({"decimal": ",", "thousands": ","}, "--decimal and --thousands are both ','"),
    ],
)
def test_options_that_do_not_fit(tmp_path, options, said):
    with pytest.raises(ValueError, match=said):
        files.read(write(tmp_path / "table.csv", PLAIN.replace("Bern", "Zürich")), Reading(**options))
