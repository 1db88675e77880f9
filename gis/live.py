"""The state of every section at a moment: done, due, overdue, unknown, excused or not asked just then.

What is asked and what became of it are the windows of the audit with the outcomes of the audit (`gis.frequency`), of what had arrived: the
desk asks them and decides nothing of its own. So nothing is overdue that the audit would not call missed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gis import coverage
from gis.closures import closed_all_day, closed_windows, closures_of, open_cells_mm, partly
from gis.coverage import COUNTS, SLOW, WindowSets
from gis.evidence import evidence_of
from gis.model import Passes
from gis.rates import COVERED, EXCUSED, MISSED, OUTCOMES, UNKNOWN
from gis.road_plan import plan_roads, required_mm

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

    import geopandas as gpd
    import numpy.typing as npt
    import pandas as pd

    from gis.crew import Crew
    from gis.evidence import Evidence
    from gis.network.model import Network
    from gis.road_plan import RoadPlan
    from gis.standard import Standard

    I8 = npt.NDArray[np.int64]
    F8 = npt.NDArray[np.float64]

OVERDUE, DUE, DONE, IN_DOUBT, FREE, NOT_ASKED = range(6)
STATES = ("overdue", "due", "done", "unknown", "excused", "not_asked")


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """W windows of K sections by (section, start), as the audit judges them by what had arrived.

    Attributes:
        ptr: int64 (K + 1,), windows of section k are ptr[k] … ptr[k + 1].
        start_ms, end_ms: int64 (W,).
        outcome: int64 (W,), index of `gis.rates.OUTCOMES`.
        reached_ms: int64 (W,), when what the window asks for was reached; -1: not yet.
    """

    ptr: I8
    start_ms: I8
    end_ms: I8
    outcome: I8
    reached_ms: I8

    @property
    def bounds_ms(self) -> tuple[int, int] | None:
        """When the first window begins and the last one ends; None where nothing is asked that day."""
        return (int(self.start_ms.min()), int(self.end_ms.max())) if len(self.start_ms) else None


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """K sections at a moment.

    Attributes:
        state: int64 (K,), index of `STATES`.
        left_s: float64 (K,): due or done, until the window under way ends; overdue, how long since the first window missed in a row ended
            (negative); else NaN.
        share: float64 (K,), what is left of the window under way, 0 … 1; NaN where none is under way.
        window: int64 (K,), the window that the state is about: that under way, overdue: the first missed in the row; -1 none.
    """

    state: I8
    left_s: F8
    share: F8
    window: I8

    def count(self, state: int) -> int:
        """How many sections are in a state."""
        return int((self.state == state).sum())


def decided(judged: Judged, *, until_ms: int, now_ms: int, wait_ms: int) -> int:
    """Up to when outcomes are known: the evidence's newest fix, or no limit once the day's last window is over and waited for.

    Nobody is heard of to the second: where the newest fix is not older than the wait for the next one (`wait_ms`) when the last window
    ends, and that wait is over too, nothing more will come.
    """
    bounds = judged.bounds_ms
    over = bounds is not None and until_ms + wait_ms >= bounds[1] and now_ms >= bounds[1] + wait_ms
    return now_ms if over else min(until_ms, now_ms)


def outcomes_at(judged: Judged, known_ms: int) -> I8:
    """Outcome of every window as far as it is known, int64 (W,): what ended after `known_ms` is unknown unless covered or excused."""
    settled = (judged.end_ms <= known_ms) | np.isin(judged.outcome, (COVERED, EXCUSED))
    return np.where(settled, judged.outcome, UNKNOWN)


def moment(judged: Judged, now_ms: int, *, known_ms: int) -> Moment:
    """The state of every section.

    A section is asked in the window under way, else not. Excused: the audit excuses that window. Done: its requirement was reached. Else
    what went before decides: *overdue* if the last window whose outcome is known was missed, *unknown* if the last one ended after what is
    known or is unknown to the audit itself, *due* otherwise.

    Args:
        judged: the day's windows.
        now_ms: the moment, UTC.
        known_ms: up to when outcomes are known (`decided`).
    """
    sections, windows = len(judged.ptr) - 1, len(judged.start_ms)
    state, window = np.full(sections, NOT_ASKED), np.full(sections, -1)
    left, share = np.full(sections, np.nan), np.full(sections, np.nan)
    if not windows:
        return Moment(state, left, share, window)
    first = judged.ptr[:-1]
    of = np.repeat(np.arange(sections), np.diff(judged.ptr))
    begun = np.bincount(of[judged.start_ms <= now_ms], minlength=sections)
    at = np.maximum(first + begun - 1, 0).clip(max=windows - 1)
    asked = (begun > 0) & (judged.end_ms[at] > now_ms)
    outcome = outcomes_at(judged, known_ms)
    reached = (judged.reached_ms >= 0) & (judged.reached_ms <= now_ms)
    known, row_begins = _rows_before(judged, outcome, known_ms)
    last = first + begun - 2  # the window before the one under way
    held = asked & (begun > 1)
    before = known[np.where(held, last, 0)]
    before = np.where(held & (before >= first), before, -1)
    doubt = held & (before != last)  # something ended after what is known
    then = np.where(before >= 0, outcome[np.maximum(before, 0)], -1)
    state[asked] = DUE
    state[asked & ((then == UNKNOWN) | doubt)] = IN_DOUBT
    state[asked & (then == MISSED)] = OVERDUE
    state[asked & reached[at]] = DONE
    state[asked & (judged.outcome[at] == EXCUSED)] = FREE
    window[asked] = at[asked]
    late = state == OVERDUE
    window[late] = row_begins[before[late]]
    left[asked] = (judged.end_ms[at[asked]] - now_ms) / 1000
    span = np.maximum(judged.end_ms[at] - judged.start_ms[at], 1) / 1000
    share[asked] = np.clip(left[asked] / span[asked], 0, 1)
    left[late] = (judged.end_ms[window[late]] - now_ms) / 1000
    left[np.isin(state, (IN_DOUBT, FREE))] = np.nan
    return Moment(state, left, share, window)


def _rows_before(judged: Judged, outcome: I8, known_ms: int) -> tuple[I8, I8]:
    """Of every window: the last one up to it that is settled, and where the row of equal outcomes in its section begins."""
    rows = np.arange(len(outcome))
    begins = np.repeat(judged.ptr[:-1], np.diff(judged.ptr))
    open_ = (judged.end_ms > known_ms) & (outcome == UNKNOWN)
    known = np.maximum.accumulate(np.where(open_, -1, rows))
    other = np.ones(len(rows), dtype=np.bool_)
    other[1:] = (outcome[1:] != outcome[:-1]) | (begins[1:] != begins[:-1])
    return known, np.maximum.accumulate(np.where(other, rows, 0))


def balance(judged: Judged, now_ms: int, *, known_ms: int) -> dict[str, int]:
    """Windows that are over at a moment, by outcome (`OUTCOMES`), and `windows`, how many the whole day has."""
    over = judged.end_ms <= now_ms
    counts = np.bincount(outcomes_at(judged, known_ms)[over], minlength=len(OUTCOMES))
    return {**dict(zip(OUTCOMES, counts.tolist(), strict=True)), "windows": len(judged.end_ms)}


# --- from passes ---
def full_patrols(
    network: Network,
    passes: Passes,
    crew: Crew,
    standard: Standard,
    day: date,
    zone: ZoneInfo,
    *,
    evidence: Evidence | None = None,
    exceptions: pd.DataFrame | None = None,
    areas: gpd.GeoDataFrame | None = None,
) -> tuple[I8, I8]:
    """Completed full patrols of every section, by the rounds of the audit.

    Args:
        network: segments and sections.
        passes: all of the day: the speed of a pass is judged by the way about it, which may lie on other streets.
        crew: the roster; silences are not looked at.
        standard: the rules.
        day: local day.
        zone: local time zone.
        evidence: `evidence_of(network, passes, standard)` where it is known already.
        exceptions: contract `exceptions`: a patrol is complete without the metres that they close.
        areas: contract `areas`, for exceptions that name one.

    Returns:
        section row and completed (UTC ms), int64 (D,), sorted by both.
    """
    plan = plan_roads(network, passes, crew, standard, day, zone)
    evidence = evidence or evidence_of(network, passes, standard)
    open_mm = evidence.cells.length_mm
    if exceptions is not None and len(exceptions):
        closures = closures_of(exceptions, network, crew, areas=areas)
        open_mm = open_cells_mm(evidence.cells, network, closed_all_day(closures, network, standard, plan))
    of_cell, weight, total = _weights(network, evidence, open_mm)
    cell, t, run = _events(plan, passes, evidence, _sets(plan))
    share = np.full(len(total), standard.measure.full_patrol_share.value)
    done, _ = coverage.rounds(
        *coverage.sort_events(of_cell[cell], run, t, cell), weight_mm=weight, target_mm=required_mm(total, share)
    )
    return done[:, 0].copy(), done[:, 1].copy()


def _sets(plan: RoadPlan) -> WindowSets:
    """The windows of the sections that are asked."""
    return WindowSets(
        np.array(plan.set_of, dtype=np.int32), *(getattr(plan.arrays, n) for n in WindowSets.__slots__[1:])
    )


def _weights(network: Network, evidence: Evidence, open_mm: I8) -> tuple[I8, I8, I8]:
    """Section and counted length of every cell, of which so much is open, and that of every section."""
    cells = evidence.cells
    of_cell = np.repeat(np.arange(len(cells.ptr) - 1), np.diff(cells.ptr))
    weight = np.where(evidence.primary[cells.segment], open_mm, 0)
    total = np.zeros(len(network.sections), dtype=np.int64)
    np.add.at(total, of_cell, weight)
    return of_cell, weight, total


def _events(plan: RoadPlan, passes: Passes, evidence: Evidence, sets: WindowSets) -> tuple[I8, I8, I8]:
    """Cell, time and run of every crossing of a cell that counts."""
    strokes = evidence.strokes
    return coverage.cell_events(
        strokes, (strokes.flags & (COUNTS | SLOW)) == (COUNTS | SLOW), sets, evidence.cells, role_of=plan.role_of,
        ptr=plan.time.ptr, start_ms=plan.time.start_ms, end_ms=plan.time.end_ms, devices=len(passes.devices),
    )  # fmt: skip


def reached_windows(
    network: Network,
    passes: Passes,
    crew: Crew,
    standard: Standard,
    day: date,
    zone: ZoneInfo,
    *,
    evidence: Evidence | None = None,
    exceptions: pd.DataFrame | None = None,
    areas: gpd.GeoDataFrame | None = None,
) -> I8:
    """When what each window asks for was reached, on the cells of the gaps view; arguments as for `full_patrols`.

    Returns:
        UTC ms, int64 (W,), in the order of the audit's windows (`RoadPlan`); -1: it was not.
    """
    plan = plan_roads(network, passes, crew, standard, day, zone)
    evidence = evidence or evidence_of(network, passes, standard)
    cells = evidence.cells
    by_window = replace(_sets(plan), run=plan.arrays.window)
    cell, t, window = _events(plan, passes, evidence, by_window)
    of_cell, weight, total = _weights(network, evidence, cells.length_mm)
    share = standard.measure.full_patrol_share.value * plan.per_row("proportion")
    row = plan.arrays.first_row[of_cell[cell]] + window
    out = _first_rounds(row, t, cell, weight, required_mm(total[plan.section_of_row], share))
    if exceptions is None or not len(exceptions):
        return out
    length = network.sections["length_mm"].to_numpy(dtype=np.int64)
    closures = closures_of(exceptions, network, crew, areas=areas)
    closed = closed_windows(closures, length, plan.set_of, plan.sets, share=standard.measure.excused_share.value)
    closed = partly(closed, length[plan.section_of_row], standard)
    for w in np.unique(
        plan.window_of_row[closed.row]
    ).tolist():  # the first, second … window of every section that is closed in part
        mine = plan.window_of_row[closed.row] == w
        rows, sections = closed.row[mine], plan.section_of_row[closed.row[mine]]
        there = replace(closed, row=sections, lo_mm=closed.lo_mm[mine], hi_mm=closed.hi_mm[mine])
        _, weight, total = _weights(network, evidence, open_cells_mm(cells, network, there))
        asked = np.isin(row, rows)
        found = _first_rounds(row[asked], t[asked], cell[asked], weight, required_mm(total[plan.section_of_row], share))
        earlier = (found >= 0) & ((out < 0) | (found < out))
        out[earlier] = found[earlier]
    return out


def _first_rounds(row: I8, t: I8, cell: I8, weight_mm: I8, target_mm: I8) -> I8:
    """When the first round of each row was complete, int64 (R,); -1: none was."""
    done, _ = coverage.rounds(
        *coverage.sort_events(row, np.zeros_like(row), t, cell), weight_mm=weight_mm, target_mm=target_mm
    )
    out = np.full(len(target_mm), -1, dtype=np.int64)
    out[done[::-1, 0]] = done[::-1, 1]  # of several the first
    return out


def no_passes() -> Passes:
    """Passes of nobody."""
    i4, i8 = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64)
    return Passes(
        i4,
        i4,
        i4,
        i8,
        i8,
        i4,
        i4,
        i8,
        i8,
        np.zeros(0, dtype=np.bool_),
        np.zeros(0, dtype=np.float32),
        (),
        np.zeros(0, dtype=np.int8),
    )


def last_completed(section: I8, completed_ms: I8, sections: int, now_ms: int) -> I8:
    """Latest full patrol of each section up to a moment, int64 (K,), -1: none; `section` and `completed_ms` from `full_patrols`."""
    last = np.full(sections, -1, dtype=np.int64)
    seen = completed_ms <= now_ms
    np.maximum.at(last, section[seen], completed_ms[seen])
    return last
