"""`Batches`: what an iterable of batches gives, epoch by epoch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from .. import validation

_EXPORTS = ("shape", "__array__", "__array_interface__", "__dlpack__", "__dataframe__")
EXPECTED = "(X, y) or (X, y, sample_weight)"


def is_stream(X: object) -> bool:
    """Whether X can only be passed through: a generator or a loader, no array, list or table.

    >>> is_stream(iter([])), is_stream([]), is_stream({"a": 1})
    (True, False, False)
    """
    return hasattr(X, "__iter__") and not any(hasattr(X, name) for name in ("__getitem__", *_EXPORTS))


class Batches:
    """Batches that an iterable gives, `steps` an epoch; None: a pass is an epoch.

    With `steps` an epoch goes on where the last one ended, and an iterable that can be passed again begins
    anew when it ends; with `anew` it begins so in every epoch.

    Attributes
    ----------
    once : bool
        Whether it is an iterator, which passes once.
    missing : str or None
        What was lacking in the last epoch, in a sentence.

    Examples
    --------
    >>> batches = Batches("abc", 2)
    >>> [list(batches.epoch()) for _ in range(3)]
    [['a', 'b'], ['c', 'a'], ['b', 'c']]
    """

    def __init__(self, given: Any, steps: int | None, argument: str = "X", *, anew: bool = False) -> None:
        if any(hasattr(given, name) for name in _EXPORTS) or not hasattr(given, "__iter__"):
            what = f"an iterable of batches {EXPECTED}"
            raise TypeError(f"{argument} is a {type(given).__name__} without y, expected y, or {what}")
        self.steps = steps
        self.missing: str | None = None
        self._given, self._argument, self._anew = given, argument, anew
        self._pass: Iterator[Any] | None = iter(given)
        self.once = self._pass is given

    @property
    def length(self) -> int | None:
        """Batches of an epoch, if they are known."""
        if self.steps is not None:
            return self.steps
        try:
            return len(self._given)
        except TypeError:  # a generator, or a loader that cannot tell
            return None

    def check_passes(self, passes: int, argument: str, steps: str) -> None:
        """ValueError if an iterator were to be passed more than once."""
        if self.once and self.steps is None and passes > 1:
            kind = type(self._given).__name__
            rest = f"expected {steps}, or an iterable that begins anew, such as a list or a DataLoader"
            raise ValueError(
                f"{self._argument} is a {kind}, which passes once, and {argument} is {passes}, {rest}"
            )

    def first(self) -> Any:
        """The first batch, which stays the first of the next epoch."""
        assert self._pass is not None
        for batch in self._pass:
            self._pass = itertools.chain([batch], self._pass)
            return batch
        raise ValueError(f"{self._argument} gives no batches, expected at least one")

    def epoch(self) -> Iterator[Any]:
        """The next batches; `missing` says so where there are fewer than there should be."""
        self.missing, given = None, 0
        while True:
            begins = self._pass is None
            if self._pass is None:
                self._pass = iter(self._given)
            before = given
            for batch in itertools.islice(self._pass, None if self.steps is None else self.steps - given):
                given += 1
                yield batch
            whole = given == self.steps
            if not (whole and (self.once or not self._anew)):
                self._pass = iter(()) if self.once else None
            if whole or self.steps is None or self.once or self._anew or (begins and given == before):
                break
        if given < (self.steps or 1):
            expected = "at least one" if self.steps is None else f"{self.steps}"
            self.missing = f"{self._argument} ran out after {given} batches of an epoch, expected {expected}"

    def whole_epoch(self) -> Iterator[Any]:
        """The next batches; ValueError after the last where there are fewer than there should be."""
        yield from self.epoch()
        if self.missing is not None:
            raise ValueError(self.missing)


def parts_of(batch: Any, argument: str) -> tuple[Any, Any, Any]:
    """X, y and sample_weight or None of a batch."""
    if not isinstance(batch, (tuple, list)):
        raise TypeError(f"{argument} is a {type(batch).__name__}, expected {EXPECTED}")
    if len(batch) not in (2, 3):
        raise ValueError(f"{argument} has {len(batch)} elements, expected {EXPECTED}")
    return batch[0], batch[1], batch[2] if len(batch) == 3 else None


def as_steps(steps: object, argument: str) -> int | None:
    return None if steps is None else validation.integer(steps, argument, 1)
