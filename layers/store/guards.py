"""What guards sign-in: tries of passwords, reserved before a password is looked at, and sessions that were ended before their time.

Both tables are small and forget what no longer matters. They are no ledger: the access log tells who tried and who came.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from layers import models

if TYPE_CHECKING:
    from layers.store.catalogue import Catalogue

_MS = 1000
_TRIES, _ENDED = models.sign_in_tries, models.ended_sessions


@dataclass(frozen=True, slots=True)
class TryLimit:
    """How many tries of one name and of one address are allowed within `window_s`."""

    of_name: int
    of_address: int
    window_s: float


@dataclass(frozen=True, slots=True)
class Reservation:
    """A try that was granted (`try_id`), or how long to wait for one (`wait_s`, `try_id` empty)."""

    try_id: str
    wait_s: float = 0.0


class Guards:
    """Tries and ended sessions of one store; every call is one transaction, so that all workers share one count."""

    def __init__(self, store: Catalogue) -> None:
        self._store = store

    def _now_ms(self) -> int:
        return int(self._store.clock().timestamp() * _MS)

    def reserve(self, name: str, address: str, limit: TryLimit) -> Reservation:
        """Count a try before the password is looked at: of any number at once, no more than `limit` are granted.

        Raises:
            StoreError: the store is not reachable, not prepared or busy.
        """
        now, window = self._now_ms(), int(limit.window_s * _MS)
        with self._store._transaction() as conn:  # noqa: SLF001 (a part of the adapter)
            conn.execute(sa.delete(_TRIES).where(_TRIES.c.at_ms <= now - window))
            wait = max(
                self._wait(conn, _TRIES.c.name == name, limit.of_name, now - window),
                self._wait(conn, _TRIES.c.address == address, limit.of_address, now - window),
            )
            if wait > 0:
                return Reservation("", wait / _MS)
            made = uuid.uuid4().hex
            conn.execute(sa.insert(_TRIES).values(try_id=made, at_ms=now, name=name, address=address))
        return Reservation(made)

    @staticmethod
    def _wait(conn: sa.Connection, whose: sa.ColumnElement[bool], most: int, begin: int) -> int:
        """Milliseconds until the oldest of the newest `most` tries leaves the window, 0 where there are fewer."""
        chosen = sa.select(_TRIES.c.at_ms).where(whose).order_by(_TRIES.c.at_ms.desc()).limit(1).offset(most - 1)
        oldest = conn.execute(chosen).scalar()
        return 0 if oldest is None else max(1, int(oldest) - begin)

    def succeeded(self, name: str) -> None:
        """The password was right: tries of that name count no longer."""
        with self._store._transaction() as conn:  # noqa: SLF001
            conn.execute(sa.delete(_TRIES).where(_TRIES.c.name == name))

    def end_session(self, sid: str, *, until_s: int) -> None:
        """A session is over; remembered until its cookie would have ended by itself."""
        with self._store._transaction() as conn:  # noqa: SLF001
            conn.execute(sa.delete(_ENDED).where((_ENDED.c.until_ms <= self._now_ms()) | (_ENDED.c.sid == sid)))
            conn.execute(sa.insert(_ENDED).values(sid=sid, until_ms=until_s * _MS))

    def ended(self, sid: str) -> bool:
        """Whether a session was ended."""
        with self._store._reading() as conn:  # noqa: SLF001
            found = conn.execute(sa.select(sa.func.count()).select_from(_ENDED).where(_ENDED.c.sid == sid))
            return bool(found.scalar_one())
