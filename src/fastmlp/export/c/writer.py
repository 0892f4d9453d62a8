"""The text of an exported file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from ... import registry
from . import templates
from .steps import Activate, Array, BatchNormalize, LayerNormalize, Product, Rescale, Step
from .typed import TypedSource

# Each after those that it needs.
_SOURCES = (
    "csrc/kernels/real.h",
    "export/c/scalar.h",
    "csrc/kernels/elementary.h",
    "csrc/kernels/activations.h",
    "export/c/kernels.h",
)


@dataclass
class Body:
    """The constants and statements of a forward pass, as steps are added."""

    name: str
    n_in: int
    n_out: int
    dtype: np.dtype[Any]
    constants: list[str] = field(default_factory=list)
    constant_bytes: int = 0
    statements: list[str] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)
    buffers: dict[str, int] = field(default_factory=dict)
    kernel_bytes: int = 0  # the most that a kernel has on the stack
    products: int = 0
    normalizations: int = 0
    at: str = "x"  # where the row is,
    width: int = 0  # and how wide

    def __post_init__(self) -> None:
        self.width = self.n_in

    @property
    def real(self) -> str:
        return "float" if self.dtype == np.float32 else "double"

    @property
    def ram_bytes(self) -> int:
        """Arrays on the stack."""
        return sum(self.buffers.values()) * self.dtype.itemsize + self.kernel_bytes

    def constant(self, name: str, array: Array, comment: str = "") -> str:
        """Adds an array of constants; its name in C."""
        name = f"{self.name}_{name}"
        self.constants.append(comment + c_array(name, array))
        self.constant_bytes += array.nbytes
        return name

    def add(self, steps: Sequence[Step]) -> None:
        last = max(i for i, step in enumerate(steps) if isinstance(step, Product))
        for i, step in enumerate(steps):
            if isinstance(step, Product):
                self._product(step, to_out=i == last)
            elif isinstance(step, Rescale):
                self._rescale(step)
            elif isinstance(step, BatchNormalize):
                self._batch_normalize(step)
            elif isinstance(step, LayerNormalize):
                self._layer_normalize(step)
            else:
                self._activate(step)

    def _target(self, width: int, to_out: bool) -> str:
        """Another array than the one the row is in."""
        if to_out:
            return "out"
        target = "b" if self.at == "a" else "a"
        self.buffers[target] = max(self.buffers.get(target, 0), width)
        return target

    def _each(self, target: str, value: str) -> None:
        self.statements.append(f"for (size_t j = 0; j < {self.width}; j++) {target}[j] = {value};")

    def _rescale(self, step: Rescale) -> None:
        target = self._target(self.width, False)
        value = f"{self.at}[j]"
        if step.shift is not None:
            value += f" - {self._scalar_or_array('shift', step.shift)}"
        if step.divisor is not None:
            value = f"({value})" if step.shift is not None else value
            value += f" / {self._scalar_or_array('divisor', step.divisor)}"
        self._each(target, value)
        self.at = target

    def _scalar_or_array(self, name: str, array: Array) -> str:
        if (array == array[0]).all():
            return c_number(array[0])
        return self.constant(name, array) + "[j]"

    def _product(self, step: Product, to_out: bool) -> None:
        k, n = step.W.shape
        i = self.products
        self.products += 1
        comment = f"/* ({k}, {n}): a row for each input */\n"
        weights = self.constant(f"W{i}", step.W, comment)
        if step.scale is not None:
            weights += ", " + self.constant(f"scale{i}", step.scale)
        b = "NULL" if step.b is None else self.constant(f"b{i}", step.b)
        target = self._target(n, to_out)
        kernel = {1: "dense", 2: "dense_in_2", 4: "dense_in_4"}[step.segments]
        self.kernel_bytes = max(self.kernel_bytes, {1: 0, 2: 128, 4: 192}[step.segments])
        self.functions.add(kernel)
        self.statements.append(f"{self.name}_{kernel}({target}, {self.at}, {weights}, {b}, {k}, {n});")
        self.at, self.width = target, n

    def _batch_normalize(self, step: BatchNormalize) -> None:
        arrays = {"mean": step.mean, "inverse": step.inverse, "gamma": step.gamma, "beta": step.beta}
        self._normalize("batch_norm", arrays, "")

    def _layer_normalize(self, step: LayerNormalize) -> None:
        epsilon = c_number(self.dtype.type(step.epsilon))
        self._normalize("layer_norm", {"gamma": step.gamma, "beta": step.beta}, f", {epsilon}")
        self.kernel_bytes = max(self.kernel_bytes, 128)

    def _normalize(self, kernel: str, arrays: Mapping[str, Array], more: str) -> None:
        i = self.normalizations
        self.normalizations += 1
        names = ", ".join(self.constant(f"{name}{i}", array) for name, array in arrays.items())
        target = self._target(self.width, False) if self.at == "x" else self.at
        self.functions.add(kernel)
        call = f"{self.name}_{kernel}({target}, {self.at}, {names}{more}, {self.width});"
        self.statements.append(call)
        self.at = target

    def _activate(self, step: Activate) -> None:
        if registry.ACTIVATIONS[step.name][1] == "row":
            self.functions.add(step.name)
            self.kernel_bytes = max(self.kernel_bytes, 64)
            self.statements.append(f"{self.name}_{step.name}({self.at}, {self.width});")
            return
        self.functions.add(f"{step.name}_forward")
        parameter = c_number(self.dtype.type(step.parameter))
        self._each(self.at, f"{self.name}_{step.name}_forward({self.at}[j], {parameter})")


@cache
def typed_source(bits: int, int8: bool) -> TypedSource:
    package = files(__package__.split(".")[0])
    texts = [package.joinpath(name).read_text(encoding="utf-8") for name in _SOURCES]
    return TypedSource(texts, {"BITS": bits, "INT8": int8})


def functions_text(body: Body, int8: bool) -> str:
    source = typed_source(8 * body.dtype.itemsize, int8)
    return source.cut(body.functions, body.name)


def header(
    body: Body, summary: Sequence[str], version: str, allowed: float, int8: bool, error: str | None
) -> str:
    """The comment that says what the file is and what it costs."""
    tables = typed_source(8 * body.dtype.itemsize, int8).table_bytes(body.functions)
    weights = "int8 weights, their scales and other parameters" if int8 else f"parameters, {body.dtype.name}"
    notes = templates.ACCURACY.format(allowed=f"{allowed:.1e}")
    if error is not None:
        error = error.replace("\n", "\n            ")
        notes = templates.INT8.format(dtype=body.dtype.name, error=error) + notes
    return templates.HEADER.format(
        name=body.name,
        macro=body.name.upper(),
        real=body.real,
        version=version,
        table="\n".join(f"   {line}" for line in summary),
        n_in=body.n_in,
        n_out=body.n_out,
        rom=body.constant_bytes,
        weights=weights,
        tables=tables,
        ram=body.ram_bytes,
        notes=notes,
    )


def preface(body: Body) -> str:
    fast = "FP_FAST_FMAF" if body.dtype == np.float32 else "FP_FAST_FMA"
    text = templates.PREFACE
    for word, value in {"{fast_fma}": fast, "{name}": body.name, "{real}": body.real}.items():
        text = text.replace(word, value)
    return text


def predict_text(body: Body) -> str:
    """The two functions for callers."""
    declared = [f"    {body.real} {name}[{size}];\n" for name, size in sorted(body.buffers.items())]
    statements = [f"    {statement}\n" for statement in body.statements]
    return f"""\
