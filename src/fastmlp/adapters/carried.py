"""Models on workers: networks and tabular models travel as the bytes of a file, opened once a process."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import validation
from ..errors import listed, unknown
from ..files import format
from ..network import Network

Array = np.ndarray[Any, Any]

METHODS = {
    "network": ("predict", "predict_proba", "predict_classes"),
    "tabular": ("predict", "predict_proba"),
}
_KEPT = 4  # models that a process keeps open


@dataclass(frozen=True)
class Carried:
    """A model as its file."""

    kind: str  # of METHODS
    digest: str
    content: bytes = field(repr=False, compare=False)

    @classmethod
    def of(cls, model: Any) -> Carried:
        """TypeError unless it is a Network or a tabular estimator."""
        if isinstance(model, Network):
            kind, content = "network", format.to_bytes(model)
        elif hasattr(model, "_to_bytes"):
            kind, content = "tabular", model._to_bytes()
        else:
            came = type(model).__name__
            raise TypeError(f"net is a {came}, expected a Network, a TabularClassifier or a TabularRegressor")
        return cls(kind, hashlib.sha256(content).hexdigest(), content)

    def model(self) -> Any:
        """The model: one in a process, however often and from however many threads it is asked for."""
        with _lock:
            if self not in _open:
                _open[self] = self._opened()
                while len(_open) > _KEPT:
                    _open.popitem(last=False)
            _open.move_to_end(self)
            return _open[self]

    def _opened(self) -> Any:
        if self.kind == "network":
            return format.from_bytes(self.content, Network)
        from ..tabular import estimators

        return estimators.from_bytes(self.content)


_open: OrderedDict[Carried, Any] = OrderedDict()
_lock = threading.Lock()


class Scorer:
    """One method of a model, on blocks of rows: what workers call.

    Attributes
    ----------
    method : str
    name : str
        The same for the same model, method and threads.
    """

    def __init__(self, net: Any, method: str, threads: int | None) -> None:
        self._carried = Carried.of(net)
        known = METHODS[self._carried.kind]
        if not (isinstance(method, str) and method in known and hasattr(net, method)):
            raise unknown("method", method, [name for name in known if hasattr(net, name)])
        if method != "predict" and getattr(net, "heads", None):
            came = f"method is {method!r} and the network has the heads {listed(net.heads)}"
            raise ValueError(f"{came}, expected 'predict', whose columns net.heads tells apart")
        self.method, self._threads = method, validation.as_threads(threads)
        self.name = f"fastmlp-{method}-{self._threads}-{self._carried.digest[:32]}"

    @property
    def width(self) -> int:
        """How many columns a network takes."""
        return int(self._carried.model().plan.n_in)

    @property
    def names(self) -> list[str] | None:
        """Those of the columns that a tabular estimator uses, None where it finds them by their order."""
        if self._carried.kind == "network":
            return None
        encoder = self._carried.model().ensemble_.encoder
        return [column.name for column in encoder.used] if encoder.named else None

    def of_columns(self, columns: dict[str, Array]) -> Array:
        """The predictions of rows whose columns have names."""
        return self._of(columns)

    def __call__(self, block: Any) -> Array:
        """The predictions of a block of rows, which may have none."""
        if len(block) == 0:
            columns = getattr(block, "columns", None)
            return self.form(list(columns) if columns is not None else block.shape[1])
        return self._of(block)

    def form(self, columns: int | list[Any]) -> Array:
        """The predictions of no rows: their dtype and shape.

        Parameters
        ----------
        columns : int or list
            How many columns X has, or their names.

        Raises
        ------
        ValueError
            If they are not what the model was trained with.
        """
        names = columns if isinstance(columns, list) else None
        width = columns if isinstance(columns, int) else len(columns)
        if self._carried.kind == "network" and width != self.width:
            raise ValueError(f"X has {width} columns, expected {self.width}")
        row: Any = np.zeros((1, width))  # what an embedding and every layer takes
        if self._carried.kind == "tabular":
            row = np.full((1, width), np.nan) if names is None else {str(name): [None] for name in names}
        return self._of(row)[:0]

    def _of(self, rows: Any) -> Array:
        method = getattr(self._carried.model(), self.method)
        return np.asarray(method(rows, threads=self._threads))

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (self._carried, self.method, self._threads, self.name)


def _arrived(carried: Carried, method: str, threads: int | None, name: str) -> Scorer:
    scorer = Scorer.__new__(Scorer)
    scorer._carried, scorer.method, scorer._threads, scorer.name = carried, method, threads, name
    return scorer
