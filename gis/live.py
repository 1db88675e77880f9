"""The state at a moment: how long each section may wait for its next full patrol, and where cases pile up just now.

Completions, and what exceptions close, are those of the audit (`gis.frequency`, `gis.closures`), so that the two cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from gis import coverage
from gis.closures import closed_all_day, closed_windows, closures_of, nothing_left, open_cells_mm
from gis.coverage import COUNTS, SLOW, WindowSets
from gis.evidence import evidence_of
from gis.model import Passes
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


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What is asked of K sections that day, and when each was fully patrolled.

    Attributes:
        set_of: int64 (K,), set of duty periods of a section; -1: nothing is asked.
        periods: per set, int64 (Q, 2): start and end of each stretch in which time runs on, in order.
        limit_ms: int64 (sets,), interval; a daily rule has the duty time of the day.
        daily: bool (sets,), one full patrol a day.
        section: int64 (D,), sections of completions, sorted by (section, time).
        completed_ms: int64 (D,).
        closed_section: int64 (E,), sections of windows that exceptions excuse (nothing is asked in them), in any order.
        closed_start_ms, closed_end_ms: int64 (E,).
    """

    set_of: I8
    periods: tuple[I8, ...]
    limit_ms: I8
    daily: npt.NDArray[np.bool_]
    section: I8
    completed_ms: I8
    closed_section: I8 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    closed_start_ms: I8 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    closed_end_ms: I8 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


def asked_of(network: Network, crew: Crew, standard: Standard, day: date, zone: ZoneInfo) -> Asked:
    """What is asked of every section that day; no patrol is known of yet (`with_patrols`).

    Args:
        network: only its sections are looked at.
        crew: only the bounds of its day are looked at.
        standard: the rules.
        day: local day.
        zone: local time zone.
    """
    plan = plan_roads(network, no_passes(), crew, standard, day, zone)
    rules, set_of = standard.road_rules(), np.array(plan.set_of, dtype=np.int64)
    daily = np.zeros(len(plan.sets), dtype=np.bool_)
    for rule, k in zip(plan.rule_of.tolist(), set_of.tolist(), strict=True):
        if k >= 0:
            daily[k] = rules[plan.rule_ids[rule]].daily
    periods = []
    for w, once in zip(plan.sets, daily, strict=True):
        pieces = np.column_stack([w.piece_start_ms, w.piece_end_ms])
        if not once:  # windows of one period follow each other: time runs on through them
            first = np.flatnonzero(np.diff(w.piece_run, prepend=-1))
            last = np.append(first[1:], len(pieces)) - 1
            pieces = np.column_stack([pieces[first, 0], pieces[last, 1]])
        periods.append(pieces.astype(np.int64))
    limit = np.array([w.limit_ms for w in plan.sets], dtype=np.int64)
    none = np.zeros(0, dtype=np.int64)
    return Asked(set_of, tuple(periods), limit, daily, none, none)


def with_patrols(asked: Asked, section: I8, completed_ms: I8) -> Asked:
    """The same with the full patrols that are known of: rows of sections, and when each was complete; in any order."""
    order = np.lexsort((completed_ms, section))
    return replace(asked, section=section[order].astype(np.int64), completed_ms=completed_ms[order].astype(np.int64))


def with_closed(asked: Asked, section: I8, start_ms: I8, end_ms: I8) -> Asked:
    """The same with the windows that exceptions excuse: rows of sections, and from when to when; in any order."""
    return replace(
        asked, closed_section=section.astype(np.int64), closed_start_ms=start_ms.astype(np.int64), closed_end_ms=end_ms.astype(np.int64)
    )  # fmt: skip


