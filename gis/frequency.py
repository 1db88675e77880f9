"""Road frequency: was every section fully patrolled in every window, by anyone entitled and by the responsible person.

Per window of a section one of four outcomes: *covered* (the distinct length of the passes that count reaches the required share of what is
open), else *excused* (registered exceptions close all of it for enough of its duty time), else *unknown* (those who answer for it were
unheard long enough that a full patrol could have fitted, or their devices lay motionless for long; only inferred passes would complete it;
or the data cannot decide the rule at all), else *missed*. Where nobody answers, everybody entitled who was on duty stands in their place
(`gis.entitled`); whom a window is charged to is told apart from what came of it (`attribution`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gis import coverage
from gis.answerable import Answer, answer_rows
from gis.calibration import calibrate, quality_of
from gis.calibration_tables import table_named
from gis.closures import closed_all_day, closed_windows, closures_of, nothing_left, open_pieces, partly
from gis.coverage import COUNTS, SLOW, Pieces, Strokes
from gis.crew import carried_time, stamp
from gis.decidable import obstacle
from gis.entitled import others_on_duty
from gis.evidence import evidence_of
from gis.parallel_streets import parallel_shares
from gis.rates import COVERED, EXCUSED, MISSED, OUTCOMES, UNKNOWN
from gis.reach import confined_reach
from gis.road_days import gap_view, section_days, segment_days
from gis.road_plan import FROM_GRID, answered_by, entries_of_sections, plan_roads, required_mm, road_pieces
from gis.sentences import missing_sentences

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    import geopandas as gpd
    import numpy.typing as npt

    from gis.answerable import Entry
    from gis.calibration import Quality
    from gis.closures import Closed, Closures
    from gis.crew import Crew
    from gis.evidence import Evidence
    from gis.model import Passes
    from gis.network.model import Network
    from gis.road_plan import RoadPlan
    from gis.standard import Standard

    I8 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class RoadFrequency:
    """Result frames of the contracts of the same names."""

    section_windows: pd.DataFrame
    section_days: pd.DataFrame
    segment_days: pd.DataFrame


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
    beside: npt.NDArray[np.float64] | None = None,
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
        beside: `parallel_shares` of the sections, where these are not all streets.
    """
    evidence = evidence or evidence_of(network, passes, standard)
    plan = plan_roads(network, passes, crew, standard, day, zone)
    strokes = evidence.strokes
    pieces = road_pieces(strokes, plan, len(passes.devices))
    entries = entries_of_sections(network, crew, standard, plan)
    closures = closures_of(exceptions, network, crew, areas=areas)
    named_by = answered_by(network, crew, entries)
    windows = _judge(network, passes, crew, standard, plan, strokes, pieces, entries, closures, named_by)
    if standard.calibration.calls:
        beside = parallel_shares(network) if beside is None else beside
        windows = calibrate(
            windows, beside[plan.section_of_row], quality or quality_of(passes, crew), crew,
            table_named(standard.calibration.calls), roles={k: r.roles for k, r in standard.road_rules().items()},
        )  # fmt: skip
    windows["named_by"] = named_by[plan.section_of_row]
    closed = closed_all_day(closures, network, standard, plan)
    gap = gap_view(network, standard, plan, evidence, len(passes.devices), closed)
    return RoadFrequency(
        section_windows=windows,
        section_days=section_days(network, standard, plan, windows, gap, named_by),
        segment_days=segment_days(network, plan, strokes, pieces, windows, gap, passes),
    )


