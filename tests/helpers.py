"""Comparisons, oracles and small networks that the engine's tests share.

No comparison here accepts zeros: each asserts that what it expects could not be confused with nothing.
`test_helpers.py` plants errors into all of them.
"""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction

import numpy as np

from fastmlp import _kernels, reference, registry
from fastmlp.losses import LOSSES as LOSS_CLASSES
from fastmlp.optimizers import OPTIMIZERS as OPTIMIZER_CLASSES

RUNNABLE = _kernels.isas()["runnable"]
ISAS = [isa for isa in RUNNABLE if isa not in _kernels.isas()["alike"]]  # those with kernels of their own
FMA_ISAS = [isa for isa in ISAS if isa != "baseline"]  # the numeric contract's
PRODUCT_ISAS = [isa for isa in RUNNABLE if isa != "baseline"]  # also those with other products of bfloat16

# What the registry knows of activations and losses; a new kind is in all of it.
ELEMENTWISE = [name for name, (_, saved) in registry.ACTIVATIONS.items() if saved != "row"]
ROWWISE = [name for name in registry.ACTIVATIONS if name not in ELEMENTWISE]
TRAINABLE = [name for name in ELEMENTWISE if name != "step"]
PARAMETERS = {name: parameter for name, (parameter, _) in registry.ACTIVATIONS.items()}
LINKS = registry.LOSSES
LOSSES = list(LINKS)
FREE_LOSSES = [name for name, link in LINKS.items() if link == "any"]  # of any output activation
OUTPUTS = registry.LOSS_OUTPUTS  # of the network for each target
OUTPUT_OF = {link: "identity" if link == "any" else link for link in LINKS.values()}


def other_than(default):
    """A value of a loss's option that is not its default."""
    if isinstance(default, tuple):
        return tuple(map(other_than, default))
    return 0.3 if default is None else 0.8 * default or 0.1


def loss_of(name):
    """The loss with options that are not the defaults, where it has any."""
    cls = LOSS_CLASSES[name]
    return cls(*(other_than(item.default) for item in dataclasses.fields(cls)))


def loss_parameters(name):
    """Those of `loss_of`, for the engine."""
    return loss_of(name).parameters


def outputs_of(loss, targets):
    """The outputs of a network with as many targets."""
    return targets * OUTPUTS[loss]


def _optimizers():
    """Of each of the engine's rules an object that asks for it: classes, with their switches on or off."""
    found = {}
    for cls in OPTIMIZER_CLASSES.values():
        switches = [item.name for item in dataclasses.fields(cls) if not item.metadata.get("of_rule", True)]
        for values in itertools.product([False, True], repeat=len(switches)):
            optimizer = cls(**dict(zip(switches, values, strict=True)))
            found.setdefault(optimizer.rule, optimizer)
    return found


RULES = _optimizers()
OPTIMIZERS = list(_kernels.optimizer_names())
HYPER = {name: optimizer.hyperparameters() for name, optimizer in RULES.items()}
RATES = {name: min(10 * optimizer.learning_rate, 0.5) for name, optimizer in RULES.items()}


def lanes(dtype):
    """Reals in a cache line: the width of a panel."""
    return 64 // np.dtype(dtype).itemsize


# Comparisons


def assert_same_bits(got, expected, zeros=False):
    """got == expected in every element, of the same shape and dtype, without NaN.

    The sign of zero is outside the contract.  `zeros` says that nothing but zeros may be expected.
    """
    if isinstance(expected, (list, tuple)):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_same_bits(one, other, zeros)
        return
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape and got.dtype == expected.dtype
    assert zeros or np.any(expected != 0), "nothing but zeros is expected"
    differ = ~(got == expected)
    assert not differ.any(), (
        f"{differ.sum()} of {differ.size} differ, the first at {np.argwhere(differ)[0]}: "
        f"{got[differ].flat[0]!r} for {expected[differ].flat[0]!r}"
    )


def assert_same_numbers(got, expected):
    """Arrays as in assert_same_bits, where NaN is expected NaN."""
    assert got.shape == expected.shape and got.dtype == expected.dtype
    assert np.any(np.isfinite(expected) & (expected != 0))
    differ = ~((got == expected) | (np.isnan(got) & np.isnan(expected)))
    assert not differ.any(), f"{differ.sum()} of {differ.size} differ, the first at {np.argwhere(differ)[0]}"


