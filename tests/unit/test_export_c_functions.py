"""Exported C: its functions are cut out of the engine's headers when the package is built."""

import json
import runpy
from pathlib import Path

import pytest

from fastmlp import Network, registry
from fastmlp.export.c import functions

PACKAGE = Path(__file__).parents[2] / "src" / "fastmlp"
CUT = PACKAGE / "export" / "c" / "sources" / "cut.py"
DTYPES = ("float32", "float64")


@pytest.fixture(scope="module")
def cutting():
    """The names of what setup.py runs."""
    if not CUT.exists():
        pytest.skip("the sources are not beside the tests")
    return runpy.run_path(str(CUT))


TEXT = """
#define TWICE(x, n) ((x) * n)
/* above */
static const real table[] = {RC(1.0), RC(2.0)};
#if BITS == 32
INLINE vec vone(vec x) { return x + table[0]; }
#else
INLINE vec vone(vec x) { return x - table[1]; }
#endif
INLINE vec unused(vec x) { return x; }

INLINE vec two(vec x)
{
    /* vec in a comment stays */
    return TWICE(vone(x + vset1(3)), (int)(sizeof(table) / sizeof(*table)));
}
"""


def test_cut_follows_needs_and_writes_macros_out(cutting):
    found = cutting["TypedSource"]([TEXT], {"BITS": 64}).functions()
    assert functions.cut(found, ["two"], "p") == (
        "/* above */\nstatic const double p_table[] = {1.0, 2.0};\n"
        "static inline double p_one(double x) { return x - p_table[1]; }\n\n"
        "static inline double p_two(double x)\n{\n    /* vec in a comment stays */\n"
        "    return ((p_one(x + 3.0)) * 2);\n}\n"
    )
    assert functions.table_bytes(found, ["two"]) == 16 and functions.table_bytes(found, ["unused"]) == 0
    found = cutting["TypedSource"]([TEXT], {"BITS": 32}).functions()
    assert "x + p_table[0]" in functions.cut(found, ["vone"], "p")
    assert functions.table_bytes(found, ["two"]) == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [("#if defined(__AVX2__)\n#endif\n", "not of the type"), ("/* @ */\n", "stands for a prefix")],
)
def test_what_cannot_be_cut_is_an_error(cutting, text, message):
    with pytest.raises(AssertionError, match=message):
        cutting["TypedSource"]([text], {"BITS": 32})


def test_what_was_built_is_of_these_sources(cutting):
    built = {dtype: functions.texts(dtype) for dtype in DTYPES}
    assert built == cutting["variants"](PACKAGE)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_activation_is_there(dtype):
    texts = functions.texts(dtype)
    for name, entry in registry.ACTIVATIONS.items():
        needed = name if entry[1] == "row" else f"{name}_forward"
        assert f"p_{needed}(" in functions.cut(texts, [needed], "p")


def test_without_the_built_file_the_message_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(functions, "FILE", "missing.json")
    functions._variants.cache_clear()
    try:
        with pytest.raises(FileNotFoundError, match=r"missing.json is missing, expected .* fastmlp is built"):
            Network([2, 1]).export_c(tmp_path / "net.c")
    finally:
        functions._variants.cache_clear()
    assert list(tmp_path.iterdir()) == []


def test_the_built_file_holds_text_alone():
    """JSON, with no name of a type or macro of the sources left."""
    path = Path(functions.__file__).with_name(functions.FILE)
    words = " ".join(
        item["text"] for variant in json.loads(path.read_text("utf-8")).values() for item in variant.values()
    )
    assert "static inline double @_exp(double x)" in words
    for word in ("INLINE", "RC(", "vset1", " vec ", "uivec"):
        assert word not in words
