"""C99 text for one type, cut out of typed sources: the engine's own headers, so that no formula stands twice.

A typed source says ``real``, ``vec`` and ``RC(0.5)`` (see csrc/kernels/real.h) and is compiled by the engine
for vectors.  Here the same text becomes plain C for one lane: conditions on the type are decided,
macros written out, and only the functions and tables that something needs are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_DEFINE = re.compile(r"#define (\w+)(?:\(([^)]*)\))?[ \t]*((?:\\\n|[^\n])*)\n")
_NAMED = re.compile(r"\b(\w+)\s*[(\[=]")
_PRIMARY = re.compile(r"(-|\(real\))?(\w+(\[[^][]*\])?|RC\([\w.+-]*\)|[\d.]+f?)")
_COUNT = re.compile(r"\(int\)\(sizeof\((\w+)\) / sizeof\(\*\1\)\)")
_WORD = re.compile(r"\b[A-Za-z_]\w*\b")
# Macros of real.h and vec.h that are words of the dialect, not of the sources.
_DIALECT = {"real", "RC", "CAT2_", "CAT2", "CAT3_", "CAT3"}


@dataclass(frozen=True)
class _Item:
    """A function or a table: its text with every macro written out, and the comment above it."""

    text: str
    comment: str
    needs: frozenset[str]
    length: int  # of a table; 0 for functions

    @property
    def short(self) -> bool:
        return not self.comment and self.text.count("\n") == 1


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
    >>> print(TypedSource([text], {"BITS": 32}).cut({"next"}, "my"), end="")
    static inline float my_next(float x) { return x + 1.0f; }
    """

    def __init__(self, texts: Sequence[str], conditions: Mapping[str, int]) -> None:
        self._double = conditions["BITS"] == 64
        self._macros: dict[str, tuple[list[str] | None, str]] = {"BITS": (None, str(conditions["BITS"]))}
        self._items: dict[str, _Item] = {}
        for text in texts:
            self._read(_decided(text, conditions))

    def cut(self, names: Iterable[str], prefix: str) -> str:
        """The named functions and all they need, in the order of the sources, every name with the prefix."""
        wanted = self._closure(names)
        chosen = [item for name, item in self._items.items() if name in wanted]
        result = ""
        for before, item in zip([None, *chosen], chosen, strict=False):
            together = before is None or (before.text.count("\n") == 1 and item.short)
            result += ("" if together else "\n") + self._renamed(item.comment + item.text, prefix)
        return result

    def table_bytes(self, names: Iterable[str]) -> int:
        """The size of the tables among what `cut` gives."""
        return sum(self._items[name].length for name in self._closure(names)) * (8 if self._double else 4)

    def _closure(self, names: Iterable[str]) -> set[str]:
        wanted: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in wanted:
                wanted.add(name)
                waiting += self._items[name].needs
        return wanted

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

    def _renamed(self, text: str, prefix: str) -> str:
        """C99 for one lane; comments stay as they are."""
        result, at = "", 0
        for match in _COMMENT.finditer(text):
            result += self._plain(text[at : match.start()], prefix) + match[0]
            at = match.end()
        return result + self._plain(text[at:], prefix)

    def _plain(self, code: str, prefix: str) -> str:
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
                return f"{prefix}_{name[1:] if name.startswith('v') else name}"  # v is for vector
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
