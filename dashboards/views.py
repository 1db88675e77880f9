"""What people read of a run: tables joined with the names they need.

Pages, exports and reports show these views and nothing else, so that no two of them can disagree.
"""

# ruff: noqa: E501 (a view stands on a line or two)

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import geopandas as gpd
import pandas as pd

from dashboards.sentences import lacking_words, missing_words
from gis.errors import Fault, ImpossibleError
from layers.contracts import TABLES, Column
from layers.symbology import word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from layers.store.base import Edition, Run, StandardEdition


class Source(Protocol):
    """What views read from: the store itself, or the part of it that a visitor may see."""

    def current_run(self, day: date) -> Run | None:
        """The current run of a day."""
        ...

    def standard(self, edition_id: str) -> StandardEdition | None:
        """A stored standard."""
        ...

    def ledger(self, ledger: str, *, where: Mapping[str, Any] | None = None, limit: int = 1000) -> pd.DataFrame:
        """Rows of a ledger (confirmations), newest first."""
        ...

    def read(self, table: str, edition_id: str | None, *, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Rows of an edition."""
        ...

    def result(self, run_id: str, table: str, *, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Rows of a result."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A table to show: its words, its columns with headings and units, and its rows (a GeoDataFrame where it has places)."""

    name: str
    zh: str
    en: str
    columns: tuple[Column, ...]
    frame: pd.DataFrame

    def title(self, lang: str) -> str:
        """Its name."""
        return self.zh if lang == "zh" else self.en

    def plain(self) -> pd.DataFrame:
        """The rows without geometry, columns in order."""
        return pd.DataFrame(self.frame)[[c.name for c in self.columns if c.name != "geometry"]]


@dataclass(frozen=True, slots=True)
class _Spec:
    """A view: base table, joins (column of the base = key of the other table, columns taken as), columns shown."""

    name: str
    zh: str
    en: str
    base: str
    joins: tuple[tuple[str, str, str, tuple[tuple[str, str], ...]], ...] = ()
    where: tuple[tuple[str, Any], ...] = ()
    drop: tuple[str, ...] = ()
    geometry: bool = False
    only: tuple[str, ...] = ()  # the columns shown, in their order; empty: all


_PLACE = (("name", "section_name"), ("road_name", "road_name"), ("policy_class", "policy_class"), ("unit_id", "unit_id"), ("unit_source", "unit_source"),
          ("town_id", "town_id"), ("work_grid_id", "work_grid_id"))  # fmt: skip
_SECTION = ("section_id", "sections", "section_id", _PLACE)
_SECTION_LONG = (
    "section_id",
    "sections",
    "section_id",
    (*_PLACE, ("zone", "zone"), ("length_mm", "length_mm"), ("geometry", "geometry")),
)
_GRID = (
    "grid_id",
    "work_grids",
    "grid_id",
    (("name", "grid_name"), ("town_id", "town_id"), ("unit_id", "unit_id"), ("geometry", "geometry")),
)

# What somebody needs who fills the gaps of the roster: which road, from where to where, of what class, whose, how long.
UNNAMED = (
    "unit_name", "unit_source", "town_name", "road_name", "from_name", "to_name", "policy_class", "length_mm", "named_by", "section_id", "unit_id",
    "town_id", "work_grid_id",
)  # fmt: skip

SPECS: dict[str, _Spec] = {
    s.name: s
    for s in (
        _Spec("summary", "规则汇总", "By rule", "rollups", where=(("level", "rule"),)),
        _Spec("classes", "道路等级汇总", "By road class", "rollups", where=(("level", "class"),)),
        _Spec("zones", "区位汇总", "By zone", "rollups", where=(("level", "zone"),)),
        _Spec("towns", "镇街汇总", "By town", "rollups", where=(("level", "town"),)),
        _Spec("squads", "中队汇总", "By squad", "rollups", where=(("level", "squad"),)),
        _Spec("roads", "道路汇总", "By road", "rollups", where=(("level", "road"),)),
        _Spec("grid_roads", "网格内道路汇总", "Roads by work grid", "rollups", where=(("level", "work_grid"),)),
        _Spec("persons", "责任人汇总", "By responsible person", "rollups", where=(("level", "person"),)),
        _Spec("sections", "责任路段", "Responsible sections", "section_days", (_SECTION_LONG,), geometry=True),
        _Spec("unnamed", "名册未写责任人的路段", "Sections for which the roster names nobody", "section_days", (("section_id", "sections", "section_id", (
            ("road_name", "road_name"), ("from_name", "from_name"), ("to_name", "to_name"), ("policy_class", "policy_class"), ("length_mm", "length_mm"),
            ("unit_id", "unit_id"), ("unit_source", "unit_source"), ("town_id", "town_id"), ("work_grid_id", "work_grid_id"))),),
            where=(("named_by", ("from_grid", "nobody")),), only=UNNAMED),
        _Spec("windows", "应巡时段", "Windows", "section_windows", (_SECTION,)),
        _Spec("missed", "漏巡与未知时段", "Windows missed or unknown", "section_windows", (_SECTION,), where=(("outcome", ("missed", "unknown")),)),
        _Spec("segments", "路段边", "Segments", "segment_days", (("segment_id", "segments", "segment_id", (
            ("road_name", "road_name"), ("source_class", "source_class"), ("policy_class", "policy_class"), ("no_rule_reason", "no_rule_reason"),
            ("length_mm", "length_mm"), ("town_id", "town_id"), ("work_grid_id", "work_grid_id"), ("geometry", "geometry"))),), geometry=True),
        _Spec("grids", "工作网格", "Work grids", "grid_days", (_GRID,), geometry=True),
        _Spec("rounds", "全覆盖轮次", "Full-coverage rounds", "grid_rounds"),
        _Spec("unvisited", "全天未到路段", "Stretches visited in no round", "unvisited", (("segment_id", "segments", "segment_id", (
            ("road_name", "road_name"),)),), geometry=True),
        _Spec("community", "全科网格巡查", "Community cadence", "community_windows", (("grid_id", "community_grids", "grid_id", (
            ("name", "grid_name"), ("community", "community"), ("town_id", "town_id"), ("geometry", "geometry"))),), geometry=True),
        _Spec("density", "人员配置", "Inspector density", "density"),
        _Spec("density_surface", "人员密度面", "Density surface", "density_surface", geometry=True),
        _Spec("hotspots", "案件热点", "Case hotspots", "hotspots", geometry=True),
        _Spec("case_areas", "案件分区统计", "Cases by area", "case_areas"),
        _Spec("zonal", "遥感统计", "Zonal statistics", "zonal"),
        _Spec("zonal_change", "遥感变化", "Change between scenes", "zonal_change"),
        _Spec("people", "人员日表", "People by day", "people"),
        _Spec("devices", "设备日表", "Devices by day", "device_days"),
        _Spec("clocks", "处置时限", "Disposal clocks", "case_clocks", (("case_id", "cases", "case_id", (
            ("channel", "channel"), ("category", "category"), ("unit_id", "unit_id"))),)),
        _Spec("unresolved", "责任分工待改清单", "Responsibilities to be rewritten", "unresolved"),
        _Spec("findings", "说明", "Findings and notes", "findings"),
    )
}  # fmt: skip

FROM_GRID = Column("from_grid", "int", "其中由网格代填（次）", "Windows filled in from the work grid")
_RENAMED = {
    "section_name": Column("section_name", "str", "责任路段名称", "Section"),
    "grid_name": Column("grid_name", "str", "网格名称", "Grid"),
    "persons": Column("persons", "str", "责任人", "Responsible persons"),
    "unit_name": Column("unit_name", "str", "单位名称", "Unit"),
    "town_name": Column("town_name", "str", "镇街名称", "Town"),
    "day": Column("day", "date", "日期", "Day"),
}


class RunData:
    """One run's tables, each read once."""

    def __init__(self, source: Source, run: Run) -> None:
        self.source = source
        self.run = run
        self._tables: dict[str, pd.DataFrame] = {}

    def table(self, name: str) -> pd.DataFrame:
        """A table as this run saw it: results of the run, inputs and derived tables of the editions pinned to it."""
        if name not in self._tables:
            kind = TABLES[name].kind
            self._tables[name] = (
                self.source.result(self.run.run_id, name)
                if kind == "result"
                else self.source.read(name, self.run.editions.get(name))
            )
        return self._tables[name]

    def names(self, table: str, key: str) -> dict[str, str]:
        """Key to name, for words beside codes; what has no name is left out."""
        frame = self.table(table)
        frame = frame[frame["name"].notna()]
        return dict(zip(frame[key].astype(str), frame["name"].astype(str), strict=True))

    def town_names(self) -> dict[str, str]:
        """Town to name: of the unit that the roster gives it, else of its area."""
        units, areas = self.table("units"), self.table("areas")
        units = units[(units["kind"] == "town") & units["town_id"].notna() & units["name"].notna()]
        areas = areas[(areas["kind"] == "town") & areas["name"].notna()]
        found = dict(zip(units["town_id"].astype(str), units["name"].astype(str), strict=True))
        return found | dict(zip(areas["area_id"].astype(str), areas["name"].astype(str), strict=True))


def open_run(source: Source, day: date) -> RunData:
    """The current run of a day.

    Raises:
        ImpossibleError: the day has not been audited.
    """
    run = source.current_run(day)
    if run is None:
        raise ImpossibleError(
            Fault(
                "run.none",
                f"{day} 还没有核查结果",
                f"{day} has not been audited",
                f"先运行 xuncha audit city.toml --day {day}",
                f"first run xuncha audit city.toml --day {day}",
            )
        )
    return RunData(source, run)


def make_view(data: RunData, name: str) -> View:
    """A view of a run, rows in stored order, with names beside codes.

    Raises:
        KeyError: no such view.
    """
    spec = SPECS[name]
    frame = data.table(spec.base)
    for column, wanted in spec.where:
        frame = frame[frame[column].isin(wanted if isinstance(wanted, tuple) else (wanted,))]
    frame = frame.drop(columns="run_id", errors="ignore").reset_index(drop=True)
    columns = [_RENAMED["day"], *TABLES[spec.base].columns]
    for left, table, right, taken in spec.joins:
        frame, added = _join(frame, data.table(table), left, table, right, taken)
        columns.extend(added)
    frame, named = _with_names(data, frame)
    columns.extend(named)
    if "day" not in frame:
        frame.insert(0, "day", data.run.day)
    if name == "persons":
        frame = frame.assign(from_grid=_filled_in(data.table("section_windows"), frame))
        columns.append(FROM_GRID)
    shown = _ordered(columns)
    if spec.only:
        shown = tuple(next(c for c in shown if c.name == n) for n in ("day", *spec.only))
        frame = frame.sort_values(list(spec.only[:6]), kind="stable", na_position="last", ignore_index=True)
    return View(name, spec.zh, spec.en, shown, _placed(frame, geometry=spec.geometry))


def _filled_in(windows: pd.DataFrame, persons: pd.DataFrame) -> Any:
    """Of each row of the roll-ups by person: how many of its windows they answer for only because the roster names nobody."""
    rows = windows[(windows["named_by"] == "from_grid") & windows["person_ids"].notna()]
    rows = rows.assign(key=rows["person_ids"].str.split(";"))[["key", "rule_id"]].explode("key")
    counts = pd.concat([rows, rows.assign(rule_id="all")]).groupby(["key", "rule_id"]).size()
    asked = pd.MultiIndex.from_frame(persons[["key", "rule_id"]].astype(str))
    return counts.reindex(asked, fill_value=0).to_numpy(dtype="int64") if len(counts) else 0


def _join(
    frame: pd.DataFrame, other: pd.DataFrame, left: str, table: str, right: str, taken: Sequence[tuple[str, str]]
) -> tuple[pd.DataFrame, list[Column]]:
    fresh = [(source, name) for source, name in taken if name not in frame]
    part = pd.DataFrame(other)[[right, *(s for s, _ in fresh)]].rename(columns={right: left, **dict(fresh)})
    merged = pd.DataFrame(frame).merge(part.drop_duplicates(left), on=left, how="left", validate="many_to_one")
    contract = TABLES[table]
    return merged, [_RENAMED.get(name, contract.column(source)) for source, name in fresh]


def _with_names(data: RunData, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Column]]:
    """Names of persons, units and towns beside their codes."""
    added: list[Column] = []
    frame = pd.DataFrame(frame).copy()
    if "person_ids" in frame:
        names = data.names("persons", "person_id")
        frame["persons"] = [
            "、".join(names.get(p, p) for p in ids.split(";")) if isinstance(ids, str) and ids else ""
            for ids in frame["person_ids"]
        ]
        added.append(_RENAMED["persons"])
    for column in ("unit_id", "town_id"):
        if column in frame:
            names = data.names("units", "unit_id") if column == "unit_id" else data.town_names()
            name = f"{column.removesuffix('_id')}_name"
            frame[name] = frame[column].astype(object).map(names).astype(object).fillna("")
            added.append(_RENAMED[name])
    return frame, added


