"""How far apart rounding may drive two computations of the same steps, one with fma and one without.

Rounding errors are taken as independent, of mean zero and at most u times the number rounded (Higham and
Mary, A New Approach to Probabilistic Rounding Error Analysis, SIAM J. Sci. Comput. 41, 2019).  Their
variances are carried through the network to first order: so the bound grows as errors do, and not as the
worst case would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import _kernels, registry
from ...reference.storage import LEAST, dense_int8
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
)

DEVIATIONS = 6  # by Hoeffding's inequality 2 exp(-18), or 3e-8, of the outputs differ by more
ACTIVATION_ERROR = 2  # in u a deviation: 6 of them are more than the errors that activations.h states


def allowed_difference(steps: Sequence[Step], X: Array) -> float:
    """The largest difference of an output that rounding explains for the rows of X, shape (rows, n_in)."""
    u = float(np.finfo(X.dtype).eps) / 2
    rows = [X.astype(np.float64)]  # of each member that there is
    variances = [np.zeros(X.shape)]
    kept: dict[int, tuple[list[Array], list[Array]]] = {}
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for step in steps:
            if isinstance(step, Keep):
                kept[step.place] = rows, variances
            elif isinstance(step, AddKept):
                rows, variances = _sum(rows, variances, *kept[step.place], u)
            else:
                rows, variances = _carried(step, rows, variances, u)
        bound = DEVIATIONS * np.sqrt(variances[0])
    return float(bound.max())


def _carried(
    step: Step, rows: list[Array], variances: list[Array], u: float
) -> tuple[list[Array], list[Array]]:
    """A step for each member, with what it has of its own."""
    if isinstance(step, Mean):
        squares = sum(((i + 1) * x) ** 2 for i, x in enumerate(rows))  # at least the partial sums'
        return [np.mean(rows, axis=0)], [(np.sum(variances, axis=0) + u**2 * squares) / step.members**2]
    of = _of_members(step)
    if len(rows) < len(of):
        rows, variances = rows * len(of), variances * len(of)
    of = of * len(rows) if len(of) == 1 else of
    found = [_CARRIED[type(one)](one, x, v, u) for one, x, v in zip(of, rows, variances, strict=True)]
    return [x for x, _ in found], [v for _, v in found]


def _sum(
    rows: list[Array], variances: list[Array], others: list[Array], spreads: list[Array], u: float
) -> tuple[list[Array], list[Array]]:
    """Errors of what was kept are in x too, and are taken as if they added up."""
    if len(others) < len(rows):  # kept before there were members
        others, spreads = others * len(rows), spreads * len(rows)
    total = [x + other for x, other in zip(rows, others, strict=True)]
    deviations = [np.sqrt(a) + np.sqrt(b) for a, b in zip(variances, spreads, strict=True)]
    return total, [d**2 + 2 * (u * x) ** 2 for d, x in zip(deviations, total, strict=True)]


def _of_members(step: Step) -> list[Step]:
    """The step as each member sees it; one alone for all of them."""
    if isinstance(step, OfMember):
        b = np.zeros_like(step.r) if step.b is None else step.b
        one = np.ones_like(b[0])
        return [BatchNormalize(0 * one, one, r, beta) for r, beta in zip(step.r, b, strict=True)]
    if isinstance(step, MemberProduct):
        biases = [None] * len(step.W) if step.b is None else list(step.b)
        return [Product(W.T, b) for W, b in zip(step.W, biases, strict=True)]
    return [step]


def _rescale(step: Rescale, x: Array, variance: Array, u: float) -> tuple[Array, Array]:
    """Both computations do the same, in the steps' dtype."""
    for operation, vector in ((np.subtract, step.shift), (np.divide, step.divisor)):
        if vector is not None:
            x = operation(x.astype(vector.dtype), vector)
    return x.astype(np.float64), variance


def _product(step: Product, x: Array, variance: Array, u: float) -> tuple[Array, Array]:
    """One rounding of each partial sum with fma; one of each product and of each partial sum without."""
    W = step.W.astype(np.float64)
    b = np.zeros(W.shape[1]) if step.b is None else step.b.astype(np.float64)
    total = np.tile(b, (len(x), 1))
    squares = np.zeros(total.shape)
    for i in range(W.shape[0]):
        product = x[:, i, None] * W[i]
        total += product
        squares += 2 * total**2 + product**2
    return total, variance @ W**2 + u**2 * squares


def _int8_product(step: Int8Product, x: Array, variance: Array, u: float) -> tuple[Array, Array]:
    """Both do the same of the same x; where x differs, each integer may be the one beside it."""
    W = step.q * step.scale.astype(np.float64)
    z = dense_int8(x.astype(np.float32), step.q * step.scale, step.b).astype(np.float64)
    differs = (variance > 0).any(axis=-1, keepdims=True)
    beside = np.abs(x).max(axis=-1, keepdims=True) / 127 + float(LEAST) + DEVIATIONS * np.sqrt(variance)
    return z, differs * (beside**2 @ W**2 + 2 * (u * z) ** 2)


def _batch_normalize(step: BatchNormalize, x: Array, variance: Array, u: float) -> tuple[Array, Array]:
    """Four roundings, two of them of numbers as large as x or the mean."""
    slope = step.gamma.astype(np.float64) * step.inverse
    z = (x - step.mean) * slope + step.beta
    rounded = (x - step.mean) ** 2 * slope**2 * 3 + 2 * z**2
    return z, variance * slope**2 + u**2 * rounded


