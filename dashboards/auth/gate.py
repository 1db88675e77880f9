"""The gate before every request: who is it, may they pass, is a post their own. Pure ASGI, so that streams and sockets pass it too."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response

from dashboards.auth.sessions import CSRF_HEADER, SESSION_COOKIE
from dashboards.context import VISIT, Visit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from dashboards.auth.accounts import Accounts
    from dashboards.auth.principal import Principal
    from dashboards.auth.sessions import Session, Sessions
    from dashboards.i18n import Lang

OPEN_PATHS = frozenset(
    {
        "/login",
        "/login/oidc",
        "/login/oidc/callback",
        "/healthz",
        "/readyz",
        "/metrics",
        "/favicon.ico",
        "/_favicon.ico",
    }
)
OPEN_FOLDERS = ("/static/", "/_dash-component-suites/", "/lang/")
READING = frozenset({"GET", "HEAD"})
POSTS = {"/login": frozenset({*READING, "POST"})}  # of the open paths, the one that takes a form
POLICY_VIOLATION = 1008


def is_open(path: str) -> bool:
    """Whether a path needs no session."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def allowed_methods(path: str) -> frozenset[str]:
    """Methods of a path; whatever is open without a session is only read, so that no stranger's body is ever parsed."""
    return POSTS.get(path, READING) if is_open(path) else frozenset({*READING, "POST"})


class Gate:
    """Sets the visit of each request; sends strangers to the sign-in page, refuses forged posts."""

    def __init__(self, app: ASGIApp, *, sessions: Sessions, accounts: Accounts, language: Lang) -> None:
        self.app = app
        self._sessions = sessions
        self._accounts = accounts
        self._language: Lang = language

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        if scope["type"] == "http" and scope["method"] not in allowed_methods(scope["path"]):
            allow = ", ".join(sorted(allowed_methods(scope["path"])))
            refused = JSONResponse(
                {"error": "method"}, status_code=405, headers={"Allow": allow, "Connection": "close"}
            )
            await refused(scope, receive, send)
            return
        visit = await self._visit(HTTPConnection(scope))
        refusal = None if is_open(scope["path"]) else self._refusal(scope, visit)
        if refusal is not None:
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "sign in"})
                return
            await refusal(scope, receive, send)
            return
        token = VISIT.set(visit)
        try:
            await self.app(scope, receive, send)
        finally:
            VISIT.reset(token)

    async def _visit(self, connection: HTTPConnection) -> Visit:
        cookies = connection.cookies
        session = self._sessions.read(cookies.get(SESSION_COOKIE))
        principal = await self._alive(session) if session else None
        chosen = cookies.get("xuncha_lang")
        lang: Lang = "en" if chosen == "en" else "zh" if chosen == "zh" else self._language
        theme = "dark" if cookies.get("xuncha_theme") == "dark" else "light"
        address = connection.client.host if connection.client else ""
        return Visit(session if principal else None, principal, lang, theme, address)

    async def _alive(self, session: Session) -> Principal | None:
        """The session's principal; only where the store must be asked does it cost a thread."""
        if self._accounts.remembered(session):
            return self._sessions.alive(session, self._accounts)
        return await run_sync(self._sessions.alive, session, self._accounts)

    def _refusal(self, scope: Scope, visit: Visit) -> Response | None:
        connection = HTTPConnection(scope)
        if visit.principal is None or visit.session is None:
            page = (
                scope["type"] == "http"
                and scope["method"] == "GET"
                and "text/html" in connection.headers.get("accept", "")
            )
            if page:
                query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
                asked = {"next": scope["path"] + query}
                if SESSION_COOKIE in connection.cookies:  # of a session that is over
                    asked["ended"] = "1"
                return RedirectResponse("/login?" + urllib.parse.urlencode(asked), status_code=303)
            return JSONResponse({"error": "sign_in"}, status_code=401)
        if scope["type"] == "http" and scope["method"] not in READING and scope["path"] != "/logout":
            token = connection.headers.get(CSRF_HEADER)
            if not self._sessions.csrf_ok(visit.session.sid, token):
                return JSONResponse({"error": "csrf"}, status_code=403)
        return None
