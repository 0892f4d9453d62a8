"""`verbose` of callbacks: whether they print what they do."""

from __future__ import annotations

import numpy as np

from ...errors import shown


def as_verbose(verbose: object) -> bool:
    """A bool, 0 or 1; ValueError for all else.

    >>> as_verbose(1)
    True
    """
    if not isinstance(verbose, (int, np.integer, np.bool_)) or verbose not in (0, 1):
        raise ValueError(f"verbose is {shown(verbose)}, expected 0 or 1")
    return bool(verbose)


def say(verbose: bool, epoch: int, sentence: str) -> None:
    """Print what was done after an epoch, which counts from 1 there.

    >>> say(True, 4, "learning rate 0.1")
    epoch 5: learning rate 0.1
    """
    if verbose:
        print(f"epoch {epoch + 1}: {sentence}", flush=True)