# --- the windows view ---
def _judge(  # noqa: PLR0917 (what one judgement needs)
    network: Network,
    passes: Passes,
    crew: Crew,
    standard: Standard,
    plan: RoadPlan,
    strokes: Strokes,
    pieces: Pieces,
    entries: Sequence[tuple[Entry, ...]],
    closures: Closures,
    named_by: npt.NDArray[np.object_],
) -> pd.DataFrame:
    measure = standard.measure
    length = network.sections["length_mm"].to_numpy(dtype=np.int64)[plan.section_of_row]
    proportion = plan.per_row("proportion")
    share = measure.full_patrol_share.value * proportion
    closed = closed_windows(
        closures, network.sections["length_mm"].to_numpy(dtype=np.int64), plan.set_of, plan.sets,
        share=measure.excused_share.value,
    )  # fmt: skip
    excused = nothing_left(closed.mm, length, standard)
    left = partly(closed, length, standard)
    found = _reached_open(strokes, pieces, length, share, left, standard)
    reached, owed, need = found.reached, found.owed_mm, found.need_mm
    mine = coverage.responsible_pieces(
        strokes,
        plan.arrays,
        carried=carried_time(crew, passes.devices),
        responsible=_entries_csr(_asked(entries, plan)),
    )
    own_found = _reached_open(strokes, mine, length, share, left, standard, like=found)
    own = own_found.reached
    short = np.flatnonzero(np.minimum(reached["covered"], own["covered"]) < need)
    full = np.ceil(owed * proportion).astype(np.int64)
    filled = (named_by == FROM_GRID)[plan.section_of_row]
    answer, nobody, certain = _answered(network, crew, standard, plan, entries, short, filled)
    unseen = answer
    if (unobserved := crew.unobserved()) is not crew:
        unseen, _, _ = _answered(network, unobserved, standard, plan, entries, short, filled)
    rules = [obstacle(crew, r.roles) or "" for r in standard.road_rules().values()]
    barred = np.array([*rules, ""], dtype=object)[plan.rule_of[plan.section_of_row]]
    doubt = _Doubt(answer, unseen, _beat_mm(entries, plan, full), certain, barred, excused)
    outcome, cause = _outcomes(reached, need, full, doubt, standard)
    outcome_own, _ = _outcomes(own, need, full, doubt, standard)
    outcome_own[nobody & (outcome == COVERED)] = MISSED  # others patrolled it; of those who answer nobody did
    outcome_own[own_found.done] = COVERED
    closed_mm = np.where(outcome == EXCUSED, closed.mm, length - owed)
    exception_id = np.where(closed_mm > 0, closed.exception_id, "")
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
            "covered_share": reached["covered"] / np.maximum(owed, 1),
            "outcome": names[outcome],
            "outcome_responsible": names[outcome_own],
            "covered_mm_responsible": own["covered"],
            "probability": reached["probability"],
            "silent_s": answer.silent_ms / 1000,
            "motionless_s": (unseen.silent_ms - answer.silent_ms) / 1000,
            "needed_s": full / answer.speed_mm_s if len(full) else np.zeros(0),
            "cause": cause,
            "attribution": _attribution(outcome, nobody, barred),
            "missing": missing_sentences(
                cause=cause, unit=(nobody | filled) & (barred == ""), covered_mm=reached["covered"], any_speed_mm=reached["any_speed"],
                need_mm=need, length_mm=owed, share=share, silent_ms=answer.silent_ms, unobserved_ms=unseen.silent_ms,
                needed_s=full / np.maximum(answer.speed_mm_s, 1),
                exception_id=exception_id, reasons={e.exception_id: e.reason for e in closures.excuses}, closed_mm=length - owed,
            ),
            "exception_id": exception_id,
            "excused_mm": closed_mm,
            "person_ids": answer.who,
            "passes": reached["passes"],
        }
    )  # fmt: skip
    for c in ("cause", "attribution", "missing", "exception_id", "person_ids"):
        frame[c] = frame[c].where(frame[c] != "", None)
    return frame


