"""What the road rules ask of each section on a day: in which windows, of which roles, and who answers for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gis.answerable import entries_by_target, of_roles
from gis.calendar import Windows, duty_intervals, is_working_day, windows_of
from gis.coverage import WindowSets, entitled_pieces
from gis.crew import column_text, entitled_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    import numpy.typing as npt

    from gis.answerable import Entry
    from gis.coverage import Pieces, Strokes
    from gis.crew import Crew, DeviceTime
    from gis.model import Passes
    from gis.network.model import Network
    from gis.standard import RoadRule, Standard

    I8 = npt.NDArray[np.int64]

EVERYONE = frozenset({"squad_member", "squad_leader", "grid_leader", "collector", "grid_member"})
FROM_GRID = "from_grid"


@dataclass(frozen=True, slots=True, eq=False)
class RoadPlan:
    """What is asked of each section that day.

    Attributes:
        rule_ids: rules in the order of the standard.
        rule_of: int (K,), rule of a section, -1 none.
        set_of: list (K,), set of windows, -1 none.
        sets: the sets.
        set_rule: rule of each set.
        arrays: the sets for the kernels, plus one of the whole day, in which passes on sections that are not asked are still seen.
        role_of: int32 (K,), role set of a section; the last one is everybody.
        time: when each device counts, per role set.
        section_of_row, window_of_row: int64, per result row.
    """

    rule_ids: list[str]
    rule_of: npt.NDArray[np.int64]
    set_of: list[int]
    sets: list[Windows]
    arrays: WindowSets
    role_of: npt.NDArray[np.int32]
    time: DeviceTime
    section_of_row: I8
    window_of_row: I8

    @property
    def rows(self) -> int:
        """Windows of all sections."""
        return len(self.section_of_row)

    def per_row(self, name: str) -> npt.NDArray[np.float64]:
        """An attribute of the windows for every row."""
        parts = [getattr(self.sets[s], name) for s in self.set_of if s >= 0]
        return np.concatenate(parts) if parts else np.zeros(0)


def required_mm(length_mm: I8, share: npt.NDArray[np.float64]) -> I8:
    """Whole millimetres that a share of a length needs, rounded up (a millionth is allowed for the float)."""
    return np.ceil(length_mm * share - 1e-6).astype(np.int64)


def plan_roads(network: Network, passes: Passes, crew: Crew, standard: Standard, day: date, zone: ZoneInfo) -> RoadPlan:
    """What is asked of each section that day, when, and of whom (the audit and the command desk share it)."""
    rules = standard.road_rules()
    ids = list(rules)
    place = {r: i for i, r in enumerate(ids)}
    rule_of = np.array([place.get(r, -1) for r in column_text(network.sections, "rule_id")], dtype=np.int64)
    units = column_text(network.sections, "unit_id")
    keys: dict[tuple[int, tuple[tuple[int, int], ...]], int] = {}
    by_unit: dict[tuple[int, str], int] = {}
    sets: list[Windows] = []
    set_of = []
    for rule_ix, unit in zip(rule_of.tolist(), units, strict=True):
        if rule_ix >= 0 and (rule_ix, unit) not in by_unit:
            rule = rules[ids[rule_ix]]
            periods = tuple(_periods(standard, rule, unit, day, zone))
            key = (rule_ix, periods)
            if periods and key not in keys:
                keys[key] = len(sets)
                sets.append(
                    windows_of(periods, rule.interval_s, remainder_share=standard.measure.remainder_share.value)
                )
            by_unit[rule_ix, unit] = keys.get(key, -1)
        set_of.append(by_unit[rule_ix, unit] if rule_ix >= 0 else -1)
    roles = list(dict.fromkeys(frozenset(rules[r].roles) for r in ids))
    role_of_rule = np.array([*(roles.index(frozenset(rules[r].roles)) for r in ids), len(roles)], dtype=np.int32)
    arrays, section_of_row, window_of_row = _window_sets(sets, set_of, crew)
    return RoadPlan(
        ids, rule_of, set_of, sets, arrays, role_of_rule[rule_of],
        entitled_time(crew, passes.devices, passes.mode, [*roles, EVERYONE]), section_of_row, window_of_row,
    )  # fmt: skip


def road_pieces(strokes: Strokes, plan: RoadPlan, devices: int) -> Pieces:
    """Passes clipped to the time in which their device counts and to the windows of their section."""
    return entitled_pieces(
        strokes, plan.arrays, role_of=plan.role_of, ptr=plan.time.ptr, start_ms=plan.time.start_ms, end_ms=plan.time.end_ms,
        devices=devices,
    )  # fmt: skip


def _periods(standard: Standard, rule: RoadRule, unit: str, day: date, zone: ZoneInfo) -> list[tuple[int, int]]:
    """Duty periods in which a rule asks for patrols of a unit's sections."""
    if rule.calendar == "working" and not is_working_day(day, standard.calendar):
        return []
    return duty_intervals(standard, day, zone, role=rule.roles[0], unit=unit)


