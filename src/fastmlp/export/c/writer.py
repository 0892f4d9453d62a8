"""The text of an exported file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..steps import Array
from . import templates
from .body import Body
from .numbers import c_array


def header(
    body: Body, summary: Sequence[str], version: str, tables: int, allowed: float, int8_note: str | None
) -> str:
    """The comment that says what the file is and what it costs; `tables` in bytes."""
    weights, notes = f"parameters, {body.dtype.name}", templates.ACCURACY.format(allowed=f"{allowed:.1e}")
    if int8_note is not None:
        notes = templates.INT8_ERROR.format(error=int8_note.replace("\n", "\n            ")) + notes
    if body.inputs:
        weights = "int8 weights, their scales and other parameters"
        notes = templates.INT8 + notes
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
    return templates.PREFACE.replace("{fast_fma}", fast)


def declared_text(body: Body) -> str:
    return templates.DECLARED.format(name=body.name, real=body.real)


def predict_text(body: Body) -> str:
    """The two functions for callers."""
    return f"""\
void {body.name}_predict(const {body.real} *restrict x, {body.real} *restrict out)
{block(body)}
void {body.name}_predict_rows(const {body.real} *restrict x, {body.real} *restrict out, size_t rows)
{{
    for (; rows; rows--, x += {body.n_in}, out += {body.n_out}) {body.name}_predict(x, out);
}}
"""


def block(body: Body) -> str:
    """The forward pass from x to out, in braces."""
    declared = [f"    {body.real} {name}[{size}];\n" for name, size in sorted(body.buffers.items())]
    declared += [f"    int8_t q[{body.inputs}];\n"] if body.inputs else []
    statements = [f"    {statement}\n" for statement in body.statements]
    return f"{{\n{''.join(declared)}{''.join(statements)}}}\n"


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
