"""Random numbers from a counter: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
SC 2011).

There is no hidden state: the key is the seed, the counter says what the number is for, and the same
question always has the same answer.  A counter is four 32-bit words (c0, c1, c2, c3); its last word is the
purpose, with the layer's number above it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .functions import Array

SHUFFLE, WEIGHTS, DROPOUT, NOISE = 1, 2, 3, 4

_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def philox(counter: Array, key: tuple[int, int]) -> NDArray[np.uint32]:
    """Four random words for each counter.

    Ten rounds: each multiplies two of the words by constants to 64 bits, and crosses the halves of the
    products with the other two words and the key, which grows by constants from round to round.

    Parameters
    ----------
    counter : ndarray of uint32, shape (..., 4)
    key : pair of int
        32 bits each.

    Returns
    -------
    ndarray of uint32, shape (..., 4)

    Examples
    --------
    >>> [hex(word) for word in philox(np.zeros(4, np.uint32), (0, 0))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = np.moveaxis(np.asarray(counter).astype(np.uint64), -1, 0)
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1 = (p1 >> _32) ^ c1 ^ np.uint64(k0), p1 & _LOW
        c2, c3 = (p0 >> _32) ^ c3 ^ np.uint64(k1), p0 & _LOW
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def _words(seed: int, c0: Array, c1: Array | int, c2: int, c3: int) -> NDArray[np.uint64]:
    """philox of the counters (c0, c1, c2, c3), each cut to 32 bits, as 64-bit numbers: shape (..., 4)."""
    low = 0xFFFFFFFF
    counter = np.stack(np.broadcast_arrays(c0 & low, c1 & low, c2 & low, c3 & low), axis=-1)
    return philox(counter, (seed & low, seed >> 32 & low)).astype(np.uint64)


def _uniform(high: Array, low: Array) -> Array:
    """53 bits from two words as a float64 in [0, 1), as NumPy and Python's `random` make theirs."""
    return ((high >> np.uint64(5)) * 67108864.0 + (low >> np.uint64(6))) / 9007199254740992.0


def shuffled(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """A random order of n rows, another for each epoch: Fisher and Yates' shuffle.

    From the last place to the second, swap what is there with a random place up to it.

    >>> [int(i) for i in np.sort(shuffled(seed=7, epoch=0, n=5))]
    [0, 1, 2, 3, 4]
    """
    draws = max(n - 1, 0)
    words = _words(seed, np.arange((draws + 3) // 4), 0, epoch, SHUFFLE).ravel()[:draws]
    last = np.arange(n - 1, 0, -1, dtype=np.uint64)
    places = (words * (last + np.uint64(1))) >> _32  # word / 2^32 is in [0, 1), so a place is in [0, last]
    order = list(range(n))
    for i, j in zip(last.tolist(), places.tolist(), strict=True):
        order[i], order[j] = order[j], order[i]
    return np.array(order, dtype=np.int64)


def uniform_weights(seed: int, layer: int, shape: tuple[int, ...], scale: float, array: int = 0) -> Array:
    """float64 numbers for one array of a layer, uniform in [-scale, scale); two words each.

    >>> w = uniform_weights(seed=0, layer=0, shape=(100, 100), scale=0.5)
    >>> bool(w.min() >= -0.5), bool(w.max() < 0.5)
    (True, True)
    """
    count = math.prod(shape)
    c0 = np.arange((count + 1) // 2)  # each counter has the words of two weights
    words = _words(seed, c0, c0 >> 32, array, WEIGHTS | layer << 8).reshape(-1, 2)[:count]
    low, high = -scale, scale
    return (low + (high - low) * _uniform(words[:, 0], words[:, 1])).reshape(shape)


def normal_weights(seed: int, layer: int, shape: tuple[int, ...], scale: float, array: int = 0) -> Array:
    """float64 numbers for one array of a layer, normal with mean 0 and deviation `scale`; four words each.

    Box and Muller 1958: a radius sqrt(-2 log(u1)) and an angle 2 pi u2 make a normal number.

    >>> w = normal_weights(seed=0, layer=0, shape=(100, 100), scale=0.001)
    >>> f"{w.std():.4f}"
    '0.0010'
    """
    c0 = np.arange(math.prod(shape))
    words = _words(seed, c0, c0 >> 32, array, WEIGHTS | layer << 8)
    u1, u2 = _uniform(words[:, 0], words[:, 1]), _uniform(words[:, 2], words[:, 3])
    z = np.sqrt(-2 * np.log(1 - u1)) * cosine(2 * np.pi * u2)  # 1 - u1 is never 0
    return (scale * z).reshape(shape)


def sign_weights(seed: int, layer: int, shape: tuple[int, ...], scale: float, array: int = 0) -> Array:
    """float64 numbers for one array of a layer, `scale` or -`scale`; the signs of `uniform_weights`.

    >>> [float(x) for x in np.unique(sign_weights(seed=0, layer=0, shape=(2, 8), scale=1.0))]
    [-1.0, 1.0]
    """
    return np.where(uniform_weights(seed, layer, shape, 1.0, array) < 0, -scale, scale)


def dropout_mask(
    seed: int, layer: int, step: int, shape: tuple[int, int], rate: float, dtype: np.dtype
) -> Array:
    """What the input of a layer, of shape (rows, n_in), is multiplied by in training.

    0 with probability `rate`, else 1 / (1 - rate): so the expectation is 1, and nothing needs scaling in
    prediction ("inverted" dropout; Srivastava et al., JMLR 15, 2014).

    >>> mask = dropout_mask(0, 0, 0, (1, 8), 0.5, np.dtype("float32"))
    >>> sorted(set(mask.ravel().tolist()))
    [0.0, 2.0]
    """
    kept = _of_units(seed, layer, step, DROPOUT, shape) >= np.uint64(int(rate * 2**32))
    return np.where(kept, 1 / (1 - rate), 0).astype(dtype)


def kept_units(seed: int, layer: int, step: int, shape: tuple[int, int], rate: float) -> NDArray[np.bool_]:
    """Which numbers of a layer that drops some itself it keeps, each with probability 1 - `rate`.

    >>> kept_units(0, 0, 0, (1, 4), 0.0)
    array([[ True,  True,  True,  True]])
    """
    return _of_units(seed, layer, step, NOISE, shape) >= np.uint64(int(rate * 2**32))


def normal_noise(seed: int, layer: int, step: int, shape: tuple[int, int], dtype: np.dtype) -> Array:
    """Normal numbers (rows, units), by Box and Muller's method a pair from the words of a pair of units.

    >>> noise = normal_noise(0, 0, 0, (1000, 10), np.dtype("float64"))
    >>> round(noise.mean(), 1), round(noise.std(), 1)
    (np.float64(-0.0), np.float64(1.0))
    """
    rows, units = shape
    words = _of_units(seed, layer, step, NOISE, (rows, units + units % 2)).astype(dtype)
    radius = np.sqrt(-2 * np.log((words[:, ::2] + dtype.type(0.5)) * dtype.type(2**-32)))
    angle = 2 * np.pi * (words[:, 1::2] * dtype.type(2**-32)).astype(np.float64)
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return pairs.reshape(rows, -1)[:, :units].astype(dtype)


def _of_units(seed: int, layer: int, step: int, purpose: int, shape: tuple[int, int]) -> NDArray[np.uint64]:
    """A word for each number (rows, units) of a layer in a step."""
    rows, units = shape
    c0, c1 = np.arange((units + 3) // 4)[None, :], np.arange(rows)[:, None]
    return _words(seed, c0, c1, step, purpose | layer << 8).reshape(rows, -1)[:, :units]


def cosine(x: Array) -> Array:
    """cos(x) in float64; the engine has its own so that schedules and weights do not depend on a library.

    >>> cosine(np.array([0.0]))
    array([1.])
    """
    return np.cos(np.asarray(x, dtype=np.float64))
