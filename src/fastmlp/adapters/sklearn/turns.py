"""One fit of an estimator at a time, and what everybody else sees of it meanwhile."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from ...errors import BusyError

Method = TypeVar("Method", bound=Callable[..., Any])


class Turn:
    """A call that fits an estimator.

    Attributes
    ----------
    lock : threading.Lock
        Held as long as the call goes on; nobody waits for it.
    ended : bool
        Says the same once more: one of the two is true however many interrupts come.
    before : dict or None
        The estimator's attributes as the call found them; None if it has not begun or has ended.
    """

    __slots__ = ("before", "ended", "following", "lock", "process", "thread")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ended = False
        self.before: dict[str, Any] | None = None
        self.following: dict[str, Turn] = {}  # at most one, which `setdefault` decides on
        self.process, self.thread = os.getpid(), threading.get_ident()

    def is_open(self) -> bool:
        """Whether the call has not ended."""
        return not self.ended and self.lock.locked()

    def lasts(self) -> bool:
        """Whether the call goes on in this process."""
        return self.is_open() and self.process == os.getpid()

    def was_cut(self) -> bool:
        """Whether this process was forked while the call went on in a thread of its parent."""
        return self.is_open() and self.process != os.getpid()

    def is_own(self) -> bool:
        """Whether it is this thread that fits, in a callback."""
        return self.lasts() and self.thread == threading.get_ident()


def busy(estimator: object) -> BusyError:
    """The error for a change of an estimator that another call is fitting."""
    kind = type(estimator).__name__
    return BusyError(f"the {kind} is being fitted by another call, expected it to end first")


class TakesTurns:
    """An estimator that is fitted by one call at a time and can be read by any number meanwhile.

    A call that fits changes attributes as it goes, so others read those that it found, all of them: they see
    the estimator before the fit or after it and nothing in between.
    """

    _turn: Turn | None = None  # the last one; None in what `_whole` returns

    def _begin(self, turn: Turn) -> None:
        """Make a turn, whose lock is held, the estimator's; BusyError if another one lasts."""
        last = vars(self).setdefault("_turn", Turn())
        while True:
            if last.lasts():
                raise busy(self)
            if last.following.setdefault("turn", turn) is turn:
                break
            last = last.following["turn"]
        if last.was_cut() and last.before is not None:
            self._put_back(last.before)
        found = vars(self).copy()
        del found["_turn"]
        turn.before = found
        self._turn = turn

    def _put_back(self, found: dict[str, Any]) -> None:
        """Attributes as a turn found them, but for the parameters, which may have been set since."""
        kept = {"_turn", *self.get_params(deep=False)}  # type: ignore[attr-defined]
        for name in set(vars(self)) - kept:
            del vars(self)[name]
        vars(self).update({name: value for name, value in found.items() if name not in kept})

    def _is_being_fitted(self) -> bool:
        """Whether attributes may change as one reads them."""
        turn = self._turn
        return turn is not None and turn.before is not None and turn.is_open()

    def _whole(self) -> Any:
        """What to read: the estimator as it is between two fits, or itself in a callback of its fit."""
        turn: Turn | None
        while (turn := vars(self).setdefault("_turn", Turn())) is not None:
            if turn.is_own():
                return self
            if turn.was_cut():  # the next turn puts back what that one found
                with suppress(BusyError):
                    alone(lambda estimator: None)(self)
                continue
            found = turn.before if turn.is_open() else None
            if found is None:
                found = vars(self).copy()
                if found["_turn"] is not turn or turn.is_open():
                    continue  # a fit has begun or ended
            whole = type(self).__new__(type(self))
            vars(whole).update(found, _turn=None)
            return whole
        return self


def alone(method: Method) -> Method:
    """A method that fits, one call at a time.

    The flag is a lock of the call's own, so that to take it never waits, and `with` frees it however the call
    ends: no interrupt comes between a lock and its `with`.
    """

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        turn = Turn()
        try:
            with turn.lock:
                self._begin(turn)
                return method(self, *args, **kwargs)
        finally:
            turn.ended, turn.before = True, None

    return call  # type: ignore[return-value]
