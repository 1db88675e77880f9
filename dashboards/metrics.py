"""Prometheus metrics and one structured log line a request."""

from __future__ import annotations

import hmac
import math
import time
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.responses import PlainTextResponse, Response

from dashboards.context import VISIT
from gis.errors import XunchaError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

GROUPS = ("/_dash-update-component", "/_dash-component-suites", "/_dash-layout", "/_dash-dependencies", "/api/geometry", "/api/stream",
          "/api", "/static", "/login", "/logout", "/lang", "/healthz", "/readyz", "/metrics", "/export")  # fmt: skip
QUIET = ("/healthz", "/readyz", "/metrics", "/static", "/_dash-component-suites")


def group_of(path: str) -> str:
    """A path's group, so that labels stay few."""
    return next((g for g in GROUPS if path.startswith(g)), "page")


class Metrics:
    """What one worker counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("xuncha_requests", "Requests", ["group", "method", "status"], registry=self.registry)
        self.seconds = Histogram("xuncha_request_seconds", "Seconds until answered", ["group"], registry=self.registry)
        self.open = Gauge("xuncha_requests_open", "Requests being answered", registry=self.registry)
        self.streams = Gauge("xuncha_streams_open", "Live streams being listened to", registry=self.registry)

    def watch_follower(self, last_beat: Callable[[], Mapping[str, Any] | None]) -> None:
        """Tell at each scrape how long ago the last step of following was, NaN where nobody follows."""

        def age() -> float:
            try:
                beat = last_beat()
            except XunchaError:  # a store that is away has its own alarm
                return math.nan
            return math.nan if beat is None else time.time() - beat["at_ms"] / 1000

        gauge = Gauge("xuncha_follow_age_seconds", "Seconds since the last step of following", registry=self.registry)
        gauge.set_function(age)

    def page(self, token: str, request: Request) -> Response:
        """GET /metrics: by bearer token where one is set, else for loopback only."""
        host = request.client.host if request.client else ""
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        allowed = (
            hmac.compare_digest(given.encode(), token.encode()) if token else host in {"127.0.0.1", "::1", "testclient"}
        )
        if not allowed:
            return PlainTextResponse("forbidden", status_code=403)
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)


class Observe:
    """Counts and logs every request, outermost of all."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics
        self._log = structlog.get_logger("xuncha.web")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500
        name = ""

        async def watched(message: Message) -> None:
            nonlocal status, name
            if message["type"] == "http.response.start":
                status = message["status"]
                visit = VISIT.get()
                name = visit.principal.name if visit and visit.principal else ""
            await send(message)

        self._metrics.open.inc()
        try:
            await self.app(scope, receive, watched)
        finally:
            self._metrics.open.dec()
            self._finish(scope, status, name, time.perf_counter() - began)

    def _finish(self, scope: Scope, status: int, name: str, seconds: float) -> None:
        group = group_of(scope["path"])
        self._metrics.requests.labels(group, scope["method"], str(status)).inc()
        if group != "/api/stream":
            self._metrics.seconds.labels(group).observe(seconds)
        if group not in QUIET or status >= 400:  # noqa: PLR2004 (HTTP)
            client = scope["client"][0] if scope.get("client") else ""
            self._log.info(
                "request", method=scope["method"], path=scope["path"], status=status, ms=round(seconds * 1000, 1), user=name, client=client
            )  # fmt: skip
