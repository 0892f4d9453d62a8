"""Normalisation layers: z = x_hat * gamma + beta with x_hat = (x - mean) / sqrt(variance + epsilon).

Batch normalisation (Ioffe and Szegedy, arXiv:1502.03167) takes the mean and variance of each column over the
rows of the batch, and predicts with moving averages of them.  Layer normalisation (Ba, Kiros and Hinton,
arXiv:1607.06450) takes those of each row over its columns, in training and prediction alike.
"""

from __future__ import annotations

import numpy as np

from .functions import Array


def statistics(x: Array, axis: int) -> tuple[Array, Array]:
    """Mean and variance of x (rows, n): of columns along axis 0, of rows along axis 1; the axis stays.

    >>> mean, variance = statistics(np.array([[1.0, 2.0], [3.0, 6.0]]), axis=0)
    >>> mean, variance
    (array([[2., 4.]]), array([[1., 4.]]))
    """
    return x.mean(axis=axis, keepdims=True), x.var(axis=axis, keepdims=True)


def normalized(x: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """x_hat, shaped like x.

    >>> normalized(np.array([[1.0], [3.0]]), np.array([[2.0]]), np.array([[1.0]]), 0.0).ravel()
    array([-1.,  1.])
    """
    return (x - mean) / np.sqrt(variance + x.dtype.type(epsilon))


def normalization_backward(
    dz: Array, x_hat: Array, gamma: Array, variance: Array, epsilon: float, axis: int | None
) -> tuple[Array, Array, Array]:
    """The gradients (dx, d_gamma, d_beta) from dz (rows, n).

    `axis` is the one that mean and variance were taken along: both follow x, so the gradient loses its mean
    and its part along x_hat there.  None: they are constants.

    >>> dz, x_hat = np.array([[1.0], [0.0]]), np.array([[-1.0], [1.0]])
    >>> dx, d_gamma, d_beta = normalization_backward(dz, x_hat, np.ones(1), np.ones((1, 1)), 0.0, axis=0)
    >>> dx.ravel(), d_gamma, d_beta
    (array([0., 0.]), array([-1.]), array([1.]))
    """
    d = dz * gamma
    dx = d
    if axis is not None:
        along = (d * x_hat).mean(axis=axis, keepdims=True)
        dx = d - d.mean(axis=axis, keepdims=True) - x_hat * along
    return dx / np.sqrt(variance + x_hat.dtype.type(epsilon)), (dz * x_hat).sum(axis=0), dz.sum(axis=0)
