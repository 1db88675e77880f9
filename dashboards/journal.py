"""Writing to the access log together: a row is on disk before its visitor is shown anything, and those who wait share one transaction."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from layers.store.base import Store


@dataclass(slots=True, eq=False)
class _Entry:
    row: Mapping[str, Any]
    done: bool = False
    error: BaseException | None = None


class Journal:
    """Rows for a ledger of one store, from many threads.

    A transaction waits for the disk. Whoever comes while another one is under way is written with all who came meanwhile, so that
    fifty visitors who arrive at once wait for a few transactions, not for fifty.
    """

    def __init__(self, store: Store, ledger: str) -> None:
        self._store, self._ledger = store, ledger
        self._guard, self._writing = threading.Lock(), threading.Lock()
        self._waiting: list[_Entry] = []

    def append(self, row: Mapping[str, Any]) -> None:
        """Append a row; returns when it is stored.

        Raises:
            XunchaError: it could not be; whatever stopped the writing is told to all who waited for it.
        """
        entry = _Entry(row)
        with self._guard:
            self._waiting.append(entry)
        with self._writing:
            if not entry.done:
                self._write()
        if entry.error is not None:
            raise entry.error

    def _write(self) -> None:
        with self._guard:
            batch, self._waiting = self._waiting, []
        try:
            self._store.ledger_append(self._ledger, *(e.row for e in batch))
        except BaseException as error:
            for e in batch:
                e.error = error
            raise
        finally:
            for e in batch:
                e.done = True