def _ordered(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Names before figures, geometry last, every name once."""
    seen: dict[str, Column] = {}
    for c in columns:
        seen.setdefault(c.name, c)
    last = [c for c in seen.values() if c.dtype in {"point", "line", "polygon", "geometry"}]
    return (*(c for c in seen.values() if c not in last), *last)


def _placed(frame: pd.DataFrame, *, geometry: bool) -> pd.DataFrame:
    if geometry and "geometry" in frame:
        return gpd.GeoDataFrame(frame, geometry="geometry", crs=4326)
    return pd.DataFrame(frame).drop(columns="geometry", errors="ignore")


def in_words(view: View, *, lang: str, time_zone: str) -> pd.DataFrame:
    """The view for people: headings and units in their language, codes in words, times local, millimetres as kilometres.

    Figures stay numbers; shares stay 0 … 1 (a sheet or page formats them as per cent).
    """
    out: dict[str, Any] = {}
    plain = view.plain()
    for c in view.columns:
        if c.name not in plain:
            continue
        values, unit = plain[c.name], c.unit
        if c.unit == "mm":
            values, unit = values / 1e6, "km"
        elif c.unit == "s":
            values, unit = values / 60, "min"
        elif c.dtype == "time":
            values = pd.to_datetime(values, utc=True).dt.tz_convert(time_zone).dt.tz_localize(None)
        elif c.dtype == "bool":
            values = values.map({True: "是" if lang == "zh" else "yes", False: "否" if lang == "zh" else "no"})
        elif c.name == "missing":
            values = values.map(lambda v: missing_words(v, lang))
        elif c.name == "lacking":
            values = values.map(lambda v: lacking_words(v, lang))
        elif c.dtype == "str" and not c.name.endswith(("_id", "name", "_ids")):
            values = values.map(lambda v: word(v, lang) if isinstance(v, str) else "")
        heading = c.zh if lang == "zh" else c.en.split(" (")[0]
        out[
            _unique(
                f"{heading}（{unit}）" if unit and lang == "zh" else f"{heading} ({unit})" if unit else heading, out
            )
        ] = values
    return pd.DataFrame(out)


def _unique(heading: str, taken: Mapping[str, Any]) -> str:
    """Two columns never share a heading."""
    number, name = 2, heading
    while name in taken:
        name, number = f"{heading} {number}", number + 1
    return name


def editions_used(run: Run, editions: Sequence[Edition]) -> list[dict[str, Any]]:
    """The editions pinned to a run, with their size and date, in the order of their tables."""
    by_id = {(e.table, e.edition_id): e for e in editions}
    out = []
    for table, edition_id in sorted(run.editions.items()):
        e = by_id.get((table, edition_id))
        out.append(
            {
                "table": table,
                "edition_id": edition_id,
                "rows": e.rows if e else None,
                "valid_from": str(e.valid_from) if e else None,
            }
        )
    return out
