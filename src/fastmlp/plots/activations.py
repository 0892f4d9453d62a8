"""`plot_activations`: activation functions and their derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import reference
from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[Any]


def plot_activations(
    names: str | Sequence[str] = ("step", "sigmoid", "tanh", "relu", "leaky_relu"),
    *,
    limit: float = 5.0,
    ax: Any = None,
    path: style.PathLike | None = None,
) -> Any:
    """Draw activation functions and, dashed, their derivatives.

    Parameters
    ----------
    names : str or sequence of str
        Elementwise activations.
    limit : float
        The curves run from -limit to limit.
    ax : Axes, array of Axes or None
        As many as there are names.  None: a new figure.
    path : str, path or None
        Save the picture here.

    Returns
    -------
    Axes, or ndarray of Axes where there are several names

    Raises
    ------
    ValueError
        If a name is not an elementwise activation, or `ax` has another number of axes.

    Examples
    --------
    >>> [ax.get_title() for ax in plot_activations(["relu", "gelu"])]
    ['relu', 'gelu']
    """
    names = [names] if isinstance(names, str) else names
    known = [name for name, entry in reference.ACTIVATIONS.items() if entry.saved != "row"]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(
            f"names holds {', '.join(map(repr, unknown)) or 'nothing'}, expected some of {', '.join(known)}"
        )
    panels = style.panels(ax, len(names), min(len(names), 3), 3.4, 2.7)
    for panel, name in zip(panels, names, strict=True):
        _draw(panel, name, limit)
    panels[0].legend(fontsize=8, frameon=True, framealpha=0.9, edgecolor="none", loc="upper left")
    style.save(panels[0], path)
    return panels[0] if len(panels) == 1 else panels


def _draw(ax: Axes, name: str, limit: float) -> None:
    z = np.linspace(-limit, limit, 1001)
    a = reference.activation_forward(name, z)
    saved = z if reference.ACTIVATIONS[name].saved == "z" else a
    derivative = reference.activation_backward(name, np.ones_like(z), saved)
    ax.axhline(0, color=style.FAINT, linewidth=0.8)
    ax.axvline(0, color=style.FAINT, linewidth=0.8)
    ax.plot(z, _broken_at_jumps(a), color=style.TRAINING, linewidth=2, label="activation a(z)")
    broken = _broken_at_jumps(derivative)
    ax.plot(z, broken, color=style.VALIDATION, linewidth=1.6, linestyle="--", label="derivative a'(z)")
    ax.set_title(name, fontsize=11, family="monospace")
    ax.set_xlabel("z")
    if max(a.max(), -a.min()) <= 1:
        ax.set_ylim(-1.15, 1.15)
    style.frame(ax)


def _broken_at_jumps(values: Array) -> Array:
    """The values with a gap where they jump, so that a jump is not drawn as a slope."""
    steps = np.abs(np.diff(values))
    jumps = steps > 0.25 * max(float(np.ptp(values)), 1e-12)
    return np.where(np.append(jumps, False), np.nan, values)
