"""C99 text for one type, cut out of typed sources: the engine's own headers, so that no formula stands twice.

A typed source says ``real``, ``vec`` and ``RC(0.5)`` (see csrc/kernels/real.h) and is compiled by the engine
for vectors.  Here the same text becomes plain C for one lane: conditions on the type are decided and macros
written out.  setup.py runs this when the package is built; `export.c.functions` reads what comes of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_DEFINE = re.compile(r"#define (\w+)(?:\(([^)]*)\))?[ \t]*((?:\\\n|[^\n])*)\n")
_NAMED = re.compile(r"\b(\w+)\s*[(\[=]")
_PRIMARY = re.compile(r"(-|\(real\))?(\w+(\[[^][]*\])?|RC\([\w.+-]*\)|[\d.]+f?)")
_COUNT = re.compile(r"\(int\)\(sizeof\((\w+)\) / sizeof\(\*\1\)\)")
_WORD = re.compile(r"\b[A-Za-z_]\w*\b")
# Macros of real.h and vec.h that are words of the dialect, not of the sources.
_DIALECT = {"real", "RC", "CAT2_", "CAT2", "CAT3_", "CAT3"}


PREFIX = "@"  # in place of an exported file's, before every name

# Each after those that it needs, in the package's folder.
_SOURCES = (
    "csrc/kernels/real.h",
    "export/c/sources/scalar.h",
    "csrc/kernels/elementary.h",
    "csrc/kernels/activations.h",
    "export/c/sources/kernels.h",
)


def variants(package: Path) -> dict[str, dict[str, Any]]:
    """What `TypedSource.functions` gives for each dtype."""
    texts = [package.joinpath(name).read_text(encoding="utf-8") for name in _SOURCES]
    return {f"float{bits}": TypedSource(texts, {"BITS": bits}).functions() for bits in (32, 64)}


@dataclass(frozen=True)
class _Item:
    """A function or a table: its text with every macro written out, and the comment above it."""

    text: str
    comment: str
    needs: frozenset[str]
    length: int  # of a table; 0 for functions


class TypedSource:
    """Typed sources read for one type.

    Parameters
    ----------
    texts : sequence of str
        The sources, each after those that it needs.
    conditions : mapping
        What is known of the words in ``#if``: BITS, and others.

    Examples
    --------
    >>> text = "#define ONE vset1(1)\\nINLINE vec next(vec x) { return x + ONE; }\\n"
    >>> TypedSource([text], {"BITS": 32}).functions()["next"]["text"]
    'static inline float @_next(float x) { return x + 1.0f; }\\n'
    """

    def __init__(self, texts: Sequence[str], conditions: Mapping[str, int]) -> None:
        self._double = conditions["BITS"] == 64
        self._macros: dict[str, tuple[list[str] | None, str]] = {"BITS": (None, str(conditions["BITS"]))}
        self._items: dict[str, _Item] = {}
        for text in texts:
            if PREFIX in text:
                raise AssertionError(f"a source has the character {PREFIX}, which stands for a prefix")
            self._read(_decided(text, conditions))

    def functions(self) -> dict[str, dict[str, Any]]:
        """Each function and table by name, in the order of the sources.

        Of each its text, the comment above it, what else it needs, and the bytes of a table.
        """
        return {
            name: {
                "comment": item.comment,
                "text": self._renamed(item.text),
                "needs": sorted(item.needs),
                "table_bytes": item.length * (8 if self._double else 4),
            }
            for name, item in self._items.items()
        }

    # ---- reading ----

    def _read(self, text: str) -> None:
        def define(match: re.Match[str]) -> str:
            name, parameters, value = match.groups()
            if name not in _DIALECT and not name.startswith("FM_"):
                words = None if parameters is None else [word.strip() for word in parameters.split(",")]
                self._macros[name] = words, _COMMENT.sub("", value).replace("\\\n", " ").strip()
            return ""

        text = _DEFINE.sub(define, text)
        text = re.sub(r"#(undef|include)[^\n]*\n", "", text)
        for comment, body in _top_level(text):
            if body.startswith(("INLINE", "static")):
                self._add(comment, body)

    def _add(self, comment: str, body: str) -> None:
        body = self._written_out(body)
        body = _COUNT.sub(lambda match: str(self._items[match[1]].length), body)
        code = _COMMENT.sub("", body)
        head = code.partition("{")[0]
        [name, *_] = _NAMED.findall(head)
        words = set(_WORD.findall(code))
        needs = frozenset(word for word in words if word in self._items and word != name)
        values = code.partition("=")[2].rstrip("}; \n,") if body.startswith("static const") else ""
        self._items[name] = _Item(body, comment, needs, values.count(",") + 1 if values else 0)

    def _written_out(self, text: str) -> str:
        """Without macros."""
        while match := next((m for m in re.finditer(r"\b[A-Za-z_]\w*", text) if m[0] in self._macros), None):
            parameters, value = self._macros[match[0]]
            end = match.end()
            if parameters is not None:
                arguments, end = _arguments(text, end)
                given = dict(zip(parameters, arguments, strict=True))
                value = re.sub(r"\b\w+\b", lambda word, given=given: given.get(word[0], word[0]), value)  # type: ignore[misc]
            text = text[: match.start()] + value + text[end:]
        return text

    # ---- writing ----

    def _renamed(self, text: str) -> str:
        """C99 for one lane; comments stay as they are."""
        result, at = "", 0
        for match in _COMMENT.finditer(text):
            result += self._plain(text[at : match.start()]) + match[0]
            at = match.end()
        return result + self._plain(text[at:])

    def _plain(self, code: str) -> str:
        size, real = (64, "double") if self._double else (32, "float")
        suffix = "" if self._double else "f"
        code = re.sub(r"RC\(([^()]*)\)", rf"\g<1>{suffix}", _without_vset1(code, suffix))
        words = {
            "INLINE": "static inline", "real": real, "vec": real, "vmask": "int", "uivec": f"uint{size}_t",
            "ubits": f"uint{size}_t", "bits": f"int{size}_t",
        }  # fmt: skip

        def word(match: re.Match[str]) -> str:
            name = match[0]
            if name in self._items:
                return f"{PREFIX}_{name[1:] if name.startswith('v') else name}"  # v is for vector
            return words.get(name, name)

        return re.sub(r"\bUNROLL ", "", _WORD.sub(word, code))


def _decided(text: str, conditions: Mapping[str, int]) -> str:
    """Without the branches of #if that are not taken."""
    lines, taken = [], [True]
    for line in text.splitlines(keepends=True):
        if line.startswith("#ifndef FM_"):  # an include guard
            taken.append(True)
        elif match := re.match(r"#if (\w+)(?: == (\d+))?$", line.strip()):
            value = conditions[match[1]]
            taken.append(value == int(match[2]) if match[2] else bool(value))
        elif line.startswith("#if"):
            raise AssertionError(f"a condition that is not of the type: {line}")
        elif line.startswith("#else"):
            taken[-1] = not taken[-1]
        elif line.startswith("#endif"):
            taken.pop()
        elif all(taken):
            lines.append(line)
    return "".join(lines)