void {body.name}_predict(const {body.real} *restrict x, {body.real} *restrict out)
{{
{"".join(declared)}{"".join(statements)}}}

void {body.name}_predict_rows(const {body.real} *restrict x, {body.real} *restrict out, size_t rows)
{{
    for (; rows; rows--, x += {body.n_in}, out += {body.n_out}) {body.name}_predict(x, out);
}}
"""


def test_text(body: Body, X: Array, predicted: Array, allowed: float, fused: bool) -> str:
    """A main that compares the C with what Python gave; `fused`: with fma."""
    bound = f"{allowed:.1e}" if np.isfinite(allowed) else "INFINITY"
    return templates.TEST.format(
        macro=f"{body.name.upper()}_TEST",
        name=body.name,
        real=body.real,
        n_in=body.n_in,
        n_out=body.n_out,
        rows=len(X),
        inputs=c_array(f"{body.name}_test_x", X).rstrip(),
        outputs=c_array(f"{body.name}_test_out", predicted).rstrip(),
        allowed=f"FASTMLP_FMA ? 0 : {bound}" if fused else bound,
    )


# ---- numbers ----


def c_number(value: Any) -> str:
    """A number of NumPy's, exactly."""
    return next(_words(np.asarray(value)))


def _words(array: Array) -> Iterator[str]:
    """The elements in C: integers, or hexadecimal numbers of the array's dtype."""
    if array.dtype.kind == "i":
        yield from map(str, array.ravel().tolist())
        return
    suffix = "f" if array.dtype == np.float32 else ""
    for value in array.ravel().tolist():
        if not math.isfinite(value):
            yield "NAN" if math.isnan(value) else "-INFINITY" if value < 0 else "INFINITY"
            continue
        mantissa, _, exponent = value.hex().partition("p")
        if "." in mantissa:
            mantissa = mantissa.rstrip("0").rstrip(".")
        yield f"{mantissa}p{exponent}{suffix}"


def c_array(name: str, array: Array) -> str:
    """A definition with all elements, row by row."""
    kind = {"float32": "float", "float64": "double", "int8": "int8_t"}[array.dtype.name]
    sizes = " * ".join(map(str, array.shape))
    return f"static const {kind} {name}[{sizes}] = {{\n{_wrapped(_words(array))}}};\n"


def _wrapped(words: Iterable[str], width: int = 100) -> str:
    lines, line = [], "   "
    for word in words:
        if len(line) + len(word) + 2 > width:
            lines.append(line + "\n")
            line = "   "
        line += f" {word},"
    return "".join([*lines, line + "\n"])
