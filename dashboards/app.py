"""The composition root of the web application: `create_app` puts store, city and settings together; nothing exists before it is called."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import dash
from dash.backends._fastapi import reset_current_request, set_current_request
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.middleware.gzip import GZipMiddleware

from dashboards.api import Api, Assets, add_routes
from dashboards.auth.accounts import Accounts
from dashboards.auth.gate import Gate
from dashboards.auth.oidc import oidc_routes
from dashboards.auth.principal import ForbiddenError
from dashboards.auth.routes import SignIn, auth_routes
from dashboards.auth.sessions import Sessions
from dashboards.backend import backend_over
from dashboards.bodies import Bodies
from dashboards.cache import Cache
from dashboards.context import Desk
from dashboards.duty import roster_duty
from dashboards.exports.apart import Apart
from dashboards.exports.routes import export_routes
from dashboards.i18n import load_words
from dashboards.journal import Journal
from dashboards.metrics import Metrics, Observe
from dashboards.pages import all_pages
from dashboards.security import SecurityHeaders, content_policy
from dashboards.settings import DeskSettings
from dashboards.shell import INDEX, frame, index_html, register_shell
from dashboards.streams import Streams
from layers.standard_editions import standard_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from starlette.types import ASGIApp

    from dashboards.pages import Page
    from layers.store.base import Store

    Handler = Callable[[Request], Awaitable[Response]]

MEBIBYTE = 1 << 20
# Scripts of Dash that no page needs: core-js for browsers older than our own scripts ask for (100 KB, run before all else), and
# dash_table, which Dash loads with itself.
SUPERFLUOUS = re.compile(r'<script src="[^"]*/(?:deps/polyfill@|dash_table/)[^"]*"></script>')


def create_desk(store: Store, city: Any, settings: DeskSettings) -> Desk:
    """Store, words, accounts, sessions and cache of one application."""
    standard = standard_of(city)
    return Desk(
        store=store,
        city=city,
        settings=settings,
        words=load_words(files("dashboards") / "i18n"),
        accounts=Accounts(store),
        sessions=Sessions(settings.secret, hours=settings.session_hours),
        cache=Cache(settings.cache_mb * MEBIBYTE),
        standard=standard,
        duty=roster_duty(standard, ZoneInfo(settings.time_zone)),
        streams=Streams(interval_s=settings.stream_interval_s),
        journal=Journal(store, "access_log"),
    )


def create_dash(desk: Desk, server: FastAPI, assets: Assets, pages: Sequence[Page]) -> dash.Dash:
    """The Dash application inside `server`, with every page's callbacks."""
    app = dash.Dash(
        name="dashboards",
        server=True,
        backend=backend_over(server),
        include_assets_files=False,
        use_pages=False,
        pages_folder="",
        external_scripts=[assets.url("components.js")],
        suppress_callback_exceptions=True,
        title=desk.words.get("zh", "shell.product_long"),
        update_title="",
        index_string=INDEX,
        add_log_handler=False,
        enable_mcp=False,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
    )
    app.layout = frame
    register_shell(app, desk, pages)
    for page in pages:
        page.register(app, desk)
    return app


def index_handler(desk: Desk, assets: Assets, pages: Sequence[Page], app: Callable[[], dash.Dash]) -> Handler:
    """The index with the visitor's frame (404 where no page has the path)."""

    @cache
    def bare() -> str:
        """Dash's own index: the same for everybody, made once."""
        return SUPERFLUOUS.sub("", str(app().index()))

    async def index(request: Request) -> Response:
        url = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        token = set_current_request(request)
        try:
            text = index_html(desk, pages, bare(), url, assets)
        except ForbiddenError:  # a stranger, below an open path
            return JSONResponse({"error": "not_found"}, status_code=404)
        finally:
            reset_current_request(token)
        found = any(page.takes(request.url.path) for page in pages)
        return HTMLResponse(text, status_code=200 if found else 404)

    return index


def create_app(
    store: Store,
    city: Any,
    settings: DeskSettings | None = None,
    *,
    pages: Sequence[Page] | None = None,
    store_url: str | None = None,
) -> ASGIApp:
    """The web application over a prepared store.

    Args:
        store: prepared; it stays the caller's to close.
        city: the city file (`layers.city.City`) or anything with `name`.
        settings: of the application; defaults suit a trial on one machine.
        pages: other pages than those in `dashboards.pages` (tests).
        store_url: the store's address; with it, whole runs are exported by a process of their own.

    Returns:
        An ASGI application.

    Raises:
        SettingsError: the assets have not been built, or a phrase lacks a language.
    """
    settings = settings or DeskSettings()
    shown = tuple(pages) if pages is not None else all_pages()
    desk = create_desk(store, city, settings)
    assets = Assets(settings.assets)
    metrics = Metrics()
    metrics.watch_follower(store.last_beat)
    apart = Apart(store_url) if store_url else None

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        if apart is not None:
            apart.close()

    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    add_routes(server, assets, Api(desk, metrics))
    server.include_router(export_routes(desk, apart))
    sign_in = SignIn(desk, assets.url("app.css"))
    server.include_router(auth_routes(sign_in))
    if settings.oidc:
        server.include_router(oidc_routes(sign_in, settings.oidc))
    index = index_handler(desk, assets, shown, lambda: dash_app)
    server.router.add_route("/", index, methods=["GET"], include_in_schema=False)  # before Dash's own
    dash_app = create_dash(desk, server, assets, shown)
    server.router.add_route("/{path:path}", index, methods=["GET"], include_in_schema=False)
    policy = cache(lambda: content_policy(settings, dash_app.csp_hashes()))
    inner: ASGIApp = GZipMiddleware(server, minimum_size=800, compresslevel=5)
    inner = Bodies(inner)
    inner = Gate(inner, sessions=desk.sessions, accounts=desk.accounts, language=settings.language)
    inner = SecurityHeaders(inner, policy=policy, https=settings.secure_cookies)
    return Observe(inner, metrics=metrics)
