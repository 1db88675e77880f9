"""Sign-in through an OpenID Connect provider: authorization code with PKCE; who may come in is still the store's `users`."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

import requests
import structlog
from anyio.to_thread import run_sync
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

if TYPE_CHECKING:
    from dashboards.auth.routes import SignIn
    from dashboards.settings import OidcSettings

STATE_COOKIE = "xuncha_oidc"
STATE_S = 600
TIMEOUT_S = 10
ALGORITHMS = ["RS256", "ES256", "PS256"]


class Oidc:
    """The two steps of the flow."""

    def __init__(self, sign_in: SignIn, settings: OidcSettings) -> None:
        self._sign_in = sign_in
        self._settings = settings
        self._log = structlog.get_logger("xuncha.oidc")

    def _client(self, request: Request) -> OAuth2Session:
        return OAuth2Session(
            self._settings.client_id,
            self._settings.client_secret,
            scope="openid profile",
            redirect_uri=str(request.base_url) + "login/oidc/callback",
            code_challenge_method="S256",
            default_timeout=TIMEOUT_S,
        )

    def _provider(self, client: OAuth2Session) -> dict[str, Any]:
        address = self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
        answer = client.get(address, withhold_token=True)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def _authorize(self, request: Request, verifier: str, nonce: str) -> tuple[str, str]:
        with self._client(request) as client:
            endpoint = self._provider(client)["authorization_endpoint"]
            url, state = client.create_authorization_url(endpoint, code_verifier=verifier, nonce=nonce)
            return str(url), str(state)

    async def begin(self, request: Request) -> Response:
        """GET /login/oidc: off to the provider."""
        verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        try:
            url, state = await run_sync(self._authorize, request, verifier, nonce)
        except (requests.RequestException, KeyError, ValueError) as error:
            return self._failed(request, error)
        kept = {"st": state, "no": nonce, "cv": verifier, "e": time.time() + STATE_S}
        response = RedirectResponse(url, status_code=303)
        self._sign_in.cookie(response, STATE_COOKIE, self._sign_in.desk.sessions.seal("oidc", kept), age_s=STATE_S)
        return response

    async def callback(self, request: Request) -> Response:
        """GET /login/oidc/callback: back from the provider."""
        desk = self._sign_in.desk
        kept = desk.sessions.open("oidc", request.cookies.get(STATE_COOKIE, ""))
        given = request.query_params
        if kept is None or not secrets.compare_digest(given.get("state", ""), kept["st"]) or "code" not in given:
            return self._failed(request, None)
        try:
            name, subject = await run_sync(self._who, request, given["code"], kept)
        except (requests.RequestException, AuthlibBaseError, JoseError, KeyError, ValueError) as error:
            return self._failed(request, error)
        account = await run_sync(desk.accounts.of_subject, name, subject)
        if account is None:
            self._log.warning("oidc", error="no such account, or bound to another subject", name=name)
            t = desk.words.translator(desk.visit().lang)
            return self._sign_in.page(request, error=t("login.oidc_unknown", name=name), status=403)
        response = await self._sign_in.enter(account, "/", how="oidc")
        response.delete_cookie(STATE_COOKIE, path="/")
        return response

    def _who(self, request: Request, code: str, kept: dict[str, Any]) -> tuple[str, str]:
        """The account name in the provider's signed ID token, and whom the provider means by it (issuer and subject).

        Raises:
            JoseError: the token is not the provider's, not for us, over, or for another sign-in.
        """
        with self._client(request) as client:
            provider = self._provider(client)
            token = client.fetch_token(provider["token_endpoint"], code=code, code_verifier=kept["cv"])
            answer = client.get(provider["jwks_uri"], withhold_token=True)
            answer.raise_for_status()
        keys = KeySet.import_key_set(answer.json())
        decoded = jwt.decode(token["id_token"], keys, algorithms=ALGORITHMS)
        registry = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": provider["issuer"]},
            aud={"essential": True, "value": self._settings.client_id},
            exp={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": kept["no"]},
        )
        registry.validate(decoded.claims)
        return str(decoded.claims[self._settings.claim]), f"{provider['issuer']} {decoded.claims['sub']}"

    def _failed(self, request: Request, error: Exception | None) -> Response:
        self._log.warning("oidc", error=repr(error))
        t = self._sign_in.desk.words.translator(self._sign_in.desk.visit().lang)
        return self._sign_in.page(request, error=t("login.oidc_failed"), status=502 if error else 400)


def oidc_routes(sign_in: SignIn, settings: OidcSettings) -> APIRouter:
    """Routes of the flow."""
    oidc = Oidc(sign_in, settings)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/login/oidc", oidc.begin, methods=["GET"], response_model=None)
    router.add_api_route("/login/oidc/callback", oidc.callback, methods=["GET"], response_model=None)
    return router
