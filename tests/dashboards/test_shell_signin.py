"""Signing in, sessions, forged posts, headers, health: over HTTP against the running server."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from conftest import new_client, password_of, serving, sign_in
from town import CITY

from dashboards.app import create_app
from dashboards.auth.accounts import Accounts, add_user
from dashboards.auth.limits import SignInLimit
from dashboards.auth.principal import Scope
from dashboards.auth.routes import local_path
from dashboards.auth.sessions import Sessions
from dashboards.settings import DeskSettings
from gis.errors import SettingsError
from layers.store import open_store
from layers.store.embedded import EmbeddedStore

HTML = {"accept": "text/html"}


def test_a_stranger_is_sent_to_the_sign_in_page_and_gets_no_data(server):
    page = httpx.get(f"{server.url}/planner?day=2026-03-18", headers=HTML)
    assert page.status_code == 303
    assert page.headers["location"] == "/login?next=%2Fplanner%3Fday%3D2026-03-18"
    for path in ("/_dash-layout", "/_dash-dependencies", "/api/geometry/sections/sec1?day=2026-03-18", "/api/stream/x"):
        assert httpx.get(server.url + path).status_code == 401, path
    assert httpx.post(f"{server.url}/_dash-update-component", json={}).status_code == 401


def test_signing_in_gives_a_guarded_session(client):
    c = client("admin")
    assert c.last.status_code == 303
    assert c.last.headers["location"] == "/"
    cookies = {h.split("=")[0]: h for h in c.last.headers.get_list("set-cookie")}
    assert "HttpOnly" in cookies["xuncha_session"]
    assert "SameSite=lax" in cookies["xuncha_session"]
    assert "HttpOnly" not in cookies["_csrf_token"]  # Dash reads it and sends it back as a header
    assert c.get("/", headers=HTML).status_code == 200


def test_a_wrong_password_and_a_wrong_name_are_refused_alike(server):
    wrong = sign_in(server.url, "planner", password="not the password")
    nobody = sign_in(server.url, "nobody-here", password="not the password")
    assert wrong.last.status_code == nobody.last.status_code == 401
    assert "账号或密码不正确" in wrong.last.text
    assert "账号或密码不正确" in nobody.last.text
    assert "xuncha_session" not in wrong.cookies


def test_too_many_failures_must_wait_even_with_the_right_password(server):
    for _ in range(5):
        assert sign_in(server.url, "held", password="wrong wrong wrong").last.status_code == 401
    held = sign_in(server.url, "held")
    assert held.last.status_code == 429
    assert 0 < int(held.last.headers["retry-after"]) <= 301
    assert sign_in(server.url, "manager").last.status_code == 303  # others are not held up


def test_who_comes_with_a_session_that_is_over_is_told_so(server):
    html = {"accept": "text/html"}
    ended = httpx.get(server.url + "/data", headers=html | {"cookie": "xuncha_session=old"}).headers["location"]
    assert "ended=1" in ended
    assert "登录已失效" in httpx.get(server.url + ended).text
    fresh = httpx.get(server.url + "/data", headers=html).headers["location"]
    assert "ended" not in fresh
    assert "登录已失效" not in httpx.get(server.url + fresh).text


def test_a_sign_in_form_without_its_token_is_refused(server):
    c = new_client(server.url)
    c.get("/login")
    form = {"name": "admin", "password": password_of("admin"), "csrf_token": "forged"}
    assert c.post("/login", data=form).status_code == 403
    assert httpx.post(f"{server.url}/login", data=form).status_code == 403


def test_posts_need_the_token_of_their_own_session(client):
    a, b = client("admin"), client("manager")
    body = {"output": "page.children", "outputs": {"id": "page", "property": "children"}, "changedPropIds": ["address.pathname"],
            "inputs": [{"id": "address", "property": "pathname", "value": "/"}], "state": [{"id": "address", "property": "search", "value": ""}]}  # fmt: skip
    assert a.post("/_dash-update-component", json=body).status_code == 403
    other = {"X-CSRFToken": b.cookies["_csrf_token"]}
    assert a.post("/_dash-update-component", json=body, headers=other).status_code == 403
    own = {"X-CSRFToken": a.cookies["_csrf_token"]}
    assert a.post("/_dash-update-component", json=body, headers=own).status_code == 200


def test_signing_out_needs_the_token_too_and_ends_the_session(client):
    c = client("admin")
    assert c.post("/logout", data={"csrf_token": "forged"}).status_code == 403
    out = c.post("/logout", data={"csrf_token": c.cookies["_csrf_token"]})
    assert out.status_code == 303
    assert c.get("/", headers=HTML).headers["location"].startswith("/login")


def test_a_forged_or_foreign_cookie_is_nobody(server, client):
    good = client("admin").cookies["xuncha_session"]
    body, signature = good.split(".")
    forged = [
        f"{body}A.{signature}",
        f"{body}.{signature[:-1]}{'B' if signature.endswith('A') else 'A'}",
        "x",
        ".",
        Sessions("other", hours=1).seal("session", {"s": "1", "n": "admin"}),
    ]
    for cookie in forged:
        assert httpx.get(server.url, headers={**HTML, "cookie": f"xuncha_session={cookie}"}).status_code == 303, cookie


def test_scripts_run_only_from_here_or_by_hash(client):
    page = client("admin").get("/", headers=HTML)
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert "unsafe" not in policy["script-src"]
    assert re.fullmatch(r"'self'( 'sha256-[\w+/=]+')+", policy["script-src"])
    assert policy["frame-ancestors"] == "'none'"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text)


def test_health_and_metrics(server):
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{server.url}/readyz").json() == {"status": "ready"}
    text = httpx.get(f"{server.url}/metrics").text
    assert re.search(r'xuncha_requests_total\{group="/healthz",method="GET",status="200"\} [1-9]', text)


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "", None, "evil", "/a\r\nSet-Cookie: x=1"]
)
def test_where_to_go_next_is_always_here(target):
    assert local_path(target) == "/"
    assert local_path("/planner?day=1") == "/planner?day=1"


@pytest.fixture
def own_store(tmp_path):
    store = open_store(f"embedded:{tmp_path / 'own'}")
    store.prepare()
    yield store
    store.close()


def test_a_changed_or_closed_account_ends_its_sessions(own_store):
    accounts, sessions = Accounts(own_store, remember_s=0), Sessions("key", hours=1)
    add_user(own_store, "li", "planner", "county", "first password")
    session, cookie = sessions.begin(accounts.check("li", "first password"))
    assert sessions.read(cookie) == session
    assert sessions.alive(session, accounts).role == "planner"
    add_user(own_store, "li", "planner", "town:A", "first password")
    assert sessions.alive(session, accounts) is None
    session, _ = sessions.begin(accounts.check("li", "first password"))
    add_user(own_store, "li", "planner", "town:A", "first password", active=False)
    assert sessions.alive(session, accounts) is None
    assert accounts.check("li", "first password") is None
    assert Sessions("key", hours=-1).read(Sessions("key", hours=-1).seal("session", {"e": 1})) is None


def test_passwords_are_stored_only_as_argon2_hashes(own_store):
    add_user(own_store, "wang", "manager", "squad:9", "a good password")
    row = own_store.ledger("users").iloc[0]
    assert row["password_hash"].startswith("$argon2id$")
    assert "a good password" not in str(row.to_dict())


@pytest.mark.parametrize(
    ("name", "role", "scope", "password"),
    [
        ("", "planner", "county", "long enough"),
        ("x", "king", "county", "long enough"),
        ("x", "planner", "village:1", "long enough"),
        ("x", "planner", "county", "short"),
    ],
)
def test_accounts_that_will_not_do(own_store, name, role, scope, password):
    with pytest.raises(SettingsError):
        add_user(own_store, name, role, scope, password)


def test_a_success_wipes_the_tries_of_its_name_but_time_alone_wipes_those_of_an_address(own_store):
    limit = SignInLimit(own_store, tries=2, window_s=60)
    assert limit.reserve("li", "10.0.0.1").try_id
    limit.succeeded("li")
    assert limit.reserve("li", "10.0.0.1").try_id
    assert limit.reserve("li", "10.0.0.1").try_id
    held = limit.reserve("li", "10.0.0.1")
    assert not held.try_id
    assert 58 < held.wait_s <= 60
    assert limit.reserve("wang", "10.0.0.1").try_id
    for k in range(20):
        assert limit.reserve(f"guess{k}", "10.0.0.2").try_id
    assert limit.reserve("zhao", "10.0.0.2").wait_s > 0
    limit.succeeded("guess3")
    assert limit.reserve("zhao", "10.0.0.2").try_id


def test_tries_are_forgotten_when_their_time_is_over(tmp_path):
    now = [datetime(2026, 3, 18, 8, tzinfo=UTC)]
    store = EmbeddedStore(tmp_path / "own", timezone="Asia/Shanghai", clock=lambda: now[0])
    store.prepare()
    limit = SignInLimit(store, tries=2, window_s=60)
    for _ in range(2):
        assert limit.reserve("li", "10.0.0.1").try_id
        now[0] += timedelta(seconds=20)
    assert limit.reserve("li", "10.0.0.1").wait_s == 20  # the first of the two is 40 s old
    now[0] += timedelta(seconds=20)
    assert limit.reserve("li", "10.0.0.1").try_id
    store.close()


def test_of_many_tries_at_once_no_more_are_checked_than_the_limit_allows(store_url):
    store = open_store(store_url)
    store.prepare()
    limit = SignInLimit(store, tries=5, window_s=300)
    with ThreadPoolExecutor(20) as pool:
        granted = list(pool.map(lambda _: bool(limit.reserve("li", "10.0.0.1").try_id), range(60)))
    assert sum(granted) == 5
    store.close()


def test_a_burst_of_wrong_passwords_is_refused_before_they_are_checked(built, own_store, monkeypatch):
    checked = []
    real = Accounts.check
    monkeypatch.setattr(
        Accounts, "check", lambda self, name, password: checked.append(name) or real(self, name, password)
    )
    add_user(own_store, "li", "planner", "county", "first password")
    with serving(create_app(own_store, CITY, DeskSettings(sign_in_tries=3))) as running:
        page = httpx.get(f"{running.url}/login", timeout=60)
        form = {
            "name": "li",
            "password": "wrong wrong",
            "csrf_token": page.text.split('name="csrf_token" value="')[1].split('"')[0],
        }

        def attempt(_):
            return httpx.post(f"{running.url}/login", data=form, cookies=dict(page.cookies), timeout=60).status_code

        with ThreadPoolExecutor(12) as pool:
            codes = list(pool.map(attempt, range(24)))
    assert sorted(codes) == [401] * 3 + [429] * 21
    assert checked == ["li"] * 3


def test_whoever_signed_out_has_no_session_anywhere(built, own_store):
    add_user(own_store, "li", "planner", "county", "first password")
    with serving(create_app(own_store, CITY)) as one, serving(create_app(own_store, CITY)):
        client = sign_in(one.url, "li", password="first password")
        kept = dict(client.cookies)
        token = kept["_csrf_token"]
        assert client.get("/planner", headers=HTML).status_code == 200
        assert client.post("/logout", data={"csrf_token": token}).status_code == 303
        after = httpx.get(f"{one.url}/planner", headers=HTML, cookies=kept)
        assert after.status_code == 303
        assert after.headers["location"].startswith("/login")
    accounts = Accounts(own_store)
    session = Sessions("key", hours=1).begin(accounts.check("li", "first password"))[0]
    elsewhere = Accounts(own_store, remember_s=0)
    assert not elsewhere.ended(session)
    accounts.end_session(session)
    assert accounts.ended(session)
    assert elsewhere.ended(session)


@pytest.mark.parametrize("name", ["a\0b", "a" * 65, "a\nb", "", "\u202e"])
def test_names_that_no_account_has_are_refused_like_all_others(server, name):
    refused = sign_in(server.url, name, password="wrong wrong")
    assert refused.last.status_code in {401, 429}  # all of them are tries of the same empty name


@pytest.mark.parametrize(
    "path", ["/static/../settings.py", "/static/%2e%2e/settings.py", "/static/manifest.json", "/static/fingerprint"]
)
def test_only_built_assets_are_served(server, path):
    assert httpx.get(server.url + path).status_code in {401, 404}


def test_scopes_are_read_as_written():
    assert str(Scope.parse("town:3302")) == "town:3302"
    assert Scope.parse("county").whole


def test_behind_https_cookies_are_secure(built, town_store):
    app = create_app(town_store, CITY, DeskSettings(secure_cookies=True))
    with serving(app) as secure:
        answer = httpx.get(f"{secure.url}/login")
        assert "Secure" in answer.headers["set-cookie"]
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
