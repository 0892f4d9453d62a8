"""Losses: what a prediction costs, beside the gradient of that cost.

A loss compares a batch of outputs with targets y and gives one value a row, and the gradient of that value
with respect to what it was given.  Those with a *link* are given logits z, the outputs before softmax,
sigmoid or exp: loss and link together are shorter, and stable where the two apart would take the log of 0.
The others are given the prediction a.  Values and names are Keras' (a mean over the outputs, not a sum).

Shapes: z and a are (rows, n_out), y is (rows, targets), mostly one for each output, but (rows,) of classes
for the sparse losses; values are (rows,).  Parameters come last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..functions import Array
from . import classification, regression
from .base import Loss

__all__ = ["LINKS", "LOSSES", "Head", "Loss", "head_losses", "loss_gradient", "target_columns"]

LOSSES: dict[str, Loss] = {**classification.LOSSES, **regression.LOSSES}

# Of a slice of the outputs: name and parameters of its loss, how many outputs it has, its weight in the sum.
Head = tuple[str, float | Sequence[float], int, float]

# The output activations each link stands for.  The logits of log_softmax are those of softmax.
LINKS: dict[str, tuple[str, ...]] = {
    "softmax": ("softmax", "log_softmax"),
    "sigmoid": ("sigmoid",),
    "exp": ("exp",),
}


def loss_gradient(
    name: str | tuple[Head, ...],
    parameters: float | Sequence[float],
    p: Array,
    y: Array,
    sample_weight: Array | None = None,
) -> tuple[Array, Array, Array]:
    """What the named loss says of a batch.

    Parameters
    ----------
    name : str or tuple of Head
        One of `LOSSES`; or heads, whose outputs and targets stand side by side in p and y, for the sum of
        their losses, each times its weight.  A class is a real among the others there.
    parameters : float or sequence of float
        The loss's parameters; a number is the first, and ignored by losses that have none.
    p : ndarray of shape (rows, n_out)
        The logits where the loss has a link, else the predictions.
    y : ndarray
        The targets: (rows,) classes for sparse losses, else (rows, targets).
    sample_weight : ndarray of shape (rows,), optional
        Multiplies each row's value and gradient.

    Returns
    -------
    row_losses : ndarray of shape (rows,)
        weight * value; the batch's loss is their sum over the number of rows.
    dp : ndarray of shape (rows, n_out)
        The gradient of the batch's loss with respect to p.
    correct : ndarray of shape (rows,)
        How much of each row is right, without weights.

    Examples
    --------
    >>> row_losses, da, _ = loss_gradient("mse", 0.0, np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]]))
    >>> row_losses, da.ravel()
    (array([0., 4.]), array([ 0., -2.]))
    """
    if isinstance(name, tuple):
        return _of_heads(name, p, y, sample_weight)
    loss = LOSSES[name]
    weight = np.ones(len(p), p.dtype) if sample_weight is None else sample_weight.astype(p.dtype)
    chosen = loss.chosen(parameters)
    row_losses = weight * loss.value(p, y, *chosen)
    dp = (weight / len(p))[:, None] * loss.gradient(p, y, *chosen)
    return row_losses, dp, loss.correct(p, y)


def target_columns(heads: Sequence[Head]) -> list[int]:
    """How many columns of a row of targets each head has.

    >>> target_columns([("mse", 0.0, 2, 1.0), ("sparse_categorical_crossentropy", 0.0, 3, 0.5)])
    [2, 1]
    """
    return [
        1 if LOSSES[name].labels else outputs // LOSSES[name].outputs_of(parameters)
        for name, parameters, outputs, _ in heads
    ]


def head_losses(
    heads: Sequence[Head], p: Array, y: Array, sample_weight: Array | None = None
) -> list[Array]:
    """Of each head what `loss_gradient` calls row_losses, (rows,), without the head's weight.

    >>> heads = [("mse", 0.0, 1, 0.5), ("mae", 0.0, 1, 2.0)]
    >>> head_losses(heads, np.array([[1.0, 2.0]]), np.array([[4.0, 4.0]]))
    [array([9.]), array([2.])]
    """
    return [values for values, _ in _parts(heads, p, y, sample_weight)]


def _parts(
    heads: Sequence[Head], p: Array, y: Array, sample_weight: Array | None
) -> Iterator[tuple[Array, Array]]:
    """The row losses of each head and their gradient, without its weight."""
    outputs = np.split(p, np.cumsum([head[2] for head in heads])[:-1], axis=1)
    targets = np.split(y, np.cumsum(target_columns(heads))[:-1], axis=1)
    for (name, parameters, _, _), of_head, own in zip(heads, outputs, targets, strict=True):
        expected = own[:, 0].astype(np.int64) if LOSSES[name].labels else own
        yield loss_gradient(name, parameters, of_head, expected, sample_weight)[:2]


def _of_heads(
    heads: tuple[Head, ...], p: Array, y: Array, sample_weight: Array | None
) -> tuple[Array, Array, Array]:
    total, gradients = 0 * p[:, 0], list[Array]()
    for (*_, weight), (values, gradient) in zip(heads, _parts(heads, p, y, sample_weight), strict=True):
        share = p.dtype.type(weight)
        if share:
            total, gradients = total + share * values, [*gradients, share * gradient]
        else:  # 0 of an infinite loss is none
            gradients.append(np.zeros_like(gradient))
    return total, np.concatenate(gradients, axis=1), np.zeros(len(p))
