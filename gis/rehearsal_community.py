"""A simulated week of community patrols on foot: grid members go to their key points, hot areas and back streets, or leave some out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gis.calendar import day_bounds, duty_intervals, local_ms
from gis.community import _places, community_cadence
from gis.model import Mode
from gis.rehearsal import SPEED_MPS, Habits, Rehearsal, _crew, _no_exceptions, _silences
from gis.simulate import Patroller, Task, simulate
from gis.strokes import network_cells

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    import geopandas as gpd
    import numpy.typing as npt

    from gis.crew import Crew
    from gis.model import Passes
    from gis.network.model import Network
    from gis.standard import Standard

ROLE = "grid_member"
STROLL = 12  # segments of the grid that a member passes in a half day besides the places
BACK_STREETS_SHARE = 0.35  # of half days on which back streets are walked


def rehearse_week(
    network: Network,
    standard: Standard,
    first: date,
    zone: ZoneInfo,
    *,
    community_grids: gpd.GeoDataFrame,
    areas: gpd.GeoDataFrame,
    rng: np.random.Generator,
    habits: Habits | None = None,
) -> list[Rehearsal]:
    """Seven days, one grid member on foot for each community grid.

    Each half day a member passes by the key points and hot areas of the grid, on some the back streets, and a few other roads; now and
    then a place is left out.

    Args:
        network: any network.
        standard: duty times and cadences.
        first: first local day of a week.
        zone: local time zone.
        community_grids: contract `community_grids`.
        areas: contract `areas`, with key points, back streets and hot areas.
        rng: the only source of chance.
        habits: how often a place is skipped, and who falls silent.
    """
    how = habits or Habits()
    grids = community_grids["grid_id"].astype(str).tolist()
    places, of_grid, ground = _places(network, standard, community_grids, areas)
    segment = network_cells(network, standard).segment
    # One way past each sample of a place: the cell nearest in number, so that a street is walked along and a point is passed by.
    ways = [(p.kind, np.unique([segment[min(s)] for s in p.samples if s]).astype(np.int64)) for p in places]
    roads = [np.unique(segment[np.array(sorted(g), dtype=np.int64)]).astype(np.int64) for g in ground]
    out = []
    for day in (first + timedelta(days=n) for n in range(7)):
        patrollers, duties = [], []
        for g, grid in enumerate(grids):
            person = f"M{g:04d}"
            tasks = _tasks(standard, day, zone, [ways[i] for i in of_grid[g]], roads[g], how, rng)
            speed = SPEED_MPS[Mode.FOOT] * float(rng.uniform(0.85, 1.15))
            patrollers.append(Patroller(person, Mode.FOOT, speed, tasks, stop_share=0.05))
            duties.append((person, ROLE, "community_grid", grid))
        moved = simulate(network.graph, patrollers, rng=rng)
        out.append(Rehearsal(moved, _crew(patrollers, duties, standard, day, zone), _silences(moved, how, rng)))
    return out


def _tasks(
    standard: Standard, day: date, zone: ZoneInfo, ways: Sequence[tuple[str, npt.NDArray[np.int64]]], roads: npt.NDArray[np.int64],
    how: Habits, rng: np.random.Generator,
) -> tuple[Task, ...]:  # fmt: skip
    """One task for each half day's duty."""
    split = standard.community.half_day_split.value
    noon = local_ms(day, split.hour * 60 + split.minute, zone)
    start, end = day_bounds(day, zone)
    duty = duty_intervals(standard, day, zone, role=ROLE)
    tasks = []
    for a, b in ((start, noon), (noon, end)):
        spans = [(max(s, a), min(e, b)) for s, e in duty if max(s, a) < min(e, b)]
        if not spans:
            continue
        streets = rng.random() < BACK_STREETS_SHARE
        chosen = [w for kind, w in ways if (kind != "back_street" or streets) and rng.random() >= how.skipped / 2]
        if len(roads):
            chosen.append(rng.choice(roads, size=min(STROLL, len(roads)), replace=False))
        wanted = np.unique(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)
        tasks.append(Task(spans[0][0], spans[-1][1], wanted, 1))
    return tuple(tasks)


def judge_week(
    network: Network,
    history: Sequence[tuple[Passes, Crew]],
    standard: Standard,
    first: date,
    zone: ZoneInfo,
    *,
    community_grids: gpd.GeoDataFrame,
    areas: gpd.GeoDataFrame,
) -> pd.DataFrame:
    """The audit's community windows that lie within a week, each once: contract `community_windows`.

    Args:
        network: any network.
        history: passes and crew of the seven days.
        standard: cadences.
        first: first local day of the week.
        zone: local time zone.
        community_grids: contract `community_grids`.
        areas: contract `areas`.
    """
    checkins = pd.DataFrame({"person_id": [], "place_id": [], "time": pd.Series(dtype="datetime64[ms, UTC]")})
    begin = pd.Timestamp(day_bounds(first, zone)[0], unit="ms", tz="UTC")
    frames = []
    for n in range(len(history)):
        # Weeks end on the last day only; other windows reach back no further than the day before.
        back = 0 if n == len(history) - 1 else max(0, n - 1)
        day = first + timedelta(days=n)
        frames.append(
            community_cadence(
                network, history[back : n + 1], standard, day, zone, community_grids=community_grids, areas=areas,
                checkins=checkins, exceptions=_no_exceptions(),
            )
        )  # fmt: skip
    windows = pd.concat(frames, ignore_index=True)
    kept: pd.DataFrame = windows[windows["finished"].astype(bool) & (windows["starts"] >= begin)].reset_index(drop=True)
    return kept