def excused_windows(
    network: Network,
    crew: Crew,
    standard: Standard,
    plan: RoadPlan,
    *,
    exceptions: pd.DataFrame,
    areas: gpd.GeoDataFrame | None = None,
) -> npt.NDArray[np.bool_]:
    """Which windows of the plan exceptions close as a whole, bool (R,), as in the audit (where one that is patrolled is covered)."""
    closures = closures_of(exceptions, network, crew, areas=areas)
    length = network.sections["length_mm"].to_numpy(dtype=np.int64)
    share = standard.measure.excused_share.value
    closed = closed_windows(closures, length, plan.set_of, plan.sets, share=share)
    return nothing_left(closed.mm, length[plan.section_of_row], standard)


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
    strokes, cells = evidence.strokes, evidence.cells
    sets = WindowSets(
        np.array(plan.set_of, dtype=np.int32), *(getattr(plan.arrays, n) for n in WindowSets.__slots__[1:])
    )
    cell, t, run = coverage.cell_events(
        strokes, (strokes.flags & (COUNTS | SLOW)) == (COUNTS | SLOW), sets, cells, role_of=plan.role_of,
        ptr=plan.time.ptr, start_ms=plan.time.start_ms, end_ms=plan.time.end_ms, devices=len(passes.devices),
    )  # fmt: skip
    of_cell = np.repeat(np.arange(len(cells.ptr) - 1), np.diff(cells.ptr))
    open_mm = cells.length_mm
    if exceptions is not None and len(exceptions):
        closures = closures_of(exceptions, network, crew, areas=areas)
        open_mm = open_cells_mm(cells, network, closed_all_day(closures, network, standard, plan))
    weight = np.where(evidence.primary[cells.segment], open_mm, 0)
    total = np.zeros(len(network.sections), dtype=np.int64)
    np.add.at(total, of_cell, weight)
    share = np.full(len(total), standard.measure.full_patrol_share.value)
    done, _ = coverage.rounds(
        *coverage.sort_events(of_cell[cell], run, t, cell), weight_mm=weight, target_mm=required_mm(total, share)
    )
    return done[:, 0].copy(), done[:, 1].copy()


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


def last_completed(asked: Asked, now_ms: int) -> I8:
    """Latest completion of each section up to a moment, int64 (K,), -1: none."""
    last = np.full(len(asked.set_of), -1, dtype=np.int64)
    seen = asked.completed_ms <= now_ms
    np.maximum.at(last, asked.section[seen], asked.completed_ms[seen])
    return last


def time_left(asked: Asked, now_ms: int) -> tuple[F8, F8]:
    """Seconds until each section is overdue (negative: overdue), and the interval, both float64 (K,), at a moment.

    Time starts anew in each duty period. NaN: nothing is asked now. A daily section that is done has infinite time; before it is done it
    has what is left of the day's duty time, and is overdue once that is over. Nothing is asked in a window that exceptions excuse, and
    time starts anew when it ends.
    """
    left, interval = np.full(len(asked.set_of), np.nan), np.full(len(asked.set_of), np.nan)
    last = last_completed(asked, now_ms)
    reopened, shut = np.full(len(last), -1, dtype=np.int64), np.zeros(len(last), dtype=np.bool_)
    over = asked.closed_end_ms <= now_ms
    np.maximum.at(reopened, asked.closed_section[over], asked.closed_end_ms[over])
    shut[asked.closed_section[(asked.closed_start_ms <= now_ms) & ~over]] = True
    for k, periods in enumerate(asked.periods):
        mine = asked.set_of == k
        interval[mine] = asked.limit_ms[k] / 1000
        if asked.daily[k]:
            rest = np.clip(periods[:, 1] - np.maximum(periods[:, 0], now_ms), 0, None).sum() / 1000
            begun = len(periods) and now_ms >= periods[0, 0]
            waiting = (rest if rest > 0 else -(now_ms - periods[-1, 1]) / 1000) if begun else np.nan
            whole_day = np.isin(np.flatnonzero(mine), asked.closed_section)  # its one window is the day
            left[mine] = np.where(last[mine] >= 0, np.inf, np.where(whole_day, np.nan, waiting))
            continue
        for start, end in periods.tolist():
            if start <= now_ms < end:
                since = np.maximum(np.maximum(last[mine], reopened[mine]), start)
                left[mine] = np.where(shut[mine], np.nan, (asked.limit_ms[k] - (now_ms - since)) / 1000)
    return left, interval


def shown_share(left_s: F8, interval_s: F8, *, step: float = 0.05) -> F8:
    """Share of the interval that is left, in steps so that few roads change at a time: 0 overdue … 1; NaN stays."""
    share = np.where(np.isinf(left_s), 1.0, np.clip(left_s / interval_s, 0.0, 1.0))
    return np.where(np.isnan(left_s), np.nan, np.ceil(share / step - 1e-9) * step).astype(np.float64)
