"""Words that are numbers, dates or nothing."""

import numpy as np
import pytest

from fastmlp.tabular import dates, words
from fastmlp.tabular.words import NumberFormat
from tables import became, kinds, learned


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1", "-2.5", "+3e2", ".5", "7."], [1, -2.5, 300, 0.5, 7]),
        (["1,234.5", "2", "1,000,000"], [1234.5, 2, 1e6]),
        (["3506,16", "7,5"], [3506.16, 7.5]),
        (["1.234,5", "1.234.567,25"], [1234.5, 1234567.25]),
        (["1 234,5", "12,0"], [1234.5, 12]),
        (["12'345.6", "1'000"], [12345.6, 1000]),
        (["$3", "-$4.50", "€5"], [3, -4.5, 5]),
        (["35 %", "7.5%"], [0.35, 0.075]),
        ([" 1 ", "2\t"], [1, 2]),
        (["(1,234.5)", "($7.50)", "3"], [-1234.5, -7.5, 3]),
        (["\u22122.5", "7"], [-2.5, 7]),
        (["1\u00a0234,5", "12\u202f345,0", "7,25"], [1234.5, 12345, 7.25]),
        (["1\u2019234.5", "7"], [1234.5, 7]),
        (["USD 5", "-7.5 USD", "EUR 1e2"], [5, -7.5, 100]),
    ],
)
def test_numbers_as_people_write_them(texts, values):
    form = words.number_formats(texts)[0]
    assert [form.parse(text) for text in texts] == pytest.approx(values, rel=1e-15)


@pytest.mark.parametrize(
    "text",
    "|a|1,2,3|12,34,567.0|1.2.3|--1|$-+1|0x10|1e|١٢a|1 2|(|()|(-1)|((1))|(1|USD|5 USDX|USD 5 EUR".split("|"),
)
def test_what_is_no_number(text):
    assert words.number_formats([text]) == []


def test_a_column_has_one_format():
    assert words.number_formats(["1,234.5", "2,5"]) == []
    assert words.number_formats(["1.234", "0,5"])[0] == NumberFormat(",", ".")


GAPS = " |?|NA|n/a|#N/A|NaN|null|None|-|<NA>|--|.|..|n.a.|#DIV/0!|-nan|1.#IND|#VALUE!".split("|")


@pytest.mark.parametrize("gap", ["", *GAPS])
def test_cells_that_say_nothing(gap):
    """2000 numbers with one `?` are numbers."""
    encoder = learned({"x": [str(i / 7) for i in range(2000)] + [gap]})
    assert encoder.names == ["x", "x (gap)"]
    row = encoder.transform({"x": [gap]})
    number = encoder.transform({"x": [str(encoder.columns[0].median)]})
    assert row[0, 1] > 1 and number[0, 1] == 0 and row[0, 0] == number[0, 0]


def test_what_pandas_takes_for_a_gap_is_one():
    parsers = pytest.importorskip("pandas.io.parsers.readers")
    assert [gap for gap in parsers.STR_NA_VALUES if not words.is_gap(gap)] == []


@pytest.mark.parametrize(
    ("texts", "note"),
    [
        (["5%", "0", "12%"], ""),
        (["5%", "0", "12"], "read as numbers: '5%' as 0.05, '12' as 12"),
        (["$5", "$7"], ""),
        (["$5", "7", "\u20ac9"], "read as numbers: amounts in $ and \u20ac as if they were of one currency"),
        (["USD 5", "EUR 7"], "read as numbers: amounts in EUR and USD as if they were of one currency"),
        (["3", "(4)"], "read as numbers: '(4)' as -4"),
        (["1,234.5", "(4)"], "read as numbers with ',' between thousands: '(4)' as -4"),
    ],
)
def test_numbers_of_two_kinds_in_a_column_are_said(texts, note):
    assert became({"x": texts}, "x") == ("number", note)


def test_what_could_be_two_numbers_is_said():
    assert became({"x": ["1.234", "5.678"]}, "x") == (
        "number", "read as numbers: '1.234' as 1.234, which could also be 1234",
    )  # fmt: skip
    assert "with decimal commas" in became({"x": ["3506,16", "7,5"]}, "x")[1]


def test_a_nought_has_no_thousands():
    assert {form.decimal for form in words.number_formats(["0,942", "-1,397"])} == {","}
    assert became({"x": ["0.942", "-1.397", "2.5"]}, "x") == ("number", "")
    assert words.number_formats(["0", "1,397"])[0] == NumberFormat(".", ",")
    assert NumberFormat(".", ",").parse("0,942") is None


