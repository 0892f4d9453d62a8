"""`Fleet`: several networks that are trained side by side."""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .config import get_num_threads
from .errors import NotCompiledError, listed, shown, unknown
from .network import Network
from .training import together
from .training.callbacks.base import Callback
from .training.callbacks.history import History
from .training.callbacks.hooks import Hooks
from .validation import as_list, is_sparse

Array = np.ndarray[Any, Any]

_DECIDED = frozenset({"threads", "comm"})  # by `Fleet.fit`
_OPTIONS = frozenset(inspect.signature(Network.fit).parameters) - {"self", "X", "y"} - _DECIDED


class Fleet:
    """Networks that are trained side by side on all processors, each with the bits that it has alone.

    They may differ in everything: layers, optimizer, learning rate, decay, dropout, seed; each is compiled as
    it is to be trained.  For ensembles, folds of a cross-validation, and searches.

    Parameters
    ----------
    networks : iterable of Network
        Which stay the objects they are, and can be used by themselves before and after.

    Raises
    ------
    TypeError
        If something in it is no Network.
    ValueError
        If there is none, or one twice.

    Examples
    --------
    Three networks, each on another two thirds of the rows, the last for fewer epochs:

    >>> import numpy as np
    >>> from fastmlp import Fleet, Network
    >>> X = np.random.default_rng(0).normal(size=(90, 4))
    >>> y = X[:, 0] * X[:, 1]
    >>> fleet = Fleet(Network([4, 16, 1], seed=seed) for seed in range(3))
    >>> for network in fleet:
    ...     network.compile("adam", "mse")
    >>> rows = [np.arange(90) % 3 != fold for fold in range(3)]
    >>> histories = fleet.fit(X, y, rows=rows, each=[{}, {}, {"epochs": 5}], epochs=8)
    >>> [len(history.epoch) for history in histories]
    [8, 8, 5]
    >>> fleet.predict(X).shape
    (90, 1)
    """

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = as_list(networks, "networks", "networks")
        if not self._networks:
            raise ValueError("networks is empty, expected at least one Network")
        places: dict[int, int] = {}
        for place, network in enumerate(self._networks):
            if not isinstance(network, Network):
                raise TypeError(f"networks[{place}] is {shown(network)}, expected a Network")
            first = places.setdefault(id(network), place)
            if first != place:
                raise ValueError(f"networks[{place}] is networks[{first}], expected different objects")

    def __len__(self) -> int:
        return len(self._networks)

    def __iter__(self) -> Iterator[Network]:
        return iter(self._networks)

    def __getitem__(self, place: int) -> Network:
        return self._networks[place]

    def __repr__(self) -> str:
        return f"<Fleet of {len(self)} network{'s' if len(self) > 1 else ''}>"

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        rows: Sequence[Any] | None = None,
        each: Sequence[Mapping[str, Any]] | None = None,
        n_jobs: int | None = None,
        **options: Any,
    ) -> list[History]:
        """Train all, as `Network.fit` trains each; progress is shown only with ``verbose=True``.

        Parameters
        ----------
        X, y
            As in `Network.fit`; an iterator, which serves one network alone, is refused.
        rows : sequence, optional
            For each network its rows of X, y and `sample_weight`: their numbers, a boolean for each row, or
            None for all of them.
        each : sequence of mappings, optional
            For each network its own options of `Network.fit`, such as "epochs", "callbacks" or
            "validation_data", in place of the common ones.
        n_jobs : int, optional
            How many are trained at a time; None or -1 is one on each processor, counted below 0 as joblib
            does.  It changes no bit.
        **options
            Of `Network.fit`, for all but `threads` and `comm`.  Callbacks belong into `each`, as an object of
            them serves one network.

        Returns
        -------
        list of History
            In the order of the networks.  Ctrl-C ends them all, as it ends one; those that had not begun have
            an empty history, whose `interrupted` is True, too.

        Raises
        ------
        NotCompiledError
            If one is not compiled.
        TypeError, ValueError
            If an option is unknown, a callback is in two places, or there are not as many `rows` or `each` as
            networks; no network has changed then.  What `Network.fit` raises besides ends the others as
            Ctrl-C does.
        """
        if isinstance(X, Iterator) and len(self) > 1:
            raise TypeError(f"X is a {type(X).__name__}, which serves one network alone, expected arrays")
        for place, network in enumerate(self):
            if network.optimizer is None:
                raise NotCompiledError(f"networks[{place}] is not compiled, expected compile() before fit")
        given = self._options(each, options)
        chosen = [None] * len(self) if rows is None else self._rows(rows, X, y, given)
        count = together.workers(together.as_jobs(n_jobs), len(self))
        stop, found = threading.Event(), [_not_begun() for _ in self]

        def job(place: int) -> None:
            own, part = dict(given[place]), chosen[place]
            own["threads"] = max(1, get_num_threads() // count)
            if count > 1:  # in the main thread Ctrl-C reaches the fit itself
                own["callbacks"] = [*Hooks(own.get("callbacks")).callbacks, _End(stop)]
            if own.get("sample_weight") is not None:
                own["sample_weight"] = _taken(own["sample_weight"], part)
            found[place] = self[place].fit(_taken(X, part), _taken(y, part), **own)
            if found[place].interrupted:
                raise KeyboardInterrupt

        with contextlib.suppress(KeyboardInterrupt):
            together.run(job, range(len(self)), count, stop)
        return found

    def predict(self, X: Any, *, threads: int | None = None) -> Array:
        """The mean of the networks' predictions, added in their order.

        Parameters
        ----------
        X : array-like of shape (rows, n_in) or (n_in,)
        threads : int, optional
            At most this many.

        Returns
        -------
        ndarray of shape (rows, n_out) or (n_out,)

        Raises
        ------
        ValueError
            If the networks differ in their numbers of outputs.  What `Network.predict` raises besides.
        """
        widths = sorted({network.layer_sizes[-1] for network in self})
        if len(widths) > 1:
            raise ValueError(f"networks have {listed(map(str, widths))} outputs, expected as many in each")
        total, *others = self.predict_each(X, threads=threads)
        for predictions in others:
            total = total + predictions
        return np.asarray(total / total.dtype.type(len(self)))

    def predict_each(self, X: Any, *, threads: int | None = None) -> list[Array]:
        """What `Network.predict` of each gives, in their order."""
        return [network.predict(X, threads=threads) for network in self]

    def _options(self, each: Any, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Those of each network's fit."""
        if options.get("callbacks"):
            raise ValueError("callbacks are given for all, expected in each=: an object serves one network")
        _check_options(options, "fit")
        own = [{}] * len(self) if each is None else self._one_each(each, "each")
        serves: dict[int, int] = {}
        for place, names in enumerate(own):
            if not isinstance(names, Mapping):
                raise TypeError(f"each[{place}] is {shown(names)}, expected a mapping of options of fit")
            _check_options(names, f"each[{place}]")
            for callback in Hooks(names.get("callbacks")).callbacks:
                first = serves.setdefault(id(callback), place)
                if first != place:
                    raise ValueError(f"each[{place}] has a callback of each[{first}], expected its own")
        return [{"verbose": False, **options, **names} for names in own]

    def _rows(self, rows: Any, X: Any, y: Any, given: list[dict[str, Any]]) -> list[Array | None]:
        """Numbers of rows, None for all, of as many targets and weights as X has rows."""
        if y is None or isinstance(y, str):
            raise TypeError(f"y is {shown(y)} and rows are chosen, expected arrays X and y")
        count = _length(X)
        _check_length(y, "y", count)
        for place, options in enumerate(given):
            _check_length(options.get("sample_weight"), f"sample_weight of networks[{place}]", count)
        return [
            None if part is None else _numbers(part, f"rows[{place}]", count)
            for place, part in enumerate(self._one_each(rows, "rows"))
        ]

    def _one_each(self, value: Any, argument: str) -> list[Any]:
        items = as_list(value, argument, "one for each network")
        if len(items) != len(self):
            expected = f"one for each of {len(self)} networks"
            raise ValueError(f"{argument} has {len(items)} items, expected {expected}")
        return items


class _End(Callback):
    """Ends a fit in a thread of its own, as Ctrl-C would."""

    _looks = True

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def _look(self, epoch: int, batch: int) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self._look(epoch, 0)


def _not_begun() -> History:
    history = History()
    history.interrupted = True
    return history


def _check_options(names: Iterable[str], argument: str) -> None:
    for name in names:
        if name in _DECIDED:
            raise TypeError(f"{argument} has {name}, expected n_jobs alone to say what runs where")
        if name not in _OPTIONS:
            raise TypeError(str(unknown(f"option of {argument}", name, sorted(_OPTIONS))))


def _length(value: Any) -> int:
    return int(value.shape[0]) if getattr(value, "shape", ()) else len(value)


def _check_length(value: Any, argument: str, count: int) -> None:
    """ValueError unless it has so many rows, which rows that are taken by their numbers would not tell."""
    if isinstance(value, Mapping):  # of heads
        for head, part in value.items():
            _check_length(part, f"{argument}[{head!r}]", count)
    elif value is not None and _length(value) != count:
        raise ValueError(f"{argument} has {_length(value)} rows, expected {count} as X")


def _numbers(part: Any, argument: str, count: int) -> Array:
    array = np.asarray(part)
    if array.dtype == bool:
        if array.shape != (count,):
            raise ValueError(f"{argument} has shape {array.shape}, expected ({count},) as booleans of rows")
        return np.flatnonzero(array)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TypeError(f"{argument} is {shown(part)}, expected numbers of rows, booleans or None")
    wrong = array[(array < 0) | (array >= count)]
    if len(wrong):
        raise ValueError(f"{argument} has {wrong[0]}, expected numbers from 0 to {count - 1}")
    return array


def _taken(value: Any, rows: Array | None) -> Any:
    """These rows of an array, a frame, a sparse matrix or what heads are given."""
    if rows is None or value is None:
        return value
    if isinstance(value, Mapping):
        return {name: _taken(part, rows) for name, part in value.items()}
    if hasattr(value, "iloc"):
        return value.iloc[rows]
    return value[rows] if is_sparse(value) else np.asarray(value)[rows]
