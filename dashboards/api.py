"""The application's own routes beside Dash: built assets, geometry, streams, health, metrics."""

from __future__ import annotations

import gzip
import hashlib
import json
import mimetypes
import re
import time
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse

from dashboards.geometry import encode_frame
from gis.errors import Fault, ImpossibleError, SettingsError
from layers.contracts import TABLES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fastapi import FastAPI
    from starlette.requests import Request

    from dashboards.context import Desk, View
    from dashboards.metrics import Metrics

BASE_MAP_URL = "/basemap.pmtiles"
PLAIN_NAME = re.compile(r"^[\w./\[\]-]+$")
GEOMETRY_KINDS = {"input", "derived", "result"}


class Assets:
    """The built assets: content-hashed names, cached for ever, the compressed copy where the browser takes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        manifest = self.folder / "manifest.json"
        if not manifest.exists():
            raise SettingsError(
                Fault(
                    "assets.missing",
                    "网页资源尚未构建",
                    "the pages' assets have not been built",
                    "运行 python -m dashboards.build",
                    "run python -m dashboards.build",
                )
            )
        self.names: dict[str, str] = json.loads(manifest.read_text("utf-8"))
        self._served = set(self.names.values())

    def url(self, name: str) -> str:
        """Where an asset is served."""
        return f"/static/{self.names[name]}"

    async def serve(self, request: Request) -> Response:
        """GET /static/{path}."""
        name = request.path_params["path"]
        if name not in self._served:
            return Response(status_code=404)
        path = self.folder / name
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
        accepted = request.headers.get("accept-encoding", "")
        media = mimetypes.guess_type(name)[0] or "application/octet-stream"
        media = "text/javascript" if name.endswith(".js") else "font/woff2" if name.endswith(".woff2") else media
        for coding, suffix in (("br", ".br"), ("gzip", ".gz")):
            packed = path.with_name(path.name + suffix)
            if coding in accepted and packed.exists():
                return FileResponse(packed, media_type=media, headers={**headers, "Content-Encoding": coding})
        return FileResponse(path, media_type=media, headers=headers)


def geometry_payload(view: View, table: str, day: date) -> bytes:
    """Compressed payload of a table as the visitor may see it, remembered for all who see the same.

    Raises:
        ImpossibleError: no such table, or it has no geometry.
    """
    contract = TABLES.get(table)
    if contract is None or contract.geometry is None:
        raise ImpossibleError(Fault("geometry.none", f"表 {table} 没有几何", f"table {table} has no geometry"))
    read = view.data.result if contract.kind == "result" else view.data.read
    run = view.data.run(day)
    basis = run.run_id if contract.kind == "result" and run else view.data.edition_id(table, day)

    def make() -> bytes:
        frame = read(table, day)
        return gzip.compress(encode_frame(frame, contract.key[-1]), 6, mtime=0)

    key = ("geometry", str(view.principal.scope), table, basis, str(day) if not view.principal.scope.whole else "")
    return view.data.remember(key, make, len)


class Api:
    """The handlers, over one desk."""

    def __init__(self, desk: Desk, metrics: Metrics) -> None:
        self.desk = desk
        self.metrics = metrics

    async def geometry(self, request: Request) -> Response:
        """GET /api/geometry/{table}/{edition}?day=…: compact geometry with an ETag."""
        view = self.desk.view()
        try:
            day = date.fromisoformat(request.query_params.get("day", ""))
            table = request.path_params["table"]
            if view.data.edition_id(table, day) != request.path_params["edition"]:
                view = replace(view, data=view.data.current())  # a desk of the day under way has what is in force now
            body = await run_sync(geometry_payload, view, table, day)
        except (ValueError, ImpossibleError):
            return JSONResponse({"error": "not_found"}, status_code=404)
        etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
        headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Cookie, Accept-Encoding"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(
                body, media_type="application/octet-stream", headers={**headers, "Content-Encoding": "gzip"}
            )
        return Response(gzip.decompress(body), media_type="application/octet-stream", headers=headers)

    async def stream(self, request: Request) -> Response:
        """GET /api/stream/{name}: server-sent events."""
        name = request.path_params["name"]
        if name not in self.desk.streams:
            return JSONResponse({"error": "not_found"}, status_code=404)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Content-Encoding": "identity"}
        if request.method == "HEAD":  # a stream has no end to wait for
            return Response(media_type="text/event-stream", headers=headers)
        events = self.desk.streams.listen(self.desk, self.desk.visit(), name, dict(request.query_params))

        async def counted() -> AsyncIterator[str]:
            self.metrics.streams.inc()
            try:
                async for event in events:
                    yield event
            finally:
                self.metrics.streams.dec()

        return StreamingResponse(counted(), media_type="text/event-stream", headers=headers)

    async def alive(self, _request: Request) -> Response:
        """GET /healthz: the process answers."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """GET /readyz: the store answers too; where the day is followed, how long ago the last step was and whether it went well."""
        ready = await run_sync(self.desk.accounts.ready)
        body: dict[str, object] = {"status": "ready" if ready else "store"}
        beat = await run_sync(self.desk.store.last_beat) if ready else None
        if beat is not None:
            body["follow"] = {"age_s": round(time.time() - beat["at_ms"] / 1000), "ok": not beat["error"]}
        return JSONResponse(body, status_code=200 if ready else 503)


def add_routes(app: FastAPI, assets: Assets, api: Api) -> None:
    """Put the routes on the application, before Dash adds its catch-all; a base map's file is read by ranges."""
    for path, handler in {
        "/static/{path:path}": assets.serve,
        "/api/geometry/{table}/{edition}": api.geometry,
        "/api/stream/{name}": api.stream,
        "/healthz": api.alive,
        "/readyz": api.ready,
    }.items():
        app.router.add_route(path, handler, methods=["GET"], include_in_schema=False)
    base = api.desk.settings.base_map
    if base.path:

        async def base_map(_request: Request) -> Response:
            return FileResponse(
                base.path, media_type="application/octet-stream", headers={"Cache-Control": "private, max-age=3600"}
            )

        app.router.add_route(BASE_MAP_URL, base_map, methods=["GET"], include_in_schema=False)
    page = partial(api.metrics.page, api.desk.settings.metrics_token)

    async def metrics(request: Request) -> Response:
        return page(request)

    app.router.add_route("/metrics", metrics, methods=["GET"], include_in_schema=False)
