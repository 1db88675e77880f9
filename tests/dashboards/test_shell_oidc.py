"""OpenID Connect against a provider of our own on loopback: the whole flow, and everything that must stop it."""

from __future__ import annotations

import base64
import hashlib
import time
import urllib.parse
from dataclasses import dataclass, field

import httpx
import pytest
from conftest import new_client, serving
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import RSAKey
from town import CITY

from dashboards.app import create_app
from dashboards.settings import DeskSettings, OidcSettings


@dataclass
class Provider:
    """Signs in whoever `name` says; `claims` spoils the ID token."""

    name: str = "manager"
    claims: dict = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1"}))
    signing: RSAKey | None = None
    codes: dict = field(default_factory=dict)
    url: str = ""

    def app(self) -> FastAPI:
        app = FastAPI()

        async def configuration(_request):
            return JSONResponse(
                {
                    "issuer": self.url,
                    "authorization_endpoint": f"{self.url}/auth",
                    "token_endpoint": f"{self.url}/token",
                    "jwks_uri": f"{self.url}/jwks",
                }
            )

        async def authorize(request):
            q = dict(request.query_params)
            assert q["response_type"] == "code"
            assert q["code_challenge_method"] == "S256"
            self.codes["code-1"] = q
            return RedirectResponse(
                q["redirect_uri"] + "?" + urllib.parse.urlencode({"code": "code-1", "state": q["state"]}),
                status_code=303,
            )

        async def token(request: Request):
            form = dict(urllib.parse.parse_qsl((await request.body()).decode()))
            q = self.codes.pop(form["code"])
            challenge = (
                base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
            )
            if challenge != q["code_challenge"]:
                return JSONResponse({"error": "invalid_grant"}, status_code=400)
            claims = {
                "iss": self.url,
                "aud": "xuncha",
                "exp": int(time.time()) + 60,
                "nonce": q["nonce"],
                "sub": "1",
                "preferred_username": self.name,
            } | self.claims
            text = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.signing or self.key)
            return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": text})

        async def jwks(_request):
            return JSONResponse({"keys": [self.key.as_dict(private=False)]})

        for path, handler, method in (
            ("/.well-known/openid-configuration", configuration, "GET"),
            ("/auth", authorize, "GET"),
            ("/token", token, "POST"),
            ("/jwks", jwks, "GET"),
            ("/healthz", jwks, "GET"),
        ):
            app.router.add_route(path, handler, methods=[method])
        return app


@pytest.fixture(scope="module")
def flow(built, town_store):
    provider = Provider()
    with serving(provider.app()) as at:
        provider.url = at.url
        settings = DeskSettings(oidc=OidcSettings(at.url, "xuncha", "secret"))
        with serving(create_app(town_store, CITY, settings)) as ours:
            yield provider, ours.url


def go(provider: Provider, url: str, **changes) -> tuple[httpx.Client, httpx.Response]:
    """Walk through the flow as a browser would; changes last for this walk."""
    kept = {k: getattr(provider, k) for k in changes}
    for k, v in changes.items():
        setattr(provider, k, v)
    try:
        client = new_client(url)
        away = client.get("/login/oidc")
        assert away.status_code == 303
        back = new_client(provider.url).get(away.headers["location"])
        return client, client.get(back.headers["location"])
    finally:
        for k, v in kept.items():
            setattr(provider, k, v)


def test_a_known_person_comes_in(flow):
    client, answer = go(*flow)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "manager" in client.get("/", headers={"accept": "text/html"}).text


def test_the_sign_in_page_offers_it(flow):
    assert 'href="/login/oidc"' in httpx.get(f"{flow[1]}/login").text


def test_whoever_takes_the_name_of_another_at_the_provider_stays_outside(flow):
    assert go(*flow)[1].status_code == 303
    client, answer = go(*flow, claims={"sub": "2"})
    assert answer.status_code == 403
    assert "xuncha_session" not in client.cookies
    assert go(*flow)[1].status_code == 303


def test_an_unknown_person_stays_outside(flow):
    client, answer = go(*flow, name="stranger")
    assert answer.status_code == 403
    assert "stranger" in answer.text
    assert "xuncha_session" not in client.cookies


@pytest.mark.parametrize("claims", [{"nonce": "other"}, {"aud": "another"}, {"iss": "http://elsewhere"}, {"exp": 1}])
def test_a_token_that_was_not_made_for_this_sign_in_is_refused(flow, claims):
    client, answer = go(*flow, claims=claims)
    assert answer.status_code == 502
    assert "xuncha_session" not in client.cookies


def test_a_token_signed_by_somebody_else_is_refused(flow):
    _, answer = go(*flow, signing=RSAKey.generate_key(2048, {"kid": "1"}))
    assert answer.status_code == 502


def test_a_forged_state_is_refused(flow):
    provider, url = flow
    client = new_client(url)
    client.get("/login/oidc")
    assert client.get("/login/oidc/callback?code=code-1&state=forged").status_code == 400
    assert new_client(url).get("/login/oidc/callback?code=code-1&state=x").status_code == 400
    assert client.get("/login/oidc/callback?error=access_denied").status_code == 400
    assert provider.codes == {}
