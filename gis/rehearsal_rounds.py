"""A simulated day of rounds over any network: how often each work grid was truly gone round is drawn by chance, and known.

Grids get none, some or more rounds than they owe, the last one often only in part; some leave streets out all day or in single rounds.
One collector or several share the streets of a grid, some rounds follow each other at once and others are spread over the day. They report
for work in the morning and stay out until the evening, so that who has done enough is heard standing about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gis.calendar import day_bounds
from gis.rehearsal import SPEED_MPS, Habits, Rehearsal, _crew, _no_exceptions, _silences
from gis.rounds import grid_rounds
from gis.simulate import Patroller, Task, simulate
from gis.standard import Calibration

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

    import geopandas as gpd
    import numpy.typing as npt

    from gis.crew import Crew
    from gis.model import Mode, Passes
    from gis.network.model import Network
    from gis.rounds import GridRounds
    from gis.standard import Standard

    I8 = npt.NDArray[np.int64]

HOUR_MS = 3_600_000
PERIODS_H = ((7.5, 11.75), (13.25, 18.0))
WAYS_SHARE = 0.65  # of a round's way, what is not gone twice
MOST_COLLECTORS = 5
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class RoundHabits:
    """How grids are gone round: shares of the grids, but for `silent`.

    Attributes:
        skipping: leave streets out all day, 2 to 30 % of their segments.
        careless: leave other streets out in each round, up to 12 %.
        partly: go on with a round that they do not finish.
        spread: spread their rounds over the day.
        silent: share of the devices that fall silent for one to three hours.
    """

    skipping: float = 0.25
    careless: float = 0.2
    partly: float = 0.5
    spread: float = 0.5
    silent: float = 0.12


def rehearse_rounds(
    network: Network,
    standard: Standard,
    day: date,
    zone: ZoneInfo,
    *,
    work_grids: gpd.GeoDataFrame,
    mode: Mode,
    rng: np.random.Generator,
    habits: RoundHabits | None = None,
) -> Rehearsal:
    """Plan and make the rounds of one day in every work grid that a rule binds.

    Args:
        network: whose segments name their work grid.
        standard: the rules.
        day: local day.
        zone: local time zone.
        work_grids: contract `work_grids`.
        mode: how all collectors move.
        rng: the only source of chance.
        habits: how well they do it.
    """
    how = habits or RoundHabits()
    begin = day_bounds(day, zone)[0]
    periods = [(begin + int(a * HOUR_MS), begin + int(b * HOUR_MS)) for a, b in PERIODS_H]
    patrol = network.segments["patrollable"].to_numpy(dtype=bool)
    owner = network.segments["work_grid_id"].to_numpy(dtype=object)
    rules = {r.zone: r for r in standard.rounds_rules().values()}
    patrollers: list[Patroller] = []
    duties: list[tuple[str, str, str, str]] = []
    for grid_id, level in zip(work_grids["grid_id"].astype(str), work_grids["level"], strict=True):
        mine = np.flatnonzero((owner == grid_id) & patrol)
        if level not in rules or not len(mine):
            continue
        rounds = int(rng.integers(0, rules[level].rounds_per_day + 3))
        length_m = network.graph.seg_length_mm[mine].sum() / 1000
        speed = SPEED_MPS[mode] * float(rng.uniform(0.8, 1.2))
        for tasks in _collectors(network, mine, rounds, length_m / speed, periods, how, rng):
            person = f"R{len(patrollers):04d}"
            patrollers.append(Patroller(person, mode, speed, tasks, stop_share=0.02))
            duties.append((person, rules[level].roles[0], "work_grid", grid_id))
    moved = simulate(network.graph, patrollers, rng=rng)
    crew = _crew(patrollers, duties, standard, day, zone)
    return Rehearsal(moved, crew, _silences(moved, Habits(silent=how.silent), rng))


def _collectors(
    network: Network, mine: I8, rounds: int, round_s: float, periods: list[tuple[int, int]], how: RoundHabits, rng: np.random.Generator
) -> list[tuple[Task, ...]]:  # fmt: skip
    """The streets of a grid shared by as many collectors as its rounds need, from west to east, and what each does."""
    day_s = sum(e - s for s, e in periods) / 1000
    need = int(np.ceil(round_s / WAYS_SHARE * max(rounds, 1) / (0.85 * day_s)))
    count = min(need + int(rng.integers(0, 2)), MOST_COLLECTORS, len(mine))
    if rng.random() < how.skipping:
        kept = mine[rng.random(len(mine)) >= rng.choice((0.02, 0.04, 0.08, 0.15, 0.3))]
        mine = kept if len(kept) >= count else mine
    careless = float(rng.uniform(0.0, 0.12)) if rng.random() < how.careless else 0.0
    last = float(rng.uniform(0.1, 0.97)) if rng.random() < how.partly or not rounds else 0.0
    spread = rng.random() < how.spread
    west = network.graph.node_x[network.graph.seg_u[mine]]
    shares = np.array_split(mine[np.argsort(west, kind="stable")], count)
    return [_tasks(s, rounds, last, careless, periods, rng, spread=spread) for s in shares]


def _tasks(
    share: I8, rounds: int, last: float, careless: float, periods: list[tuple[int, int]], rng: np.random.Generator, *, spread: bool
) -> tuple[Task, ...]:  # fmt: skip
    """Rounds in the morning and in the afternoon, and a part of one more."""
    parts = [share[rng.random(len(share)) >= careless] for _ in range(rounds)]
    from_one_side = rng.random() < _HALF
    if last:
        parts.append(share[: max(1, int(last * len(share)))] if from_one_side else share[rng.random(len(share)) < last])
    parts = [p if len(p) else share[:1] for p in parts]
    half = (len(parts) + 1) // 2
    out = []
    for (start, end), todo in zip(periods, (parts[:half], parts[half:]), strict=True):
        step = (end - start) // max(len(todo), 1) if spread else 0
        out += [Task(start + i * step, end, p, 1) for i, p in enumerate(todo)]
    # Who has nothing left to do stays out until the evening.
    out.append(Task(periods[-1][1] - 60_000, periods[-1][1], share[:1], 1))
    return tuple(out)


def judge_rounds(
    network: Network, passes: Passes, crew: Crew, standard: Standard, day: date, zone: ZoneInfo, *, work_grids: gpd.GeoDataFrame
) -> GridRounds:  # fmt: skip
    """The audit's rules on passes, true or matched; no calibration, which is for evaluation to apply or not."""
    plain = standard.model_copy(update={"calibration": Calibration()})
    return grid_rounds(network, passes, crew, plain, day, zone, work_grids=work_grids, exceptions=_no_exceptions())
