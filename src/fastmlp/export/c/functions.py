"""The functions that exported files are made of: texts that setup.py cuts out of the engine's headers."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

FILE = "functions.json"


def cut(texts: Mapping[str, Any], names: Collection[str], prefix: str) -> str:
    """The named functions and all they need, in the order of the sources, every name with the prefix.

    >>> one = {"comment": "", "text": "static const float @_one = 1.0f;\\n", "needs": []}
    >>> print(cut({"one": one}, {"one"}, "my"), end="")
    static const float my_one = 1.0f;
    """
    result, after_short = "", True
    for item in _needed(texts, names):
        short = item["text"].count("\n") == 1
        together = after_short and short and not item["comment"]
        text = item["comment"] + item["text"].replace("@", prefix)
        result += text if together or not result else "\n" + text
        after_short = short
    return result


def table_bytes(texts: Mapping[str, Any], names: Collection[str]) -> int:
    """The size of the tables among what `cut` gives."""
    return sum(item["table_bytes"] for item in _needed(texts, names))


def _needed(texts: Mapping[str, Any], names: Collection[str]) -> list[Any]:
    wanted: set[str] = set()
    waiting = [*names]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += texts[name]["needs"]
    return [item for name, item in texts.items() if name in wanted]


def texts(dtype: str) -> Mapping[str, Any]:
    """The texts for networks of a dtype."""
    return _variants()[dtype]


@cache
def _variants() -> dict[str, Any]:
    path = files("fastmlp.export.c").joinpath(FILE)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing, expected the file that is made when fastmlp is built")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