def assert_within(got, exact, bound):
    """|got - exact| <= bound in every element, and the bound tells most of them from zero."""
    got, exact = np.asarray(got), np.asarray(exact)
    bound = np.broadcast_to(np.asarray(bound), exact.shape)
    assert got.shape == exact.shape
    assert np.isfinite(exact).all() and np.isfinite(bound).all()
    assert (np.abs(exact) > bound).mean() > 0.5, "the bound is so wide that zeros would pass"
    error = np.abs(got.astype(exact.dtype) - exact)
    worst = np.argmax(np.where(np.isnan(error), np.inf, error - bound))
    assert np.all(error <= bound), (
        f"{got.flat[worst]!r} for {exact.flat[worst]!r}: off by {error.flat[worst]!r}, "
        f"bound {bound.flat[worst]!r}"
    )


def assert_close(got, expected, rtol):
    """Arrays agree to rtol times the largest element, and large elements in their sign."""
    if isinstance(expected, (list, tuple)):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_close(one, other, rtol)
        return
    got, expected = np.asarray(got), np.asarray(expected)
    assert rtol < 1 and got.shape == expected.shape and got.dtype == expected.dtype
    size = np.abs(expected).max()
    assert size > 0 and np.isfinite(size), "nothing but zeros, or no finite number, is expected"
    error = np.abs(got - expected)
    assert np.all(error <= rtol * size), f"off by {error.max() / size:.2e} of the largest, allowed {rtol:.1e}"
    large = np.abs(expected) > 2 * rtol * size
    assert np.array_equal(np.sign(got[large]), np.sign(expected[large]))


def assert_trained(weights, before):
    """Training has moved every array, and all of it stayed finite."""
    for now, then in zip(weights, before, strict=True):
        assert np.isfinite(now).all()
        assert np.any(now != then), "training has changed nothing"


class Fence:
    """An array of NaN inside a longer one of canaries: what a kernel writes must fill it, and no more.

    >>> fence = Fence((2, 3), np.float32)
    >>> fence.array[...] = 1
    >>> fence.check()
    """

    def __init__(self, shape, dtype, margin=64):
        size = int(np.prod(shape))
        self.memory = np.empty(size + 2 * margin, dtype)
        self.memory[:margin] = self.memory[margin + size :] = self.canary = self.memory.dtype.type(-12345.5)
        self.inside = slice(margin, margin + size)
        self.memory[self.inside] = np.nan
        self.array = self.memory[self.inside].reshape(shape)

    def check(self):
        """All of the array was written, nothing beside it."""
        assert not np.isnan(self.array).any(), "elements were left unwritten"
        outside = np.delete(self.memory, self.inside)
        assert np.all(outside == self.canary), "memory beside the array was written"


def ulp(x):
    """The distance of floating-point numbers near x, of its dtype."""
    return np.spacing(np.abs(x))


# Oracles: the numeric contract by exact fractions


def rounded(value, dtype):
    """A Fraction to the nearest number of the type, ties to even, as a Fraction; normal numbers only."""
    if value == 0:
        return Fraction(0)
    digits = np.finfo(dtype).nmant + 1
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if abs(value) < Fraction(2) ** exponent:
        exponent -= 1
    unit = Fraction(2) ** (exponent + 1 - digits)
    return round(value / unit) * unit  # Python rounds a Fraction to even


def fractions(array):
    return np.vectorize(Fraction, otypes=[object])(np.asarray(array, np.float64))


def chain(start, a, b, dtype):
    """fma(a[i], b[i], ...) in order from start: one rounding a step.  All are Fractions."""
    total = start
    for x, y in zip(a, b, strict=True):
        total = rounded(total + x * y, dtype)
    return total


def segments(n_in, n_out, dtype):
    """[first, last) of the segments of the inputs whose chains a layer sums apart: DESIGN's rule."""
    wide = lanes(dtype)
    count = 1 if n_in < 32 or n_out > 2 * wide else 4 if n_out <= wide else 2
    q = n_in // count
    return [(s * q, n_in if s == count - 1 else (s + 1) * q) for s in range(count)]


def exact_dense(x, w, b, n_out, dtype):
    """One output of a layer of n_out, by the contract: x, its column w (n_in,) and bias b are Fractions."""
    parts = [
        chain(b if first == 0 else Fraction(0), x[first:last], w[first:last], dtype)
        for first, last in segments(len(x), n_out, dtype)
    ]
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 4:
        parts = [rounded(parts[0] + parts[2], dtype), rounded(parts[1] + parts[3], dtype)]
    return rounded(parts[0] + parts[1], dtype)


def exact_blocks(a, b, dtype):
    """The sum of a[i] * b[i] over rows, by the contract: chains over blocks of 256 rows, added in order."""
    total = None
    for first in range(0, len(a), 256):
        block = chain(Fraction(0), a[first : first + 256], b[first : first + 256], dtype)
        total = block if total is None else rounded(total + block, dtype)
    return total


