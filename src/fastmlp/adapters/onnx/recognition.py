"""Activations known by their values: what a few nodes compute is held against the twin's on many numbers.

The first numbers are the same for all: negative, zero and positive, from 1e-38 to 3e38, close together up to
12.  A function that agrees there is looked at again beside its bends, where what a node takes passes zero, an
attribute or what else the node takes: nowhere else can a composed function turn into another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import combinations, product

import numpy as np

from ... import reference, registry
from ..chain import rescalable
from .evaluation import evaluated
from .nodes import Array, Node

Found = tuple[str, float]
Computed = tuple[Node, list[Array | None], Array]  # with its operands and its value

LOGICAL = frozenset("And Cast Not Or Where".split())  # which take conditions
LINEAR = frozenset("Add Sub Mul Div Neg".split())  # of these alone no activation is made
ELEMENTWISE = LINEAR | frozenset(
    "Abs And Cast Celu Clip Elu Erf Exp Gelu Greater GreaterOrEqual HardSigmoid HardSwish LeakyRelu Less "
    "LessOrEqual Log Max Min Mish Not Or PRelu Pow Reciprocal Relu Selu Shrink Sigmoid Sign Softplus "
    "Softsign Sqrt Swish Tanh ThresholdedRelu Where".split()
)
OPERATORS = ELEMENTWISE | {"Concat", "LogSoftmax", "ReduceMax", "ReduceMean", "ReduceSum", "Softmax"}
BOUNDED = ("hard_shrink", "soft_shrink", "thresholded_relu")  # whose parameter is one of the constants
NORMALIZED, TWO_COLUMNS = "normalized", "two columns"  # what is found beside activations
# f(p x) / p of an activation f: the name here, and f's.
BETWEEN_FACTORS = {f"{name} between factors": name for name in ("softplus", "hard_tanh", "relu6", "relu")}

MOST_BLOCKS = 8  # 1 / (1 + exp(-x)) has four
_MOST_NODES = 200  # gelu in float64 has 60
_MOST_PROBES = 10_000  # beside bends
_MOST_SECANTS = 60  # celu with a million takes 28
_FAR = 350.0  # where a composed function may overflow: exp(2 x) does
# The constants of a file are rounded to float32, which a tail x exp(-u) feels u times; 1 + erf(x) and the
# like lose what is small beside 1.  A float64 factor that stands alone is meant as it is.
_RELATIVE, _EXACT, _ABSOLUTE = 5e-7, 1e-12, 1e-11
_ROUNDED = 1e-11  # of a parameter that secants find

_HALF = np.concatenate([10.0 ** np.linspace(-38, 38.5, 613), np.linspace(0.0, 12.0, 241)])
_SWEEP = np.unique(np.concatenate([-_HALF, _HALF]))


def _rows(x: Array) -> Array:
    """Each number beside three that stay."""
    return np.column_stack([x, *(np.full_like(x, other) for other in (0.7, -1.1, 0.2))])


def _probes() -> Array:
    """Rows of four numbers; two that tell a parameter come first, then numbers near each other, then far."""
    rng = np.random.default_rng(0)
    near = rng.normal(size=(64, 4)) * 10.0 ** np.linspace(-6, 1, 64)[:, None]
    far = np.concatenate([_SWEEP, _SWEEP[: -len(_SWEEP) % 4]]).reshape(4, -1).T
    return np.concatenate([_rows(np.array([-64.0])), near, near + rng.normal(size=(64, 1)), far])


_PROBES = _probes()


def recognized(
    blocks: Sequence[Sequence[Node]], start: str, opset: int, *, between_factors: bool = False
) -> tuple[int, Found] | None:
    """How many of the blocks, from the first on, are one activation of the tensor `start`, and which.

    The longest run counts, and the closest of the functions within the bounds: of activations, or else of
    those in `BETWEEN_FACTORS`.
    """
    functions = _between_factors if between_factors else _functions
    traced = _traced([node for block in blocks for node in block], start, _PROBES, opset)
    for count in range(len(blocks), 0, -1):
        nodes = [node for block in blocks[:count] for node in block]
        if len(nodes) > len(traced) or LINEAR.issuperset(node.op for node in nodes):
            continue
        run, bound = traced[: len(nodes)], _EXACT if any(map(_is_meant, blocks[:count])) else _RELATIVE
        found = _closest(_PROBES, run, filter(partial(_likely, run[-1][2]), functions(run)), bound)
        if found is not None and _holds_at_bends(nodes, start, opset, found, bound):
            return count, found
    return None


def _is_meant(block: Sequence[Node]) -> bool:
    """Whether it is a factor or a sum alone, of float64."""
    constants = [operand for operand in block[0].operands if isinstance(operand, np.ndarray)]
    return len(block) == 1 and block[0].op in LINEAR and any(c.dtype == np.float64 for c in constants)


def _traced(nodes: Sequence[Node], start: str, x: Array, opset: int) -> list[Computed]:
    """The nodes computed of x, as many from the first on as can be."""
    values, result = {start: x}, list[Computed]()
    for node in nodes[:_MOST_NODES]:
        if node.op not in OPERATORS or node.source:
            break
        try:
            operands = [_operand(node, operand, values) for operand in node.operands]
            if _most(node, operands) > 2 * x.size:
                break
            values[node.output] = evaluated(node, operands, opset)
        except ValueError:
            break
        result.append((node, operands, values[node.output]))
    return result


def _operand(node: Node, operand: str | Array | None, values: dict[str, Array]) -> Array | None:
    """An operand in float64, but for conditions and axes; ValueError for a constant of several numbers."""
    if operand is None:
        return None
    value = values[operand] if isinstance(operand, str) else operand
    if value is operand and (value.size != 1 or value.ndim > 2):
        raise ValueError("a constant for each column")
    kept = "b" if node.op in LOGICAL else "i" if node.op.startswith("Reduce") else ""
    return value if value.dtype.kind in kept else np.asarray(value, np.float64)


def _most(node: Node, operands: Sequence[Array | None]) -> int:
    """Numbers that the node gives, at most."""
    shapes = [array.shape for array in operands if array is not None]
    return sum(map(math.prod, shapes)) if node.op == "Concat" else math.prod(np.broadcast_shapes(*shapes))


def _functions(run: Sequence[Computed]) -> Iterator[Found]:
    """What the run may be, with the parameter that its values at the first probes tell."""
    y = run[-1][2]
    if y.shape == (len(_PROBES), 2 * _PROBES.shape[1]):
        yield TWO_COLUMNS, 0.0
    if y.shape != _PROBES.shape:
        return
    constants = [array for _, given, _ in run for array in given if array is not None and array.size == 1]
    bounds = {array.item() for array in constants if array.dtype.kind == "f"}
    for name, (default, _) in registry.ACTIVATIONS.items():
        if name in BOUNDED:
            yield from ((name, bound) for bound in bounds)
        else:
            yield name, _constant(_parameter(name, float(y[0, 0])), bounds) if default else 0.0
    row = _PROBES[1]
    epsilon = ((row[0] - row.mean()) / y[1, 0]) ** 2 - row.var()
    if constants:
        yield NORMALIZED, float(min(constants, key=lambda array: abs(array.item() - epsilon)).item())


def _between_factors(run: Sequence[Computed]) -> Iterator[Found]:
    """What the run may be between two factors, of which bounds or constants tell the first."""
    y = run[-1][2]
    if y.shape != _PROBES.shape:
        return
    low, high = float(y[_PROBES == _SWEEP[0]].min()), float(y[_PROBES == _SWEEP[-1]].max())
    factors = {"relu": [-1.0], "hard_tanh": [1 / high] if high else []}
    factors["relu6"] = [6 / bound for bound in (low, high) if bound]
    constants = [array for _, given, _ in run for array in given if array is not None and array.size == 1]
    factors["softplus"] = sorted({array.item() for array in constants if array.dtype.kind == "f"})
    for name, inner in BETWEEN_FACTORS.items():
        yield from ((name, factor) for factor in factors[inner] if factor and rescalable(factor))


def _constant(parameter: float, constants: Iterable[float]) -> float:
    """The constant that a parameter, which rounding has touched, is; itself where none is near."""
    nearest = min(constants, key=lambda constant: abs(constant - parameter), default=parameter)
    return nearest if abs(nearest - parameter) <= _ROUNDED * abs(parameter) else parameter


def _parameter(name: str, y: float) -> float:
    """What makes y of -64, by secants; of leaky_relu and elu, the parameter times a power of two, by one."""

    def missing(p: float) -> float:
        return float(reference.activation_forward(name, _PROBES[0, :1], p).item()) - y

    before, p = 0.0, 1.0
    left_before, left = missing(before), missing(p)
    for _ in range(_MOST_SECANTS):
        if left == 0 or left == left_before or not math.isfinite(left):
            break
        before, p = p, p - left * (p - before) / (left - left_before)
        left_before, left = left, missing(p)
    return p


@lru_cache(256)
def _at_first(function: Found) -> Array:
    return _exact(_PROBES[:9], function)


def _likely(y: Array, function: Found) -> bool:
    """Whether a few probes do not tell that it is another function."""
    exact = _at_first(function)
    return bool((np.abs(y[:9] - exact) <= 1e-4 * np.abs(exact) + 1e-6).all())


def _exact(x: Array, function: Found) -> Array:
    name, parameter = function
    if name in BETWEEN_FACTORS:
        return reference.activation_forward(BETWEEN_FACTORS[name], x * parameter) / parameter
    if name == TWO_COLUMNS:
        return np.concatenate([1 - x, x], axis=1)
    if name == NORMALIZED:
        mean, variance = reference.statistics(x, axis=1)
        return reference.normalized(x, mean, variance, parameter)
    return reference.activation_forward(name, x, parameter)


def _closest(x: Array, run: Sequence[Computed], functions: Iterable[Found], bound: float) -> Found | None:
    """The function that the run is of x, or None."""
    y = run[-1][2]
    infinite = np.zeros(y.shape, bool)
    for _, _, value in run:
        if value.shape in (y.shape, (len(y), 1)):
            infinite |= np.isinf(value)
    distances = {function: _distance(x, y, infinite, function, bound) for function in functions}
    closest = min(distances, key=distances.__getitem__, default=None)
    return None if closest is None or distances[closest] > 1 else closest


def _distance(x: Array, y: Array, infinite: Array, function: Found, bound: float) -> float:
    """How far y, which may overflow where infinite, is at most from the function of x, in bounds."""
    exact = _exact(x, function)
    along = registry.ACTIVATIONS.get(function[0], (0, "row"))[1] == "row"
    size = np.broadcast_to(np.abs(x).max(axis=1, keepdims=True), y.shape) if along else np.abs(x)
    magnitude = np.abs(exact)
    tail = 1 - np.log(np.clip(magnitude, 1e-30, 1))
    off = np.abs(y - exact) / (bound * magnitude * tail + _ABSOLUTE * (1 + size))
    off[~np.isfinite(off)] = np.inf
    off[exact == y] = 0.0
    off[~np.isfinite(y) & (size > _FAR) & infinite] = 0.0
    return float(off.max())


def _holds_at_bends(nodes: Sequence[Node], start: str, opset: int, function: Found, bound: float) -> bool:
    """Whether the nodes are the function on both sides of each bend, too."""
    alone = ELEMENTWISE.issuperset(node.op for node in nodes)

    def computed(x: Array) -> tuple[Array, list[Computed]]:
        rows = x[:, None] if alone else _rows(x)
        return rows, _traced(nodes, start, rows, opset)

    x = _SWEEP
    for _ in range(4):  # to 1 / 64 of an interval each time
        bent = _bent(computed(x)[1], len(x))
        x = np.unique(np.linspace(x[:-1][bent], x[1:][bent], 65))
        if not 0 < len(x) <= _MOST_PROBES:
            return not len(x)
    rows, run = computed(x)
    return len(run) == len(nodes) and _closest(rows, run, [function], bound) is not None


def _bent(run: Sequence[Computed], rows: int) -> Array:
    """Between which rows what a node takes, but for lines, passes zero, an attribute or another operand."""
    result = np.zeros(rows - 1, bool)
    for node, operands, _ in run:
        numbers = [value for value in node.attributes.values() if isinstance(value, float)]
        arrays = [array for array in operands if array is not None and array.dtype == np.float64]
        # Rounding makes zeros of x + sqrt(x^2 + b), no bends; a choice bends where its condition does.
        if node.op == "Where" or _is_straight(node, arrays):
            continue
        others = [np.zeros(()), *map(np.asarray, numbers), *arrays]
        # Sums and products bend where an operand passes zero, if at all, and not where two are alike.
        pairs = product(others[:1], arrays) if node.op in LINEAR else combinations(others, 2)
        for a, b in pairs:
            margin = 1e-13 * np.minimum(np.abs(a), np.abs(b)) + 1e-300  # rounding, and what underflows
            side = (a - b > margin).astype(np.int8) - (b - a > margin)
            if side.shape[:1] == (rows,):
                result |= (side[1:] != side[:-1]).reshape(rows - 1, -1).any(axis=1)
    return result


def _is_straight(node: Node, operands: Sequence[Array]) -> bool:
    """Whether what it makes of one operand is a line, so that the next node bends where this one would."""
    fixed = [operand.size == 1 for operand in operands]
    return node.op == "Neg" or (node.op in LINEAR and any(fixed[1:] if node.op == "Div" else fixed))