def _asked(entries: Sequence[tuple[Entry, ...]], plan: RoadPlan) -> list[tuple[Entry, ...]]:
    """Entries of the sections that have windows; the others have no rows to write to."""
    return [e if s >= 0 else () for e, s in zip(entries, plan.set_of, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What was reached of what is owed, per row.

    Attributes:
        reached: as `_reached`, of what is owed.
        owed_mm: int64 (R,), length without what is closed; all of it where all of it was patrolled all the same.
        need_mm: int64 (R,), what of it makes the patrol.
        done: bool (R,), whether the patrol was made on the open metres or on all of them.
    """

    reached: dict[str, Any]
    owed_mm: I8
    need_mm: I8
    done: npt.NDArray[np.bool_]


def _reached_open(
    strokes: Strokes, pieces: Pieces, length: I8, share: npt.NDArray[np.float64], closed: Closed, standard: Standard, *,
    like: _Found | None = None,
) -> _Found:  # fmt: skip
    """What was reached on the open metres of each row; on all of them where that makes a full patrol: an exception never makes worse.

    Args:
        strokes: passes.
        pieces: of passes, per row.
        length: int64 (R,), of the section.
        share: float64 (R,), of a length that makes a patrol.
        closed: what is closed of rows that are not closed as a whole.
        standard: the rules.
        like: the rows that owe all are those of this one.
    """
    need = required_mm(length, share)
    reached = _reached(strokes, pieces, need, len(length), standard)
    done = reached["covered"] >= need
    if not closed.mm.any():
        return _Found(reached, length, need, done)
    owed = length - closed.mm
    need_open = required_mm(owed, share)
    on_open = _reached(strokes, open_pieces(pieces, closed), need_open, len(length), standard)
    on_open["passes"] = reached["passes"]
    every = done if like is None else like.owed_mm == length
    kept = {n: np.where(every, reached[n], on_open[n]) for n in reached}
    return _Found(
        kept, np.where(every, length, owed), np.where(every, need, need_open), done | (on_open["covered"] >= need_open)
    )


def _reached(strokes: Strokes, pieces: Pieces, need: I8, rows: int, standard: Standard) -> dict[str, Any]:
    """Distinct length per row: that counts; at any speed; with inferred passes too; number of pieces; probability of covered."""
    order = coverage.order_by(pieces.row, pieces.lo_mm)
    flags = strokes.flags[pieces.stroke]
    counts, slow = (flags & COUNTS) > 0, (flags & SLOW) > 0
    covered, passes = coverage.union_mm(pieces, counts & slow, rows, order)  # what `gis.pass_accounts` calls counted
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


@dataclass(frozen=True, slots=True, eq=False)
class _Doubt:
    """Of N rows: what may keep a window that was not seen to be covered from being missed.

    Attributes:
        answer: time of those by whose evidence it is judged.
        unseen: the same with motionless devices taken for silent ones.
        beat_mm: int64 (N,), what those who answer had to patrol in the window, all their sections together.
        certain: bool (N,), nobody entitled was on duty.
        barred: object (N,), why its rule cannot be decided that day (`gis.decidable`), '' where it can.
        excused: bool (N,).
    """

    answer: Answer
    unseen: Answer
    beat_mm: I8
    certain: npt.NDArray[np.bool_]
    barred: npt.NDArray[np.object_]
    excused: npt.NDArray[np.bool_]


def _answered(
    network: Network, crew: Crew, standard: Standard, plan: RoadPlan, entries: Sequence[tuple[Entry, ...]], short: I8,
    filled: npt.NDArray[np.bool_],
) -> tuple[Answer, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:  # fmt: skip
    """As `_with_others`, of the crew's silences, confined by their ways in the rows that fell short."""
    answer = answer_rows(crew, standard, entries, plan.set_of, plan.sets)
    reach_mm = confined_reach(
        answer, network, crew, standard, entries, plan.set_of, plan.sets, rows=short, section_of_row=plan.section_of_row,
        window_of_row=plan.window_of_row,
    )  # fmt: skip
    return _with_others(replace(answer, reach_mm=reach_mm), network, crew, standard, plan, filled)


def _with_others(
    answer: Answer, network: Network, crew: Crew, standard: Standard, plan: RoadPlan, filled: npt.NDArray[np.bool_]
) -> tuple[Answer, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """The answer with everybody entitled where nobody answers; bool (N,): where that is; and where nobody at all was on duty.

    Where those who answer were filled in from the work grid nobody was told to patrol the section: whether it was missed is a question to
    all who may have, beside them.
    """
    nobody = answer.duty_ms == 0
    others = others_on_duty(network, crew, standard, plan, nobody | filled)
    judged, beside = nobody & (others.count > 0), filled & ~nobody
    columns = {}
    for n in ("silent_ms", "reach_mm", "speed_mm_s", "seen_ms"):
        theirs, own = getattr(others, n), getattr(answer, n)
        columns[n] = np.where(judged, theirs, np.where(beside, np.maximum(theirs, own), own))
    return replace(answer, **columns), nobody, nobody & ~judged


def _beat_mm(entries: Sequence[tuple[Entry, ...]], plan: RoadPlan, full: I8) -> I8:
    """What those who answer had to patrol in each window, int64 (N,): all sections of theirs; that section where nobody answers."""
    groups: dict[tuple[int, tuple[Entry, ...], int], int] = {}
    of = [
        groups.setdefault((s, e, -1 if e else k), len(groups))
        for k, (s, e) in enumerate(zip(plan.set_of, entries, strict=True))
    ]
    at = (
        np.array(of, dtype=np.int64)[plan.section_of_row] * (plan.window_of_row.max(initial=0) + 1) + plan.window_of_row
    )
    _, at = np.unique(at, return_inverse=True)
    return np.bincount(at, full).astype(np.int64)[at] if len(at) else full


def _outcomes(
    reached: dict[str, Any], need: I8, full: I8, doubt: _Doubt, standard: Standard
) -> tuple[I8, npt.NDArray[np.object_]]:
    """Outcome (index of OUTCOMES) and cause of every row."""
    covered = reached["covered"] >= need
    lacking = full if standard.measure.unknown_need.value == "full" else np.maximum(need - reached["covered"], 0)
    silent, unseen = ((a.silent_ms > 0) & (a.reach_mm >= lacking) for a in (doubt.answer, doubt.unseen))
    unseen &= doubt.unseen.seen_ms * doubt.unseen.speed_mm_s // 1000 < doubt.beat_mm
    doubtful = reached["inferred"] >= need
    barred = doubt.barred != ""
    outcome = np.full(len(need), MISSED)
    outcome[silent | unseen | doubtful | barred] = UNKNOWN
    outcome[doubt.excused] = EXCUSED
    outcome[covered] = COVERED
    fast = reached["any_speed"] > reached["covered"]
    cause = np.full(len(need), "not_passed", dtype=object)
    cause[reached["covered"] > 0] = "partial"
    cause[fast & (reached["any_speed"] >= need)] = "too_fast"
    cause[doubt.certain] = "no_rostered"
    cause[doubtful] = "inferred"
    cause[unseen] = "motionless"
    cause[silent] = "silent"
    cause[barred] = doubt.barred[barred]
    cause[doubt.excused] = "exception"
    cause[covered] = ""
    return outcome, cause


def _attribution(
    outcome: I8, nobody: npt.NDArray[np.bool_], barred: npt.NDArray[np.object_]
) -> npt.NDArray[np.object_]:
    """Whom a window is charged to, missed or not known: person, unit (nobody answered), observability (no data of anybody); '' else."""
    to = np.where(nobody, "unit", "person").astype(object)
    to[barred != ""] = "observability"
    to[(outcome == COVERED) | (outcome == EXCUSED)] = ""
    return to


def _entries_csr(entries: Sequence[tuple[Entry, ...]]) -> tuple[I8, I8, I8, I8]:
    ptr = np.concatenate(([0], np.cumsum([len(e) for e in entries]))).astype(np.int64)
    flat = np.array([x for e in entries for x in e], dtype=np.int64).reshape(-1, 3)
    return ptr, flat[:, 0].copy(), flat[:, 1].copy(), flat[:, 2].copy()
