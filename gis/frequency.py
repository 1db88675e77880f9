"""Road frequency: was every section fully patrolled in every window, by anyone entitled and by the responsible person.

Per window of a section one of four outcomes: *covered* (the distinct length of the passes that count reaches the required share), else
*excused* (registered exceptions hold enough of its duty time), else *unknown* (those who answer for it were unheard long enough that a
full patrol could have fitted, or only inferred passes would complete it), else *missed*.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gis import coverage
from gis.answerable import Answer, answer_rows, entries_by_target, excused_rows, excuses_for, of_roles
from gis.calendar import Windows, duty_intervals, is_working_day, windows_of
from gis.calibration import calibrate, quality_of
from gis.calibration_tables import table_named
from gis.coverage import COUNTS, SLOW, Pieces, Strokes, WindowSets
from gis.crew import carried_time, column_text, entitled_time
from gis.evidence import evidence_of
from gis.rates import OUTCOMES, counts_by
from gis.reach import confined_reach
from gis.sentences import missing_sentences

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    import geopandas as gpd
    import numpy.typing as npt

    from gis.answerable import Entry
    from gis.calibration import Quality
    from gis.crew import Crew, DeviceTime
    from gis.evidence import Evidence
    from gis.model import Passes
    from gis.network.model import Network
    from gis.standard import RoadRule, Standard

    I8 = npt.NDArray[np.int64]

COVERED, MISSED, UNKNOWN, EXCUSED = range(4)
_FAR = 2**62
EVERYONE = frozenset({"squad_member", "squad_leader", "grid_leader", "collector", "grid_member"})


@dataclass(frozen=True, slots=True, eq=False)
class RoadFrequency:
    """Result frames of the contracts of the same names."""

    section_windows: pd.DataFrame
    section_days: pd.DataFrame
    segment_days: pd.DataFrame


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


def road_frequency(
    network: Network,
    passes: Passes,
    crew: Crew,
    standard: Standard,
    day: date,
    zone: ZoneInfo,
    *,
    exceptions: pd.DataFrame,
    areas: gpd.GeoDataFrame | None = None,
    evidence: Evidence | None = None,
    quality: Quality | None = None,
) -> RoadFrequency:
    """Judge every section that a road rule binds, on one local day.

    Args:
        network: segments and sections.
        passes: those of the day (passes that reach beyond it are clipped).
        crew: the roster of the day, with silences (`gis.crew.with_fixes`).
        standard: the rules.
        day: local day.
        zone: local time zone.
        exceptions: contract `exceptions`.
        areas: contract `areas`, for exceptions that name one.
        evidence: `evidence_of(network, passes, standard)` where it is known already.
        quality: `quality_of` all passes of the day, where these are not all.

    Raises:
        ImpossibleError: the calendar does not know the day.
    """
    evidence = evidence or evidence_of(network, passes, standard)
    plan = plan_roads(network, passes, crew, standard, day, zone)
    strokes = evidence.strokes
    pieces = coverage.entitled_pieces(
        strokes, plan.arrays, role_of=plan.role_of, ptr=plan.time.ptr, start_ms=plan.time.start_ms,
        end_ms=plan.time.end_ms, devices=len(passes.devices),
    )  # fmt: skip
    entries = _entries(network, crew, standard, plan)
    windows = _judge(network, passes, crew, standard, plan, strokes, pieces, entries, exceptions, areas)
    if standard.calibration.calls:
        windows = calibrate(windows, quality or quality_of(passes, crew), crew, table_named(standard.calibration.calls))
    gap = _gap_view(network, standard, plan, evidence, len(passes.devices))
    return RoadFrequency(
        section_windows=windows,
        section_days=_section_days(network, standard, plan, windows, gap),
        segment_days=_segment_days(network, plan, strokes, pieces, windows, gap, passes),
    )


# --- what is asked ---
def plan_roads(network: Network, passes: Passes, crew: Crew, standard: Standard, day: date, zone: ZoneInfo) -> RoadPlan:
    """What is asked of each section that day, when, and of whom (the audit and the command desk share it).

    Raises:
        ImpossibleError: the calendar does not know the day.
    """
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


def _entries(network: Network, crew: Crew, standard: Standard, plan: RoadPlan) -> list[tuple[Entry, ...]]:
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


def responsible_windows(network: Network, crew: Crew, standard: Standard, plan: RoadPlan) -> pd.DataFrame:
    """Who answers for each section in each of its windows, whatever was patrolled.

    Returns:
        section_id, starts_ms, ends_ms (int64 UTC), person_ids (those on duty in the window, joined by `;`), in the order of the audit.
    """
    entries = _entries(network, crew, standard, plan)
    answer = answer_rows(crew, standard, entries, plan.set_of, plan.sets)
    return pd.DataFrame(
        {
            "section_id": network.sections["section_id"].to_numpy()[plan.section_of_row],
            "starts_ms": plan.per_row("start_ms").astype(np.int64),
            "ends_ms": plan.per_row("end_ms").astype(np.int64),
            "person_ids": answer.who,
        }
    )


def _entries_csr(entries: Sequence[tuple[Entry, ...]]) -> tuple[I8, I8, I8, I8]:
    ptr = np.concatenate(([0], np.cumsum([len(e) for e in entries]))).astype(np.int64)
    flat = np.array([x for e in entries for x in e], dtype=np.int64).reshape(-1, 3)
    return ptr, flat[:, 0].copy(), flat[:, 1].copy(), flat[:, 2].copy()


# --- the windows view ---
def required_mm(length_mm: I8, share: npt.NDArray[np.float64]) -> I8:
    """Whole millimetres that a share of a length needs, rounded up (a millionth is allowed for the float)."""
    return np.ceil(length_mm * share - 1e-6).astype(np.int64)


def _judge(  # noqa: PLR0917 (what one judgement needs)
    network: Network,
    passes: Passes,
    crew: Crew,
    standard: Standard,
    plan: RoadPlan,
    strokes: Strokes,
    pieces: Pieces,
    entries: Sequence[tuple[Entry, ...]],
    exceptions: pd.DataFrame,
    areas: gpd.GeoDataFrame | None,
) -> pd.DataFrame:
    measure = standard.measure
    length = network.sections["length_mm"].to_numpy(dtype=np.int64)[plan.section_of_row]
    proportion = plan.per_row("proportion")
    share = measure.full_patrol_share.value * proportion
    need = required_mm(length, share)
    reached = _reached(strokes, pieces, need, plan.rows, standard)
    mine = coverage.responsible_pieces(
        strokes,
        plan.arrays,
        carried=carried_time(crew, passes.devices),
        responsible=_entries_csr(_asked(entries, plan)),
    )
    own = _reached(strokes, mine, need, plan.rows, standard)
    answer = answer_rows(crew, standard, entries, plan.set_of, plan.sets)
    short = np.flatnonzero(np.minimum(reached["covered"], own["covered"]) < need)
    reach_mm = confined_reach(
        answer, network, crew, standard, entries, plan.set_of, plan.sets, rows=short, section_of_row=plan.section_of_row,
        window_of_row=plan.window_of_row,
    )  # fmt: skip
    answer = replace(answer, reach_mm=reach_mm)
    full = np.ceil(length * proportion).astype(np.int64)
    excuses = excuses_for(
        exceptions, network.sections, crew, areas=areas, share=measure.excused_share.value,
        columns={"section": "section_id", "road": "road_id", "work_grid": "work_grid_id"},
    )  # fmt: skip
    excused, exception_id = excused_rows(excuses, plan.set_of, plan.sets, share=measure.excused_share.value)
    outcome, cause = _outcomes(reached, need, full, answer, excused, standard, blind=crew.blind)
    outcome_own, _ = _outcomes(own, need, full, answer, excused, standard, blind=crew.blind)
    names = np.array(OUTCOMES, dtype=object)
    sections = network.sections
    starts, ends = plan.per_row("start_ms"), plan.per_row("end_ms")
    frame = pd.DataFrame(
        {
            "section_id": sections["section_id"].to_numpy()[plan.section_of_row],
            "rule_id": np.array([*plan.rule_ids, ""], dtype=object)[plan.rule_of[plan.section_of_row]],
            "window_ix": plan.window_of_row,
            "starts": stamp(starts),
            "ends": stamp(ends),
            "required_share": share,
            "length_mm": length,
            "covered_mm": reached["covered"],
            "covered_share": reached["covered"] / np.maximum(length, 1),
            "outcome": names[outcome],
            "outcome_responsible": names[outcome_own],
            "covered_mm_responsible": own["covered"],
            "probability": reached["probability"],
            "silent_s": answer.silent_ms / 1000,
            "needed_s": full / answer.speed_mm_s if len(full) else np.zeros(0),
            "cause": cause,
            "missing": missing_sentences(
                cause=cause, covered_mm=reached["covered"], any_speed_mm=reached["any_speed"], need_mm=need, length_mm=length,
                share=share, silent_ms=answer.silent_ms, needed_s=full / np.maximum(answer.speed_mm_s, 1),
                exception_id=exception_id, reasons={e.exception_id: e.reason for e in excuses},
            ),
            "exception_id": np.where(outcome == EXCUSED, exception_id, ""),
            "person_ids": answer.who,
            "passes": reached["passes"],
        }
    )  # fmt: skip
    for c in ("cause", "missing", "exception_id", "person_ids"):
        frame[c] = frame[c].where(frame[c] != "", None)
    return frame


def _asked(entries: Sequence[tuple[Entry, ...]], plan: RoadPlan) -> list[tuple[Entry, ...]]:
    """Entries of the sections that have windows; the others have no rows to write to."""
    return [e if s >= 0 else () for e, s in zip(entries, plan.set_of, strict=True)]


def _reached(strokes: Strokes, pieces: Pieces, need: I8, rows: int, standard: Standard) -> dict[str, Any]:
    """Distinct length per row: that counts; at any speed; with inferred passes too; number of pieces; probability of covered."""
    order = coverage.order_by(pieces.row, pieces.lo_mm)
    flags = strokes.flags[pieces.stroke]
    counts, slow = (flags & COUNTS) > 0, (flags & SLOW) > 0
    covered, passes = coverage.union_mm(pieces, counts & slow, rows, order)
    any_speed, _ = coverage.union_mm(pieces, counts, rows, order)
    inferred, _ = coverage.union_mm(pieces, slow, rows, order)
    raw = coverage.covered_probability(pieces, strokes.doubt[pieces.stroke], slow, need, order)
    return {
        "covered": covered,
        "passes": passes,
        "any_speed": any_speed,
        "inferred": inferred,
        "probability": standard.calibration.apply(raw),
    }


def _outcomes(
    reached: dict[str, Any],
    need: I8,
    full: I8,
    answer: Answer,
    excused: npt.NDArray[np.bool_],
    standard: Standard,
    *,
    blind: bool,
) -> tuple[I8, npt.NDArray[np.object_]]:
    """Outcome (index of OUTCOMES) and cause of every row; *blind*: no roster and no fix at all, so that nothing can be called missed."""
    covered = reached["covered"] >= need
    lacking = full if standard.measure.unknown_need.value == "full" else np.maximum(need - reached["covered"], 0)
    rostered = answer.duty_ms > 0
    silent = rostered & (answer.silent_ms > 0) & (answer.reach_mm >= lacking)
    doubtful = reached["inferred"] >= need
    outcome = np.full(len(need), MISSED)
    outcome[silent | doubtful | blind] = UNKNOWN
    outcome[excused] = EXCUSED
    outcome[covered] = COVERED
    fast = reached["any_speed"] > reached["covered"]
    cause = np.full(len(need), "not_passed", dtype=object)
    cause[reached["covered"] > 0] = "partial"
    cause[fast & (reached["any_speed"] >= need)] = "too_fast"
    cause[~rostered] = "no_rostered"
    cause[doubtful] = "inferred"
    cause[silent] = "silent"
    cause[np.full(len(need), blind)] = "no_data"
    cause[excused] = "exception"
    cause[covered] = ""
    return outcome, cause


# --- the gaps view ---
@dataclass(frozen=True, slots=True, eq=False)
class _Gaps:
    """Per cell and per section, in duty time."""

    cells: coverage.Cells
    primary: npt.NDArray[np.bool_]  # per cell
    longest_ms: I8
    inside_ms: I8
    duty_ms: I8  # per set
    completed: I8
    last_ms: I8
    section_longest_ms: I8


def _gap_view(network: Network, standard: Standard, plan: RoadPlan, evidence: Evidence, devices: int) -> _Gaps:
    strokes, cells = evidence.strokes, evidence.cells
    primary = evidence.primary[cells.segment]
    asked = WindowSets(
        np.array(plan.set_of, dtype=np.int32), *(getattr(plan.arrays, n) for n in WindowSets.__slots__[1:])
    )
    ok = (strokes.flags & (COUNTS | SLOW)) == (COUNTS | SLOW)
    cell, t, run = coverage.cell_events(
        strokes, ok, asked, cells, role_of=plan.role_of, ptr=plan.time.ptr, start_ms=plan.time.start_ms,
        end_ms=plan.time.end_ms, devices=devices,
    )  # fmt: skip
    limit = np.array([w.limit_ms for w in plan.sets], dtype=np.int64)
    daily = np.array([standard.road_rules()[r].daily for r in plan.rule_ids], dtype=np.bool_)
    section_of_cell = np.repeat(np.arange(len(cells.ptr) - 1), np.diff(cells.ptr))
    events = coverage.sort_events(section_of_cell[cell], run, t, cell)
    by_cell, by_t = coverage.bucketed(events[3], events[2], len(cells.segment))
    set_of_cell = asked.of_section[section_of_cell]
    longest, inside, hits = coverage.gaps(by_cell, by_t, item_set=set_of_cell, windows=asked, limit_ms=limit)
    duty = np.array([w.duty_ms for w in plan.sets], dtype=np.int64)
    once = (
        (set_of_cell >= 0) & daily[plan.rule_of[section_of_cell]]
        if len(daily)
        else np.zeros(len(set_of_cell), np.bool_)
    )
    inside[once] = np.where(hits[once] > 0, duty[set_of_cell[once]], 0)
    weight = np.where(primary, cells.length_mm, 0)
    total = np.zeros(len(network.sections), dtype=np.int64)
    np.add.at(total, section_of_cell, weight)
    done, _ = coverage.rounds(
        *events, weight_mm=weight,
        target_mm=required_mm(total, np.full(len(total), standard.measure.full_patrol_share.value)),
    )  # fmt: skip
    section_longest, _, completed = coverage.gaps(
        done[:, 0].copy(), done[:, 1].copy(), item_set=asked.of_section, windows=asked, limit_ms=limit
    )
    last = np.full(len(total), -1, dtype=np.int64)
    np.maximum.at(last, done[:, 0], done[:, 1])
    return _Gaps(cells, primary, longest, inside, duty, completed, last, section_longest)


def stamp(ms: npt.NDArray[np.int64] | npt.NDArray[np.float64], missing: int | None = None) -> pd.Series[pd.Timestamp]:
    """UTC milliseconds as a tz-aware column; `missing` becomes no time."""
    values = pd.Series(ms.astype(np.int64).astype("datetime64[ms]"))
    if missing is not None:
        values = values.mask(ms == missing)
    return values.dt.tz_localize("UTC")


# --- a day per section and per segment ---
def _section_days(
    network: Network, standard: Standard, plan: RoadPlan, windows: pd.DataFrame, gap: _Gaps
) -> pd.DataFrame:
    asked = np.flatnonzero(np.array(plan.set_of, dtype=np.int64) >= 0)
    back = np.full(len(plan.set_of), -1, dtype=np.int64)
    back[asked] = np.arange(len(asked))
    keys = back[plan.section_of_row]
    codes = outcome_codes(windows["outcome"])
    counts = counts_by(keys, codes, windows["length_mm"].to_numpy(dtype=np.int64), len(asked), standard)
    sets = np.array(plan.set_of, dtype=np.int64)[asked]
    section_of_cell = np.repeat(np.arange(len(gap.cells.ptr) - 1), np.diff(gap.cells.ptr))
    weight = np.where(gap.primary, gap.cells.length_mm, 0)
    inside, total = (np.zeros(len(plan.set_of)) for _ in range(2))
    inside += np.bincount(section_of_cell, weights=weight * (gap.inside_ms / 1000.0), minlength=len(inside))
    total += np.bincount(section_of_cell, weights=weight.astype(np.float64), minlength=len(total))
    own = np.bincount(keys, weights=(windows["outcome_responsible"] == "covered").to_numpy(), minlength=len(asked))
    head = pd.DataFrame(
        {
            "section_id": network.sections["section_id"].to_numpy()[asked],
            "rule_id": np.array(plan.rule_ids, dtype=object)[plan.rule_of[asked]]
            if len(asked)
            else np.zeros(0, dtype=object),
        }
    )
    duty = gap.duty_ms[sets] / 1000 if len(sets) else np.zeros(0)
    tail = pd.DataFrame(
        {
            "covered_responsible": own.astype(np.int64),
            "completed_patrols": gap.completed[asked],
            "longest_gap_s": gap.section_longest_ms[asked] / 1000,
            "within_share": inside[asked] / np.maximum(total[asked] * duty, 1e-9),
            "last_completed": stamp(gap.last_ms[asked], -1),
            "duty_s": duty,
        }
    )
    return pd.concat([head, counts, tail], axis=1)


def outcome_codes(outcome: pd.Series[str]) -> I8:
    """Index of each outcome in OUTCOMES."""
    return pd.Categorical(outcome, categories=list(OUTCOMES)).codes.astype(np.int64)


def _segment_days(
    network: Network,
    plan: RoadPlan,
    strokes: Strokes,
    pieces: Pieces,
    windows: pd.DataFrame,
    gap: _Gaps,
    passes: Passes,
) -> pd.DataFrame:
    """See the contract; `outcome` is that of the section's windows: the same one, or *partly*."""
    size = len(network.segments)
    use = (strokes.flags[pieces.stroke] & (COUNTS | SLOW)) == (COUNTS | SLOW)
    segment = passes.segment_ix[pieces.stroke].astype(np.int64)
    by_segment = Pieces(pieces.stroke, segment, pieces.lo_mm, pieces.hi_mm, pieces.start_ms, pieces.end_ms)
    visited, _ = coverage.union_mm(by_segment, use, size)
    span = np.abs(network.seg_measure_to_mm.astype(np.int64) - network.seg_measure_from_mm)
    length = network.graph.seg_length_mm.astype(np.int64)
    kept = np.flatnonzero(use)
    fresh = np.ones(len(kept), dtype=np.bool_)
    fresh[1:] = pieces.stroke[kept][1:] != pieces.stroke[kept][:-1]
    first, last = np.full(size, _FAR), np.full(size, -1)
    np.minimum.at(first, segment[kept], pieces.start_ms[kept])
    np.maximum.at(last, segment[kept], pieces.end_ms[kept])
    asked = np.array(plan.set_of, dtype=np.int64)[network.seg_section] >= 0
    longest, inside, weight = np.zeros(size, dtype=np.int64), np.zeros(size), np.zeros(size)
    np.maximum.at(longest, gap.cells.segment, gap.longest_ms)
    inside += np.bincount(gap.cells.segment, weights=gap.cells.length_mm * (gap.inside_ms / 1000.0), minlength=size)
    weight += np.bincount(gap.cells.segment, weights=gap.cells.length_mm.astype(np.float64), minlength=size)
    duty = np.append(gap.duty_ms, 0)[np.array(plan.set_of, dtype=np.int64)][network.seg_section] / 1000
    with np.errstate(divide="ignore", invalid="ignore"):
        within = np.where(asked, inside / (weight * duty), np.nan)
    rules = np.array([*plan.rule_ids, None], dtype=object)[plan.rule_of]
    return pd.DataFrame(
        {
            "segment_id": network.segments["segment_id"].to_numpy(),
            "section_id": network.sections["section_id"].to_numpy()[network.seg_section],
            "rule_id": rules[network.seg_section],
            "passes": np.bincount(segment[kept][fresh], minlength=size),
            "visited_mm": np.minimum(length, (visited * length + span // 2) // np.maximum(span, 1)),
            "first_pass": stamp(first, _FAR),
            "last_pass": stamp(last, -1),
            "longest_gap_s": np.where(asked, longest / 1000, np.nan),
            "within_share": within,
            "outcome": _day_outcomes(plan, windows)[network.seg_section],
        }
    )


def _day_outcomes(plan: RoadPlan, windows: pd.DataFrame) -> npt.NDArray[np.object_]:
    """Outcome of a section's day: the same in all windows; *partly* where only some are covered; else the gravest of the rest."""
    size = len(plan.set_of)
    flat = plan.section_of_row * len(OUTCOMES) + outcome_codes(windows["outcome"])
    counts = np.bincount(flat, minlength=size * len(OUTCOMES)).reshape(size, len(OUTCOMES))
    out = np.full(size, "no_rule", dtype=object)
    for code, name in ((EXCUSED, "excused"), (UNKNOWN, "unknown"), (MISSED, "missed")):
        out[counts[:, code] > 0] = name
    some = counts[:, COVERED] > 0
    out[some] = np.where(counts[some, MISSED] + counts[some, UNKNOWN] > 0, "partly", "covered")
    return out
