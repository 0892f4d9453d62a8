"""A network as one JavaScript module that depends on nothing: see `Network.export_js`."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import numpy as np

from .. import config
from ..files import atomic, paths
from ..layers import chain
from ..model import Model
from .steps import (
    Activate,
    AddKept,
    Array,
    BatchNormalize,
    Keep,
    Largest,
    LayerNormalize,
    LookUp,
    Mean,
    MemberProduct,
    OfMember,
    Product,
    Rescale,
    Share,
    Slope,
    Step,
    Waves,
    members_of,
    steps_of,
)

MODULE = """\
// {title}
// Written by fastmlp {version}.  import {{ predict }} from {file};
// predict takes an array of {n_in} finite numbers and gives a {reals} of {n_out}.
// `steps` are the functions that it applies, one after another, with their weights.
{table}

const Reals = {reals}, rounded = {rounded};

{kernels}
const take = reader("{numbers}");

export const steps = [
{steps}
];

{predict}"""

PREDICT = """\
export const predict = (x) => steps.reduce((row, step) => step(row), checked(x, {n_in}));
"""

PREDICT_OF_MEMBERS = """\
export function predict(x) {{
  const total = new Reals({n_out});
  for (let member = 0; member < {members}; member++) {{
    const row = steps.reduce((found, step) => step(found, member), checked(x, {n_in}));
    row.forEach((each, j) => (total[j] += each));
  }}
  return total.map((each) => each / {members});
}}
"""


def export(net: Model, path: str | os.PathLike[str]) -> None:
    """Write the file; see `Network.export_js`."""
    target = paths.checked(path, (".js", ".mjs"))
    text = _text(net, os.path.basename(target))
    atomic.write(target, lambda file: file.write(text.encode("utf-8")))


def _text(net: Model, file: str) -> str:
    with net.changing():
        steps = steps_of(net)
    for layer in net.layers:
        if layer.predicts_alone:
            raise ValueError(f"net has the layer {layer!r}, which has no equivalent in exported JavaScript")
    calls = _Calls()
    lines = [calls.of(step) for step in steps if not isinstance(step, Mean)]
    n_in, n_out, members = net.plan.n_in, net.plan.n_out, members_of(steps)
    single = net.dtype == np.float32
    return MODULE.format(
        title=f"A network from {n_in} to {n_out} numbers, {net.dtype}.",
        version=config.__version__,
        file=json.dumps(f"./{file}"),
        n_in=n_in,
        n_out=n_out,
        reals="Float32Array" if single else "Float64Array",
        rounded="Math.fround" if single else "(value) => value",
        table="\n".join(f"//   {line}".rstrip() for line in chain.table(n_in, net.layers)),
        kernels=files("fastmlp.export").joinpath("kernels.js").read_text("utf-8"),
        numbers=calls.numbers(),
        steps="\n".join(f"  {line}," for line in lines),
        predict=(PREDICT_OF_MEMBERS if members else PREDICT).format(n_in=n_in, n_out=n_out, members=members),
    )


class _Calls:
    """Calls of the functions of kernels.js, and the arrays that they take one after another."""

    def __init__(self) -> None:
        self._arrays: list[Array] = []

    def numbers(self) -> str:
        """All arrays, little-endian and row by row, as base64."""
        return base64.b64encode(b"".join(_bytes(array) for array in self._arrays)).decode("ascii")

    def of(self, step: Step) -> str:
        return _CALLS[type(step)](self, step)

    def _array(self, array: Array | None) -> str:
        if array is None:
            return "null"
        self._arrays.append(array)
        return f"take({array.size})"

    def _rescale(self, step: Rescale) -> str:
        return f"rescale({self._array(step.shift)}, {self._array(step.divisor)})"

    def _product(self, step: Product) -> str:
        inputs, units = step.W.shape
        return f"product({self._array(step.W)}, {self._array(step.b)}, {inputs}, {units}, {step.segments})"

    def _activate(self, step: Activate) -> str:
        return f"activation({json.dumps(step.name)}, {step.parameter!r})"

    def _batch_normalize(self, step: BatchNormalize) -> str:
        arrays = (step.mean, step.inverse, step.gamma, step.beta)
        return f"batchNormalization({', '.join(map(self._array, arrays))})"

    def _layer_normalize(self, step: LayerNormalize) -> str:
        return f"layerNormalization({self._array(step.gamma)}, {self._array(step.beta)}, {step.epsilon!r})"

    def _largest(self, step: Largest) -> str:
        return f"largest({step.pieces})"

    def _share(self, step: Share) -> str:
        return f"share({json.dumps(step.name)}, {step.parameter!r}, {self._array(step.alpha)})"

    def _slope(self, step: Slope) -> str:
        return f"slope({self._array(step.slope)})"

    def _look_up(self, step: LookUp) -> str:
        tables = (
            f"{{ table: {self._array(table)}, size: {len(table)}, dim: {table.shape[1]} }}"
            for table in step.tables
        )
        return f"lookUp([{', '.join(tables)}])"

    def _waves(self, step: Waves) -> str:
        count, columns = step.frequency.shape
        arrays = ", ".join(map(self._array, (step.frequency, step.turns, step.W, step.b)))
        return f"waves({arrays}, {columns}, {count}, {len(step.b)})"

    def _of_member(self, step: OfMember) -> str:
        return f"ofMember({self._array(step.r)}, {self._array(step.b)})"

    def _member_product(self, step: MemberProduct) -> str:
        _, units, inputs = step.W.shape
        return f"memberProduct({self._array(step.W)}, {self._array(step.b)}, {inputs}, {units})"

    def _keep(self, step: Keep) -> str:
        return f"keep({step.place})"

    def _add_kept(self, step: AddKept) -> str:
        return f"addKept({step.place})"


_CALLS: dict[type[Step], Callable[[_Calls, Any], str]] = {
    Rescale: _Calls._rescale,
    Product: _Calls._product,
    Activate: _Calls._activate,
    BatchNormalize: _Calls._batch_normalize,
    LayerNormalize: _Calls._layer_normalize,
    Largest: _Calls._largest,
    Share: _Calls._share,
    Slope: _Calls._slope,
    LookUp: _Calls._look_up,
    Waves: _Calls._waves,
    OfMember: _Calls._of_member,
    MemberProduct: _Calls._member_product,
    Keep: _Calls._keep,
    AddKept: _Calls._add_kept,
}


def _bytes(array: Array) -> bytes:
    return array.astype(array.dtype.newbyteorder("<")).tobytes()
