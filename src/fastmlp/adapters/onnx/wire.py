"""A look at a file's bytes before the package onnx parses them: protocol buffers inflate.

An empty message takes two bytes in a file and hundreds in memory, a small integer one byte and eight.  So
fields and packed integers are counted first, without making anything of them; weights are bytes, and count as
one.  What the fields are onnx's own descriptors tell; https://protobuf.dev/programming-guides/encoding says
how they are encoded.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ...errors import ModelFileError

MAX_FIELDS = 200_000  # a layer has some 50, with what PyTorch notes beside it
_MAX_DEPTH = 100  # as protocol buffers' own parser
_INTEGERS = (3, 4, 5, 13, 14)  # FieldDescriptor.TYPE_*: packed, each byte of them may become eight
_BYTES = {1: 8, 5: 4}  # of a field's value, by the wire type; of type 2 the length comes first


@lru_cache(100)
def _fields(message: Any) -> dict[int, tuple[Any, bool]]:
    """By number: the descriptor of the message that a field holds, if any, and whether it holds integers."""
    return {field.number: (field.message_type, field.type in _INTEGERS) for field in message.fields}


def check(data: bytes, message: Any) -> None:
    """Raises ModelFileError unless the bytes are whole fields of a message, at most MAX_FIELDS in all."""
    at, end, count = 0, len(data), 0
    around: list[tuple[Any, int]] = []  # the messages that this one stands in, and their ends
    while at < end or around:
        if at == end:
            message, end = around.pop()
            continue
        key, at = _varint(data, at, end)
        wire, inner, size = key & 7, None, 0
        count += 1
        if wire == 0:
            _, at = _varint(data, at, end)
        elif wire == 2:
            size, at = _varint(data, at, end)
            inner, integers = _fields(message).get(key >> 3, (None, False))
            count += size if integers else 0
        else:
            size = _BYTES.get(wire, end)
        if size > end - at:
            raise ModelFileError(f"is truncated or damaged: {size} bytes are claimed at {at} of {end}")
        if count > MAX_FIELDS:
            raise ModelFileError(f"has more than {MAX_FIELDS} fields, expected a multi-layer perceptron")
        if inner is not None and size and len(around) < _MAX_DEPTH:
            around.append((message, end))
            message, end = inner, at + size
        else:
            at += size


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first; the eighth says that another follows."""
    value = shift = 0
    while at < end and shift < 70:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at
    raise ModelFileError(f"is truncated or damaged at byte {at}, or is no ONNX file")
