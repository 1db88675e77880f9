"""What exports and desks read views from: the store as one visitor may see it, in the shape of `dashboards.views.Source`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from dashboards.tally import KINDS, VIEW_OF, base_of, rollups_of
from dashboards.views import RunData, make_view
from gis.errors import Fault, ImpossibleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from dashboards.context import View
    from dashboards.scope import ScopedStore
    from dashboards.tally import Kind
    from gis.standard import Standard
    from layers.store.base import Run, StandardEdition


@dataclass(frozen=True, slots=True)
class ExportCity:
    """Name and time zone, as exports head their files."""

    name: str
    timezone: str
    standard: Any = None
    resolve: Any = None


class ScopedSource:
    """The rows of one visitor's scope of some days' current runs.

    A town or squad gets roll-ups by rule and class of its own windows in place of the county's, and the hashes of the inputs without the
    county's numbers of rows.
    """

    def __init__(self, data: ScopedStore, days: Sequence[date], present: Standard) -> None:
        self._data = data
        self._present = present
        self._days = {run.run_id: day for day in days if (run := data.run(day)) is not None}

    def current_run(self, day: date) -> Run | None:
        """The current run of a day."""
        run = self._data.run(day)
        if run is None or self._data.principal.scope.whole:
            return run
        return replace(run, inputs=[{k: v for k, v in i.items() if k != "rows"} for i in run.inputs])

    def standard(self, edition_id: str) -> StandardEdition | None:
        """A stored standard."""
        return self._data.standard(edition_id)

    def ledger(self, ledger: str, *, where: Mapping[str, Any] | None = None, limit: int = 1000) -> pd.DataFrame:
        """Confirmations of the visitor's own scope; no other ledger."""
        return self._data.confirmed(dict(where or {}), limit=limit) if ledger == "confirmations" else pd.DataFrame()

    def read(self, table: str, edition_id: str | None, *, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Rows of an edition pinned to one of the runs; no edition gives no rows."""
        day = next((d for d in self._days.values() if self._data.edition_id(table, d) == edition_id), None)
        if edition_id is None or day is None:
            return self._data.read(table, next(iter(self._days.values()))).iloc[:0]
        return self._data.read(table, day, where=where)

    def result(self, run_id: str, table: str, *, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Rows of a result."""
        day = self._days[run_id]
        rows = self._data.result(table, day, run_id=run_id, where=where)
        if table != "rollups" or where or self._data.principal.scope.whole:
            return rows
        own = self._data.remember(("own rollups", run_id), lambda: self._own(day), lambda f: 500 * len(f))
        return pd.concat([rows, own.assign(day=day)], ignore_index=True) if len(own) else rows

    def _own(self, day: date) -> pd.DataFrame:
        data = RunData(self, _run(self, day))
        return rollups_of(
            {k: base_of(k, make_view(data, VIEW_OF[k]).frame) for k in KINDS},
            self._data.applied(day, self._present).standard,
        )


def _run(source: ScopedSource, day: date) -> Run:
    """The day's run.

    Raises:
        ImpossibleError: the day has not been audited.
    """
    run = source.current_run(day)
    if run is None:
        raise ImpossibleError(Fault("run.none", f"{day} 还没有核查结果", f"{day} has not been audited"))
    return run


def run_data(view: View, day: date) -> RunData:
    """A day's run as the visitor may see it.

    Raises:
        ImpossibleError: the day has not been audited.
    """
    source = ScopedSource(view.data, [day], view.standard)
    return RunData(source, _run(source, day))


def windows_of(view: View, kind: Kind, day: date) -> pd.DataFrame:
    """The windows of a day that the visitor may see (dashboards.tally.base_of), remembered."""
    run = view.data.run(day)
    if run is None:
        return pd.DataFrame()

    def make() -> pd.DataFrame:
        data = run_data(view, day)
        frame = make_view(data, VIEW_OF[kind]).frame
        if kind == "roads":
            roads = data.table("sections")[["section_id", "road_id"]].drop_duplicates("section_id")
            frame = pd.DataFrame(frame).merge(pd.DataFrame(roads), on="section_id", how="left")
            frame["grid_name"] = frame["work_grid_id"].astype(object).map(data.names("work_grids", "grid_id"))
        return base_of(kind, frame)

    return view.data.remember(("windows", kind, run.run_id), make, lambda f: 800 * len(f))


def export_city(view: View) -> ExportCity:
    """The city as exports name it, with the scope where it is not the whole county."""
    return ExportCity(
        str(getattr(view.city, "name", "")),
        view.settings.time_zone,
        getattr(view.city, "standard", None),
        getattr(view.city, "resolve", None),
    )
