"""Signed cookies: the session itself and the tokens that guard posts against forgery. The server keeps only which sessions were ended."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dashboards.auth.accounts import Account, Accounts
    from dashboards.auth.principal import Principal

SESSION_COOKIE = "xuncha_session"
CSRF_COOKIE = "_csrf_token"
PRE_COOKIE = "xuncha_pre"
CSRF_HEADER = "x-csrftoken"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass(frozen=True, slots=True)
class Session:
    """What a valid cookie says."""

    sid: str
    name: str
    version: str
    expires: int


class Sessions:
    """Makes and reads session cookies signed with HMAC-SHA-256."""

    def __init__(self, secret: str, *, hours: float) -> None:
        self._key = hashlib.sha256(b"xuncha session" + secret.encode()).digest()
        self.max_age_s = int(hours * 3600)

    def _sign(self, purpose: str, text: str) -> str:
        return _b64(hmac.new(self._key, f"{purpose}\0{text}".encode(), hashlib.sha256).digest())

    def seal(self, purpose: str, body: dict[str, Any]) -> str:
        """A signed text that `open` reads."""
        text = _b64(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode())
        return f"{text}.{self._sign(purpose, text)}"

    def open(self, purpose: str, token: str) -> dict[str, Any] | None:
        """The body of a sealed text, None where it was not sealed here, for that purpose, or is over."""
        text, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(purpose, text).encode()):
            return None
        body: dict[str, Any] = json.loads(_unb64(text))
        return body if body.get("e", 0) > time.time() else None

    def begin(self, account: Account) -> tuple[Session, str]:
        """A new session and its cookie."""
        session = Session(
            secrets.token_urlsafe(12), account.principal.name, account.version, int(time.time()) + self.max_age_s
        )
        body = {"s": session.sid, "n": session.name, "v": session.version, "e": session.expires}
        return session, self.seal("session", body)

    def read(self, cookie: str | None) -> Session | None:
        """The session of a cookie, None where it is missing, forged or over."""
        body = self.open("session", cookie) if cookie else None
        return Session(body["s"], body["n"], body["v"], body["e"]) if body else None

    def csrf(self, sid: str) -> str:
        """The token that posts of a session must carry."""
        return self._sign("csrf", sid)

    def csrf_ok(self, sid: str, token: str | None) -> bool:
        """Whether a post carries the right token."""
        return token is not None and hmac.compare_digest(token.encode(), self.csrf(sid).encode())

    def alive(self, session: Session, accounts: Accounts) -> Principal | None:
        """The principal of a session, None where it is over, was signed out of, or the account was closed or changed since."""
        account = accounts.find(session.name) if session.expires > time.time() else None
        if account is None or account.version != session.version or accounts.ended(session):
            return None
        return account.principal