# Networks


def layers_of(widths, activations, output, dropout=0.0, use_bias=True):
    """Plan's description of hidden layers and an output layer, dropout before every layer but the first."""
    names = [*activations, output]
    return [
        dense(n, name, PARAMETERS[name], use_bias, dropout if i else 0.0)
        for i, (n, name) in enumerate(zip(widths, names, strict=True))
    ]


def dense(units, activation="identity", parameter=0.0, use_bias=True, dropout=0.0):
    """Plan's description of a dense layer."""
    return {
        "kind": "dense", "units": units, "activation": activation, "parameter": parameter,
        "use_bias": use_bias, "dropout": dropout,
    }  # fmt: skip


def normalization(kind, activation="identity", dropout=0.0, epsilon=1e-3, momentum=0.9):
    """Plan's description of a layer that normalises its input, "batch" or "layer"."""
    moving = {"momentum": momentum} if kind == "batch" else {}
    return {
        "kind": f"{kind}_normalization", "activation": activation, "dropout": dropout, "epsilon": epsilon,
        **moving,
    }  # fmt: skip


def random_weights(rng, n_in, layers, dtype):
    """Weights and biases, none zero, of a size that keeps activations near 1."""
    weights, width = [], n_in
    for layer in layers:
        units = layer["units"]
        weights.append((rng.standard_normal((width, units)) / np.sqrt(width)).astype(dtype))
        if layer["use_bias"]:
            weights.append((0.3 * rng.standard_normal(units)).astype(dtype))
        width = units
    return weights


def targets(rng, loss, rows, n_out, dtype):
    """y that fits the loss of a network of n_out outputs."""
    shape = rows, n_out // OUTPUTS[loss]
    if loss in registry.LABEL_LOSSES:
        return rng.integers(0, n_out, rows)
    if LINKS[loss] == "softmax":
        y = rng.random(shape) + 0.01
        y[:, 0] = 0 if n_out > 1 else 1
        return (y / y.sum(axis=1, keepdims=True)).astype(dtype)
    if LINKS[loss] == "sigmoid":
        return rng.integers(0, 2, shape).astype(dtype)
    if LINKS[loss] == "exp":
        return (rng.poisson(2.0, shape) + LOSS_CLASSES[loss].positive).astype(dtype)
    if LOSS_CLASSES[loss].classes:
        return rng.choice([-1, 1], shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def make_plan(n_in, layers, weights, dtype, isa, **rescaling):
    """The compiled Plan, or with isa "numpy" its twin."""
    plan = (reference if isa == "numpy" else _kernels).Plan(
        n_in, layers, dtype=np.dtype(dtype).name, isa=None if isa == "numpy" else isa, **rescaling
    )
    plan.set_weights(weights)
    return plan


def run_of(plan, X, y, weight=None, *, batch_size=16, seed=7, shuffle=True, threads=1, **more):
    """A Run of the plan, the twin's of a twin."""
    kind = reference.Run if isinstance(plan, reference.Plan) else _kernels.Run
    return kind(
        plan, X, y, weight, batch_size=batch_size, seed=seed, shuffle=shuffle, threads=threads, **more
    )


def train_epochs(
    plan,
    X,
    y,
    weight=None,
    *,
    learning_rates,
    epoch=0,
    order=None,
    l2=None,
    seconds=np.inf,
    batches=None,
    **of_run,
):
    """The run of the epochs of learning_rates (epochs, batches), in calls of so many seconds or batches."""
    run = run_of(plan, X, y, weight, **of_run)
    run.begin(learning_rates, epoch=epoch, order=order, l2=l2)
    while not run.finished:
        at = run.epoch, run.batch
        run.advance(seconds, batches)
        assert (run.epoch, run.batch) > at
    return run


def train_epoch(plan, X, y, weight=None, *, learning_rates, order=None, l2=None, **more):
    """One epoch of learning_rates (batches,); the sums of the losses and of the correct rows."""
    rates, order, l2 = (None if given is None else given[None] for given in (learning_rates, order, l2))
    run = train_epochs(plan, X, y, weight, learning_rates=rates, order=order, l2=l2, **more)
    return tuple(run.sums[0, :2].tolist())


def train(plan, X, y, rate, epochs=1, weight=None, batch_size=16, **more):
    """Whole epochs of one learning rate; the sums of the losses and of the correct rows over all of them."""
    rates = np.full((epochs, -(-len(X) // batch_size)), rate)
    run = train_epochs(plan, X, y, weight, batch_size=batch_size, learning_rates=rates, **more)
    return tuple(run.sums[:, :2].sum(axis=0).tolist())
