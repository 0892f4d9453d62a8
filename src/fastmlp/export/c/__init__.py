"""A network as one C file that depends on nothing: see `Network.export_c`.

>>> import fastmlp, os, tempfile
>>> net = fastmlp.Network([4, 8, 3], output="softmax", seed=0)
>>> with tempfile.TemporaryDirectory() as folder:
...     path = os.path.join(folder, "model.c")
...     net.export_c(path)
...     with open(path) as file:
...         "void model_predict(const float *restrict x, float *restrict out);" in file.read()
True
"""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np

from ... import _kernels, config, validation
from ...files import atomic, paths
from ...layers import chain
from ...layers.lowering import input_vectors
from ...model import Model, restored
from ..quantization import quantized, report_of
from ..steps import Array, steps_of
from . import functions, writer
from .body import Body
from .rounding import allowed_difference

TEST_ROWS = 3
MEASURED_ROWS = 1000  # that int8's error is measured on, where none are given


def export(net: Model, path: str | os.PathLike[str], *, name: str | None, int8: bool, X: Any) -> None:
    """Write the file; see `Network.export_c`."""
    target = paths.checked(path, (".c",))
    name = checked_name(name, target)
    int8 = validation.boolean(int8, "int8")
    rows = _rows(net, X)
    note = None
    if int8 and not net.predicts_alone:
        rounded = quantized(net, "int8")
        net, note = rounded, _int8_note(net, rounded, rows, X is not None)
    text = _text(net, name, rows, note)
    atomic.write(target, lambda file: file.write(text.encode("ascii")))


def checked_name(name: object, path: str) -> str:
    """The prefix of every name in the file: given, or the file's."""
    came = f"name is {name!r}"
    if name is None:
        name = os.path.basename(path)[: -len(".c")]
        came = f"the file's name is {name!r} and no name is given"
    elif not isinstance(name, str):
        raise TypeError(f"name is a {type(name).__name__}, expected a str")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name, re.ASCII):
        raise ValueError(f"{came}, expected a C identifier: letters, digits and _, a letter first")
    return name


def _rows(net: Model, X: Any) -> Array:
    """The rows of X as the network's dtype, or rows that are standard normal to the first layer."""
    if X is not None:
        found = validation.as_inputs(X, net.plan.n_in, net.dtype).astype(net.dtype)
        net.predict(found)  # which refuses codes that there are not
        return found
    node = {"kind": "dense", "units": net.plan.n_in, "use_bias": False}
    plan = _kernels.Plan(MEASURED_ROWS, [node], dtype="float64")
    plan.initialize(0, "normal", 1.0, 0)
    rows = np.round(plan.get_weights()[0] * 256) / 256  # short in hexadecimal
    codes = next((node["sizes"] for node in net.plan.layers if node["sizes"]), ())
    shift, divisor = input_vectors(net.plan.n_in, net.layers, net.dtype)
    rows = rows if divisor is None else rows * divisor
    rows = rows if shift is None else rows + shift
    for column, size in enumerate(codes, net.plan.n_in - len(codes)):
        rows[:, column] = np.arange(len(rows)) % size
    return rows.astype(net.dtype)


def _text(net: Model, name: str, rows: Array, note: str | None) -> str:
    with net.changing():
        steps = steps_of(net)
    X = rows[:TEST_ROWS]
    body = Body(name, net.plan.n_in, net.plan.n_out, net.dtype)
    body.add(steps)
    allowed = allowed_difference(steps, X)
    texts = functions.texts(net.dtype.name)
    tables = functions.table_bytes(texts, body.functions)
    head = writer.header(body, _summary(net), config.__version__, tables, allowed, note)
    kernels = functions.cut(texts, body.functions, name)
    parts = [
        head,
        writer.preface(body),
        writer.declared_text(body),
        "\n".join(body.constants),
        kernels,
        writer.predict_text(body),
    ]
    test = writer.test_text(body, X, _best(net).predict(X), allowed, fused=_fused(net.dtype))
    return "\n".join(parts) + test


def _summary(net: Model) -> list[str]:
    return chain.table(net.plan.n_in, net.layers)


def _best(net: Model) -> Model:
    """The network on this machine's best instruction set, with products of float32."""
    parts = (net.plan.n_in, net.layers, net.dtype.name, net.seed, None, "highest")
    return restored(type(net), parts, net.get_weights())


def _int8_note(net: Model, rounded: Model, rows: Array, given: bool) -> str:
    """What rounding the weights and the inputs of layers costs, measured."""
    report = report_of(_best(net), rounded, rows, None)
    which = "rows that were given" if given else "standard normal rows"
    return (
        f"on {report.rows} {which}, where outputs have a size of up to {report.size:.3g},\n"
        f"they differ by at most {report.largest:.3g} and by {report.mean:.3g} on average"
    )


def _fused(dtype: np.dtype[Any]) -> bool:
    """Whether this machine's best instruction set has fma: (1 + e)(1 - e) - 1 is not 0 then."""
    e = np.finfo(dtype).eps
    x, W, b = (np.array(value, dtype) for value in ([[1 + e]], [[1 - e]], [-1]))
    return bool(_kernels.dense_forward(x, W, b)[0, 0] != 0)