def test_the_format_of_training_holds():
    encoder = learned({"x": ["1,5", "2,5", "10,25"]})
    assert encoder.transform({"x": ["2,5"]})[0, 0] == 0
    with pytest.raises(ValueError, match="row 1, column 'x': '2.5' is no number"):
        encoder.transform({"x": ["2,5", "2.5"]})


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["2020-01-31"], "%Y-%m-%d"),
        (["31/01/2020", "01/02/2020"], "%d/%m/%Y"),
        (["01/31/2020", "02/01/2020"], "%m/%d/%Y"),
        (["31.01.2020"], "%d.%m.%Y"),
        (["2020-01-31T10:20:30Z"], "%Y-%m-%dT%H:%M:%S"),
        (["2020-01-31 10:20:30.5"], "%Y-%m-%d %H:%M:%S.%f"),
        (["5 May 2020"], "%d %b %Y"),
        (["13:45", "07:00"], "%H:%M"),
        (["05/31/2023 11:40:00 PM", "05/03/2023 07:00:00 am"], "%m/%d/%Y %I:%M:%S %p"),
        (["1:45 pm", "12:00 AM"], "%I:%M %p"),
        (["2020-01-31 10:20:30+00:00"], dates.ISO),
        (["2020-01-31", "2020-01-31 10:20", "2020-01-31T10:20:30.123456789Z"], dates.ISO),
    ],
)
def test_dates_as_people_write_them(texts, form):
    assert dates.date_formats(texts)[0] == form


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-07-01T12:30:15+02:00", "2024-07-01T10:30:15"),
        ("2024-07-01 12:30:15.1234567-0330", "2024-07-01T16:00:15.123456"),
        ("2024-07-01 00:30 UTC", "2024-07-01T00:30"),
        ("2024-07-01T00:30:00,5+05", "2024-06-30T19:30:00.5"),
        (" 2024-07-01 ", "2024-07-01"),
        ("2024-02-30", None),
        ("2024-07-01 25:00", None),
        ("0001-01-01 00:00+05:00", None),
        ("2024-07-01 12:30:15+2:00", None),
        ("2024-07-01 12:30:15 CEST", None),
    ],
)
def test_iso_dates_with_zones_are_in_universal_time(text, moment):
    assert dates.parse(text, dates.ISO) == (None if moment is None else np.datetime64(moment, "us").item())


def test_zones_that_pandas_writes_are_read_as_its_own_type():
    """Over the end of summer time, and with fractions in some rows alone."""
    pd = pytest.importorskip("pandas")
    hours = pd.date_range("2024-10-25", periods=40, freq="150min", tz="Europe/Berlin")
    given = pd.DataFrame({"d": hours})
    encoder = learned(given)
    assert np.array_equal(encoder.transform({"d": hours.astype(str)}), encoder.transform(given))
    assert became({"d": hours.astype(str)}, "d") == ("date", "read as dates of the form ISO 8601")


def test_days_that_could_be_months_are_said():
    kind, note = became({"d": ["01/12/2017", "02/12/2017", "11/12/2017"]}, "d")
    assert kind == "date" and note == "read as dates of the form %d/%m/%Y, which could also be %m/%d/%Y"


def test_what_a_date_tells():
    moments = np.array(["2021-01-01T00:00", "2020-07-01T12:00", "NaT"], "datetime64[us]")
    assert dates.numbers(moments, "year")[:2, 0] == pytest.approx([2021, 2020 + 182.5 / 366])
    assert dates.numbers(moments, "hour")[:2] == pytest.approx(np.array([[1, 0], [-1, 0]]), abs=1e-12)
    friday = 2 * np.pi * 4 / 7
    assert dates.numbers(moments, "weekday")[0] == pytest.approx([np.cos(friday), np.sin(friday)])
    assert dates.numbers(moments, "season")[0] == pytest.approx([1, 0], abs=1e-12)
    assert np.isnan(dates.numbers(moments, "season")[2]).all()


def test_only_parts_that_differ_are_told():
    days = np.arange("2020-01-01", "2020-01-03", dtype="datetime64[D]").astype("datetime64[us]")
    assert dates.parts_of(days) == ["year"]
    hours = np.array(["2020-01-01T01:00", "2020-01-01T02:00"], "datetime64[us]")
    assert dates.parts_of(hours) == ["hour"]
    assert learned({"t": ["13:45", "07:00"]}).names == ["t (hour, cos)", "t (hour, sin)"]


def test_words_that_are_numbers_are_compared_by_value():
    encoder = learned({"c": ["3", "a", "b"] * 5})
    assert encoder.names == ["c = 3", "c = a", "c = b"]
    found = encoder.transform({"c": [3.0, 3, "3"]})
    assert (found > 0).tolist() == [[True, False, False]] * 3 and (found == found[0]).all()


def test_texts_numbers_and_dates_side_by_side():
    table = {"n": ["1", "2"] * 10, "d": ["2020-01-01", "2020-05-01"] * 10, "c": ["a", "b"] * 10}
    assert kinds(table) == {"n": "number", "d": "date", "c": "category"}


NUMBERS = [
    "1",
    "-2",
    "+3",
    "1.5",
    ".5",
    "5.",
    "1e5",
    "-2.5E-3",
    " 7 ",
    "1.234",
    "1,234",
    "0.125",
    "1 000",
    "$3",
    "5%",
]


@pytest.mark.parametrize("seed", range(40))
def test_all_at_once_is_one_by_one(seed):
    """The short ways through long columns find what the patterns find."""
    rng = np.random.default_rng(seed)
    texts = rng.choice(NUMBERS[: rng.integers(1, len(NUMBERS) + 1)], rng.integers(1, 5)).tolist()
    one_by_one = [each for each in words.FORMATS if all(each.parse(text) is not None for text in texts)]
    assert words.number_formats(texts) == one_by_one
    plain = words.plain_numbers(texts)
    if plain is not None:
        assert plain.tolist() == [words.PLAIN.parse(text) for text in texts]
    for form in one_by_one:
        assert list(form.parse_all(texts)) == [form.parse(text) for text in texts]
    differ = any(each.parse(text) != one_by_one[0].parse(text) for each in one_by_one for text in texts)
    assert ("which could also be" in words.how_read(one_by_one, texts)) == differ if one_by_one else True


@pytest.mark.parametrize("text", ["1_000", "inf", "nan", "0x10", "٣", "1e", "", "-", "1 2", "--1"])
def test_what_float_takes_and_tables_do_not(text):
    assert words.plain_numbers(["1", text]) is None
