"""Full-coverage rounds of work grids: when each was complete, how the day ended, and what was visited in no round."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.ops import substring

from gis.answerable import answer_rows, entries_by_target, excused_rows, excuses_for, of_roles
from gis.calendar import duty_intervals, windows_of
from gis.calibration import device_quality, quality_of
from gis.calibration_tables import rounds_table_named
from gis.closures import Closed, closed_windows, closures_of
from gis.crew import column_text, stamp
from gis.decidable import OBSTACLES, obstacle
from gis.evidence import evidence_of
from gis.reach import reach_within
from gis.rounds_calibration import Counted, chances, grid_quality, likely_rounds, unsupported
from gis.rounds_ground import ground_of
from gis.rounds_words import lacking_streets, lacking_text, rounds_missing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    import numpy.typing as npt

    from gis.answerable import Answer, Entry
    from gis.calendar import Interval
    from gis.crew import Crew
    from gis.evidence import Evidence
    from gis.model import Passes
    from gis.network.model import Network
    from gis.rounds_ground import Ground
    from gis.standard import RoundsRule, Standard

    I8 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class GridRounds:
    """Result frames of the contracts of the same names, and what they rest on.

    Attributes:
        grid_days, grid_rounds, unvisited: the frames.
        counted: for each set of roles, the grids that its rules bind (as rows of `grid_days` in order) and what was counted there.
    """

    grid_days: pd.DataFrame
    grid_rounds: pd.DataFrame
    unvisited: gpd.GeoDataFrame
    counted: tuple[tuple[list[str], Counted], ...] = ()


def grid_rounds(
    network: Network,
    passes: Passes,
    crew: Crew,
    standard: Standard,
    day: date,
    zone: ZoneInfo,
    *,
    work_grids: gpd.GeoDataFrame,
    exceptions: pd.DataFrame,
    areas: gpd.GeoDataFrame | None = None,
    evidence: Evidence | None = None,
) -> GridRounds:
    """Judge every work grid on one local day.

    A round is complete when the distinct length that collectors passed since the last complete one reaches `measure.round_share` of the
    grid's patrollable length; the count begins at zero every day. Paired carriageways count once, metres that an exception closes for most
    of the day not at all; where they are all of it, the grid is excused. A grid whose level has no rule is `no_rule`. `evidence` is
    `evidence_of(network, passes, standard)` where it is known already.
    """
    grids = column_text(work_grids, "grid_id")
    levels = column_text(work_grids, "level")
    rules: dict[str, tuple[str, RoundsRule]] = {r.zone: (k, r) for k, r in standard.rounds_rules().items()}
    rule_of = [rules.get(level) for level in levels]
    roles = sorted({tuple(r.roles) for _, r in rules.values()})
    watch = _watch(standard, day, zone, [r for _, r in rules.values()])
    closed = _closed_sections(network, crew, standard, watch, exceptions, areas)
    evidence = evidence or evidence_of(network, passes, standard)
    days, rounds, never, held = [], [], [], []
    for group in roles:
        mine = [i for i, rule in enumerate(rule_of) if rule is not None and tuple(rule[1].roles) == group]
        if not mine:
            continue
        ground = ground_of(network, passes, crew, standard, [grids[i] for i in mine], closed, group, evidence)
        table, counted = _grid_days(
            network, passes, standard, crew, ground, work_grids.iloc[mine], [rule_of[i] for i in mine], watch, exceptions
        )  # fmt: skip
        days.append(table)
        held.append(([grids[i] for i in mine], counted))
        rounds.append(_round_frame(ground, [grids[i] for i in mine]))
        never.append(_never_frame(network, ground, [grids[i] for i in mine]))
    none = [i for i, rule in enumerate(rule_of) if rule is None]
    if none or not days:
        group = roles[0] if roles else ()
        ground = ground_of(network, passes, crew, standard, [grids[i] for i in none], closed, group, evidence)
        days.append(_no_rule_days(ground, [grids[i] for i in none], [levels[i] for i in none]))
    table = pd.concat(days, ignore_index=True)
    place = {g: i for i, g in enumerate(grids)}
    table = table.iloc[np.argsort([place[g] for g in table["grid_id"]], kind="stable")].reset_index(drop=True)
    return GridRounds(
        grid_days=table,
        grid_rounds=pd.concat([*rounds, _round_frame(None, [])], ignore_index=True),
        unvisited=gpd.GeoDataFrame(
            pd.concat([*never, _never_frame(network, None, [])], ignore_index=True), geometry="geometry", crs=4326
        ),
        counted=tuple(held),
    )


def _watch(standard: Standard, day: date, zone: ZoneInfo, rules: Sequence[RoundsRule]) -> list[Interval]:
    """Hours of the day against which exceptions are weighed: the collectors' watch."""
    return duty_intervals(standard, day, zone, role=rules[0].roles[0], watch=True) if rules else []


