"""One call that writes a run in every format asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import geopandas as gpd
import pandas as pd

from dashboards.exports.aside import final, written_aside
from dashboards.exports.geopackage import write_geopackage
from dashboards.exports.html_map import write_map
from dashboards.exports.report import write_report
from dashboards.exports.text import summary, write_columns, write_csv, write_geojson, write_json
from dashboards.exports.workbook import write_workbook
from dashboards.views import SPECS, Source, View, make_view, open_run
from layers.standard_editions import Applied, standard_of, stored_standard
from layers.standard_files import load_standard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path

    from layers.store.base import Run

FORMATS = ("csv", "xlsx", "gpkg", "geojson", "html", "pdf")


class CityLike(Protocol):
    """What exports need to know of a city."""

    @property
    def name(self) -> str:
        """Chinese name."""
        ...

    @property
    def timezone(self) -> str:
        """Local time zone."""
        ...


def export_days(
    city: CityLike,
    store: Source,
    days: Sequence[date],
    out: Path,
    *,
    formats: Sequence[str],
    lang: str = "zh",
    progress: Any = None,
) -> list[Path]:
    """Write the current runs of the days; several days stand in one table one after the other, by column `day`.

    Args:
        city: name and time zone.
        store: the store, or the part of it that a visitor may see.
        days: local days, each audited.
        out: folder, made if need be.
        formats: subset of FORMATS.
        lang: language of workbook, map and legends; CSV and JSON are the same in both.
        progress: told (stage, done, total).

    Returns:
        The files written.

    Raises:
        ImpossibleError: a day has not been audited.
    """
    tell = progress or (lambda *_: None)
    runs = [open_run(store, day) for day in days]  # before a folder is made
    views: dict[str, View] = {}
    for done, name in enumerate(SPECS):
        tell("视图 views", done, len(SPECS))
        views[name] = _stacked([make_view(data, name) for data in runs])
    tell("视图 views", len(SPECS), len(SPECS))
    texts = [summary(data.run, data.table("rollups"), data.table("findings")) for data in runs]
    head = (
        texts[0] if len(texts) == 1 else {"from": str(days[0]), "to": str(days[-1]), "city": city.name, "days": texts}
    )
    stem = f"xuncha-{days[0]}" if len(days) == 1 else f"xuncha-{days[0]}-{days[-1]}"
    report: dict[str, Any] = {}
    if "pdf" in formats:  # read before anything is written
        report = {"applied": _applied(city, store, runs[-1].run), "confirmed": _confirmed(store, [d.run for d in runs])}
    with written_aside(out) as part:
        written = [write_json(head, part / "summary.json")]
        for done, kind in enumerate(formats):
            tell("写出 files", done, len(formats))
            written += _write(kind, views, texts, part, stem, city, lang, report=report)
        tell("写出 files", len(formats), len(formats))
    return final(written, part, out)


def _write(
    kind: str, views: dict[str, View], texts: list[dict[str, Any]], out: Path, stem: str, city: CityLike, lang: str,
    *, report: dict[str, Any],
) -> list[Path]:  # fmt: skip
    if kind == "csv":
        folder = out / "csv"
        folder.mkdir(exist_ok=True)
        files = [write_csv(v, folder / f"{n}.csv", time_zone=city.timezone) for n, v in views.items()]
        return [*files, write_columns(views.values(), folder / "columns.csv")]
    if kind == "geojson":
        folder = out / "geojson"
        folder.mkdir(exist_ok=True)
        return [write_geojson(v, folder / f"{n}.geojson") for n, v in views.items() if "geometry" in v.frame]
    if kind == "xlsx":
        return [write_workbook(out / f"{stem}.xlsx", views, texts[-1], lang=lang, time_zone=city.timezone)]
    if kind == "gpkg":
        return [write_geopackage(list(views.values()), out / f"{stem}.gpkg", lang=lang)]
    if kind == "pdf":
        head: dict[str, Any] = {"lang": lang, "city": city.name, "time_zone": city.timezone}
        return [write_report(views, texts, out / f"{stem}.pdf", **report, **head)]
    return [write_map(views, texts[-1], out / "map.html", lang=lang, city=city.name, time_zone=city.timezone)]


def _confirmed(store: Source, runs: Sequence[Run]) -> list[str]:
    """Who confirmed the whole of every run (figure `all`, of the exported scope); empty where one of them nobody did."""
    found: list[list[str]] = []
    for run in runs:
        rows = store.ledger("confirmations", where={"run_id": run.run_id, "figure": "all", "scope": "county"})
        found.append([str(b) for b in rows["by"]] if len(rows) else [])
    return sorted({b for names in found for b in names}) if all(found) else []


def _applied(city: CityLike, store: Source, run: Run) -> Applied:
    """The standard that a run applied; one made before standards were stored is told by the one that the city file names now."""
    if run.standard_edition is None:
        named = getattr(city, "standard", None) is not None
        return Applied(standard_of(city) if named else load_standard(run.standard_id), None)
    return stored_standard(store, run.standard_edition)


def _stacked(parts: list[View]) -> View:
    """Views of several days as one."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    frame = pd.concat([p.frame for p in parts], ignore_index=True)
    if "geometry" in first.frame:
        frame = gpd.GeoDataFrame(frame, geometry="geometry", crs=4326)
    return View(first.name, first.zh, first.en, first.columns, frame)
