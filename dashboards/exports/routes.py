"""GET /export/…: the table that a desk shows and the files of a run, of what the visitor may see and no more."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from datetime import date
from functools import partial
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
from dashboards.exports.turns import AGAIN_S, Turns
from dashboards.manager_tables import shown_table
from dashboards.scoped_source import export_city
from dashboards.statuses import later, refusal
from gis.errors import XunchaError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from starlette.requests import Request

    from dashboards.auth.principal import Role
    from dashboards.context import Desk, View
    from dashboards.exports.apart import Apart
    from dashboards.exports.shown import Shown

    Maker = Callable[[View, date, str, Request], Awaitable[tuple[str, bytes]]]

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


@dataclass(frozen=True, slots=True)
class TableOrder:
    """A table of a choice, gathered and to be written."""

    shown: Shown
    choice: Choice
    name: str
    kind: str


def table_order(view: View, day: date, choice: Choice, kind: str) -> TableOrder:
    """The table of a choice, row for row as the page shows it."""
    scope = view.principal.scope
    whose = "" if scope.whole else f"-{scope.kind}-{scope.key}"
    name = f"xuncha-{day}{whose}-{choice.kind}-{choice.level}.{kind}"
    return TableOrder(shown_table(view, day, choice), choice, name, kind)


def table_file(view: View, day: date, choice: Choice, kind: str) -> tuple[str, bytes]:
    """Name and bytes of the table of a choice."""
    order = table_order(view, day, choice, kind)
    return written(make_table(order.shown, order.choice, order.name, order.kind))


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
        self._turns = Turns()

    async def table(self, request: Request) -> Response:
        """GET /export/table/{xlsx|csv|gpkg|html|pdf}?day=…&level=…: the manager's table."""
        return await self._answer(request, TABLE_ROLES, TABLE_FORMATS, self._table)

    async def run(self, request: Request) -> Response:
        """GET /export/run/{format}?day=…: a whole run."""
        return await self._answer(request, RUN_ROLES, FORMATS, self._run)

    async def _answer(
        self, request: Request, roles: tuple[Role, ...], formats: Collection[str], make: Maker
    ) -> Response:
        kind = request.path_params["kind"]
        try:
            view = await run_sync(partial(self.desk.view, dict(request.query_params), roles=roles))
            day = await run_sync(_day_of, view, request.query_params.get("day", ""))
            if day is None or kind not in formats:
                return JSONResponse({"error": "not_found"}, status_code=404)
            with self._turns.turn(view.principal.name) as granted:
                return _download(*await make(view, day, kind, request)) if granted else later(AGAIN_S)
        except XunchaError as error:
            return refusal(error)

    async def _table(self, view: View, day: date, kind: str, request: Request) -> tuple[str, bytes]:
        query = str(request.url.query)[:400]
        await run_sync(partial(view.data.log, "export", day=day, purpose="table", format=kind, query=query))
        order = await run_sync(table_order, view, day, Choice.of(view.query), kind)
        if self._apart is not None and kind in SLOW:
            return await self._apart.table_file(order.shown, order.choice, order.name, kind)
        return written(await run_sync(make_table, order.shown, order.choice, order.name, kind))

    async def _run(self, view: View, day: date, kind: str, _request: Request) -> tuple[str, bytes]:
        await run_sync(partial(view.data.log, "export", day=day, purpose="run", format=kind))
        if self._apart is not None:
            return await self._apart.run_file(view, export_city(view), day, kind)
        return await run_sync(run_file, view.data, export_city(view), view.standard, day, kind, view.lang)


def _day_of(view: View, text: str) -> date | None:
    """The audited day that is asked for, None where there is none."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day in view.data.days() else None


def export_routes(desk: Desk, apart: Apart | None = None) -> APIRouter:
    """The routes, to be included before Dash adds its own; `apart` writes what is slow in another process (None: in this one)."""
    router = APIRouter(include_in_schema=False)
    exports = Exports(desk, apart)
    router.add_route("/export/table/{kind}", exports.table, methods=["GET"])
    router.add_route("/export/run/{kind}", exports.run, methods=["GET"])
    return router
