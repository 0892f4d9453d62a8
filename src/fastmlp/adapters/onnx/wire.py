"""A look at a file's bytes before the package onnx parses them: protocol buffers inflate.

An empty message takes two bytes in a file and hundreds in memory, a small integer one byte and eight.  So
fields and packed integers are counted first, without making anything of them; weights are bytes, and count as
one.  The numbers of the fields are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3, their
encoding is that of https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from ...errors import ModelFileError

MAX_FIELDS = 200_000  # a layer has some 50, with what PyTorch notes beside it
_MAX_DEPTH = 100  # as protocol buffers' own parser

# message -> number of a field that holds a message -> which; other fields are leaves.
_MESSAGES = {
    "model": {7: "graph", 8: "leaf", 14: "leaf", 20: "training", 25: "function"},
    "graph": {
        1: "node",
        5: "tensor",
        11: "value",
        12: "value",
        13: "value",
        14: "annotation",
        15: "sparse",
        16: "leaf",
    },
    "node": {5: "attribute", 9: "leaf"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        14: "type",
        15: "type",
        22: "sparse",
        23: "sparse",
    },
    "tensor": {3: "leaf", 13: "leaf", 16: "leaf"},
    "sparse": {1: "tensor", 2: "tensor"},
    "value": {2: "type", 4: "leaf"},
    "type": {1: "tensor type", 4: "sequence", 5: "map", 8: "tensor type", 9: "sequence"},
    "tensor type": {2: "shape"},
    "sequence": {1: "type"},
    "map": {2: "type"},
    "shape": {1: "leaf"},
    "annotation": {2: "leaf"},
    "training": {1: "graph", 2: "graph", 3: "leaf", 4: "leaf"},
    "function": {7: "node", 9: "leaf", 11: "attribute", 12: "value", 14: "leaf"},
    "leaf": {},
}
# Packed integers, of which each byte may become eight.
_PACKED = {"tensor": {1, 5, 7, 11}, "attribute": {8}, "sparse": {3}}


def check(data: bytes) -> None:
    """Raises ModelFileError unless the bytes are whole messages, of at most MAX_FIELDS fields in all."""
    message, at, end, count = "model", 0, len(data), 0
    around: list[tuple[str, int]] = []  # the messages that this one stands in, and their ends
    while True:
        while at == end and around:
            message, end = around.pop()
        if at == end:
            return
        count += 1
        key, at = _varint(data, at, end)
        number, kind = key >> 3, key & 7
        if kind == 2:
            length, at = _varint(data, at, end)
            if length > end - at:
                raise ModelFileError(f"is truncated or damaged: {length} bytes are claimed at {at} of {end}")
            inner = _MESSAGES[message].get(number)
            if inner is not None and len(around) < _MAX_DEPTH and length:
                around.append((message, end))
                message, end = inner, at + length
                continue
            if number in _PACKED.get(message, ()):
                count += length
            at += length
        else:
            at = _after_number(data, at, end, kind)
        if count > MAX_FIELDS:
            raise ModelFileError(f"has more than {MAX_FIELDS} fields, expected a multi-layer perceptron")


def _after_number(data: bytes, at: int, end: int, kind: int) -> int:
    if kind == 0:
        return _varint(data, at, end)[1]
    size = {1: 8, 5: 4}.get(kind, -1)
    if not 0 <= size <= end - at:
        raise ModelFileError(f"is damaged at byte {at}, or is no ONNX file")
    return at + size


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first; the eighth says that another follows."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        value |= (byte & 127) << shift
        at += 1
        shift += 7
        if byte < 128:
            return value, at
    raise ModelFileError(f"is truncated or damaged at byte {at}, or is no ONNX file")
