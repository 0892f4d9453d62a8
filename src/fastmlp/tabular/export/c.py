"""A tabular model as one C99 file: see `TabularClassifier.export_c`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from ... import config
from ...export.c import checked_name, functions, writer
from ...export.c.body import Body
from ...export.c.numbers import c_array, c_number, c_string
from ...export.steps import steps_of
from ...files import atomic, paths
from .. import calibration, conformal
from ..columns import Category, Column, Date
from ..encoding import FAR
from ..ensemble import Ensemble
from ..targets import Classes, Numbers
from ..views import Plain, Quantiles
from . import c_templates, inputs

Array = np.ndarray[Any, Any]


def export(ensemble: Ensemble, path: str | os.PathLike[str], *, name: str | None, levels: Any) -> None:
    """Write the file."""
    target = paths.checked(path, (".c",))
    text = _File(ensemble, checked_name(name, target), _offsets(ensemble, levels)).text()
    atomic.write(target, lambda file: file.write(text.encode("ascii")))


def _offsets(ensemble: Ensemble, levels: Any) -> Array | None:
    """(targets, levels) that are added to predictions; None without levels."""
    if levels is None:
        return None
    if isinstance(ensemble.targets, Classes):
        raise ValueError(f"levels is {levels!r}, expected None of classes")
    return ensemble.offsets(conformal.as_levels(levels))


class _File:
    """The parts of a file, in order."""

    def __init__(self, ensemble: Ensemble, name: str, offsets: Array | None) -> None:
        self._ensemble, self._encoder, self._name, self._offsets = ensemble, ensemble.encoder, name, offsets
        self._bodies = []
        for i, member in enumerate(ensemble.members):
            plan = member.net.plan
            body = Body(name, plan.n_in, plan.n_out, member.net.dtype, part=f"net{i}_")
            body.add(steps_of(member.net))
            self._bodies.append(body)

    def text(self) -> str:
        texts = functions.texts("float32")
        needed = {each for body in self._bodies for each in body.functions}
        constants = [constant for body in self._bodies for constant in body.constants]
        quantiles = [] if self._offsets is None else [self._quantiles(self._offsets)]
        parts = [
            self._header(),
            writer.preface(self._bodies[0]),
            self._filled(c_templates.DECLARED),
            *self._tables(),
            *constants,
            functions.cut(texts, needed, self._name),
            *self._dates(),
            self._encode(),
            *(self._view(name, view) for name, view in self._ensemble.views.items()),
            *(self._net(i, body) for i, body in enumerate(self._bodies)),
            self._finish(),
            self._predict(),
            *quantiles,
            self._test(),
        ]
        return "\n".join(parts)

    def _filled(self, template: str) -> str:
        words = {"NAME": self._name, "N_IN": str(len(self._encoder.used)), "N_OUT": str(self._outputs)}
        for word, value in words.items():
            template = template.replace(word, value)
        return template

    @property
    def _outputs(self) -> int:
        return self._ensemble.targets.outputs

    # ---- what it says ----

    def _header(self) -> str:
        targets = self._ensemble.targets
        lines = [
            f"{i:5}  {_comment(each.name)}: {inputs.described(each)}"
            for i, each in enumerate(self._encoder.used)
        ]
        if isinstance(targets, Classes):
            out = [f"{i:5}  probability of {_comment(str(each))}" for i, each in enumerate(targets.classes)]
        else:
            out = [f"{i:5}  prediction" for i in range(targets.outputs)]
        more = "" if self._offsets is None else c_templates.QUANTILES_SAID
        rom = sum(body.constant_bytes for body in self._bodies)
        text = c_templates.HEADER.replace("COLUMNS", "\n".join(lines)).replace("OUTPUTS", "\n".join(out))
        text = (
            text.replace("VERSION", config.__version__).replace("ROM_BYTES", str(rom)).replace("MORE", more)
        )
        return self._filled(text)

    def _tables(self) -> Iterator[str]:
        """Words and their codes, and the names of classes."""
        targets = self._ensemble.targets
        cases = []
        for i, column in enumerate(self._encoder.used):
            if isinstance(column, Category):
                yield _strings(f"{self._name}_category_{i}", [None, *column.values], f"column {i}, by code")
                cases.append(
                    f"    case {i}: words = {self._name}_category_{i}; size = {column.size}; break;\n"
                )
        yield self._filled(c_templates.CODE).replace("CASES", "".join(cases))
        if isinstance(targets, Classes):
            yield _strings(
                f"{self._name}_classes", [str(each) for each in targets.classes.tolist()], "", static=False
            )

    # ---- from what it is told to what a network sees ----

    def _dates(self) -> Iterator[str]:
        if any(isinstance(column, Date) for column in self._encoder.used):
            yield self._filled(c_templates.DATES)

    def _encode(self) -> str:
        encoder = self._encoder
        numbers, at = [], 0
        for i, column in enumerate(encoder.used):
            numbers += _number_lines(self._name, column, i, at)
            at += len(column.number_names())
        for i, column in enumerate(encoder.used):
            numbers += _indicator_lines(column, i, at)
            at += len(column.indicator_names())
        codes = [(encoder.used.index(column), column) for column in encoder.embedded]
        others = [
            f"row[{to}] = {self._name}_valid(x[{i}], {column.size}); /* {_comment(column.name)} */"
            for to, (i, column) in enumerate(codes, at)
        ]
        text = c_templates.ENCODE if at else c_templates.ENCODE_CODES
        arrays = {"center": encoder.scaling.center, "factor": encoder.scaling.factor} if at else {}
        tables = [c_array(f"{self._name}_{each}", array) for each, array in arrays.items()]
        if any(isinstance(column, Date) for column in encoder.used):
            numbers.insert(0, f"{self._name}_date date;")
        text = text.replace("NUMBERS", _indented(numbers)).replace("OTHERS", _indented(others))
        text = text.replace("COUNT", str(at)).replace("FAR", c_number(np.float64(FAR)))
        return "\n".join([*tables, self._filled(text)])

    def _view(self, name: str, view: Plain | Quantiles) -> str:
        if not isinstance(view, Quantiles) or not view.extra:
            return ""
        tables = [
            c_array(f"{self._name}_bin_column", view.columns),
            c_array(f"{self._name}_bin_low", view.lows),
            c_array(f"{self._name}_bin_width", view.highs - view.lows),
        ]
        text = c_templates.VIEW.replace("NUMBERS", str(view.numbers)).replace("BINS", str(view.extra))
        text = text.replace("REST", str(len(self._encoder.names) - view.numbers))
        return "\n".join([*tables, self._filled(text)])

    def _net(self, number: int, body: Body) -> str:
        head = f"static void {self._name}_net{number}(const float *restrict x, float *restrict out)\n"
        return head + writer.block(body)

    def _finish(self) -> str:
        """From a network's outputs to what is averaged."""
        targets = self._ensemble.targets
        if isinstance(targets, Numbers):
            tables = [
                c_array(f"{self._name}_{each}", getattr(targets, each))
                for each in ("mean", "spread", "low", "high")
            ]
            return "\n".join([*tables, self._filled(c_templates.NUMBERS)])
        if self._ensemble.temperature == 1.0:
            return self._filled(c_templates.CLASSES)
        text = c_templates.TEMPERED.replace("TEMPERATURE", c_number(np.float64(self._ensemble.temperature)))
        return self._filled(text.replace("TINY", c_number(np.float64(calibration.TINY))))

    def _predict(self) -> str:
        views, lines = self._ensemble.views, []
        widths = {name: len(self._encoder.names) + view.extra for name, view in views.items()}
        declared = f"    float row[{len(self._encoder.names)}], z[N_OUT];\n"
        for name, view in views.items():
            if view.extra:
                declared += f"    float seen[{widths[name]}];\n"
                lines.append(f"{self._name}_see(row, seen);")
        for i, member in enumerate(self._ensemble.members):
            seen = "seen" if views[member.view].extra else "row"
            lines += [f"{self._name}_net{i}({seen}, z);", f"{self._name}_add(out, z);"]
        text = c_templates.PREDICT.replace("DECLARED", declared).replace("NETS", _indented(lines))
        return self._filled(text.replace("COUNT", str(len(self._ensemble.members))))

    def _quantiles(self, offsets: Array) -> str:
        table = c_array(f"{self._name}_offset", offsets)
        return table + self._filled(c_templates.QUANTILES).replace("LEVELS", str(offsets.shape[1]))

    def _test(self) -> str:
        told = inputs.examples(self._encoder)
        predicted = self._ensemble.predict(inputs.frame_of(self._encoder, told))
        targets = self._ensemble.targets
        size = 1.0 if isinstance(targets, Classes) else float((targets.high - targets.low).max())
        text = c_templates.TEST.replace("ROWS", str(len(told))).replace("ALLOWED", f"{1e-5 * size:.1e}")
        text = text.replace("TOLD", c_array(f"{self._name}_test_x", told).rstrip())
        text = text.replace("PREDICTED", c_array(f"{self._name}_test_out", predicted).rstrip())
        return self._filled(text.replace("MACRO", f"{self._name.upper()}_TEST"))


