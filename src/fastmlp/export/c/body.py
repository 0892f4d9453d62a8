"""The forward pass of an exported file: constants and statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any

import numpy as np

from ... import registry
from ..steps import (
    Activate,
    AddKept,
    Array,
    BatchNormalize,
    Int8Product,
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
)
from .numbers import c_array, c_number

_MOVING = (Product, Int8Product, Largest, LookUp, Waves, MemberProduct, AddKept)


@dataclass
class Body:
    """The constants and statements of a forward pass, as steps are added."""

    name: str
    n_in: int
    n_out: int
    dtype: np.dtype[Any]
    part: str = ""  # of the names of its constants, where a file has several networks
    constants: list[str] = field(default_factory=list)
    constant_bytes: int = 0
    statements: list[str] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)
    buffers: dict[str, int] = field(default_factory=dict)
    kernel_bytes: int = 0  # the most that a kernel has on the stack
    inputs: int = 0  # the most of a product of int8
    products: int = 0
    others: int = 0  # steps with arrays that are not products
    at: str = "x"  # where the row is,
    width: int = 0  # and how wide
    _moves_left: int = 0  # steps of `_MOVING`; the last one's result is the first in `out`
    _kept: dict[int, str] = field(default_factory=dict)  # where rows are that a later step adds,
    _readers: Counter[int] = field(default_factory=Counter)  # and how many steps do

    def __post_init__(self) -> None:
        self.width = self.n_in

    @property
    def real(self) -> str:
        return "float" if self.dtype == np.float32 else "double"

    @property
    def ram_bytes(self) -> int:
        """Arrays on the stack."""
        return sum(self.buffers.values()) * self.dtype.itemsize + self.inputs + self.kernel_bytes

    def constant(self, name: str, array: Array, comment: str = "") -> str:
        """Adds an array of constants; its name in C."""
        name = f"{self.name}_{self.part}{name}"
        self.constants.append(comment + c_array(name, array))
        self.constant_bytes += array.nbytes
        return name

    def add(self, steps: Sequence[Step]) -> None:
        members = members_of(steps)
        self._moves_left = sum(isinstance(step, _MOVING) for step in steps) + bool(members)
        self._readers = Counter(step.place for step in steps if isinstance(step, AddKept))
        for step in steps:
            _STATEMENTS[type(step)](self, step)
        if members:
            loop = f"for (size_t member = 0; member < {members}; member++) {{"
            inside = [f"    {line}" for text in self.statements[:-1] for line in text.split("\n")]
            zero = f"for (size_t j = 0; j < {self.width}; j++) out[j] = 0;"
            self.statements[:] = [zero, loop, *inside, "}", self.statements[-1]]

    def _target(self, width: int) -> str:
        """Another array than the one the row is in, and than those of kept rows."""
        names = chain("ab", (f"kept{i}" for i in count()))
        target = next(name for name in names if name != self.at and name not in self._kept.values())
        self.buffers[target] = max(self.buffers.get(target, 0), width)
        return target

    def _writable(self) -> str:
        """Where a row of the same width goes: where it is, but for the input and kept rows."""
        kept = self.at == "x" or self.at in self._kept.values()
        return self._target(self.width) if kept else self.at

    def _of_width(self, width: int) -> str:
        """Where a row of another width goes."""
        self._moves_left -= 1
        return self._target(width) if self._moves_left else "out"

    def _each(self, target: str, value: str) -> None:
        self.statements.append(f"for (size_t j = 0; j < {self.width}; j++) {target}[j] = {value};")

    def _rescale(self, step: Rescale) -> None:
        target = self._target(self.width)
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

    def _product(self, step: Product) -> None:
        k, n = step.W.shape
        i = self.products
        self.products += 1
        comment = f"/* ({k}, {n}): a row for each input */\n"
        weights = self.constant(f"W{i}", step.W, comment)
        b = "NULL" if step.b is None else self.constant(f"b{i}", step.b)
        target = self._of_width(n)
        kernel = {1: "dense", 2: "dense_in_2", 4: "dense_in_4"}[step.segments]
        self.kernel_bytes = max(self.kernel_bytes, {1: 0, 2: 128, 4: 192}[step.segments])
        self.functions.add(kernel)
        self.statements.append(f"{self.name}_{kernel}({target}, {self.at}, {weights}, {b}, {k}, {n});")
        self.at, self.width = target, n

    def _int8_product(self, step: Int8Product) -> None:
        k, n = step.q.shape
        i = self.products
        self.products += 1
        weights = self.constant(f"W{i}", step.q, f"/* ({k}, {n}): a row for each input */\n")
        scale = self.constant(f"scale{i}", step.scale)
        b = "NULL" if step.b is None else self.constant(f"b{i}", step.b)
        target = self._of_width(n)
        self.inputs = max(self.inputs, k)
        self.kernel_bytes = max(self.kernel_bytes, 64)
        self.functions.add("dense_int8")
        call = f"{self.name}_dense_int8({target}, {self.at}, {weights}, {scale}, {b}, q, {k}, {n});"
        self.statements.append(call)
        self.at, self.width = target, n

    def _batch_normalize(self, step: BatchNormalize) -> None:
        arrays = {"mean": step.mean, "inverse": step.inverse, "gamma": step.gamma, "beta": step.beta}
        self._normalize("batch_norm", arrays, "")

    def _layer_normalize(self, step: LayerNormalize) -> None:
        epsilon = c_number(self.dtype.type(step.epsilon))
        self._normalize("layer_norm", {"gamma": step.gamma, "beta": step.beta}, f", {epsilon}")
        self.kernel_bytes = max(self.kernel_bytes, 128)

    def _normalize(self, kernel: str, arrays: Mapping[str, Array], more: str) -> None:
        names = ", ".join(self._named(arrays))
        target = self._writable()
        self.functions.add(kernel)
        call = f"{self.name}_{kernel}({target}, {self.at}, {names}{more}, {self.width});"
        self.statements.append(call)
        self.at = target

    def _named(self, arrays: Mapping[str, Array]) -> list[str]:
        """Constants of one step, which is not a product."""
        i = self.others
        self.others += 1
        return [self.constant(f"{name}{i}", array) for name, array in arrays.items()]

    def _in_place(self, value: str) -> None:
        """Each number of the row becomes a value of x, itself, and j."""
        target = self._writable()
        self._each(target, value.replace("{x}", f"{self.at}[j]"))
        self.at = target

    def _share(self, step: Share) -> None:
        [alpha] = self._named({"alpha": step.alpha})
        self.functions |= {"vfma", f"{step.name}_forward"}
        f = f"{self.name}_{step.name}_forward({{x}}, {c_number(self.dtype.type(step.parameter))})"
        self._in_place(f"{self.name}_fma({alpha}[j], {f} - {{x}}, {{x}})")

    def _slope(self, step: Slope) -> None:
        [slope] = self._named({"slope": step.slope})
        self._in_place(f"0 < {{x}} ? {{x}} : {{x}} * {slope}[j]")

    def _look_up(self, step: LookUp) -> None:
        at, numbers = self.at, self.width - len(step.tables)
        width = numbers + sum(table.shape[1] for table in step.tables)
        target = self._of_width(width)
        tables = self._named({f"table_{t}_of_": table for t, table in enumerate(step.tables)})
        self.functions.add("look_up")
        if numbers:
            self.statements.append(f"memcpy({target}, {at}, {numbers} * sizeof({self.real}));")
        to = numbers
        for t, (name, table) in enumerate(zip(tables, step.tables, strict=True)):
            size, dim = table.shape
            call = f"{self.name}_look_up({target} + {to}, {at}[{numbers + t}], {name}, {size}, {dim});"
            self.statements.append(call)
            to += dim
        self.at, self.width = target, width

    def _waves(self, step: Waves) -> None:
        at, before = self.at, self.width
        (waves, columns), values = step.frequency.shape, len(step.b)
        self.width += columns * values
        target = self._of_width(self.width)
        arrays = {"frequency": step.frequency, "turns": step.turns, "wave_W": step.W, "wave_b": step.b}
        names = ", ".join(self._named(arrays))
        self.functions.add("waves")
        self.statements += [
            f"{self.name}_waves({target}, {at}, {names}, {columns}, {waves}, {values});",
            f"memcpy({target} + {columns * values}, {at}, {before} * sizeof({self.real}));",
        ]
        self.at = target

    def _of_member(self, step: OfMember) -> None:
        r, *b = self._named({"r": step.r} if step.b is None else {"r": step.r, "member_b": step.b})
        own = f"[member * {self.width} + j]"
        if b:
            self.functions.add("vfma")
        self._in_place(f"{self.name}_fma({{x}}, {r}{own}, {b[0]}{own})" if b else f"{{x}} * {r}{own}")

    def _member_product(self, step: MemberProduct) -> None:
        at, (_, n, k) = self.at, step.W.shape
        target = self._of_width(n)
        arrays = {"heads": step.W} if step.b is None else {"heads": step.W, "heads_b": step.b}
        own = zip(self._named(arrays), (n * k, n), strict=False)
        W, *b = (f"{name} + member * {size}" for name, size in own)
        self.functions.add("dense_of_member")
        self.kernel_bytes = max(self.kernel_bytes, 64)
        bias = b[0] if b else "NULL"
        self.statements.append(f"{self.name}_dense_of_member({target}, {at}, {W}, {bias}, {k}, {n});")
        self.at, self.width = target, n

    def _keep(self, step: Keep) -> None:
        """Nothing is copied: what comes next is written elsewhere."""
        self._kept[step.place] = self.at

    def _add_kept(self, step: AddKept) -> None:
        at, kept = self.at, self._kept[step.place]
        self._readers[step.place] -= 1
        if not self._readers[step.place]:
            del self._kept[step.place]
        self._moves_left -= 1
        self.at = self._writable() if self._moves_left else "out"
        self._each(self.at, f"{at}[j] + {kept}[j]")

    def _mean(self, step: Mean) -> None:
        """The last statement of a member, and one after all of them."""
        at = self.at
        self.at = self._of_width(self.width)
        self._each("out", f"out[j] + {at}[j]")
        self._each("out", f"out[j] / {step.members}")

    def _largest(self, step: Largest) -> None:
        at, self.width = self.at, self.width // step.pieces
        target = self._of_width(self.width)
        self._each(target, f"{at}[j]")
        self.statements.append(
            f"for (size_t k = {self.width}; k < {step.pieces * self.width}; k += {self.width})\n"
            f"        for (size_t j = 0; j < {self.width}; j++) "
            f"{target}[j] = {target}[j] < {at}[k + j] ? {at}[k + j] : {target}[j];"
        )
        self.at = target

    def _activate(self, step: Activate) -> None:
        if registry.ACTIVATIONS[step.name][1] == "row":
            self.functions.add(step.name)
            self.kernel_bytes = max(self.kernel_bytes, 64)
            self.statements.append(f"{self.name}_{step.name}({self.at}, {self.width});")
            return
        self.functions.add(f"{step.name}_forward")
        parameter = c_number(self.dtype.type(step.parameter))
        self._in_place(f"{self.name}_{step.name}_forward({{x}}, {parameter})")


_STATEMENTS: dict[type[Step], Callable[[Body, Any], None]] = {
    Rescale: Body._rescale,
    Product: Body._product,
    Int8Product: Body._int8_product,
    Activate: Body._activate,
    BatchNormalize: Body._batch_normalize,
    LayerNormalize: Body._layer_normalize,
    Largest: Body._largest,
    Share: Body._share,
    Slope: Body._slope,
    LookUp: Body._look_up,
    Waves: Body._waves,
    OfMember: Body._of_member,
    MemberProduct: Body._member_product,
    Keep: Body._keep,
    AddKept: Body._add_kept,
    Mean: Body._mean,
}
