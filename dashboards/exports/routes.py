"""GET /export/…: the table that a desk shows and the files of a run, of what the visitor may see and no more."""

from __future__ import annotations

import urllib.parse
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from dashboards.desk_manager import Choice
from dashboards.exports.apart import make_table, written
from dashboards.exports.files import run_file
from dashboards.exports.run import FORMATS
from dashboards.exports.shown import FORMATS as TABLE_FORMATS
from dashboards.manager_tables import shown_table
from dashboards.scoped_source import export_city
from gis.errors import XunchaError

if TYPE_CHECKING:
    from starlette.requests import Request

    from dashboards.auth.principal import Role
    from dashboards.context import Desk, View
    from dashboards.exports.apart import Apart

TABLE_ROLES: tuple[Role, ...] = ("manager", "administrator")
RUN_ROLES: tuple[Role, ...] = ("planner", "manager", "administrator")
SLOW = ("gpkg", "html", "pdf")  # seconds where rows are many: written by the other process
MEDIA = {
    ".csv": "text/csv; charset=utf-8",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".pdf": "application/pdf",
    ".gpkg": "application/geopackage+sqlite3",
    ".html": "text/html; charset=utf-8",
    ".zip": "application/zip",
}


def table_file(view: View, day: date, choice: Choice, kind: str, apart: Apart | None = None) -> tuple[str, bytes]:
    """Name and bytes of the table of a choice, row for row as the page shows it."""
    scope = view.principal.scope
    whose = "" if scope.whole else f"-{scope.kind}-{scope.key}"
    name = f"xuncha-{day}{whose}-{choice.kind}-{choice.level}.{kind}"
    shown = shown_table(view, day, choice)
    if apart is not None and kind in SLOW:
        return apart.table_file(shown, choice, name, kind)
    return written(make_table(shown, choice, name, kind))


def _download(name: str, body: bytes) -> Response:
    quoted = urllib.parse.quote(name)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quoted}",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(body, media_type=MEDIA.get(Path(name).suffix, "application/octet-stream"), headers=headers)


class Exports:
    """The handlers, over one desk; what takes seconds is written by another process where there is one."""

    def __init__(self, desk: Desk, apart: Apart | None) -> None:
        self.desk = desk
        self._apart = apart

    def _view(self, request: Request, roles: tuple[Role, ...]) -> tuple[View, date | None]:
        view = self.desk.view(dict(request.query_params), roles=roles)
        day = None
        with suppress(ValueError):
            day = date.fromisoformat(request.query_params.get("day", ""))
        return view, day if day in view.data.days() else None

    async def table(self, request: Request) -> Response:
        """GET /export/table/{xlsx|csv|gpkg|html|pdf}?day=…&level=…: the manager's table."""
        return await run_sync(self._table, request)

    async def run(self, request: Request) -> Response:
        """GET /export/run/{format}?day=…: a whole run."""
        return await run_sync(self._run, request)

    def _table(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        try:
            view, day = self._view(request, TABLE_ROLES)
            if day is None or kind not in TABLE_FORMATS:
                return JSONResponse({"error": "not_found"}, status_code=404)
            view.data.log("export", day=day, purpose="table", format=kind, query=str(request.url.query)[:400])
            return _download(*table_file(view, day, Choice.of(view.query), kind, self._apart))
        except XunchaError as error:
            return JSONResponse({"error": str(error)}, status_code=403)

    def _run(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        try:
            view, day = self._view(request, RUN_ROLES)
            if day is None or kind not in FORMATS:
                return JSONResponse({"error": "not_found"}, status_code=404)
            view.data.log("export", day=day, purpose="run", format=kind)
            if self._apart is not None:
                return _download(*self._apart.run_file(view, export_city(view), day, kind))
            return _download(*run_file(view.data, export_city(view), view.standard, day, kind, view.lang))
        except XunchaError as error:
            return JSONResponse({"error": str(error)}, status_code=403)


def export_routes(desk: Desk, apart: Apart | None = None) -> APIRouter:
    """The routes, to be included before Dash adds its own; `apart` writes what is slow in another process (None: in this one)."""
    router = APIRouter(include_in_schema=False)
    exports = Exports(desk, apart)
    router.add_route("/export/table/{kind}", exports.table, methods=["GET"])
    router.add_route("/export/run/{kind}", exports.run, methods=["GET"])
    return router