def _closed_sections(
    network: Network,
    crew: Crew,
    standard: Standard,
    watch: Sequence[Interval],
    exceptions: pd.DataFrame,
    areas: gpd.GeoDataFrame | None,
) -> Closed:
    """What exceptions of streets and areas close for most of the watch; `row` is the section. Those of grids are weighed by themselves."""
    of_streets = exceptions[exceptions["target_kind"].isin(("section", "road", "area"))]
    window = windows_of(watch, None, remainder_share=1.0)
    asked = 0 if len(window.start_ms) else -1
    closed = closed_windows(
        closures_of(of_streets, network, crew, areas=areas), network.sections["length_mm"].to_numpy(dtype=np.int64),
        [asked] * len(network.sections), [window], share=standard.measure.excused_share.value,
    )  # fmt: skip
    return closed if asked >= 0 else replace(closed, mm=np.zeros(len(network.sections), dtype=np.int64))


def _grid_days(  # noqa: PLR0917 (what one judgement needs)
    network: Network, passes: Passes, standard: Standard, crew: Crew, ground: Ground, grids: gpd.GeoDataFrame,
    rules: Sequence[tuple[str, RoundsRule] | None], watch: Sequence[Interval], exceptions: pd.DataFrame,
) -> tuple[pd.DataFrame, Counted]:  # fmt: skip
    ids = column_text(grids, "grid_id")
    named = [r for r in rules if r is not None]
    required = np.array([r.rounds_per_day for _, r in named], dtype=np.int64)
    by_grid = entries_by_target(crew, "work_grid")
    entries = [of_roles(by_grid.get(g, ()), crew, r.roles) for g, (_, r) in zip(ids, named, strict=True)]
    answer = _answer(network, crew, standard, ground, entries)
    share = standard.measure.excused_share.value
    hours = windows_of(watch, None, remainder_share=1.0)
    excuses = excuses_for(exceptions, grids.reset_index(drop=True), crew, columns={"work_grid": "grid_id"})
    excused = (
        excused_rows(excuses, [0] * len(ids), [hours], share=share)[0] if watch else np.zeros(len(ids), dtype=np.bool_)
    )
    excused |= ground.shut
    counted = _counted(ground, passes, crew, answer)
    barred = np.array([obstacle(crew, r.roles) or "" for _, r in named], dtype=object)
    outcome, cause = _outcomes(ground, counted, required, answer, excused, barred)
    table = rounds_table_named(standard.calibration.rounds) if standard.calibration.rounds else None
    chance = np.full(len(ids), np.nan)
    if table is not None:
        asked = np.flatnonzero(ground.patrollable > 0)
        chance[asked] = chances(counted, asked, required[asked], table)
        nobody = cause == "no_rostered"  # no data would have helped: charged to the unit
        given_up = unsupported(outcome, counted, chance, table) & ~nobody
        outcome[given_up], cause[given_up] = "unknown", "unsupported"
    frame = pd.DataFrame(
        {
            "grid_id": ids,
            "rule_id": [k for k, _ in named],
            "level": column_text(grids, "level"),
            "required_rounds": required,
            **_counts(ground, counted, likely_rounds(counted, table)),
            "round_share": np.minimum(counted.certain / required, 1.0),
            "probability": chance,
            "outcome": outcome,
            "silent_s": answer.silent_ms / 1000,
            "cause": cause,
            **_words(network, ground, counted, required, outcome, cause, chance, answer.silent_ms),
        }
    )
    return frame, counted