def _number_lines(name: str, column: Column, i: int, at: int) -> list[str]:
    """How its numbers are found in what is told."""
    comment = f" /* {_comment(column.name)} */"
    if isinstance(column, Date):
        fills = [c_number(np.float64(fill)) for fill in column.fill]
        lines, places = [], iter(range(at, at + len(fills)))
        lines.append(f"{name}_read_date(&date, x[{i}]);{comment}")
        for part in column.parts:
            for part_of in _PARTS[part]:
                place = next(places)
                lines.append(f"number[{place}] = date.known ? {part_of} : {fills[place - at]};")
        return lines
    if column.number_names():
        median = c_number(np.float64(column.median))  # type: ignore[attr-defined] # a Number
        return [f"number[{at}] = x[{i}] == x[{i}] ? x[{i}] : {median};{comment}"]
    return []


_PARTS = {
    "year": ("date.year",),
    "season": ("cos(date.season)", "sin(date.season)"),
    "weekday": ("cos(date.weekday)", "sin(date.weekday)"),
    "hour": ("cos(date.hour)", "sin(date.hour)"),
}


def _indicator_lines(column: Column, i: int, to: int) -> list[str]:
    comment = f" /* {_comment(column.name)} */"
    count = len(column.indicator_names())
    if not count:
        return []
    if not isinstance(column, Category):
        return [f"number[{to}] = x[{i}] != x[{i}];{comment}"]
    if len(column.values) == 2:
        return [f"number[{to}] = (x[{i}] == 1) - (x[{i}] == 2);{comment}"]
    return [f"for (int c = 0; c < {count}; c++) number[{to} + c] = x[{i}] == c + 1;{comment}"]


def _indented(lines: list[str]) -> str:
    return "".join(f"    {line}\n" for line in lines)


def _comment(text: str) -> str:
    """Text that a comment can hold, on one line."""
    return ascii(text)[1:-1].replace("*/", "* /").replace("/*", "/ *")


def _strings(name: str, words: list[str | None], comment: str, *, static: bool = True) -> str:
    lines = "".join(f"    {'0' if word is None else c_string(word)},\n" for word in words)
    said = f"/* {comment} */\n" if comment else ""
    return f"{said}{'static ' * static}const char *const {name}[{len(words)}] = {{\n{lines}}};\n"
