"""`Film`: a callback that makes a moving picture of training."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import validation
from ..callbacks import Callback
from ..files import atomic
from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Film(Callback):
    """Draws a picture every few epochs of a fit and saves them as an animated GIF at its end.

    Parameters
    ----------
    path : str or path
        Ends in ".gif".
    draw : callable
        ``draw(network, ax)`` draws the picture of the moment into empty axes.
    every : int
        Epochs from one picture to the next; the first and the last epoch are always there.
    seconds : float
        How long a picture stands, in seconds; the last stands five times as long.
    size : (float, float)
        Width and height, in inches.

    Raises
    ------
    ValueError, TypeError
        If `path` has another suffix, or another argument is out of range.

    Examples
    --------
    >>> import tempfile
    >>> from fastmlp import Network
    >>> from fastmlp.plots import Film, plot_decision_boundary
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> net = Network([2, 4, 1], activation="tanh", output="sigmoid", seed=0)
    >>> net.compile("adam")
    >>> def draw(network, ax):
    ...     plot_decision_boundary(network, X, y, resolution=30, ax=ax)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = net.fit(X, y, epochs=4, callbacks=[Film(f"{folder}/xor.gif", draw, every=2)])
    """

    def __init__(
        self,
        path: style.PathLike,
        draw: Callable[[Any, Axes], Any],
        *,
        every: int = 1,
        seconds: float = 0.1,
        size: tuple[float, float] = (5.2, 4.7),
    ) -> None:
        if Path(os.fspath(path)).suffix.lower() != ".gif":
            raise ValueError(f"path is {os.fspath(path)!r}, expected a name that ends in .gif")
        self.path = path
        self.draw = validation.as_function(draw, "draw")
        self.every = validation.integer(every, "every", minimum=1)
        self.seconds = validation.real(seconds, "seconds", minimum=0.01)
        self.size = size
        self._pictures: list[Any] = []

    def on_train_begin(self, logs: dict[str, float]) -> None:
        """Begin with no pictures."""
        self._pictures = []
        self._last = -1

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Draw the network of this moment."""
        if epoch % self.every == 0:
            self._take(epoch)
        self._seen = epoch

    def on_train_end(self, logs: dict[str, float]) -> None:
        """Save the film."""
        if not logs:
            return
        if self._last != self._seen:
            self._take(self._seen)
        first, *others = self._pictures
        times = [round(1000 * self.seconds)] * len(others) + [round(5000 * self.seconds)]

        def write(file: Any) -> None:
            first.save(file, format="GIF", save_all=True, append_images=others, duration=times, loop=0)

        atomic.write(os.fspath(self.path), write)
        self._pictures = []

    def _take(self, epoch: int) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from PIL import Image  # matplotlib brings it

        figure = Figure(figsize=self.size, dpi=100, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        ax = figure.subplots()
        self.draw(self.network, ax)
        if not ax.get_title():
            ax.set_title(f"epoch {epoch + 1}", fontsize=11)
        canvas.draw()  # type: ignore[no-untyped-call]
        pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        self._pictures.append(Image.fromarray(pixels[..., :3]))
        self._last = epoch
