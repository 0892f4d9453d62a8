"""`Hooks`: the callbacks of a fit, called together."""

from __future__ import annotations

import warnings
from typing import Any

from ...model import Model
from ...validation import as_list
from .base import Callback, Logs

# Hooks that Keras calls and nothing here does, with those that are called instead.
_UNHEARD = {
    "on_batch_begin": "on_train_batch_begin",
    "on_batch_end": "on_train_batch_end",
    "set_model": "on_train_begin, which has self.network",
    "set_params": "on_train_begin, which has self.params",
    **{
        f"on_{call}_{when}": "a hook of fit, the one call that has any"
        for call in ("test", "test_batch", "predict", "predict_batch")
        for when in ("begin", "end")
    },
}


class Hooks:
    """The callbacks of one fit, called in their order.

    Parameters
    ----------
    callbacks : Callback, iterable of Callback or None
    writes : bool
        Whether those that only write files are called.

    Raises
    ------
    TypeError
        If there is anything else among them, or one with a hook that is called in Keras alone.

    Examples
    --------
    >>> from fastmlp.callbacks import EarlyStopping
    >>> from fastmlp.training.callbacks.hooks import Hooks
    >>> Hooks([EarlyStopping()]).hear_batches()
    False
    """

    def __init__(self, callbacks: object, writes: bool = True) -> None:
        if callbacks is None or isinstance(callbacks, Callback):
            callbacks = () if callbacks is None else (callbacks,)
        self.callbacks = as_list(callbacks, "callbacks", "a list of callbacks")
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                kind = type(callback).__name__
                raise TypeError(f"callbacks holds a {kind}, expected objects of fastmlp.callbacks")
            for hook, heard in _UNHEARD.items():
                if hasattr(callback, hook):
                    came = f"a {type(callback).__name__} with {hook}"
                    raise TypeError(f"callbacks holds {came}, which is not called, expected {heard}")
        self._called = [callback for callback in self.callbacks if writes or not callback._writes]
        self._begun = 0

    def __bool__(self) -> bool:
        return bool(self.callbacks)

    def hear_batches(self) -> bool:
        """Whether one has its own version of a hook that is called for every batch."""
        return any(
            hook in vars(callback) or getattr(type(callback), hook) is not getattr(Callback, hook)
            for callback in self.callbacks
            for hook in ("on_train_batch_begin", "on_train_batch_end")
        )

    def look(self) -> bool:
        """Whether one looks at the network within epochs."""
        return any(callback._looks for callback in self.callbacks)

    def until_look(self) -> int | None:
        """How many batches may be trained before the next `_look` of one; None: any number."""
        counts = [callback._until_look() for callback in self.callbacks if callback._looks]
        return min((count for count in counts if count is not None), default=None)

    def begin(self, network: Model, params: dict[str, Any]) -> None:
        """`on_train_begin` of each, once all know the network and the parameters."""
        for callback in self.callbacks:
            callback.network, callback.params = network, params
        for callback in self._called:
            callback.on_train_begin({})
            self._begun += 1

    def call(self, hook: str, *arguments: Any) -> None:
        """A hook of each."""
        for callback in self._called:
            getattr(callback, hook)(*arguments)

    def take_divergence(self, epoch: int, message: str) -> bool:
        """`on_divergence` of each; whether one takes it as the end of the fit."""
        return any([callback.on_divergence(epoch, message) for callback in self._called])

    def end(self, logs: Logs, *, failed: bool) -> None:
        """`on_train_end` of each that has begun, whatever the others raise.

        Their first error is raised; with `failed`, where the fit's own is on its way, they are warned of.
        """
        errors: list[tuple[Callback, BaseException]] = []
        for callback in self._called[: self._begun]:
            try:
                callback.on_train_end(logs)
            except BaseException as error:
                errors.append((callback, error))
        for callback, later in errors if failed else errors[1:]:
            warnings.warn(
                f"on_train_end of {type(callback).__name__} failed after another error: {later!r}",
                RuntimeWarning,
                stacklevel=2,
            )
        if errors and not failed:
            raise errors[0][1]