def _answer(
    network: Network, crew: Crew, standard: Standard, ground: Ground, entries: Sequence[tuple[Entry, ...]]
) -> Answer:
    """The time of those who answer for each grid; what they could have patrolled unheard, the ways there and back taken off."""
    day = windows_of([(crew.start_ms, crew.end_ms)], None, remainder_share=1.0)
    sets = [0] * len(entries)
    answer = answer_rows(crew, standard, entries, sets, [day])
    rows = np.flatnonzero(ground.patrollable > 0)
    grid, first = np.arange(len(entries)), np.zeros(len(entries), dtype=np.int64)
    reach_mm = reach_within(
        answer, network, crew, standard, entries, sets, [day], rows=rows, subject_of_row=grid, window_of_row=first,
        subject_of_segment=ground.grid,
    )  # fmt: skip
    return replace(answer, reach_mm=reach_mm)


def _counted(ground: Ground, passes: Passes, crew: Crew, answer: Answer) -> Counted:
    """Rounds for certain and at most: what was passed as far from the way as a detour goes, and what can have been patrolled unheard."""
    target = np.maximum(ground.target, 1)
    near, near_open = ground.near
    completed = ground.completed()
    most_mm = near[2] * target + near_open[2] + answer.reach_mm
    possible = np.maximum.reduce([completed, ground.inferred, most_mm // target])
    possible[ground.patrollable == 0] = completed[ground.patrollable == 0]
    reached = np.stack([completed + ground.open_mm / target, *(near[:2] + near_open[:2] / target), most_mm / target])
    quality = quality_of(passes, crew)
    return Counted(
        certain=completed,
        possible=possible,
        reached=reached.T,
        walked=ground.walked_mm.sum(axis=1) / target,
        never=ground.never_mm() / np.maximum(ground.patrollable, 1),
        quiet=answer.reach_mm / target,
        length_mm=ground.patrollable,
        beside=ground.beside,
        quality=grid_quality(
            ground.walked_mm, device_quality(passes), who=answer.who.tolist(), quality=quality, crew=crew
        ),
    )


def _outcomes(
    ground: Ground,
    counted: Counted,
    required: I8,
    answer: Answer,
    excused: npt.NDArray[np.bool_],
    barred: npt.NDArray[np.object_],
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """Outcome and cause of every grid by counting alone; `barred` says why no data could decide it, empty where they can."""
    outcome = np.full(len(required), "missed", dtype=object)
    cause = np.where(ground.never_mm() < ground.patrollable, "partial", "not_passed").astype(object)
    enough = counted.possible >= required
    heard = counted.reached[:, 3] - counted.quiet
    for mask, result, why in (
        (answer.duty_ms == 0, "missed", "no_rostered"),
        (enough, "unknown", "unsupported"),
        (enough & (heard < required), "unknown", "silent"),
        (ground.inferred >= required, "unknown", "inferred"),
        *((barred == code, "unknown", code) for code in OBSTACLES),
        (excused | (ground.patrollable == 0), "excused", "exception"),
        (counted.certain >= required, "covered", None),
        ((ground.patrollable == 0) & ~excused, "no_rule", None),
    ):
        outcome[mask], cause[mask] = result, why
    return outcome, cause


def _counts(ground: Ground, counted: Counted, likely: I8) -> dict[str, Any]:
    """The columns of rounds and lengths."""
    never = ground.never_mm()
    last = np.full(len(likely), -1, dtype=np.int64)
    np.maximum.at(last, ground.done[:, 0], ground.done[:, 1])
    return {
        "completed_rounds": counted.certain,
        "likely_rounds": likely,
        "possible_rounds": counted.possible,
        "patrollable_mm": ground.patrollable,
        "visited_mm": ground.patrollable - never,
        "never_mm": never,
        "open_share": ground.open_mm / np.maximum(ground.patrollable, 1),
        "last_completed": stamp(last, -1),
    }


def _words(
    network: Network, ground: Ground, counted: Counted, required: I8, outcome: npt.NDArray[np.object_],
    cause: npt.NDArray[np.object_], chance: npt.NDArray[np.float64], silent_ms: I8,
) -> dict[str, Any]:  # fmt: skip
    """What the unfinished round lacks, street by street, and what was missing in words; None where nothing is."""
    asked = np.isin(outcome, ("missed", "unknown")) & (counted.certain < required)
    names = column_text(network.segments, "road_name")
    streets = lacking_streets(ground.lacking, names, len(required))
    missing = rounds_missing(
        cause=cause, required=required, completed=counted.certain, possible=counted.possible, open_mm=ground.open_mm,
        length_mm=ground.patrollable, streets=streets, chance=chance, silent_ms=silent_ms,
    )  # fmt: skip
    return {
        "lacking": [lacking_text(s) if a and s else None for s, a in zip(streets, asked.tolist(), strict=True)],
        "missing": missing,
    }


def _no_rule_days(ground: Ground, ids: Sequence[str], levels: Sequence[str]) -> pd.DataFrame:
    completed = ground.completed()
    never = ground.never_mm()
    last = np.full(len(ids), -1, dtype=np.int64)
    np.maximum.at(last, ground.done[:, 0], ground.done[:, 1])
    return pd.DataFrame(
        {
            "grid_id": list(ids),
            "rule_id": None,
            "level": [level or None for level in levels],
            "required_rounds": pd.array([None] * len(ids), dtype="Int64"),
            "completed_rounds": completed,
            "likely_rounds": completed,
            "possible_rounds": completed,
            "patrollable_mm": ground.patrollable,
            "visited_mm": ground.patrollable - never,
            "never_mm": never,
            "open_share": ground.open_mm / np.maximum(ground.patrollable, 1),
            "last_completed": stamp(last, -1),
            "round_share": np.nan,
            "probability": np.nan,
            "outcome": "no_rule",
            "silent_s": 0.0,
            "cause": None,
            "lacking": None,
            "missing": None,
        }
    )


def _round_frame(ground: Ground | None, ids: Sequence[str]) -> pd.DataFrame:
    done = np.zeros((0, 3), dtype=np.int64) if ground is None else ground.done
    first = np.searchsorted(done[:, 0], done[:, 0])
    return pd.DataFrame(
        {
            "grid_id": [ids[g] for g in done[:, 0].tolist()],
            "round_ix": np.arange(len(done)) - first,
            "started": stamp(done[:, 2]),
            "completed": stamp(done[:, 1]),
        }
    )


def _never_frame(network: Network, ground: Ground | None, ids: Sequence[str]) -> pd.DataFrame:
    rows = np.zeros((0, 3), dtype=np.int64) if ground is None else ground.never
    s = rows[:, 0]
    shapes = np.asarray(network.segments.geometry.to_numpy(), dtype=object)[s]
    length = network.graph.seg_length_mm[s].astype(np.int64)
    for i in np.flatnonzero((rows[:, 1] > 0) | (rows[:, 2] < length)).tolist():
        shapes[i] = substring(shapes[i], rows[i, 1] / length[i], rows[i, 2] / length[i], normalized=True)
    line = shapely.get_type_id(shapes) == shapely.GeometryType.LINESTRING
    grid = [] if ground is None else [ids[g] for g in ground.grid[s].tolist()]
    frame = pd.DataFrame(
        {
            "grid_id": pd.Series(grid, dtype=object),
            "segment_id": network.segments["segment_id"].to_numpy()[s],
            "from_mm": rows[:, 1],
            "to_mm": rows[:, 2],
            "geometry": shapes,
        }
    )
    kept: pd.DataFrame = frame.loc[line].reset_index(drop=True)
    return kept