def _layer_normalize(step: LayerNormalize, x: Array, variance: Array, u: float) -> tuple[Array, Array]:
    """d z_i = gamma_i (d x_i - mean(d x) - x_hat_i mean(x_hat d x)) / deviation; means by Schwarz."""
    variance = variance + u**2 * x**2
    mean = x.mean(axis=-1, keepdims=True)
    inverse = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + step.epsilon)
    x_hat = (x - mean) * inverse
    z = x_hat * step.gamma + step.beta
    shared = (1 + x_hat**2) * variance.mean(axis=-1, keepdims=True)
    spread = 3 * (variance + shared) * (inverse * step.gamma) ** 2
    return z, spread + u**2 * (4 * (x_hat * step.gamma) ** 2 + 2 * z**2)


def _activate(step: Activate, z: Array, variance: Array, u: float) -> tuple[Array, Array]:
    a = _kernels.activation_forward(step.name, z, step.parameter)
    deviation = np.sqrt(variance)
    if registry.ACTIVATIONS[step.name][1] == "row":
        # d a_i = a_i (d z_i - sum_j a_j d z_j), and d log a_i is the bracket
        share, factor = (a, a) if step.name == "softmax" else (np.exp(a), np.ones(a.shape))
        spread = deviation + np.sum(share * deviation, axis=-1, keepdims=True)
        spread += u * (2 * np.abs(z).max(axis=-1, keepdims=True) + ACTIVATION_ERROR)
        return a, (factor * spread) ** 2
    ends = [
        _kernels.activation_forward(step.name, z + s * deviation, step.parameter)
        for s in (-DEVIATIONS, DEVIATIONS)
    ]
    spread = np.maximum(np.abs(ends[0] - a), np.abs(ends[1] - a)) / DEVIATIONS
    size = np.abs(a) + (np.abs(z) if step.name.startswith("gelu") else 0)  # whose error has a floor of |z|
    return a, spread**2 + (u * ACTIVATION_ERROR * size) ** 2


def _largest(step: Largest, x: Array, variance: Array, u: float) -> tuple[Array, Array]:
    """Another piece may be the largest, but none is further away than all errors together."""
    shape = len(x), step.pieces, -1
    return x.reshape(shape).max(axis=1), variance.reshape(shape).sum(axis=1)


def _share(step: Share, x: Array, variance: Array, u: float) -> tuple[Array, Array]:
    """An error of x goes the two ways, which are taken as if they added up."""
    alpha = step.alpha.astype(np.float64)
    a, own = _activate(Activate(step.name, step.parameter), x, variance, u)
    z = alpha * a + (1 - alpha) * x
    deviation = np.abs(alpha) * np.sqrt(own) + np.abs(1 - alpha) * np.sqrt(variance)
    return z, deviation**2 + u**2 * ((alpha * (a - x)) ** 2 + z**2)


def _slope(step: Slope, x: Array, variance: Array, u: float) -> tuple[Array, Array]:
    factor = np.where(x > 0, 1.0, step.slope)
    return x * factor, variance * np.maximum(1.0, np.abs(step.slope)) ** 2 + u**2 * (x * factor) ** 2


def _look_up(step: LookUp, x: Array, variance: Array, u: float) -> tuple[Array, Array]:
    """Codes are exact."""
    numbers = x.shape[1] - len(step.tables)
    codes = x[:, numbers:].astype(np.int64).T
    found = [table[code].astype(np.float64) for table, code in zip(step.tables, codes, strict=True)]
    kept = variance[:, :numbers]
    return np.hstack([x[:, :numbers], *found]), np.hstack([kept, *(np.zeros_like(each) for each in found)])


def _waves(step: Waves, x: Array, variance: Array, u: float) -> tuple[Array, Array]:
    """Turns are a product and a sum, each rounded; then as an activation and a product, column by column."""
    frequency, turns, W, b = (a.astype(np.float64) for a in (step.frequency, step.turns, step.W, step.b))
    waves, columns = frequency.shape
    values, spreads = [], []
    for j in range(columns):
        product = x[:, j, None] * frequency[:, j]
        angle = product + turns[:, j]
        own = variance[:, j, None] * frequency[:, j] ** 2 + u**2 * (product**2 + angle**2)
        own = own * (2 * np.pi) ** 2 + (u * ACTIVATION_ERROR) ** 2
        linear = Product(W[:, j].reshape(waves, -1), b[:, j])
        z, spread = _product(linear, np.cos(2 * np.pi * angle), own, u)
        values.append(z)
        spreads.append(spread)
    return np.hstack([*values, x]), np.hstack([*spreads, variance])


_CARRIED: dict[type[Step], Callable[[Any, Array, Array, float], tuple[Array, Array]]] = {
    Rescale: _rescale,
    Product: _product,
    Int8Product: _int8_product,
    Activate: _activate,
    BatchNormalize: _batch_normalize,
    LayerNormalize: _layer_normalize,
    Largest: _largest,
    Share: _share,
    Slope: _slope,
    LookUp: _look_up,
    Waves: _waves,
}
