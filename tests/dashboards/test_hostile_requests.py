"""Requests that no page of ours sends: large, slow or malformed bodies, odd methods and paths, callbacks with any payload."""

from __future__ import annotations

import asyncio
import json
import logging
import socket

import httpx
import pytest
import structlog
from conftest import awaited, serving, sign_in
from hypothesis import given, settings
from hypothesis import strategies as st
from town import CITY

from dashboards.app import create_app
from dashboards.auth.gate import is_open
from dashboards.backend import is_payload
from dashboards.bodies import MAX_BODY, MAX_FORM, Bodies, TooLargeError, read_body
from dashboards.exports.turns import Turns
from dashboards.protocol import BoundedProtocol
from dashboards.settings import DeskSettings

JSON = {"content-type": "application/json"}
HTML = {"accept": "text/html"}


# --- strangers ---
@pytest.mark.parametrize(
    "path", ["/_dash-component-suites/x", "/_dash-update-component", "/healthz", "/static/x", "/lang/en", "/metrics"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_strangers_body_is_refused_before_it_is_read(server, path, method):
    """Only the head is sent, with a body of 400 MB announced: an answer comes all the same."""
    host = f"127.0.0.1:{server.port}"
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 419430400\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as conn:
        conn.sendall(head.encode())
        status = int(conn.recv(200).split()[1])
    assert status in {401, 405}


def test_the_sign_in_form_has_a_bound(server):
    large = httpx.post(f"{server.url}/login", data={"name": "x" * MAX_FORM})
    assert large.status_code == 413
    streamed = httpx.post(f"{server.url}/login", content=(b"x" * 1000 for _ in range(20)))
    assert streamed.status_code == 413


OPEN = (
    "/login/x", "/login", "/healthz/x", "/readyz/x", "/metrics/x", "/lang/en", "/lang/en/x", "/lang/", "/favicon.ico", "/_favicon.ico", "/favicon.ico/x",
    "/_dash-component-suites/x", "/_dash-component-suites/dash/x.js", "/_dash-component-suites/os/x.js", "/_dash-component-suites/dash/../../x",
    "/_dash-component-suites/dash/deps/%00", "/static/x", "/static/../settings.py", "/static/%2e%2e/settings.py", "/static/", "/_reload-hash", "/%00", "/…",
)  # fmt: skip


@pytest.mark.parametrize("path", OPEN)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_open_path_is_an_error_of_the_server(server, path, method):
    answer = httpx.request(method, server.url + path, headers=HTML)
    assert answer.status_code in {200, 303, 401, 404}


def test_only_the_named_paths_are_open():
    assert all(map(is_open, ("/login", "/static/app.css", "/lang/en", "/healthz")))
    assert not any(map(is_open, ("/login/x", "/healthz/x", "/static", "/metrics/x", "/", "/planner", "/logins")))


def half_a_request(port, head, *, wait_s):
    """What the server does with the beginning of a request: how long until it closed the connection, or None."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait_s) as conn:
        conn.sendall(head)
        try:
            return conn.recv(100)
        except TimeoutError:
            return None


def test_half_a_request_is_dropped(built, town_store, monkeypatch):
    monkeypatch.setattr("dashboards.protocol.HEAD_S", 0.3)
    with serving(create_app(town_store, CITY), http=BoundedProtocol) as running:
        assert half_a_request(running.port, b"GET / HT", wait_s=20) == b""
        assert half_a_request(running.port, b"", wait_s=20) == b""
        kept = httpx.Client(base_url=running.url)
        assert kept.get("/healthz").status_code == 200
        assert kept.get("/healthz").status_code == 200
        kept.close()


def endless_head(port):
    """Send heads until the server has had enough."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as conn:
        conn.sendall(b"GET / HTTP/1.1\r\n")
        for k in range(2000):
            conn.sendall(b"X-%d: " % k + b"x" * 1000 + b"\r\n")


def test_a_head_without_end_is_dropped(built, town_store):
    with serving(create_app(town_store, CITY), http=BoundedProtocol) as running:
        with pytest.raises((ConnectionError, TimeoutError)):
            endless_head(running.port)
        big = httpx.post(f"{running.url}/login", content=b"x" * 9000, headers={"X-Big": "y" * 30_000})
        assert big.status_code == 403  # long, and whole


# --- who has signed in ---
def test_the_head_of_a_stream_ends(client):
    c = client("command")
    answer = c.head("/api/stream/command")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_a_callback_body_has_a_bound(client):
    c = client("planner")
    guard = {"X-CSRFToken": c.cookies["_csrf_token"]}
    answer = c.post("/_dash-update-component", content=b"[" * (MAX_BODY + 1), headers={**JSON, **guard})
    assert answer.status_code == 413


def test_a_body_that_does_not_come_is_given_up(monkeypatch):
    monkeypatch.setattr("dashboards.bodies.BODY_S", 0.05)
    sent = []

    async def never():
        await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/login", "headers": []}
    awaited(Bodies(None)(scope, never, send))
    assert sent[0]["status"] == 408


@given(st.lists(st.binary(max_size=30), max_size=6), st.integers(0, 100))
def test_a_body_is_read_whole_or_refused(chunks, most):
    async def messages():
        parts = [{"type": "http.request", "body": c, "more_body": True} for c in chunks]
        return [*parts, {"type": "http.request", "body": b"", "more_body": False}]

    async def read():
        waiting = await messages()

        async def receive():
            return waiting.pop(0)

        return await read_body(receive, most)

    whole = b"".join(chunks)
    if len(whole) <= most:
        assert awaited(read()) == whole
    else:
        with pytest.raises(TooLargeError):
            awaited(read())


# --- callbacks ---
JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False) | st.text(max_size=12)
    | st.sampled_from(["2026-03-18", "²", "county", "../x", "S1", "9" * 30, "2026-13-41"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@pytest.fixture(scope="module")
def posted(server):
    """A function that posts a callback's payload in an account's name and gives the status."""
    clients = {}

    def post(name, body):
        if name not in clients:
            clients[name] = sign_in(server.url, name)
        c = clients[name]
        head = {**JSON, "X-CSRFToken": c.cookies["_csrf_token"]}
        return httpx.post(
            f"{server.url}/_dash-update-component",
            content=json.dumps(body),
            headers=head,
            cookies=dict(c.cookies),
            timeout=120,
        ).status_code

    return post


@pytest.fixture(scope="module")
def known(server):
    """Every callback that the application has."""
    c = sign_in(server.url, "admin")
    return c.get("/_dash-dependencies").json()


@settings(max_examples=150)
@given(data=st.data())
def test_no_payload_is_an_error_of_the_server(posted, known, data):
    name = data.draw(st.sampled_from(["admin", "planner", "command", "manager", "town-a", "squad-b"]))
    kind = data.draw(st.sampled_from(["any", "ids", "values"]))
    if kind == "any":
        body = data.draw(JSONISH)
    else:
        call = data.draw(st.sampled_from(known))
        value = JSONISH if kind == "values" else st.none()
        filled = lambda items: [{**i, "value": data.draw(value)} for i in items]  # noqa: E731
        body = {
            "output": call["output"], "outputs": data.draw(JSONISH) if kind == "ids" else {"id": "x", "property": "children"},
            "inputs": filled(call["inputs"]), "state": filled(call["state"]),
            "changedPropIds": data.draw(st.lists(st.text(max_size=8), max_size=2)),
        }  # fmt: skip
    assert posted(name, body) in {200, 204, 400, 403, 422}, body


def test_a_payload_of_no_callback_is_told_apart():
    callbacks = {"a.children": {"inputs": [{"id": "b", "property": "value"}], "state": []}}
    good = {
        "output": "a.children",
        "inputs": [{"id": "b", "property": "value", "value": 3}],
        "changedPropIds": ["b.value"],
    }
    assert is_payload(good, callbacks)
    for wrong in (
        None, [], {}, {**good, "output": "c.children"}, {**good, "inputs": []}, {**good, "inputs": [{"id": "c", "property": "value"}]},
        {**good, "inputs": [[]]}, {**good, "state": [1]}, {**good, "changedPropIds": 3}, {**good, "output": ["a"]}, {**good, "inputs": {"id": "b"}},
    ):  # fmt: skip
        assert not is_payload(wrong, callbacks)


def test_a_callback_that_fails_is_in_the_log(posted, known):
    call = next(c for c in known if c["output"].startswith("data-contents"))
    body = {"output": call["output"], "outputs": {"id": "data-contents", "property": "children"},
            "inputs": [{**i, "value": {"not": "hashable"}} for i in call["inputs"]], "state": [], "changedPropIds": []}  # fmt: skip
    with structlog.testing.capture_logs() as logged:
        assert posted("admin", body) == 400
    (told,) = [entry for entry in logged if entry["event"] == "callback failed"]
    assert (told["log_level"], told["why"], told["exc_info"]) == ("error", "TypeError", True)


# --- exports ---
def test_exports_of_one_account_and_of_all_are_counted():
    turns = Turns(of_one=2, of_all=3)
    with turns.turn("li") as first, turns.turn("li") as second, turns.turn("li") as third, turns.turn("wang") as fourth:
        assert (first, second, third, fourth) == (True, True, False, True)
        with turns.turn("zhao") as fifth:
            assert not fifth
    with turns.turn("li") as again:
        assert again


def test_parallel_exports_of_one_account_do_not_hold_up_the_others(built, town_store):
    app = create_app(town_store, CITY, DeskSettings(), store_url=town_store.url)
    with serving(app) as running:
        mine, other = sign_in(running.url, "planner"), sign_in(running.url, "manager")
        cookies = dict(mine.cookies)

        async def burst():
            async with httpx.AsyncClient(base_url=running.url, cookies=cookies, timeout=120) as c:
                waiting = [asyncio.create_task(c.get("/export/run/gpkg?day=2026-03-18")) for _ in range(60)]
                await asyncio.sleep(0.2)
                page = await asyncio.to_thread(other.get, "/manager", headers=HTML)
                return page.status_code, [t.status_code for t in await asyncio.gather(*waiting)]

        page, codes = awaited(burst())
    assert page == 200
    assert codes.count(429) >= 50
    assert set(codes) == {200, 429}


logging.getLogger("httpx").setLevel(logging.WARNING)
