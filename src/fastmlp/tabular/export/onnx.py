"""A tabular model as an ONNX file: see `TabularClassifier.export_onnx`."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from ...adapters.onnx.writing import Writer, checked_model, checked_opset
from ...files import atomic
from ...optional import require
from .. import calibration
from ..columns import Category, Column, Date, Number
from ..encoding import FAR
from ..ensemble import Ensemble
from ..targets import Classes, Numbers
from ..views import Plain, Quantiles
from . import inputs

Array = np.ndarray[Any, Any]

INPUT, PROBABILITIES, LABEL, PREDICTION = "X", "probabilities", "label", "prediction"


def export(ensemble: Ensemble, path: str | os.PathLike[str], *, opset: int | None) -> None:
    """Write the file."""
    data = to_model(ensemble, opset=opset).SerializeToString()
    atomic.write(path, lambda file: file.write(data))


def to_model(ensemble: Ensemble, *, opset: int | None = None) -> Any:
    """The same as an ``onnx.ModelProto``, checked."""
    onnx = require("onnx", "onnx")
    opset = checked_opset(onnx, opset)
    columns = [
        {"name": each.name, "input": inputs.described(each)}
        | ({"values": list(each.values)} if isinstance(each, Category) else {})
        for each in ensemble.encoder.used
    ]
    graph = _Graph(onnx, ensemble, opset).made()
    return checked_model(onnx, graph, opset, {"columns": json.dumps(columns)})


class _Graph:
    """Nodes and constants, from the input to the outputs; tensors are float64 of shape (rows, n)."""

    def __init__(self, onnx: Any, ensemble: Ensemble, opset: int) -> None:
        self._onnx, self._helper = onnx, onnx.helper
        self._ensemble, self._encoder, self._opset = ensemble, ensemble.encoder, opset
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def made(self) -> Any:
        """The GraphProto."""
        row = self._cast(self._encoded(), np.float32)
        seen = {name: self._seen(row, view) for name, view in self._ensemble.views.items()}
        outputs = [self._finished(self._network(i, seen)) for i in range(len(self._ensemble.members))]
        total = outputs[0]
        for other in outputs[1:]:
            total = self._node("Add", total, other)
        mean = self._node("Div", total, self._constant(float(len(outputs))))
        ends = self._ends(mean)
        value, double = self._helper.make_tensor_value_info, self._kind(np.float64)
        given = value(INPUT, double, ["rows", len(self._encoder.used)])
        return self._helper.make_graph(self._nodes, "fastmlp", [given], ends, self._constants)

    # ---- columns ----

    def _encoded(self) -> str:
        """What `TableEncoder.transform` makes."""
        cells = [(column, self._cell(i)) for i, column in enumerate(self._encoder.used)]
        told = [found for column, x in cells for found in self._numbers(column, x)]
        told += [found for column, x in cells for found in self._indicators(column, x)]
        parts = [self._scaled(self._joined(told))] if told else []
        parts += [x for column, x in cells if column in self._encoder.embedded]
        return self._joined(parts)

    def _cell(self, i: int) -> str:
        return self._node("Gather", INPUT, self._constant([i], np.int64), axis=1)

    def _numbers(self, column: Column, x: str) -> list[str]:
        if isinstance(column, Number):
            return [self._filled(x, self._node("IsNaN", x), column.median)]
        if isinstance(column, Date):
            missing = self._node("IsNaN", x)
            told = self._date(column, self._filled(x, missing, 0.0))
            return [self._filled(part, missing, fill) for part, fill in zip(told, column.fill, strict=True)]
        return []

    def _filled(self, x: str, missing: str, fill: float) -> str:
        return self._node("Where", missing, self._constant([[fill]]), x)

    def _scaled(self, numbers: str) -> str:
        """z / sqrt(1 + (z/3)^2) of z = (x - center) * factor"""
        scaling = self._encoder.scaling
        z = self._node("Sub", numbers, self._constant(scaling.center))
        z = self._node("Mul", z, self._constant(scaling.factor))
        z = self._node("Clip", z, self._constant(-FAR), self._constant(FAR))
        third = self._node("Div", z, self._constant(3.0))
        square = self._node("Add", self._node("Mul", third, third), self._constant(1.0))
        return self._node("Div", z, self._node("Sqrt", square))

    def _indicators(self, column: Column, x: str) -> list[str]:
        if not column.indicator_names():
            return []
        if not isinstance(column, Category):
            return [self._cast(self._node("IsNaN", x), np.float64)]
        values = len(column.values)
        its = self._node("Equal", x, self._constant(np.arange(1.0, values + 1)))
        each = self._cast(its, np.float64)
        if values != 2:
            return [each]
        return [self._node("MatMul", each, self._constant([[1.0], [-1.0]]))]

    def _date(self, column: Date, seconds: str) -> list[str]:
        """The numbers of `dates.numbers`, of seconds since 1970 that are there."""
        day = self._constant(86400.0)
        days = self._floor(self._node("Div", seconds, day))
        in_day = self._node("Div", self._node("Sub", seconds, self._node("Mul", days, day)), day)
        year, in_year = self._year(days, in_day)
        since_monday = self._node("Add", days, self._constant(3.0))
        week = self._constant(7.0)
        weeks = self._floor(self._node("Div", since_monday, week))
        in_week = self._node("Sub", since_monday, self._node("Mul", weeks, week))
        cycles = {
            "season": in_year,
            "weekday": self._node("Div", self._node("Add", in_week, in_day), week),
            "hour": in_day,
        }
        found = []
        for part in column.parts:
            if part == "year":
                found.append(self._node("Add", year, in_year))
            else:
                turn = self._node("Mul", cycles[part], self._constant(2 * np.pi))
                found += [self._node("Cos", turn), self._node("Sin", turn)]
        return found

    def _year(self, days: str, in_day: str) -> tuple[str, str]:
        """The year, and how much of it is over."""
        one = self._constant(1.0)
        year = self._floor(self._node("Div", days, self._constant(365.2425)))
        year = self._node("Add", year, self._constant(1970.0))
        early = self._cast(self._node("Greater", self._first_day(year), days), np.float64)
        year = self._node("Sub", year, early)
        after = self._node("Greater", self._first_day(self._node("Add", year, one)), days)
        year = self._node("Add", year, self._cast(self._node("Not", after), np.float64))
        first, following = self._first_day(year), self._first_day(self._node("Add", year, one))
        over = self._node("Add", self._node("Sub", days, first), in_day)
        return year, self._node("Div", over, self._node("Sub", following, first))

    def _first_day(self, year: str) -> str:
        """Days from 1970 to the first of the year."""
        before = self._node("Sub", year, self._constant(1.0))
        total = self._node("Mul", self._node("Sub", year, self._constant(1970.0)), self._constant(365.0))
        for op, years in (("Add", 4.0), ("Sub", 100.0), ("Add", 400.0)):
            total = self._node(op, total, self._floor(self._node("Div", before, self._constant(years))))
        return self._node("Sub", total, self._constant(477.0))

    # ---- networks ----

    def _seen(self, row: str, view: Plain | Quantiles) -> str:
        """Of float32, as the row is."""
        if not isinstance(view, Quantiles) or not view.extra:
            return row
        x = self._node("Gather", row, self._constant(view.columns, np.int64), axis=1)
        share = self._node("Sub", x, self._constant(view.lows, np.float32))
        share = self._node("Div", share, self._constant(view.highs - view.lows, np.float32))
        ends = self._constant(0.0, np.float32), self._constant(1.0, np.float32)
        share = self._node("Clip", share, *ends)
        width, numbers = len(self._encoder.names), view.numbers
        first = self._node("Gather", row, self._constant(np.arange(numbers), np.int64), axis=1)
        rest = self._node("Gather", row, self._constant(np.arange(numbers, width), np.int64), axis=1)
        return self._joined([first, share, *([rest] if numbers < width else [])])

    def _network(self, number: int, seen: dict[str, str]) -> str:
        member = self._ensemble.members[number]
        writer = Writer(self._onnx, member.net, self._opset, f"networks.{number}.")
        output = writer.written(seen[member.view])
        self._nodes += writer.nodes
        self._constants += writer.constants
        return self._cast(output, np.float64)

    def _finished(self, output: str) -> str:
        targets = self._ensemble.targets
        if isinstance(targets, Numbers):
            y = self._node("Mul", output, self._constant(targets.spread))
            y = self._node("Add", y, self._constant(targets.mean))
            y = self._node("Max", y, self._constant(targets.low))
            return self._node("Min", y, self._constant(targets.high))
        if self._ensemble.temperature == 1.0:
            return output
        logits = self._node("Log", self._node("Max", output, self._constant(calibration.TINY)))
        tempered = self._node("Div", logits, self._constant(self._ensemble.temperature))
        return self._node("Softmax", tempered, axis=-1)

    def _ends(self, mean: str) -> list[Any]:
        """The outputs, by their names."""
        targets, value = self._ensemble.targets, self._helper.make_tensor_value_info
        name = PROBABILITIES if isinstance(targets, Classes) else PREDICTION
        self._nodes.append(self._helper.make_node("Identity", [mean], [name]))
        ends = [value(name, self._kind(np.float64), ["rows", targets.outputs])]
        if isinstance(targets, Classes):
            likeliest = self._node("ArgMax", mean, axis=1, keepdims=0)
            labels = targets.classes if targets.classes.dtype.kind in "biuf" else targets.classes.astype(str)
            kept = labels.astype(np.int64) if labels.dtype.kind in "iu" else labels
            kept = kept.astype(object) if kept.dtype.kind == "U" else kept
            tensor = self._onnx.numpy_helper.from_array(kept, "classes")
            self._constants.append(tensor)
            self._nodes.append(self._helper.make_node("Gather", ["classes", likeliest], [LABEL], axis=0))
            ends.append(value(LABEL, tensor.data_type, ["rows"]))
        return ends

    # ---- nodes ----

    def _node(self, op: str, *operands: str, **attributes: Any) -> str:
        name = f"{op}_{len(self._nodes)}"
        self._nodes.append(self._helper.make_node(op, list(operands), [name], name=name, **attributes))
        return name

    def _constant(self, value: Any, dtype: Any = np.float64) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(self._onnx.numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def _kind(self, dtype: Any) -> int:
        return int(self._helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _cast(self, x: str, dtype: Any) -> str:
        return self._node("Cast", x, to=self._kind(dtype))

    def _floor(self, x: str) -> str:
        return self._node("Floor", x)

    def _joined(self, parts: list[str]) -> str:
        return parts[0] if len(parts) == 1 else self._node("Concat", *parts, axis=1)
