"""Response headers: a content security policy without inline scripts, and the usual guards."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from dashboards.settings import DeskSettings


def origin(url: str) -> str:
    """Scheme and host of an absolute address, empty for a local path."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else ""


def content_policy(settings: DeskSettings, hashes: Sequence[str]) -> str:
    """The policy: scripts from here and by hash alone (`csp_hashes` of Dash), nothing from elsewhere but a configured base map.

    Styles may be inline: Dash's own components write `<style>` elements.
    """
    tiles = origin(settings.base_map.url)
    submit = origin(settings.oidc.issuer) if settings.oidc else ""
    rules = {
        "default-src": ["'self'"],
        "script-src": ["'self'", *hashes],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:", tiles],
        "font-src": ["'self'"],
        "connect-src": ["'self'", tiles],
        "worker-src": ["'self'"],
        "form-action": ["'self'", submit],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(filter(None, sources))}" for name, sources in rules.items())


GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}


class SecurityHeaders:
    """Adds the headers to every response; `policy` is asked each time, since Dash knows its hashes only when all pages are there."""

    def __init__(self, app: ASGIApp, *, policy: Callable[[], str], https: bool) -> None:
        self.app = app
        self._policy = policy
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = self._policy()
                for name, value in GUARDS.items():
                    headers[name] = value
                if self._https:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
                if "cache-control" not in headers:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self.app(scope, receive, guarded)
