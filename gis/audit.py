"""The audit of one local day: from fixes, passes and the stored tables to every result table that needs no raster and no statistics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd

from gis.answerable import complete_exceptions, entries_by_target
from gis.calendar import is_working_day
from gis.calendar_notes import calendar_notes, provisional_rows
from gis.checkins import checkin_notes
from gis.clock_notes import clock_notes
from gis.clocks import case_clocks
from gis.community import checkins_judged, community_cadence
from gis.crew import Crew, build_crew, column_text, with_fixes
from gis.decidable import OBSTACLES
from gis.density import density
from gis.evidence import evidence_of
from gis.frequency import RoadFrequency, road_frequency
from gis.ground import ground_notes
from gis.network.unresolved import unresolved_rows
from gis.people import device_days, people_days
from gis.presence import presence_of
from gis.rates import excused_millimetres
from gis.rollups import COUNTY, road_rollups, subject_rollups, with_rounds
from gis.rounds import grid_rounds
from gis.sentences import SENTENCES
from gis.subjects import subject_notes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from gis.checkins import Judged
    from gis.model import Fixes, Mode, Passes
    from gis.network.model import Network
    from gis.standard import Standard

_COLUMNS = {
    "persons": "person_id name role unit_id town_id duty valid_from valid_to",
    "devices": "device_id kind mode",
    "assignments": "device_id person_id mode valid_from valid_to",
    "responsibilities": "responsibility_id person_id duty_kind target_kind target_id resolved valid_from valid_to",
    "exceptions": "exception_id kind target_kind target_id substitute_id starts ends reason approver entered_at",
    "cases": "case_id channel category unit_id road_class opened dispatched verified due instructed_due closed on_spot status",
    "checkins": "person_id place_id time",
    "units": "unit_id name kind",
    "areas": "area_id kind name parent_id",
    "work_grids": "grid_id name level town_id unit_id",
    "community_grids": "grid_id name community town_id",
}
_SHAPED = {"areas", "work_grids", "community_grids"}
_MM_PER_KM = 1_000_000


def _empty(name: str) -> pd.DataFrame:
    frame = pd.DataFrame({c: pd.Series(dtype=object) for c in _COLUMNS[name].split()})
    return gpd.GeoDataFrame(frame, geometry=gpd.GeoSeries([], crs=4326), crs=4326) if name in _SHAPED else frame


@dataclass(frozen=True, slots=True, eq=False)
class DayInputs:
    """The stored tables that the audit of a day reads, each by its contract; what a city does not have is empty.

    Attributes:
        day: local day.
        zone: local time zone.
        persons … community_grids: the tables of these names in the editions in force that day.
        unassigned_modes: modes whose devices count although no roster knows them; empty: none.
        history: passes and crew of the days before it that community windows reach back to (`gis.calendar.days_needed`), oldest first.
    """

    day: date
    zone: ZoneInfo
    persons: pd.DataFrame = field(default_factory=lambda: _empty("persons"))
    devices: pd.DataFrame = field(default_factory=lambda: _empty("devices"))
    assignments: pd.DataFrame = field(default_factory=lambda: _empty("assignments"))
    responsibilities: pd.DataFrame = field(default_factory=lambda: _empty("responsibilities"))
    exceptions: pd.DataFrame = field(default_factory=lambda: _empty("exceptions"))
    cases: pd.DataFrame = field(default_factory=lambda: _empty("cases"))
    checkins: pd.DataFrame = field(default_factory=lambda: _empty("checkins"))
    units: pd.DataFrame = field(default_factory=lambda: _empty("units"))
    areas: gpd.GeoDataFrame = field(default_factory=lambda: _empty("areas"))  # type: ignore[assignment]
    work_grids: gpd.GeoDataFrame = field(default_factory=lambda: _empty("work_grids"))  # type: ignore[assignment]
    community_grids: gpd.GeoDataFrame = field(default_factory=lambda: _empty("community_grids"))  # type: ignore[assignment]
    unassigned_modes: tuple[Mode, ...] = ()
    history: Sequence[tuple[Passes, Crew]] = ()


def crew_of(inputs: DayInputs, standard: Standard) -> Crew:
    """The roster of the day.

    Raises:
        SettingsError: duty times of a person are no periods.
    """
    return build_crew(
        inputs.day, inputs.zone, standard, persons=inputs.persons, devices=inputs.devices, assignments=inputs.assignments,
        responsibilities=inputs.responsibilities, exceptions=inputs.exceptions, unassigned_modes=inputs.unassigned_modes,
    )  # fmt: skip


def audit_day(
    inputs: DayInputs,
    *,
    network: Network,
    fixes: Fixes,
    passes: Passes,
    standard: Standard,
    crew: Crew | None = None,
    judge_roads: Callable[..., RoadFrequency] = road_frequency,
) -> dict[str, pd.DataFrame]:
    """Every rule of the standard on one local day.

    Fixes and passes may come from any number of shards (devices apart): joined and sorted, they give the same tables as one.

    Args:
        inputs: the stored tables.
        network: segments and sections.
        fixes: positions of the day.
        passes: what matching made of them.
        standard: the rules.
        crew: the roster with silences where it is known already (`with_fixes(crew_of(inputs, standard), fixes, standard)`).
        judge_roads: `road_frequency`, or what gives the same some other way (in groups of sections, elsewhere).

    Returns:
        frames by table name: section_windows, section_days, segment_days, rollups, grid_days, grid_rounds, unvisited, community_windows,
        density, people, device_days, case_clocks, findings.

    Raises:
        SettingsError: duty times of a person are no periods.
    """
    day, zone, exceptions = inputs.day, inputs.zone, inputs.exceptions
    crew = crew or with_fixes(crew_of(inputs, standard), fixes, standard)
    evidence = evidence_of(network, passes, standard)
    roads = judge_roads(
        network, passes, crew, standard, day, zone, exceptions=exceptions, areas=inputs.areas, evidence=evidence
    )
    grids = grid_rounds(
        network,
        passes,
        crew,
        standard,
        day,
        zone,
        work_grids=inputs.work_grids,
        exceptions=exceptions,
        areas=inputs.areas,
        evidence=evidence,
    )
    history = [*inputs.history, (passes, crew)]
    judged = checkins_judged(network, history, standard, inputs.community_grids, inputs.areas, inputs.checkins)
    community = community_cadence(
        network, history, standard, day, zone, community_grids=inputs.community_grids, areas=inputs.areas,
        checkins=inputs.checkins, exceptions=exceptions, judged=judged,
    )  # fmt: skip
    units = dict(
        zip(column_text(network.sections, "section_id"), column_text(network.sections, "unit_id"), strict=True)
    )
    windows = roads.section_windows.assign(
        provisional=provisional_rows(roads.section_windows, standard, day, unit_of=units, key="section_id")
    )
    names = _names(inputs, crew)
    tables: dict[str, pd.DataFrame] = {
        "section_windows": windows,
        "section_days": roads.section_days,
        "segment_days": roads.segment_days,
        "rollups": _rollups(network, inputs, standard, roads.section_windows, grids.grid_days, community, names),
        "grid_days": grids.grid_days.assign(provisional=provisional_rows(grids.grid_days, standard, day)),
        "grid_rounds": grids.grid_rounds,
        "unvisited": grids.unvisited,
        "community_windows": community,
        "density": density(
            crew,
            presence_of(crew, fixes, standard),
            standard,
            work_grids=inputs.work_grids,
            areas=inputs.areas,
            crs=network.graph.crs,
            town_names=names["town"],
        ),
        "people": people_days(network, fixes, passes, crew, standard, strokes=evidence.strokes),
        "device_days": device_days(fixes, passes, crew),
        "case_clocks": case_clocks(inputs.cases, standard, zone, as_of_ms=crew.end_ms),
    }
    tables["unresolved"] = unresolved_rows(inputs.responsibilities)
    tables["findings"] = findings(inputs, network, crew, passes, standard, tables, judged)
    return tables


def _names(inputs: DayInputs, crew: Crew) -> dict[str, dict[str, str]]:
    """Names by level."""
    units = dict(zip(column_text(inputs.units, "unit_id"), column_text(inputs.units, "name"), strict=True))
    areas = zip(
        column_text(inputs.areas, "area_id"),
        column_text(inputs.areas, "name"),
        column_text(inputs.areas, "kind"),
        strict=True,
    )
    grids = inputs.work_grids
    return {
        "squad": units,
        "town": {**units, **{i: n for i, n, kind in areas if kind == "town"}},
        "work_grid": dict(zip(column_text(grids, "grid_id"), column_text(grids, "name"), strict=True)),
        "person": {p.person_id: p.name for p in crew.persons},
        "zone": {"central": "中心城区", "fringe": "城郊结合部"},
    }


def _rollups(
    network: Network, inputs: DayInputs, standard: Standard, windows: pd.DataFrame, grid_days: pd.DataFrame, community: pd.DataFrame,
    names: Mapping[str, Mapping[str, str]],
) -> pd.DataFrame:  # fmt: skip
    towns = {
        "grid": dict(
            zip(column_text(inputs.work_grids, "grid_id"), column_text(inputs.work_grids, "town_id"), strict=True)
        ),
        "community": dict(
            zip(
                column_text(inputs.community_grids, "grid_id"),
                column_text(inputs.community_grids, "town_id"),
                strict=True,
            )
        ),
    }
    grid_units = zip(column_text(inputs.work_grids, "grid_id"), column_text(inputs.work_grids, "unit_id"), strict=True)
    squads = {g: u for g, u in grid_units if not names["squad"] or u in names["squad"]}  # as sections are owned
    ids, members = column_text(grid_days, "grid_id"), column_text(community, "grid_id")
    levels = {
        COUNTY: [COUNTY] * len(ids), "zone": column_text(grid_days, "level"), "town": [towns["grid"].get(g, "") for g in ids],
        "squad": [squads.get(g, "") for g in ids], "work_grid": ids,
    }  # fmt: skip
    parts = [
        road_rollups(network, windows, standard, names=names),
        with_rounds(
            subject_rollups(
                grid_days, levels, standard, length_mm=grid_days["patrollable_mm"].to_numpy(dtype=np.int64), names=names
            ),
            grid_days,
            levels,
        ),
        subject_rollups(
            community, {COUNTY: [COUNTY] * len(members), "town": [towns["community"].get(g, "") for g in members]}, standard,
            length_mm=np.full(len(community), _MM_PER_KM, dtype=np.int64), names=names,
        ),
    ]  # fmt: skip
    kept = [p for p in parts if len(p)]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame()


# --- notes ---
_Note = tuple[str, str, int, str, str]


def findings(
    inputs: DayInputs,
    network: Network,
    crew: Crew,
    passes: Passes,
    standard: Standard,
    tables: Mapping[str, pd.DataFrame],
    judged: Judged,
) -> pd.DataFrame:
    """Contract `findings`: what the reader of this audit must know; a note about nothing is left out."""
    ground = (
        note
        for table in ("work_grids", "community_grids", "areas")
        for note in ((c, table, n, zh, en) for c, n, zh, en in ground_notes(table, getattr(inputs, table)))
    )
    notes = [
        n
        for n in (
            *ground,
            *checkin_notes(judged, crew.start_ms, crew.end_ms),
            *_roster_notes(inputs, network, crew, passes),
            *_day_notes(inputs, standard, tables, end_ms=crew.end_ms),
        )
        if n[2]
    ]
    notes += [
        (str(n["code"]), "network", int(str(n.get("count", 0))), str(n.get("zh", "")), str(n.get("en", "")))
        for n in network.notes
    ]
    return pd.DataFrame(notes, columns=["code", "subject", "count", "zh", "en"])


def _roster_notes(inputs: DayInputs, network: Network, crew: Crew, passes: Passes) -> Iterable[_Note]:
    ruled = network.sections["rule_id"].notna().to_numpy()
    answered = entries_by_target(crew, "section")
    bare = sum(1 for s in network.sections["section_id"].to_numpy()[ruled] if s not in answered)
    yield (
        "section.unnamed",
        "sections",
        bare,
        "条应巡路段没有责任人（road.responsible）",
        "sections under a rule name no responsible person",
    )
    unknown = len(set(passes.devices) - crew.carried())
    counted = "计入" if crew.unassigned_modes else "不计入"
    yield (
        "device.unassigned",
        "devices",
        unknown,
        f"台设备当天无人领用（{counted}）",
        "devices that nobody carried that day",
    )
    carriers = {c.person_ix for c in crew.carries}
    idle = sum(1 for i, p in enumerate(crew.persons) if p.duty and i not in carriers)
    yield (
        "person.without_device",
        "persons",
        idle,
        "名在岗人员没有设备，漏巡可能无法判定",
        "persons on duty carry no device",
    )
    incomplete = int((~complete_exceptions(inputs.exceptions)).sum())
    yield ("exception.incomplete", "exceptions", incomplete, "条例外缺原因、批准人或登记时间，不予免巡",
           "exceptions lack reason, approver or entry time and excuse nothing")  # fmt: skip
    known = set(column_text(inputs.units, "unit_id"))
    strange = sum(1 for u in column_text(inputs.work_grids, "unit_id") if u and known and u not in known)
    yield (
        "work_grid.unit_unknown",
        "work_grids",
        strange,
        "个工作网格的中队不在单位表中：其路段按责任人或镇街归属",
        "work grids name a squad that is not among the units: their sections go by responsible person or town",
    )
    problem = inputs.exceptions.get("problem")
    lost = 0 if problem is None else int(inputs.exceptions.loc[problem.notna(), "exception_id"].nunique())
    yield ("exception.unresolved", "exceptions", lost, "条例外写明的道路或路段未对应到路网，不予免巡",
           "exceptions name roads or sections that are not found in the network and excuse nothing")  # fmt: skip
    resolved = inputs.responsibilities.get("resolved")
    unresolved = int((~resolved.astype(bool)).sum()) if resolved is not None and len(resolved) else 0
    yield (
        "responsibility.unresolved",
        "responsibilities",
        unresolved,
        "条责任分工未对应到路段或网格",
        "responsibilities match no section or grid",
    )


def _day_notes(
    inputs: DayInputs, standard: Standard, tables: Mapping[str, pd.DataFrame], *, end_ms: int
) -> Iterable[_Note]:
    yield from calendar_notes(inputs.day, inputs.zone, standard)
    if not is_working_day(inputs.day, standard.calendar):
        yield (
            "day.off",
            "calendar",
            1,
            "非工作日：按工作日计的路段规则当天不要求",
            "a day off: road rules of working days ask for nothing",
        )
    yield from _charged_notes(standard, tables)
    windows = tables["section_windows"]
    partial = (
        int((windows["required_share"] < standard.measure.full_patrol_share.value - 1e-9).sum()) if len(windows) else 0
    )
    yield ("window.remainder", "section_windows", partial, "个时段不足一个间隔，要求按比例折算",
           "windows are remainders of a period, their figure in proportion")  # fmt: skip
    part = int(((windows["outcome"] != "excused") & (excused_millimetres(windows) > 0)).sum()) if len(windows) else 0
    yield ("window.part_closed", "section_windows", part, "个时段的路段封闭一部分：余下的米数应巡，按余下的计",
           "windows are of sections closed in part: what is left is owed and weighs alone")  # fmt: skip
    yield from clock_notes(inputs.cases, tables["case_clocks"], standard, inputs.zone, as_of_ms=end_ms)
    yield from subject_notes(inputs.cases, standard)
    assumed = sum(1 for _ in standard.assumptions())
    yield (
        "standard.assumptions",
        standard.id,
        assumed,
        "项度量设定为假设，见标准文件",
        "settings of the standard are assumptions; see its file",
    )


def _charged_notes(standard: Standard, tables: Mapping[str, pd.DataFrame]) -> Iterable[_Note]:
    """What cannot be decided that day, rule by rule, and how many windows nobody answered for."""
    causes = [
        t[["rule_id", "cause"]] for n in ("section_windows", "grid_days", "community_windows") if len(t := tables[n])
    ]
    found = pd.concat(causes, ignore_index=True) if causes else pd.DataFrame(columns=["rule_id", "cause"])
    for rule_id, rule in standard.rules.items():
        for code in OBSTACLES:
            count = int(((found["rule_id"] == rule_id) & (found["cause"] == code)).sum())
            words = SENTENCES[code]
            yield (f"rule.{code}", rule_id, count, f"个应巡时段为未知（{rule.zh}）：{words.zh}",
                   f"windows are unknown ({rule.en}): {words.en}")  # fmt: skip
    windows = tables["section_windows"]
    alone = int((windows["attribution"] == "unit").sum()) if len(windows) else 0
    yield ("window.of_unit", "section_windows", alone, "个漏巡或未知的时段没有责任人在岗，计入单位，按全体有权人员的定位判定",
           "windows missed or unknown had nobody responsible on duty: charged to the unit, judged by everybody entitled")  # fmt: skip
