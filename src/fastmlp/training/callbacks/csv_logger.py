"""`CSVLogger`: the numbers of every epoch in a CSV file, row by row."""

from __future__ import annotations

import os
from typing import IO, Any

from ...errors import listed, tells_options
from ...validation import boolean
from .base import Callback, Logs


class CSVLogger(Callback):
    """Writes the loss and the metrics of every epoch to a CSV file, which can be read while training goes on.

    The columns are "epoch", which counts from 0, and the names in the first epoch's logs; numbers have all
    their digits.  What a later epoch lacks is left empty.

    Parameters
    ----------
    filename : str or path
        Missing folders are made.
    separator : str
        One character between the columns.
    append : bool
        Whether rows are added to a file that exists, which must have the same columns; else it is replaced.

    Raises
    ------
    ValueError
        At the end of the first epoch, if the file to append to has other columns; or of a later one, if it
        has a number that the first had not.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastmlp import Network
    >>> from fastmlp.callbacks import CSVLogger
    >>> net = Network([1, 1], initializer="zeros", dtype="float64")
    >>> net.compile("sgd")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "log.csv")
    ...     _ = net.fit([[1.0]], [2.0], callbacks=[CSVLogger(path)])
    ...     print(open(path).read())
    epoch,loss
    0,4.0
    <BLANKLINE>
    """

    _writes = True

    @tells_options
    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        if not isinstance(filename, (str, os.PathLike)):
            raise TypeError(f"filename is a {type(filename).__name__}, expected a str or a path")
        if not isinstance(separator, str) or len(separator) != 1 or separator in '\r\n"':
            raise ValueError(f"separator is {separator!r}, expected one character such as ',' or '\\t'")
        self.filename = os.fsdecode(filename)
        self.separator = separator
        self.append = boolean(append, "append")
        self._file: IO[str] | None = None
        self._columns: list[str] = []

    def on_train_begin(self, logs: Logs) -> None:
        os.makedirs(os.path.dirname(self.filename) or os.curdir, exist_ok=True)
        self._file = open(self.filename, "a+" if self.append else "w", newline="", encoding="utf-8")
        self._columns = []

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        import csv

        assert self._file is not None
        writer = csv.writer(self._file, delimiter=self.separator, lineterminator="\n")
        if not self._columns:
            self._begin(writer, ["epoch", *logs])
        new = [name for name in logs if name not in self._columns]
        if new:
            raise ValueError(f"the logs hold {new[0]!r}, expected the columns {listed(self._columns)}")
        writer.writerow([epoch, *(_text(logs.get(name)) for name in self._columns[1:])])
        self._file.flush()

    def _begin(self, writer: Any, columns: list[str]) -> None:
        """The header, of a file that has none."""
        import csv

        assert self._file is not None
        self._file.seek(0)
        found = next(csv.reader(self._file, delimiter=self.separator), []) if self.append else []
        self._file.seek(0, os.SEEK_END)
        if found and found != columns:
            raise ValueError(f"{self.filename} has the columns {listed(found)}, expected {listed(columns)}")
        if not found:
            writer.writerow(columns)
        self._columns = columns

    def on_train_end(self, logs: Logs) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None


def _text(value: float | None) -> str:
    return "" if value is None else repr(float(value))
