"""How often somebody may try a password: counted in the store's access log, so that all workers and restarts share one count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from layers.store.base import Store

FAILED = "sign_in_failed"
SUCCEEDED = "sign_in"


class SignInLimit:
    """At most `tries` failures of a name, and ten times as many of an address, within `window_s`."""

    def __init__(self, store: Store, *, tries: int, window_s: float) -> None:
        self._store = store
        self._tries = tries
        self._window = timedelta(seconds=window_s)

    def wait_s(self, name: str, address: str) -> float:
        """Seconds until the next attempt is allowed, 0 where it is now; a success wipes the failures of its name."""
        now = datetime.now(UTC)
        success = self._store.ledger("access_log", where={"event": SUCCEEDED, "name": name}, limit=1)
        since = pd.Timestamp(success["at"].iloc[0]) if len(success) else None
        by_name = self._wait("name", name, self._tries, now, since)
        return max(by_name, self._wait("address", address, self._tries * 10, now, None))

    def _wait(self, column: str, value: str, tries: int, now: datetime, since: pd.Timestamp | None) -> float:
        rows = self._store.ledger("access_log", where={"event": FAILED, column: value}, limit=tries)
        failures = rows["at"] if since is None or rows.empty else rows["at"][rows["at"] > since]
        if len(failures) < tries:
            return 0.0
        oldest = pd.Timestamp(failures.iloc[-1])
        return max(0.0, (oldest + self._window - pd.Timestamp(now)).total_seconds())

    def failed(self, name: str, address: str) -> None:
        """Count a failure."""
        self._store.ledger_append("access_log", {"event": FAILED, "name": name[:64], "address": address})
