"""How often somebody may try a password: each try is reserved in the store before the password is looked at, by all workers together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layers.store.guards import TryLimit

if TYPE_CHECKING:
    from layers.store.base import Store
    from layers.store.guards import Reservation

FAILED = "sign_in_failed"
SUCCEEDED = "sign_in"
NAME_LENGTH = 64
_ADDRESS_TIMES = 10


def plain_name(text: str) -> str:
    """A name as an account may have it, else an empty text, which no account has: control characters reach no store."""
    name = text.strip()
    return name if len(name) <= NAME_LENGTH and name.isprintable() else ""


class SignInLimit:
    """At most `tries` tries of a name, and ten times as many of an address, within `window_s`; a success wipes those of its name."""

    def __init__(self, store: Store, *, tries: int, window_s: float) -> None:
        self._store = store
        self._limit = TryLimit(tries, tries * _ADDRESS_TIMES, window_s)

    def reserve(self, name: str, address: str) -> Reservation:
        """A try, or the seconds to wait for one."""
        return self._store.guards.reserve(name, address, self._limit)

    def failed(self, name: str, address: str) -> None:
        """Tell the access log of a failure."""
        self._store.ledger_append("access_log", {"event": FAILED, "name": name, "address": address})

    def succeeded(self, name: str) -> None:
        """Tries of the name count no longer."""
        self._store.guards.succeeded(name)
