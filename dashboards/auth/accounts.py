"""Accounts in the store's ledger `users`: passwords hashed with Argon2id, the newest row of a name counts."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from dashboards.auth.principal import Principal, Scope, parse_role
from gis.errors import Fault, SettingsError, StoreError

if TYPE_CHECKING:
    from dashboards.auth.sessions import Session
    from layers.store.base import Store

MIN_PASSWORD = 10


@dataclass(frozen=True, slots=True)
class Account:
    """One account as the ledger has it."""

    principal: Principal
    password_hash: str
    active: bool
    subject: str = ""  # of OpenID Connect: issuer and subject that the name was first signed in by

    @property
    def version(self) -> str:
        """Changes with password, role, scope and state: a session made under another version is over."""
        text = f"{self.password_hash}|{self.principal.role}|{self.principal.scope}|{self.active}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def add_user(store: Store, name: str, role: str, scope: str, password: str, *, active: bool = True) -> Principal:
    """Create an account or change it; an empty password makes one that only OpenID Connect can sign in.

    Raises:
        SettingsError: name, role, scope or password will not do.
    """
    faults = []
    if not name.strip() or len(name) > 64 or any(ord(c) < 32 for c in name):  # noqa: PLR2004 (control characters)
        faults.append(
            Fault("auth.name", "账号名应为 1 到 64 个可见字符", "an account name has 1 to 64 visible characters")
        )
    if password and len(password) < MIN_PASSWORD:
        faults.append(
            Fault("auth.password", f"密码至少 {MIN_PASSWORD} 位", f"a password has at least {MIN_PASSWORD} characters")
        )
    if faults:
        raise SettingsError(faults)
    principal = Principal(name.strip(), parse_role(role), Scope.parse(scope))
    row = {
        "name": principal.name,
        "role": principal.role,
        "scope": str(principal.scope),
        "password_hash": PasswordHasher().hash(password) if password else "",
        "active": active,
    }
    store.ledger_append("users", row)
    return principal


def set_password(store: Store, name: str, password: str) -> None:
    """Give an account another password; its sessions end.

    Raises:
        SettingsError: no such account, or the password will not do.
    """
    row = _newest(store, name)
    add_user(store, name, row["role"], row["scope"], password, active=row["active"])


def set_active(store: Store, name: str, *, active: bool) -> None:
    """Close an account (its sessions end), or open it again.

    Raises:
        SettingsError: no such account.
    """
    store.ledger_append("users", {**_newest(store, name), "active": active})


def _newest(store: Store, name: str) -> dict[str, Any]:
    """The row of an account that counts, without its time.

    Raises:
        SettingsError: no such account.
    """
    rows = store.ledger("users", where={"name": name}, limit=1)
    if rows.empty:
        raise SettingsError(Fault("auth.unknown", f"没有账号“{name}”", f"there is no account {name!r}"))
    row = rows.iloc[0]
    kept = {k: _text(row.get(k)) for k in ("name", "role", "scope", "password_hash", "subject")}
    return {**kept, "active": bool(row["active"])}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


class Accounts:
    """Accounts of one store, remembered for a few seconds so that not every request asks it."""

    def __init__(self, store: Store, *, remember_s: float = 3.0) -> None:
        self._store = store
        self._remember_s = remember_s
        self._known: dict[str, tuple[float, Account | None]] = {}
        self._ended: dict[str, tuple[float, bool]] = {}
        self._lock = threading.Lock()
        self._hasher = PasswordHasher()
        self._decoy = self._hasher.hash("no account has this password")

    def remembered(self, session: Session) -> bool:
        """Whether `find` and `ended` would answer at once, without asking the store."""
        now = time.monotonic()
        with self._lock:
            known = (self._known.get(session.name), self._ended.get(session.sid))
        return all(k is not None and now - k[0] < self._remember_s for k in known)

    def ended(self, session: Session) -> bool:
        """Whether somebody signed out of this session."""
        now = time.monotonic()
        with self._lock:
            known = self._ended.get(session.sid)
        if known is not None and (known[1] or now - known[0] < self._remember_s):
            return known[1]
        return self._note(session.sid, over=self._store.guards.ended(session.sid))

    def end_session(self, session: Session) -> None:
        """Sign out: the cookie answers no longer, here at once and within seconds in every other worker."""
        self._store.guards.end_session(session.sid, until_s=session.expires)
        self._note(session.sid, over=True)

    def _note(self, sid: str, *, over: bool) -> bool:
        with self._lock:
            if len(self._ended) > 10_000:  # noqa: PLR2004 (sessions of many hours)
                self._ended.clear()
            self._ended[sid] = (time.monotonic(), over)
        return over

    def find(self, name: str) -> Account | None:
        """The account of a name, None where there is none or it is closed."""
        now = time.monotonic()
        with self._lock:
            known = self._known.get(name)
            if known is not None and now - known[0] < self._remember_s:
                return known[1]
        account = self._read(name)
        with self._lock:
            if len(self._known) > 10_000:  # noqa: PLR2004 (names tried by strangers must not fill the memory)
                self._known.clear()
            self._known[name] = (now, account)
        return account

    def _read(self, name: str) -> Account | None:
        rows = self._store.ledger("users", where={"name": name}, limit=1)
        if rows.empty:
            return None
        row = rows.iloc[0]
        if not bool(row["active"]):
            return None
        principal = Principal(str(row["name"]), parse_role(str(row["role"])), Scope.parse(str(row["scope"])))
        return Account(principal, str(row["password_hash"]), active=True, subject=_text(row.get("subject")))

    def of_subject(self, name: str, subject: str) -> Account | None:
        """The account that a provider's subject signs in to by a name, None where the name is bound to another subject.

        Some providers let people change their names; so the first subject of a name is kept, and `xuncha user add` binds it anew.
        """
        account = self._read(name)
        if account is None or account.subject not in {"", subject}:
            return None
        if not account.subject:
            self._store.ledger_append("users", {**_newest(self._store, name), "subject": subject})
        return account

    def check(self, name: str, password: str) -> Account | None:
        """The account where the password is right; a wrong name takes as long as a wrong password."""
        account = self._read(name)
        stored = account.password_hash if account and account.password_hash else self._decoy
        try:
            self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return None
        return account if account and account.password_hash else None

    def ready(self) -> bool:
        """Whether the store answers."""
        try:
            self._store.ledger("users", limit=1)
        except StoreError:
            return False
        return True
