"""The model of a step: time = compute / ranks + latency + bytes / bandwidth."""

from __future__ import annotations

import math
from dataclasses import dataclass


def parameters(widths: tuple[int, ...]) -> int:
    """Weights and biases of dense layers.

    >>> parameters((784, 2048, 2048, 10))
    5824522
    """
    return sum((n_in + 1) * n_out for n_in, n_out in zip(widths, widths[1:], strict=False))


@dataclass(frozen=True)
class Model:
    """A step of R ranks that have one part each.

    Attributes
    ----------
    compute : float
        Seconds for a row and a parameter, in one rank.
    latency : float
        Seconds that a step's messages between two ranks take whatever they hold; of R ranks log2(R) times.
    bandwidth : float
        Bytes a second that a rank sends, and receives, at once.
    """

    compute: float
    latency: float
    bandwidth: float

    def step(self, widths: tuple[int, ...], batch: int, ranks: int) -> float:
        """Seconds; every rank sends and receives all of the gradient but its own piece, twice.

        >>> model = Model(1e-11, 1e-4, 1e9)
        >>> round(model.step((999, 1000), 1000, 1), 6), round(model.step((999, 1000), 1000, 2), 6)
        (0.01, 0.0091)
        """
        count = parameters(widths)
        sent = 2 * 4 * count * (ranks - 1) / ranks
        return self.compute * count * batch / ranks + self.latency * math.log2(ranks) + sent / self.bandwidth

    def speedup(self, widths: tuple[int, ...], batch: int, ranks: int) -> float:
        """How many times as fast as one rank."""
        return self.step(widths, batch, 1) / self.step(widths, batch, ranks)

    def least_batch(self, widths: tuple[int, ...], ranks: int, efficiency: float = 0.5) -> int:
        """The smallest power of 2 whose speedup is this share of the number of ranks."""
        batch = ranks
        while self.speedup(widths, batch, ranks) < efficiency * ranks:
            batch *= 2
        return batch


def fitted(step: float, widths: tuple[int, ...], batch: int, link: dict[str, float]) -> Model:
    """The constants: `step` is of one rank, `link` what `worker.link` measured between two.

    >>> link = {"meeting": 1e-4, "1000": 1e-4, "1000000": 0.0041, "4000000": 0.0161}
    >>> model = fitted(1e-2, (999, 1000), 1000, link)
    >>> round(model.compute * 1e11, 6), round(model.latency * 1e4, 6), round(model.bandwidth / 1e9, 6)
    (1.0, 2.0, 1.0)
    """
    sizes = sorted(int(name) for name in link if name != "meeting")
    small, large = sizes[-2:]
    slope = (link[str(large)] - link[str(small)]) / (
        large - small
    )  # seconds a number, sent twice to half of it
    latency = link["meeting"] + max(link[str(small)] - slope * small, link[str(sizes[0])] - slope * sizes[0])
    return Model(step / parameters(widths) / batch, latency, 4 / slope)
