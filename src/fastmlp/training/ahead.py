"""`Ahead`: items made in a thread, the next ones while the last is at work."""

from __future__ import annotations

import collections
import contextvars
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_ITEMS = 2  # that are made before the first of them is taken


class Ahead(Generic[T]):
    """An iterator's items, made in a thread that ends with the `with` statement.

    An error of the iterator is raised where its item would have been taken, as it is.

    >>> with Ahead(iter(range(4))) as items:
    ...     print(list(items))
    [0, 1, 2, 3]
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._room = threading.Semaphore(_ITEMS)
        self._made = threading.Semaphore(0)
        self._ready: collections.deque[tuple[bool, Any]] = collections.deque()  # an item, or how they ended
        self._stopped = False
        context = contextvars.copy_context()  # numpy.errstate, for one
        self._thread = threading.Thread(
            target=context.run, args=(self._make,), name="fastmlp batches", daemon=True
        )

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return self._taken()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped = True
        self._room.release()
        self._thread.join()

    def _make(self) -> None:
        end: BaseException | None = None
        try:
            while True:
                self._room.acquire()
                if self._stopped:
                    return
                try:
                    item = next(self._items)
                except StopIteration:
                    return
                self._give(True, item)
        except BaseException as error:
            end = error
        finally:
            self._give(False, end)

    def _give(self, is_item: bool, what: Any) -> None:
        self._ready.append((is_item, what))
        self._made.release()

    def _taken(self) -> Iterator[T]:
        while True:
            self._made.acquire()
            is_item, what = self._ready.popleft()
            if not is_item:
                if what is not None:
                    raise what
                return
            yield what
            self._room.release()
