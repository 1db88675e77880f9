"""Signing in and out, and the language switch."""

from __future__ import annotations

import secrets
import time
import urllib.parse
from typing import TYPE_CHECKING

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from dashboards.auth.limits import SUCCEEDED, SignInLimit, plain_name
from dashboards.auth.page import login_page
from dashboards.auth.sessions import CSRF_COOKIE, PRE_COOKIE, SESSION_COOKIE
from dashboards.i18n import place_name

if TYPE_CHECKING:
    from dashboards.auth.accounts import Account
    from dashboards.context import Desk

HASHES_AT_ONCE = 2  # Argon2id takes 64 MiB each; others wait in line, without a thread


def local_path(target: str | None) -> str:
    """A path of this application, `/` for anything that could lead elsewhere."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or any(ord(c) < 32 for c in target):  # noqa: PLR2004
        return "/"
    return target


async def read_form(request: Request) -> dict[str, str]:
    """Fields of an urlencoded form (`dashboards.bodies` bounds it); empty where it is not text."""
    body = await request.body()
    try:
        return dict(urllib.parse.parse_qsl(body.decode("utf-8"), keep_blank_values=True))
    except (UnicodeDecodeError, ValueError):
        return {}


class SignIn:
    """The handlers, over one desk."""

    def __init__(self, desk: Desk, css: str) -> None:
        self.desk = desk
        self.css = css
        settings = desk.settings
        self.limit = SignInLimit(desk.store, tries=settings.sign_in_tries, window_s=settings.sign_in_window_s)
        self._hashing = CapacityLimiter(HASHES_AT_ONCE)

    def cookie(
        self, response: Response, name: str, value: str, *, http_only: bool = True, age_s: int | None = None
    ) -> None:
        """Set a cookie as every cookie here is set."""
        response.set_cookie(
            name,
            value,
            max_age=age_s,
            path="/",
            httponly=http_only,
            samesite="lax",
            secure=self.desk.settings.secure_cookies,
        )

    def page(
        self, request: Request, *, error: str = "", name: str = "", target: str = "/", status: int = 200
    ) -> Response:
        """The sign-in page with a fresh guard."""
        visit = self.desk.visit()
        pre = request.cookies.get(PRE_COOKIE) or secrets.token_urlsafe(18)
        html = login_page(
            self.desk.words.translator(visit.lang),
            self.desk.settings,
            css=self.css,
            theme=visit.theme,
            token=self.desk.sessions.csrf(pre),
            target=target,
            place=place_name(self.desk.city, visit.lang),
            error=error,
            name=name,
        )
        response = HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store"})
        self.cookie(response, PRE_COOKIE, pre, age_s=3600)
        return response

    async def show(self, request: Request) -> Response:
        """GET /login."""
        target = local_path(request.query_params.get("next"))
        if self.desk.visit().principal:
            return RedirectResponse(target, status_code=303)
        ended = (
            self.desk.words.translator(self.desk.visit().lang)("login.ended") if "ended" in request.query_params else ""
        )
        return self.page(request, error=ended, target=target)

    async def submit(self, request: Request) -> Response:
        """POST /login."""
        form = await read_form(request)
        t = self.desk.words.translator(self.desk.visit().lang)
        name, target = plain_name(form.get("name", "")), local_path(form.get("next"))
        pre = request.cookies.get(PRE_COOKIE)
        if not pre or not self.desk.sessions.csrf_ok(pre, form.get("csrf_token")):
            return self.page(request, error=t("login.stale"), name=name, target=target, status=403)
        address = self.desk.visit().address
        reserved = await run_sync(self.limit.reserve, name, address)
        if not reserved.try_id:
            minutes = int(reserved.wait_s // 60) + 1
            page = self.page(request, error=t("login.wait", minutes=minutes), name=name, target=target, status=429)
            page.headers["Retry-After"] = str(int(reserved.wait_s) + 1)
            return page
        account = await run_sync(self.desk.accounts.check, name, form.get("password", ""), limiter=self._hashing)
        if account is None:
            await run_sync(self.limit.failed, name, address)
            return self.page(request, error=t("login.wrong"), name=name, target=target, status=401)
        await run_sync(self.limit.succeeded, name)
        return await self.enter(account, target, how="password")

    async def enter(self, account: Account, target: str, *, how: str) -> Response:
        """Begin a session and go on."""
        session, cookie = self.desk.sessions.begin(account)
        row = {"event": SUCCEEDED, "name": session.name, "address": self.desk.visit().address, "purpose": how}
        await run_sync(self.desk.store.ledger_append, "access_log", row)
        response = RedirectResponse(target, status_code=303)
        age_s = session.expires - int(time.time())
        self.cookie(response, SESSION_COOKIE, cookie, age_s=age_s)
        self.cookie(response, CSRF_COOKIE, self.desk.sessions.csrf(session.sid), http_only=False, age_s=age_s)
        response.delete_cookie(PRE_COOKIE, path="/")
        return response

    async def leave(self, request: Request) -> Response:
        """POST /logout, a form guarded by its own token."""
        visit = self.desk.visit()
        form = await read_form(request)
        if visit.session and not self.desk.sessions.csrf_ok(visit.session.sid, form.get("csrf_token")):
            return HTMLResponse("csrf", status_code=403)
        if visit.session:
            await run_sync(self.desk.accounts.end_session, visit.session)
        response = RedirectResponse("/login", status_code=303)
        for name in (SESSION_COOKIE, CSRF_COOKIE):
            response.delete_cookie(name, path="/")
        return response

    async def language(self, request: Request, lang: str) -> Response:
        """GET /lang/en: remember the language and go back."""
        response = RedirectResponse(local_path(request.query_params.get("next")), status_code=303)
        if lang in {"zh", "en"}:
            self.cookie(response, "xuncha_lang", lang, age_s=31_536_000)
        return response


def auth_routes(sign_in: SignIn) -> APIRouter:
    """Routes of signing in and out."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/login", sign_in.show, methods=["GET", "HEAD"], response_model=None)
    router.add_api_route("/login", sign_in.submit, methods=["POST"], response_model=None)
    router.add_api_route("/logout", sign_in.leave, methods=["POST"], response_model=None)
    router.add_api_route("/lang/{lang}", sign_in.language, methods=["GET", "HEAD"], response_model=None)
    return router
