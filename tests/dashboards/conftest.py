"""Fixtures of the dashboards' tests: a small county in an embedded store, a running server, and Chromium with no way out."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest
import small_run
import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright
from town import CITY, fill

from dashboards.app import create_app
from dashboards.auth.accounts import add_user
from dashboards.build import build
from dashboards.settings import DemoAccount, DeskSettings
from layers.store import open_store

CHROMIUM = os.environ.get("XUNCHA_CHROMIUM") or "/usr/bin/chromium"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-unsafe-swiftshader",
]  # fmt: skip
SIZES = {"wall": {"width": 1920, "height": 1080}, "tablet": {"width": 768, "height": 1024}}
ACCOUNTS = {
    "admin": ("administrator", "county"),
    "planner": ("planner", "county"),
    "command": ("command", "county"),
    "manager": ("manager", "county"),
    "town-a": ("manager", "town:A"),
    "squad-b": ("command", "squad:squadB"),
    "held": ("command", "county"),  # whom wrong passwords hold up: nobody else signs in by this name
}

SMALL_ACCOUNTS = {
    "admin": ("administrator", "county"),
    "manager": ("manager", "county"),
    "planner": ("planner", "county"),
    "command": ("command", "county"),
    "town-t1": ("manager", "town:T1"),
    "town-x": ("manager", "town:TX"),
}


def password_of(name: str) -> str:
    return f"password of {name}"


@pytest.fixture(scope="session")
def built():
    """The assets, built where they are not."""
    build()


@pytest.fixture(scope="session")
def town_store(tmp_path_factory):
    """The small county with every kind of account."""
    store = open_store(f"embedded:{tmp_path_factory.mktemp('town') / 'store'}")
    store.prepare()
    fill(store)
    for name, (role, scope) in ACCOUNTS.items():
        add_user(store, name, role, scope, password_of(name))
    yield store
    store.close()


class Server:
    """A server in a thread, on a free port of loopback or on a named one."""

    def __init__(self, app, port: int = 0, http="auto") -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = port or s.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                host="127.0.0.1",
                port=self.port,
                log_level="warning",
                timeout_graceful_shutdown=1,
                ws="none",
                http=http,
            )
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> Server:
        self._thread.start()
        for _ in range(200):
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/healthz").status_code == 200:
                    return self
            time.sleep(0.05)
        return pytest.fail("the server did not start")

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)


@contextlib.contextmanager
def serving(app, *, http="auto"):
    """A running server over an application."""
    server = Server(app, http=http).start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def settings():
    return DeskSettings(
        sign_in_tries=5, demo_accounts=(DemoAccount("admin", password_of("admin"), "administrator", "county"),)
    )


@pytest.fixture(scope="session")
def town_app(built, town_store, settings):
    return create_app(town_store, CITY, settings)


@pytest.fixture(scope="session")
def server(town_app):
    """The application over the small county, running."""
    with serving(town_app) as running:
        yield running


@pytest.fixture(scope="session")
def small_server(built, settings, tmp_path_factory):
    """The application over the run that is counted by hand (small_run.py), running."""
    store = open_store(f"embedded:{tmp_path_factory.mktemp('small') / 'store'}")
    store.prepare()
    small_run.fill(store)
    for name, (role, scope) in SMALL_ACCOUNTS.items():
        add_user(store, name, role, scope, password_of(name))
    with serving(create_app(store, CITY, settings)) as running:
        yield running
    store.close()


_clients: list[httpx.Client] = []


@pytest.fixture(autouse=True)
def _close_clients():
    yield
    while _clients:
        _clients.pop().close()


def awaited(coroutine):
    """What a coroutine gives, on a thread of its own: the browser's driver keeps an event loop on this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def new_client(url: str) -> httpx.Client:
    """A client that is closed after the test."""
    _clients.append(httpx.Client(base_url=url, follow_redirects=False))
    return _clients[-1]