def _window_sets(sets: Sequence[Windows], set_of: Sequence[int], crew: Crew) -> tuple[WindowSets, I8, I8]:
    """The sets as arrays, with the whole day as the last one; and section and window of every result row."""
    sizes = np.array([len(sets[s].start_ms) if s >= 0 else 0 for s in set_of], dtype=np.int64)
    first = np.cumsum(sizes) - sizes
    asked = np.array(set_of, dtype=np.int64)
    day = np.array([crew.start_ms]), np.array([crew.end_ms]), np.zeros(1, np.int64), np.zeros(1, np.int64)
    names = ("piece_start_ms", "piece_end_ms", "piece_window", "piece_run")
    columns = [
        np.concatenate([*(getattr(w, n) for w in sets), last]).astype(np.int64)
        for n, last in zip(names, day, strict=True)
    ]
    ptr = np.concatenate(([0], np.cumsum([*(len(w.piece_start_ms) for w in sets), 1]))).astype(np.int64)
    of = np.where(asked >= 0, asked, len(sets)).astype(np.int32)
    section_of_row = np.repeat(np.arange(len(sizes)), sizes)
    window_of_row = np.arange(int(sizes.sum())) - np.repeat(first, sizes)
    return WindowSets(of, np.where(asked >= 0, first, -1), ptr, *columns), section_of_row, window_of_row


def entries_of_sections(network: Network, crew: Crew, standard: Standard, plan: RoadPlan) -> list[tuple[Entry, ...]]:
    """Who answers for each section: as named for it, else for its work grid where the standard says so."""
    by_section = entries_by_target(crew, "section")
    by_grid = entries_by_target(crew, "work_grid") if "work_grid" in standard.measure.responsible_fallback.value else {}
    if not by_section and not by_grid:
        return [()] * len(network.sections)
    rules = list(standard.road_rules().values())
    out: list[tuple[Entry, ...]] = []
    rows = zip(
        column_text(network.sections, "section_id"),
        column_text(network.sections, "work_grid_id"),
        plan.rule_of.tolist(),
        strict=True,
    )
    for section, grid, rule in rows:
        own = by_section.get(section, ())
        out.append(own or (of_roles(by_grid.get(grid, ()), crew, rules[rule].roles) if rule >= 0 else ()))
    return out


def answered_by(network: Network, crew: Crew, entries: Sequence[tuple[Entry, ...]]) -> npt.NDArray[np.object_]:
    """Where those who answer for each section come from, object (K,): `roster`, `from_grid` (filled in from the work grid) or `nobody`."""
    named = entries_by_target(crew, "section")
    ids = column_text(network.sections, "section_id")
    return np.array(
        ["roster" if s in named else FROM_GRID if who else "nobody" for s, who in zip(ids, entries, strict=True)],
        dtype=object,
    )