def _top_level(text: str) -> Iterable[tuple[str, str]]:
    """(comment directly above, text) of every declaration and definition."""
    at, comment = 0, ""
    while at < len(text):
        if text[at].isspace():
            if text.startswith("\n\n", at):
                comment = ""
            at += 1
        elif text.startswith("/*", at):
            end = text.index("*/", at) + 2
            comment, at = comment + text[at:end] + "\n", end
        else:
            end = _end_of_item(text, at)
            yield comment, text[at:end].rstrip() + "\n"
            comment, at = "", end


def _end_of_item(text: str, start: int) -> int:
    """Where the line ends on which a definition's last brace or a declaration's semicolon stands."""
    depth, at = 0, start
    while True:
        if text.startswith("/*", at):
            at = text.index("*/", at) + 1
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        done = text[at] == ";" or (text[at] == "}" and "=" not in text[start : text.index("{", start)])
        at += 1
        if done and not depth:
            return text.index("\n", at)


def _arguments(text: str, at: int) -> tuple[list[str], int]:
    """The arguments of the call whose parenthesis opens at `at`, and where it ends."""
    found, depth, start = [], 0, at + 1
    while True:
        if text[at] in "()":
            depth += 1 if text[at] == "(" else -1
        if not depth or (depth == 1 and text[at] == ","):
            found.append(text[start:at].strip())
            start = at + 1
        at += 1
        if not depth:
            return found, at


def _without_vset1(code: str, suffix: str) -> str:
    """vset1(x), a vector of x, is x; an integer becomes a number of the type."""
    while (at := code.find("vset1(")) >= 0:
        [value], end = _arguments(code, at + 5)
        if re.fullmatch(r"-?\d+", value):
            value = f"{value}.0{suffix}"
        elif not _PRIMARY.fullmatch(value):
            value = f"(real)({value})"
        code = code[:at] + value + code[end:]
    return code