def sign_in(url: str, name: str, *, password: str | None = None) -> httpx.Client:
    """A client that has signed in (or tried to: look at `.last`)."""
    client = new_client(url)
    page = client.get("/login").text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    form = {"name": name, "password": password or password_of(name), "csrf_token": token, "next": "/"}
    client.last = client.post("/login", data=form)
    return client


@pytest.fixture
def client(server):
    """A function from account name to signed-in HTTP client."""
    return lambda name: sign_in(server.url, name)


@pytest.fixture(scope="session")
def chromium():
    """The browser."""
    if not Path(CHROMIUM).exists():
        if os.environ.get("XUNCHA_REQUIRE_ALL") == "1":
            pytest.fail(f"no browser at {CHROMIUM}")
        pytest.skip(f"no browser at {CHROMIUM}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


_sessions: dict[tuple[str, str], dict[str, str]] = {}


class Visitor:
    """One person at one browser: errors of the console and requests that leave are kept and fail the test."""

    def __init__(self, chromium, url: str, *, size: str = "wall", lang: str = "zh") -> None:
        self.url = url
        self.complaints: list[str] = []
        self.context = chromium.new_context(viewport=SIZES[size])
        self.context.add_cookies([{"name": "xuncha_lang", "value": lang, "url": url}])
        self.context.route(lambda address: not address.startswith((url, "data:", "blob:")), self._refuse)
        self.page = self.context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))

    def _refuse(self, route) -> None:
        self.complaints.append(f"left the machine: {route.request.url}")
        route.abort()

    def _console(self, message) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text}")

    def sign_in(self, name: str) -> Visitor:
        """Let the browser hold a session of the account (one a server and name); `open` a page afterwards."""
        if (self.url, name) not in _sessions:
            _sessions[self.url, name] = dict(sign_in(self.url, name).cookies)
        cookies = [{"name": k, "value": c, "url": self.url} for k, c in _sessions[self.url, name].items()]
        self.context.add_cookies([c for c in cookies if c["name"] != "xuncha_lang"])
        return self

    def sign_in_by_hand(self, name: str) -> Visitor:
        """Through the page, as people do."""
        self.page.goto(f"{self.url}/login")
        self.page.fill("#name", name)
        self.page.fill("#password", password_of(name))
        self.page.click("button[type=submit]")
        self.page.wait_for_selector("#page > *")
        return self

    def open(self, path: str) -> Visitor:
        self.page.goto(self.url + path)
        self.page.wait_for_selector("#page > *")
        return self

    def map_drawn(self, map_id: str) -> None:
        """Wait until the map's geometry is there and drawn."""
        self.page.wait_for_selector(f"#{map_id} canvas", timeout=20_000)
        self.page.wait_for_selector(f"#{map_id}[data-zoom]", timeout=20_000)
        self.page.wait_for_timeout(600)

    def colours(self, selector: str) -> set[tuple[int, int, int]]:
        """Colours that more than 20 pixels of a part of the page have."""
        image = Image.open(io.BytesIO(self.page.locator(selector).screenshot())).convert("RGB")
        return {colour for n, colour in image.getcolors(image.width * image.height) if n > 20}


@pytest.fixture
def visitor_at(chromium):
    """A function that opens a browser at a server; afterwards nobody may have complained."""
    visitors = []

    def make(url: str, *, size: str = "wall", lang: str = "zh") -> Visitor:
        visitors.append(Visitor(chromium, url, size=size, lang=lang))
        return visitors[-1]

    yield make
    complaints = [c for v in visitors for c in v.complaints]
    for v in visitors:
        v.context.close()
    assert complaints == []


@pytest.fixture
def visitor(visitor_at, server):
    """The same, at the small county's server."""
    return partial(visitor_at, server.url)


@pytest.fixture
def guest(visitor_at, small_server):
    """The same, at the small run's server."""
    return partial(visitor_at, small_server.url)
